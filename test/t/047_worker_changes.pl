# What changes around a worker that works: settings that its kept connections were
# opened by, the catalogue, its database's leave to connect, how many descriptors it
# has; and somebody cancels or ends it, in the midst of its work.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use File::Copy qw(copy);
use IPC::Run;
use Peer;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Washminute;

# well under the times after which the worker would look by itself
my $at_once = 12;

my $folder = PostgreSQL::Test::Utils::tempdir;
foreach my $authority ('ours', 'theirs')
{
	IPC::Run::run([ "$FindBin::RealBin/../fakes/certificate", "$folder/$authority" ]) or die 'no certificates';
}
my $peer = Peer->start;
my $tls = Peer->start('--tls', "$folder/ours/good.pem", "$folder/ours/good.key");
my $key = signing_key();
my $conf = <<"EOC";
washminute.signing_key_file = '$key'
autovacuum = off
EOC
my $node = washminute_node('main', create => 0, conf => $conf . <<"EOC");
washminute.database = 'served'
washminute.http_timeout = 60s
washminute.ca_file = '$folder/ours/ca.pem'
EOC
$node->safe_psql('postgres', 'CREATE DATABASE served');
create_washminute($node, 'served');

sub in_served
{
	my ($sql) = @_;

	return $node->safe_psql('served', $sql);
}

listener($node, $_, $peer->url($_), database => 'served') foreach qw(hook mark);
listener($node, 'tls', $tls->url('tls'), database => 'served');
worker_becomes($node, 'running', 'the worker runs', 'served');
my $pid = worker_pid($node);

# A test: nothing is queued or under way for the listener, or will be.
sub is_done
{
	my ($listener, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return becomes($node, "SELECT count(*) FROM washminute_data.outbox WHERE state <> 'dead' AND listener = '$listener'",
		0, $name, 'served');
}

# A test: one more message arrives at once.
sub hears
{
	my ($listener, $name) = @_;
	my $at = $listener eq 'tls' ? $tls : $peer;
	my $before = $at->stats($listener)->{requests};

	in_served(enqueue($listener));
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$at->becomes($listener, requests => $before + 1, $name, seconds => $at_once);
	return is_done($listener, "$name, and that is recorded");
}

# Processor time of a process, in hundredths of a second.
sub ticks
{
	my ($process) = @_;
	my ($user, $system) = slurp_file("/proc/$process/stat") =~ /\) \S+(?: \S+){10} (\d+) (\d+)/;

	return $user + $system;
}

# A test: within a second the process uses hardly any.
sub sleeps
{
	my ($process, $name) = @_;
	my $used = ticks($process);
	my $end = time + 1;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	within(5, sub { time > $end }, "$name: a second goes by");
	$used = ticks($process) - $used;
	note("$name: $used ticks");
	return cmp_ok($used, '<', 30, "$name: the worker sleeps meanwhile");
}

#
# Settings, and connections that are kept
#

