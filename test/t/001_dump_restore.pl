# A dump restored into a new cluster, roles first: every row and definition is the
# same, what users added too, nothing moves twice, and business goes on.

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

is_query(
	$old,
	"SELECT count(DISTINCT status) FROM washminute_data.washing_requests",
	9, 'there are requests in every status');
is_query(
	$old,
	"SELECT count(*) FROM washminute_data.orders
	  WHERE payment_method = 'card' AND status IN ('pending', 'paid', 'completed', 'cancelled')
	 HAVING count(DISTINCT status) = 4",
	5, 'card orders are unpaid, paid, completed and cancelled');
is_query($old, 'SELECT count(*) FROM washminute.check_invariants()',
	0, 'the data are sound before the dump');

# what users add to our tables and beside them
$old->safe_psql('postgres', <<'SQL');
CREATE ROLE auditor;
CREATE ROLE garagist;
ALTER TABLE washminute_data.users ADD COLUMN points integer NOT NULL DEFAULT 7
  CONSTRAINT users_points_not_negative CHECK (points >= 0);
UPDATE washminute_data.users SET points = 42 WHERE user_id = 'amina';
CREATE INDEX users_by_points ON washminute_data.users (points DESC);
CREATE POLICY auditors_read_users ON washminute_data.users FOR SELECT TO auditor USING (points > 7);
GRANT USAGE ON SCHEMA washminute_data TO auditor;
GRANT SELECT (user_id, points) ON washminute_data.users TO auditor;
CREATE VIEW washminute_data.loyal_users AS
  SELECT user_id, points FROM washminute_data.users WHERE points > 7;
CREATE VIEW public.addresses AS SELECT request_id, address FROM washminute_api.requests;
CREATE TABLE washminute_data.garages (
  garage_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  owner_id text NOT NULL REFERENCES washminute_data.users (user_id),
  place geography(Point, 4326));
ALTER TABLE washminute_data.garages OWNER TO garagist;
INSERT INTO washminute_data.garages (owner_id, place) VALUES ('amina', 'POINT(-7.6 33.6)'), ('zineb', NULL);
CREATE FUNCTION public.note_update() RETURNS trigger LANGUAGE plpgsql
  AS $$ BEGIN NEW.points := NEW.points + 1; RETURN NEW; END $$;
CREATE TRIGGER users_noted BEFORE UPDATE ON washminute_data.users
  FOR EACH ROW EXECUTE FUNCTION public.note_update();
SQL

my $old_definitions = dump_of($old);
my $old_rows = rows_of($old);

$old->command_ok(
	[ 'pg_dumpall', '--roles-only', '--no-sync', '-f', "$folder/roles.sql", '-d', $old->connstr('postgres') ],
	'roles are dumped');
$old->command_ok([ 'pg_dump', '--no-sync', '-f', "$folder/plain.sql", $old->connstr('postgres') ],
	'the database is dumped as SQL');
$old->command_ok([ 'pg_dump', '--no-sync', '-Fc', '-f', "$folder/custom.dump", $old->connstr('postgres') ],
	'the database is dumped in the custom format');
$old->stop;

sub restore
{
	my ($way) = @_;
	my $new = washminute_node("new_$way", create => 0);

	# the roles include the superuser, who is there already
	my (undef, undef, $errors) =
	  $new->psql('postgres', slurp_file("$folder/roles.sql"), on_error_stop => 0);
	$errors = join("\n", grep { !/role "\w+" already exists/ } split(/\n/, $errors));
	is($errors, '', "$way: roles are restored");

	$new->command_ok(
		$way eq 'plain'
		? [ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$folder/plain.sql", '-d', $new->connstr('postgres') ]
		: [ 'pg_restore', '--exit-on-error', '-j', '4', '-d', $new->connstr('postgres'), "$folder/custom.dump" ],
		"$way: the database is restored without an error");
	return $new;
}

foreach my $way ('plain', 'custom')
{
	my $new = restore($way);

	is_same(rows_of($new), $old_rows, "$way: every row is there, and no other");
	is_same(dump_of($new), $old_definitions, "$way: a dump of the restored database is the same");

	# it can serve, but as a copy it does nothing by itself
	$new->safe_psql('postgres', noon('10 minutes'));
	is_query($new, 'SELECT washminute.run_due()', 0, "$way: nothing expires by itself");
	is_query($new, "SELECT count(*) FROM washminute.doctor() WHERE finding LIKE 'cloned:%'",
		1, "$way: doctor() says that it is cloned");
	is_same(rows_of($new), $old_rows, "$way: nothing has moved");

	my $before = dump_of($new, 'postgres', '--schema-only');
	$new->safe_psql('postgres', 'SELECT washminute.setup()');
	is_same(dump_of($new, 'postgres', '--schema-only'), $before, "$way: setup() finds nothing to repair");
	is_query($new, "SELECT count(*) FROM washminute.doctor() WHERE finding LIKE 'cloned:%'",
		1, "$way: setup() alone does not adopt the copy");

	# business goes on, and ids after those restored
	$new->safe_psql('postgres', noon() . people(9)
		. booking('new', cash => 'w9', qw(accepted en_route arrived in_progress completed)));
	is_query(
		$new, "SELECT status, washman_id FROM washminute_data.washing_requests WHERE address = 'new'",
		'completed|w9', "$way: a new booking comes to completion");
	is_query(
		$new, "SELECT washminute.washman_balance('w9') + 0.2 * total FROM washminute_data.orders AS o
		  JOIN washminute_data.washing_requests AS r USING (order_id) WHERE address = 'new'",
		'0.000', "$way: its commission is taken, once");
	$new->safe_psql('postgres', <<'SQL');
CREATE TEMPORARY TABLE going AS
  SELECT request_id FROM washminute_data.washing_requests WHERE address = 'in progress';
SELECT washminute.advance_request(request_id, 'w6', 'completed') FROM going;
SQL
	is_query($new, "SELECT washman_id, status FROM washminute_data.washing_requests WHERE address = 'in progress'",
		'w6|completed', "$way: a wash that was in progress is completed");
	is_query($new, 'SELECT count(*) FROM washminute.check_invariants()', 0, "$way: the data are sound");

	# what users added works
	is_query($new, 'SET ROLE auditor; SELECT user_id, points FROM washminute_data.users',
		'amina|42', "$way: a policy of the user's chooses rows");
	is_query($new, "SELECT * FROM washminute_data.loyal_users", 'amina|42', "$way: a view of the user's works");
	is_query($new, "SELECT count(*) FROM public.addresses WHERE address = 'new'",
		1, "$way: a view over the API works");
	is_query(
		$new, "INSERT INTO washminute_data.garages (owner_id) VALUES ('amina') RETURNING garage_id",
		3, "$way: an identity of the user's goes on");

	# adopted
	$new->safe_psql('postgres', 'SELECT washminute.adopt();' . noon('1 hour'));
	is_query($new, "SELECT count(*) FROM washminute.doctor() WHERE finding LIKE 'cloned:%'",
		0, "$way: after adopt() it is no clone");
	is_query($new, 'SELECT washminute.run_due() > 0', 't', "$way: and what is due expires");
	is_query($new, 'SELECT count(*) FROM washminute.check_invariants()', 0, "$way: the data are still sound");
	$new->stop;
}

done_testing();
