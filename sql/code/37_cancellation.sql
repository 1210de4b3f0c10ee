-- A request is cancelled, and what that costs.

CREATE OR REPLACE FUNCTION washminute.cancel_request(
    request_id uuid, actor_id text, reason text DEFAULT NULL, agreed_fee numeric DEFAULT NULL)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_cancel_request';
COMMENT ON FUNCTION washminute.cancel_request(uuid, text, text, numeric) IS
  'The customer cancels a request before the work begins, for the fee that cancellation_fee() shows; a fee above agreed_fee is refused. An administrator cancels without a fee, and while the work goes on with a reason. What was held is released; what was paid by card, less the fee, is due back.';

CREATE OR REPLACE FUNCTION washminute.cancellation_fee(request_id uuid, actor_id text)
RETURNS TABLE (fee numeric, washman_share numeric, refund numeric)
LANGUAGE C STABLE PARALLEL UNSAFE ROWS 1
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_cancellation_fee';
COMMENT ON FUNCTION washminute.cancellation_fee(uuid, text) IS
  'What cancelling a request would cost this person now, in MAD: the fee, what the washman gets of it, and what would be due back of a card payment. Nothing changes.';

CREATE OR REPLACE FUNCTION washminute.force_cancel_request(request_id uuid, admin_id text, reason text)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_force_cancel_request';
COMMENT ON FUNCTION washminute.force_cancel_request(uuid, text, text) IS
  'An administrator cancels a request in any state before it is completed, for a reason that is kept in the log. Nobody pays a fee.';
