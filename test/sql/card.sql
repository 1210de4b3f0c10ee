-- Saved cards, but for what the gateway is sent: brands, whose they are, paid with and removed;
-- who reads what of them.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
\pset null '(null)'

SELECT washminute.set_clock('2026-11-11 09:00+00', 0);
SELECT washminute.upsert_user('card_c', 'customer', 'Nadia'), washminute.upsert_user('card_d', 'customer'), washminute.upsert_user('card_a', 'admin'), washminute.upsert_user('card_w', 'washman');

--
-- Brands
--

-- Morocco's own, each beside the brand whose range it lies in: the digits before and after are that one's
SELECT digits, washminute.card_brand(digits) AS brand, washminute.card_brand((digits::integer - 1)::text) AS before, washminute.card_brand((digits::integer + 1)::text) AS after
  FROM unnest('{505823,601506,601586,602586,604851,621983,627695,639412}'::text[]) AS digits ORDER BY digits;
-- the edges of the others
SELECT brand, string_agg(digits, ' ' ORDER BY number) AS digits
  FROM (SELECT digits, number, washminute.card_brand(digits) AS brand
          FROM unnest('{400000,493697,493698,493699,499999,500000,504174,504175,504176,506698,506699,506778,506779,508999,509000,510000,559999,560000,599999,
                        222099,222100,272099,272100,220000,220499,220500,
                        340000,349999,350000,370000,379999,299999,300000,305999,306000,359999,360000,380000,399999,
                        601099,601100,601199,601200,643999,644000,649999,650000,659999,660000,
                        213100,213199,213200,180000,180099,180100,352799,352800,358999,359000,
                        620000,621000,621829,621830,621839,621840,621979,621980,622000,622059,622060,622069,622070,622099,622010,622999,623000,626999,
                        627000,627099,627100,627199,627200,627299,627300,627600,627699,627700,627779,627780,627781,627799,627800,628199,628200,628999,629099,629100,629299,629300,
                        630000,639999,640000,670000,679999,680000,810000,810999,811000,817199,817200,000000,100000,900000}'::text[]) WITH ORDINALITY AS d (digits, number)) AS b
 GROUP BY brand ORDER BY brand;
-- a whole number, masked, with less digits than a prefix has, and none at all: then by the gateway's number
SELECT digits, gateway_type, washminute.card_brand(digits, gateway_type)
  FROM (VALUES (1, '505823******0003', NULL), (2, '4111111111111111', '2'), (3, '50582', NULL), (4, '5', '2'), (5, '', '1'), (6, NULL, '1'), (7, '******', '6'), (8, NULL, '0'), (9, NULL, '7'), (10, NULL, '11'),
               (11, NULL, 'x'), (12, NULL, NULL), (13, '1', '3'), (14, '62198', NULL), (15, '621983', '1')) AS c (number, digits, gateway_type) ORDER BY number;

--
-- Rows
--

INSERT INTO washminute_data.cards (card_id, customer_id, token, brand, last4, created_at) VALUES
  ('00000000-0000-0000-0000-0000000ca4d1', 'card_c', '260101120000A1B2', 'visa', '1111', now()), ('00000000-0000-0000-0000-0000000ca4d2', 'card_c', '260101120000A1B3', 'cmi', '1111', now()),
  ('00000000-0000-0000-0000-0000000ca4d3', 'card_d', '260101120000A1B2', 'visa', '1111', now());
CREATE FUNCTION pg_temp.add_card(token text, brand text DEFAULT 'visa', last4 text DEFAULT '1111', holder text DEFAULT 'N', removed_at timestamptz DEFAULT NULL) RETURNS text LANGUAGE sql
AS $$
  SELECT test_helpers.outcome(format('INSERT INTO washminute_data.cards (card_id, customer_id, token, brand, last4, holder, removed_at, created_at)
                                      VALUES (gen_random_uuid(), ''card_c'', %L, %L, %L, %L, %L, now())', token, brand, last4, holder, removed_at))
$$;
-- once per customer and token, whatever its last digits; no token only where it was removed
BEGIN;
SELECT pg_temp.add_card('260101120000A1B2', last4 => '2222'), pg_temp.add_card(NULL), pg_temp.add_card('short'), pg_temp.add_card('with a blank'), pg_temp.add_card('4111 1111 1111 1111'),
       pg_temp.add_card('260101120000A1B4', 'elo'), pg_temp.add_card('260101120000A1B4', last4 => '111'), pg_temp.add_card('260101120000A1B4', last4 => '411111******1111'), pg_temp.add_card('260101120000A1B4', holder => '');
SELECT pg_temp.add_card('260101120000A1B4'), pg_temp.add_card(NULL, removed_at => now()), pg_temp.add_card(NULL, removed_at => now());
ROLLBACK;

--
-- Paid with
--

SELECT test_helpers.book('card_' || name, 'card_c', '{exterior}', -1.91, 34.68, 'card', NULL) FROM unnest('{one,two}'::text[]) AS name;
SELECT test_helpers.book('card_other', 'card_d', '{exterior}', -1.91, 34.68, 'card', NULL);
CREATE FUNCTION pg_temp.try(name text, card text, customer text DEFAULT 'card_c', save text DEFAULT 'false') RETURNS text LANGUAGE sql
AS $$ SELECT test_helpers.outcome(format('SELECT washminute.begin_payment(%L, %L, %L, %s, %L)', test_helpers.order_of('card_' || name), customer, 'key ' || name, save, card)) $$;
SELECT test_helpers.fingerprint() AS before \gset
SELECT pg_temp.try('one', '00000000-0000-0000-0000-0000000ca4d1', save => 'true'), pg_temp.try('one', '00000000-0000-0000-0000-0000000ca4d3'), pg_temp.try('other', '00000000-0000-0000-0000-0000000ca4d1', 'card_d'),
       pg_temp.try('one', '00000000-0000-0000-0000-0000000ca4df'), pg_temp.try('one', '00000000-0000-0000-0000-0000000ca4d3', 'card_d');
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;
SELECT status, link FROM washminute.begin_payment(test_helpers.order_of('card_one'), 'card_c', 'key one', saved_card_id => '00000000-0000-0000-0000-0000000ca4d1');
SELECT a.number, a.status, a.save_card, a.card_id, q.event, q.data ? 'token' AS tells_token FROM washminute_data.payment_attempts AS a JOIN washminute_data.outbox AS q ON q.data->>'attemptId' = a.attempt_id::text
  JOIN washminute_data.payments AS p USING (payment_id) WHERE p.order_id = test_helpers.order_of('card_one');
-- with the same key the same; another key, another card: the attempt that is under way
SELECT test_helpers.fingerprint() AS before \gset
SELECT pg_temp.try('one', '00000000-0000-0000-0000-0000000ca4d1'), pg_temp.try('one', '00000000-0000-0000-0000-0000000ca4d2');
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;
SELECT status, link FROM washminute.begin_payment(test_helpers.order_of('card_one'), 'card_c', 'key 2', saved_card_id => '00000000-0000-0000-0000-0000000ca4d2');
SELECT count(*) FROM washminute_data.payment_attempts WHERE card_id IS NOT NULL;

--
-- Removed
--

SELECT test_helpers.fingerprint() AS before \gset
SELECT call, test_helpers.outcome('SELECT washminute.remove_card(' || call || ')')
  FROM (VALUES (1, $$NULL, '00000000-0000-0000-0000-0000000ca4d1'$$), (2, $$'card_c', NULL$$), (3, $$'card_d', '00000000-0000-0000-0000-0000000ca4d1'$$), (4, $$'card_c', '00000000-0000-0000-0000-0000000ca4df'$$),
               (5, $$'card_w', '00000000-0000-0000-0000-0000000ca4d1'$$), (6, $$'card_nobody', '00000000-0000-0000-0000-0000000ca4d1'$$)) AS c (number, call) ORDER BY number;
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;
SELECT washminute.remove_card('card_c', '00000000-0000-0000-0000-0000000ca4d1');
SELECT card_id, removed_at, token IS NOT NULL AS has_token FROM washminute_data.cards WHERE customer_id LIKE 'card\_%' ORDER BY card_id;
SELECT event, data FROM washminute_data.outbox WHERE lane = 'payment' AND data ? 'cardId';
SELECT test_helpers.outcome($$SELECT washminute.remove_card('card_c', '00000000-0000-0000-0000-0000000ca4d1')$$), pg_temp.try('two', '00000000-0000-0000-0000-0000000ca4d1');
SELECT * FROM washminute.check_invariants();

--
-- Who reads what
--

GRANT USAGE ON SCHEMA test_helpers TO PUBLIC;
CREATE FUNCTION pg_temp.reads(role text, sub text) RETURNS TABLE (api text, cards text, token text, every_column text, clients text, removes text) LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM set_config('request.jwt.claims', jsonb_build_object('role', role, 'sub', sub)::text, true), set_config('role', role, true);
  api := test_helpers.outcome($q$SELECT 1 / count(*) FROM washminute_api.cards$q$);
  cards := test_helpers.outcome($q$SELECT 1 / count(card_id) FROM washminute_data.cards$q$);
  token := test_helpers.outcome($q$SELECT token FROM washminute_data.cards$q$);
  every_column := test_helpers.outcome($q$SELECT * FROM washminute_data.cards$q$);
  clients := test_helpers.outcome($q$SELECT client_id FROM washminute_data.card_clients$q$);
  removes := test_helpers.outcome($q$SELECT washminute_api.remove_card('00000000-0000-0000-0000-0000000ca4df')$q$);
  PERFORM set_config('role', 'none', true);
  RETURN NEXT;
END
$$;
-- columns and rows stand by themselves, also for those who could name the tables
BEGIN;
GRANT USAGE ON SCHEMA washminute_data TO PUBLIC;
SELECT role, sub, r.* FROM (VALUES (1, 'washminute_anon', NULL), (2, 'washminute_customer', 'card_c'), (3, 'washminute_customer', 'card_w'), (4, 'washminute_washman', 'card_w'), (5, 'washminute_admin', 'card_a'),
                                   (6, 'washminute_service', NULL), (7, 'pg_monitor', NULL), (8, 'washminute_customer', NULL)) AS c (number, role, sub), LATERAL pg_temp.reads(role, sub) AS r ORDER BY number;
ROLLBACK;
BEGIN;
SELECT set_config('request.jwt.claims', '{"role": "washminute_customer", "sub": "card_c"}', true) IS NOT NULL AS is_set;
SET LOCAL ROLE washminute_customer;
SELECT card_id, brand, last4, holder FROM washminute_api.cards;
-- another's card is none
SELECT test_helpers.outcome($$SELECT washminute_api.remove_card('00000000-0000-0000-0000-0000000ca4d3')$$), test_helpers.outcome($$UPDATE washminute_api.cards SET holder = 'x'$$),
       test_helpers.outcome($$DELETE FROM washminute_api.cards$$);
SELECT test_helpers.outcome(format('SELECT washminute_api.begin_payment(%L, %L, saved_card_id => %L)', o.order_id, 'k', '00000000-0000-0000-0000-0000000ca4d3')) FROM washminute_api.orders AS o ORDER BY o.created_at LIMIT 1;
SELECT washminute_api.remove_card('00000000-0000-0000-0000-0000000ca4d2');
SELECT count(*) FROM washminute_api.cards;
ROLLBACK;
-- no role but the owner reads the token
SELECT r.rolname FROM pg_roles AS r WHERE NOT r.rolsuper AND has_column_privilege(r.oid, 'washminute_data.cards', 'token', 'SELECT') AND r.rolname NOT LIKE 'pg\_%';

-- the way it was
SELECT test_helpers.cancel('card_' || name, CASE name WHEN 'other' THEN 'card_d' ELSE 'card_c' END) FROM unnest('{one,two,other}'::text[]) AS name;
SELECT * FROM washminute.check_invariants();
SET session_replication_role TO replica;
DELETE FROM washminute_data.outbox WHERE lane = 'payment';
DELETE FROM washminute_data.payment_attempts;
DELETE FROM washminute_data.payments;
DELETE FROM washminute_data.cards;
RESET session_replication_role;
SELECT washminute.set_clock(NULL);
