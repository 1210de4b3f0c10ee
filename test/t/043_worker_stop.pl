# The worker is asked to end, alone or with the server, while requests are under
# way: what is answered in time is recorded, what is not comes again, and neither a
# silent peer nor a standby that is away holds it up for long.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Peer;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Washminute;

# the worker gives answers five seconds
my $patience = 5;
my $upper_bound = 8;

# a shutdown that hangs is to fail soon
$ENV{PGCTLTIMEOUT} = 30;

my $peer = Peer->start;
my $key = signing_key();
my $node = washminute_node('main', init => { allows_streaming => 1 }, conf => <<"EOC");
washminute.signing_key_file = '$key'
washminute.http_timeout = 60s
autovacuum = off
EOC
listener($node, hook => $peer->url('hook'));
worker_becomes($node, 'running', 'the worker runs');

sub epoch
{
	return $node->safe_psql('postgres', 'SELECT worker_epoch FROM washminute_data.instance');
}

# Seconds that an action takes.
sub seconds_of
{
	my ($action) = @_;
	my $start = time();

	$action->();
	return time() - $start;
}

# A test: the process ends before so many seconds are over.
sub ends_within
{
	my ($pid, $seconds, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return within($seconds, sub { !kill(0, $pid) }, $name);
}

# A test: each of so many messages came as often as told, and no row is left.
sub is_delivered
{
	my ($messages, $times, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$peer->becomes('hook', requests => $messages * $times, "$name: the requests come");
	outbox_empties($node, "$name: nothing is left");
	my $ids = $peer->ids('hook');
	is(join(' ', map { $ids->{$_} } sort keys %$ids), join(' ', ($times) x $messages), "$name: each so often");
	$peer->forget;
	return;
}

#
# The worker alone
#

my ($pid, $epoch) = (worker_pid($node), epoch());
my $position = log_position($node);

$peer->mode('hook', { mode => 'hold' });
$node->safe_psql('postgres', enqueue('hook', 3));
$peer->becomes('hook', open => 3, 'three requests are under way');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
$node->safe_psql('postgres', enqueue('hook', 1, 4));
is($peer->release('hook'), 3, 'they are answered after the worker was asked to end');
ends_within($pid, 2, 'it ends as soon as they are');
like(log_since($node, $position), qr/stopped reason="asked to end" unanswered=0/, 'and says that all were answered');
$peer->becomes('hook', open => 1, 'the next worker sends what was queued meanwhile', seconds => 3);
is_query($node, 'SELECT epoch, attempts FROM washminute_data.outbox', ($epoch + 1) . '|1',
	'which the first had not claimed, and all else is recorded');
isnt(worker_pid($node), $pid, 'it is another process');
is($peer->release('hook'), 1, 'that is answered too');
is_delivered(4, 1, 'asked to end');

$pid = worker_pid($node);
$position = log_position($node);
$peer->mode('hook', { mode => 'never', times => 2 });
$node->safe_psql('postgres', enqueue('hook', 2));
$peer->becomes('hook', open => 2, 'two requests are never answered');
my $start = time();
ok(kill('TERM', $pid), 'the worker gets a SIGTERM');
ends_within($pid, $upper_bound, 'it ends all the same');
cmp_ok(time() - $start, '>', $patience - 1, 'after it has waited for answers');
like(log_since($node, $position), qr/stopped reason="asked to end" unanswered=2/, 'and says how many did not come');
is_delivered(2, 2, 'never answered');
is(epoch(), $epoch + 2, 'each life has its epoch');

# as soon as it is up, again and again
$pid = worker_pid($node);
my $epoch_before = epoch();
my @starts;
foreach my $life (0 .. 3)
{
	query_becomes($node, "SELECT count(*) FROM pg_stat_activity
	  WHERE backend_type = 'washminute worker' AND pid <> $pid", 1) if $life > 0;
	my $row = $node->safe_psql('postgres', "SELECT pid, extract(epoch FROM backend_start), pg_terminate_backend(pid)
	  FROM pg_stat_activity WHERE backend_type = 'washminute worker'");
	($pid, $starts[$life]) = split(/\|/, $row);
}
# the first was up for long
foreach my $life (2 .. 3)
{
	cmp_ok($starts[$life] - $starts[$life - 1], '>=', 1, 'it is started anew once a second at most');
	cmp_ok($starts[$life] - $starts[$life - 1], '<', 4, 'but soon');
}
worker_becomes($node, 'running', 'it runs at last');
cmp_ok(epoch(), '<=', $epoch_before + 4, 'a life has one epoch');

#
# With the server
#

foreach my $mode ('fast', 'smart')
{
	$position = log_position($node);
	# the answers come during the shutdown
	$peer->mode('hook', { mode => 'delay', ms => 2000 });
	$node->safe_psql('postgres', enqueue('hook', 3));
	$peer->becomes('hook', open => 3, "$mode shutdown: requests are under way");
	my $seconds = seconds_of(sub { $node->stop($mode) });
	cmp_ok($seconds, '<', $upper_bound, "$mode shutdown: it ends");
	is($peer->stats('hook')->{answered}, 3, "$mode shutdown: after the answers");
	like(log_since($node, $position), qr/stopped reason="asked to end" unanswered=0/, "$mode shutdown: which were recorded");
	$peer->mode('hook', { mode => 'ok' });
	$node->start;
	worker_becomes($node, 'running', "$mode shutdown: the worker is back");
	is_query($node, 'SELECT count(*) FROM washminute_data.outbox', 0, "$mode shutdown: no row is left");
	is_delivered(3, 1, "$mode shutdown");
}

# While the worker's and a client's commits wait for a standby that is not there.
# The claim is on disk, so the requests are sent, and nobody answers.
my $waiting = "FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND backend_type";
$peer->mode('hook', { mode => 'never', times => 1 });
$node->safe_psql('postgres', "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
$node->reload;
becomes($node, 'SHOW synchronous_standby_names', 'nobody', 'a synchronous standby is absent');
$node->safe_psql('postgres', 'SET synchronous_commit = local; ' . enqueue('hook'));
becomes_true($node, "SELECT count(*) = 1 $waiting = 'washminute worker'", 'the worker waits for it');
my ($stdout, $stderr) = ('', '');
my $client = IPC::Run::start(
	[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', enqueue('hook', 1, 2) ],
	'>', \$stdout, '2>', \$stderr, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
becomes_true($node, "SELECT count(*) = 1 $waiting = 'client backend'", 'and so does a client');
is($peer->stats('hook')->{requests}, 0, 'nothing is sent before the claim is safe');
$position = log_position($node);
cmp_ok(seconds_of(sub { $node->stop('fast') }), '<', 10, 'a fast shutdown ends');
like(log_since($node, $position), qr/stopped reason="asked to end" unanswered=[01]\n/, 'and the worker by its own will');
$client->finish;
like($stderr, qr/canceling the wait for synchronous replication/, 'the client is told');
append_to_file($node->data_dir . '/postgresql.auto.conf', "synchronous_standby_names = ''\n");
$node->start;
outbox_empties($node, 'after the start all is delivered');
is($peer->stats('hook')->{distinct}, 2, 'both messages');
is_query($node, 'SELECT count(*) FROM washminute.check_invariants()', 0, 'the invariants hold');

done_testing();
