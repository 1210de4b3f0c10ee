# setup() refuses where it would do harm, does all or nothing, repairs what is its
# own, leaves what users added, and touches no other database.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use Washminute;

my $node = washminute_node('main', setup => 0);
my $setup = 'SELECT washminute.setup()';

# How many roles, schemas, tables and functions setup() has made.
my $made = <<'SQL';
SELECT (SELECT count(*) FROM pg_roles WHERE rolname LIKE 'washminute\_%')
     + (SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'washminute\_%')
     + (SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
         WHERE n.nspname LIKE 'washminute\_%')
SQL

# a second database, which must never change
$node->safe_psql('postgres', 'CREATE DATABASE bystander');
$node->safe_psql('bystander', <<'SQL');
CREATE SCHEMA washminute_data;
CREATE TABLE washminute_data.users (name text);
INSERT INTO washminute_data.users VALUES ('somebody else');
SQL
my $bystander = dump_of($node, 'bystander');

#
# Refusals before anything is there
#

$node->safe_psql('postgres', 'CREATE ROLE plain LOGIN');
is_refused($node, "SET ROLE plain; $setup", '42501', undef, 'a plain user may not call setup()');
$node->safe_psql('postgres', 'GRANT USAGE ON SCHEMA washminute TO plain;
  GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA washminute TO plain');
is_refused($node, "SET ROLE plain; $setup", 'PT403', qr/^WM_SUPERUSER_ONLY$/,
	'not even where he was granted the functions');
is_refused($node, 'SET ROLE plain; SELECT washminute.adopt()',
	'PT403', qr/^WM_SUPERUSER_ONLY$/, 'nor adopt()');
is_refused($node, 'SET ROLE plain; SELECT washminute.set_clock(now())',
	'PT403', qr/^WM_SUPERUSER_ONLY$/, 'nor set_clock()');
$node->safe_psql('postgres', 'DROP OWNED BY plain');

# a command inside CREATE EXTENSION calls setup(), as a script could
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION call_setup() RETURNS event_trigger LANGUAGE plpgsql
  AS $$ BEGIN PERFORM washminute.setup(); END $$;
CREATE EVENT TRIGGER inside_extension ON ddl_command_end WHEN TAG IN ('CREATE FUNCTION')
  EXECUTE FUNCTION call_setup();
SQL
is_refused($node, 'CREATE EXTENSION isn', 'PT500', qr/^WM_CALLED_INSIDE_EXTENSION$/,
	'setup() refuses inside CREATE EXTENSION');
$node->safe_psql('postgres', 'DROP EVENT TRIGGER inside_extension');
is_query($node, $made, 0, 'and has made nothing');

# a failure at the very end undoes the whole
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE kept_script AS TABLE washminute.setup_script;
UPDATE washminute.setup_script SET body = body || 'SELECT 1 / 0;' WHERE name = (
  SELECT max(name) FROM washminute.setup_script WHERE kind = 'api');
SQL
is_refused($node, $setup, '22012', undef, 'a script that fails lets setup() fail');
is_query($node, $made, 0, 'which leaves neither roles nor schemas behind');
$node->safe_psql('postgres', 'UPDATE washminute.setup_script AS s SET body = k.body
  FROM kept_script AS k WHERE k.kind = s.kind AND k.name = s.name');

foreach my $schema ('washminute_data', 'washminute_api')
{
	$node->safe_psql('postgres', "CREATE SCHEMA $schema AUTHORIZATION plain");
	is_refused($node, $setup, 'PT409', qr/^WM_SCHEMA_FOREIGN \{"owner": "plain", "schema": "$schema"\}$/,
		"setup() refuses a schema $schema that somebody else owns");
	$node->safe_psql('postgres', "DROP SCHEMA $schema; CREATE SCHEMA $schema");
	is_refused($node, $setup, 'PT409', qr/^WM_SCHEMA_FOREIGN .*"$schema"/,
		"or a superuser's $schema with none of our data in it");
	$node->safe_psql('postgres', "DROP SCHEMA $schema");
}

foreach my $attribute ('LOGIN', 'SUPERUSER', 'BYPASSRLS')
{
	foreach my $role ('washminute_owner', 'washminute_service')
	{
		$node->safe_psql('postgres', "CREATE ROLE $role $attribute");
		is_refused($node, $setup, 'PT409', qr/^WM_ROLE_UNSAFE \{"role": "$role"\}$/,
			"setup() refuses a role $role with $attribute");
		is_query($node, $made, 1, 'and has made no other');
		$node->safe_psql('postgres', "DROP ROLE $role");
	}
}

$node->safe_psql('postgres', <<'SQL');
CREATE ROLE washminute_owner;
CREATE SCHEMA washminute_data AUTHORIZATION washminute_owner;
CREATE TABLE washminute_data.outbox (note text);
ALTER TABLE washminute_data.outbox OWNER TO plain;
SQL
is_refused($node, $setup, 'PT409', qr/^WM_OBJECT_IN_THE_WAY .*"outbox".*"plain"/,
	'setup() refuses a table of its name that another role owns');
$node->safe_psql('postgres', 'ALTER TABLE washminute_data.outbox OWNER TO CURRENT_USER');
is_refused($node, $setup, 'PT409', qr/^WM_OBJECT_IN_THE_WAY .*"outbox"/,
	"or a superuser's, where nothing was set up before");
$node->safe_psql('postgres', 'DROP SCHEMA washminute_data CASCADE; DROP ROLE washminute_owner');

#
# Success, and again
#

my $version = $node->safe_psql('postgres', "SELECT extversion FROM pg_extension WHERE extname = 'washminute'");
is_query($node, $setup, $version, 'setup() returns the version');
my $definitions = dump_of($node, 'postgres', '--schema-only');
fill_marketplace($node);
my $rows = rows_of($node);
is_query($node, $setup, $version, 'a second call returns it too');
is_same(dump_of($node, 'postgres', '--schema-only'), $definitions, 'and changes no definition');
my $time = qr/^(washminute_data\.instance\|.*),"[^"]*"(,,\d+,\d+\))$/m;
$rows =~ s/$time/$1$2/;
my $rows_again = rows_of($node);
$rows_again =~ s/$time/$1$2/;
is_same($rows_again, $rows, 'and no row but the time of setup()');
$node->safe_psql('postgres', "BEGIN ISOLATION LEVEL SERIALIZABLE; $setup; COMMIT");
is_same(dump_of($node, 'postgres', '--schema-only'), $definitions, 'it works in a serializable transaction');

#
# Refusals later
#

$node->safe_psql('postgres', "UPDATE washminute.setup_script SET body = body || ' ' WHERE kind = 'schema' AND name = '020_people'");
is_refused($node, $setup, 'PT409', qr/^WM_MIGRATION_CHANGED \{"migration": "020_people"\}$/,
	'setup() refuses a migration that was changed');
$node->safe_psql('postgres', "UPDATE washminute.setup_script SET body = rtrim(body, ' ') WHERE kind = 'schema' AND name = '020_people'");

$node->safe_psql('postgres', "INSERT INTO washminute.setup_script VALUES
  ('schema', '900_next', 'CREATE TABLE washminute_data.next (x int); SELECT 1 / 0;')");
is_refused($node, $setup, '22012', undef, 'a migration that fails lets setup() fail');
is_query($node, "SELECT to_regclass('washminute_data.next') IS NULL", 't', 'and leaves nothing');
$node->safe_psql('postgres', "UPDATE washminute.setup_script SET body =
  'CREATE TABLE washminute_data.next (who text DEFAULT CURRENT_USER); INSERT INTO washminute_data.next DEFAULT VALUES;'
  WHERE name = '900_next'; $setup; $setup");
is_query($node, 'SELECT who FROM washminute_data.next', 'washminute_owner',
	'a migration runs once, as washminute_owner');
$node->safe_psql('postgres', "DELETE FROM washminute.setup_script WHERE name = '900_next';
  DELETE FROM washminute_data.migrations WHERE name = '900_next'; DROP TABLE washminute_data.next");

$node->safe_psql('postgres', 'ALTER TABLE washminute_data.offers OWNER TO plain');
is_refused($node, $setup, 'PT409', qr/^WM_OBJECT_IN_THE_WAY .*"offers".*"plain"/,
	'setup() refuses a table that was given to another role');
is_refused($node, 'SELECT washminute.run_due()', 'PT503', qr/^WM_OWNER_DIFFERS \{"table": "offers"\}$/,
	'commands refuse as well');
$node->safe_psql('postgres', 'ALTER TABLE washminute_data.offers OWNER TO washminute_owner');

$node->safe_psql('postgres', 'ALTER ROLE washminute_customer BYPASSRLS');
is_refused($node, $setup, 'PT409', qr/^WM_ROLE_UNSAFE/, 'setup() refuses a role that has become unsafe');
$node->safe_psql('postgres', 'ALTER ROLE washminute_customer NOBYPASSRLS');

#
# Repairs, and what users added
#

$node->safe_psql('postgres', <<'SQL');
DROP POLICY users_read_own ON washminute_data.users;
ALTER POLICY orders_read_own ON washminute_data.orders USING (true);
DROP TRIGGER washing_requests_status_guarded ON washminute_data.washing_requests;
ALTER TABLE washminute_data.events DISABLE TRIGGER events_append_only;
DROP VIEW washminute_api.me;
CREATE OR REPLACE VIEW washminute_api.services WITH (security_invoker = false) AS
  SELECT service_code, kind, name_ar, name_fr, name_en, (price * 2)::numeric(12, 2) AS price, duration_minutes
    FROM washminute_data.services;
DROP FUNCTION washminute_api.balance();
REVOKE SELECT ON washminute_api.orders FROM washminute_customer;
REVOKE EXECUTE ON FUNCTION washminute.now() FROM washminute_owner;
SQL
$node->safe_psql('postgres', $setup);
is_same(dump_of($node, 'postgres', '--schema-only'), $definitions,
	'setup() brings back policies, triggers, views, functions and rights');

$node->safe_psql('postgres', <<'SQL');
ALTER TABLE washminute_data.users ADD COLUMN points integer DEFAULT 7;
CREATE INDEX users_by_points ON washminute_data.users (points);
CREATE POLICY users_read_loyal ON washminute_data.users FOR SELECT TO plain USING (points > 7);
CREATE TABLE washminute_data.garages (garage_id integer PRIMARY KEY);
CREATE VIEW washminute_api.garages AS TABLE washminute_data.garages;
CREATE VIEW public.addresses AS SELECT address FROM washminute_api.requests;
CREATE FUNCTION washminute_api.ping() RETURNS text LANGUAGE sql AS $$ SELECT 'pong' $$;
CREATE FUNCTION washminute_api.balance(currency text) RETURNS text LANGUAGE sql AS $$ SELECT currency $$;
CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER users_nothing BEFORE UPDATE ON washminute_data.users
  FOR EACH ROW EXECUTE FUNCTION public.nothing();
GRANT SELECT ON washminute_api.requests TO plain;
UPDATE washminute_data.settings SET value = 12.50 WHERE name = 'commission_percent';
UPDATE washminute_data.services SET price = 61 WHERE service_code = 'exterior';
SQL
my $with_additions = dump_of($node, 'postgres', '--schema-only');
isnt($with_additions, $definitions, 'users add to the two schemas');
$node->safe_psql('postgres', $setup);
is_same(dump_of($node, 'postgres', '--schema-only'), $with_additions, 'setup() leaves that alone');
is_query(
	$node, "SELECT value FROM washminute_data.settings WHERE name = 'commission_percent'
	  UNION ALL SELECT price FROM washminute_data.services WHERE service_code = 'exterior'",
	"12.50\n61.00", 'and prices and settings');

# A view of ours takes another form, as in an upgrade.  A user's view stands on it.
$node->safe_psql('postgres', "UPDATE washminute.setup_script SET body =
  replace(body, 'SELECT r.request_id, r.order_id,', 'SELECT r.order_id, r.request_id,') WHERE kind = 'api'");
is_refused($node, $setup, '2BP01', qr/addresses/, 'a view that a user needs is not dropped under him');
is_same(dump_of($node, 'postgres', '--schema-only'), $with_additions, 'nothing has changed');
$node->safe_psql('postgres', "DROP VIEW public.addresses; $setup");
is_query(
	$node, "SELECT attnum FROM pg_attribute
	  WHERE attrelid = 'washminute_api.requests'::regclass AND attname = 'order_id'",
	1, 'without it the view takes its new form');
is_query($node, "SELECT washminute_api.ping(), washminute_api.balance('MAD'), count(*) FROM washminute_api.garages",
	'pong|MAD|0', "a user's view and functions beside it stay");

# What the owner of the tables adds must not act with the rights of who calls.
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE public.seen (who text);
GRANT INSERT ON public.seen TO PUBLIC;
SET ROLE washminute_owner;
CREATE FUNCTION washminute_data.see() RETURNS trigger LANGUAGE plpgsql
  AS $$ BEGIN INSERT INTO public.seen VALUES (CURRENT_USER); RETURN NEW; END $$;
CREATE TRIGGER see BEFORE INSERT OR UPDATE ON washminute_data.instance
  FOR EACH ROW EXECUTE FUNCTION washminute_data.see();
RESET ROLE;
SELECT washminute.setup();
SELECT washminute.adopt();
DROP FUNCTION washminute_data.see() CASCADE;
SQL
is_query($node, 'SELECT DISTINCT who FROM public.seen', 'washminute_owner',
	'setup() and adopt() write as washminute_owner');

# a deferred trigger would run at commit, when the superuser is himself again
$node->safe_psql('postgres', <<'SQL');
SET ROLE washminute_owner;
CREATE FUNCTION washminute_data.later() RETURNS trigger LANGUAGE plpgsql
  AS $$ BEGIN INSERT INTO public.seen VALUES (CURRENT_USER); RETURN NEW; END $$;
CREATE CONSTRAINT TRIGGER later AFTER INSERT OR UPDATE ON washminute_data.instance
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION washminute_data.later();
SQL
foreach my $call ('setup', 'adopt')
{
	is_refused($node, "SELECT washminute.$call()", '42501', undef,
		"$call() does not leave a trigger of the owner for the commit");
}
is_query($node, 'SELECT DISTINCT who FROM public.seen', 'washminute_owner', 'nothing ran as superuser');
$node->safe_psql('postgres', 'DROP FUNCTION washminute_data.later() CASCADE');

#
# Other databases
#

is_same(dump_of($node, 'bystander'), $bystander, 'a database without the extension is left alone');

$node->safe_psql('postgres', 'CREATE DATABASE second');
create_washminute($node, 'second');
$rows = rows_of($node);
is_query($node, 'SELECT (SELECT count(*) FROM washminute_data.users) + (SELECT count(*) FROM washminute_data.events)',
	0, 'a second database with the extension begins empty', 'second');
fill_marketplace($node, 'second');
is_same(rows_of($node), $rows, 'and what happens there does not show in the first');
is_query($node, 'SELECT count(*) FROM washminute.check_invariants()', 0, 'it is sound', 'second');
is_query($node, "SELECT count(*) FROM washminute.doctor() WHERE finding LIKE 'cloned%'", 0, 'and no clone', 'second');

# both are set up at a time
my $session = $node->background_psql('postgres');
$session->query_safe("BEGIN; $setup");
is_query($node, "SET lock_timeout = '30s'; $setup", $version, 'both can be set up at a time', 'second');
$session->query_safe('ROLLBACK');
$session->quit;

$node->safe_psql('second', 'DROP EXTENSION washminute CASCADE');
is_query($node, "SELECT washminute.washman_balance('w1') IS NOT NULL", 't',
	'dropping the extension in one leaves the other');
$node->safe_psql('postgres', 'DROP DATABASE second');
is_same(dump_of($node, 'bystander'), $bystander, 'the third is left alone still');

done_testing();
