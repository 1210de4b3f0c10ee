# Settings stand in postgresql.conf: no user, role, database, function or
# connection overrides one, even before the library is loaded.  The exception is
# the correlation id.  And what washminute.log_commands writes.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use DBI;
use PostgreSQL::Test::Utils;
use Test::More;
use Washminute;

my $conf = "log_statement = none\nwashminute.lock_timeout = '7s'\n";

# SQL as another user, by a connection of his own.
sub as
{
	my ($node, $user) = @_;

	return (connstr => $node->connstr('postgres') . " user=$user");
}

# Another value than the one in force.
my $all_settings = <<'SQL';
SELECT name, CASE vartype WHEN 'bool' THEN (NOT setting::boolean)::text
                          WHEN 'string' THEN '/elsewhere'
                          WHEN 'enum' THEN enumvals[1]
                          ELSE min_val END
  FROM pg_settings WHERE name LIKE 'washminute.%' AND name <> 'washminute.correlation_id' ORDER BY name
SQL

#
# The library is preloaded
#

my $node = washminute_node('preloaded', conf => $conf);
$node->safe_psql('postgres', noon() . people(9) . <<'SQL');
CREATE ROLE plain LOGIN;
GRANT ALL ON SCHEMA public TO plain;
GRANT washminute_customer TO plain;
SQL

my $shown = "SELECT name, setting FROM pg_settings WHERE name LIKE 'washminute.%' ORDER BY name";
my $settings = $node->safe_psql('postgres', $shown);
my @settings = split(/\n/, $node->safe_psql('postgres', $all_settings));
like("@settings", qr/washminute.lock_timeout.*washminute.log_commands/, 'there are settings');

# One session for each user, since there is much to try.
my $superuser = getpwuid($>);
my %session = map { $_ => DBI->connect('dbi:Pg:' . $node->connstr('postgres') . " user=$_", '', '',
		{ RaiseError => 0, PrintError => 0, pg_server_prepare => 0 }) } 'plain', $superuser;

# The SQLSTATE that a user gets; where there is none, how many rows were changed.
sub state_of
{
	my ($user, $sql) = @_;
	my $rows = $session{$user}->do($sql);
	my $state = $session{$user}->state;

	$session{$user}->do('ROLLBACK') if $sql =~ /^BEGIN/;
	return $state || ($rows + 0) . ' rows';
}

foreach my $pair (@settings)
{
	my ($name, $value) = split(/\|/, $pair);
	# users do not see it, so there is no row for them to change
	my $hidden = $session{plain}->selectrow_array("SELECT count(*) = 0 FROM pg_settings WHERE name = '$name'");
	my %try = (
		'SET' => "SET $name = '$value'",
		'SET LOCAL' => "BEGIN; SET LOCAL $name = '$value'",
		'set_config()' => "SELECT set_config('$name', '$value', false)",
		'an update of pg_settings' => "UPDATE pg_settings SET setting = '$value' WHERE name = '$name'",
		'a function' => "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql SET $name = '$value' AS 'SELECT 1'",
		'ALTER ROLE' => "ALTER ROLE CURRENT_USER SET $name = '$value'");

	foreach my $way (sort keys %try)
	{
		foreach my $user (sort keys %session)
		{
			my $expected = $hidden && $user eq 'plain' && $way =~ /pg_settings/ ? '0 rows' : '55P02';

			is(state_of($user, $try{$way}), $expected, "$name: $user cannot override it by $way");
		}
	}
	is(state_of($superuser, "ALTER DATABASE postgres SET $name = '$value'"), '55P02', "$name: no database can override it");
	is(state_of('plain', "ALTER SYSTEM SET $name = '$value'"), '42501', "$name: a user cannot change the server's");
	$node->connect_fails(
		$node->connstr('postgres') . " user=plain options='-c $name=$value'",
		"$name: no connection can override it",
		expected_stderr => qr/parameter "\Q$name\E" cannot be (?:changed (?:now|without restarting the server)|set)/);

	# even a right to set it does not help
	$session{$superuser}->do("GRANT SET ON PARAMETER $name TO plain");
	is(state_of('plain', $try{SET}), '55P02', "$name: nor where SET was granted");
	$session{$superuser}->do("REVOKE SET ON PARAMETER $name FROM plain");
}
$_->disconnect foreach values %session;
is_query($node, $shown, $settings, 'all settings are as before');
is_refused($node, 'SET washminute.nonsense = 1', '42602', undef, 'an unknown setting is refused');

$node->safe_psql('postgres', 'ALTER SYSTEM SET washminute.log_commands = on');
$node->reload;
becomes($node, 'SHOW washminute.log_commands', 'on', 'the configuration of the server counts, after a reload');

#
# The correlation id
#

my $last = <<'SQL';
SELECT e.correlation_id,
       (SELECT array_agg(DISTINCT o.correlation_id) FROM washminute_data.outbox AS o
         WHERE o.data->>'requestId' = e.request_id::text)
  FROM washminute_data.events AS e ORDER BY e.event_id DESC LIMIT 1
