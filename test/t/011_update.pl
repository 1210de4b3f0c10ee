# ALTER EXTENSION washminute UPDATE and setup() bring an older installation, with
# its data, to what a new one is.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use File::Copy qw(copy);
use File::Path qw(make_path);
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Washminute;

my $source = "$FindBin::RealBin/../..";
my ($server, $scripts) = server_copy();
my ($version) = slurp_file("$source/washminute.control") =~ /^default_version = '(.*)'/m;

#
# A release with one more function, one fewer, one changed, and a migration
#

my $tree = PostgreSQL::Test::Utils::tempdir;

sub generate
{
	my ($from, $what, $to) = @_;
	my ($stdout, $stderr) = ('', '');
	my $good = IPC::Run::run([ "$from/sql/generate", $what ], '>', \$stdout, '2>', \$stderr);

	append_to_file("$scripts/washminute--$to.sql", $stdout) if $good && $to;
	return $stderr;
}

system('cp', '-r', "$source/sql", "$source/washminute.control", $tree) == 0 or die 'could not copy the source';
copy("$tree/washminute.control", $scripts) or die 'could not copy the control file';
make_path("$tree/sql/updates");
append_to_file("$tree/sql/updates/0.0.9--$version.sql", "DROP FUNCTION washminute.former();\n");
append_to_file("$tree/sql/code/20_setup.sql",
	"CREATE OR REPLACE FUNCTION washminute.newcomer() RETURNS text LANGUAGE sql RETURN 'new';\n");
append_to_file("$tree/sql/code/40_history.sql",
	"COMMENT ON FUNCTION washminute.request_history(uuid) IS 'Told anew.';\n");
append_to_file("$tree/sql/schema/900_points.sql",
	"ALTER TABLE washminute_data.users ADD COLUMN points integer NOT NULL DEFAULT 7;\n");
append_to_file("$tree/sql/api/90_points.sql",
	"CREATE OR REPLACE VIEW washminute_api.points WITH (security_invoker = true) AS\n"
	  . "SELECT user_id, points FROM washminute_data.users;\n");

is(generate($source, $version, '0.0.9'), '', 'the old release has an install script');
append_to_file("$scripts/washminute--0.0.9.sql",
	"CREATE FUNCTION washminute.former() RETURNS text LANGUAGE sql RETURN 'old';\n");
is(generate($tree, $version, $version), '', 'the new release has an install script');
is(generate($tree, "0.0.9--$version", "0.0.9--$version"), '', 'and an update script');
like(generate($tree, "0.0.8--$version"), qr/leads from 0\.0\.8 to 0\.0\.8 only/, 'there is none from an unknown release');

foreach my $word ('MODULE_PATHNAME', '@extschema@', '@extowner@', '\\echo hello')
{
	my $file = "$tree/sql/policy/99_bad.sql";

	append_to_file($file, "-- $word\n");
	like(generate($tree, $version), qr/99_bad.sql must not contain/, "a script of setup() must not contain $word");
	unlink($file);
}

#
# The old installation
#

# setup() compares the extension's version with the library's, which there is one of
sub pretend
{
	my ($node, $extension_version) = @_;

	$node->safe_psql('postgres',
		"UPDATE pg_extension SET extversion = '$extension_version' WHERE extname = 'washminute'");
	return;
}

my $node = washminute_node('main', create => 0, new => { install_path => $server });
$node->safe_psql('postgres', "CREATE EXTENSION washminute VERSION '0.0.9' CASCADE");
is_refused($node, 'SELECT washminute.setup()', 'PT503', qr/^WM_VERSION_DIFFERS .*"extension": "0.0.9"/,
	'an older extension under a newer library is refused');
pretend($node, $version);
$node->safe_psql('postgres', 'SELECT washminute.setup()');
fill_marketplace($node);
pretend($node, '0.0.9');
$node->safe_psql('postgres', "UPDATE washminute_data.instance SET version = '0.0.9'");
$node->safe_psql('postgres', 'CREATE VIEW public.addresses AS SELECT request_id, address FROM washminute_api.requests');
is_query($node, 'SELECT washminute.former()', 'old', 'an old release is installed, with data');
my $rows = rows_of($node);

#
# The update
#

my $before = $node->background_psql('postgres', on_error_stop => 0);
$before->query("SELECT washminute.washman_balance('w5')");
like($before->{stderr}, qr/different versions/, 'commands refuse before the update');

$node->safe_psql('postgres', 'ALTER EXTENSION washminute UPDATE');
is_query($node, "SELECT extversion FROM pg_extension WHERE extname = 'washminute'", $version, 'the extension is updated');
is_query($node, "SELECT washminute.newcomer(), to_regproc('washminute.former') IS NULL", 'new|t', 'functions have come and gone');
is_same(rows_of($node), $rows, 'no row has changed');
is_refused($node, 'SELECT washminute.run_due()', 'PT503', qr/^WM_VERSION_DIFFERS .*"data": "0.0.9"/, 'commands refuse until setup()');

is_query($node, 'SELECT washminute.setup()', $version, 'setup() brings the data to the version');
is_query($node, 'SELECT DISTINCT points FROM washminute_api.points', 7, 'its migration has run');
is_query($node, "SELECT version FROM washminute_data.migrations WHERE name = '900_points'", $version, 'and is recorded');
$before->{stderr} = '';
is($before->query("SELECT washminute.washman_balance('w5')"), '0.00', 'a session from before goes on');
$before->quit;

is_query(
	$node, "SELECT count(*) FROM pg_proc AS p WHERE pronamespace = 'washminute'::regnamespace
	  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')",
	0, 'every function of the code belongs to the extension');
is_query(
	$node, "SELECT count(*) FROM pg_depend AS d JOIN pg_class AS c ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
	  WHERE d.deptype = 'e' AND c.relnamespace IN ('washminute_data'::regnamespace, 'washminute_api'::regnamespace)",
	0, 'and nothing of the data');

# A new installation beside it is the same.
my $functions = <<'SQL';
SELECT pg_get_functiondef(oid), proacl::text[] @> '{}', obj_description(oid, 'pg_proc') FROM pg_proc
 WHERE pronamespace = 'washminute'::regnamespace ORDER BY proname, oid::regprocedure::text COLLATE "C"
SQL
$node->safe_psql('postgres', 'CREATE DATABASE fresh');
create_washminute($node, 'fresh');
$node->safe_psql('postgres', 'DROP VIEW public.addresses');
is_same(dump_of($node, 'postgres', '--schema-only'), dump_of($node, 'fresh', '--schema-only'),
	'tables, policies, views and rights are those of a new installation');
is_same($node->safe_psql('postgres', $functions), $node->safe_psql('fresh', $functions), 'so are the functions');
like($node->safe_psql('fresh', $functions), qr/Told anew/, 'which are the new ones');

$node->safe_psql('postgres', noon() . people(9)
	. booking('new', cash => 'w9', qw(accepted en_route arrived in_progress completed)));
is_query($node, "SELECT status FROM washminute_data.washing_requests WHERE address = 'new'", 'completed', 'business goes on');
is_query($node, 'SELECT count(*) FROM washminute.check_invariants()', 0, 'the data are sound');

done_testing();
