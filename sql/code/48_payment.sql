-- Card payments: begun, called back, paid back.

CREATE OR REPLACE FUNCTION washminute.begin_payment(
    order_id uuid, customer_id text, idempotency_key text, save_card boolean DEFAULT false, saved_card_id uuid DEFAULT NULL)
RETURNS TABLE (payment_id uuid, status text, link text)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_begin_payment';
COMMENT ON FUNCTION washminute.begin_payment(uuid, text, text, boolean, uuid) IS
  'The customer wants to pay an order by card: its payment, with the link of the gateway''s page once that is there (NULL before). One attempt at a time is under way, whoever calls how often. save_card has the page offer to keep the card; saved_card_id is a card that was kept, which is charged without the page. The same idempotency key and arguments give the same payment.';

CREATE OR REPLACE FUNCTION washminute.wait_for_payment_link(payment_id uuid, timeout interval DEFAULT '10 s') RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_wait_for_payment_link';
COMMENT ON FUNCTION washminute.wait_for_payment_link(uuid, interval) IS
  'The link of the gateway''s page as soon as the worker has got it; NULL where it has not within the timeout (at most 5 minutes). Not in the transaction that began the payment.';

CREATE OR REPLACE FUNCTION washminute.payment_callback(token text, body text) RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_payment_callback';
COMMENT ON FUNCTION washminute.payment_callback(text, text) IS
  'The card gateway says that a customer has paid: token is the last part of the URL''s path, body what it posted (a form or JSON). GATESUCCESS or GATEFAILED is what it is to be answered, once this transaction has committed; a repeated callback gets the first answer. An error is to be answered with its HTTP status and neither word.';

CREATE OR REPLACE FUNCTION washminute.payment_return(token text) RETURNS text
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_payment_return';
COMMENT ON FUNCTION washminute.payment_return(text) IS
  'A browser comes back from the gateway''s page: the URL of the app that it is to be redirected to, with what is known at this moment. It proves nothing, and has the gateway asked at once.';

CREATE OR REPLACE FUNCTION washminute.request_refund(
    payment_id uuid, amount numeric, reason text, idempotency_key text, requested_by text DEFAULT NULL) RETURNS uuid
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_request_refund';
COMMENT ON FUNCTION washminute.request_refund(uuid, numeric, text, text, text) IS
  'Pays an amount (MAD) of a payment back to the card at the platform''s expense, asked for by an administrator where one is named; the refund''s id. What is owed for an order that came to nothing goes back by itself. The same idempotency key and arguments give the same refund.';

CREATE OR REPLACE FUNCTION washminute.capture_payment(payment_id uuid) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_capture_payment';
COMMENT ON FUNCTION washminute.capture_payment(uuid) IS
  'Has the gateway capture a paid payment, for merchants whose sales are not captured by themselves.';

CREATE OR REPLACE FUNCTION washminute._naps_mac(parts text[]) RETURNS text
LANGUAGE C IMMUTABLE PARALLEL SAFE STRICT
AS 'MODULE_PATHNAME', 'washminute_naps_mac';
COMMENT ON FUNCTION washminute._naps_mac(text[]) IS
  'Internal: the gateway''s MAC of texts one after the other, for tests of the wire format.';

CREATE OR REPLACE FUNCTION washminute._order_paid(request_id uuid, amount numeric, reference text) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE STRICT
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_order_paid';
COMMENT ON FUNCTION washminute._order_paid(uuid, numeric, text) IS
  'Internal: a payment tells the request, which is locked, that its order''s money has come.';

CREATE OR REPLACE FUNCTION washminute._order_unpaid(request_id uuid, amount numeric, reference text) RETURNS boolean
LANGUAGE C VOLATILE PARALLEL UNSAFE STRICT
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_order_unpaid';
COMMENT ON FUNCTION washminute._order_unpaid(uuid, numeric, text) IS
  'Internal: a payment tells the request, which is locked, that the gateway took its order''s money back; false once a washman has accepted.';
