# Unrelated acceptances do not disturb each other: 32 pgbench clients, each with
# washmen of its own, 160 in all, accept requests that only they try to get.  A
# range read over what other acceptances write, a counter that they share, or an
# update that touches an index page would fail many of them with 40001.
#
# Then the same while a transaction that has written holds a snapshot, which keeps old
# versions of rows from being pruned.  So the pages fill, and updates write the indexes:
# if an acceptance held a predicate lock on an index page where others have their rows,
# many would fail now.  And PostgreSQL forgets no acceptance that has ended since, has
# room for ten times as many as connections, and then knows of the oldest ones but that
# they were: who comes upon a version of a row that one of them wrote would fail.  Nor
# does it forget their predicate locks, of which it has room for 64 to a connection.
#
# And at last, with that snapshot held still, where each transaction publishes its live events
# itself: who else was offered the request is read in the acceptance then.
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
my $WASHMEN = 160;          # so that each has several jobs one after the other
my $OFFERS = 16;
my $ROUNDS = 75;            # acceptances of each client, in each part
my $DIRECT = 20;           # and in the last one
my $MAX_FAILED = 0.001;     # of all acceptances, with 40001 or a deadlock

my $node = washminute_node('main', conf => <<'CONF');
washminute.lock_timeout = '1min'
max_connections = 40		# few acceptances to be remembered, see above
log_statement = none
autovacuum = off			# so that the pages fill
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

# pgbench with a script that counts its rounds in :round, from the one after FIRST on.
sub run_script
{
	my ($name, $first, $sql, @options) = @_;
	my ($out, $err) = ('', '');

	unlink("$folder/$name.sql");
	append_to_file("$folder/$name.sql", "\\set round :round + 1\n"
		  . "\\set n :client_id + $CLIENTS * (:round % (($WASHMEN - 1 - :client_id) / $CLIENTS + 1))\n"
		  . $sql);
	$node->run_log(
		[
			'pgbench', '--no-vacuum', '--failures-detailed', '--verbose-errors', '--max-tries=1', '-M', 'prepared',
			'-c', $CLIENTS, '-j', 2, '-D', "round=$first", @options,
			'-f', "$folder/$name.sql", 'postgres'
		],
		'>', \$out, '2>', \$err);
	is("$?|" . ($err =~ /abort/i ? 'aborted' : ''), '0|', "$name: no client gave up") or diag(substr($err, 0, 500));
	note($out);
	note(grep { /ERROR|DETAIL/ } split(/^/, $err));

	# by then their statistics are in
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'pgbench'")
	  or die 'the clients have ended, their sessions have not';
	return $out;
}

run_script('booking', 0, <<'SQL', '-t', 2 * $ROUNDS + $DIRECT);
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
	$CLIENTS * (2 * $ROUNDS + $DIRECT), 'each request was offered to the washman who is to accept it');

# acceptances(FIRST, COUNT): so many rounds after it, each job done and paid for; how many were
# refused with 40001, and how many by a deadlock.
sub acceptances
{
	my ($first, $count) = @_;
	my $out = run_script('acceptance', $first, <<'SQL', '-t', $count);
SELECT request_id AS id, washman FROM herd.requests WHERE client = :client_id AND round = :round \gset
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT set_config('request.jwt.claims', '{"sub": "' || :washman || '"}', true);
SELECT status FROM washminute.accept_request(:id, :washman);
COMMIT;
SELECT herd.finish(:id, :washman);
SQL
	my ($serialization) = $out =~ /number of serialization failures: (\d+)/;
	my ($deadlocks) = $out =~ /number of deadlock failures: (\d+)/;

	note(sprintf('%d acceptances, %d failed to serialize, %d deadlocks', $CLIENTS * $count, $serialization, $deadlocks));
	return ($serialization, $deadlocks);
}

sub completed
{
	return $node->safe_psql('postgres', "SELECT count(*) FROM washminute_data.jobs WHERE outcome = 'completed'");
}

# Updates of a table that were not HOT.
sub index_writes
{
	my ($table) = @_;

	return $node->safe_psql('postgres',
		"SELECT n_tup_upd - n_tup_hot_upd FROM pg_stat_user_tables WHERE schemaname = 'washminute_data' AND relname = '$table'");
}

# What PostgreSQL has to remember of an acceptance, in a session that has made one before, so
# that its caches are filled: no row of the request, of which there are ever new ones.
my $warm = $node->background_psql('postgres');
my $locks;
foreach my $client (1, 2)
{
	$warm->query_safe("SELECT request_id, washman FROM herd.requests WHERE client = $client AND round = 1 \\gset");
	$warm->query_safe("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT washminute.accept_request(:'request_id', :'washman')");
	$locks = $warm->query_safe("SELECT string_agg(relation::regclass || ' ' || locktype, ', ' ORDER BY locktype) FROM pg_locks WHERE mode = 'SIReadLock' AND pid = pg_backend_pid()");
	$warm->query_safe('ROLLBACK');
}
$warm->quit;
like($locks, qr/^(washminute_data\.users(_pk)? \w+(, )?)+$/, 'an acceptance leaves predicate locks on users alone, for a foreign key');

my ($serialization, $deadlocks) = acceptances(0, $ROUNDS);
my $failed = $serialization + $deadlocks;
cmp_ok($failed, '<=', $MAX_FAILED * $CLIENTS * $ROUNDS, 'at most 0.1 % failed to serialize or met a deadlock');
is(completed(), $CLIENTS * $ROUNDS - $failed, 'all others were accepted and completed');

my $idle = $node->background_psql('postgres');
$idle->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*), pg_current_xact_id() FROM herd.requests');
my %before = map { $_ => index_writes($_) } qw(washing_requests accounts);
($serialization, $deadlocks) = acceptances($ROUNDS, $ROUNDS);
is("$serialization|$deadlocks", '0|0', 'with a snapshot held: none failed to serialize or met a deadlock');
is(completed(), 2 * $CLIENTS * $ROUNDS - $failed, 'with a snapshot held: all were accepted and completed');

# it was as hard as it was meant to be
is_query($node, "SELECT blks_zeroed > 0 FROM pg_stat_slru WHERE name = 'Serial'", 't',
	'with a snapshot held: acceptances were forgotten');
foreach my $table (sort keys %before)
{
	my $others = index_writes($table) - $before{$table};

	cmp_ok($others, '>', $CLIENTS, "with a snapshot held: $others updates of $table wrote the indexes");
}

# the worker would hold them up
becomes($node, "SELECT count(*) FROM washminute_data.outbox WHERE lane = 'realtime' AND state = 'queued' AND due_at IS NULL", 0,
	'the live events so far are published');
$node->safe_psql('postgres', 'ALTER SYSTEM SET washminute.realtime_mode TO direct');
$node->reload;
becomes($node, 'SHOW washminute.realtime_mode', 'direct', 'live events are published by the acceptances');
($serialization, $deadlocks) = acceptances(2 * $ROUNDS, $DIRECT);
is("$serialization|$deadlocks", '0|0', 'live events direct: none failed to serialize or met a deadlock');
is(completed(), $CLIENTS * (2 * $ROUNDS + $DIRECT) - $failed, 'live events direct: all were accepted and completed');
becomes($node, "SELECT count(DISTINCT position) FROM washminute_data.socket_events WHERE event = 'requestTaken'",
	$CLIENTS * (2 * $ROUNDS + $DIRECT) - $failed, 'and the others who were offered a request heard of each');
$idle->query_safe('COMMIT');
$idle->quit;
is_query($node, 'SELECT * FROM washminute.check_invariants()', '', 'the invariants hold');

$node->stop;
done_testing();
