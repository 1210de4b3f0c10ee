-- Offers over time: waves, rings, how long an offer lives and a request, who is offered it
-- again, and the three policies; with the settings as they are by default, but for groups
-- of three, 8 s apart.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
\pset null '(null)'
SET default_transaction_isolation TO serializable;
CREATE TEMPORARY TABLE settings_before AS SELECT name, value FROM washminute_data.settings;
UPDATE washminute_data.settings AS s SET value = v.value
  FROM (VALUES ('offer_seconds', 45), ('offer_size', 10), ('max_open_offers', 3)) AS v (name, value) WHERE s.name = v.name;
SELECT string_agg(format('%s %s', name, value), ', ' ORDER BY name) AS defaults FROM washminute_data.settings
 WHERE name IN ('initial_radius_m', 'max_open_offers', 'offer_seconds', 'offer_size', 'radius_limit_m', 'radius_step_m', 'ranking_seconds',
                'reoffer_seconds', 'request_seconds', 'stagger_seconds', 'stagger_size', 'wave_seconds');

-- The clock of this day, which stands still.
CREATE FUNCTION pg_temp.clock(at text) RETURNS void LANGUAGE sql
AS $$ SELECT washminute.set_clock(('2026-09-01 ' || at || '+00')::timestamptz, 0) $$;
-- What is due is done at that time; how many expired.
CREATE FUNCTION pg_temp.due(at text) RETURNS integer LANGUAGE plpgsql
AS $$ BEGIN PERFORM pg_temp.clock(at); RETURN washminute.expire_due(); END $$;
-- Washmen "waves_" || name, so many metres north of the places of Oujda and Kénitra.
CREATE FUNCTION pg_temp.come(name text, metres float8, zone text DEFAULT 'oujda') RETURNS void LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM washminute.upsert_user('waves_' || name, 'washman');
  PERFORM washminute.set_washman_status('waves_' || name, 'offline');
  PERFORM washminute.report_location('waves_' || name, CASE zone WHEN 'oujda' THEN -1.91 ELSE -6.58 END,
                                     CASE zone WHEN 'oujda' THEN 34.68 ELSE 34.26 END + metres / 110930.0);
  PERFORM washminute.set_washman_status('waves_' || name, 'online');
END
$$;
-- All of this test are offline.
CREATE FUNCTION pg_temp.leave() RETURNS void LANGUAGE sql
AS $$
  SELECT washminute.set_washman_status(washman_id, 'offline') FROM washminute_data.washmen WHERE washman_id LIKE 'waves\_%' AND status <> 'offline';
  SELECT;
$$;
CREATE FUNCTION pg_temp.book(name text, payment_method text DEFAULT 'cash', zone text DEFAULT 'oujda', metres float8 DEFAULT 0) RETURNS text LANGUAGE sql
AS $$
  SELECT test_helpers.book('waves_' || name, 'waves_c', '{exterior}', CASE zone WHEN 'oujda' THEN -1.91 ELSE -6.58 END,
                           CASE zone WHEN 'oujda' THEN 34.68 ELSE 34.26 END + metres / 110930.0, payment_method)
$$;
-- These see what the statement has done before.
CREATE FUNCTION pg_temp.accept(name text, washman text) RETURNS text LANGUAGE plpgsql
AS $$ BEGIN RETURN test_helpers.accept('waves_' || name, 'waves_' || washman); END $$;
CREATE FUNCTION pg_temp.state(name text) RETURNS text LANGUAGE plpgsql
AS $$ BEGIN RETURN test_helpers.state('waves_' || name); END $$;
-- Whom a request was offered to, a line for each wave and time of telling.
CREATE FUNCTION pg_temp.offers(name text) RETURNS TABLE (wave integer, told_at time, until_at time, washmen text) LANGUAGE sql
AS $$
  SELECT f.wave, f.offered_at::time, f.expires_at::time, string_agg(substr(f.washman_id, 7), ' ' ORDER BY f.distance_m, f.washman_id COLLATE "C")
    FROM washminute_data.offers AS f WHERE f.request_id = test_helpers.request('waves_' || name)
   GROUP BY f.wave, f.offered_at, f.expires_at ORDER BY f.wave, f.offered_at, f.expires_at
$$;
CREATE FUNCTION pg_temp.events(name text) RETURNS TABLE (at time, wave text, offers text, radius text) LANGUAGE sql
AS $$
  SELECT e.at::time, e.data->>'wave', e.data->>'offers', e.data->>'radiusMetres' FROM washminute_data.events AS e
   WHERE e.request_id = test_helpers.request('waves_' || name) AND e.event = 'requestOffered' ORDER BY e.event_id
$$;
CREATE FUNCTION pg_temp.timer(name text) RETURNS text LANGUAGE plpgsql
AS $$
BEGIN
  RETURN format('wave %s of round after %s, ring %s, next %s, decide %s, expires %s, due %s', r.wave, r.round_wave, r.radius_m,
                COALESCE(r.next_wave_at::time::text, '-'), COALESCE(r.decide_at::time::text, '-'), r.expires_at::time, COALESCE(t.due_at::time::text, '-'))
    FROM washminute_data.washing_requests AS r LEFT JOIN washminute_data.request_timers AS t USING (request_id)
   WHERE r.request_id = test_helpers.request('waves_' || name);
END
$$;
-- What is queued about a request for people's phones.
CREATE FUNCTION pg_temp.told(name text, event text) RETURNS TABLE (recipient text, audience text, told_until text, due text, data text) LANGUAGE sql
AS $$
  SELECT COALESCE(substr(x.recipient_id, 7), '(by offer)'), x.audience, COALESCE(x.expires_at::time::text, '-'), COALESCE(x.due_at::text, '-'),
         concat_ws(' ', x.data->>'wave', (x.data->>'offeredAt')::timestamptz::time, (x.data->>'expiresAt')::timestamptz::time, x.data->>'earnings')
    FROM washminute_data.outbox AS x
   WHERE x.lane = 'push' AND x.data->>'requestId' = test_helpers.request('waves_' || name)::text AND x.event = told.event ORDER BY x.outbox_id
