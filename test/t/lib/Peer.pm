#
# Peer.pm
#	The fake HTTP peer (test/fakes/peer.js) for TAP tests.
#
#	my $peer = Peer->start;
#	listener($node, 'hook', $peer->url('hook'));
#	$peer->mode('hook', { mode => 'hold' });
#	$peer->becomes('hook', requests => 1, 'the message arrives');
#
# It ends with the test.  What each mode does is told in test/fakes/modes.js.
#
package Peer;

use strict;
use warnings;

use Carp;
use FindBin;
use HTTP::Tiny;
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

# Peer->start(options of peer.js): a running peer.
sub start
{
	my ($class, @options) = @_;
	my $self = bless({ owner => $$, stdin => '', stdout => '', stderr => '' }, $class);
	my $tls = grep { $_ eq '--tls' } @options;

	$self->{timer} = IPC::Run::timer($PostgreSQL::Test::Utils::timeout_default);
	$self->{process} = IPC::Run::start(
		[ 'node', "$FindBin::RealBin/../fakes/peer.js", @options ],
		'<', \$self->{stdin}, '>', \$self->{stdout}, '2>', \$self->{stderr}, $self->{timer});
	$self->{process}->pump until $self->{stdout} =~ /^listening on (\d+)$/m || !$self->{process}->pumpable;
	$self->{stdout} =~ /^listening on (\d+)$/m or croak "the peer did not start: $self->{stderr}";
	# the time is for the start alone
	$self->{timer}->reset;
	$self->{port} = $1;
	$self->{scheme} = $tls ? 'https' : 'http';
	$self->{http} = HTTP::Tiny->new(timeout => 30, no_proxy => '127.0.0.1', verify_SSL => 0);
	return $self;
}

# Forcibly, since a test that dies has no time to wait.
sub DESTROY
{
	my ($self) = @_;

	local ($?, $@, $!);
	$self->{process}->kill_kill(grace => 1) if $self->{process} && $self->{owner} == $$;
	return;
}

sub port
{
	my ($self) = @_;

	return $self->{port};
}

# Where a listener is to send to; HOST is the peer's address unless told.
sub url
{
	my ($self, $name, $host) = @_;

	return "$self->{scheme}://" . ($host // '127.0.0.1') . ":$self->{port}/hook/$name";
}

# One call of the control interface; what it answers.
sub _control
{
	my ($self, $method, $path, $body) = @_;
	my $url = "$self->{scheme}://127.0.0.1:$self->{port}/control$path";
	my $content = defined $body ? encode_json($body) : undef;

	return decode_json(_by_node($method, $url, $content)) if $self->{scheme} eq 'https';

	my %options = defined $content ? (content => $content) : ();
	my $answer = $self->{http}->request($method, $url, \%options);

	$answer->{success} or croak "the peer refuses $method $path: $answer->{status} $answer->{content}";
	return decode_json($answer->{content});
}

# A request over TLS, of whatever certificate: Perl alone has no TLS.
my $tls_request = <<'JS';
const [method, url, content] = process.argv.slice(1);
require('node:https').request(url, { method, rejectUnauthorized: false }, (answer) =>
{
	process.exitCode = answer.statusCode === 200 ? 0 : 1;
	answer.pipe(process.stdout);
}).end(content);
JS

sub _by_node
{
	my ($method, $url, $content) = @_;
	my ($stdout, $stderr) = ('', '');

	IPC::Run::run([ 'node', '-e', $tls_request, $method, $url, $content // () ], '>', \$stdout, '2>', \$stderr)
	  or croak "the peer refuses $method $url: $stdout$stderr";
	return $stdout;
}

# mode(NAME, STEP...): how it answers requests to the name from now on; each step is
# a hash of a mode and its options.
sub mode
{
	my ($self, $name, @steps) = @_;

	return $self->_control('PUT', "/$name", \@steps);
}

# The counts of a name: a hash of requests, distinct, doubled, open, answered ...
sub stats
{
	my ($self, $name) = @_;

	return $self->_control('GET', "/$name");
}

# What was recorded (mode option record => JSON::PP::true), in the order of arrival.
sub requests
{
	my ($self, $name) = @_;

	return $self->_control('GET', "/$name/requests");
}

# A hash of webhook-id => how many times it came.
sub ids
{
	my ($self, $name) = @_;

	return $self->_control('GET', "/$name/ids");
}

# Milliseconds from data.sentAt to the arrival, of each request (mode option latency).
sub latency
{
	my ($self, $name) = @_;

	return $self->_control('GET', "/$name/latency");
}

# Answer what mode "hold" holds; how many these were.
sub release
{
	my ($self, $name) = @_;

	return $self->_control('POST', "/$name/release")->{released};
}

# Forget modes and counts of a name, or of all names.
sub forget
{
	my ($self, $name) = @_;

	return $self->_control('DELETE', defined $name ? "/$name" : '');
}

# becomes(NAME, COUNT => VALUE, TEST-NAME, seconds => MOST): a test that a count of
# stats reaches the value before the time is over.
sub becomes
{
	my ($self, $name, $count, $value, $test_name, %option) = @_;
	my $end = Time::HiRes::time() + ($option{seconds} // $PostgreSQL::Test::Utils::timeout_default);
	my $stats = $self->stats($name);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	while ($stats->{$count} < $value && Time::HiRes::time() < $end)
	{
		usleep(10_000);
		$stats = $self->stats($name);
	}
	return ok($stats->{$count} == $value, $test_name)
	  || diag("$count of $name is $stats->{$count}, not $value");
}

1;
