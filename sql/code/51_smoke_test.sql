-- The go-live check of the card gateway: one payment of 5 MAD, of which each step tells
-- whether the gateway is as we take it to be. It is an order like any other, by the
-- customer who pays, and a reservation for days ahead, which no washman is offered before.

CREATE OR REPLACE FUNCTION washminute._naps_checks_signature() RETURNS boolean
LANGUAGE C STABLE PARALLEL RESTRICTED
SET search_path FROM CURRENT
AS 'MODULE_PATHNAME', 'washminute_naps_checks_signature';
COMMENT ON FUNCTION washminute._naps_checks_signature() IS
  'Internal: whether the gateway''s credentials have a public_key; NULL where they cannot be read.';

CREATE OR REPLACE FUNCTION washminute._inquire(attempt_id uuid) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_inquire';
COMMENT ON FUNCTION washminute._inquire(uuid) IS 'Internal: has the gateway asked about an attempt now.';

-- A customer's newest order of the test, of the last day.
CREATE OR REPLACE FUNCTION washminute._smoke_test(customer_id text)
RETURNS TABLE (order_id uuid, request_id uuid, request_status text, payment_id uuid, payment_status text,
               attempt_id uuid, attempt_status text, link text, confirmed boolean, refund_status text)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 1
SET search_path FROM CURRENT
AS $$
  SELECT o.order_id, r.request_id, r.status, p.payment_id, p.status, a.attempt_id, a.status, a.link, a.confirmed_at IS NOT NULL,
         (SELECT f.status FROM washminute_data.refunds AS f WHERE f.attempt_id = a.attempt_id ORDER BY f.created_at DESC LIMIT 1)
    FROM washminute_data.orders AS o
    JOIN washminute_data.order_lines AS l ON l.order_id = o.order_id AND l.service_code = 'naps_smoke_test'
    JOIN washminute_data.washing_requests AS r ON r.order_id = o.order_id
    LEFT JOIN washminute_data.payments AS p ON p.order_id = o.order_id
    LEFT JOIN washminute_data.payment_attempts AS a ON a.payment_id = p.payment_id
   WHERE o.customer_id = _smoke_test.customer_id AND o.created_at > washminute.now() - '1 day'::pg_catalog.interval
     AND (r.status <> 'expired' OR a.charged > 0)
   ORDER BY o.created_at DESC, a.number DESC LIMIT 1
$$;
COMMENT ON FUNCTION washminute._smoke_test(text) IS 'Internal: how a customer''s newest go-live check stands.';

-- Each inquiry that confirms a payment calls it, so that the money does not wait for the next call of the test.
CREATE OR REPLACE FUNCTION washminute._end_smoke_test(attempt_id uuid) RETURNS void
LANGUAGE sql VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT
AS $$
  SELECT washminute.cancel_request(r.request_id, r.customer_id, 'the test of the card gateway is over')
    FROM washminute_data.payment_attempts AS a
    JOIN washminute_data.payments AS p ON p.payment_id = a.payment_id AND p.paid_by = a.attempt_id AND p.status = 'paid'
    JOIN washminute_data.washing_requests AS r ON r.order_id = p.order_id AND r.status IN ('pending', 'accepted')
   WHERE a.attempt_id = _end_smoke_test.attempt_id AND a.confirmed_at IS NOT NULL
     AND EXISTS (SELECT FROM washminute_data.order_lines AS l WHERE l.order_id = p.order_id AND l.service_code = 'naps_smoke_test')
     -- not before it is known that the sale stands after its callback, which may come after an inquiry, or not at all
     AND (SELECT CASE WHEN c.at IS NULL THEN washminute.now() >= a.confirmed_at + '2 min'::pg_catalog.interval
                      ELSE EXISTS (SELECT FROM washminute_data.payment_observations AS i
                                    WHERE i.attempt_id = a.attempt_id AND i.source = 'inquiry'
                                      AND i.at >= c.at + '40 s'::pg_catalog.interval) END
            FROM (SELECT pg_catalog.max(o.at) AS at FROM washminute_data.payment_observations AS o
                   WHERE o.attempt_id = a.attempt_id AND o.source = 'callback' AND o.code = '00') AS c)
$$;
COMMENT ON FUNCTION washminute._end_smoke_test(uuid) IS
  'Internal: pays the go-live check''s money back, once it is known that the sale stands; nothing for any other attempt.';

