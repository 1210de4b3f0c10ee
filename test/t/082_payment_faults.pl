# What the gateway can do wrong on the way of a payment, call by call: a link whose answer
# is lost is given up for another one, an inquiry is made again, and all of it resolves by
# itself or is handed to a person.

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

# a breaker that opens would only make this slow
$market->sql("UPDATE washminute_data.lanes SET breaker_failures = 1000 WHERE lane = 'payment'");
$market->hurry(300);

# A test: the fake was made to do that, as often as told.
sub struck
{
	my ($fault, $times, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($naps->counts->{faults}{$fault} // 0, $times, $name);
}

# mode => whether the gateway did its work
my %unclear = (http_503 => 0, html_502 => 1, not_json => 1, reset_before => 0, reset_after => 1, timeout_before => 0, timeout_after => 1);
my @few = qw(http_503 not_json reset_after timeout_before);

#
# Sessions
#

my $switched = 0;
foreach my $mode (@few)
{
	my $before = $naps->count('createtocken24');

	$naps->once('createtocken24', $mode, $mode =~ /html|json/ ? (effect => 1) : ());
	# of another URL there is no session yet
	$node->safe_psql('postgres', "ALTER SYSTEM SET washminute.naps_url = '" . ($switched++ % 2 ? $naps->url : $naps->url =~ s{/$}{}r) . "'");
	$node->reload;
	my $sale = $market->checkout;

	$market->is_now($sale, 'processing awaiting pending', "createtocken24 $mode: the link comes all the same");
	is($naps->count('createtocken24'), $before + 2, "createtocken24 $mode: after the session was asked for once more");
	is($naps->count_of($sale->{orderid}, 'linkpayment'), 1, "createtocken24 $mode: and the link once");
	$market->cancel($sale);
}

#
# Links
#

foreach my $mode (sort keys %unclear)
{
	foreach my $effect ($unclear{$mode})
	{
		my $name = "linkpayment $mode" . ($effect ? ', done' : ', not done');

		$naps->once('linkpayment', $mode, effect => $effect);
		my $sale = $market->begin($market->book);

		$market->await_link($sale);
		my $first = $market->sql("SELECT gateway_order_id FROM washminute_data.payment_attempts WHERE payment_id = '$sale->{payment}' AND number = 1");

		$market->is_now($sale, 'processing expired,awaiting pending', "$name: the order id is given up for another one");
		isnt($sale->{orderid}, $first, "$name: which is a new one");
		is(join(' ', map { $naps->count_of($_, 'linkpayment') } $first, $sale->{orderid}), '1 1', "$name: each was sent once");
		$market->pay($sale);
		$market->is_now($sale, 'paid expired,succeeded paid', "$name: the customer pays");
		ok(!(grep { $_->{orderid} eq $first && $_->{charges} } $naps->books), "$name: once");
	}
}

$naps->once('linkpayment', 'token_expired');
my $sessions = $naps->count('createtocken24');
my $sale = $market->checkout;
$market->is_now($sale, 'processing awaiting pending', 'linkpayment token_expired: the same attempt gets its link');
is($naps->count_of($sale->{orderid}, 'linkpayment'), 2, 'linkpayment token_expired: by the next session');
is($naps->count('createtocken24'), $sessions + 1, 'which is one');

#
# Inquiries
#

foreach my $mode (@few, 'token_expired', 'status_06')
{
	$naps->once('status', $mode);
	$sale = $market->checkout;
	$market->pay($sale, outcome => 'decline', final => 0);
	$market->becomes($sale, 'requires_payment declined pending', "status $mode: the next one tells");
	struck("status.$mode", 1, "status $mode: after one that did not");
	$market->cancel($sale);
}

# at the pace of the real clock: it does not wait for the next one by the schedule
$market->hurry(1);
$sale = $market->checkout;
$market->pay($sale, outcome => 'decline');
$naps->once('status', 'token_expired');
$market->visit($market->given_url($sale, 'failURL'));
$market->becomes($sale, 'requires_payment declined pending', 'status token_expired: it is asked again at once', 20);
$market->hurry(300);

#
# The page
#

# 01 is not final: the customer tries another card
$sale = $market->checkout;
$naps->modes({ gap_ms => 4000 });
$naps->pay(url => $sale->{link}, faults => ['declined_then_approved'], wait => 0);
$market->becomes($sale, 'requires_payment declined pending', 'declined_then_approved: declined, for now');
$market->becomes($sale, 'paid succeeded paid', 'and paid by the same attempt');

foreach my $then ('nothing', 'approve', 'reverse', 'silent')
{
	$sale = $market->checkout;
	my $visit = $market->pay($sale, outcome => 'switch_timeout', then => $then);
	my $expected = { nothing => 'processing awaiting pending', reverse => 'requires_payment declined pending' }->{$then} // 'paid succeeded paid';

	is($visit->{redirect}, $market->given_url($sale, 'failURL'), "SW_KO, $then: the browser is told that it failed");
	$market->visit($visit->{redirect});
	$market->becomes($sale, $expected, "SW_KO, $then: what it comes to");
	next unless $then eq 'nothing';
	$market->hurry(300, '2 days');
	$market->visit($visit->{redirect});
	becomes($node, $market->exceptions_query($sale), 'attempt_unknown:open', 'SW_KO for a day: a person is told');
	$market->is_now($sale, $expected, 'and nothing is made up');
	$market->hurry(300);
}

$sale = $market->checkout;
my $visit = $market->pay($sale, faults => [ 'callback_thrice', 'callback_before_page' ]);
$market->becomes($sale, 'paid succeeded paid', 'callback_before_page: paid, though no inquiry finds it yet');

#
# Captures
#

foreach my $mode (@few, 'code_96', 'token_expired')
{
	$sale = $market->sell;
	$naps->once('capture', $mode);
	$market->sql("SELECT washminute.capture_payment('$sale->{payment}')");
	$market->becomes($sale, 'paid captured paid', "capture $mode: it is captured in the end");
}

$market->is_sound;
$node->stop;
done_testing();