sub set
{
	my ($setting, $value) = @_;

	$node->safe_psql('postgres', "ALTER SYSTEM SET washminute.$setting = '$value'");
	$node->reload;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return becomes($node, "SELECT setting = '$value' OR current_setting('washminute.$setting') = '$value'
	  FROM pg_settings WHERE name = 'washminute.$setting'", 't', "$setting is $value now");
}

# A test: a message to the listener fails by that error, and is delivered in the end,
# after something has been done.
sub fails_by
{
	my ($listener, $error, $name, $mend) = @_;
	my $position = log_position($node);

	in_served(enqueue($listener));
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	log_shows($node, qr/attempt failed lane=webhook listener=$listener id=\d+ attempt=1 error="$error/, $position, $name);
	$mend->();
	return is_done($listener, "$name: and then arrives");
}

hears('tls', "ca_file: a peer of our authority's");
hears('tls', 'ca_file: again');
is($tls->stats('tls')->{connections}, 1, 'ca_file: by the same connection');
set('ca_file', "$folder/theirs/ca.pem");
fails_by('tls', '[^"]*certificate[^"]*\(nothing was sent\)', 'ca_file: kept connections do not hide a new one',
	sub { set('ca_file', "$folder/ours/ca.pem") });

# while a connection is used
$tls->mode('tls', { mode => 'hold', times => 1 });
in_served(enqueue('tls'));
$tls->becomes('tls', open => 1, 'ca_file: a request is under way', seconds => $at_once);
set('ca_file', "$folder/theirs/ca.pem");
hears('mark', 'ca_file: the worker has seen a new one');
is($tls->release('tls'), 1, 'ca_file: the request is answered');
is_done('tls', 'ca_file: which is good');
fails_by('tls', '[^"]*certificate[^"]*\(nothing was sent\)', 'ca_file: the next request is by the new one',
	sub { set('ca_file', "$folder/ours/ca.pem") });

# the same for the time limit
my $in_time = 'Operation timed out after [34]\d\d milliseconds';
hears('hook', 'http_timeout: a peer answers');
$peer->mode('hook', { mode => 'never', times => 1 });
set('http_timeout', '300ms');
fails_by('hook', $in_time, 'http_timeout: a kept connection has the new one', sub { set('http_timeout', '1min') });
$peer->mode('hook', { mode => 'hold', times => 1 }, { mode => 'never', times => 1 });
in_served(enqueue('hook'));
$peer->becomes('hook', open => 1, 'http_timeout: a request is under way', seconds => $at_once);
set('http_timeout', '300ms');
hears('mark', 'http_timeout: the worker has seen a new one');
is($peer->release('hook'), 1, 'http_timeout: the request has its old one, and is answered');
is_done('hook', 'http_timeout: which is good');
fails_by('hook', $in_time, 'http_timeout: the next on its connection has the new one', sub { set('http_timeout', '1min') });

#
# The catalogue
#

# How many entries of the index that new rows are found by the worker reads, while
# something is done and a message delivered.
sub entries_read
{
	my ($deed, $name) = @_;
	my $stat = "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'outbox_pk'";
	my $before = in_served($stat);

	$deed->();
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	hears('hook', "$name: the worker goes on");
	becomes($node, "SELECT state FROM pg_stat_activity WHERE backend_type = 'washminute worker'", 'idle', "$name: and is idle then");
	return in_served($stat) - $before;
}

# A cursor that is reset goes over the dead letters again.
in_served("INSERT INTO washminute_data.outbox (lane, listener, event, data, created_at, state)
  SELECT 'webhook', 'hook', 'test', '{}', now(), 'dead' FROM generate_series(1, 2000); ANALYZE washminute_data.outbox;");
hears('hook', 'catalogue: the worker has passed over many dead letters');
foreach my $change (
	'CREATE FUNCTION public.nothing() RETURNS integer LANGUAGE sql RETURN 1',
	'CREATE OR REPLACE FUNCTION public.nothing() RETURNS integer LANGUAGE sql RETURN 2',
	'CREATE TABLE public.nothing (a integer)',
	'ALTER TABLE public.nothing ADD COLUMN b text',
	'CREATE ROLE nobody_special',
	'ALTER FUNCTION washminute.now() COST 2',
	'ALTER TABLE washminute_data.instance ADD COLUMN of_mine text',
	'DROP TABLE public.nothing')
{
	cmp_ok(entries_read(sub { in_served($change) }, $change), '<', 500, "$change: the worker does not begin anew");
}
cmp_ok(entries_read(sub { $node->reload; becomes($node, 'SELECT 1', 1, 'a reload') }, 'a reload'), '>=', 2000,
	'a reload, which makes it, would be seen');
in_served("DELETE FROM washminute_data.outbox WHERE state = 'dead'");
is(worker_pid($node), $pid, 'it is the same process');

#
# Leave to connect
#

my $session = $node->background_psql('served');
my $position = log_position($node);
$node->safe_psql('postgres', 'ALTER DATABASE served ALLOW_CONNECTIONS false');
my $before = $peer->stats('hook')->{requests};
$session->query_safe(enqueue('hook') =~ s/\n//r);
$peer->becomes('hook', requests => $before + 1, 'connections: who is there stays, the worker, too', seconds => $at_once);
is(worker_pid($node), $pid, 'connections: as the same process');

$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
log_shows($node, qr/state="waiting: the database accepts no connections" database="served"/, $position, 'connections: the next worker waits, and says so');
$session->query_safe(enqueue('hook', 3) =~ s/\n//r);
like($session->query_safe("SELECT DISTINCT state FROM washminute.worker_status()"), qr/^waiting: /, 'connections: worker_status() says so, too');
my $waits = worker_pid($node);
my $looked = "SELECT state_change FROM pg_stat_activity WHERE backend_type = 'washminute worker'";
foreach my $look (1 .. 2)
{
	my $last = $node->safe_psql('postgres', $looked);

	$node->reload;
	becomes_true($node, "SELECT ($looked) > '$last'", "connections: it looks, $look");
}
sleeps($waits, 'connections');
is(worker_pid($node), $waits, 'connections: it is one process that waits');
cmp_ok(count_in_log($node, qr/FATAL:  .*served/, $position), '<=', 2, 'connections: which has not tried again and again');
is($peer->stats('hook')->{requests}, $before + 1, 'connections: nothing is sent');
$node->safe_psql('postgres', 'ALTER DATABASE served ALLOW_CONNECTIONS true');
$peer->becomes('hook', requests => $before + 4, 'connections: when it may again, it sends what waited');
is_done('hook', 'connections: and records it');
worker_becomes($node, 'running', 'connections: it runs', 'served');
$session->quit;

#
# Cancelled, and ended
#

$pid = worker_pid($node);
$peer->forget;
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
hears('hook', 'cancelled, idle: the worker goes on');
$peer->mode('hook', { mode => 'hold', times => 1 });
in_served(enqueue('hook'));
$peer->becomes('hook', open => 1, 'cancelled: a request is under way', seconds => $at_once);
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
hears('mark', 'cancelled: the worker goes on');
is($peer->release('hook'), 1, 'cancelled: the request is still there');
is_done('hook', 'cancelled: and is recorded');
is(worker_pid($node), $pid, 'cancelled: by the same process');

# in the midst of its work
$peer->forget;
in_served("UPDATE washminute_data.lanes SET concurrency = 4 WHERE lane = 'webhook'");
in_served(enqueue('hook', 2000));
my $cancelled = 0;
while ($peer->stats('hook')->{requests} < 2000 && $cancelled < 200)
{
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid), pg_sleep(0.005) FROM generate_series(1, 5)");
	$cancelled += 5;
}
$peer->becomes('hook', requests => 2000, 'cancelled again and again: all is sent');
is_done('hook', 'cancelled again and again: and recorded');
is($peer->stats('hook')->{doubled}, 0, 'cancelled again and again: once');
is(worker_pid($node), $pid, 'cancelled again and again: by the same process');

$peer->forget;
in_served(enqueue('hook', 2000));
foreach my $life (1 .. 3)
{
	within($PostgreSQL::Test::Utils::timeout_default, sub { $peer->stats('hook')->{requests} > 100 * $life }, "ended: $life, under way");
	$pid = worker_pid($node);
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
	within($PostgreSQL::Test::Utils::timeout_default, sub { my $next = worker_pid($node); $next =~ /^\d+$/ && $next != $pid },
		"ended: $life, another comes");
}
is_done('hook', 'ended: all is recorded');
is($peer->stats('hook')->{distinct}, 2000, 'ended: nothing is lost');
is($peer->stats('hook')->{doubled}, 0, 'ended: and nothing sent twice, as each was given time');
in_served("UPDATE washminute_data.lanes SET concurrency = 32 WHERE lane = 'webhook'");

#
# Stopping
#

# While it waits for an answer there may be new messages and listeners, for the next.
worker_becomes($node, 'running', 'stop: the worker runs', 'served');
$pid = worker_pid($node);
$peer->forget;
$peer->mode('hook', { mode => 'hold', times => 1 });
in_served(enqueue('hook'));
$peer->becomes('hook', open => 1, 'stop: a request is under way', seconds => $at_once);
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
in_served(enqueue('hook', 3, 2));
in_served("UPDATE washminute_data.lanes SET max_attempts = 15 WHERE lane = 'webhook'");
sleeps($pid, 'stop, the worker');
is($peer->release('hook'), 1, 'stop, the worker: and is there to take the answer');
is_done('hook', 'stop, the worker: all is recorded');
is($peer->stats('hook')->{doubled}, 0, 'stop, the worker: once');

worker_becomes($node, 'running', 'stop: the worker runs', 'served');
$pid = worker_pid($node);
$position = log_position($node);
$peer->forget;
$peer->mode('hook', { mode => 'hold', times => 1 });
in_served(enqueue('hook'));
$peer->becomes('hook', open => 1, 'stop, the server: a request is under way', seconds => $at_once);
my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
kill('INT', $postmaster);
log_shows($node, qr/received fast shutdown request/, $position, 'stop, the server: it is told');
sleeps($pid, 'stop, the server');
is($peer->release('hook'), 1, 'stop, the server: and is there to take the answer');
$node->stop('fast');
like(log_since($node, $position), qr/stopped reason="asked to end" unanswered=0/, 'stop, the server: the worker ends well');
$node->start;
is_done('hook', 'stop, the server: all was recorded');
is($peer->stats('hook')->{requests}, 1, 'stop, the server: and not sent again');
is_query($node, 'SELECT count(*) FROM washminute.check_invariants()', 0, 'the invariants hold', 'served');
unlike(log_since($node), qr/PANIC|TRAP|was terminated by signal/, 'nothing crashed');
$node->stop;

#
# Few descriptors
#

# of its descriptors a process of the server uses a third for connections at the most
my $few = washminute_node('few', conf => "$conf\nmax_files_per_process = 100\nwashminute.http_timeout = 60s\n");
$peer->forget;
listener($few, hook => $peer->url('hook'));
$few->safe_psql('postgres', "UPDATE washminute_data.lanes SET concurrency = 256 WHERE lane = 'webhook'");
worker_becomes($few, 'running', 'few descriptors: the worker runs');
$pid = worker_pid($few);
$peer->mode('hook', { mode => 'hold', times => 100 });
$few->safe_psql('postgres', enqueue('hook', 100));
within($PostgreSQL::Test::Utils::timeout_default, sub { $peer->stats('hook')->{open} >= 5 }, 'few descriptors: some requests are under way');
becomes($few, "SELECT in_flight > 4 FROM washminute.worker_status() WHERE lane = 'webhook'", 't', 'few descriptors: which is shown');
sleeps($pid, 'few descriptors');
my $open = $peer->stats('hook')->{open};
note("$open connections are open");
cmp_ok($open, '<=', 100 / 3, 'few descriptors: not more than there may be');
is($peer->stats('hook')->{requests}, $open, 'few descriptors: each has one');
is_query($few, "SELECT string_agg(DISTINCT state || ' ' || attempts, ', ' ORDER BY state || ' ' || attempts) FROM washminute_data.outbox",
	'inflight 1, queued 0', 'few descriptors: the rest waits, and was not claimed');
within($PostgreSQL::Test::Utils::timeout_default, sub { $peer->release('hook'); $peer->stats('hook')->{answered} == 100 },
	'few descriptors: as these are answered, all others are sent');
outbox_empties($few, 'few descriptors: and recorded');
is($peer->stats('hook')->{doubled}, 0, 'few descriptors: once');
cmp_ok($peer->stats('hook')->{connections}, '<=', 100 / 3, 'few descriptors: by the same connections');
is(worker_pid($few), $pid, 'few descriptors: by the same process');
is(count_in_log($few, qr/ERROR: |no more connections|Too many open files/, 0), 0, 'few descriptors: without errors');

$few->stop;
done_testing();
