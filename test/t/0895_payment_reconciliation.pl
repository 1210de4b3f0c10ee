# From an alarm to a closed exception: what is sent again goes to the gateway, what has gone
# back is believed, statements are compared with the gateway's own books; in the end each
# payment sums to zero, and everything was asked about again before it was captured.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Naps;
use PostgreSQL::Test::Utils;
use Test::More;
use Washminute;

my $naps = Naps->start;
my $market = Naps::Market->start($naps, conf => "washminute.http_timeout = 1s\n");
my $node = $market->{node};

$market->sql("UPDATE washminute_data.lanes SET breaker_failures = 1000 WHERE lane = 'payment'; SELECT washminute.upsert_user('boss', 'admin')");
$market->hurry(300);

# The administrator decides, over REST.
sub resolve
{
	my ($sale, $decision) = @_;
	my $id = $market->sql("SELECT exception_id FROM washminute_data.payment_exceptions WHERE payment_id = '$sale->{payment}' AND resolved_at IS NULL");

	return $node->safe_psql('postgres', qq{BEGIN; SET LOCAL ROLE washminute_admin;
	  SELECT set_config('request.jwt.claims', '{"sub": "boss"}', true) IS NULL AS x \\gset
	  SELECT washminute_api.resolve_exception('$id', '$decision', 'as the portal says'); COMMIT});
}

# How the statement of a day compares: "LINES MATCHED DIFFER THEIRS OURS".
sub import
{
	my ($name, $content, $through) = @_;

	$through = defined $through ? "'$through'" : 'NULL';
	return $market->sql("SELECT concat_ws(' ', s.lines, s.matched, s.differ, s.only_theirs, s.only_ours) FROM washminute.import_settlement('$name', '$content', 'boss', $through) AS s");
}

sub today
{
	return $market->sql("SELECT (washminute.now() AT TIME ZONE 'Africa/Casablanca')::date");
}

#
# Alarms
#

# a reversal of a part that was not answered: it had not happened, and is sent again
my $part = $market->sell;
$naps->once('reversal', 'answer_lost', effect => 1);
$market->refund($part, 20);
becomes($node, $market->exceptions_query($part), 'refund_unknown:open', 'a part of which nobody can tell');
is_query($node, q{SELECT count(*) FROM washminute.doctor() WHERE finding LIKE 'a person must look at card payments%'}, 1, 'doctor() says so');
is($naps->book($part->{orderid})->{net}, $part->{total} - 20 . '.00', 'the portal says that it has gone back');
resolve($part, 'paid_back');
$market->becomes($part, 'partially_refunded succeeded paid reversal:reversed:20.00', 'as the administrator decides');

my $again = $market->sell;
$naps->modes({ call => 'reversal', mode => 'http_503' });
$market->refund($again, 20);
becomes($node, $market->exceptions_query($again), 'refund_unknown:open', 'another one');
$naps->modes;
my $before = $naps->count_of($again->{orderid}, 'reversal');
resolve($again, 'send_again');
$market->becomes($again, 'partially_refunded succeeded paid reversal:reversed:20.00', 'it is sent again');
is($naps->count_of($again->{orderid}, 'reversal'), $before + 1, 'once');

# a refund that was refused, and paid at the counter
my $refused = $market->sell;
$naps->capture($refused->{orderid});
$naps->once('refund', 'http_503');
$market->cancel($refused);
becomes($node, $market->exceptions_query($refused), 'refund_unknown:open', 'a refund that was not answered');
resolve($refused, 'not_paid_back');
becomes($node, $market->exceptions_query($refused) =~ s/ORDER BY since/ORDER BY kind DESC/r, 'refund_unknown:boss refund_failed:open', 'it has failed, which is another alarm');
resolve($refused, 'paid_outside');
$market->becomes($refused, "refunded captured refunded refund:outside:$refused->{total}", 'the customer was paid by another way');

