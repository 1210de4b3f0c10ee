# Everything at once: positions, one by one and many in a call, washmen who come and
# leave, with savepoints and rollbacks, are suspended and deleted, matching, flushes
# and loads.  The index is whole all the time, and in the end the same as the tables.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Washminute;

my $seconds = 12;
my $washmen = 300;

# there is a slot for each, so one that is lost makes itself felt
my $node = washminute_node('main', conf => <<"EOC");
washminute.location_flush_interval = 200ms
washminute.max_live_washmen = 330
max_connections = 60
deadlock_timeout = 100ms
log_statement = none
autovacuum = off
EOC

my %scripts = (
	ping => <<'SQL',
\set i random(1, 300)
SELECT washminute.report_location('w:i', 10 + random() * 0.02, 10 + random() * 0.02, 5);
SQL
	# with some whom there is not, and twice the same
	pings => <<'SQL',
\set i random(1, 280)
SELECT washminute.report_locations(array_agg('w' || j), array_agg(10 + random() * 0.02), array_agg(10 + random() * 0.02))
  FROM (SELECT j FROM generate_series(:i, :i + 30) AS j UNION ALL SELECT :i) AS s;
SQL
	# who is not suspended, and locked before the call: a SELECT locks what it has evaluated
	turn => <<'SQL',
\set i random(1, 300)
WITH w AS MATERIALIZED (SELECT FROM washminute_data.washmen WHERE washman_id = 'w:i' AND suspended_at IS NULL FOR NO KEY UPDATE)
SELECT washminute.set_washman_status('w:i', CASE WHEN random() < 0.6 THEN 'online' ELSE 'offline' END) FROM w;
SQL
	# in the order of the ids, so that none waits for another in a circle
	savepoints => <<'SQL',
\set i random(100, 190)
\set j :i + 1
\set k :i + 2
BEGIN;
WITH w AS MATERIALIZED (SELECT FROM washminute_data.washmen WHERE washman_id = 'w:i' AND suspended_at IS NULL FOR NO KEY UPDATE)
SELECT washminute.set_washman_status('w:i', 'online') FROM w;
SAVEPOINT a;
UPDATE washminute_data.washmen SET status = 'offline' WHERE washman_id = 'w:j';
SELECT washminute.report_location('w:i', 10.01, 10.01);
SAVEPOINT b;
UPDATE washminute_data.washmen SET status = 'online' WHERE washman_id = 'w:k';
SELECT count(*) FROM washminute.nearby_washmen(10.01, 10.01);
ROLLBACK TO b;
SELECT count(*) FROM washminute.nearby_washmen(10.01, 10.01);
ROLLBACK TO a;
COMMIT;
SQL
	rollback => <<'SQL',
\set i random(1, 300)
BEGIN;
UPDATE washminute_data.washmen SET status = CASE status WHEN 'online' THEN 'offline' ELSE 'online' END WHERE washman_id = 'w:i';
SELECT washminute.report_location('w:i', 10 + random() * 0.02, 10 + random() * 0.02);
ROLLBACK;
SQL
	suspend => <<'SQL',
\set i random(1, 300)
UPDATE washminute_data.washmen SET suspended_at = CASE WHEN suspended_at IS NULL AND random() < 0.4 THEN now() END WHERE washman_id = 'w:i';
SQL
	# who has left comes back with the position that the table has
	delete => <<'SQL',
\set i random(301, 330)
DELETE FROM washminute_data.washmen WHERE washman_id = 'w:i';
INSERT INTO washminute_data.washmen VALUES ('w:i', CASE WHEN random() < 0.3 THEN 'online' ELSE 'offline' END, now()) ON CONFLICT DO NOTHING;
SELECT washminute.report_locations('{w:i}', '{10}', '{10}');
SQL
	match => <<'SQL',
SELECT count(*) FROM washminute.nearby_washmen(10 + random() * 0.02, 10 + random() * 0.02, max_results => 1 + (random() * 100)::integer);
SQL
	flush => "SELECT washminute.flush_locations();\n",
	load => "SELECT pg_reload_conf(), pg_sleep(0.3);\n",
	look => "SELECT count(*) FROM washminute.live_washmen(); SELECT count(*) FROM washminute.live_status();\n");
