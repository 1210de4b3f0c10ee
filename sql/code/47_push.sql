-- Push messages: devices, and messages to a user.

CREATE OR REPLACE FUNCTION washminute.register_push_token(user_id text, token text, platform text DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_register_push_token';
COMMENT ON FUNCTION washminute.register_push_token(text, text, text) IS
  'A device of a user, by its Expo push token; platform is ios or android. A token that was another user''s is this one''s from now on; a disabled one is sent to again.';

CREATE OR REPLACE FUNCTION washminute.unregister_push_token(token text) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_unregister_push_token';
COMMENT ON FUNCTION washminute.unregister_push_token(text) IS
  'Nothing is sent to that device any more, as after a log-out. A token that is not registered is no error.';

CREATE OR REPLACE FUNCTION washminute.notify_user(user_id text, event text, data jsonb DEFAULT '{}') RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_notify_user';
COMMENT ON FUNCTION washminute.notify_user(text, text, jsonb) IS
  'Sends a push message to all devices of a user once this transaction has committed: the texts of the event''s template in his language, or the members title and body of data where there is no template; data goes to the app. The id of the outbox row.';

CREATE OR REPLACE FUNCTION washminute.fill_text(template text, locale text, data jsonb) RETURNS text
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'washminute_fill_text';
COMMENT ON FUNCTION washminute.fill_text(text, text, jsonb) IS
  'What a template of push_templates says for some data in a language (ar, fr, en; French for any other): {name}, {name|else}, {name, time}, {name, date}, {name, money} and {name, plural, one {...} other {...}} are filled in.';
