# Live events as the gateways get them: what is notified, byte for byte; the order; what a
# transaction that commits late has told, and a worker that is killed; who is told of an
# offer later; positions; a message that cannot be sent; and both modes.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use Washminute;

my $node = washminute_node('main', init => { allows_streaming => 1 }, conf => <<'CONF');
restart_after_crash = on
washminute.location_flush_interval = 100ms
log_statement = none
autovacuum = off
CONF

sub sql
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', $sql);
}

#
# A gateway's ears: psql tells of notifications after each command.
#

my ($in, $out, $ears, @heard, $marks);

sub open_ears
{
	my ($channel) = @_;

	($in, $out, $marks) = ("LISTEN \"$channel\";\n", '', 0);
	@heard = ();
	$ears = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$out, '2>', '/dev/null');
	hear();
	return;
}

# What was notified by now, in order, is in @heard.
sub hear
{
	my $mark = 'mark ' . ++$marks;

	$in .= "SELECT '$mark';\n";
	$ears->pump until $out =~ /^$mark$/m;
	while ($out =~ s/^Asynchronous notification "[^"]*" with payload "(.*)" received from server process with PID \d+\.$//m)
	{
		push @heard, $1;
	}
	return;
}

# A test: so many notifications more come, none of them too many; what they are.
sub hears
{
	my ($count, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	within($PostgreSQL::Test::Utils::timeout_default, sub { hear(); @heard >= $count }, $name)
	  or diag("heard:\n" . join("\n", @heard));
	is(scalar(@heard), $count, "$name: no more") if @heard > $count;
	return splice(@heard, 0);
}

sub cursor { return sql('SELECT washminute.live_cursor()') }

# The notification of an event.
sub event
{
	my ($event, $data, $rooms, $flags) = @_;

	return qq({"uid":"emitter","type":3,"nsp":"/","data":{"packet":{"type":2,"nsp":"/","data":["$event",$data]},)
	  . qq("opts":{"rooms":$rooms,"except":[],"flags":{@{[$flags // '']}}}}});
}

open_ears('socket.io#/');
worker_becomes($node, 'running', 'the worker runs');

#
# Byte for byte
#

my $options = '"except":[],"flags":{}}';
my $start = cursor();
sql(<<'SQL');
SELECT washminute.emit('user-1', 'plain', '{"b": 2, "a": [1, null, "é\n\"\\"]}');
SELECT washminute.emit('user-"1"', 'quo"ted');
SELECT washminute.emit(ARRAY['42', 'chat-1'], 'rooms', '{}');
SELECT washminute.emit_all('all', '{"a": 1}');
SELECT washminute.socket_join('sid', ARRAY['chat-1', 'chat-2']);
SELECT washminute.socket_leave('sid', ARRAY['chat-1']);
SELECT washminute.user_join('1', 'chat-1');
SELECT washminute.user_leave('1', 'chat-1');
SELECT washminute.user_logout('1');
SELECT washminute.server_emit('reload', '{"a": 1}');
SQL
my @eid = map { $start + $_ } 0 .. 4;
is_deeply(
	[ hears(10, 'ten messages are notified') ],
	[
		event('plain', qq({"a": [1, null, "é\\n\\"\\\\"], "b": 2, "eid": "$eid[1]"}), '["user-1"]'),
		event('quo\"ted', qq({"eid": "$eid[2]"}), '["user-\"1\""]'),
		event('rooms', qq({"eid": "$eid[3]"}), '["42","chat-1"]'),
		event('all', qq({"a": 1, "eid": "$eid[4]"}), '[]'),
		qq({"uid":"emitter","type":4,"nsp":"/","data":{"opts":{"rooms":["sid"],$options,"rooms":["chat-1","chat-2"]}}),
		qq({"uid":"emitter","type":5,"nsp":"/","data":{"opts":{"rooms":["sid"],$options,"rooms":["chat-1"]}}),
		qq({"uid":"emitter","type":4,"nsp":"/","data":{"opts":{"rooms":["user-1"],$options,"rooms":["chat-1"]}}),
		qq({"uid":"emitter","type":5,"nsp":"/","data":{"opts":{"rooms":["user-1"],$options,"rooms":["chat-1"]}}),
		qq({"uid":"emitter","type":6,"nsp":"/","data":{"opts":{"rooms":["user-1"],$options,"close":true}}),
		qq({"uid":"emitter","type":9,"nsp":"/","data":{"packet":["reload",{"a": 1}]}})
	],
	'in the form of the adapter');

# a rollback sends nothing; two that are the same both arrive; what is long is in the table when its notification comes
$start = cursor();
sql(<<'SQL');
BEGIN; SELECT washminute.emit('user-1', 'undone'); ROLLBACK;
BEGIN; SELECT washminute.emit('user-1', 'same'), washminute.emit('user-1', 'same'); COMMIT;
SELECT washminute.emit('user-1', 'long', jsonb_build_object('t', repeat('é', 5000)));
SQL
@eid = map { $start + $_ } 0 .. 2;
my @got = hears(3, 'two that are the same, and a long one');
is_deeply([ @got[ 0, 1 ] ], [ map { event('same', qq({"eid": "$eid[$_]"}), '["user-1"]') } 1, 2 ], 'each with an id of its own');
my ($attachment) = $got[2] =~ /^\{"uid":"emitter","type":3,"nsp":"\/","attachmentId":"(\d+)"\}$/;
ok($attachment, 'of the long one its header') or diag($got[2]);
is_query($node, "SELECT count(*) FROM washminute_data.socket_io_attachments WHERE id = $attachment AND length(payload) > 10000", 1,
	'which names the row');
is_query($node, 'SET ROLE washminute_gateway; DELETE FROM washminute_data.socket_io_attachments; RESET ROLE;
                 SELECT count(*) FROM washminute_data.socket_io_attachments', 0, 'the gateway deletes such rows');

#
# Order
#

$start = cursor();
sql("BEGIN; SELECT count(washminute.emit('user-1', 'n', jsonb_build_object('n', n))) FROM generate_series(1, 500) AS n; COMMIT;\n"
	  . join("\n", map { "SELECT washminute.emit('user-1', 'n', '{\"n\": $_}');" } 501 .. 1000));
@got = hears(1000, 'a thousand events');
is(join(' ', map { /"n": (\d+)/ } @got), join(' ', 1 .. 1000), 'in the order in which they were told');
is(join(' ', map { /"eid": "(\d+)"/ } @got), join(' ', map { $start + $_ } 1 .. 1000), 'with ids in that order');

# One that was told before and committed afterwards: whoever asks by the position of the other gets it.
my ($late_in, $late_out) = ("BEGIN; SELECT washminute.emit('user-1', 'late');\n\\echo told\n", '');
my $late = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$late_in, '>', \$late_out);
$late->pump until $late_out =~ /^told$/m;
sql("SELECT washminute.emit('user-1', 'early')");
my ($early) = hears(1, 'what another has told meanwhile does not wait for it');
my ($seen) = $early =~ /"early",\{"eid": "(\d+)"\}/;
is_query($node, "SELECT event FROM washminute.missed_events('1', " . ($seen - 1) . ')', 'early', 'the log has that');
$late_in .= "COMMIT;\n";
$late->finish;
is_deeply([ hears(1, 'then it comes') ], [ event('late', '{"eid": "' . ($seen + 1) . '"}', '["user-1"]') ], 'with a later id');
is_query($node, "SELECT event FROM washminute.missed_events('1', $seen)", 'late', 'and an app that had seen the other does not miss it');

#
# A worker that is killed, and the server with it: nothing lost, nothing twice
#

my @told;
foreach my $round (1 .. 2)
{
	my $pid = worker_pid($node);
	my ($emits, $answers) = (PostgreSQL::Test::Utils::tempdir . "/emits.$round", '');

	# an answer says that the one is committed
	append_to_file($emits, join('', map { "SELECT '$round.$_' FROM washminute.emit('user-1', 'crash', '{\"id\": \"$round.$_\"}') AS e (id);\n" } 1 .. 3000));
	my $client = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', $emits ],
		'<', \undef, '>', \$answers, '2>', '/dev/null');
	$client->pump until $answers =~ /^$round\.200$/m;
	kill('KILL', $pid);
	$client->finish;
	my @answered = $answers =~ /^($round\.\d+)$/mg;
	cmp_ok(scalar(@answered), '<', 3000, "crash $round came before the client was done");
	push @told, @answered;
	within($PostgreSQL::Test::Utils::timeout_default,
		sub { $node->psql('postgres', 'SELECT 1', stderr => \my $ignored) == 0 && worker_pid($node) =~ /^\d+$/ && worker_pid($node) != $pid },
		"another worker after crash $round");
}
becomes($node, "SELECT count(*) FROM washminute_data.outbox WHERE lane = 'realtime'", 0, 'it publishes what was left');
my %kept = map { $_ => 1 } split(/\n/, sql("SELECT data->>'id' FROM washminute_data.socket_events WHERE event = 'crash'"));
cmp_ok(scalar(@told), '>=', 400, 'events were told');
is(join(' ', grep { !$kept{$_} } @told), '', 'none of those that were committed is lost');
is_query($node, "SELECT count(*) - count(DISTINCT data->>'id') FROM washminute_data.socket_events WHERE event = 'crash'", 0, 'and none was published twice');
is_query($node, "SELECT count(*) FROM (SELECT data->>'id' AS id, position, lag(position) OVER (ORDER BY split_part(data->>'id', '.', 1)::int,
                   split_part(data->>'id', '.', 2)::int) AS before FROM washminute_data.socket_events WHERE event = 'crash') AS e WHERE position < before", 0, 'all in order');
$ears->kill_kill;

#
# Offers that are told later, positions
#

open_ears('socket.io#/');
sql(<<'SQL');
SELECT washminute.set_clock('2030-01-07 12:00+00', 1);
UPDATE washminute_data.service_zones SET offer_policy = 'staggered';
UPDATE washminute_data.settings SET value = 1 WHERE name IN ('stagger_seconds', 'stagger_size');
SELECT washminute.upsert_user('amina', 'customer', 'Amina B');
SELECT washminute.upsert_user('w' || n, 'washman'), washminute.set_washman_status('w' || n, 'online'),
       washminute.report_location('w' || n, -7.61, 33.59 + n / 1000.0) FROM generate_series(1, 2) AS n;
SQL
my $request = sql("SELECT request_id FROM washminute.create_booking('amina', '{exterior}', -7.61, 33.59, 'Rue 1', 'cash')");
my ($first, $second) = hears(2, 'both washmen are told');
like($first, qr/^\{"uid":"emitter","type":3,.*\["newWashingRequest",\{.*"requestId": "$request".*"rooms":\["user-w1"\]/, 'the nearest first, and he alone');
like($second, qr/\["newWashingRequest",.*"rooms":\["user-w2"\]/, 'the other one later');
is_query($node, "SELECT bool_and(at >= (data->>'offeredAt')::timestamptz), max((data->>'offeredAt')::timestamptz) - min((data->>'offeredAt')::timestamptz)
                   FROM washminute_data.socket_events WHERE event = 'newWashingRequest'", 't|00:00:01', 'by a second');
sql("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT washminute.accept_request('$request', 'w2'); COMMIT;");
within($PostgreSQL::Test::Utils::timeout_default, sub { hear(); (grep { !/washmanLocation/ } @heard) >= 3 }, 'the acceptance is told');
@got = grep { !/washmanLocation/ } splice(@heard, 0);
my %rooms = map { /\["(\w+)",\{.*"rooms":\[([^\]]*)\]/ } @got;
is_deeply(\%rooms, { requestTaken => '"user-w1"', requestStatusChanged => '"user-amina","user-w2"', washmanAssigned => '"user-amina"' },
	'to those who were told, to customer and washman');

$start = cursor();
sql("SELECT washminute.report_location('w2', -7.612, 33.592), washminute.report_location('w1', -7.613, 33.592)");
within($PostgreSQL::Test::Utils::timeout_default, sub { hear(); grep { /-7\.612/ } @heard }, 'the customer hears where he is');
like((grep { /-7\.612/ } @heard)[0], qr/\["washmanLocation",\{(?:[^}]*)"requestId": "$request", "washmanId": "w2"\}\]\},"opts":\{"rooms":\["user-amina"\],"except":\[\],"flags":\{"volatile":true\}\}\}\}$/,
	'and nobody else, as far as he can');
is(scalar(grep { !/"washmanId": "w2"/ } @heard), 0, 'of the other washman nothing is told');
is_query($node, "SELECT count(*) FROM washminute_data.socket_events WHERE position > $start", 0, 'and the log does not keep it');
sql("SELECT washminute.set_clock(NULL)");
@heard = ();

#
# A message that cannot be sent does not hold up the others for long
#

sql(q(INSERT INTO washminute_data.outbox (lane, event, data, created_at) VALUES ('realtime', 'broken', '{"type": 3}', now());
      SELECT washminute.emit('user-1', 'behind')));
like((hears(1, 'what stands behind it comes'))[0], qr/"behind"/, 'at last');
is_query($node, "SELECT event, state FROM washminute_data.outbox WHERE lane = 'realtime'", 'broken|dead', 'it is a dead letter');
is_query($node, "SELECT dead, failed > 0 FROM washminute.worker_status() WHERE lane = 'realtime'", '1|t', 'which the status counts');
sql("DELETE FROM washminute_data.outbox");

# nor does one that only the log refuses; and once past it the worker publishes many at a time again
sql(<<'SQL');
INSERT INTO washminute_data.realtime_rules (name, event_pattern, audience, emits) VALUES ('crooked', 'crooked', 'all', 'crooked');
BEGIN;
SELECT count(washminute.emit('user-1', 'before')) FROM generate_series(1, 20);
INSERT INTO washminute_data.outbox (lane, event, data, created_at) VALUES ('realtime', 'crooked', '{"data": [1]}', now());
SELECT count(washminute.emit('user-1', 'burst')) FROM generate_series(1, 3000);
COMMIT;
SQL
hears(3020, 'all others come');
is_query($node, "SELECT event, state, attempts FROM washminute_data.outbox WHERE lane = 'realtime'", 'crooked|dead|3', 'it is a dead letter too');
cmp_ok(sql("SELECT count(DISTINCT xmin::text) FROM washminute_data.socket_events WHERE event = 'burst'"), '<', 50, 'and those behind it came in few transactions');
sql("DELETE FROM washminute_data.outbox; DELETE FROM washminute_data.realtime_rules WHERE name = 'crooked'");

# what is in the worker's way for a time is no message's fault, however often
my $stopper = $node->background_psql('postgres');
$stopper->query_safe('BEGIN; LOCK TABLE washminute_data.socket_events IN ACCESS EXCLUSIVE MODE');
sql("SELECT washminute.emit('user-1', 'patient')");
foreach my $time (1 .. 3)
{
	becomes($node, "SELECT count(*) FROM pg_stat_activity WHERE pid = ${\ worker_pid($node) } AND wait_event_type = 'Lock'", 1, "the worker waits, time $time");
	sql("SELECT pg_cancel_backend(${\ worker_pid($node) })");
	becomes($node, "SELECT count(*) FROM pg_stat_activity WHERE pid = ${\ worker_pid($node) } AND wait_event_type = 'Lock'", 0, 'and is cancelled');
}
is_query($node, "SELECT state, attempts FROM washminute_data.outbox WHERE lane = 'realtime'", 'queued|0', 'the message waits too');
$stopper->query_safe('COMMIT');
like((hears(1, 'and it comes'))[0], qr/"patient"/, 'in the end');

#
# Gateways hear that the worker is alive, whatever hinders it in telling positions, and in clearing after gateways that died
#

my $viewer = $stopper;
$viewer->query_safe("SELECT washminute.gateway_register('here')");
hears(1, 'a tick as soon as a gateway is there');
$viewer->query_safe(qq(BEGIN; SELECT washminute.socket_event('{"sub": "amina"}', 'sid', 'here', 'join-chat', '{"chatId": "$request"}')));
sql(<<"SQL");
ALTER FUNCTION washminute._live_positions() RENAME TO _no_live_positions;
INSERT INTO washminute_data.chat_viewers (sid, chat_id, user_id, gateway, since) VALUES ('other', '$request', 'amina', 'gone', now());
SELECT washminute.set_clock('2030-01-07 12:05+00', 1);
SELECT washminute.report_location('w2', -7.62, 33.59);
SELECT washminute.set_clock(NULL);
SQL
my $position = log_position($node);
ok($node->wait_for_log(qr/function washminute\._live_positions\(\) does not exist/), 'the worker cannot tell positions');
@heard = ();
like((hears(1, 'another tick, while both are impossible'))[0], qr/\["tick",/, 'and nothing else');
is_query($node, "SELECT count(*) FROM washminute_data.chat_viewers WHERE gateway = 'gone'", 1, 'what the dead gateway left is still there');
is(count_in_log($node, qr/WM_LOCK_TIMEOUT/, $position), 0, 'for which the worker did not wait');
sql("ALTER FUNCTION washminute._no_live_positions() RENAME TO _live_positions");
$viewer->query_safe('COMMIT');
becomes($node, "SELECT count(*) FROM washminute_data.chat_viewers WHERE gateway = 'gone'", 0, 'it goes when nobody is in the way');
within($PostgreSQL::Test::Utils::timeout_default, sub { hear(); grep { /-7\.62,/ } @heard }, 'and positions are told again');
$viewer->query_safe(qq(SELECT washminute.socket_event('{"sub": "amina"}', 'sid', 'here', 'leave-chat', '{"chatId": "$request"}')));
$viewer->quit;
within($PostgreSQL::Test::Utils::timeout_default, sub { hear(); grep { /"viewers": \[\]/ } @heard }, 'and that nobody views the chat any more');
@heard = ();

#
# The order is that in which they were told, also where the one who told later began first, and more wait than are taken at a time
#

my ($holder, $slow) = map { $node->background_psql('postgres') } 1 .. 2;
$slow->query_safe('BEGIN; SELECT pg_current_xact_id()');
$holder->query_safe('BEGIN; SELECT washminute.pump_events()');
sql(join("\n", map { "SELECT washminute.emit('user-1', 'ordered', '{\"n\": $_}');" } 1 .. 1100));
$slow->query_safe(q(SELECT washminute.emit('user-1', 'ordered', '{"n": 1101}'); COMMIT));
$holder->query_safe('COMMIT');
$_->quit foreach $holder, $slow;
@got = hears(1101, 'what waited comes');
is(join(' ', map { /"n": (\d+)/ } @got), join(' ', 1 .. 1101), 'in order');

#
# Direct: as it commits; and nobody overtakes who has a position and has not committed yet
#

sql("ALTER SYSTEM SET washminute.realtime_mode TO direct; ALTER SYSTEM SET washminute.realtime_channel_prefix TO 'secret'");
$node->reload;
becomes($node, 'SHOW washminute.realtime_mode', 'direct', 'the mode is direct');
$ears->kill_kill;
open_ears('secret#/');
sql("SELECT washminute.emit('user-1', 'direct')");
$start = cursor();
is_deeply([ hears(1, 'it is notified on the channel of the new prefix') ], [ event('direct', qq({"eid": "$start"}), '["user-1"]') ], 'in the same form');
is_refused($node, 'SET ROLE washminute_owner; SHOW washminute.realtime_channel_prefix', '42501', undef, 'the prefix is not for everybody');

# one that waits for a standby that is not there has its position, and is not visible yet
sql("ALTER SYSTEM SET synchronous_standby_names TO 'nobody'");
$node->reload;
becomes($node, 'SHOW synchronous_standby_names', 'nobody', 'commits wait for a standby');
my @two = map { IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', $_ ], '<', \undef, '>', '/dev/null') }
  ("SELECT washminute.emit('user-1', 'slow')");
becomes($node, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE '%slow%'", 1, 'one waits');
push @two, IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', "SET synchronous_commit TO local; SELECT washminute.emit('user-1', 'quick')" ],
	'<', \undef, '>', '/dev/null');
becomes($node, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 22280 AND NOT granted", 1, 'another one waits for it');
is(cursor(), $start, 'and neither can be seen');
$node->psql('postgres', "SET synchronous_commit TO local; ALTER SYSTEM RESET synchronous_standby_names");
$node->reload;
$_->finish foreach @two;
is_deeply(
	[ hears(2, 'then both come') ],
	[ event('slow', '{"eid": "' . ($start + 1) . '"}', '["user-1"]'), event('quick', '{"eid": "' . ($start + 2) . '"}', '["user-1"]') ],
	'in order');
$ears->kill_kill;
is_query($node, 'SELECT * FROM washminute.check_invariants()', '', 'the invariants hold');

$node->stop;
done_testing();