$$;

SELECT count(pg_temp.due('09:00')) AS what_others_left;
SELECT washminute.upsert_user('waves_c', 'customer', 'Nadia El Amrani', '+212600000090'), washminute.upsert_user('waves_admin', 'admin');
SELECT offer_policy FROM washminute_data.service_zones WHERE zone_code = 'oujda';

--
-- Ten at a time, ring by ring, then those again who have not answered
--

SELECT count(pg_temp.come('a' || n, 300 * n)) FROM generate_series(1, 13) AS n;
SELECT count(pg_temp.come(name, metres)) FROM (VALUES ('b1', 7000), ('b2', 9000), ('c1', 12000), ('d1', 19000), ('e1', 21000)) AS w (name, metres);
SELECT pg_temp.book('rings');
SELECT * FROM pg_temp.offers('rings');
SELECT pg_temp.timer('rings');
SELECT pg_temp.due('09:00:29.999999');
SELECT count(*) FROM pg_temp.events('rings');
SELECT test_helpers.decline('waves_rings', 'waves_a3'), test_helpers.decline('waves_rings', 'waves_a3'), test_helpers.decline('waves_rings', 'waves_a11');
SELECT pg_temp.due('09:00:30');
SELECT * FROM pg_temp.offers('rings') WHERE wave = 2;
SELECT pg_temp.timer('rings');
-- a second time there is nothing to do
SELECT washminute.expire_due();
SELECT test_helpers.decline('waves_rings', 'waves_a12');
SELECT pg_temp.due('09:01:00'), pg_temp.due('09:01:30'), pg_temp.due('09:02:00');
SELECT * FROM pg_temp.offers('rings');
-- the first ten were told up to 24 s later: the last of them two minutes and six seconds ago
SELECT pg_temp.due('09:02:30');
SELECT * FROM pg_temp.offers('rings') WHERE wave = 6;
SELECT pg_temp.due('09:03:00'), pg_temp.due('09:03:30');
SELECT * FROM pg_temp.offers('rings');
SELECT pg_temp.timer('rings');
-- a timer that runs late makes one wave, not those that were missed
SELECT pg_temp.due('09:06:00');
SELECT pg_temp.timer('rings');
SELECT pg_temp.due('09:06:30'), pg_temp.due('09:07:00'), pg_temp.due('09:07:30'), pg_temp.due('09:08:00'), pg_temp.due('09:08:30'), pg_temp.due('09:09:00'),
       pg_temp.due('09:09:30');
SELECT * FROM pg_temp.events('rings');
-- no offer outlives its request
SELECT max(expires_at)::time FROM washminute_data.offers WHERE request_id = test_helpers.request('waves_rings');
SELECT substr(washman_id, 7) AS never_again, wave FROM washminute_data.offers
 WHERE request_id = test_helpers.request('waves_rings') AND declined_at IS NOT NULL ORDER BY washman_id;
SELECT count(*) AS offers_to_the_one_too_far FROM washminute_data.offers WHERE washman_id = 'waves_e1';

-- ten minutes after the booking it is over, and nobody but the customer is told
SELECT pg_temp.due('09:09:59.999999'), pg_temp.state('rings');
SELECT pg_temp.due('09:10:00'), pg_temp.state('rings');
SELECT * FROM pg_temp.told('rings', 'requestExpired');
SELECT * FROM pg_temp.told('rings', 'offerGone');
SELECT pg_temp.timer('rings');
SELECT pg_temp.accept('rings', 'b1');
SELECT pg_temp.leave();

--
-- How long an offer can be accepted, whether or not any timer runs
--

SELECT pg_temp.clock('10:00');
SELECT count(pg_temp.come('f' || n, 300 * n)) FROM generate_series(1, 4) AS n;
SELECT pg_temp.book('life1'), pg_temp.book('life2'), pg_temp.book('life3');
SELECT * FROM pg_temp.offers('life1');
SELECT pg_temp.clock('10:00:44.999999');
SELECT pg_temp.accept('life1', 'f1'), pg_temp.state('life1');
SELECT pg_temp.clock('10:00:45');
SELECT pg_temp.accept('life2', 'f2'), pg_temp.state('life2');
-- who was told eight seconds later has as long
SELECT pg_temp.clock('10:00:52.999999');
SELECT pg_temp.accept('life2', 'f4'), pg_temp.state('life2');
SELECT pg_temp.clock('10:00:53');
SELECT pg_temp.accept('life3', 'f3');
-- an expired offer is refused as that, a second one is like the first
SELECT pg_temp.due('10:09:45'), pg_temp.state('life3');
SELECT * FROM pg_temp.offers('life3');
BEGIN;
SELECT pg_temp.clock('10:09:59.999999');
SELECT pg_temp.accept('life3', 'f2'), pg_temp.state('life3');
ROLLBACK;
SELECT pg_temp.clock('10:10:00');
SELECT pg_temp.accept('life3', 'f2'), pg_temp.state('life3');
-- the request is over, whatever an offer says
UPDATE washminute_data.offers SET expires_at = '2026-09-01 11:00+00' WHERE request_id = test_helpers.request('waves_life3') AND washman_id = 'waves_f2';
SELECT pg_temp.accept('life3', 'f2'), pg_temp.state('life3');
SELECT washminute.expire_due(), pg_temp.state('life3');
-- a job in hand is nothing for timers, and its timer goes when it comes up
SELECT count(*) FROM washminute_data.request_timers WHERE request_id IN (test_helpers.request('waves_life1'), test_helpers.request('waves_life2'));
SELECT test_helpers.cancel('waves_life1', 'waves_admin'), test_helpers.cancel('waves_life2', 'waves_admin');
SELECT pg_temp.leave();

