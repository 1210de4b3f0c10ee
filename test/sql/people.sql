-- Users and washmen: one person may be several kinds, NULL keeps what is stored,
-- bad input is refused and changes nothing.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
SELECT washminute.set_clock('2026-03-10 10:00+00', 0);

CREATE TEMPORARY VIEW people AS
  SELECT user_id, kinds, name, phone, email, locale, created_at, updated_at
    FROM washminute_data.users WHERE user_id LIKE 'people\_%' ORDER BY user_id COLLATE "C";

-- a phone number or an e-mail address suffices, or neither; blanks in numbers go
SELECT washminute.upsert_user('people_a', 'customer', 'Amina El Fassi', ' +212 612 34 56 78 ', 'amina@example.ma', 'ar');
SELECT washminute.upsert_user('people_b', 'customer', phone => '+212612345679');
SELECT washminute.upsert_user('people_c', 'customer', email => 'c@example.com');
SELECT washminute.upsert_user('people_d', 'admin');
SELECT washminute.upsert_user(user_id => 'people_e', kind => 'customer', name => 'أمينة', phone => NULL, email => NULL, locale => 'en');
SELECT * FROM people;
SELECT count(*) AS washmen FROM washminute_data.washmen WHERE washman_id LIKE 'people\_%';

-- NULL keeps what is stored; other values replace it
SELECT washminute.set_clock('2026-03-10 11:00+00', 0);
SELECT washminute.upsert_user('people_a', 'customer', name => 'Amina');
SELECT washminute.upsert_user('people_b', 'customer', locale => 'en');
SELECT washminute.upsert_user('people_c', 'customer');
SELECT washminute.upsert_user('people_e', 'customer', name => 'أمينة', locale => 'en');
SELECT * FROM people;

-- one more kind makes a washman with status and account; a second call makes no second one
SELECT washminute.upsert_user('people_b', 'washman');
SELECT washminute.upsert_user('people_b', 'washman');
SELECT washminute.upsert_user('people_b', 'admin');
SELECT user_id, kinds FROM people WHERE user_id = 'people_b';
SELECT washman_id, status, status_changed_at, suspended_at
  FROM washminute_data.washmen WHERE washman_id LIKE 'people\_%';
SELECT account_id, kind, balance, held, minimum
  FROM washminute_data.accounts WHERE washman_id LIKE 'people\_%';

-- the longest that goes
SELECT test_helpers.outcome(format('SELECT washminute.upsert_user(%L, ''washman'', %L, ''+123456789012345'', %L)',
                                   'people_' || repeat('x', 121), repeat('é', 200), repeat('x', 242) || '@example.com'));
SELECT test_helpers.outcome($$SELECT washminute.upsert_user('people_g', 'customer', phone => '+1234567')$$);
SELECT char_length(user_id), char_length(name), phone, char_length(email) FROM people WHERE user_id >= 'people_g';

