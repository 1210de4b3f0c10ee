# What the gateway can do wrong while money goes back: no refund is sent twice, and a
# reversal only where it was shown not to have happened; what no inquiry tells is a
# person's to decide.

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

# mode => whether the gateway did its work
my %unclear = (http_503 => 0, not_json => 1, reset_before => 0, reset_after => 1, timeout_before => 0, timeout_after => 1);

#
# Reversals
#

# reversed there, or asked for once more
foreach my $mode (sort(keys %unclear), 'code_96')
{
	foreach my $effect ($unclear{$mode} // (0, 1))
	{
		my $name = "reversal $mode" . ($effect ? ', done' : ', not done');

		my $sale = $market->sell;
		$naps->once('reversal', $mode, effect => $effect);
		$market->cancel($sale);
		$market->becomes($sale, "refunded reversed refunded reversal:reversed:$sale->{total}", "$name: the money goes back");
		is($naps->count_of($sale->{orderid}, 'reversal'), $effect ? 1 : 2, "$name: sent so often");
		is($naps->book($sale->{orderid})->{net}, '0.00', "$name: once");
	}
}

my $sale = $market->sell;
$naps->once('reversal', 'token_expired');
$market->cancel($sale);
$market->becomes($sale, "refunded reversed refunded reversal:reversed:$sale->{total}", 'reversal token_expired: the money goes back');

# twice in vain: a person must decide
$sale = $market->sell;
$naps->modes({ call => 'reversal', mode => 'http_503' });
$market->cancel($sale);
$market->becomes($sale, "paid succeeded cancelled reversal:unknown:$sale->{total}", 'reversal http_503 for ever: unknown');
becomes($node, $market->exceptions_query($sale), 'refund_unknown:open', 'a person is told');
is($naps->count_of($sale->{orderid}, 'reversal'), 2, 'it was sent twice, no more');
$naps->capture($sale->{orderid});
$naps->modes;
$market->becomes($sale, "refunded captured refunded refund:accepted:$sale->{total}", 'captured: then a refund is what is left');
becomes($node, $market->exceptions_query($sale), 'refund_unknown:evidence', 'and the person is not needed');

# a part of which nobody can tell
$sale = $market->sell;
$naps->once('reversal', 'answer_lost');
$market->refund($sale, 20);
$market->becomes($sale, 'paid succeeded paid reversal:unknown:20.00', 'reversal of a part, answer_lost: unknown');
becomes($node, $market->exceptions_query($sale), 'refund_unknown:open', 'no inquiry tells, so a person is told');
is($naps->count_of($sale->{orderid}, 'reversal'), 1, 'and nothing is sent again');
my @apart = ($sale->{orderid});

# and the sale is denied meanwhile: what became of the part is a person's all the same
$sale = $market->sell;
$naps->modes({ call => 'status', mode => 'status_denied' }, { call => 'reversal', mode => 'answer_lost', times => 1 });
$market->refund($sale, 20);
becomes($node, $market->exceptions_query($sale) =~ s/ORDER BY since/ORDER BY kind/r, 'refund_unknown:open success_contradicted:open', 'denied while a refund is unknown: a person is told of both');
$market->is_now($sale, 'on_hold succeeded paid reversal:unknown:20.00', 'denied while a refund is unknown: both stay as they are');
$naps->modes;
becomes($node, $market->exceptions_query($sale) =~ s/ORDER BY since/ORDER BY kind/r, 'refund_unknown:open success_contradicted:evidence', 'approved again: of the refund alone nobody knows');
push @apart, $sale->{orderid};

#
# Refunds
#

foreach my $mode (sort(keys %unclear), 'code_96', 'refund_answer_lost')
{
	foreach my $effect ($mode eq 'refund_answer_lost' ? 1 : $unclear{$mode} // (0, 1))
	{
		my $name = "refund $mode" . ($effect ? ', done' : ', not done');

		my $sale = $market->sell;
		$market->sql("SELECT washminute.capture_payment('$sale->{payment}')");
		$market->becomes($sale, 'paid captured paid', "$name: it is captured");
		$naps->once('refund', $mode, effect => $effect);
		$market->cancel($sale);
		if ($effect)
		{
			$market->becomes($sale, "refunded captured refunded refund:accepted:$sale->{total}", "$name: an inquiry sees it");
			is($market->sql($market->exceptions_query($sale)), 'none', "$name: nobody has to look at it");
		}
		else
		{
			becomes($node, $market->exceptions_query($sale), 'refund_unknown:open', "$name: a person is told");
			$market->is_now($sale, "paid captured cancelled refund:unknown:$sale->{total}", "$name: it stays unknown");
		}
		is($naps->count_of($sale->{orderid}, 'refund') . ' ' . $naps->book($sale->{orderid})->{refunds}{count}, "1 $effect", "$name: sent once");
	}
}

$sale = $market->sell;
$naps->capture($sale->{orderid});
$naps->once('refund', 'token_expired');
$market->cancel($sale);
$market->becomes($sale, "refunded captured refunded refund:accepted:$sale->{total}", 'refund token_expired: the money goes back');
is($naps->book($sale->{orderid})->{refunds}{count}, 1, 'once');

# a second one: 07 says nothing of it
$sale = $market->sell;
$naps->capture($sale->{orderid});
$market->refund($sale, 10);
$market->becomes($sale, 'partially_refunded captured paid refund:accepted:10.00', 'a first refund');
$naps->once('refund', 'refund_answer_lost');
$market->refund($sale, 20);
becomes($node, $market->exceptions_query($sale), 'refund_unknown:open', 'the answer to the second is lost: a person is told');
$market->refund($sale, 30);
$market->becomes($sale, 'partially_refunded captured paid refund:accepted:10.00 refund:unknown:20.00 requested:30.00', 'and the third waits for that');
is(join(' ', @{ $naps->book($sale->{orderid})->{refunds}{amounts} }), '10.00 20.00', 'nothing was sent twice');
push @apart, $sale->{orderid};

# but nor does it come of a reversal: the first refund after one is what it tells of
$sale = $market->sell;
$market->refund($sale, 10);
$market->becomes($sale, 'partially_refunded succeeded paid reversal:reversed:10.00', 'a part is reversed');
$naps->capture($sale->{orderid});
$naps->once('refund', 'refund_answer_lost');
$market->cancel($sale);
$market->becomes($sale, sprintf('refunded captured refunded reversal:reversed:10.00 refund:accepted:%.2f', $sale->{total} - 10),
	'of the rest, which is refunded, the answer is lost: an inquiry sees it');
is($naps->book($sale->{orderid})->{refunds}{count}, 1, 'sent once');

# what is left open is what the gateway told nobody of
is_query($node, "SELECT string_agg(DISTINCT r.status || ' ' || COALESCE(f.kind, 'none'), ', ') FROM washminute_data.refunds AS r
  LEFT JOIN washminute_data.payment_exceptions AS f ON f.refund_id = r.refund_id AND f.resolved_at IS NULL
  WHERE r.status NOT IN ('accepted', 'reversed')", 'requested none, unknown refund_unknown', 'each refund that is unknown is a person\'s');
my $counts = $naps->counts;
is(join(' ', map { "$_=$counts->{$_}" } qw(chargedTwice overRefunded broken orderidsAgain)), 'chargedTwice=0 overRefunded=0 broken=0 orderidsAgain=0',
	'nobody was charged or paid back twice');
$market->is_sound(apart => \@apart);
$node->stop;
done_testing();
