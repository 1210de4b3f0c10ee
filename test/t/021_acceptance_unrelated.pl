# Unrelated acceptances do not disturb each other: 32 pgbench clients, each with
# washmen of its own, 500 in all, accept requests that only they try to get.  A
# range read over what other acceptances write, a counter that they share, or an
# update that touches an index page would fail many of them with 40001.
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
my $WASHMEN = 500;
my $OFFERS = 16;
my $ROUNDS = 150;           # acceptances of each client
my $MAX_FAILED = 0.001;     # of all acceptances, with 40001 or a deadlock

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
my ($tps) = $out =~ /tps = ([\d.]+)/;
my $calls = $CLIENTS * $ROUNDS;
note(sprintf('%d acceptances, %.0f jobs/s, %d failed to serialize, %d deadlocks (%.4f %%)',
		$calls, $tps, $serialization, $deadlocks, 100 * ($serialization + $deadlocks) / $calls));
cmp_ok($serialization + $deadlocks, '<=', $MAX_FAILED * $calls,
	'at most 0.1 % failed to serialize or met a deadlock');
is_query($node, "SELECT count(*) FROM washminute_data.jobs WHERE outcome = 'completed'",
	$calls - $serialization - $deadlocks, 'all others were accepted and completed');

# what keeps them apart: the updates of an acceptance stay within the heap page
note($node->safe_psql('postgres', <<'SQL'));
SELECT format('%s: %s updates, %s %% of them HOT', relname, n_tup_upd, round(100.0 * n_tup_hot_upd / n_tup_upd, 2))
  FROM pg_stat_user_tables
 WHERE schemaname = 'washminute_data' AND relname IN ('washing_requests', 'accounts', 'offers') AND n_tup_upd > 0
SQL
is_query($node, 'SELECT * FROM washminute.check_invariants()', '', 'the invariants hold');

$node->stop;
done_testing();
