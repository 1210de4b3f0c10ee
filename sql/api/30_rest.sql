-- More functions for PostgREST, as in 20_functions.sql: the first screen, maps,
-- metrics, what the proxy calls, and what administrators do.

DO $$
BEGIN
  -- the names of media types, by which PostgREST finds what answers an Accept
  IF pg_catalog.to_regtype('washminute_api."*/*"') IS NULL THEN
    CREATE DOMAIN washminute_api."*/*" AS bytea;
  END IF;
  IF pg_catalog.to_regtype('washminute_api."text/plain"') IS NULL THEN
    CREATE DOMAIN washminute_api."text/plain" AS text;
  END IF;
  IF pg_catalog.to_regtype('washminute_api."application/geo+json"') IS NULL THEN
    CREATE DOMAIN washminute_api."application/geo+json" AS json;
  END IF;
END
$$;
COMMENT ON DOMAIN washminute_api."*/*" IS 'An answer as it is, whatever was asked for.';
COMMENT ON DOMAIN washminute_api."text/plain" IS 'An answer as text.';
COMMENT ON DOMAIN washminute_api."application/geo+json" IS 'An answer as GeoJSON.';

CREATE OR REPLACE FUNCTION washminute_api.sync_user(name text DEFAULT NULL, locale text DEFAULT NULL) RETURNS json
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
DECLARE
  claims pg_catalog.jsonb := NULLIF(pg_catalog.current_setting('request.jwt.claims', true), '')::pg_catalog.jsonb;
  role_name text := pg_catalog.current_setting('role');
  known_name text;
  is_known boolean;
BEGIN
  IF role_name = 'washminute_admin' THEN
    PERFORM washminute.require_kind('admin');
  END IF;
  SELECT u.name INTO known_name FROM washminute_data.users AS u WHERE u.user_id = washminute.require_caller();
  is_known := FOUND;
  -- what he has chosen here stays; what the provider has not verified, or what cannot be one, is not taken
  PERFORM washminute.upsert_user(
    washminute.require_caller(), pg_catalog.replace(role_name, 'washminute_', ''),
    name => COALESCE(sync_user.name, known_name, washminute._claim_text(claims, 'name', 200), washminute._claim_text(claims, 'given_name', 200)),
    phone => CASE WHEN claims->>'phone_number_verified' = 'false' THEN NULL
                  ELSE pg_catalog.substring(pg_catalog.replace(washminute._claim_text(claims, 'phone_number', 40), ' ', ''), '^\+[1-9][0-9]{6,14}$') END,
    email => CASE WHEN claims->>'email_verified' = 'false' THEN NULL
                  ELSE pg_catalog.substring(washminute._claim_text(claims, 'email', 255), '^[^@ ]+@[^@ ]+\.[^@ .]+$(?<=^.{1,254}$)') END,
    locale => COALESCE(sync_user.locale,
                       CASE WHEN NOT is_known THEN pg_catalog.substring(claims->>'locale', '^(ar|fr|en)') END));
  RETURN washminute._user_json(washminute.current_user_id());
END
$$;
COMMENT ON FUNCTION washminute_api.sync_user(text, text) IS
  'Sign me up, or take over what my token says of me: phone number and e-mail address unless it says that they are not verified, and at first the name and the language. As customer or washman, by my role; administrators are made by an operator. To be called at each start of the app.';

CREATE OR REPLACE FUNCTION washminute_api.home(longitude float8 DEFAULT NULL, latitude float8 DEFAULT NULL) RETURNS json
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  IF pg_catalog.current_setting('role') = 'washminute_washman' THEN
    RETURN washminute.washman_home(washminute.require_kind('washman'));
  END IF;
  RETURN washminute.customer_home(washminute.require_caller(), longitude, latitude);
END
$$;
COMMENT ON FUNCTION washminute_api.home(float8, float8) IS
  'All that my first screen shows. For customers: me (null: call sync_user), services, zone and washmen near the place given, my open requests with whom to call and where he is, what I owe. For washmen (404: call sync_user): me, status, balance, held, the offers that I can accept, my jobs in hand.';

CREATE OR REPLACE FUNCTION washminute_api.track(request_id uuid) RETURNS TABLE (longitude float8, latitude float8, located_at timestamptz, accuracy_m float8)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER ROWS 1
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY SELECT * FROM washminute.request_position(request_id, washminute.require_caller());
END
$$;
COMMENT ON FUNCTION washminute_api.track(uuid) IS
  'Where my washman is, from his acceptance to the end of the work.';

CREATE OR REPLACE FUNCTION washminute_api.nearby_washmen(longitude float8, latitude float8, max_results integer DEFAULT 20) RETURNS TABLE (distance_m float8, radius_m float8, located_at timestamptz)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER ROWS 20
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.require_caller();
  RETURN QUERY SELECT n.distance_m, n.radius_m, n.located_at
    FROM washminute.washmen_around(longitude, latitude, LEAST(max_results, 50)) AS n;
