# A herd of impatient customers: 16 pgbench clients book with idempotency keys
# that they repeat all the time.  Each key has one effect, and everybody gets
# its answer.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use Washminute;

my $CLIENTS = 16;
my $CALLS = 200;    # of each client
my $KEYS = 100;     # of each of the two customers

my $node = washminute_node('main', conf => "washminute.lock_timeout = '1min'\nlog_statement = none\n");

$node->safe_psql('postgres', one_wave() . <<'SQL');
SELECT washminute.set_clock('2030-01-07 12:00+00', 0);
SELECT washminute.upsert_user(c, 'customer') FROM unnest('{c0,c1}'::text[]) AS c;
SELECT washminute.upsert_user('w' || n, 'washman'), washminute.report_location('w' || n, -7.61, 33.59),
       washminute.set_washman_status('w' || n, 'online')
  FROM generate_series(1, 5) AS n;
CREATE TABLE answers (customer_id text, key text, answer text);
SQL

# The keys come in an order that all clients share, so that they often meet.
my $script = PostgreSQL::Test::Utils::tempdir . '/booking.sql';
append_to_file($script, <<"SQL");
\\set call :call + 1
\\set customer random(0, 1)
\\set key :call / 2 % $KEYS
INSERT INTO answers
SELECT 'c' || :customer, 'key' || :key, b::text
  FROM washminute.create_booking('c' || :customer, '{complete}', -7.61, 33.59, 'Rue ' || :key, 'cash',
                                 idempotency_key => 'key' || :key) AS b;
SQL
my ($out, $err) = ('', '');
$node->run_log(
	[
		'pgbench', '--no-vacuum', '--failures-detailed', '--max-tries=1', '-c', $CLIENTS, '-j', 2,
		'-t', $CALLS, '-D', 'call=0', '-f', $script, 'postgres'
	],
	'>', \$out, '2>', \$err);
is("$?|" . ($err =~ /abort/i ? 'aborted' : ''), '0|', 'no client gave up') or diag(substr($err, 0, 500));
note($out);

is_query($node, 'SELECT count(*) FROM answers', $CLIENTS * $CALLS, 'every call was answered');
my $keys = $node->safe_psql('postgres', 'SELECT count(DISTINCT (customer_id, key)) FROM answers');
cmp_ok($keys, '>=', $KEYS, 'many keys were used');
is_query($node, 'SELECT count(*) FROM (SELECT DISTINCT * FROM answers) AS a', $keys,
	'every key has one answer');
is_query($node,
	'SELECT (SELECT count(*) FROM washminute_data.orders), (SELECT count(*) FROM washminute_data.washing_requests),
	        (SELECT count(*) FROM washminute_data.idempotency_keys), (SELECT count(*) FROM washminute_data.offers)',
	join('|', $keys, $keys, $keys, 5 * $keys), 'and one effect');
is_query($node, 'SELECT * FROM washminute.check_invariants()', '', 'the invariants hold');

$node->stop;
done_testing();
