-- A washman's newest jobs are found without all the others. As before, no acceptance looks for jobs
-- by this index.

DROP INDEX washminute_data.jobs_washman;
CREATE INDEX jobs_washman ON washminute_data.jobs (washman_id, job_id) INCLUDE (request_id);
