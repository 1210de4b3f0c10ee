#
# Rest.pm
#	PostgREST, or what stands for it (test/fakes/postgrest.js), before a cluster, and the
#	requests of test/rest.
#
#	foreach my $rest (Rest->start_all($node)) { $rest->plays('matrix', 'booking.json'); }
#	$rest->get('/services')
#
# They end with the test.
#
package Rest;

use strict;
use warnings;

use parent 'Fake';

use Carp;
use FindBin;
use HTTP::Tiny;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

# What tokens are signed with.
our $SECRET = join('', map { sprintf('%02x', int(rand(256))) } 1 .. 24);

my $AUTHENTICATOR = 'regress_washminute_authenticator';

# Lines of postgresql.conf: whose tokens are taken, as run.js makes them.
sub conf
{
	return "washminute.jwt_issuers = 'https://cognito-idp.example/pool, rest'\n"
	  . "washminute.jwt_clients = 'app'\nwashminute.jwt_token_use = 'access'\nwashminute.rate_limit = 0\n";
}

# The login of PostgREST, which may become the user roles and nobody else.
sub make_authenticator
{
	my ($node) = @_;

	return if $node->safe_psql('postgres', "SELECT to_regrole('$AUTHENTICATOR')") ne '';
	$node->safe_psql('postgres', <<SQL);
CREATE ROLE $AUTHENTICATOR LOGIN NOINHERIT;
GRANT washminute_anon, washminute_customer, washminute_washman, washminute_admin, washminute_service TO $AUTHENTICATOR;
SQL
	return;
}

# Rest->start(NODE, options of postgrest.js): the stand-in.
sub start
{
	my ($class, $node, @options) = @_;

	make_authenticator($node);
	my $self = Fake::launch($class, 'postgrest.js', '--psql', $node->installed_command('psql'),
		'--dsn', $node->connstr('postgres') . " user=$AUTHENTICATOR",
		(grep { $_ eq '--jwks' } @options) ? () : ('--jwt-secret', $SECRET), @options);
	$self->{node} = $node;
	$self->{name} = 'stand-in';
	return $self;
}

# The program PostgREST, if there is one: POSTGREST, or in the PATH.
sub real_program
{
	return $ENV{POSTGREST} if $ENV{POSTGREST};
	my ($found) = grep { -x $_ } map { "$_/postgrest" } split(/:/, $ENV{PATH});
	return $found;
}

# Rest->start_real(NODE, jwks => FILE): PostgREST itself, which takes tokens of those keys.
sub start_real
{
	my ($class, $node, %option) = @_;
	my $program = real_program() or croak 'no PostgREST';
	my ($port, $admin_port) = map { PostgreSQL::Test::Cluster::get_free_port() } 1 .. 2;
	my $conf = PostgreSQL::Test::Utils::tempdir . '/postgrest.conf';
	my $uri = 'postgresql://' . "/postgres?host=" . $node->host . '&port=' . $node->port . "&user=$AUTHENTICATOR";

	my $secret = defined $option{jwks} ? "\@$option{jwks}" : $SECRET;

	make_authenticator($node);
	append_to_file($conf, <<CONF);
db-uri = "$uri"
db-schemas = "washminute_api"
db-anon-role = "washminute_anon"
db-pre-request = "washminute.pre_request"
jwt-secret = "$secret"
server-host = "127.0.0.1"
server-port = $port
admin-server-port = $admin_port
CONF
	my $self = bless({ owner => $$, script => 'postgrest', port => $port, scheme => 'http', node => $node,
		name => 'PostgREST', stdin => '', stdout => '', stderr => '' }, $class);
	$self->{process} = IPC::Run::start([ $program, $conf ], '<', \$self->{stdin}, '>', \$self->{stdout}, '2>', \$self->{stderr});
	$self->runs;
	$self->{http} = HTTP::Tiny->new(timeout => 30, no_proxy => '127.0.0.1');
	for (1 .. 600)
	{
		return $self if $self->{http}->get("http://127.0.0.1:$admin_port/ready")->{status} == 200;
		last unless $self->{process}->pumpable;
		$self->{process}->pump_nb;
		usleep(100_000);
	}
	croak "PostgREST did not start: $self->{stderr}";
}

# All that there are here: the stand-in always, and PostgREST where it is.
sub start_all
{
	my ($class, $node) = @_;
	my @all = $class->start($node);

	if (real_program())
	{
		push @all, $class->start_real($node);
	}
	else
	{
		diag('no PostgREST in the PATH nor named by POSTGREST: only the stand-in was asked');
	}
	return @all;
}

sub url
{
	my ($self) = @_;

	return "http://127.0.0.1:$self->{port}";
}

sub get
{
	my ($self, $path, %headers) = @_;

	return $self->{http}->get($self->url . $path, { headers => \%headers });
}

# Tests: what run.js finds of these requests.
sub plays
{
	my ($self, @what) = @_;
	my ($naps, $url) = (undef, $self->url);

	($naps, @what) = ($what[0]->port, @what[1 .. $#what]) if ref $what[0];
	my $node = $self->{node};

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return $self->_takes("@what", "$FindBin::RealBin/../rest/run.js", '--url', $url, '--secret', $SECRET, '--name', $self->{name},
		'--psql', $node->installed_command('psql'), '--dsn', $node->connstr('postgres'),
		(defined $naps ? ('--naps', "http://127.0.0.1:$naps") : ()), @what);
}

# Tests: an app made with @supabase/postgrest-js, where that is installed (NODE_PATH).
sub plays_app
{
	my ($self) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return $self->_takes('an app', "$FindBin::RealBin/../rest/app.js", '--url', $self->url, '--secret', $SECRET);
}

# Tests: what a program says in the Test Anything Protocol.
sub _takes
{
	my ($self, $name, @command) = @_;
	my ($stdout, $stderr) = ('', '');

	IPC::Run::run([ 'node', @command ], '>', \$stdout, '2>', \$stderr);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	foreach my $line (split(/\n/, $stdout))
	{
		if ($line =~ /^(not )?ok \d+ - (.*)/)
		{
			ok(!$1, "$self->{name}: $2");
		}
		elsif ($line =~ /^# (.*)/)
		{
			diag($1);
		}
	}
	diag($1) if $stdout =~ /^1\.\.0 # SKIP (.*)/m;
	like($stdout, qr/^1\.\.\d+/m, "$self->{name}: $name to the end") or diag($stderr);
	return;
}

1;
