-- Live events: what is refused, what the log keeps, what is too long for a notification, the rules, what an app
-- has missed, and the modes. What is notified, byte for byte, and the worker: test/t/094_realtime.pl.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
SELECT washminute.set_clock('2026-10-06 10:00+00', 0);
SELECT washminute.upsert_user('realtime_c', 'customer', 'Salma El Idrissi');
SELECT washminute.upsert_user('realtime_a', 'admin');
SELECT test_helpers.washman('realtime_' || n, -8.05, 31.60 + n / 1000.0) FROM generate_series(1, 3) AS n;

-- What came to the log since :start, by room; positions count from there. The worker may have been quicker.
CREATE FUNCTION pg_temp.told(since bigint) RETURNS TABLE (number bigint, room text, event text, data text)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM washminute.pump_events();
  RETURN QUERY
    SELECT dense_rank() OVER (ORDER BY e.position), e.room, e.event,
           regexp_replace(e.data::text, '[0-9a-f]{8}-[0-9a-f-]{27}', '…', 'g')
      FROM washminute_data.socket_events AS e WHERE e.position > since ORDER BY e.position, e.room;
END
$$;

--
-- Refusals
--

CREATE TEMPORARY TABLE refused (number integer, call text);
INSERT INTO refused VALUES
  (1, $$emit(NULL::text, 'x')$$), (2, $$emit(''::text, 'x')$$), (3, $$emit(' '::text, 'x')$$),
  (4, $$emit(repeat('r', 201), 'x')$$), (5, $$emit('{a,b}', 'x')$$), (6, $$emit(E'a\nb'::text, 'x')$$),
  (7, $$emit(NULL::text[], 'x')$$), (8, $$emit('{}'::text[], 'x')$$), (9, $$emit(ARRAY['a', NULL], 'x')$$),
  (10, $$emit(ARRAY['a', ''], 'x')$$), (11, $$emit(array_fill('r'::text, ARRAY[1001]), 'x')$$),
  (20, $$emit('r', NULL)$$), (21, $$emit('r', '')$$), (22, $$emit('r', repeat('e', 101))$$),
  (23, $$emit('r', 'connect')$$), (24, $$emit('r', 'connect_error')$$), (25, $$emit('r', 'disconnect')$$),
  (26, $$emit('r', 'disconnecting')$$), (27, $$emit('r', 'newListener')$$), (28, $$emit('r', 'removeListener')$$),
  (30, $$emit('r', 'x', '[1]')$$), (31, $$emit('r', 'x', '"a"')$$),
  (32, $$emit('r', 'x', jsonb_build_object('t', repeat('x', 65536)))$$),
  (40, $$emit_all('connect')$$), (41, $$emit_all(NULL)$$), (42, $$emit_all('x', '1')$$), (43, $$server_emit('disconnect')$$),
  (50, $$socket_join(NULL, '{r}')$$), (51, $$socket_join('s', '{}')$$), (52, $$socket_leave('s', NULL)$$),
  (53, $$user_join('', 'r')$$), (54, $$user_join('u', '')$$), (55, $$user_leave(NULL, 'r')$$), (56, $$user_logout('')$$),
  (60, $$missed_events(NULL, 0)$$), (61, $$missed_events('realtime_c', NULL)$$), (62, $$missed_events('realtime_c', -1)$$),
  (63, $$missed_events('realtime_c', 0, 0)$$), (64, $$missed_events('realtime_c', 0, 1001)$$);
SELECT number, call, test_helpers.outcome('SELECT washminute.' || call) FROM refused ORDER BY number;
SELECT name, test_helpers.outcome(format('INSERT INTO washminute_data.realtime_rules (name, event_pattern, audience, emits, fields) VALUES (%s)', name))
  FROM unnest(ARRAY[$$'A', 'x', 'customer', 'x', NULL$$, $$'a', 'x y', 'customer', 'x', NULL$$, $$'a', '', 'customer', 'x', NULL$$,
                    $$'a', 'x', 'nobody', 'x', NULL$$, $$'a', 'x', 'customer', '', NULL$$, $$'a', 'x', 'customer', 'disconnect', NULL$$,
                    $$'a', 'x', 'customer', 'x', '{}'$$, $$'a', 'x', 'customer', 'x', '{a,NULL}'$$]) AS r (name);
