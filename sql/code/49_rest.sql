-- What the functions of washminute_api are made of: who asks, and what a screen shows.

CREATE OR REPLACE FUNCTION washminute.pre_request() RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_pre_request';
COMMENT ON FUNCTION washminute.pre_request() IS
  'For PostgREST''s db-pre-request: refuses tokens of other issuers, apps and uses than the settings washminute.jwt_... name, blocked users, and who asks too often; gives a user without a role that of his groups; tags the catalogue.';

CREATE OR REPLACE FUNCTION washminute.idempotency_key(argument text DEFAULT NULL) RETURNS text
LANGUAGE C STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'washminute_idempotency_key';
COMMENT ON FUNCTION washminute.idempotency_key(text) IS
  'The argument, or where it is NULL the header Idempotency-Key of the request over REST.';

CREATE OR REPLACE FUNCTION washminute.request_header(name text) RETURNS text
LANGUAGE C STABLE PARALLEL SAFE STRICT
AS 'MODULE_PATHNAME', 'washminute_request_header';
COMMENT ON FUNCTION washminute.request_header(text) IS
  'A header of the request over REST, by its name in small letters; NULL where there is none.';

CREATE OR REPLACE FUNCTION washminute.require_kind(kind text) RETURNS text
LANGUAGE C STABLE PARALLEL RESTRICTED STRICT
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_require_kind';
COMMENT ON FUNCTION washminute.require_kind(text) IS
  'The caller''s id, if he is a user of that kind; else an error.';

