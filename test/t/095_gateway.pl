# The gateway of live events before a cluster, with stock clients of Socket.IO: who comes in, the way
# of events through two gateways, and what is lost, which is nothing.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Live;
use Nginx;
use PostgreSQL::Test::Cluster;
use Rest;
use Test::More;
use Washminute;

my $live = Live->new('live');
my $node = $live->{node};

# its login hears, asks for its sockets, and does nothing else
foreach my $command (
	"SELECT washminute.emit('user-amina', 'forged')",
	"SELECT washminute_api.send_message(gen_random_uuid(), 'a', 'b')",
	'SELECT FROM washminute_data.users',
	'SELECT FROM washminute_data.socket_events',
	"INSERT INTO washminute_data.socket_io_attachments (payload) VALUES ('')",
	'SELECT washminute.setup()')
{
	is_refused($node, "SET SESSION AUTHORIZATION $Live::LOGIN; $command", '42501', undef, "its login may not: $command");
}

$live->plays('entry.js');
$live->plays('events.js');
SKIP:
{
	skip 'nginx is not installed', 1 unless Nginx::program();
	my $nginx = Nginx->new;
	my $rest = Rest->start($node);

	$rest->{gateway_port} = PostgreSQL::Test::Cluster::get_free_port();
	$nginx->start($rest);
	$live->plays('proxied.js', $rest->{gateway_port}, $nginx->url);
}
outbox_empties($node, 'nothing waits');
is_query($node, 'SELECT * FROM washminute.check_invariants()', '', 'the invariants hold');

$node->stop;
done_testing();