--
-- A card job is offered when it is paid, and its ten minutes begin then
--

SELECT pg_temp.clock('10:30');
SELECT count(pg_temp.come('g' || n, 300 * n)) FROM generate_series(1, 2) AS n;
SELECT pg_temp.book('unpaid', 'card'), pg_temp.book('card', 'card');
SELECT pg_temp.timer('card');
SELECT pg_temp.due('10:00:30'), pg_temp.due('10:35');
-- not to one who comes online either
SELECT pg_temp.come('g3', 100);
SELECT count(*) AS offers FROM washminute_data.offers WHERE request_id = test_helpers.request('waves_card');
SELECT washminute.record_payment(test_helpers.order_of('waves_card'), 60, 'WAVES-1') AS offered, washminute.record_payment(test_helpers.order_of('waves_card'), 60, 'WAVES-1') AS again;
SELECT * FROM pg_temp.offers('card');
SELECT pg_temp.timer('card');
SELECT pg_temp.due('10:40') AS expired, pg_temp.state('unpaid'), pg_temp.state('card');
SELECT pg_temp.due('10:44:59.999999'), pg_temp.due('10:45:00'), pg_temp.state('card');
SELECT debit_account, credit_account, amount, purpose FROM washminute_data.transfers
 WHERE order_id IN (test_helpers.order_of('waves_card'), test_helpers.order_of('waves_unpaid')) ORDER BY transfer_id;
SELECT lane, event, data->>'amount' AS amount FROM washminute_data.outbox WHERE lane = 'payment' AND data->>'requestId' = test_helpers.request('waves_card')::text;
SELECT * FROM pg_temp.told('card', 'requestExpired');

-- a reservation waits, and nobody is offered it
SELECT test_helpers.book('waves_reserved', 'waves_c', '{exterior}', -1.91, 34.68, 'cash', '2026-09-02 10:00+00');
SELECT pg_temp.due('11:00'), pg_temp.timer('reserved');
SELECT pg_temp.come('g3', 100);
SELECT count(*) AS offers FROM washminute_data.offers WHERE request_id = test_helpers.request('waves_reserved');
SELECT test_helpers.cancel('waves_reserved', 'waves_c');
SELECT pg_temp.leave();

--
-- Given back: to all again but to him and to those who declined, and for ten more minutes
--

SELECT pg_temp.clock('11:00');
SELECT count(pg_temp.come('h' || n, 300 * n)) FROM generate_series(1, 4) AS n;
SELECT pg_temp.come('h5', 7000);
SELECT pg_temp.book('back');
SELECT test_helpers.decline('waves_back', 'waves_h2');
SELECT pg_temp.due('11:00:30');
SELECT * FROM pg_temp.offers('back');
SELECT pg_temp.accept('back', 'h1'), pg_temp.due('11:01:00'), pg_temp.timer('back');
SELECT pg_temp.clock('11:04');
SELECT test_helpers.advance('waves_back', 'waves_h1', 'pending'), pg_temp.state('back');
SELECT * FROM pg_temp.offers('back');
SELECT pg_temp.timer('back');
SELECT * FROM pg_temp.told('back', 'requestGivenBack');
-- the ring that was reached before is not what the next wave goes by
SELECT pg_temp.due('11:04:30'), pg_temp.due('11:05:00');
SELECT * FROM pg_temp.offers('back');
SELECT pg_temp.accept('back', 'h1'), pg_temp.accept('back', 'h2');
SELECT pg_temp.due('11:13:59.999999'), pg_temp.due('11:14:00'), pg_temp.state('back');

-- where nobody is near when it is given back, who comes then is of the new round, and is asked again like others
SELECT pg_temp.leave(), pg_temp.come('h8', 100);
SELECT pg_temp.book('empty'), pg_temp.accept('empty', 'h8');
SELECT test_helpers.advance('waves_empty', 'waves_h8', 'pending'), pg_temp.timer('empty');
SELECT pg_temp.come('h9', 200), pg_temp.timer('empty');
SELECT pg_temp.due('11:14:30'), pg_temp.due('11:15:00');
SELECT * FROM pg_temp.events('empty');
SELECT test_helpers.cancel('waves_empty', 'waves_c');

-- he is not offered it again either who had it from an operator, without an offer
SELECT pg_temp.clock('11:20');
SELECT pg_temp.leave(), pg_temp.come('h6', 100);
SELECT pg_temp.book('sent');
SELECT pg_temp.come('h7', 15000);
SELECT test_helpers.outcome(format('SELECT washminute.reassign_request(%L, %L, %L, %L)', test_helpers.request('waves_sent'), 'waves_admin', 'waves_h7', 'test'));
SELECT test_helpers.advance('waves_sent', 'waves_h7', 'pending'), pg_temp.state('sent');
SELECT pg_temp.due('11:20:30'), pg_temp.due('11:21:00'), pg_temp.due('11:21:30');
SELECT * FROM pg_temp.events('sent');
SELECT count(*) AS standing FROM washminute.washman_offers('waves_h7');
SELECT pg_temp.accept('sent', 'h7');
SELECT test_helpers.cancel('waves_sent', 'waves_c');
SELECT pg_temp.leave();

