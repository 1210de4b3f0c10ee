-- The outbox: messages of one's own, dead letters, the secrets of webhooks.

CREATE OR REPLACE FUNCTION washminute.enqueue(
    lane text, event text, data jsonb DEFAULT '{}', recipient_id text DEFAULT NULL, listener text DEFAULT NULL,
    due_at timestamptz DEFAULT NULL, expires_at timestamptz DEFAULT NULL, dedupe_key text DEFAULT NULL) RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_enqueue';
COMMENT ON FUNCTION washminute.enqueue(text, text, jsonb, text, text, timestamptz, timestamptz, text) IS
  'Queues a message of your own in this transaction: in the lane push to a user, in webhook or realtime to a listener; the id of its row. due_at is by the real clock, expires_at by washminute.now(). With a dedupe key the same message is queued once.';

CREATE OR REPLACE FUNCTION washminute.retry_dead(lane text, since timestamptz DEFAULT NULL) RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_retry_dead';
COMMENT ON FUNCTION washminute.retry_dead(text, timestamptz) IS
  'Queues the dead letters of a lane again, all or those that failed since a time (real clock), as if they were new; how many.';

CREATE OR REPLACE FUNCTION washminute.webhook_secret(listener text) RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'washminute_webhook_secret';
COMMENT ON FUNCTION washminute.webhook_secret(text) IS
  'The secret (whsec_...) by which the receiver of a listener''s webhooks verifies them, derived from the file of washminute.signing_key_file.';

CREATE OR REPLACE FUNCTION washminute._routes_changed() RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'washminute_routes_changed';
COMMENT ON FUNCTION washminute._routes_changed() IS
  'Internal: listeners or lanes have changed, so sessions and worker look at them anew after commit.';
