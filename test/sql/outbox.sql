-- Messages of one's own, dead letters, who hears of which events, and what the
-- worker shows of itself where none serves this database.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
SELECT washminute.set_clock('2026-04-08 10:00+00', 0);
SELECT washminute.upsert_user('outbox_c', 'customer');
SELECT test_helpers.washman('outbox_w', -5.80, 35.77);
INSERT INTO washminute_data.listeners (name, event_pattern, lane, url) VALUES
  ('outbox_hook', 'outboxNothing', 'webhook', 'https://example.com/hook'),
  ('outbox_relay', 'outboxNothing', 'realtime', 'http://127.0.0.1:9/relay');
INSERT INTO washminute_data.listeners (name, event_pattern, lane, audience, template) VALUES
  ('outbox_push', 'outboxNothing', 'push', 'customer', 'outboxTemplate');
INSERT INTO washminute_data.listeners (name, event_pattern, function_name) VALUES
  ('outbox_function', 'outboxNothing', 'public.outbox_function');
INSERT INTO washminute_data.listeners (name, event_pattern, lane, url, enabled) VALUES
  ('outbox_disabled', '*', 'webhook', 'https://example.com/hook', false);

-- How a call of enqueue ends: the new row, or the refusal.
CREATE FUNCTION pg_temp.enqueue(call text) RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
  id bigint;
  written text;
  detail text;
BEGIN
  EXECUTE 'SELECT washminute.enqueue(' || call || ')' INTO id;
  SELECT concat_ws(' ', o.lane, 'listener=' || o.listener, 'recipient=' || o.recipient_id, o.event,
                   left(o.data::text, 40), o.state, o.attempts, o.created_at, 'due ' || o.due_at, 'expires ' || o.expires_at,
                   o.correlation_id, o.epoch, o.last_error)
    INTO STRICT written FROM washminute_data.outbox AS o WHERE o.outbox_id = id;
  RETURN written;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  RETURN SQLSTATE || ' ' || COALESCE(NULLIF(detail, ''), SQLERRM);
END
$$;
CREATE VIEW pg_temp.rows AS
  SELECT count(*) AS rows FROM washminute_data.outbox WHERE event LIKE 'outbox%';

--
-- enqueue: what is written
--

SELECT call, pg_temp.enqueue(call) FROM (VALUES
  (1, $$'push', 'outboxA', recipient_id => 'outbox_c'$$),
  (2, $$'push', 'outboxA', '{"n": 1}', 'outbox_w'$$),
  (3, $$'webhook', 'outboxA', '{"b": {"c": [1, null]}}', NULL, 'outbox_hook'$$),
  (4, $$'webhook', 'outboxA', NULL, 'outbox_c', 'outbox_hook'$$),
  (5, $$'webhook', 'outboxA', listener => 'outbox_hook', recipient_id => 'outbox_nobody'$$),
  (6, $$'realtime', 'outboxA', listener => 'outbox_relay'$$),
  (7, $$'webhook', 'outboxA', listener => 'outbox_hook', due_at => '2030-01-01 00:00+00', expires_at => '2030-01-02 00:00+00'$$),
  (8, $$'webhook', 'outboxA', listener => 'outbox_hook', due_at => '2001-01-01 00:00+00', expires_at => '2001-01-02 00:00+00'$$),
  (9, $$'webhook', 'outbox of any form: é', listener => 'outbox_hook'$$)
) AS c (number, call) ORDER BY number;
SET washminute.correlation_id TO 'outbox-1';
SELECT pg_temp.enqueue($$'webhook', 'outboxA', listener => 'outbox_hook'$$);
RESET washminute.correlation_id;
SELECT rows FROM pg_temp.rows;
SELECT count(*) AS with_real_time FROM washminute_data.outbox
 WHERE event LIKE 'outbox%' AND queued_at BETWEEN clock_timestamp() - interval '5 minutes' AND clock_timestamp()
   AND xid < pg_snapshot_xmax(pg_current_snapshot());

--
-- enqueue: what is refused
--

