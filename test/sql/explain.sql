-- Why a washman near is offered a request, or is not.
SET timezone TO 'UTC';
\pset format unaligned
SELECT washminute.set_clock('2026-06-02 10:00+00', 0);
SELECT washminute.upsert_user('explain_c', 'customer');
SELECT test_helpers.washman('explain_' || name, -13.20 + metres / 96500.0, 27.10)
  FROM (VALUES ('near', 1000), ('second', 2000), ('declined', 1500), ('poor', 1600), ('full', 1700), ('offline', 1800), ('suspended', 1900),
               ('far', 8000), ('gone', 30000)) AS w (name, metres) ORDER BY name;
SELECT washminute.settle_balance('explain_full', -490, 'test');
SELECT washminute.set_washman_status('explain_offline', 'offline');
SELECT test_helpers.book('explain_1', 'explain_c', '{exterior}', -13.20, 27.10);
SELECT washminute.decline_request(test_helpers.request('explain_1'), 'explain_declined');
SELECT washminute.settle_balance('explain_poor', -500.01, 'test');
UPDATE washminute_data.washmen SET suspended_at = washminute.now() WHERE washman_id = 'explain_suspended';

-- the place of one who is not online is known by the table
SELECT washminute.flush_locations() >= 0 AS flushed;

CREATE FUNCTION pg_temp.explained() RETURNS TABLE (washman_id text, metres numeric, offered boolean, reasons text[]) LANGUAGE sql
AS $$ SELECT washman_id, round(distance_m::numeric, -2), offered, reasons FROM washminute.explain_match(test_helpers.request('explain_1')) $$;
SELECT * FROM pg_temp.explained();

-- where he has gone since, others have gone offline, and fewer are to be offered it
SELECT washminute.set_clock('2026-06-02 10:30+00', 0);
SELECT washminute.report_location('explain_near', -13.22, 27.10);
SELECT washminute.set_washman_status('explain_second', 'offline');
SELECT washminute.flush_locations() >= 0 AS flushed;
UPDATE washminute_data.settings SET value = 1 WHERE name = 'offer_size';
SELECT * FROM pg_temp.explained() WHERE reasons && '{others_nearer,outside_ring,next_wave}' OR reasons = '{}';
UPDATE washminute_data.settings SET value = 50 WHERE name = 'offer_size';
-- not seen for two hours
SELECT washminute.set_clock('2026-06-02 12:00:01+00', 0);
SELECT washman_id, reasons FROM pg_temp.explained();

SELECT test_helpers.outcome($$SELECT * FROM washminute.explain_match(NULL)$$);
SELECT test_helpers.outcome($$SELECT * FROM washminute.explain_match('00000000-0000-0000-0000-000000000000')$$);
SELECT washminute.set_washman_status('explain_' || name, 'offline') FROM unnest('{near,declined,poor,full,far,gone}'::text[]) AS name ORDER BY name;
SELECT washminute.set_clock(NULL);
SELECT * FROM washminute.check_invariants();