ALTER SYSTEM SET washminute.realtime_channel_prefix TO '';
ALTER SYSTEM SET washminute.realtime_channel_prefix TO 'a#b';
ALTER SYSTEM SET washminute.realtime_channel_prefix TO 'a b';
ALTER SYSTEM SET washminute.realtime_channel_prefix TO 'a2345678901234567890123456789012345678901234567890123456789012';

--
-- From an emit to the log
--

SELECT washminute.live_cursor() AS start \gset
SELECT washminute.emit('user-realtime_c', 'one', '{"a": 1}') > 0 AS id;
SELECT washminute.emit('user-realtime_c', 'bare') > 0 AS id;
SELECT washminute.emit(ARRAY['chat-1', 'user-realtime_c'], 'two') > 0 AS id;
SELECT washminute.emit(ARRAY['chat-1', 'user-realtime_c', 'chat-1'], 'room twice') > 0 AS id;
SELECT washminute.emit_all('all', '{"é": "\ud83d\ude97 \"quoted\""}') > 0 AS id;
-- the same twice in one transaction: two events, two rows of the outbox, no more
BEGIN;
SELECT washminute.emit('user-realtime_c', 'same', '{"a": 1}') > 0, washminute.emit('user-realtime_c', 'same', '{"a": 1}') > 0;
SELECT count(*), min(lane), min(listener) FROM washminute_data.outbox WHERE event = 'same';
COMMIT;
-- undone, in whole or in part
BEGIN;
SELECT washminute.emit('user-realtime_c', 'undone') > 0;
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT washminute.emit('user-realtime_c', 'undone') > 0;
ROLLBACK TO s;
SELECT washminute.emit('user-realtime_c', 'kept') > 0;
COMMIT;
-- what moves sockets is not kept
SELECT washminute.socket_join('sid', '{r}'), washminute.socket_leave('sid', '{r}'), washminute.user_join('u', 'r'),
       washminute.user_leave('u', 'r'), washminute.user_logout('u'), washminute.server_emit('tick');
SELECT * FROM pg_temp.told(:start);
SELECT count(*) FROM washminute_data.outbox WHERE lane = 'realtime' AND listener = '' AND due_at IS NULL;

--
-- MessagePack, decoded by the letter of its specification
--

SELECT value, encode(washminute._to_msgpack(value), 'hex')
  FROM unnest(ARRAY['{"a": [1, -1, 128, -33, 1.5, "é", null, true, false], "b": {}}', '[]', '7', '"x"', 'null']::jsonb[]) AS v (value);

CREATE FUNCTION pg_temp.whole(b bytea, at integer, size integer) RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
  SELECT sum(get_byte(b, at + i)::numeric * 256::numeric ^ (size - 1 - i)) FROM generate_series(0, size - 1) AS i
$$;
CREATE FUNCTION pg_temp.unpack(b bytea, INOUT at integer, OUT value jsonb) LANGUAGE plpgsql AS $$
DECLARE
  head integer := get_byte(b, at);
  n numeric;
  size integer;
  exponent integer;
  name jsonb;
  element jsonb;
