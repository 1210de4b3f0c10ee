# A hot standby reads and matches, refuses commands cleanly, and serves after its
# promotion.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Washminute;

my $primary = washminute_node('primary', init => { allows_streaming => 1 }, conf => 'log_statement = none');
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

fill_marketplace($primary);
$primary->safe_psql('postgres', booking('to be accepted', cash => ''));
$primary->safe_psql('postgres', 'SELECT washminute.flush_locations()');
$primary->wait_for_catchup($standby);

# reads
$standby->safe_psql('postgres', noon());
my $near = "SELECT washman_id, round(distance_m) FROM washminute.nearby_washmen(-7.61, 33.59)";
my $expected = $primary->safe_psql('postgres', $near);
like($expected, qr/^w1\|\d+\nw2\|/, 'the primary finds washmen');
is_query($standby, $near, $expected, 'the standby finds the same');
is_same(rows_of($standby), rows_of($primary), 'the standby has the same rows');
is_query($standby, "SELECT washminute.washman_balance('w5')", '0.00', 'a balance can be read');
is_query($standby, 'SELECT count(*) FROM washminute.check_invariants()', 0, 'the invariants can be checked');
is_query($standby, "SELECT count(*) > 1 FROM washminute_data.washing_requests AS r,
  washminute.request_history(r.request_id) WHERE r.address = 'completed in cash'", 't', 'a history can be read');
is_query($standby, "SELECT count(*) > 9 FROM washminute.missed_events('amina', 0)", 't', 'live events can be read that were missed');
is_query(
	$standby, qq{SET request.jwt.claims = '{"sub": "amina"}'; SET ROLE washminute_customer;
	  SELECT count(*) > 9 FROM washminute_api.orders}, 't', 'a customer reads her orders');
is_query($standby, "SELECT count(*) FROM washminute.doctor() WHERE finding LIKE 'cloned:%' OR finding LIKE 'an invariant%'",
	0, 'doctor() works, and takes it for no clone');
is_query($standby, "SELECT count(*) FROM washminute.doctor() WHERE finding LIKE 'versions%'", 0, 'the versions agree');

# Commands, none of which may crash the server or leave it half done.
my $id = $primary->safe_psql('postgres', "SELECT request_id FROM washminute_data.washing_requests WHERE address = 'to be accepted'");
my $order = $primary->safe_psql('postgres', "SELECT order_id FROM washminute_data.washing_requests WHERE address = 'unpaid'");
my %total = (unpaid => $primary->safe_psql('postgres', "SELECT total FROM washminute_data.orders WHERE order_id = '$order'"));
my %commands = (
	upsert_user => "upsert_user('new', 'customer')",
	report_location => "report_location('w9', -7.6, 33.59)",
	report_locations => "report_locations('{w9}', '{-7.6}', '{33.59}')",
	set_washman_status => "set_washman_status('w9', 'offline')",
	create_booking => "create_booking('amina', '{complete}', -7.61, 33.59, 'here', 'cash', NULL, 'key')",
	decline_request => "decline_request('$id', 'w9')",
	cancel_request => "cancel_request('$id', 'amina')",
	record_payment => "record_payment('$order', $total{unpaid}, 'x')",
	emit => "emit('user-amina', 'x')",
	enqueue => "enqueue('push', 'x', recipient_id => 'amina')",
	settle_balance => "settle_balance('w9', 1, 'x')",
	setup => 'setup()',
	adopt => 'adopt()');

foreach my $command (sort keys %commands)
{
	is_refused($standby, "SELECT * FROM washminute.$commands{$command}", '25006', undef, "$command fails cleanly");
}
is_refused($standby, "SELECT * FROM washminute.accept_request('$id', 'w9')", 'PT500', qr/^WM_NOT_SERIALIZABLE/,
	'accept_request has no serializable transaction to run in');
is_refused($standby, "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT * FROM washminute.accept_request('$id', 'w9')", '0A000', undef,
	'since a standby has none');
$standby->safe_psql('postgres', noon('1 hour'));
is_refused($standby, 'SELECT washminute.run_due()', '25006', undef, 'run_due fails cleanly where something is due');
$standby->safe_psql('postgres', noon());

# promotion, with sessions that go on
my $session = $standby->background_psql('postgres');
is($session->query_safe($near), $expected, 'an open session matches');
$primary->stop;
$standby->promote;
$session->query_safe(people(9) . noon() =~ s/\n/ /gr);
is($session->query_safe($near), $expected, 'it matches after the promotion');
$session->quit;
$standby->safe_psql('postgres', <<"SQL");
BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT FROM washminute.accept_request('$id', 'w9'); COMMIT;
SQL
$standby->safe_psql('postgres', booking('new', cash => 'w8', qw(accepted en_route arrived in_progress completed)));
is_query($standby, "SELECT address, status FROM washminute_data.washing_requests
  WHERE address IN ('new', 'to be accepted') ORDER BY 1", "new|completed\nto be accepted|accepted",
	'every command works after the promotion');
$standby->safe_psql('postgres', noon('1 hour'));
is_query($standby, 'SELECT washminute.run_due() > 0', 't', 'what is due expires');
is_query($standby, 'SELECT count(*) FROM washminute.check_invariants()', 0, 'the data are sound');

done_testing();
