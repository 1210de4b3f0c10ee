-- A customer books.

CREATE OR REPLACE FUNCTION washminute.create_booking(
    customer_id text, service_codes text[], longitude float8, latitude float8,
    address text, payment_method text, reservation_at timestamptz DEFAULT NULL,
    idempotency_key text DEFAULT NULL)
RETURNS TABLE (order_id uuid, request_id uuid, reference text, total numeric,
               status text, washmen_offered integer)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_create_booking';
COMMENT ON FUNCTION washminute.create_booking(text, text[], float8, float8, text, text, timestamptz, text) IS
  'Books a wash, for now or for reservation_at, payable in cash or by card, and offers it to the nearest washmen (a card job once it is paid, a reservation when it is due). The same idempotency key and arguments give the same answer with one effect.';
