-- What people may know of a request in its phase.

-- Asked again and again by the same session: plpgsql keeps the plans, which sql makes anew with each call.
CREATE OR REPLACE FUNCTION washminute._zone_setting(zone_code text, name text) RETURNS numeric
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
BEGIN
  RETURN (SELECT COALESCE((SELECT z.value FROM washminute_data.zone_settings AS z
                            WHERE z.zone_code = _zone_setting.zone_code AND z.name = _zone_setting.name), s.value)
            FROM washminute_data.settings AS s WHERE s.name = _zone_setting.name);
END
$$;
COMMENT ON FUNCTION washminute._zone_setting(text, text) IS
  'Internal: a business rule as it is in a zone.';

CREATE OR REPLACE FUNCTION washminute._request_told(request_id uuid, washman_id text)
RETURNS TABLE (customer_first_name text, neighbourhood text, services text[], earnings numeric, payment_method text)
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED ROWS 1
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  SELECT t.customer_first_name, t.neighbourhood, t.services, t.earnings, t.payment_method
    FROM washminute_data.requests_told AS t
   WHERE t.request_id = _request_told.request_id AND t.washman_id = _request_told.washman_id;
END
$$;
COMMENT ON FUNCTION washminute._request_told(uuid, text) IS
  'Internal: what a washman may know of a request before he accepts it, the neighbourhood in his language.';

CREATE OR REPLACE FUNCTION washminute._longest_offer() RETURNS interval
LANGUAGE sql STABLE PARALLEL RESTRICTED
SET search_path FROM CURRENT
AS $$
  SELECT (1 + pg_catalog.max(v.value * CASE v.name WHEN 'offer_seconds' THEN 1 ELSE 60 END)) * '1 second'::interval
    FROM (SELECT s.name, s.value FROM washminute_data.settings AS s
          UNION ALL
          SELECT z.name, z.value FROM washminute_data.zone_settings AS z) AS v
   WHERE v.name IN ('offer_seconds', 'reservation_offer_minutes')
$$;
COMMENT ON FUNCTION washminute._longest_offer() IS
  'Internal: how long an offer stands at most, in any zone.';

CREATE OR REPLACE FUNCTION washminute.washman_offers(washman_id text)
RETURNS TABLE (request_id uuid, customer_first_name text, neighbourhood text, distance_m double precision,
               services text[], earnings numeric, payment_method text, reservation_at timestamptz,
               offered_at timestamptz, expires_at timestamptz, answered_at timestamptz)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 3
SET search_path FROM CURRENT
AS $$
  SELECT f.request_id, t.customer_first_name, t.neighbourhood, f.distance_m, t.services, t.earnings, t.payment_method,
         r.reservation_at, f.offered_at, LEAST(f.expires_at, r.expires_at), f.answered_at
    FROM washminute_data.offers AS f
    JOIN washminute_data.washing_requests AS r ON r.request_id = f.request_id,
         LATERAL washminute._request_told(r.request_id, f.washman_id) AS t
   WHERE f.washman_id = washman_offers.washman_id AND f.declined_at IS NULL
     -- the first of these is for the index, which knows when it began
     AND f.offered_at >= washminute.now() - washminute._longest_offer()
     AND f.offered_at <= washminute.now() AND f.expires_at > washminute.now()
     AND r.status = 'pending' AND r.expires_at > washminute.now()
   ORDER BY f.offered_at, f.request_id
$$;
COMMENT ON FUNCTION washminute.washman_offers(text) IS
  'The offers that a washman can accept now, with what he may know before: the customer''s first name, the neighbourhood in his language, the distance in metres when it was offered, the services, and what he will earn (MAD). Place, address and phone number come after the acceptance.';

CREATE OR REPLACE FUNCTION washminute.request_contact(request_id uuid, user_id text)
RETURNS TABLE (contact_id text, name text, phone text)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 1
SET search_path FROM CURRENT
AS $$
  SELECT u.user_id, u.name, u.phone
    FROM washminute_data.washing_requests AS r
    JOIN washminute_data.users AS u
      ON u.user_id = CASE request_contact.user_id WHEN r.customer_id THEN r.washman_id
                                                  WHEN r.washman_id THEN r.customer_id END
   WHERE r.request_id = request_contact.request_id
     AND r.status IN ('accepted', 'en_route', 'arrived', 'in_progress')
$$;
COMMENT ON FUNCTION washminute.request_contact(uuid, text) IS
  'Whom a customer or a washman can call about a job in hand: the other one, with name and phone number. No row before the acceptance, after the end, and for anybody else.';
