# doctor() on the worker: nothing where all is well, and for each thing that can be
# wrong with it one finding, with its remedy, which is gone when that is mended.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Peer;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Washminute;

my $peer = Peer->start;
my $key = signing_key();
my $token = signing_key();
# the clusters of the tests do not protect their data
my $sound = "fsync = on\nfull_page_writes = on\nautovacuum = off\n";
my $node = washminute_node('main', cron => 1, init => { allows_streaming => 1 }, conf => <<"EOC");
$sound
washminute.signing_key_file = '$key'
washminute.expo_access_token_file = '$token'
washminute.expo_url = '${\$peer->url('expo')}'
washminute.http_timeout = 30s
EOC

my $no_worker = 'no worker serves this database, and nothing leaves it: ';
my %remedy = (
	no_worker => "Have washminute in shared_preload_libraries and this database's name in washminute.database, restart, and see what the server's log says of the worker.",
	held => "Where a setting is named: mend it, or its file, then SELECT pg_reload_conf(). Where the lane is paused: UPDATE washminute_data.lanes. Where Expo refuses: see the access token and the app's credentials there; it is asked again every minute.",
	breaker => 'See last_error of washminute.worker_status(); the breaker closes by itself when the destination answers again.',
	waiting => "See washminute.worker_status() and the server's log.",
	dead => 'See last_error in washminute_data.outbox; SELECT washminute.retry_dead(lane) queues them again, DELETE drops them.',
	ca => "Name a file that the server's user can read, or none for the system's authorities, then SELECT pg_reload_conf().",
	file => "Give the server's user a file of mode 0600, then SELECT pg_reload_conf().",
	cloned => 'If this database is to serve from now on, SELECT washminute.adopt() as a superuser.');

my $findings = "SELECT COALESCE(string_agg(severity || '|' || finding || '|' || remedy, E'\\n' ORDER BY severity, finding COLLATE \"C\"), '')
  FROM washminute.doctor()";

