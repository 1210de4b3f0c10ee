# The go-live check: each call takes the next step of one payment, and tells what it has
# seen; at a gateway that is otherwise than we take it to be it says so.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Naps;
use PostgreSQL::Test::Utils;
use Test::More;
use Washminute;

my $naps = Naps->start;
my $market = Naps::Market->start($naps);
my $node = $market->{node};

# How it stands: a hash of each assumption's beginning, its verdict and detail.
sub verdicts
{
	my ($customer) = @_;

	return map { my ($assumption, @rest) = split(/\|/); ($assumption => \@rest) } split(/\n/, $market->sql("SELECT * FROM washminute.naps_smoke_test('$customer')"));
}

# A test: the verdicts become these, by words that their assumptions contain.
sub verdicts_become
{
	my ($customer, $name, %expected) = @_;
	my %got;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return within($PostgreSQL::Test::Utils::timeout_default, sub {
		%got = verdicts($customer);
		return !grep { my $words = $_; (map { $got{$_}[0] } grep { /$words/ } keys %got)[0] ne $expected{$words} } keys %expected;
	}, $name) || diag(explain(\%got));
}

# The page that a verdict names.
sub page
{
	my %got = verdicts(@_);

	return ($got{'the page takes 5.00 MAD'}[1] =~ /^Pay on (http\S+),/)[0];
}

# The customer pays there.
sub pay
{
	my ($customer, %act) = @_;

	return $naps->pay(url => page($customer), %act);
}

$market->sql(join('; ', map { "SELECT washminute.upsert_user('$_', 'customer')" } qw(tester centimes captured silent early once taken)));
# a minute is a second
$market->hurry(60);
verdicts_become('tester', 'a link: the first is confirmed', 'createtocken24' => 'confirmed', 'linkpayment' => 'confirmed', 'takes 5.00' => 'open', 'calls back' => 'open');
is($market->sql('SELECT count(*) FROM washminute_data.offers'), 0, 'nobody is offered it');
is($market->sql("SELECT active FROM washminute_data.services WHERE service_code = 'naps_smoke_test'"), 'f', 'nobody else can book it');
is($market->sql("SELECT count(*) FROM washminute_data.orders WHERE customer_id = 'tester'"), 1, 'however often it is called there is one order');
pay('tester', save => 1);
verdicts_become('tester', 'paid: all of the way is confirmed', 'takes 5.00' => 'confirmed', 'calls back' => 'confirmed', 'dirhams' => 'confirmed', 'signed' => 'confirmed', 'says 00' => 'confirmed', 'GATESUCCESS' => 'confirmed',
	'captured at once' => 'confirmed', 'reversal' => 'confirmed', 'says 04' => 'confirmed', 'keeps a card' => 'confirmed', 'by authorization' => 'open', 'statements' => 'open');
is($market->sql("SELECT count(*) FROM washminute_data.orders WHERE customer_id = 'tester'"), 1, 'with that one order');
is(join(' ', map { "$_->{state} $_->{net}" } $naps->books), 'reversed 0.00', 'which was paid, and paid back');

# the page charges a hundred times as much
verdicts_become('centimes', 'centimes: a link', 'linkpayment' => 'confirmed');
pay('centimes', amount => '500.00');
verdicts_become('centimes', 'centimes: refuted', 'dirhams' => 'refuted');

# captured at once
verdicts_become('captured', 'captured: a link', 'linkpayment' => 'confirmed');
my $visit = pay('captured');
$naps->capture($visit->{orderid});
verdicts_become('captured', 'captured: refuted', 'captured at once' => 'refuted', 'says 00' => 'refuted', 'GATESUCCESS' => 'confirmed');

# The customer pays, and no callback comes.  The gateway may take the sale back then.
sub pay_unheard
{
	my ($name) = @_;

	verdicts_become($name, "$name: a link", 'linkpayment' => 'confirmed');
	foreach my $try (1 .. 10)
	{
		my $page = page($name);
		my $visit = $naps->pay(url => $page, faults => ['callback_lost']);

		return $visit if !$visit->{reversed};
		within($PostgreSQL::Test::Utils::timeout_default, sub { (page($name) // $page) ne $page }, "$name: taken back, another page $try");
	}
	die 'ten sales were taken back';
}

# The sale of a customer's test.
sub sale_of
{
	my ($name) = @_;
	my %sale = (total => '5.00');

	@sale{qw(request order payment)} = split(/\|/, $market->sql("SELECT request_id, order_id, payment_id FROM washminute_data.washing_requests
	  JOIN washminute_data.payments USING (order_id) WHERE washing_requests.customer_id = '$name'"));
	return $market->newest(\%sale);
}

# it does not call back
$naps->modes({ seed => 5 });
pay_unheard('silent');
verdicts_become('silent', 'no callback: refuted', 'calls back' => 'refuted', 'takes 5.00' => 'confirmed');

# nor does it before it is asked: the money stays until it is known whether the sale stands after the callback
$visit = pay_unheard('early');
my $early = sale_of('early');
becomes_true($node, "SELECT confirmed_at IS NOT NULL FROM washminute_data.payment_attempts WHERE attempt_id = '$early->{attempt}'", 'early: an inquiry comes first');
is($market->call_back($market->given_url($early, 'callbackurl'), $market->callback_fields($early, numAuto => $visit->{numAuto})), '200 GATESUCCESS',
	'early: then the callback');
verdicts_become('early', 'early: all is confirmed', 'calls back' => 'confirmed', 'GATESUCCESS' => 'confirmed', 'reversal' => 'confirmed', 'says 04' => 'confirmed');

# called once, and paid: the money comes back by itself, also where a washman has taken the reservation meanwhile
foreach my $name ('once', 'taken')
{
	verdicts_become($name, "$name: a link", 'linkpayment' => 'confirmed');
	my $sale = sale_of($name);
	$market->sql(q{UPDATE washminute_data.lanes SET paused = true WHERE lane = 'payment'});
	pay($name);
	is($market->sql("INSERT INTO washminute_data.offers (request_id, washman_id, distance_m, located_at, offered_at, expires_at, wave)
	  SELECT '$sale->{request}', 'w1', 0, n, n, n + '1 hour', 1 FROM washminute.now() AS n;
	  BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT status FROM washminute.accept_request('$sale->{request}', 'w1'); COMMIT"), 'accepted', 'taken: a washman has it') if $name eq 'taken';
	$market->sql(q{UPDATE washminute_data.lanes SET paused = false WHERE lane = 'payment'});
	$market->becomes($sale, 'refunded reversed refunded reversal:reversed:5.00', "$name: paid back without another call", 60);
	is($naps->book($sale->{orderid})->{net}, '0.00', "$name: all of it");
}

is_refused($node, "SELECT * FROM washminute.naps_smoke_test('nobody')", 'PT404', qr/^WM_USER_NOT_FOUND/, 'nobody cannot try it');
is_query($node, 'SELECT * FROM washminute.check_invariants()', '', 'the invariants hold');
$node->stop;
done_testing();