-- a reservation: far ahead it waits for its stages, and after its time it begins now
SELECT pg_temp.clock('11:30');
SELECT pg_temp.come('h7', 15000), pg_temp.come('h8', 100);
SELECT test_helpers.book('waves_ahead', 'waves_c', '{exterior}', -1.91, 34.68, 'cash', '2026-09-02 11:30+00');
CREATE FUNCTION pg_temp.send(name text, washman text) RETURNS text LANGUAGE sql
AS $$ SELECT test_helpers.outcome(format('SELECT washminute.reassign_request(%L, %L, %L, %L)', test_helpers.request('waves_' || name), 'waves_admin', 'waves_' || washman, 'test')) $$;
SELECT pg_temp.send('ahead', 'h7');
SELECT test_helpers.advance('waves_ahead', 'waves_h7', 'pending'), pg_temp.timer('ahead');
SELECT pg_temp.due('11:30:30'), pg_temp.due('12:41:59'), pg_temp.due('12:42'), pg_temp.timer('ahead');
SELECT test_helpers.cancel('waves_ahead', 'waves_c');
SELECT pg_temp.clock('11:30');
SELECT test_helpers.book('waves_late', 'waves_c', '{exterior}', -1.91, 34.68, 'cash', '2026-09-01 12:00+00');
SELECT pg_temp.send('late', 'h7');
SELECT pg_temp.clock('12:30');
SELECT pg_temp.come('h7', 15000), pg_temp.come('h8', 100), pg_temp.come('h9', 200);
SELECT pg_temp.book('now'), pg_temp.accept('now', 'h8');
SELECT pg_temp.clock('12:35');
SELECT test_helpers.advance('waves_late', 'waves_h7', 'pending');
SELECT pg_temp.accept('late', 'h8'), pg_temp.send('late', 'h8');
SELECT * FROM pg_temp.offers('late');
SELECT pg_temp.accept('late', 'h9');
SELECT washman_id, lower(period)::time, upper(period)::time FROM washminute_data.jobs WHERE live AND washman_id IN ('waves_h8', 'waves_h9') ORDER BY washman_id;
SELECT test_helpers.cancel('waves_late', 'waves_admin'), test_helpers.cancel('waves_now', 'waves_admin');
SELECT pg_temp.leave();

--
-- Who comes online within the ring that was reached is offered it at once
--

SELECT pg_temp.clock('11:59:50');
SELECT pg_temp.come('i6', 9000), pg_temp.book('other', metres => 13900), pg_temp.accept('other', 'i6');
SELECT washminute.set_washman_status('waves_i6', 'offline');
SELECT pg_temp.clock('12:00');
SELECT pg_temp.come('i1', 1000), pg_temp.book('join');
SELECT pg_temp.clock('12:00:10');
SELECT pg_temp.come('i2', 4900), pg_temp.come('i3', 5100);
SELECT * FROM pg_temp.offers('join');
SELECT * FROM pg_temp.events('join');
SELECT * FROM pg_temp.told('join', 'newWashingRequest');
SELECT pg_temp.timer('join');
-- once
SELECT washminute.set_washman_status('waves_i2', 'offline'), washminute.set_washman_status('waves_i2', 'online'), washminute.set_washman_status('waves_i2', 'online');
SELECT count(*) FROM pg_temp.events('join');
-- the next wave makes the ring wider
SELECT pg_temp.due('12:00:30');
SELECT pg_temp.clock('12:00:31');
SELECT pg_temp.come('i4', 9900), pg_temp.come('i5', 10100);
SELECT * FROM pg_temp.offers('join');
-- so is he who is online, and had not said for long where he is; it counts once
SELECT pg_temp.clock('12:00:31.5');
SELECT washminute.upsert_user('waves_i8', 'washman'), washminute.set_washman_status('waves_i8', 'online');
SELECT washminute.report_location('waves_i8', -1.91, 34.68 + 9800 / 110930.0);
SELECT washminute.report_location('waves_i8', -1.91, 34.68 + 9801 / 110930.0);
SELECT washminute.report_location('waves_i5', -1.91, 34.68 + 9950 / 110930.0);
SELECT substr(washman_id, 7) AS offered, round(distance_m) AS metres, offered_at::time FROM washminute_data.offers WHERE request_id = test_helpers.request('waves_join') ORDER BY offered_at, washman_id;
SELECT test_helpers.decline('waves_join', 'waves_i8'), washminute.set_washman_status('waves_i8', 'offline'), washminute.set_washman_status('waves_i5', 'offline');
-- who declined it, who has a job, who is the customer, and whose balance is too low is not
SELECT pg_temp.clock('12:00:32');
SELECT test_helpers.decline('waves_join', 'waves_i4');
SELECT washminute.set_washman_status('waves_i4', 'offline'), washminute.set_washman_status('waves_i4', 'online');
SELECT washminute.set_washman_status('waves_i6', 'online');
SELECT washminute.upsert_user('waves_c', 'washman'), washminute.report_location('waves_c', -1.91, 34.68), washminute.set_washman_status('waves_c', 'online');
SELECT washminute.upsert_user('waves_i7', 'washman'), washminute.settle_balance('waves_i7', -500.01, 'test') IS NULL AS settled, pg_temp.come('i7', 100);
SELECT substr(washman_id, 7) AS online FROM washminute_data.washmen WHERE washman_id LIKE 'waves%' AND status = 'online' ORDER BY washman_id;
SELECT substr(washman_id, 7) AS offered, offered_at::time FROM washminute_data.offers WHERE request_id = test_helpers.request('waves_join') ORDER BY washman_id;
SELECT washminute.set_washman_status('waves_c', 'offline'), test_helpers.cancel('waves_other', 'waves_admin');
-- nor one who is suspended, who cannot come online
SELECT washminute.suspend_washman('waves_i3', 'waves_admin', 'test'), washminute.set_washman_status('waves_i3', 'offline');
SELECT test_helpers.outcome($$SELECT washminute.set_washman_status('waves_i3', 'online')$$);
SELECT washminute.reinstate_washman('waves_i3', 'waves_admin', 'test');
-- nor when it is over, timer or no timer
SELECT pg_temp.clock('12:10');
SELECT pg_temp.come('i9', 100), pg_temp.state('join');
SELECT count(*) FROM washminute_data.offers WHERE washman_id = 'waves_i9';
SELECT washminute.expire_due();
SELECT pg_temp.leave();

