# The worker writes the positions of the live index to the table and loads them at its
# start: after a clean stop all are there, after a crash all but those of the last
# interval.  Where there is no index, on a standby and without preload, the table
# answers, and the same.  What keeps the worker from writing disturbs nothing else.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use Peer;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Washminute;

# what a flush or a delivery may take, on a machine that has much else to do
my $soon = 30;

# how long the worker may wait after it has failed a few times
my $recovers = 90;

my $peer = Peer->start;
my $key = signing_key();
my $node = washminute_node('primary', init => { allows_streaming => 1 }, conf => <<"EOC");
washminute.signing_key_file = '$key'
washminute.location_flush_interval = 300ms
restart_after_crash = on
autovacuum = off
EOC

sub answers
{
	my ($name, $in) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return becomes_true($in // $node, 'SELECT answers FROM washminute.live_status()', "$name: the index answers");
}

# SQL: w FIRST to LAST are at that longitude, a latitude each.  All are so near to one
# another that no way between them is impossible.
sub report
{
	my ($longitude, $first, $last) = @_;

	return "SELECT washminute.report_location('w' || i, $longitude, 10 + i * 0.001, i) FROM generate_series($first, $last) AS i;\n";
}

# The worker's interval from now on; it loads the index, too.
sub interval
{
	my ($interval) = @_;
	my $position = log_position($node);

	$node->safe_psql('postgres', "ALTER SYSTEM SET washminute.location_flush_interval = '$interval'");
	$node->reload;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return log_shows($node, qr/live index loaded/, $position, "positions are written every $interval");
}

# The longitude of some, in the index and in the table.
sub in_index
{
	my (@washmen) = @_;

	return 'SELECT string_agg(longitude::text, \' \' ORDER BY washman_id COLLATE "C") FROM washminute.live_washmen()'
	  . " WHERE washman_id IN ('" . join("', '", @washmen) . "')";
}

sub in_table
{
	my (@washmen) = @_;

	return 'SELECT string_agg(ST_X(last_location::geometry)::text, \' \' ORDER BY washman_id COLLATE "C")'
	  . " FROM washminute_data.washman_positions WHERE washman_id IN ('" . join("', '", @washmen) . "')";
}

my $near = 'SELECT washman_id, distance_m, radius_m, located_at FROM washminute.nearby_washmen(10, 10)';
my $near_ids = "SELECT string_agg(washman_id, ' ' ORDER BY washman_id COLLATE \"C\") FROM washminute.nearby_washmen(10, 10)";
my $index = 'SELECT washman_id, longitude, latitude, located_at, accuracy_m FROM washminute.live_washmen() ORDER BY washman_id COLLATE "C"';
my $table = <<'SQL';
SELECT w.washman_id, ST_X(p.last_location::geometry), ST_Y(p.last_location::geometry), p.last_location_updated_at, p.accuracy_m
  FROM washminute_data.washmen AS w LEFT JOIN washminute_data.washman_positions AS p USING (washman_id)
 WHERE w.status = 'online' AND w.suspended_at IS NULL ORDER BY w.washman_id COLLATE "C"
SQL

# A test: the index holds what the table has, and is whole.
sub is_equal
{
	my ($name, $in) = @_;

	$in //= $node;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_same($in->safe_psql('postgres', $index), $in->safe_psql('postgres', $table), "$name: index and table are equal");
	return is_query($in, 'SELECT washminute._check_live_index()', '', "$name: the index is whole");
}

# A test: the worker writes what is there, and then they are equal.
sub is_written
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	becomes_true($node, 'SELECT bool_and(written) FROM washminute.live_washmen()', "$name: the worker writes it");
	return is_equal($name);
}

# A test: a first position is written at once; after it the interval begins.
sub interval_begins
{
	my ($longitude, $name) = @_;

	$node->safe_psql('postgres', report($longitude, 1, 1));
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is_written($name);
}

# A test: the other lanes do their work.
sub others_are_served
{
	my ($name) = @_;
	my $before = $peer->stats('hook')->{requests};

	$node->safe_psql('postgres', enqueue('hook'));
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$peer->becomes('hook', requests => $before + 1, "$name: a message arrives", seconds => $soon);
	return within($soon, sub { $node->safe_psql('postgres', 'SELECT count(*) FROM washminute_data.outbox') eq '0' },
		"$name: and is recorded");
}

