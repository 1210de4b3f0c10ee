# What protects the API: a caller's share of requests, the keys of an identity provider and their
# change, and one washman for each job, however many ask at once.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use JSON::PP;
use MIME::Base64 qw(encode_base64url);
use Nginx;
use PostgreSQL::Test::Utils;
use Rest;
use Test::More;
use Washminute;

my $washmen = 200;
my $node = washminute_node('main', conf => Rest::conf() . "max_connections = 60\n");
$node->safe_psql('postgres', noon() . people($washmen)
	  . "UPDATE washminute_data.settings SET value = $washmen WHERE name = 'offer_size'");

sub now_is
{
	my ($name, $value) = @_;

	$node->safe_psql('postgres', "ALTER SYSTEM SET $name = '$value'");
	$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
	return query_becomes($node, "SELECT current_setting('$name')", $value);
}

#
# One job, many washmen
#

my $storm = Rest->start($node, '--pool', '20');
my @storms = ($storm, Rest::real_program() ? Rest->start_real($node) : ());
foreach my $rest (@storms)
{
	my $rounds = $rest == $storm ? 5 : 20;
	my (%all, $won);

	for my $round (1 .. $rounds)
	{
		my $request = $node->safe_psql('postgres',
			"SELECT request_id FROM washminute.create_booking('amina', '{complete}', -7.61, 33.59, 'Rue 1', 'cash')");
		my ($stdout, $stderr) = ('', '');
		IPC::Run::run([ 'node', "$FindBin::RealBin/../rest/storm.js", '--url', $rest->url, '--secret', $Rest::SECRET,
				'--request', $request, '--washmen', $washmen ], '>', \$stdout, '2>', \$stderr) or diag($stderr);
		my %counts = %{ decode_json($stdout) };
		$won++ if ($counts{200} // 0) == 1;
		$all{$_} += $counts{$_} foreach keys %counts;
		$node->safe_psql('postgres', "SELECT washminute.force_cancel_request('$request', 'zineb', 'next round')");
	}
	is($won, $rounds, "$rest->{name}: in each of $rounds storms of $washmen washmen exactly one gets the job");
	is(join(' ', grep { /^5/ } sort keys %all), '', "$rest->{name}: and nobody an error 5xx") or diag(explain(\%all));
	is($all{'409 WM_ALREADY_ACCEPTED'}, $rounds * ($washmen - 1), "$rest->{name}: the others are told that it is taken")
	  or diag(explain(\%all));
}

#
# A caller's share
#

sub ask_often
{
	my ($rest, $count, %claims) = @_;
	my $token = %claims && hs256(%claims);
	my %statuses;

	foreach (1 .. $count)
	{
		my $answer = $rest->get('/services', $claims{sub} ? (Authorization => "Bearer $token") : (), 'X-Real-IP' => $claims{address} // '');
		$statuses{ $answer->{status} }++;
		$statuses{code} = decode_json($answer->{content})->{details} if $answer->{status} == 429;
	}
	return \%statuses;
}

sub hs256
{
	my (%claims) = @_;
	my $program = <<'JS';
const [secret, claims] = process.argv.slice(1);
const part = (object) => Buffer.from(JSON.stringify(object)).toString('base64url');
const signed = `${part({ alg: 'HS256' })}.${part({ iss: 'rest', client_id: 'app', token_use: 'access', ...JSON.parse(claims) })}`;
console.log(`${signed}.${require('node:crypto').createHmac('sha256', secret).update(signed).digest('base64url')}`);
JS
	my ($stdout, $stderr) = ('', '');
	IPC::Run::run([ 'node', '-e', $program, $Rest::SECRET, encode_json(\%claims) ], '>', \$stdout, '2>', \$stderr) or die $stderr;
	chomp $stdout;
	return $stdout;
}

my $rest = $storm;
my %amina = (sub => 'amina', role => 'washminute_customer');
is(ask_often($rest, 100, %amina)->{200}, 100, 'without a limit all are answered');
# one a second: what comes meanwhile is allowed for
now_is('washminute.rate_burst', 10);
now_is('washminute.rate_limit', 1);
my $got = ask_often($rest, 40, %amina);
cmp_ok($got->{200}, '>=', 10, 'as many as the bucket holds are answered at once');
cmp_ok($got->{429} // 0, '>=', 10, 'then no more');
like($got->{code} // '', qr/^WM_TOO_MANY_REQUESTS \{"retryAfterMilliseconds": \d+\}$/, 'with the time to wait');
is(ask_often($rest, 10, sub => 'karim', role => 'washminute_customer')->{200}, 10, 'another user has his own bucket');
is(ask_often($rest, 10, sub => 'amina2', role => 'washminute_customer')->{200}, 10, 'also if he is new');
$got = ask_often($rest, 40, address => '192.0.2.1');
cmp_ok($got->{429} // 0, '>=', 10, 'who has no token shares that of his address');
is(ask_often($rest, 10, address => '192.0.2.2')->{200}, 10, 'with nobody of another one');
is(ask_often($rest, 40)->{200}, 40, 'nobody is refused where no address is told');
cmp_ok($node->safe_psql('postgres', 'SELECT washminute._rate_limited()'), '>=', 20, 'they are counted');
ok(within(60, sub { ask_often($rest, 1, %amina)->{200} }, 'after a while there is one again'));
now_is('washminute.rate_limit', 0);

#
# Keys of an identity provider
#

my $certificates = Nginx->new;			# of which only the certificates are wanted
my $folder = $certificates->{folder};
$ENV{CURL_CA_BUNDLE} = "$folder/certificates/ca.pem";

# A provider with two keys, of which one signs: what makes keys, serves them and signs.
append_to_file("$folder/provider.js", <<'JS');
const [folder, port] = process.argv.slice(2);
const { generateKeyPairSync, createSign } = require('node:crypto');
const fs = require('node:fs');
let answer, keys;
function make(names)
{
	keys = names.map((kid) => ({ kid, ...generateKeyPairSync('rsa', { modulusLength: 2048 }) }));
	answer = JSON.stringify({ keys: keys.map(({ kid, publicKey }) => ({ ...publicKey.export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig' })) });
}
function sign(kid, claims)
{
	const part = (object) => Buffer.from(JSON.stringify(object)).toString('base64url');
	const signed = `${part({ alg: 'RS256', kid })}.${part(claims)}`;
	return `${signed}.${createSign('RSA-SHA256').update(signed).sign(keys.find((key) => key.kid === kid).privateKey).toString('base64url')}`;
}
make(['one', 'two']);
require('node:https').createServer({ key: fs.readFileSync(`${folder}/good.key`), cert: fs.readFileSync(`${folder}/good.pem`) }, (request, response) =>
{
	const { pathname, searchParams } = new URL(request.url, 'https://x');
	if (pathname === '/sign')
		response.end(sign(searchParams.get('kid'), JSON.parse(searchParams.get('claims'))));
	else if (pathname === '/rotate')
		response.end(make(['two', 'three']) ?? 'rotated');
	else if (pathname === '/break')
		response.end(answer = searchParams.get('answer'));
	else
		response.end(answer);
}).listen(port, '127.0.0.1', () => console.log('listening'));
JS
my $port = PostgreSQL::Test::Cluster::get_free_port();
my ($in, $out, $err) = ('', '', '');
my $provider = IPC::Run::start([ 'node', "$folder/provider.js", "$folder/certificates", $port ], '<', \$in, '>', \$out, '2>', \$err);
$provider->pump until $out =~ /listening/ || !$provider->pumpable;
END
{
	local $?;
	$provider->kill_kill(grace => 1) if $provider;
}

sub provider
{
	my ($path) = @_;
	my ($stdout, $stderr) = ('', '');

	IPC::Run::run([ 'curl', '-fsS', '-G', "https://localhost:$port$path", @_[ 1 .. $#_ ] ], '>', \$stdout, '2>', \$stderr) or die $stderr;
	return $stdout;
}

my $jwks = "$folder/jwks.json";
append_to_file("$folder/own.json", encode_json({ keys => [ { kty => 'oct', k => encode_base64url($Rest::SECRET), kid => 'own' } ] }));

# What tells PostgREST writes down that it was told.
mkdir("$folder/bin");
append_to_file("$folder/bin/psql", "#!/bin/bash\n[[ -e $folder/deaf ]] && exit 2\necho told >> $folder/told\nPATH=\${PATH#*:} exec psql \"\$\@\"\n");
chmod(0755, "$folder/bin/psql");

sub refresh
{
	local $ENV{PATH} = "$folder/bin:$ENV{PATH}";
	return IPC::Run::run([ "$FindBin::RealBin/../../src/gateway/rest/jwks-refresh", "https://localhost:$port/jwks", $jwks, "$folder/own.json",
			'-d', $node->connstr('postgres') ], '<', \'', '>', '/dev/null', '2>', '/dev/null');
}

sub told
{
	my $count = -e "$folder/told" ? () = slurp_file("$folder/told") =~ /told/g : 0;
	return $count;
}

sub read_from
{
	my ($rest, $token) = @_;

	return $rest->get('/me', Authorization => "Bearer $token")->{status};
}

# How a reading with that token ends, at servers that have read the keys anew: what they answer.
sub read_by
{
	my ($token) = @_;
	my %statuses = map { read_from($_, $token) => 1 } Rest->start($node, '--jwks', $jwks),
	  Rest::real_program() ? Rest->start_real($node, jwks => $jwks) : ();

	return join(' ', sort keys %statuses);
}

my $claims = encode_json({ iss => 'https://cognito-idp.example/pool', sub => 'amina', client_id => 'app', token_use => 'access', 'cognito:groups' => ['Europe'] });
my $by_one = provider('/sign', '--data-urlencode', 'kid=one', '--data-urlencode', "claims=$claims");
my $by_two = provider('/sign', '--data-urlencode', 'kid=two', '--data-urlencode', "claims=$claims");
ok(refresh(), 'keys are fetched');
is(told(), 1, 'and PostgREST told of them');
ok(refresh() && told() == 1, 'not again where they are the same');
my $running = Rest::real_program() && Rest->start_real($node, jwks => $jwks);
is(read_by($by_one), 200, 'a token signed by the provider is taken');
is(read_by(hs256(%amina)), 200, 'so is one signed by our own key');
is(read_by($by_one =~ s/.{20}$/'A' x 20/er), 401, 'one with another signature is not');
provider('/rotate');
my $before = slurp_file($jwks);
my $by_three = provider('/sign', '--data-urlencode', 'kid=three', '--data-urlencode', "claims=$claims");
is(read_by($by_three), 401, 'nor one of a key that is not known yet');
append_to_file("$folder/deaf", '');
ok(!refresh() && slurp_file($jwks) ne $before && told() == 1, 'keys are fetched anew, but PostgREST cannot be told');
ok(!refresh() && told() == 1, 'nor the next time');
unlink("$folder/deaf");
ok(refresh() && told() == 2, 'it is told once it can be, though the keys are the same');
is(read_by($by_three), 200, 'then it is');
is(read_by($by_one), 401, 'and one of a key that is gone is not');
SKIP:
{
	skip('no PostgREST', 2) unless $running;
	within(60, sub { read_from($running, $by_three) == 200 }, 'PostgREST, which ran all the time, has read the new keys');
	is(read_from($running, $by_one), 401, 'and forgotten those that are gone');
}
my $own = slurp_file("$folder/own.json");
foreach my $content ('', '{"k": 1}', undef)
{
	$before = slurp_file($jwks);
	unlink("$folder/own.json");
	append_to_file("$folder/own.json", $content) if defined $content;
	ok(!refresh() && slurp_file($jwks) eq $before, 'all keys stay where the own ones are ' . ($content // 'not there'));
}
append_to_file("$folder/own.json", $own) unless -s "$folder/own.json";
foreach my $answer ('', 'oops', '{}', '{"keys": []}', '{"keys": [{"kty": "oct", "kid": "x", "k": "eA"}]}')
{
	$before = slurp_file($jwks);
	provider('/break', '--data-urlencode', "answer=$answer");
	ok(!refresh() && slurp_file($jwks) eq $before, "the keys stay where the answer is '$answer'");
}
is(join(' ', map { s{.*/}{}r } glob("$jwks.*")), '', 'and nothing lies about');

is_query($node, 'SELECT * FROM washminute.check_invariants()', '', 'the invariants hold');
$node->stop;
done_testing();
