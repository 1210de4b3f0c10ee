-- Who is asking: the sub of the claims that PostgREST leaves; and under which id,
-- which is kept on events and outbox rows.
SET timezone TO 'UTC';
SET datestyle TO 'ISO, YMD';
\pset format unaligned
\pset null '(null)'

SELECT washminute.current_user_id();
SELECT test_helpers.outcome('SELECT washminute.require_caller()');

CREATE FUNCTION pg_temp.caller(claims text) RETURNS text LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM set_config('request.jwt.claims', claims, true);
  RETURN COALESCE(washminute.current_user_id(), '(null)') || ', ' || test_helpers.outcome('SELECT washminute.require_caller()');
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE;
END
$$;
SELECT claims, pg_temp.caller(claims)
  FROM (VALUES
    (1, ''),
    (2, '{"sub": "caller_1"}'),
    (3, '{"role": "washminute_customer", "sub": "caller_é\u0020\"1\"", "exp": 1}'),
    (4, '{"role": "washminute_customer"}'),
    (5, '{"sub": ""}'),
    (6, '{"sub": null}'),
    (7, '{"sub": 7}'),
    (8, '{"sub": ["caller_1"]}'),
    (9, '{"SUB": "caller_1"}'),
    (10, '{"claims": {"sub": "caller_1"}}'),
    (11, '["sub"]'),
    (12, '"sub"'),
    (13, 'null'),
    (14, '{"sub": "caller_1"')
  ) AS c (number, claims) ORDER BY number;
SELECT washminute.current_user_id() AS outside_the_transaction;

--
-- The correlation id
--

SELECT washminute.set_clock('2026-04-21 10:00+00', 0);
SELECT washminute.upsert_user('caller_c', 'customer');
SELECT test_helpers.washman('caller_w', -7.62, 33.00);

CREATE FUNCTION pg_temp.kept(name text, own text, headers text) RETURNS text LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM set_config('washminute.correlation_id', own, true), set_config('request.headers', headers, true);
  PERFORM test_helpers.book(name, 'caller_c', '{exterior}', -7.62, 33.00);
  RETURN (SELECT string_agg(DISTINCT format('%s %s: %s', count, kind, COALESCE(correlation_id, '(null)')), ', ')
            FROM (SELECT 'events' AS kind, correlation_id, count(*) FROM washminute_data.events WHERE request_id = test_helpers.request(name) GROUP BY 2
                  UNION ALL SELECT 'outbox rows', correlation_id, count(*) FROM washminute_data.outbox
                             WHERE data->>'requestId' = test_helpers.request(name)::text GROUP BY 2) AS k);
END
$$;
SELECT number, pg_temp.kept('caller_' || number, own, headers)
  FROM (VALUES
    (1, '', ''),
    (2, 'own-1', ''),
    (3, '', '{"x-request-id": "header-1", "host": "example"}'),
    (4, 'own-2', '{"x-request-id": "header-2"}'),
    (5, '', '{"x-request-id": ""}'),
    (6, '', '{"host": "example"}'),
    (7, '', format('{"x-request-id": "%s"}', repeat('x', 128))),
    (8, '', format('{"x-request-id": "%s"}', repeat('x', 129)))
  ) AS c (number, own, headers) ORDER BY number;
-- what the setting would refuse is not taken from a header either
SELECT number, pg_temp.kept('caller_' || number, '', headers)
  FROM (VALUES
    (11, '{"x-request-id": "two words"}'),
    (12, '{"x-request-id": "two\nlines"}'),
    (13, '{"x-request-id": "é"}')
  ) AS c (number, headers) ORDER BY number;

-- the setting is for anybody, within limits
SELECT value, test_helpers.outcome(format('SET washminute.correlation_id TO %L', value))
  FROM (VALUES (1, 'abc-123/~!'), (2, 'two words'), (3, E'two\nlines'), (4, 'é'), (5, repeat('x', 129)), (6, '')) AS v (number, value) ORDER BY number;
CREATE ROLE regress_washminute_caller;
SET ROLE regress_washminute_caller;
SET washminute.correlation_id TO 'mine';
SHOW washminute.correlation_id;
SET washminute.log_commands TO on;
SET washminute.lock_timeout TO 1;
SET washminute.no_such_setting TO 1;
RESET ROLE;
SET washminute.log_commands TO on;
SET washminute.lock_timeout TO 1;
ALTER ROLE regress_washminute_caller SET washminute.lock_timeout TO 1;
DROP ROLE regress_washminute_caller;
RESET washminute.correlation_id;
SELECT name, setting, unit, context FROM pg_settings WHERE name LIKE 'washminute.%' AND name IN ('washminute.correlation_id', 'washminute.lock_timeout', 'washminute.log_commands') ORDER BY name;
SELECT name FROM pg_settings WHERE name LIKE 'washminute.%' AND name <> 'washminute.correlation_id' AND context NOT IN ('sighup', 'postmaster') ORDER BY name;

SELECT washminute.set_washman_status('caller_w', 'offline');
SELECT washminute.set_clock(NULL);
SELECT * FROM washminute.check_invariants();
