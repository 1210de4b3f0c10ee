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
  'The washman moves his job on: en_route, arrived (only near the place, by a position of late), in_progress, completed; no_show when he has waited and nobody is there; pending gives it back, and it is offered to others.';

CREATE OR REPLACE FUNCTION washminute.record_payment(order_id uuid, amount numeric, payment_reference text) RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_record_payment';
COMMENT ON FUNCTION washminute.record_payment(uuid, numeric, text) IS
  'Records that the whole amount of a card order (MAD) has arrived, and offers the job; once the request is cancelled or expired the money is due back instead. The same reference again does nothing. Returns how many washmen were offered the job.';
