#
# Live.pm
#	A cluster whose events gateways tell live, and the programs of test/live, which start the
#	gateways and talk to them as stock clients of Socket.IO.
#
#	my $live = Live->new('live');
#	$live->plays('entry.js');
#
package Live;

use strict;
use warnings;

use parent -norequire, 'Rest';

use Cwd qw(abs_path);
use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Rest;
use Test::More;
use Washminute;

our $LOGIN = 'regress_washminute_live';

my $FOLDER = abs_path("$FindBin::RealBin/../live");

# Where the modules of npm are not there, these tests fail, and say why.
sub require_modules
{
	foreach my $folder ($FOLDER, abs_path("$FindBin::RealBin/../../src/gateway/live"))
	{
		BAIL_OUT("no modules in $folder: test/install-modules did not get them") unless -d "$folder/node_modules";
	}
	return;
}

# The login of gateways, as src/gateway/live/roles.sql has it, but for its name.
sub make_login
{
	my ($node) = @_;
	my $sql = slurp_file("$FindBin::RealBin/../../src/gateway/live/roles.sql");

	$sql =~ s/\bwashminute_live\b/$LOGIN/g;
	$node->safe_psql('postgres', $sql);
	return;
}

# Live->new(NAME, options of washminute_node): amina and three washmen are there.
sub new
{
	my ($class, $name, %option) = @_;

	require_modules();
	my $node = washminute_node($name, %option, conf => Rest::conf() . ($option{conf} // ''));
	my $self = bless({ owner => $$, script => 'gateway', scheme => 'http', name => 'gateway', node => $node,
		keys => PostgreSQL::Test::Utils::tempdir . '/secret' }, $class);

	make_login($node);
	append_to_file($self->{keys}, $Rest::SECRET);
	$node->safe_psql('postgres', people(3));
	return $self;
}

# Environment of a gateway that serves the cluster.
sub environment
{
	my ($self) = @_;

	return (PGHOST => $self->{node}->host, PGPORT => $self->{node}->port, PGUSER => $LOGIN, PGDATABASE => 'postgres',
		LIVE_KEYS => $self->{keys});
}

# Tests: what a program of test/live says in the Test Anything Protocol.
sub plays
{
	my ($self, $script, @arguments) = @_;
	my $node = $self->{node};
	local %ENV = (%ENV, $self->environment, LIVE_SECRET => $Rest::SECRET, LIVE_OWNER => scalar(getpwuid($<)),
		LIVE_PG_CTL => $node->installed_command('pg_ctl') . ' -D ' . $node->data_dir . ' -l ' . $node->logfile);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return $self->_takes($script, "$FOLDER/$script", @arguments);
}

1;
