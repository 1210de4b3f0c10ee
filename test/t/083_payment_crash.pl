# The worker or the whole server ends while a call of the card gateway is under way, before
# or after its effect: whoever comes next asks what became of it, and sends nothing that
# moves money again, but for a reversal that is shown not to have happened.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Naps;
use PostgreSQL::Test::Utils;
use Test::More;
use Washminute;

# a shutdown that hangs is to fail soon
$ENV{PGCTLTIMEOUT} = 30;

my $naps = Naps->start;
my $market = Naps::Market->start($naps, conf => "washminute.http_timeout = 60s\nrestart_after_crash = on\n");
my $node = $market->{node};

sub server_is_up
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	within($PostgreSQL::Test::Utils::timeout_default, sub {
		my ($stdout, $stderr) = ('', '');
		return $node->psql('postgres', "SELECT FROM pg_stat_activity WHERE backend_type = 'washminute worker'", stdout => \$stdout, stderr => \$stderr) == 0;
	}, "$name: the server is up");
	return;
}

my %deed = (
	'worker killed' => sub { kill('KILL', worker_pid($node)) == 1 or die 'there is no worker' },
	'postmaster killed' => sub {
		my $pid = worker_pid($node);
		my @pids = kill_postmaster($node);

		within(10, sub { process_ended($pid) }, 'without a postmaster the worker ends');
		processes_go('and so do the others', @pids);
		$node->start;
	},
	'fast shutdown' => sub {
		my $position = log_position($node);

		$node->stop('fast');
		like(log_since($node, $position), qr/stopped reason="asked to end" unanswered=1/, 'the worker ends, and says that an answer did not come');
		$node->start;
	},
	'immediate shutdown' => sub {
		$node->stop('immediate');
		$node->start;
	});

# The browser comes back; the door notices only then that its sessions were lost.
sub come_back
{
	my ($sale) = @_;

	return within(20, sub { $market->visit($market->given_url($sale, 'failURL')) =~ /^washminute:/ }, 'the browser is back');
}

# The call is under way, with its effect or without, while the deed is done; what is held
# is let go after the deed: no answer that comes so late can be heard.
sub during
{
	my ($call, $effect, $deed, $act) = @_;
	my $name = "$deed during $call, " . ($effect ? 'done' : 'not done');
	my $before = $naps->counts->{held};

	$naps->once($call, 'hold', effect => $effect);
	$act->();
	$naps->becomes(held => $before + 1, "$name: it is under way");
	$deed{$deed}->();
	server_is_up($name);
	return $name;
}

my $ahead = 0;

# The switch behind the gateway has had its two minutes: what is not done by then was not.
sub switch_had_its_time
{
	my ($sale) = @_;
	my $waits = "FROM washminute_data.outbox AS q JOIN washminute_data.payment_attempts AS a ON q.data->>'attemptId' = a.attempt_id::text
		WHERE a.payment_id = '$sale->{payment}' AND q.due_at > clock_timestamp() + '30 s' AND (q.data->>'number')::int = a.inquiry_number";

	becomes($node, "SELECT count(*) FROM washminute_data.refunds WHERE payment_id = '$sale->{payment}' AND status = 'unknown' AND EXISTS (SELECT $waits)",
		1, 'it is to be asked for again');
	# a restart sets the clock back to the real time, so that it goes on each time farther than before
	$ahead += 6;
	$market->sql("SELECT washminute.set_clock(clock_timestamp() + '$ahead min', 1)");
	$market->sql("UPDATE washminute_data.outbox SET due_at = NULL, xid = pg_current_xact_id() WHERE outbox_id IN (SELECT q.outbox_id $waits)");
	$node->reload;
	return;
}

my $sale;
my @deeds = sort keys %deed;
my $turn = 0;

