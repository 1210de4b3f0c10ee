-- A request's way from its offers to its end.

CREATE OR REPLACE FUNCTION washminute.decline_request(request_id uuid, washman_id text) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_decline_request';
COMMENT ON FUNCTION washminute.decline_request(uuid, text) IS
  'A washman declines a request that he was offered; it is not offered to him again.';

CREATE OR REPLACE FUNCTION washminute.advance_request(request_id uuid, washman_id text, to_status text) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_advance_request';
COMMENT ON FUNCTION washminute.advance_request(uuid, text, text) IS
  'The washman moves his job on: en_route, arrived, in_progress, completed; no_show when the customer is not there; pending gives it back, and it is offered to others.';

CREATE OR REPLACE FUNCTION washminute.cancel_request(request_id uuid, actor_id text, reason text DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_cancel_request';
COMMENT ON FUNCTION washminute.cancel_request(uuid, text, text) IS
  'The customer or an administrator cancels a request before the work begins. What was held is released; what was paid by card is due back.';

CREATE OR REPLACE FUNCTION washminute.record_payment(order_id uuid, amount numeric, payment_reference text) RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_record_payment';
COMMENT ON FUNCTION washminute.record_payment(uuid, numeric, text) IS
  'Records that the whole amount of a card order (MAD) has arrived, and offers the job; once the request is cancelled or expired the money is due back instead. The same reference again does nothing. Returns how many washmen were offered the job.';

CREATE OR REPLACE FUNCTION washminute.expire_due() RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_expire_due';
COMMENT ON FUNCTION washminute.expire_due() IS
  'Expires pending requests whose time is over, at most 500 in a call; returns how many.';
