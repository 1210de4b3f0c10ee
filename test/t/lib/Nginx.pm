#
# Nginx.pm
#	nginx with the site that this repository ships (src/gateway/rest/washminute.nginx), before a Rest.
#
#	my $nginx = Nginx->new;				# knows its ports and certificates
#	$nginx->start($rest);
#	$nginx->plays($naps, 'card.json');
#
# It ends with the test.  Programs of Node believe its certificate from new() on.
#
package Nginx;

use strict;
use warnings;

use parent -norequire, 'Rest';

use Carp;
use FindBin;
use HTTP::Tiny;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Rest;
use Test::More;
use Time::HiRes qw(usleep);

my $SITE = "$FindBin::RealBin/../../src/gateway/rest/washminute.nginx";

# The program, which may stand where only root looks.
sub program
{
	my ($found) = grep { -x $_ } map { "$_/nginx" } split(/:/, $ENV{PATH}), '/usr/sbin', '/usr/local/sbin';
	return $found;
}

sub new
{
	my ($class) = @_;
	my $folder = PostgreSQL::Test::Utils::tempdir;
	my ($port, $plain_port) = map { PostgreSQL::Test::Cluster::get_free_port() } 1 .. 2;

	system_or_bail("$FindBin::RealBin/../fakes/certificate", "$folder/certificates");
	$ENV{NODE_EXTRA_CA_CERTS} = "$folder/certificates/ca.pem";
	return bless({ owner => $$, script => 'nginx', folder => $folder, port => $port, plain_port => $plain_port,
		name => 'nginx', stdin => '', stdout => '', stderr => '' }, $class);
}

# The site as it is, but for ports, names and places.
sub start
{
	my ($self, $rest) = @_;
	my $folder = $self->{folder};
	my $site = slurp_file($SITE);
	my $changed = 0;

	foreach my $change (
		[ qr/server 127\.0\.0\.1:3000;/, "server 127.0.0.1:" . $rest->port . ';' ],
		[ qr/server 127\.0\.0\.1:3100;/, 'server 127.0.0.1:' . ($rest->{gateway_port} // $self->{plain_port}) . ';' ],
		[ qr/listen 80;/, "listen 127.0.0.1:$self->{plain_port};" ],
		[ qr/listen 443 ssl http2;/, "listen 127.0.0.1:$self->{port} ssl http2;" ],
		[ qr{/etc/letsencrypt/live/api\.example\.ma/fullchain\.pem}, "$folder/certificates/good.pem" ],
		[ qr{/etc/letsencrypt/live/api\.example\.ma/privkey\.pem}, "$folder/certificates/good.key" ],
		[ qr{/var/log/nginx}, $folder ],
		[ qr{api\.example\.ma}, 'localhost' ])
	{
		my ($from, $to) = @$change;
		$changed++ if $site =~ s/$from/$to/g;
	}
	croak "$SITE is not as this test knows it" if $changed != 8;
	append_to_file("$folder/nginx.conf", <<CONF);
daemon off;
worker_processes 1;
pid $folder/nginx.pid;
events { worker_connections 1024; }
http {
	client_body_temp_path $folder/body;
	proxy_temp_path $folder/proxy;
	fastcgi_temp_path $folder/fastcgi;
	uwsgi_temp_path $folder/uwsgi;
	scgi_temp_path $folder/scgi;
	$site
}
CONF
	$self->{node} = $rest->{node};
	$self->{process} = IPC::Run::start([ program(), '-p', $folder, '-c', "$folder/nginx.conf", '-e', "$folder/start.log" ],
		'<', \$self->{stdin}, '>', \$self->{stdout}, '2>', \$self->{stderr});
	$self->runs;
	my $http = HTTP::Tiny->new(max_redirect => 0, no_proxy => '127.0.0.1');
	for (1 .. 600)
	{
		return $self if $http->get("http://127.0.0.1:$self->{plain_port}/")->{status} == 301;
		$self->{process}->pump_nb;
		usleep(50_000);
	}
	croak "nginx did not start: $self->{stderr}" . slurp_file("$folder/start.log");
}

sub url
{
	my ($self) = @_;

	return "https://localhost:$self->{port}";
}

sub logs
{
	my ($self) = @_;

	return join('', map { slurp_file($_) } grep { -e $_ } map { "$self->{folder}/$_" } qw(washminute.log washminute.error.log start.log));
}

# Requests, each a hash of method, path, headers, body: a list of hashes of status, headers, body.
# A number before them is how many are asked at a time.
my $REQUESTS = <<'JS';
const requests = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
const answers = [];
let next = 0;
async function ask()
{
	while (next < requests.length)
	{
		const number = next++;
		const { method, url, headers, body } = requests[number];
		const answer = await fetch(url, { method, headers, body, redirect: 'manual' });
		answers[number] = { status: answer.status, headers: Object.fromEntries(answer.headers), body: await answer.text() };
	}
}
Promise.all(Array.from({ length: Number(process.argv[1]) }, ask)).then(() => console.log(JSON.stringify(answers)));
JS

sub asked
{
	my ($self, @requests) = @_;
	my $at_a_time = ref $requests[0] ? 1 : shift @requests;
	my ($stdout, $stderr) = ('', '');
	my $input = JSON::PP->new->encode([ map { { method => 'GET', %$_, url => $_->{url} // $self->url . $_->{path} } } @requests ]);

	IPC::Run::run([ 'node', '-e', $REQUESTS, $at_a_time ], '<', \$input, '>', \$stdout, '2>', \$stderr) or croak $stderr;
	return @{ JSON::PP::decode_json($stdout) };
}

# So many connections at a time, each with a request whose body never comes; one that is
# answered all the same is made again.
my $HOLD = <<'JS';
const { request } = require('node:https');
function hold()
{
	const again = () => setTimeout(hold, 100);
	const held = request(process.argv[1], { method: 'POST', headers: { 'Content-Length': 1 }, agent: false }, (answer) => {
		held.destroy();
		again();
	});
	held.on('error', () => {});
	held.flushHeaders();
}
for (let i = 0; i < Number(process.argv[2]); i++)
	hold();
JS

# Begin with it, at a path; ended by kill_kill of what is returned.
sub hold
{
	my ($self, $path, $count) = @_;

	return IPC::Run::start([ 'node', '-e', $HOLD, $self->url . $path, $count ], '<', \'');
}

1;
