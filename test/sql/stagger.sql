-- Whom a staggered wave tells when, and that the next wave, who are farther, waits for it.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
SELECT washminute.set_clock('2026-09-10 10:00+00', 0);
SELECT washminute.upsert_user('stagger_c', 'customer');
SELECT washminute.upsert_user('stagger_a', 'admin');
SELECT zone_code, offer_policy FROM washminute_data.service_zones WHERE ST_Covers(boundary, ST_MakePoint(-8.00, 31.63)::geography);
SELECT test_helpers.washman('stagger_' || n, -8.00, 31.63 + n / 1000.0) FROM generate_series(1, 12) AS n;

INSERT INTO washminute_data.zone_settings (zone_code, name, value) VALUES ('marrakech', 'offer_size', 10), ('marrakech', 'offer_seconds', 45),
  ('marrakech', 'stagger_size', 1), ('marrakech', 'stagger_seconds', 3.3);

-- Book, and do so often what is due next; a line for each wave.
CREATE FUNCTION pg_temp.waves(booking text, waves integer)
RETURNS TABLE (wave integer, offers bigint, first_told time, last_told time, next_wave time) LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM washminute.set_clock('2026-09-10 10:00+00', 0);
  PERFORM washminute.report_location('stagger_' || n, -8.00, 31.63 + n / 1000.0) FROM generate_series(1, 12) AS n;
  PERFORM test_helpers.book(booking, 'stagger_c', '{exterior}', -8.00, 31.63);
  FOR i IN 1 .. waves LOOP
    IF i > 1 THEN
      PERFORM washminute.set_clock(next_wave_at, 0) FROM washminute_data.washing_requests WHERE request_id = test_helpers.request(booking);
      PERFORM washminute.expire_due();
    END IF;
    RETURN QUERY
      SELECT f.wave, count(*), min(f.offered_at)::time, max(f.offered_at)::time, r.next_wave_at::time
        FROM washminute_data.offers AS f JOIN washminute_data.washing_requests AS r USING (request_id)
       WHERE f.request_id = test_helpers.request(booking) AND f.wave = i GROUP BY f.wave, r.next_wave_at;
  END LOOP;
END
$$;

-- by default all are told before the next wave
SELECT * FROM pg_temp.waves('stagger_default', 2);
SELECT washman_id, offered_at::time FROM washminute_data.offers
 WHERE request_id = test_helpers.request('stagger_default') ORDER BY offered_at, distance_m;
SELECT test_helpers.cancel('stagger_default', 'stagger_a');

-- with more time for each they are not: the last one has his seconds, too, before the next wave
UPDATE washminute_data.zone_settings SET value = 8 WHERE zone_code = 'marrakech' AND name = 'stagger_seconds';
SELECT * FROM pg_temp.waves('stagger_one', 2);
SELECT test_helpers.cancel('stagger_one', 'stagger_a');

-- who is told in the very moment of the next wave has them as well
UPDATE washminute_data.zone_settings SET value = 6 WHERE zone_code = 'marrakech' AND name = 'stagger_size';
UPDATE washminute_data.zone_settings SET value = 30 WHERE zone_code = 'marrakech' AND name = 'stagger_seconds';
SELECT * FROM pg_temp.waves('stagger_edge', 1);
SELECT test_helpers.cancel('stagger_edge', 'stagger_a');

-- other policies tell all at once, whatever these settings are
UPDATE washminute_data.service_zones SET offer_policy = 'broadcast' WHERE zone_code = 'marrakech';
BEGIN;
SELECT * FROM pg_temp.waves('stagger_broadcast', 1);
-- a message for each, all of them written at once
SELECT count(*), count(DISTINCT outbox_id) AS ids, count(DISTINCT recipient_id) AS recipients, count(DISTINCT data) AS data
  FROM washminute_data.outbox WHERE lane = 'push' AND event = 'newWashingRequest' AND data->>'requestId' = test_helpers.request('stagger_broadcast')::text;
COMMIT;
SELECT test_helpers.cancel('stagger_broadcast', 'stagger_a');
-- but where a column's default looks at the table
BEGIN;
CREATE FUNCTION pg_temp.written() RETURNS bigint LANGUAGE sql VOLATILE AS
  $$SELECT count(*) FROM washminute_data.outbox WHERE event = 'newWashingRequest' AND xid = pg_current_xact_id()$$;
ALTER TABLE washminute_data.outbox ADD COLUMN before bigint;
ALTER TABLE washminute_data.outbox ALTER COLUMN before SET DEFAULT pg_temp.written();
SELECT * FROM pg_temp.waves('stagger_volatile', 1);
SELECT array_agg(before ORDER BY outbox_id) FROM washminute_data.outbox WHERE event = 'newWashingRequest' AND xid = pg_current_xact_id();
ROLLBACK;

UPDATE washminute_data.service_zones SET offer_policy = 'staggered' WHERE zone_code = 'marrakech';
DELETE FROM washminute_data.zone_settings WHERE zone_code = 'marrakech';
SELECT washminute.set_washman_status(washman_id, 'offline') FROM washminute_data.washmen WHERE washman_id LIKE 'stagger\_%';
SELECT washminute.set_clock(NULL);