SELECT call, pg_temp.enqueue(call) FROM (VALUES
  -- the lane
  (1, $$NULL, 'outboxB', listener => 'outbox_hook'$$),
  (2, $$'', 'outboxB', listener => 'outbox_hook'$$),
  (3, $$'Webhook', 'outboxB', listener => 'outbox_hook'$$),
  (4, $$'payment', 'outboxB'$$),
  (5, $$'payment', 'outboxB', recipient_id => 'outbox_c'$$),
  (6, $$'push_receipt', 'outboxB', recipient_id => 'outbox_c'$$),
  (7, $$repeat('x', 200), 'outboxB'$$),
  -- the event
  (10, $$'webhook', NULL, listener => 'outbox_hook'$$),
  (11, $$'webhook', '', listener => 'outbox_hook'$$),
  (12, $$'webhook', '   ', listener => 'outbox_hook'$$),
  (13, $$'webhook', repeat('x', 101), listener => 'outbox_hook'$$),
  (14, $$'webhook', E'outbox\n', listener => 'outbox_hook'$$),
  -- the data
  (20, $$'webhook', 'outboxB', '[]', listener => 'outbox_hook'$$),
  (21, $$'webhook', 'outboxB', '"text"', listener => 'outbox_hook'$$),
  (22, $$'webhook', 'outboxB', '1', listener => 'outbox_hook'$$),
  (23, $$'webhook', 'outboxB', 'null', listener => 'outbox_hook'$$),
  (24, $$'webhook', 'outboxB', '{', listener => 'outbox_hook'$$),
  (25, $$'webhook', 'outboxB', jsonb_build_object('x', repeat('x', 65536 - 8)), listener => 'outbox_hook'$$),
  (26, $$'webhook', 'outboxB', jsonb_build_object('x', repeat('é', 33000)), listener => 'outbox_hook'$$),
  -- the recipient
  (30, $$'push', 'outboxB'$$),
  (31, $$'push', 'outboxB', recipient_id => ''$$),
  (32, $$'push', 'outboxB', recipient_id => 'outbox_nobody'$$),
  (33, $$'push', 'outboxB', recipient_id => repeat('x', 129)$$),
  (34, $$'push', 'outboxB', recipient_id => E'outbox_c\t'$$),
  (35, $$'webhook', 'outboxB', recipient_id => '', listener => 'outbox_hook'$$),
  -- the listener
  (40, $$'push', 'outboxB', recipient_id => 'outbox_c', listener => 'outbox_push'$$),
  (41, $$'push', 'outboxB', recipient_id => 'outbox_c', listener => ''$$),
  (42, $$'webhook', 'outboxB'$$),
  (43, $$'realtime', 'outboxB', recipient_id => 'outbox_c'$$),
  (44, $$'webhook', 'outboxB', listener => ''$$),
  (45, $$'webhook', 'outboxB', listener => 'outbox_unknown'$$),
  (46, $$'webhook', 'outboxB', listener => 'outbox_relay'$$),
  (47, $$'realtime', 'outboxB', listener => 'outbox_hook'$$),
  (48, $$'webhook', 'outboxB', listener => 'outbox_push'$$),
  (49, $$'webhook', 'outboxB', listener => 'outbox_function'$$),
  (50, $$'webhook', 'outboxB', listener => 'OUTBOX_HOOK'$$),
  (51, $$'webhook', 'outboxB', listener => repeat('x', 129)$$),
  -- times
  (60, $$'webhook', 'outboxB', listener => 'outbox_hook', due_at => 'infinity'$$),
  (61, $$'webhook', 'outboxB', listener => 'outbox_hook', due_at => '-infinity'$$),
  (62, $$'webhook', 'outboxB', listener => 'outbox_hook', expires_at => 'infinity'$$),
  (63, $$'webhook', 'outboxB', listener => 'outbox_hook', expires_at => '-infinity'$$),
  -- the dedupe key
  (70, $$'webhook', 'outboxB', listener => 'outbox_hook', dedupe_key => ''$$),
  (71, $$'webhook', 'outboxB', listener => 'outbox_hook', dedupe_key => repeat('x', 129)$$),
  (72, $$'webhook', 'outboxB', listener => 'outbox_hook', dedupe_key => E'a\nb'$$)
) AS c (number, call) ORDER BY number;
SELECT rows FROM pg_temp.rows;
-- the longest that is taken
SELECT number, pg_temp.enqueue(call) NOT LIKE 'PT%' AS taken FROM (VALUES
  (1, $$'webhook', 'outboxB', jsonb_build_object('x', repeat('x', 65536 - 9)), listener => 'outbox_hook'$$),
  (2, $$'webhook', 'outbox' || repeat('é', 94), listener => 'outbox_hook'$$),
  (3, $$'webhook', 'outboxB', listener => 'outbox_hook', dedupe_key => repeat('é', 128)$$)
) AS c (number, call) ORDER BY number;
SELECT max(char_length(event)) AS event, max(octet_length(data::text)) AS data FROM washminute_data.outbox WHERE event LIKE 'outbox%';
SELECT rows FROM pg_temp.rows;

-- a disabled listener
SELECT pg_temp.enqueue($$'webhook', 'outboxB', listener => 'outbox_disabled'$$);

-- what is rolled back was never queued
BEGIN;
SELECT washminute.enqueue('webhook', 'outboxC', listener => 'outbox_hook') > 0 AS queued;
SAVEPOINT s;
SELECT washminute.enqueue('webhook', 'outboxC', listener => 'outbox_hook', dedupe_key => 'rolled back') > 0 AS queued;
SELECT rows FROM pg_temp.rows;
ROLLBACK TO s;
SELECT rows FROM pg_temp.rows;
ROLLBACK;
SELECT rows FROM pg_temp.rows;
DELETE FROM washminute_data.outbox WHERE event LIKE 'outbox%';

--
-- The dedupe key
--

