-- The story of a request, in order, with who did what.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
SET default_transaction_isolation TO serializable;
SELECT washminute.set_clock('2026-06-08 10:00+00', 0);
SELECT washminute.upsert_user('history_c', 'customer'), washminute.upsert_user('history_a', 'admin');
SELECT test_helpers.washman('history_1', -6.58, 34.26), test_helpers.washman('history_2', -6.58, 34.27);

SELECT test_helpers.book('history', 'history_c', '{complete}', -6.58, 34.26);
SELECT washminute.set_clock('2026-06-08 10:01+00', 0);
SELECT test_helpers.decline('history', 'history_2');
SELECT test_helpers.accept('history', 'history_1');
SELECT washminute.set_clock('2026-06-08 10:02+00', 0);
SELECT test_helpers.advance('history', 'history_1', 'en_route');
SELECT washminute.set_clock('2026-06-08 10:03+00', 0);
SELECT test_helpers.advance('history', 'history_1', 'pending');
SELECT test_helpers.cancel('history', 'history_a', 'nobody left');

SELECT at, event, actor, detail - '{requestId,orderId,reference}'::text[] AS detail FROM washminute.request_history(request_id => test_helpers.request('history'));
SELECT bool_and(detail->>'requestId' = test_helpers.request('history')::text AND detail->>'orderId' = test_helpers.order_of('history')::text) AS of_this_request
  FROM washminute.request_history(test_helpers.request('history'));

-- keys are camelCase, everywhere
SELECT DISTINCT key FROM washminute_data.events, jsonb_object_keys(data) AS key WHERE key !~ '^[a-z]+([A-Z][a-z]+)*$' ORDER BY key;
SELECT DISTINCT key FROM washminute_data.outbox, jsonb_object_keys(data) AS key WHERE key !~ '^[a-z]+([A-Z][a-z]+)*$' ORDER BY key;

-- nothing to tell of what does not exist
SELECT count(*) FROM washminute.request_history('00000000-0000-0000-0000-000000000000');
SELECT count(*) FROM washminute.request_history(NULL);

-- the log outlives what it tells of
SELECT count(*) AS foreign_keys FROM pg_constraint WHERE conrelid = 'washminute_data.events'::regclass AND contype = 'f';

SELECT washminute.set_washman_status('history_1', 'offline'), washminute.set_washman_status('history_2', 'offline');
SELECT * FROM washminute.check_invariants();
SELECT washminute.set_clock(NULL);
