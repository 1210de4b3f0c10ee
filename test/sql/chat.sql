-- Chats: who is in one, what is written and read, until when; viewers, and what a
-- socket's gateway asks.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
SET default_transaction_isolation TO 'serializable';
\pset format unaligned
\pset null '(null)'
SELECT washminute.set_clock('2026-06-02 10:00+00', 0);

SELECT washminute.upsert_user('chat_c', 'customer', 'Amina', locale => 'ar'), washminute.upsert_user('chat_other', 'customer', 'Karim'),
       washminute.upsert_user('chat_a', 'admin', 'Chama', locale => 'en'), washminute.upsert_user('chat_late', 'admin');
SELECT test_helpers.washman('chat_w1', -7.61, 33.59), test_helpers.washman('chat_w2', -7.61, 33.60);
SELECT washminute.settle_balance('chat_w' || n, 1000, 'test') FROM generate_series(1, 2) AS n;
SELECT test_helpers.book('chat', 'chat_c', '{exterior}', -7.61, 33.59);

CREATE FUNCTION pg_temp.id() RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT test_helpers.request('chat') $$;
-- how a command ends, its call without the random id
CREATE FUNCTION pg_temp.outcome(call text) RETURNS text LANGUAGE sql
AS $$ SELECT test_helpers.outcome(format('SELECT * FROM washminute.' || call, pg_temp.id())) $$;
CREATE FUNCTION pg_temp.send(user_id text, client_message_id text, text text) RETURNS text LANGUAGE sql
AS $$ SELECT format('message %s at %s', s.sequence, s.sent_at) FROM washminute.send_message(pg_temp.id(), user_id, client_message_id, text) AS s $$;
-- the members with what they see and have read
CREATE FUNCTION pg_temp.members() RETURNS text LANGUAGE sql STABLE
AS $$ SELECT string_agg(format('%s %s from %s, read %s', m.kind, m.user_id, m.first_sequence, m.read_sequence), '; ' ORDER BY m.user_id)
        FROM washminute_data.chat_members AS m WHERE m.chat_id = pg_temp.id() $$;
-- how a command ends, and the live events that its transaction queued, without what is random
CREATE FUNCTION pg_temp.told(call text) RETURNS SETOF text LANGUAGE plpgsql
AS $$
BEGIN
  RETURN NEXT pg_temp.outcome(call);
  RETURN QUERY SELECT replace(concat_ws(' ', o.event, '->', o.data->>'rooms', o.data->>'joins', (o.data->'data') - 'messageId', o.data->>'passing'),
                              pg_temp.id()::text, 'CHAT')
                 FROM washminute_data.outbox AS o
                WHERE o.lane = 'realtime' AND o.listener = '' AND o.xid = pg_current_xact_id() ORDER BY o.outbox_id;
END
$$;

--
-- Before a washman has the request there is no chat but for administrators
--

SELECT call, pg_temp.outcome(call) FROM (VALUES
  (1, $$open_chat(%L, 'chat_c')$$), (2, $$send_message(%L, 'chat_c', 'm1', 'Hello')$$), (3, $$open_chat(%L, 'chat_w1')$$),
  (4, $$open_chat(%L, 'chat_other')$$), (5, $$open_chat(%L, 'chat_nobody')$$)) AS c (number, call) ORDER BY number;
SELECT test_helpers.outcome($$SELECT washminute.open_chat(gen_random_uuid(), 'chat_c')$$);
SELECT count(*) AS chats FROM washminute_data.chats;
SELECT test_helpers.accept('chat', 'chat_w1');
SELECT count(*) AS chats FROM washminute_data.chats;

--
-- Writing
--

SELECT pg_temp.send('chat_c', 'm1', 'مرحبا');
SELECT pg_temp.members();
SELECT * FROM pg_temp.told($$send_message(%L, 'chat_w1', 'm1', E'J''arrive\n\tdans 5 minutes "au plus"')$$);
-- once more with the same id is the same message, told once; with another text it is refused
SELECT a.message_id = b.message_id AS same, a.sequence, a.sent_at
  FROM washminute.send_message(pg_temp.id(), 'chat_c', 'm1', 'مرحبا') AS a, washminute.send_message(pg_temp.id(), 'chat_c', 'm1', 'مرحبا') AS b;
