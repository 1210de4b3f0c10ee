-- Keeps what push.sql must know of push messages and the tables do not tell afterwards.
--
-- First, whom a message of an offer was for: who is offered a request again has one
-- row, as if he had been told once, and who was to be told later is not when somebody
-- has it by then.  Each message is a row of the outbox with its recipient; of those,
-- rows for one of several devices name that too.  That a payment was taken back is told to
-- those alone who had paid for what they still wait for.
--
-- Second, the push messages that the worker drops because they have expired, which
-- leave no other trace but a line in the log.  A row that is dropped was claimed in
-- the same transaction; one that was delivered was claimed in an earlier one; and one
-- whose time ran out in that very moment, as it made room for a row per device or
-- washman, is not counted, since those are.  The worker looks at the clock while its
-- transaction goes on, which on this one may be a minute.

CREATE SCHEMA washminute_demo AUTHORIZATION washminute_owner;
SET ROLE washminute_owner;

CREATE TABLE washminute_demo.told (event text, user_id text, request_id uuid);

CREATE FUNCTION washminute_demo.keep_told() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO washminute_demo.told VALUES (NEW.event, NEW.recipient_id, (NEW.data->>'requestId')::uuid);
  RETURN NULL;
END
$$;

CREATE TRIGGER keep_told AFTER INSERT ON washminute_data.outbox FOR EACH ROW
WHEN (NEW.lane = 'push' AND NEW.recipient_id IS NOT NULL AND NEW.token IS NULL
      AND NEW.event IN ('newWashingRequest', 'offerGone', 'paymentTakenBack'))
EXECUTE FUNCTION washminute_demo.keep_told();

CREATE TABLE washminute_demo.expired (event text, recipient_id text, token text, data jsonb, attempts integer);

CREATE FUNCTION washminute_demo.keep_expired() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO washminute_demo.expired
  SELECT OLD.event, OLD.recipient_id, OLD.token, OLD.data, OLD.attempts
   WHERE NOT EXISTS (
    SELECT FROM washminute_data.outbox AS o
     WHERE o.lane = 'push' AND o.listener = '' AND o.xid = pg_current_xact_id() AND OLD.token IS NULL
       AND o.event = OLD.event AND o.data = OLD.data AND (OLD.recipient_id IS NULL OR o.recipient_id = OLD.recipient_id));
  RETURN NULL;
END
$$;

CREATE TRIGGER keep_expired AFTER DELETE ON washminute_data.outbox FOR EACH ROW
WHEN (OLD.lane = 'push' AND OLD.xmin = pg_current_xact_id()::xid AND OLD.expires_at <= washminute.now() + interval '1 minute')
EXECUTE FUNCTION washminute_demo.keep_expired();
