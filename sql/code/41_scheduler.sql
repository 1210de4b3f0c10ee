-- What is due is done.

CREATE OR REPLACE FUNCTION washminute.run_due() RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_run_due';
COMMENT ON FUNCTION washminute.run_due() IS
  'What a scheduler calls every minute: does what is due for requests and reservations and clears old idempotency keys, and at the beginning of each hour old runs of pg_cron, as washminute_owner. Does nothing in a cloned database until washminute.adopt().';

CREATE OR REPLACE FUNCTION washminute.unschedule_jobs() RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT
AS $$
DECLARE
  jobs integer := 0;
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'pg_cron') THEN
    EXECUTE 'SELECT pg_catalog.count(cron.unschedule(jobid)) FROM cron.job
              WHERE jobname = ''washminute run_due'' AND database = pg_catalog.current_database()' INTO jobs;
  END IF;
  RETURN jobs;
END
$$;
COMMENT ON FUNCTION washminute.unschedule_jobs() IS
  'Takes the job out of pg_cron in this database, those of other users too where the caller is a superuser; returns how many there were. setup() and schedule_jobs() bring it back.';

-- One that is there is made anew: it may be another user's, and a restored one names
-- the host and port of the server that was dumped.
CREATE OR REPLACE FUNCTION washminute.schedule_jobs() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT
AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'pg_cron') THEN
    PERFORM washminute.raise('WM_CRON_MISSING', pg_catalog.jsonb_build_object(
      'cronDatabase', pg_catalog.current_setting('cron.database_name', true),
      'statement', pg_catalog.format(
        'SELECT cron.schedule_in_database(%L, ''* * * * *'', ''SELECT washminute.run_due()'', %L)',
        'washminute run_due in ' OPERATOR(pg_catalog.||) pg_catalog.current_database(), pg_catalog.current_database())));
  END IF;
  PERFORM washminute.unschedule_jobs();
  EXECUTE 'SELECT cron.schedule(''washminute run_due'', ''* * * * *'', ''SELECT washminute.run_due()'')';
END
$$;
COMMENT ON FUNCTION washminute.schedule_jobs() IS
  'Has pg_cron call run_due() every minute, as the caller, who must be a superuser; setup() does it where pg_cron is in this database. Where it is in another one, the error tells the statement to run there.';