SELECT washminute.enqueue('webhook', 'outboxD', '{"a": 1, "b": 2}', listener => 'outbox_hook', dedupe_key => 'key 1') AS id \gset first_
SELECT number, call, test_helpers.outcome('SELECT washminute.enqueue(' || call || ')'), rows
  FROM (VALUES
    (1, $$'webhook', 'outboxE', '{"a": 1, "b": 2}', listener => 'outbox_hook', dedupe_key => 'key 1'$$),
    (2, $$'webhook', 'outboxD', '{"a": 1, "b": 3}', listener => 'outbox_hook', dedupe_key => 'key 1'$$),
    (3, $$'webhook', 'outboxD', listener => 'outbox_hook', dedupe_key => 'key 1'$$),
    (4, $$'webhook', 'outboxD', '{"a": 1, "b": 2}', 'outbox_c', 'outbox_hook', dedupe_key => 'key 1'$$)
  ) AS c (number, call), pg_temp.rows ORDER BY number;
-- the same message, however it is written, and whenever it is to be sent
SELECT washminute.enqueue('webhook', 'outboxD', '{"a": 1, "b": 2}', listener => 'outbox_hook', dedupe_key => 'key 1') = :first_id AS same_row;
SELECT washminute.enqueue('webhook', 'outboxD', '{"b":2,  "a":1}', listener => 'outbox_hook', dedupe_key => 'key 1') = :first_id AS same_row;
SELECT washminute.enqueue('webhook', 'outboxD', '{"a": 1, "b": 2}', listener => 'outbox_hook', due_at => '2030-01-01', dedupe_key => 'key 1') = :first_id AS same_row;
SELECT rows FROM pg_temp.rows;
-- also after it was sent
DELETE FROM washminute_data.outbox WHERE outbox_id = :first_id;
SELECT washminute.enqueue('webhook', 'outboxD', '{"a": 1, "b": 2}', listener => 'outbox_hook', dedupe_key => 'key 1') = :first_id AS same_row;
SELECT rows FROM pg_temp.rows;
-- a key belongs to its lane; another key, and no key, queue anew
SELECT washminute.enqueue('realtime', 'outboxD', '{"a": 1, "b": 2}', listener => 'outbox_relay', dedupe_key => 'key 1') <> :first_id AS other_row;
SELECT washminute.enqueue('push', 'outboxD', '{"a": 1, "b": 2}', 'outbox_c', dedupe_key => 'key 1') <> :first_id AS other_row;
SELECT washminute.enqueue('webhook', 'outboxD', '{"a": 1, "b": 2}', listener => 'outbox_hook', dedupe_key => 'Key 1') <> :first_id AS other_row;
SELECT washminute.enqueue('webhook', 'outboxD', '{"a": 1, "b": 2}', listener => 'outbox_hook') <> :first_id AS other_row;
SELECT rows FROM pg_temp.rows;
-- within a transaction; a rollback and a refusal leave the key free
BEGIN;
SELECT washminute.enqueue('webhook', 'outboxD', listener => 'outbox_hook', dedupe_key => 'key 2') AS id \gset second_
SELECT washminute.enqueue('webhook', 'outboxD', listener => 'outbox_hook', dedupe_key => 'key 2') = :second_id AS same_row;
ROLLBACK;
SELECT washminute.enqueue('webhook', 'outboxE', listener => 'outbox_hook', dedupe_key => 'key 2') <> :second_id AS other_row;
SELECT test_helpers.outcome($$SELECT washminute.enqueue('webhook', 'outboxD', listener => 'outbox_unknown', dedupe_key => 'key 3')$$);
SELECT test_helpers.outcome($$SELECT washminute.enqueue('webhook', 'outboxD', listener => 'outbox_hook', dedupe_key => 'key 3')$$);
-- nor does a key excuse what is wrong
SELECT test_helpers.outcome($$SELECT washminute.enqueue('webhook', '', listener => 'outbox_hook', dedupe_key => 'key 3')$$);
SELECT rows FROM pg_temp.rows;
DELETE FROM washminute_data.outbox WHERE event LIKE 'outbox%';

--
-- Dead letters
--

CREATE FUNCTION pg_temp.bury(event text, failed_at timestamptz) RETURNS void LANGUAGE sql
AS $$
  UPDATE washminute_data.outbox AS o
     SET state = 'dead', attempts = 16, epoch = 1, claimed_at = bury.failed_at, failed_at = bury.failed_at,
         last_error = 'HTTP status 500'
   WHERE o.event = bury.event
$$;
SELECT FROM washminute.enqueue('webhook', 'outboxOld', listener => 'outbox_hook');
SELECT FROM washminute.enqueue('webhook', 'outboxNew', listener => 'outbox_hook');
SELECT FROM washminute.enqueue('webhook', 'outboxAlive', listener => 'outbox_hook', due_at => '2030-01-01');
SELECT FROM washminute.enqueue('realtime', 'outboxRelay', listener => 'outbox_relay');
SELECT pg_temp.bury('outboxOld', '2026-01-01 00:00+00');
SELECT pg_temp.bury('outboxNew', '2026-02-01 00:00+00');
SELECT pg_temp.bury('outboxRelay', '2026-03-01 00:00+00');
CREATE VIEW pg_temp.letters AS
  SELECT event, state, attempts, due_at, failed_at, last_error,
         age(clock_timestamp(), queued_at) < '5 minutes' AS fresh
    FROM washminute_data.outbox WHERE event LIKE 'outbox%' ORDER BY event;