--
-- Three open offers are enough
--

SELECT pg_temp.clock('13:00');
SELECT pg_temp.come('j1', 500), pg_temp.come('j2', 1500);
SELECT pg_temp.book('many1'), pg_temp.book('many2'), pg_temp.book('many3'), pg_temp.book('many4');
SELECT pg_temp.clock('13:00:10');
SELECT pg_temp.come('j3', 2500), pg_temp.come('j4', 100);
SELECT count(*) AS open_offers, count(DISTINCT request_id) AS requests FROM washminute_data.offers WHERE washman_id = 'waves_j4';
SELECT substr(washman_id, 7) AS washman, offered, reasons FROM washminute.explain_match(test_helpers.request('waves_many4')) WHERE NOT reasons && '{offline}';
-- an offer that was declined leaves room, and so does one that is over, or whose request is
SELECT test_helpers.decline('waves_many1', 'waves_j1');
SELECT pg_temp.due('13:00:30');
SELECT * FROM pg_temp.offers('many4');
SELECT test_helpers.cancel('waves_many2', 'waves_c'), test_helpers.cancel('waves_many3', 'waves_c');
SELECT pg_temp.due('13:01:00');
SELECT * FROM pg_temp.offers('many4');
SELECT test_helpers.cancel('waves_many1', 'waves_c'), test_helpers.cancel('waves_many4', 'waves_c'), pg_temp.leave();
-- the last instant of an offer, and the first one after
SELECT pg_temp.clock('13:10');
SELECT pg_temp.come('j5', 500), pg_temp.book('full1'), pg_temp.book('full2'), pg_temp.book('full3');
SELECT pg_temp.clock('13:10:44.999999');
SELECT pg_temp.book('full4');
SELECT pg_temp.clock('13:10:45');
SELECT pg_temp.book('full5');
SELECT test_helpers.cancel('waves_full' || n, 'waves_c') FROM generate_series(1, 5) AS n;
SELECT pg_temp.leave();

--
-- Staggered: all can accept, but the farther are told later
--

SELECT pg_temp.clock('14:00');
SELECT count(pg_temp.come('k' || n, 300 * n)) FROM generate_series(1, 8) AS n;
SELECT pg_temp.book('stagger');
SELECT * FROM pg_temp.offers('stagger');
SELECT * FROM pg_temp.told('stagger', 'newWashingRequest');
CREATE FUNCTION pg_temp.as_washman(washman text) RETURNS void LANGUAGE sql
AS $$
  SELECT set_config('request.jwt.claims', jsonb_build_object('role', 'washminute_washman', 'sub', 'waves_' || washman)::text, true),
         set_config('role', 'washminute_washman', true);
$$;
CREATE FUNCTION pg_temp.sees(washman text, OUT view bigint, OUT open bigint, OUT command bigint) LANGUAGE plpgsql
AS $$
BEGIN
  command := count(*) FROM washminute.washman_offers('waves_' || washman);
  PERFORM pg_temp.as_washman(washman);
  view := count(*) FROM washminute_api.offers;
  open := count(*) FROM washminute_api.open_offers();
  PERFORM set_config('role', 'none', true);
END
$$;
SELECT washman, (pg_temp.sees(washman)).* FROM unnest('{k3,k4,k7}'::text[]) AS washman;
SELECT pg_temp.clock('14:00:07.999999');
SELECT washman, (pg_temp.sees(washman)).* FROM unnest('{k3,k4,k7}'::text[]) AS washman;
SELECT pg_temp.clock('14:00:08');
SELECT washman, (pg_temp.sees(washman)).* FROM unnest('{k3,k4,k7}'::text[]) AS washman;
SELECT customer_first_name, neighbourhood, round(distance_m::numeric, -2) AS metres, services, earnings, payment_method, offered_at::time, expires_at::time, answered_at
  FROM washminute.washman_offers('waves_k4');
SELECT pg_temp.clock('14:00:45');
SELECT washman, (pg_temp.sees(washman)).* FROM unnest('{k3,k4,k7}'::text[]) AS washman;
SELECT test_helpers.cancel('waves_stagger', 'waves_c');
-- who has not been told yet can accept
SELECT pg_temp.clock('14:10');
SELECT pg_temp.book('early'), pg_temp.accept('early', 'k8'), pg_temp.state('early');
SELECT test_helpers.cancel('waves_early', 'waves_admin');

--
-- Broadcast: all at once
--

UPDATE washminute_data.service_zones SET offer_policy = 'broadcast' WHERE zone_code = 'oujda';
SELECT pg_temp.clock('14:20');
SELECT pg_temp.book('broadcast');
SELECT * FROM pg_temp.offers('broadcast');
SELECT * FROM pg_temp.told('broadcast', 'newWashingRequest');
SELECT washman, (pg_temp.sees(washman)).* FROM unnest('{k1,k8}'::text[]) AS washman;
SELECT pg_temp.timer('broadcast');
SELECT test_helpers.cancel('waves_broadcast', 'waves_c'), pg_temp.leave();

--
-- Ranked: answers are collected, and the nearest of those who answered has the job
--

UPDATE washminute_data.service_zones SET offer_policy = 'ranked' WHERE zone_code = 'oujda';
CREATE FUNCTION pg_temp.answer(name text, washman text) RETURNS text LANGUAGE plpgsql
AS $$
BEGIN
  RETURN (SELECT format('%s %s', a.status, COALESCE(a.accepted_at::time::text, '-'))
            FROM washminute.accept_request(test_helpers.request('waves_' || name), 'waves_' || washman) AS a);
