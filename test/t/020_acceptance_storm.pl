# Storms: 64 washmen accept one request at the same time, thousands of times.
# Exactly one gets it, the others are told so (PT409), and next to nobody gets a
# serialization failure, which an app could not explain to anybody.
#
# Twice: 64 pgbench clients, each running on its own, and 64 connections that a
# driver lets go at the same moment.  pgbench gives up a client that meets PT409,
# so it is caught there, in a subtransaction; the driver sees every error itself.
# At last one washman accepts 64 requests at the same time.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Washminute;

my $CLIENTS = 64;
my $SECONDS = 20;
my $ROUNDS = 500;
my $REQUESTS = 3000;
my $DRIVER_ROUNDS = 200;
my $GREEDY_ROUNDS = 50;
my $BOOKED = $REQUESTS + $DRIVER_ROUNDS + $GREEDY_ROUNDS + $CLIENTS;
my $MAX_FAILED = 0.0005;    # of all calls, with 40001

my $node = washminute_node('main', conf => <<'CONF');
washminute.lock_timeout = '1min'	# a loaded machine is slow, not wrong
max_connections = 120
log_statement = none
log_min_messages = log		# no line for each refusal
CONF

# Requests wait in herd.requests; the sequence herd.round says whose turn it is.
$node->safe_psql('postgres', one_wave() . <<"SQL");
SELECT washminute.set_clock('2030-01-07 12:00+00', 0);
SELECT washminute.upsert_user('c', 'customer');
SELECT washminute.upsert_user('w' || n, 'washman'),
       washminute.report_location('w' || n, -7.61 + n * 0.0001, 33.59)
  FROM generate_series(0, $CLIENTS - 1) AS n;

CREATE SCHEMA herd;
CREATE SEQUENCE herd.booked;
CREATE SEQUENCE herd.round;
CREATE SEQUENCE herd.calls MINVALUE 0;
CREATE SEQUENCE herd.refusals MINVALUE 0;
SELECT setval('herd.round', 1), setval('herd.calls', 0), setval('herd.refusals', 0);
CREATE TABLE herd.requests (round bigint PRIMARY KEY, request_id uuid NOT NULL);

-- Try to get the request whose turn it is.
CREATE FUNCTION herd.try_accept(washman text) RETURNS boolean LANGUAGE plpgsql AS \$\$
DECLARE
  id uuid;
BEGIN
  SELECT request_id INTO id FROM herd.requests
   WHERE round = (SELECT last_value FROM herd.round) AND round <= $REQUESTS;
  IF id IS NULL THEN
    RETURN false;
  END IF;
  PERFORM nextval('herd.calls');
  PERFORM washminute.accept_request(id, washman);
  RETURN true;
EXCEPTION WHEN SQLSTATE 'PT409' THEN
  PERFORM nextval('herd.refusals');
  RETURN false;
END \$\$;

-- Do the washman's job, and pay in the commission: he is free for the next.
CREATE FUNCTION herd.finish(washman text) RETURNS void LANGUAGE plpgsql AS \$\$
DECLARE
  id uuid;
BEGIN
  SELECT request_id INTO STRICT id FROM washminute_data.jobs WHERE live AND washman_id = washman;
  PERFORM washminute.advance_request(id, washman, s)
     FROM unnest('{en_route,arrived,in_progress,completed}'::text[]) AS s;
  PERFORM washminute.settle_balance(washman, 12, 'commission paid in');
END \$\$;
SQL

my $booking = PostgreSQL::Test::Utils::tempdir . '/booking.sql';
append_to_file($booking, <<'SQL');
INSERT INTO herd.requests
SELECT nextval('herd.booked'), request_id
  FROM washminute.create_booking('c', '{exterior}', -7.61, 33.59, 'Rue 1', 'cash');
SQL
$node->command_ok(
	[ 'pgbench', '--no-vacuum', '-c', 2, '-t', $BOOKED / 2, '-f', $booking, 'postgres' ],
	'the requests are booked');

