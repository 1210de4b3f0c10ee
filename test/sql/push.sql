-- Push messages, up to their sending: who has which devices, what is queued for whom by
-- which command, what texts can be, and who may do all that.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
\pset null '(null)'
SELECT washminute.set_clock('2026-04-08 10:00+00', 0);
SELECT washminute.upsert_user('push_c', 'customer', ' Amina El Fassi', locale => 'en'), washminute.upsert_user('push_d', 'customer', locale => 'ar'),
       washminute.upsert_user('push_a', 'admin');
SELECT test_helpers.washman('push_w' || n, -13.20, 27.15 + n * 0.001) FROM generate_series(1, 3) AS n;
DELETE FROM washminute_data.outbox;

CREATE VIEW pg_temp.tokens AS
  SELECT token, user_id, platform, project, registered_at, disabled_at, disabled_reason
    FROM washminute_data.push_tokens ORDER BY token COLLATE "C";
CREATE VIEW pg_temp.waiting AS
  SELECT lane, listener, recipient_id, audience, event,
         data - 'requestId' - 'orderId' - 'reference' AS data,
         CASE WHEN data ? 'requestId' THEN
           EXISTS (SELECT FROM test_helpers.bookings AS b WHERE b.request_id::text = data->>'requestId' AND b.order_id::text = data->>'orderId')
         END AS of_booking,
         state, attempts, created_at, due_at, expires_at, token
    FROM washminute_data.outbox ORDER BY outbox_id;
-- what has been queued; it is taken away
CREATE FUNCTION pg_temp.queued() RETURNS TABLE (recipient_id text, audience text, event text, data jsonb, of_booking boolean, expires_at timestamptz)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY SELECT recipient_id, audience::text, event, data, of_booking, expires_at FROM pg_temp.waiting WHERE lane = 'push';
  DELETE FROM washminute_data.outbox;
END
$$;

--
-- Devices: what is taken
--

SELECT number, test_helpers.outcome('SELECT washminute.register_push_token(' || call || ')') FROM (VALUES
  (1, $$'push_c', 'ExponentPushToken[push-1]'$$),
  (2, $$'push_c', 'ExpoPushToken[push-2]', 'ios'$$),
  (3, $$'push_c', 'push0003-abcd-ABCD-1234-zzzzzzzzzzzz', 'android'$$),
  (4, $$'push_w1', 'ExponentPushToken[push-4]', NULL$$),
  (5, $$'push_a', 'ExponentPushToken[x]'$$),
  (6, $$'push_a', 'ExponentPushToken[' || repeat('p', 236) || ']'$$)
) AS c (number, call) ORDER BY number;
SELECT left(token, 40) AS token, char_length(token) AS length, user_id, platform, registered_at, disabled_at FROM pg_temp.tokens;
SELECT washminute.unregister_push_token(token) FROM pg_temp.tokens WHERE user_id = 'push_a';

--
-- Devices: what is refused
--