END
$$;
CREATE FUNCTION pg_temp.answers(name text) RETURNS TABLE (at time, event text, washman text) LANGUAGE sql
AS $$
  SELECT e.at::time, e.event, substr(e.data->>'washmanId', 7) FROM washminute_data.events AS e
   WHERE e.request_id = test_helpers.request('waves_' || name) AND e.event IN ('offerAnswered', 'washmanAssigned') ORDER BY e.event_id
$$;
SELECT pg_temp.clock('15:00');
SELECT count(pg_temp.come('l' || n, 300 * n)) FROM generate_series(1, 5) AS n;
SELECT pg_temp.book('ranked');
SELECT * FROM pg_temp.offers('ranked');
SELECT pg_temp.timer('ranked');
SELECT pg_temp.clock('15:00:03');
SELECT pg_temp.answer('ranked', 'l4'), pg_temp.answer('ranked', 'l4');
SELECT pg_temp.clock('15:00:07.999999');
SELECT pg_temp.answer('ranked', 'l4'), pg_temp.answer('ranked', 'l2'), pg_temp.answer('ranked', 'l3'), pg_temp.answer('ranked', 'l1');
SELECT answered_at::time FROM washminute.washman_offers('waves_l4');
SELECT test_helpers.decline('waves_ranked', 'waves_l1');
SELECT washminute.expire_due(), pg_temp.state('ranked');
-- until it is decided answers are still taken
SELECT pg_temp.clock('15:00:08');
SELECT pg_temp.answer('ranked', 'l5'), pg_temp.state('ranked');
SELECT pg_temp.accept('ranked', 'l1');
SELECT washminute.expire_due(), pg_temp.state('ranked');
SELECT * FROM pg_temp.answers('ranked');
SELECT washman_id, live, outcome, held, accepted_at::time FROM washminute_data.jobs WHERE request_id = test_helpers.request('waves_ranked');
SELECT recipient_id, audience, event FROM washminute_data.outbox
 WHERE data->>'requestId' = test_helpers.request('waves_ranked')::text AND event IN ('washmanAssigned', 'offerGone') ORDER BY outbox_id;
SELECT pg_temp.accept('ranked', 'l2'), pg_temp.accept('ranked', 'l3');
SELECT test_helpers.cancel('waves_ranked', 'waves_admin');

-- the nearest has become ineligible meanwhile, by each reason; then the next one has it
SELECT pg_temp.clock('15:10');
SELECT pg_temp.book('ranked2');
SELECT pg_temp.clock('15:10:01');
SELECT count(pg_temp.answer('ranked2', 'l' || n)) FROM generate_series(1, 5) AS n;
SELECT washminute.set_washman_status('waves_l1', 'offline'), washminute.suspend_washman('waves_l2', 'waves_admin', 'test'),
       washminute.settle_balance('waves_l3', -500, 'test') IS NULL AS settled;
UPDATE washminute_data.service_zones SET offer_policy = 'broadcast' WHERE zone_code = 'oujda';
SELECT pg_temp.book('meanwhile'), pg_temp.accept('meanwhile', 'l4');
UPDATE washminute_data.service_zones SET offer_policy = 'ranked' WHERE zone_code = 'oujda';
SELECT pg_temp.due('15:10:08'), pg_temp.state('ranked2'), pg_temp.state('meanwhile');
SELECT test_helpers.cancel('waves_ranked2', 'waves_admin'), test_helpers.cancel('waves_meanwhile', 'waves_admin');
SELECT washminute.set_washman_status('waves_l1', 'online'), washminute.reinstate_washman('waves_l2', 'waves_admin', 'test'),
       washminute.settle_balance('waves_l3', 500, 'test') IS NULL AS settled;

-- nobody who answered may have it: it stays open, for the first to come
SELECT pg_temp.clock('15:20');
SELECT pg_temp.book('ranked3');
SELECT pg_temp.answer('ranked3', 'l1');
SELECT washminute.set_washman_status('waves_l1', 'offline');
SELECT pg_temp.due('15:20:08'), pg_temp.state('ranked3'), pg_temp.timer('ranked3');
SELECT pg_temp.answer('ranked3', 'l3'), pg_temp.state('ranked3');
SELECT test_helpers.cancel('waves_ranked3', 'waves_admin'), washminute.set_washman_status('waves_l1', 'online');

-- nobody has answered: the first to come has it at once, whether or not a timer ran
SELECT pg_temp.clock('15:30');
SELECT pg_temp.book('ranked4'), pg_temp.book('ranked5');
SELECT pg_temp.clock('15:30:08');
SELECT pg_temp.answer('ranked4', 'l5'), pg_temp.state('ranked4');
SELECT washminute.expire_due(), pg_temp.timer('ranked5');
SELECT pg_temp.answer('ranked5', 'l4'), pg_temp.state('ranked5');
SELECT * FROM pg_temp.answers('ranked5');
SELECT test_helpers.cancel('waves_ranked4', 'waves_admin'), test_helpers.cancel('waves_ranked5', 'waves_admin');

-- each wave collects answers of its own; an answer is refused like an acceptance
SELECT pg_temp.clock('15:40');
SELECT pg_temp.book('ranked6'), pg_temp.come('l6', 7000);
SELECT pg_temp.due('15:40:08'), pg_temp.due('15:40:30'), pg_temp.timer('ranked6');
SELECT pg_temp.clock('15:40:31');
SELECT pg_temp.answer('ranked6', 'l6'), pg_temp.answer('ranked6', 'l2');
SELECT pg_temp.accept('ranked6', 'j1');
SELECT washminute.settle_balance('waves_l3', -500, 'test') IS NULL AS settled, pg_temp.accept('ranked6', 'l3'), washminute.settle_balance('waves_l3', 500, 'test') IS NULL AS settled;
SELECT pg_temp.due('15:40:38'), pg_temp.state('ranked6');
SELECT test_helpers.cancel('waves_ranked6', 'waves_admin');
SELECT pg_temp.clock('15:50');
SELECT pg_temp.book('ranked7'), pg_temp.due('15:50:08');
SELECT pg_temp.clock('15:50:45');
SELECT pg_temp.accept('ranked7', 'l1');
SELECT test_helpers.cancel('waves_ranked7', 'waves_admin');

