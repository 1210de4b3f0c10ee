-- Positions come in.
--
-- A function that the live index can answer sets nothing, since that would cost more
-- than the answer; where SQL is needed it calls the one of the same arguments and an
-- underscore.

CREATE OR REPLACE FUNCTION washminute.report_location(
    washman_id text, longitude float8, latitude float8,
    accuracy_m float8 DEFAULT NULL, recorded_at timestamptz DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'washminute_report_location_fast';
COMMENT ON FUNCTION washminute.report_location(text, float8, float8, float8, timestamptz) IS
  'Where a washman is: degrees on WGS 84, accuracy in metres, recorded_at the time of the fix (NULL is now). A position older than the one held is ignored.';

CREATE OR REPLACE FUNCTION washminute.report_locations(
    washman_ids text[], longitudes float8[], latitudes float8[],
    recorded_at timestamptz[] DEFAULT NULL) RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'washminute_report_locations_fast';
COMMENT ON FUNCTION washminute.report_locations(text[], float8[], float8[], timestamptz[]) IS
  'Many positions at once. Rows that report_location would refuse are skipped; returns the number taken.';

CREATE OR REPLACE FUNCTION washminute._report_location(
    washman_id text, longitude float8, latitude float8, accuracy_m float8, recorded_at timestamptz) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_report_location';
COMMENT ON FUNCTION washminute._report_location(text, float8, float8, float8, timestamptz) IS
  'Internal: report_location where SQL is needed.';

CREATE OR REPLACE FUNCTION washminute._report_locations(
    washman_ids text[], longitudes float8[], latitudes float8[], recorded_at timestamptz[]) RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_report_locations';
COMMENT ON FUNCTION washminute._report_locations(text[], float8[], float8[], timestamptz[]) IS
  'Internal: report_locations where SQL is needed.';

CREATE OR REPLACE FUNCTION washminute._washman_changed(before text, after text, online boolean) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_washman_changed';
COMMENT ON FUNCTION washminute._washman_changed(text, text, boolean) IS
  'Internal, for the triggers on washmen: the live index takes a change over at commit.';

CREATE OR REPLACE FUNCTION washminute._load_live_index() RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_load_live_index';
COMMENT ON FUNCTION washminute._load_live_index() IS
  'Internal, for the worker: reads all who are online into the live index, which answers from then on.';

CREATE OR REPLACE FUNCTION washminute.flush_locations() RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_flush_locations';
COMMENT ON FUNCTION washminute.flush_locations() IS
  'Writes positions that the live index has and the table has not, as the worker does every washminute.location_flush_interval; how many.';

CREATE OR REPLACE FUNCTION washminute.live_status()
RETURNS TABLE (answers boolean, online bigint, held bigint, capacity bigint, pings_per_second float8, taken bigint,
               refused_old bigint, refused_impossible bigint, refused_unknown bigint, refused_invalid bigint,
               flushed_at timestamptz, flushed bigint, flush_ms float8, memory_bytes bigint)
LANGUAGE C STABLE PARALLEL SAFE ROWS 1
AS 'MODULE_PATHNAME', 'washminute_live_status';
COMMENT ON FUNCTION washminute.live_status() IS
  'The live index: whether it answers for this database, washmen online, held (with those whose last position is not written yet) and at most, positions taken per second over ten seconds and refused since the start, by reason, the last flush, memory. NULLs where the library is not preloaded.';

CREATE OR REPLACE FUNCTION washminute.live_washmen()
RETURNS TABLE (washman_id text, longitude float8, latitude float8, located_at timestamptz, accuracy_m float8, written boolean)
LANGUAGE C STABLE PARALLEL SAFE ROWS 500
AS 'MODULE_PATHNAME', 'washminute_live_washmen';
COMMENT ON FUNCTION washminute.live_washmen() IS
  'Who is in the live index of this database, and where: NULL until a first position; written says whether the table has it.';

CREATE OR REPLACE FUNCTION washminute._check_live_index() RETURNS void
LANGUAGE C STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'washminute_check_live_index';
COMMENT ON FUNCTION washminute._check_live_index() IS
  'Internal, for tests: walks the live index and raises an error where it is not whole.';
