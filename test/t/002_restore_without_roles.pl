# A dump restored where the roles are missing, or without its owners: commands
# refuse until setup() has made the roles and repaired who owns what.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use Washminute;

my $folder = PostgreSQL::Test::Utils::tempdir;

my $old = washminute_node('old');
fill_marketplace($old);

# what users add belongs to the superuser
$old->safe_psql('postgres', <<'SQL');
CREATE TABLE washminute_data.garages (
  garage_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  owner_id text NOT NULL REFERENCES washminute_data.users (user_id));
CREATE VIEW washminute_api.open_requests WITH (security_invoker = true) AS
  SELECT request_id, address FROM washminute_api.requests WHERE status = 'pending';
GRANT SELECT ON washminute_api.open_requests TO PUBLIC;
CREATE FUNCTION washminute_api.ping() RETURNS text LANGUAGE sql AS $$ SELECT 'pong' $$;
SQL

my $old_definitions = dump_of($old, 'postgres', '--schema-only');
my $old_rows = rows_of($old);
$old->command_ok([ 'pg_dump', '--no-sync', '-Fc', '-f', "$folder/custom.dump", $old->connstr('postgres') ],
	'the database is dumped');
$old->stop;

# The commands that a client would call next; each must refuse.
my %commands = (
	upsert_user => "upsert_user('new', 'customer')",
	report_location => "report_location('w9', -7.6, 33.59)",
	report_locations => "report_locations('{w9}', '{-7.6}', '{33.59}')",
	set_washman_status => "set_washman_status('w9', 'offline')",
	nearby_washmen => 'nearby_washmen(-7.6, 33.59)',
	create_booking => "create_booking('amina', '{complete}', -7.61, 33.59, 'here', 'cash')",
	accept_request => "accept_request(gen_random_uuid(), 'w9')",
	decline_request => "decline_request(gen_random_uuid(), 'w9')",
	advance_request => "advance_request(gen_random_uuid(), 'w9', 'en_route')",
	cancel_request => "cancel_request(gen_random_uuid(), 'amina')",
	record_payment => "record_payment(gen_random_uuid(), 1, 'x')",
	expire_due => 'expire_due()',
	run_due => 'run_due()',
	settle_balance => "settle_balance('w9', 1, 'x')",
	washman_balance => "washman_balance('w9')",
	request_history => 'request_history(gen_random_uuid())',
	adopt => 'adopt()');

# What belongs to somebody else than washminute_owner in the two schemas.
my $not_owned = <<'SQL';
SELECT string_agg(name, ' ' ORDER BY name COLLATE "C") FROM (
  SELECT relname FROM pg_class
   WHERE relnamespace IN ('washminute_data'::regnamespace, 'washminute_api'::regnamespace)
     AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND relowner <> 'washminute_owner'::regrole
  UNION ALL
  SELECT proname || '()' FROM pg_proc
   WHERE pronamespace IN ('washminute_data'::regnamespace, 'washminute_api'::regnamespace)
     AND proowner <> 'washminute_owner'::regrole
  UNION ALL
  SELECT nspname FROM pg_namespace
   WHERE nspname IN ('washminute_data', 'washminute_api') AND nspowner <> 'washminute_owner'::regrole
) AS foreign_object (name)
SQL

sub check_refusals
{
	my ($node, $detail, $name) = @_;

	foreach my $command (sort keys %commands)
	{
		is_refused($node, "SELECT * FROM washminute.$commands{$command}",
			'PT503', $detail, "$name: $command refuses");
	}
	is_query(
		$node, "SELECT finding, severity FROM washminute.doctor() WHERE remedy LIKE '%setup()%ownership%'",
		'tables do not belong to washminute_owner|error', "$name: doctor() says why");
	is_same(rows_of($node), $old_rows, "$name: no row has changed");
	return;
}

sub check_repaired
{
	my ($node, $name) = @_;

	is_query($node, $not_owned, 'garages garages_garage_id_seq open_requests ping()',
		"$name: only what users added stays the superuser's");
	is_same(dump_of($node, 'postgres', '--schema-only'),
		$old_definitions, "$name: every definition, policy and right is as before the dump");

	$node->safe_psql('postgres', noon() . people(9)
		. booking('new', cash => 'w9', qw(accepted en_route arrived in_progress completed)));
	is_query(
		$node, "SELECT status FROM washminute_data.washing_requests WHERE address = 'new'",
		'completed', "$name: a booking comes to completion");
	is_query(
		$node, qq{SET request.jwt.claims = '{"sub": "w9"}'; SET ROLE washminute_washman;
		  SELECT washminute_api.balance(), count(*) FROM washminute_api.requests},
		'-30.00|1', "$name: the API works for its roles");
	is_query($node, 'SELECT count(*) FROM washminute.check_invariants()', 0, "$name: the data are sound");
	return;
}

# without the roles: the only errors are about them
my $new = washminute_node('roleless', create => 0);
my ($stdout, $stderr);
IPC::Run::run([ 'pg_restore', '-j', '4', '-d', $new->connstr('postgres'), "$folder/custom.dump" ],
	'>', \$stdout, '2>', \$stderr);
my @errors = grep { /ERROR/ } split(/\n/, $stderr);
ok(@errors > 0, 'roleless: pg_restore complains');
is(join("\n", grep { !/role "washminute_\w+" does not exist/ } @errors),
	'', 'roleless: of missing roles only');
is_query($new, "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'washminute%'",
	0, 'roleless: there are no roles');

check_refusals($new, qr/^WM_OWNER_DIFFERS/, 'roleless');
$new->safe_psql('postgres', 'SELECT washminute.setup()');
check_repaired($new, 'roleless');
$new->stop;

# with the roles, but all belongs to the superuser
$new = washminute_node('ownerless', create => 0);
$new->safe_psql('postgres', "CREATE ROLE $_") foreach map { "washminute_$_" }
  qw(owner anon customer washman admin service gateway);
$new->command_ok([ 'pg_restore', '--no-owner', '--exit-on-error', '-d', $new->connstr('postgres'), "$folder/custom.dump" ],
	'ownerless: restored without an error');
check_refusals($new, qr/^WM_OWNER_DIFFERS \{"table": "accounts"\}$/, 'ownerless');

# a session that has been refused notices the repair
my $session = $new->background_psql('postgres', on_error_stop => 0);
$session->query("SELECT washminute.washman_balance('w1')");
like($session->{stderr}, qr/the tables do not belong to washminute_owner/, 'ownerless: an open session is refused');
$session->{stderr} = '';
$new->safe_psql('postgres', 'SELECT washminute.setup()');
is($session->query("SELECT washminute.washman_balance('w5')"), '0.00', 'ownerless: and goes on after setup()');
$session->quit;
check_repaired($new, 'ownerless');
$new->stop;

done_testing();
