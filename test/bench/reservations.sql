-- Reservations over a simulated time, for the benchmark and a test: schema simulation.
-- The clock goes from call to call of what is due, which come at random: soon after
-- something is due, minutes later, or hours; others may call at the same time.

CREATE SCHEMA simulation;
CREATE TABLE simulation.calls (at timestamptz NOT NULL);
CREATE TABLE simulation.planned (request_id uuid PRIMARY KEY, customer_id text NOT NULL, fate text NOT NULL);

-- Where the washmen are.
CREATE FUNCTION simulation.report() RETURNS integer LANGUAGE sql
AS $$
  SELECT washminute.report_locations(array_agg('w' || n), array_agg(-7.61 + n * 0.002), array_agg(33.59::float8))
    FROM generate_series(1, 20) AS n
$$;

-- As many reservations over so many days, of many customers; and washmen near.
CREATE FUNCTION simulation.book(reservations integer, days integer, seed float8) RETURNS void LANGUAGE plpgsql
AS $$
DECLARE
  customers integer := GREATEST(reservations / 4, 10);
  starts timestamptz;
  booked integer := 0;
BEGIN
  PERFORM setseed(seed);
  UPDATE washminute_data.lanes SET paused = true;
  UPDATE washminute_data.service_zones SET offer_policy = 'broadcast' WHERE zone_code = 'casablanca';
  UPDATE washminute_data.settings SET value = CASE name WHEN 'reservation_horizon_days' THEN 366 WHEN 'position_max_age_seconds' THEN 604800 ELSE 5 END
   WHERE name IN ('reservation_horizon_days', 'position_max_age_seconds', 'offer_size');
  PERFORM washminute.set_clock('2027-01-01 00:00+00', 0);
  PERFORM washminute.upsert_user('c' || n, 'customer') FROM generate_series(1, customers) AS n;
  PERFORM washminute.upsert_user('w' || n, 'washman'), washminute.set_washman_status('w' || n, 'online')
     FROM generate_series(1, 20) AS n;
  PERFORM simulation.report();
  WHILE booked < reservations LOOP
    starts := date_trunc('minute', '2027-01-01 09:00+00'::timestamptz + random() * days * '1 day'::interval);
    CONTINUE WHEN NOT washminute.zone_is_open('casablanca', starts);
    BEGIN
      INSERT INTO simulation.planned
      SELECT b.request_id, c.id,
             (ARRAY['waits', 'waits', 'waits', 'waits', 'waits', 'early', 'early', 'cancelled', 'moved', 'given_back'])[1 + floor(random() * 10)]
        FROM (SELECT 'c' || 1 + floor(random() * customers)) AS c (id),
             washminute.create_booking(c.id, '{exterior}', -7.61, 33.59, 'Rue 1', 'cash', starts) AS b;
      booked := booked + 1;
    EXCEPTION WHEN SQLSTATE 'PT409' THEN
      NULL;
    END;
  END LOOP;
END
$$;

-- What happens to some of them at a moment before their time: accepted early, given
-- back, cancelled, moved to another time.
CREATE FUNCTION simulation.live() RETURNS void LANGUAGE plpgsql
AS $$
DECLARE
  one record;
  washman text;
BEGIN
  FOR one IN
    SELECT p.request_id, p.customer_id, p.fate, r.status, r.washman_id, r.reservation_at
      FROM simulation.planned AS p JOIN washminute_data.washing_requests AS r USING (request_id)
     WHERE p.fate NOT IN ('waits', 'done') AND r.reservation_at < washminute.now() + random() * '20 hours'::interval
  LOOP
    washman := 'w' || 1 + floor(random() * 20);
    BEGIN
      IF one.fate = 'cancelled' THEN
        PERFORM washminute.cancel_request(one.request_id, one.customer_id);
      ELSIF one.fate = 'moved' THEN
        PERFORM washminute.reschedule_request(one.request_id, one.customer_id,
          COALESCE(washminute.next_opening('casablanca', one.reservation_at + random() * '9 hours'::interval), one.reservation_at));
      ELSIF one.fate = 'given_back' AND one.status = 'accepted' THEN
        PERFORM washminute.advance_request(one.request_id, one.washman_id, 'pending');
      ELSIF one.status = 'pending' THEN
        PERFORM washminute.accept_request(one.request_id, washman);
        CONTINUE WHEN one.fate = 'given_back';
      END IF;
    EXCEPTION WHEN SQLSTATE 'PT409' OR SQLSTATE 'PT403' OR SQLSTATE 'PT410' OR SQLSTATE 'PT402' OR SQLSTATE 'PT400' THEN
      NULL;
    END;
    UPDATE simulation.planned SET fate = 'done' WHERE request_id = one.request_id;
  END LOOP;
END
$$;

-- One step of the clock and a call, in a transaction each; false at the end.
CREATE FUNCTION simulation.step(until timestamptz) RETURNS boolean LANGUAGE plpgsql
AS $$
DECLARE
  next_due timestamptz;
  chance float8 := random();
  at timestamptz;
BEGIN
  SELECT min(s.due_at) INTO next_due FROM washminute_data.reservation_stages AS s WHERE s.done_at IS NULL;
  at := GREATEST(washminute.now(), CASE
    WHEN chance < 0.9 THEN COALESCE(next_due, until) + random() * '1 minute'::interval
    WHEN chance < 0.99 THEN washminute.now() + random() * '20 minutes'::interval
    ELSE washminute.now() + random() * '6 hours'::interval END);
  PERFORM washminute.set_clock(at, 0);
  INSERT INTO simulation.calls VALUES (at);
  RETURN at < until;
END
$$;

