-- The commands. Each is one transaction's worth of work and says in its comment
-- what it does; the errors are listed by washminute.error_codes().
--
-- They read rows by key. In a serializable transaction a sequential scan, which
-- the planner prefers for small tables, would lock whole tables against other
-- acceptances, so it is switched off for them.

CREATE OR REPLACE FUNCTION washminute.upsert_user(
    user_id text, kind text, name text DEFAULT NULL, phone text DEFAULT NULL,
    email text DEFAULT NULL, locale text DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off
AS 'MODULE_PATHNAME', 'washminute_upsert_user';
COMMENT ON FUNCTION washminute.upsert_user(text, text, text, text, text, text) IS
  'Creates a user, or gives him one more kind (customer, washman, admin) and changes what is not NULL. phone is E.164, blanks are stripped; locale is ar, fr or en, at first fr.';

CREATE OR REPLACE FUNCTION washminute.set_washman_status(washman_id text, status text) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off
AS 'MODULE_PATHNAME', 'washminute_set_washman_status';
COMMENT ON FUNCTION washminute.set_washman_status(text, text) IS
  'Takes a washman online, so that he is offered jobs, or offline.';

CREATE OR REPLACE FUNCTION washminute.report_location(
    washman_id text, longitude float8, latitude float8,
    accuracy_m float8 DEFAULT NULL, recorded_at timestamptz DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off
AS 'MODULE_PATHNAME', 'washminute_report_location';
COMMENT ON FUNCTION washminute.report_location(text, float8, float8, float8, timestamptz) IS
  'Where a washman is: degrees on WGS 84, accuracy in metres, recorded_at the time of the fix (NULL is now). A position older than the one held is ignored.';

CREATE OR REPLACE FUNCTION washminute.report_locations(
    washman_ids text[], longitudes float8[], latitudes float8[],
    recorded_at timestamptz[] DEFAULT NULL) RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off
AS 'MODULE_PATHNAME', 'washminute_report_locations';
COMMENT ON FUNCTION washminute.report_locations(text[], float8[], float8[], timestamptz[]) IS
  'Many positions at once. Rows that report_location would refuse are skipped; returns the number taken.';

CREATE OR REPLACE FUNCTION washminute.nearby_washmen(
    longitude float8, latitude float8, initial_radius_m float8 DEFAULT NULL,
    radius_step_m float8 DEFAULT NULL, radius_limit_m float8 DEFAULT NULL,
    max_results integer DEFAULT 50, max_age interval DEFAULT NULL)
RETURNS TABLE (washman_id text, distance_m float8, radius_m float8, located_at timestamptz)
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 20
SET search_path FROM CURRENT SET enable_seqscan TO off
AS 'MODULE_PATHNAME', 'washminute_nearby_washmen';
COMMENT ON FUNCTION washminute.nearby_washmen(float8, float8, float8, float8, float8, integer, interval) IS
  'The washmen who are online, seen within max_age and not suspended, in the smallest ring around the place that holds one, nearest first. Distances are geodesic metres on WGS 84; NULL arguments take the setting of that name.';

CREATE OR REPLACE FUNCTION washminute.create_booking(
    customer_id text, service_codes text[], longitude float8, latitude float8,
    address text, payment_method text, reservation_at timestamptz DEFAULT NULL,
    idempotency_key text DEFAULT NULL)
RETURNS TABLE (order_id uuid, request_id uuid, reference text, total numeric,
               status text, washmen_offered integer)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1
SET search_path FROM CURRENT SET enable_seqscan TO off
AS 'MODULE_PATHNAME', 'washminute_create_booking';
COMMENT ON FUNCTION washminute.create_booking(text, text[], float8, float8, text, text, timestamptz, text) IS
  'Books a wash, for now or for reservation_at, payable in cash or by card, and offers it to the washmen near (a card job once it is paid, a reservation when it is due). The same idempotency key and arguments give the same answer with one effect.';

CREATE OR REPLACE FUNCTION washminute.accept_request(request_id uuid, washman_id text)
RETURNS TABLE (id uuid, order_id uuid, customer_id text, status text, accepted_at timestamptz)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1
SET search_path FROM CURRENT SET enable_seqscan TO off
AS 'MODULE_PATHNAME', 'washminute_accept_request';
COMMENT ON FUNCTION washminute.accept_request(uuid, text) IS
  'A washman takes a request that he was offered. Exactly one can; the others get PT409. Must run in a serializable transaction.';

CREATE OR REPLACE FUNCTION washminute.decline_request(request_id uuid, washman_id text) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off
AS 'MODULE_PATHNAME', 'washminute_decline_request';
COMMENT ON FUNCTION washminute.decline_request(uuid, text) IS
  'A washman declines a request that he was offered; it is not offered to him again.';

CREATE OR REPLACE FUNCTION washminute.advance_request(request_id uuid, washman_id text, to_status text) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off
AS 'MODULE_PATHNAME', 'washminute_advance_request';
COMMENT ON FUNCTION washminute.advance_request(uuid, text, text) IS
  'The washman moves his job on: en_route, arrived, in_progress, completed; no_show when the customer is not there; pending gives it back, and it is offered to others.';

CREATE OR REPLACE FUNCTION washminute.cancel_request(request_id uuid, actor_id text, reason text DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off
AS 'MODULE_PATHNAME', 'washminute_cancel_request';
COMMENT ON FUNCTION washminute.cancel_request(uuid, text, text) IS
  'The customer or an administrator cancels a request before the work begins. What was held is released; what was paid by card is due back.';

CREATE OR REPLACE FUNCTION washminute.record_payment(order_id uuid, amount numeric, payment_reference text) RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off
AS 'MODULE_PATHNAME', 'washminute_record_payment';
COMMENT ON FUNCTION washminute.record_payment(uuid, numeric, text) IS
  'Records that the whole amount of a card order (MAD) has arrived, and offers the job. Returns how many washmen were offered it.';

CREATE OR REPLACE FUNCTION washminute.expire_due() RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off
AS 'MODULE_PATHNAME', 'washminute_expire_due';
COMMENT ON FUNCTION washminute.expire_due() IS
  'Expires pending requests whose time is over, at most 500 in a call; returns how many.';

CREATE OR REPLACE FUNCTION washminute.run_due() RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off
AS 'MODULE_PATHNAME', 'washminute_run_due';
COMMENT ON FUNCTION washminute.run_due() IS
  'What a scheduler calls every minute: expires what is due and clears old idempotency keys, as washminute_owner. Does nothing in a cloned database until washminute.adopt().';

CREATE OR REPLACE FUNCTION washminute.settle_balance(washman_id text, amount numeric, reason text) RETURNS numeric
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off
AS 'MODULE_PATHNAME', 'washminute_settle_balance';
COMMENT ON FUNCTION washminute.settle_balance(text, numeric, text) IS
  'Books money that changed hands outside: a positive amount (MAD) is paid in by the washman, a negative one is taken, also below the floor. Returns the new balance.';

CREATE OR REPLACE FUNCTION washminute.washman_balance(washman_id text) RETURNS numeric
LANGUAGE C STABLE PARALLEL RESTRICTED
SET search_path FROM CURRENT SET enable_seqscan TO off
AS 'MODULE_PATHNAME', 'washminute_washman_balance';
COMMENT ON FUNCTION washminute.washman_balance(text) IS
  'The balance of a washman in MAD, what is held included.';

CREATE OR REPLACE FUNCTION washminute.doctor()
RETURNS TABLE (finding text, severity text, remedy text)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 5
SET search_path FROM CURRENT
AS 'MODULE_PATHNAME', 'washminute_doctor';
COMMENT ON FUNCTION washminute.doctor() IS
  'What is wrong with this installation: each finding with its severity (error, warning, info) and remedy. No row when all is well.';