CREATE OR REPLACE FUNCTION washminute._claim_text(claims jsonb, name text, most integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path FROM CURRENT
AS $$
  SELECT NULLIF(pg_catalog.btrim(pg_catalog.left(pg_catalog.btrim(pg_catalog.regexp_replace(
           claims->>name, '[\x01-\x1f\x7f]+', ' ', 'g')), most)), '')
   WHERE pg_catalog.jsonb_typeof(claims->name) = 'string'
$$;
COMMENT ON FUNCTION washminute._claim_text(jsonb, text, integer) IS
  'Internal: a claim of a token that is a text, cut to so many characters, without control characters; NULL where nothing is left.';

CREATE OR REPLACE FUNCTION washminute._rate_limited() RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'washminute_rate_limited';
COMMENT ON FUNCTION washminute._rate_limited() IS
  'Internal: how many requests over REST were refused since the server started, since their callers asked too often.';

CREATE OR REPLACE FUNCTION washminute.block_user(user_id text, admin_id text, reason text) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_block_user';
COMMENT ON FUNCTION washminute.block_user(text, text, text) IS
  'An administrator keeps a user from asking over REST, from his next request on.';

CREATE OR REPLACE FUNCTION washminute.unblock_user(user_id text, admin_id text, reason text) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_unblock_user';
COMMENT ON FUNCTION washminute.unblock_user(text, text, text) IS
  'An administrator lets a blocked user ask again.';

CREATE OR REPLACE FUNCTION washminute.washman_position(washman_id text)
RETURNS TABLE (longitude float8, latitude float8, located_at timestamptz, accuracy_m float8)
LANGUAGE C STABLE PARALLEL UNSAFE ROWS 1
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_washman_position';
COMMENT ON FUNCTION washminute.washman_position(text) IS
  'Where a washman is, by the live index or the table; no row where nobody knows.';

CREATE OR REPLACE FUNCTION washminute.request_position(request_id uuid, user_id text)
RETURNS TABLE (longitude float8, latitude float8, located_at timestamptz, accuracy_m float8)
LANGUAGE sql STABLE PARALLEL UNSAFE ROWS 1
SET search_path FROM CURRENT
AS $$
  SELECT p.longitude, p.latitude, p.located_at, p.accuracy_m
    FROM washminute_data.washing_requests AS r,
         LATERAL washminute.washman_position(r.washman_id) AS p
   WHERE r.request_id = request_position.request_id AND r.customer_id = request_position.user_id
     AND r.status IN ('accepted', 'en_route', 'arrived', 'in_progress')
     AND (r.status <> 'accepted' OR r.reservation_at IS NULL OR r.reservation_at < washminute.now() + '1 hour'::interval)
$$;
COMMENT ON FUNCTION washminute.request_position(uuid, text) IS
  'Where the washman of a customer''s request is while the job is in hand, of a reservation from an hour before on. No row before the acceptance, after the end, and for anybody else.';

CREATE OR REPLACE FUNCTION washminute._open_requests(customer_id text) RETURNS SETOF uuid
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 3
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS $$
  -- no index can have the status, which an acceptance changes: so not all of somebody's past is looked at
  SELECT n.request_id
    FROM (SELECT r.request_id, r.status FROM washminute_data.washing_requests AS r
           WHERE r.customer_id = _open_requests.customer_id
           ORDER BY r.created_at DESC FETCH FIRST 100 ROWS WITH TIES) AS n
   WHERE n.status IN ('pending', 'accepted', 'en_route', 'arrived', 'in_progress')
  UNION
  SELECT r.request_id
    FROM washminute_data.reservations AS v JOIN washminute_data.washing_requests AS r ON r.request_id = v.request_id
   WHERE v.customer_id = _open_requests.customer_id AND v.live
     AND r.status IN ('pending', 'accepted', 'en_route', 'arrived', 'in_progress')
$$;
COMMENT ON FUNCTION washminute._open_requests(text) IS
  'Internal: the open ones of a customer''s newest 100 requests, and of his reservations, however old.';

CREATE OR REPLACE FUNCTION washminute._check_open_requests(customer_id text) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_check_open_requests';
COMMENT ON FUNCTION washminute._check_open_requests(text) IS
  'Internal: an error where a customer, with the request that he has just made, has more open ones than max_open_requests. Over REST alone.';

CREATE OR REPLACE FUNCTION washminute._may_wait(user_id text) RETURNS boolean
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'washminute_may_wait';
COMMENT ON FUNCTION washminute._may_wait(text) IS
  'Internal: whether a call over REST may wait: one of each user at a time, and of all no more than washminute.rest_waits. Till the end of the transaction.';

CREATE OR REPLACE FUNCTION washminute.washmen_around(longitude float8, latitude float8, max_results integer DEFAULT 50)
RETURNS TABLE (distance_m float8, radius_m float8, located_at timestamptz)
LANGUAGE sql STABLE PARALLEL UNSAFE ROWS 20
SET search_path FROM CURRENT SET jit TO off
AS $$
  -- rings and order, too, are those of the squares: by a ring's edge one could find a place again
  WITH rings AS MATERIALIZED (
    SELECT pg_catalog.max(s.value) FILTER (WHERE s.name = 'initial_radius_m')::float8 AS initial_m,
           pg_catalog.max(s.value) FILTER (WHERE s.name = 'radius_step_m')::float8 AS step_m,
           pg_catalog.max(s.value) FILTER (WHERE s.name = 'radius_limit_m')::float8 AS limit_m
      FROM washminute_data.settings AS s),
  near AS MATERIALIZED (
    SELECT 100 * GREATEST(1, pg_catalog.round(ST_Distance(here.place, ST_SetSRID(ST_MakePoint(
             0.002 * (pg_catalog.floor(500 * p.longitude) + 0.5), 0.002 * (pg_catalog.floor(500 * p.latitude) + 0.5)), 4326)::geography) / 100)) AS metres,
           pg_catalog.date_trunc('minute', n.located_at) AS located_at
      FROM rings,
           LATERAL (SELECT ST_SetSRID(ST_MakePoint(washmen_around.longitude, washmen_around.latitude), 4326)::geography) AS here (place),
           LATERAL washminute.nearby_washmen(washmen_around.longitude, washmen_around.latitude, rings.limit_m + 200, 1, rings.limit_m + 200,
                                           LEAST(100, 2 * washmen_around.max_results)) AS n,
           LATERAL washminute.washman_position(n.washman_id) AS p),
  ring AS MATERIALIZED (
    SELECT LEAST(r.limit_m, r.initial_m + r.step_m * GREATEST(0, pg_catalog.ceil((pg_catalog.min(n.metres) - r.initial_m) / r.step_m))) AS metres
      FROM rings AS r, near AS n GROUP BY r.initial_m, r.step_m, r.limit_m)
  SELECT n.metres, ring.metres, n.located_at
    FROM near AS n JOIN ring ON n.metres <= ring.metres
   ORDER BY n.metres, n.located_at LIMIT washmen_around.max_results
$$;
COMMENT ON FUNCTION washminute.washmen_around(float8, float8, integer) IS
  'As nearby_washmen, for customers: neither who they are nor where. Distances, in hundreds of metres, are to the middle of the square of two thousandths of a degree where the washman is, times are whole minutes.';

CREATE OR REPLACE FUNCTION washminute._request_json(request_id uuid, user_id text) RETURNS json
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path FROM CURRENT
AS $$
  SELECT pg_catalog.json_build_object(
           'request_id', r.request_id, 'order_id', r.order_id, 'reference', o.reference, 'status', r.status,
           'services', (SELECT pg_catalog.json_agg(l.service_code ORDER BY l.line_number)
                          FROM washminute_data.order_lines AS l WHERE l.order_id = r.order_id),
           'total', o.total, 'payment_method', o.payment_method, 'payment_verified', o.payment_verified,
           'payment', (SELECT pg_catalog.json_build_object('payment_id', p.payment_id, 'status', p.status)
                         FROM washminute_data.payments AS p
                        WHERE p.order_id = r.order_id AND p.customer_id = _request_json.user_id),
           'address', r.address,
           'longitude', ST_X(r.client_location::geometry), 'latitude', ST_Y(r.client_location::geometry),
           'reservation_at', r.reservation_at, 'expires_at', r.expires_at,
           'accepted_at', r.accepted_at, 'created_at', r.created_at,
           'contact', (SELECT pg_catalog.row_to_json(c)
                         FROM washminute.request_contact(r.request_id, _request_json.user_id) AS c),
           'position', (SELECT pg_catalog.row_to_json(p)
                          FROM washminute.request_position(r.request_id, _request_json.user_id) AS p))
    FROM washminute_data.washing_requests AS r
    JOIN washminute_data.orders AS o ON o.order_id = r.order_id
   WHERE r.request_id = _request_json.request_id
$$;
COMMENT ON FUNCTION washminute._request_json(uuid, text) IS
  'Internal: a request as one of its two people sees it.';

CREATE OR REPLACE FUNCTION washminute._user_json(user_id text) RETURNS json
LANGUAGE sql STABLE PARALLEL RESTRICTED
SET search_path FROM CURRENT
AS $$
  SELECT pg_catalog.json_build_object('user_id', u.user_id, 'kinds', u.kinds, 'name', u.name, 'phone', u.phone,
                                      'email', u.email, 'locale', u.locale)
    FROM washminute_data.users AS u WHERE u.user_id = _user_json.user_id
$$;
COMMENT ON FUNCTION washminute._user_json(text) IS 'Internal: a user as he sees himself.';

CREATE OR REPLACE FUNCTION washminute.customer_home(user_id text, longitude float8 DEFAULT NULL, latitude float8 DEFAULT NULL)
RETURNS json
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path FROM CURRENT
AS $$
  SELECT pg_catalog.json_build_object(
    'me', washminute._user_json(customer_home.user_id),
    'services', (
      SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
               'service_code', s.service_code, 'kind', s.kind, 'price', s.price, 'duration_minutes', s.duration_minutes,
               'name', CASE (SELECT u.locale FROM washminute_data.users AS u WHERE u.user_id = customer_home.user_id)
                         WHEN 'ar' THEN s.name_ar WHEN 'en' THEN s.name_en ELSE s.name_fr END)
               ORDER BY s.kind DESC, s.price, s.service_code)
        FROM washminute_data.services AS s WHERE s.active),
    'zone', (
      SELECT z.zone_code FROM washminute_data.service_zones AS z
       WHERE z.active AND customer_home.longitude IS NOT NULL
         AND ST_Covers(z.boundary, ST_SetSRID(ST_MakePoint(customer_home.longitude, customer_home.latitude), 4326)::geography)
       ORDER BY ST_Area(z.boundary) LIMIT 1),
    'washmen', (
      SELECT pg_catalog.json_build_object('near', pg_catalog.count(*), 'nearest_m', pg_catalog.min(n.distance_m))
        FROM washminute.washmen_around(customer_home.longitude, customer_home.latitude) AS n
       WHERE customer_home.longitude IS NOT NULL),
    'requests', (
      SELECT COALESCE(pg_catalog.json_agg(washminute._request_json(r.request_id, customer_home.user_id) ORDER BY r.created_at DESC), '[]')
        FROM washminute._open_requests(customer_home.user_id) AS o (request_id)
        JOIN washminute_data.washing_requests AS r ON r.request_id = o.request_id),
    'owed', (
      SELECT COALESCE(pg_catalog.sum(v.amount), 0) FROM washminute_data.receivables AS v
       WHERE v.debtor_id = customer_home.user_id AND v.settled_at IS NULL))
