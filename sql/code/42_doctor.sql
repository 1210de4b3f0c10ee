-- What is wrong, and the remedy.

CREATE OR REPLACE FUNCTION washminute.doctor()
RETURNS TABLE (finding text, severity text, remedy text)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 5
SET search_path FROM CURRENT
AS 'MODULE_PATHNAME', 'washminute_doctor';
COMMENT ON FUNCTION washminute.doctor() IS
  'What is wrong with this installation: each finding with its severity (error, warning, info) and remedy. No row when all is well.';