CREATE PROCEDURE simulation.run(days integer) LANGUAGE plpgsql
AS $$
DECLARE
  until timestamptz := '2027-01-02 12:00+00'::timestamptz + days * '1 day'::interval;
  steps integer := 0;
BEGIN
  SET default_transaction_isolation TO 'serializable';
  WHILE simulation.step(until) LOOP
    COMMIT;
    steps := steps + 1;
    IF steps % 10 = 0 THEN
      PERFORM simulation.report();
      COMMIT;
      PERFORM simulation.live();
      COMMIT;
      PERFORM washminute.expire_due();
      COMMIT;
    END IF;
    -- what another session works on is left for the next call
    LOOP
      PERFORM washminute.notify_due_reservations();
      COMMIT;
      EXIT WHEN NOT EXISTS (SELECT FROM washminute_data.reservation_stages AS s
                             WHERE s.done_at IS NULL AND s.due_at <= washminute.now());
    END LOOP;
  END LOOP;
  PERFORM washminute.notify_due_reservations();
  PERFORM washminute.expire_due();
END
$$;

-- The messages by request, once it is over.
CREATE TABLE simulation.messages (request_id uuid, event text);
CREATE INDEX ON simulation.messages (request_id);
CREATE FUNCTION simulation.collect() RETURNS bigint LANGUAGE sql
AS $$
  WITH found AS (
    INSERT INTO simulation.messages
    SELECT (o.data->>'requestId')::uuid, o.event FROM washminute_data.outbox AS o WHERE o.recipient_id IS NOT NULL AND o.data ? 'requestId'
    RETURNING 1)
  SELECT count(*) FROM found
$$;

-- What must be 0.
CREATE FUNCTION simulation.faults() RETURNS TABLE (name text, count bigint) LANGUAGE sql STABLE
AS $$
  WITH minutes (stage, minutes) AS (VALUES ('offer', 30), ('second_offer', 15), ('last_offer', 5), ('reminder', 30)),
  told AS (
    SELECT e.request_id, e.at, e.data->>'stage' AS stage, (e.data->>'reservationAt')::timestamptz AS starts
      FROM washminute_data.events AS e WHERE e.event = 'upcomingReservation'),
  dropped AS (
    SELECT s.due_at, s.outcome,
           CASE s.outcome WHEN 'superseded' THEN
             (SELECT min(l.due_at) FROM washminute_data.reservation_stages AS l
               WHERE l.request_id = s.request_id AND l.done_at = s.done_at AND l.stage LIKE '%offer' AND l.due_at > s.due_at)
           ELSE r.reservation_at END AS until
      FROM washminute_data.reservation_stages AS s JOIN washminute_data.washing_requests AS r USING (request_id)
     WHERE s.outcome IN ('superseded', 'too_late'))
  SELECT 'reservations_doubled',
         (SELECT count(*) FROM (SELECT FROM told GROUP BY request_id, stage, starts HAVING count(*) > 1) AS d)
  UNION ALL
  SELECT 'reservations_early',
         (SELECT count(*) FROM told JOIN minutes USING (stage) WHERE told.at < told.starts - minutes.minutes * '1 minute'::interval)
  UNION ALL
  SELECT 'reservations_lost',
         (SELECT count(*) FROM washminute_data.reservation_stages AS s WHERE s.done_at IS NULL AND s.due_at < washminute.now())
         + (SELECT count(*) FROM washminute_data.reservation_stages AS s
             WHERE s.outcome = 'told'
               AND NOT EXISTS (SELECT FROM told JOIN washminute_data.washing_requests AS r USING (request_id)
                                WHERE told.request_id = s.request_id AND told.stage = s.stage AND told.starts = r.reservation_at))
         + (SELECT count(*) FROM washminute_data.washing_requests AS r
             WHERE r.status IN ('expired', 'accepted')
               AND 4 <> (SELECT count(*) FROM washminute_data.reservation_stages AS s
                          WHERE s.request_id = r.request_id AND (s.done_at IS NOT NULL OR s.due_at > washminute.now() OR r.status = 'expired')))
  UNION ALL
  -- the lane is paused: each offer, and each reminder for two, has left a message
  SELECT 'reservations_untold',
         (SELECT count(*)
            FROM simulation.planned AS v,
                 LATERAL (SELECT COALESCE(sum((e.data->>'offers')::integer), 0) AS offers
                            FROM washminute_data.events AS e
                           WHERE e.request_id = v.request_id AND e.event = 'requestOffered') AS made,
                 LATERAL (SELECT count(*) FILTER (WHERE e.data->>'stage' = 'reminder') AS reminders,
                                 COALESCE(sum((e.data->>'offers')::integer), 0) AS offers
                            FROM washminute_data.events AS e
                           WHERE e.request_id = v.request_id AND e.event = 'upcomingReservation') AS staged,
                 LATERAL (SELECT count(*) FILTER (WHERE o.event IN ('upcomingReservation', 'newWashingRequest')) AS offers,
                                 count(*) FILTER (WHERE o.event = 'reservationReminder') AS reminders
                            FROM simulation.messages AS o WHERE o.request_id = v.request_id) AS sent
           WHERE sent.offers <> made.offers OR staged.offers > made.offers OR sent.reminders <> 2 * staged.reminders)
  UNION ALL
  -- washmen are near all the time: a stage that is told of is told to some
  SELECT 'reservations_offered_to_nobody',
         (SELECT count(*) FROM simulation.planned JOIN washminute_data.reservation_stages AS s USING (request_id)
           WHERE s.outcome = 'nobody')
  UNION ALL
  -- somebody called in time, and it was not done
  SELECT 'reservations_dropped_without_cause',
         (SELECT count(*) FROM dropped AS d
           WHERE EXISTS (SELECT FROM simulation.calls AS c WHERE c.at >= d.due_at AND c.at < d.until))
$$;
