-- washminute.raise() raises the errors that washminute.error_codes() lists, each
-- with its SQLSTATE, the code and facts in DETAIL, a constant MESSAGE and a HINT.
\pset format unaligned

SELECT code, sqlstate, message FROM washminute.error_codes() ORDER BY code COLLATE "C";

-- the form of the list
SELECT code FROM washminute.error_codes()
 WHERE code !~ '^WM_[A-Z][A-Z_]*[A-Z]$' OR sqlstate !~ '^PT(40[0-9]|410|422|429|500|503)$'
    OR message !~ '^[a-z][ -~]*[a-z0-9]$' OR hint !~ '^[A-Z][ -~]*\.$';
SELECT code FROM washminute.error_codes() GROUP BY code HAVING count(*) > 1;
SELECT message FROM washminute.error_codes() GROUP BY message HAVING count(*) > 1;

-- each can be raised
CREATE FUNCTION pg_temp.raised(code text, facts jsonb) RETURNS text
LANGUAGE plpgsql
AS $$
DECLARE
  state text;
  message text;
  detail text;
  hint text;
BEGIN
  PERFORM washminute.raise(code, facts);
  RETURN 'nothing';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
                          detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RETURN concat_ws('|', state, message, detail, hint);
END
$$;
SELECT e.code FROM washminute.error_codes() AS e
 WHERE pg_temp.raised(e.code, NULL) <> concat_ws('|', e.sqlstate, e.message, e.code, e.hint)
    OR pg_temp.raised(e.code, '{"a": 1.50}') <> concat_ws('|', e.sqlstate, e.message, e.code || ' {"a": 1.50}', e.hint);

-- as a client sees it
\set VERBOSITY default
SELECT washminute.raise('WM_BALANCE_BELOW_FLOOR', '{"missing": 12.00, "name": "Saïd \"le rapide\""}');

-- codes that are not in the list
SELECT pg_temp.raised('WM_NO_SUCH_CODE', NULL);
SELECT pg_temp.raised(NULL, NULL);
SELECT pg_temp.raised('', '{}');
SELECT pg_temp.raised('wm_not_yours', NULL);