# A test: doctor() has these findings and no others, or will have; each is
# [severity, finding, key of the remedy].
sub finds
{
	my ($on, $expected, $name, %option) = @_;
	my $text = join("\n", sort map { "$_->[0]|$_->[1]|$remedy{$_->[2]}" } @$expected);
	my $skip = $option{skip};
	my $got;
	my $good = sub {
		$got = join("\n", sort grep { !defined $skip || $_ !~ $skip } split(/\n/, $on->safe_psql($option{database} // 'postgres', $findings)));
		return $got eq $text;
	};

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return within($PostgreSQL::Test::Utils::timeout_default, $good, $name) || diag("wanted:\n$text\ngot:\n$got");
}

sub lane
{
	my ($columns, $lane) = @_;

	$node->safe_psql('postgres', "UPDATE washminute_data.lanes SET $columns WHERE lane = '" . ($lane // 'webhook') . "'");
	return;
}

#
# All is well
#

listener($node, hook => $peer->url('hook'));
worker_becomes($node, 'running', 'the worker runs');
finds($node, [], 'nothing is wrong with a new installation');
$node->safe_psql('postgres', enqueue('hook', 10));
$peer->becomes('hook', requests => 10, 'messages are delivered');
outbox_empties($node, 'and recorded');
$peer->mode('hook', { mode => 'hold', times => 1 });
$node->safe_psql('postgres', enqueue('hook', 2));
$peer->becomes('hook', open => 1, 'one is under way');
finds($node, [], 'nothing is wrong where messages come and go');
$peer->release('hook');
outbox_empties($node, 'all is delivered');

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
finds($standby, [], 'nothing is wrong with a standby', skip => qr/pg_cron/);
$standby->stop;

#
# A worker that has not taken notice yet
#

# as right after setup(), where it has not looked again: doctor() gives it time
my $new = washminute_node('new', setup => 0, conf => $sound);
log_shows($new, qr/state="waiting: washminute is not set up"/, 0, 'late: a worker waits for setup()');
my $asleep = worker_pid($new);
kill('STOP', $asleep);
$new->safe_psql('postgres', 'SELECT washminute.setup()');
my $session = $new->background_psql('postgres');
$session->query_until(qr/asked/, "\\echo asked\nCREATE TABLE public.found AS SELECT finding FROM washminute.doctor();\n");
becomes($new, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%public.found%' AND wait_event = 'Extension'", 1,
	'late: doctor() waits for the worker');
kill('CONT', $asleep);
$session->quit;
is_query($new, "SELECT string_agg(finding, '; ') FROM public.found WHERE finding LIKE 'no worker%'", '',
	'late: and finds nothing wrong with it');
$new->stop;

#
# Files
#

foreach my $case ([ 'signing_key_file', $key, 'webhook', 'realtime' ], [ 'expo_access_token_file', $token, 'push' ])
{
	my ($setting, $file, $lane) = @$case;
	my $is_key = $setting eq 'signing_key_file';
	my %broken = (
		'can be read by others' => [ sub { chmod 0644, $file }, "\"$file\" can be read by others: its mode must be 0600" ],
		'is missing' => [ sub { rename $file, "$file.away" }, "\"$file\" cannot be opened: No such file or directory" ]);

	foreach my $what (sort keys %broken)
	{
		my ($break, $problem) = @{ $broken{$what} };
		my @expected = ([ 'warning', "the worker holds a lane: $lane: washminute.$setting $problem", 'held' ]);

		# of the key the session itself looks at the file, besides
		unshift @expected, [ 'error', "washminute.$setting $problem", 'file' ] if $is_key;
		$break->();
		$node->reload;
		finds($node, \@expected, "$setting: it $what");
		rename "$file.away", $file if -e "$file.away";
		chmod 0600, $file;
		finds($node, [ $expected[-1] ], "$setting: the file is mended, and the worker knows nothing of that") if $is_key;
		$node->reload;
		finds($node, [], "$setting: it is mended after a reload");
	}
}
$node->safe_psql('postgres', "ALTER SYSTEM SET washminute.signing_key_file = ''");
$node->reload;
finds($node, [ [ 'warning', 'the worker holds a lane: webhook: washminute.signing_key_file is not set', 'held' ] ], 'signing_key_file: none is named');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET ALL');
$node->reload;
finds($node, [], 'signing_key_file: one is again');

$node->safe_psql('postgres', "ALTER SYSTEM SET washminute.ca_file = '$key.none'");
$node->reload;
finds($node, [ [ 'error', "washminute.ca_file \"$key.none\" cannot be read: No such file or directory", 'ca' ] ], 'ca_file: it is missing');
append_to_file("$key.none", '');
finds($node, [], 'ca_file: it is there');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET ALL');
$node->reload;

#
# Lanes and destinations
#

lane('paused = true');
finds($node, [ [ 'warning', 'the worker holds a lane: webhook: paused', 'held' ] ], 'paused: the lane is held');

# the limit is five minutes
$node->safe_psql('postgres', enqueue('hook'));
my $back = "UPDATE washminute_data.outbox SET queued_at = clock_timestamp() - interval '%s'";
$node->safe_psql('postgres', sprintf($back, '4 minutes 30 seconds'));
finds($node, [ [ 'warning', 'the worker holds a lane: webhook: paused', 'held' ] ], 'waiting: for less than five minutes');
$node->safe_psql('postgres', sprintf($back, '5 minutes 1 second'));
my @waiting = ([ 'warning', 'messages have been waiting for the worker for more than five minutes: webhook', 'waiting' ]);
finds($node, [ @waiting, [ 'warning', 'the worker holds a lane: webhook: paused', 'held' ] ], 'waiting: for more');
$node->safe_psql('postgres', "UPDATE washminute_data.outbox SET due_at = clock_timestamp() - interval '1 minute'");
finds($node, [ [ 'warning', 'the worker holds a lane: webhook: paused', 'held' ] ], 'waiting: what is due later counts from then on');
lane('paused = false');
outbox_empties($node, 'waiting: it is delivered');
finds($node, [], 'waiting: nothing waits');
$node->safe_psql('postgres', "INSERT INTO washminute_data.outbox (lane, event, data, created_at, queued_at)
  VALUES ('payment', 'test', '{}', now(), clock_timestamp() - interval '1 day')");
finds($node, [ [ 'warning', 'messages have been waiting for the worker for more than five minutes: payment', 'waiting' ] ],
	'waiting: in a lane that is not configured it is news');
$node->safe_psql('postgres', 'DELETE FROM washminute_data.outbox');

lane('breaker_failures = 1, max_attempts = 1');
$peer->mode('hook', { mode => 'status', status => 500, times => 1 });
$node->safe_psql('postgres', enqueue('hook'));
my @open = ([ 'warning', 'a destination of the worker fails and is left alone for a while: webhook: HTTP status 500', 'breaker' ]);
my @dead = ([ 'warning', 'the worker has given messages up: there are dead letters: webhook: 1', 'dead' ]);
finds($node, [ @open, @dead ], 'breaker: it is open, and there is a dead letter');
$node->safe_psql('postgres', enqueue('hook'));
finds($node, \@dead, 'breaker: it closes by itself when the destination answers again');
is_query($node, "SELECT washminute.retry_dead('webhook')", 1, 'dead letters: the remedy');
finds($node, [], 'dead letters: there are none');
lane('breaker_failures = 5, max_attempts = 16');

#
# No worker
#

# While there is no room for one more process.
$node->safe_psql('postgres', 'ALTER SYSTEM SET max_worker_processes = 0');
$node->restart;
finds($node, [ [ 'error', $no_worker . 'not running', 'no_worker' ] ], 'not running: there is no room for it');
$node->safe_psql('postgres', enqueue('hook'));
$node->safe_psql('postgres', sprintf($back, '1 hour'));
finds($node, [ [ 'error', $no_worker . 'not running', 'no_worker' ], @waiting ], 'not running: and a message waits');

# Another database is served.
$node->safe_psql('postgres', "ALTER SYSTEM RESET ALL; ALTER SYSTEM SET washminute.database = 'another'");
$node->restart;
finds($node, [ [ 'error', $no_worker . 'serving another database', 'no_worker' ], @waiting ], 'another database: it is served, not this one');

# Not preloaded.
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_cron'");
$node->safe_psql('postgres', 'ALTER SYSTEM RESET ALL');
$node->restart;
finds($node, [ [ 'error', $no_worker . 'not preloaded', 'no_worker' ], @waiting ], 'not preloaded: it says so');
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_cron,washminute'");
$node->restart;
outbox_empties($node, 'preloaded again, the worker delivers what waited');
finds($node, [], 'and nothing is wrong any more');
is($peer->stats('hook')->{doubled}, 1, 'but for the dead letter nothing was sent twice');

# A copy waits, and not for want of a worker.
$node->safe_psql('postgres', 'UPDATE washminute_data.instance SET database_oid = 1');
$node->restart;
worker_becomes($node, 'waiting: cloned', 'a copy is not served');
finds($node, [ [ 'warning', 'cloned: the data belongs to another cluster or database, so nothing is expired or sent from this one', 'cloned' ] ],
	'which is what it says');
$node->safe_psql('postgres', 'SELECT washminute.adopt()');
finds($node, [], 'until it is adopted');

$node->stop;
done_testing();