END
$$;
COMMENT ON FUNCTION washminute_api.nearby_washmen(float8, float8, integer) IS
  'About how far the nearest washmen are from a place, in hundreds of metres, at most 50; not who they are.';

CREATE OR REPLACE FUNCTION washminute_api.map() RETURNS washminute_api."application/geo+json"
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  IF pg_catalog.current_setting('role') = 'washminute_admin' THEN
    PERFORM washminute.require_kind('admin');
    RETURN washminute.request_map();
  END IF;
  RETURN washminute.request_map(washminute.require_caller());
END
$$;
COMMENT ON FUNCTION washminute_api.map() IS
  'My open requests or jobs, and where their washmen are, as GeoJSON; all of them for an administrator.';

CREATE OR REPLACE FUNCTION washminute_api.health() RETURNS json
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  RETURN pg_catalog.json_build_object('version', (SELECT i.version FROM washminute_data.instance AS i),
                                      'time', washminute.now());
END
$$;
COMMENT ON FUNCTION washminute_api.health() IS
  'Whether the database answers.';

CREATE OR REPLACE FUNCTION washminute_api.metrics() RETURNS washminute_api."text/plain"
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM pg_catalog.set_config('response.headers',
    '[{"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}]', true);
  RETURN washminute.metrics();
END
$$;
COMMENT ON FUNCTION washminute_api.metrics() IS
  'For Prometheus, which asks for text/plain.';

CREATE OR REPLACE FUNCTION washminute_api.naps_callback(text) RETURNS washminute_api."*/*"
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
SET statement_timeout TO '15s'
AS $$
BEGIN
  PERFORM pg_catalog.set_config('response.headers', '[{"Content-Type": "text/plain; charset=utf-8"}]', true);
  RETURN pg_catalog.convert_to(washminute.payment_callback(washminute.request_header('x-callback-token'), $1), 'UTF8');
END
$$;
COMMENT ON FUNCTION washminute_api.naps_callback(text) IS
  'The card gateway says that a customer has paid: the body as it came, and the header X-Callback-Token, which the proxy takes from the path.';

CREATE OR REPLACE FUNCTION washminute_api.naps_return() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
SET statement_timeout TO '15s'
AS $$
BEGIN
  PERFORM pg_catalog.set_config('response.headers', pg_catalog.json_build_array(pg_catalog.json_build_object(
    'Location', washminute.payment_return(washminute.request_header('x-callback-token'))))::pg_catalog.text, true);
  PERFORM pg_catalog.set_config('response.status', '302', true);
END
$$;
COMMENT ON FUNCTION washminute_api.naps_return() IS
  'A browser comes back from the card gateway, with the header X-Callback-Token, which the proxy takes from the path: redirects it to the app.';

