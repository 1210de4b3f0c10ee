-- Chats over REST, and what the socket gateway calls.

CREATE OR REPLACE VIEW washminute_api.chats WITH (security_invoker = true) AS
  SELECT c.chat_id, c.last_sequence, c.last_message_at, c.opened_at, c.closes_at,
         COALESCE(c.closes_at <= washminute.now(), false) AS closed,
         m.kind, m.read_sequence, c.last_sequence - m.read_sequence AS unread
    FROM washminute_data.chats AS c
    LEFT JOIN washminute_data.chat_members AS m
           ON m.chat_id = c.chat_id AND m.user_id = (SELECT washminute.current_user_id());
COMMENT ON VIEW washminute_api.chats IS 'The chats that I am in; all of them for an administrator.';
COMMENT ON COLUMN washminute_api.chats.chat_id IS 'Id for programs: the request''s.';
COMMENT ON COLUMN washminute_api.chats.last_sequence IS 'Number of the last message; 0 while there is none.';
COMMENT ON COLUMN washminute_api.chats.last_message_at IS 'When that was sent.';
COMMENT ON COLUMN washminute_api.chats.opened_at IS 'When the chat was first used.';
COMMENT ON COLUMN washminute_api.chats.closes_at IS 'From when on it can be read only; null while the request goes on.';
COMMENT ON COLUMN washminute_api.chats.closed IS 'Whether that time has come.';
COMMENT ON COLUMN washminute_api.chats.kind IS 'What I am in it: customer, washman or admin; null where I am not.';
COMMENT ON COLUMN washminute_api.chats.read_sequence IS 'I have read up to this message.';
COMMENT ON COLUMN washminute_api.chats.unread IS 'How many messages I have not read.';
GRANT SELECT ON washminute_api.chats TO washminute_customer, washminute_washman, washminute_admin;

CREATE OR REPLACE VIEW washminute_api.chat_messages WITH (security_invoker = true) AS
  SELECT m.chat_id, m.sequence, m.message_id, m.sender_id, m.client_message_id, m.text, m.locale, m.sent_at
    FROM washminute_data.chat_messages AS m;
COMMENT ON VIEW washminute_api.chat_messages IS
  'What was written in the chats that I am in, since I am; all of it for an administrator.';
COMMENT ON COLUMN washminute_api.chat_messages.chat_id IS 'The chat.';
COMMENT ON COLUMN washminute_api.chat_messages.sequence IS 'Number within the chat, from 1 on, none left out.';
COMMENT ON COLUMN washminute_api.chat_messages.message_id IS 'Id for programs.';
COMMENT ON COLUMN washminute_api.chat_messages.sender_id IS 'Who wrote it.';
COMMENT ON COLUMN washminute_api.chat_messages.client_message_id IS 'Id that the sender''s app gave it.';
COMMENT ON COLUMN washminute_api.chat_messages.text IS 'The text.';
COMMENT ON COLUMN washminute_api.chat_messages.locale IS 'Its language: ar, fr or en.';
COMMENT ON COLUMN washminute_api.chat_messages.sent_at IS 'When it was sent.';
GRANT SELECT ON washminute_api.chat_messages TO washminute_customer, washminute_washman, washminute_admin;

CREATE OR REPLACE FUNCTION washminute_api.open_chat(request_id uuid) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
DECLARE
  caller_id text := washminute.require_caller();
  as_admin boolean := washminute._acts_as_admin();
BEGIN
  RETURN washminute.chat_state(washminute.open_chat(request_id, caller_id, as_admin), caller_id, as_admin);
END
$$;
COMMENT ON FUNCTION washminute_api.open_chat(uuid) IS
  'The chat of my request or job, as it stands: last message, marks, members, viewers. An administrator joins it.';

