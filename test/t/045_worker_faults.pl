# What becomes of webhooks when receivers fail, in every way that a receiver has
# been seen to fail: the row, the pause before the next attempt, the breaker; that
# no neighbour is delayed by it, and that no secret gets into log or tables.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use JSON::PP;
use MIME::Base64;
use Peer;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Washminute;

my $certificates = PostgreSQL::Test::Utils::tempdir;
IPC::Run::run([ "$FindBin::RealBin/../fakes/certificate", $certificates ]) or die 'no certificates';

my $key_file = signing_key();
my $node = washminute_node('main', conf => <<"CONF");
washminute.signing_key_file = '$key_file'
washminute.ca_file = '$certificates/ca.pem'
washminute.http_timeout = '1s'
log_statement = none
CONF
my $peer = Peer->start;
# libcurl repeats a request on a kept connection that breaks: so nobody else uses these
my %alone = map { $_ => Peer->start } qw(reset reset_early kept);
my %tls = map { $_ => Peer->start('--tls', "$certificates/$_.pem", "$certificates/$_.key") } qw(good bad expired);

# Each failure that the worker records is put down, too.
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE public.history (
  number bigint GENERATED ALWAYS AS IDENTITY, outbox_id bigint, listener text, attempts integer, state text,
  distance float8, last_error text);
CREATE FUNCTION public.remember() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO public.history (outbox_id, listener, attempts, state, distance, last_error)
  VALUES (NEW.outbox_id, NEW.listener, NEW.attempts, NEW.state, EXTRACT(epoch FROM NEW.due_at - NEW.failed_at), NEW.last_error);
  RETURN NULL;
END
$$;
CREATE TRIGGER remember AFTER UPDATE ON washminute_data.outbox
  FOR EACH ROW WHEN (NEW.failed_at IS DISTINCT FROM OLD.failed_at) EXECUTE FUNCTION public.remember();
SQL

# Set columns of the lane webhook.
sub lane
{
	my ($columns) = @_;

	$node->safe_psql('postgres', "UPDATE washminute_data.lanes SET $columns WHERE lane = 'webhook'");
	return;
}

# A listener at the peer that hears of nothing but what is enqueued for it.
sub hook
{
	my ($name, @steps) = @_;

	my $at = $alone{$name} // $peer;

	$at->mode($name, @steps, { record => JSON::PP::true, mode => 'ok' });
	listener($node, $name, $at->url($name), event => 'nothing');
	return;
}

# The failures of a listener, in order: a list of hashes.
sub failures
{
	my ($listener) = @_;
	my $rows = $node->safe_psql('postgres',
		"SELECT json_agg(h ORDER BY number) FROM public.history AS h WHERE listener = '$listener'");

	return $rows eq '' ? () : @{ decode_json($rows) };
}

sub fates
{
	my ($listener) = @_;

	return join(' ', map { "$_->{attempts}:$_->{state}" } failures($listener));
}

# A test: the failures of a listener came in these distances of seconds, a fifth
# more or less (or exactly, where a time was asked for).
sub distances_are
{
	my ($listener, $name, @ranges) = @_;
	my @distances = map { $_->{distance} } grep { $_->{state} eq 'queued' } failures($listener);
	my @bad = grep { $distances[$_] < $ranges[$_][0] - 0.05 || $distances[$_] > $ranges[$_][1] } 0 .. $#ranges;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok(@distances == @ranges && !@bad, $name) || diag("distances: @distances");
}

