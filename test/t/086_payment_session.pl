# The session with the card gateway is asked for once, however many wait for it, and anew
# when the gateway says that it is over.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Naps;
use Test::More;
use Washminute;

my $naps = Naps->start;
$naps->modes({ call => 'createtocken24', mode => 'slow', ms => 500 });
my $market = Naps::Market->start($naps);
my $node = $market->{node};

# Twenty payments begun in one transaction: their ids.
sub begin_many
{
	$market->sql("SELECT count(*) FROM generate_series(1, 20) AS n,
	  LATERAL washminute.create_booking('amina', '{exterior}', -7.61, 33.59, 'many ' || n, 'card')");
	return split(/\n/, $market->sql("SELECT b.payment_id FROM washminute_data.orders AS o,
	  LATERAL washminute.begin_payment(o.order_id, 'amina', 'many ' || o.order_id) AS b
	  WHERE o.order_id NOT IN (SELECT order_id FROM washminute_data.payments)"));
}

# A test: all have their links.
sub have_links
{
	my ($payments, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	becomes($node, "SELECT count(*) FROM washminute_data.payment_attempts WHERE status = 'awaiting'", $payments, "$name: all have links");
	is($naps->counts->{orders}, $payments, "$name: of an order each");
	return;
}

# other settings are no reason for another session
$node->reload;
is(scalar(begin_many()), 20, 'twenty payments are begun at once');
have_links(20, 'the first twenty');
is($naps->count('createtocken24'), 1, 'the session was asked for once');
begin_many();
have_links(40, 'twenty more');
$node->reload;
is($naps->count('createtocken24'), 1, 'and is used again');
my %sessions = map { $_->{body}{securtoken24} => 1 } $naps->requests('linkpayment');
is(scalar(keys %sessions), 1, 'by all');

# over at the gateway: those that are under way are refused, and sent again
$naps->modes({ call => 'createtocken24', mode => 'slow', ms => 500 }, { call => 'linkpayment', mode => 'token_expired', times => 1 });
begin_many();
have_links(60, 'where the gateway says that it is over');
is($naps->count('createtocken24'), 2, 'there is another session, and not one for each');
is_query($node, "SELECT count(*) FROM washminute_data.payment_attempts WHERE number > 1", 0, 'by the same attempts');

$market->is_sound;
$node->stop;
done_testing();
