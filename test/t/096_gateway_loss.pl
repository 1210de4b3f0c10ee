# Gateways that are killed, or lose the database, while people talk; what comes and goes, and leaves nothing.

use strict;
use warnings;
use Cwd qw(abs_path);
use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use Live;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Washminute;

my $live = Live->new('live');
my $node = $live->{node};

$node->safe_psql('postgres', noon() . booking('chat', cash => 'w1', 'accepted'));
my $chat = $node->safe_psql('postgres', 'SELECT request_id FROM washminute_data.washing_requests');
$live->plays('talk.js', $chat);
# its messages are numbered without a gap, and sent once
is_query($node, "SELECT count(*), max(sequence), count(DISTINCT client_message_id || sender_id) FROM washminute_data.chat_messages",
	'40|40|40', 'each message is there once');
$live->plays('loss.js');

# the README's chat: its commands run as printed, and what it shows is what comes out
my ($chapter) = slurp_file("$FindBin::RealBin/../../README.md") =~ /^### A chat, and a gateway that is killed\n(.*?)^##/ms;
my ($script, $shown) = ('', '');
while ($chapter =~ /^```([^\n]*)\n(.*?)^```$/msg)
{
	$script .= $2 if $1 eq 'sh try';
	$shown .= $2 if $1 eq '';
}
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $folder = PostgreSQL::Test::Utils::tempdir;
my ($out, $err) = ('', '');
$script =~ s/3100/$port/g;
# its tokens are plain ones
$node->append_conf('postgresql.conf', "washminute.jwt_issuers = ''\nwashminute.jwt_clients = ''\nwashminute.jwt_token_use = ''\n");
$node->reload;
{
	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'postgres');
	my $top = abs_path("$FindBin::RealBin/../..");

	my $ran = eval
	{
		IPC::Run::run([ 'bash', '-ec', "trap 'kill \$(jobs -p) 2> /dev/null || true' EXIT; cd $folder; ln -s $top/src $top/test .\n$script" ],
			'<', \'', '>', \$out, '2>', \$err, IPC::Run::timeout(120));
	};
	ok($ran, "the README's commands run")
	  or diag("$out\n$err\n$@", map { "$_:\n" . slurp_file("$folder/$_") } grep { -f "$folder/$_" } 'live.log', 'leila.txt', 'driss.txt');
}
foreach my $line (split(/\n/, $shown))
{
	like($out, qr/^\Q$line\E$/m, "shown as it comes: $line") or diag($out, $err);
}
is_query($node, 'SELECT * FROM washminute.check_invariants()', '', 'the invariants hold');

$node->stop;
done_testing();