my %clients = (ping => 3, pings => 2, turn => 3, savepoints => 3, rollback => 2, suspend => 1, delete => 2, match => 2);
my @herds;

becomes_true($node, 'SELECT answers FROM washminute.live_status()', 'the index answers');
$node->safe_psql('postgres', <<"SQL");
SELECT count(washminute.upsert_user('w' || i, 'washman')) FROM generate_series(1, $washmen) AS i;
SELECT count(washminute.set_washman_status('w' || i, 'online')) FROM generate_series(1, $washmen, 2) AS i;
SELECT count(washminute.report_location('w' || i, 10 + random() * 0.02, 10 + random() * 0.02)) FROM generate_series(1, $washmen) AS i;
SELECT count(washminute.upsert_user('w' || i, 'customer')) FROM generate_series(301, 330) AS i;
SQL

foreach my $name (sort keys %scripts)
{
	my $file = "$PostgreSQL::Test::Utils::tmp_check/$name.sql";
	my $herd = { name => $name, stdout => '', stderr => '' };

	append_to_file($file, $scripts{$name});
	$herd->{run} = IPC::Run::start(
		[ 'pgbench', '-n', '-c', $clients{$name} // 1, '-T', $seconds, '--random-seed=1', '-f', $file, $node->connstr('postgres') ],
		'>', \$herd->{stdout}, '2>', \$herd->{stderr}, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	push @herds, $herd;
}

# meanwhile
my $position = log_position($node);
my $end = time() + $seconds;
my ($checks, $broken) = (0, '');
my $checker = $node->background_psql('postgres', on_error_stop => 0);
while (time() < $end && $broken eq '')
{
	$checker->query('SELECT washminute._check_live_index()');
	$broken = join('', grep { /ERROR|DETAIL|FATAL/ } split(/^/m, $checker->{stderr}));
	$checker->{stderr} = '';
	$checks++;
}
is($broken, '', 'the index is whole all the time');
cmp_ok($checks, '>', 10, "which was looked at $checks times");
eval { $checker->quit };

foreach my $herd (@herds)
{
	my ($count) = $herd->{run}->finish && $herd->{stdout} =~ /actually processed: (\d+)/;

	is(join("\n", grep { /ERROR/ } split(/\n/, $herd->{stderr})), '', "$herd->{name}: no errors");
	cmp_ok($count // 0, '>', 0, "$herd->{name}: something was done, $count times");
}

#
# In the end
#

$node->safe_psql('postgres', 'SELECT washminute.flush_locations()');
my $index = 'SELECT washman_id, longitude, latitude, located_at FROM washminute.live_washmen() ORDER BY washman_id COLLATE "C"';
my $table = <<'SQL';
SELECT w.washman_id, ST_X(p.last_location::geometry), ST_Y(p.last_location::geometry), p.last_location_updated_at
  FROM washminute_data.washmen AS w LEFT JOIN washminute_data.washman_positions AS p USING (washman_id)
 WHERE w.status = 'online' AND w.suspended_at IS NULL ORDER BY w.washman_id COLLATE "C"
SQL
is_query($node, 'SELECT washminute._check_live_index()', '', 'the index is whole');
is_query($node, 'SELECT count(*) > 20 FROM washminute.live_washmen()', 't', 'some are online');
is_same($node->safe_psql('postgres', $index), $node->safe_psql('postgres', $table), 'the index holds what the tables have');
is_query($node, 'SELECT held = online FROM washminute.live_status()', 't', 'nobody else has a slot');
my $near = 'SELECT washman_id, distance_m, located_at FROM washminute.nearby_washmen(10.01, 10.01, max_results => 1000)';
my $matched = $node->safe_psql('postgres', $near);
unlike(log_since($node, $position), qr/terminated by signal|PANIC|TRAP/, 'nothing has crashed');

# a worker and a server that know nothing of all that come to the same
$node->restart;
becomes_true($node, 'SELECT answers FROM washminute.live_status()', 'the index answers after a start');
is_same($node->safe_psql('postgres', $index), $node->safe_psql('postgres', $table), 'it holds what the tables have');
is_query($node, $near, $matched, 'and matches as before');
is_query($node, 'SELECT washminute._check_live_index()', '', 'and is whole');

done_testing();