# A test: nothing is left for a listener, or will be.
sub is_done
{
	my ($listener, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return becomes($node, "SELECT count(*) FROM washminute_data.outbox WHERE listener = '$listener' AND state <> 'dead'", 0, $name);
}

# A test: a message to the neighbour arrives soon.
my $told = 0;

sub neighbour_hears
{
	my ($when) = @_;

	$node->safe_psql('postgres', enqueue('neighbour'));
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return $peer->becomes('neighbour', requests => ++$told, "a neighbour hears at once, $when", seconds => 5);
}

sub breaker_becomes
{
	my ($state, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return becomes($node, "SELECT breaker FROM washminute.worker_status() WHERE lane = 'webhook'", $state, $name);
}

# A number of the worker's process from a file of /proc.
sub proc
{
	my ($file, $regex) = @_;
	my ($number) = slurp_file('/proc/' . worker_pid($node) . "/$file") =~ $regex;

	return $number;
}

# Processor time that the worker has used, in hundredths of a second.
sub ticks
{
	my ($user, $system) = slurp_file('/proc/' . worker_pid($node) . '/stat') =~ /\) \S+(?: \S+){10} (\d+) (\d+)/;

	return $user + $system;
}

worker_becomes($node, 'running', 'the worker runs');
hook('neighbour');
my @backoff = ([ 0.8, 1.2 ], [ 1.6, 2.4 ], [ 3.2, 4.8 ]);

#
# Answers that are deliveries, whatever is wrong with them
#

my %delivered = (
	created => { mode => 'ok', status => 201 },
	no_content => { mode => 'status', status => 204 },
	wrong_json => { mode => 'wrong_json' },
	huge_headers => { mode => 'huge_headers' },
	close => { mode => 'close' },
	trickle => { mode => 'trickle', every_ms => 50 },
	huge => { mode => 'huge' });

my $memory = proc('status', qr/^VmHWM:\s+(\d+) kB/m);
foreach my $name (sort keys %delivered)
{
	hook($name, { %{ $delivered{$name} }, times => 3 });
	$node->safe_psql('postgres', enqueue($name, 3));
}
foreach my $name (sort keys %delivered)
{
	is_done($name, "$name: it is delivered");
	is(fates($name), '', "$name: at the first attempt");
	is($peer->stats($name)->{requests}, 3, "$name: no request is sent twice");
}
is($peer->stats('trickle')->{answered}, 0, 'trickle: the worker does not wait for the end of the body');
is($peer->stats('huge')->{answered}, 0, 'huge: the worker cuts the connection');
is($peer->stats('close')->{connections}, 3, 'close: each request has a connection of its own');
cmp_ok(proc('status', qr/^VmHWM:\s+(\d+) kB/m) - $memory, '<', 30_000, 'huge: the worker did not keep the body');

#
# Failures, in all listeners at the same time
#

lane('max_attempts = 4, breaker_failures = 1000, backoff_limit_seconds = 6, concurrency = 2');

# What is tried again, and the error that it leaves.
my $perhaps = qr/ \(the request may have arrived\)$/;
my %transient = (
	status_500 => [ { mode => 'status' }, qr/^HTTP status 500$/ ],
	status_503 => [ { mode => 'status', status => 503 }, qr/^HTTP status 503$/ ],
	status_404 => [ { mode => 'status', status => 404 }, qr/^HTTP status 404$/ ],
	html => [ { mode => 'html' }, qr/^HTTP status 502$/ ],
	gateway_timeout => [ { mode => 'gateway_timeout' }, qr/^HTTP status 504$/ ],
	redirect => [ { mode => 'redirect', location => $peer->url('target') }, qr/^HTTP status 302$/ ],
	reset => [ { mode => 'reset' }, qr/reset by peer$perhaps/ ],
	reset_early => [ { mode => 'reset_early' }, qr/reset by peer$perhaps/ ],
	garbage => [ { mode => 'garbage' }, qr/HTTP\/0\.9 when not allowed$perhaps/ ],
	never => [ { mode => 'never' }, qr/timed out after 1\d\d\d milliseconds with 0 bytes received$perhaps/ ]);

# What never gets a request through.
my $unsent = qr/ \(nothing was sent\)$/;
my %hopeless = (
	no_name => [ 'https://no-such-host.invalid/', qr/^(?:Could not resolve host: no-such-host\.invalid|Resolving timed out .*)$unsent/ ],
	no_port => [ 'http://127.0.0.1:1/', qr/^Failed to connect to 127\.0\.0\.1 port 1 .*$unsent/ ],
	bad => [ $tls{bad}->url('bad'), qr/certificate.*$unsent/ ],
	expired => [ $tls{expired}->url('expired'), qr/certificate has expired.*$unsent/ ]);

# What asks to wait, and the pauses that it gets.
my %waiting = (
	wait_seconds => [ [ 2.0, 2.0 ], { mode => 'retry_after', value => '2' } ],
	wait_date => [ [ 2.0, 3.1 ], { mode => 'retry_after', value => 'date+3' } ],
	wait_past => [ [ 1.0, 1.2 ], { mode => 'retry_after', value => 'date-3600' } ],
	wait_negative => [ [ 0.8, 1.2 ], { mode => 'retry_after', value => '-5' } ],
	wait_words => [ [ 0.8, 1.2 ], { mode => 'retry_after', value => 'soon' } ],
	wait_huge => [ [ 6.0, 6.0 ], { mode => 'retry_after', value => '99999999999' } ],
	wait_absent => [ [ 0.8, 1.2 ], { mode => 'status', status => 429 } ],
	wait_503 => [ [ 2.0, 2.0 ], { mode => 'retry_after', value => '2', status => 503 } ]);

hook($_, { %{ $transient{$_}[0] }, times => 3 }) foreach sort keys %transient;
listener($node, $_, $hopeless{$_}[0], event => 'nothing') foreach sort keys %hopeless;
hook($_, { %{ $waiting{$_}[1] }, times => 1 }) foreach sort keys %waiting;
hook('kept', { mode => 'ok', times => 1 }, { mode => 'reset', times => 1 });
hook('wait_longer', { mode => 'status', status => 429, times => 3 });
hook('wait_once', { mode => 'retry_after', value => '2', times => 1 }, { mode => 'status', status => 503, times => 1 });
listener($node, 'good', $tls{good}->url('good'), event => 'nothing');
listener($node, 'named', $tls{good}->url('named', 'localhost'), event => 'nothing');

my @one_each = (sort(keys %transient, keys %hopeless, keys %waiting), qw(kept wait_longer wait_once good named));
$node->safe_psql('postgres', join('', map { enqueue($_) } @one_each));
neighbour_hears('while all of these fail');
$peer->becomes('wait_seconds', requests => 1, 'a receiver asks to wait');
$node->safe_psql('postgres', enqueue('wait_seconds', 1, 2));
$node->safe_psql('postgres', enqueue($_, 5)) foreach qw(no_name no_port);
neighbour_hears('while names are looked for');

# one that hangs, and one that fails as fast as it can, with all their connections
hook('hanging', { mode => 'never', times => 2 });
hook('failing', { mode => 'status', times => 40 });
$node->safe_psql('postgres', enqueue('hanging', 5) . enqueue('failing', 40));
$peer->becomes('hanging', open => 2, 'all connections of a listener hang');
neighbour_hears('while another hangs');
is($peer->stats('hanging')->{requests}, 2, 'which has no more than its concurrency');
neighbour_hears('while another fails');

foreach my $name (sort keys %transient)
{
	is_done($name, "$name: it is delivered in the end");
	is(fates($name), '1:queued 2:queued 3:queued', "$name: after three attempts that count");
	distances_are($name, "$name: ever further apart", @backoff);
	is(scalar(grep { $_->{last_error} !~ $transient{$name}[1] } failures($name)), 0, "$name: the error says what happened")
	  or diag(map { "$_->{last_error}\n" } failures($name));

	my $at = $alone{$name} // $peer;
	my @at = map { $_->{at} } @{ $at->requests($name) };
	is(join(' ', values %{ $at->ids($name) }), '4', "$name: each with the same id");
	ok($at[1] - $at[0] >= 750 && $at[2] - $at[1] >= 1550 && $at[3] - $at[2] >= 3150, "$name: no attempt is early")
	  or diag("@at");
}
is($peer->stats('target')->{requests}, 0, 'redirect: nobody went where it points');

is_done('kept', 'kept: it is delivered');
$node->safe_psql('postgres', enqueue('kept'));
is_done('kept', 'kept: so is another, although the kept connection breaks');
is(fates('kept'), '', 'kept: at the first attempt');
is(join(' ', sort values %{ $alone{kept}->ids('kept') }), '1 2', 'kept: which sends it twice, with the same id');

foreach my $name (sort keys %waiting)
{
	is_done($name, "$name: it is delivered");
	is(fates($name), '0:queued', "$name: and that attempt does not count");
	distances_are($name, "$name: the pause is what was asked for", $waiting{$name}[0]);
}
my @at = map { $_->{at} } @{ $peer->requests('wait_seconds') };
is(scalar(@at), 3, 'wait_seconds: two messages, one of them twice');
cmp_ok($at[1] - $at[0], '>=', 1950, 'wait_seconds: meanwhile the listener gets nothing else');
is_done('wait_longer', 'wait_longer: it is delivered');
distances_are('wait_longer', 'wait_longer: who says nothing of how long is left alone ever longer', @backoff);
is(fates('wait_longer'), '0:queued 0:queued 0:queued', 'wait_longer: and no attempt counts');
is_done('wait_once', 'wait_once: it is delivered');
is(fates('wait_once'), '0:queued 1:queued', 'wait_once: a Retry-After is of its own answer only');
is_done($_, "$_: it is delivered by TLS") foreach qw(good named);
is($tls{good}->stats($_)->{requests}, 1, "$_: at the first attempt") foreach qw(good named);

foreach my $name (sort keys %hopeless)
{
	my $first = "outbox_id = (SELECT min(outbox_id) FROM public.history WHERE listener = '$name')";

	becomes($node, "SELECT count(*) = 4 FROM public.history WHERE $first", 't', "$name: it is tried four times");
	is_query($node, "SELECT string_agg(attempts || ':' || state, ' ' ORDER BY number) FROM public.history WHERE $first",
		'1:queued 2:queued 3:queued 4:dead', "$name: and then a dead letter");
	is_query($node, "SELECT bool_and(distance BETWEEN 0.75 * 2 ^ (attempts - 1) AND 1.2 * 2 ^ (attempts - 1))
	  FROM public.history WHERE $first AND state = 'queued'", 't', "$name: ever further apart");
	like($node->safe_psql('postgres', "SELECT last_error FROM washminute_data.outbox WHERE $first"),
		$hopeless{$name}[1], "$name: which says why");
	is_query($node, "SELECT due_at IS NULL FROM washminute_data.outbox WHERE $first", 't', "$name: and waits for no time");
}
is($tls{$_}->stats($_)->{requests}, 0, "$_: nothing was sent to it") foreach qw(bad expired);
is_done('hanging', 'what hung is delivered');
is_done('failing', 'so is what failed');

#
# Dead letters come back
#

my $dead = $node->safe_psql('postgres', "SELECT count(*) FROM washminute_data.outbox WHERE state = 'dead'");
is_query($node, "SELECT dead FROM washminute.worker_status() WHERE lane = 'webhook'", $dead, 'worker_status counts the dead letters');
like($node->safe_psql('postgres', "SELECT last_error FROM washminute.worker_status() WHERE lane = 'webhook'"),
	qr/\((?:nothing was sent|the request may have arrived)\)|^HTTP status \d+$/, 'and shows the last error');
cmp_ok(count_in_log($node, qr/WARNING:  washminute worker: dead letter lane=webhook listener=no_port id=\d+ attempt=4 error="Failed to connect/),
	'==', 6, 'each is a warning in the log');
hook('repaired');
$node->safe_psql('postgres', <<"SQL");
UPDATE washminute_data.listeners SET url = '${\$peer->url('repaired')}' WHERE name IN ('no_port', 'bad');
UPDATE washminute_data.outbox SET failed_at = failed_at - interval '1 hour' WHERE state = 'dead' AND listener <> 'no_port';
SQL
is_query($node, "SELECT washminute.retry_dead('webhook', clock_timestamp() - interval '50 minutes')", 6, 'those that failed lately are called back');
$peer->becomes('repaired', requests => 6, 'and delivered now');
is_done('no_port', 'and done with');
is_query($node, "SELECT washminute.retry_dead('webhook')", $dead - 6, 'so are all others');
becomes($node, "SELECT count(*) FROM washminute_data.outbox WHERE listener = 'bad'", 0, 'they too are delivered where that is possible now');
becomes($node, "SELECT count(*) > 0 FROM washminute_data.outbox WHERE listener = 'expired' AND state = 'queued' AND attempts = 1", 't',
	'and tried as if new where it is not');

#
# The breaker
#

$node->safe_psql('postgres', "DELETE FROM washminute_data.listeners WHERE name IN ('expired', 'no_name')");
$node->append_conf('postgresql.conf', "washminute.http_timeout = '1min'\n");
$node->reload;
becomes($node, 'SHOW washminute.http_timeout', '1min', 'the worker is told to be patient');

# a second is no accident here, as nothing ends by itself
hook('stuck', { mode => 'hold', times => 2 });
$node->safe_psql('postgres', enqueue('stuck', 5));
$peer->becomes('stuck', open => 2, 'all connections of a listener are used');
neighbour_hears('while another answers to nothing');
is($peer->stats('stuck')->{requests}, 2, 'which still has no more');
$peer->release('stuck');
is_done('stuck', 'what waited behind them is delivered');

$node->safe_psql('postgres', "UPDATE washminute_data.lanes SET max_attempts = 16, breaker_failures = 3, concurrency = 1
  WHERE lane IN ('webhook', 'realtime')");
breaker_becomes('closed', 'the breaker of the lane is closed');

my $start = log_position($node);
hook('broken', { mode => 'status', times => 3 }, { mode => 'hold', times => 1 });
$peer->mode('ruined', { mode => 'status' });
listener($node, 'ruined', $peer->url('ruined'), event => 'nothing', lane => 'realtime');
$node->safe_psql('postgres', enqueue('broken', 10) . enqueue('ruined', 10) =~ s/webhook/realtime/r);
log_shows($node, qr/WARNING:  washminute worker: breaker open lane=webhook listener=broken for_s=5\.[0-5]$/m, $start,
	'a breaker opens for five seconds, and says so');
breaker_becomes('open', 'and is shown');
is($peer->stats('broken')->{answered}, 3, 'after three failures');
neighbour_hears('while a breaker is open');
lane('concurrency = 2');
hook('refusing', { mode => 'status', status => 404, times => 5 });
$node->safe_psql('postgres', enqueue('refusing', 5));
becomes($node, "SELECT count(*) FROM public.history WHERE listener = 'refusing'", 5, 'a listener refuses five messages');
is(count_in_log($node, qr/breaker open.*listener=refusing/, $start), 0, 'which is no reason to leave it alone');
$peer->becomes('broken', requests => 4, 'one request is sent as a probe');
breaker_becomes('half open', 'the breaker is half open');
my $used = ticks();
my $end = time + 1;
within(5, sub { time > $end }, 'a second goes by');
cmp_ok(ticks() - $used, '<', 30, 'the worker sleeps while it waits for the probe');
my $at = $peer->requests('broken');
cmp_ok($at->[3]{at} - $at->[2]{at}, '>=', 4900, 'not before five seconds are over');
is($peer->stats('broken')->{requests}, 4, 'and nothing besides it');
neighbour_hears('while a breaker is half open');
$peer->release('broken');
is_done('broken', 'the probe is answered, and all is delivered');
log_shows($node, qr/LOG:  washminute worker: breaker closed lane=webhook listener=broken$/m, $start, 'the breaker closes, and says so');
is_query($node, "SELECT count(*) FROM public.history WHERE listener = 'broken'", 3, 'no attempt failed but the first three');

# each destination has its own
log_shows($node, qr/breaker open lane=realtime listener=ruined for_s=(?:10\.\d|11\.0)$/m, $start,
	'a probe that fails opens it for twice as long');
becomes($node, "SELECT string_agg(breaker, ' ' ORDER BY lane) FROM washminute.worker_status() WHERE lane IN ('realtime', 'webhook')",
	'open closed', 'each lane shows its own');
is($peer->stats('ruined')->{requests}, 4, 'and the probe was one request');
$node->safe_psql('postgres', "DELETE FROM washminute_data.listeners WHERE name = 'ruined'");
becomes($node, "SELECT breaker FROM washminute.worker_status() WHERE lane = 'realtime'", 'closed', 'a breaker is gone with its listener');

#
# A receiver that wants no more
#

lane('concurrency = 1');
hook('gone', { mode => 'status', status => 410, times => 1 });
$start = log_position($node);
$node->safe_psql('postgres', enqueue('gone', 5));
becomes($node, "SELECT enabled FROM washminute_data.listeners WHERE name = 'gone'", 'f', 'gone: the listener is disabled');
is_query($node, "SELECT string_agg(state || ' ' || attempts || ' ' || COALESCE(last_error, '-'), ', ' ORDER BY outbox_id)
  FROM washminute_data.outbox WHERE listener = 'gone'",
	'dead 1 HTTP status 410, ' . join(', ', ('queued 0 -') x 4), 'gone: the message is dead, the others wait');
is(count_in_log($node, qr/WARNING:  washminute worker: listener disabled lane=webhook listener=gone error="HTTP status 410"$/, $start), 1,
	'gone: the log says why, once');
neighbour_hears('after one has gone');
is($peer->stats('gone')->{requests}, 1, 'gone: it got one request');
is_refused($node, enqueue('gone'), 'PT404', qr/^WM_LISTENER_NOT_FOUND/, 'gone: nothing more is queued for it');
is(count_in_log($node, qr/breaker open.*listener=gone/, $start), 0, 'gone: which is no failure');
$node->safe_psql('postgres', "UPDATE washminute_data.listeners SET enabled = true WHERE name = 'gone'");
$peer->becomes('gone', requests => 5, 'gone: enabled again, it gets what waited');
is_query($node, "SELECT washminute.retry_dead('webhook', clock_timestamp() - interval '1 minute') > 0", 't', 'gone: the dead letter is called back');
$peer->becomes('gone', requests => 6, 'gone: and sent again');

#
# A message that was tried too often already
#

$start = log_position($node);
$node->safe_psql('postgres', "INSERT INTO washminute_data.outbox (lane, listener, event, data, created_at, attempts)
  VALUES ('webhook', 'gone', 'test', '{}', now(), 16)");
$node->reload;
log_shows($node, qr/WARNING:  washminute worker: dead letter lane=webhook listener=gone id=\d+ attempt=17 error="the worker ended each time/,
	$start, 'tried too often: it is a dead letter, and the log says so');
is($peer->stats('gone')->{requests}, 6, 'tried too often: it is not sent');
$node->safe_psql('postgres', "DELETE FROM washminute_data.outbox WHERE state = 'dead'");

#
# What waits for its next attempt, hurried by the README's statements
#

my ($hurry) = slurp_file("$FindBin::RealBin/../../README.md") =~ /^(UPDATE washminute_data\.outbox SET due_at = NULL.*?)^```/ms;
hook('late');
$node->safe_psql('postgres', q{INSERT INTO washminute_data.outbox (lane, listener, event, data, created_at, due_at, attempts, last_error)
  SELECT 'webhook', 'late', 'test', jsonb_build_object('n', n), now(), clock_timestamp() + interval '1 hour', 1 - n, CASE n WHEN 0 THEN 'HTTP status 500' END
    FROM generate_series(0, 1) AS n});
$node->reload;
neighbour_hears('while one waits');
is($peer->stats('late')->{requests}, 0, 'late: its time is in an hour');
$node->safe_psql('postgres', $hurry);
$peer->becomes('late', requests => 1, 'late: it is sent at once');
becomes($node, "SELECT string_agg(data::text, ' ') FROM washminute_data.outbox WHERE listener = 'late'", '{"n": 1}',
	'late: and nothing that was meant for later');
$node->safe_psql('postgres', "DELETE FROM washminute_data.outbox WHERE listener = 'late'");

#
# Many answers at once that ask to wait, and say not how long
#

lane('concurrency = 8, backoff_limit_seconds = 20');
hook('crowd', { mode => 'status', status => 429, times => 8 });
$node->safe_psql('postgres', enqueue('crowd', 8));
becomes($node, "SELECT count(*) FROM public.history WHERE listener = 'crowd'", 8, 'crowd: eight messages are refused');
cmp_ok($node->safe_psql('postgres', "SELECT max(distance) FROM public.history WHERE listener = 'crowd'"), '<', 1.3,
	'crowd: answers to requests that were under way together are one step of the pause');

#
# Secrets
#

my $key = slurp_file($key_file) =~ s/\s+$//r;
my @secrets = split(/\n/, $node->safe_psql('postgres', 'SELECT washminute.webhook_secret(name) FROM washminute_data.listeners'));
my @forbidden = ($key, 'whsec_', map { my $secret = s/^whsec_//r; ($secret, unpack('H*', decode_base64($secret))) } @secrets);
my $forbidden = join('|', map { quotemeta } @forbidden);
my $shown = $node->safe_psql('postgres', <<'SQL');
SELECT query FROM pg_stat_activity WHERE pid <> pg_backend_pid();
SELECT * FROM public.history;
SELECT * FROM washminute_data.outbox;
SELECT * FROM washminute.worker_status();
SELECT setting FROM pg_settings WHERE name LIKE 'washminute.%';
SQL

is(length($key), 64, 'there is a key');
like("x $secrets[0] x", qr/$forbidden/, 'and secrets, which would be found');
unlike($shown, qr/$forbidden/, 'no view or table shows them');
unlike(log_since($node), qr/$forbidden/, 'nor does the log');
unlike(log_since($node), qr/PANIC|TRAP|was terminated by signal|washminute worker: state="failing/, 'and the worker never failed');
is_query($node, 'SELECT count(*) FROM washminute.check_invariants()', 0, 'the invariants hold');

$node->stop;
done_testing();