CREATE OR REPLACE FUNCTION washminute_api.save_user(user_id text, kind text, name text DEFAULT NULL, phone text DEFAULT NULL, email text DEFAULT NULL, locale text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.save_user(user_id, washminute.require_caller(), kind, name, phone, email, locale);
END
$$;
COMMENT ON FUNCTION washminute_api.save_user(text, text, text, text, text, text) IS
  'Make a user, or give him another kind or other data; what is left out stays.';

CREATE OR REPLACE FUNCTION washminute_api.block_user(user_id text, reason text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.block_user(user_id, washminute.require_caller(), reason);
END
$$;
COMMENT ON FUNCTION washminute_api.block_user(text, text) IS
  'Keep a user from asking, for a reason that is kept.';

CREATE OR REPLACE FUNCTION washminute_api.unblock_user(user_id text, reason text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.unblock_user(user_id, washminute.require_caller(), reason);
END
$$;
COMMENT ON FUNCTION washminute_api.unblock_user(text, text) IS
  'Let a blocked user ask again.';

CREATE OR REPLACE FUNCTION washminute_api.settle_balance(washman_id text, amount numeric, reason text, idempotency_key text DEFAULT NULL) RETURNS numeric
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.require_kind('admin');
  RETURN washminute.settle_balance(washman_id, amount, reason, washminute.idempotency_key(idempotency_key));
END
$$;
COMMENT ON FUNCTION washminute_api.settle_balance(text, numeric, text, text) IS
  'Money that changed hands outside: a positive amount (MAD) was paid in, a negative one taken; the new balance.';

CREATE OR REPLACE FUNCTION washminute_api.record_payment(order_id uuid, amount numeric, payment_reference text) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.require_kind('admin');
  RETURN washminute.record_payment(order_id, amount, payment_reference);
END
$$;
COMMENT ON FUNCTION washminute_api.record_payment(uuid, numeric, text) IS
  'The whole amount of a card order has arrived by another way than the gateway: the job is offered; how many were offered it.';

CREATE OR REPLACE FUNCTION washminute_api.capture_payment(payment_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.require_kind('admin');
  PERFORM washminute.capture_payment(payment_id);
END
$$;
COMMENT ON FUNCTION washminute_api.capture_payment(uuid) IS
  'Have the gateway capture a payment.';

CREATE OR REPLACE FUNCTION washminute_api.request_history(request_id uuid) RETURNS TABLE (at timestamptz, event text, actor text, detail jsonb)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER ROWS 20
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.require_kind('admin');
  RETURN QUERY SELECT * FROM washminute.request_history(request_id);
END
$$;
COMMENT ON FUNCTION washminute_api.request_history(uuid) IS
  'The story of a request.';

CREATE OR REPLACE FUNCTION washminute_api.explain_match(request_id uuid) RETURNS TABLE (washman_id text, distance_m float8, offered boolean, reasons text[])
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER ROWS 100
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.require_kind('admin');
  RETURN QUERY SELECT * FROM washminute.explain_match(request_id);
END
$$;
COMMENT ON FUNCTION washminute_api.explain_match(uuid) IS
  'Who is near a request, whether he was offered it, and why he would not be now.';

CREATE OR REPLACE FUNCTION washminute_api.notify_user(user_id text, event text, data jsonb DEFAULT '{}') RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.require_kind('admin');
  RETURN washminute.notify_user(user_id, event, data);
END
$$;
COMMENT ON FUNCTION washminute_api.notify_user(text, text, jsonb) IS
  'Send a push message to all devices of a user: the texts of the event, or title and body of data.';

CREATE OR REPLACE FUNCTION washminute_api.retry_dead(lane text, since timestamptz DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.require_kind('admin');
  RETURN washminute.retry_dead(lane, since);
END
$$;
COMMENT ON FUNCTION washminute_api.retry_dead(text, timestamptz) IS
  'Queue the dead letters of a lane again; how many.';

CREATE OR REPLACE FUNCTION washminute_api.worker_status() RETURNS TABLE (lane text, state text, queued bigint, in_flight integer, sent bigint, failed bigint, dead bigint,
               oldest_queued interval, breaker text, last_error text, pid integer, epoch bigint)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER ROWS 5
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.require_kind('admin');
  RETURN QUERY SELECT * FROM washminute.worker_status();
END
$$;
COMMENT ON FUNCTION washminute_api.worker_status() IS
  'The background worker, a row per lane.';

REVOKE ALL ON FUNCTION
  washminute_api.sync_user(text, text),
  washminute_api.home(float8, float8),
  washminute_api.track(uuid),
  washminute_api.nearby_washmen(float8, float8, integer),
  washminute_api.map(),
  washminute_api.health(),
  washminute_api.metrics(),
  washminute_api.naps_callback(text),
  washminute_api.naps_return(),
  washminute_api.save_user(text, text, text, text, text, text),
  washminute_api.block_user(text, text),
  washminute_api.unblock_user(text, text),
  washminute_api.settle_balance(text, numeric, text, text),
  washminute_api.record_payment(uuid, numeric, text),
  washminute_api.capture_payment(uuid),
  washminute_api.request_history(uuid),
  washminute_api.explain_match(uuid),
  washminute_api.notify_user(text, text, jsonb),
  washminute_api.retry_dead(text, timestamptz),
  washminute_api.worker_status()
  FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
  washminute_api.sync_user(text, text),
  washminute_api.map()
  TO washminute_customer, washminute_washman, washminute_admin;
GRANT EXECUTE ON FUNCTION
  washminute_api.home(float8, float8)
  TO washminute_customer, washminute_washman;
GRANT EXECUTE ON FUNCTION
  washminute_api.track(uuid),
  washminute_api.nearby_washmen(float8, float8, integer)
  TO washminute_customer;
GRANT EXECUTE ON FUNCTION
  washminute_api.health()
  TO washminute_anon, washminute_customer, washminute_washman, washminute_admin, washminute_service;
GRANT EXECUTE ON FUNCTION
  washminute_api.metrics()
  TO washminute_admin, washminute_service;
GRANT EXECUTE ON FUNCTION
  washminute_api.naps_callback(text),
  washminute_api.naps_return()
  TO washminute_anon;
GRANT EXECUTE ON FUNCTION
  washminute_api.save_user(text, text, text, text, text, text),
  washminute_api.block_user(text, text),
  washminute_api.unblock_user(text, text),
  washminute_api.settle_balance(text, numeric, text, text),
  washminute_api.record_payment(uuid, numeric, text),
  washminute_api.capture_payment(uuid),
  washminute_api.request_history(uuid),
  washminute_api.explain_match(uuid),
  washminute_api.notify_user(text, text, jsonb),
  washminute_api.retry_dead(text, timestamptz),
  washminute_api.worker_status()
  TO washminute_admin;