UPDATE washminute_data.outbox SET queued_at = '2026-01-01 00:00+00' WHERE event LIKE 'outbox%';
SELECT event, xid FROM washminute_data.outbox WHERE event = 'outboxNew' \gset dead_
SELECT * FROM pg_temp.letters;

SELECT call, test_helpers.outcome('SELECT washminute.retry_dead(' || call || ')') FROM (VALUES
  (1, $$NULL$$), (2, $$''$$), (3, $$'Webhook'$$), (4, $$'web'$$), (5, $$NULL, '2026-01-01'$$), (6, $$'webhook', 'soon'$$)
) AS c (number, call) ORDER BY number;
SELECT lane, washminute.retry_dead(lane) FROM unnest(ARRAY['push', 'push_receipt', 'payment']) AS lane;
SELECT washminute.retry_dead('webhook', 'infinity');
SELECT washminute.retry_dead('webhook', '2026-02-01 00:00:00.000001+00');
SELECT * FROM pg_temp.letters;
BEGIN;
SELECT washminute.retry_dead('webhook');
ROLLBACK;
SELECT washminute.retry_dead('webhook', '2026-02-01 00:00+00');
SELECT * FROM pg_temp.letters;
SELECT xid > :'dead_xid'::xid8 AS is_new FROM washminute_data.outbox WHERE event = 'outboxNew';
SELECT washminute.retry_dead('webhook', NULL);
SELECT washminute.retry_dead('webhook', '-infinity');
SELECT washminute.retry_dead('realtime');
SELECT * FROM pg_temp.letters;
DELETE FROM washminute_data.outbox WHERE event LIKE 'outbox%';

--
-- Who may
--

CREATE ROLE regress_outbox_plain;
GRANT USAGE ON SCHEMA washminute, washminute_data, test_helpers TO regress_outbox_plain;
GRANT regress_outbox_plain TO CURRENT_USER;
SELECT role, call, test_helpers.outcome(format('SET LOCAL ROLE %I; %s', role, call)) FROM (VALUES
    (1, 'regress_outbox_plain'), (2, 'washminute_customer'), (3, 'washminute_admin'), (4, 'washminute_service')
  ) AS r (number, role), (VALUES
    (1, $$SELECT washminute.enqueue('webhook', 'outboxF', listener => 'outbox_hook')$$),
    (2, $$SELECT washminute.retry_dead('webhook')$$),
    (3, $$SELECT washminute.webhook_secret('outbox_hook')$$),
    (4, $$SELECT washminute._routes_changed()$$),
    (5, $$SELECT FROM washminute.worker_status()$$),
    (6, $$SELECT FROM washminute.worker_latency()$$),
    (7, $$SELECT FROM washminute_data.outbox$$),
    (8, $$SELECT FROM washminute_data.listeners$$),
    (9, $$SELECT FROM washminute_data.lanes$$),
    (10, $$INSERT INTO washminute_data.listeners (name, event_pattern, lane, url) VALUES ('outbox_g', '*', 'webhook', 'https://example.com/')$$),
    (11, $$UPDATE washminute_data.listeners SET url = 'https://example.com/'$$),
    (12, $$DELETE FROM washminute_data.listeners$$),
    (13, $$UPDATE washminute_data.lanes SET paused = true$$)
  ) AS c (number, call) ORDER BY r.number, c.number;
SELECT rows FROM pg_temp.rows;
REVOKE USAGE ON SCHEMA washminute, washminute_data, test_helpers FROM regress_outbox_plain;
DROP ROLE regress_outbox_plain;

--
-- Listeners: what a row may be
--

CREATE FUNCTION pg_temp.listener(columns text, listed text) RETURNS text LANGUAGE sql
AS $$
  SELECT regexp_replace(
    test_helpers.outcome(format('INSERT INTO washminute_data.listeners (%s) VALUES (%s)', columns, listed)),
    '.*(listeners_\w+)"$', '\1')
$$;

SELECT name, pg_temp.listener('name, event_pattern, lane, url', format('%L, %L, %L, %L', name, '*', 'webhook', 'https://example.com'))
  FROM (VALUES
    (1, 'outbox-a'), (2, '0utbox_b'), (3, 'outbox_' || repeat('x', 56)), (4, 'outbox_' || repeat('x', 57)),
    (5, ''), (6, '-outbox'), (7, '_outbox'), (8, 'Outbox'), (9, 'outbox a'), (10, 'outbox.a'), (11, E'outbox\n'), (12, 'outboxé'), (13, 'outbox-a')
  ) AS v (number, name) ORDER BY number;
