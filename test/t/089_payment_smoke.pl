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
	return within(60, sub {
		%got = verdicts($customer);
		return !grep { my $words = $_; (map { $got{$_}[0] } grep { /$words/ } keys %got)[0] ne $expected{$words} } keys %expected;
	}, $name) || diag(explain(\%got));
}

# The customer pays on the page that a verdict names.
sub pay
{
	my ($customer, %act) = @_;
	my %got = verdicts($customer);

	return $naps->pay(url => $got{'the page takes 5.00 MAD'}[1] =~ /(http\S+),/, %act);
}

$market->sql(join('; ', map { "SELECT washminute.upsert_user('$_', 'customer')" } qw(tester centimes captured silent)));
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

# it does not call back
verdicts_become('silent', 'no callback: a link', 'linkpayment' => 'confirmed');
$naps->modes({ seed => 5 });
foreach my $try (1 .. 10)
{
	last if !pay('silent', faults => ['callback_lost'])->{reversed};
	verdicts_become('silent', "no callback: reversed, another link $try", 'takes 5.00' => 'open');
	within(60, sub { my %got = verdicts('silent'); $got{'the page takes 5.00 MAD'}[1] =~ /^Pay on/ }, 'again');
}
verdicts_become('silent', 'no callback: refuted', 'calls back' => 'refuted', 'takes 5.00' => 'confirmed');

is_refused($node, "SELECT * FROM washminute.naps_smoke_test('nobody')", 'PT404', qr/^WM_USER_NOT_FOUND/, 'nobody cannot try it');
is_query($node, 'SELECT * FROM washminute.check_invariants()', '', 'the invariants hold');
$node->stop;
done_testing();
