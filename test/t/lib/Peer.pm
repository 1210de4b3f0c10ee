#
# Peer.pm
#	The fake HTTP peer (test/fakes/peer.js) for TAP tests.
#
#	my $peer = Peer->start;
#	listener($node, 'hook', $peer->url('hook'));
#	$peer->mode('hook', { mode => 'hold' });
#	$peer->becomes('hook', requests => 1, 'the message arrives');
#
# It ends with the test.  What each mode does is told in test/fakes/modes.js.
#
package Peer;

use strict;
use warnings;

use parent 'Fake';

# Peer->start(options of peer.js): a running peer.
sub start
{
	my ($class, @options) = @_;

	return Fake::launch($class, 'peer.js', @options);
}

# Where a listener is to send to; HOST is the peer's address unless told.
sub url
{
	my ($self, $name, $host) = @_;

	return "$self->{scheme}://" . ($host // '127.0.0.1') . ":$self->{port}/hook/$name";
}

# mode(NAME, STEP...): how it answers requests to the name from now on; each step is
# a hash of a mode and its options.
sub mode
{
	my ($self, $name, @steps) = @_;

	return $self->control('PUT', "/$name", \@steps);
}

# The counts of a name: a hash of requests, distinct, doubled, open, answered ...
sub stats
{
	my ($self, $name) = @_;

	return $self->control('GET', "/$name");
}

# What was recorded (mode option record => JSON::PP::true), in the order of arrival.
sub requests
{
	my ($self, $name) = @_;

	return $self->control('GET', "/$name/requests");
}

# A hash of webhook-id => how many times it came.
sub ids
{
	my ($self, $name) = @_;

	return $self->control('GET', "/$name/ids");
}

# Milliseconds from data.sentAt to the arrival, of each request (mode option latency).
sub latency
{
	my ($self, $name) = @_;

	return $self->control('GET', "/$name/latency");
}

# Answer what mode "hold" holds; how many these were.
sub release
{
	my ($self, $name) = @_;

	return $self->control('POST', "/$name/release")->{released};
}

# Forget modes and counts of a name, or of all names.
sub forget
{
	my ($self, $name) = @_;

	return $self->control('DELETE', defined $name ? "/$name" : '');
}

# becomes(NAME, COUNT => VALUE, TEST-NAME, seconds => MOST): a test that a count of
# stats reaches the value before the time is over.
sub becomes
{
	my ($self, $name, @expected) = @_;

	return $self->reaches(sub { $self->stats($name) }, @expected);
}

1;
