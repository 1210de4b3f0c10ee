# The README's chapter on REST, from sign-up to a paid, completed job: its commands run as printed,
# in one shell, and what it shows is what comes out.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use Naps;
use PostgreSQL::Test::Utils;
use Rest;
use Test::More;
use Washminute;

my $readme = slurp_file("$FindBin::RealBin/../../README.md");
my ($chapter) = $readme =~ /^### From sign-up to a paid, completed job\n(.*?)^### /ms;

# Without what may differ from one client to another.
sub plain
{
	my ($text) = @_;

	$text =~ s/\s+//g;
	return $text;
}

# a second one would find amina's orders
foreach my $start ('start', Rest::real_program() ? 'start_real' : ())
{
	my $naps = Naps->start;
	my $market = Naps::Market->start($naps, washmen => 0, name => $start);

	$market->sql("UPDATE washminute_data.users SET phone = NULL WHERE user_id = 'amina'");
	# its login is that of the file that the chapter names
	$market->{node}->safe_psql('postgres', slurp_file("$FindBin::RealBin/../../src/gateway/rest/roles.sql"));
	$market->{node}->safe_psql('postgres', 'ALTER ROLE postgrest RENAME TO regress_washminute_authenticator');

	my $rest = Rest->$start($market->{node});
	my ($script, $out, $err) = ("set -e\nSECRET=$Rest::SECRET\n", '', '');
	my @shown;

	while ($chapter =~ /^```([^\n]*)\n(.*?)^```$/msg)
	{
		$script .= $2 if $1 eq 'sh try';
		push @shown, $2 if $1 eq '';
	}
	is(scalar(my @changed = $script =~ s{^(API|NAPS)=\S+$}{"$1=" . ($1 eq 'API' ? $rest->url : "http://127.0.0.1:" . $naps->port)}mge), 1,
		'the chapter names where PostgREST and the gateway are');
	ok(IPC::Run::run([ 'bash', '-c', $script ], '<', \'', '>', \$out, '2>', \$err), "$rest->{name}: the commands run") or diag("$out\n$err");
	my $printed = plain($out);
	foreach my $line (grep { /\w/ } map { split /\n/ } @shown)
	{
		ok(index($printed, plain($line)) >= 0, "$rest->{name}: shown as it comes: $line") or diag($out, $err);
	}
	$market->is_sound;
	$market->{node}->stop;
}

done_testing();