SELECT pattern, pg_temp.listener('name, event_pattern, lane, url',
                                 format('%L, %L, %L, %L', 'outbox_p' || number, pattern, 'webhook', 'https://example.com'))
  FROM (VALUES
    (1, '*'), (2, 'outboxNothing'), (3, 'outbox*'), (4, repeat('x', 100) || '*'), (5, repeat('x', 101)),
    (6, ''), (7, '**'), (8, '*a'), (9, 'a*b'), (10, 'a b'), (11, 'a%'), (12, 'a1'), (13, E'a\n'), (14, 'é')
  ) AS v (number, pattern) ORDER BY number;
SELECT left(url, 60) AS url, pg_temp.listener('name, event_pattern, lane, url',
                                                format('%L, %L, %L, %L', 'outbox_u' || number, 'outboxNothing', 'webhook', url))
  FROM (VALUES
    (1, 'https://example.com'), (2, 'https://example.com/'), (3, 'https://example.com:8443/a/b?c=d&e=%20#f'),
    (4, 'https://127.0.0.1:65535/'), (5, 'https://1.2.3.4'), (6, 'https://xn--bcher-kva.example/'),
    (7, 'http://127.0.0.1'), (8, 'http://127.0.0.1:8080/x'), (9, 'http://localhost:1/'), (10, 'http://[::1]:8080/'),
    (11, 'https://example.com/@x:y'),
    -- refused
    (20, ''), (21, 'example.com'), (22, '/hook'), (23, '//example.com/'), (24, 'https://'), (25, 'https:///hook'),
    (26, 'http://example.com/'), (27, 'http://127.0.0.2/'), (28, 'http://127.0.0.1.example.com/'), (29, 'http://localhost.example.com/'),
    (30, 'http://127.0.0.1@example.com/'), (31, 'https://user@example.com/'), (32, 'https://user:secret@example.com/'),
    (33, 'http://localhost:8080@example.com/'), (34, 'https://example.com\@example.org/'),
    (35, 'https://example .com/'), (36, 'https://example.com/a b'), (37, ' https://example.com/'), (38, 'https://example.com/ '),
    (39, E'https://example.com/\n'), (40, E'https://example.com/\r\nX-Header: 1'), (41, E'https://example.com/\t'),
    (42, 'javascript:alert(1)'), (43, 'file:///etc/passwd'), (44, 'ftp://example.com/'), (45, 'gopher://127.0.0.1/'), (46, 'unix:/tmp/x'),
    (47, 'HTTPS://example.com/'), (48, 'HTTP://127.0.0.1/'), (49, 'http://LOCALHOST/'),
    (50, 'http://[::2]/'), (51, 'http://[::ffff:127.0.0.1]/'), (52, 'https://[2001:db8::1]/'), (53, 'http://::1/'), (54, 'http://0/'),
    (55, 'http://2130706433/'), (56, 'https://example.com:/'), (57, 'https://example.com:x/'), (58, 'https://example.com:123456/'),
    (59, 'https://example.com:-1/'), (60, 'https://example.com?a=b'), (61, 'https://example.com#a'),
    (62, 'https://bücher.example/'), (63, 'https://example.com/é'), (64, 'https://example_1.com/'),
    (65, 'https://example.com/' || repeat('x', 1981))
  ) AS v (number, url) ORDER BY number;
SELECT pg_temp.listener('name, event_pattern, lane, url', $$'outbox_long', 'outboxNothing', 'webhook', 'https://example.com/' || repeat('x', 1980)$$);
-- whether there is such a port shows when the URL is called
SELECT port, pg_temp.listener('name, event_pattern, lane, url',
                              format('%L, %L, %L, %L', 'outbox_port' || port, 'outboxNothing', 'webhook', 'https://example.com:' || port))
  FROM (VALUES ('65535'), ('65536'), ('99999'), ('00000')) AS v (port);