# every deed for links, and for each other call and effect one of them in turn
foreach my $deed (@deeds)
{
	my $effect = $turn++ % 2;

	$sale = $market->book;
	my $name = during('linkpayment', $effect, $deed, sub { $market->begin($sale) });
	$market->await_link($sale);
	$market->is_now($sale, 'processing expired,awaiting pending', "$name: it is given up, and there is another link");
	my ($first) = $market->sql("SELECT gateway_order_id FROM washminute_data.payment_attempts WHERE payment_id = '$sale->{payment}' AND number = 1");
	is(join(' ', map { $naps->count_of($_, 'linkpayment') } $first, $sale->{orderid}), '1 1', "$name: each was asked for once");
	$market->pay($sale);
	$market->becomes($sale, 'paid expired,succeeded paid', "$name: which pays");
}

foreach my $effect (0, 1)
{
	foreach my $deed ('worker killed', $deeds[$turn++ % @deeds])
	{
		$sale = $market->sell;
		my $name = during('reversal', $effect, $deed, sub { $market->cancel($sale) });
		switch_had_its_time($sale) unless $effect;
		$market->becomes($sale, "refunded reversed refunded reversal:reversed:$sale->{total}", "$name: the money goes back");
		is($naps->count_of($sale->{orderid}, 'reversal'), $effect ? 1 : 2, "$name: sent so often");
		is($naps->book($sale->{orderid})->{net}, '0.00', "$name: once");
	}
}

my @unknown;
foreach my $effect (0, 1)
{
	foreach my $deed ('worker killed', $deeds[$turn++ % @deeds])
	{
		$sale = $market->sell;
		$market->sql("SELECT washminute.capture_payment('$sale->{payment}')");
		$market->becomes($sale, 'paid captured paid', 'it is captured');
		my $name = during('refund', $effect, $deed, sub { $market->cancel($sale) });
		if ($effect)
		{
			$market->becomes($sale, "refunded captured refunded refund:accepted:$sale->{total}", "$name: an inquiry sees it");
		}
		else
		{
			switch_had_its_time($sale);
			becomes($node, $market->exceptions_query($sale), 'refund_unknown:open', "$name: a person is told");
			$market->is_now($sale, "paid captured cancelled refund:unknown:$sale->{total}", "$name: it stays unknown");
			push @unknown, $sale;
		}
		is($naps->count_of($sale->{orderid}, 'refund') . ' ' . $naps->book($sale->{orderid})->{refunds}{count}, "1 $effect", "$name: sent once");
	}
}

$sale = $market->checkout;
$market->pay($sale, outcome => 'decline');
my $name = during('status', 1, 'worker killed', sub { come_back($sale) });
$market->becomes($sale, 'requires_payment declined pending', "$name: it is asked again");

# The answer comes while the worker ends: it is heard.
$sale = $market->sell;
$naps->once('reversal', 'slow', ms => 2000);
$market->cancel($sale);
within(20, sub { $naps->count_of($sale->{orderid}, 'reversal') == 1 }, 'a slow reversal is under way');
my $position = log_position($node);
$node->stop('fast');
like(log_since($node, $position), qr/stopped reason="asked to end" unanswered=0/, 'a fast shutdown waits for its answer');
$node->start;
$market->is_now($sale, "refunded reversed refunded reversal:reversed:$sale->{total}", 'which was recorded');
is($naps->count_of($sale->{orderid}, 'reversal'), 1, 'it was sent once');

# The server is away when the callback comes: the gateway hears no word, and tries again.
$sale = $market->checkout;
$node->stop('fast');
$naps->modes({ callback_interval_ms => 500 });
$naps->pay(url => $sale->{link}, wait => 0);
within(20, sub { $naps->counts->{callbacks}{noWord} >= 1 }, 'while the server is down a callback gets no word');
$naps->modes({ callback_interval_ms => 20 });
$node->start;
within(20, sub { ($naps->book($sale->{orderid})->{pays}[0] // {})->{over} }, 'the gateway ends its tries');
my $stands = !$naps->book($sale->{orderid})->{pays}[0]{reversed};
come_back($sale);
$market->becomes($sale, $stands ? 'paid succeeded paid' : 'requires_payment declined pending', 'and we know what it came to: ' . ($stands ? 'paid' : 'reversed'));

$naps->release;
$market->is_sound(crashes => 1);
$node->stop;
done_testing();