# A test: a server that has crashed is up.
sub comes_up
{
	my ($position, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return within($PostgreSQL::Test::Utils::timeout_default, sub {
		log_since($node, $position) =~ /reinitializing.*ready to accept connections/s
		  && $node->psql('postgres', 'SELECT', stdout => \my $stdout, stderr => \my $stderr) == 0;
	}, "$name: the server is up");
}

sub session
{
	my $session = $node->background_psql('postgres');

	$session->query_safe($_[0]);
	return $session;
}

sub end
{
	my ($session, $sql) = @_;

	$session->query_safe($sql);
	$session->quit;
	return;
}

answers('start');
listener($node, hook => $peer->url('hook'));
$node->safe_psql('postgres', <<'SQL');
SELECT washminute.upsert_user('w' || i, 'washman') FROM generate_series(1, 9) AS i;
SELECT washminute.set_washman_status('w' || i, 'online') FROM generate_series(1, 6) AS i;
SQL

#
# The worker writes
#

$node->safe_psql('postgres', report(10, 1, 6));
is_query($node, in_index('w1', 'w6'), '10 10', 'flush: the index has positions');
is_written('flush, the first');
foreach my $longitude (10.00001, 10.00002, 10.00003)
{
	my $reported = time();

	$node->safe_psql('postgres', report($longitude, 1, 6));
	becomes($node, in_table('w1', 'w6'), "$longitude $longitude", "flush: they are written, at $longitude");
	cmp_ok(time() - $reported, '<', $soon, 'flush: soon');
}
is_written('flush');
is_query($node, "SELECT flushed_at > now() - interval '1min' AND flushed > 0 FROM washminute.live_status()", 't', 'flush: live_status() tells of it');

# who is not online is in the table at once; who has left is, too, though he is in no index
$node->safe_psql('postgres', report(10.00004, 7, 7));
is_query($node, in_table('w7'), '10.00004', 'flush: who is offline is written at once');
$node->safe_psql('postgres', report(10.00004, 6, 6) . "SELECT washminute.set_washman_status('w6', 'offline')");
becomes($node, in_table('w6'), '10.00004', 'flush: who goes offline leaves his last position');
becomes($node, 'SELECT held FROM washminute.live_status()', 5, 'flush: and no more');

# nothing to write, nothing done; what is refused is not written either
my $flushed_at = $node->safe_psql('postgres', 'SELECT flushed_at FROM washminute.live_status()');
$node->safe_psql('postgres', "SELECT washminute.report_location('w1', 11, 11, 5, now() - interval '1 hour')");
my $end = time() + 1;
within(5, sub { time() > $end }, 'idle: three intervals go by');
is_query($node, 'SELECT flushed_at FROM washminute.live_status()', $flushed_at, 'idle: nothing is written');

#
# A clean stop, and a start
#

interval('10min');
interval_begins(10.00005, 'stop');
$node->safe_psql('postgres', report(10.00006, 1, 5));
is_query($node, 'SELECT count(*) FILTER (WHERE NOT written) FROM washminute.live_washmen()', 5, 'stop: five are not written');
foreach my $mode ('fast', 'smart')
{
	my $before = $node->safe_psql('postgres', $index);
	my $matched = $node->safe_psql('postgres', $near);

	$node->stop($mode);
	$node->start;
	answers("$mode stop");
	is_same($node->safe_psql('postgres', $index), $before, "$mode stop: all are where they were");
	is_query($node, $near, $matched, "$mode stop: matching is as it was");
	is_equal("$mode stop");
	is_query($node, 'SELECT held FROM washminute.live_status()', 5, "$mode stop: nobody else is held");
	interval_begins(10.00007, "$mode stop, the next");
	$node->safe_psql('postgres', report(10.00008, 1, 5));
}

# the worker alone; the index outlives it
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'washminute worker'");
becomes($node, in_table('w1', 'w5'), '10.00008 10.00008', 'the worker ends: it has written all');
is_query($node, $near_ids, 'w1 w2 w3 w4 w5', 'the worker ends: the index answers still');
worker_becomes($node, 'running', 'the worker ends: the next one comes');
interval_begins(10.00009, 'the worker ends');

# More than a stop waits for: each thousand takes so long that all at once would be
# ended by force, and nothing written.
$node->safe_psql('postgres', <<'SQL');
INSERT INTO washminute_data.users (user_id, kinds, locale, created_at, updated_at)
  SELECT 'm' || i, '{washman}', 'fr', now(), now() FROM generate_series(1, 45000) AS i;
INSERT INTO washminute_data.washmen SELECT 'm' || i, 'online', now() FROM generate_series(1, 45000) AS i;
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.07); RETURN NULL; END $$;
CREATE TRIGGER slow BEFORE INSERT ON washminute_data.washman_positions EXECUTE FUNCTION slow();
SELECT count(*) FROM (SELECT washminute.report_locations(array_agg('m' || i), array_agg(20.0::float8), array_agg(20 + i * 0.0001))
  FROM generate_series(1, 45000) AS i) AS s;
