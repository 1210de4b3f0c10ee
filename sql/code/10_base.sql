-- What everything else uses: time, caller, errors, the state of the installation.

CREATE OR REPLACE FUNCTION washminute.now() RETURNS timestamptz
LANGUAGE C STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'washminute_now';
COMMENT ON FUNCTION washminute.now() IS
  'The time that business rules go by: the transaction''s timestamp, or the shared clock where washminute.set_clock has set it.';

CREATE OR REPLACE FUNCTION washminute.set_clock(at timestamptz, rate float8 DEFAULT 1) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'washminute_set_clock';
COMMENT ON FUNCTION washminute.set_clock(timestamptz, float8) IS
  'For tests and simulations: sets the clock of the whole cluster to a time, from which it runs at rate seconds per second (0 stands still). NULL gives the real time back. Superuser only. Not undone by a rollback.';

CREATE OR REPLACE FUNCTION washminute.current_user_id() RETURNS text
LANGUAGE C STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'washminute_current_user_id';
COMMENT ON FUNCTION washminute.current_user_id() IS
  'The sub of the verified JWT that PostgREST has left in request.jwt.claims; NULL where there is none.';

CREATE OR REPLACE FUNCTION washminute.require_caller() RETURNS text
LANGUAGE C STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'washminute_require_caller';
COMMENT ON FUNCTION washminute.require_caller() IS
  'As current_user_id(), but PT401 where there is no caller.';

CREATE OR REPLACE FUNCTION washminute.raise(code text, facts jsonb DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'washminute_raise';
COMMENT ON FUNCTION washminute.raise(text, jsonb) IS
  'Raises an error of the list that washminute.error_codes() shows, with facts behind the code in DETAIL.';

CREATE OR REPLACE FUNCTION washminute.error_codes()
RETURNS TABLE (code text, sqlstate text, message text, hint text)
LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 50
AS 'MODULE_PATHNAME', 'washminute_error_codes';
COMMENT ON FUNCTION washminute.error_codes() IS
  'Every error that washminute raises. PTxyz is HTTP status xyz through PostgREST.';

CREATE OR REPLACE FUNCTION washminute.adopt() RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT
AS 'MODULE_PATHNAME', 'washminute_adopt';
COMMENT ON FUNCTION washminute.adopt() IS
  'Makes a restored or cloned database the one that serves: from now on requests expire and messages leave here. Superuser only.';

CREATE OR REPLACE FUNCTION washminute.status_change_allowed() RETURNS boolean
LANGUAGE C VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'washminute_status_change_allowed';
COMMENT ON FUNCTION washminute.status_change_allowed() IS
  'True while a command moves a request; the trigger on washing_requests asks it.';

CREATE OR REPLACE FUNCTION washminute._settings_changed() RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'washminute_settings_changed';
COMMENT ON FUNCTION washminute._settings_changed() IS
  'Internal: sessions read the settings anew, once this is committed.';

CREATE OR REPLACE FUNCTION washminute._creating_extension() RETURNS boolean
LANGUAGE C VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'washminute_creating_extension';
COMMENT ON FUNCTION washminute._creating_extension() IS
  'Internal: whether CREATE EXTENSION or ALTER EXTENSION runs.';

CREATE OR REPLACE FUNCTION washminute._lock_setup() RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'washminute_lock_setup';
COMMENT ON FUNCTION washminute._lock_setup() IS
  'Internal: one setup() at a time, till the end of the transaction.';

CREATE OR REPLACE FUNCTION washminute._setup_as_owner() RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT
AS 'MODULE_PATHNAME', 'washminute_setup_as_owner';
COMMENT ON FUNCTION washminute._setup_as_owner() IS
  'Internal: the part of setup() that works on the tables, as washminute_owner.';

CREATE OR REPLACE FUNCTION washminute._library_version() RETURNS text
LANGUAGE C STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'washminute_library_version';
COMMENT ON FUNCTION washminute._library_version() IS
  'Internal: the version that the loaded library was built as.';
