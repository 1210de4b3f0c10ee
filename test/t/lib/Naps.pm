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
# Or all together, a marketplace whose customer amina pays there:
#
#	my $market = Naps::Market->start($naps);
#	my $sale = $market->checkout;
#	$market->pay($sale);
#	$market->becomes($sale, 'paid succeeded paid', 'it is paid');
#	$market->is_sound;
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

# The members of our file of credentials.
sub credentials
{
	return {
		%CREDENTIALS{qw(api_key institution_id cx_user cx_password)},
		merchant_id => $CREDENTIALS{merchantid}, merchant_name => 'WashMinute', public_key => $CREDENTIALS{cle_pub}
	};
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

# once(CALL, MODE, options): the next such call alone goes wrong so; effect => 1 or 0 says
# whether the gateway does its work.
sub once
{
	my ($self, $call, $mode, %more) = @_;

	$more{effect} = $more{effect} ? JSON::PP::true : JSON::PP::false if defined $more{effect};
	return $self->modes({ call => $call, mode => $mode, times => 1, %more });
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

# How often a call came for that orderid.
sub count_of
{
	my ($self, $orderid, $call) = @_;

	return scalar(grep { $_->{body}{orderid} eq $orderid } $self->requests($call));
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

# Somebody gives it back in the gateway's portal.
sub reverse
{
	my ($self, $orderid) = @_;

	return $self->control('POST', '/reverse', { orderid => $orderid })->{reversed};
}

# The text of a statement of what was settled, on that day.
sub statement
{
	my ($self, $date, @orderids) = @_;

	return $self->control('POST', '/statement', { date => $date, @orderids ? (orderids => \@orderids) : () })->{content};
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

package Naps::Market;

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use HTTP::Tiny;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use Washminute qw(washminute_node create_washminute signing_key noon people is_query query_becomes log_since within);

# Naps::Market->start(NAPS, options of washminute_node, washmen => COUNT): a cluster with
# people, whose card payments go to that gateway, and the door to it.
sub start
{
	my ($class, $naps, %option) = @_;
	my $washmen = delete $option{washmen} // 1;
	my $conf = delete $option{conf} // '';
	my $self = bless({ naps => $naps, keys => 0 }, $class);

	$self->{node} = washminute_node(delete $option{name} // 'main', %option, start => 0);
	$self->{door} = Naps::Door->start($self->{node});
	$self->{key_file} = signing_key();
	$self->{credentials_file} = $self->secret_file(encode_json($naps->credentials));
	# what the tests send is not to stand in the log by their own doing
	$self->{node}->append_conf('postgresql.conf', "log_statement = none\nautovacuum = off\n" . $self->conf . $conf);
	$self->{node}->start;
	create_washminute($self->{node}, 'postgres');
	# the clock may go fast
	$self->sql(people($washmen) . "UPDATE washminute_data.settings SET value = 1440 WHERE name = 'payment_minutes';
	  UPDATE washminute_data.service_zones SET opens_at = '00:00', closes_at = '24:00'");
	return $self;
}

# A new file of mode 0600 with that text: its path.
sub secret_file
{
	my ($self, $text) = @_;
	my $path = PostgreSQL::Test::Utils::tempdir . '/secret';
	my $old_umask = umask(0077);

	append_to_file($path, $text);
	umask($old_umask);
	return $path;
}

# Lines of postgresql.conf: all that card payments need.
sub conf
{
	my ($self) = @_;

	return "washminute.naps_url = '${\$self->{naps}->url}'\n"
	  . "washminute.callback_base_url = 'http://127.0.0.1:${\$self->{door}->port}'\n"
	  . "washminute.signing_key_file = '$self->{key_file}'\n"
	  . "washminute.naps_credentials_file = '$self->{credentials_file}'\n";
}

sub sql
{
	my ($self, $sql) = @_;

	return $self->{node}->safe_psql('postgres', $sql);
}

# The clock goes so much faster than the real one, from a noon on: what is a minute away
# comes soon.
sub hurry
{
	my ($self, $rate, $later) = @_;

	return $self->sql(noon($later) =~ s/, 0\)/, $rate)/r);
}

# Book for amina, by card: a sale, a hash of request, order, total.
sub book
{
	my ($self) = @_;
	my %sale;

	@sale{qw(request order total)} = split(/\|/, $self->sql(
		"SELECT request_id, order_id, total FROM washminute.create_booking('amina', '{complete,wax}', -7.61, 33.59, 'Rue 1', 'card')"));
	return \%sale;
}

# SQL that begins its payment, by that idempotency key or by a new one.
sub beginning
{
	my ($self, $sale, $key, $more) = @_;

	$key //= 'key ' . ++$self->{keys};
	$more //= '';
	return "SELECT payment_id FROM washminute.begin_payment('$sale->{order}', 'amina', '$key'$more)";
}

# Begin its payment: the sale gets a member payment.
sub begin
{
	my ($self, $sale, $key) = @_;

	$sale->{payment} = $self->sql($self->beginning($sale, $key));
	return $sale;
}

# Wait for the link: the sale gets members link and orderid, of the newest attempt.
sub await_link
{
	my ($self, $sale) = @_;

	$sale->{link} = $self->sql(
		"SELECT washminute.wait_for_payment_link('$sale->{payment}', '${PostgreSQL::Test::Utils::timeout_default} s')");
	$self->newest($sale);
	return $sale;
}

# The sale's members attempt and orderid become those of the newest attempt.
sub newest
{
	my ($self, $sale) = @_;

	@{$sale}{qw(attempt orderid)} = split(/\|/, $self->sql("SELECT attempt_id, gateway_order_id
	  FROM washminute_data.payment_attempts WHERE payment_id = '$sale->{payment}' ORDER BY number DESC LIMIT 1"));
	return $sale;
}

# All of that: a sale that can be paid.
sub checkout
{
	my ($self) = @_;

	return $self->await_link($self->begin($self->book));
}

# What the customer does on the page of its link; as Naps->pay.
sub pay
{
	my ($self, $sale, %act) = @_;

	return $self->{naps}->pay(url => $sale->{link}, %act);
}

# A sale that is paid.
sub sell
{
	my ($self) = @_;
	my $sale = $self->checkout;

	$self->pay($sale);
	return $sale;
}

# The customer, or somebody else, cancels.
sub cancel
{
	my ($self, $sale, $user) = @_;

	$user //= 'amina';
	$self->sql("BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT FROM washminute.cancel_request('$sale->{request}', '$user'); COMMIT");
	return $sale;
}

# An administrator pays back a part: the refund's id.
sub refund
{
	my ($self, $sale, $amount, $key) = @_;

	$key //= 'key ' . ++$self->{keys};
	return $self->sql("SELECT washminute.request_refund('$sale->{payment}', $amount, 'goodwill', '$key')");
}

# SQL for how it stands, the states of its payment, attempts, order and refunds:
# "paid declined,succeeded+ paid reversal:reversed:20.00"; "+" marks surplus.
sub state_query
{
	my ($self, $sale) = @_;

	return <<"SQL";
SELECT concat_ws(' ', p.status,
  (SELECT string_agg(a.status || CASE WHEN a.surplus THEN '+' ELSE '' END, ',' ORDER BY a.number)
     FROM washminute_data.payment_attempts AS a WHERE a.payment_id = p.payment_id),
  o.status,
  (SELECT string_agg(concat_ws(':', f.method, f.status, f.amount), ' ' ORDER BY f.created_at, f.amount)
     FROM washminute_data.refunds AS f WHERE f.payment_id = p.payment_id))
  FROM washminute_data.payments AS p JOIN washminute_data.orders AS o ON o.order_id = p.order_id
 WHERE p.order_id = '$sale->{order}'
SQL
}

# A test: how it stands becomes that before the time, in seconds, is over.
sub becomes
{
	my ($self, $sale, $expected, $name, $seconds) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok(query_becomes($self->{node}, $self->state_query($sale), $expected, undef, $seconds), $name);
}

# A test: how it stands now.
sub is_now
{
	my ($self, $sale, $expected, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($self->sql($self->state_query($sale)), $expected, $name);
}

# SQL for what a person was told to look at of a sale: "refund_unknown:open", or who
# resolved it.
sub exceptions_query
{
	my ($self, $sale) = @_;

	return "SELECT COALESCE(string_agg(kind || ':' || COALESCE(resolved_by, 'open'), ' ' ORDER BY since), 'none')
	  FROM washminute_data.payment_exceptions WHERE payment_id = '$sale->{payment}'";
}

# A test: no message for the gateway that is due is left, or will be.
sub has_asked
{
	my ($self, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return Washminute::becomes($self->{node}, "SELECT count(*) FROM washminute_data.outbox
	  WHERE lane = 'payment' AND (due_at IS NULL OR due_at <= clock_timestamp())", 0, $name);
}

# What the gateway was given as that URL of the sale's newest attempt: callbackurl,
# successURL or failURL.
sub given_url
{
	my ($self, $sale, $name) = @_;
	my ($request) = grep { $_->{body}{orderid} eq $sale->{orderid} } $self->{naps}->requests('linkpayment');

	return $request->{body}{$name};
}

# A browser goes to such a URL: where it is sent to, or the status that it gets.
sub visit
{
	my ($self, $url) = @_;
	my $answer = HTTP::Tiny->new(max_redirect => 0, no_proxy => '127.0.0.1')->get($url);

	return $answer->{headers}{location} // $answer->{status};
}

# What the gateway would post of a sale: a hash, with a signature that is right unless it
# is among the changes.
sub callback_fields
{
	my ($self, $sale, %change) = @_;
	my %fields = (repauto => '00', montant => $sale->{total}, numAuto => '123456', numTrans => '7000001',
		idcommande => $sale->{orderid}, token => '', carte => '411111******1111', typecarte => '1', %change);

	$fields{signature} //= md5_hex($fields{idcommande} . $fields{repauto} . $Naps::CREDENTIALS{cle_pub} . $fields{montant});
	return %fields;
}

# Post it as a form: "STATUS WORD", or the status and the SQLSTATE.
sub call_back
{
	my ($self, $url, %fields) = @_;
	my $answer = HTTP::Tiny->new(no_proxy => '127.0.0.1')->post_form($url, \%fields);

	return "$answer->{status} " . ($answer->{content} =~ /^\{/ ? decode_json($answer->{content})->{code} : $answer->{content});
}

# A test: the gateway holds of every order what we say that it does, now or soon; but for
# some that it told nobody the truth of.
sub books_agree
{
	my ($self, $name, @apart) = @_;
	my %theirs = map { $_->{orderid} => $_->{net} } $self->{naps}->books;
	my %ours;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	within($PostgreSQL::Test::Utils::timeout_default, sub {
		%theirs = map { $_->{orderid} => $_->{net} } $self->{naps}->books;
		%ours = map { split(/=/) } split(/\n/, $self->sql("SELECT a.gateway_order_id || '=' || (a.charged -
		  COALESCE((SELECT sum(f.amount) FROM washminute_data.refunds AS f
		             WHERE f.attempt_id = a.attempt_id AND f.status IN ('accepted', 'reversed', 'settled')), 0))
		  FROM washminute_data.payment_attempts AS a"));
		delete @$_{@apart} foreach (\%theirs, \%ours);
		return !grep { ($theirs{$_} // '0.00') ne ($ours{$_} // '0.00') } keys %theirs, keys %ours;
	}, $name) || diag(explain({ theirs => \%theirs, ours => \%ours }));
	return 1 if @apart;
	return is($self->sql("SELECT -COALESCE(sum(amount), 0.00) FROM washminute_data.ledger_entries WHERE account_id = 'card_clearing'"),
		$self->{naps}->counts->{net}, "$name: and so does the ledger");
}

# Tests at the end: books, invariants, and that nothing secret got into the log.  Options:
# apart => [ORDERID...] as for books_agree, secrets => [...] that are not to be there, too,
# crashes => 1 where the server was killed, keys_refused => 1 where we had a wrong one.
sub is_sound
{
	my ($self, %option) = @_;
	my $counts = $self->{naps}->counts;
	my @secrets = (@Naps::CREDENTIALS{qw(api_key cx_password cle_pub)}, slurp_file($self->{key_file}) =~ /(\S{32,})/g);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$self->books_agree('the books agree', @{ $option{apart} // [] });
	is_query($self->{node}, 'SELECT * FROM washminute.check_invariants()', '', 'the invariants hold');
	$counts->{keysRefused} = 0 if $option{keys_refused};
	is(join(' ', map { "$_=$counts->{$_}" } qw(macMismatches headersMissing keysRefused malformed broken chargedTwice overRefunded)),
		'macMismatches=0 headersMissing=0 keysRefused=0 malformed=0 broken=0 chargedTwice=0 overRefunded=0',
		'the gateway has nothing to complain of');

	foreach my $request ($self->{naps}->requests)
	{
		push @secrets, grep { $_ } $request->{body}{securtoken24};
		push @secrets, map { m{/naps/\w+/(.+)} } grep { $_ } @{ $request->{body} }{qw(callbackurl successURL failURL)};
	}
	my $log = log_since($self->{node});
	my @told = grep { index($log, $_) >= 0 } @secrets, @{ $option{secrets} // [] };
	ok(!@told, 'no secret got into the log') or diag("@told");
	unlike($log, qr/PANIC|TRAP|was terminated by signal|state="failing/, 'and the worker did not fail')
	  unless $option{crashes};
	return;
}

1;
