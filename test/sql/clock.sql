-- washminute.now() is the transaction's time, or the shared clock where
-- set_clock() has set it: for all sessions, at any rate, not undone by a rollback.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned

SELECT washminute.now() = now() AS real_time;
BEGIN;
SELECT pg_sleep(0.01) IS NOT NULL AS slept;
SELECT washminute.now() = now() AS time_of_the_transaction, washminute.now() < clock_timestamp() AS not_of_the_statement;
COMMIT;

-- standing still
SELECT washminute.set_clock('2026-03-10 10:00+00', 0);
SELECT washminute.now();
SELECT pg_sleep(0.01) IS NOT NULL AS slept;
SELECT washminute.now();
SELECT finding, severity, remedy FROM washminute.doctor() WHERE finding LIKE '%clock%';

-- other sessions see the same
\c -
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
SELECT washminute.now();

-- at once, in the transaction that sets it; a rollback does not turn it back
BEGIN;
SELECT washminute.now();
SELECT washminute.set_clock('2026-03-11 10:00+00', 0);
SELECT washminute.now();
ROLLBACK;
SELECT washminute.now();

-- running, by default in step with the real clock
SELECT washminute.set_clock('2026-03-10 10:00+00');
SELECT pg_sleep(0.05) IS NOT NULL AS slept;
SELECT washminute.now() - '2026-03-10 10:00+00' BETWEEN '50 ms' AND '60 s' AS in_step;
SELECT washminute.set_clock('2026-03-10 10:00+00', 100000);
SELECT pg_sleep(0.05) IS NOT NULL AS slept;
SELECT washminute.now() - '2026-03-10 10:00+00' BETWEEN '5000 s' AND '6000000 s' AS a_hundred_thousandfold;
SELECT washminute.set_clock('2026-03-10 10:00+00', NULL);
SELECT washminute.now() - '2026-03-10 10:00+00' BETWEEN '0 s' AND '60 s' AS in_step;

-- every time zone shows the same moment
SELECT washminute.set_clock('2026-07-01 12:00 Africa/Casablanca', 0);
SELECT washminute.now();

-- bad input changes nothing
SELECT call, test_helpers.outcome('SELECT washminute.' || call)
  FROM (VALUES
    (1, $$set_clock('infinity')$$),
    (2, $$set_clock('-infinity')$$),
    (3, $$set_clock('2026-01-01', -1)$$),
    (4, $$set_clock('2026-01-01', 'NaN')$$),
    (5, $$set_clock('2026-01-01', 'infinity')$$),
    (6, $$set_clock('2026-01-01', 1000001)$$),
    (7, $$set_clock(NULL, 'NaN')$$)
  ) AS c (number, call) ORDER BY number;
SELECT washminute.now();

-- whoever is not a superuser cannot, whatever was granted
CREATE ROLE regress_washminute_clock;
GRANT USAGE ON SCHEMA washminute, test_helpers TO regress_washminute_clock;
SET ROLE regress_washminute_clock;
SELECT test_helpers.outcome($$SELECT washminute.set_clock('2027-01-01', 0)$$);
RESET ROLE;
GRANT EXECUTE ON FUNCTION washminute.set_clock(timestamptz, float8), washminute.now() TO regress_washminute_clock;
SET ROLE regress_washminute_clock;
SELECT test_helpers.outcome($$SELECT washminute.set_clock('2027-01-01', 0)$$);
SELECT test_helpers.outcome($$SELECT washminute.set_clock(NULL)$$);
SELECT washminute.now();
RESET ROLE;
DROP OWNED BY regress_washminute_clock;
DROP ROLE regress_washminute_clock;

-- NULL gives the real time back
SELECT washminute.set_clock(NULL);
SELECT washminute.now() = now() AS real_time;
SELECT count(*) AS clock_findings FROM washminute.doctor() WHERE finding LIKE '%clock%';