# Nobody has more than a few open offers in practice; here each washman has thousands.
$node->safe_psql('postgres', <<'SQL');
SELECT washminute.set_washman_status(washman_id, 'online') FROM washminute_data.washmen;
INSERT INTO washminute_data.offers (request_id, washman_id, wave, distance_m, located_at, offered_at, expires_at)
SELECT r.request_id, w.washman_id, 1, 100, r.created_at, r.created_at, r.expires_at
  FROM washminute_data.washing_requests AS r, washminute_data.washmen AS w;
UPDATE washminute_data.washing_requests SET wave = 1, radius_m = 5000;
SQL
is_query($node, 'SELECT count(*) FROM herd.requests JOIN washminute_data.offers USING (request_id)',
	$CLIENTS * $BOOKED, 'each was offered to each washman');
$node->safe_psql('postgres', 'VACUUM ANALYZE');

sub value_of
{
	my ($query) = @_;
	return $node->safe_psql('postgres', $query);
}

# Every request up to the last round has had one winner, and the data are sound.
sub check_rounds
{
	my ($rounds, $name) = @_;

	is(value_of(
			"SELECT count(*), count(DISTINCT request_id), count(*) FILTER (WHERE outcome = 'completed')
			   FROM washminute_data.jobs"),
		"$rounds|$rounds|$rounds", "$name: exactly one winner for each request");
	is(value_of("SELECT count(*) FROM washminute_data.washing_requests AS w
			      JOIN herd.requests AS r USING (request_id)
			     WHERE w.status <> 'completed' AND r.round < (SELECT last_value FROM herd.round)"),
		0, "$name: no request was left out");
	is(value_of('SELECT * FROM washminute.check_invariants()'), '', "$name: the invariants hold");
	return;
}

#
# 64 pgbench clients
#

my $script = PostgreSQL::Test::Utils::tempdir . '/storm.sql';
append_to_file($script, <<'SQL');
SELECT herd.try_accept('w' || :client_id) AS won \gset
\if :won
SELECT nextval('herd.round');
BEGIN ISOLATION LEVEL READ COMMITTED;
SELECT herd.finish('w' || :client_id);
COMMIT;
\endif
SQL

# as often as it takes: on a busy machine one run does not get far
my ($ended, $serialization, $deadlocks) = ('', 0, 0);
foreach my $run (1 .. 10)
{
	my ($out, $err) = ('', '');
	local $ENV{PGOPTIONS} = '-c default_transaction_isolation=serializable';

	$node->run_log(
		[
			'pgbench', '--no-vacuum', '--failures-detailed', '--max-tries=1',
			'-M', 'prepared', '-c', $CLIENTS, '-j', 2, '-T', $SECONDS, '-f', $script, 'postgres'
		],
		'>', \$out, '2>', \$err);
	$ended .= "run $run: $?\n$err" if $? != 0 || $err =~ /abort/i;
	$serialization += $1 if $out =~ /number of serialization failures: (\d+)/;
	$deadlocks += $1 if $out =~ /number of deadlock failures: (\d+)/;
	last if value_of('SELECT last_value - 1 FROM herd.round') >= $ROUNDS;
}
is($ended, '', 'pgbench: no client gave up');

my $calls = value_of('SELECT last_value FROM herd.calls');
my $refusals = value_of('SELECT last_value FROM herd.refusals');
my $rounds = value_of('SELECT last_value - 1 FROM herd.round');
note(sprintf('pgbench: %d rounds, %d calls, %d refused, %d failed to serialize (%.4f %%)',
		$rounds, $calls, $refusals, $serialization, 100 * $serialization / $calls));

cmp_ok($rounds, '>=', $ROUNDS, "pgbench: at least $ROUNDS rounds");
cmp_ok($serialization, '<=', $MAX_FAILED * $calls, 'pgbench: at most 0.05 % of the calls failed to serialize');
is($deadlocks, 0, 'pgbench: no deadlock');
is($calls, $rounds + $refusals + $serialization, 'pgbench: every other call was refused with PT409');
check_rounds($rounds, 'pgbench');

#
# 64 connections let go at once
#

SKIP:
{
	skip 'needs the Perl module DBD::Pg (Debian: libdbd-pg-perl)', 7
	  unless eval { require DBI; require DBD::Pg; 1 };

	my ($other, @connections) = map {
		DBI->connect('dbi:Pg:dbname=postgres;host=' . $node->host . ';port=' . $node->port,
			undef, undef, { RaiseError => 0, PrintError => 0, AutoCommit => 1 })
		  or die 'could not connect: ' . DBI->errstr
	} 0 .. $CLIENTS;
	$other->{RaiseError} = 1;
	$_->do("SET default_transaction_isolation TO 'serializable'") foreach @connections;
	my (%ends, @odd);
	my $spent = 0;

	# All connections call at once, each for [request, washman]; how the calls ended.
	my $let_go = sub {
		my @calls = @_;
		my @winners;
		my $start = time;

		$connections[$_]->do("SELECT washminute.accept_request('$calls[$_][0]', '$calls[$_][1]')",
			{ pg_async => DBD::Pg::PG_ASYNC() })
		  foreach 0 .. $#calls;
		foreach my $i (0 .. $#calls)
		{
			my $won = $connections[$i]->pg_result;
			$ends{ $won ? 'won' : $connections[$i]->state }++;
			push @winners, $calls[$i][1] if $won;
		}
		$spent += time - $start;
		$other->do("SELECT herd.finish('$_')") foreach @winners;
		return scalar @winners;
	};

	# many washmen, one request
	for my $round (1 .. $DRIVER_ROUNDS)
	{
		my ($id) = $other->selectrow_array("SELECT request_id FROM herd.requests WHERE round = $REQUESTS + $round");
		push @odd, $round if $let_go->(map { [ $id, "w$_" ] } 0 .. $CLIENTS - 1) != 1;
	}
	my $calls_made = $CLIENTS * $DRIVER_ROUNDS;
	my $failed = $ends{40001} // 0;
	note(sprintf('driver: %d rounds, %d calls (%.0f/s), ends: %s; failed to serialize: %.4f %%',
			$DRIVER_ROUNDS, $calls_made, $calls_made / $spent,
			join(', ', map { "$_ $ends{$_}" } sort keys %ends), 100 * $failed / $calls_made));
	is("@odd", '', 'driver: exactly one winner in each round');
	cmp_ok($failed, '<=', $MAX_FAILED * $calls_made, 'driver: at most 0.05 % of the calls failed to serialize');
	is(($ends{won} // 0) + ($ends{PT409} // 0) + $failed, $calls_made, 'driver: every other call was refused with PT409');

	# one washman, many requests: he gets one of them
	%ends = @odd = ();
	for my $round (1 .. $GREEDY_ROUNDS)
	{
		my $ids = $other->selectcol_arrayref(<<"SQL");
SELECT request_id FROM herd.requests JOIN washminute_data.washing_requests USING (request_id)
 WHERE round > $REQUESTS + $DRIVER_ROUNDS AND status = 'pending' ORDER BY round LIMIT $CLIENTS
SQL
		push @odd, $round if $let_go->(map { [ $_, 'w0' ] } @$ids) != 1;
	}
	note('one washman: ends: ' . join(', ', map { "$_ $ends{$_}" } sort keys %ends));
	is("@odd", '', 'one washman: he gets exactly one of the requests');
	is(($ends{won} // 0) + ($ends{PT409} // 0), $CLIENTS * $GREEDY_ROUNDS,
		'one washman: the others are refused with PT409, no deadlock, no failure to serialize');

	$_->disconnect foreach $other, @connections;
	is_query($node, 'SELECT count(*) FROM washminute_data.jobs', $rounds + $DRIVER_ROUNDS + $GREEDY_ROUNDS,
		'driver: as many jobs as winners');
	is_query($node, 'SELECT * FROM washminute.check_invariants()', '', 'driver: the invariants hold');
}

$node->stop;
done_testing();
