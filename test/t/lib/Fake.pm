#
# Fake.pm
#	What the fakes of HTTP services (test/fakes) have in common for TAP tests: a process
#	of Node that ends with the test, and is told what to do in JSON below /control.
#	Peer.pm and Expo.pm are made of it.
#
package Fake;

use strict;
use warnings;

use Carp;
use FindBin;
use HTTP::Tiny;
use IPC::Run;
use JSON::PP;
use Scalar::Util qw(weaken);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

# Fake::launch(CLASS, SCRIPT, options of the script): one that runs.
sub launch
{
	my ($class, $script, @options) = @_;
	my $self = bless({ owner => $$, script => $script, stdin => '', stdout => '', stderr => '' }, $class);
	my $tls = grep { $_ eq '--tls' } @options;

	$self->{timer} = IPC::Run::timer($PostgreSQL::Test::Utils::timeout_default);
	$self->{process} = IPC::Run::start(
		[ 'node', "$FindBin::RealBin/../fakes/$script", @options ],
		'<', \$self->{stdin}, '>', \$self->{stdout}, '2>', \$self->{stderr}, $self->{timer});
	$self->runs;
	$self->{process}->pump until $self->{stdout} =~ /^listening on (\d+)$/m || !$self->{process}->pumpable;
	$self->{stdout} =~ /^listening on (\d+)$/m or croak "$script did not start: $self->{stderr}";
	# the time is for the start alone
	$self->{timer}->reset;
	$self->{port} = $1;
	$self->{scheme} = $tls ? 'https' : 'http';
	$self->{http} = HTTP::Tiny->new(timeout => 30, no_proxy => '127.0.0.1', verify_SSL => 0);
	return $self;
}

my @running;

# Its process is there: it ends with the test.
sub runs
{
	my ($self) = @_;

	push @running, $self;
	weaken($running[-1]);
	return $self;
}

# Forcibly, since a test that dies has no time to wait.
sub DESTROY
{
	my ($self) = @_;
	my $process = delete $self->{process};

	local ($?, $@, $!);
	$process->kill_kill(grace => 1) if $process && $self->{owner} == $$;
	return;
}

# Later objects go in no order, and the handle of the process may be gone before what it is of.
END
{
	$_->DESTROY foreach grep { defined } @running;
}

sub port
{
	my ($self) = @_;

	return $self->{port};
}

# One call of the control interface; what it answers.
sub control
{
	my ($self, $method, $path, $body) = @_;
	my $url = "$self->{scheme}://127.0.0.1:$self->{port}/control$path";
	my $content = defined $body ? encode_json($body) : undef;

	return decode_json(_by_node($method, $url, $content)) if $self->{scheme} eq 'https';

	my %options = defined $content ? (content => $content) : ();
	my $answer = $self->{http}->request($method, $url, \%options);

	$answer->{success} or croak "$self->{script} refuses $method $path: $answer->{status} $answer->{content}";
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
	  or croak "no answer to $method $url: $stdout$stderr";
	return $stdout;
}

# reaches(COUNTS, COUNT => VALUE, TEST-NAME, seconds => MOST): a test that a count of
# those that the function gives reaches the value before the time is over, and is that
# then, not more.
sub reaches
{
	my ($self, $counts, $count, $value, $test_name, %option) = @_;
	my $end = Time::HiRes::time() + ($option{seconds} // $PostgreSQL::Test::Utils::timeout_default);
	my $now = $counts->();

	while ($now->{$count} < $value && Time::HiRes::time() < $end)
	{
		usleep(10_000);
		$now = $counts->();
	}
	local $Test::Builder::Level = $Test::Builder::Level + 2;
	return ok($now->{$count} == $value, $test_name)
	  || diag("$count is $now->{$count}, not $value");
}

1;
