# What card payments need: as long as something is missing or wrong the lane is held, says
# why, sends nothing and loses nothing; once it is mended, and read again, it begins by
# itself.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use JSON::PP;
use Naps;
use PostgreSQL::Test::Utils;
use Test::More;
use Washminute;

my $naps = Naps->start;
my $market = Naps::Market->start($naps);
my $node = $market->{node};
my $good = $market->conf;
my $members = $naps->credentials;

# Settings from now on.
sub settings
{
	my ($text) = @_;

	$node->append_conf('postgresql.conf', $text);
	$node->reload;
	return;
}

# Settings of another file of credentials, with that text.
sub credentials
{
	my ($text, $mode) = @_;
	my $path = $market->secret_file($text);

	chmod($mode // 0600, $path);
	return "washminute.naps_credentials_file = '$path'\n";
}

# The members but for one, or with another value.
sub members
{
	my ($name, $value) = @_;
	my %members = (%$members, $name => $value);

	delete $members{$name} unless defined $value;
	return encode_json(\%members);
}

my $lane = "SELECT state FROM washminute.worker_status() WHERE lane = 'payment'";

becomes($node, $lane, 'running', 'with all that it needs the lane runs');
is_query($node, q{SELECT count(*) FROM washminute.doctor() WHERE finding ~ 'naps|payment|gateway'}, 0, 'doctor() finds nothing');
my @wrong = (
	[ 'no credentials' => "washminute.naps_credentials_file = ''\n", qr/^washminute\.naps_credentials_file is not set$/, 1 ],
	[ 'no such file' => "washminute.naps_credentials_file = '/nowhere/at/all'\n", qr/^washminute\.naps_credentials_file "\/nowhere\/at\/all" cannot be opened: No such file/, 1 ],
	[ 'a folder' => "washminute.naps_credentials_file = '/tmp'\n", qr/^washminute\.naps_credentials_file "\/tmp" is not a file$/, 1 ],
	[ 'a file that others read' => credentials(encode_json($members), 0640), qr/can be read by others: its mode must be 0600$/, 1 ],
	[ 'an empty file' => credentials(' '), qr/is empty$/, 1 ],
	[ 'no JSON' => credentials('{"api_key": "test-key"'), qr/: it is not a JSON object$/, 1 ],
	[ 'no JSON object' => credentials('["test-key"]'), qr/: it is not a JSON object$/, 1 ],
	(map { [ "no $_" => credentials(members($_)), qr/: "$_" is missing$/, 1 ] } qw(api_key institution_id cx_user cx_password merchant_id merchant_name)),
	[ 'an empty member' => credentials(members(api_key => '')), qr/: "api_key" is missing$/, 1 ],
	[ 'a line end in a header' => credentials(members(api_key => "test-key\r\nX: y")), qr/: "api_key" is not printable ASCII$/, 1 ],
	[ 'no URL to come back to' => "washminute.callback_base_url = ''\n", qr/^not configured: washminute\.callback_base_url is not set$/, 0 ],
	[ 'no signing key' => "washminute.signing_key_file = ''\n", qr/^washminute\.signing_key_file is not set$/, 1 ],
	[ 'a short signing key' => "washminute.signing_key_file = '${\$market->secret_file('short')}'\n", qr/holds less than 32 bytes$/, 1 ],
	[ 'another API key' => credentials(members(api_key => 'another-key')), qr/^the gateway gave no session, HTTP status 401$/, 1 ],
	[ 'another password' => credentials(members(cx_password => 'another-password')), qr/^the gateway refused the credentials, code 17$/, 1 ],
	[ 'a gateway that is away' => "washminute.naps_url = 'http://127.0.0.1:1/'\n", qr/^no session: .*(refused|connect)/i, 1 ]);

foreach my $case (@wrong)
{
	my ($name, $settings, $reason, $is_finding) = @$case;
	my $before = $naps->counts->{orders};

	settings($good . $settings);
	within(20, sub { $market->sql($lane) =~ $reason }, "$name: the lane is held, and says why") or diag($market->sql($lane));
	my $sale = $market->begin($market->book);
	is_query($node, "SELECT washminute.wait_for_payment_link('$sale->{payment}', '0.1 s') IS NULL", 't', "$name: there is no link");
	$market->is_now($sale, 'processing prepared pending', "$name: nothing was sent");
	my $findings = $market->sql("SELECT string_agg(finding, E'\\n') FROM washminute.doctor()");
	ok(!$is_finding == ($findings !~ /the worker holds a lane: payment|naps_credentials_file|signing_key_file/), "$name: what doctor() says of it") or diag($findings);

	settings($good);
	$market->await_link($sale);
	$market->is_now($sale, 'processing awaiting pending', "$name: once that is mended it begins by itself");
	is($naps->counts->{orders}, $before + 1, "$name: with one order");
}

# The gateway that does not know the merchant says so of each call.
settings($good . credentials(members(merchant_id => '2000124')));
my $sale = $market->begin($market->book);
becomes($node, $lane, 'the gateway does not know the merchant, code 15', 'another merchant: the lane is held');
$market->is_now($sale, 'processing prepared pending', 'another merchant: it is not lost');
becomes_true($node, q{SELECT count(*) = 1 FROM washminute.doctor() WHERE finding LIKE 'the worker holds a lane: payment: the gateway does not know%'}, 'doctor() says so');
settings($good);
$market->await_link($sale);
$market->is_now($sale, 'processing awaiting pending', 'another merchant: once that is mended it begins by itself');
$market->pay($sale);
$market->is_now($sale, 'paid succeeded paid', 'and can be paid');

# Secrets go over the network to nobody in clear.
foreach my $name (qw(naps_url callback_base_url))
{
	my $position = log_position($node);

	settings("washminute.$name = 'http://gateway.example.com/'\n");
	log_shows($node, qr/invalid value for parameter "washminute\.$name"/, $position, "$name: http to another machine is refused");
	unlike($market->sql("SHOW washminute.$name"), qr/example/, "$name: what was set before stands");
	settings("washminute.$name = 'http://127.0.0.1.example.com/'\n");
	unlike($market->sql("SHOW washminute.$name"), qr/example/, "$name: whatever its name begins with");
	settings($good);
}
becomes($node, $lane, 'running', 'the lane runs');

$market->is_sound(keys_refused => 1, secrets => [ 'another-key', 'another-password' ]);
$node->stop;
done_testing();
