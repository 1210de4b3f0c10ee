#
# Washminute.pm
#	What the TAP tests of washminute share, on top of PostgreSQL::Test::Cluster.
#
#	use FindBin;
#	use lib "$FindBin::RealBin/lib";
#	use Washminute;
#
#	my $node = washminute_node('main', cron => 1, conf => "washminute.lock_timeout = '1s'");
#	is_refused($node, 'SELECT ...', 'PT409', qr/^WM_ALREADY_ACCEPTED/, 'the second accept');
#
package Washminute;

use strict;
use warnings;

use DBI;
use Exporter 'import';
use File::Copy qw(copy);
use File::Path qw(make_path);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

our @EXPORT = qw(
  washminute_node
  create_washminute
  server_copy
  noon
  one_wave
  people
  booking
  fill_marketplace
  rows_of
  dump_of
  is_same
  becomes_true
  becomes
  query_becomes
  is_query
  is_refused
  signing_key
  listener
  enqueue
  worker_pid
  worker_becomes
  outbox_empties
  log_position
  log_since
  count_in_log
  log_shows
  within
  kill_postmaster
  process_ended
  processes_go
);

# The database that the worker and pg_cron serve unless told otherwise.
my $DATABASE = 'postgres';

# washminute_node(NAME, options): a started cluster with washminute set up in
# database "postgres".  Options:
#
#	preload => 0	do not preload the library
#	cron => 1		preload pg_cron too and create it, before setup()
#	conf => TEXT	more lines for postgresql.conf
#	init => HASH	arguments for PostgreSQL::Test::Cluster's init
#	new => HASH		arguments for its new
#	start => 0		do not start it, nor create anything
#	create => 0		do not create the extension
#	setup => 0		create the extension, do not call setup()
sub washminute_node
{
	my ($name, %option) = @_;
	my $init = $option{init} // {};
	my @libraries;

	push @libraries, 'pg_cron' if $option{cron};
	push @libraries, 'washminute' if $option{preload} // 1;

	my $node = PostgreSQL::Test::Cluster->new($name, %{ $option{new} // {} });
	$node->init(
		extra => [ '--encoding=UTF8', '--no-locale' ],
		%$init);
	$node->append_conf('postgresql.conf',
		"shared_preload_libraries = '" . join(',', @libraries) . "'\n"
		  . "timezone = 'UTC'\n"
		  . "max_prepared_transactions = 10\n"
		  . "max_worker_processes = 16\n"
		  . "washminute.run_timers = off\n");	# a test that wants them sets it on
	# the clusters of the tests listen on no TCP port
	$node->append_conf('postgresql.conf',
		"cron.database_name = '$DATABASE'\ncron.use_background_workers = on\n")
	  if $option{cron};
	$node->append_conf('postgresql.conf', $option{conf}) if $option{conf};

	return $node unless $option{start} // 1;
	$node->start;
	if ($option{create} // 1)
	{
		$node->safe_psql($DATABASE, 'CREATE EXTENSION pg_cron') if $option{cron};
		create_washminute($node, $DATABASE, setup => $option{setup});
	}
	return $node;
}

# create_washminute(NODE, DATABASE, setup => BOOL): the extension, and what
# setup() makes.
sub create_washminute
{
	my ($node, $database, %option) = @_;

	$node->safe_psql($database, 'CREATE EXTENSION washminute CASCADE');
	$node->safe_psql($database, 'SELECT washminute.setup()')
	  if $option{setup} // 1;
	return;
}

# server_copy(): extension scripts must lie beside the server's own.  So this is a copy
# of the installed server, which finds its files relative to itself, in a temporary
# folder.  Its install_path, and the folder for extension scripts, where none of
# washminute's is yet.
sub server_copy
{
	my $scratch = PostgreSQL::Test::Utils::tempdir_short;
	my %folder;

	foreach my $name ('bindir', 'pkglibdir', 'sharedir')
	{
		IPC::Run::run([ 'pg_config', "--$name" ], '>', \$folder{$name}) or die 'pg_config failed';
		chomp $folder{$name};
	}
	make_path($scratch . $folder{bindir}, $scratch . $folder{sharedir} . '/extension');
	foreach my $program ('initdb', 'pg_ctl', 'postgres')
	{
		my $to = "$scratch$folder{bindir}/$program";

		copy("$folder{bindir}/$program", $to) or die "could not copy $program: $!";
		chmod(0755, $to);
	}
	_link_all($folder{bindir}, $scratch . $folder{bindir});
	symlink($folder{pkglibdir}, $scratch . $folder{pkglibdir});
	_link_all($folder{sharedir}, $scratch . $folder{sharedir});
	_link_all("$folder{sharedir}/extension", "$scratch$folder{sharedir}/extension");
	return ($scratch . $folder{bindir} =~ s{/bin$}{}r, "$scratch$folder{sharedir}/extension");
}

sub _link_all
{
	my ($from, $to) = @_;

	foreach my $file (glob("$from/*"))
	{
		my $name = $file =~ s{.*/}{}r;

		symlink($file, "$to/$name") unless -e "$to/$name" || $name =~ /^washminute/;
	}
	return;
}

# SQL that stops the clock of the cluster at noon of a Tuesday in Casablanca,
# or so much later.
sub noon
{
	my ($later) = @_;

	$later //= '0';
	return "SELECT washminute.set_clock('2026-03-10 12:00+00'::timestamptz + '$later', 0);\n";
}

# SQL that has a request offered to all who are near, at once and for ten minutes, and
# arrivals and no-shows believed: for tests of something else.
sub one_wave
{
	return <<SQL;
UPDATE washminute_data.settings AS s SET value = v.value
  FROM (VALUES ('offer_seconds', 600), ('offer_size', 50), ('max_open_offers', 1000), ('stagger_size', 3), ('stagger_seconds', 8), ('no_show_minutes', 0), ('payment_minutes', 10),
               ('arrival_radius_m', 100000), ('arrival_position_seconds', 86400)) AS v (name, value)
 WHERE s.name = v.name AND s.value <> v.value;
SQL
}

# SQL that makes customer amina, administrator zineb and that many washmen w1,
# w2, ..., all online and within 2 km of -7.61 33.59 in Casablanca.
sub people
{
	my ($washmen) = @_;

	return one_wave() . <<SQL;
SELECT washminute.upsert_user('amina', 'customer', 'Amina', '+212 612 345 678', locale => 'ar');
SELECT washminute.upsert_user('zineb', 'admin', 'Zineb', email => 'zineb\@example.com');
SELECT washminute.upsert_user('w' || i, 'washman', 'Washman ' || i) FROM generate_series(1, $washmen) AS i;
SELECT washminute.set_washman_status('w' || i, 'online') FROM generate_series(1, $washmen) AS i;
SELECT washminute.report_location('w' || i, -7.61 + i * 0.001, 33.59, 10) FROM generate_series(1, $washmen) AS i;
SQL
}

# booking(ADDRESS, METHOD => WASHMAN, STEP...): SQL that books for amina and takes
# the request through the steps, each a status that the washman moves it to, or
# "accepted", "cancelled" by the customer, "paid" or "declined".  The variables
# order_id and request_id are set.
sub booking
{
	my ($address, $method, $washman, @steps) = @_;
	my %command = (
		paid => "record_payment(:'order_id', :total, 'gateway ' || :'order_id')",
		accepted => "accept_request(:'request_id', '$washman')",
		declined => "decline_request(:'request_id', '$washman')",
		cancelled => "cancel_request(:'request_id', 'amina', 'changed my mind')");
	my $sql =
		"SELECT order_id, request_id, total FROM washminute.create_booking("
	  . "'amina', '{complete,wax}', -7.61, 33.59, '$address', '$method') \\gset\n";

	foreach my $step (@steps)
	{
		my $call = $command{$step}
		  // "advance_request(:'request_id', '$washman', '$step')";

		$sql .= "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT FROM washminute.$call; COMMIT;\n";
	}
	return $sql;
}

# fill_marketplace(NODE, DATABASE): people, and requests in every status, at a noon
# at which the clock then stands still.
sub fill_marketplace
{
	my ($node, $database) = @_;

	$node->safe_psql(
		$database // $DATABASE,
		noon('-1 hour')
		  . people(9)
		  . booking('expired', cash => '')
		  . noon('-30 minutes')
		  . 'SELECT washminute.expire_due();'
		  . noon()
		  . people(9)
		  . booking('completed in cash', cash => 'w1', qw(accepted en_route arrived in_progress completed))
		  . booking('completed by card', card => 'w1', qw(paid accepted en_route arrived in_progress completed))
		  . booking('cancelled early', cash => '', 'cancelled')
		  . booking('cancelled late', cash => 'w1', qw(accepted en_route cancelled))
		  . booking('paid and cancelled', card => 'w1', qw(paid accepted cancelled))
		  . booking('no show', cash => 'w1', qw(accepted en_route arrived no_show))
		  . booking('given back', cash => 'w1', qw(accepted en_route pending))
		  . booking('declined', cash => 'w2', 'declined')
		  . booking('accepted', cash => 'w2', 'accepted')
		  . booking('accepted and paid', card => 'w3', qw(paid accepted))
		  . booking('en route', cash => 'w4', qw(accepted en_route))
		  . booking('arrived', cash => 'w5', qw(accepted en_route arrived))
		  . booking('in progress', cash => 'w6', qw(accepted en_route arrived in_progress))
		  . booking('unpaid', card => '')
		  . booking('paid', card => '', 'paid')
		  . booking('pending', cash => '')
		  . <<SQL);
SELECT FROM washminute.create_booking('amina', '{exterior}', -7.61, 33.59, 'reserved', 'cash',
  washminute.now() + '1 day', 'key 1');
SELECT washminute.settle_balance('w1', 150, 'paid in at the office');
SELECT washminute.settle_balance('w2', -20.50, 'taken');
SELECT washminute.flush_locations();
SELECT washminute.pump_events(10000);
SQL
	return;
}

# rows_of(NODE, DATABASE): every row of every table that belongs to no extension,
# as sorted text; but for when a scheduler was here.
sub rows_of
{
	my ($node, $database) = @_;
	my $queries = $node->safe_psql(
		$database // $DATABASE, q{
		SELECT format('SELECT %L, t::text FROM %s AS t ORDER BY t::text;', c.oid::regclass, c.oid::regclass)
		  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
		 WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND c.relname <> 'scheduler' AND n.nspname !~ '^(pg_|information_schema$)'
		   AND NOT EXISTS (SELECT FROM pg_depend AS d
		                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
		 ORDER BY n.nspname, c.relname});

	return $node->safe_psql($database // $DATABASE, $queries);
}

# dump_of(NODE, DATABASE, pg_dump options): what pg_dump writes, without the key
# that it makes anew each time.  The roles of a policy and the grants of an object,
# which come in the order of their creation, are sorted.
sub dump_of
{
	my ($node, $database, @options) = @_;
	my ($stdout, $stderr);

	IPC::Run::run([ 'pg_dump', '--no-sync', @options, $node->connstr($database // $DATABASE) ],
		'>', \$stdout, '2>', \$stderr)
	  or die "pg_dump failed: $stderr";
	$stdout =~ s/^\\(?:un)?restrict \w+$//mg;
	$stdout =~ s/^(CREATE POLICY .* TO )([\w, ]+)( USING)/$1 . join(', ', sort split(m{, }, $2)) . $3/mge;
	$stdout =~ s/((?:^GRANT .*\n)+)/join('', sort split(m{^}m, $1))/mge;
	return $stdout;
}

# A test: two long texts are the same; shows the lines that differ.
sub is_same
{
	my ($got, $expected, $name) = @_;
	my $folder = PostgreSQL::Test::Utils::tempdir;
	my $differences;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return 1 if ok($got eq $expected, $name);
	append_to_file("$folder/got", $got);
	append_to_file("$folder/expected", $expected);
	IPC::Run::run([ 'diff', '-U2', "$folder/expected", "$folder/got" ], '>', \$differences);
	diag(substr($differences, 0, 5000));
	return 0;
}

# A test: the query gives "t" before the time is over.
sub becomes_true
{
	my ($node, $query, $name, $database) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return becomes($node, $query, 't', $name, $database);
}

# A test: the query gives the text before the time is over.
sub becomes
{
	my ($node, $query, $expected, $name, $database) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok(query_becomes($node, $query, $expected, $database), $name);
}

# query_becomes(NODE, QUERY, EXPECTED, DATABASE, SECONDS): does the query, one statement, give
# this text, as psql -At would print it, before the time is over?  As
# poll_query_until, but in one session, which is begun anew whenever it fails and each second:
# most of a processor's time would go into starting psql otherwise.
sub query_becomes
{
	my ($node, $query, $expected, $database, $seconds) = @_;
	my $end = Time::HiRes::time() + ($seconds // $PostgreSQL::Test::Utils::timeout_default);
	my ($session, $connected, $got);

	do
	{
		usleep(50_000) if defined $got;
		# a new connection wakes the postmaster: up to PostgreSQL 15 it may miss that a worker
		# is to be started anew, and then sleep for a minute
		if (defined $session && Time::HiRes::time() > $connected + 1)
		{
			$session->disconnect;
			undef $session;
		}
		$got = eval {
			$connected = Time::HiRes::time() if !defined $session;
			$session //= DBI->connect(
				'dbi:Pg:' . ($node->connstr($database // $DATABASE) =~ tr/ /;/r),
				'', '', { RaiseError => 1, PrintError => 0, pg_bool_tf => 1, pg_server_prepare => 0 });
			join("\n", map { join('|', map { $_ // '' } @$_) } @{ $session->selectall_arrayref($query) });
		} // "error: $@";
		undef $session if $got =~ /^error: /;
	} while ($got ne $expected && Time::HiRes::time() < $end);
	$session->disconnect if defined $session;
	return 1 if $got eq $expected;
	diag("$query\nshould have become: $expected\nat last it was: $got");
	return 0;
}

# A test: the query gives this text now.
sub is_query
{
	my ($node, $query, $expected, $name, $database) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($node->safe_psql($database // $DATABASE, $query), $expected, $name);
}

# is_refused(NODE, SQL, SQLSTATE, DETAIL-REGEX, NAME, psql options): a test that
# the SQL ends with an error of that SQLSTATE, whose DETAIL matches; undef as the
# regex does without.  dbname => NAME is another database than "postgres".
sub is_refused
{
	my ($node, $sql, $sqlstate, $detail_regex, $name, %psql_option) = @_;
	my ($stdout, $stderr) = ('', '');
	my $database = delete $psql_option{dbname} // $DATABASE;

	my $status = $node->psql(
		$database, $sql,
		stdout => \$stdout,
		stderr => \$stderr,
		on_error_stop => 1,
		extra_params => [ '--set=VERBOSITY=verbose', '--set=SHOW_CONTEXT=never' ],
		%psql_option);
	my ($got_sqlstate) = $stderr =~ /^(?:psql:\S+ )?(?:ERROR|FATAL):  (\w{5}): /m;
	my ($got_detail) = $stderr =~ /^DETAIL:  (.*)$/m;

	my $good =
		 $status != 0
	  && ($got_sqlstate // '') eq $sqlstate
	  && (!defined $detail_regex || ($got_detail // '') =~ $detail_regex);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok($good, $name)
	  || diag("wanted $sqlstate"
		  . (defined $detail_regex ? " with DETAIL $detail_regex" : '')
		  . ", got exit status $status\n$stderr$stdout");
}

# A new file with a key for washminute.signing_key_file: its path.
sub signing_key
{
	my $path = PostgreSQL::Test::Utils::tempdir . '/signing_key';
	my $old_umask = umask(0077);

	append_to_file($path, join('', map { sprintf('%02x', int(rand(256))) } 1 .. 32) . "\n");
	umask($old_umask);
	return $path;
}

# listener(NODE, NAME => URL, options): events of every name go to the URL, in the
# lane webhook unless told.  Options: lane, event (a pattern), database.
sub listener
{
	my ($node, $name, $url, %option) = @_;
	my $lane = $option{lane} // 'webhook';
	my $event = $option{event} // '*';

	$node->safe_psql($option{database} // $DATABASE,
		'INSERT INTO washminute_data.listeners (name, event_pattern, lane, url)'
		  . " VALUES ('$name', '$event', '$lane', '$url')");
	return;
}

# enqueue(LISTENER, COUNT, FIRST): SQL that queues so many messages, whose data are
# {"n": FIRST}, {"n": FIRST + 1} ...; one, and from 1 on, unless told.
sub enqueue
{
	my ($listener, $count, $first) = @_;

	$count //= 1;
	$first //= 1;
	return "SELECT washminute.enqueue('webhook', 'test', jsonb_build_object('n', n), listener => '$listener')"
	  . " FROM generate_series($first, $first + $count - 1) AS n;\n";
}

# The worker's process now, '' if there is none.
sub worker_pid
{
	my ($node) = @_;

	return $node->safe_psql($DATABASE, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'washminute worker'");
}

# worker_becomes(NODE, STATE, NAME, DATABASE): a test that the worker is in that
# state, as worker_status() has it for webhooks, before the time is over.
sub worker_becomes
{
	my ($node, $state, $name, $database) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return becomes($node, "SELECT state FROM washminute.worker_status() WHERE lane = 'webhook'", $state, $name, $database);
}

# A test: nothing is left in the outbox, or will be before the time is over.
sub outbox_empties
{
	my ($node, $name, $database) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return becomes($node, 'SELECT count(*) FROM washminute_data.outbox', 0, $name, $database);
}

# Where the server's log ends now.
sub log_position
{
	my ($node) = @_;

	return -s $node->logfile;
}

# What the server has logged since a position.
sub log_since
{
	my ($node, $position) = @_;

	return slurp_file($node->logfile, $position // 0);
}

# How many lines since a position match.
sub count_in_log
{
	my ($node, $regex, $position) = @_;

	return scalar(grep { $_ =~ $regex } split(/\n/, log_since($node, $position)));
}

# A test: the log has a match since a position, or will have before the time is over.
sub log_shows
{
	my ($node, $regex, $position, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return within($PostgreSQL::Test::Utils::timeout_default, sub { log_since($node, $position) =~ $regex }, $name);
}

# A test: the condition, a function, is true before so many seconds are over.
sub within
{
	my ($seconds, $condition, $name) = @_;
	my $end = Time::HiRes::time() + $seconds;
	my $good = $condition->();

	while (!$good && Time::HiRes::time() < $end)
	{
		usleep(10_000);
		$good = $condition->();
	}
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok($good, $name);
}

# Kills the postmaster; returns the ids of the server's processes, itself among them.
sub kill_postmaster
{
	my ($node) = @_;
	my @pids = split(/\n/, $node->safe_psql('postgres', 'SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()'));

	push @pids, slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	$node->kill9;
	return @pids;
}

# Has a process ended?  One whose parent was killed stays as a zombie until process 1
# collects it, and process 1 of some containers looks every few seconds only.
sub process_ended
{
	my ($pid) = @_;

	return 1 if !kill(0, $pid);
	open(my $stat, '<', "/proc/$pid/stat") or return 1;
	return (readline($stat) // ') X ') =~ /\) [ZX] / ? 1 : 0;
}

# A test: the processes end and are collected.  Before, a server cannot be started in
# place of one whose postmaster was killed: a zombie of it counts as alive.
sub processes_go
{
	my ($name, @pids) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return within($PostgreSQL::Test::Utils::timeout_default, sub { !grep { kill(0, $_) } @pids }, $name);
}

1;