$$;
COMMENT ON FUNCTION washminute.customer_home(text, float8, float8) IS
  'What a customer''s first screen shows: himself, the services in his language, the zone and the washmen around a place, his open requests with whom to call and where he is, and what he owes (MAD).';

CREATE OR REPLACE FUNCTION washminute._offers_told(washman_id text)
RETURNS TABLE (request_id uuid, customer_first_name text, neighbourhood text, distance_m double precision,
               services text[], earnings numeric, payment_method text, reservation_at timestamptz,
               offered_at timestamptz, expires_at timestamptz, answered_at timestamptz)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 3
SET search_path FROM CURRENT
AS $$
  SELECT f.request_id, f.customer_first_name, f.neighbourhood, 100 * GREATEST(1, pg_catalog.round(f.distance_m / 100)),
         f.services, f.earnings, f.payment_method, f.reservation_at, f.offered_at, f.expires_at, f.answered_at
    FROM washminute.washman_offers(_offers_told.washman_id) AS f
$$;
COMMENT ON FUNCTION washminute._offers_told(text) IS
  'Internal: washman_offers with distances in hundreds of metres: from several exact ones the place could be found.';

CREATE OR REPLACE FUNCTION washminute.washman_home(user_id text) RETURNS json
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path FROM CURRENT
AS $$
  SELECT pg_catalog.json_build_object(
    'me', washminute._user_json(w.washman_id),
    'status', w.status, 'suspended', w.suspended_at IS NOT NULL,
    'balance', a.balance, 'held', a.held,
    'offers', (SELECT COALESCE(pg_catalog.json_agg(f), '[]') FROM washminute._offers_told(w.washman_id) AS f),
    'jobs', (
      SELECT COALESCE(pg_catalog.json_agg(washminute._request_json(j.request_id, w.washman_id) ORDER BY j.period), '[]')
        FROM washminute_data.jobs AS j WHERE j.washman_id = w.washman_id AND j.live))
    FROM washminute_data.washmen AS w
    JOIN washminute_data.accounts AS a ON a.washman_id = w.washman_id
   WHERE w.washman_id = washman_home.user_id
