# Reservations: each stage once, by the worker at its moment, by pg_cron without it, and
# by whoever calls at the same time, late or twice.

use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Expo;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use Washminute;

my $expo = Expo->start;
my $node = washminute_node('main', conf => $expo->conf . "washminute.run_timers = on\n");

# SQL, as one value.
sub sql
{
	my ($query) = @_;

	return $node->safe_psql('postgres', $query);
}

#
# The worker, at the moment
#

# a washman and a customer of each language
sql(<<'SQL');
SELECT washminute.set_clock('2027-03-01 10:30+00', 0);
SELECT washminute.upsert_user('c_' || l, 'customer', locale => l), washminute.register_push_token('c_' || l, 'ExponentPushToken[c_' || l || ']'),
       washminute.upsert_user('w_' || l, 'washman', locale => l), washminute.set_washman_status('w_' || l, 'online'),
       washminute.report_location('w_' || l, -7.61, 33.59), washminute.register_push_token('w_' || l, 'ExponentPushToken[w_' || l || ']')
  FROM unnest('{ar,fr,en}'::text[]) AS l;
SQL
my $reserved = sql("SELECT request_id FROM washminute.create_booking('c_fr', '{exterior}', -7.61, 33.59, 'Rue 1', 'cash', '2027-03-01 12:00+00')");
my $taken = sql("SELECT request_id FROM washminute.create_booking('c_ar', '{exterior}', -7.61, 33.59, 'Rue 1', 'cash', '2027-03-01 12:00+00')");
sql("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT FROM washminute.accept_request('$taken', 'w_en'); COMMIT");
sql("SELECT washminute.set_clock('2027-03-01 11:29+00', 60)");
becomes($node, "SELECT count(*) FROM washminute_data.reservation_stages WHERE outcome = 'told'", 4, 'the worker does what is due');
sql("SELECT washminute.set_clock('2027-03-01 11:59+00', 0)");
is_query($node, "SELECT count(*), count(*) FILTER (WHERE done_at BETWEEN due_at AND due_at + interval '2 minutes' OR done_at IS NULL)
		   FROM washminute_data.reservation_stages", '8|8', 'and soon after its time');

# What a device was told first of an event.
sub text_of
{
	my ($user, $event) = @_;
	my ($first) = grep { ($_->{data}{event} // '') eq $event } $expo->messages($expo->token($user));

	return $first->{body} // '';
}

within(30, sub { text_of('w_fr', 'upcomingReservation') }, 'a washman hears of it');
like(text_of('w_fr', 'upcomingReservation'), qr/^Un lavage prévu commence dans \d+ minutes, à 12:00$/, 'in French');
within(30, sub { text_of('w_ar', 'upcomingReservation') }, 'another one, too');
like(text_of('w_ar', 'upcomingReservation'), qr/^يبدأ غسيل مجدول خلال \x{2068}\d+\x{2069} دقيق/, 'in Arabic');
within(30, sub { text_of('w_en', 'reservationReminder') }, 'who has one is reminded');
like(text_of('w_en', 'reservationReminder'), qr/^Your job starts in \d+ minutes, at 12:00$/, 'in English');
within(30, sub { text_of('c_ar', 'reservationReminder') }, 'and so is his customer');
is(text_of('w_en', 'upcomingReservation'), '', 'who has another job then is not offered it');

#
# Moved or cancelled, while messages wait
#

sql('SELECT washminute.cancel_request(request_id, customer_id) FROM washminute_data.washing_requests');
sql("UPDATE washminute_data.lanes SET paused = true WHERE lane = 'push'");
my %waiting;
foreach my $fate ('stays', 'moved', 'cancelled')
{
	sql("SELECT washminute.set_clock('2027-03-01 15:00+00', 0); SELECT washminute.upsert_user('$fate', 'customer')");
	$waiting{$fate} = sql("SELECT request_id FROM washminute.create_booking('$fate', '{exterior}', -7.61, 33.59, '$fate', 'cash', '2027-03-01 16:00+00')");
}
sql("SELECT washminute.set_clock('2027-03-01 15:31+00', 0), washminute.report_location('w_ar', -7.61, 33.59), washminute.report_location('w_en', -7.61, 33.59)");
becomes($node, "SELECT count(DISTINCT data->>'requestId') FROM washminute_data.outbox WHERE event = 'upcomingReservation'", 3,
	'three are offered, and the messages wait');
sql("SELECT washminute.set_clock('2027-03-01 15:32+00', 0)");
sql("SELECT washminute.reschedule_request('$waiting{moved}', 'moved', '2027-03-01 17:00+00'), washminute.cancel_request('$waiting{cancelled}', 'cancelled')");
sql("SELECT washminute.notify_user('w_en', 'upcomingReservation', '{\"requestId\": \"anything\"}')");
sql("UPDATE washminute_data.lanes SET paused = false WHERE lane = 'push'");
becomes($node, "SELECT count(*) FROM washminute_data.outbox WHERE lane = 'push'", 0, 'they go');
my @told = map { $_->{data}{requestId} // '' } grep { ($_->{data}{event} // '') eq 'upcomingReservation' } map { $expo->messages($expo->token($_)) } 'w_en', 'w_fr', 'w_ar';
ok((grep { $_ eq $waiting{stays} } @told), 'one that stays as it was offered is told of');
ok(!(grep { $_ eq $waiting{moved} || $_ eq $waiting{cancelled} } @told), 'one that was moved or cancelled meanwhile is not');
ok((grep { $_ eq 'anything' } @told), 'whatever the data are');

#
# Stopped for long
#

sql('SELECT washminute.cancel_request(request_id, customer_id) FROM washminute_data.washing_requests WHERE status IN (\'pending\', \'accepted\')');
my $late = sql("SELECT washminute.set_clock('2027-03-02 10:00+00', 0)") . sql(
	"SELECT request_id FROM washminute.create_booking('c_fr', '{exterior}', -7.61, 33.59, 'Rue 1', 'cash', '2027-03-02 12:00+00')");
$node->stop;
$node->append_conf('postgresql.conf', "washminute.run_timers = off");
$node->start;
sql("SELECT washminute.set_clock('2027-03-02 11:56+00', 0), washminute.report_location('w_fr', -7.61, 33.59)");
is(sql('SELECT washminute.notify_due_reservations()'), 1, 'after a long stop the last offer is made');
is(sql("SELECT string_agg(stage || ' ' || outcome, ', ' ORDER BY stage) FROM washminute_data.reservation_stages WHERE request_id = '$late'"),
	'last_offer told, offer superseded, reminder not_needed, second_offer superseded', 'and no other');

#
# A simulated time, in which several call at once
#

$node->append_conf('postgresql.conf', "washminute.run_timers = on");
$node->reload;
sql('SELECT washminute.cancel_request(request_id, customer_id) FROM washminute_data.washing_requests WHERE status = \'pending\'');
sql("UPDATE washminute_data.washmen SET status = 'offline'");
$node->command_ok([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-v', 'ON_ERROR_STOP=1', '-f', "$FindBin::RealBin/../bench/reservations.sql" ],
	'the simulation is there');
sql('SELECT simulation.book(150, 10, 0.5)');
my $script = PostgreSQL::Test::Utils::tempdir . '/notify.sql';
append_to_file($script, "SELECT washminute.notify_due_reservations();\n");
my $callers = IPC::Run::start(
	[ 'pgbench', '-n', '-c', 2, '-T', 10000, '-R', 50, '-f', $script, $node->connstr('postgres') ], '>', \my $out, '2>', \my $err);
sql('CALL simulation.run(10)');
ok($callers->pumpable, 'others called all the time') or diag($err);
$callers->kill_kill;
sql('SELECT simulation.collect()');
is(sql('SELECT * FROM simulation.faults() WHERE count > 0'), '', 'each stage was done once, not early, and none was lost');
is(sql("SELECT count(*) > 0 FROM washminute_data.reservation_stages WHERE outcome = 'told'"), 't', 'of many somebody was told');
is(sql('SELECT * FROM washminute.check_invariants()'), '', 'the invariants hold');

$node->stop;
done_testing();