-- what it makes is one thing
SELECT number, columns, listed, pg_temp.listener('name, event_pattern, ' || columns, format('%L, %L, ', 'outbox_m' || number, 'outboxNothing') || listed)
  FROM (VALUES
    (1, 'lane, audience, template', $$'push', 'customer', 'outboxTemplate'$$),
    (2, 'lane, audience, template', $$'push', 'washman', 'outboxTemplate'$$),
    (3, 'function_name', $$'public.f'$$),
    (4, 'function_name', $$'_a1.b_2'$$),
    (5, 'lane, url', $$'realtime', 'https://example.com'$$),
    (10, 'enabled', $$true$$),
    (11, 'lane', $$'webhook'$$),
    (12, 'url', $$'https://example.com'$$),
    (13, 'lane, url', $$'push', 'https://example.com'$$),
    (14, 'lane, url', $$'payment', 'https://example.com'$$),
    (15, 'lane, url', $$'push_receipt', 'https://example.com'$$),
    (16, 'lane, url', $$'', 'https://example.com'$$),
    (17, 'lane, url, function_name', $$'webhook', 'https://example.com', 'public.f'$$),
    (18, 'lane, url, audience, template', $$'webhook', 'https://example.com', 'customer', 'outboxTemplate'$$),
    (19, 'lane, audience', $$'push', 'customer'$$),
    (20, 'lane, template', $$'push', 'outboxTemplate'$$),
    (21, 'lane, audience, template', $$'push', 'admin', 'outboxTemplate'$$),
    (22, 'lane, audience, template', $$'push', 'customer', 'outbox template'$$),
    (23, 'lane, audience, template', $$'push', 'customer', ''$$),
    (24, 'lane, audience, template', $$'push', 'customer', repeat('x', 101)$$),
    (25, 'lane, function_name', $$'webhook', 'public.f'$$),
    (26, 'function_name', $$'f'$$),
    (27, 'function_name', $$'public.f()'$$),
    (28, 'function_name', $$'a.b.c'$$),
    (29, 'function_name', $$'public.F'$$),
    (30, 'function_name', $$'"public".f'$$),
    (31, 'function_name', $$'public.f; DROP TABLE x'$$),
    (32, 'function_name', $$'public.' || repeat('f', 194)$$),
    (33, 'lane, url, enabled', $$'webhook', 'https://example.com', NULL$$)
  ) AS v (number, columns, listed) ORDER BY number;
SELECT test_helpers.outcome($$INSERT INTO washminute_data.listeners (name, event_pattern, function_name) VALUES (NULL, '*', 'public.f')$$);
SELECT test_helpers.outcome($$INSERT INTO washminute_data.listeners (name, event_pattern, function_name) VALUES ('outbox_null', NULL, 'public.f')$$);
DELETE FROM washminute_data.listeners WHERE event_pattern <> 'outboxNothing' AND name LIKE '%utbox%';
DELETE FROM washminute_data.listeners WHERE name ~ '^outbox_(p|u|m|long|port)[0-9]*$';
SELECT name FROM washminute_data.listeners WHERE name LIKE 'outbox%' ORDER BY name;

--
-- Lanes and the outbox: what a row may be
--

SELECT * FROM washminute_data.lanes ORDER BY lane;
SELECT change, regexp_replace(test_helpers.outcome('UPDATE washminute_data.lanes SET ' || change || $$ WHERE lane = 'realtime'$$),
                              '.*(lanes_\w+)"$', '\1')
  FROM (VALUES
    (1, 'lane = ''other'''), (2, 'lane = ''push'''), (3, 'concurrency = 0'), (4, 'concurrency = 257'), (5, 'concurrency = NULL'),
    (6, 'rate_per_second = 0'), (7, 'rate_per_second = 1000001'), (8, 'max_attempts = 0'), (9, 'max_attempts = 101'),
    (10, 'backoff_limit_seconds = 0'), (11, 'backoff_limit_seconds = 86401'), (12, 'breaker_failures = 0'), (13, 'breaker_failures = 1001'),
    (14, 'paused = NULL')
  ) AS v (number, change) ORDER BY number;
SELECT number, regexp_replace(
    test_helpers.outcome(format('INSERT INTO washminute_data.outbox (%s) VALUES (%s)', columns, listed)), '.*(outbox_\w+)"$', '\1')
  FROM (VALUES
    (1, 'lane, event, data, created_at', $$'other', 'outboxH', '{}', now()$$),
    (2, 'lane, event, data, created_at, state', $$'webhook', 'outboxH', '{}', now(), 'sent'$$),
    (3, 'lane, event, data, created_at, state, epoch', $$'webhook', 'outboxH', '{}', now(), 'inflight', NULL$$),
    (4, 'lane, event, data, created_at, last_error', $$'webhook', 'outboxH', '{}', now(), repeat('x', 1001)$$),
    (5, 'lane, event, data, created_at, attempts', $$'webhook', 'outboxH', '{}', now(), -1$$),
    (6, 'lane, event, data, created_at', $$'webhook', 'outboxH', '[]', now()$$),
    (7, 'lane, event, data, created_at, listener', $$'webhook', 'outboxH', '{}', now(), NULL$$)
  ) AS v (number, columns, listed) ORDER BY number;

--
-- Listeners hear events, from the next one on
--

CREATE FUNCTION pg_temp.heard() RETURNS text LANGUAGE sql
AS $$
  SELECT COALESCE(string_agg(listener || ' ' || event, ', ' ORDER BY listener COLLATE "C", event), 'nobody')
    FROM washminute_data.outbox WHERE listener LIKE 'outbox\_%'
$$;
-- an event, and who heard of it; what was queued is taken away
CREATE FUNCTION pg_temp.event() RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
  heard text;
BEGIN
  DELETE FROM washminute_data.outbox WHERE listener LIKE 'outbox\_%';
  PERFORM washminute.set_washman_status('outbox_w', CASE status WHEN 'online' THEN 'offline' ELSE 'online' END)
     FROM washminute_data.washmen WHERE washman_id = 'outbox_w';
  RETURN pg_temp.heard();
