# The live index takes a change of a washman's status over when it is committed and
# not before; nothing of it when it is rolled back, to a savepoint or as a whole; and
# ends as the table does, whatever the order of the commits.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use Washminute;

# The worker is not to write by itself.  NOTIFY makes commits wait for one another,
# a synchronous standby that is not there makes them wait for as long as wanted.
my $node = washminute_node('main', conf => <<'EOC');
washminute.location_flush_interval = 10min
restart_after_crash = on
wal_level = replica
max_wal_senders = 5
synchronous_commit = local
autovacuum = off
EOC

sub index_answers
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return becomes_true($node, 'SELECT answers FROM washminute.live_status()', 'the index answers');
}

sub status
{
	my ($status, @washmen) = @_;

	return join(' ', map { "SELECT washminute.set_washman_status('$_', '$status');" } @washmen);
}

sub online { return status('online', @_); }
sub offline { return status('offline', @_); }

# The worker loads the index anew.
sub reload
{
	my $position = log_position($node);

	$node->reload;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return log_shows($node, qr/live index loaded/, $position, 'the index is loaded anew');
}

my $in_index = "SELECT coalesce(string_agg(washman_id, ' ' ORDER BY washman_id COLLATE \"C\"), '') FROM washminute.live_washmen()";
my $in_table = "SELECT coalesce(string_agg(washman_id, ' ' ORDER BY washman_id COLLATE \"C\"), '') FROM washminute_data.washmen"
  . " WHERE status = 'online' AND suspended_at IS NULL";
my $near = "SELECT coalesce(string_agg(washman_id, ' ' ORDER BY washman_id COLLATE \"C\"), '') FROM washminute.nearby_washmen(10, 10)";

