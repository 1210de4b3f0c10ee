# Worker, server or machine end without a warning while requests are under way: the
# next worker knows at once what the last one had in flight, and a standby that is
# promoted takes over.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Peer;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Washminute;

# what the next worker may take, once the server is up
my $at_once = 3;

my $peer = Peer->start;
my $key = signing_key();
# the WAL writer must not be what makes asynchronous commits last
my $node = washminute_node('primary', init => { allows_streaming => 1 }, conf => <<"EOC");
washminute.signing_key_file = '$key'
washminute.http_timeout = 60s
restart_after_crash = on
wal_writer_delay = 10s
autovacuum = off
EOC
listener($node, hook => $peer->url('hook'));
worker_becomes($node, 'running', 'the worker runs');

sub epoch
{
	return $node->safe_psql('postgres', 'SELECT worker_epoch FROM washminute_data.instance');
}

# Three requests are under way, of which nothing but their claim made the messages
# outlast a crash; after the deed the next worker sends them again, and at once.
sub sent_again_after
{
	my ($name, $deed) = @_;
	my $epoch = epoch();
	my $position = log_position($node);

	$peer->forget;
	$peer->mode('hook', { mode => 'hold' });
	$node->safe_psql('postgres', 'SET synchronous_commit = off; ' . enqueue('hook', 3));
	$peer->becomes('hook', open => 3, "$name: requests are under way");
	my $pid = worker_pid($node);
	$deed->($pid);
	within($PostgreSQL::Test::Utils::timeout_default, sub {
		$node->psql('postgres', 'SELECT', stdout => \my $stdout, stderr => \my $stderr) == 0
		  && log_since($node, $position) =~ /ready to accept connections/;
	}, "$name: the server is up");
	$peer->becomes('hook', requests => 6, "$name: the requests come again at once", seconds => $at_once);
	is(join(' ', sort values %{ $peer->ids('hook') }), '2 2 2', "$name: by the same ids");
	is_query($node, 'SELECT DISTINCT state, attempts, epoch FROM washminute_data.outbox', 'inflight|2|' . epoch(),
		"$name: as second attempts of the new epoch");
	cmp_ok(epoch(), '>', $epoch, "$name: which is higher than the last");
	isnt(worker_pid($node), $pid, "$name: it is another process");
	is($peer->release('hook'), 3, "$name: they are answered");
	outbox_empties($node, "$name: and recorded");
	is($peer->stats('hook')->{requests}, 6, "$name: and come no more");
	return;
}

sent_again_after('worker killed', sub { kill('KILL', $_[0]) == 1 or die 'there is no worker' });
sent_again_after('backend killed', sub {
	my $backend = $node->background_psql('postgres');

	kill('KILL', $backend->query_safe('SELECT pg_backend_pid()'));
	eval { $backend->quit };
});
sent_again_after('server stopped at once', sub {
	$node->stop('immediate');
	$node->start;
});
sent_again_after('postmaster killed', sub {
	my ($pid) = @_;

	ok(!process_ended($pid), 'the worker lives');
	my @pids = kill_postmaster($node);
	within(2, sub { process_ended($pid) }, 'without a postmaster it ends');
	processes_go('and so do the others', @pids);
	$node->start;
});

# A transaction that was prepared before the server went down, and that nobody tells
# the worker of when it is committed: within 5 s it looks by itself.
$peer->forget;
$node->safe_psql('postgres', 'BEGIN; ' . enqueue('hook', 2) . "PREPARE TRANSACTION 'kept';");
$node->stop('immediate');
$node->start;
worker_becomes($node, 'running', 'prepared: the worker runs');
is($peer->stats('hook')->{requests}, 0, 'prepared: nothing is sent');
$node->safe_psql('postgres', "COMMIT PREPARED 'kept'");
$peer->becomes('hook', requests => 2, 'prepared: after the commit all arrives', seconds => 5 + $at_once);
outbox_empties($node, 'prepared: and is recorded');

#
# Standby
#

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$peer->forget;
$peer->mode('hook', { mode => 'hold' });
$node->safe_psql('postgres', "UPDATE washminute_data.lanes SET concurrency = 2 WHERE lane = 'webhook'");
$node->safe_psql('postgres', enqueue('hook', 5));
$peer->becomes('hook', open => 2, 'two requests are under way, three messages wait');
$node->wait_for_catchup($standby);
is_query($standby, 'SELECT count(*) FROM washminute_data.outbox', 5, 'the standby has them all');
is(worker_pid($standby), '', 'but no worker');
is_query($standby, "SELECT DISTINCT state, pid IS NULL FROM washminute.worker_status()", 'standby|t', 'and says so');
my $epoch = epoch();
$node->stop('immediate');
is($peer->stats('hook')->{requests}, 2, 'it sends nothing');

$peer->mode('hook', { mode => 'ok' });
$standby->promote;
outbox_empties($standby, 'when it is promoted it delivers all');
is(join(' ', sort values %{ $peer->ids('hook') }), '1 1 1 2 2', 'what the other had in flight a second time');
is_query($standby, "SELECT worker_epoch > $epoch FROM washminute_data.instance", 't', 'in an epoch of its own');
worker_becomes($standby, 'running', 'its worker runs');
like(worker_pid($standby), qr/^\d+$/, 'as one process');
$standby->safe_psql('postgres', enqueue('hook'));
$peer->becomes('hook', requests => 8, 'what is queued there arrives', seconds => 2);
is_query($standby, 'SELECT count(*) FROM washminute.check_invariants()', 0, 'the invariants hold');

done_testing();
