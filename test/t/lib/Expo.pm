#
# Expo.pm
#	The fake Expo push service (test/fakes/expo.js) for TAP tests.
#
#	my $expo = Expo->start;
#	my $node = washminute_node('main', conf => $expo->conf);
#	$node->safe_psql('postgres', device('amina', $expo->token('receipt-ExpoError-1')));
#	$expo->anew({ mode => 'hold', times => 1 });
#	$expo->becomes(accepted => 1, 'the message arrives');
#
# What a token's text leads to is told in test/fakes/expo-service.js, what each mode
# does in expo-modes.js.
#
package Expo;

use strict;
use warnings;

use parent 'Fake';

use Exporter 'import';
use JSON::PP;

our @EXPORT = qw(device notify remember_pushes push_fates make_due);

# Expo->start: a running service, which keeps the messages that it accepts.
sub start
{
	my ($class) = @_;
	my $self = Fake::launch($class, 'expo.js');

	$self->anew;
	return $self;
}

# Lines of postgresql.conf: the worker sends to it, and as fast as it can.
sub conf
{
	my ($self) = @_;

	return "washminute.expo_url = 'http://127.0.0.1:$self->{port}/--/api/v2/push'\n"
	  . "washminute.expo_rate_limit = 0\n";
}

# token(TEXT): the token with that text in its brackets.
sub token
{
	my ($self, $text) = @_;

	return "ExponentPushToken[$text]";
}

# modes(STEP...): how it answers from now on; each step is a hash of a mode and its
# options, or of options that last.
sub modes
{
	my ($self, @steps) = @_;

	return $self->control('PUT', '', \@steps);
}

# anew(STEP...): forgets all counts, messages and options, then does as modes() does.
sub anew
{
	my ($self, @steps) = @_;

	$self->control('DELETE', '');
	return $self->modes({ record => JSON::PP::true }, @steps);
}

# The counts: a hash of requests, recipients, accepted, distinct, doubled, open ...
sub counts
{
	my ($self) = @_;

	return $self->control('GET', '');
}

# The messages that were accepted, in the order of arrival, or those to a token only.
sub messages
{
	my ($self, $token) = @_;
	my $messages = $self->control('GET', '/messages');

	return grep { !defined $token || $_->{to} eq $token } @$messages;
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

# device(USER, TOKEN...): SQL that makes a user, who reads English, with these devices.
sub device
{
	my ($user, @tokens) = @_;

	return "SELECT washminute.upsert_user('$user', 'customer', locale => 'en');\n"
	  . join('', map { "SELECT washminute.register_push_token('$user', '$_');\n" } @tokens);
}

# notify(USER...): SQL that sends each user a message, which says who it is for.
sub notify
{
	my (@users) = @_;

	return join('', map { "SELECT washminute.notify_user('$_', 'test', '{\"title\": \"To $_\", \"body\": \"Hello\"}');\n" } @users);
}

# remember_pushes(NODE): from now on each failure and each end of a row of the outbox is
# put down in public.history, and each disabled token, with its transaction.
sub remember_pushes
{
	my ($node) = @_;

	$node->safe_psql('postgres', <<'SQL');
CREATE TABLE public.history (
  number bigint GENERATED ALWAYS AS IDENTITY, what text, recipient_id text, token text, attempts integer, state text,
  distance float8, last_error text, xid xid8 DEFAULT pg_current_xact_id());
CREATE FUNCTION public.remember() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_TABLE_NAME = 'push_tokens' THEN
    INSERT INTO public.history (what, token) VALUES ('disabled', NEW.token);
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO public.history (what, recipient_id, token, state) VALUES ('gone', OLD.recipient_id, OLD.token, OLD.state);
  ELSE
    INSERT INTO public.history (what, recipient_id, token, attempts, state, distance, last_error)
    VALUES (NEW.lane, NEW.recipient_id, NEW.token, NEW.attempts, NEW.state, EXTRACT(epoch FROM NEW.due_at - NEW.failed_at), NEW.last_error);
  END IF;
  RETURN NULL;
END
$$;
CREATE TRIGGER remember_failure AFTER UPDATE ON washminute_data.outbox
  FOR EACH ROW WHEN (NEW.failed_at IS DISTINCT FROM OLD.failed_at) EXECUTE FUNCTION public.remember();
CREATE TRIGGER remember_end AFTER DELETE ON washminute_data.outbox FOR EACH ROW EXECUTE FUNCTION public.remember();
CREATE TRIGGER remember_disabled AFTER UPDATE ON washminute_data.push_tokens
  FOR EACH ROW WHEN (NEW.disabled_at IS NOT NULL) EXECUTE FUNCTION public.remember();
SQL
	return;
}

# push_fates(NODE, USER): how a user's messages failed, in order: "ATTEMPTS:STATE:ERROR, ...".
sub push_fates
{
	my ($node, $user) = @_;

	return $node->safe_psql('postgres', "SELECT string_agg(attempts || ':' || state || ':' || last_error, ', ' ORDER BY number)
	  FROM public.history WHERE what = 'push' AND recipient_id = '$user'");
}

# make_due(NODE, CONDITION): rows of the outbox whose time is still to come are due now.
sub make_due
{
	my ($node, $condition) = @_;

	$node->safe_psql('postgres', "UPDATE washminute_data.outbox SET due_at = NULL, xid = pg_current_xact_id()
	  WHERE due_at > clock_timestamp() AND $condition");
	$node->reload;
	return;
}

1;
