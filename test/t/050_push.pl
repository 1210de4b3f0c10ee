# Push messages get to those whom they concern, on all their devices, in their language;
# many in a request where there are many, no faster than Expo allows, and none that is of
# no more use.  What a doubled one is known by, and that no token gets into the log.

use strict;
use warnings;
use utf8;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Expo;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Washminute;

my $folder = PostgreSQL::Test::Utils::tempdir;
my $expo = Expo->start;
my $node = washminute_node('main', conf => $expo->conf . "log_statement = none\nwashminute.log_commands = on\n");

sub sql
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', $sql);
}

sub lane
{
	my ($columns) = @_;

	sql("UPDATE washminute_data.lanes SET $columns WHERE lane = 'push'");
	# the worker hears of it after the commit
	becomes($node, "SELECT state FROM washminute.worker_status() WHERE lane = 'push'", 'paused', 'the lane is paused')
	  if $columns eq 'paused = true';
	return;
}

# Change a setting of the server.
sub setting
{
	my ($name, $value) = @_;

	$node->append_conf('postgresql.conf', "$name = '$value'\n");
	$node->reload;
	becomes($node, "SHOW $name", $value, "$name is '$value' now");
	return;
}

# A test: nothing waits to be sent, or will before the time is over.
sub all_are_sent
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return becomes($node, "SELECT count(*) FROM washminute_data.outbox WHERE lane = 'push'", 0, $name);
}