SELECT * FROM pg_temp.told($$send_message(%L, 'chat_c', 'm1', 'مرحبا')$$);
SELECT * FROM pg_temp.told($$send_message(%L, 'chat_c', 'm1', 'Another')$$);
SELECT sequence, sender_id, client_message_id, text, locale, sent_at FROM washminute_data.chat_messages ORDER BY sequence;
-- a language of its own
SELECT pg_temp.outcome($$send_message(%L, 'chat_c', 'm2', 'Where are you?', 'en')$$);
SELECT sequence, locale FROM washminute.chat_history(pg_temp.id(), 'chat_c') ORDER BY sequence;

-- refusals, which use up no number
SELECT call, pg_temp.outcome(call) FROM (VALUES
  (1, $$send_message(NULL, 'chat_c', 'm3', 'x')$$), (2, $$send_message(%L, NULL, 'm3', 'x')$$), (3, $$send_message(%L, 'chat_c', NULL, 'x')$$),
  (4, $$send_message(%L, 'chat_c', 'm3', NULL)$$), (5, $$send_message(%L, 'chat_c', 'm3', '')$$), (6, $$send_message(%L, 'chat_c', 'm3', E' \n\t ')$$),
  (7, $$send_message(%L, 'chat_c', 'm3', E'a\rb')$$), (8, $$send_message(%L, 'chat_c', 'm3', repeat('é', 2001))$$), (9, $$send_message(%L, 'chat_c', '', 'x')$$),
  (10, $$send_message(%L, 'chat_c', repeat('m', 129), 'x')$$), (11, $$send_message(%L, 'chat_c', 'm3', 'x', 'de')$$),
  (12, $$send_message(%L, 'chat_other', 'm3', 'x')$$), (13, $$send_message(%L, 'chat_w2', 'm3', 'x')$$), (14, $$send_message(%L, 'chat_nobody', 'm3', 'x')$$),
  (15, $$mark_read(%L, 'chat_other', 1)$$), (16, $$mark_read(%L, 'chat_c', 4)$$), (17, $$mark_read(%L, 'chat_c', -1)$$), (18, $$mark_read(%L, 'chat_c', NULL)$$),
  (19, $$chat_history(%L, 'chat_other')$$), (20, $$chat_history(%L, 'chat_c', max_messages => 0)$$), (21, $$chat_history(%L, 'chat_c', max_messages => 201)$$),
  (22, $$chat_state(%L, 'chat_other')$$), (23, $$leave_chat(%L, 'chat_other')$$), (24, $$leave_chat(%L, 'chat_c')$$)) AS c (number, call) ORDER BY number;
SELECT pg_temp.outcome($$send_message(%L, 'chat_c', 'm3', repeat('é', 2000))$$);
SELECT sequence, char_length(text) FROM washminute.chat_history(pg_temp.id(), 'chat_c', max_messages => 1);

-- who is blocked writes nothing, and his sockets end
SELECT * FROM pg_temp.told($$block_user('chat_c', 'chat_a', 'abuse')$$);
SELECT call, pg_temp.outcome(call) FROM (VALUES
  (1, $$send_message(%L, 'chat_c', 'm9', 'x')$$), (2, $$mark_read(%L, 'chat_c', 1)$$), (3, $$open_chat(%L, 'chat_c')$$)) AS c (number, call) ORDER BY number;
SELECT washminute.unblock_user('chat_c', 'chat_a', 'sorry');

--
-- Reading
--

