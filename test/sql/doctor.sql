-- doctor() names what is wrong, with severity and remedy. (What it says before
-- setup() is in the test install; servers differ in fsync and pg_cron.)
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned

CREATE TEMPORARY VIEW findings AS
  SELECT finding, severity, remedy FROM washminute.doctor()
   WHERE finding NOT LIKE '%pg_cron%' AND finding NOT LIKE '%against a crash' AND finding NOT LIKE '%overdue%' AND finding NOT LIKE '%worker%'
   ORDER BY finding COLLATE "C";
CREATE TEMPORARY VIEW overdue AS
  SELECT finding, severity, remedy FROM washminute.doctor() WHERE finding LIKE '%overdue%';

-- all is well
SELECT * FROM findings;
SELECT count(*) AS malformed FROM washminute.doctor()
 WHERE severity NOT IN ('error', 'warning', 'info') OR finding IS NULL OR remedy IS NULL OR finding !~ '^[a-z]' OR remedy !~ '\.$';

BEGIN;
GRANT EXECUTE ON FUNCTION washminute.now() TO PUBLIC;
SELECT * FROM findings;
ROLLBACK;

BEGIN;
ALTER TABLE washminute_data.orders OWNER TO CURRENT_USER;
SELECT * FROM findings;
ROLLBACK;

-- requests that are overdue by more than five minutes
SELECT washminute.set_clock('2026-08-03 10:00+00', 0);
SELECT count(washminute.expire_due()) AS calls;
SELECT washminute.upsert_user('doctor_c', 'customer');
SELECT test_helpers.book('doctor', 'doctor_c', '{exterior}', -2.93, 35.17);
SELECT washminute.set_clock('2026-08-03 10:05:30+00', 0);
SELECT * FROM overdue;
SELECT washminute.set_clock('2026-08-03 10:05:30.000001+00', 0);
SELECT * FROM overdue;
SELECT * FROM findings;
SELECT washminute.run_due() AS expired;
SELECT * FROM overdue;
SELECT washminute.set_clock('2026-08-03 10:15+00', 0);
SELECT washminute.run_due() AS expired;

-- no scheduler; where pg_cron calls from another database only the call tells
UPDATE washminute_data.scheduler SET ran_at = clock_timestamp() - interval '5 minutes 1 second';
SELECT finding, severity FROM washminute.doctor() WHERE finding LIKE '%run_due%' AND NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron');
SELECT washminute.run_due() AS expired;
SELECT finding, severity FROM washminute.doctor() WHERE finding LIKE '%run_due%';

-- a member of washminute_owner, and he himself, see the same
CREATE ROLE regress_washminute_member IN ROLE washminute_owner;
GRANT USAGE ON SCHEMA test_helpers TO washminute_owner;
BEGIN;
ALTER TABLE washminute_data.jobs DISABLE ROW LEVEL SECURITY;
SET LOCAL ROLE regress_washminute_member;
SELECT test_helpers.outcome('SELECT * FROM washminute.doctor()');
SELECT finding, severity FROM washminute.doctor() WHERE finding LIKE 'row-level%';
SELECT CURRENT_USER;
SET LOCAL ROLE washminute_owner;
SELECT test_helpers.outcome('SELECT * FROM washminute.doctor()');
SELECT finding, severity FROM washminute.doctor() WHERE finding LIKE 'row-level%';
ROLLBACK;
REVOKE USAGE ON SCHEMA test_helpers FROM washminute_owner;
DROP ROLE regress_washminute_member;

-- whoever may not look at the data
CREATE ROLE regress_washminute_doctor;
GRANT USAGE ON SCHEMA washminute, test_helpers TO regress_washminute_doctor;
SET ROLE regress_washminute_doctor;
SELECT test_helpers.outcome('SELECT * FROM washminute.doctor()');
RESET ROLE;
DROP OWNED BY regress_washminute_doctor;
DROP ROLE regress_washminute_doctor;
SELECT washminute.set_clock(NULL);
SELECT * FROM findings;