CREATE OR REPLACE FUNCTION washminute.naps_smoke_test(customer_id text)
RETURNS TABLE (assumption text, verdict text, detail text)
LANGUAGE sql VOLATILE PARALLEL UNSAFE ROWS 16
SET search_path FROM CURRENT
AS $$
  -- the order: its service can be booked in this transaction alone
  INSERT INTO washminute_data.services (service_code, kind, name_ar, name_fr, name_en, price, duration_minutes, active)
  VALUES ('naps_smoke_test', 'main', 'اختبار الدفع', 'Test de paiement', 'Payment test', 5.00, 30, true)
  ON CONFLICT (service_code) DO UPDATE SET active = true;
  SELECT b.order_id
    FROM (SELECT p.longitude, p.latitude, pg_catalog.max(t.starts_at) AS starts_at
            FROM (SELECT ST_X(ST_Centroid(z.boundary::geometry)) AS longitude, ST_Y(ST_Centroid(z.boundary::geometry)) AS latitude,
                         (washminute.now() AT TIME ZONE z.time_zone)::pg_catalog.date AS today
                    FROM washminute_data.service_zones AS z
                   WHERE z.active AND NOT EXISTS (SELECT FROM washminute._smoke_test(customer_id))
                   ORDER BY ST_Area(z.boundary), z.zone_code LIMIT 1) AS p,
                 pg_catalog.generate_series(2, 8) AS later,
                 LATERAL washminute.available_slots(p.longitude, p.latitude, p.today + later) AS t
           GROUP BY p.longitude, p.latitude) AS s,
         LATERAL washminute.create_booking(
           customer_id, ARRAY['naps_smoke_test'], s.longitude, s.latitude, 'Test of the card gateway', 'card', s.starts_at) AS b;
  UPDATE washminute_data.services SET active = false WHERE service_code = 'naps_smoke_test';

  -- the next step: begun, begun again after a decline, asked whether it stands, given back, asked about once more
  SELECT washminute.begin_payment(s.order_id, customer_id, 'naps smoke test ' || pg_catalog.gen_random_uuid(), true)
    FROM washminute._smoke_test(customer_id) AS s
   WHERE s.request_status = 'pending' AND COALESCE(s.payment_status, 'requires_payment') = 'requires_payment';
  SELECT washminute._inquire(s.attempt_id)
    FROM washminute._smoke_test(customer_id) AS s
   WHERE s.payment_status = 'paid' AND s.confirmed
     AND (SELECT pg_catalog.max(o.at) FROM washminute_data.payment_observations AS o
           WHERE o.attempt_id = s.attempt_id AND o.source IN ('callback', 'inquiry')) <= washminute.now() - '40 s'::pg_catalog.interval;
  SELECT washminute._end_smoke_test(s.attempt_id) FROM washminute._smoke_test(customer_id) AS s;
  SELECT washminute._inquire(s.attempt_id)
    FROM washminute._smoke_test(customer_id) AS s
   WHERE s.refund_status IN ('reversed', 'accepted')
     AND NOT EXISTS (SELECT FROM washminute_data.payment_observations AS i
                      WHERE i.attempt_id = s.attempt_id AND i.source = 'inquiry'
                        AND i.observation_id > (SELECT pg_catalog.max(g.observation_id) FROM washminute_data.payment_observations AS g
                                                 WHERE g.attempt_id = s.attempt_id AND g.source IN ('reversal', 'refund')));

  -- what is known by now
  WITH s AS MATERIALIZED (SELECT * FROM washminute._smoke_test(customer_id)),
  o AS MATERIALIZED (
    SELECT o.* FROM s JOIN washminute_data.payment_observations AS o ON o.attempt_id = s.attempt_id),
  k AS (
    SELECT (SELECT o.code FROM o WHERE o.source = 'link' AND o.code IS NOT NULL ORDER BY o.observation_id DESC LIMIT 1) AS link,
           (SELECT o.data->>'text' FROM o WHERE o.source = 'link' ORDER BY o.observation_id DESC LIMIT 1) AS link_text,
           (SELECT pg_catalog.min(o.observation_id) FROM o WHERE o.source = 'callback' AND o.code = '00') AS called_back,
           -- of any attempt: one of a wrong amount is reversed, and another one made
           (SELECT c.data->>'amount' FROM s JOIN washminute_data.payment_attempts AS a ON a.payment_id = s.payment_id
                   JOIN washminute_data.payment_observations AS c ON c.attempt_id = a.attempt_id
             WHERE c.source = 'callback' AND c.code = '00'
             ORDER BY c.data->>'amount' IN ('5.00', '5,00'), c.observation_id LIMIT 1) AS amount,
           (SELECT o.code FROM o WHERE o.source = 'inquiry' AND o.code IN ('00', '02', '03') ORDER BY o.observation_id LIMIT 1) AS approved,
           (SELECT o.code FROM o WHERE o.source = 'inquiry'
               AND o.at >= (SELECT pg_catalog.min(c.at) FROM o AS c WHERE c.source = 'callback') + '40 s'::pg_catalog.interval
             ORDER BY o.observation_id LIMIT 1) AS confirmed,
           (SELECT o.code FROM o WHERE o.source = 'reversal' AND o.code IS NOT NULL ORDER BY o.observation_id DESC LIMIT 1) AS reversal,
           (SELECT o.data->>'text' FROM o WHERE o.source = 'reversal' ORDER BY o.observation_id DESC LIMIT 1) AS reversal_text,
           (SELECT o.code FROM o WHERE o.source = 'inquiry'
               AND o.observation_id > (SELECT pg_catalog.max(g.observation_id) FROM o AS g WHERE g.source = 'reversal' AND g.code = '00')
             ORDER BY o.observation_id DESC LIMIT 1) AS afterwards,
           (SELECT w.state FROM washminute.worker_status() AS w WHERE w.lane = 'payment') AS worker)
  SELECT v.assumption, CASE v.holds WHEN true THEN 'confirmed' WHEN false THEN 'refuted' ELSE 'open' END, v.detail
    FROM s, k, LATERAL (VALUES
      (1, 'createtocken24 gives a session',
       CASE WHEN k.link IS NOT NULL THEN true WHEN k.worker LIKE 'the gateway refused%' THEN false END, 'The worker''s lane is: ' || k.worker),
      (2, 'linkpayment answers 00 and a link', k.link = '00', COALESCE('It answered ' || k.link || ' ' || k.link_text, 'Call again in a moment.')),
      (3, 'the page takes 5.00 MAD', CASE WHEN k.approved IS NOT NULL OR k.called_back IS NOT NULL THEN true END,
       CASE WHEN s.attempt_status = 'awaiting' THEN 'Pay on ' || s.link || ', with the box ticked that keeps the card, and call again in two minutes. It is paid back.'
            ELSE 'The attempt is ' || s.attempt_status || '.' END),
      (4, 'the gateway calls back', CASE WHEN k.called_back IS NOT NULL THEN true WHEN k.approved IS NOT NULL THEN false END,
       'To callback_base_url, by way of your proxy.'),
      (5, 'its amounts are dirhams with two decimals', CASE WHEN k.amount IS NOT NULL THEN k.amount IN ('5.00', '5,00') END, 'It was called back: ' || COALESCE(k.amount, 'nothing yet')),
      (6, 'callbacks are signed by the public key',
       CASE WHEN k.called_back IS NOT NULL AND washminute._naps_checks_signature() THEN true END,
       CASE WHEN washminute._naps_checks_signature() THEN 'One that is not is refused.' ELSE 'The credentials have no public_key, so that none is looked at.' END),
      (7, 'status says 00 of a sale that was approved', CASE WHEN k.approved IS NOT NULL THEN k.approved = '00' END, 'It said ' || COALESCE(k.approved, 'nothing of that yet')),
      (8, 'a sale that was answered GATESUCCESS stands', CASE WHEN k.confirmed IS NOT NULL THEN k.confirmed IN ('00', '02', '03') END,
       'An inquiry a minute after the callback said ' || COALESCE(k.confirmed, 'nothing yet')),
      (9, 'sales are not captured at once', CASE k.approved WHEN '00' THEN true WHEN '02' THEN false WHEN '03' THEN false END, 'If they are, money goes back by refunds, not reversals.'),
      (10, 'a reversal of a sale that is not captured answers 00', CASE WHEN k.reversal IS NOT NULL THEN k.reversal = '00' END,
       COALESCE('It answered ' || k.reversal || ' ' || k.reversal_text, 'It is sent once an inquiry, a minute after the callback, has confirmed the payment.')),
      (11, 'status says 04 once it is reversed', CASE WHEN k.afterwards IS NOT NULL THEN k.afterwards = '04' END, 'It said ' || COALESCE(k.afterwards, 'nothing yet: call again')),
      (12, 'the page keeps a card, and the callback brings its token',
       CASE WHEN EXISTS (SELECT FROM washminute_data.cards AS c WHERE c.attempt_id = s.attempt_id) THEN true END,
       'With id_client and recurring; the box on the page has to be ticked, and the card not be kept already.'),
      (13, 'a saved card is charged by authorization',
       CASE WHEN EXISTS (SELECT FROM washminute_data.payment_attempts AS a WHERE a.card_id IS NOT NULL AND a.charged > 0) THEN true END,
       'begin_payment with saved_card_id tries it; whether the bank asks for more each time is to be seen.'),
      (14, 'a refund of a captured sale answers 00',
       CASE WHEN EXISTS (SELECT FROM washminute_data.payment_observations AS f WHERE f.source = 'refund' AND f.code = '00') THEN true END,
       'Not tried here: a refund cannot be repeated safely, or inquired.'),
      (15, 'sales are captured by the gateway itself, at the end of the day',
       CASE WHEN EXISTS (SELECT FROM washminute_data.payment_observations AS c WHERE c.source = 'inquiry' AND c.code IN ('02', '03')) THEN true END,
       'Ask when, and set payment_recheck_hour to some time before.'),
      (16, 'statements can be had, and be made readable for import_settlement',
       CASE WHEN EXISTS (SELECT FROM washminute_data.settlement_lines) THEN true END, 'Ask for their format.')
    ) AS v (place, assumption, holds, detail)
   ORDER BY v.place
$$;
COMMENT ON FUNCTION washminute.naps_smoke_test(text) IS
  'Go-live check, against the gateway that is configured: the customer books a test for 5 MAD, pays it on the gateway''s page, and gets it back, by itself. Call it again and again: each call takes the next step, and tells what is confirmed, refuted or open by then of what we take the gateway to be.';
