# No card number and no CVV comes to rest: a card that can be known again is paid with, kept,
# charged and paid back at a gateway that says both wherever it can, and is then looked for in
# the data directory with its WAL, in the log, in a base backup and in a dump, in clear, in hexadecimal
# and in base64.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Naps;
use PostgreSQL::Test::Utils;
use Test::More;
use Washminute;

my $PAN = '4539578763621486';
my $CVV = 'cvv-7391-of-the-marker';

my $naps = Naps->start;
my $market = Naps::Market->start($naps, init => { allows_streaming => 1 });
my $node = $market->{node};

# What is found in some places: lines.
sub finds
{
	my (@places) = @_;
	my ($stdout, $stderr) = run_command([ 'node', "$FindBin::RealBin/../bench/card-leaks.js", '--text', $PAN, '--text', $CVV, @places ]);

	is($stderr, '', 'the search works');
	like($stdout, qr/^searched [1-9]\d* [1-9]\d*$/m, 'and has something to search');
	return grep { !/^searched/ } split(/\n/, $stdout);
}

# A sale that is begun in that way.
sub begin
{
	my ($more) = @_;
	my $sale = $market->book;

	$sale->{payment} = $market->sql($market->beginning($sale, undef, $more));
	return $market->newest($sale);
}

# that it would be found
my $probe = PostgreSQL::Test::Utils::tempdir . '/probe';
my %forms = (plain => $PAN, blanks => '4539 5787 6362 1486', hex => unpack('H*', $PAN), base64 => 'eDQ1Mzk1Nzg3NjM2MjE0ODY=', cvv => "x${CVV}x");
append_to_file("$probe-$_", "before $forms{$_} after") foreach (keys %forms);
foreach my $form (sort keys %forms)
{
	cmp_ok(scalar(() = finds("$probe-$form")), ">=", 1, "it is found: $form");
}

$naps->modes({ echo_pan => $PAN, echo_cvv => $CVV, faults => { card_echoed => 1 } });
$market->hurry(60);

# on the page: kept; declined; with another amount; too late
my $sale = $market->await_link(begin(', true'));
$market->pay($sale, save => 1);
$market->becomes($sale, 'paid succeeded paid', 'paid on the page');
is($market->sql('SELECT brand, last4, holder FROM washminute_data.cards'), 'visa|1486|H ****************', 'the card is kept, by its last digits; a number that stands for the holder is not');
$market->cancel($sale);
$market->becomes($sale, "refunded reversed refunded reversal:reversed:$sale->{total}", 'paid back');
my $card = $market->sql('SELECT card_id FROM washminute_data.cards');
$sale = $market->await_link(begin(', true'));
$market->visit($market->pay($sale, outcome => 'decline')->{redirect});
$market->becomes($sale, 'requires_payment declined pending', 'declined');
$sale = $market->checkout;
$market->pay($sale, amount => '7.00');
within(20, sub { $market->sql($market->exceptions_query($sale)) =~ /amount_differs/ }, 'charged with another amount');
$sale = $market->cancel($market->checkout);
$market->pay($sale, faults => [ 'card_echoed', 'callback_json' ]);
$market->becomes($sale, 'cancelled reversed+ cancelled', 'paid too late');

# a callback that is not genuine
$sale = $market->checkout;
is($market->call_back($market->given_url($sale, 'callbackurl'), $market->callback_fields($sale, signature => '0', carte => $PAN, token => $PAN, cvv => $CVV)), '403 PT403', 'a forged callback is refused');

# by the card that is kept
$sale = begin(", false, '$card'");
$market->becomes($sale, 'paid succeeded paid', 'paid by one click');
$market->sql("SELECT washminute.capture_payment('$sale->{payment}')");
$market->becomes($sale, 'paid captured paid', 'captured');
$market->refund($sale, 10);
$market->becomes($sale, 'partially_refunded captured paid refund:accepted:10.00', 'a part goes back');
$naps->once('authorization', 'challenge');
$sale = $market->await_link(begin(", false, '$card'"));
$market->visit($market->pay($sale)->{redirect});
$market->becomes($sale, 'paid succeeded paid', 'his bank asks him first');
$market->sql("SELECT washminute.remove_card('amina', '$card')");
becomes($node, 'SELECT count(token) FROM washminute_data.cards', 0, 'forgotten');
like($market->sql(q{SELECT string_agg(data->>'text', ' ') FROM washminute_data.payment_observations WHERE source = 'authorization'}), qr{card \*{16} / \*{19}}, 'the gateway has said the number, which became stars');
cmp_ok($naps->counts->{faults}{$_} // 0, '>', 0, "the card was said: $_") foreach map { "$_.card_echoed" } qw(pay linkpayment authorization reversal refund capture status deleteCardtoken);

$node->safe_psql('postgres', 'CHECKPOINT');
$node->backup('leaks');
my $dump = PostgreSQL::Test::Utils::tempdir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'a dump can be made');
my @finds = finds($node->data_dir, $node->logfile, $node->backup_dir, $dump);
is("@finds", '', 'nothing of it is at rest anywhere');
$node->stop;
@finds = finds($node->data_dir, $node->logfile);
is("@finds", '', 'nor after the server has stopped');
done_testing();