# another amount: given back at the portal, and then paid as it should be; while the worker asks nothing, which
# might be faster than the callback, and see what is done in the portal
my $amount = $market->checkout;
$market->sql(q{UPDATE washminute_data.lanes SET paused = true WHERE lane = 'payment'});
becomes($node, q{SELECT count(*) FROM washminute_data.outbox WHERE lane = 'payment' AND state = 'inflight'}, 0, 'the lane is paused');
$market->pay($amount, amount => '7.00', faults => ['reversal_fails']);
becomes($node, $market->exceptions_query($amount), 'amount_differs:open', 'charged with another amount');
$market->is_now($amount, 'on_hold integrity pending', 'the payment is on hold');
is($naps->reverse($amount->{orderid}), 1, 'somebody gives it back in the portal');
resolve($amount, 'returned');
$market->sql(q{UPDATE washminute_data.lanes SET paused = false WHERE lane = 'payment'});
$market->becomes($amount, 'requires_payment reversed pending', 'given back: the order is unpaid');
$market->await_link($market->begin($amount));
$market->pay($amount);
$market->is_now($amount, 'paid reversed,succeeded paid', 'and then paid');
is_query($node, q{SELECT count(*) FROM washminute.doctor() WHERE finding LIKE 'a person must look at card payments%'}, 0, 'nothing is left to look at');

#
# Before the capture
#

my $late = $market->sell;
becomes_true($node, "SELECT confirmed_at IS NOT NULL FROM washminute_data.payment_attempts WHERE attempt_id = '$late->{attempt}'", 'a sale is confirmed');
# ten minutes after it was confirmed, and then each day; the clock shows what time it is when the row falls due
$market->hurry(10000, '34 hours');
becomes_true($node, "SELECT abs(extract(epoch FROM ((washminute.now() + (q.due_at - clock_timestamp()) * 10000) AT TIME ZONE 'Africa/Casablanca')::time - '21:00')) < 300
  FROM washminute_data.payment_attempts AS a JOIN washminute_data.outbox AS q ON q.data->>'attemptId' = a.attempt_id::text AND (q.data->>'number')::integer = a.inquiry_number
  WHERE a.attempt_id = '$late->{attempt}'", 'and is to be asked about again at the hour of the setting');
my $asked = $naps->book($late->{orderid})->{statusAsked};
within(60, sub { $naps->book($late->{orderid})->{statusAsked} > $asked }, 'which it is');

#
# Statements
#

$market->hurry(300, '30 days 15 hours');	# early in a day, which is to last
my $today = today();
my @sales = map { $market->sell } 1 .. 5;
$naps->capture;
$market->cancel($sales[0]);
$market->becomes($sales[0], "refunded captured refunded refund:accepted:$sales[0]{total}", 'one is paid back after its capture');
$naps->settle;
my $content = $naps->statement($today);
like(import("day $today", $content, $today), qr/^\d+ (\d+) 0 0 0$/, 'all of the gateway\'s statement is ours');
is_query($node, q{SELECT kind, data FROM washminute_data.payment_exceptions WHERE resolved_at IS NULL}, '', 'and nothing of ours is missing');
$market->becomes($sales[0], "refunded settled refunded refund:settled:$sales[0]{total}", 'sale and refund are settled');
is_query($node, 'SELECT count(*) FROM washminute_data.payment_rollup WHERE unbooked <> 0 OR unsettled <> 0', 0, 'each payment sums to zero');
like(import("day $today", $content, $today), qr/^\d+ (\d+) 0 0 0$/, 'again, it is the same');

# one line of it is another one's, one has another amount, one is missing
@sales = map { $market->sell } 1 .. 3;
$naps->capture;
$naps->settle;
$content = $naps->statement($today, map { $_->{orderid} } @sales[0, 1]);
$content =~ s/(;sale;)[\d.]+(;$sales[0]{orderid};)/${1}1.00$2/ or die $content;
is(import("rest of $today", $content . "$today;sale;60.00;NOBODY;1\n", $today), '3 1 1 1 1', 'what differs is found');
becomes($node, $market->exceptions_query($sales[0]), 'settlement_differs:open', 'of the one with another amount');
becomes($node, $market->exceptions_query($sales[2]), 'settlement_only_ours:open', 'of the one that is missing');
is(import("day after", $naps->statement($today, $sales[2]{orderid}), $today), '1 1 0 0 0', 'which comes the next day');
becomes($node, $market->exceptions_query($sales[2]), 'settlement_only_ours:evidence', 'and ends the alarm');
resolve($sales[0], 'booked');
is_query($node, 'SELECT count(*) FROM washminute_data.payment_rollup WHERE unbooked <> 0 OR unsettled <> 0', 0, 'each payment sums to zero again');

is_query($node, 'SELECT * FROM washminute.check_invariants()', '', 'the invariants hold');
is($naps->counts->{overRefunded}, 0, 'nothing was paid back twice');
$node->stop;
done_testing();