-- what is given back is offered anew, and old answers count no more
SELECT pg_temp.clock('16:00');
SELECT pg_temp.book('ranked8'), pg_temp.answer('ranked8', 'l1'), pg_temp.answer('ranked8', 'l2'), pg_temp.answer('ranked8', 'l4');
SELECT pg_temp.due('16:00:08'), pg_temp.state('ranked8');
SELECT test_helpers.advance('waves_ranked8', 'waves_l1', 'pending'), pg_temp.timer('ranked8');
SELECT pg_temp.answer('ranked8', 'l3');
SELECT pg_temp.due('16:00:16'), pg_temp.state('ranked8');
SELECT test_helpers.cancel('waves_ranked8', 'waves_admin');

-- not even the answer of one who is not asked again
SELECT pg_temp.clock('16:05');
SELECT pg_temp.book('ranked11'), pg_temp.answer('ranked11', 'l1'), pg_temp.answer('ranked11', 'l3');
SELECT pg_temp.due('16:05:08'), pg_temp.state('ranked11');
UPDATE washminute_data.settings SET value = 1 WHERE name = 'offer_size';
SELECT test_helpers.advance('waves_ranked11', 'waves_l1', 'pending'), pg_temp.due('16:05:16'), pg_temp.state('ranked11');
SELECT wave, washmen FROM pg_temp.offers('ranked11');
UPDATE washminute_data.settings SET value = 10 WHERE name = 'offer_size';
SELECT test_helpers.cancel('waves_ranked11', 'waves_admin');

-- who answered in time has the job, although the request would be over by then
SELECT pg_temp.clock('16:10');
SELECT pg_temp.book('ranked9');
UPDATE washminute_data.washing_requests SET next_wave_at = '2026-09-01 16:19:55+00' WHERE request_id = test_helpers.request('waves_ranked9');
UPDATE washminute_data.request_timers SET due_at = '2026-09-01 16:19:55+00' WHERE request_id = test_helpers.request('waves_ranked9');
SELECT pg_temp.due('16:19:55'), pg_temp.timer('ranked9');
SELECT pg_temp.clock('16:19:58');
SELECT pg_temp.answer('ranked9', 'l6');
SELECT pg_temp.due('16:19:59.999999'), pg_temp.state('ranked9');
BEGIN;
SELECT pg_temp.due('16:20'), pg_temp.state('ranked9');
ROLLBACK;
-- but not when nobody has come to decide for long
SELECT pg_temp.due('16:21:30'), pg_temp.state('ranked9');

-- a wave that comes before the decision does not put it off
BEGIN;
UPDATE washminute_data.settings SET value = 60 WHERE name = 'ranking_seconds';
SELECT pg_temp.clock('16:30');
SELECT pg_temp.come('l6', 7000), pg_temp.book('ranked10');
SELECT pg_temp.due('16:30:30'), pg_temp.timer('ranked10');
ROLLBACK;

-- an answer that could not be taken counts no more; while one waits nobody is asked again
SELECT pg_temp.clock('16:40');
SELECT count(pg_temp.come('l' || n, 300 * n)) FROM generate_series(1, 5) AS n;
SELECT pg_temp.book('ranked12'), pg_temp.answer('ranked12', 'l1');
SELECT washminute.set_washman_status('waves_l1', 'offline'), pg_temp.due('16:40:08'), pg_temp.state('ranked12');
SELECT washminute.set_washman_status('waves_l1', 'online'), pg_temp.come('l7', 7000), pg_temp.due('16:40:30'), pg_temp.timer('ranked12');
SELECT pg_temp.clock('16:40:31');
SELECT pg_temp.answer('ranked12', 'l7'), pg_temp.due('16:40:38'), pg_temp.state('ranked12');
SELECT test_helpers.cancel('waves_ranked12', 'waves_admin');
BEGIN;
UPDATE washminute_data.settings SET value = 180 WHERE name = 'ranking_seconds';
SELECT pg_temp.clock('16:50');
SELECT count(pg_temp.come('l' || n, 300 * n)) FROM generate_series(1, 5) AS n;
SELECT pg_temp.book('ranked13'), pg_temp.answer('ranked13', 'l1');
SELECT pg_temp.due('16:50:30'), pg_temp.due('16:51:00'), pg_temp.due('16:51:30'), pg_temp.due('16:52:01'), pg_temp.due('16:52:31'), pg_temp.timer('ranked13');
SELECT pg_temp.due('16:53'), pg_temp.state('ranked13');
ROLLBACK;
UPDATE washminute_data.service_zones SET offer_policy = 'staggered' WHERE zone_code = 'oujda';
SELECT pg_temp.leave();

--
-- Settings of a zone
--

SELECT number, test_helpers.outcome(format('INSERT INTO washminute_data.zone_settings VALUES (%s)', row))
  FROM (VALUES (1, $$'oujda', 'offer_size', 0$$), (2, $$'oujda', 'offer_size', 1001$$), (3, $$'oujda', 'offer_size', 2.5$$),
               (4, $$'oujda', 'stagger_size', 1.01$$), (5, $$'oujda', 'max_open_offers', 1.5$$), (6, $$'oujda', 'balance_floor', -100$$),
               (7, $$'oujda', 'idempotency_hours', 24$$), (8, $$'oujda', 'max_speed_kmh', 100$$), (9, $$'oujda', 'push_receipt_minutes', 10$$),
               (10, $$'oujda', 'offer_sizes', 3$$), (11, $$'nowhere', 'offer_size', 3$$), (12, $$'oujda', 'offer_size', NULL$$),
               (13, $$'oujda', 'offer_size', 'NaN'$$), (14, $$'oujda', 'cancel_fee', 1.234$$), (15, $$'oujda', 'cancel_fee', -1$$)) AS v (number, row) ORDER BY number;
