-- Exactly one washman gets the job.
--
-- Commands read rows by key. In a serializable transaction a sequential scan,
-- which the planner prefers for small tables, would lock whole tables against
-- other acceptances; so it is switched off for all of them, since they share
-- their plans. The planner then gives what it must scan an enormous cost, for
-- which the JIT compiler would be started; so that is off too.

CREATE OR REPLACE FUNCTION washminute.accept_request(request_id uuid, washman_id text)
RETURNS TABLE (id uuid, order_id uuid, customer_id text, status text, accepted_at timestamptz)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_accept_request';
COMMENT ON FUNCTION washminute.accept_request(uuid, text) IS
  'A washman takes a request that he was offered. Exactly one can; the others get PT409. Where the zone''s policy is ranked, and answers are being collected, the status stays pending, and the nearest of those who answered is told that the job is his. Must run in a serializable transaction.';