SELECT test_helpers.fingerprint() AS before \gset
SELECT number, test_helpers.outcome('SELECT washminute.register_push_token(' || call || ')') FROM (VALUES
  -- the user
  (1, $$NULL, 'ExponentPushToken[push-9]'$$),
  (2, $$'', 'ExponentPushToken[push-9]'$$),
  (3, $$'  ', 'ExponentPushToken[push-9]'$$),
  (4, $$'push_nobody', 'ExponentPushToken[push-9]'$$),
  (5, $$repeat('x', 129), 'ExponentPushToken[push-9]'$$),
  (6, $$E'push_c\n', 'ExponentPushToken[push-9]'$$),
  -- the token
  (10, $$'push_c', NULL$$),
  (11, $$'push_c', ''$$),
  (12, $$'push_c', ' '$$),
  (13, $$'push_c', 'ExponentPushToken[]'$$),
  (14, $$'push_c', 'ExpoPushToken[]'$$),
  (15, $$'push_c', 'ExponentPushToken['$$),
  (16, $$'push_c', 'ExponentPushToken'$$),
  (17, $$'push_c', 'ExponentPushToken[push-9'$$),
  (18, $$'push_c', 'ExponentPushToken[push-9]x'$$),
  (19, $$'push_c', ' ExponentPushToken[push-9]'$$),
  (20, $$'push_c', 'ExponentPushToken[push-9] '$$),
  (21, $$'push_c', 'exponentpushtoken[push-9]'$$),
  (22, $$'push_c', 'ExponentPushToken[push 9]'$$),
  (23, $$'push_c', E'ExponentPushToken[push\t9]'$$),
  (24, $$'push_c', E'ExponentPushToken[push-9\x7f]'$$),
  (25, $$'push_c', 'ExponentPushToken[pushé]'$$),
  (26, $$'push_c', 'ExponentPushToken[' || repeat('p', 237) || ']'$$),
  (27, $$'push_c', repeat('x', 100000)$$),
  (28, $$'push_c', 'push0003-abcd-ABCD-1234-zzzzzzzzzzz'$$),
  (29, $$'push_c', 'push0003-abcd-ABCD-1234-zzzzzzzzzzzzz'$$),
  (30, $$'push_c', 'push0003-abcd-ABCD-1234-zzzzzzzzzzz-'$$),
  (31, $$'push_c', 'push0003aabcd-ABCD-1234-zzzzzzzzzzzz'$$),
  (32, $$'push_c', '740f4707bebcf74f9b7c25d48e3358945f6aa01da5ddb387462c7eaf61bb78ad'$$),
  (33, $$'push_c', 'dGhpcyBpcyBub3Q:APA91bFoi3lMMre9G3XzR1LrF4ZT82_15MsMdEICogXSLB8'$$),
  -- the platform
  (40, $$'push_c', 'ExponentPushToken[push-9]', ''$$),
  (41, $$'push_c', 'ExponentPushToken[push-9]', 'iOS'$$),
  (42, $$'push_c', 'ExponentPushToken[push-9]', 'web'$$),
  (43, $$'push_c', 'ExponentPushToken[push-9]', repeat('x', 1000)$$)
) AS c (number, call) ORDER BY number;
SELECT number, test_helpers.outcome('SELECT washminute.unregister_push_token(' || call || ')') FROM (VALUES
  (1, 'NULL'), (2, $$''$$), (3, $$'push-1'$$), (4, $$'ExponentPushToken[]'$$), (5, $$'ExponentPushToken[' || repeat('p', 237) || ']'$$)
) AS c (number, call) ORDER BY number;
SELECT test_helpers.fingerprint() = :'before' AS unchanged;
-- one that is not registered is no error
SELECT washminute.unregister_push_token('ExponentPushToken[push-unknown]');
SELECT test_helpers.fingerprint() = :'before' AS unchanged;

--
-- Devices: a token belongs to who registered it last
--

SELECT washminute.set_clock('2026-04-08 11:00+00', 0);
UPDATE washminute_data.push_tokens SET disabled_at = '2026-04-08 10:30+00', disabled_reason = 'DeviceNotRegistered', project = '@push/app'
 WHERE token IN ('ExponentPushToken[push-1]', 'ExpoPushToken[push-2]');
-- again by the same one: it is sent to again, and what is not said stays
SELECT washminute.register_push_token('push_c', 'ExponentPushToken[push-1]', 'android');
SELECT washminute.register_push_token('push_c', 'ExpoPushToken[push-2]');
SELECT * FROM pg_temp.tokens;
-- by another one; what waits for that device goes, whatever else waits stays
INSERT INTO washminute_data.outbox (lane, recipient_id, event, data, created_at, token, state, epoch)
SELECT 'push', recipient_id, 'pushMoved', '{}', washminute.now(), token, state, 1
  FROM (VALUES ('push_c', 'ExponentPushToken[push-1]', 'queued'), ('push_c', 'ExponentPushToken[push-1]', 'inflight'),
               ('push_c', 'ExponentPushToken[push-1]', 'dead'), ('push_c', 'ExpoPushToken[push-2]', 'queued'), ('push_c', NULL, 'queued'),
               ('push_d', 'ExponentPushToken[push-1]', 'queued')) AS v (recipient_id, token, state);
SELECT washminute.register_push_token('push_c', 'ExponentPushToken[push-1]');
SELECT count(*) AS all_stay FROM pg_temp.waiting;
BEGIN;
SELECT washminute.register_push_token('push_d', 'ExponentPushToken[push-1]');
SELECT recipient_id, token, state FROM pg_temp.waiting;
ROLLBACK;
SELECT count(*) AS all_are_back FROM pg_temp.waiting;
SELECT washminute.register_push_token('push_d', 'ExponentPushToken[push-1]');
SELECT recipient_id, token, state FROM pg_temp.waiting;
SELECT * FROM pg_temp.tokens;
-- and by nobody
SELECT washminute.unregister_push_token('ExponentPushToken[push-1]'), washminute.unregister_push_token('ExpoPushToken[push-2]');
SELECT recipient_id, token, state FROM pg_temp.waiting;
SELECT token, user_id FROM pg_temp.tokens;
DELETE FROM washminute_data.outbox;

