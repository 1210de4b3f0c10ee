-- Live events: to the sockets of apps, through Socket.IO's Postgres adapter.

CREATE OR REPLACE FUNCTION washminute.emit(room text, event text, data jsonb DEFAULT '{}') RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_emit';
COMMENT ON FUNCTION washminute.emit(text, text, jsonb) IS
  'Sends a live event to the sockets in a room (user-<id>, chat-<id>, a socket''s id) once this transaction has committed; the id of its outbox row, 0 where it gets none (washminute.realtime_mode).';

CREATE OR REPLACE FUNCTION washminute.emit(rooms text[], event text, data jsonb DEFAULT '{}') RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_emit_rooms';
COMMENT ON FUNCTION washminute.emit(text[], text, jsonb) IS
  'The same to the sockets in any of these rooms, to each socket once.';

CREATE OR REPLACE FUNCTION washminute.emit_all(event text, data jsonb DEFAULT '{}') RETURNS bigint
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_emit_all';
COMMENT ON FUNCTION washminute.emit_all(text, jsonb) IS 'The same to all sockets.';

CREATE OR REPLACE FUNCTION washminute.socket_join(sid text, rooms text[]) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_socket_join';
COMMENT ON FUNCTION washminute.socket_join(text, text[]) IS
  'Lets a socket join rooms once this transaction has committed: before what is emitted to them later, and after what was emitted before.';

CREATE OR REPLACE FUNCTION washminute.socket_leave(sid text, rooms text[]) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_socket_leave';
COMMENT ON FUNCTION washminute.socket_leave(text, text[]) IS 'Lets a socket leave rooms.';

CREATE OR REPLACE FUNCTION washminute.user_join(user_id text, room text) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_user_join';
COMMENT ON FUNCTION washminute.user_join(text, text) IS 'Lets all sockets that a user has now join a room.';

CREATE OR REPLACE FUNCTION washminute.user_leave(user_id text, room text) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_user_leave';
COMMENT ON FUNCTION washminute.user_leave(text, text) IS 'Takes all sockets of a user out of a room.';

CREATE OR REPLACE FUNCTION washminute.user_logout(user_id text) RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_user_logout';
COMMENT ON FUNCTION washminute.user_logout(text) IS
  'Disconnects all sockets of a user; his apps do not connect again by themselves.';

CREATE OR REPLACE FUNCTION washminute.server_emit(event text, data jsonb DEFAULT '{}') RETURNS void
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_server_emit';
COMMENT ON FUNCTION washminute.server_emit(text, jsonb) IS
  'Sends an event to the gateways themselves, not to their clients.';

CREATE OR REPLACE FUNCTION washminute.pump_events(max_events integer DEFAULT 1000) RETURNS integer
LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_pump_events';
COMMENT ON FUNCTION washminute.pump_events(integer) IS
  'Publishes live events that wait in the outbox, as the worker does by itself; how many.';

CREATE OR REPLACE FUNCTION washminute.live_cursor() RETURNS bigint
LANGUAGE sql STABLE PARALLEL RESTRICTED
SET search_path FROM CURRENT
AS $$
  SELECT GREATEST((SELECT pg_catalog.max(e.position) FROM washminute_data.socket_events AS e), i.socket_events_floor)
    FROM washminute_data.instance AS i
$$;
COMMENT ON FUNCTION washminute.live_cursor() IS
  'The position of the last live event that can be seen now: where an app begins that has just read everything.';

-- Not his chats': what is written there is told in the rooms of its members, and who views a
-- chat is of no use later.
CREATE OR REPLACE FUNCTION washminute._live_rooms(user_id text, as_admin boolean DEFAULT true) RETURNS text[]
LANGUAGE sql STABLE PARALLEL RESTRICTED
SET search_path FROM CURRENT
AS $$
  SELECT ARRAY['user-' || _live_rooms.user_id, '']
         || CASE WHEN _live_rooms.as_admin AND u.kinds @> '{admin}' THEN '{admins}'::text[] ELSE '{}' END
    FROM (SELECT) AS one LEFT JOIN washminute_data.users AS u ON u.user_id = _live_rooms.user_id
$$;
COMMENT ON FUNCTION washminute._live_rooms(text, boolean) IS
  'Internal: the rooms of a user, that of all included, whose events he may ask for; that of administrators only where he is one and acts as one.';

CREATE OR REPLACE FUNCTION washminute.missed_events(user_id text, after bigint, max_events integer DEFAULT 200, as_admin boolean DEFAULT true)
RETURNS TABLE ("position" bigint, room text, event text, data jsonb, at timestamptz)
LANGUAGE C STABLE PARALLEL UNSAFE ROWS 50
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off
AS 'MODULE_PATHNAME', 'washminute_missed_events';
COMMENT ON FUNCTION washminute.missed_events(text, bigint, integer, boolean) IS
  'The live events of a user''s rooms after a position, the greatest eid that his app has seen, in order and each once. WM_CURSOR_TOO_OLD where some of them are not kept any more. Those of administrators only with as_admin.';

CREATE OR REPLACE FUNCTION washminute._live_positions()
RETURNS TABLE (request_id uuid, located_at timestamptz, data jsonb)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 100
SET search_path FROM CURRENT
AS $$
  -- the jobs first: in a town there are far fewer of them than washmen who were seen lately
  WITH in_hand AS MATERIALIZED (
    SELECT j.request_id, j.washman_id
      FROM washminute_data.jobs AS j
      JOIN washminute_data.washing_requests AS r ON r.request_id = j.request_id
     WHERE j.live AND r.status IN ('accepted', 'en_route', 'arrived', 'in_progress')
       AND (r.status <> 'accepted' OR r.reservation_at IS NULL OR r.reservation_at < washminute.now() + '1 hour'::interval))
  SELECT i.request_id, p.last_location_updated_at, pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
           'requestId', i.request_id, 'washmanId', i.washman_id,
           'longitude', ST_X(p.last_location::geometry), 'latitude', ST_Y(p.last_location::geometry),
           'accuracyMetres', p.accuracy_m, 'locatedAt', p.last_location_updated_at))
    FROM in_hand AS i
    JOIN washminute_data.washman_positions AS p ON p.washman_id = i.washman_id
   WHERE p.last_location_updated_at > washminute.now() - '2 minutes'::interval
$$;
COMMENT ON FUNCTION washminute._live_positions() IS
  'Internal: where the washmen are whose customers may see it now, by the table, if they were seen lately.';

CREATE OR REPLACE FUNCTION washminute._to_msgpack(data jsonb) RETURNS bytea
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
SET search_path FROM CURRENT
AS 'MODULE_PATHNAME', 'washminute_to_msgpack';
COMMENT ON FUNCTION washminute._to_msgpack(jsonb) IS 'Internal: JSON as MessagePack.';
