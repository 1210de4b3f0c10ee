# The worker waits for its database, its extension and setup(); leaves the database
# to who needs it empty; and survives that these go and come back, with requests
# under way.  Idle, it runs no query.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use File::Copy qw(copy);
use File::Path qw(make_path);
use IPC::Run;
use Peer;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Washminute;

# a commit tells the worker of all this, so it need not wait for its look every 5 s
my $at_once = 3;

my $peer = Peer->start;
my $key = signing_key();
my $conf = <<"EOC";
washminute.signing_key_file = '$key'
washminute.http_timeout = 60s
autovacuum = off
EOC
my $node = washminute_node('main', create => 0, conf => "washminute.database = 'later'\n$conf");

sub in_later
{
	my ($sql) = @_;

	return $node->safe_psql('later', $sql);
}

# A test: the SQL succeeds.  PostgreSQL waits five seconds for other sessions of a database, and
# then refuses; for what waits for a lock there is the end of the test's patience.
sub succeeds
{
	my ($on, $database, $sql, $name) = @_;
	my $status = $on->psql($database, $sql, on_error_stop => 1, stderr => \my $stderr,
		timeout => $PostgreSQL::Test::Utils::timeout_default);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($status, 0, "$name: it works") || diag($stderr);
}

# Three requests are under way, which get no answer.
sub three_unanswered
{
	my ($name) = @_;

	$peer->forget;
	$peer->mode('hook', { mode => 'never', times => 3 });
	in_later(enqueue('hook', 3));
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return $peer->becomes('hook', open => 3, "$name: requests are under way");
}

# All three came again, by the same ids, and no row is left.
sub three_delivered
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$peer->becomes('hook', requests => 6, "$name: the requests come again");
	outbox_empties($node, "$name: and are recorded", 'later');
	is(join(' ', sort values %{ $peer->ids('hook') }), '2 2 2', "$name: each twice");
	worker_becomes($node, 'running', "$name: the worker runs", 'later');
	return;
}

