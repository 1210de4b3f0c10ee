#
# Naps.pm
#	The fake card gateway (test/fakes/naps.js) for TAP tests, and the door to the
#	database that it calls back at (test/fakes/door.js).
#
#	my $naps = Naps->start;
#	my $door = Naps::Door->start($node);
#	$naps->anew({ call => 'refund', mode => 'answer_lost', times => 1 });
#	my $visit = $naps->pay(orderid => $orderid, outcome => 'approve');
#	is($naps->book($orderid)->{net}, '120.00', 'paid');
#
# What each mode does is told in test/fakes/naps-faults.js, what customers can do in
# naps-page.js.
#
package Naps;

use strict;
use warnings;

use parent 'Fake';

use JSON::PP;

# What it takes for valid, and what our side is to be configured with.
our %CREDENTIALS = (
	api_key => 'test-key',
	institution_id => '0001',
	cx_user => 'washminute',
	cx_password => 'test-password',
	merchantid => '2000123',
	cle_pub => 'MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAtest',
);

# Naps->start: a running gateway, which takes these credentials alone, keeps the
# requests, and repeats callbacks at once.
sub start
{
	my ($class) = @_;
	my $self = Fake::launch($class, 'naps.js');

	$self->anew;
	return $self;
}

# Where the calls go to.
sub url
{
	my ($self) = @_;

	return "http://127.0.0.1:$self->{port}/napspayment/";
}

# modes(STEP...): how it behaves from now on; each step is a hash of a call, a mode and
# its options, or of options that last.
sub modes
{
	my ($self, @steps) = @_;

	return $self->control('PUT', '', \@steps);
}

# anew(STEP...): forgets all books, counts and options, then does as modes() does.
sub anew
{
	my ($self, @steps) = @_;

	$self->control('DELETE', '');
	return $self->modes({ %CREDENTIALS, record => JSON::PP::true, callback_interval_ms => 20 }, @steps);
}

# The counts: a hash of requests, calls, orders, charges, refunds, truthWithheld ...
sub counts
{
	my ($self) = @_;

	return $self->control('GET', '');
}

# How often a call came.
sub count
{
	my ($self, $call) = @_;

	return $self->counts->{calls}{$call}{requests} // 0;
}

# What came: a list of hashes of call, headers, body, mode, answer; of one call only.
sub requests
{
	my ($self, $call) = @_;
	my $requests = $self->control('GET', '/requests');

	return grep { !defined $call || $_->{call} eq $call } @$requests;
}

# pay(orderid => ORDERID or url => URL, outcome => ..., save => 1 ...): what a customer
# does on the page, and what came of it: a hash of outcome, redirect, callbacks ...;
# "refused" says why the page takes no payment.
sub pay
{
	my ($self, %act) = @_;

	for my $name (grep { exists $act{$_} } qw(save wait final))
	{
		$act{$name} = $act{$name} ? JSON::PP::true : JSON::PP::false;
	}
	return $self->control('POST', '/pay', \%act);
}

# The books: a hash of each orderid, with its amounts as decimal text.
sub books
{
	my ($self) = @_;

	return @{ $self->control('GET', '/books') };
}

# The book of one orderid, in detail.
sub book
{
	my ($self, $orderid) = @_;

	return $self->control('GET', "/books/$orderid");
}

# The gateway's end of the day, for one orderid or for all: what is approved is captured.
sub capture
{
	my ($self, $orderid) = @_;

	return $self->control('POST', '/capture', _which($orderid));
}

# Likewise: what is captured is paid out, and refunds are cleared.
sub settle
{
	my ($self, $orderid) = @_;

	return $self->control('POST', '/settle', _which($orderid));
}

sub _which
{
	my ($orderid) = @_;

	return defined $orderid ? { orderid => $orderid } : { all => JSON::PP::true };
}

# Answer what mode "hold" holds; how many these were.
sub release
{
	my ($self) = @_;

	return $self->control('POST', '/release')->{released};
}

# becomes(COUNT => VALUE, TEST-NAME, seconds => MOST): a test that a count reaches the
# value before the time is over.
sub becomes
{
	my ($self, @expected) = @_;

	return $self->reaches(sub { $self->counts }, @expected);
}

package Naps::Door;

use strict;
use warnings;

use parent -norequire, 'Fake';

# Naps::Door->start(NODE, options of door.js): the way in to database "postgres".
sub start
{
	my ($class, $node, @options) = @_;

	return Fake::launch($class, 'door.js', '--psql', $node->installed_command('psql'),
		'--dsn', $node->connstr('postgres'), @options);
}

# What payment_callback's and payment_return's URLs are to begin with.
sub url
{
	my ($self) = @_;

	return "http://127.0.0.1:$self->{port}/naps/";
}

# The counts: a hash of requests, callbacks, returns, status, codes, words ...
sub counts
{
	my ($self) = @_;

	return $self->control('GET', '');
}

1;
