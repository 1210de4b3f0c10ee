-- A copy of the database must not act until it is adopted: the row of instance tells
-- copies, since it holds the cluster's identifier and the database's oid.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
SELECT washminute.set_clock('2026-04-20 10:00+00', 0);
SELECT washminute.upsert_user('adopt_c', 'customer');
SELECT test_helpers.book('adopt', 'adopt_c', '{exterior}', -8.50, 33.25);
SELECT washminute.set_clock('2026-04-20 10:30+00', 0);
CREATE TEMPORARY VIEW cloned AS
  SELECT finding, severity, remedy FROM washminute.doctor() WHERE finding LIKE 'cloned%';

SELECT * FROM cloned;

-- of another cluster
BEGIN;
UPDATE washminute_data.instance SET system_identifier = system_identifier + 1;
SELECT * FROM cloned;
SELECT washminute.run_due() AS expired;
SELECT test_helpers.state('adopt');
-- setup() does not adopt
SELECT washminute.setup() = washminute._library_version() AS set_up;
SELECT count(*) AS still_cloned FROM cloned;
SELECT washminute.adopt();
SELECT * FROM cloned;
SELECT system_identifier = (SELECT system_identifier FROM pg_control_system()) AS of_this_cluster, adopted_at FROM washminute_data.instance;
SELECT washminute.run_due() > 0 AS expired;
SELECT test_helpers.state('adopt');
ROLLBACK;

-- of another database of this cluster
BEGIN;
UPDATE washminute_data.instance SET database_oid = 1;
SELECT count(*) AS cloned FROM cloned;
SELECT washminute.run_due() AS expired;
-- what a person calls is done all the same
SELECT test_helpers.book('adopt_2', 'adopt_c', '{exterior}', -8.50, 33.25);
SELECT washminute.expire_due() > 0 AS expired;
SELECT washminute.adopt();
SELECT count(*) AS cloned FROM cloned;
SELECT washminute.run_due() AS expired;
ROLLBACK;

-- without the row
BEGIN;
DELETE FROM washminute_data.instance;
ALTER TABLE washminute_data.instance SET (fillfactor = 90);
SELECT test_helpers.outcome('SELECT washminute.adopt()');
SELECT test_helpers.outcome('SELECT washminute.run_due()');
ROLLBACK;

SELECT washminute.run_due() > 0 AS expired;
SELECT test_helpers.state('adopt');
SELECT * FROM washminute.check_invariants();
SELECT washminute.set_clock(NULL);
