# The worker delivers what is committed, however it was, and at once; follows changes
# of settings and lanes under way; gets over errors of its own SQL.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Digest::SHA qw(hmac_sha256_base64);
use JSON::PP;
use MIME::Base64 qw(decode_base64);
use Peer;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Washminute;

my $peer = Peer->start;
my @keys = (signing_key(), signing_key());
my $node = washminute_node('main', conf => <<"EOC");
washminute.signing_key_file = '$keys[0]'
washminute.http_timeout = 30s
autovacuum = off
EOC

# well under the five seconds after which the worker would look by itself
my $at_once = 2;

listener($node, hook => $peer->url('hook'));
listener($node, mark => $peer->url('mark'), lane => 'realtime');
worker_becomes($node, 'running', 'the worker runs');
my $pid = worker_pid($node);
like($pid, qr/^\d+$/, 'as one process');

# A test: as many requests came as are told, and no row is left.
sub delivers
{
	my ($requests, $name, %option) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$peer->becomes('hook', requests => $requests, $name, seconds => $option{seconds} // $at_once);
	outbox_empties($node, 'and is recorded');
	is($peer->stats('hook')->{doubled}, 0, 'once');
	$peer->forget;
	return;
}

# The worker has looked at all that was committed before: a message in another lane
# came through.
sub worker_has_looked
{
	my $before = $peer->stats('mark')->{requests};

	$node->safe_psql('postgres', enqueue('mark') =~ s/'webhook'/'realtime'/r);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return $peer->becomes('mark', requests => $before + 1, 'the worker has looked');
}

sub set_lane
{
	my ($what) = @_;

	$node->safe_psql('postgres', "UPDATE washminute_data.lanes SET $what WHERE lane = 'webhook'");
	return;
}

#
# Wake-up
#

foreach my $number (1 .. 3)
{
	$node->safe_psql('postgres', enqueue('hook'));
	delivers(1, "message $number wakes an idle worker");
}
$node->safe_psql('postgres', 'SET synchronous_commit = off; ' . enqueue('hook', 5));
delivers(5, 'what a writer with synchronous_commit off queues arrives');
$node->safe_psql('postgres', 'BEGIN; ' . enqueue('hook') . 'ROLLBACK;');
worker_has_looked();
is($peer->stats('hook')->{requests}, 0, 'what is rolled back is not sent');
$node->safe_psql('postgres', 'BEGIN; SAVEPOINT a; ' . enqueue('hook', 1, 7) . 'ROLLBACK TO a; ' . enqueue('hook', 1, 8) . 'COMMIT;');
delivers(1, 'of a subtransaction that was rolled back nothing arrives, the rest does');

# a transaction that is open for long, while younger ones commit
my $old = $node->background_psql('postgres');
$old->query_safe('BEGIN; ' . enqueue('hook', 3) =~ s/\n//r);
$node->safe_psql('postgres', enqueue('hook', 4, 11)) foreach 1 .. 3;
$peer->becomes('hook', requests => 12, 'younger transactions overtake an open one', seconds => $at_once);
becomes($node, 'SELECT count(*) FROM washminute_data.outbox', 0, 'and are recorded');
worker_has_looked();
$old->query_safe('COMMIT');
$old->quit;
delivers(15, 'what commits late arrives at once');

# nobody tells of COMMIT PREPARED
$node->safe_psql('postgres', 'BEGIN; ' . enqueue('hook', 2) . "PREPARE TRANSACTION 'kept';");
$node->safe_psql('postgres', 'BEGIN; ' . enqueue('hook', 3) . "PREPARE TRANSACTION 'dropped';");
worker_has_looked();
is($peer->stats('hook')->{requests}, 0, 'what is prepared is not sent');
$node->safe_psql('postgres', "ROLLBACK PREPARED 'dropped'");
$node->safe_psql('postgres', "COMMIT PREPARED 'kept'");
delivers(2, 'what was prepared and is committed arrives, but not what was rolled back', seconds => 5 + $at_once);

#
# Lanes
#

set_lane('paused = true');
$node->safe_psql('postgres', enqueue('hook', 3));
worker_has_looked();
is($peer->stats('hook')->{requests}, 0, 'a paused lane sends nothing');
worker_becomes($node, 'paused', 'and says so');
set_lane('paused = false');
delivers(3, 'it goes on at once');

$peer->mode('hook', { mode => 'hold' });
set_lane('concurrency = 1');
$node->safe_psql('postgres', enqueue('hook', 5));
$peer->becomes('hook', open => 1, 'with concurrency 1 a request is open', seconds => $at_once);
worker_has_looked();
is($peer->stats('hook')->{open}, 1, 'and not more');
set_lane('concurrency = 3');
$peer->becomes('hook', open => 3, 'with 3, three are', seconds => $at_once);
worker_has_looked();
is($peer->stats('hook')->{open}, 3, 'and not more');
set_lane('concurrency = 1');
worker_has_looked();
$peer->mode('hook', { mode => 'hold', times => 1 });
is($peer->release('hook'), 3, 'the three are answered');
$peer->becomes('hook', requests => 4, 'then one at a time comes again', seconds => $at_once);
worker_has_looked();
is($peer->stats('hook')->{open}, 1, 'and not more');
$peer->release('hook');
delivers(5, 'all arrive');
set_lane('concurrency = 32');

#
# Settings
#

sub webhook_secret
{
	my $secret = $node->safe_psql('postgres', "SELECT washminute.webhook_secret('hook')");

	return decode_base64($secret =~ s/^whsec_//r);
}

sub is_signed
{
	my ($request, $secret, $name) = @_;
	my $digest = hmac_sha256_base64("$request->{id}.$request->{timestamp}.$request->{body}", $secret);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($request->{signature}, "v1,$digest=", $name);
}

my @secrets = (webhook_secret());
$peer->mode('hook', { mode => 'hold', times => 1, record => JSON::PP::true }, { mode => 'never', times => 1 });
$node->safe_psql('postgres', enqueue('hook', 1, 1));
$peer->becomes('hook', open => 1, 'a request is under way', seconds => $at_once);
my $position = log_position($node);
$node->safe_psql('postgres', "ALTER SYSTEM SET washminute.http_timeout = '200ms'");
$node->safe_psql('postgres', "ALTER SYSTEM SET washminute.signing_key_file = '$keys[1]'");
$node->reload;
becomes($node, 'SHOW washminute.http_timeout', '200ms', 'the settings are changed meanwhile');
push @secrets, webhook_secret();
isnt($secrets[1], $secrets[0], 'another key gives another secret');
worker_has_looked();
$node->safe_psql('postgres', enqueue('hook', 1, 2));
log_shows($node, qr/attempt failed lane=webhook listener=hook id=\d+ attempt=1 error="[^"]*tim/i, $position,
	'the new time limit holds for the next request');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET ALL');
$node->reload;
is($peer->release('hook'), 1, 'the first has its own, is open still, and is answered now');
$peer->becomes('hook', requests => 3, 'the second comes again');
outbox_empties($node, 'both are recorded');
my @requests = @{ $peer->requests('hook') };
is(join(' ', map { decode_json($_->{body})->{data}{n} } @requests), '1 2 2', 'the first was sent once');
is($requests[2]{id}, $requests[1]{id}, 'a message keeps its id');
is_signed($requests[0], $secrets[0], 'it was signed by the old key');
is_signed($requests[1], $secrets[1], 'the next by the new one');
is_signed($requests[2], $secrets[0], 'and by the old one when that was set again');
$peer->forget;
$peer->mode('hook', { mode => 'ok', record => JSON::PP::false });

#
# Errors of the worker's own SQL
#

# Break something while a request is under way and another message waits; mend it.
sub gets_over
{
	my ($break, $mend, $error, $name) = @_;
	my $broken_at = time();
	my $from = log_position($node);
	my ($most, $errors);

	$peer->mode('hook', { mode => 'hold', times => 1 });
	$node->safe_psql('postgres', enqueue('hook', 1, 1));
	$peer->becomes('hook', open => 1, "$name: a request is under way", seconds => $at_once);
	set_lane('paused = true');
	$node->safe_psql('postgres', enqueue('hook', 1, 2));
	worker_has_looked();
	$break->();
	set_lane('paused = false');
	log_shows($node, $error, $from, "$name: the worker fails, and says by what");
	is($peer->release('hook'), 1, "$name: the request is answered meanwhile");
	within(10, sub { count_in_log($node, qr/ERROR: /, $from) >= 2 }, "$name: it tries again");
	$mend->();
	$errors = count_in_log($node, qr/ERROR: /, $from);
	# pauses of 1, 2, 4 ... seconds, of each of the destinations (four lanes at most) and the worker
	$most = 5 * (2 + log(time() - $broken_at + 1) / log(2));
	cmp_ok($errors, '<=', $most, "$name: but not in a hurry");
	delivers(2, "$name: it goes on when that is mended", seconds => 8);
	worker_becomes($node, 'running', "$name: and runs");
	is(worker_pid($node), $pid, "$name: it is the same process");
	return;
}

gets_over(
	sub { $node->safe_psql('postgres', 'ALTER TABLE washminute_data.outbox RENAME COLUMN data TO facts') },
	sub { $node->safe_psql('postgres', 'ALTER TABLE washminute_data.outbox RENAME COLUMN facts TO data') },
	qr/ERROR:  column "data" does not exist/, 'a column is gone');

my $locker = $node->background_psql('postgres');
gets_over(
	sub { $locker->query_safe('BEGIN; LOCK TABLE washminute_data.outbox IN ACCESS EXCLUSIVE MODE') },
	sub { $locker->query_safe('COMMIT') },
	qr/ERROR:  canceling statement due to lock timeout/, 'the table is locked');
$locker->quit;

is_query($node, 'SELECT count(*) FROM washminute.check_invariants()', 0, 'the invariants hold');

done_testing();
