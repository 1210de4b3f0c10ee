# nginx before PostgREST, with the site that src/gateway/rest ships: what the card gateway and
# browsers call, what the world does not reach, limits, and that no log has a callback's token.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use JSON::PP;
use Naps;
use Nginx;
use PostgreSQL::Test::Utils;
use Rest;
use Test::More;
use Washminute;

plan skip_all => 'nginx is not installed' unless Nginx::program();

my $nginx = Nginx->new;
my $naps = Naps->start;
my $market = Naps::Market->start($naps, conf => Rest::conf() . "washminute.callback_base_url = '${\$nginx->url}'\n");
my $node = $market->{node};
my $rest = Rest::real_program() ? Rest->start_real($node) : Rest->start($node);
$nginx->start($rest);
$market->sql("SELECT washminute.set_clock(date_trunc('day', clock_timestamp()) + '1 day 12 hours', 10)");

sub status
{
	my (%request) = @_;
	my ($answer) = $nginx->asked(\%request);

	return $answer->{status};
}

# A request of which the path is sent as it is; all of the answer.
sub raw
{
	my ($method, $url, $body) = @_;
	my ($path) = $url =~ m{^https://[^/]+(/.*)};
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'curl', '-sS', '-i', '--http1.1', '--path-as-is', '--cacert', "$nginx->{folder}/certificates/ca.pem", '-X', $method, '--data-raw', $body, $nginx->url . $path ],
		'>', \$out, '2>', \$err) or die $err;
	return $out;
}

# the way of an app, and of a card payment: the fake gateway calls back through nginx
$nginx->plays('booking.json', 'asking.json');
$nginx->plays($naps, 'card.json');
is(status(path => '/ready'), 200, '/ready answers from the database');
is(HTTP::Tiny->new(max_redirect => 0)->get("http://127.0.0.1:$nginx->{plain_port}/me?x=y")->{headers}{location},
	'https://localhost/me?x=y', 'plain HTTP is sent to TLS');

# what the gateway was given, and what came of it
my $sale = $market->checkout;
my $visit = $market->pay($sale);
is($visit->{callbacks}[-1]{word}, 'GATESUCCESS', 'the gateway gets its word');
my %url = map { $_ => $market->given_url($sale, $_) } qw(callbackurl successURL);
$market->becomes($sale, 'paid succeeded paid', 'and the order is paid');
my %fields = $market->callback_fields($sale);
my $form = join('&', map { "$_=" . $fields{$_} =~ s/([^\w*])/sprintf('%%%02X', ord($1))/ger } sort keys %fields);
my ($answer) = $nginx->asked({ method => 'POST', url => $url{callbackurl}, body => $form,
	headers => { 'Content-Type' => 'application/x-www-form-urlencoded', Authorization => 'Basic eDp5', Accept => 'text/html' } });
is("$answer->{status} $answer->{headers}{'content-type'} $answer->{body}", '200 text/plain; charset=utf-8 GATEFAILED',
	'one of another sale under that order id is answered with the word alone, whatever it asks for');