SQL
my $position = log_position($node);
my $start = time();
$node->stop('fast');
cmp_ok(time() - $start, '>', 2, 'many: a stop takes long');
unlike(log_since($node, $position), qr/terminating background worker/, 'many: it is not ended by force');
$node->start;
answers('many');
is_query($node, 'SELECT count(*) FROM washminute_data.washman_positions WHERE ST_X(last_location::geometry) = 20', 45000,
	'many: all are written');
is_equal('many');

# one part is committed after the other
interval('300ms');
$node->safe_psql('postgres', "SELECT washminute.report_locations(array_agg('m' || i), array_agg(20.001::float8), array_agg(20 + i * 0.0001))"
	. ' FROM generate_series(1, 45000) AS i');
becomes_true($node, 'SELECT count(*) BETWEEN 1 AND 44999 FROM washminute_data.washman_positions WHERE ST_X(last_location::geometry) = 20.001',
	'many: a part is written, and not all of it');
is_written('many, without a stop');
$node->safe_psql('postgres', <<'SQL');
DROP TRIGGER slow ON washminute_data.washman_positions;
DELETE FROM washminute_data.washmen WHERE washman_id LIKE 'm%';
DELETE FROM washminute_data.users WHERE user_id LIKE 'm%';
DELETE FROM washminute_data.washman_positions WHERE washman_id LIKE 'm%';
SQL
becomes($node, 'SELECT held FROM washminute.live_status()', 5, 'many: they are gone');

#
# A crash
#

# What is known of positions: w1 has one that is written and a later one that is not,
# since a flush of somebody else's keeps the worker from it; of the status: w2 has left, w6 has come, and w7 has in a transaction that is open.
sub crash
{
	my ($name, $deed) = @_;
	my $flush = "SELECT washminute.flush_locations();\n";

	$node->safe_psql('postgres', <<"SQL" . report(10.0001, 1, 6) . $flush);
SELECT washminute.set_washman_status('w2', 'offline'), washminute.set_washman_status('w6', 'online');
UPDATE washminute_data.washmen SET suspended_at = now() WHERE washman_id = 'w3';
SQL
	my $holds = session("BEGIN; $flush");
	$node->safe_psql('postgres', report(10.0002, 1, 1));
	is_query($node, in_index('w1', 'w6'), '10.0002 10.0001', "$name: before it");
	my $open = session("BEGIN; SELECT washminute.set_washman_status('w7', 'online')");
	$deed->($open);
	foreach my $gone ($open, $holds)
	{
		eval { $gone->quit };
	}
	# a phone does not wait
	my $before = $node->safe_psql('postgres', 'SELECT clock_timestamp()');
	$node->safe_psql('postgres', report(10.0003, 5, 5));
	is_query($node, "SELECT located_at > '$before' FROM washminute.nearby_washmen(10, 10) WHERE washman_id = 'w5'", 't',
		"$name: a position that comes at once counts at once");
	answers($name);
	is_query($node, 'SELECT washminute._check_live_index()', '', "$name: it is whole");
	is_query($node, in_index('w1', 'w4', 'w5', 'w6'), '10.0001 10.0001 10.0003 10.0001', "$name: what was written is there");
	is_query($node, $near_ids, 'w1 w4 w5 w6', "$name: who is online is as the table has it");
	$node->safe_psql('postgres', report(10.0004, 1, 7));
	is_written("$name, what comes then");
	is_query($node, $near_ids, 'w1 w4 w5 w6', "$name: and stays so");
	$node->safe_psql('postgres', <<'SQL');
SELECT washminute.set_washman_status('w2', 'online'), washminute.set_washman_status('w6', 'offline');
UPDATE washminute_data.washmen SET suspended_at = NULL WHERE washman_id = 'w3';
SQL
	is_query($node, $near_ids, 'w1 w2 w3 w4 w5', "$name: all follows the table again");
	return;
}

