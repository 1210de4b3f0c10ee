-- The commands for PostgREST: the same as in schema washminute, with the caller
-- taken from the token. They run as washminute_owner, since the callers have no
-- rights on the tables; whether the caller may is for the command to say.

CREATE OR REPLACE FUNCTION washminute_api.create_booking(
    service_codes text[], longitude float8, latitude float8, address text,
    payment_method text, reservation_at timestamptz DEFAULT NULL,
    idempotency_key text DEFAULT NULL)
RETURNS TABLE (order_id uuid, request_id uuid, reference text, total numeric,
               status text, washmen_offered integer)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 1
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY SELECT * FROM washminute.create_booking(
    washminute.require_caller(), service_codes, longitude, latitude, address,
    payment_method, reservation_at, idempotency_key);
END
$$;
COMMENT ON FUNCTION washminute_api.create_booking(text[], float8, float8, text, text, timestamptz, text) IS
  'Book a wash for now, or for reservation_at. The same idempotency_key and arguments give the same answer.';

CREATE OR REPLACE FUNCTION washminute_api.accept_request(request_id uuid)
RETURNS TABLE (id uuid, order_id uuid, customer_id text, status text, accepted_at timestamptz)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 1
SET search_path TO pg_catalog, pg_temp
SET default_transaction_isolation TO 'serializable'
AS $$
BEGIN
  RETURN QUERY SELECT * FROM washminute.accept_request(request_id, washminute.require_caller());
END
$$;
COMMENT ON FUNCTION washminute_api.accept_request(uuid) IS
  'Take a request that I was offered. Exactly one washman can; the others get 409.';

CREATE OR REPLACE FUNCTION washminute_api.decline_request(request_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.decline_request(request_id, washminute.require_caller());
END
$$;
COMMENT ON FUNCTION washminute_api.decline_request(uuid) IS
  'Decline a request that I was offered.';

CREATE OR REPLACE FUNCTION washminute_api.advance_request(request_id uuid, to_status text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.advance_request(request_id, washminute.require_caller(), to_status);
END
$$;
COMMENT ON FUNCTION washminute_api.advance_request(uuid, text) IS
  'Move my job on: en_route, arrived, in_progress, completed, no_show; pending gives it back.';

CREATE OR REPLACE FUNCTION washminute_api.cancel_request(request_id uuid, reason text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.cancel_request(request_id, washminute.require_caller(), reason);
END
$$;
COMMENT ON FUNCTION washminute_api.cancel_request(uuid, text) IS
  'Cancel my request before the work begins.';

CREATE OR REPLACE FUNCTION washminute_api.report_location(
    longitude float8, latitude float8, accuracy_m float8 DEFAULT NULL,
    recorded_at timestamptz DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.report_location(washminute.require_caller(), longitude, latitude, accuracy_m, recorded_at);
END
$$;
COMMENT ON FUNCTION washminute_api.report_location(float8, float8, float8, timestamptz) IS
  'Where I am, in degrees on WGS 84.';

CREATE OR REPLACE FUNCTION washminute_api.set_status(status text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.set_washman_status(washminute.require_caller(), status);
END
$$;
COMMENT ON FUNCTION washminute_api.set_status(text) IS 'Go online or offline.';

CREATE OR REPLACE FUNCTION washminute_api.balance() RETURNS numeric
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  RETURN washminute.washman_balance(washminute.require_caller());
END
$$;
COMMENT ON FUNCTION washminute_api.balance() IS 'My balance in MAD.';

CREATE OR REPLACE FUNCTION washminute_api.register_push_token(token text, platform text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.register_push_token(washminute.require_caller(), token, platform);
END
$$;
COMMENT ON FUNCTION washminute_api.register_push_token(text, text) IS
  'My device, by its Expo push token; platform is ios or android. Call it at each start of the app.';

CREATE OR REPLACE FUNCTION washminute_api.unregister_push_token(token text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
DECLARE
  caller text := washminute.require_caller();
BEGIN
  IF EXISTS (SELECT FROM washminute_data.push_tokens AS t
              WHERE t.token = unregister_push_token.token AND t.user_id <> caller) THEN
    PERFORM washminute.raise('WM_NOT_YOURS');
  END IF;
  PERFORM washminute.unregister_push_token(token);
END
$$;
COMMENT ON FUNCTION washminute_api.unregister_push_token(text) IS 'Send nothing to my device any more: call it at log-out.';

REVOKE ALL ON FUNCTION
  washminute_api.create_booking(text[], float8, float8, text, text, timestamptz, text),
  washminute_api.accept_request(uuid), washminute_api.decline_request(uuid),
  washminute_api.advance_request(uuid, text), washminute_api.cancel_request(uuid, text),
  washminute_api.report_location(float8, float8, float8, timestamptz),
  washminute_api.set_status(text), washminute_api.balance(),
  washminute_api.register_push_token(text, text), washminute_api.unregister_push_token(text)
  FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
  washminute_api.register_push_token(text, text), washminute_api.unregister_push_token(text)
  TO washminute_customer, washminute_washman, washminute_admin;
GRANT EXECUTE ON FUNCTION
  washminute_api.create_booking(text[], float8, float8, text, text, timestamptz, text)
  TO washminute_customer;
GRANT EXECUTE ON FUNCTION washminute_api.cancel_request(uuid, text)
  TO washminute_customer, washminute_admin;
GRANT EXECUTE ON FUNCTION
  washminute_api.accept_request(uuid), washminute_api.decline_request(uuid),
  washminute_api.advance_request(uuid, text),
  washminute_api.report_location(float8, float8, float8, timestamptz),
  washminute_api.set_status(text), washminute_api.balance()
  TO washminute_washman;
