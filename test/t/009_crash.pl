# The server is killed in the middle of mixed work, twice: what was committed is
# there, and the invariants hold.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Washminute;

my $node = washminute_node('main', conf => "restart_after_crash = on\nlog_statement = none\nmax_connections = 30\n");
my $folder = PostgreSQL::Test::Utils::tempdir;

# washmen enough, all near
$node->safe_psql('postgres', noon() . people(1) . <<'SQL');
UPDATE washminute_data.services SET duration_minutes = 1;
SELECT washminute.upsert_user('v' || i, 'washman') FROM generate_series(1, 40) AS i;
SELECT washminute.set_washman_status('v' || i, 'online') FROM generate_series(1, 40) AS i;
SELECT washminute.report_location('v' || i, -7.61 + i * 0.001, 33.59) FROM generate_series(1, 40) AS i;
SELECT washminute.flush_locations();
SELECT washminute.settle_balance('v' || i, 100000, 'work ahead') FROM generate_series(1, 40) AS i;
SQL

# One life of a request, by a washman who may be busy.
append_to_file("$folder/life.sql", <<'SQL');
\set washman random(1, 40)
\set way random(1, 10)
SELECT request_id FROM washminute.create_booking('amina', '{exterior}', -7.6, 33.59, 'here', 'cash') \gset
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT washminute_test_try(format('SELECT washminute.accept_request(%L, %L)', ':request_id', 'v:washman')) AS accepted \gset
COMMIT;
\if :accepted
SELECT washminute.advance_request(':request_id', 'v:washman', 'en_route');
\if :way > 8
SELECT washminute.cancel_request(':request_id', 'amina');
\elif :way > 6
SELECT washminute.advance_request(':request_id', 'v:washman', 'pending');
\else
SELECT washminute.advance_request(':request_id', 'v:washman', 'arrived');
SELECT washminute.advance_request(':request_id', 'v:washman', 'in_progress');
SELECT washminute.advance_request(':request_id', 'v:washman', 'completed');
\endif
\endif
SQL
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION washminute_test_try(command text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE command;
  RETURN true;
EXCEPTION WHEN SQLSTATE 'PT403' OR SQLSTATE 'PT409' THEN
  RETURN false;
END
$$;
SQL

my $completed = "SELECT count(*) FROM washminute_data.washing_requests WHERE status = 'completed'";

# Work until more than so many requests are completed, then do the deed.
sub work_until
{
	my ($count, $deed) = @_;
	my ($stdout, $stderr) = ('', '');
	my $herd = IPC::Run::start(
		[ 'pgbench', '-n', '-c', '8', '-j', '2', '-T', '120', '--max-tries=10', '-f', "$folder/life.sql",
		  $node->connstr('postgres') ],
		'>', \$stdout, '2>', \$stderr,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

	becomes_true($node, "SELECT ($completed) > $count", "more than $count requests are completed under way");
	$deed->();
	$herd->finish;
	like($stderr, qr/server closed the connection|terminating connection|connection to server/,
		'the clients lose their server');
	unlike($stderr, qr/ERROR/, 'and saw no error before');
	return;
}

# Ids that were known to be completed, and so must be after the crash.
sub known_completed
{
	return $node->safe_psql('postgres', "SELECT request_id FROM washminute_data.washing_requests
	  WHERE status = 'completed' ORDER BY 1");
}

sub check_survival
{
	my ($known, $name) = @_;
	my %after = map { $_ => 1 } split(/\n/, known_completed());

	is(scalar(grep { !$after{$_} } split(/\n/, $known)), 0, "$name: every completed request known before is there");
	is_query($node, 'SELECT count(*) FROM washminute.check_invariants()', 0, "$name: the invariants hold");
	return;
}

my $known;

# a backend is killed, so that the postmaster throws out all others and recovers
work_until(50, sub {
	$known = known_completed();
	my $pid = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity
	  WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() LIMIT 1");
	kill('KILL', $pid);
});
becomes_true($node, "SELECT NOT pg_is_in_recovery()", 'the server has recovered');
check_survival($known, 'backend killed');

# the clock was in shared memory
is_query($node, "SELECT washminute.now() = now()", 't', 'the clock shows the real time after a crash');
$node->safe_psql('postgres', noon());

# all processes are gone at once
my $before = $node->safe_psql('postgres', $completed);
work_until($before + 50, sub {
	$known = known_completed();
	$node->stop('immediate');
});
$node->start;
check_survival($known, 'server stopped at once');

$node->safe_psql('postgres', noon() . people(1) . booking('new', cash => 'w1', qw(accepted en_route arrived in_progress completed)));
is_query($node, "SELECT status FROM washminute_data.washing_requests WHERE address = 'new'",
	'completed', 'work goes on');

done_testing();