SELECT pg_temp.members();
SELECT * FROM pg_temp.told($$mark_read(%L, 'chat_w1', 3)$$);
-- a mark never goes back, and the same again is not told
SELECT washminute.mark_read(pg_temp.id(), 'chat_w1', 1), washminute.mark_read(pg_temp.id(), 'chat_w1', 3);
SELECT * FROM pg_temp.told($$mark_read(%L, 'chat_w1', 2)$$);
SELECT chat_id = pg_temp.id() AS this, kind, last_sequence, read_sequence, unread, last_message_at, closes_at, closed FROM washminute.chats('chat_w1');
SELECT washminute.chat_state(pg_temp.id(), 'chat_w1') - 'chatId' AS state;

-- history, by cursor both ways
SELECT count(*) AS sent FROM generate_series(5, 12) AS n, LATERAL pg_temp.send('chat_w1', 'n' || n, 'message ' || n);
SELECT label, (SELECT string_agg(h.sequence::text, ' ') FROM washminute.chat_history(pg_temp.id(), 'chat_c', c.before, c.after, c.most) AS h) AS sequences
  FROM (VALUES (1, 'all', NULL::bigint, NULL::bigint, 50), (2, 'the last three', NULL, NULL, 3), (3, 'three before 10', 10, NULL, 3), (4, 'three after 2', NULL, 2, 3),
               (5, 'between', 6, 2, 50), (6, 'before the first', 1, NULL, 3), (7, 'after the last', NULL, 12, 3), (8, 'nothing between', 5, 4, 3),
               (9, 'the standard', NULL, NULL, NULL)) AS c (number, label, before, after, most) ORDER BY number;

--
-- Members come and go
--

-- an administrator joins by asking, and sees what was written
SELECT pg_temp.outcome($$open_chat(%L, 'chat_a')$$), pg_temp.outcome($$open_chat(%L, 'chat_a')$$);
SELECT call, pg_temp.outcome(call) FROM (VALUES
  (1, $$send_message(%L, 'chat_late', 'm1', 'x')$$), (2, $$mark_read(%L, 'chat_late', 1)$$), (3, $$open_chat(%L, 'chat_late', false)$$),
  (4, $$chat_history(%L, 'chat_a', as_admin => false)$$), (5, $$chat_state(%L, 'chat_a', false)$$), (6, $$mark_read(%L, 'chat_a', 1, false)$$),
  (7, $$send_message(%L, 'chat_a', 'm1', 'x', as_admin => false)$$), (8, $$open_chat(%L, 'chat_a', NULL)$$)) AS c (number, call) ORDER BY number;
SELECT left(t, 70) AS told FROM pg_temp.told($$send_message(%L, 'chat_a', 'a1', 'May I help?')$$) AS t;
SELECT count(*) AS seen FROM washminute.chat_history(pg_temp.id(), 'chat_a');
SELECT * FROM pg_temp.told($$leave_chat(%L, 'chat_a')$$);
SELECT * FROM pg_temp.told($$leave_chat(%L, 'chat_a')$$);

-- who gives the request back is out of the chat; the next one does not see what was written before
SELECT t AS told FROM pg_temp.told($$advance_request(%L, 'chat_w1', 'pending')$$) AS t WHERE t ~ '^(ok|leave|chat)';
SELECT pg_temp.members();
SELECT pg_temp.outcome($$send_message(%L, 'chat_w1', 'm9', 'x')$$), pg_temp.outcome($$chat_history(%L, 'chat_w1')$$), pg_temp.outcome($$open_chat(%L, 'chat_w1')$$);
SELECT pg_temp.outcome($$send_message(%L, 'chat_c', 'm4', 'Anybody there?')$$);
SELECT test_helpers.accept('chat', 'chat_w2');
SELECT pg_temp.members();
SELECT count(*) AS seen FROM washminute.chat_history(pg_temp.id(), 'chat_w2');
SELECT pg_temp.send('chat_w2', 'm1', 'I am');
SELECT string_agg(h.sequence::text, ' ') AS seen FROM washminute.chat_history(pg_temp.id(), 'chat_w2', before => 100, after => 0) AS h;
SELECT pg_temp.outcome($$mark_read(%L, 'chat_w2', 3)$$);
SELECT pg_temp.members();
-- an operator gives it to another one
SELECT washminute.reassign_request(pg_temp.id(), 'chat_a', 'chat_w1', 'nearer');
SELECT pg_temp.members();
SELECT * FROM washminute.check_invariants();

