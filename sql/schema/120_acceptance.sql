-- What disturbed acceptances that have nothing in common.

-- A foreign key looks its row up by the index of the primary key, and in a
-- serializable transaction leaves a predicate lock on the page of it. An update of
-- another request that finds no room in its heap page writes that page. A job is
-- stored by an acceptance alone, which has read the request under its lock;
-- check_invariants() tells whether each has one.
ALTER TABLE washminute_data.jobs DROP CONSTRAINT jobs_request_fk;
COMMENT ON COLUMN washminute_data.jobs.request_id IS
  'The request; without a foreign key, which would disturb other acceptances.';