# Tests: the index is whole, holds these, matches these, and the table has the same.
sub holds
{
	my ($washmen, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_query($node, $in_table, $washmen, "$name: the table");
	is_query($node, $in_index, $washmen, "$name: the index");
	is_query($node, $near, $washmen, "$name: matching");
	is_query($node, 'SELECT washminute._check_live_index()', '', "$name: the index is whole");
	return;
}

# Tests: the index has the position that the table has, and says it has.
sub position_is
{
	my ($washman, $latitude, $written, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_query($node, "SELECT latitude, written FROM washminute.live_washmen() WHERE washman_id = '$washman'",
		"$latitude|$written", "$name: the index");
	is_query($node, "SELECT ST_Y(last_location::geometry) FROM washminute_data.washman_positions WHERE washman_id = '$washman'",
		$latitude, "$name: the table")
	  if $written eq 't';
	return;
}

index_answers();
$node->safe_psql('postgres', <<'SQL');
SELECT washminute.upsert_user('w' || i, 'washman') FROM generate_series(1, 9) AS i;
SELECT washminute.report_location('w' || i, 10, 10 + i * 0.001) FROM generate_series(1, 9) AS i;
SQL
$node->safe_psql('postgres', online('w1', 'w2'));
holds('w1 w2', 'two are online');

# the first position is written at once, the next after the interval
$node->safe_psql('postgres', "SELECT washminute.report_location('w1', 10, 10.001)");
becomes_true($node, "SELECT written FROM washminute.live_washmen() WHERE washman_id = 'w1'", 'a position is written');

#
# Commit, rollback
#

my $one = $node->background_psql('postgres');
my $two = $node->background_psql('postgres');

$one->query_safe('BEGIN; ' . online('w3') . offline('w1'));
is($one->query_safe($near), 'w2 w3', 'a transaction matches on its own changes');
holds('w1 w2', 'before the commit');
$one->query_safe('COMMIT');
holds('w2 w3', 'after it');
$one->query_safe('BEGIN; ' . online('w1') . offline('w2') . 'ROLLBACK');
holds('w2 w3', 'after a rollback');
is_query($node, 'SELECT held FROM washminute.live_status()', 2, 'which keeps no slot');
$node->psql('postgres', 'BEGIN; ' . online('w1') . 'SELECT 1 / 0; COMMIT;', on_error_stop => 0);
holds('w2 w3', 'after an error');
is_refused($node, 'BEGIN; ' . online('w1') . "PREPARE TRANSACTION 'p'", '0A000', undef, 'it cannot be prepared');
holds('w2 w3', 'after that');
$one->query_safe('BEGIN; ' . online('w1'));
$node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . $one->query_safe('SELECT pg_backend_pid()') . ', 60000)');
holds('w2 w3', 'after the end of a session');
is_query($node, 'SELECT held FROM washminute.live_status()', 2, 'which keeps no slot either');
eval { $one->quit };
$one = $node->background_psql('postgres');

# deeds that no function of ours does
foreach my $deed (
	[ "UPDATE washminute_data.washmen SET suspended_at = washminute.now() WHERE washman_id = 'w2'", 'w3' ],
	[ "UPDATE washminute_data.washmen SET suspended_at = NULL WHERE washman_id = 'w2'", 'w2 w3' ],
	[ "DELETE FROM washminute_data.washmen WHERE washman_id = 'w2'", 'w3' ],
	[ "INSERT INTO washminute_data.washmen VALUES ('w2', 'online', washminute.now())", 'w2 w3' ],
	[ "DELETE FROM washminute_data.washmen WHERE washman_id = 'w9'; UPDATE washminute_data.washmen SET washman_id = 'w9' WHERE washman_id = 'w2'", 'w3 w9' ],
	[ "UPDATE washminute_data.washmen SET washman_id = 'w2' WHERE washman_id = 'w9'", 'w2 w3' ])
{
	$node->safe_psql('postgres', $deed->[0]);
	holds($deed->[1], $deed->[0]);
}
$node->safe_psql('postgres', "SET session_replication_role = replica; UPDATE washminute_data.washmen SET status = 'offline' WHERE washman_id = 'w2'");
reload();
holds('w3', 'changed behind the triggers, and loaded anew');
$node->safe_psql('postgres', online('w1', 'w2') . offline('w3'));
is_query($node, "BEGIN; TRUNCATE washminute_data.washmen; $near; ROLLBACK", '', 'TRUNCATE is seen by its own transaction');
holds('w1 w2', 'and undone');

#
# Savepoints
#

$one->query_safe('BEGIN; SAVEPOINT a; ' . online('w3') . 'ROLLBACK TO a;');
is($one->query_safe($near), 'w1 w2', 'online, ROLLBACK TO: so the transaction itself matches');
$one->query_safe('COMMIT');
holds('w1 w2', 'online, ROLLBACK TO');
$one->query_safe('BEGIN; SAVEPOINT a; ' . offline('w1') . 'ROLLBACK TO a;');
is($one->query_safe($near), 'w1 w2', 'offline, ROLLBACK TO: so the transaction itself matches');
$one->query_safe('COMMIT');
holds('w1 w2', 'offline, ROLLBACK TO');
reload();
$one->query_safe('BEGIN; SAVEPOINT a; ' . online('w3') . 'RELEASE a; SAVEPOINT b; ' . offline('w2') . 'ROLLBACK TO b; COMMIT');
holds('w1 w2 w3', 'online, RELEASE');
reload();
$one->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1; SAVEPOINT a; ' . online('w4') . 'ROLLBACK TO a;');
$node->safe_psql('postgres', online('w4'));
$one->query_safe('COMMIT');
holds('w1 w2 w3 w4', 'an old snapshot is not what counts');
$node->safe_psql('postgres', offline('w3', 'w4'));

# positions written in what is rolled back are not written
$node->safe_psql('postgres', "SELECT washminute.flush_locations(); SELECT washminute.report_location('w1', 10, 10.0011)");
position_is('w1', 10.0011, 'f', 'a position is not written');
$node->safe_psql('postgres', 'BEGIN; SAVEPOINT a; SELECT washminute.flush_locations(); ROLLBACK TO a; COMMIT');
position_is('w1', 10.0011, 'f', 'flush, ROLLBACK TO');
$node->safe_psql('postgres', "SELECT washminute.report_location('w1', 10, 10.0012)");
$node->psql('postgres', "BEGIN; SELECT washminute.flush_locations(); PREPARE TRANSACTION 'p'; SELECT 1; ROLLBACK PREPARED 'p'", on_error_stop => 0);
position_is('w1', 10.0012, 'f', 'flush, prepared and rolled back');
$node->safe_psql('postgres', "SELECT washminute.report_location('w1', 10, 10.0013); SELECT washminute.flush_locations()");
position_is('w1', 10.0013, 't', 'flush');

# what is reported while an older position is being written is not taken for written
$node->safe_psql('postgres', "SELECT washminute.report_location('w1', 10, 10.0014)");
is($one->query_safe('BEGIN; SELECT washminute.flush_locations()'), 1, 'one is being written');
$node->safe_psql('postgres', "SELECT washminute.report_location('w1', 10, 10.0015)");
$one->query_safe('COMMIT');
position_is('w1', 10.0015, 'f', 'reported during a flush');
$node->safe_psql('postgres', 'SELECT washminute.flush_locations()');
position_is('w1', 10.0015, 't', 'and flushed again');

# he comes online while his position is on its way to the table
$one->query_safe("BEGIN; SELECT washminute.report_location('w5', 10, 10.0059)");
$node->safe_psql('postgres', online('w5'));
$one->query_safe('COMMIT');
is_query($node, "SELECT latitude FROM washminute.live_washmen() WHERE washman_id = 'w5'", 10.0059, 'a report and coming online cross');
$node->safe_psql('postgres', offline('w5'));

#
# Who asks
#

# what runs before a commit, as the owner, takes no operator of the session's
my ($stdout, $stderr);
$node->psql('postgres', <<'SQL', stdout => \$stdout, stderr => \$stderr);
CREATE SCHEMA mine;
GRANT USAGE ON SCHEMA mine TO PUBLIC;
CREATE FUNCTION mine.equal(text, text) RETURNS boolean LANGUAGE plpgsql AS
  $$ BEGIN RAISE WARNING 'called by %', current_user; RETURN $1 OPERATOR(pg_catalog.=) $2; END $$;
CREATE OPERATOR mine.= (FUNCTION = mine.equal, LEFTARG = text, RIGHTARG = text);
SET search_path TO mine, pg_catalog;
SELECT washminute.set_washman_status('w5', 'online');
SQL
unlike($stderr, qr/called by/, 'no operator of the search path is called');
$node->safe_psql('postgres', 'DROP SCHEMA mine CASCADE; ' . offline('w5'));
holds('w1 w2', 'meanwhile');

#
# Two sessions
#

# a session may last so long, and no longer
foreach my $session ($one, $two)
{
	$session->quit;
	$session = $node->background_psql('postgres');
}

# one after the other, either way
foreach my $order ([ 'online', 'offline', 'w1 w2' ], [ 'offline', 'online', 'w1 w2 w3' ])
{
	$node->safe_psql('postgres', status($order->[1], 'w3'));
	$one->query_safe('BEGIN; ' . status($order->[0], 'w3'));
	# set_washman_status() would see that there is nothing to do
	$two->query_until(qr/begun/, "BEGIN; SELECT 'begun';\nUPDATE washminute_data.washmen SET status = '$order->[1]' WHERE washman_id = 'w3';\n");
	becomes_true($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'", 'the second waits');
	$one->query_safe('COMMIT');
	$two->query_safe('COMMIT');
	holds($order->[2], "$order->[0], then $order->[1]");
}
$node->safe_psql('postgres', offline('w3'));

# A change that was rolled back to a savepoint locks no row, so it must not count
# against one that was read and is not committed yet: that waits for the lock of
# NOTIFY, whose holder waits for a standby.
$node->safe_psql('postgres', "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
$node->reload;
my $holder = $node->background_psql('postgres');
my $pid = $holder->query_safe('SET synchronous_commit = on; SELECT pg_backend_pid()');
my $others = $two->query_safe('SELECT pg_backend_pid()');
my $waits = "SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = $pid AND wait_event = 'SyncRep'";
# until the server has read the setting
within($PostgreSQL::Test::Utils::timeout_default, sub {
	$holder->query_until(qr/begun/, "BEGIN; UPDATE washminute_data.washmen SET status_changed_at = now() WHERE washman_id = 'w8';\n"
		  . "NOTIFY x; SELECT 'begun';\nCOMMIT;\n");
	query_becomes($node, "SELECT state = 'idle' OR wait_event = 'SyncRep' FROM pg_stat_activity WHERE pid = $pid", 't');
	return $node->safe_psql('postgres', $waits) eq 't';
}, 'a commit waits');
$one->query_safe('BEGIN; SAVEPOINT a; ' . online('w3') . 'ROLLBACK TO a;');
$two->query_until(qr/begun/, 'BEGIN; ' . online('w3') . "NOTIFY x; SELECT 'begun';\nCOMMIT;\n");
becomes_true($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE pid = $others AND wait_event_type = 'Lock'", 'and another for it');
# before its commit it looks who is online after all, and waits for whoever is changing that
$one->query_until(qr/begun/, "SELECT 'begun';\nCOMMIT;\n");
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
becomes_true($node, "SELECT count(*) = 2 FROM pg_stat_activity WHERE pid IN ($pid, $others) AND state = 'idle'", 'they go on');
holds('w1 w2 w3', 'what was rolled back does not count');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET synchronous_standby_names');
reload();
holds('w1 w2 w3', 'loaded anew');
foreach my $session ($one, $two, $holder)
{
	eval { $session->quit };
}

#
# All of them
#

# The index follows a committed TRUNCATE and DELETE, and what comes after.
my $everybody = "INSERT INTO washminute_data.washmen SELECT 'w' || i, 'offline', now() FROM generate_series(1, 9) AS i ON CONFLICT DO NOTHING; "
  . online('w1', 'w2', 'w3');
my $cascade = 'SET client_min_messages = warning; TRUNCATE washminute_data.washmen CASCADE';
foreach my $deed ($cascade, 'DELETE FROM washminute_data.accounts; DELETE FROM washminute_data.washmen')
{
	my $position = log_position($node);

	$node->safe_psql('postgres', $deed);
	is_query($node, $near, '', "$deed: nobody is matched");
	log_shows($node, qr/live index loaded/, $position, "$deed: the index is loaded anew") if $deed =~ /TRUNCATE/;
	index_answers();
	holds('', $deed);
	is_query($node, 'SELECT washminute.flush_locations() >= 0', 't', "$deed: what is left is written");
	is_query($node, 'SELECT held FROM washminute.live_status()', 0, "$deed: no slot is kept");
	$node->safe_psql('postgres', $everybody);
	holds('w1 w2 w3', "$deed: they come back, to where they were");
}
$node->safe_psql('postgres', "BEGIN; $cascade; " . $everybody . online('w4') . 'COMMIT');
index_answers();
holds('w1 w2 w3 w4', 'TRUNCATE, and others in the same transaction');
$node->safe_psql('postgres', offline('w4'));

# Positions that were deleted are written again as they are reported; the index keeps them.
foreach my $deed ('TRUNCATE washminute_data.washman_positions', 'DELETE FROM washminute_data.washman_positions')
{
	$node->safe_psql('postgres', "SELECT washminute.flush_locations(); $deed");
	holds('w1 w2 w3', $deed);
	$node->safe_psql('postgres', "SELECT washminute.report_location('w1', 10, 10.0014); SELECT washminute.flush_locations()");
	position_is('w1', 10.0014, 't', "$deed: the next position");
	is_query($node, 'SELECT count(*) FROM washminute_data.washman_positions', 1, "$deed: no other is written");
	$node->safe_psql('postgres', "SELECT washminute.report_location('w' || i, 10, 10 + i * 0.001) FROM generate_series(1, 9) AS i");
}

#
# The table goes
#

# Whoever drops it in the transaction that has changed it can commit; so can who gives
# it another name, and from then on what was the index is no use.
$one = $node->background_psql('postgres');
$one->query_safe('BEGIN; ' . online('w4') . 'SET LOCAL client_min_messages = warning; DROP TABLE washminute_data.washmen CASCADE');
$one->query_safe('ROLLBACK');
holds('w1 w2 w3', 'DROP TABLE, rolled back');
$one->query_safe('BEGIN; ' . online('w4') . 'ALTER TABLE washminute_data.washmen RENAME TO away; COMMIT');
is_query($node, 'SELECT answers FROM washminute.live_status()', 'f', 'the table has another name: the index does not answer');
$one->query_safe('ALTER TABLE washminute_data.away RENAME TO washmen');
index_answers();
holds('w1 w2 w3 w4', 'it has its name again');
$node->safe_psql('postgres', offline('w4'));

# drop all, in one transaction, and have it anew
$one->quit;
$node->safe_psql('postgres', 'CREATE DATABASE spare TEMPLATE postgres');
index_answers();
holds('w1 w2 w3', 'after the worker has stood aside');
$one = $node->background_psql('postgres');
$one->query_safe('SET client_min_messages = warning; BEGIN; ' . online('w4') . offline('w1')
	. 'DROP SCHEMA washminute_data, washminute_api CASCADE; DROP EXTENSION washminute CASCADE; COMMIT');
$one->quit;
is_query($node, "SELECT count(*) FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'washminute_data')",
	0, 'all is dropped by a transaction that has changed a status');
create_washminute($node, 'postgres');
index_answers();
holds('', 'all anew: nobody is there');
is_query($node, 'SELECT held FROM washminute.live_status()', 0, 'all anew: nobody of those before is held');
$node->safe_psql('postgres', "SELECT washminute.upsert_user('w' || i, 'washman') FROM generate_series(1, 9) AS i;"
	. "SELECT washminute.report_location('w' || i, 10, 10 + i * 0.001) FROM generate_series(1, 9) AS i;" . online('w1', 'w2', 'w3'));
holds('w1 w2 w3', 'all anew: it works');

#
# Databases
#

# Another database has washmen of the same names: they are its own, wherever they are.
sub elsewhere
{
	my ($sql, $expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is_query($node, $sql, $expected, "another database: $name", 'spare');
}

$node->safe_psql('spare', 'SELECT washminute.adopt(); ' . offline('w1', 'w2') . online('w4', 'w5')
	. "SELECT washminute.report_location('w' || i, 10, 10.002 - i * 0.0001) FROM generate_series(1, 5) AS i");
elsewhere('SELECT answers FROM washminute.live_status()', 'f', 'the index does not answer there');
elsewhere($in_index, '', 'it shows nobody there');
elsewhere($near, 'w3 w4 w5', 'matching goes by its table');
elsewhere("SELECT ST_Y(last_location::geometry)::numeric(6, 4) FROM washminute_data.washman_positions WHERE washman_id = 'w3'", '10.0017',
	'positions go to its table');
elsewhere('SELECT washminute.flush_locations()', 0, 'there is nothing to write');
is_refused($node, 'SELECT washminute._load_live_index()', '55000', undef, 'another database: only the worker loads', dbname => 'spare');
is_refused($node, 'SELECT washminute._load_live_index()', '55000', undef, 'this database: only the worker loads');
holds('w1 w2 w3', 'another database: nothing has changed here');
is_query($node, "SELECT latitude FROM washminute.live_washmen() WHERE washman_id = 'w3'", 10.003, 'another database: nor where they are');
$node->safe_psql('spare', 'BEGIN; ' . online('w1') . "PREPARE TRANSACTION 'spare'; COMMIT PREPARED 'spare'; TRUNCATE washminute_data.washmen CASCADE");
elsewhere($near, '', 'it can prepare, and truncate');
is_query($node, 'SELECT answers FROM washminute.live_status()', 't', 'another database: the index answers here');
holds('w1 w2 w3', 'another database: as before');
reload();
holds('w1 w2 w3', 'another database: and loaded anew');

# The served database is dropped, with a position that is not written, and another one
# comes in its place, whose w1 is where its own table says.
$node->safe_psql('spare', $everybody . "SELECT washminute.report_location('w1', 10, 10.0007)");
foreach my $template ('template1', 'spare')
{
	my $there = $template eq 'spare' ? 'w1 w2 w3' : '';

	$node->safe_psql('postgres', "SELECT washminute.report_location('w1', 10, 10.0013)");
	$node->safe_psql('template1', 'DROP DATABASE postgres');
	is_query($node, 'SELECT washminute._check_live_index()', '', "$template: the index is whole without its database", 'spare')
	  if $template eq 'template1';
	$node->safe_psql('template1', "CREATE DATABASE postgres TEMPLATE $template");
	$there ? $node->safe_psql('postgres', 'SELECT washminute.adopt()') : create_washminute($node, 'postgres');
	index_answers();
	holds($there, "$template in its place");
	is_query($node, 'SELECT held = online FROM washminute.live_status()', 't', "$template in its place: nobody else is held");
	is_query($node, "SELECT latitude FROM washminute.live_washmen() WHERE washman_id = 'w1'", $there ? 10.0007 : '',
		"$template in its place: nor any position");
	$node->safe_psql('postgres', "SELECT washminute.upsert_user('w' || i, 'washman') FROM generate_series(1, 9) AS i;" . online('w1', 'w2', 'w3')) unless $there;
	$node->safe_psql('postgres', "SELECT washminute.report_location('w' || i, 10, 10 + i * 0.001) FROM generate_series(1, 9) AS i");
	holds('w1 w2 w3', "$template in its place: it works");
	is_query($node, 'SELECT washminute.flush_locations() >= 0', 't', "$template in its place: and is written");
}

#
# Full
#

$node->safe_psql('postgres', 'ALTER SYSTEM SET washminute.max_live_washmen = 3');
$node->restart;
index_answers();
holds('w1 w2 w3', 'three find room');
is_refused($node, online('w4'), 'PT503', qr/^WM_LIVE_INDEX_FULL/, 'a fourth does not');
holds('w1 w2 w3', 'and takes no place');
$node->safe_psql('postgres', offline('w3') . 'SELECT washminute.flush_locations();' . online('w4'));
holds('w1 w2 w4', 'who leaves makes room');
$node->safe_psql('postgres', offline('w4') . 'SELECT washminute.flush_locations(); BEGIN; ' . online('w5') . 'ROLLBACK;' . online('w3'));
holds('w1 w2 w3', 'so does a rollback');
$node->safe_psql('postgres', "SET session_replication_role = replica; UPDATE washminute_data.washmen SET status = 'offline' WHERE washman_id = 'w1';"
	. "UPDATE washminute_data.washmen SET status = 'online' WHERE washman_id = 'w4'");
$node->reload;
becomes($node, $in_index, 'w2 w3 w4', 'behind the triggers, too, once loaded anew');

# more than there is room for; a load that breaks off leaves nothing behind
my $position = log_position($node);
$node->safe_psql('postgres', "SET session_replication_role = replica; UPDATE washminute_data.washmen SET status = 'online' WHERE washman_id = 'w1'");
$node->reload;
log_shows($node, qr/WM_LIVE_INDEX_FULL/, $position, 'a load of four fails');
$node->safe_psql('postgres', offline('w2', 'w3'));
becomes($node, $in_index, 'w1 w4', 'once there is room again it succeeds');
holds('w1 w4', 'and all is well');
unlike(log_since($node, $position), qr/terminated by signal/, 'nothing has crashed');

done_testing();