SQL
# the worker would take the messages away
$node->safe_psql('postgres', "UPDATE washminute_data.lanes SET paused = true");
my $book = booking('here', cash => '');
my $header = sub { "SET request.headers = '{\"x-request-id\": \"$_[0]\", \"accept\": \"*/*\"}';\n" };

$node->safe_psql('postgres', $book);
is_query($node, $last, '|{NULL}', 'without an id, events and outbox rows have none');
$node->safe_psql('postgres', "SET washminute.correlation_id = 'abc-1/2';\n$book");
is_query($node, $last, 'abc-1/2|{abc-1/2}', 'the id of the session is kept on events and outbox rows');
$node->safe_psql('postgres', $header->('from-gateway') . $book);
is_query($node, $last, 'from-gateway|{from-gateway}', 'so is the X-Request-Id that PostgREST hands on');
$node->safe_psql('postgres', "SET washminute.correlation_id = 'own';\n" . $header->('from-gateway') . $book);
is_query($node, $last, 'own|{own}', 'the id of the session comes first');
foreach my $bad ('with blank', 'new\nline', 'tab\t', 'caf\u00e9', 'x' x 129)
{
	$node->safe_psql('postgres', $header->($bad) . $book);
	is_query($node, $last, '|{NULL}', "X-Request-Id '" . substr($bad, 0, 12) . "' is ignored");

	my $literal = "E'$bad'";
	is_refused($node, "SET washminute.correlation_id = $literal",
		'22023', undef, "washminute.correlation_id '" . substr($bad, 0, 12) . "' is refused");
}
is($node->safe_psql('postgres', 'SET washminute.correlation_id = \'mine\'; SHOW washminute.correlation_id',
	as($node, 'plain')), 'mine', 'every user may set the correlation id');
$node->safe_psql('postgres', "ALTER ROLE plain SET washminute.correlation_id = 'of-a-role'");
is($node->safe_psql('postgres', 'SHOW washminute.correlation_id', as($node, 'plain')),
	'of-a-role', 'so can a role');

#
# The log of commands
#

