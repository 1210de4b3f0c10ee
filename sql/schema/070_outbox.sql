-- The outbox as the worker needs it, and who listens to events.
--
-- A row lives here until what it asks for is done: delivered rows are deleted by
-- the transaction that records the delivery. Claiming a row changes no column
-- that an index holds, so it is a HOT update. The worker's cursor over new rows
-- is a snapshot (src/outbox/queue.c), which xid is for; rows that wait for their time
-- are found by due_at.

ALTER TABLE washminute_data.outbox
  ADD COLUMN listener text NOT NULL DEFAULT '',
  ADD COLUMN queued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  ADD COLUMN epoch bigint,
  ADD COLUMN claimed_at timestamptz,
  ADD COLUMN failed_at timestamptz,
  ADD COLUMN last_error text,
  ALTER COLUMN due_at DROP NOT NULL,
  DROP CONSTRAINT outbox_lane_known,
  DROP CONSTRAINT outbox_state_known;
DELETE FROM washminute_data.outbox WHERE state IN ('sent', 'expired');
UPDATE washminute_data.outbox SET due_at = NULL, state = CASE state WHEN 'failed' THEN 'dead' ELSE state END;
ALTER TABLE washminute_data.outbox
  ADD CONSTRAINT outbox_lane_known
    CHECK (lane IN ('push', 'push_receipt', 'payment', 'webhook', 'realtime')),
  ADD CONSTRAINT outbox_state_known CHECK (state IN ('queued', 'inflight', 'dead')),
  ADD CONSTRAINT outbox_inflight_has_epoch CHECK (state <> 'inflight' OR epoch IS NOT NULL),
  ADD CONSTRAINT outbox_last_error_has_length CHECK (char_length(last_error) <= 1000);
ALTER TABLE washminute_data.outbox
  SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.5);
CREATE INDEX outbox_new ON washminute_data.outbox (lane, listener, xid, outbox_id);
CREATE INDEX outbox_due ON washminute_data.outbox (lane, listener, due_at) WHERE due_at IS NOT NULL;
COMMENT ON TABLE washminute_data.outbox IS
  'What is to leave the database, written in the transaction that causes it. A delivered row is deleted; one that cannot be delivered stays as a dead letter.';
COMMENT ON COLUMN washminute_data.outbox.lane IS
  'push: to a person''s devices; push_receipt: what became of a push; payment: to the card gateway; webhook: to a listener''s URL; realtime: to the socket relay.';
COMMENT ON COLUMN washminute_data.outbox.listener IS 'The listener whose URL it goes to; empty where the lane has one destination.';
COMMENT ON COLUMN washminute_data.outbox.state IS
  'queued; inflight: claimed by the worker of that epoch, perhaps sent; dead: given up, see last_error and washminute.retry_dead.';
COMMENT ON COLUMN washminute_data.outbox.attempts IS 'How often it was claimed to be sent.';
COMMENT ON COLUMN washminute_data.outbox.created_at IS 'When it was written, by the business''s clock.';
COMMENT ON COLUMN washminute_data.outbox.due_at IS 'When it may be sent, by the real clock; NULL for at once.';
COMMENT ON COLUMN washminute_data.outbox.expires_at IS
  'From when on, by the business''s clock, it is of no more use: then it is dropped, not sent.';
COMMENT ON COLUMN washminute_data.outbox.queued_at IS 'When it was written, by the real clock.';
COMMENT ON COLUMN washminute_data.outbox.xid IS
  'The transaction that wrote it, or put it back for all to see: what the worker finds new rows by.';
COMMENT ON COLUMN washminute_data.outbox.epoch IS 'Which life of the worker claimed it last; a row in flight of an earlier one is an orphan.';
COMMENT ON COLUMN washminute_data.outbox.claimed_at IS 'When the worker claimed it last, by the real clock.';
COMMENT ON COLUMN washminute_data.outbox.failed_at IS 'When the last attempt failed, by the real clock.';
COMMENT ON COLUMN washminute_data.outbox.last_error IS 'What the last attempt failed by.';

ALTER TABLE washminute_data.instance ADD COLUMN worker_epoch bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN washminute_data.instance.worker_epoch IS
  'Counts the lives of the worker; what an earlier one had in flight is taken up by the next.';