CREATE OR REPLACE FUNCTION washminute_api.leave_chat(chat_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.leave_chat(chat_id, washminute.require_caller());
END
$$;
COMMENT ON FUNCTION washminute_api.leave_chat(uuid) IS
  'Leave a chat that I have joined as an administrator.';

CREATE OR REPLACE FUNCTION washminute_api.send_message(chat_id uuid, client_message_id text, text text, locale text DEFAULT NULL)
RETURNS TABLE (message_id uuid, sequence bigint, sent_at timestamptz)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 1
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY SELECT * FROM washminute.send_message(chat_id, washminute.require_caller(), client_message_id, text, locale,
                                                        washminute._acts_as_admin());
END
$$;
COMMENT ON FUNCTION washminute_api.send_message(uuid, text, text, text) IS
  'Write a message. Sent again with the same client_message_id it is the same message.';

CREATE OR REPLACE FUNCTION washminute_api.mark_read(chat_id uuid, sequence bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  RETURN washminute.mark_read(chat_id, washminute.require_caller(), sequence, washminute._acts_as_admin());
END
$$;
COMMENT ON FUNCTION washminute_api.mark_read(uuid, bigint) IS
  'I have read all messages up to this one; the mark as it is then.';

CREATE OR REPLACE FUNCTION washminute_api.chat_history(chat_id uuid, before bigint DEFAULT NULL, after bigint DEFAULT NULL, max_messages integer DEFAULT 50)
RETURNS TABLE (sequence bigint, message_id uuid, sender_id text, client_message_id text, text text, locale text, sent_at timestamptz)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER ROWS 50
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY SELECT * FROM washminute.chat_history(chat_id, washminute.require_caller(), before, after, max_messages,
                                                        washminute._acts_as_admin());
END
$$;
COMMENT ON FUNCTION washminute_api.chat_history(uuid, bigint, bigint, integer) IS
  'Messages of a chat in the order of sending: the last ones, those before a sequence, or those after one.';

-- For the gateway alone, which has verified the token whose claims it gives.

CREATE OR REPLACE FUNCTION washminute_api.rt_gateway_register(gateway text) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  RETURN washminute.gateway_register(gateway);
END
$$;
COMMENT ON FUNCTION washminute_api.rt_gateway_register(text) IS
  'A gateway begins, on a connection that it keeps: how often it will hear the event tick (tickSeconds, 0 for never).';

CREATE OR REPLACE FUNCTION washminute_api.rt_gateway_beat(gateway text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.gateway_beat(gateway);
END
$$;
COMMENT ON FUNCTION washminute_api.rt_gateway_beat(text) IS
  'A gateway''s sign of life.';

CREATE OR REPLACE FUNCTION washminute_api.rt_connect(claims jsonb, sid text, gateway text, since bigint DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  RETURN washminute.socket_connect(claims, sid, gateway, since);
END
$$;
COMMENT ON FUNCTION washminute_api.rt_connect(jsonb, text, text, bigint) IS
  'A socket wants to connect: who it is, the rooms to join, what was missed since the cursor; or an error.';

CREATE OR REPLACE FUNCTION washminute_api.rt_event(claims jsonb, sid text, gateway text, event text, args jsonb DEFAULT NULL) RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  RETURN washminute.socket_event(claims, sid, gateway, event, args);
END
$$;
COMMENT ON FUNCTION washminute_api.rt_event(jsonb, text, text, text, jsonb) IS
  'A socket has sent an event: what to answer.';

CREATE OR REPLACE FUNCTION washminute_api.rt_disconnect(sids text[]) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.sockets_gone(sids);
END
$$;
COMMENT ON FUNCTION washminute_api.rt_disconnect(text[]) IS
  'Sockets have gone.';

REVOKE ALL ON FUNCTION
  washminute_api.open_chat(uuid),
  washminute_api.leave_chat(uuid),
  washminute_api.send_message(uuid, text, text, text),
  washminute_api.mark_read(uuid, bigint),
  washminute_api.chat_history(uuid, bigint, bigint, integer),
  washminute_api.rt_gateway_register(text),
  washminute_api.rt_gateway_beat(text),
  washminute_api.rt_connect(jsonb, text, text, bigint),
  washminute_api.rt_event(jsonb, text, text, text, jsonb),
  washminute_api.rt_disconnect(text[])
  FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
  washminute_api.open_chat(uuid),
  washminute_api.send_message(uuid, text, text, text),
  washminute_api.mark_read(uuid, bigint),
  washminute_api.chat_history(uuid, bigint, bigint, integer)
  TO washminute_customer, washminute_washman, washminute_admin;
GRANT EXECUTE ON FUNCTION
  washminute_api.leave_chat(uuid)
  TO washminute_admin;
GRANT USAGE ON SCHEMA washminute_api TO washminute_gateway;
GRANT EXECUTE ON FUNCTION
  washminute_api.rt_gateway_register(text),
  washminute_api.rt_gateway_beat(text),
  washminute_api.rt_connect(jsonb, text, text, bigint),
  washminute_api.rt_event(jsonb, text, text, text, jsonb),
  washminute_api.rt_disconnect(text[])
  TO washminute_gateway;