# What the log says about the state, since a position.
sub says
{
	my ($state, $position, $name, $in) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return log_shows($in // $node, qr/washminute worker: state="$state/, $position, $name);
}

#
# Nothing is there yet
#

says('waiting: the database does not exist" database="later"', 0, 'without its database the worker waits');
my $pid = worker_pid($node);
my $looked = "SELECT state_change FROM pg_stat_activity WHERE backend_type = 'washminute worker'";
foreach my $look (1 .. 4)
{
	my $last = $node->safe_psql('postgres', $looked);

	$look % 2 ? $node->reload : $node->safe_psql('postgres', "CREATE DATABASE other_$look");
	becomes_true($node, "SELECT ($looked) > '$last'", 'it looks again');
}
is(count_in_log($node, qr/database "later" does not exist/, 0), 1, 'the server has told of it once');
is(count_in_log($node, qr/state="waiting: the database does not exist/, 0), 1, 'and so has the worker');
is(worker_pid($node), $pid, 'it waits as one process');
is_query($node, "SELECT datname IS NULL FROM pg_stat_activity WHERE pid = $pid", 't', 'which is in no database');

$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
becomes_true($node, "SELECT count(*) = 1 AND bool_and(state = 'idle' AND pid <> $pid) FROM pg_stat_activity
  WHERE backend_type = 'washminute worker'", 'asked to end it does, and the next one waits');
is(count_in_log($node, qr/database "later" does not exist|state="/, 0), 2, 'without saying it again');

my $position = log_position($node);
$node->safe_psql('postgres', 'CREATE DATABASE later');
within($at_once, sub { log_since($node, $position) =~ /state="waiting: washminute is not set up" database="later"/ },
	'it goes into the database as soon as that is there');
$pid = worker_pid($node);
in_later('CREATE EXTENSION washminute CASCADE');
is(worker_pid($node), $pid, 'the extension alone changes nothing');
is(count_in_log($node, qr/state="running"/, $position), 0, 'it waits for setup()');
in_later('SELECT washminute.setup()');
within($at_once, sub { log_since($node, $position) =~ /state="running"/ }, 'and serves as soon as that is done');
listener($node, hook => $peer->url('hook'), database => 'later');
in_later(enqueue('hook'));
$peer->becomes('hook', requests => 1, 'a message arrives', seconds => $at_once);
outbox_empties($node, 'and is recorded', 'later');
is(worker_pid($node), $pid, 'by the same process');
is(count_in_log($node, qr/state="waiting: washminute is not set up/, 0), 1, 'it said once what it waited for');

#
# Idle, while another server is set up and updated
#

# both count what was done in the database, and by the worker alone
my $traces = <<'SQL';
SELECT d.xact_commit + d.xact_rollback, a.pid, a.state, a.state_change
  FROM pg_stat_database AS d, pg_stat_activity AS a
 WHERE d.datname = 'later' AND a.backend_type = 'washminute worker'
SQL
becomes($node, "SELECT numbackends FROM pg_stat_database WHERE datname = 'later'", 1, 'nobody else is in the database');
my $idle_since = time();
my $traces_before = $node->safe_psql('postgres', $traces);
like($traces_before, qr/^\d+\|$pid\|idle\|/, 'the worker is idle');

my $source = "$FindBin::RealBin/../..";
my ($version) = slurp_file("$source/washminute.control") =~ /^default_version = '(.*)'/m;
my ($server, $scripts) = server_copy();
my $tree = PostgreSQL::Test::Utils::tempdir;
system('cp', '-r', "$source/sql", $tree) == 0 or die 'could not copy the source';
copy("$source/washminute.control", $scripts) or die 'could not copy the control file';
make_path("$tree/sql/updates");
append_to_file("$tree/sql/updates/0.0.9--$version.sql", "-- nothing has changed\n");
foreach my $script ([ $version, '0.0.9' ], [ "0.0.9--$version", "0.0.9--$version" ])
{
	my ($what, $to) = @$script;

	IPC::Run::run([ "$tree/sql/generate", $what ], '>', \my $stdout) or die 'sql/generate failed';
	append_to_file("$scripts/washminute--$to.sql", $stdout);
}

# setup() compares the extension's version with the library's, which there is one of
my $updated = washminute_node('updated', create => 0, conf => $conf, new => { install_path => $server });
my $pretend = "UPDATE pg_extension SET extversion = '%s' WHERE extname = 'washminute';";
$updated->safe_psql('postgres', "CREATE EXTENSION washminute VERSION '0.0.9' CASCADE;"
	. sprintf($pretend, $version) . 'SELECT washminute.setup();');
listener($updated, updated => $peer->url('updated'));
worker_becomes($updated, 'running', 'update: the worker runs');
$peer->mode('updated', { mode => 'hold' });
$updated->safe_psql('postgres', enqueue('updated', 2));
$peer->becomes('updated', open => 2, 'update: requests are under way');
$pid = worker_pid($updated);
$updated->safe_psql('postgres', sprintf($pretend, '0.0.9') . "UPDATE washminute_data.instance SET version = '0.0.9'");
$position = log_position($updated);
succeeds($updated, 'postgres', 'ALTER EXTENSION washminute UPDATE', 'update');
is_query($updated, "SELECT extversion FROM pg_extension WHERE extname = 'washminute'", $version, 'update: the extension is new');
is($peer->release('updated'), 2, 'update: the requests are answered before setup()');
says('waiting: versions differ \{.*"data": "0\.0\.9"', $position, 'update: the worker waits, and says why', $updated);
$updated->safe_psql('postgres', 'SELECT washminute.setup()');
outbox_empties($updated, 'update: after setup() the answers are recorded');
worker_becomes($updated, 'running', 'update: and the worker runs');
is($peer->stats('updated')->{requests}, 2, 'update: nothing was sent twice');
is(worker_pid($updated), $pid, 'update: it is the same process');
is(count_in_log($updated, qr/(?:ERROR|FATAL|PANIC): /, $position), 0, 'update: there were no errors');
$updated->stop('fast');

# longer than its look every 5 s takes, if it has one
my $left = $idle_since + 5.5 - time();
$node->safe_psql('postgres', "SELECT pg_sleep($left)") if $left > 0;
is_query($node, $traces, $traces_before, 'an idle worker runs no query');
in_later(enqueue('hook'));
$peer->becomes('hook', requests => 2, 'but is there at once', seconds => $at_once);
outbox_empties($node, 'and records what it does', 'later');
isnt($node->safe_psql('postgres', $traces), $traces_before, 'which leaves a trace');

#
# Commands that want the database empty
#

$position = log_position($node);
three_unanswered('template');
succeeds($node, 'postgres', 'CREATE DATABASE copy TEMPLATE later', 'template');
three_delivered('template');
like(log_since($node, $position), qr/stopped reason="the database is being worked on" unanswered=3/,
	'template: the worker has made room');

three_unanswered('rename');
$position = log_position($node);
succeeds($node, 'postgres', 'ALTER DATABASE later RENAME TO elsewhere', 'rename');
says('waiting: the database does not exist', $position, 'rename: the worker waits');
is($peer->stats('hook')->{requests}, 3, 'rename: and sends nothing');
succeeds($node, 'postgres', 'ALTER DATABASE elsewhere RENAME TO later', 'rename back');
three_delivered('rename');

three_unanswered('tablespace');
$node->safe_psql('postgres', "SET allow_in_place_tablespaces = on; CREATE TABLESPACE attic LOCATION ''");
succeeds($node, 'postgres', 'ALTER DATABASE later SET TABLESPACE attic', 'tablespace');
three_delivered('tablespace');

# the lock that the transaction keeps is what the next worker waits for
three_unanswered('rename rolled back');
my $session = $node->background_psql('postgres');
$session->query_safe('BEGIN; ALTER DATABASE later RENAME TO elsewhere');
becomes_true($node, "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'object' AND classid = 'pg_database'::regclass
  AND NOT granted", 'rename rolled back: the next worker waits for the end');
$session->query_safe('ROLLBACK');
$session->quit;
three_delivered('rename rolled back');

three_unanswered('a command that fails');
is_refused($node, 'ALTER DATABASE later RENAME TO copy', '42P04', undef, 'a command that fails: it does');
three_delivered('a command that fails');

# who may not do it disturbs nobody
$peer->forget;
$peer->mode('hook', { mode => 'hold' });
in_later(enqueue('hook'));
$peer->becomes('hook', open => 1, 'no right: a request is under way');
$pid = worker_pid($node);
$node->safe_psql('postgres', 'CREATE ROLE nobody_special LOGIN');
foreach my $command ('DROP DATABASE later', 'ALTER DATABASE later RENAME TO stolen',
	'ALTER DATABASE later SET TABLESPACE pg_default', 'CREATE DATABASE stolen TEMPLATE later')
{
	is_refused($node, "SET ROLE nobody_special; $command", '42501', undef, "no right: $command is refused");
}
is_refused($node, 'BEGIN; DROP DATABASE later', '25001', undef, 'no right: nor can it be part of a transaction');
is(worker_pid($node), $pid, 'no right: the worker stays');
$peer->mode('hook', { mode => 'ok' });
is($peer->release('hook'), 1, 'no right: its request is under way still');
outbox_empties($node, 'no right: and is recorded', 'later');

#
# The extension goes and comes back
#

$peer->forget;
$peer->mode('hook', { mode => 'hold', times => 2 }, { mode => 'never', times => 1 });
in_later(enqueue('hook', 2));
$peer->becomes('hook', open => 2, 'drop: requests are under way');
in_later("UPDATE washminute_data.lanes SET concurrency = 2 WHERE lane = 'webhook'");
in_later(enqueue('hook', 1, 3));
$position = log_position($node);
$pid = worker_pid($node);
succeeds($node, 'later', 'DROP EXTENSION washminute CASCADE', 'drop');
is($peer->release('hook'), 2, 'drop: the requests are answered when the code is gone');
says('waiting: washminute is not set up', $position, 'drop: the worker waits, and says so');
is($peer->stats('hook')->{requests}, 2, 'drop: and sends nothing');
in_later('CREATE EXTENSION washminute');
in_later('SELECT washminute.setup()');
$peer->becomes('hook', requests => 3, 'drop: after setup() what waited is sent', seconds => $at_once);
becomes($node, 'SELECT count(*) FROM washminute_data.outbox', 1, 'drop: the answers are recorded', 'later');
is($peer->stats('hook')->{doubled}, 0, 'drop: nothing was sent twice');
is(worker_pid($node), $pid, 'drop: it is the same process');
is(count_in_log($node, qr/(?:ERROR|FATAL|PANIC): /, $position), 0, 'drop: there were no errors');
is(count_in_log($node, qr/state="waiting/, $position), 1, 'drop: it said once what it waited for');

# the third request is under way now, and its worker does not live to see an answer
succeeds($node, 'later', 'DROP EXTENSION washminute CASCADE', 'drop, never answered');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
becomes_true($node, "SELECT count(*) > 0 FROM pg_stat_activity
  WHERE backend_type = 'washminute worker' AND pid <> $pid", 'drop, never answered: the next worker comes');
in_later('CREATE EXTENSION washminute; SELECT washminute.setup()');
$peer->becomes('hook', requests => 4, 'drop, never answered: the request comes again', seconds => $at_once);
outbox_empties($node, 'drop, never answered: and is recorded', 'later');
worker_becomes($node, 'running', 'drop, never answered: the worker runs', 'later');

# The data are of another version, which the replaced function makes the worker notice.
$peer->forget;
$position = log_position($node);
in_later("UPDATE washminute_data.lanes SET paused = true WHERE lane = 'webhook';" . enqueue('hook', 3));
in_later("UPDATE washminute_data.instance SET version = '0.0.9'; ALTER FUNCTION washminute.now() COST 2");
in_later("UPDATE washminute_data.lanes SET paused = false, concurrency = 32 WHERE lane = 'webhook'");
says('waiting: versions differ \{.*"data": "0\.0\.9"', $position, 'versions differ: the worker waits, and says why');
is($peer->stats('hook')->{requests}, 0, 'versions differ: it sends nothing');
in_later("UPDATE washminute_data.instance SET version = '$version'; SELECT washminute.setup()");
$peer->becomes('hook', requests => 3, 'versions are equal: it sends what waited', seconds => $at_once);
outbox_empties($node, 'versions are equal: and records it', 'later');

#
# The database goes, and a clone comes in its place
#

three_unanswered('database dropped');
$position = log_position($node);
succeeds($node, 'postgres', 'DROP DATABASE later', 'database dropped');
says('waiting: the database does not exist', $position, 'database dropped: the worker waits, and says so');
becomes_true($node, "SELECT count(*) = 1 FROM pg_stat_activity
  WHERE backend_type = 'washminute worker' AND datname IS NULL", 'database dropped: in no database');

$peer->forget;
$position = log_position($node);
$node->safe_psql('postgres', 'CREATE DATABASE later TEMPLATE copy');
says('waiting: cloned', $position, 'cloned: the worker waits, and says why');
worker_becomes($node, 'waiting: cloned', 'cloned: worker_status() says so', 'later');
is_query($node, 'SELECT count(*) FROM washminute_data.outbox', 3, 'cloned: the copy has messages', 'later');
in_later(enqueue('hook', 2));
worker_becomes($node, 'waiting: cloned', 'cloned: it waits still', 'later');
is($peer->stats('hook')->{requests}, 0, 'cloned: nothing is sent');
in_later('SELECT washminute.adopt()');
$peer->becomes('hook', requests => 5, 'cloned: after adopt() all is sent', seconds => $at_once);
outbox_empties($node, 'cloned: and recorded', 'later');
worker_becomes($node, 'running', 'cloned: the worker runs', 'later');
is_query($node, 'SELECT count(*) FROM washminute.check_invariants()', 0, 'the invariants hold', 'later');

done_testing();
