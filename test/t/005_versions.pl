# Before setup(), and where library, extension and data are of different versions,
# commands refuse with PT503, and never crash.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use Washminute;

my $node = washminute_node('main', setup => 0);

my @commands = (
	"upsert_user('new', 'customer')",
	"report_location('w9', -7.6, 33.59)",
	"report_locations('{w9}', '{-7.6}', '{33.59}')",
	"set_washman_status('w9', 'offline')",
	'nearby_washmen(-7.6, 33.59)',
	"create_booking('amina', '{complete}', -7.61, 33.59, 'here', 'cash')",
	"accept_request(gen_random_uuid(), 'w9')",
	"decline_request(gen_random_uuid(), 'w9')",
	"advance_request(gen_random_uuid(), 'w9', 'en_route')",
	"cancel_request(gen_random_uuid(), 'amina')",
	"record_payment(gen_random_uuid(), 1, 'x')",
	'expire_due()',
	'run_due()',
	"settle_balance('w9', 1, 'x')",
	"washman_balance('w9')",
	'request_history(gen_random_uuid())',
	'adopt()');

# A test: every command refuses.
sub commands_refuse
{
	my ($detail, $name) = @_;

	subtest $name => sub {
		foreach my $command (@commands)
		{
			is_refused($node, "SELECT * FROM washminute.$command", 'PT503', $detail, $command);
		}
	};
	return;
}

# Versions as pg_extension and instance have them.
sub set_versions
{
	my ($extension, $data) = @_;

	$node->safe_psql('postgres', "UPDATE pg_extension SET extversion = '$extension' WHERE extname = 'washminute';
	  UPDATE washminute_data.instance SET version = '$data'");
	return;
}

commands_refuse(qr/^WM_NOT_SET_UP$/, 'before setup() every command refuses');
is_query($node, 'SELECT finding, severity FROM washminute.doctor() LIMIT 1',
	'washminute is not set up in this database|error', 'doctor() says so');
is_query($node, 'SELECT washminute.now() = now(), washminute.current_user_id() IS NULL, count(*) > 30
	FROM washminute.error_codes()', 't|t|t', 'what needs no data works');

$node->safe_psql('postgres', 'SELECT washminute.setup();' . people(1));
my $version = $node->safe_psql('postgres', 'SELECT washminute._library_version()');
is_query($node, "SELECT extversion = '$version' FROM pg_extension WHERE extname = 'washminute'",
	't', 'library and extension are of one version');

# a session that has called commands, and looks again after an invalidation only
my $ready = $node->background_psql('postgres', on_error_stop => 0);
is($ready->query("SELECT washminute.washman_balance('w1')"), '0.00', 'a session is ready');

foreach my $case (
	[ 'the data are older', $version, '0.0.9' ],
	[ 'the extension is older', '0.0.9', $version ],
	[ 'the library is newer than both', '0.0.9', '0.0.9' ],
	[ 'the library is older than both', '99.0.0', '99.0.0' ],
	[ 'the version is no version', '', 'x"y' ])
{
	my ($name, $extension, $data) = @$case;
	my $data_json = $data =~ s/"/\\"/r;

	set_versions($extension, $data);
	commands_refuse(
		qr/^WM_VERSION_DIFFERS \{"library": ?"\Q$version\E", ?"extension": ?"\Q$extension\E", ?"data": ?"\Q$data_json\E"\}$/,
		"$name: every command refuses");
	is_query(
		$node, "SELECT severity, remedy ~ 'ALTER EXTENSION washminute UPDATE' FROM washminute.doctor()
		  WHERE finding LIKE 'versions differ:%'",
		'error|t', "$name: doctor() says so");

	# any change of the instance table makes other sessions look again
	$node->safe_psql('postgres', 'ALTER TABLE washminute_data.instance SET (fillfactor = 90)');
	$ready->{stderr} = '';
	$ready->query("SELECT washminute.washman_balance('w1')");
	like($ready->{stderr}, qr/different versions/, "$name: an open session notices");

	if ($extension ne $version)
	{
		is_refused($node, 'SELECT washminute.setup()', 'PT503', qr/^WM_VERSION_DIFFERS .*"library": "\Q$version\E"/,
			"$name: setup() wants the extension updated first");
	}
	set_versions($version, $data);
	$node->safe_psql('postgres', 'SELECT washminute.setup()');
	is_query($node, 'SELECT version FROM washminute_data.instance', $version,
		"$name: setup() brings the data to the version");
	$ready->{stderr} = '';
	is($ready->query("SELECT washminute.washman_balance('w1')"), '0.00', "$name: the open session goes on");
}

# the row is gone
$node->safe_psql('postgres', 'DELETE FROM washminute_data.instance');
commands_refuse(qr/^WM_NOT_SET_UP/, 'without the row of the instance every command refuses');
$node->safe_psql('postgres', 'SELECT washminute.setup()');
is_query($node, "SELECT washminute.washman_balance('w1')", '0.00', 'setup() brings it back');

# setup() undone: its message to other sessions is, too
$ready->query('BEGIN; SELECT washminute.setup(); ROLLBACK');
is($ready->query("SELECT washminute.washman_balance('w1')"), '0.00', 'a setup() that is rolled back changes nothing');

$node->safe_psql('postgres', 'DROP EXTENSION washminute CASCADE');
$ready->{stderr} = '';
$ready->query("SELECT washminute.washman_balance('w1')");
like($ready->{stderr}, qr/schema "washminute" does not exist/, 'a session survives DROP EXTENSION');
$node->safe_psql('postgres', 'DROP SCHEMA washminute_data, washminute_api CASCADE; CREATE EXTENSION washminute');
$ready->{stderr} = '';
$ready->query("SELECT washminute.washman_balance('w1')");
like($ready->{stderr}, qr/not set up/, 'and learns of a new, empty installation');
$node->safe_psql('postgres', 'SELECT washminute.setup();' . people(1));
$ready->{stderr} = '';
is($ready->query("SELECT washminute.washman_balance('w1')"), '0.00', 'and of its setup()');
$ready->quit;

done_testing();