-- bad input
SELECT test_helpers.fingerprint() AS before \gset
SELECT call, test_helpers.outcome('SELECT washminute.upsert_user(' || call || ')')
  FROM (VALUES
    (1, $$NULL, 'customer'$$),
    (2, $$'', 'customer'$$),
    (3, $$'   ', 'customer'$$),
    (4, $$repeat('x', 129), 'customer'$$),
    (5, $$E'people_\n', 'customer'$$),
    (6, $$E'people_\x7f', 'customer'$$),
    (10, $$'people_x', NULL$$),
    (11, $$'people_x', ''$$),
    (12, $$'people_x', 'Customer'$$),
    (13, $$'people_x', 'customer '$$),
    (14, $$'people_x', 'operator'$$),
    (20, $$'people_x', 'customer', ''$$),
    (21, $$'people_x', 'customer', '  '$$),
    (22, $$'people_x', 'customer', repeat('x', 201)$$),
    (23, $$'people_x', 'customer', E'a\tb'$$),
    (30, $$'people_x', 'customer', phone => ''$$),
    (31, $$'people_x', 'customer', phone => '0612345678'$$),
    (32, $$'people_x', 'customer', phone => '00212612345678'$$),
    (33, $$'people_x', 'customer', phone => '+0612345678'$$),
    (34, $$'people_x', 'customer', phone => '+123456'$$),
    (35, $$'people_x', 'customer', phone => '+1234567890123456'$$),
    (36, $$'people_x', 'customer', phone => '+212-612-345-678'$$),
    (37, $$'people_x', 'customer', phone => '+212612345678x'$$),
    (38, $$'people_x', 'customer', phone => '+ '$$),
    (39, $$'people_x', 'customer', phone => '++212612345678'$$),
    (40, $$'people_x', 'customer', phone => '+٢١٢٦١٢٣٤٥٦٧٨'$$),
    (41, $$'people_x', 'customer', phone => '+1' || repeat(' ', 60) || '2345678'$$),
    (50, $$'people_x', 'customer', email => ''$$),
    (51, $$'people_x', 'customer', email => 'amina'$$),
    (52, $$'people_x', 'customer', email => 'amina@example'$$),
    (53, $$'people_x', 'customer', email => '@example.com'$$),
    (54, $$'people_x', 'customer', email => 'a@.com'$$),
    (55, $$'people_x', 'customer', email => 'a@example.'$$),
    (56, $$'people_x', 'customer', email => 'a@b@example.com'$$),
    (57, $$'people_x', 'customer', email => 'a b@example.com'$$),
    (58, $$'people_x', 'customer', email => repeat('x', 250) || '@b.ma'$$),
    (59, $$'people_x', 'customer', email => E'a@b.ma\n'$$),
    (60, $$'people_x', 'customer', locale => ''$$),
    (61, $$'people_x', 'customer', locale => 'FR'$$),
    (62, $$'people_x', 'customer', locale => 'de'$$)
  ) AS c (number, call) ORDER BY number;
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;

-- online and offline: recorded once per change
SELECT washminute.set_clock('2026-03-10 12:00+00', 0);
SELECT washminute.set_washman_status('people_b', 'online');
SELECT washminute.set_clock('2026-03-10 13:00+00', 0);
SELECT washminute.set_washman_status('people_b', 'online');
SELECT status, status_changed_at FROM washminute_data.washmen WHERE washman_id = 'people_b';
SELECT washminute.set_washman_status(washman_id => 'people_b', status => 'offline');
SELECT status, status_changed_at FROM washminute_data.washmen WHERE washman_id = 'people_b';
SELECT at, event, request_id, actor_id, data FROM washminute_data.events WHERE actor_id = 'people_b' ORDER BY event_id;

-- a suspended washman can go offline, not online
SELECT washminute.set_washman_status('people_b', 'online');
UPDATE washminute_data.washmen SET suspended_at = washminute.now() WHERE washman_id = 'people_b';
SELECT test_helpers.outcome($$SELECT washminute.set_washman_status('people_b', 'online')$$);
SELECT test_helpers.outcome($$SELECT washminute.set_washman_status('people_b', 'offline')$$);
SELECT test_helpers.outcome($$SELECT washminute.set_washman_status('people_b', 'online')$$);
UPDATE washminute_data.washmen SET suspended_at = NULL WHERE washman_id = 'people_b';
SELECT test_helpers.outcome($$SELECT washminute.set_washman_status('people_b', 'online')$$);

SELECT test_helpers.fingerprint() AS before \gset
SELECT call, test_helpers.outcome('SELECT washminute.set_washman_status(' || call || ')')
  FROM (VALUES
    (1, $$NULL, 'online'$$),
    (2, $$'', 'online'$$),
    (3, $$repeat('x', 129), 'online'$$),
    (4, $$'people_nobody', 'online'$$),
    (5, $$'people_a', 'online'$$),
    (6, $$'people_b', NULL$$),
    (7, $$'people_b', ''$$),
    (8, $$'people_b', 'busy'$$),
    (9, $$'people_b', 'ONLINE'$$)
  ) AS c (number, call) ORDER BY number;
SELECT test_helpers.fingerprint() = :'before' AS nothing_changed;

SELECT washminute.set_washman_status('people_b', 'offline');
SELECT washminute.set_clock(NULL);
SELECT * FROM washminute.check_invariants();