$$;
COMMENT ON FUNCTION washminute.washman_home(text) IS
  'What a washman''s first screen shows: himself, whether he is online, his balance (MAD), the offers that he can accept, and his jobs in hand with whom to call.';

CREATE OR REPLACE FUNCTION washminute._feature(longitude float8, latitude float8, properties json) RETURNS json
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path FROM CURRENT
AS $$
  SELECT pg_catalog.json_build_object(
    'type', 'Feature', 'properties', properties,
    'geometry', pg_catalog.json_build_object('type', 'Point', 'coordinates', pg_catalog.json_build_array(longitude, latitude)))
$$;
COMMENT ON FUNCTION washminute._feature(float8, float8, json) IS 'Internal: a point as GeoJSON.';

CREATE OR REPLACE FUNCTION washminute.request_map(user_id text DEFAULT NULL) RETURNS json
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path FROM CURRENT
AS $$
  -- timers and jobs in hand lead to the open ones, of which there are few
  WITH known (request_id) AS (
    SELECT o.request_id FROM washminute._open_requests(request_map.user_id) AS o (request_id)
    UNION
    SELECT j.request_id FROM washminute_data.jobs AS j WHERE j.live AND j.washman_id = request_map.user_id
    UNION
    SELECT j.request_id FROM washminute_data.jobs AS j WHERE j.live AND request_map.user_id IS NULL
    UNION
    SELECT t.request_id FROM washminute_data.request_timers AS t WHERE request_map.user_id IS NULL),
  seen AS MATERIALIZED (
    SELECT r.request_id, r.status, r.washman_id, r.client_location,
           -- a customer sees the washman of his reservation from an hour before on, as request_position says
           r.washman_id IS NOT NULL
             AND (request_map.user_id IS DISTINCT FROM r.customer_id OR r.status <> 'accepted' OR r.reservation_at IS NULL
                  OR r.reservation_at < washminute.now() + '1 hour'::interval) AS is_on_way
      FROM known JOIN washminute_data.washing_requests AS r ON r.request_id = known.request_id
     WHERE r.status IN ('pending', 'accepted', 'en_route', 'arrived', 'in_progress'))
  SELECT pg_catalog.json_build_object('type', 'FeatureCollection', 'features', COALESCE(pg_catalog.json_agg(f.feature), '[]'))
    FROM (
      SELECT washminute._feature(ST_X(s.client_location::geometry), ST_Y(s.client_location::geometry),
               pg_catalog.json_build_object('kind', 'request', 'request_id', s.request_id, 'status', s.status)) AS feature
        FROM seen AS s
      UNION ALL
      SELECT washminute._feature(p.longitude, p.latitude,
               pg_catalog.json_build_object('kind', 'washman', 'request_id', s.request_id, 'washman_id', s.washman_id,
                                            'located_at', p.located_at))
        FROM seen AS s, LATERAL washminute.washman_position(s.washman_id) AS p
       WHERE s.is_on_way) AS f
