# Somebody has locked rows that the worker wants to record a result in: all other
# messages are delivered and recorded meanwhile, those of the same listener, too, and
# the locked ones are as soon as they are free, without being sent again.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Peer;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Washminute;

# what other messages may take while a lock lasts
my $soon = 5;

# what a message may take once its lock is gone: the worker has tried a few times
my $free = 40;

my $peer = Peer->start;
my $key = signing_key();
my $node = washminute_node('main', conf => <<"EOC");
washminute.signing_key_file = '$key'
washminute.http_timeout = 2min
autovacuum = off
EOC
listener($node, hook => $peer->url('hook'));
listener($node, mark => $peer->url('mark'), lane => 'realtime');
listener($node, other => $peer->url('other'));
worker_becomes($node, 'running', 'the worker runs');
my $pid = worker_pid($node);

my %lane = (hook => 'webhook', other => 'webhook', mark => 'realtime');

sub queue
{
	my ($listener, $count) = @_;

	$node->safe_psql('postgres', enqueue($listener, $count) =~ s/'webhook'/'$lane{$listener}'/r);
	return;
}

# A test: the others hear at once, and nothing is left of that; as often as told.
sub others_are_served
{
	my ($times, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	foreach my $time (1 .. $times)
	{
		foreach my $listener ('mark', 'other')
		{
			my $before = $peer->stats($listener)->{requests};

			queue($listener, 1);
			$peer->becomes($listener, requests => $before + 1, "$name: $listener hears, $time", seconds => $soon);
			within($soon, sub {
				$node->safe_psql('postgres', "SELECT count(*) FROM washminute_data.outbox WHERE listener = '$listener'") eq '0';
			}, "$name: and that is recorded");
		}
	}
	return;
}

# The states of what is queued for the hook, in the order of writing.
sub states
{
	return $node->safe_psql('postgres',
		"SELECT COALESCE(string_agg(state, ' ' ORDER BY outbox_id), '') FROM washminute_data.outbox WHERE listener = 'hook'");
}

sub states_become
{
	my ($states, $seconds, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return within($seconds, sub { states() eq $states }, $name) || diag('the states are: ' . states());
}

# Three requests are under way, and somebody locks the row of the second; the name of
# that somebody, a session in a transaction.
sub under_way
{
	my ($lock, $answer, $name) = @_;

	$peer->forget;
	$peer->mode('hook', { mode => 'hold', times => 3, %$answer });
	queue('hook', 3);
	$peer->becomes('hook', open => 3, "$name: three requests are under way", seconds => $soon);
	my $session = $node->background_psql('postgres');
	$session->query_safe('BEGIN');
	$session->query_safe($lock);
	return $session;
}

my $second = "WHERE outbox_id = (SELECT min(outbox_id) + 1 FROM washminute_data.outbox WHERE listener = 'hook')";

#
# Delivered
#

foreach my $case (
	[ 'FOR UPDATE', "SELECT FROM washminute_data.outbox $second FOR UPDATE" ],
	[ 'FOR KEY SHARE', "SELECT FROM washminute_data.outbox $second FOR KEY SHARE" ],
	[ 'an update', "UPDATE washminute_data.outbox SET correlation_id = 'mine' $second" ])
{
	my ($name, $lock) = @$case;
	my $session = under_way($lock, {}, $name);
	my $position = log_position($node);

	is($peer->release('hook'), 3, "$name: all are answered");
	states_become('inflight', $soon, "$name: but for the locked one all are recorded");
	others_are_served(3, $name);
	queue('hook', 2);
	$peer->becomes('hook', requests => 5, "$name: new messages to the same listener arrive", seconds => $soon);
	states_become('inflight', $soon, "$name: and are recorded");
	worker_becomes($node, 'running', "$name: the worker runs");
	my $end = time + 1;
	within(5, sub { time > $end }, "$name: a second goes by");
	cmp_ok(count_in_log($node, qr/ERROR: /, $position), '<', 20, "$name: it does not try in a hurry");

	$session->query_safe('COMMIT');
	$session->quit;
	states_become('', $free, "$name: when the lock is gone, the rest is recorded");
	is($peer->stats('hook')->{doubled}, 0, "$name: nothing was sent twice");
	is(worker_pid($node), $pid, "$name: by the same process");
}

# a row that is moved under the worker's hands: the update ends while it waits for it
{
	my $name = 'moved';
	my $session = under_way("UPDATE washminute_data.outbox SET correlation_id = 'mine' $second", {}, $name);

	$session->query_until(qr/begun/, <<"END");
\\echo begun
DO \$\$BEGIN
  FOR i IN 1 .. 20000 LOOP
    EXIT WHEN EXISTS (SELECT FROM pg_locks WHERE pid = $pid AND NOT granted);
    PERFORM pg_sleep(0.001);
  END LOOP;
END\$\$;
COMMIT;
END
	is($peer->release('hook'), 3, "$name: all are answered");
	states_become('', $free, "$name: all are recorded");
	$session->quit;
	is($peer->stats('hook')->{doubled}, 0, "$name: nothing was sent twice");
}

#
# Failed
#

my $name = 'failed';
my $session = under_way("SELECT FROM washminute_data.outbox $second FOR UPDATE", { status => 404 }, $name);
$peer->release('hook');
$peer->becomes('hook', requests => 5, "$name: the two that are free are tried again");
states_become('inflight', $soon, "$name: and recorded");
others_are_served(2, $name);
is($peer->stats('hook')->{requests}, 5, "$name: the locked one is not sent while that lasts");
$session->query_safe('COMMIT');
$session->quit;
$peer->becomes('hook', requests => 6, "$name: but thereafter", seconds => $free);
states_become('', $soon, "$name: and recorded");
is(join(' ', sort values %{ $peer->ids('hook') }), '2 2 2', "$name: each was sent twice");

#
# The row has another key
#

foreach my $case ([ 'rekeyed', {}, '1 1 1' ], [ 'rekeyed and failed', { status => 404 }, '2 2 2' ])
{
	my ($name, $answer, $sent) = @$case;
	my $session = under_way('UPDATE washminute_data.outbox SET xid = pg_current_xact_id()', $answer, $name);

	$session->query_safe('COMMIT');
	$session->quit;
	is($peer->release('hook'), 3, "$name: all are answered");
	states_become('', $free, "$name: and recorded");
	is(join(' ', sort values %{ $peer->ids('hook') }), $sent, "$name: each was sent as often as was due");
}

#
# The row is gone
#

$name = 'deleted';
$session = under_way("DELETE FROM washminute_data.outbox $second", {}, $name);
$peer->release('hook');
states_become('inflight', $soon, "$name: but for that one all are recorded");
others_are_served(1, $name);
$session->query_safe('COMMIT');
$session->quit;
becomes($node, "SELECT in_flight FROM washminute.worker_status() WHERE lane = 'webhook'", 0, "$name: nothing is under way");
others_are_served(1, $name);
is(states(), '', "$name: nothing is left");

#
# The worker's end
#

# What cannot be recorded until then comes again, by the next worker.
$name = 'asked to end';
$session = under_way("SELECT FROM washminute_data.outbox $second FOR UPDATE", {}, $name);
$peer->release('hook');
states_become('inflight', $soon, "$name: but for the locked one all are recorded");
my $start = time;
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
within($PostgreSQL::Test::Utils::timeout_default, sub { !kill(0, $pid) }, "$name: the worker ends");
cmp_ok(time - $start, '<', 10, "$name: in its time");
within($PostgreSQL::Test::Utils::timeout_default, sub { worker_pid($node) =~ /^\d+$/ }, "$name: the next one comes");
others_are_served(1, "$name, the next one");
$session->query_safe('COMMIT');
$session->quit;
states_become('', $free, "$name: what was locked is recorded in the end");
is(join(' ', sort values %{ $peer->ids('hook') }), '1 1 2', "$name: having been sent again");
is_query($node, 'SELECT count(*) FROM washminute.check_invariants()', 0, 'the invariants hold');

$node->stop;
done_testing();
