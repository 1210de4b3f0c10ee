# What each answer of Expo's leads to: the message, its device, the lane, in tickets,
# receipts and refusals of whole requests; that a bad message costs no other anything,
# and what has an operator's attention.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Expo;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Washminute;

my $no = JSON::PP::false;
my $expo = Expo->start;
my $node = washminute_node('main', conf => $expo->conf . "log_statement = none\n");
# a lane that is held waits for a minute: another cluster does that meanwhile
my $strict_expo = Expo->start;
my $held = washminute_node('held', conf => $strict_expo->conf . "log_statement = none\n");

sub sql
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', $sql);
}

sub lane
{
	my ($columns, $lane) = @_;

	sql("UPDATE washminute_data.lanes SET $columns WHERE lane = '" . ($lane // 'push') . "'");
	return;
}

# A user with a device whose token has that text; both have the same name.
sub people_of
{
	my (@texts) = @_;

	sql(join('', map { device($_, $expo->token($_)) } @texts));
	return;
}

# Messages to users, all in one request: they wait until the last one is there.
sub notify_together
{
	my (@users) = @_;

	sql('BEGIN; ' . notify(@users) . 'COMMIT;');
	return;
}

# A test: nothing is left in a lane but dead letters, or will be before the time is over.
sub is_done
{
	my ($lane, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return becomes($node, "SELECT count(*) FROM washminute_data.outbox WHERE lane = '$lane' AND state <> 'dead'", 0, $name);
}

# A test: the messages of a user failed so, at growing distances, and one arrived in the end.
sub is_tried_again
{
	my ($user, $error, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is_done('push', "$name: it is sent in the end");
	is(push_fates($node, $user), "1:queued:$error", "$name: after an attempt that counts");
	is_query($node, "SELECT bool_and(distance BETWEEN 0.75 AND 1.2) FROM public.history WHERE what = 'push' AND recipient_id = '$user'", 't', "$name: a second later");
	cmp_ok(scalar($expo->messages($expo->token($user))), '>=', 1, "$name: and arrives");
	return;
}

# Answer with any JSON, once, to what is not accepted.
sub once
{
	my ($status, $body) = @_;

	return { mode => 'status', times => 1, status => $status, headers => { 'content-type' => 'application/json' }, body => $body };
}

remember_pushes($_) foreach $node, $held;
sql("UPDATE washminute_data.settings SET value = 0 WHERE name = 'push_receipt_minutes'");

#
# Expo wants an access token: the lane is held, here and in what follows for a minute
#

my $held_state = "SELECT state FROM washminute.worker_status() WHERE lane = 'push'";

# Tests: the lane of the held cluster is held, and says why to all who ask.
sub is_held
{
	my ($reason, $from, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	becomes($held, $held_state, $reason, "$name: the lane is held, and worker_status says why");
	log_shows($held, qr/WARNING:  washminute worker: held lane=push reason="\Q$reason\E"$/m, $from, "$name: so does the log");
	is_query($held, "SELECT severity || ' ' || finding FROM washminute.doctor() WHERE finding LIKE '%holds a lane%'",
		"warning the worker holds a lane: push: $reason", "$name: and doctor");
	return;
}

$held->safe_psql('postgres', device('first', $expo->token('first')) . device('second', $expo->token('second')));
$strict_expo->anew({ access_token => 'another' });
my $held_from = log_position($held);
my $held_at = time;
$held->safe_psql('postgres', notify('first'));
is_held('Expo: invalid_token', $held_from, '401');
$held->safe_psql('postgres', notify('second'));
is_query($held, q{SELECT string_agg(concat_ws(' ', recipient_id, state, attempts, last_error), ', ' ORDER BY outbox_id) FROM washminute_data.outbox},
	'first queued 0 Expo: invalid_token, second queued 0', '401: rows wait, and the attempt does not count');
$strict_expo->modes({ access_token => undef });

#
# Tickets
#

my @later = qw(MessageRateExceeded ExpoError ProviderError SomethingNew);
my @never = qw(MessageTooBig DeveloperError);

lane('max_attempts = 3, breaker_failures = 1000');
people_of('good', map { "ticket-$_-1" } @later, @never);
my $start = log_position($node);
notify_together('good', map { "ticket-$_-1" } @later, @never);
becomes($node, "SELECT count(*) FROM washminute_data.outbox WHERE state = 'dead'", @later + @never, 'messages with bad tickets become dead letters');
foreach my $code (@never)
{
	is(push_fates($node, "ticket-$code-1"), "1:dead:Expo: $code", "$code: at once");
	is(count_in_log($node, qr/WARNING:  washminute worker: dead letter lane=push id=\d+ attempt=1 error="Expo: $code"$/, $start), 1, "$code: the log says so");
}
foreach my $code (@later)
{
	is(push_fates($node, "ticket-$code-1"), "1:queued:Expo: $code, 2:queued:Expo: $code, 3:dead:Expo: $code", "$code: after the last attempt");
	is_query($node, "SELECT string_agg((distance BETWEEN 0.75 * attempts AND 1.2 * attempts)::text, ' ' ORDER BY attempts)
	  FROM public.history WHERE recipient_id = 'ticket-$code-1' AND state = 'queued'", 'true true', "$code: 1 and 2 seconds apart");
}
is(scalar($expo->messages($expo->token('good'))), 1, 'a good one among them arrives once');
is_query($node, "SELECT dead FROM washminute.worker_status() WHERE lane = 'push'", @later + @never, 'worker_status counts the dead letters');

# a code is anybody's text
people_of(qw(odd-1 odd-2));
$expo->anew(once(200, { data => [ { status => 'error', details => { error => "ExpoError\nWARNING:  forged \x{e9}" } } ] }));
sql(notify('odd-1'));
is_done('push', 'a code with a line break in it does no harm');
is(push_fates($node, 'odd-1'), '1:queued:Expo: ExpoError?WARNING:  forged ??', 'a code is kept as printable ASCII');
is(count_in_log($node, qr/^\s*WARNING:  forged/, $start), 0, 'and forges no line of the log');
$expo->modes(once(200, { data => [ { status => 'error', details => { error => 'x' . "\x{e9}" x 1000 } } ] }));
sql(notify('odd-2'));
is_done('push', 'nor does a long one');
like(push_fates($node, 'odd-2'), qr/^1:queued:[ -~]+$/, 'however long it is');

#
# Devices that are gone
#

# messages to both devices wait for their next attempt when others are sent
sql(device('leaver', $expo->token('DeviceNotRegistered-1'), $expo->token('stays')));
sql("INSERT INTO washminute_data.outbox (lane, recipient_id, event, data, created_at, due_at, token)
  SELECT 'push', user_id, 'test', '{\"title\": \"T\", \"body\": \"B\"}', washminute.now(), clock_timestamp() + '1 hour', token
    FROM washminute_data.push_tokens WHERE user_id = 'leaver'");
$expo->anew;
sql(notify('leaver'));
becomes($node, "SELECT disabled_reason FROM washminute_data.push_tokens WHERE token LIKE '%[DeviceNotRegistered-1]'", 'DeviceNotRegistered', 'DeviceNotRegistered: the token is disabled');
is_query($node, "SELECT string_agg(concat_ws(' ', what, state), ', ' ORDER BY what, state DESC) FROM public.history
  WHERE xid = (SELECT xid FROM public.history WHERE what = 'disabled') AND token LIKE '%[DeviceNotRegistered-1]'",
	'disabled, gone queued, gone inflight', 'DeviceNotRegistered: and what waits for it goes, all in one transaction');
make_due($node, "recipient_id = 'leaver'");
is_done('push', 'DeviceNotRegistered: the other device gets its messages');
is(scalar($expo->messages($expo->token('stays'))), 2, 'DeviceNotRegistered: both of them');
my $requests = $expo->counts->{recipients};
sql(notify('leaver'));
is_done('push', 'DeviceNotRegistered: and a third one');
is($expo->counts->{recipients}, $requests + 1, 'DeviceNotRegistered: nothing is sent to the device that is gone');
sql("SELECT washminute.register_push_token('leaver', '${\$expo->token('DeviceNotRegistered-1')}')");
is_query($node, "SELECT count(*) FROM washminute_data.push_tokens WHERE disabled_at IS NOT NULL OR disabled_reason IS NOT NULL", 0, 'DeviceNotRegistered: registered again, it is sent to again');

#
# Messages that are too big
#

# titles of 100 bytes and data that has the body too: the limit lies somewhere in between
sql(device('big', $expo->token('big')));
$expo->anew;
my $start_of_big = log_position($node);
sql(q{SELECT washminute.notify_user('big', 'test', jsonb_build_object('title', repeat('x', 100), 'body', repeat('غ', n)))
  FROM generate_series(800, 950) AS n});
is_done('push', 'messages of many sizes are sent or refused');
my @sizes = map { length($_->{body}) } $expo->messages;
my $limit = @sizes ? (sort { $b <=> $a } @sizes)[0] : 0;
is_query($node, "SELECT concat_ws(' ', min(char_length(data->>'body')), max(char_length(data->>'body')), count(*), min(attempts), max(last_error))
  FROM washminute_data.outbox WHERE recipient_id = 'big'", $limit + 1 . ' 950 ' . (950 - $limit) . ' 1 MessageTooBig: longer than 4096 bytes',
	'those above a limit are dead letters');
is(count_in_log($node, qr/WARNING:  washminute worker: dead letter lane=push id=\d+ attempt=1 error="MessageTooBig: longer than 4096 bytes"$/, $start_of_big),
	950 - $limit, 'of which the log has each');
is(scalar(@sizes), $limit - 799, 'those below it are sent');
my $json = JSON::PP->new->utf8->canonical;
my ($longest) = map { length($json->encode($_)) } map { my %sent = %$_; delete $sent{at}; \%sent } grep { length($_->{body}) == $limit } $expo->messages;
ok($longest > 4000 && $longest <= 4096, 'which is that of 4096 bytes, not characters') or diag($longest);
is($expo->counts->{recipients}, scalar(@sizes), 'the others were never sent');

#
# Requests that are refused for one message
#

my @hundred = map { $_ == 57 ? 'poison-1' : "among-$_" } 1 .. 100;
people_of(@hundred);
lane('concurrency = 1');
$expo->anew({ mode => 'hold', times => 1 });
sql(notify('good'));
$expo->becomes(open => 1, 'poison: the only connection is busy');
notify_together(@hundred);
$expo->release;
is_done('push', 'poison: a hundred messages are done with');
my $counts = $expo->counts;
is($counts->{batches}{100}, 1, 'poison: they were in one request');
is("$counts->{distinct} $counts->{doubled} $counts->{accepted}", '100 0 100', 'poison: the 99 good ones arrive, exactly once');
is(push_fates($node, 'poison-1'), '1:dead:Expo: VALIDATION_ERROR', 'poison: the bad one is a dead letter');
cmp_ok($counts->{requests}, '<=', 16, 'poison: which was found by halving');
is_query($node, "SELECT count(*) FROM public.history WHERE recipient_id LIKE 'among-%' AND what = 'push'", 0, 'poison: it cost the others no attempt');
lane('concurrency = 6');

# a request that is too large is refused without telling whose fault that is
$expo->anew({ mode => 'status', status => 413, times => 1 });
notify_together(@hundred[0 .. 3]);
is_done('push', '413: halves of a request are sent');
is_deeply($expo->counts->{batches}, { 4 => 1, 2 => 2 }, '413: each once');
is($expo->counts->{distinct}, 4, '413: all arrive');

#
# Projects
#

my @mixed = qw(red:1 red:2 blue:1 blue:2 blue:3 green:1);
people_of(@mixed);
$expo->anew;
notify_together(@mixed);
is_done('push', 'projects: messages of three are sent');
$counts = $expo->counts;
is_deeply($counts->{batches}, { 6 => 1, 3 => 1, 2 => 1, 1 => 1 }, 'projects: first together, then at once apart');
is("$counts->{distinct} $counts->{doubled}", '6 0', 'projects: each arrives once');
is_query($node, "SELECT string_agg(user_id || ' ' || project, ', ' ORDER BY user_id) FROM washminute_data.push_tokens WHERE user_id = ANY ('{" . join(',', @mixed) . "}')",
	'blue:1 @test/blue, blue:2 @test/blue, blue:3 @test/blue, green:1 @test/green, red:1 @test/red, red:2 @test/red', 'projects: which are remembered');
is_query($node, "SELECT count(*) FROM public.history WHERE recipient_id LIKE '%:%' AND what = 'push'", 0, 'projects: no attempt was lost');
$expo->anew;
notify_together(@mixed);
is_done('push', 'projects: more messages are sent');
is_deeply($expo->counts->{batches}, { 3 => 1, 2 => 1, 1 => 1 }, 'projects: apart from the beginning');

# an answer that cannot be followed: one message of two projects
$expo->anew({ %{ once(400, { errors => [ { code => 'PUSH_TOO_MANY_EXPERIENCE_IDS', details => { map { $_ => [ $expo->token('good') ] } qw(@a/a @b/b) } } ] }) }, times => 50 });
sql(notify('good'));
becomes($node, "SELECT count(*) FROM washminute_data.outbox WHERE lane = 'push' AND state <> 'dead'", 0, 'projects: one message of two is done with');
cmp_ok($expo->counts->{requests}, '<=', 3, 'projects: and not sent for ever');

# in turns, they still are no more requests than places
lane('concurrency = 2');
$expo->anew({ mode => 'hold', times => 40 });
notify_together(map { ("red:$_", "blue:$_") } (1, 2) x 10);
within(20, sub { $expo->counts->{open} >= 2 }, 'projects: messages of two, in turns, are sent');
cmp_ok($expo->counts->{open}, '<=', 2, 'projects: no more connections than the lane may have');
$expo->modes({ mode => 'ok' });
$expo->release;
is_done('push', 'projects: all arrive');
lane('concurrency = 6');

#
# Answers that say nothing of what arrived, or that nothing did
#

my $mismatch = 'Expo: tickets and messages do not match';
my %unclear = (
	too_few => [ { mode => 'too_few', times => 1 }, $mismatch ],
	too_many => [ { mode => 'too_many', times => 1 }, $mismatch ],
	no_data => [ once(200, {}), $mismatch ],
	text_data => [ once(200, { data => 'tickets' }), $mismatch ],
	not_json => [ { mode => 'not_json', times => 1 }, 'HTTP status 200' ],
	null => [ once(200, 'null'), $mismatch ],
	null_ticket => [ once(200, { data => [undef] }), 'Expo: an error without a code' ],
	empty_errors => [ once(200, { errors => [] }), $mismatch ],
	errors_200 => [ { mode => 'errors_200', times => 1 }, 'Expo: INTERNAL_SERVER_ERROR' ],
	errors_500 => [ { mode => 'ok', times => 1, accept => $no }, 'Expo: INTERNAL_SERVER_ERROR' ],
	status_404 => [ { mode => 'status', times => 1, status => 404 }, 'HTTP status 404' ],
	status_408 => [ { mode => 'status', times => 1, status => 408 }, 'HTTP status 408' ],
	gateway_404 => [ once(404, { error => 'Not Found' }), 'Expo: Not Found' ],
	status_503 => [ { mode => 'status', times => 1, status => 503 }, 'HTTP status 503' ],
	html => [ { mode => 'html', times => 1 }, 'HTTP status 502' ],
	gateway_timeout => [ { mode => 'gateway_timeout', times => 1 }, 'HTTP status 504' ]);

people_of(sort keys %unclear);
foreach my $name (sort keys %unclear)
{
	my ($step, $error) = @{ $unclear{$name} };

	$expo->anew($step);
	sql(notify($name));
	is_tried_again($name, $error, $name);
}

# what is lost on the way back arrives doubled, and says so by its collapse id
sql(device('lossy', $expo->token('lossy-1'), $expo->token('lossy-2')));
foreach my $mode (qw(too_few too_many not_json gateway_timeout))
{
	$expo->anew({ mode => $mode, times => 1 });
	sql(notify('lossy'));
	is_done('push', "$mode: messages to two devices are sent");
	$counts = $expo->counts;
	is("$counts->{distinct} $counts->{doubled} $counts->{accepted}", '2 2 4', "$mode: each shows once");
}

people_of('silent');
$node->append_conf('postgresql.conf', "washminute.http_timeout = '2s'\n");
$node->reload;
becomes($node, 'SHOW washminute.http_timeout', '2s', 'no answer: the worker is told to have less patience');
$expo->anew({ mode => 'hold', times => 1 });
sql(notify('silent'));
is_done('push', 'no answer: it is sent again');
like(push_fates($node, 'silent'), qr/^1:queued:.*timed out after 2\d\d\d milliseconds.* \(the request may have arrived\)$/, 'no answer: after the time for that');
is($expo->counts->{doubled}, 1, 'no answer: it may have arrived');
$node->append_conf('postgresql.conf', "washminute.http_timeout = '10s'\n");
$node->reload;

people_of('single');
$expo->anew(once(200, { data => { status => 'ok', id => 'a-single-ticket' } }));
lane('paused = true', 'push_receipt');
sql(notify('single'));
is_done('push', 'a single ticket is an answer to a single message');
is(push_fates($node, 'single'), '', 'at the first attempt');
is_query($node, q{SELECT data->'tickets'->0->>'id' FROM washminute_data.outbox WHERE lane = 'push_receipt' AND data::text LIKE '%[single]%'}, 'a-single-ticket', 'and the ticket is kept');
sql("DELETE FROM washminute_data.outbox WHERE lane = 'push_receipt'");
lane('paused = false', 'push_receipt');

#
# Expo asks to wait
#

my %waiting = (
	too_many_requests => [ { mode => 'retry_after', times => 1, value => '2' }, 'Expo: TOO_MANY_REQUESTS', 2, 2 ],
	status_429 => [ { mode => 'status', times => 1, status => 429 }, 'HTTP status 429', 0.8, 1.2 ],
	code_alone => [ { mode => 'retry_after', times => 1, value => '2', status => 400 }, 'Expo: TOO_MANY_REQUESTS', 0.8, 2 ]);

people_of(sort keys %waiting);
foreach my $name (sort keys %waiting)
{
	my ($step, $error, $least, $most) = @{ $waiting{$name} };

	$expo->anew($step);
	$start = log_position($node);
	my $began = 1000 * time;
	sql(notify($name));
	log_shows($node, qr/LOG:  washminute worker: asked to wait lane=push for_s=\d/, $start, "$name: Expo asks to wait");
	sql(notify('good'));
	is_done('push', "$name: messages are sent after that");
	is(push_fates($node, $name), "0:queued:$error", "$name: the attempt does not count");
	is_query($node, "SELECT distance BETWEEN $least - 0.05 AND $most FROM public.history WHERE recipient_id = '$name' AND what = 'push'", 't', "$name: the pause is what was asked for");
	my @at = map { $_->{at} } $expo->messages;
	cmp_ok($at[0], '>=', $began + 1000 * $least, "$name: and nothing was sent meanwhile");
}

#
# The breaker
#

lane('breaker_failures = 2, max_attempts = 10, backoff_limit_seconds = 1');
people_of('broken');
$expo->anew({ mode => 'status', times => 2, status => 500 });
$start = log_position($node);
sql(notify('broken'));
log_shows($node, qr/WARNING:  washminute worker: breaker open lane=push for_s=5\.[0-5]$/m, $start, 'two failures open the breaker');
like(sql('SELECT finding FROM washminute.doctor()'), qr/^a destination of the worker fails and is left alone for a while: push: HTTP status 500$/m, 'doctor says so');
is_done('push', 'and after five seconds it is sent');
log_shows($node, qr/LOG:  washminute worker: breaker closed lane=push$/m, $start, 'the breaker closes');
lane('breaker_failures = 1000');

#
# What has an operator's attention
#

becomes($held, 'SELECT count(*) FROM washminute_data.outbox WHERE lane = \'push\'', 0, '401: after a minute the lane tries again, and sends all by itself');
my ($sent_at) = map { $_->{at} / 1000 } $strict_expo->messages;
cmp_ok($sent_at - $held_at, '>', 59, '401: not before');
is(scalar($strict_expo->messages), 2, '401: each once');
is($strict_expo->counts->{requests}, 2, '401: in two requests');
log_shows($held, qr/LOG:  washminute worker: held no longer lane=push$/m, $held_from, '401: the log says that it works again');
is_query($held, $held_state, 'running', '401: and worker_status');
is_query($held, "SELECT count(*) FROM washminute.doctor() WHERE finding LIKE '%holds a lane%'", 0, '401: and doctor');

# End the worker of the held cluster, which forgets that the lane is held.
sub start_anew
{
	my $pid = worker_pid($held);

	$held->safe_psql('postgres', "DELETE FROM washminute_data.outbox; TRUNCATE public.history; SELECT pg_terminate_backend($pid)");
	becomes($held, "SELECT count(*) FROM washminute.worker_status() WHERE lane = 'push' AND state = 'running' AND pid <> $pid", 1, 'a new worker runs');
	$strict_expo->anew(@_);
	return log_position($held);
}

my %refusals = (
	'403' => [ 'Expo: FORBIDDEN', once(403, { errors => [ { code => 'FORBIDDEN' } ] }) ],
	'401 in the usual form' => [ 'Expo: UNAUTHORIZED', once(401, { errors => [ { code => 'UNAUTHORIZED' } ] }) ],
	'UNAUTHORIZED alone' => [ 'Expo: UNAUTHORIZED', once(400, { errors => [ { code => 'UNAUTHORIZED' } ] }) ]);
foreach my $name (sort keys %refusals)
{
	my ($reason, $step) = @{ $refusals{$name} };

	$held_from = start_anew($step);
	$held->safe_psql('postgres', notify('first'));
	is_held($reason, $held_from, $name);
	is(push_fates($held, 'first'), "0:queued:$reason", "$name: the message waits, and the attempt does not count");
}

$held_from = start_anew({ mode => 'status', status => 403, times => 1 });
$held->safe_psql('postgres', notify('first'));
becomes($held, $held_state, 'HTTP status 403', '403 without JSON: the lane is held, and worker_status says why');
is_query($held, "SELECT count(*) FROM washminute.doctor() WHERE finding LIKE '%holds a lane%'", 1, '403 without JSON: doctor says so');
$held->reload;
$held->safe_psql('postgres', notify('second'));
within(3, sub { scalar($strict_expo->messages($strict_expo->token('second'))) }, '403 without JSON: a reload, which doctor asks for, has the lane try again');

foreach my $code (qw(MismatchSenderId InvalidCredentials InvalidProviderToken))
{
	$held->safe_psql('postgres', device($code, $strict_expo->token("ticket-$code-1")));
	$held_from = start_anew();
	$held->safe_psql('postgres', notify($code));
	is_held("Expo: $code", $held_from, $code);
	is(push_fates($held, $code), "0:queued:Expo: $code", "$code: the message waits, and the attempt does not count");
}

# the ticket that tells is not the first one of its request
$held_from = start_anew();
$held->safe_psql('postgres', 'BEGIN; ' . notify(qw(first MismatchSenderId second)) . 'COMMIT;');
log_shows($held, qr/washminute worker: held lane=push/, $held_from, 'a ticket among others: the lane is held');
is(join(' ', map { $strict_expo->counts->{$_} } qw(distinct doubled)), '2 0', 'a ticket among others: the others arrive, once');
is_query($held, $held_state, 'Expo: MismatchSenderId', 'a ticket among others: worker_status says why');

# Expo has the message by then, so that it is sent again
$held->safe_psql('postgres', "UPDATE washminute_data.settings SET value = 0 WHERE name = 'push_receipt_minutes'");
$held->safe_psql('postgres', device('receipt', $strict_expo->token('receipt-InvalidCredentials-1')));
$held_from = start_anew();
$held->safe_psql('postgres', notify('receipt'));
is_held('Expo: InvalidCredentials', $held_from, 'a receipt');
is_query($held, "SELECT count(*) FROM washminute_data.outbox WHERE lane = 'push' AND recipient_id = 'receipt' AND state = 'queued' AND due_at > clock_timestamp()", 1,
	'a receipt: its message waits to be sent again');

#
# Secrets
#

foreach my $one ($node, $held)
{
	my @bad = grep { /PushToken\[|PANIC|TRAP|was terminated by signal|state="failing/ } split(/\n/, log_since($one));

	is(scalar(@bad), 0, 'the worker never failed, and no token got into the log') or diag(join("\n", @bad[0 .. ($#bad < 5 ? $#bad : 5)]));
	is_query($one, 'SELECT count(*) FROM washminute.check_invariants()', 0, 'the invariants hold');
	is_query($one, "SELECT count(*) FROM public.history WHERE last_error ~ 'PushToken'", 0, 'no error holds a token');
	$one->stop;
}
done_testing();
