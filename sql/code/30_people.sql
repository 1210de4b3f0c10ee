-- Users, and whether a washman takes jobs now.

CREATE OR REPLACE FUNCTION washminute.upsert_user(
    user_id text, kind text, name text DEFAULT NULL, phone text DEFAULT NULL,
    email text DEFAULT NULL, locale text DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_upsert_user';
COMMENT ON FUNCTION washminute.upsert_user(text, text, text, text, text, text) IS
  'Creates a user, or gives him one more kind (customer, washman, admin) and changes what is not NULL. phone is E.164, blanks are stripped; locale is ar, fr or en, at first fr.';

CREATE OR REPLACE FUNCTION washminute.save_user(
    user_id text, admin_id text, kind text, name text DEFAULT NULL, phone text DEFAULT NULL,
    email text DEFAULT NULL, locale text DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_save_user';
COMMENT ON FUNCTION washminute.save_user(text, text, text, text, text, text, text) IS
  'As upsert_user, by an administrator: an event tells who changed whom, and which of his data.';

CREATE OR REPLACE FUNCTION washminute.set_washman_status(washman_id text, status text) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_set_washman_status';
COMMENT ON FUNCTION washminute.set_washman_status(text, text) IS
  'Takes a washman online, so that he is offered jobs, or offline.';