BEGIN
  at := at + 1;
  IF head < 128 OR head >= 224 THEN
    value := to_jsonb(CASE WHEN head < 128 THEN head ELSE head - 256 END);
  ELSIF head IN (192, 194, 195) THEN
    value := CASE head WHEN 192 THEN 'null' WHEN 194 THEN 'false' ELSE 'true' END;
  ELSIF head BETWEEN 204 AND 211 THEN
    size := 1 << ((head - 204) & 3);
    n := pg_temp.whole(b, at, size);
    at := at + size;
    value := to_jsonb(CASE WHEN head >= 208 AND n >= 2::numeric ^ (8 * size - 1) THEN trim_scale(n - 2::numeric ^ (8 * size)) ELSE trim_scale(n) END);
  ELSIF head = 203 THEN
    n := pg_temp.whole(b, at, 8);
    at := at + 8;
    exponent := (div(n, 2::numeric ^ 52) % 2048)::integer;
    value := to_jsonb((CASE WHEN n >= 2::numeric ^ 63 THEN -1 ELSE 1 END)::float8
      * (1 + (n % (2::numeric ^ 52))::float8 / 2::float8 ^ 52) * 2::float8 ^ (exponent - 1023));
  ELSIF head BETWEEN 160 AND 191 OR head BETWEEN 217 AND 219 THEN
    size := CASE WHEN head < 192 THEN 0 ELSE 1 << (head - 217) END;
    n := CASE WHEN size = 0 THEN head - 160 ELSE pg_temp.whole(b, at, size) END;
    value := to_jsonb(convert_from(substr(b, at + size + 1, n::integer), 'UTF8'));
    at := at + size + n::integer;
  ELSE
    size := CASE WHEN head < 160 THEN 0 ELSE 2 << (head & 1) END;
    n := CASE WHEN size = 0 THEN head & 15 ELSE pg_temp.whole(b, at, size) END;
    at := at + size;
    value := CASE WHEN head < 144 OR head >= 222 THEN '{}' ELSE '[]' END;
    FOR i IN 1 .. n LOOP
      IF jsonb_typeof(value) = 'object' THEN
        SELECT u.at, u.value INTO at, name FROM pg_temp.unpack(b, at) AS u;
        SELECT u.at, u.value INTO at, element FROM pg_temp.unpack(b, at) AS u;
        value := value || jsonb_build_object(name #>> '{}', element);
      ELSE
        SELECT u.at, u.value INTO at, element FROM pg_temp.unpack(b, at) AS u;
        value := value || jsonb_build_array(element);
      END IF;
    END LOOP;
  END IF;
END
$$;
-- what differs, or has bytes left over: nothing
WITH t (value) AS (
  SELECT to_jsonb(trim_scale(sign * (2::numeric ^ power + more)))
    FROM unnest(ARRAY[1, -1]) AS sign, unnest(ARRAY[0, 5, 7, 8, 15, 16, 31, 32, 53, 62]) AS power, unnest(ARRAY[-1, 0, 1]) AS more
  UNION ALL SELECT unnest(ARRAY['9223372036854775807', '-9223372036854775808', '0', '1.5', '-2.25', '1e15', '{}', '[]', 'true', 'null',
                                '{"a": {"b": [[], {}, null, {"c": "é"}]}}']::jsonb[])
  UNION ALL SELECT to_jsonb(repeat('x', size)) FROM unnest(ARRAY[0, 1, 31, 32, 255, 256, 65535, 65536]) AS size
  UNION ALL SELECT to_jsonb(repeat('é', size)) FROM unnest(ARRAY[15, 16, 127, 128]) AS size
  UNION ALL SELECT to_jsonb(array_fill(7, ARRAY[size])) FROM unnest(ARRAY[1, 15, 16, 300]) AS size
  UNION ALL SELECT jsonb_object_agg('k' || n, n) FROM unnest(ARRAY[15, 16, 300]) AS size, generate_series(1, size) AS n GROUP BY size)
SELECT left(t.value::text, 40) AS value, u.value AS unpacked
  FROM t, LATERAL (SELECT washminute._to_msgpack(t.value) AS packed) AS p, LATERAL pg_temp.unpack(p.packed, 0) AS u
 WHERE u.value::text <> t.value::text OR u.at <> length(p.packed);
-- beyond 64 bits it is a float, and beyond a float infinite
SELECT value, encode(washminute._to_msgpack(value::jsonb), 'hex')
  FROM unnest(ARRAY['9223372036854775808', '-9223372036854775809', '1e400']) AS v (value);

--
-- What is too long for a notification: counted in bytes, to the last one
--

CREATE FUNCTION pg_temp.message(event text, data jsonb, eid bigint) RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_build_object('uid', 'emitter', 'type', 3, 'nsp', '/', 'data', jsonb_build_object(
    'packet', jsonb_build_object('type', 2, 'nsp', '/', 'data', jsonb_build_array(event, data || jsonb_build_object('eid', eid::text))),
    'opts', '{"rooms": ["user-realtime_c"], "except": [], "flags": {}}'::jsonb))
$$;
-- emit so much that the notification has that many bytes, of which few are ASCII
CREATE FUNCTION pg_temp.emit_bytes(bytes integer) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  eid bigint := (SELECT last_value + 1 FROM washminute_data.socket_events_position_seq);
  frame text := '{"uid":"emitter","type":3,"nsp":"/","data":{"packet":{"type":2,"nsp":"/","data":["long",{"t": "", "eid": ""}]},'
                '"opts":{"rooms":["user-realtime_c"],"except":[],"flags":{}}}}';
  rest integer := bytes - octet_length(frame) - length(eid::text);
BEGIN
  RETURN washminute.emit('user-realtime_c', 'long', jsonb_build_object('t', repeat('é', rest / 2) || repeat('x', rest % 2))) >= 0;
END
$$;
CREATE FUNCTION pg_temp.attachments() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  PERFORM washminute.pump_events();
  RETURN (SELECT count(*) FROM washminute_data.socket_io_attachments);
END
$$;
SELECT pg_temp.emit_bytes(7998);
SELECT pg_temp.attachments();
SELECT pg_temp.emit_bytes(7999);
SELECT pg_temp.attachments();
SELECT pg_temp.emit_bytes(8000);
SELECT pg_temp.attachments();
SELECT pg_temp.emit_bytes(20001);
SELECT pg_temp.attachments();
-- the attachments hold the messages, as they would have been notified
SELECT count(*), bool_and(u.at = length(a.payload)) AS whole,
       bool_and(u.value = pg_temp.message('long', e.data, e.position)) AS same
  FROM washminute_data.socket_io_attachments AS a, LATERAL pg_temp.unpack(a.payload, 0) AS u
  JOIN washminute_data.socket_events AS e ON e.position = (u.value #>> '{data,packet,data,1,eid}')::bigint;
-- and nobody else's own eid
SELECT washminute.live_cursor() AS start \gset
SELECT washminute.emit('user-realtime_c', 'eid', jsonb_build_object('eid', 'mine', 't', repeat('x', 9000))) > 0;
SELECT t.event, t.data::jsonb - 't' AS data FROM pg_temp.told(:start) AS t;
SELECT u.value #>> '{data,packet,data,1,eid}' = washminute.live_cursor()::text AS eid_is_ours
  FROM (SELECT payload FROM washminute_data.socket_io_attachments ORDER BY id DESC LIMIT 1) AS a, LATERAL pg_temp.unpack(a.payload, 0) AS u;
DELETE FROM washminute_data.socket_io_attachments;

--
-- Rules
--

SELECT washminute.live_cursor() AS start \gset
SELECT test_helpers.book('realtime_1', 'realtime_c', '{exterior}', -8.05, 31.60);
-- one row of the outbox for an event, whatever becomes of it: the booking's own is for no rule
BEGIN;
SELECT test_helpers.book('realtime_2', 'realtime_c', '{exterior}', -8.05, 31.60);
SELECT event, count(*) FROM washminute_data.outbox
 WHERE lane = 'realtime' AND listener = '' AND data->>'about' = test_helpers.request('realtime_2')::text GROUP BY event ORDER BY event;
ROLLBACK;
-- the nearest is told, what he may know
SELECT * FROM pg_temp.told(:start);
SELECT washminute.live_cursor() AS start \gset
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT test_helpers.accept('realtime_1', 'realtime_2');
SELECT event, count(*) FROM washminute_data.outbox
 WHERE lane = 'realtime' AND listener = '' AND data->>'about' = test_helpers.request('realtime_1')::text GROUP BY event ORDER BY event;
COMMIT;
SELECT test_helpers.advance('realtime_1', 'realtime_2', 'en_route');
SELECT test_helpers.advance('realtime_1', 'realtime_2', 'pending');
SELECT * FROM pg_temp.told(:start);
-- a rule of one's own, and what it says of fields, of the kept and of the absent
INSERT INTO washminute_data.realtime_rules (name, event_pattern, audience, emits, fields, volatile, enabled) VALUES
  ('realtime-customer', 'realtime*', 'customer', 'forCustomer', NULL, false, true),
  ('realtime-washman', 'realtimeB', 'washman', 'forWashman', '{b,washmanId,none}', false, true),
  ('realtime-admins', 'realtimeB', 'admins', 'forAdmins', '{none}', false, true),
  ('realtime-all', 'realtimeB', 'all', 'forAll', '{a}', false, true),
  ('realtime-volatile', 'realtimeB', 'all', 'forNow', NULL, true, true),
  ('realtime-off', 'realtimeB', 'all', 'forNobody', NULL, false, false);
CREATE FUNCTION pg_temp.record(event text, about text, data text) RETURNS bigint LANGUAGE sql AS $$
  INSERT INTO washminute_data.outbox (lane, event, data, created_at)
  VALUES ('realtime', event, jsonb_build_object('about', about, 'data', data::jsonb), now()) RETURNING outbox_id
$$;
SELECT washminute.live_cursor() AS start \gset
SELECT pg_temp.record('realtimeA', test_helpers.request('realtime_1')::text, '{"a": 1}') > 0,
       pg_temp.record('realtimeB', NULL, '{"a": [1], "b": {"c": 2}, "washmanId": "realtime_3"}') > 0,
       pg_temp.record('realtimeC', gen_random_uuid()::text, '{}') > 0;
SELECT * FROM pg_temp.told(:start);
DELETE FROM washminute_data.realtime_rules WHERE name LIKE 'realtime-%';
-- what was written by hand and cannot be sent
CREATE TEMPORARY TABLE by_hand (number integer, data jsonb, outcome text, of_run_due text);
INSERT INTO washminute_data.realtime_rules (name, event_pattern, audience, emits) VALUES ('realtime-all', 'realtimeB', 'all', 'forAll');
INSERT INTO by_hand VALUES
  (1, '{"type": 3}'), (2, '{"type": 3, "rooms": "all"}'), (3, '{"type": 3, "rooms": [1]}'), (4, '{"type": 3, "rooms": ["r"], "data": []}'),
  (5, '{"type": 3, "rooms": ["r"], "event": "connect"}'), (6, '{"type": 4, "rooms": []}'), (7, '{"type": 4, "rooms": ["s"]}'),
  (8, '{"type": 6, "rooms": []}'), (9, '{"type": 7, "rooms": ["r"]}'), (10, '{"about": "x"}'),
  (11, '{"data": [1], "event": "realtimeB"}');
CREATE PROCEDURE pg_temp.try_by_hand() LANGUAGE plpgsql AS $$
DECLARE
  tried record;
BEGIN
  FOR tried IN SELECT * FROM by_hand ORDER BY number LOOP
    INSERT INTO washminute_data.outbox (lane, event, data, created_at) VALUES ('realtime', COALESCE(tried.data->>'event', 'byHand'), tried.data, now());
    COMMIT;
    UPDATE by_hand SET outcome = test_helpers.outcome('SELECT washminute.pump_events()') WHERE number = tried.number;
    -- which warns, and does all else
    UPDATE by_hand SET of_run_due = test_helpers.outcome('SELECT washminute.run_due()') WHERE number = tried.number;
    DELETE FROM washminute_data.outbox WHERE lane = 'realtime' AND listener = '' AND due_at IS NULL;
    COMMIT;
  END LOOP;
END
$$;
SET client_min_messages TO error;
CALL pg_temp.try_by_hand();
SELECT number, data, outcome, of_run_due FROM by_hand ORDER BY number;
-- one that fails in run_due() three times is a dead letter, and what stands behind it comes
CREATE PROCEDURE pg_temp.bury() LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO washminute_data.outbox (lane, event, data, created_at) VALUES ('realtime', 'realtimeB', '{"data": [1]}', now());
  PERFORM washminute.emit('user-realtime_c', 'behind');
  COMMIT;
  FOR i IN 1 .. 1000 LOOP
    PERFORM washminute.run_due();
    COMMIT;
    EXIT WHEN NOT EXISTS (SELECT FROM washminute_data.outbox WHERE lane = 'realtime' AND state = 'queued' AND due_at IS NULL);
  END LOOP;
END
$$;
SELECT washminute.live_cursor() AS start \gset
CALL pg_temp.bury();
RESET client_min_messages;
SELECT event, state, attempts FROM washminute_data.outbox WHERE lane = 'realtime' AND state = 'dead';
SELECT room, event FROM washminute_data.socket_events WHERE position > :start ORDER BY position;
DELETE FROM washminute_data.outbox WHERE lane = 'realtime' AND state = 'dead';
DELETE FROM washminute_data.realtime_rules WHERE name LIKE 'realtime-%';

--
-- What an app has missed
--

SELECT washminute.live_cursor() AS start \gset
SELECT washminute.emit('user-realtime_c', 'a') > 0, washminute.emit('user-realtime_2', 'not mine') > 0,
       washminute.emit(ARRAY['user-realtime_c', 'user-realtime_2'], 'both') > 0, washminute.emit('admins', 'for admins') > 0,
       washminute.emit('chat-1', 'in a chat') > 0, washminute.emit_all('all') > 0;
SELECT count(*) FROM pg_temp.told(:start);
SELECT dense_rank() OVER (ORDER BY position), room, event FROM washminute.missed_events('realtime_c', :start) ORDER BY position;
SELECT event FROM washminute.missed_events('realtime_a', :start) ORDER BY position;
SELECT event FROM washminute.missed_events('nobody', :start) ORDER BY position;
-- one by one, by the cursor of the last
SELECT position AS cursor, event FROM washminute.missed_events('realtime_c', :start, 1) \gset
SELECT :'event' AS event;
SELECT position AS cursor, event FROM washminute.missed_events('realtime_c', :cursor, 1) \gset
SELECT :'event' AS event;
SELECT event FROM washminute.missed_events('realtime_c', :cursor, 1);
SELECT count(*) FROM washminute.missed_events('realtime_c', washminute.live_cursor());
SELECT regexp_replace(test_helpers.outcome('SELECT washminute.missed_events(''realtime_c'', washminute.live_cursor() + 1)'), '\d+', 'n', 'g');
-- over REST
BEGIN;
SET LOCAL request.jwt.claims TO '{"sub": "realtime_c"}';
SET LOCAL ROLE washminute_customer;
SELECT eid::bigint > :start AS eid, event, data FROM washminute_api.events(:start, 2);
RESET ROLE;
SET LOCAL request.jwt.claims TO '';
SET LOCAL ROLE washminute_washman;
SELECT event FROM washminute_api.events(0);
ROLLBACK;
-- nobody sees the tables, but the gateway what it has to
SELECT role, test_helpers.outcome(format('SET LOCAL ROLE %I; SELECT FROM washminute_data.%I', role, relation)) AS outcome, relation
  FROM unnest(ARRAY['washminute_customer', 'washminute_admin', 'washminute_gateway']) AS role,
       unnest(ARRAY['socket_events', 'socket_io_attachments', 'realtime_rules', 'outbox']) AS relation;
SELECT function, role, has_function_privilege(role, function, 'EXECUTE')
  FROM unnest(ARRAY['washminute.emit(text,text,jsonb)', 'washminute.pump_events(integer)', 'washminute_api.events(bigint,integer)']) AS function,
       unnest(ARRAY['washminute_owner', 'washminute_anon', 'washminute_customer', 'washminute_service', 'washminute_gateway']) AS role
 WHERE has_function_privilege(role, function, 'EXECUTE');

--
-- Housekeeping
--

INSERT INTO washminute_data.socket_io_attachments (created_at, payload) VALUES (clock_timestamp() - interval '6 minutes', ''), (clock_timestamp(), '');
SELECT washminute.set_clock('2026-10-07 09:59+00', 0);
SELECT washminute.emit('user-realtime_c', 'young') > 0;
SELECT washminute.pump_events() >= 0;
SELECT washminute.run_due() >= 0;
SELECT count(*) FROM washminute_data.socket_io_attachments;
SELECT count(*) > 10 AS kept, :start >= socket_events_floor AS cursor_is_good FROM washminute_data.socket_events, washminute_data.instance GROUP BY socket_events_floor;
SELECT washminute.set_clock('2026-10-07 10:01+00', 0);
-- more of them than are deleted at a time
BEGIN;
UPDATE washminute_data.instance SET socket_events_floor = -20000;
INSERT INTO washminute_data.socket_events (position, room, event, data, at)
SELECT -n, 'r', 'old', '{}', washminute.now() - interval '30 hours' FROM generate_series(1, 15000) AS n;
SELECT washminute.run_due() >= 0;
SELECT count(*) FROM washminute_data.socket_events WHERE event = 'old';
ROLLBACK;
SELECT washminute.run_due() >= 0;
SELECT count(*), min(event) FROM washminute_data.socket_events;
SELECT split_part(test_helpers.outcome(format('SELECT washminute.missed_events(''realtime_c'', %s)', :start)), ' {', 1) AS outcome;
SELECT event FROM washminute.missed_events('realtime_c', (SELECT socket_events_floor FROM washminute_data.instance));
SELECT washminute.live_cursor() = max(position) AS cursor FROM washminute_data.socket_events;
SELECT * FROM washminute.check_invariants();
BEGIN;
DELETE FROM washminute_data.socket_events;
SELECT washminute.live_cursor() = socket_events_floor AS cursor FROM washminute_data.instance;
ROLLBACK;
DELETE FROM washminute_data.socket_io_attachments;
BEGIN;
INSERT INTO washminute_data.outbox (lane, event, data, created_at, queued_at)
VALUES ('realtime', 'x', '{"type": 3, "rooms": []}', now(), clock_timestamp() - interval '3 minutes');
SELECT finding, severity FROM washminute.doctor() WHERE finding LIKE 'live events%';
ROLLBACK;

--
-- Direct, and off
--

ALTER SYSTEM SET washminute.realtime_mode TO direct;
SELECT pg_reload_conf();
\set ECHO none
SELECT $$DO 'BEGIN IF current_setting(''washminute.realtime_mode'') <> ''direct'' THEN PERFORM pg_sleep(0.1); END IF; END'$$ FROM generate_series(1, 300) \gexec
\set ECHO all
SHOW washminute.realtime_mode;
SELECT washminute.live_cursor() AS start \gset
BEGIN;
SELECT washminute.emit('user-realtime_c', 'direct', '{"a": 1}'), washminute.emit('user-realtime_c', 'direct', '{"a": 1}');
SAVEPOINT s;
SELECT washminute.emit('user-realtime_c', 'undone');
SAVEPOINT inner_one;
SELECT washminute.emit('user-realtime_c', 'undone too');
RELEASE inner_one;
ROLLBACK TO s;
SELECT washminute.emit('user-realtime_c', 'after');
SAVEPOINT t;
SELECT washminute.emit('user-realtime_c', 'within');
RELEASE t;
SELECT count(*) FROM washminute_data.outbox WHERE lane = 'realtime' AND listener = '' AND due_at IS NULL;
SELECT count(*) FROM washminute_data.socket_events WHERE position > :start;
COMMIT;
BEGIN;
SELECT washminute.emit('user-realtime_c', 'undone');
ROLLBACK;
SELECT number, room, event, data FROM pg_temp.told(:start);
SELECT pg_temp.emit_bytes(7999);
SELECT pg_temp.attachments();
SELECT pg_temp.emit_bytes(8000);
SELECT pg_temp.attachments();
DELETE FROM washminute_data.socket_io_attachments;
BEGIN;
SELECT washminute.emit('user-realtime_c', 'prepared');
PREPARE TRANSACTION 'realtime';
SELECT washminute.live_cursor() AS start \gset
SELECT washminute.report_location('realtime_' || n, -8.05, 31.60 + n / 1000.0) FROM generate_series(1, 3) AS n;
SELECT test_helpers.book('realtime_4', 'realtime_c', '{exterior}', -8.05, 31.60);
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT test_helpers.accept('realtime_4', 'realtime_1');
COMMIT;
SELECT number, room, event, data FROM pg_temp.told(:start);

ALTER SYSTEM SET washminute.realtime_mode TO off;
SELECT pg_reload_conf();
\set ECHO none
SELECT $$DO 'BEGIN IF current_setting(''washminute.realtime_mode'') <> ''off'' THEN PERFORM pg_sleep(0.1); END IF; END'$$ FROM generate_series(1, 300) \gexec
\set ECHO all
SHOW washminute.realtime_mode;
SELECT washminute.live_cursor() AS start \gset
SELECT washminute.emit('user-realtime_c', 'nothing'), washminute.emit_all('nothing');
SELECT test_helpers.cancel('realtime_4', 'realtime_a', 'a test');
SELECT count(*) FROM pg_temp.told(:start);
SELECT count(*) FROM washminute_data.outbox WHERE lane = 'realtime' AND listener = '' AND due_at IS NULL;
ALTER SYSTEM RESET washminute.realtime_mode;
SELECT pg_reload_conf();
\set ECHO none
SELECT $$DO 'BEGIN IF current_setting(''washminute.realtime_mode'') <> ''outbox'' THEN PERFORM pg_sleep(0.1); END IF; END'$$ FROM generate_series(1, 300) \gexec
\set ECHO all
SHOW washminute.realtime_mode;

--
-- Direct, by a caller whose operators are not PostgreSQL's: in a session that has no plans yet
--

ALTER SYSTEM SET washminute.realtime_mode TO direct;
SELECT pg_reload_conf();
CREATE ROLE regress_washminute_realtime IN ROLE washminute_customer;
CREATE SCHEMA regress_realtime AUTHORIZATION regress_washminute_realtime;
SELECT washminute.report_location('realtime_' || n, -8.05, 31.60 + n / 1000.0) FROM generate_series(1, 3) AS n;
\c -
\set ECHO none
SELECT $$DO 'BEGIN IF current_setting(''washminute.realtime_mode'') <> ''direct'' THEN PERFORM pg_sleep(0.1); END IF; END'$$ FROM generate_series(1, 300) \gexec
\set ECHO all
SET SESSION AUTHORIZATION regress_washminute_realtime;
CREATE TABLE regress_realtime.ran (name name);
GRANT INSERT ON regress_realtime.ran TO PUBLIC;
GRANT USAGE ON SCHEMA regress_realtime TO PUBLIC;
CREATE FUNCTION regress_realtime.same(uuid, uuid) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO regress_realtime.ran VALUES (current_user);
  RETURN pg_catalog.uuid_eq($1, $2);
END
$$;
CREATE FUNCTION regress_realtime.later(timestamptz, timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO regress_realtime.ran VALUES (current_user);
  RETURN pg_catalog.timestamptz_gt($1, $2);
END
$$;
CREATE OPERATOR regress_realtime.= (FUNCTION = regress_realtime.same, LEFTARG = uuid, RIGHTARG = uuid);
CREATE OPERATOR regress_realtime.> (FUNCTION = regress_realtime.later, LEFTARG = timestamptz, RIGHTARG = timestamptz);
SET search_path TO regress_realtime, pg_catalog, public;
SET request.jwt.claims TO '{"sub": "realtime_c"}';
SELECT washmen_offered FROM washminute_api.create_booking('{exterior}', -8.05, 31.60, 'Rue 1', 'cash');
SELECT name FROM ran;
RESET SESSION AUTHORIZATION;
RESET search_path;
RESET request.jwt.claims;
SELECT event FROM washminute_data.socket_events ORDER BY position DESC LIMIT 1;
SELECT washminute.cancel_request(request_id, 'realtime_a', 'a test') FROM washminute_data.washing_requests WHERE customer_id = 'realtime_c' AND status = 'pending';
SET client_min_messages TO warning;
DROP SCHEMA regress_realtime CASCADE;
DROP ROLE regress_washminute_realtime;
RESET client_min_messages;
ALTER SYSTEM RESET washminute.realtime_mode;
SELECT pg_reload_conf();
\set ECHO none
SELECT $$DO 'BEGIN IF current_setting(''washminute.realtime_mode'') <> ''outbox'' THEN PERFORM pg_sleep(0.1); END IF; END'$$ FROM generate_series(1, 300) \gexec
\set ECHO all

SELECT washminute.set_washman_status('realtime_' || n, 'offline') FROM generate_series(1, 3) AS n ORDER BY n;
SELECT * FROM washminute.check_invariants();
SELECT washminute.set_clock(NULL);