CREATE TABLE washminute_data.lanes (
    lane text NOT NULL,
    concurrency integer NOT NULL,
    rate_per_second integer,
    max_attempts integer NOT NULL,
    backoff_limit_seconds integer NOT NULL,
    breaker_failures integer NOT NULL,
    paused boolean NOT NULL DEFAULT false,
    CONSTRAINT lanes_pk PRIMARY KEY (lane),
    CONSTRAINT lanes_known CHECK (lane IN ('push', 'push_receipt', 'payment', 'webhook', 'realtime')),
    CONSTRAINT lanes_concurrency_in_range CHECK (concurrency BETWEEN 1 AND 256),
    CONSTRAINT lanes_rate_in_range CHECK (rate_per_second BETWEEN 1 AND 1000000),
    CONSTRAINT lanes_max_attempts_in_range CHECK (max_attempts BETWEEN 1 AND 100),
    CONSTRAINT lanes_backoff_limit_in_range CHECK (backoff_limit_seconds BETWEEN 1 AND 86400),
    CONSTRAINT lanes_breaker_failures_in_range CHECK (breaker_failures BETWEEN 1 AND 1000)
);
COMMENT ON TABLE washminute_data.lanes IS
  'How the worker treats each kind of destination. UPDATE a row; the worker looks at once.';
COMMENT ON COLUMN washminute_data.lanes.lane IS 'As in outbox.';
COMMENT ON COLUMN washminute_data.lanes.concurrency IS 'Requests in flight at most; of the lane webhook, for each listener.';
COMMENT ON COLUMN washminute_data.lanes.rate_per_second IS 'Messages per second at most, evenly spaced; NULL for no limit.';
COMMENT ON COLUMN washminute_data.lanes.max_attempts IS 'After so many attempts a message is a dead letter.';
COMMENT ON COLUMN washminute_data.lanes.backoff_limit_seconds IS
  'Attempts are 1, 2, 4, 8 ... seconds apart, and never more than this; also the longest Retry-After that is honoured.';
COMMENT ON COLUMN washminute_data.lanes.breaker_failures IS
  'After so many failures in a row the destination is left alone for 5 s, then 10 s ... to 5 minutes.';
COMMENT ON COLUMN washminute_data.lanes.paused IS 'An operator holds the lane: rows wait.';

CREATE TABLE washminute_data.listeners (
    name text NOT NULL,
    event_pattern text NOT NULL,
    lane text,
    url text,
    audience text,
    template text,
    function_name text,
    enabled boolean NOT NULL DEFAULT true,
    CONSTRAINT listeners_pk PRIMARY KEY (name),
    CONSTRAINT listeners_name_is_plain CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    CONSTRAINT listeners_event_pattern_is_plain CHECK (event_pattern ~ '^[A-Za-z]{0,100}\*?$' AND event_pattern <> ''),
    CONSTRAINT listeners_makes_one_thing CHECK (
      (lane IS NOT NULL AND lane IN ('webhook', 'realtime')
        AND url IS NOT NULL AND audience IS NULL AND template IS NULL AND function_name IS NULL)
      OR (lane IS NOT NULL AND lane = 'push'
        AND url IS NULL AND audience IS NOT NULL AND template IS NOT NULL AND function_name IS NULL)
      OR (lane IS NULL AND url IS NULL AND audience IS NULL AND template IS NULL AND function_name IS NOT NULL)),
    CONSTRAINT listeners_audience_known CHECK (audience IN ('customer', 'washman')),
    CONSTRAINT listeners_template_is_plain CHECK (template ~ '^[A-Za-z]{1,100}$'),
    CONSTRAINT listeners_url_is_safe CHECK (
      char_length(url) <= 2000
      AND url ~ '^(https://[A-Za-z0-9.-]+|http://(127\.0\.0\.1|localhost|\[::1\]))(:[0-9]{1,5})?(/[!-~]*)?$'),
    CONSTRAINT listeners_function_name_has_schema CHECK (
      char_length(function_name) <= 200 AND function_name ~ '^[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*$')
);
COMMENT ON TABLE washminute_data.listeners IS
  'Who hears of which events: a URL, a person''s devices, or a function of yours. INSERT a row; no command needs to know.';
COMMENT ON COLUMN washminute_data.listeners.name IS 'Name; the secret that signs a webhook belongs to it.';
COMMENT ON COLUMN washminute_data.listeners.event_pattern IS 'An event''s name; or its beginning and a star, e.g. wash*; or a star alone.';
COMMENT ON COLUMN washminute_data.listeners.lane IS
  'webhook: POST to url. realtime: the same, to the socket relay. push: a message to devices. NULL: a call of function_name.';
COMMENT ON COLUMN washminute_data.listeners.url IS 'Where to POST: https, or http to this machine.';
COMMENT ON COLUMN washminute_data.listeners.audience IS 'Who of the request gets the push: its customer or its washman.';
COMMENT ON COLUMN washminute_data.listeners.template IS 'The push''s event name, which its texts go by.';
COMMENT ON COLUMN washminute_data.listeners.function_name IS
  'A function (jsonb) returning void, schema.name. It runs in the transaction of the event, and an error of it refuses the command.';
COMMENT ON COLUMN washminute_data.listeners.enabled IS
  'false: events make nothing for it any more, and what waits for it stays. The worker sets it when the URL answers 410 Gone.';

ALTER TABLE washminute_data.lanes ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.listeners ENABLE ROW LEVEL SECURITY;