# A test: what was sent is exactly this, a list of "TOKEN'S TEXT: TITLE | BODY"; it is
# forgotten then.
sub are_told
{
	my ($expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	all_are_sent("$name: all is sent");
	my @got = map { ($_->{to} =~ /\[(.*)\]/)[0] . ": $_->{title} | $_->{body}" } $expo->messages;
	is_deeply([ sort @got ], [ sort @$expected ], "$name: those whom it concerns are told, and nobody else");
	my @messages = $expo->messages;
	$expo->anew;
	return @messages;
}

#
# The life of a request, as customer and washmen hear of it
#

# amina and w1 read English, w2 French, w3 Arabic; w4 has no device, w5 will decline
my %locale = (amina => 'en', w1 => 'en', w2 => 'fr', w3 => 'ar', w5 => 'en', zineb => 'en');

sql(noon() . people(5) . device('outsider', $expo->token('outsider')));
sql("UPDATE washminute_data.service_zones SET offer_policy = 'broadcast'");	# the clock stands still
foreach my $user (sort keys %locale)
{
	sql("SELECT washminute.register_push_token('$user', '${\$expo->token($user)}');
	  UPDATE washminute_data.users SET locale = '$locale{$user}' WHERE user_id = '$user'");
}

# Book for amina; the ids of request and order.
sub book
{
	return split(/\|/, sql("SELECT request_id, order_id FROM washminute.create_booking('amina', '{exterior}', -7.61, 33.59, 'Rue 1', 'cash')"));
}

sub act
{
	my ($call) = @_;

	sql("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT FROM washminute.$call; COMMIT;");
	return;
}

my @offered = (
	'w1: New Washing Request | New request from Amina nearby',
	'w2: Nouvelle demande de lavage | Nouvelle demande de Amina près de vous',
	"w3: طلب غسيل جديد | طلب جديد من \x{2068}Amina\x{2069} بالقرب منك",
	'w5: New Washing Request | New request from Amina nearby');
my $booked = "amina: Booking Confirmed | We're finding a washman near you";
my ($request, $order) = book();
my @messages = are_told([ $booked, @offered ], 'a booking');

foreach my $message (@messages)
{
	my $event = $message->{to} =~ /amina/ ? 'bookingConfirmed' : 'newWashingRequest';

	is(join(' ', map { $message->{data}{$_} } qw(event requestId orderId)), "$event $request $order",
		"$message->{to}: the app learns of which event, request and order");
	like($message->{collapseId}, qr/^wm-\d+$/, "$message->{to}: it has a collapse id");
	is($message->{tag}, $message->{collapseId}, "$message->{to}: and the same as tag, for Android");
}
is(scalar(keys %{ { map { $_->{collapseId} => 1 } @messages } }), 5, 'each message has a collapse id of its own');
is(join(' ', sort { $a <=> $b } map { $_->{ttl} } @messages), '600 600 600 600 3600', 'an offer lives as long as it can be accepted');

act("decline_request('$request', 'w5')");
act("accept_request('$request', 'w1')");
@messages = are_told([
		'amina: Washman Assigned | A washman has accepted your request',
		'w1: The Job Is Yours | You have accepted the request',
		"w2: Demande indisponible | Cette demande n'est plus disponible",
		'w3: الطلب لم يعد متاحا | لم يعد هذا الطلب متاحا'
	], 'an acceptance');
is(join(' ', sort map { ($_->{to} =~ /\[(.*)\]/)[0] . '=' . ($_->{data}{washmanId} // 'nobody') } @messages), 'amina=w1 w1=w1 w2=nobody w3=nobody',
	'who has got the job the others do not learn');

my %step = (
	en_route => 'On the Way | Your washman is on the way',
	arrived => 'Washman Arrived | Your washman has arrived',
	in_progress => 'Wash Started | The washing of your car has begun',
	completed => 'Wash Completed | Your car is clean. Thank you!');
foreach my $status (qw(en_route arrived in_progress completed))
{
	act("advance_request('$request', 'w1', '$status')");
	are_told([ "amina: $step{$status}" ], $status);
}

($request) = book();
act("accept_request('$request', 'w5')");
all_are_sent('another request is accepted');
ok((grep { $_->{to} =~ /w1/ && $_->{title} eq 'Request No Longer Available' && $_->{body} eq 'The request is no longer available' } $expo->messages),
	'who was offered it too is told that in English');
$expo->anew;
act("cancel_request('$request', 'amina')");
are_told([ 'w5: Job Cancelled | The job was cancelled' ], 'a cancellation by the customer');

($request) = book();
act("accept_request('$request', 'w3')");
all_are_sent('another request is accepted');
$expo->anew;
act("cancel_request('$request', 'zineb')");
are_told([ 'amina: Request Cancelled | Your request was cancelled', 'w3: تم إلغاء المهمة | تم إلغاء المهمة' ],
	'a cancellation by an administrator');

($request) = book();
are_told([ $booked, @offered ], 'a last booking');
sql(noon('11 minutes') . 'SELECT washminute.expire_due()');
are_told([ 'amina: No Washman Found | We could not find a washman this time' ], 'an expiry');

# it was given back, and offered again, before anybody was told that it is gone
sql(noon());
($request) = book();
are_told([ $booked, @offered ], 'a booking to be given back');
lane('paused = true');
act("accept_request('$request', 'w2')");
act("advance_request('$request', 'w2', 'pending')");
lane('paused = false');
are_told([
		'amina: Washman Assigned | A washman has accepted your request', 'w2: La mission est à vous | Vous avez accepté la demande',
		'amina: Finding Another Washman | Your washman could not come, and we are finding another one', grep { !/^w2/ } @offered
	], 'a request given back');
act("cancel_request('$request', 'amina')");
are_told([
		'w1: Request No Longer Available | The request is no longer available',
		"w3: الطلب لم يعد متاحا | لم يعد هذا الطلب متاحا",
		'w5: Request No Longer Available | The request is no longer available'
	], 'a cancellation before anybody has accepted');

#
# Every text there is, for people of every kind and language
#

sql(<<'SQL');
SELECT washminute.upsert_user(audience || '-' || locale, audience, locale => locale),
       washminute.register_push_token(audience || '-' || locale, 'ExponentPushToken[' || audience || '-' || locale || ']')
  FROM unnest(ARRAY['customer', 'washman']) AS audience, unnest(ARRAY['ar', 'fr', 'en']) AS locale;
SELECT washminute.notify_user(audience || '-' || locale, event, '{"minutes": 30, "startsAt": "2027-03-04T09:05"}') FROM washminute_data.push_templates;
SQL
all_are_sent('a message of each template is sent');

my $templates = decode_json(sql(q{SELECT json_agg(t) FROM (SELECT *, washminute.fill_text(body, locale, '{"minutes": 30, "startsAt": "2027-03-04T09:05"}') AS filled
  FROM washminute_data.push_templates) AS t}));
my %sent = map { ($_->{to} =~ /\[(.*)\]/)[0] . " $_->{data}{event}" => $_ } $expo->messages;
is(scalar($expo->messages), scalar(@$templates), 'no more and no less');
cmp_ok(scalar(@$templates), '>=', 45, 'there are templates');
foreach my $template (@$templates)
{
	my $name = "$template->{audience}-$template->{locale} $template->{event}";
	my $message = $sent{$name} // {};
	my %members = (title => 'title', body => 'filled', priority => 'priority', ttl => 'ttl_seconds',
		channelId => 'channel_id', interruptionLevel => 'interruption_level');

	is_deeply({ map { $_ => $message->{$_} } keys %members }, { map { $_ => $template->{ $members{$_} } } keys %members }, "$name: as the template has it");
}
is($sent{'customer-en bookingConfirmed'}{sound}, 'default', 'it can be heard');
is($sent{'washman-en upcomingReservation'}{body}, 'A scheduled wash starts in 30 minutes, at 09:05', 'of a reservation too');
$expo->anew;

# texts are looked up when they are sent, and placeholders filled with what data has
lane('paused = true');
sql(q~SELECT washminute.notify_user('customer-en', 'own', '{"customerName": "A \"quoted\" {name|x}\\n", "n": 1.50, "event": "fake"}');
  SELECT washminute.notify_user('customer-ar', 'own');
  INSERT INTO washminute_data.push_templates (event, audience, locale, title, body, ttl_seconds)
  VALUES ('own', 'customer', 'en', 'T {customerName|nobody}', '{n|none} {missing|words} {missing} {open', 7),
         ('own', 'customer', 'fr', 'En français', '{', 8)~);
lane('paused = false');
my ($own) = grep { $_->{ttl} == 7 } @messages = are_told([
		"customer-en: T A \"quoted\" {name|x}\n | 1.50 words  {open", 'customer-ar: En français | {'
	], 'a template of one\'s own, and French for who has none in his language');
is($own->{data}{n}, 1.5, 'data reaches the app');
is($own->{data}{event}, 'own', 'which is told the true event');

#
# Devices
#

sql(device('two', $expo->token('two-1'), $expo->token('two-2')) . device('none') . device('away', $expo->token('away')));
sql("SELECT washminute.unregister_push_token('${\$expo->token('away')}')");
my $start = log_position($node);
sql(notify(qw(none two away)));
@messages = are_told([ 'two-1: To two | Hello', 'two-2: To two | Hello' ], 'two devices, none, and one that was unregistered');
isnt($messages[0]{collapseId}, $messages[1]{collapseId}, 'each device has a message of its own');
is(count_in_log($node, qr/washminute worker: (?:dead|attempt)/, $start), 0, 'that there is no device is no failure');

# one that says nothing, which is known before anything is sent
$start = log_position($node);
my $before = $node->safe_psql('postgres', "SELECT failed FROM washminute.worker_status() WHERE lane = 'push'");
sql("SELECT washminute.register_push_token('none', '${\$expo->token('none')}'); SELECT washminute.notify_user('none', 'noSuchEvent', '{\"title\": \"but no body\"}')");
becomes($node, "SELECT last_error FROM washminute_data.outbox WHERE state = 'dead'", 'no template for event noSuchEvent', 'a message without a text is a dead letter');
log_shows($node, qr/WARNING:  washminute worker: dead letter lane=push id=\d+ attempt=1 error="no template for event noSuchEvent"$/m, $start, 'which the log says');
is_query($node, "SELECT failed - $before || ' ' || last_error FROM washminute.worker_status() WHERE lane = 'push'", '1 no template for event noSuchEvent', 'and worker_status');
sql("DELETE FROM washminute_data.outbox WHERE state = 'dead'");

# a device changes hands while a message for its old owner waits for its next attempt
sql(device('old', $expo->token('moving'), $expo->token('staying')) . device('new'));
$expo->anew({ mode => 'status' });
sql(notify('old'));
becomes($node, "SELECT count(*) FROM washminute_data.outbox WHERE token IS NOT NULL AND last_error = 'HTTP status 500'", 2, 'messages to two devices wait');
sql("SELECT washminute.register_push_token('new', '${\$expo->token('moving')}')");
becomes($node, "SELECT token FROM washminute_data.outbox WHERE lane = 'push'", $expo->token('staying'), 'what waits for a device goes when that moves');
# between forgetting and recording again the fake would not know of what it is sent
lane('paused = true');
$expo->anew;
sql(notify('new'));
lane('paused = false');
are_told([ 'staying: To old | Hello', 'moving: To new | Hello' ], 'a device that moved');

# or before anybody has looked whose devices there are
lane('paused = true');
sql(notify('new'));
sql("SELECT washminute.register_push_token('old', '${\$expo->token('moving')}')");
lane('paused = false');
are_told([], 'a device that moved before');

#
# Many in a request
#

sql(q{SELECT washminute.upsert_user('crowd-' || n, 'customer', locale => 'en'),
    washminute.register_push_token('crowd-' || n, 'ExponentPushToken[crowd-' || n || ']')
  FROM generate_series(1, 1500) AS n});

# SQL that notifies so many of them at once.
sub notify_crowd
{
	my ($count) = @_;

	return q{SELECT count(washminute.notify_user('crowd-' || n, 'test', '{"title": "Hello", "body": "All"}'))}
	  . " FROM generate_series(1, $count) AS n;";
}

lane('concurrency = 1');
$expo->anew({ mode => 'hold', times => 1 });
sql(notify('two'));
$expo->becomes(open => 1, 'the only connection is busy');
sql(notify_crowd(250));
is($expo->counts->{requests}, 1, 'and there is no other');
$expo->release;
all_are_sent('250 messages wait, and are sent');
my $counts = $expo->counts;
is_deeply($counts->{batches}, { 2 => 1, 100 => 2, 50 => 1 }, 'a hundred in a request');
is($counts->{gzip}, 3, 'a long body is compressed, a short one is not');
is("$counts->{distinct} $counts->{doubled}", '252 0', 'each arrives once');
is_query($node, "SELECT count(DISTINCT t->>'id') FROM washminute_data.outbox, jsonb_array_elements(data->'tickets') AS t
  WHERE lane = 'push_receipt' AND t->>'token' LIKE '%crowd-%'", 250, 'and its ticket is kept');
lane('concurrency = 6');

#
# An answer that is lost
#

# libcurl itself sends a request again on a kept connection that is reset; after a 504 we do
foreach my $mode (qw(reset gateway_timeout))
{
	$expo->anew({ mode => $mode, times => 1 });
	sql(notify('two'));
	all_are_sent("$mode: messages whose answer was lost are sent again");
	$counts = $expo->counts;
	is("$counts->{accepted} $counts->{distinct} $counts->{doubled}", '4 2 2', "$mode: each device got it doubled, with the same collapse id, and shows it once");

	my ($first, @more) = $expo->messages($expo->token('two-1'));
	is_deeply({ %$_, at => 0 }, { %$first, at => 0 }, "$mode: it is the same message") foreach @more;
}

#
# Messages that are of no more use
#

$expo->anew;
$start = log_position($node);
my $enqueue = q{SELECT washminute.enqueue('push', 'test', '{"title": "Hello", "body": "%s"}', 'two',
  expires_at => washminute.now() + '%s');};
sql(sprintf($enqueue, 'late', '0') . sprintf($enqueue, 'soon', '90 seconds') . sprintf($enqueue, 'much later', '1 day'));
all_are_sent('messages with a deadline are sent or dropped');
is(join(', ', sort map { "$_->{body} $_->{ttl}" } $expo->messages), 'much later 3600, much later 3600, soon 90, soon 90',
	'one past its deadline is dropped, another lives no longer than that');
log_shows($node, qr/LOG:  washminute worker: expired lane=push id=\d+$/m, $start, 'which the log says');

$expo->anew({ mode => 'status' });
lane('backoff_limit_seconds = 1');
sql(sprintf($enqueue, 'tried', '90 seconds'));
becomes($node, "SELECT count(*) > 0 FROM washminute_data.outbox WHERE lane = 'push' AND last_error = 'HTTP status 500'", 't', 'a message cannot be sent at once');
sql(noon('30 minutes'));
all_are_sent('and is dropped when its deadline passes between attempts');
is($expo->counts->{accepted}, 0, 'nobody got it');

#
# The access token
#

my $access_token = 'a-secret-access-token_' . int(rand(1e9));
my $token_file = "$folder/access_token";
my $state = "SELECT state FROM washminute.worker_status() WHERE lane = 'push'";
append_to_file($token_file, "$access_token\n");
chmod 0644, $token_file;
$expo->anew({ access_token => $access_token });
setting('washminute.expo_access_token_file', $token_file);
becomes($node, $state, qq{washminute.expo_access_token_file "$token_file" can be read by others: its mode must be 0600}, 'a file that others can read holds the lane');
sql(notify('two'));
like(sql('SELECT finding FROM washminute.doctor()'), qr/\Qwashminute.expo_access_token_file "$token_file" can be read by others\E/, 'doctor says so');
is($expo->counts->{requests}, 0, 'nothing is sent meanwhile');
chmod 0600, $token_file;
$node->reload;
all_are_sent('with a good file the messages are sent');
is($expo->counts->{accepted}, 2, 'by the access token that Expo asks for');

foreach my $clear ('http://127.0.0.1.example.invalid/push', 'http://localhost:80@expo.example.invalid/push', 'http://expo.example.invalid/push')
{
	setting('washminute.expo_url', 'https://expo.example.invalid/push');
	becomes($node, $state, 'running', 'by TLS the access token may go anywhere');
	setting('washminute.expo_url', $clear);
	becomes($node, $state, 'washminute.expo_url must be https, or http to this machine', "in clear to nobody but this machine, so not to $clear");
}
$node->append_conf('postgresql.conf', $expo->conf);
setting('washminute.expo_access_token_file', '');

#
# No faster than Expo allows
#

# The fake counts when it comes to it, which on a busy machine may be late: of a few
# rounds one must do.
setting('washminute.expo_rate_limit', 500);
my $began;
foreach my $round (1 .. 5)
{
	$expo->anew({ limit => 600 });
	$began = time;
	sql(notify_crowd(1500));
	all_are_sent("1500 messages at once are sent, round $round");
	cmp_ok(time - $began, '>', 2.5, 'over some seconds');
	$counts = $expo->counts;
	is("$counts->{distinct} $counts->{doubled}", '1500 0', 'each arrives exactly once');
	last if $counts->{peakPerSecond} <= 600;
}
cmp_ok($counts->{peakPerSecond}, '<=', 600, 'never more than 600 in a second');
is($counts->{recipients}, 1500, 'none was refused');

# connections are few, so that each must take many messages when Expo takes its time
$expo->anew({ limit => 600, mode => 'delay', ms => 400 });
$began = time;
sql(notify_crowd(300));
all_are_sent('300 messages are sent although each answer takes 0.4 s');
cmp_ok(time - $began, '<', 3, 'nearly as fast as the limit allows') or diag(sprintf('%.1f s', time - $began));
is(join(' ', map { $expo->counts->{$_} } qw(distinct doubled)), '300 0', 'each exactly once');

#
# Secrets
#

sql("SELECT washminute.register_push_token('two', '${\$expo->token('a-token')}', 'ios')");
is_refused($node, "SELECT washminute.register_push_token('two', '${\$expo->token('refused')}', 'windows')", 'PT400', qr/^WM_ARGUMENT/, 'a registration is refused');
is_refused($node, "SELECT washminute.register_push_token('nobody', '${\$expo->token('refused')}')", 'PT404', qr/^WM_USER_NOT_FOUND/, 'so is another');
is_refused($node, "SELECT washminute.register_push_token('two', '${\$expo->token('refused')}x')", 'PT400', qr/^WM_ARGUMENT/, 'and a third');
log_shows($node, qr/command=register_push_token actor="nobody" code=PT404/, undef, 'the log has the command');
my $secret = qr/PushToken\[\w|\Q$access_token\E/;
my @bad = grep { /$secret|PANIC|TRAP|was terminated by signal|state="failing/ } split(/\n/, log_since($node));
is(scalar(@bad), 0, 'no token got into the log, and the worker never failed') or diag(join("\n", @bad[0 .. ($#bad < 5 ? $#bad : 5)]));
unlike(sql('SELECT * FROM washminute.worker_status(); SELECT setting FROM pg_settings; SELECT finding FROM washminute.doctor();
  SELECT query FROM pg_stat_activity WHERE pid <> pg_backend_pid()'), $secret, 'nor into what is shown');
is_query($node, 'SELECT count(*) FROM washminute.check_invariants()', 0, 'the invariants hold');

$node->stop;
done_testing();
