#
# Washminute.pm
#	What the TAP tests of washminute share, on top of PostgreSQL::Test::Cluster.
#
#	use FindBin;
#	use lib "$FindBin::RealBin/lib";
#	use Washminute;
#
#	my $node = washminute_node('main', cron => 1, conf => "washminute.lock_timeout = '1s'");
#	is_refused($node, 'SELECT ...', 'PT409', qr/^WM_ALREADY_ACCEPTED/, 'the second accept');
#
package Washminute;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(
  washminute_node
  create_washminute
  becomes_true
  becomes
  is_query
  is_refused
);

# The database that the worker and pg_cron serve unless told otherwise.
my $DATABASE = 'postgres';

# washminute_node(NAME, options): a started cluster with washminute set up in
# database "postgres".  Options:
#
#	preload => 0	do not preload the library
#	cron => 1		preload pg_cron too and create it, before setup()
#	conf => TEXT	more lines for postgresql.conf
#	init => HASH	arguments for PostgreSQL::Test::Cluster's init
#	start => 0		do not start it, nor create anything
#	create => 0		do not create the extension
#	setup => 0		create the extension, do not call setup()
sub washminute_node
{
	my ($name, %option) = @_;
	my $init = $option{init} // {};
	my @libraries;

	push @libraries, 'pg_cron' if $option{cron};
	push @libraries, 'washminute' if $option{preload} // 1;

	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(
		extra => [ '--encoding=UTF8', '--no-locale' ],
		%$init);
	$node->append_conf('postgresql.conf',
		"shared_preload_libraries = '" . join(',', @libraries) . "'\n"
		  . "timezone = 'UTC'\n"
		  . "max_prepared_transactions = 10\n"
		  . "max_worker_processes = 16\n");
	# the clusters of the tests listen on no TCP port
	$node->append_conf('postgresql.conf',
		"cron.database_name = '$DATABASE'\ncron.use_background_workers = on\n")
	  if $option{cron};
	$node->append_conf('postgresql.conf', $option{conf}) if $option{conf};

	return $node unless $option{start} // 1;
	$node->start;
	if ($option{create} // 1)
	{
		$node->safe_psql($DATABASE, 'CREATE EXTENSION pg_cron') if $option{cron};
		create_washminute($node, $DATABASE, setup => $option{setup});
	}
	return $node;
}

# create_washminute(NODE, DATABASE, setup => BOOL): the extension, and what
# setup() makes.
sub create_washminute
{
	my ($node, $database, %option) = @_;

	$node->safe_psql($database, 'CREATE EXTENSION washminute CASCADE');
	$node->safe_psql($database, 'SELECT washminute.setup()')
	  if $option{setup} // 1;
	return;
}

# A test: the query gives "t" before the time is over.
sub becomes_true
{
	my ($node, $query, $name) = @_;

	return becomes($node, $query, 't', $name);
}

# A test: the query gives the text before the time is over.
sub becomes
{
	my ($node, $query, $expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok($node->poll_query_until($DATABASE, $query, $expected), $name);
}

# A test: the query gives this text now.
sub is_query
{
	my ($node, $query, $expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($node->safe_psql($DATABASE, $query), $expected, $name);
}

# is_refused(NODE, SQL, SQLSTATE, DETAIL-REGEX, NAME, psql options): a test that
# the SQL ends with an error of that SQLSTATE, whose DETAIL matches; undef as the
# regex does without.
sub is_refused
{
	my ($node, $sql, $sqlstate, $detail_regex, $name, %psql_option) = @_;
	my ($stdout, $stderr) = ('', '');

	my $status = $node->psql(
		$DATABASE, $sql,
		stdout => \$stdout,
		stderr => \$stderr,
		on_error_stop => 1,
		extra_params => [ '--set=VERBOSITY=verbose', '--set=SHOW_CONTEXT=never' ],
		%psql_option);
	my ($got_sqlstate) = $stderr =~ /^(?:psql:\S+ )?(?:ERROR|FATAL):  (\w{5}): /m;
	my ($got_detail) = $stderr =~ /^DETAIL:  (.*)$/m;

	my $good =
		 $status != 0
	  && ($got_sqlstate // '') eq $sqlstate
	  && (!defined $detail_regex || ($got_detail // '') =~ $detail_regex);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok($good, $name)
	  || diag("wanted $sqlstate"
		  . (defined $detail_regex ? " with DETAIL $detail_regex" : '')
		  . ", got exit status $status\n$stderr$stdout");
}

1;