crash('backend killed', sub {
	my $at = log_position($node);

	kill('KILL', $_[0]->query_safe('SELECT pg_backend_pid()'));
	comes_up($at, 'backend killed');
});
crash('worker killed', sub {
	my $at = log_position($node);

	kill('KILL', worker_pid($node));
	comes_up($at, 'worker killed');
});
crash('server stopped at once', sub {
	$node->stop('immediate');
	$node->start;
});
crash('postmaster killed', sub {
	processes_go('postmaster killed: all end', kill_postmaster($node));
	$node->start;
});

# what a crash can lose is what came in the last interval
interval('500ms');
append_to_file("$PostgreSQL::Test::Utils::tmp_check/report.sql",
	"SELECT washminute.report_location('w1', 10 + random() * 0.0001, 10.001, 1, clock_timestamp());\n");
my $phone = IPC::Run::start(
	[ 'pgbench', '-n', '-T', '120', '-f', "$PostgreSQL::Test::Utils::tmp_check/report.sql", $node->connstr('postgres') ],
	'>', \my $stdout, '2>', \my $stderr, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
my $flushed = 'SELECT last_location_updated_at FROM washminute_data.washman_positions WHERE washman_id = \'w1\'';
foreach my $time (1 .. 3)
{
	my $last = $node->safe_psql('postgres', $flushed);

	becomes_true($node, "SELECT ($flushed) > '$last'", "the last interval: a position is written, $time");
}
my $killed = $node->safe_psql('postgres', 'SELECT clock_timestamp()');
$position = log_position($node);
kill('KILL', worker_pid($node));
$phone->finish;
comes_up($position, 'the last interval');
answers('the last interval');
is_query($node, "SELECT '$killed' - located_at < interval '2.5s' FROM washminute.live_washmen() WHERE washman_id = 'w1'", 't',
	'the last interval: no more is lost');
is_equal('the last interval');

#
# A load while others write
#

# The index is loaded anew: it answers meanwhile, and takes over what is committed.
interval('10min');
$position = log_position($node);
my $came = session("BEGIN; SELECT washminute.set_washman_status('w6', 'online')");
my $undone = session("BEGIN; SELECT washminute.set_washman_status('w7', 'online')");
my $left = session("BEGIN; SELECT washminute.set_washman_status('w1', 'offline')");
$node->reload;
log_shows($node, qr/lock timeout/, $position, 'loaded anew: the load waits for writers, but not long');
is_query($node, $near_ids, 'w1 w2 w3 w4 w5', 'loaded anew: the index answers, as committed');
is_query($node, 'SELECT answers FROM washminute.live_status()', 't', 'loaded anew: and says so');
end($came, 'COMMIT');
is_query($node, $near_ids, 'w1 w2 w3 w4 w5 w6', 'loaded anew: a commit is taken over');
end($undone, 'ROLLBACK');
end($left, 'COMMIT');
log_shows($node, qr/live index loaded/, $position, 'loaded anew: without writers the load succeeds');
is_query($node, $near_ids, 'w2 w3 w4 w5 w6', 'loaded anew: the index follows the commits');
is_equal('loaded anew');

# The first load: what a prepared transaction has locked keeps the worker from it, and
# the table answers.  It is prepared without triggers, or it could not be.
$node->safe_psql('postgres', <<'SQL');
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE washminute_data.washmen SET status = 'online' WHERE washman_id = 'w8';
PREPARE TRANSACTION 'p';
SQL
$position = log_position($node);
$node->restart;
log_shows($node, qr/lock timeout.*load_live_index/s, $position, 'first load: it waits for a prepared transaction');
is_query($node, 'SELECT answers FROM washminute.live_status()', 'f', 'first load: the index does not answer');
is_query($node, $near_ids, 'w2 w3 w4 w5 w6', 'first load: the table does');
is_query($node, "SELECT count(*) FROM washminute.live_washmen()", 0, 'first load: the index shows nothing');
$came = session("BEGIN; SELECT washminute.set_washman_status('w1', 'online')");
$undone = session("BEGIN; SELECT washminute.set_washman_status('w7', 'online'); SELECT washminute.report_location('w9', 10.0005, 10)");
$left = session("BEGIN; SAVEPOINT a; SELECT washminute.set_washman_status('w2', 'offline'); ROLLBACK TO a; SELECT washminute.set_washman_status('w3', 'offline')");
is($came->query_safe($near_ids), 'w1 w2 w3 w4 w5 w6', 'first load: a transaction sees its own');
$node->safe_psql('postgres', "COMMIT PREPARED 'p';" . report(10.0005, 4, 4) . report(10.0005, 8, 8));
is_query($node, $near_ids, 'w2 w3 w4 w5 w6 w8', 'first load: what is committed counts');
is_query($node, in_table('w4'), '10.0005', 'first load: positions go to the table');
others_are_served('first load');
is_query($node, 'SELECT answers FROM washminute.live_status()', 'f', 'first load: it waits for the others still');
end($came, 'COMMIT');
end($undone, 'ROLLBACK');
end($left, 'COMMIT');
answers('first load');
is_query($node, $near_ids, 'w1 w2 w4 w5 w6 w8', 'first load: what was committed is in the index');
is_equal('first load');

# both ways at once, again and again: whoever comes or leaves while it is loaded
append_to_file("$PostgreSQL::Test::Utils::tmp_check/turn.sql", <<'SQL');
\set i random(1, 9)
BEGIN;
UPDATE washminute_data.washmen SET status = CASE status WHEN 'online' THEN 'offline' ELSE 'online' END WHERE washman_id = 'w' || :i;
END;
SQL
my $herd = IPC::Run::start(
	[ 'pgbench', '-n', '-c', '4', '-T', '6', '-f', "$PostgreSQL::Test::Utils::tmp_check/turn.sql", $node->connstr('postgres') ],
	'>', \$stdout, '2>', \$stderr, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
foreach my $time (1 .. 8)
{
	$position = log_position($node);
	$node->reload;
	log_shows($node, qr/live index loaded/, $position, "loaded anew among writers, $time");
}
$herd->finish;
unlike($stderr, qr/ERROR/, 'loaded anew among writers: none of them fails');
is_equal('loaded anew among writers');

#
# What keeps the worker from writing
#

$node->safe_psql('postgres', "SELECT washminute.set_washman_status('w' || i, 'online') FROM generate_series(1, 9) AS i");
interval('300ms');
$node->safe_psql('postgres', report(10, 1, 9));
is_written('all are online');

# a row, before the flush and while the worker is careful already
$position = log_position($node);
my $locker = session("BEGIN; SELECT FROM washminute_data.washman_positions WHERE washman_id IN ('w1', 'w5') FOR UPDATE");
foreach my $longitude (10.00001, 10.00002)
{
	my $reported = time();

	$node->safe_psql('postgres', report($longitude, 1, 9));
	becomes($node, in_table('w2', 'w4', 'w9'), "$longitude $longitude $longitude", "rows locked: others are written, at $longitude");
	cmp_ok(time() - $reported, '<', $soon, 'rows locked: soon');
	is_query($node, in_table('w1', 'w5'), '10 10', 'rows locked: not the locked ones');
	is_query($node, in_index('w1', 'w5'), "$longitude $longitude", 'rows locked: the index has them');
	is_query($node, "SELECT string_agg(washman_id, ' ' ORDER BY washman_id) FROM washminute.live_washmen() WHERE NOT written",
		'w1 w5', 'rows locked: and tells which the table has not');
	others_are_served('rows locked');
}
is(count_in_log($node, qr/ERROR: .*lock timeout/, $position), 1, 'rows locked: that is logged once');
is_query($node, $near_ids, 'w1 w2 w3 w4 w5 w6 w7 w8 w9', 'rows locked: the index answers');
end($locker, 'COMMIT');
is_written('rows locked, and free again');
$node->safe_psql('postgres', report(10.00003, 1, 9));
is_written('rows locked, the next');

# at a stop, too
interval('10min');
interval_begins(10.00003, 'a stop with rows locked');
$locker = session("BEGIN; SELECT FROM washminute_data.washman_positions WHERE washman_id IN ('w1', 'w5') FOR UPDATE");
$node->safe_psql('postgres', report(10.00004, 1, 9));
my $pid = worker_pid($node);
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
within($PostgreSQL::Test::Utils::timeout_default, sub { !kill(0, $pid) }, 'a stop with rows locked: the worker ends');
is_query($node, in_table('w1', 'w2', 'w9'), '10.00003 10.00004 10.00004', 'a stop with rows locked: it has written the others');
end($locker, 'ROLLBACK');
is_written('a stop with rows locked, by the next worker');

# the table
interval('300ms');
foreach my $case (
	[ 'table renamed', qr/ERROR: .*relation "washminute_data.washman_positions" does not exist/, 'ALTER TABLE washminute_data.washman_positions RENAME TO away',
		'ALTER TABLE washminute_data.away RENAME TO washman_positions' ],
	[ 'table locked', qr/ERROR: .*lock timeout/, undef, undef ],
	[ 'a trigger refuses', qr/ERROR: .*not today/, <<'SQL', 'DROP FUNCTION refuse() CASCADE' ])
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not today'; END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON washminute_data.washman_positions FOR EACH ROW EXECUTE FUNCTION refuse()
SQL
{
	my ($name, $error, $deed, $undo) = @$case;
	my $in_table;

	$node->safe_psql('postgres', report(10, 1, 9));
	is_written("$name, before that");
	$position = log_position($node);
	$deed ? $node->safe_psql('postgres', $deed) : ($locker = session('BEGIN; LOCK TABLE washminute_data.washman_positions'));
	$node->safe_psql('postgres', report(10.00005, 1, 9));
	log_shows($node, $error, $position, "$name: it is logged");
	others_are_served($name);
	is_query($node, in_index('w1', 'w9'), '10.00005 10.00005', "$name: the index has the positions");
	is_query($node, $near_ids, 'w1 w2 w3 w4 w5 w6 w7 w8 w9', "$name: and answers");
	$node->safe_psql('postgres', report(10.00006, 1, 1));
	is_query($node, in_index('w1'), '10.00006', "$name: and takes others");
	worker_becomes($node, 'running', "$name: the worker runs");
	$end = time() + 2;
	within(5, sub { time() > $end }, "$name: two seconds go by");
	cmp_ok(count_in_log($node, qr/ERROR: /, $position), '<', 6, "$name: it does not try in a hurry");
	others_are_served("$name, still");
	$undo ? $node->safe_psql('postgres', $undo) : end($locker, 'COMMIT');
	within($recovers, sub { $node->safe_psql('postgres', in_table('w1', 'w9')) eq '10.00006 10.00005' }, "$name: it recovers by itself");
	is_written($name);
}

#
# Where there is no index
#

my $statuses = "SELECT washminute.set_washman_status('w' || i, 'offline') FROM generate_series(8, 9) AS i;\n";
my $reports = "SELECT washminute.report_location('w' || i, 10.01, 10 + i * 0.001, i, '2026-01-01 00:00+00'::timestamptz + i * interval '1min') FROM generate_series(1, 9) AS i;\n"
  . "SELECT washminute.report_locations('{w2,w3,nobody,w4}', '{10.02,10.02,10,999}', '{10,10,10,10}', array_fill('2026-01-01 12:00+00'::timestamptz, '{4}'));\n"
  . "SELECT washminute.report_location('w5', 10.5, 10, 1, '2025-12-31');\n";
my $clock = "SELECT washminute.set_clock('2026-01-01 12:30+00', 0);\n";
my $ever = 'SELECT washman_id, distance_m, radius_m, located_at FROM washminute.nearby_washmen(10, 10, max_age => \'1 day\')';

$node->safe_psql('postgres', $statuses);
becomes($node, 'SELECT held FROM washminute.live_status()', 7, 'two leave');
$node->safe_psql('postgres', 'DELETE FROM washminute_data.washman_positions');
$node->restart;
answers('with an index');
is_query($node, 'SELECT count(*) FROM washminute.live_washmen() WHERE longitude IS NULL', 7, 'with an index: who has no position is in it');
is($node->safe_psql('postgres', $near), '', 'with an index: but is not found');
$node->safe_psql('postgres', $clock . $reports);
my $expected = $node->safe_psql('postgres', $ever);
like($expected, qr/^w1\|.*\nw5\|.*\nw6\|/s, 'with an index: washmen are found');

# without preload
my $bare = washminute_node('bare', preload => 0);
$bare->safe_psql('postgres', "SELECT washminute.upsert_user('w' || i, 'washman') FROM generate_series(1, 9) AS i;\n"
	. "SELECT washminute.set_washman_status('w' || i, 'online') FROM generate_series(1, 9) AS i;\n" . $statuses);
# a clock that is set is in shared memory
$bare->safe_psql('postgres', $reports);
is_query($bare, $ever =~ s/1 day/100 years/r, $expected, 'without preload: the table gives the same');
is_query($bare, 'SELECT * FROM washminute.live_status()', 'f' . '|' x 13, 'without preload: there is no index');
is_query($bare, 'SELECT count(*) FROM washminute.live_washmen()', 0, 'without preload: nobody is in it');
is_query($bare, 'SELECT washminute.flush_locations()', 0, 'without preload: there is nothing to write');
is_query($bare, 'SELECT washminute._check_live_index()', '', 'without preload: nothing is broken');
is_refused($bare, 'SELECT washminute._load_live_index()', '55000', undef, 'without preload: there is nothing to load');
is_refused($bare, report(10, 77, 77), 'PT404', qr/^WM_WASHMAN_NOT_FOUND/, 'without preload: positions of nobody are refused');
$bare->stop;

# the setting says so
$node->safe_psql('postgres', 'SELECT washminute.flush_locations()');
$node->append_conf('postgresql.conf', 'washminute.max_live_washmen = 0');
$node->restart;
worker_becomes($node, 'running', 'no index wanted: the worker runs');
$node->safe_psql('postgres', $clock);
is_query($node, $ever, $expected, 'no index wanted: the table gives the same');
is_query($node, 'SELECT * FROM washminute.live_status()', 'f' . '|' x 13, 'no index wanted: there is none');
$node->append_conf('postgresql.conf', 'washminute.max_live_washmen = 1000');
$node->restart;
answers('an index again');
$node->safe_psql('postgres', $clock);
is_query($node, $ever, $expected, 'an index again: and the same');

# a standby
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->safe_psql('postgres', "SELECT washminute.report_location('w1', 10.011, 10); SELECT washminute.flush_locations()");
$expected = $node->safe_psql('postgres', $ever);
$node->wait_for_catchup($standby);
$standby->safe_psql('postgres', $clock);
is_query($standby, 'SELECT answers FROM washminute.live_status()', 'f', 'standby: the index does not answer');
is_query($standby, $ever, $expected, 'standby: the table gives the same');
is_query($standby, 'SELECT count(*) FROM washminute.live_washmen()', 0, 'standby: nobody is in the index');
is_query($standby, 'SELECT washminute._check_live_index()', '', 'standby: which is whole');
is_query($standby, 'SELECT washminute.flush_locations()', 0, 'standby: there is nothing to write');
is_refused($standby, report(10, 1, 1), '25006', undef, 'standby: report_location is refused');
is_refused($standby, "SELECT washminute.report_locations('{w1}', '{10}', '{10}')", '25006', undef, 'standby: so is report_locations');
is_refused($standby, 'SELECT washminute._load_live_index()', '55000', undef, 'standby: nobody can load it');

my $session = $standby->background_psql('postgres');
is($session->query_safe($ever), $expected, 'standby: an open session matches');
$node->stop('immediate');
$standby->promote;
answers('promoted', $standby);
is($session->query_safe($ever), $expected, 'promoted: the session finds the same, by the index');
$session->quit;
is_equal('promoted', $standby);
$standby->safe_psql('postgres', report(10.0115, 1, 7));
is_query($standby, in_index('w1', 'w7'), '10.0115 10.0115', 'promoted: positions go to the index');
becomes($standby, in_table('w1', 'w7'), '10.0115 10.0115', 'promoted: and from there to the table');
is_equal('promoted, what comes then', $standby);

$standby->stop;
done_testing();
