# Listeners: webhooks are signed as Standard Webhooks has it, with a key of mode
# 0600; who hears of which events is a row in a table, which the owner alone
# writes; the settings of a lane, and the times of a message, are kept to.

use strict;
use warnings;
use Digest::SHA qw(hmac_sha256);
use Encode qw(encode_utf8);
use FindBin;
use lib "$FindBin::RealBin/lib";
use JSON::PP;
use MIME::Base64;
use Peer;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Washminute;

my $folder = PostgreSQL::Test::Utils::tempdir;
my $good_key = slurp_file(signing_key());
my $key_file = "$folder/key";
my $node = washminute_node('main', conf => <<"CONF");
washminute.signing_key_file = '$key_file'
washminute.http_timeout = '30s'
log_statement = none
CONF
my $peer = Peer->start;
my $json = JSON::PP->new->canonical;	# of bytes, as psql gives them

# A listener at the peer, which keeps what comes; its answers are all well unless told.
sub hook
{
	my ($name, %option) = @_;

	$peer->mode($name, @{ $option{steps} // [] }, { mode => 'ok', record => JSON::PP::true });
	listener($node, $name, $peer->url($name), event => $option{event} // 'nothing', lane => $option{lane});
	return;
}

sub sql
{
	my ($sql) = @_;

	return $node->safe_psql('postgres', $sql);
}

sub lane
{
	my ($columns, $lane) = @_;

	sql("UPDATE washminute_data.lanes SET $columns WHERE lane = '" . ($lane // 'webhook') . "'");
	return;
}

sub is_empty
{
	my ($listener, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return becomes($node, "SELECT count(*) FROM washminute_data.outbox WHERE listener = '$listener'", 0, $name);
}

# What came to a name: the n of the messages of enqueue(), in the order of arrival.
sub numbers
{
	my ($name) = @_;

	return join(' ', map { $json->decode(encode_utf8($_->{body}))->{data}{n} } @{ $peer->requests($name) });
}

# The key of a listener's signatures, as its receiver has it.
sub secret_of
{
	my ($listener) = @_;

	return decode_base64(sql("SELECT washminute.webhook_secret('$listener')") =~ s/^whsec_//r);
}

# The signature that a request should bear.
sub signature
{
	my ($request, $secret) = @_;

	return 'v1,' . encode_base64(hmac_sha256("$request->{id}.$request->{timestamp}." . encode_utf8($request->{body}), $secret), '');
}

#
# The key file
#

sub write_key
{
	my ($content, $mode) = @_;

	unlink $key_file;
	append_to_file($key_file, $content);
	chmod $mode, $key_file;
	return;
}

hook('keyed');
sql(enqueue('keyed'));
my $path = quotemeta($key_file);
my @broken = (
	[ 'is missing', sub { }, qr/^"$path" cannot be opened: No such file or directory$/ ],
	[ 'can be read by all', sub { write_key($good_key, 0644) }, qr/^"$path" can be read by others: its mode must be 0600$/ ],
	[ 'can be read by its group', sub { write_key($good_key, 0640) }, qr/^"$path" can be read by others: its mode must be 0600$/ ],
	[ 'can be written by others', sub { write_key($good_key, 0602) }, qr/^"$path" can be read by others: its mode must be 0600$/ ],
	[ 'cannot be read by the server', sub { write_key($good_key, 0000) }, qr/^"$path" cannot be opened: Permission denied$/ ],
	[ 'is too short', sub { write_key('x' x 31 . "\n\n\n", 0600) }, qr/^"$path" holds less than 32 bytes$/ ],
	[ 'is too long', sub { write_key('x' x 4097, 0600) }, qr/^"$path" is longer than 4096 bytes$/ ],
	[ 'is empty', sub { write_key('', 0600) }, qr/^"$path" is empty$/ ],
	[ 'is blank', sub { write_key(" \n\t\r\n", 0600) }, qr/^"$path" is empty$/ ],
	[ 'is a folder', sub { unlink $key_file; mkdir $key_file, 0700 }, qr/^"$path" is not a file$/ ],
	[ 'is a symbolic link', sub { rmdir $key_file; write_key($good_key, 0600); rename $key_file, "$key_file.real"; symlink "$key_file.real", $key_file },
		qr/^"$path" cannot be opened: Too many levels of symbolic links$/ ]);

foreach my $case (@broken)
{
	my ($name, $break, $reason) = @$case;
	my $state = '';

	$break->();
	$node->reload;
	within($PostgreSQL::Test::Utils::timeout_default,
		sub { $state = sql("SELECT state FROM washminute.worker_status() WHERE lane = 'webhook'"); ($state =~ s/^washminute\.signing_key_file //r) =~ $reason },
		"key: a file that $name holds the lane, and is the reason shown")
	  or diag($state);
	is_refused($node, "SELECT washminute.webhook_secret('keyed')", 'PT503', qr/^WM_SIGNING_KEY_MISSING /, "key: no secret comes from a file that $name");
}
is($peer->stats('keyed')->{requests}, 0, 'key: nothing was sent without');
is_query($node, "SELECT state, attempts FROM washminute_data.outbox WHERE listener = 'keyed'", 'queued|0', 'key: what waits, waits');

$node->append_conf('postgresql.conf', "washminute.signing_key_file = ''\n");
$node->reload;
becomes($node, "SELECT state FROM washminute.worker_status() WHERE lane = 'webhook'", 'washminute.signing_key_file is not set', 'key: nor is any sent where none is named');
$node->append_conf('postgresql.conf', "washminute.signing_key_file = '$key_file'\n");
write_key($good_key, 0600);
$node->reload;
$peer->becomes('keyed', requests => 1, 'key: with a good file the message is sent');
worker_becomes($node, 'running', 'key: and the lane runs');

#
# Signatures
#

my $sent = $peer->requests('keyed')->[0];
is($sent->{signature}, signature($sent, secret_of('keyed')), 'a webhook is signed');
is($sent->{signature}, signature($sent, hmac_sha256('washminute webhook keyed', $good_key =~ s/\s+$//r)),
	'with a secret that is derived from key and name');

hook('signed', steps => [ { mode => 'status', times => 2 } ]);
hook('other');
sql(<<'SQL');
SET washminute.correlation_id = 'abc-1';
SELECT washminute.enqueue('webhook', 'testÉvent', '{"text": "café «»", "arabic": "غسيل", "quote": "\"\\\n", "n": [1.50, null]}', listener => name)
  FROM unnest(ARRAY['signed', 'other']) AS name;
SQL
my $row = $json->decode(sql("SELECT row_to_json(o) FROM washminute_data.outbox AS o WHERE listener = 'signed'"));
$peer->becomes('signed', requests => 3, 'a message is sent, and again when that failed');
is_empty($_, "$_: it is delivered") foreach qw(signed other);

# the last comes more than two seconds after the first, and times are in whole ones
my ($first, $second) = @{ $peer->requests('signed') }[0, -1];
is($first->{method}, 'POST', 'it is a POST');
is($first->{headers}{'content-type'}, 'application/json', 'of JSON');
is($first->{headers}{'x-request-id'}, 'abc-1', 'with the id of the request that caused it');
like($first->{headers}{'user-agent'}, qr/^washminute\/\d+\.\d+\.\d+$/, 'says who sends it');
is($first->{headers}{expect}, undef, 'and waits for no leave to send its body');
is($first->{id}, "msg_$row->{outbox_id}", 'its id is the row');
like($first->{timestamp}, qr/^\d{10}$/, 'its time is in seconds');
cmp_ok(abs($first->{timestamp} - time), '<', 30, 'of now');

my $body = $json->decode(encode_utf8($first->{body}));
is(join(' ', sort keys %$body), 'data timestamp type', 'its body has three members');
is($body->{type}, 'testÉvent', 'the type is the event');
is($json->encode($body->{data}), $json->encode($row->{data}), 'the data are those of the event');
is_query($node, "SELECT '$body->{timestamp}'::timestamptz = '$row->{created_at}'::timestamptz", 't', 'the time is when it happened');

is($second->{id}, $first->{id}, 'sent again, it has the same id');
is($second->{body}, $first->{body}, 'and the same body');
cmp_ok($second->{timestamp}, '>', $first->{timestamp}, 'and a time of its own');
isnt($second->{signature}, $first->{signature}, 'and so another signature');
is($_->{signature}, signature($_, secret_of('signed')), 'which is right') foreach $first, $second;

my ($other) = @{ $peer->requests('other') };
isnt($other->{id}, $first->{id}, 'another listener gets a message of its own');
is($other->{signature}, signature($other, secret_of('other')), 'with its own signature');
isnt($other->{signature}, signature($other, secret_of('signed')), 'which the secret of another does not give');
isnt(sql("SELECT washminute.webhook_secret('other')"), sql("SELECT washminute.webhook_secret('signed')"), 'as each has its own secret');

write_key('a new key, which has many characters', 0600);
my $old = secret_of('keyed');
$node->reload;
sql(enqueue('keyed'));
within(30, sub { my $last = $peer->requests('keyed')->[-1]; sql(enqueue('keyed')); $last->{signature} eq signature($last, secret_of('keyed')) },
	'a new key holds from a reload on');
write_key($good_key, 0600);
$node->reload;

#
# Who hears of what
#

# a listener is a row: a mailer, say, which hears of all
sql(noon() . people(2));
lane('concurrency = 1');
lane('paused = true', 'push');
hook('mailer', event => '*');
hook('exact', event => 'washmanAssigned');
hook('prefix', event => 'washman*');
hook('whole', event => 'washmanAssigned*');
hook('upper', event => 'Washman*');
hook('disabled', event => '*');
hook('relay', event => 'offer*', lane => 'realtime');
sql(<<'SQL');
UPDATE washminute_data.listeners SET enabled = false WHERE name = 'disabled';
INSERT INTO washminute_data.listeners (name, event_pattern, lane, audience, template) VALUES
  ('push_customer', 'washmanAssigned', 'push', 'customer', 'hereHeComes'),
  ('push_washman', 'newWash*', 'push', 'washman', 'goThere'),
  ('push_later', 'wash*', 'push', 'washman', 'goThere'),
  ('push_nobody', 'washmanStatusChanged', 'push', 'washman', 'never');
SQL
my $before = sql('SELECT COALESCE(max(event_id), 0) FROM washminute_data.events');
sql("DELETE FROM washminute_data.outbox;\n"
	  . booking('here', cash => 'w1', qw(accepted en_route arrived in_progress completed))
	  . "SELECT washminute.set_washman_status('w2', 'offline');\n"
	  . booking('there', cash => 'w1', qw(declined cancelled)));

# Events as a listener should have heard of them, as JSON, in order.
sub events
{
	my ($condition) = @_;

	return join("\n", map { $json->encode($json->decode($_)) }
		  split(/\n/, sql("SELECT json_build_object('type', event, 'data', data) FROM washminute_data.events
		    WHERE event_id > $before AND $condition ORDER BY event_id")));
}

sub heard
{
	my ($name) = @_;

	return join("\n", map { my $body = $json->decode(encode_utf8($_->{body})); delete $body->{timestamp}; $json->encode($body) } @{ $peer->requests($name) });
}

my %expected = (
	mailer => 'true',
	exact => "event = 'washmanAssigned'",
	prefix => "event LIKE 'washman%'",
	whole => "event = 'washmanAssigned'",
	upper => 'false',
	disabled => 'false',
	relay => "event LIKE 'offer%'");

is_empty($_, "$_: all is delivered") foreach sort keys %expected;
is(heard($_), events($expected{$_}), "$_: it has heard of what it asked for, in order") foreach sort keys %expected;
like(events('true'), qr/newWashingRequest.*washmanAssigned.*washCompleted/s, 'there was a whole wash to hear of');
cmp_ok(scalar(split(/\n/, events('true'))), '>', scalar(split(/\n/, events($expected{prefix}))), 'and more than washmen');
is_query($node, q{SELECT string_agg(DISTINCT COALESCE(recipient_id, '-'), ' ') || ' ' || count(*) FROM washminute_data.outbox
  WHERE lane = 'push' AND event = 'hereHeComes'}, 'amina 1', 'a push goes to the customer');
is_query($node, q{SELECT (SELECT data FROM washminute_data.outbox WHERE event = 'hereHeComes')
  = (SELECT data FROM washminute_data.events WHERE event = 'washmanAssigned' ORDER BY event_id DESC LIMIT 1)}, 't', 'with the data of the event');
is_query($node, "SELECT count(DISTINCT recipient_id) || ' ' || min(recipient_id) FROM washminute_data.outbox WHERE event = 'goThere'",
	'1 w1', 'or to the washman');
is_query($node, "SELECT count(*) = (SELECT count(*) FROM washminute_data.events WHERE event_id > $before AND event LIKE 'wash%' AND request_id IS NOT NULL)
  FROM washminute_data.outbox WHERE event = 'goThere'", 't', 'once there is one');
is_query($node, "SELECT count(*) FROM washminute_data.outbox WHERE event = 'never'", 0, 'or to nobody where the event is of no request');
sql("DELETE FROM washminute_data.outbox; DELETE FROM washminute_data.listeners WHERE event_pattern <> 'nothing'");

#
# A listener that is a function
#

sql(<<'SQL');
CREATE TABLE public.heard (event jsonb, role text);
CREATE FUNCTION public.hear(jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.heard VALUES ($1, current_user);
  IF $1->'data'->>'status' = 'offline' THEN
    RAISE EXCEPTION 'not now' USING ERRCODE = 'PT409';
  END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION public.hear(jsonb) FROM PUBLIC;
INSERT INTO washminute_data.listeners (name, event_pattern, function_name) VALUES ('function', 'washman*', 'public.hear');
SQL
my $status = sub { "SELECT washminute.set_washman_status('w2', '$_[0]');\n" };
my $as_washman = q{SET request.jwt.claims = '{"sub": "w2"}'; SET ROLE washminute_washman; SELECT washminute_api.set_status('online');};

my $uncallable = "SELECT finding FROM washminute.doctor() WHERE finding LIKE 'a listener''s function%'";
my $named = "a listener's function cannot be called, so the events that it hears of are refused: function";

is_query($node, $uncallable, $named, 'function: doctor() knows of one that the owner may not execute');
is_refused($node, $as_washman, '42501', undef, 'function: one that the owner may not execute refuses the command');
is_query($node, 'SELECT count(*) FROM public.heard', 0, 'function: and is not called');
is_query($node, "SELECT status FROM washminute_data.washmen WHERE washman_id = 'w2'", 'offline', 'function: which has no effect');
sql('BEGIN; ' . $status->('online') . 'ROLLBACK');
is_query($node, 'SELECT count(*) FROM public.heard', 0, 'function: what it did is rolled back with the command');
sql("GRANT EXECUTE ON FUNCTION public.hear(jsonb) TO washminute_owner; GRANT INSERT ON public.heard TO washminute_owner");
is_query($node, $uncallable, '', 'function: now he may');
sql($as_washman);
is_query($node, "SELECT event->>'type', event->'data'->>'status', event ? 'timestamp', (SELECT count(*) FROM jsonb_object_keys(event)), role FROM public.heard",
	'washmanStatusChanged|online|t|3|washminute_owner', 'function: it is given what a webhook is, and runs as the command does');
is_refused($node, $status->('offline'), 'PT409', undef, 'function: its error refuses the command');
is_query($node, $uncallable, '', 'function: which doctor() cannot know');
is_query($node, "SELECT status FROM washminute_data.washmen WHERE washman_id = 'w2'", 'online', 'function: which has no effect then');
is_query($node, "SELECT count(*) FROM public.heard", 1, 'function: nor has the function');
sql('DROP FUNCTION public.hear(jsonb)');
is_refused($node, $status->('offline'), '42883', undef, 'function: one that is not there refuses the command');
my (undef, undef, $error) = $node->psql('postgres', $status->('offline'));
like($error, qr/^CONTEXT:  function public\.hear of washminute's listener "function"$/m, 'function: the error says whose it was');
is_query($node, $uncallable, $named, 'function: doctor() misses it');
sql('CREATE FUNCTION public.hear(json) RETURNS void LANGUAGE sql AS $$ $$');
is_refused($node, $status->('offline'), '42883', undef, 'function: so does one of another argument');
is_query($node, $uncallable, $named, 'function: doctor() misses the right one');
sql("UPDATE washminute_data.listeners SET enabled = false WHERE name = 'function'");
sql($status->('offline'));
is_query($node, "SELECT status FROM washminute_data.washmen WHERE washman_id = 'w2'", 'offline', 'function: a disabled one is not looked for');
is_query($node, $uncallable, '', 'function: by doctor() neither');

#
# Listeners that go
#

lane('paused = true');
becomes($node, "SELECT state FROM washminute.worker_status() WHERE lane = 'webhook'", 'paused', 'a lane is paused');
hook('leaves');
sql(enqueue('leaves', 3));
my $start = log_position($node);
sql("DELETE FROM washminute_data.listeners WHERE name = 'leaves'");
becomes($node, "SELECT string_agg(DISTINCT state || ' ' || attempts || ' ' || last_error, ', ') || ' ' || count(*)
  FROM washminute_data.outbox WHERE listener = 'leaves'", 'dead 0 the listener was removed 3', 'removed: what waited for it are dead letters');
log_shows($node, qr/WARNING:  washminute worker: dead_letters=3 reason="the listener was removed"/, $start, 'removed: which the log says');
lane('paused = false');
is_query($node, "SELECT washminute.retry_dead('webhook')", 0, 'removed: they are not called back while there is no such listener');
is_query($node, "SELECT string_agg(DISTINCT state, ' ') FROM washminute_data.outbox WHERE listener = 'leaves'", 'dead', 'removed: and stay dead');
listener($node, 'leaves', $peer->url('leaves'), event => 'nothing');
is_query($node, "SELECT washminute.retry_dead('webhook')", 3, 'removed: when it is there again, they are');
is_empty('leaves', 'removed: and delivered');
is(numbers('leaves'), '1 2 3', 'removed: each once');

hook('flees', steps => [ { mode => 'gateway_timeout', after_ms => 700, times => 1 } ]);
sql(enqueue('flees'));
$peer->becomes('flees', requests => 1, 'removed: a message is under way');
sql("DELETE FROM washminute_data.listeners WHERE name = 'flees'");
within(15, sub { sql("SELECT state FROM washminute_data.outbox WHERE listener = 'flees'") eq 'dead' },
	'removed: it is a dead letter, too, when it fails thereafter');
sql('DELETE FROM washminute_data.outbox');

# Others than the one that is disabled go on; what waits for it stays.
hook('sleeps', steps => [ { mode => 'status', status => 500, times => 1 } ]);
hook('moves');
sql(enqueue('sleeps'));
$peer->becomes('sleeps', requests => 1, 'disabled: a message fails once');
sql("UPDATE washminute_data.listeners SET enabled = false WHERE name = 'sleeps';
  UPDATE washminute_data.listeners SET url = '" . $peer->url('moved') . "' WHERE name = 'moves'");
is_refused($node, enqueue('sleeps'), 'PT404', qr/^WM_LISTENER_NOT_FOUND/, 'disabled: it takes no new messages');
sql(enqueue('moves'));
$peer->becomes('moved', requests => 1, 'a new URL holds from the next message on');
is($peer->stats('moves')->{requests}, 0, 'and the old one is left alone');
sql(timed('moves', 1, "due_at => clock_timestamp() + interval '2 s'"));
$peer->becomes('moved', requests => 2, 'disabled: time goes by');
is($peer->stats('sleeps')->{requests}, 1, 'disabled: nothing more is sent');
is_query($node, "SELECT state, attempts FROM washminute_data.outbox WHERE listener = 'sleeps'", 'queued|1', 'disabled: what waited stays');
my $forgotten = "SELECT finding FROM washminute.doctor() WHERE finding LIKE 'messages wait for a listener%'";
is_query($node, $forgotten, 'messages wait for a listener that is disabled: sleeps', 'disabled: doctor() says what waits');
sql("UPDATE washminute_data.listeners SET enabled = true WHERE name = 'sleeps'");
is_query($node, $forgotten, '', 'disabled: and not when it is enabled');
$peer->becomes('sleeps', requests => 2, 'disabled: and is sent when that is over');

#
# Lanes
#

lane('concurrency = 3');
hook('busy', steps => [ { mode => 'hold', times => 10 } ]);
hook('realtime', lane => 'realtime');
sql(enqueue('busy', 12));
$peer->becomes('busy', open => 3, 'concurrency: as many requests as are allowed');
is_query($node, "SELECT in_flight FROM washminute.worker_status() WHERE lane = 'webhook'", 3, 'concurrency: which worker_status() shows');
sql(enqueue('moves'));
$peer->becomes('moved', requests => 3, 'concurrency: each listener has its own');
is($peer->stats('busy')->{requests}, 3, 'concurrency: and no more');
lane('concurrency = 5');
$peer->becomes('busy', open => 5, 'concurrency: more when that is raised');
lane('concurrency = 2');
sql(enqueue('moves'));
$peer->becomes('moved', requests => 4, 'concurrency: when it is lowered, no request is cut');
is($peer->release('busy'), 5, 'concurrency: they end in their own time');
$peer->becomes('busy', open => 2, 'concurrency: and then there are as many as are allowed');
is($peer->stats('busy')->{requests}, 7, 'concurrency: exactly');

lane('paused = true');
becomes($node, "SELECT state FROM washminute.worker_status() WHERE lane = 'webhook'", 'paused', 'paused: it is shown');
$peer->release('busy');
becomes($node, "SELECT count(*) FROM washminute_data.outbox WHERE listener = 'busy'", 5, 'paused: what is under way is finished');
sql(enqueue('moves') . enqueue('realtime') =~ s/webhook/realtime/r);
$peer->becomes('realtime', requests => 1, 'paused: another lane is not');
is($peer->stats('busy')->{requests}, 7, 'paused: but this one sends nothing');
is($peer->stats('moved')->{requests}, 4, 'paused: to nobody');
lane('paused = false');
within(20, sub { $peer->release('busy'); $peer->stats('busy')->{answered} == 12 }, 'paused: it goes on where it was');
is_empty('busy', 'paused: all is delivered');
is($peer->stats('busy')->{doubled}, 0, 'paused: once');

lane('rate_per_second = 20, concurrency = 32');
hook('limited');
sql(enqueue('limited', 50));
is_empty('limited', 'rate: all is delivered');
my @at = map { $_->{at} } @{ $peer->requests('limited') };
cmp_ok($peer->stats('limited')->{peakPerSecond}, '<=', 22, 'rate: in no second more than is allowed');
cmp_ok($at[-1] - $at[0], '<', 49 / 20 * 1000 * 1.25, 'rate: but hardly less');
lane('rate_per_second = NULL');
hook('unlimited');
sql(enqueue('unlimited', 50));
is_empty('unlimited', 'rate: without a limit all is delivered');
@at = map { $_->{at} } @{ $peer->requests('unlimited') };
cmp_ok($at[-1] - $at[0], '<', 1500, 'rate: at once');

#
# Times
#

# a message with the number n and more arguments
sub timed
{
	my ($listener, $n, $more) = @_;

	return "SELECT washminute.enqueue('webhook', 'test', '{\"n\": $n}', listener => '$listener', $more);\n";
}

# the clock of the business stands at noon of 10 March 2026
my $counts = "SELECT sent, failed, dead FROM washminute.worker_status() WHERE lane = 'webhook'";
my $counted = sql($counts);
hook('expires');
$start = log_position($node);
my $id = sql(timed('expires', 1, "expires_at => '2026-03-10 12:00+00'"));
is_empty('expires', 'expired: the message is dropped');
log_shows($node, qr/LOG:  washminute worker: expired lane=webhook listener=expires id=$id$/m, $start, 'expired: which the log says');
is($peer->stats('expires')->{requests}, 0, 'expired: it is not sent');
is_query($node, $counts, $counted, 'expired: it counts as nothing');
sql(timed('expires', 2, "expires_at => '2026-03-10 12:00:01+00'"));
$peer->becomes('expires', requests => 1, 'expired: not by the real clock, but by that of the business');
is_empty('expires', 'expired: it is delivered');
$peer->mode('expires', { mode => 'status', times => 1 });
sql(timed('expires', 3, "expires_at => '2026-03-10 12:30+00'"));
$peer->becomes('expires', requests => 2, 'expired: one that failed');
sql(noon('1 hour'));
is_empty('expires', 'expired: is dropped, too, if its time is over before the next attempt');
is($peer->stats('expires')->{requests}, 2, 'expired: without another attempt');
sql(noon());
lane('concurrency = 2');
sql(join('', map { timed('expires', $_, $_ % 10 ? "expires_at => '2026-03-10 11:00+00'" : 'dedupe_key => NULL') } 1 .. 40));
is_empty('expires', 'expired: among many, those that are not are sent');
is($peer->stats('expires')->{requests}, 2 + 4, 'expired: and no others');

lane('concurrency = 1');
hook('later');
my $now = sql('SELECT EXTRACT(epoch FROM clock_timestamp()) * 1000');
sql('BEGIN; ' . join('', map { timed('later', $_->[0], "due_at => to_timestamp($now / 1000 + $_->[1])") } [ 4, 1.6 ], [ 2, 1.0 ], [ 5, 2.0 ], [ 3, 1.3 ], [ 1, -5 ]) . 'COMMIT');
is_empty('later', 'due: all is delivered');
is(numbers('later'), '1 2 3 4 5', 'due: in the order of the times');
my @late = map { $_->{at} - $now } @{ $peer->requests('later') };
ok($late[1] >= 999 && $late[2] >= 1299 && $late[3] >= 1599 && $late[4] >= 1999, 'due: not before') or diag("@late");
ok($late[0] < 900 && $late[1] < 1900 && $late[4] < 2900, 'due: and soon then') or diag("@late");

# those that became due meanwhile, too
hook('overdue');
sql('BEGIN; ' . enqueue('overdue', 1, 0)
	  . join('', map { timed('overdue', $_->[0], "due_at => clock_timestamp() + interval '$_->[1] s'") } [ 3, 5.0 ], [ 1, 4.6 ], [ 2, 4.8 ]) . 'COMMIT');
$peer->becomes('overdue', requests => 1, 'due: the worker has seen what is to come');
lane('paused = true');
becomes($node, "SELECT count(*) FROM washminute_data.outbox WHERE listener = 'overdue' AND due_at < clock_timestamp()", 3, 'due: while it is paused the time comes');
lane('paused = false');
is_empty('overdue', 'due: all is delivered');
is(numbers('overdue'), '0 1 2 3', 'due: in the order of the times');

hook('ordered');
sql('BEGIN; ' . enqueue('ordered', 40) . enqueue('ordered', 40, 41) . 'COMMIT');
is_empty('ordered', 'order: all is delivered');
is(numbers('ordered'), join(' ', 1 .. 80), 'order: in the order of writing');
my $early = $node->background_psql('postgres');
$early->query_safe('BEGIN; ' . enqueue('ordered', 1, 100));
sql(enqueue('ordered', 1, 101));
$peer->becomes('ordered', requests => 81, 'order: who commits first');
sql(enqueue('ordered', 1, 102));
$peer->becomes('ordered', requests => 82, 'order: comes first');
$early->query_safe('COMMIT');
$peer->becomes('ordered', requests => 83, 'order: and who began first is not forgotten');
$early->quit;
is(numbers('ordered') =~ s/.* 80 //r, '101 102 100', 'order: that of commits');

#
# Who may
#

sql(<<'SQL');
CREATE ROLE plain LOGIN;
CREATE ROLE operator LOGIN;
GRANT washminute_owner TO operator;
GRANT washminute_anon, washminute_customer, washminute_washman, washminute_admin, washminute_service TO plain;
GRANT USAGE ON SCHEMA washminute, washminute_data TO plain;
SQL
my %write = (
	'a new listener' => "INSERT INTO washminute_data.listeners (name, event_pattern, lane, url) VALUES ('mine', '*', 'webhook', 'https://example.com/')",
	'a new URL' => "UPDATE washminute_data.listeners SET url = 'https://example.com/' WHERE name = 'moves'",
	'no listener' => "DELETE FROM washminute_data.listeners WHERE name = 'mine'",
	'a lane' => "UPDATE washminute_data.lanes SET concurrency = 2 WHERE lane = 'webhook'",
	'a message' => "INSERT INTO washminute_data.outbox (lane, listener, event, data, created_at) VALUES ('webhook', 'moves', 'test', '{}', now())",
	'dead letters' => "SELECT washminute.retry_dead('webhook')",
	'a secret' => "SELECT washminute.webhook_secret('moves')",
	'the worker' => 'SELECT count(*) FROM washminute.worker_status()');
my @as_plain = (connstr => $node->connstr('postgres') . ' user=plain');
my @as_operator = (connstr => $node->connstr('postgres') . ' user=operator');

foreach my $what (sort keys %write)
{
	is_refused($node, $write{$what}, '42501', undef, "nobody else may have $what", @as_plain);
	foreach my $role (qw(anon customer washman admin service))
	{
		is_refused($node, "SET ROLE washminute_$role; $write{$what}", '42501', undef, "nor may washminute_$role", @as_plain);
	}
}
foreach my $what ('a new listener', 'a new URL', 'no listener', 'a lane', 'a message', 'dead letters', 'a secret', 'the worker')
{
	is($node->psql('postgres', $write{$what}, @as_operator), 0, "a member of washminute_owner may have $what");
}
becomes($node, "SELECT concurrency FROM washminute_data.lanes WHERE lane = 'webhook'", 2, 'and what he does counts');

foreach my $user (\@as_plain, \@as_operator)
{
	is_refused($node, "SET washminute.signing_key_file = '/tmp/mine'", '55P02', undef, 'a user cannot name another key', @$user);
	is_refused($node, "ALTER SYSTEM SET washminute.signing_key_file = '/tmp/mine'", '42501', undef, 'nor for the server', @$user);
	is_refused($node, "ALTER ROLE CURRENT_USER SET washminute.signing_key_file = '/tmp/mine'", '55P02', undef, 'nor for his role', @$user);
}

unlike(log_since($node), qr/PANIC|TRAP|was terminated by signal|washminute worker: state="failing|whsec_/, 'the worker never failed');
is_query($node, 'SELECT count(*) FROM washminute.check_invariants()', 0, 'the invariants hold');

$node->stop;
done_testing();
