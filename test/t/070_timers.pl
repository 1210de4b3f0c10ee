# The worker makes waves, decides on answers and ends requests by itself, when it is due and
# not before, whatever holds up a single request; runs no query in between; and whoever calls
# run_due() meanwhile does nothing twice.  Washmen whose turn to be told comes later are told
# then, unless the request is taken.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Expo;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use Washminute;

# well under the 30 seconds after which a worker that slept too long would look by itself
my $soon = 5;

my $expo = Expo->start;
my $node = washminute_node('main', init => { allows_streaming => 1 },
	conf => $expo->conf . "washminute.run_timers = on\nrestart_after_crash = on\nlog_statement = none\nautovacuum = off\n");

sub sql
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', $sql);
}

# set(NAME => VALUE, ...): business rules.
sub set
{
	my (%values) = @_;

	sql(join('', map { "UPDATE washminute_data.settings SET value = $values{$_} WHERE name = '$_';\n" } sort keys %values));
	return;
}

sub policy
{
	my ($policy) = @_;

	sql("UPDATE washminute_data.service_zones SET offer_policy = '$policy'");
	return;
}

my $call = "SELECT request_id FROM washminute.create_booking('amina', '{exterior}', -7.61, 33.59, 'Rue 1', 'cash')";

sub book
{
	return sql($call);
}

sub answer
{
	my ($request, $washman) = @_;

	return sql("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT status FROM washminute.accept_request('$request', '$washman'); COMMIT;");
}

sub status
{
	my ($request) = @_;

	return sql("SELECT concat_ws(' ', status, washman_id) FROM washminute_data.washing_requests WHERE request_id = '$request'");
}