--
-- A message to a user
--

SELECT washminute.notify_user('push_c', 'pushEvent') > 0 AS queued;
SELECT washminute.notify_user('push_a', 'push event of any form: é', '{"title": "T", "body": "B", "n": 1.50}') > 0 AS queued;
SELECT washminute.notify_user('push_c', 'pushNull', NULL) > 0 AS queued;
SELECT * FROM pg_temp.waiting;
SELECT washminute.notify_user('push_c', 'pushEvent') = max(outbox_id) + 1 AS is_the_row FROM washminute_data.outbox;
DELETE FROM washminute_data.outbox;
SELECT number, test_helpers.outcome('SELECT washminute.notify_user(' || call || ')') FROM (VALUES
  (1, $$NULL, 'pushEvent'$$),
  (2, $$'', 'pushEvent'$$),
  (3, $$'push_nobody', 'pushEvent'$$),
  (4, $$repeat('x', 129), 'pushEvent'$$),
  (10, $$'push_c', NULL$$),
  (11, $$'push_c', ''$$),
  (12, $$'push_c', repeat('x', 101)$$),
  (13, $$'push_c', E'push\nEvent'$$),
  (20, $$'push_c', 'pushEvent', '[]'$$),
  (21, $$'push_c', 'pushEvent', '"text"'$$),
  (22, $$'push_c', 'pushEvent', 'null'$$),
  (23, $$'push_c', 'pushEvent', '{'$$),
  -- 3000 bytes, so that it fits into Expo's 4096 with the texts
  (24, $$'push_c', 'pushEvent', jsonb_build_object('x', repeat('x', 3000 - 8))$$),
  (25, $$'push_c', 'pushEvent', jsonb_build_object('x', repeat('é', 1496))$$)
) AS c (number, call) ORDER BY number;
SELECT test_helpers.outcome($$SELECT washminute.enqueue('push', 'pushEvent', jsonb_build_object('x', repeat('x', 3000 - 8)), 'push_c')$$);
SELECT count(*) AS rows FROM pg_temp.waiting;
SELECT number, test_helpers.outcome(call) FROM (VALUES
  (1, $$SELECT washminute.notify_user('push_c', repeat('é', 100), jsonb_build_object('x', repeat('x', 3000 - 9)))$$),
  (2, $$SELECT washminute.notify_user('push_c', 'pushEvent', jsonb_build_object('x', repeat('é', 1495)))$$),
  (3, $$SELECT washminute.enqueue('push', 'pushEvent', jsonb_build_object('x', repeat('x', 3000 - 9)), 'push_c', dedupe_key => 'push 1')$$),
  (4, $$SELECT washminute.enqueue('push', 'pushEvent', jsonb_build_object('x', repeat('x', 3000 - 9)), 'push_c', dedupe_key => 'push 1')$$)
) AS c (number, call) ORDER BY number;
SELECT char_length(event) AS event, octet_length(data::text) AS data FROM pg_temp.waiting;
DELETE FROM washminute_data.outbox;
-- of a transaction that is rolled back nothing is left
BEGIN;
SELECT washminute.notify_user('push_c', 'pushEvent') > 0 AS queued;
ROLLBACK;
SELECT count(*) AS rows FROM pg_temp.waiting;

--
-- What each command queues
--

SELECT test_helpers.book('push_1', 'push_c', '{exterior}', -13.20, 27.15);
SELECT * FROM pg_temp.queued();
SELECT test_helpers.decline('push_1', 'push_w3');
SELECT * FROM pg_temp.queued();
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT test_helpers.accept('push_1', 'push_w1');
COMMIT;
SELECT * FROM pg_temp.queued();
-- who comes too late, and what is refused, queues nothing
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT test_helpers.accept('push_1', 'push_w2');
COMMIT;
SELECT test_helpers.advance('push_1', 'push_w2', 'en_route');
SELECT test_helpers.advance('push_1', 'push_w1', 'completed');
SELECT * FROM pg_temp.queued();
SELECT test_helpers.advance('push_1', 'push_w1', 'en_route'), test_helpers.advance('push_1', 'push_w1', 'arrived'),
       test_helpers.advance('push_1', 'push_w1', 'in_progress'), test_helpers.advance('push_1', 'push_w1', 'completed');
