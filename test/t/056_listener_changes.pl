# Listeners that are functions, in SQL and PL/pgSQL, good and bad; listeners that go
# while messages wait for them or are under way; and receivers that say 410 Gone,
# also of a URL that is the listener's no longer.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Peer;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Washminute;

my $at_once = 12;

my $peer = Peer->start;
my $key = signing_key();
my $node = washminute_node('main', conf => <<"EOC");
washminute.signing_key_file = '$key'
washminute.http_timeout = 60s
autovacuum = off
EOC
listener($node, neighbour => $peer->url('neighbour'), event => 'nothing');
worker_becomes($node, 'running', 'the worker runs');

sub sql
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', $sql);
}

# A listener that hears of what is enqueued for it alone.
sub hook
{
	my ($name, @steps) = @_;

	$peer->mode($name, @steps, { mode => 'ok' });
	listener($node, $name, $peer->url($name), event => 'nothing');
	return;
}

# What is in the outbox for a listener: state, attempts and error of each message.
sub is_queued
{
	my ($listener, $expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return becomes($node, "SELECT COALESCE(string_agg(concat_ws(' ', state, attempts, last_error), ', ' ORDER BY outbox_id), '')
	  FROM washminute_data.outbox WHERE listener = '$listener'", $expected, $name);
}

my $told = 0;

sub neighbour_hears
{
	my ($when) = @_;

	sql(enqueue('neighbour'));
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$peer->becomes('neighbour', requests => ++$told, "$when: a neighbour hears at once", seconds => $at_once);
	return is_queued('neighbour', '', "$when: and that is recorded");
}

#
# Functions
#

sub status
{
	my ($status) = @_;

	return "SET ROLE washminute_owner; SELECT washminute.set_washman_status('w1', '$status')";
}

sub function_listener
{
	my ($name, $function) = @_;

	sql("INSERT INTO washminute_data.listeners (name, event_pattern, function_name) VALUES ('$name', 'washmanStatus*', '$function')");
	return;
}

sql(people(1));
sql(<<'SQL');
CREATE TABLE public.heard (by text, status text, role text);
GRANT INSERT ON public.heard TO washminute_owner;
CREATE FUNCTION public.in_sql(jsonb) RETURNS void LANGUAGE sql AS $$
  INSERT INTO public.heard VALUES ('in_sql', $1->'data'->>'status', current_user);
$$;
CREATE FUNCTION public.in_sql_atomic(jsonb) RETURNS void LANGUAGE sql
BEGIN ATOMIC
  INSERT INTO public.heard VALUES ('in_sql_atomic', $1->'data'->>'status', current_user);
END;
CREATE FUNCTION public.selects_nothing(jsonb) RETURNS void LANGUAGE sql AS 'SELECT WHERE false';
CREATE FUNCTION public.strict_one(jsonb) RETURNS text LANGUAGE sql STRICT AS 'SELECT NULL::text';
CREATE FUNCTION public.fails(jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.heard VALUES ('fails', $1->'data'->>'status', current_user);
  PERFORM 1 / 0;
END
$$;
CREATE FUNCTION public.many(jsonb) RETURNS SETOF integer LANGUAGE sql AS 'SELECT 1';
CREATE PROCEDURE public.done(jsonb) LANGUAGE sql AS 'SELECT';
SQL
listener($node, 'hook', $peer->url('hook'), event => 'washmanStatus*');
function_listener($_, "public.$_") foreach qw(in_sql in_sql_atomic selects_nothing strict_one);
sql(status('offline'));
is_query($node, 'SELECT by, status, role FROM public.heard ORDER BY by',
	"in_sql|offline|washminute_owner\nin_sql_atomic|offline|washminute_owner", 'functions in SQL are called with the event');
$peer->becomes('hook', requests => 1, 'beside them a webhook is sent', seconds => $at_once);
sql('TRUNCATE public.heard');

my $position = log_position($node);
my %bad = (fails => '22012', many => '42809', done => '42883');
foreach my $name (sort keys %bad)
{
	function_listener($name, "public.$name");
	is_refused($node, status('online'), $bad{$name}, undef, "$name: one that cannot do it refuses the command");
	is_query($node, "SELECT status FROM washminute_data.washmen WHERE washman_id = 'w1'", 'offline', "$name: which has no effect");
	is_query($node, 'SELECT count(*) FROM public.heard', 0, "$name: nor have the others");
	is_queued('hook', '', "$name: nothing is queued");
	sql("SELECT washminute.report_location('w1', -7.61, 33.59)");
	neighbour_hears("$name, another command");
	sql("DELETE FROM washminute_data.listeners WHERE name = '$name'");
}
log_shows($node, qr/ERROR:  division by zero/, $position, 'fails: the server logs it');
sql(status('online'));
is_query($node, "SELECT string_agg(by || ' ' || status, ', ' ORDER BY by) FROM public.heard", 'in_sql online, in_sql_atomic online',
	'without them the command does it');
$peer->becomes('hook', requests => 2, 'and a webhook is sent', seconds => $at_once);
is($peer->stats('hook')->{requests}, 2, 'none of what was refused was sent');
sql("DELETE FROM washminute_data.listeners WHERE name NOT IN ('neighbour')");

#
# Listeners that go
#

my $removed = 'the listener was removed';
sub remove
{
	my ($name) = @_;

	sql("DELETE FROM washminute_data.listeners WHERE name = '$name'");
	return;
}

# under way; one is delivered, one fails, one gets no answer before the worker ends
hook('leaves', { mode => 'hold', times => 1 }, { mode => 'hold', times => 1, status => 500 }, { mode => 'gateway_timeout', after_ms => 30_000, times => 1 });
sql(enqueue('leaves', 3));
$peer->becomes('leaves', open => 3, 'removed: three requests are under way', seconds => $at_once);
$position = log_position($node);
remove('leaves');
neighbour_hears('removed');
is_queued('leaves', 'inflight 1, inflight 1, inflight 1', 'removed: what is under way is not touched');
is($peer->release('leaves'), 2, 'removed: two are answered');
becomes($node, "SELECT string_agg(state || ' ' || COALESCE(last_error, ''), ', ' ORDER BY state) FROM washminute_data.outbox WHERE listener = 'leaves'",
	"dead $removed, inflight ", 'removed: one was delivered, one failed and is a dead letter');
log_shows($node, qr/WARNING:  washminute worker: dead_letters=1 reason="$removed"/, $position, 'removed: which the log says');

# the third is an orphan of the next worker
my $pid = worker_pid($node);
$position = log_position($node);
kill('TERM', $pid);
within($PostgreSQL::Test::Utils::timeout_default, sub { my $next = worker_pid($node); $next =~ /^\d+$/ && $next != $pid }, 'removed: another worker comes');
is_queued('leaves', "dead 1 $removed, dead 1 $removed", 'removed: what the last one had under way is a dead letter, too');
log_shows($node, qr/WARNING:  washminute worker: dead_letters=1 reason="$removed"/, $position, 'removed: which the log says');
neighbour_hears('removed, another worker');
is($peer->stats('leaves')->{requests}, 3, 'removed: nothing more was sent');
is_query($node, "SELECT bool_and(failed_at > clock_timestamp() - interval '10 minutes' AND due_at IS NULL)
  FROM washminute_data.outbox WHERE listener = 'leaves'", 't', 'removed: it is known since when');
is_query($node, "SELECT washminute.retry_dead('webhook')", 0, 'removed: they cannot be called back');
is_refused($node, enqueue('leaves'), 'PT404', qr/^WM_LISTENER_NOT_FOUND/, 'removed: nor can more be queued');
listener($node, 'leaves', $peer->url('leaves'), event => 'nothing', lane => 'realtime');
is_query($node, "SELECT washminute.retry_dead('webhook')", 0, 'removed: nor where one of that name is in another lane');
remove('leaves');
hook('leaves');
is_query($node, "SELECT washminute.retry_dead('webhook', clock_timestamp())", 0, 'removed: of those that failed just now there are none');
is_query($node, "SELECT washminute.retry_dead('webhook')", 2, 'removed: when there is such a listener again, they are');
is_queued('leaves', '', 'removed: and delivered');
is($peer->stats('leaves')->{requests}, 5, 'removed: once more each');

# one that moves to another lane leaves its messages behind
sql("UPDATE washminute_data.lanes SET paused = true WHERE lane = 'webhook'");
sql(enqueue('leaves', 2));
sql("UPDATE washminute_data.listeners SET lane = 'realtime' WHERE name = 'leaves'");
is_queued('leaves', "dead 0 $removed, dead 0 $removed", 'moved: what waited in the old lane is dead letters');
sql("UPDATE washminute_data.listeners SET lane = 'webhook' WHERE name = 'leaves'; UPDATE washminute_data.lanes SET paused = false WHERE lane = 'webhook'");
is_query($node, "SELECT washminute.retry_dead('webhook')", 2, 'moved: when it is back, they can be called back');
is_queued('leaves', '', 'moved: and are delivered');

#
# 410 Gone
#

my $enabled = sub { "SELECT enabled FROM washminute_data.listeners WHERE name = '$_[0]'" };

hook('gone', { mode => 'status', status => 410, times => 1 });
sql("UPDATE washminute_data.lanes SET concurrency = 1 WHERE lane = 'webhook'");
sql(enqueue('gone', 3));
becomes($node, $enabled->('gone'), 'f', 'gone: the listener is disabled');
is_queued('gone', 'dead 1 HTTP status 410, queued 0, queued 0', 'gone: the message is a dead letter, the others wait');
neighbour_hears('gone');
is($peer->stats('gone')->{requests}, 1, 'gone: nothing more is sent');
sql("UPDATE washminute_data.listeners SET url = '${\$peer->url('newer')}' WHERE name = 'gone'");
neighbour_hears('gone, another URL');
is_query($node, $enabled->('gone'), 'f', 'gone: another URL alone does not enable it');
is($peer->stats('newer')->{requests}, 0, 'gone: so nothing is sent there');
sql("UPDATE washminute_data.listeners SET enabled = true WHERE name = 'gone'");
$peer->becomes('newer', requests => 2, 'gone: enabled, it gets what waited', seconds => $at_once);
is_queued('gone', 'dead 1 HTTP status 410', 'gone: but for the dead letter');

# The answer comes when the listener has another URL.
hook('moves', { mode => 'hold', status => 410, times => 1 });
sql(enqueue('moves', 3));
$peer->becomes('moves', open => 1, 'moves: a request is under way', seconds => $at_once);
sql("UPDATE washminute_data.listeners SET url = '${\$peer->url('moved')}' WHERE name = 'moves'");
neighbour_hears('moves');
is($peer->release('moves'), 1, 'moves: then the old URL says 410');
$peer->becomes('moved', requests => 2, 'moves: the new one gets what waited', seconds => $at_once);
is_queued('moves', 'dead 1 HTTP status 410', 'moves: the one message is a dead letter');
is_query($node, $enabled->('moves'), 't', 'moves: but the listener is not disabled');
sql(enqueue('moves'));
$peer->becomes('moved', requests => 3, 'moves: it goes on', seconds => $at_once);

# The URL is being changed at that moment, in a transaction that ends later.
foreach my $case ([ 'COMMIT', 't' ], [ 'ROLLBACK', 'f' ])
{
	my ($end, $stays) = @$case;
	my $listener = lc($end);
	my $session = $node->background_psql('postgres');

	$position = log_position($node);
	hook($listener, { mode => 'hold', status => 410, times => 1 });
	sql(enqueue($listener));
	$peer->becomes($listener, open => 1, "$end: a request is under way", seconds => $at_once);
	$session->query_safe('BEGIN');
	$session->query_safe("UPDATE washminute_data.listeners SET url = '${\$peer->url('elsewhere')}' WHERE name = '$listener'");
	is($peer->release($listener), 1, "$end: the old URL says 410 while the new one is not committed");
	within($PostgreSQL::Test::Utils::timeout_default, sub {
		log_since($node, $position) =~ /canceling statement due to lock timeout/
		  || $node->safe_psql('postgres', "SELECT state FROM washminute_data.outbox WHERE listener = '$listener'") eq 'dead';
	}, "$end: the worker has met that");
	$session->query_safe($end);
	$session->quit;
	is_queued($listener, 'dead 1 HTTP status 410', "$end: the message is a dead letter");
	neighbour_hears($end);
	becomes($node, $enabled->($listener), $stays, "$end: the listener is " . ($stays eq 't' ? 'not ' : '') . 'disabled');
}
is($peer->stats('elsewhere')->{requests}, 0, 'nothing was sent to where nothing was to be sent');

unlike(log_since($node), qr/PANIC|TRAP|was terminated by signal/, 'nothing crashed');
is_query($node, 'SELECT count(*) FROM washminute.check_invariants()', 0, 'the invariants hold');

$node->stop;
done_testing();