SELECT test_helpers.outcome($$UPDATE washminute_data.service_zones SET offer_policy = 'first' WHERE zone_code = 'oujda'$$);
INSERT INTO washminute_data.zone_settings (zone_code, name, value) VALUES
  ('oujda', 'offer_size', 2), ('oujda', 'offer_seconds', 20.5), ('oujda', 'wave_seconds', 7), ('oujda', 'stagger_size', 1), ('oujda', 'stagger_seconds', 3),
  ('oujda', 'initial_radius_m', 1000), ('oujda', 'radius_step_m', 500), ('oujda', 'radius_limit_m', 1500), ('oujda', 'request_seconds', 60),
  ('oujda', 'commission_percent', 10), ('oujda', 'reoffer_seconds', 21), ('oujda', 'max_open_offers', 2);
SELECT test_helpers.outcome($$UPDATE washminute_data.zone_settings SET value = 0 WHERE name = 'offer_size'$$);
SELECT pg_temp.clock('17:00');
SELECT count(pg_temp.come('m' || n, 300 * n)), count(pg_temp.come('n' || n, 300 * n, 'kenitra')) FROM generate_series(1, 6) AS n;
SELECT pg_temp.book('here'), pg_temp.book('there', zone => 'kenitra');
SELECT pg_temp.due('17:00:07'), pg_temp.due('17:00:14'), pg_temp.due('17:00:21'), pg_temp.due('17:00:22');
SELECT * FROM pg_temp.offers('here');
SELECT * FROM pg_temp.events('here');
SELECT * FROM pg_temp.offers('there');
SELECT pg_temp.timer('here'), pg_temp.timer('there');
SELECT earnings FROM washminute.washman_offers('waves_m3') UNION ALL SELECT earnings FROM washminute.washman_offers('waves_n1');
SELECT pg_temp.accept('here', 'm1'), pg_temp.accept('here', 'm3'), pg_temp.accept('there', 'n1');
SELECT washman_id, commission, held FROM washminute_data.jobs
 WHERE request_id IN (test_helpers.request('waves_here'), test_helpers.request('waves_there')) ORDER BY washman_id;
SELECT pg_temp.book('here2'), pg_temp.book('here3'), pg_temp.book('here4');
SELECT pg_temp.due('17:01:22'), pg_temp.state('here2');
-- a value that goes is that of all zones again, in this transaction already
BEGIN;
DELETE FROM washminute_data.zone_settings WHERE name = 'offer_size';
SELECT pg_temp.book('here5');
ROLLBACK;
DELETE FROM washminute_data.zone_settings WHERE zone_code = 'oujda';
SELECT test_helpers.cancel('waves_' || name, 'waves_admin') FROM unnest('{here,there}'::text[]) AS name;
SELECT pg_temp.leave();

--
-- What explain_match tells while waves go by
--

CREATE FUNCTION pg_temp.explained(name text) RETURNS TABLE (washman text, offered boolean, reasons text[]) LANGUAGE sql
AS $$
  SELECT substr(m.washman_id, 7), m.offered, m.reasons FROM washminute.explain_match(test_helpers.request('waves_' || name)) AS m
   WHERE NOT m.reasons && '{offline}'
$$;
UPDATE washminute_data.settings SET value = 2 WHERE name = 'offer_size';
SELECT pg_temp.clock('17:30');
SELECT count(pg_temp.come('o' || n, 300 * n)) FROM generate_series(1, 4) AS n;
SELECT pg_temp.come('p1', 7000), pg_temp.come('p2', 8000), pg_temp.come('p3', 9000), pg_temp.come('p4', 12000);
SELECT pg_temp.book('explain', 'card');
SELECT * FROM pg_temp.explained('explain');
SELECT washminute.record_payment(test_helpers.order_of('waves_explain'), 60, 'WAVES-2') AS offered;
SELECT * FROM pg_temp.explained('explain');
SELECT pg_temp.due('17:30:30');
-- the first ring is exhausted: the next wave is for the second one
SELECT * FROM pg_temp.explained('explain');
SELECT pg_temp.due('17:31:00');
SELECT * FROM pg_temp.offers('explain');
SELECT * FROM pg_temp.explained('explain');
-- one of whom a batch tells where he is is nearer than the ring that was reached, and so the next wave is for him
SELECT washminute.upsert_user('waves_o5', 'washman'), washminute.set_washman_status('waves_o5', 'online'),
       washminute.report_locations('{waves_o5}', '{-1.91}', ARRAY[34.68 + 4000 / 110930.0]), test_helpers.decline('waves_explain', 'waves_o1');
SELECT * FROM pg_temp.explained('explain') WHERE NOT offered OR reasons <> '{}';
SELECT pg_temp.due('17:31:30');
SELECT * FROM pg_temp.offers('explain') WHERE wave = 4;
-- after it was given back all but two are to be offered it again, and that is what the others wait for
SELECT pg_temp.accept('explain', 'o5'), test_helpers.advance('waves_explain', 'waves_o5', 'pending');
SELECT * FROM pg_temp.explained('explain');
UPDATE washminute_data.settings SET value = 10 WHERE name = 'offer_size';

SELECT test_helpers.cancel('waves_explain', 'waves_c'), pg_temp.leave();
UPDATE washminute_data.settings AS s SET value = b.value FROM settings_before AS b WHERE b.name = s.name AND b.value <> s.value;
SELECT washminute.set_clock(NULL);
SELECT * FROM washminute.check_invariants();