$$;
COMMENT ON FUNCTION washminute.request_map(text) IS
  'The open requests of a customer or a washman, or all of them, and where their washmen are: GeoJSON.';

CREATE OR REPLACE FUNCTION washminute.metrics() RETURNS text
LANGUAGE sql STABLE PARALLEL UNSAFE
SET search_path FROM CURRENT
AS $$
  WITH lanes AS MATERIALIZED (
    SELECT pg_catalog.format('lane="%s"', s.lane) AS label, s.* FROM washminute.worker_status() AS s),
  live AS MATERIALIZED (SELECT * FROM washminute.live_status()),
  samples (name, kind, help, sample, value, place) AS (
    SELECT 'washminute_info', 'gauge', 'Version of the library.',
           pg_catalog.format('washminute_info{version="%s"}', washminute._library_version()), 1::float8, 0::float8
    UNION ALL
    SELECT 'washminute_requests_open', 'gauge', 'Requests that something is still to happen to.',
           'washminute_requests_open', pg_catalog.count(*), 0 FROM washminute_data.request_timers
    UNION ALL
    SELECT 'washminute_jobs', 'gauge', 'Jobs in hand.', 'washminute_jobs', pg_catalog.count(*), 0
      FROM washminute_data.jobs AS j WHERE j.live
    UNION ALL
    SELECT 'washminute_payment_exceptions', 'gauge', 'Payments that a person must look at.',
           'washminute_payment_exceptions', pg_catalog.count(*), 0
      FROM washminute_data.payment_exceptions AS x WHERE x.resolved_at IS NULL
    UNION ALL
    SELECT 'washminute_rest_refused_total', 'counter', 'Requests over REST of callers who asked too often.',
           'washminute_rest_refused_total', washminute._rate_limited(), 0
    UNION ALL
    SELECT 'washminute_washmen_online', 'gauge', 'Washmen in the live index.', 'washminute_washmen_online', l.online, 0
      FROM live AS l WHERE l.online IS NOT NULL
    UNION ALL
    SELECT 'washminute_positions_total', 'counter', 'Positions reported.',
           pg_catalog.format('washminute_positions_total{result="%s"}', v.result), v.value, v.place
      FROM live AS l, LATERAL (VALUES ('taken', l.taken, 0), ('old', l.refused_old, 1), ('impossible', l.refused_impossible, 2),
                                      ('unknown', l.refused_unknown, 3), ('invalid', l.refused_invalid, 4)) AS v (result, value, place)
     WHERE v.value IS NOT NULL
    UNION ALL
    SELECT 'washminute_lane_running', 'gauge', 'Whether the worker serves the lane.',
           pg_catalog.format('washminute_lane_running{%s}', l.label), (l.state = 'running')::pg_catalog.int4, 0 FROM lanes AS l
    UNION ALL
    SELECT 'washminute_outbox_rows', 'gauge', 'Messages in the outbox.',
           pg_catalog.format('washminute_outbox_rows{%s,state="%s"}', l.label, v.state), v.value, 0
      FROM lanes AS l, LATERAL (VALUES ('queued', l.queued), ('dead', l.dead)) AS v (state, value)
    UNION ALL
    SELECT 'washminute_outbox_oldest_seconds', 'gauge', 'Age of the oldest message that waits.',
           pg_catalog.format('washminute_outbox_oldest_seconds{%s}', l.label),
           COALESCE(EXTRACT(epoch FROM l.oldest_queued), 0), 0 FROM lanes AS l
    UNION ALL
    SELECT 'washminute_outbox_sent_total', 'counter', 'Messages delivered.',
           pg_catalog.format('washminute_outbox_sent_total{%s}', l.label), l.sent, 0 FROM lanes AS l
    UNION ALL
    SELECT 'washminute_outbox_failed_total', 'counter', 'Attempts that failed.',
           pg_catalog.format('washminute_outbox_failed_total{%s}', l.label), l.failed, 0 FROM lanes AS l
    UNION ALL
    SELECT 'washminute_outbox_seconds', 'histogram', 'Time until first sent (stage queued), and until answered.',
           pg_catalog.format('washminute_outbox_seconds_bucket{lane="%s",stage="%s",le="%s"}', t.lane, t.stage,
                             CASE WHEN t.at_most_ms = 'Infinity' THEN '+Inf' ELSE (t.at_most_ms / 1000)::pg_catalog.text END),
           t.messages, t.at_most_ms
      FROM washminute.worker_latency() AS t)
  SELECT pg_catalog.string_agg(f.text, '' ORDER BY f.name)
    FROM (SELECT s.name, pg_catalog.format(E'# HELP %s %s\n# TYPE %s %s\n', s.name, s.help, s.name, s.kind) ||
                 pg_catalog.string_agg(pg_catalog.format(E'%s %s\n', s.sample, s.value), ''
                   ORDER BY pg_catalog.split_part(s.sample, ',le=', 1), s.place, s.sample) AS text
            FROM samples AS s GROUP BY s.name, s.kind, s.help) AS f
$$;
COMMENT ON FUNCTION washminute.metrics() IS
  'What Prometheus asks for, in its text format. Counts the rows of the outbox: every half minute is often enough.';
