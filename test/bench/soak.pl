# The people of the soak: customers who book, pay, cancel and try again, washmen who
# drive, take, do and give back jobs, an operator who meddles, and somebody who kills
# processes of the server.  Each is a process with a connection of its own, which it
# makes anew when it is cut off.
#
#	soak.pl SECONDS SEED FOLDER
#
# What was answered is written to FOLDER: booked.* has a line "KEY REQUEST_ID" for each
# booking that its customer was told of.  An answer that never came is asked for again,
# with the same idempotency key, until it does.  Prints what was called how often and
# how it ended.

use strict;
use warnings;
use DBI;
use POSIX ();
use Time::HiRes qw(sleep time);

my ($seconds, $seed, $folder) = @ARGV;
my $end = time + $seconds;

# Two towns of 8 km, so that there are washmen in more than one ring.
my @TOWNS = ([ -7.61, 33.59 ], [ -6.84, 34.01 ]);
my $WIDE = 0.08;    # degrees

my $WASHMEN = 12;     # of each washman's process
my $CUSTOMERS = 40;   # of each customer's process
my %PROCESSES = (customer => 5, washman => 6, operator => 1, killer => 1);

my %ends;    # "call: how it ended" => how often
my $db;
my $user = 'washminute_demo';

sub connected
{
	while (!$db || !$db->ping)
	{
		# the server may be starting; at the end nobody is left without an answer
		$db = DBI->connect('dbi:Pg:', $user, undef,
			{ RaiseError => 0, PrintError => 0, AutoCommit => 1, pg_server_prepare => 0 });
		if ($db)
		{
			$db->do("SET lock_timeout TO '5s'");
		}
		else
		{
			die "no connection: $DBI::errstr" if time > $end + 120;
			sleep 0.2;
		}
	}
	return $db;
}

