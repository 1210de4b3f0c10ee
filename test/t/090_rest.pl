# The API as mobile apps call it: test/rest, through what stands for PostgREST and, where there is
# one, PostgREST itself.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Naps;
use Rest;
use Test::More;
use Washminute;

my $naps = Naps->start;
my $market = Naps::Market->start($naps, conf => Rest::conf());
my $node = $market->{node};

# noons to come, since the cluster has positions of today
sub noon_to_come
{
	my ($days) = @_;

	return $market->sql("SELECT washminute.set_clock(date_trunc('day', clock_timestamp()) + '$days days 12 hours', 0)");
}

my $days = 1;
foreach my $rest (Rest->start_all($node))
{
	noon_to_come($days++);
	$rest->plays('matrix');
	$rest->plays(qw(booking.json keys.json asking.json tokens.json));
	$rest->plays_app;
	# the gateway is asked by the clock
	$market->sql('SELECT washminute.set_clock(washminute.now(), 10)');
	$rest->plays($naps, 'card.json');
}
is_query($node, 'SELECT * FROM washminute.check_invariants()', '', 'the invariants hold');
# an administrator recorded payments that the gateway knows nothing of
$market->is_sound(apart => ['recorded by hand']);

$node->stop;
done_testing();