SELECT * FROM pg_temp.queued();

-- given back, to be offered to others; not met
SELECT test_helpers.book('push_2', 'push_c', '{exterior}', -13.20, 27.15);
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT test_helpers.accept('push_2', 'push_w1');
COMMIT;
DELETE FROM washminute_data.outbox;
SELECT test_helpers.advance('push_2', 'push_w1', 'pending');
SELECT * FROM pg_temp.queued();
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT test_helpers.accept('push_2', 'push_w2');
COMMIT;
SELECT test_helpers.advance('push_2', 'push_w2', 'en_route'), test_helpers.advance('push_2', 'push_w2', 'arrived');
DELETE FROM washminute_data.outbox;
SELECT test_helpers.advance('push_2', 'push_w2', 'no_show');
SELECT * FROM pg_temp.queued();

-- cancelled: before anybody has accepted, by the customer, by an administrator
SELECT test_helpers.book('push_3', 'push_c', '{exterior}', -13.20, 27.15);
DELETE FROM washminute_data.outbox;
SELECT test_helpers.cancel('push_3', 'push_c');
SELECT * FROM pg_temp.queued();
SELECT test_helpers.book('push_4', 'push_c', '{exterior}', -13.20, 27.15);
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT test_helpers.accept('push_4', 'push_w1');
COMMIT;
DELETE FROM washminute_data.outbox;
SELECT test_helpers.cancel('push_4', 'push_c');
SELECT * FROM pg_temp.queued();
SELECT test_helpers.book('push_5', 'push_c', '{exterior}', -13.20, 27.15);
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT test_helpers.accept('push_5', 'push_w1');
COMMIT;
DELETE FROM washminute_data.outbox;
SELECT test_helpers.cancel('push_5', 'push_a');
SELECT * FROM pg_temp.queued();

-- a card job is offered once it is paid, a reservation not yet
SELECT test_helpers.book('push_6', 'push_d', '{exterior}', -13.20, 27.15, 'card');
SELECT * FROM pg_temp.queued();
SELECT washminute.record_payment(order_id, total, 'push_6') AS offered FROM test_helpers.bookings WHERE name = 'push_6';
SELECT * FROM pg_temp.queued();
SELECT test_helpers.book('push_7', 'push_d', '{exterior}', -13.20, 27.15, 'cash', '2026-04-09 10:00+00');
SELECT * FROM pg_temp.queued();
-- nobody accepts
SELECT washminute.set_clock('2026-04-08 11:11+00', 0);
SELECT washminute.expire_due() > 0 AS expired;
SELECT * FROM pg_temp.queued() WHERE recipient_id = 'push_d';
-- that an offer is gone is told no longer than the request would have lived
SELECT test_helpers.washman('push_w' || n, -13.20, 27.15 + n * 0.001) FROM generate_series(1, 3) AS n;
SELECT test_helpers.book('push_8', 'push_c', '{exterior}', -13.20, 27.15);
SELECT washminute.set_clock('2026-04-08 11:15+00', 0);
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT test_helpers.accept('push_8', 'push_w1');
COMMIT;
SELECT event, expires_at FROM pg_temp.queued() WHERE event = 'offerGone';

-- a listener's push goes to the audience that it names
INSERT INTO washminute_data.listeners (name, event_pattern, lane, audience, template) VALUES
  ('push_customer', 'washmanEnRoute', 'push', 'customer', 'pushOwn'), ('push_washman', 'wash*', 'push', 'washman', 'pushOther');
SELECT test_helpers.advance('push_8', 'push_w1', 'en_route');
SELECT recipient_id, audience, event FROM pg_temp.queued();
DELETE FROM washminute_data.listeners WHERE name LIKE 'push\_%';
SELECT test_helpers.cancel('push_8', 'push_a'), test_helpers.cancel('push_7', 'push_a');
DELETE FROM washminute_data.outbox;

--
-- Texts
--

-- each event speaks to its audience in all three languages, and to nobody in words of another
SELECT event, audience, count(*) AS locales, string_agg(DISTINCT channel_id, ' ') AS channel, string_agg(DISTINCT priority, ' ') AS priority,
       string_agg(DISTINCT interruption_level, ' ') AS level, string_agg(DISTINCT ttl_seconds::text, ' ') AS ttl,
       bool_and((locale = 'ar') = (title ~ '[؀-ۿ]' AND body ~ '[؀-ۿ]')) AS arabic_is_arabic
  FROM washminute_data.push_templates GROUP BY event, audience ORDER BY event COLLATE "C", audience;