--
-- Over REST: own chats, and own part of them
--

CREATE FUNCTION pg_temp.as_caller(role text, sub text) RETURNS void LANGUAGE sql
AS $$
  SELECT set_config('request.jwt.claims', jsonb_build_object('role', role, 'sub', sub)::text, true), set_config('role', role, true);
$$;
GRANT USAGE ON SCHEMA test_helpers TO PUBLIC;
GRANT SELECT ON test_helpers.bookings TO PUBLIC;
BEGIN;
SELECT pg_temp.as_caller('washminute_customer', 'chat_c');
SELECT last_sequence, kind, read_sequence, unread, closed FROM washminute_api.chats;
SELECT count(*), min(sequence), max(sequence) FROM washminute_api.chat_messages;
SELECT sequence FROM washminute_api.send_message(pg_temp.id(), 'm5', 'Hello again', 'fr');
SELECT washminute_api.mark_read(pg_temp.id(), 3);
SELECT string_agg(sequence::text, ' ') FROM washminute_api.chat_history(pg_temp.id(), after => 14);
SELECT washminute_api.open_chat(pg_temp.id())->'lastSequence' AS last;
SELECT test_helpers.outcome('SELECT washminute_api.leave_chat(pg_temp.id())');
SELECT test_helpers.outcome($$SELECT washminute_api.rt_event('{"sub": "chat_c"}', 's', 'g', 'identify', '"chat_c"')$$);
COMMIT;
BEGIN;
SELECT pg_temp.as_caller('washminute_washman', 'chat_w1');
SELECT last_sequence, kind, read_sequence, unread FROM washminute_api.chats;
SELECT string_agg(sequence::text, ' ' ORDER BY sequence) AS seen FROM washminute_api.chat_messages;
SELECT pg_temp.as_caller('washminute_washman', 'chat_w2');
SELECT (SELECT count(*) FROM washminute_api.chats) AS chats, (SELECT count(*) FROM washminute_api.chat_messages) AS messages;
SELECT test_helpers.outcome(format('SELECT * FROM washminute_api.chat_history(%L)', pg_temp.id()));
SELECT pg_temp.as_caller('washminute_customer', 'chat_other');
SELECT (SELECT count(*) FROM washminute_api.chats) AS chats, (SELECT count(*) FROM washminute_api.chat_messages) AS messages;
SELECT test_helpers.outcome(format('SELECT * FROM washminute_api.send_message(%L, %L, %L)', pg_temp.id(), 'x', 'x'));
SELECT pg_temp.as_caller('washminute_admin', 'chat_a');
SELECT (SELECT count(*) FROM washminute_api.chats) AS chats, (SELECT count(*) FROM washminute_api.chat_messages) AS messages;
SELECT kind, unread FROM washminute_api.chats;
-- who is one but comes with another role has the chats of that role alone, and joins none unawares
SELECT test_helpers.outcome(format('SELECT * FROM washminute_api.send_message(%L, %L, %L)', pg_temp.id(), 'x', 'x'));
SELECT pg_temp.as_caller('washminute_customer', 'chat_a');
SELECT test_helpers.outcome(format('SELECT washminute_api.open_chat(%L)', pg_temp.id()));
SELECT pg_temp.as_caller('washminute_admin', 'chat_a');
SELECT washminute_api.open_chat(pg_temp.id())->'kind' AS kind;
SELECT pg_temp.as_caller('washminute_customer', 'chat_a');
SELECT call, test_helpers.outcome(format('SELECT * FROM washminute_api.' || call, pg_temp.id())) FROM (VALUES
  (1, 'open_chat(%L)'), (2, $$send_message(%L, 'x', 'x')$$), (3, 'mark_read(%L, 1)'), (4, 'chat_history(%L)')) AS c (number, call) ORDER BY number;
