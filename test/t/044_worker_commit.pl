# Commits that wait for a synchronous standby, those of clients and the worker's own:
# each message is sent as soon as its commit is answered, not before, and no wake-up
# is lost meanwhile.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use JSON::PP;
use Peer;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Washminute;

# well under the 30 seconds after which the worker would wake by itself
my $at_once = 12;

# What wakes it early all the same is the timer of a turn that lasted, two seconds
# after that began: so of a few times the shortest is to be well below.
my $soon = 1;

my $peer = Peer->start;
my $key = signing_key();
my $node = washminute_node('primary', init => { allows_streaming => 1 }, conf => <<"EOC");
washminute.signing_key_file = '$key'
washminute.http_timeout = 60s
wal_sender_timeout = 0
autovacuum = off
EOC
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', 'wal_receiver_timeout = 0');
$standby->start;

listener($node, hook => $peer->url('hook'));
listener($node, mark => $peer->url('mark'), lane => 'realtime');
worker_becomes($node, 'running', 'the worker runs');
$node->safe_psql('postgres', "ALTER SYSTEM SET synchronous_standby_names = 'standby'");
$node->reload;
becomes($node, "SELECT sync_state FROM pg_stat_replication WHERE application_name = 'standby'", 'sync', 'there is a synchronous standby');

# A stopped receiver would hold up the end of the cluster.
my $receiver = $standby->safe_psql('postgres', 'SELECT pid FROM pg_stat_wal_receiver');
like($receiver, qr/^\d+$/, 'which receives');
END { kill('CONT', $receiver) if $receiver; }

# How many processes of a type wait for the standby.
sub waiting
{
	my ($type) = @_;

	return $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND backend_type = '$type'");
}

sub worker_waits
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return within($PostgreSQL::Test::Utils::timeout_default, sub { waiting('washminute worker') == 1 }, $name);
}

# SQL whose commit waits for no standby.
sub local_only
{
	my ($sql) = @_;

	return "SET synchronous_commit = local; $sql";
}

# A psql that runs the SQL by itself, and puts down what it says.
sub client
{
	my ($sql) = @_;
	my $folder = PostgreSQL::Test::Utils::tempdir;

	append_to_file("$folder/sql", "$sql\\echo done\n");
	append_to_file("$folder/out", '');
	my @psql = ('psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-f', "$folder/sql");
	return { folder => $folder, run => IPC::Run::start(\@psql, '>', "$folder/out", '2>', "$folder/err") };
}

sub has_ended
{
	my ($client) = @_;

	return slurp_file("$client->{folder}/out") =~ /^done$/m;
}

