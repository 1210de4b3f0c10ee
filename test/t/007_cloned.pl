# A database made from the live one as a template must not act by itself, until it
# is adopted; the original goes on.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use Washminute;

my $cloned = "SELECT count(*) FROM washminute.doctor() WHERE finding LIKE 'cloned:%'";
my $due = "SELECT count(*) FROM washminute_data.washing_requests WHERE status = 'pending' AND expires_at <= washminute.now()";

my $node = washminute_node('main');
fill_marketplace($node);
$node->safe_psql('postgres', 'CREATE DATABASE live TEMPLATE postgres');
is_query($node, $cloned, 0, 'the original is no clone');
is_query($node, $cloned, 1, 'doctor() says that the copy is', 'live');

$node->safe_psql('postgres', noon('1 hour'));
my $waiting = $node->safe_psql('live', $due);
cmp_ok($waiting, '>', 2, 'requests are due in both');
my $rows = rows_of($node, 'live');

is_query($node, 'SELECT washminute.run_due()', 0, 'the clone expires none', 'live');
is_query($node, 'SELECT washminute.run_due()', 0, 'not at the second time either', 'live');
$node->safe_psql('live', 'SELECT washminute.setup()');
is_query($node, 'SELECT washminute.run_due()', 0, 'nor after setup()', 'live');
$rows =~ s/^washminute_data\.instance\|.*\n//m;
my $rows_now = rows_of($node, 'live');
$rows_now =~ s/^washminute_data\.instance\|.*\n//m;
is_same($rows_now, $rows, 'no row of it has changed');

is_query($node, 'SELECT washminute.run_due()', $waiting, 'the original expires what is due');
is_query($node, $due, 0, 'all of it');
is_query($node, $due, $waiting, 'which the clone does not notice', 'live');

is_refused($node, 'SET ROLE washminute_owner; SELECT washminute.adopt()', '42501', undef,
	'only a superuser adopts', dbname => 'live');
$node->safe_psql('live', 'BEGIN; SELECT washminute.adopt(); ROLLBACK');
is_query($node, 'SELECT washminute.run_due()', 0, 'adopt() rolled back is none', 'live');

# a session from before adopt() notices it
my $session = $node->background_psql('live');
is($session->query_safe('SELECT washminute.run_due()'), 0, 'an open session finds a clone');
$node->safe_psql('live', 'SELECT washminute.adopt()');
is($session->query_safe('SELECT washminute.run_due()'), $waiting, 'and acts after adopt()');
$session->quit;
is_query($node, $cloned, 0, 'doctor() is content', 'live');
is_query($node, 'SELECT count(*) FROM washminute.check_invariants()', 0, 'the adopted data are sound', 'live');
is_query($node, $cloned, 0, 'the original is still no clone');
is_query($node, 'SELECT count(*) FROM washminute.check_invariants()', 0, 'and sound');

done_testing();
