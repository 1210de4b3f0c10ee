# A command that does not get its lock within washminute.lock_timeout fails with
# PT503 and leaves everything as it was; so whatever hangs does not pile up.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Washminute;

my $node = washminute_node('main', conf => "washminute.lock_timeout = '200ms'\n");

$node->safe_psql('postgres', <<'SQL');
SELECT washminute.set_clock('2030-01-07 12:00+00', 0);
SELECT washminute.upsert_user(c, 'customer') FROM unnest('{c1,c2}'::text[]) AS c;
SELECT washminute.upsert_user(w, 'washman'), washminute.report_location(w, -7.61, 33.59),
       washminute.set_washman_status(w, 'online')
  FROM unnest('{a,b}'::text[]) AS w;
CREATE TABLE requests AS
SELECT c AS customer_id, b.request_id
  FROM unnest('{c1,c2}'::text[]) AS c,
       LATERAL washminute.create_booking(c, '{complete}', -7.61, 33.59, 'Rue 1', 'cash') AS b;
SQL

# the rows of all tables, in one line
my $state = join(' || ', map { "(SELECT coalesce(md5(string_agg(t::text, ',' ORDER BY t::text)), '') FROM washminute_data.$_ AS t)" }
	  qw(orders washing_requests request_timers offers jobs accounts transfers events outbox idempotency_keys users washmen));
my $begin = 'SET default_transaction_isolation TO serializable';

sub request_of
{
	return "(SELECT request_id FROM requests WHERE customer_id = '$_[0]')";
}

sub times_out
{
	my ($sql, $name) = @_;
	my $before = $node->safe_psql('postgres', "SELECT $state");
	my $start = time;

	is_refused($node, "$begin; $sql", 'PT503', qr/^WM_LOCK_TIMEOUT$/, "$name times out");
	cmp_ok(time - $start, '>=', 0.2, "$name: it waited that long");
	is_query($node, "SELECT $state", $before, "$name: nothing was changed");
	return;
}

my $holder = $node->background_psql('postgres');
my $c1 = request_of('c1');
my $c2 = request_of('c2');
my $booking = "washminute.create_booking('c1', '{complete}', -7.61, 33.59, 'Rue 1', 'cash', idempotency_key => 'key')";

# one who has accepted c1's request but not yet committed holds it and himself
$holder->query_safe("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT status FROM washminute.accept_request($c1, 'a')");
times_out("SELECT washminute.accept_request($c1, 'b')", 'an acceptance of the same request');
times_out("SELECT washminute.accept_request($c2, 'a')", 'an acceptance by the same washman');
times_out("SELECT washminute.decline_request($c1, 'b')", 'declining the same request');
times_out("SELECT washminute.cancel_request($c1, 'c1')", 'a cancellation');
times_out("SELECT washminute.settle_balance('a', 1, 'paid in')", 'a payment to the same washman');
is_query($node, 'SELECT washminute.expire_due()', '0', 'expire_due() does not wait');

# a session's own lock_timeout is put by for that time, and comes back
is_refused($node, "SET lock_timeout TO '50ms'; SELECT washminute.settle_balance('a', 1, 'paid in')",
	'PT503', qr/^WM_LOCK_TIMEOUT$/, 'washminute.lock_timeout counts, not lock_timeout');
is( $node->safe_psql('postgres', <<'SQL'), "7s", 'lock_timeout is as before');
SET lock_timeout TO '7s';
DO $$
BEGIN
  PERFORM washminute.settle_balance('a', 1, 'paid in');
EXCEPTION WHEN SQLSTATE 'PT503' THEN
  NULL;
END $$;
SHOW lock_timeout;
SQL

$holder->query_safe('ROLLBACK');
is($node->safe_psql('postgres', "$begin; SELECT status FROM washminute.accept_request($c1, 'b')"),
	'accepted', 'once the lock is free the acceptance succeeds');

# the lock of an idempotency key
$holder->query_safe("BEGIN; SELECT status FROM $booking");
times_out("SELECT status FROM $booking", 'a booking with the same key');
$holder->query_safe('COMMIT');
is($node->safe_psql('postgres', "SELECT status FROM $booking"), 'pending',
	'once the first is committed the booking gets its answer');
is_query($node, 'SELECT count(*) FROM washminute_data.orders', 3, 'it had one effect');

# 0 waits for as long as it takes
$node->append_conf('postgresql.conf', "washminute.lock_timeout = 0\n");
$node->reload;
becomes($node, 'SHOW washminute.lock_timeout', '0', 'washminute.lock_timeout is 0');
$holder->query_safe("BEGIN; SELECT washminute.settle_balance('a', 5, 'paid in')");
my $patient = $node->background_psql('postgres');
$patient->query_safe("SET lock_timeout TO '7s'");
$patient->query_until(qr/^$/, "SELECT washminute.settle_balance('a', 6, 'paid in');\n\\echo done\n");
becomes($node, "SELECT count(*) FROM pg_locks WHERE NOT granted AND clock_timestamp() > waitstart + interval '1 s'",
	1, 'a wait goes on beyond any former limit');
$holder->query_safe('COMMIT');
becomes($node, "SELECT washminute.washman_balance('a')", '11.00', 'both payments are booked');
like($patient->query_safe('SHOW lock_timeout'), qr{^7s$}m, 'lock_timeout is as before the wait');
$patient->quit;
$holder->quit;

is_query($node, 'SELECT * FROM washminute.check_invariants()', '', 'the invariants hold');
$node->stop;
done_testing();