# Rows of a query, or nothing where it failed; counted by its name.
sub call
{
	my ($name, $query, @values) = @_;
	my $rows = connected()->selectall_arrayref($query, undef, @values);
	my $state = defined $rows ? 'ok' : connected_state();
	my ($code) = $state =~ /^PT/ ? $DBI::errstr =~ /DETAIL:\s+(WM_\w+)/ : ();

	$ends{join(' ', "$name:", $state, $code // ())}++;
	warn "$name: $state " . $DBI::errstr =~ s/\n/ /gr . "\n"
	  if $state !~ /^(ok|PT\d+|40001|40P01|55P03|57P0\d|08\d+|cut)$/;
	return wantarray ? @{ $rows // [] } : $rows;
}

# The same until it goes well: somebody's first steps.
sub must
{
	my ($name, $query, @values) = @_;

	until (call($name, $query, @values))
	{
		die "$name: $DBI::errstr" if time > $end + 120;
		sleep 0.05;
	}
	return;
}

# An acceptance, in a transaction as PostgREST makes it.
sub take_job
{
	my ($request, $washman) = @_;

	connected()->do('BEGIN ISOLATION LEVEL SERIALIZABLE');
	my $rows = call('accept_request', 'SELECT status FROM washminute.accept_request(?, ?)', $request, $washman);
	$db->do($rows ? 'COMMIT' : 'ROLLBACK');
	return;
}

# A connection that was cut has no SQLSTATE, or says that it was.
sub connected_state
{
	my $state = $DBI::state;

	return $state =~ /^(57P0\d|08\d+|00000|22000|S1000|\s*)$/ && !$db->ping ? 'cut' : $state;
}

sub somewhere
{
	my $town = $TOWNS[ rand @TOWNS ];
	return map { $_ + (rand() - 0.5) * $WIDE } @$town;
}

sub chance { return rand() < $_[0] }

#
# Customers
#

my $customer_serial = 0;

# Until there is an answer: a request, or a refusal.
sub book
{
	my ($customer, $log) = @_;
	my ($longitude, $latitude) = somewhere();
	my $key = "$$-" . ++$customer_serial;
	my $method = chance(0.3) ? 'card' : 'cash';
	my $service = chance(0.3) ? 'complete' : 'exterior';

	while (1)
	{
		my $rows = call('create_booking', <<'SQL', $customer, "{$service}", $longitude, $latitude, $method, $key);
SELECT order_id, request_id, total FROM washminute.create_booking(?, ?, ?, ?, 'Rue 1', ?, idempotency_key => ?)
SQL
		if ($rows)
		{
			my ($order, $request, $total) = @{ $rows->[0] };

			print {$log} "$key $request\n";
			call('record_payment', 'SELECT washminute.record_payment(?, ?, ?)', $order, $total, "pay-$key")
			  if $method eq 'card' && chance(0.9);
			return $request;
		}
		return if $DBI::state =~ /^PT/;
		sleep 0.05;
	}
}

sub customer
{
	my ($number) = @_;
	my @names = map { "c${number}_$_" } 1 .. $CUSTOMERS;
	my %open;    # customer => request

	open(my $log, '>', "$folder/booked.$number") or die $!;
	$log->autoflush(1);
	must('upsert_user', "SELECT washminute.upsert_user(?, 'customer', ?)", $_, "Customer $_") foreach @names;
	must('register_push_token', 'SELECT washminute.register_push_token(?, ?)', $_,
		sprintf('ExponentPushToken[%022d]', $number * 1000 + $customer_serial++)) foreach @names;
	while (time < $end)
	{
		my $name = $names[ rand @names ];

		if (my $request = $open{$name})
		{
			delete $open{$name} if chance(0.5);
			call('cancel_request', 'SELECT washminute.cancel_request(?, ?)', $request, $name) if chance(0.3);
		}
		else
		{
			$open{$name} = book($name, $log);
		}
		sleep 0.35 * rand;
	}
	return;
}

#
# Washmen
#

# One step of the job in hand, or away from it.
sub work
{
	my ($washman, $request, $status, $longitude, $latitude) = @_;
	my %next = (accepted => 'en_route', en_route => 'arrived', arrived => 'in_progress', in_progress => 'completed');
	my $to = $next{$status};

	if ($status =~ /^(en_route|arrived)$/)
	{
		# twice, as the first may be one that he cannot have reached so fast
		call('report_location', 'SELECT washminute.report_location(?, ?, ?)', $washman, $longitude, $latitude) for 1 .. 2;
	}
	$to = 'pending' if $status =~ /^(accepted|en_route)$/ && chance(0.08);
	$to = 'no_show' if $status eq 'arrived' && chance(0.3);
	call('advance_request', 'SELECT washminute.advance_request(?, ?, ?)', $request, $washman, $to);
	return;
}

# To offers: take the first, decline another, or think about it.
sub answer
{
	my ($washman) = @_;

	foreach my $row (call('washman_offers', 'SELECT request_id FROM washminute.washman_offers(?)', $washman))
	{
		if (chance(0.15))
		{
			call('decline_request', 'SELECT washminute.decline_request(?, ?)', $row->[0], $washman);
		}
		elsif (chance(0.7))
		{
			take_job($row->[0], $washman);
		}
	}
	return;
}

sub washman
{
	my ($number) = @_;
	my @names = map { "w${number}_$_" } 1 .. $WASHMEN;

	foreach my $name (@names)
	{
		must('upsert_user', "SELECT washminute.upsert_user(?, 'washman', ?)", $name, "Washman $name");
		must('register_push_token', 'SELECT washminute.register_push_token(?, ?)', $name,
			sprintf('ExponentPushToken[%022d]', 1_000_000 + $number * 1000 + ++$customer_serial));
		must('report_location', 'SELECT washminute.report_location(?, ?, ?)', $name, somewhere());
		must('set_washman_status', "SELECT washminute.set_washman_status(?, 'online')", $name);
	}
	while (time < $end)
	{
		my $name = $names[ rand @names ];
		my ($job) = call('job in hand', <<'SQL', $name);
SELECT r.request_id, r.status, ST_X(r.client_location::geometry), ST_Y(r.client_location::geometry)
  FROM washminute_data.jobs AS j JOIN washminute_data.washing_requests AS r USING (request_id)
 WHERE j.washman_id = ? AND j.live
SQL
		if ($job)
		{
			work($name, @$job);
		}
		elsif (chance(0.05))
		{
			call('set_washman_status', 'SELECT washminute.set_washman_status(?, ?)', $name, chance(0.3) ? 'offline' : 'online');
		}
		elsif (chance(0.2))
		{
			call('report_location', 'SELECT washminute.report_location(?, ?, ?)', $name, somewhere()) for 1 .. 2;
		}
		elsif (chance(0.05))
		{
			my ($balance) = call('washman_balance', 'SELECT washminute.washman_balance(?)', $name);

			call('settle_balance', "SELECT washminute.settle_balance(?, ?, 'paid in', idempotency_key => ?)",
				$name, -$balance->[0], "$$-" . ++$customer_serial) if $balance && $balance->[0] < 0;
			call('request_payout', 'SELECT washminute.request_payout(?, ?)', $name, $balance->[0])
			  if $balance && $balance->[0] > 0;
		}
		else
		{
			answer($name);
		}
		sleep 0.05 * rand;
	}
	return;
}

#
# The operator
#

sub operator
{
	must('upsert_user', "SELECT washminute.upsert_user('boss', 'admin', 'Boss')");
	while (time < $end)
	{
		my ($washman) = call('a washman', 'SELECT washman_id FROM washminute_data.washmen ORDER BY random() LIMIT 1');
		my ($request) = call('a request', <<'SQL');
SELECT request_id FROM washminute_data.washing_requests
 WHERE status NOT IN ('completed', 'cancelled', 'expired', 'no_show') ORDER BY random() LIMIT 1
SQL
		my ($payout) = call('a payout', "SELECT payout_id FROM washminute_data.payouts WHERE status = 'requested' LIMIT 1");
		my ($owed) = call('a receivable', 'SELECT receivable_id FROM washminute_data.receivables WHERE settled_at IS NULL LIMIT 1');

		call('suspend_washman', "SELECT washminute.suspend_washman(?, 'boss', 'soak')", @$washman) if $washman && chance(0.1);
		call('reinstate_washman', "SELECT washminute.reinstate_washman(washman_id, 'boss', 'soak')
			  FROM washminute_data.washmen WHERE suspended_at IS NOT NULL LIMIT 1") if chance(0.3);
		call('reassign_request', "SELECT washminute.reassign_request(?, 'boss', ?, 'soak')", @$request, @$washman)
		  if $request && $washman && chance(0.2);
		call('force_cancel_request', "SELECT washminute.force_cancel_request(?, 'boss', 'soak')", @$request)
		  if $request && chance(0.1);
		call($payout && chance(0.8) ? ('pay_payout', "SELECT washminute.pay_payout(?, 'boss', 'transfer')", @$payout) :
			('refuse_payout', "SELECT washminute.refuse_payout(?, 'boss', 'soak')", @$payout)) if $payout;
		call('settle_receivable', "SELECT washminute.settle_receivable(?, 'boss', 'soak', ?)", @$owed, chance(0.3) ? 1 : 0)
		  if $owed && chance(0.5);
		call('expire_due', 'SELECT washminute.expire_due()') if chance(0.1);
		sleep 0.5 * rand;
	}
	return;
}

#
# Who kills: every few seconds a connection, less often the worker, now and then a
# process without a chance to say so, which makes the server start anew.
#

sub pid_of
{
	my ($where) = @_;
	my ($row) = call('a process', "SELECT pid FROM pg_stat_activity WHERE $where ORDER BY random() LIMIT 1");

	return $row ? $row->[0] : 0;
}

sub killer
{
	my $client = "backend_type = 'client backend' AND usename = 'washminute_demo' AND pid <> pg_backend_pid()";
	my $worker = "backend_type = 'washminute worker'";

	# who sees all processes
	$user = 'postgres';

	while (time < $end)
	{
		my ($signal, $where, $name) =
			chance(0.04) ? ('KILL', chance(0.5) ? $worker : $client, 'crash')
		  : chance(0.2) ? ('TERM', $worker, 'worker ended')
		  : ('TERM', $client, 'connection ended');
		my $pid = pid_of($where);

		$ends{"killer: $name"}++ if $pid && kill($signal, $pid);
		sleep 3 * rand;
	}
	return;
}

#
# All of them
#

my %work = (customer => \&customer, washman => \&washman, operator => \&operator, killer => \&killer);
my @children;

foreach my $kind (sort keys %PROCESSES)
{
	foreach my $number (1 .. $PROCESSES{$kind})
	{
		my $pid = fork() // die "fork: $!";

		if ($pid == 0)
		{
			srand($seed * 1000 + @children);
			$work{$kind}->($number);
			open(my $out, '>', "$folder/ends.$kind.$number") or die $!;
			print {$out} "$_\t$ends{$_}\n" foreach sort keys %ends;
			close($out) or die $!;
			POSIX::_exit(0);
		}
		push @children, $pid;
	}
}
my $failed = 0;
foreach my $pid (@children)
{
	waitpid($pid, 0);
	$failed ||= $? != 0;
}

my %all;
foreach my $file (glob("$folder/ends.*"))
{
	open(my $in, '<', $file) or die $!;
	while (<$in>)
	{
		chomp;
		my ($name, $count) = split(/\t/);
		$all{$name} += $count;
	}
}
printf("%8d  %s\n", $all{$_}, $_) foreach sort keys %all;
exit $failed;
