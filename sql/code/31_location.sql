-- Positions come in.

CREATE OR REPLACE FUNCTION washminute.report_location(
    washman_id text, longitude float8, latitude float8,
    accuracy_m float8 DEFAULT NULL, recorded_at timestamptz DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_report_location';
COMMENT ON FUNCTION washminute.report_location(text, float8, float8, float8, timestamptz) IS
  'Where a washman is: degrees on WGS 84, accuracy in metres, recorded_at the time of the fix (NULL is now). A position older than the one held is ignored.';

CREATE OR REPLACE FUNCTION washminute.report_locations(
    washman_ids text[], longitudes float8[], latitudes float8[],
    recorded_at timestamptz[] DEFAULT NULL) RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_report_locations';
COMMENT ON FUNCTION washminute.report_locations(text[], float8[], float8[], timestamptz[]) IS
  'Many positions at once. Rows that report_location would refuse are skipped; returns the number taken.';
