# Unrelated acceptances do not disturb each other, however long somebody holds a
# snapshot: 32 pgbench clients, each with washmen of its own, 250 in all, accept
# requests that only they try to get, while a transaction that does nothing keeps
# old versions of rows from being pruned.  So the pages fill, and updates write the
# indexes.  If an acceptance held a predicate lock on an index page where others
# have their rows, many would fail with 40001.
#
# As PostgREST does it, an acceptance is a transaction block of several
# statements, so that many are open at the same time.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use Washminute;

my $CLIENTS = 32;
my $WASHMEN = 250;
my $OFFERS = 16;
my $ROUNDS = 70;            # acceptances of each client

my $node = washminute_node('main', conf => <<'CONF');
max_connections = 120
log_statement = none
CONF
my $folder = PostgreSQL::Test::Utils::tempdir;

# Washman n belongs to the client n modulo 32, and works for it in turn.  A
# request is booked where its washman is, and offered to the 16 nearest.
$node->safe_psql('postgres', one_wave() . <<"SQL");
SELECT washminute.set_clock('2030-01-07 12:00+00', 0);
UPDATE washminute_data.settings SET value = $OFFERS WHERE name = 'offer_size';
SELECT washminute.upsert_user('c' || n, 'customer') FROM generate_series(0, $CLIENTS - 1) AS n;
SELECT washminute.upsert_user('w' || n, 'washman'),
       washminute.report_location('w' || n, -7.61 + n / 25 * 0.001, 33.59 + n % 25 * 0.001),
       washminute.set_washman_status('w' || n, 'online')
  FROM generate_series(0, $WASHMEN - 1) AS n;

CREATE SCHEMA herd;
CREATE TABLE herd.requests (
  client integer, round integer, washman text NOT NULL, request_id uuid NOT NULL,
  PRIMARY KEY (client, round));

-- Do the washman's job, and pay in the commission: he is free for the next.
CREATE FUNCTION herd.finish(id uuid, washman text) RETURNS void LANGUAGE plpgsql AS \$\$
BEGIN
  PERFORM washminute.advance_request(id, washman, s)
     FROM unnest('{en_route,arrived,in_progress,completed}'::text[]) AS s;
  PERFORM washminute.settle_balance(washman, 12, 'commission paid in');
END \$\$;
SQL

# pgbench with a script that counts its rounds in :round.
sub run_script
{
	my ($name, $sql, @options) = @_;
	my ($out, $err) = ('', '');

	append_to_file("$folder/$name.sql", "\\set round :round + 1\n"
		  . "\\set n :client_id + $CLIENTS * (:round % (($WASHMEN - 1 - :client_id) / $CLIENTS + 1))\n"
		  . $sql);
	$node->run_log(
		[
			'pgbench', '--no-vacuum', '--failures-detailed', '--max-tries=1', '-M', 'prepared',
			'-c', $CLIENTS, '-j', 2, '-D', 'round=0', @options,
			'-f', "$folder/$name.sql", 'postgres'
		],
		'>', \$out, '2>', \$err);
	is("$?|" . ($err =~ /abort/i ? 'aborted' : ''), '0|', "$name: no client gave up") or diag(substr($err, 0, 500));
	note($out);
	return $out;
}

run_script('booking', <<'SQL', '-t', $ROUNDS);
INSERT INTO herd.requests
SELECT :client_id, :round, p.washman_id, b.request_id
  FROM washminute_data.washman_positions AS p,
       LATERAL washminute.create_booking('c' || :client_id, '{exterior}', ST_X(p.last_location::geometry),
                                         ST_Y(p.last_location::geometry), 'Rue 1', 'cash') AS b
 WHERE p.washman_id = 'w' || :n;
SQL
$node->safe_psql('postgres', 'VACUUM ANALYZE');
is_query($node, "SELECT count(*) FROM herd.requests AS r JOIN washminute_data.offers AS f
                     ON f.request_id = r.request_id AND f.washman_id = r.washman",
	$CLIENTS * $ROUNDS, 'each request was offered to the washman who is to accept it');

my $idle = $node->background_psql('postgres');
$idle->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM herd.requests');

my $out = run_script('acceptance', <<'SQL', '-t', $ROUNDS);
SELECT request_id AS id, washman FROM herd.requests WHERE client = :client_id AND round = :round \gset
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT set_config('request.jwt.claims', '{"sub": "' || :washman || '"}', true);
SELECT status FROM washminute.accept_request(:id, :washman);
COMMIT;
SELECT herd.finish(:id, :washman);
SQL


my ($serialization) = $out =~ /number of serialization failures: (\d+)/;
my ($deadlocks) = $out =~ /number of deadlock failures: (\d+)/;
is("$serialization|$deadlocks", '0|0', 'none failed to serialize or met a deadlock');
is_query($node, "SELECT count(*) FROM washminute_data.jobs WHERE outcome = 'completed'",
	$CLIENTS * $ROUNDS, 'all were accepted and completed');

# it was as hard as it was meant to be
$node->safe_psql('postgres', 'SELECT pg_stat_force_next_flush()');
foreach my $table (qw(washing_requests accounts))
{
	my $others = $node->safe_psql('postgres',
		"SELECT n_tup_upd - n_tup_hot_upd FROM pg_stat_user_tables WHERE schemaname = 'washminute_data' AND relname = '$table'");
	cmp_ok($others, '>', $CLIENTS, "$table: $others updates wrote the indexes");
}
$idle->query_safe('COMMIT');
$idle->quit;
is_query($node, 'SELECT * FROM washminute.check_invariants()', '', 'the invariants hold');

$node->stop;
done_testing();
