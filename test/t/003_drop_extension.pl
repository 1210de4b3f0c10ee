# DROP EXTENSION washminute CASCADE takes the code, never the data: every table,
# column, constraint, index and row stays and is closed to users, until CREATE
# EXTENSION and setup() bring back the rest.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use DBI;
use PostgreSQL::Test::Utils;
use Test::More;
use Washminute;

my $node = washminute_node('main');
fill_marketplace($node);
$node->safe_psql('postgres', <<'SQL');
ALTER TABLE washminute_data.users ADD COLUMN points integer NOT NULL DEFAULT 7;
CREATE TABLE washminute_data.garages (
  garage_id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  owner_id text NOT NULL REFERENCES washminute_data.users (user_id));
INSERT INTO washminute_data.garages (owner_id) VALUES ('amina');
CREATE VIEW washminute_data.loyal_users AS SELECT user_id, points FROM washminute_data.users;
SQL

# Everything about the tables but their policies and triggers.
my $tables = <<'SQL';
SELECT 'table', c.relname, c.relkind, c.relowner::regrole, c.relrowsecurity, c.reloptions, c.relacl
  FROM pg_class AS c
 WHERE c.relnamespace = 'washminute_data'::regnamespace AND c.relkind IN ('r', 'S')
 ORDER BY c.relname;
SELECT 'column', c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       a.attidentity, a.attacl, pg_get_expr(d.adbin, d.adrelid)
  FROM pg_class AS c
  JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0
  LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
 WHERE c.relnamespace = 'washminute_data'::regnamespace AND c.relkind = 'r'
 ORDER BY c.relname, a.attnum;
SELECT 'constraint', conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated
  FROM pg_constraint WHERE connamespace = 'washminute_data'::regnamespace
 ORDER BY conrelid::regclass::text, conname;
SELECT 'index', indexrelid::regclass, pg_get_indexdef(indexrelid), indisvalid
  FROM pg_index JOIN pg_class AS c ON c.oid = indexrelid
 WHERE c.relnamespace = 'washminute_data'::regnamespace
 ORDER BY c.relname;
SELECT 'sequence', schemaname, sequencename, last_value FROM pg_sequences ORDER BY schemaname, sequencename;
SQL

my $definitions = dump_of($node, 'postgres', '--schema-only');
my $shape = $node->safe_psql('postgres', $tables);
my $rows = rows_of($node);
like($shape, qr/^constraint\|washminute_data.jobs\|jobs_washman_times_never_overlap\|EXCLUDE/m,
	'the list of what must stay is no empty one');

my $session = $node->background_psql('postgres');
$session->query_safe('SELECT washminute.run_due()');

$node->safe_psql('postgres', 'DROP EXTENSION washminute CASCADE');

is_same($node->safe_psql('postgres', $tables),
	$shape, 'every table, column, constraint, index and sequence stays');
is_same(rows_of($node), $rows, 'every row stays');
is_query($node, "SELECT count(*) FROM pg_namespace WHERE nspname = 'washminute'", 0, 'the code is gone');
is_query(
	$node, "SELECT count(*) FROM pg_class
	  WHERE relnamespace = 'washminute_data'::regnamespace AND relkind = 'r' AND NOT relrowsecurity
	    AND relname <> 'garages'",
	0, 'row-level security stays on');
is_query($node, 'SELECT points FROM washminute_data.loyal_users LIMIT 1', 7, "a view of the user's stays");

# Whatever relation of ours a role may name, it finds no row there.
my $roles = join(', ', map { "washminute_$_" } qw(anon customer washman admin));
$node->safe_psql('postgres', "GRANT USAGE ON SCHEMA washminute_data TO $roles");
my @relations = split(/\n/, $node->safe_psql('postgres', <<'SQL'));
SELECT format('%I.%I', n.nspname, c.relname)
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE n.nspname IN ('washminute_data', 'washminute_api') AND c.relkind IN ('r', 'v')
   AND c.relname NOT IN ('garages', 'loyal_users')
 ORDER BY 1
SQL
cmp_ok(scalar(@relations), '>', 18, 'there are tables and views to try');

foreach my $known ([ anon => 'nobody' ], [ customer => 'amina' ], [ washman => 'w1' ], [ admin => 'zineb' ])
{
	my ($role, $id) = @$known;
	my $caller = DBI->connect('dbi:Pg:' . $node->connstr('postgres'), '', '', { RaiseError => 0, PrintError => 0 });
	my @readable;

	foreach my $relation (@relations)
	{
		# a role may not read every column
		$caller->do('RESET ROLE');
		my ($columns) = $caller->selectrow_array(qq{
			SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
			 WHERE attrelid = '$relation'::regclass AND attnum > 0
			   AND has_column_privilege('washminute_$role', attrelid, attnum, 'SELECT')});
		$caller->do(qq{SET request.jwt.claims = '{"sub": "$id"}'});
		$caller->do("SET ROLE washminute_$role") or die "no role washminute_$role";
		push @readable, $relation
		  if $caller->selectrow_array('SELECT EXISTS (SELECT ' . ($columns // '') . " FROM $relation)");
	}
	$caller->disconnect;
	is("@readable", '', "washminute_$role reads no row meanwhile");
}
is_refused(
	$node, qq{SET request.jwt.claims = '{"sub": "amina"}'; SET ROLE washminute_customer;
	  SELECT * FROM washminute_api.create_booking('{complete}', -7.61, 33.59, 'here', 'cash')},
	'3F000', undef, 'the API fails cleanly meanwhile');
is_refused(
	$node, "UPDATE washminute_data.washing_requests SET status = 'completed' WHERE status = 'in_progress'",
	'3F000', undef, 'the status stays guarded meanwhile');
$node->safe_psql('postgres', "REVOKE USAGE ON SCHEMA washminute_data FROM $roles");

$node->safe_psql('postgres', 'CREATE EXTENSION washminute');
is_same(rows_of($node), $rows, 'CREATE EXTENSION changes no row');
$node->safe_psql('postgres', 'SELECT washminute.setup()');
is_same(dump_of($node, 'postgres', '--schema-only'), $definitions,
	'setup() brings every view, policy, trigger and right back');
becomes($node, "SELECT count(*) FROM washminute.doctor() WHERE severity = 'error' OR finding LIKE 'cloned%'",
	1, 'doctor() finds nothing but the fsync of the tests');

is_query(
	$node, qq{SET request.jwt.claims = '{"sub": "amina"}'; SET ROLE washminute_customer;
	  SELECT name, (SELECT count(*) > 9 FROM washminute_api.orders) FROM washminute_api.me},
	'Amina|t', 'a customer reads her own again');
is($session->query_safe("SELECT washminute.washman_balance('w5')"),
	'0.00', 'a session from before goes on');
$session->quit;
$node->safe_psql('postgres', noon() . people(9)
	. booking('new', cash => 'w9', qw(accepted en_route arrived in_progress completed)));
$node->safe_psql('postgres', <<'SQL');
SELECT washminute.advance_request(request_id, 'w6', 'completed')
  FROM washminute_data.washing_requests WHERE address = 'in progress';
SQL
is_query(
	$node, "SELECT string_agg(status, ' ') FROM washminute_data.washing_requests WHERE address IN ('new', 'in progress')",
	'completed completed', 'an old and a new booking come to completion');
is_query($node, 'SELECT count(*) FROM washminute.check_invariants()', 0, 'the data are sound');

done_testing();
