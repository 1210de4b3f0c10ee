# Callbacks of the card gateway: a hundred at once have one effect and one answer, a
# repeated one gets the first answer for good, and what is not the gateway's is refused,
# each for its own reason, with nothing changed and no secret in the log.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Digest::MD5 qw(md5_hex);
use HTTP::Tiny;
use IPC::Run;
use JSON::PP;
use MIME::Base64 qw(encode_base64url decode_base64url);
use Naps;
use PostgreSQL::Test::Utils;
use Test::More;
use Washminute;

my $naps = Naps->start;
my $market = Naps::Market->start($naps);
my $node = $market->{node};

# A sale that was charged, of which the callback is lost, with the callback's URL and
# fields: what the gateway would have posted.
sub charged_in_silence
{
	my $sale;
	my $visit;

	do
	{
		$sale = $market->checkout;
		$visit = $market->pay($sale, faults => ['callback_lost']);
	} while ($visit->{reversed});
	$sale->{url} = $market->given_url($sale, 'callbackurl');
	$sale->{fields} = { $market->callback_fields($sale, numAuto => $visit->{numAuto}) };
	return $sale;
}

# How often something was recorded of a sale.
sub effects
{
	my ($sale) = @_;

	return $market->sql("SELECT (SELECT count(*) FROM washminute_data.payment_observations WHERE attempt_id = '$sale->{attempt}' AND source = 'callback'),
	  (SELECT count(*) FROM washminute_data.transfers WHERE order_id = '$sale->{order}'),
	  (SELECT count(*) FROM washminute_data.events WHERE request_id = '$sale->{request}' AND event = 'paymentReceived')");
}

# Write a file of the server's anew.
sub rewrite
{
	my ($path, $text) = @_;

	unlink($path);
	my $old_umask = umask(0077);
	append_to_file($path, $text);
	umask($old_umask);
	return;
}

# the callback is what makes it paid here: inquiries are a minute away, which is long now
$market->hurry(0.05);
my $sale = charged_in_silence();

#
# Many at once, and again
#

my $storm = <<'JS';
const [url, body, count] = process.argv.slice(1);
const headers = { 'content-type': 'application/x-www-form-urlencoded' };
const post = async () => (await fetch(url, { method: 'POST', headers, body })).text();
Promise.all(Array.from({ length: Number(count) }, post)).then((answers) => console.log([...new Set(answers)].join(' '), answers.length));
JS
my $form = HTTP::Tiny->new->www_form_urlencode($sale->{fields});
my $answers;
IPC::Run::run([ 'node', '-e', $storm, $sale->{url}, $form, 100 ], '>', \$answers) or die 'no storm';
is($answers, "GATESUCCESS 100\n", 'a hundred callbacks at once get the same answer');
is(effects($sale), '1|1|1', 'and have one effect');
$market->is_now($sale, 'paid succeeded paid', 'it is paid');

my $visit = $market->pay($market->checkout, faults => ['callback_thrice']);
is(join(' ', map { $_->{word} } @{ $visit->{callbacks} }), 'GATESUCCESS GATESUCCESS GATESUCCESS', 'three at once of the gateway');
$sale = $market->checkout;
$visit = $market->pay($sale, faults => ['callback_json']);
is($visit->{callbacks}[0]{word}, 'GATESUCCESS', 'it may be JSON');

$sale = charged_in_silence();
is($market->call_back($sale->{url}, %{ $sale->{fields} }), '200 GATESUCCESS', 'a callback is answered');
$market->cancel($sale);
$market->becomes($sale, "refunded reversed refunded reversal:reversed:$sale->{total}", 'the money goes back');
my $effects = effects($sale);
is($market->call_back($sale->{url}, %{ $sale->{fields} }), '200 GATESUCCESS', 'the same callback again gets the first answer');
is(effects($sale), $effects, 'with no effect');
is($market->call_back($sale->{url}, %{ $sale->{fields} }, numTrans => '7999999'), '200 GATEFAILED', 'one that says more does not, for the money is gone');
$market->is_now($sale, "refunded reversed refunded reversal:reversed:$sale->{total}", 'and changes nothing');

#
# Signatures
#

# The digest of some way to write the amount begins with a zero, which the gateway loses
# as it prints a number.
$sale = charged_in_silence();
my ($short) = grep { $_->{signature} =~ /^0/ } map {
	my %fields = $market->callback_fields($sale, numAuto => $sale->{fields}{numAuto}, montant => '0' x $_ . $sale->{total});
	\%fields;
} 0 .. 180;
$short->{signature} =~ s/^0+//;
is($market->call_back($sale->{url}, %$short), '200 GATESUCCESS', 'a signature of ' . length($short->{signature}) . ' digits is right, too');

$sale = charged_in_silence();
is($market->call_back($sale->{url}, %{ $sale->{fields} }, codecmr => $Naps::CREDENTIALS{merchantid}, signature => uc($sale->{fields}{signature})),
	'200 GATESUCCESS', 'with our merchant\'s id, and in capitals');

#
# Forgeries
#

$sale = charged_in_silence();
my $other = $market->checkout;
my %right = %{ $sale->{fields} };
my ($base, $token) = $sale->{url} =~ m{^(.*/)([^/]+)$};

# A test: it is refused with that status, for that reason, and nothing changes.
sub is_forgery
{
	my ($url, $fields, $reason, $name, $status) = @_;
	my $position = log_position($node);
	my $effects = effects($sale);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($market->call_back($url, %$fields), $status // '403 PT403', "$name: refused");
	log_shows($node, $reason, $position, "$name: the log says why");
	is(effects($sale), $effects, "$name: with no effect");
	return;
}

# The token with the byte at a place changed.
sub changed
{
	my ($token, $at, $byte) = @_;
	my $bytes = decode_base64url($token);

	substr($bytes, $at, 1) = $byte // substr($bytes, $at, 1) ^ "\x01";
	return encode_base64url($bytes);
}

# what follows the length and the id of the key: attempt's id, time, HMAC
my $after_key = 3 + ord(substr(decode_base64url($token), 2, 1));
my $no_token = qr/callback refused attempt=none reason="no token of a callback"/;
my $not_right = qr/callback refused attempt=$sale->{attempt} reason="the token is not right, or over"/;

foreach my $kind ('successURL', 'failURL')
{
	my ($browsers) = $market->given_url($sale, $kind) =~ m{([^/]+)$};

	is_forgery($base . $browsers, \%right, $no_token, "the token of $kind");
	is_forgery($base . changed($browsers, 1, 'c'), \%right, $not_right, "the token of $kind, made one of a callback");
}
is($market->visit($market->given_url($sale, 'successURL') =~ s/[^\/]+$/$token/r), 403, 'the token of a callback is none of a browser');
is_forgery($base . changed($token, 0), \%right, $no_token, 'another version');
is_forgery($base . changed($token, 3), \%right, $not_right, 'another key');
is_forgery($base . changed($token, $after_key), \%right, qr/reason="no such attempt"/, 'an attempt that is not there');
is_forgery($base . changed($token, $after_key + 16 + 7), \%right, $not_right, 'another time');
is_forgery($base . changed($token, $after_key + 16 + 8 + $_), \%right, $not_right, "another HMAC, byte $_") foreach (0, 31);
is_forgery($base . substr($token, 0, -2), \%right, $no_token, 'a token that was cut');
is_forgery($base . "${token}AAAA", \%right, $no_token, 'a token that is longer');
is_forgery($base . 'A' x 5000, \%right, $no_token, 'a very long one');
is_forgery($base . '%27%3B', \%right, $no_token, 'no token at all');
is_forgery($market->given_url($other, 'callbackurl'), \%right, qr/attempt=$other->{attempt} reason="it is about another order"/, 'the token of another order');
is_forgery($sale->{url}, { $market->callback_fields($other) }, qr/reason="it is about another order"/, 'another order by this token');
is_forgery($sale->{url}, { %right, codecmr => '2000124' }, qr/reason="it is about another merchant"/, 'another merchant');

my $signature = qr/reason="its signature is missing or wrong"/;
is_forgery($sale->{url}, { %right, signature => $_->[1] }, $signature, "a signature that is $_->[0]") foreach (
	[ missing => '' ], [ 'too long' => "$right{signature}0" ], [ 'no number' => 'x' x 32 ], [ 'of another key' => md5_hex("$right{idcommande}00key$right{montant}") ]);
is_forgery($sale->{url}, { %right, montant => '1.00' }, $signature, 'another amount by the same signature');
is_forgery($sale->{url}, { map { $_ => $right{$_} } grep { $_ ne 'signature' } keys %right }, $signature, 'no signature');
foreach my $member (qw(idcommande repauto montant))
{
	is_forgery($sale->{url}, { map { $_ => $right{$_} } grep { $_ ne $member } keys %right }, qr/reason="idcommande, repauto or montant is missing"/, "no $member");
}
is_forgery($sale->{url}, { %right, carte => 'x' x 9000 }, qr/WM_ARGUMENT_TOO_LONG/, 'a long body', '400 PT400');
$market->is_now($sale, 'processing awaiting pending', 'after all that it is as it was');
is($market->call_back($sale->{url}, %right), '200 GATESUCCESS', 'the right one is believed all the same');

$sale = $other;
is($market->call_back($market->given_url($sale, 'callbackurl'), $market->callback_fields($sale, repauto => '05')), '200 GATEFAILED', 'a refusal is none that pays');
$market->is_now($sale, 'processing awaiting pending', 'nor one that ends anything');

#
# Keys that change
#

my %key = map { $_ => md5_hex($_ . rand) . md5_hex($_ . rand) } ('k1', 'k2');
my @lines = map { "$_ $key{$_}\n" } ('k1', 'k2');
rewrite($market->{key_file}, $lines[0]);
my @sales = map { charged_in_silence() } 0 .. 1;
rewrite($market->{key_file}, $lines[1] . $lines[0]);
push @sales, charged_in_silence();
is(join(' ', map { substr(decode_base64url($_->{url} =~ s{.*/}{}r), 3, 2) } @sales), 'k1 k1 k2', 'the first line is the key that signs');
is($market->call_back($sales[$_]{url}, %{ $sales[$_]{fields} }), '200 GATESUCCESS', "sale $_: its key stands in the file") foreach (0, 2);
rewrite($market->{key_file}, $lines[1]);
$sale = $sales[1];
is_forgery($sale->{url}, $sale->{fields}, qr/attempt=$sale->{attempt} reason="the token is not right, or over"/, 'a key that has left the file');
rewrite($market->{key_file}, "k1 short\n");
is($market->call_back($sale->{url}, %{ $sale->{fields} }), '503 PT503', 'where the file is wrong the gateway gets no word');
unlink($market->{key_file});
is($market->call_back($sale->{url}, %{ $sale->{fields} }), '503 PT503', 'nor without a file');
rewrite($market->{key_file}, $lines[1] . $lines[0]);
is($market->call_back($sale->{url}, %{ $sale->{fields} }), '200 GATESUCCESS', 'once it is back it is believed');

#
# The public key that everybody knows
#

my $demo = 'MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAh2q4viqQwzVWCKT1KRPvsiixEoNm8dg95gE7h4OUVuERp9csLKYHM9I9EaQ/SUYwgBBLHOslpe5qbvX3x1oA'
  . 'cksO5BT8SYHmtbgUpH1yZjcU1lI2/M3qyRUb03NQaF6vgxCOLGlLpDQqdg0jxl4ySDYu3bcMQto6J2eRAnIPIZkC/h4GQMwhBheFEHf7uMCqj8uNkNf5yU1Js9/Yj8FGbS1f'
  . 'SYwQ1ZQ7Jr94eUhCuTgjFKYUxD18QIPgYEnYbir4mKagtnF8fv3S1+COsVlUXkix77KGW5SYMbeJJYtOVTs1/Cr+/8eHRf5al5249binOJxWLkANpsZtLNI60i9UUQIDAQAB';
my $credentials = slurp_file($market->{credentials_file});
my $pem = "-----BEGIN PUBLIC KEY-----\n" . join('', map { "$_\n" } $demo =~ /(.{1,64})/g) . "-----END PUBLIC KEY-----\n";
$sale = charged_in_silence();
foreach my $text ($demo, $pem)
{
	rewrite($market->{credentials_file}, encode_json({ %{ $naps->credentials }, public_key => $text }));
	my $position = log_position($node);
	is($market->call_back($sale->{url}, %{ $sale->{fields} }), '503 PT503', 'with the demo merchant\'s public key nothing is believed');
	log_shows($node, qr/"public_key" is the demo merchant's, which everybody knows/, $position, 'and the log says why');
}
my %none = %{ $naps->credentials };
delete $none{public_key};
rewrite($market->{credentials_file}, encode_json(\%none));
is($market->call_back($sale->{url}, %{ $sale->{fields} }, signature => 'none'), '200 GATESUCCESS', 'without a public key the token alone is what counts');
rewrite($market->{credentials_file}, $credentials);

#
# Other amounts
#

$market->hurry(60);
$sale = $market->checkout;
my $exceptions = "SELECT kind, resolved_by, decision FROM washminute_data.payment_exceptions WHERE payment_id = ";
$visit = $market->pay($sale, amount => '5.00');
is($visit->{callbacks}[0]{word}, 'GATEFAILED', 'charged with another amount: the gateway is told that it failed');
$market->becomes($sale, 'requires_payment reversed pending', 'reversed by it, the customer may pay again');
is_query($node, "$exceptions '$sale->{payment}'", 'amount_differs|evidence|reversed by the gateway', 'and nobody has to look at it');
$market->pay($market->await_link($market->begin($sale)));
$market->is_now($sale, 'paid reversed,succeeded paid', 'which works');

#
# Old tokens
#

$market->hurry(0.05);
$sale = charged_in_silence();
my $old = charged_in_silence();
$market->hurry(0.05, '179 days');
is($market->call_back($sale->{url}, %{ $sale->{fields} }), '200 GATESUCCESS', 'a token is good for half a year');
$market->hurry(0.05, '181 days');
$sale = $old;
is_forgery($sale->{url}, $sale->{fields}, qr/attempt=$sale->{attempt} reason="the token is not right, or over"/, 'an old token');

is($market->visit($market->given_url($sale, 'successURL')), 403, 'a browser with such a token is refused, too');
$market->cancel($sale);
$market->becomes($sale, "cancelled reversed+ cancelled reversal:reversed:$sale->{total}", 'but its money is not lost: the next inquiry finds it');

$market->is_sound(secrets => [ $demo, values %key ]);
$node->stop;
done_testing();