END
$$;
SELECT pg_temp.event();
INSERT INTO washminute_data.listeners (name, event_pattern, lane, url) VALUES ('outbox_all', '*', 'webhook', 'https://example.com/all');
SELECT pg_temp.event();
-- within a transaction, and no longer after its end
BEGIN;
INSERT INTO washminute_data.listeners (name, event_pattern, lane, url) VALUES ('outbox_late', '*', 'realtime', 'https://example.com/late');
SELECT pg_temp.event();
SAVEPOINT s;
INSERT INTO washminute_data.listeners (name, event_pattern, lane, url) VALUES ('outbox_later', '*', 'webhook', 'https://example.com/later');
SELECT pg_temp.event();
ROLLBACK TO s;
SELECT pg_temp.event();
UPDATE washminute_data.listeners SET enabled = false WHERE name = 'outbox_all';
SELECT pg_temp.event();
SAVEPOINT s;
DELETE FROM washminute_data.listeners WHERE name = 'outbox_late';
SELECT pg_temp.event();
ROLLBACK TO s;
SELECT pg_temp.event();
ROLLBACK;
SELECT pg_temp.event();
-- a savepoint that stays
BEGIN;
SAVEPOINT s;
UPDATE washminute_data.listeners SET event_pattern = 'outboxNothing' WHERE name = 'outbox_all';
SELECT pg_temp.event();
RELEASE s;
COMMIT;
SELECT pg_temp.event();
-- an error takes back what the statement before did
BEGIN;
UPDATE washminute_data.listeners SET event_pattern = '*' WHERE name = 'outbox_all';
SELECT pg_temp.event();
SELECT 1 / 0;
ROLLBACK;
SELECT pg_temp.event();
-- all are taken away at once
BEGIN;
UPDATE washminute_data.listeners SET event_pattern = '*' WHERE name = 'outbox_all';
TRUNCATE washminute_data.listeners;
SELECT pg_temp.event();
ROLLBACK;
SELECT pg_temp.event();
DELETE FROM washminute_data.listeners WHERE name LIKE 'outbox%';
SELECT pg_temp.event();

--
-- Rows go in without a statement: constraints and triggers hold all the same
--

BEGIN;
CREATE FUNCTION pg_temp.seen() RETURNS trigger LANGUAGE plpgsql AS
  $$BEGIN RAISE NOTICE '% % %: % % %', tg_when, tg_op, tg_level, new.lane, new.event, new.data; RETURN new; END$$;
CREATE TRIGGER seen_after AFTER INSERT ON washminute_data.outbox FOR EACH ROW EXECUTE FUNCTION pg_temp.seen();
ALTER TABLE washminute_data.outbox ADD CONSTRAINT outbox_forbids CHECK (event <> 'outboxForbidden') NOT VALID;
SELECT washminute.enqueue('push', 'outboxSeen', '{"a": 1}', recipient_id => 'outbox_w') > 0 AS queued;
SELECT test_helpers.outcome($$SELECT washminute.enqueue('push', 'outboxForbidden', recipient_id => 'outbox_w')$$);
-- and where they go in one by one, for a trigger that comes before them
CREATE TRIGGER seen_before BEFORE INSERT ON washminute_data.outbox FOR EACH ROW EXECUTE FUNCTION pg_temp.seen();
SELECT washminute.enqueue('push', 'outboxSeen', '{"b": 1}', recipient_id => 'outbox_w') > 0 AS queued;
SELECT test_helpers.outcome($$SELECT washminute.enqueue('push', 'outboxForbidden', recipient_id => 'outbox_w')$$);
SELECT event, data, state, attempts, epoch, due_at, expires_at, xid = pg_current_xact_id() AS ours
  FROM washminute_data.outbox WHERE event LIKE 'outbox%n' ORDER BY outbox_id;
-- columns of one's own
DROP TRIGGER seen_before ON washminute_data.outbox;
ALTER TABLE washminute_data.outbox ADD COLUMN colour text NOT NULL DEFAULT 'red', ADD COLUMN note text DEFAULT lower('NONE'),
  ADD COLUMN length integer GENERATED ALWAYS AS (length(event)) STORED, ADD COLUMN number integer GENERATED ALWAYS AS IDENTITY (START 1000);
