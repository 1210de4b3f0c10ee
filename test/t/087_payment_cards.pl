# Saved cards: kept by the gateway when the customer says so on its page, charged by one
# click, once, whatever becomes of the call; his bank may ask him first; forgotten when he
# removes them; and nobody else's.

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

$market->sql("UPDATE washminute_data.lanes SET breaker_failures = 1000 WHERE lane = 'payment';
  SELECT washminute.upsert_user('bahija', 'customer')");
$market->hurry(60);

# What a customer sees of the saved cards: "visa 1111, cmi 0003".
sub cards_of
{
	my ($customer) = @_;

	return $node->safe_psql('postgres', qq{BEGIN; SET LOCAL ROLE washminute_customer;
	  SELECT set_config('request.jwt.claims', '{"sub": "$customer"}', true) IS NULL AS x \\gset
	  SELECT string_agg(brand || ' ' || last4, ', ' ORDER BY created_at, last4) FROM washminute_api.cards; COMMIT});
}

sub card
{
	my ($last4) = @_;

	return $market->sql("SELECT card_id FROM washminute_data.cards WHERE last4 = '$last4' AND removed_at IS NULL");
}

# A sale on the page, where the card is to be kept: the visit.
sub save
{
	my (%act) = @_;
	my $sale = $market->book;

	$sale->{payment} = $market->sql($market->beginning($sale, undef, ', true'));
	$market->await_link($sale);
	return $market->pay($sale, save => 1, %act);
}

# A sale that is begun with a saved card.
sub click
{
	my ($card) = @_;
	my $sale = $market->book;

	$sale->{payment} = $market->sql($market->beginning($sale, undef, ", false, '$card'"));
	return $market->newest($sale);
}

sub authorizations
{
	my ($sale) = @_;

	return $naps->count_of($sale->{orderid}, 'authorization');
}

#
# Saved on the page
#

is($market->sql('SELECT count(*) FROM washminute_data.cards'), 0, 'there are no cards');
save();
is(cards_of('amina'), 'visa 1111', 'a card that was saved can be seen, by brand and last digits');
is(cards_of('bahija'), '', 'by its customer alone');
save();
is(cards_of('amina'), 'visa 1111', 'saved again it is the same one');
save(card => 'cmi', faults => ['callback_thrice']);
is(cards_of('amina'), 'visa 1111, cmi 0003', 'another one, called back three times at once, is one more');
save(save => 0, card => 'amex');
is(cards_of('amina'), 'visa 1111, cmi 0003', 'one that the customer does not want to keep is not kept');
$market->pay($market->checkout, save => 1, card => 'amex');
is(cards_of('amina'), 'visa 1111, cmi 0003', 'nor is one where nobody asked');
save(card => 'jcb', outcome => 'decline');
is(cards_of('amina'), 'visa 1111, cmi 0003', 'nor one that was declined');
my ($link) = reverse grep { $_->{body}{recurring} eq 'Y' } $naps->requests('linkpayment');
like($link->{body}{id_client}, qr/^[0-9a-f]{32}$/, 'the gateway knows the customer by an id that tells nothing');
is(scalar(my @ids = keys %{ { map { $_->{body}{id_client} => 1 } grep { $_->{body}{recurring} eq 'Y' } $naps->requests('linkpayment') } }), 1, 'always the same');
my @tokens = split(/\n/, $market->sql('SELECT token FROM washminute_data.cards'));
is(scalar(@tokens), 2, 'the worker knows a token of each');

my $visa = card('1111');
my $sale = $market->book;
is_refused($node, "SELECT washminute.begin_payment('$sale->{order}', 'amina', 'x', true, '$visa')", 'PT400', qr/^WM_ARGUMENT_INVALID/, 'a saved card cannot be saved once more');
is_refused($node, "SELECT washminute.remove_card('bahija', '$visa')", 'PT404', qr/^WM_CARD_NOT_FOUND/, 'nobody else can remove it');
my ($others) = split(/\|/, $market->sql("SELECT order_id FROM washminute.create_booking('bahija', '{complete,wax}', -7.61, 33.59, 'Rue 1', 'card')"));
is_refused($node, "SELECT washminute.begin_payment('$others', 'bahija', 'x', false, '$visa')", 'PT404', qr/^WM_CARD_NOT_FOUND/, 'or pay with it');

#
# Charged
#

$sale = click($visa);
$market->becomes($sale, 'paid succeeded paid', 'one click pays');
my ($request) = grep { $_->{body}{orderid} eq $sale->{orderid} } $naps->requests('authorization');
is(join('|', map { $request->{body}{$_} // 'missing' } qw(expirydate recurring cardnumber cvv amount)), "|Y|||$sale->{total}", 'the gateway is given no card');
ok((grep { $_ eq $request->{body}{token} } @tokens), 'but its token');
is($naps->count_of($sale->{orderid}, 'linkpayment'), 0, 'and asked for no link');
is($naps->book($sale->{orderid})->{net}, $sale->{total}, 'it was charged once');
is_refused($node, "SELECT washminute.wait_for_payment_link('$sale->{payment}')", 'PT409', qr/^WM_PAYMENT_STATE \{"status": "paid"\}/, 'who waits for a link is told that there is none');
becomes_true($node, "SELECT confirmed_at IS NOT NULL FROM washminute_data.payment_attempts WHERE attempt_id = '$sale->{attempt}'", 'an inquiry confirms it');
$market->cancel($sale);
$market->becomes($sale, "refunded reversed refunded reversal:reversed:$sale->{total}", 'cancelled: it goes back');

foreach my $mode (qw(declined cvv_wanted card_expired))
{
	$naps->once('authorization', $mode);
	$sale = click($visa);
	$market->becomes($sale, 'requires_payment declined pending', "authorization $mode: declined");
	is(authorizations($sale), 1, "authorization $mode: it was sent once");
	$market->await_link($market->begin($sale));
	$market->pay($sale);
	$market->is_now($sale, 'paid declined,succeeded paid', "authorization $mode: the page takes another card");
}

#
# His bank asks the customer first
#

$naps->once('authorization', 'challenge');
$sale = $market->await_link(click($visa));
like($sale->{link}, qr{/acs/\w+$}, 'challenge: the link is the bank\'s');
$market->is_now($sale, 'processing awaiting pending', 'challenge: code 00 is no success');
# an inquiry might be faster
$market->sql(q{UPDATE washminute_data.lanes SET paused = true WHERE lane = 'payment'});
becomes($node, q{SELECT count(*) FROM washminute_data.outbox WHERE lane = 'payment' AND state = 'inflight'}, 0, 'challenge: the lane is paused');
my $visit = $market->pay($sale);
$market->is_now($sale, 'processing awaiting pending', 'challenge: passed, of which the browser alone tells');
like($market->visit($visit->{redirect}), qr/status=pending/, 'challenge: it comes back');
$market->sql(q{UPDATE washminute_data.lanes SET paused = false WHERE lane = 'payment'});
$market->becomes($sale, 'paid succeeded paid', 'challenge: and an inquiry knows');
is(authorizations($sale), 1, 'challenge: it was sent once');

$naps->once('authorization', 'challenge');
$sale = $market->await_link(click($visa));
$market->pay($sale, outcome => 'challenge_failed');
$market->becomes($sale, 'requires_payment declined pending', 'challenge failed: declined');

#
# Not answered
#

# mode => whether the gateway did its work
my %unclear = (http_503 => 0, html_502 => 1, not_json => 1, reset_before => 0, reset_after => 1, timeout_before => 0, timeout_after => 1, answer_lost => 1);
my @nowhere;
foreach my $mode (sort keys %unclear)
{
	my $name = "authorization $mode";

	$naps->once('authorization', $mode, effect => $unclear{$mode});
	$sale = click($visa);
	if ($unclear{$mode})
	{
		$market->becomes($sale, 'paid succeeded paid', "$name, done: an inquiry tells");
	}
	else
	{
		$market->becomes($sale, 'processing unknown pending', "$name, not done: nobody knows");
		is($market->sql($market->beginning($sale)), $sale->{payment}, "$name, not done: and no other attempt is made meanwhile");
		push @nowhere, $sale;
	}
	is(authorizations($sale), 1, "$name: it was sent once");
}
# 96 is what comes when the switch did not answer, whatever it did
foreach my $effect (0, 1)
{
	$naps->once('authorization', 'code_96', effect => $effect);
	$sale = click($visa);
	my $expected = $effect ? qr/^(paid succeeded paid|requires_payment declined pending)$/ : qr/^processing unknown pending$/;
	within(20, sub { $market->sql($market->state_query($sale)) =~ $expected },
		'authorization code_96' . ($effect ? ', done: an inquiry tells' : ', not done: nobody knows'));
	push @nowhere, $sale unless $effect;
	is(authorizations($sale), 1, 'authorization code_96: it was sent once');
}
# the gateway has the order, and no authorization of it: once the switch has had its time nothing can come of it any more
$naps->once('authorization', 'row_only');
$sale = click($visa);
$market->becomes($sale, 'processing unknown pending', 'authorization row_only: nobody knows');
$market->becomes($sale, 'requires_payment expired pending', 'authorization row_only: ten minutes later it has come to nothing', 60);
is($market->sql($market->exceptions_query($sale)), 'none', 'authorization row_only: and nobody has to look at it');
$market->await_link($market->begin($sale));
$market->pay($sale);
$market->is_now($sale, 'paid expired,succeeded paid', 'authorization row_only: the page takes another card');
$naps->once('authorization', 'token_expired');
$sale = click($visa);
$market->becomes($sale, 'paid succeeded paid', 'authorization token_expired: paid by the next session');

# the order is cancelled while the answer is awaited
$naps->modes({ call => 'authorization', mode => 'hold', effect => JSON::PP::true, times => 1 });
$node->safe_psql('postgres', q{ALTER SYSTEM SET washminute.http_timeout = '60s'; SELECT pg_reload_conf()});
$sale = click($visa);
within(20, sub { authorizations($sale) == 1 }, 'cancelled meanwhile: it is being charged');
$market->cancel($sale);
$naps->release;
$market->becomes($sale, "cancelled reversed+ cancelled reversal:reversed:$sale->{total}", 'cancelled meanwhile: it goes back');

# the worker is killed while the answer is awaited: its next life asks, and does not send
$naps->modes({ call => 'authorization', mode => 'hold', effect => JSON::PP::true, times => 1 });
$sale = click($visa);
within(20, sub { authorizations($sale) == 1 }, 'worker ended: it is being charged');
my $pid = worker_pid($node);
kill('TERM', $pid);
within(30, sub { my $now = eval { worker_pid($node) }; $now && $now ne $pid }, 'worker ended: there is another one');
$market->becomes($sale, 'paid succeeded paid', 'worker ended: it asks what became of it');
is(authorizations($sale), 1, 'worker ended: it was sent once');
$naps->release;
$node->safe_psql('postgres', q{ALTER SYSTEM RESET washminute.http_timeout; SELECT pg_reload_conf()});

#
# Removed
#

# of the one that was declined it told us nothing
my $kept = $naps->counts->{cards};
$market->sql(q{UPDATE washminute_data.lanes SET paused = true WHERE lane = 'payment'});
$sale = click($visa);
$naps->once('deleteCardtoken', 'http_503');
$market->sql("SELECT washminute.remove_card('amina', '$visa')");
is(cards_of('amina'), 'cmi 0003', 'a card that was removed is gone at once');
is_refused($node, "SELECT washminute.remove_card('amina', '$visa')", 'PT404', qr/^WM_CARD_NOT_FOUND/, 'and cannot be removed again');
is_refused($node, $market->beginning($market->book, undef, ", false, '$visa'"), 'PT404', qr/^WM_CARD_NOT_FOUND/, 'or paid with');
is($market->sql("SELECT token IS NOT NULL FROM washminute_data.cards WHERE card_id = '$visa'"), 't', 'the token stays until the gateway has forgotten it');
$market->sql(q{UPDATE washminute_data.lanes SET paused = false WHERE lane = 'payment'});
$market->becomes($sale, 'requires_payment expired pending', 'a payment by it that was not sent yet comes to nothing');
is(authorizations($sale), 0, 'and never is');
becomes($node, "SELECT count(token) FROM washminute_data.cards WHERE card_id = '$visa'", 0, 'the gateway has forgotten it, at the second try');
is($naps->counts->{cards}, $kept - 1, 'and keeps the others alone');

# one that the gateway does not know any more
my $cmi = card('0003');
$naps->once('deleteCardtoken', 'answer_lost');
$market->sql("SELECT washminute.remove_card('amina', '$cmi')");
becomes($node, 'SELECT count(token) FROM washminute_data.cards', 0, 'one whose forgetting was not answered is forgotten again, and then unknown there');
is($naps->counts->{cards}, $kept - 2, 'the gateway keeps neither');
save();
is(cards_of('amina'), 'visa 1111', 'a card that was removed can be saved anew');

#
# What nobody knows
#

foreach my $lost (@nowhere)
{
	becomes($node, $market->exceptions_query($lost), 'attempt_unknown:open', 'a charge of which the gateway cannot tell for ten minutes is a person\'s');
	is(authorizations($lost), 1, 'and was sent once');
}
my $last = $nowhere[-1];
$market->sql("SELECT washminute.upsert_user('boss', 'admin');
  SELECT washminute.resolve_exception(exception_id, 'boss', 'not_charged', 'as the portal says') FROM washminute_data.payment_exceptions WHERE payment_id = '$last->{payment}'");
$market->await_link($market->begin($last));
$market->pay($last);
$market->is_now($last, 'paid expired,succeeded paid', 'who decides: then the page takes another card');
$market->hurry(1);
$market->is_sound(secrets => [ @tokens, $market->sql('SELECT token FROM washminute_data.cards WHERE token IS NOT NULL') ]);
$node->stop;
done_testing();