sub ends
{
	my ($client, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	within($PostgreSQL::Test::Utils::timeout_default, sub { -s "$client->{folder}/err" || has_ended($client) }, $name);
	$client->{run}->finish;
	return is(slurp_file("$client->{folder}/err"), '', "$name: well");
}

# Nothing is left, nothing was sent twice.
sub all_is_well
{
	my ($requests, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	outbox_empties($node, "$name: all is recorded");
	is($peer->stats('hook')->{requests}, $requests, "$name: and all was sent");
	is($peer->stats('hook')->{doubled}, 0, "$name: once");
	$peer->forget;
	return;
}

#
# The clients' commits wait
#

# The standby receives, so the worker's own commits are answered, but applies nothing.
foreach my $round (1 .. 3)
{
	my $name = "clients wait, round $round";

	$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
	becomes($standby, 'SELECT pg_get_wal_replay_pause_state()', 'paused', "$name: the standby applies nothing");
	my @clients = map { client('SET synchronous_commit = remote_apply; ' . enqueue('hook', 2, 10 * $_)) } 1 .. 3;
	within($PostgreSQL::Test::Utils::timeout_default, sub { waiting('client backend') == 3 }, "$name: they do");

	$node->safe_psql('postgres', local_only(enqueue('mark') =~ s/'webhook'/'realtime'/r));
	$peer->becomes('mark', requests => 1, "$name: meanwhile the worker works", seconds => $at_once);
	becomes($node, 'SELECT count(*) FROM washminute_data.outbox', 0, "$name: and records");
	is($peer->stats('hook')->{requests}, 0, "$name: but sends nothing whose commit is not answered");

	$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
	$peer->becomes('hook', requests => 6, "$name: as soon as it is, all arrives", seconds => $at_once);
	ends($_, "$name: a client got its answer") foreach @clients;
	all_is_well(6, $name);
}

#
# The worker's commits wait
#

# Seconds from the standby's going on until so many requests have come.
sub seconds_until
{
	my ($requests, $name) = @_;
	my $start = time;

	kill('CONT', $receiver);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$peer->becomes('hook', requests => $requests, $name, seconds => $at_once);
	return time - $start;
}

sub shortest
{
	my (@seconds) = sort { $a <=> $b } @_;

	note("seconds: @seconds");
	return $seconds[0];
}

# A message that comes while a claim waits.  The one that was claimed gets no answer,
# which would wake the worker, too.
my @seconds;
foreach my $round (1 .. 5)
{
	my $name = "a claim waits, round $round";

	$peer->mode('hook', { mode => 'hold', times => 1 });
	kill('STOP', $receiver);
	$node->safe_psql('postgres', local_only(enqueue('hook', 1, 1)));
	worker_waits("$name: it does");
	$node->safe_psql('postgres', join('', map { local_only(enqueue('hook', 1, $_)) } 2 .. 4));
	is($peer->stats('hook')->{requests}, 0, "$name: nothing is sent before it is safe");
	push @seconds, seconds_until(4, "$name: then also what was queued meanwhile is sent");
	is($peer->release('hook'), 1, "$name: the first was under way all the time");
	all_is_well(4, $name);
}
cmp_ok(shortest(@seconds), '<', $soon, 'a claim waits: no timer is needed');

# One that comes while a result waits to be recorded.
@seconds = ();
foreach my $round (1 .. 5)
{
	my $name = "a result waits, round $round";

	$peer->mode('hook', { mode => 'hold', times => 1 });
	$node->safe_psql('postgres', enqueue('hook', 1, 1));
	$peer->becomes('hook', open => 1, "$name: a request is under way", seconds => $at_once);
	kill('STOP', $receiver);
	is($peer->release('hook'), 1, "$name: it is answered");
	worker_waits("$name: it does");
	$node->safe_psql('postgres', join('', map { local_only(enqueue('hook', 1, $_)) } 2 .. 4));
	is($peer->stats('hook')->{requests}, 1, "$name: nothing is sent meanwhile");
	push @seconds, seconds_until(4, "$name: then what was queued meanwhile is sent");
	all_is_well(4, $name);
}
cmp_ok(shortest(@seconds), '<', $soon, 'a result waits: no timer is needed');

#
# Under load
#

# Clients commit one message after the other, and say when that was answered; the
# standby stops receiving again and again, as soon as the worker does not wait for it.
my $each = 2000;
$peer->mode('hook', { mode => 'ok', record => JSON::PP::true });
my @clients = map
{
	my $client = $_;

	client(join('', map { <<SQL } 1 .. $each));
SELECT washminute.enqueue('webhook', 'test', '{"n": $client}', listener => 'hook') AS id \\gset
SELECT :id, extract(epoch FROM clock_timestamp()) * 1000;
SQL
} 1 .. 4;

my $stops = 0;
my $end = time + $PostgreSQL::Test::Utils::timeout_default;
while ((grep { !has_ended($_) } @clients) && time < $end)
{
	my $waited = time + 0.5;

	kill('STOP', $receiver);
	1 while waiting('washminute worker') == 0 && time < $waited;
	kill('CONT', $receiver);
	$stops++;
	$waited = time + 0.5;
	1 while waiting('washminute worker') > 0 && time < $waited;
}
ends($_, 'load: a client comes to its end') foreach @clients;
note("the standby stopped receiving $stops times");
cmp_ok($stops, '>=', 3, 'load: the standby stopped receiving several times meanwhile');
$peer->becomes('hook', requests => 4 * $each, 'load: all is sent', seconds => $at_once);

my %arrived = map { $_->{id} => $_->{at} } @{ $peer->requests('hook') };
my %answered = map { /^(\d+)\|([\d.]+)$/ ? ("msg_$1" => $2) : () } map { split(/\n/, slurp_file("$_->{folder}/out")) } @clients;
my @delays = sort { $a <=> $b } map { ($arrived{$_} // 'inf') - $answered{$_} } keys %answered;
is(scalar(@delays), 4 * $each, 'load: each commit was answered');
cmp_ok($delays[-1], '<', $at_once * 1000, 'load: and its message sent soon after');
note("milliseconds: median $delays[@delays / 2], longest $delays[-1]");
all_is_well(4 * $each, 'load');

unlike(log_since($node), qr/PANIC|TRAP|washminute worker: state="failing/, 'the worker never failed');
is_query($node, 'SELECT count(*) FROM washminute.check_invariants()', 0, 'the invariants hold');

$standby->stop;
$node->safe_psql('postgres', local_only("ALTER SYSTEM SET synchronous_standby_names = ''"));
$node->stop;
done_testing();