is(status(method => 'POST', url => $url{callbackurl} . '?x=y', body => $form), 200, 'a query string is dropped');
is(status(url => $url{callbackurl}), 403, 'it is not to be fetched');
my $forged = $url{callbackurl} =~ s/.$/_/r;
($answer) = $nginx->asked({ method => 'POST', url => $forged, body => $form });
is("$answer->{status} " . decode_json($answer->{body})->{details}, '403 WM_CALLBACK_REFUSED', 'another token is refused');
is(status(method => 'POST', path => '/naps/cb/', body => $form), 404, 'and none');
is(status(method => 'POST', path => '/naps/cb/a/b', body => $form), 404, 'and a path that is longer');
($answer) = $nginx->asked({ url => $url{successURL} . '?data=abc' });
like("$answer->{status} $answer->{headers}{location}", qr{^302 washminute://payment\?status=paid&orderId=}, 'a browser is sent back to the app');
is($answer->{body}, '', 'with nothing more');
is(status(url => $url{successURL} =~ s/return/return\/x/r), 404, 'not by another path');

# what is not for the world
is(status(method => 'POST', path => "/rpc/$_", body => '{}'), 404, "$_ is not reached by its name")
  foreach qw(naps_callback naps_return payment_callback payment_return);
is(status(method => $_, path => '/services'), 405, "no $_") foreach qw(PUT PATCH DELETE);
is(status(path => '/rpc/metrics', headers => { Accept => 'text/plain' }), 401, 'metrics want a token, also from here');
# what nginx says itself is an error like others
sub refusal
{
	my ($answer) = $nginx->asked({@_});

	return join(' ', $answer->{status}, $answer->{headers}{'content-type'}, map { $_ // 'null' } @{ decode_json($answer->{body}) }{qw(code message details hint)});
}
is(refusal(method => 'POST', path => '/rpc/create_booking', body => 'x' x 20000), '413 application/json PT413 the request is too large null null',
	'no body is larger than 16 kB');
is(refusal(method => 'PUT', path => '/services'), '405 application/json PT405 the method is not taken here null null', 'which is told in JSON');
is(refusal(path => '/naps/x'), '404 application/json PT404 no such thing null null', 'as that there is no such thing');
is(refusal(url => $url{callbackurl}), '403 application/json PT403 not allowed null null', 'or that it is not allowed');

# the same path, spelled in ways that nginx takes for it
foreach my $spelled (map { $url{callbackurl} =~ s{/naps/cb/}{$_}r } '//naps/cb/', '/naps//cb/', '/naps/%63b/', '/%6eaps/cb/', '/./naps/cb/', '/x/../naps/cb/')
{
	like(raw('POST', $spelled, $form), qr{^HTTP/1\.1 200 .*GATEFAILED}s, 'called back as ' . $spelled =~ s{[^/]+$}{}r =~ s{^https://[^/]+}{}r);
}
like(raw('POST', $url{callbackurl} =~ s{/naps/cb/}{/NAPS/cb/}r, $form), qr{^HTTP/1\.1 404 }, 'but not in capitals');

# logs
my $logs = $nginx->logs;
my @tokens = map { m{/([^/]+)$} } values %url, $forged;
is(scalar(grep { index($logs, $_) >= 0 } @tokens), 0, 'no token of a callback is in the logs of nginx');
like($logs, qr{"POST /naps/cb/-" 200 }, 'but that there was one is');
unlike($logs, qr{\?}, 'nor is a query string');

# limits by address: a burst of a hundred, then fifty requests a second, of what nginx
# answers itself, or a busy machine would be too slow to be refused; and fifty connections
my @answers = $nginx->asked(20, map { { url => $url{callbackurl} } } 1 .. 1000);
my @refused = grep { $_->{status} == 429 } @answers;
cmp_ok(scalar(@refused), '>', 100, 'who asks far too often is refused by nginx');
cmp_ok(scalar(grep { $_->{status} == 403 } @answers), '>', 50, 'but not at once');
is(decode_json($refused[0]{body})->{code} . " $refused[0]{headers}{'retry-after'}", 'PT429 1', 'as an error like others, and when to come back');
like($nginx->logs, qr{"GET /naps/cb/-" 429 .* requests=REJECTED}, 'for the number of his requests');
my $held = $nginx->hold('/rpc/home', 60);
within(60, sub { $nginx->logs =~ qr{ 429 .* connections=REJECTED} }, 'or of his connections');
$held->kill_kill(grace => 1);
# until the bucket has room again
within(60, sub { status(path => '/services') == 200 }, 'after a while he is answered again');

# what nginx says of errors has no token either
$rest->{process}->kill_kill(grace => 1);
is(status(method => 'POST', url => $url{callbackurl}, body => $form), 502, 'without PostgREST the gateway gets an error');
is(status(url => $url{successURL}), 502, 'and so does a browser');
is(refusal(path => '/services?kind=eq.secret'), '502 application/json PT502 the service is not there null null', 'and an app');
$logs = $nginx->logs;
like($logs, qr{"GET /services" 502 .*upstream=502}, 'which the log tells');
unlike($logs, qr/secret|\?/, 'without what was asked for');
is(scalar(grep { index($logs, $_) >= 0 } @tokens), 0, 'without a token');

# an administrator recorded a payment that the gateway knows nothing of
$market->is_sound(secrets => \@tokens, apart => ['recorded by hand']);
$node->stop;
done_testing();