# What the server logs meanwhile, without times and process ids.
sub logged
{
	my ($sql, %option) = @_;
	my $offset = -s $node->logfile;

	$node->psql('postgres', $sql, on_error_stop => 0, %option);
	return join("\n",
		map { s/^[-0-9: .]+\w+ \[\d+\] (?:\S+ )?//r =~ s/ ms=\d+\.\d{3}/ ms=#/r }
		  grep { !/ checkpoint (?:starting|complete)/ } split(/\n/, slurp_file($node->logfile, $offset)));
}

my $line = sub { my ($command, $actor, $code) = @_; "LOG:  washminute: command=$command actor=$actor code=$code ms=#" };

is(logged("SELECT washminute.set_washman_status('w9', 'offline')"),
	$line->('set_washman_status', '"w9"', '00000'), 'a command is one line');
is(logged('SELECT washminute.run_due()'),
	$line->('run_due', 'null', '00000'), 'a command without an actor too');
is(
	logged(q{SET request.jwt.claims = '{"sub": "w8"}'; SET ROLE washminute_washman; SELECT washminute_api.balance()}),
	$line->('washman_balance', '"w8"', '00000'), 'a command through the API is one line');
is(
	logged("SET washminute.correlation_id = 'abc';
	  SELECT washminute.create_booking('amina', '{complete}', -7.61, 33.59, 'secret address', 'cash', NULL, 'secret key')"),
	$line->('create_booking', '"amina"', '00000') . ' correlation_id=abc', 'the line bears the correlation id and no other argument');
is(logged("SELECT count(washminute.washman_balance('w' || i)) FROM generate_series(1, 9) AS i"),
	join("\n", map { $line->('washman_balance', "\"w$_\"", '00000') } 1 .. 9), 'nine commands are nine lines');

my $refusal = logged("SELECT washminute.settle_balance('w9', 0, 'secret reason')");
like($refusal, qr/^\Q${\$line->('settle_balance', '"w9"', 'PT400')}\E\nERROR:  an amount is not valid\n/,
	'a refusal is one line with its code, and the error');
unlike($refusal, qr/STATEMENT|secret/, 'and no statement');
like(logged("SELECT washminute.accept_request(gen_random_uuid(), 'w8')"), qr/ code=PT500 /, 'with whatever code');
like(logged('SELECT 1 / 0'), qr/STATEMENT:  SELECT 1/, 'other errors show their statement');

my $forged = q{w8" code=00000\nLOG:  washminute: command=settle_balance actor="w8};
my $logged = logged("SELECT washminute.washman_balance(E'$forged')");
is(scalar(() = $logged =~ /^\s*LOG:\s+washminute: command=/mg), 1, 'an actor with quotes and line ends cannot forge a line');
like($logged, qr/actor="w8\\" code=00000\\nLOG:  washminute: command=settle_balance actor=\\"w8" code=PT400 ms=#$/m,
	'he is a JSON string');
like(logged("SELECT washminute.washman_balance(repeat('é', 100))"), qr/actor="(?:é){64}" /, 'a long one is cut short');
$logged = logged($header->('x\nLOG:  washminute: command=forged') . "SELECT washminute.washman_balance('w8')");
unlike($logged, qr/^LOG:.*forged|^\s*LOG:  washminute: command=forged/m, 'nor can a header');
like(
	logged("SET request.headers = 'no json'; SELECT washminute.settle_balance('w9', 0, 'x')"),
	qr/^ERROR:  (?:an amount is not valid|invalid input syntax for type json)$/m, 'headers that cannot be read are a clean error');
$node->stop;

#
# The library is loaded by the first call
#

$node = washminute_node('lazy', preload => 0, conf => $conf);
$node->safe_psql('postgres', 'CREATE DATABASE other');
create_washminute($node, 'other');
$node->safe_psql('postgres', people(1) . <<'SQL');
CREATE ROLE plain LOGIN;
CREATE ROLE tuned LOGIN;
GRANT ALL ON SCHEMA public TO plain;
GRANT washminute_customer TO plain, tuned;
SQL

# The library is loaded by this; settings are then as the server has them.
my $load = 'SELECT FROM washminute.current_user_id()';
my $values = "SELECT current_setting('washminute.lock_timeout'), current_setting('washminute.log_commands')";

is_query($node, "$load; $values", '7s|off', 'lazy: the configuration of the server counts');
foreach my $user ('plain', (getpwuid($>))[0])
{
	foreach my $set (
		"SET washminute.lock_timeout = '1h'; SET washminute.log_commands = on; $load;",
		"BEGIN; SET LOCAL washminute.lock_timeout = '1h'; SET LOCAL washminute.log_commands = on; $load;",
		"BEGIN; SET LOCAL washminute.lock_timeout = '1h'; SET LOCAL washminute.log_commands = on; $load; COMMIT;",
		"BEGIN; SET washminute.lock_timeout = '1h'; SAVEPOINT s; SET washminute.log_commands = on;
		 SET LOCAL washminute.lock_timeout = '2h'; $load; RELEASE s; COMMIT;",
		"BEGIN; SET washminute.lock_timeout = '1h'; SAVEPOINT s; SET washminute.log_commands = on; $load; ROLLBACK;",
		"DO \$\$ BEGIN PERFORM set_config('washminute.lock_timeout', '1h', false);
		   PERFORM set_config('washminute.log_commands', 'on', true); END \$\$; $load;",
		"SET washminute.lock_timeout = 'nonsense'; SET washminute.log_commands = maybe; $load;")
	{
		is($node->safe_psql('postgres', "$set $values", as($node, $user)),
			'7s|off', "lazy: a value set before counts for nothing, $user: " . substr($set, 0, 60));
	}
}

is($node->safe_psql('postgres', "$load; $values", connstr => $node->connstr('postgres')
	  . " user=plain options='-c washminute.lock_timeout=1h -c washminute.log_commands=on'"),
	'7s|off', 'lazy: nor does one of the connection');

$node->safe_psql('postgres', "ALTER ROLE tuned SET washminute.lock_timeout = '1h';
  ALTER ROLE tuned SET washminute.log_commands = on;
  ALTER DATABASE other SET washminute.lock_timeout = '1h';
  ALTER DATABASE other SET washminute.log_commands = on");
is($node->safe_psql('postgres', "$load; $values", as($node, 'tuned')), '7s|off', 'lazy: nor one of a role');
is($node->safe_psql('other', "$load; $values"), '7s|off', 'lazy: nor one of a database');

$node->safe_psql('postgres', <<"SQL");
CREATE FUNCTION public.tuned() RETURNS text LANGUAGE plpgsql
SET washminute.lock_timeout = '1h' SET washminute.log_commands = on
AS \$\$ BEGIN PERFORM washminute.current_user_id();
  RETURN current_setting('washminute.lock_timeout') || ' ' || current_setting('washminute.log_commands'); END \$\$;
SQL
is($node->safe_psql('postgres', "SELECT public.tuned(); $values", as($node, 'plain')),
	"7s off\n7s|off", 'lazy: nor one of a function that makes the first call');
is_refused($node, "$load; SELECT public.tuned()", '55P02', undef,
	'lazy: which is refused later', as($node, 'plain'));

# what the library does follows
my $offset = -s $node->logfile;
$node->safe_psql('postgres', "SET washminute.log_commands = on; SELECT washminute.washman_balance('w1')");
unlike(slurp_file($node->logfile, $offset), qr/LOG:  washminute: command/, 'lazy: nothing is logged because a session said so');

is_query($node, "SET washminute.nonsense = 1; $load; SELECT current_setting('washminute.nonsense', true) IS NULL",
	't', 'lazy: an unknown setting is gone once the library is loaded');
is_refused($node, "$load; SET washminute.nonsense = 1", '42602', undef, 'lazy: and refused from then on');
is_query($node, "SET washminute.correlation_id = 'early'; $load; SHOW washminute.correlation_id",
	'early', 'lazy: a correlation id set before is kept');
is_query($node, "SET washminute.correlation_id = 'not valid'; $load; SHOW washminute.correlation_id",
	'', 'lazy: but not one that is not valid');

done_testing();