# A test: washmen answer a request that is just booked, which is then returned; more is SQL.
sub book_answered
{
	my ($washmen, $more) = @_;
	my ($request, @status) = split(/\n/, sql("$call \\gset\nSELECT :'request_id';\n"
		  . join('', map { "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT status FROM washminute.accept_request(:'request_id', '$_'); COMMIT;\n" } @$washmen)
		  . ($more // '')));

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is("@status", join(' ', ('pending') x @$washmen), "@$washmen answer");
	return $request;
}

# A test: the request is in that state before the time is over.
sub comes_to
{
	my ($request, $status, $name, $seconds) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return within($seconds // $soon, sub { status($request) eq $status }, $name) || diag('it is ' . status($request));
}

sub wave
{
	my ($request) = @_;

	return sql("SELECT wave FROM washminute_data.washing_requests WHERE request_id = '$request'");
}

# A test: the request has had so many waves before the time is over.
sub gets_wave
{
	my ($request, $wave, $name, $seconds) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return within($seconds // $soon, sub { wave($request) >= $wave }, $name) || diag('it has had ' . wave($request));
}

# A test: the worker is in no transaction, now and then.
sub idle
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return becomes($node, "SELECT count(xact_start) FROM pg_stat_activity WHERE backend_type = 'washminute worker'", 0, $name);
}

# The worker has looked at all timers that were committed before: another request expires.
sub worker_has_looked
{
	my $request;

	set(request_seconds => 1);
	$request = book();
	set(request_seconds => 600);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return comes_to($request, 'expired', 'the worker has looked');
}

sub all_are_sent
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return becomes($node, "SELECT count(*) FROM washminute_data.outbox WHERE lane = 'push'", 0, $name);
}

# Who was sent the event, sorted.
sub told
{
	my ($event) = @_;

	return join(' ', sort map { ($_->{to} =~ /\[(.*)\]/)[0] } grep { $_->{data}{event} eq $event } $expo->messages);
}

# no more washmen near than these; the zones are open at any hour
sql(people(40));
sql("UPDATE washminute_data.service_zones SET opens_at = '00:00', closes_at = '24:00'");
set(wave_seconds => 1, offer_seconds => 45, offer_size => 10);
policy('broadcast');
worker_becomes($node, 'running', 'the worker runs');

#
# Waves and the end, when they are due
#

set(request_seconds => 6);
my $request = book();
gets_wave($request, 3, 'the worker makes one wave after the other');
comes_to($request, 'expired', 'and ends the request', 6 + $soon);
my $took = "extract(epoch FROM at - lag(at) OVER (ORDER BY event_id)) AS s";
is_query($node, "SELECT string_agg(data->>'wave' || ':' || (data->>'offers'), ' ' ORDER BY event_id) FROM washminute_data.events
  WHERE request_id = '$request' AND event = 'requestOffered'", '1:10 2:10 3:10 4:10', 'each wave was made once, and those after had nobody to be for');
is_query($node, "SELECT count(*) FROM (SELECT $took FROM washminute_data.events WHERE request_id = '$request' AND event = 'requestOffered') AS e WHERE s < 1", 0,
	'none came before it was due');
my $lag = sql("SELECT max(s) - 1 FROM (SELECT $took FROM washminute_data.events WHERE request_id = '$request' AND event = 'requestOffered') AS e");
cmp_ok($lag, '<', $soon / 2, 'nor much later') and note("the latest wave came $lag s late");
is_query($node, "SELECT updated_at >= expires_at, updated_at < expires_at + interval '$soon s' FROM washminute_data.washing_requests WHERE request_id = '$request'",
	't|t', 'it ended when it was due, not before');
is_query($node, "SELECT count(*) FROM washminute_data.request_timers", 0, 'no timer is left');
all_are_sent('people are told');
$expo->anew;

#
# In between, nothing
#

set(request_seconds => 3600, wave_seconds => 3600);
my $later = book();
gets_wave($later, 1, 'a request whose timer is far off');
all_are_sent('all is sent');
my $traces = "SELECT pid, state, state_change FROM pg_stat_activity WHERE backend_type = 'washminute worker'";
my $traces_before = sql($traces);
like($traces_before, qr/^\d+\|idle\|/, 'the worker is idle');
my $idle_until = time() + 5.5;
usleep(100_000) while sql($traces) eq $traces_before && time() < $idle_until;
is_query($node, $traces, $traces_before, 'it runs no query while nothing is due');

# it is due earlier than all that is known
set(request_seconds => 1);
$request = book();
comes_to($request, 'expired', 'a commit with an earlier timer wakes it');
sql("BEGIN; $call; ROLLBACK");
sql("BEGIN; SAVEPOINT a; $call; ROLLBACK TO a; COMMIT");
$request = sql("BEGIN; SAVEPOINT a; $call; RELEASE a; COMMIT");
comes_to($request, 'expired', 'one of a subtransaction too');
$request = sql("BEGIN; $call; PREPARE TRANSACTION 'booked'");
worker_has_looked();
sql("COMMIT PREPARED 'booked'");
comes_to($request, 'expired', 'and one that was prepared', 5 + $soon);
is(status($later), 'pending', 'the other one waits for its time');

# nobody runs timers when it is told not to
sub run_timers
{
	my ($on) = @_;

	$node->append_conf('postgresql.conf', "washminute.run_timers = $on\n");
	$node->reload;
	becomes($node, 'SHOW washminute.run_timers', $on, "timers are $on");
	return;
}

run_timers('off');
set(request_seconds => 1);
sql('SELECT washminute.notify_user(\'amina\', \'test\', \'{"title": "Hello", "body": "Hello"}\')');
all_are_sent('the worker has seen that');
$request = book();
my $due_until = time() + 3;
usleep(100_000) while status($request) eq 'pending' && time() < $due_until;
is(status($request), 'pending', 'with run_timers off the worker does nothing');
is_refused($node, "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT FROM washminute.accept_request('$request', 'w1')", 'PT410', qr/^WM_OFFER_EXPIRED/,
	'and yet it is too late to accept');
sql('SELECT washminute.run_due()');
is(status($request), 'expired', 'run_due() does what is due');
$request = book();
run_timers('on');
comes_to($request, 'expired', 'switched on, the worker does');

#
# Crash and restart
#

set(request_seconds => 3);
$request = book();
my $position = log_position($node);
kill('KILL', worker_pid($node)) == 1 or die 'there is no worker';
within($PostgreSQL::Test::Utils::timeout_default, sub {
	$node->psql('postgres', 'SELECT', stdout => \my $stdout, stderr => \my $stderr) == 0 && log_since($node, $position) =~ /ready to accept connections/;
}, 'the worker was killed, and the server is up again');
comes_to($request, 'expired', 'the next worker knows the timers', 3 + $soon);
$request = book();
$node->restart;
comes_to($request, 'expired', 'and so it does after a restart of the server', 3 + $soon);
set(request_seconds => 1);
$request = book();
$node->stop;
$node->start;
comes_to($request, 'expired', 'also what fell due while it was down');
is(status($later), 'pending', 'the one that is not due still waits');

#
# A request in the way holds up no other
#

set(request_seconds => 600, wave_seconds => 1, offer_size => 2);
my ($locked, $other) = (book(), book());
my $locker = $node->background_psql('postgres');
my $washman = sql("SELECT washman_id FROM washminute_data.offers WHERE request_id = '$locked' ORDER BY 1 LIMIT 1");
my $waves = wave($locked);
$locker->query_safe("BEGIN; SELECT washminute.decline_request('$locked', '$washman')");
$waves = wave($locked);
gets_wave($other, 3, 'while somebody works on a request another one moves on');
is(wave($locked), $waves, 'the one that is locked does not');
$locker->query_safe('COMMIT');
gets_wave($locked, $waves + 1, 'it does when that is over');
is(count_in_log($node, qr/could not be moved on/), 0, 'which is no failure');

# the row is locked by somebody who does not know how
($locked, $other) = (book(), book());
$position = log_position($node);
$locker->query_safe("BEGIN; SELECT FROM washminute_data.washing_requests WHERE request_id = '$locked' FOR UPDATE");
$waves = wave($locked);
gets_wave($other, 3, 'while its row is locked another one moves on');
is(wave($locked), $waves, 'the one that is locked does not');
$locker->query_safe('COMMIT');
$locker->quit;
gets_wave($locked, $waves + 1, 'it does soon after');
is(count_in_log($node, qr/could not be moved on/, $position), 0, 'which is no failure either');

# the worker is told to end what it does, while a request keeps it
sql(<<'SQL');
CREATE TABLE public.slow (request_id uuid);
GRANT SELECT ON public.slow TO PUBLIC;
CREATE FUNCTION public.linger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_sleep(600) FROM public.slow AS s WHERE s.request_id = NEW.request_id;
  RETURN NEW;
END
$$;
CREATE TRIGGER linger BEFORE UPDATE ON washminute_data.washing_requests FOR EACH ROW EXECUTE FUNCTION public.linger();
SQL
$locked = book();
sql("INSERT INTO public.slow VALUES ('$locked')");
becomes($node, "SELECT wait_event FROM pg_stat_activity WHERE backend_type = 'washminute worker'", 'PgSleep', 'a request keeps the worker');
sql("DELETE FROM public.slow; SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'washminute worker'");
$other = book();
gets_wave($other, 3, 'cancelled, it goes on');
idle('and has no transaction open');
sql('DROP TRIGGER linger ON washminute_data.washing_requests');

# a request that fails
sql(<<'SQL');
CREATE TABLE public.failing (request_id uuid);
GRANT SELECT ON public.failing TO PUBLIC;
CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM public.failing AS f WHERE f.request_id = NEW.request_id) THEN
    RAISE EXCEPTION 'this one fails';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER fail BEFORE UPDATE ON washminute_data.washing_requests FOR EACH ROW EXECUTE FUNCTION public.fail();
SQL
set(offer_size => 1);
($locked, $other) = (book(), book());
$position = log_position($node);
sql("INSERT INTO public.failing VALUES ('$locked')");
$waves = wave($locked);
log_shows($node, qr/WARNING:  washminute: request $locked could not be moved on: this one fails\n.*HINT:  It is tried again in a minute/, $position, 'a request that fails is reported');
gets_wave($other, 4, 'another one moves on');
is(wave($locked), $waves, 'the one that fails does not');
is_query($node, "SELECT due_at BETWEEN now() + interval '45 s' AND now() + interval '60 s' FROM washminute_data.request_timers WHERE request_id = '$locked'", 't',
	'it is put off for a minute');
is(count_in_log($node, qr/$locked could not/, $position), 1, 'and not tried again and again');
worker_becomes($node, 'running', 'the worker runs');
is(count_in_log($node, qr/ERROR:  .*this one fails|worker: state="failing/, $position), 0, 'and never failed itself');
sql('DELETE FROM public.failing');
sql("SELECT washminute.set_clock(now() + interval '61 s')");
gets_wave($locked, $waves + 1, 'after that minute it is tried again');
sql('SELECT washminute.set_clock(NULL)');
sql("SELECT washminute.cancel_request(request_id, 'zineb') FROM washminute_data.washing_requests WHERE status = 'pending'");

#
# run_due() at the same time
#

set(offer_size => 1, wave_seconds => 1, request_seconds => 600);
$position = log_position($node);
sql(join(';', ($call) x 20));
my $folder = PostgreSQL::Test::Utils::tempdir;
append_to_file("$folder/run_due.sql", "SELECT washminute.run_due();\n");
IPC::Run::run([ 'pgbench', '-n', '-c', 4, '-T', 5, '-f', "$folder/run_due.sql", $node->connstr('postgres') ], '>', \my $out, '2>', \my $err);
is($?, 0, 'clients call run_due() while the worker runs') or diag($err);
is_query($node, "SELECT count(*) FROM (SELECT FROM washminute_data.events AS e JOIN washminute_data.washing_requests AS r USING (request_id)
    WHERE e.event = 'requestOffered' AND r.status = 'pending' GROUP BY request_id, e.data->>'wave' HAVING count(*) > 1) AS doubled", 0, 'no wave is made twice');
is_query($node, "SELECT count(*) FROM (SELECT FROM washminute_data.events AS e JOIN washminute_data.washing_requests AS r USING (request_id)
    WHERE e.event = 'requestOffered' AND r.status = 'pending' GROUP BY request_id HAVING count(*) <> max((e.data->>'wave')::int) OR count(*) < 3) AS missing", 0,
	'none is missing, and each request has had some');
is_query($node, "SELECT count(*) FROM (SELECT e.at - lag(e.at) OVER (PARTITION BY request_id ORDER BY event_id) AS since
    FROM washminute_data.events AS e JOIN washminute_data.washing_requests AS r USING (request_id)
    WHERE e.event = 'requestOffered' AND r.status = 'pending') AS e WHERE since < interval '1 s'", 0, 'none came before it was due');
is(count_in_log($node, qr/deadlock|could not|ERROR:/, $position), 0, 'nobody got into the way of another');
set(request_seconds => 1);
my $last_event = sql('SELECT max(event_id) FROM washminute_data.events');
sql(join(';', ($call) x 20));
IPC::Run::run([ 'pgbench', '-n', '-c', 4, '-T', 3, '-f', "$folder/run_due.sql", $node->connstr('postgres') ], '>', \$out, '2>', \$err);
becomes($node, "SELECT count(*), count(DISTINCT request_id) FROM washminute_data.events WHERE event = 'requestExpired' AND event_id > $last_event", '20|20',
	'twenty requests end, each once');
sql("SELECT washminute.cancel_request(request_id, 'zineb') FROM washminute_data.washing_requests WHERE status = 'pending'");

#
# Ranked
#

sql("SELECT washminute.set_washman_status('w' || i, 'offline') FROM generate_series(9, 40) AS i");
policy('ranked');
set(offer_size => 10, wave_seconds => 3600, request_seconds => 3600, ranking_seconds => 3);
$request = book_answered([qw(w5 w3 w7)]);
comes_to($request, 'accepted w3', 'the worker gives the job to the nearest who answered', 3 + $soon);
is_query($node, "SELECT accepted_at >= created_at + interval '3 s' FROM washminute_data.washing_requests WHERE request_id = '$request'", 't', 'when the time for answers is over');
$request = book();
becomes($node, "SELECT decide_at IS NULL FROM washminute_data.washing_requests WHERE request_id = '$request'", 't', 'nobody has answered');
is(answer($request, 'w6'), 'accepted', 'and the first to come has the job');
$request = book_answered([qw(w1 w2)], "SELECT washminute.set_washman_status('w1', 'offline') IS NULL AS done \\gset\n");
comes_to($request, 'accepted w2', 'the next one has it when the nearest is gone', 3 + $soon);
# a decision that fails is reported, and keeps nobody waiting
$position = log_position($node);
$locked = book_answered([qw(w4)]);
sql("INSERT INTO public.failing VALUES ('$locked')");
$request = book_answered([qw(w8)]);
comes_to($request, 'accepted w8', 'while a decision fails another one is made', 3 + $soon);
log_shows($node, qr/WARNING:  washminute: request $locked could not be moved on: this one fails/, $position, 'which the log says');
idle('the worker has no transaction open');
is(status($locked), 'pending', 'the one that fails waits');
sql('DELETE FROM public.failing; DROP TRIGGER fail ON washminute_data.washing_requests');
sql("SELECT washminute.cancel_request('$_', 'zineb')") foreach $locked, $request;
# the nearest is busy with something else at that instant
set(ranking_seconds => 6);
$locker = $node->background_psql('postgres');
$request = book_answered([qw(w4 w8)]);
$locker->query_safe("BEGIN; SELECT washminute.suspend_washman('w4', 'zineb', 'test')");
becomes($node, "SELECT decide_at < washminute.now() FROM washminute_data.washing_requests WHERE request_id = '$request'", 't', 'the nearest is being worked on when it is decided');
is(status($request), 'pending', 'the decision waits');
$locker->query_safe('ROLLBACK');
comes_to($request, 'accepted w4', 'until that is over');
sql("SELECT washminute.cancel_request('$request', 'zineb')");
$request = book_answered([qw(w4 w8)]);
$locker->query_safe("BEGIN; SELECT washminute.suspend_washman('w4', 'zineb', 'test')");
comes_to($request, 'accepted w8', 'but not for long', 6 + 10 + $soon);
$locker->query_safe('ROLLBACK');
$locker->quit;
sql("SELECT washminute.cancel_request(request_id, 'zineb') FROM washminute_data.washing_requests WHERE status IN ('pending', 'accepted')");
sql("SELECT washminute.set_washman_status('w1', 'online')");

#
# Staggered: told later, or not at all
#

foreach my $user (map { "w$_" } 1 .. 8)
{
	sql("SELECT washminute.register_push_token('$user', '${\$expo->token($user)}')");
}
all_are_sent('all is sent');
policy('staggered');
set(stagger_size => 3, stagger_seconds => 3);
$expo->anew;
$request = book();
all_are_sent('washmen are told of a request');
is(told('newWashingRequest'), 'w1 w2 w3 w4 w5 w6 w7 w8', 'all of them, once');
my %at = map { ($_->{to} =~ /\[(.*)\]/)[0] => $_->{at} } grep { $_->{data}{event} eq 'newWashingRequest' } $expo->messages;
my $booked = 1000 * sql("SELECT extract(epoch FROM created_at) FROM washminute_data.washing_requests WHERE request_id = '$request'");
cmp_ok($at{w3} - $booked, '<', 1000 * $soon, 'the first three at once');
cmp_ok($at{w4} - $booked, '>=', 2990, 'the second group not before its time');
cmp_ok($at{w7} - $booked, '>=', 5990, 'nor the third');
cmp_ok($at{w8} - $booked, '<', 6000 + 1000 * $soon, 'nor much later');
my ($message) = grep { $_->{to} =~ /w8/ } $expo->messages;
is(sql("SELECT offered_at = '$message->{data}{offeredAt}', expires_at = '$message->{data}{expiresAt}' FROM washminute_data.offers WHERE request_id = '$request' AND washman_id = 'w8'"),
	't|t', 'and hears until when it is his');
cmp_ok($message->{ttl}, '<=', 45, 'his phone shows it no longer than that');
answer($request, 'w8');
all_are_sent('it is accepted');
is(told('offerGone'), 'w1 w2 w3 w4 w5 w6 w7', 'and all others are told');

# accepted before the others' turn
set(stagger_size => 4, stagger_seconds => 8);
$expo->anew;
$request = book();
within($soon, sub { told('newWashingRequest') eq 'w1 w2 w3 w4' }, 'the nearest four are told of another one');
is(answer($request, 'w2'), 'accepted', 'one of them accepts');
all_are_sent('the time of the others comes');
is(told('newWashingRequest'), 'w1 w2 w3 w4', 'they are not told');
is(told('offerGone'), 'w1 w3 w4', 'nor that it is gone');

# that they had not been told counts at the acceptance, however late messages leave
$expo->anew;
$request = book();
within($soon, sub { told('newWashingRequest') eq 'w1 w3 w4 w5' }, 'the nearest are told of a third one');
sql("UPDATE washminute_data.lanes SET paused = true WHERE lane = 'push'");
is(answer($request, 'w1'), 'accepted', 'one of them accepts');
becomes($node, "SELECT max(offered_at) < washminute.now() FROM washminute_data.offers WHERE request_id = '$request'", 't', 'the time of the others comes while the lane is paused');
sql("UPDATE washminute_data.lanes SET paused = false WHERE lane = 'push'");
all_are_sent('it goes on');
is(told('newWashingRequest'), 'w1 w3 w4 w5', 'the others are not told');
is(told('offerGone'), 'w3 w4 w5', 'nor that it is gone');

# cancelled before the others' turn
sql("SELECT washminute.cancel_request(request_id, 'zineb') FROM washminute_data.washing_requests WHERE status IN ('pending', 'accepted')");
all_are_sent('all is sent');
$expo->anew;
$request = book();
within($soon, sub { told('newWashingRequest') eq 'w1 w2 w3 w4' }, 'the nearest are told of a last one');
sql("SELECT washminute.cancel_request('$request', 'amina')");
all_are_sent('it is cancelled');
is(told('newWashingRequest') . '|' . told('offerGone'), 'w1 w2 w3 w4|w1 w2 w3 w4', 'the others hear nothing of it');

#
# A clock that goes faster
#

policy('broadcast');
set(wave_seconds => 30, request_seconds => 600, offer_size => 2);
sql("SELECT washminute.set_clock('2026-03-10 12:00+00', 100)");
sql("SELECT washminute.report_location('w' || i, -7.61 + i * 0.001, 33.59, 10) FROM generate_series(1, 8) AS i");
$request = book();
gets_wave($request, 4, 'by a clock that goes a hundred times faster the waves do too');
comes_to($request, 'expired', 'and the end', 6 + $soon);
is_query($node, "SELECT count(*) FROM (SELECT $took FROM washminute_data.events WHERE request_id = '$request' AND event = 'requestOffered') AS e WHERE s < 30", 0,
	'none came before it was due');
sql('SELECT washminute.set_clock(NULL)');

#
# A standby that is promoted, and no worker at all
#

is_query($node, 'SELECT count(*) FROM washminute.check_invariants()', 0, 'the invariants hold');
is(count_in_log($node, qr/PANIC|TRAP/), 0, 'nothing broke');
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
set(request_seconds => 3);
$request = book();
$node->wait_for_catchup($standby);
$node->stop('immediate');
$standby->promote;
becomes($standby, "SELECT status FROM washminute_data.washing_requests WHERE request_id = '$request'", 'expired', 'a standby that is promoted knows what is due');
$standby->stop;

$node = washminute_node('without', preload => 0);
sql(noon() . people(8));
set(offer_size => 3);
policy('ranked');
$request = book();
my $answered = book();
sql(noon('1 s'));
is(answer($answered, $_), 'pending', "without a worker: $_ answers") foreach qw(w3 w2);
sql(noon('8 s') . 'SELECT washminute.run_due()');
is(status($answered), 'accepted w2', 'run_due() decides');
sql(noon('30 s') . 'SELECT washminute.run_due()');
is(wave($request), 2, 'makes the next wave');
is(sql(noon('10 min') . 'SELECT washminute.run_due()') =~ s/\s//gr, '1', 'and tells of what expired');
is(status($request), 'expired', 'which it has');
is_query($node, 'SELECT count(*) FROM washminute.check_invariants()', 0, 'the invariants hold');

done_testing();
