-- Chats: what is written, read and looked at. A chat has the id of its request.

CREATE OR REPLACE FUNCTION washminute._acts_as_admin() RETURNS boolean
LANGUAGE sql STABLE PARALLEL RESTRICTED
SET search_path FROM CURRENT
AS $$
  SELECT pg_catalog.pg_has_role(COALESCE(NULLIF(pg_catalog.current_setting('role'), 'none'), session_user::text)::name,
                                'washminute_admin', 'USAGE')
$$;
COMMENT ON FUNCTION washminute._acts_as_admin() IS
  'Internal: whether the role that calls over the API has the rights of administrators.';

CREATE OR REPLACE FUNCTION washminute.open_chat(request_id uuid, user_id text, as_admin boolean DEFAULT true) RETURNS uuid
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_open_chat';
COMMENT ON FUNCTION washminute.open_chat(uuid, text, boolean) IS
  'The id of a request''s chat, which is made if it is not there yet, as by writing in it; an administrator joins it, unless as_admin is false.';

CREATE OR REPLACE FUNCTION washminute.leave_chat(chat_id uuid, user_id text) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_leave_chat';
COMMENT ON FUNCTION washminute.leave_chat(uuid, text) IS
  'An administrator who has joined a chat leaves it. A washman leaves by giving the request back.';

CREATE OR REPLACE FUNCTION washminute.send_message(chat_id uuid, user_id text, client_message_id text, text text, locale text DEFAULT NULL, as_admin boolean DEFAULT true)
RETURNS TABLE (message_id uuid, sequence bigint, sent_at timestamptz)
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_send_message';
COMMENT ON FUNCTION washminute.send_message(uuid, text, text, text, text, boolean) IS
  'Writes a message of 1 to 2000 characters, in that language or else the sender''s. The same client_message_id and text again is the same message, with the same answer. With as_admin false not in what he has joined as an administrator.';

CREATE OR REPLACE FUNCTION washminute.mark_read(chat_id uuid, user_id text, sequence bigint, as_admin boolean DEFAULT true) RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_mark_read';
COMMENT ON FUNCTION washminute.mark_read(uuid, text, bigint, boolean) IS
  'A member has read all messages up to this one; the mark as it is then, since it never goes back.';

CREATE OR REPLACE FUNCTION washminute.chat_history(chat_id uuid, user_id text, before bigint DEFAULT NULL, after bigint DEFAULT NULL, max_messages integer DEFAULT 50, as_admin boolean DEFAULT true)
RETURNS TABLE (sequence bigint, message_id uuid, sender_id text, client_message_id text, text text, locale text, sent_at timestamptz)
LANGUAGE C STABLE PARALLEL UNSAFE ROWS 50
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_chat_history';
COMMENT ON FUNCTION washminute.chat_history(uuid, text, bigint, bigint, integer, boolean) IS
  'Messages in the order of sending: the last ones; the last ones before a sequence; or the first ones after one.';

CREATE OR REPLACE FUNCTION washminute.chat_state(chat_id uuid, user_id text, as_admin boolean DEFAULT true) RETURNS jsonb
LANGUAGE C STABLE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_chat_state';
COMMENT ON FUNCTION washminute.chat_state(uuid, text, boolean) IS
  'A chat as one of its members finds it: the last message''s sequence, his mark, whether it is closed and when it closes, its members with their marks, and who has it on the screen.';

CREATE OR REPLACE FUNCTION washminute.chats(user_id text)
RETURNS TABLE (chat_id uuid, kind text, last_sequence bigint, read_sequence bigint, unread bigint,
               last_message_at timestamptz, closes_at timestamptz, closed boolean)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 20
SET search_path FROM CURRENT
AS $$
  SELECT c.chat_id, m.kind, c.last_sequence, m.read_sequence, c.last_sequence - m.read_sequence,
         c.last_message_at, c.closes_at, COALESCE(c.closes_at <= washminute.now(), false)
    FROM washminute_data.chat_members AS m
    JOIN washminute_data.chats AS c ON c.chat_id = m.chat_id
   WHERE m.user_id = chats.user_id
   ORDER BY c.last_message_at DESC NULLS LAST, c.chat_id
$$;
COMMENT ON FUNCTION washminute.chats(text) IS
  'The chats that a user is in, the latest first, and how much of each he has not read.';

CREATE OR REPLACE FUNCTION washminute._gateway_is_live(gateway text) RETURNS boolean
LANGUAGE C VOLATILE PARALLEL UNSAFE STRICT
SET search_path FROM CURRENT
AS 'MODULE_PATHNAME', 'washminute_gateway_is_live';
COMMENT ON FUNCTION washminute._gateway_is_live(text) IS
  'Internal: whether the session that registered this gateway lives.';

CREATE OR REPLACE FUNCTION washminute.gateway_register(gateway text) RETURNS jsonb
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_gateway_register';
COMMENT ON FUNCTION washminute.gateway_register(text) IS
  'From now on this session stands for the gateway: its sockets count as viewers of chats as long as the session lives. Answers tickSeconds: how often it will hear the event tick, 0 for never.';

CREATE OR REPLACE FUNCTION washminute.gateway_beat(gateway text) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_gateway_beat';
COMMENT ON FUNCTION washminute.gateway_beat(text) IS
  'A gateway''s sign of life: viewers of gateways that have died are taken away, and who looks at the same chats is told.';

CREATE OR REPLACE FUNCTION washminute.sockets_gone(sids text[]) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_sockets_gone';
COMMENT ON FUNCTION washminute.sockets_gone(text[]) IS
  'Sockets have disconnected: they view no chat any more.';

CREATE OR REPLACE FUNCTION washminute.socket_connect(claims jsonb, sid text, gateway text, since bigint DEFAULT NULL) RETURNS jsonb
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_socket_connect';
COMMENT ON FUNCTION washminute.socket_connect(jsonb, text, text, bigint) IS
  'A socket wants to connect with these claims, whose signature and times were verified: an error, or who it is, the rooms to join and what was missed since that cursor.';

CREATE OR REPLACE FUNCTION washminute.socket_event(claims jsonb, sid text, gateway text, event text, args jsonb DEFAULT NULL) RETURNS jsonb
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_socket_event';
COMMENT ON FUNCTION washminute.socket_event(jsonb, text, text, text, jsonb) IS
  'A socket has sent an event: its answer, {"ok": true, ...} or {"ok": false, "error": "WM_...", "message": ...}.';
