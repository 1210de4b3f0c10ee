-- Exceptions that a person decides, and statements of the gateway.

CREATE OR REPLACE FUNCTION washminute.resolve_exception(exception_id uuid, admin_id text, decision text, reason text) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_resolve_exception';
COMMENT ON FUNCTION washminute.resolve_exception(uuid, text, text, text) IS
  'An administrator decides about an exception, for a reason that is kept. washminute_data.payment_exception_decisions has the decisions for each kind, and what they do.';

CREATE OR REPLACE FUNCTION washminute.import_settlement(
    statement text, content text, imported_by text DEFAULT NULL, complete_through date DEFAULT NULL)
RETURNS TABLE (lines bigint, matched bigint, differ bigint, only_theirs bigint, only_ours bigint)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1
SET search_path FROM CURRENT SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_import_settlement';
COMMENT ON FUNCTION washminute.import_settlement(text, text, text, date) IS
  'Reads a statement of the gateway: text with a header of orderid, numauto, amount, date and kind (sale or refund), separated by commas, semicolons or tabs; compares it with our sales and refunds, and makes exceptions of what differs. Whatever was sold until complete_through (the day before its last one) should be in it, or in one before. The same again changes nothing. The lines of this statement by outcome, and all sales and refunds of ours that are missing.';

CREATE OR REPLACE FUNCTION washminute.match_settlement() RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_match_settlement';
COMMENT ON FUNCTION washminute.match_settlement() IS
  'Compares the lines of statements that nothing of ours is like once more, as import_settlement does at its end; the number of differences that are open.';
