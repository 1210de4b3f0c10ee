# The README is true: its SQL runs as printed, in order, in one psql session, the
# outputs it shows are what comes out, and its tables of errors, settings and
# business rules are those of the code.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Washminute;

my $readme = slurp_file("$FindBin::RealBin/../../README.md");
my $node = washminute_node('readme', cron => 1);

# Without what may differ from one client to another.
sub plain
{
	my ($text) = @_;

	$text =~ s/\s+/ /g;
	return $text;
}

my ($tour) = $readme =~ /^## Ten minutes in SQL\n(.*?)^## /ms;
my ($rules) = $readme =~ /^## Business rules\n(.*?)^## /ms;
my @blocks = "$tour\n$rules" =~ /^(```.*?^```)$/msg;
my $script = '';
my (@shown, $failing);
foreach my $block (@blocks)
{
	my ($kind, $body) = $block =~ /^```([^\n]*)\n(.*)^```$/ms;
	if ($kind =~ /^sql/)
	{
		$script .= $body;
		$failing++ if $kind =~ /error/;
	}
	else
	{
		push @shown, $body;
	}
}
is($failing, 1, 'one block of the tour shows an error');

my ($out, $err) = ('', '');
IPC::Run::run(
	[ 'psql', '-X', '-q', '-d', $node->connstr('postgres') ],
	'<', \$script, '>', \$out, '2>', \$err);
is(scalar(my @errors = $err =~ /^(?:psql.*)?ERROR:/mg), 1,
	'the SQL of the README runs, but for the one refusal it shows')
  or diag($err);

my $printed = plain($out . $err);
foreach my $body (@shown)
{
	foreach my $line (grep { /\w/ } split /\n/, $body)
	{
		ok(index($printed, plain($line)) >= 0, "shown as it comes: $line")
		  or diag($out, $err);
	}
}

sub table_is
{
	my ($heading, $query, $name) = @_;
	my ($section) = $readme =~ /^## \Q$heading\E\n(.*?)^## /ms;
	my $printed_rows = join("\n", grep { /^\| `/ } split /\n/, $section);

	is($printed_rows, $node->safe_psql('postgres', $query), $name);
	return;
}

table_is('Errors', q{
	SELECT '| `' || code || '` | ' || sqlstate || ' | ' || message || ' | ' || hint || ' |'
	  FROM washminute.error_codes()},
	'the table of errors is that of the code');
table_is('Business rules', q{
	SELECT '| `' || name || '` | ' || value || ' | ' || unit || ' | ' || description || ' |'
	  FROM (SELECT name, CASE name WHEN 'commission_percent' THEN 20 ELSE value END AS value,
	               unit, description FROM washminute_data.settings) AS s
	 ORDER BY name},
	'the table of business rules is that of the data');

my ($settings) = $readme =~ /^## Server settings\n(.*?)^## /ms;
is( join(' ', sort $settings =~ /^\| `(washminute\.\w+)`/mg),
	$node->safe_psql('postgres',
		"LOAD 'washminute'; SELECT string_agg(name, ' ' ORDER BY name) FROM pg_settings WHERE name LIKE 'washminute.%'"),
	'the table of server settings names them all');

my %chapter = (washminute => qr/^## Functions\n(.*?)^## /ms, washminute_api => qr/^### Functions and views\n(.*?)^### /ms);
foreach my $schema (sort keys %chapter)
{
	my ($functions) = $readme =~ $chapter{$schema};
	foreach my $name (split /\n/, $node->safe_psql('postgres', qq{
		SELECT DISTINCT proname FROM pg_proc
		 WHERE pronamespace = '$schema'::regnamespace
		   AND proname !~ '^_' AND proname NOT IN ('raise', 'require_caller', 'status_change_allowed')
		UNION ALL SELECT relname FROM pg_class WHERE relnamespace = '$schema'::regnamespace AND relkind = 'v'
		 ORDER BY 1}))
	{
		like($functions, qr/`$name\b/, "$schema.$name is in the README");
	}
}

$node->stop;
done_testing();