SELECT event, audience, title, body FROM washminute_data.push_templates WHERE locale = 'en' ORDER BY event COLLATE "C", audience;
-- a text has places for no other members than what its events have
SELECT DISTINCT audience, m[1] AS member, m[2] IS NOT NULL AS has_words
  FROM washminute_data.push_templates, regexp_matches(title || body, '\{(\w+)(\|[^}]+)?\}', 'g') AS m ORDER BY 1, 2;

-- what is no text
CREATE FUNCTION pg_temp.template(changes jsonb) RETURNS text LANGUAGE sql
AS $$
  SELECT regexp_replace(test_helpers.outcome(format(
    'INSERT INTO washminute_data.push_templates SELECT (jsonb_populate_record(NULL::washminute_data.push_templates, %L)).*',
    '{"event": "pushText", "audience": "customer", "locale": "en", "title": "T", "body": "B", "priority": "high",
      "ttl_seconds": 60, "interruption_level": "active"}'::jsonb || changes)), '.*(push_templates_\w+|column "\w+").*', '\1')
$$;
SELECT number, pg_temp.template(changes) FROM (VALUES
  (1, '{}'::jsonb), (2, '{}'), (3, '{"locale": "ar", "title": "{", "body": "{a|b} {c} {d"}'), (4, '{"locale": "fr", "channel_id": "push-1"}'),
  (10, '{"locale": "es"}'), (11, '{"locale": "EN"}'), (12, '{"locale": null}'), (13, '{"locale": ""}'),
  (20, '{"audience": "driver"}'), (21, '{"audience": null}'), (22, '{"audience": "admin"}'),
  (30, '{"event": ""}'), (31, '{"event": "push text"}'), (32, '{"event": "push_text"}'), (33, '{"event": null}'),
  (34, jsonb_build_object('event', repeat('p', 101))),
  (40, '{"title": ""}'), (41, '{"title": null}'), (42, jsonb_build_object('title', repeat('é', 201))),
  (50, '{"body": ""}'), (51, '{"body": null}'), (52, jsonb_build_object('body', repeat('é', 501))),
  (60, '{"priority": "highest"}'), (61, '{"priority": null}'),
  (70, '{"ttl_seconds": 0}'), (71, '{"ttl_seconds": 2419201}'), (72, '{"ttl_seconds": null}'),
  (80, '{"channel_id": ""}'), (81, '{"channel_id": "Push"}'), (82, jsonb_build_object('channel_id', repeat('p', 101))),
  (90, '{"interruption_level": "loud"}'), (91, '{"interruption_level": null}')
) AS v (number, changes) ORDER BY number;
DELETE FROM washminute_data.push_templates WHERE event = 'pushText';
-- setup() brings back what is missing, and leaves what was changed
UPDATE washminute_data.push_templates SET title = 'Ours' WHERE event = 'offerGone' AND locale = 'en';
DELETE FROM washminute_data.push_templates WHERE event = 'offerGone' AND locale = 'fr';
SELECT washminute.setup() IS NOT NULL AS set_up;
SELECT locale, title FROM washminute_data.push_templates WHERE event = 'offerGone' AND locale <> 'ar' ORDER BY locale;
UPDATE washminute_data.push_templates SET title = 'Request No Longer Available' WHERE event = 'offerGone' AND locale = 'en';

-- what is no device
SELECT number, regexp_replace(test_helpers.outcome(format('INSERT INTO washminute_data.push_tokens (token, user_id, platform, registered_at) VALUES (%s)', listed)),
                              '.*(push_tokens_\w+|column "\w+").*', '\1')
  FROM (VALUES
    (1, $$'', 'push_c', 'ios', now()$$), (2, $$repeat('x', 256), 'push_c', 'ios', now()$$), (3, $$'push', 'push_nobody', 'ios', now()$$),
    (4, $$'push', 'push_c', 'web', now()$$), (5, $$NULL, 'push_c', 'ios', now()$$), (6, $$'push', NULL, 'ios', now()$$), (7, $$'push', 'push_c', 'ios', NULL$$)
  ) AS v (number, listed) ORDER BY number;

--
-- Who may
--

SELECT washminute.register_push_token('push_c', 'ExponentPushToken[push-c]'), washminute.register_push_token('push_d', 'ExponentPushToken[push-d]');
GRANT USAGE ON SCHEMA test_helpers TO PUBLIC;
CREATE FUNCTION pg_temp.as_caller(role text, sub text, call text) RETURNS text LANGUAGE sql
AS $$
  SELECT test_helpers.outcome(format('SELECT set_config(''request.jwt.claims'', %L, true); SET LOCAL ROLE %I; %s',
                                     jsonb_strip_nulls(jsonb_build_object('sub', sub)), role, call))
$$;
-- the trusted functions and the tables are nobody's but the owner's
SELECT role, number, pg_temp.as_caller(role, sub, call) FROM (VALUES
    ('washminute_anon', NULL), ('washminute_customer', 'push_c'), ('washminute_washman', 'push_w1'), ('washminute_admin', 'push_a'), ('washminute_service', NULL)
  ) AS r (role, sub), (VALUES
    (1, $$SELECT washminute.register_push_token('push_c', 'ExponentPushToken[push-9]')$$),
    (2, $$SELECT washminute.unregister_push_token('ExponentPushToken[push-c]')$$),
    (3, $$SELECT washminute.notify_user('push_c', 'pushEvent')$$),
    (4, $$SELECT FROM washminute_data.push_tokens$$),
    (5, $$SELECT FROM washminute_data.push_templates$$),
    (6, $$UPDATE washminute_data.push_templates SET title = 'x'$$),
    (7, $$DELETE FROM washminute_data.push_tokens$$)
  ) AS c (number, call) ORDER BY role COLLATE "C", number;
-- in the API each registers devices of his own
SELECT role, sub, number, pg_temp.as_caller(role, sub, call) FROM (VALUES
    ('washminute_anon', NULL), ('washminute_customer', 'push_c'), ('washminute_customer', NULL), ('washminute_customer', 'push_nobody'),
    ('washminute_washman', 'push_w1'), ('washminute_admin', 'push_a'), ('washminute_service', NULL)
  ) AS r (role, sub), (VALUES
    (1, $$SELECT washminute_api.register_push_token('ExponentPushToken[push-of-' || COALESCE(washminute.current_user_id(), 'none') || ']', 'ios')$$),
    (2, $$SELECT washminute_api.register_push_token('push')$$),
    (3, $$SELECT washminute_api.register_push_token(NULL)$$),
    (4, $$SELECT washminute_api.register_push_token('ExponentPushToken[push-9]', 'web')$$),
    -- another's device is not his to silence
    (5, $$SELECT washminute_api.unregister_push_token('ExponentPushToken[push-d]')$$),
    (6, $$SELECT washminute_api.unregister_push_token('ExponentPushToken[push-unknown]')$$),
    (7, $$SELECT washminute_api.unregister_push_token(NULL)$$)
  ) AS c (number, call) ORDER BY role COLLATE "C", sub, number;
SELECT token, user_id, platform FROM pg_temp.tokens;
-- but his own is, and one that he holds in his hands becomes his
SELECT pg_temp.as_caller('washminute_customer', 'push_c', $$SELECT washminute_api.unregister_push_token('ExponentPushToken[push-c]')$$);
SELECT pg_temp.as_caller('washminute_washman', 'push_w1', $$SELECT washminute_api.register_push_token('ExponentPushToken[push-d]')$$);
SELECT pg_temp.as_caller('washminute_customer', 'push_d', $$SELECT washminute_api.unregister_push_token('ExponentPushToken[push-d]')$$);
SELECT token, user_id, platform FROM pg_temp.tokens;
REVOKE USAGE ON SCHEMA test_helpers FROM PUBLIC;

-- of one user's devices the twenty registered last count, this one among them
SELECT washminute.set_clock('2026-04-09 11:00+00'::timestamptz + n * interval '1 second', 0),
       washminute.register_push_token('push_c', format('ExponentPushToken[many-%s]', n)) FROM generate_series(1, 21) AS n;
SELECT count(*), min(token) FROM washminute_data.push_tokens WHERE user_id = 'push_c';
SELECT washminute.set_clock('2026-04-09 10:00+00', 0), washminute.register_push_token('push_c', 'ExponentPushToken[many-late]');
SELECT count(*), count(*) FILTER (WHERE token LIKE '%late%') AS late FROM washminute_data.push_tokens WHERE user_id = 'push_c';

DELETE FROM washminute_data.push_tokens WHERE user_id LIKE 'push\_%';
DELETE FROM washminute_data.outbox;
SELECT washminute.set_washman_status('push_w' || n, 'offline') FROM generate_series(1, 3) AS n;
SELECT washminute.set_clock(NULL);
SELECT * FROM washminute.check_invariants();
