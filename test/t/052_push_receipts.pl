# What became of push messages: receipts are asked for after a while, again while they are
# missing, for a day; what each error in one leads to.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Expo;
use PostgreSQL::Test::Utils;
use Test::More;
use Washminute;

my $expo = Expo->start;
my $node = washminute_node('main', conf => $expo->conf . "log_statement = none\n");

sub sql
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', $sql);
}

sub receipt_minutes
{
	my ($minutes) = @_;

	sql("UPDATE washminute_data.settings SET value = $minutes WHERE name = 'push_receipt_minutes'");
	return;
}

# A user with a device whose token has that text; both have the same name.
sub people_of
{
	my (@texts) = @_;

	sql(join('', map { device($_, $expo->token($_)) } @texts));
	return;
}

# A test: so many rows are left in a lane, or will be before the time is over.
sub lane_has
{
	my ($lane, $rows, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return becomes($node, "SELECT count(*) FROM washminute_data.outbox WHERE lane = '$lane'", $rows, $name);
}

# The tickets that wait were sent so long ago, and their receipts are due now.
sub sent_earlier
{
	my ($interval) = @_;

	my $us = "(EXTRACT(epoch FROM interval '$interval') * 1000000)::bigint";

	sql("UPDATE washminute_data.outbox
	  SET data = jsonb_build_object('sentAt', (data->>'sentAt')::bigint - $us, 'tickets',
	        (SELECT jsonb_agg(t || jsonb_build_object('createdAt', (t->>'createdAt')::bigint - $us))
	           FROM jsonb_array_elements(data->'tickets') AS t))
	  WHERE lane = 'push_receipt'");
	make_due($node, "lane = 'push_receipt'");
	return;
}

# SQL for how many minutes receipts wait for the next look at them.
my $next_look = "SELECT round(EXTRACT(epoch FROM due_at - queued_at) / 60) FROM washminute_data.outbox WHERE lane = 'push_receipt'";

remember_pushes($node);

#
# When they are asked for
#

people_of(qw(one two three));
$expo->anew;
sql('BEGIN;' . notify(qw(one two three)) . 'COMMIT;');
lane_has('push', 0, 'three messages are sent in a request');
is_query($node, "SELECT concat_ws(' ', event, state, attempts, jsonb_array_length(data->'tickets')) FROM washminute_data.outbox WHERE lane = 'push_receipt'",
	'tickets queued 0 3', 'a row waits with their tickets');
is_query($node, $next_look, 15, 'for a quarter of an hour');
is_query($node, "SELECT string_agg(concat_ws(' ', t->>'token', t->>'recipient', t->>'event', t->'data'->>'title'), ', ' ORDER BY t->>'recipient')
  FROM washminute_data.outbox, jsonb_array_elements(data->'tickets') AS t",
	'ExponentPushToken[one] one test To one, ExponentPushToken[three] three test To three, ExponentPushToken[two] two test To two',
	'and what it takes to send the messages again');
is($expo->counts->{receiptRequests}, 0, 'nothing is asked yet');
make_due($node, "lane = 'push_receipt'");
lane_has('push_receipt', 0, 'then all is done with');
is(join(' ', map { $expo->counts->{$_} } qw(receiptRequests receiptsAsked requests)), '1 3 1', 'by one request');
receipt_minutes(0);
sql(notify('one'));
lane_has('push_receipt', 0, 'with no minutes to wait they are asked for at once');
$expo->becomes(receiptsAsked => 4, 'in a request of their own');

#
# Receipts that are missing
#

people_of(qw(late-1500-1 never-1 late-800-receipt-MessageTooBig-1));
$expo->anew;
my $start = log_position($node);
sql(notify(qw(late-1500-1 late-800-receipt-MessageTooBig-1)));
$expo->becomes(accepted => 2, 'messages are sent whose receipts come later');
lane_has('push_receipt', 0, 'they are asked for until they are there');
cmp_ok($expo->counts->{receiptsAsked}, '>=', 4, 'which takes more than one look');
cmp_ok($expo->counts->{receiptsAsked}, '<=', 8, 'and not many');
log_shows($node, qr/push refused recipient=late-800-receipt-MessageTooBig-1 /, $start, 'what comes late is judged all the same');
is(join(' ', map { $expo->counts->{$_} } qw(accepted doubled)), '2 0', 'no message is sent again for that');

receipt_minutes(15);
$expo->anew;
sql(notify('never-1'));
lane_has('push', 0, 'a message is sent that has no receipt');
sent_earlier('15 minutes');
$expo->becomes(receiptsAsked => 1, 'it is asked for');
becomes($node, $next_look, 15, 'and again after a quarter of an hour');
sent_earlier('20 minutes');
$expo->becomes(receiptsAsked => 2, 'it is asked for again');
becomes($node, $next_look, 35, 'and again after as long as it has waited');
sent_earlier('22 hours');
$expo->becomes(receiptsAsked => 3, 'and again');
becomes($node, $next_look, 60, 'at least once in an hour');
is_query($node, 'SELECT count(*) FROM washminute_data.outbox', 1, 'there is no more than one row for it');
$start = log_position($node);
sent_earlier('2 hours');
lane_has('push_receipt', 0, 'after a day Expo has forgotten it, and so do we');
log_shows($node, qr/LOG:  washminute worker: no receipts within a day count=1$/m, $start, 'which the log says');
is(join(' ', map { $expo->counts->{$_} } qw(accepted doubled)), '1 0', 'it was sent once');
is_query($node, "SELECT count(*) FROM public.history WHERE what LIKE 'push%'", 0, 'none of this is a failure');

# some of one request
people_of('also-there');
$expo->anew;
sql('BEGIN;' . notify(qw(also-there never-1)) . 'COMMIT;');
lane_has('push', 0, 'two messages are sent, and one has no receipt');
sent_earlier('15 minutes');
$expo->becomes(receiptsAsked => 2, 'both are asked for');
becomes($node, "SELECT string_agg(t->>'recipient', ' ') FROM washminute_data.outbox, jsonb_array_elements(data->'tickets') AS t", 'never-1', 'from then on the missing one alone');
sql('DELETE FROM washminute_data.outbox');

#
# Errors that are for good
#

receipt_minutes(0);
foreach my $code (qw(MessageTooBig DeveloperError))
{
	people_of("receipt-$code-1");
	$start = log_position($node);
	sql(notify("receipt-$code-1"));
	log_shows($node, qr/WARNING:  washminute worker: push refused recipient=receipt-$code-1 event=test error="Expo: $code"$/m, $start, "$code: is a line in the log");
	becomes($node, 'SELECT count(*) FROM washminute_data.outbox', 0, "$code: and no more");
}

# another message waits for its next attempt when the receipt of the first one comes
people_of('receipt-DeviceNotRegistered-1');
sql(device('owner', map { $expo->token($_) } qw(receipt-DeviceNotRegistered-2 other)));
sql("INSERT INTO washminute_data.outbox (lane, recipient_id, event, data, created_at, due_at, token)
  SELECT 'push', 'owner', 'test', '{}', washminute.now(), clock_timestamp() + '1 hour', token FROM washminute_data.push_tokens WHERE user_id = 'owner'");
sql(notify(qw(receipt-DeviceNotRegistered-1 owner)));
becomes($node, "SELECT string_agg(token || ' ' || disabled_reason, ', ' ORDER BY token) FROM washminute_data.push_tokens WHERE disabled_at IS NOT NULL",
	'ExponentPushToken[receipt-DeviceNotRegistered-1] DeviceNotRegistered, ExponentPushToken[receipt-DeviceNotRegistered-2] DeviceNotRegistered',
	'DeviceNotRegistered: the tokens are disabled');
is_query($node, "SELECT string_agg(DISTINCT concat_ws(' ', what, state, token), ', ') FROM public.history
  WHERE xid = (SELECT xid FROM public.history WHERE what = 'disabled' AND token LIKE '%-2]') AND what <> 'push_receipt' AND (token LIKE '%-2]' OR token IS NULL)",
	'disabled ExponentPushToken[receipt-DeviceNotRegistered-2], gone inflight, gone queued ExponentPushToken[receipt-DeviceNotRegistered-2]',
	'DeviceNotRegistered: what waits for one goes with it, and the row of tickets, all in one transaction');
is_query($node, 'SELECT string_agg(token, \' \') FROM washminute_data.outbox', $expo->token('other'), 'DeviceNotRegistered: what waits for the other device stays');
sql('DELETE FROM washminute_data.outbox');
$expo->anew;
sql(notify(qw(receipt-DeviceNotRegistered-1 owner)));
lane_has('push', 0, 'DeviceNotRegistered: more messages are done with');
is($expo->counts->{recipients}, 1, 'DeviceNotRegistered: and sent to the other device alone');
lane_has('push_receipt', 0, 'DeviceNotRegistered: nothing is left');

# a receipt tells of the past
people_of('late-1200-receipt-DeviceNotRegistered-3');
sql(notify('late-1200-receipt-DeviceNotRegistered-3'));
$expo->becomes(accepted => 2, 'a message is sent to a device that is gone');
people_of('late-1200-receipt-DeviceNotRegistered-3');
lane_has('push_receipt', 0, 'and its receipt comes after the device was registered again');
is_query($node, "SELECT disabled_at IS NULL FROM washminute_data.push_tokens WHERE user_id LIKE 'late-1200-%'", 't', 'which stays registered');

#
# Errors that may pass
#

foreach my $code (qw(MessageRateExceeded ExpoError ProviderError SomethingNew))
{
	my $user = "receipt-$code-1";
	my ($token) = $expo->token($user);

	people_of($user);
	$expo->anew;
	sql(qq{SET washminute.correlation_id = 'abc-1';
	  SELECT washminute.enqueue('push', 'test', '{"title": "Again", "body": "$code", "n": [1.50]}', '$user', expires_at => washminute.now() + '5 minutes')});
	becomes($node, q{SELECT concat_ws(' ', recipient_id, token, event, data, state, attempts, round(EXTRACT(epoch FROM due_at - queued_at)))
	  FROM washminute_data.outbox WHERE lane = 'push' AND due_at IS NOT NULL},
		qq{$user $token test {"n": [1.50], "body": "$code", "title": "Again"} queued 0 60}, "$code: the message waits for a minute, as it was");
	is_query($node, "SELECT count(*) FROM washminute_data.outbox WHERE lane = 'push' AND expires_at < washminute.now() + '5 minutes' AND correlation_id = 'abc-1'",
		1, "$code: deadline and correlation id too");
	receipt_minutes(15);
	make_due($node, "lane = 'push'");
	$expo->becomes(accepted => 2, "$code: then it is sent again");
	lane_has('push', 0, "$code: once");

	# its second receipt is no better, but comes too late
	sent_earlier('61 minutes');
	lane_has('push_receipt', 0, "$code: after an hour it is not worth another try");
	lane_has('push', 0, "$code: and not sent again");
	receipt_minutes(0);
}

# a message whose receipts are all bad is not sent for ever
$expo->anew;
sql(notify('receipt-ExpoError-1'));
lane_has('push', 1, 'a message waits to be sent again');
lane_has('push_receipt', 0, 'and its ticket is done with');
sql("UPDATE washminute_data.outbox SET created_at = created_at - interval '2 hours', queued_at = queued_at - interval '2 hours',
  expires_at = expires_at - interval '2 hours', data = data WHERE lane = 'push'");
make_due($node, "lane = 'push'");
$expo->becomes(accepted => 2, 'it is, although it was written two hours ago');
lane_has('push_receipt', 0, 'its receipt has come');
is_query($node, "SELECT count(*) FROM washminute_data.outbox WHERE lane = 'push'", 0, 'and it is given up now');
sql('DELETE FROM washminute_data.outbox');

#
# When Expo does not answer
#

sql("UPDATE washminute_data.lanes SET breaker_failures = 1000 WHERE lane = 'push_receipt'");
my %broken = (
	status_500 => [ { mode => 'status', status => 500 }, '1:queued:HTTP status 500' ],
	html => [ { mode => 'html' }, '1:queued:HTTP status 502' ],
	not_json => [ { mode => 'not_json' }, '1:queued:HTTP status 200' ],
	list => [ { mode => 'status', status => 200, body => { data => [] } }, '1:queued:HTTP status 200' ],
	errors_200 => [ { mode => 'errors_200' }, '1:queued:Expo: INTERNAL_SERVER_ERROR' ],
	status_400 => [ { mode => 'status', status => 400, body => { errors => [ { code => 'VALIDATION_ERROR' } ] } }, '1:queued:Expo: VALIDATION_ERROR' ],
	too_many_requests => [ { mode => 'retry_after', value => '1' }, '0:queued:Expo: TOO_MANY_REQUESTS' ],
	status_429 => [ { mode => 'status', status => 429 }, '0:queued:HTTP status 429' ]);
foreach my $name (sort keys %broken)
{
	my ($step, $fate) = @{ $broken{$name} };

	sql('TRUNCATE public.history');
	$expo->anew({ %$step, times => 1, endpoint => 'receipts' });
	sql(notify('one'));
	$expo->becomes(receiptRequests => 2, "$name: receipts are asked for again");
	lane_has('push_receipt', 0, "$name: and come");
	is_query($node, "SELECT string_agg(attempts || ':' || state || ':' || last_error, ', ') FROM public.history WHERE what = 'push_receipt'", $fate, "$name: the error is kept");
	is($expo->counts->{accepted}, 1, "$name: the message is not sent again");
}

# messages go on while receipts cannot be had
$expo->anew({ mode => 'status', times => 1, status => 403, endpoint => 'receipts' });
$start = log_position($node);
sql(notify('one'));
log_shows($node, qr/WARNING:  washminute worker: held lane=push_receipt reason="HTTP status 403"$/m, $start, '403: the lane of receipts is held');
sql(notify('two'));
$expo->becomes(accepted => 2, '403: messages are sent all the same');
is_query($node, "SELECT lane || ' ' || state FROM washminute.worker_status() WHERE lane LIKE 'push%' ORDER BY lane", "push running\npush_receipt HTTP status 403", '403: worker_status tells them apart');
lane_has('push_receipt', 2, '403: and tickets wait');

# what cannot be delivered for want of credentials is not forgotten after an hour
sql("DELETE FROM washminute_data.outbox; UPDATE washminute_data.lanes SET paused = paused");
$expo->anew;
receipt_minutes(15);
people_of('receipt-InvalidCredentials-1');
sql(notify('receipt-InvalidCredentials-1'));
lane_has('push_receipt', 1, 'a message is sent');
receipt_minutes(0);
$node->restart;
sent_earlier('61 minutes');
becomes($node, q{SELECT recipient_id || ' ' || state || ' ' || last_error FROM washminute_data.outbox WHERE lane = 'push'},
	'receipt-InvalidCredentials-1 dead Expo: InvalidCredentials', 'what a receipt refuses for want of credentials for an hour is a dead letter');
is_query($node, "SELECT washminute.retry_dead('push')", 1, 'which can be sent again');

my @bad = grep { /PushToken\[|PANIC|TRAP|was terminated by signal|state="failing/ } split(/\n/, log_since($node));
is(scalar(@bad), 0, 'the worker never failed, and no token got into the log') or diag(join("\n", @bad[0 .. ($#bad < 5 ? $#bad : 5)]));
is_query($node, 'SELECT count(*) FROM washminute.check_invariants()', 0, 'the invariants hold');

$node->stop;
done_testing();
