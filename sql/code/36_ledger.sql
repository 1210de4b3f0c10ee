-- The books.

CREATE OR REPLACE FUNCTION washminute.settle_balance(
    washman_id text, amount numeric, reason text, idempotency_key text DEFAULT NULL) RETURNS numeric
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_settle_balance';
COMMENT ON FUNCTION washminute.settle_balance(text, numeric, text, text) IS
  'Books money that changed hands outside: a positive amount (MAD) is paid in by the washman, a negative one is taken, also below the floor. Returns the new balance. The same idempotency key and arguments give the same answer with one effect.';

CREATE OR REPLACE FUNCTION washminute.washman_balance(washman_id text) RETURNS numeric
LANGUAGE C STABLE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_washman_balance';
COMMENT ON FUNCTION washminute.washman_balance(text) IS
  'The balance of a washman in MAD, what is held included.';

CREATE OR REPLACE FUNCTION washminute.settle_receivable(
    receivable_id uuid, admin_id text, reason text, waived boolean DEFAULT false)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_settle_receivable';
COMMENT ON FUNCTION washminute.settle_receivable(uuid, text, text, boolean) IS
  'An administrator books that what somebody owed has been paid outside, or, waived, that the platform gives it up.';

CREATE OR REPLACE FUNCTION washminute.request_payout(washman_id text, amount numeric, idempotency_key text DEFAULT NULL)
RETURNS uuid
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_request_payout';
COMMENT ON FUNCTION washminute.request_payout(text, numeric, text) IS
  'A washman asks to be paid out an amount (MAD) of his balance, less what is held; it is held until the payout is paid or refused. Returns the payout''s id. One can be open at a time.';

CREATE OR REPLACE FUNCTION washminute.pay_payout(payout_id uuid, admin_id text, reference text)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_pay_payout';
COMMENT ON FUNCTION washminute.pay_payout(uuid, text, text) IS
  'An administrator books that a payout has been sent, with the reference of the bank transfer.';

CREATE OR REPLACE FUNCTION washminute.refuse_payout(payout_id uuid, admin_id text, reason text)
RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_refuse_payout';
COMMENT ON FUNCTION washminute.refuse_payout(uuid, text, text) IS
  'An administrator refuses a payout; the amount is the washman''s to use again.';

CREATE OR REPLACE FUNCTION washminute.washman_earnings(
    washman_id text, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL)
RETURNS TABLE (jobs bigint, gross numeric, commission numeric, compensation numeric, fees numeric, net numeric)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 1
SET search_path FROM CURRENT
AS $$
  SELECT done.jobs, done.gross, done.commission, other.compensation, other.fees,
         done.gross - done.commission + other.compensation - other.fees
    FROM (SELECT pg_catalog.count(*) AS jobs, COALESCE(pg_catalog.sum(o.total), 0) AS gross,
                 COALESCE(pg_catalog.sum(j.commission), 0) AS commission
            FROM washminute_data.jobs AS j
            JOIN washminute_data.washing_requests AS r ON r.request_id = j.request_id
            JOIN washminute_data.orders AS o ON o.order_id = r.order_id
           WHERE j.washman_id = washman_earnings.washman_id AND j.outcome = 'completed'
             AND j.ended_at >= COALESCE(since, '-infinity') AND j.ended_at < COALESCE(until, 'infinity')) AS done,
         (SELECT COALESCE(pg_catalog.sum(e.amount) FILTER (WHERE e.purpose = 'cancellation_share'), 0) AS compensation,
                 COALESCE(-pg_catalog.sum(e.amount) FILTER (WHERE e.purpose = 'give_back_fee'), 0) AS fees
            FROM washminute_data.ledger_entries AS e
           WHERE e.account_id = 'washman:' || washman_earnings.washman_id
             AND e.at >= COALESCE(since, '-infinity') AND e.at < COALESCE(until, 'infinity')) AS other
$$;
COMMENT ON FUNCTION washminute.washman_earnings(text, timestamptz, timestamptz) IS
  'What a washman has earned from since on and before until (NULL: no bound), in MAD: jobs completed, what customers paid for them in cash and by card, the commission, his share of customers'' fees, fees of his own, and what is left.';
