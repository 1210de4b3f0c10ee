-- What happened, what must leave the database for it, and which calls were
-- answered already.

CREATE TABLE washminute_data.events (
    event_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL,
    event text NOT NULL,
    request_id uuid,
    actor_id text,
    data jsonb NOT NULL,
    correlation_id text,
    CONSTRAINT events_pk PRIMARY KEY (event_id),
    CONSTRAINT events_data_is_object CHECK (jsonb_typeof(data) = 'object')
);
CREATE INDEX events_request ON washminute_data.events (request_id, event_id);
COMMENT ON TABLE washminute_data.events IS
  'The log of what happened. Append-only, and without foreign keys: it may outlive what it tells of.';
COMMENT ON COLUMN washminute_data.events.event_id IS 'Id; in the order of happening within a request.';
COMMENT ON COLUMN washminute_data.events.at IS 'When it happened.';
COMMENT ON COLUMN washminute_data.events.event IS 'Name of the event, e.g. washmanAssigned.';
COMMENT ON COLUMN washminute_data.events.request_id IS 'The request it is about.';
COMMENT ON COLUMN washminute_data.events.actor_id IS 'Who did it; NULL for a deadline.';
COMMENT ON COLUMN washminute_data.events.data IS 'Facts; keys are camelCase.';
COMMENT ON COLUMN washminute_data.events.correlation_id IS 'Id of the caller''s request, where he gave one.';

CREATE TABLE washminute_data.outbox (
    outbox_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    lane text NOT NULL,
    recipient_id text,
    event text NOT NULL,
    data jsonb NOT NULL,
    correlation_id text,
    state text NOT NULL DEFAULT 'queued',
    attempts integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    expires_at timestamptz,
    CONSTRAINT outbox_pk PRIMARY KEY (outbox_id),
    CONSTRAINT outbox_lane_known CHECK (lane IN ('push', 'payment')),
    CONSTRAINT outbox_state_known CHECK (state IN ('queued', 'sent', 'failed', 'expired')),
    CONSTRAINT outbox_attempts_not_negative CHECK (attempts >= 0),
    CONSTRAINT outbox_data_is_object CHECK (jsonb_typeof(data) = 'object')
);
COMMENT ON TABLE washminute_data.outbox IS
  'What is to leave the database, written in the transaction that causes it.';
COMMENT ON COLUMN washminute_data.outbox.outbox_id IS 'Id, in the order of writing.';
COMMENT ON COLUMN washminute_data.outbox.lane IS 'push: to a person''s devices; payment: to the card gateway.';
COMMENT ON COLUMN washminute_data.outbox.recipient_id IS 'The user it is for.';
COMMENT ON COLUMN washminute_data.outbox.event IS 'Name of the event.';
COMMENT ON COLUMN washminute_data.outbox.data IS 'Facts for the app; keys are camelCase.';
COMMENT ON COLUMN washminute_data.outbox.correlation_id IS 'Id of the caller''s request, where he gave one.';
COMMENT ON COLUMN washminute_data.outbox.state IS 'queued, sent, failed or expired.';
COMMENT ON COLUMN washminute_data.outbox.attempts IS 'How often it was tried.';
COMMENT ON COLUMN washminute_data.outbox.created_at IS 'When it was written.';
COMMENT ON COLUMN washminute_data.outbox.due_at IS 'When it may be sent.';
COMMENT ON COLUMN washminute_data.outbox.expires_at IS 'From when on it is of no more use.';

CREATE TABLE washminute_data.idempotency_keys (
    actor_id text NOT NULL,
    command text NOT NULL,
    key text NOT NULL,
    arguments_sha256 bytea NOT NULL,
    answer jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT idempotency_keys_pk PRIMARY KEY (actor_id, command, key),
    CONSTRAINT idempotency_keys_digest_has_length CHECK (octet_length(arguments_sha256) = 32)
);
CREATE INDEX idempotency_keys_created ON washminute_data.idempotency_keys (created_at);
COMMENT ON TABLE washminute_data.idempotency_keys IS
  'Calls that were answered, so that a repeated call gets the same answer and has no second effect.';
COMMENT ON COLUMN washminute_data.idempotency_keys.actor_id IS 'Who called.';
COMMENT ON COLUMN washminute_data.idempotency_keys.command IS 'The command.';
COMMENT ON COLUMN washminute_data.idempotency_keys.key IS 'The key the caller chose.';
COMMENT ON COLUMN washminute_data.idempotency_keys.arguments_sha256 IS 'SHA-256 of the arguments.';
COMMENT ON COLUMN washminute_data.idempotency_keys.answer IS 'The answer that was given.';
COMMENT ON COLUMN washminute_data.idempotency_keys.created_at IS 'When; kept for the setting idempotency_hours.';

ALTER TABLE washminute_data.events ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.idempotency_keys ENABLE ROW LEVEL SECURITY;
