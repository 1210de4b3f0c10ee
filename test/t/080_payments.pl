# Card payments, the whole way: begun, paid on the gateway's page, called back, offered;
# declined, cancelled, captured, paid back in part; paid too late or twice.  What the
# gateway has in its books is what ours say, always.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Naps;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Washminute;

my $naps = Naps->start;
my $market = Naps::Market->start($naps, washmen => 2);
my $node = $market->{node};

# how often the gateway was asked about an order
sub asked
{
	my ($sale) = @_;

	return $naps->book($sale->{orderid})->{statusAsked};
}

# a sale's last callback: how it was answered
sub word
{
	my ($visit) = @_;

	return $visit->{callbacks}[-1]{word};
}

#
# The way of a payment
#

# inquiries are a minute apart: now a second
$market->hurry(60);
my $sale = $market->book;
my $key = $market->beginning($sale, 'mine');
is_refused($node, "BEGIN; SELECT payment_id FROM washminute.begin_payment('$sale->{order}', 'amina', 'lost') \\gset
  SELECT washminute.wait_for_payment_link(:'payment_id')",
	'PT500', qr/^WM_PAYMENT_NOT_COMMITTED/, 'who waits for the link in the transaction that begins waits in vain');
$market->begin($sale, 'mine');
is($market->sql($key), $sale->{payment}, 'the same key gives the same payment');
is($market->sql($market->beginning($sale)), $sale->{payment}, 'so does another one');
is_refused($node, $market->beginning($sale, 'mine', ', true'), 'PT422', qr/^WM_IDEMPOTENCY_KEY_REUSED/, 'but not the same key for something else');
$market->await_link($sale);
like($sale->{link}, qr{^http://127\.0\.0\.1:\d+/page/\w+$}, 'the link is that of the gateway\'s page');
is($market->sql($key =~ s/payment_id/link/r), $sale->{link}, 'which whoever begins again gets at once');
$market->is_now($sale, 'processing awaiting pending', 'nothing is paid');
is_query($node, "SELECT count(*) FROM washminute_data.offers WHERE request_id = '$sale->{request}'", 0, 'and nobody is offered it');

my $visit = $market->pay($sale);
is(word($visit), 'GATESUCCESS', 'the callback is answered GATESUCCESS');
$market->is_now($sale, 'paid succeeded paid', 'after which it is paid');
is_query($node, "SELECT count(*) FROM washminute_data.offers WHERE request_id = '$sale->{request}'", 2, 'and offered');
is($market->visit($visit->{redirect}), "washminute://payment?status=paid&orderId=$sale->{order}", 'the browser is sent to the app');
is(join(' ', @{ $naps->book($sale->{orderid}) }{qw(links charged net)}), "1 $sale->{total} $sale->{total}", 'the customer was charged once');
becomes_true($node, "SELECT confirmed_at IS NOT NULL FROM washminute_data.payment_attempts WHERE attempt_id = '$sale->{attempt}'", 'soon an inquiry confirms it');
is_refused($node, "SELECT washminute.wait_for_payment_link('$sale->{payment}')", 'PT409', qr/^WM_PAYMENT_STATE \{"status": "paid"\}/, 'no link is left to wait for');
is_refused($node, $market->beginning($sale), 'PT409', qr/^WM_ORDER_STATE/, 'nor a payment to begin');
is($market->pay($sale)->{refused}, 'paid', 'nor anything on the page');
$market->sql("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT FROM washminute.accept_request('$sale->{request}', 'w1'); COMMIT");

#
# Browsers that come back
#

# now a minute is a minute; a machine that is too slow to tell is asked again
$market->hurry(1);
$sale = $market->checkout;
is_query($node, "SELECT due_at - now() BETWEEN '50 s' AND '60 s' FROM washminute_data.outbox WHERE lane = 'payment' AND data->>'attemptId' = '$sale->{attempt}'",
	't', 'whoever has the link has a minute to pay before the gateway is asked');
my $told = 0;
foreach my $try (1 .. 20)
{
	$sale = $market->checkout;
	my $began = time;

	is($market->visit($market->given_url($sale, 'successURL')), "washminute://payment?status=pending&orderId=$sale->{order}",
		"return $try: a browser that comes back from nowhere proves nothing");
	within(20, sub { asked($sale) >= 1 }, 'but has the gateway asked at once');
	$market->has_asked('which has answered');
	$market->visit($market->given_url($sale, $_)) foreach ('failURL', 'successURL', 'failURL');
	$market->is_now($sale, 'processing awaiting pending', 'whichever way it comes back');
	$market->has_asked('all is asked');
	my $asked = asked($sale);
	next if time - $began >= 9;
	is($asked, 1, 'and only one in ten seconds asks');
	$told = 1;
	last;
}
ok($told, 'which was fast enough to be seen');

# the seed says what the gateway makes of it
$naps->modes({ seed => 3 });
my %lost;
foreach my $try (1 .. 20)
{
	last if keys %lost == 2;
	my $sale = $market->checkout;
	my $visit = $market->pay($sale, faults => ['callback_lost']);
	my $stands = !$visit->{reversed};

	$lost{$stands} = 1;
	$market->is_now($sale, 'processing awaiting pending', "callback lost $try: nothing is known");
	is($market->visit($visit->{redirect}), "washminute://payment?status=pending&orderId=$sale->{order}", 'nor after the return');
	$market->becomes($sale, $stands ? 'paid succeeded paid' : 'requires_payment declined pending', 'until the inquiry that it hastens');
	is($market->visit($visit->{redirect}) =~ s/&.*//r, 'washminute://payment?status=' . ($stands ? 'paid' : 'failed'), 'then the app hears of it');
	$market->cancel($sale);
}
is(scalar(keys %lost), 2, 'both of a sale that stands and of one that does not');

#
# Cancelled
#

$market->hurry(60);
$sale = $market->cancel($market->sell);
$market->becomes($sale, "refunded reversed refunded reversal:reversed:$sale->{total}", 'cancelled: the money goes back');
is(join(' ', @{ $naps->book($sale->{orderid}) }{qw(state net)}), 'reversed 0.00', 'by a reversal');

$sale = $market->sell;
$naps->capture($sale->{orderid});
$market->cancel($sale);
$market->becomes($sale, "refunded captured refunded refund:accepted:$sale->{total}", 'cancelled after the capture: the money goes back');
my $book = $naps->book($sale->{orderid});
is(join(' ', $book->{refunds}{count}, @{$book}{qw(state net)}), '1 refunded 0.00', 'by one refund');

$sale = $market->begin($market->book);
$market->cancel($sale);
within(20, sub { $market->sql($market->state_query($sale)) =~ /^cancelled expired(,expired)* cancelled$/ }, 'cancelled before there is a link: it ends');

#
# In part
#

$sale = $market->sell;
my $refund = $market->refund($sale, 20, 'part');
$market->becomes($sale, 'partially_refunded succeeded paid reversal:reversed:20.00', 'a part goes back');
is($market->refund($sale, 20, 'part'), $refund, 'the same key gives the same refund');
is_refused($node, "SELECT washminute.request_refund('$sale->{payment}', 21, 'goodwill', 'part')", 'PT422', qr/^WM_IDEMPOTENCY_KEY_REUSED/, 'but not for another amount');
is_refused($node, "SELECT washminute.request_refund('$sale->{payment}', $sale->{total}, 'goodwill', 'all')", 'PT409', qr/^WM_REFUND_TOO_HIGH \{"refundable": /, 'more than is left cannot go back');
$market->refund($sale, $sale->{total} - 20);
my $rest = sprintf('%.2f', $sale->{total} - 20);
$market->becomes($sale, "refunded reversed paid reversal:reversed:20.00 reversal:reversed:$rest", 'what is left can');
is($naps->book($sale->{orderid})->{net}, '0.00', 'nothing is left');

$sale = $market->sell;
$market->sql("SELECT washminute.capture_payment('$sale->{payment}')");
$market->becomes($sale, 'paid captured paid', 'captured as we ask for it');
$market->sql("SELECT washminute.capture_payment('$sale->{payment}')");
$market->refund($sale, $_) foreach (10, 15.5);
$market->becomes($sale, 'partially_refunded captured paid refund:accepted:10.00 refund:accepted:15.50', 'captured: two parts go back');
is(join(' ', sort @{ $naps->book($sale->{orderid})->{refunds}{amounts} }), '10.00 15.50', 'by a refund each');
is($naps->count('capture'), 1, 'and it was captured once');

#
# Declined
#

$sale = $market->checkout;
my $first = $sale->{orderid};
$visit = $market->pay($sale, outcome => 'decline');
$market->visit($visit->{redirect});
$market->becomes($sale, 'requires_payment declined pending', 'declined: that is known once the browser is back');
$market->await_link($market->begin($sale));
isnt($sale->{orderid}, $first, 'the next attempt has another order id');
$market->is_now($sale, 'processing declined,awaiting pending', 'beside the first');
$market->pay($sale);
$market->is_now($sale, 'paid declined,succeeded paid', 'and pays');

#
# Too late, or twice
#

foreach my $fault ('', 'reversal_fails')
{
	my $by = $fault ? 'by us' : 'by the gateway';

	$sale = $market->cancel($market->checkout);
	$market->becomes($sale, 'cancelled expired cancelled', "paid after a cancellation, reversed $by: it has ended");
	$visit = $market->pay($sale, faults => [ $fault || () ]);
	is(word($visit), 'GATEFAILED', 'the gateway is told that it failed');
	$market->becomes($sale, $fault ? "cancelled reversed+ cancelled reversal:reversed:$sale->{total}" : 'cancelled reversed+ cancelled', 'and the money goes back');
	is($naps->book($sale->{orderid})->{net}, '0.00', 'for good');

	$sale = $market->checkout;
	my %first = %$sale;
	$market->pay($sale, outcome => 'decline', final => 0);
	$market->visit($market->given_url($sale, 'failURL'));
	$market->becomes($sale, 'requires_payment declined pending', "paid twice, reversed $by: the page of the first is open yet");
	$market->await_link($market->begin($sale));
	$market->pay($sale);
	$market->is_now($sale, 'paid declined,succeeded paid', 'the second is paid');
	is(word($market->pay(\%first, faults => [ $fault || () ])), 'GATEFAILED', 'then the first, too');
	$market->becomes($sale, 'paid reversed+,succeeded paid' . ($fault ? " reversal:reversed:$sale->{total}" : ''), 'which goes back');
	is(join(' ', map { $naps->book($_)->{net} } $first{orderid}, $sale->{orderid}), "0.00 $sale->{total}", 'that alone');
}

#
# Not paid in time
#

$sale = $market->checkout;
$market->has_asked('all is asked');
my $asked = $naps->count_of($sale->{orderid}, 'status');
$naps->modes({ call => 'status', mode => 'hold' });
$market->hurry(60, '25 hours');
# what the worker has in hand just then is left to the next call
within(60, sub { $market->sql('SELECT washminute.expire_due(); ' . $market->state_query($sale)) =~ /cancelling awaiting cancelled$/ },
	'expired unpaid: until the gateway says so the attempt is not over');
within(20, sub { $naps->count_of($sale->{orderid}, 'status') > $asked }, 'and it is asked');
$naps->modes;
$naps->release;
$market->becomes($sale, 'cancelled expired cancelled', 'then it is');

$market->is_sound;
$node->stop;
done_testing();