SELECT (SELECT count(*) FROM washminute_api.chats) AS chats, (SELECT count(*) FROM washminute_api.chat_messages) AS messages;
SELECT pg_temp.as_caller('washminute_admin', 'chat_a');
SELECT washminute_api.leave_chat(pg_temp.id());
COMMIT;
RESET ROLE;

--
-- The end
--

SELECT test_helpers.advance('chat', 'chat_w1', s) FROM unnest(ARRAY['en_route', 'arrived', 'in_progress', 'completed']) AS s;
SELECT closes_at, closed_at FROM washminute_data.chats WHERE chat_id = pg_temp.id();
SELECT washminute.set_clock('2026-06-03 09:59:59.999+00', 0);
SELECT pg_temp.outcome($$send_message(%L, 'chat_w1', 'm6', 'You forgot your keys')$$);
SELECT t AS told FROM pg_temp.told('run_due()') AS t WHERE t ~ '^(ok|chat)';
-- the chat is kept locked meanwhile, or pg_cron might close it before we do
BEGIN;
SELECT washminute.open_chat(pg_temp.id(), 'chat_c') = pg_temp.id() AS locked;
SELECT washminute.set_clock('2026-06-03 10:00+00', 0);
SELECT pg_temp.outcome($$send_message(%L, 'chat_w1', 'm7', 'x')$$);
-- what was sent before is still the same message, and all can be read
SELECT pg_temp.send('chat_w1', 'm6', 'You forgot your keys');
SELECT sequence, text FROM washminute.chat_history(pg_temp.id(), 'chat_c', max_messages => 1);
SELECT washminute.mark_read(pg_temp.id(), 'chat_c', (SELECT last_sequence FROM washminute_data.chats WHERE chat_id = pg_temp.id())) AS mark;
SELECT t AS told FROM pg_temp.told('run_due()') AS t WHERE t ~ '^(ok|chat)';
COMMIT;
SELECT closed, closes_at FROM washminute.chats('chat_c');
SELECT closed_at FROM washminute_data.chats WHERE chat_id = pg_temp.id();
SELECT t AS told FROM pg_temp.told('run_due()') AS t WHERE t ~ '^(ok|chat)';
SELECT pg_temp.outcome($$open_chat(%L, 'chat_late')$$);

-- a chat that nobody used meanwhile can be opened after the end as well, until it would be closed; not when nobody ever came
SELECT washminute.set_clock('2026-06-04 10:00+00', 0);
SELECT washminute.report_location('chat_w1', -7.61, 33.59);
SELECT test_helpers.book('chat_after', 'chat_c', '{exterior}', -7.61, 33.59), test_helpers.book('chat_nobody', 'chat_other', '{exterior}', -7.61, 33.59);
SELECT test_helpers.accept('chat_after', 'chat_w1'), test_helpers.cancel('chat_after', 'chat_c'), test_helpers.cancel('chat_nobody', 'chat_other');
SELECT test_helpers.outcome(format('SELECT washminute.open_chat(%L, %L)', test_helpers.request('chat_nobody'), 'chat_other'));
SELECT washminute.set_clock('2026-06-05 10:00+00', 0);
SELECT test_helpers.outcome(format('SELECT washminute.open_chat(%L, %L)', test_helpers.request('chat_after'), 'chat_c'));
SELECT washminute.set_clock('2026-06-05 09:00+00', 0);
SELECT test_helpers.outcome(format('SELECT washminute.open_chat(%L, %L)', test_helpers.request('chat_after'), 'chat_c'));
SELECT m.user_id, m.kind, c.closes_at FROM washminute_data.chats AS c JOIN washminute_data.chat_members AS m USING (chat_id)
 WHERE c.chat_id = test_helpers.request('chat_after') ORDER BY m.user_id;
SELECT * FROM washminute.check_invariants();
SELECT washminute.set_washman_status('chat_w1', 'offline'), washminute.set_washman_status('chat_w2', 'offline');
SELECT washminute.set_clock(NULL);