SELECT washminute.enqueue('push', 'outboxSeen', recipient_id => 'outbox_w') > 0 AS queued;
SELECT colour, note, length, number > 1000 AS numbered FROM washminute_data.outbox WHERE event = 'outboxSeen' AND data = '{}';
ALTER TABLE washminute_data.outbox DROP COLUMN length;
SELECT washminute.enqueue('push', 'outboxSeen', '{"c": 1}', recipient_id => 'outbox_w') > 0 AS queued;
SELECT colour, note FROM washminute_data.outbox WHERE event = 'outboxSeen' AND data = '{"c": 1}';
CREATE TRIGGER seen_before BEFORE INSERT ON washminute_data.outbox FOR EACH ROW EXECUTE FUNCTION pg_temp.seen();
-- a trigger that takes a row away, and a type that is not ours
CREATE OR REPLACE FUNCTION pg_temp.seen() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
SELECT washminute.enqueue('push', 'outboxSeen', recipient_id => 'outbox_w') AS queued;
ALTER TABLE washminute_data.outbox ALTER COLUMN epoch TYPE numeric;
SELECT test_helpers.outcome($$SELECT washminute.enqueue('push', 'outboxSeen', recipient_id => 'outbox_w')$$);
ROLLBACK;
BEGIN;
ALTER TABLE washminute_data.outbox RENAME COLUMN epoch TO era;
SELECT test_helpers.outcome($$SELECT washminute.enqueue('push', 'outboxSeen', recipient_id => 'outbox_w')$$);
ALTER TABLE washminute_data.outbox RENAME COLUMN era TO epoch;
-- a precision, given while this backend knows the column without
DROP VIEW letters;
ALTER TABLE washminute_data.outbox ALTER COLUMN queued_at TYPE timestamptz(0);
SELECT test_helpers.outcome($$SELECT washminute.enqueue('push', 'outboxSeen', recipient_id => 'outbox_w')$$);
ALTER TABLE washminute_data.outbox ALTER COLUMN queued_at TYPE timestamptz;
SELECT test_helpers.outcome($$SELECT washminute.enqueue('push', 'outboxSeen', recipient_id => 'outbox_w')$$);
ALTER TABLE washminute_data.outbox RENAME TO outgoing;
SELECT test_helpers.outcome($$SELECT washminute.enqueue('push', 'outboxSeen', recipient_id => 'outbox_w')$$);
CREATE VIEW washminute_data.outbox AS SELECT * FROM washminute_data.outgoing;
SELECT test_helpers.outcome($$SELECT washminute.enqueue('push', 'outboxSeen', recipient_id => 'outbox_w')$$);
ROLLBACK;
SELECT washminute.enqueue('push', 'outboxSeen', recipient_id => 'outbox_w') > 0 AS queued;
DELETE FROM washminute_data.outbox WHERE event = 'outboxSeen';
BEGIN READ ONLY;
SELECT test_helpers.outcome($$SELECT washminute.enqueue('push', 'outboxSeen', recipient_id => 'outbox_w')$$);
ROLLBACK;
SELECT count(*) AS none FROM washminute_data.outbox WHERE event IN ('outboxSeen', 'outboxForbidden');

-- emptied, it keeps its room
INSERT INTO washminute_data.outbox (lane, event, data, created_at, state)
SELECT 'webhook', 'outboxRoom', '{}', now(), 'dead' FROM generate_series(1, 1000);
DELETE FROM washminute_data.outbox WHERE event = 'outboxRoom';
VACUUM washminute_data.outbox;
SELECT pg_relation_size('washminute_data.outbox') > 100000 AS has_room;

--
-- What the worker shows
--

SELECT name, format_type(type, NULL) AS type
  FROM pg_proc, unnest(proargnames, proallargtypes) WITH ORDINALITY AS a (name, type, number)
 WHERE oid = 'washminute.worker_status'::regproc ORDER BY number;
INSERT INTO washminute_data.outbox (lane, event, data, created_at, state, queued_at) VALUES
  ('webhook', 'outboxI', '{}', now(), 'queued', clock_timestamp() - interval '1 hour'),
  ('webhook', 'outboxI', '{}', now(), 'queued', clock_timestamp()),
  ('webhook', 'outboxI', '{}', now(), 'dead', clock_timestamp() - interval '2 hours');
SELECT lane, state <> '' AS state, CASE lane WHEN 'webhook' THEN queued END AS queued, in_flight, CASE WHEN lane <> 'realtime' THEN sent END AS sent, failed,
       CASE lane WHEN 'webhook' THEN dead END AS dead,
       CASE lane WHEN 'webhook' THEN oldest_queued BETWEEN '1 hour' AND '1 hour 5 minutes' END AS oldest_queued,
       breaker, last_error, COALESCE(epoch, 1) > 0 AS epoch
  FROM washminute.worker_status();
DELETE FROM washminute_data.outbox WHERE event = 'outboxI';
SELECT queued, dead, oldest_queued FROM washminute.worker_status() WHERE lane = 'webhook';
SELECT lane, stage, count(*) AS steps, sum(messages) AS messages, min(at_most_ms) AS least, max(at_most_ms) AS most
  FROM washminute.worker_latency() GROUP BY lane, stage ORDER BY lane, stage;
SELECT string_agg(at_most_ms::text, ' ') AS steps FROM washminute.worker_latency() WHERE lane = 'push' AND stage = 'answer';
-- no key is named here
SELECT listener, test_helpers.outcome(format('SELECT washminute.webhook_secret(%L)', listener))
  FROM (VALUES (NULL), (''), (repeat('x', 129)), ('outbox_hook')) AS v (listener);

SELECT washminute.set_washman_status('outbox_w', 'offline');
SELECT washminute.set_clock(NULL);
SELECT * FROM washminute.check_invariants();
