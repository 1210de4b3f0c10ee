#!/usr/bin/perl
#
# Queues messages one by one, each in a transaction of its own, with pauses between
# them, and prints for each "NUMBER BEFORE AFTER": when the statement that commits
# was sent and when its answer came, in milliseconds since 1970.
#
#	latency.pl COUNT PER-SECOND [webhook|push]

use strict;
use warnings;
use DBI;
use Time::HiRes qw(time sleep);

my %statements = (
	webhook => "SELECT washminute.enqueue('webhook', 'bench', jsonb_build_object('number', ?::int), listener => 'bench')",
	push => "SELECT washminute.notify_user('u' || ?::int, 'washmanArrived', jsonb_build_object('number', ?::int))",
);
my ($count, $per_second, $lane) = @ARGV;
my $db = DBI->connect('dbi:Pg:', 'postgres', undef, { RaiseError => 1, AutoCommit => 1 });
my $enqueue = $db->prepare($statements{$lane // 'webhook'});

foreach my $number (1 .. $count)
{
	my $before = time();

	$enqueue->execute(($number) x $enqueue->{NUM_OF_PARAMS});
	my $after = time();

	$enqueue->finish;
	printf "%d %.3f %.3f\n", $number, $before * 1000, $after * 1000;

	# at times that no other clock keeps
	sleep((0.5 + rand()) / $per_second);
}
