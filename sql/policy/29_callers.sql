-- What policies and views ask of the tables behind the caller's back. These run as
-- washminute_owner and answer about the caller alone. They are ordinary objects, so that a policy
-- may name them; their bodies are strings, which bind nothing of the extension.

CREATE OR REPLACE FUNCTION washminute_data.caller_is_admin() RETURNS boolean
LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
  SELECT EXISTS (SELECT FROM washminute_data.users AS u
                  WHERE u.user_id = (SELECT washminute.current_user_id())
                    AND 'admin' = ANY (u.kinds) AND u.blocked_at IS NULL)
$$;
COMMENT ON FUNCTION washminute_data.caller_is_admin() IS
  'For policies: whether the caller is an administrator who is not blocked, whatever his token says.';

CREATE OR REPLACE FUNCTION washminute_data.notifications_of_caller()
RETURNS TABLE (event_id bigint, at timestamptz, event text, request_id uuid, title text, body text)
LANGUAGE sql STABLE PARALLEL RESTRICTED SECURITY DEFINER ROWS 300
SET search_path TO pg_catalog, pg_temp SET enable_seqscan TO off SET jit TO off
AS $$
  WITH caller AS MATERIALIZED (
    SELECT u.user_id, u.locale FROM washminute_data.users AS u WHERE u.user_id = (SELECT washminute.current_user_id())),
  text AS MATERIALIZED (
    SELECT DISTINCT ON (p.event, p.audience) p.event, p.audience, p.locale, p.title, p.body
      FROM washminute_data.push_templates AS p CROSS JOIN caller AS c
     ORDER BY p.event, p.audience, p.locale = c.locale DESC, p.locale = 'fr' DESC),
  mine AS (
    SELECT newest.request_id, newest.zone_code, 'customer' AS audience, timestamptz '-infinity' AS since
      FROM (SELECT r.request_id, r.zone_code FROM washminute_data.washing_requests AS r
             WHERE r.customer_id = (SELECT c.user_id FROM caller AS c)
             ORDER BY r.created_at DESC FETCH FIRST 100 ROWS WITH TIES) AS newest
    UNION ALL
    SELECT r.request_id, r.zone_code, 'washman', r.accepted_at
      FROM (SELECT DISTINCT newest.request_id
              FROM (SELECT j.request_id FROM washminute_data.jobs AS j
                     WHERE j.washman_id = (SELECT c.user_id FROM caller AS c)
                     ORDER BY j.job_id DESC LIMIT 100) AS newest) AS job
      JOIN washminute_data.washing_requests AS r
        ON r.request_id = job.request_id AND r.washman_id = (SELECT c.user_id FROM caller AS c))
  SELECT e.event_id, e.at, t.event, e.request_id,
         washminute.fill_text(t.title, t.locale, d.data), washminute.fill_text(t.body, t.locale, d.data)
    FROM mine AS m
    JOIN washminute_data.events AS e ON e.request_id = m.request_id AND e.at >= m.since
    JOIN text AS t
      ON t.audience = m.audience
     AND t.event = CASE e.event
                     WHEN 'newWashingRequest' THEN 'bookingConfirmed'
                     WHEN 'scheduledRequest' THEN 'reservationConfirmed'
                     WHEN 'upcomingReservation' THEN CASE WHEN e.data->>'stage' = 'reminder' THEN 'reservationReminder' END
                     ELSE e.event END,
         LATERAL (
           SELECT CASE WHEN e.data ? 'reservationAt'
                  THEN e.data || (
                    SELECT pg_catalog.jsonb_build_object(
                             'startsAt', pg_catalog.to_char(s.at AT TIME ZONE z.time_zone, 'YYYY-MM-DD"T"HH24:MI'),
                             'minutes', pg_catalog.ceil(pg_catalog.date_part('epoch', s.at - e.at) / 60))
                      FROM (SELECT (e.data->>'reservationAt')::timestamptz) AS s (at), washminute_data.service_zones AS z
                     WHERE z.zone_code = m.zone_code)
                  ELSE e.data END) AS d (data)
$$;
COMMENT ON FUNCTION washminute_data.notifications_of_caller() IS
  'For the view of notifications: what is told of the caller''s newest 100 requests, and of his newest 100 jobs from his acceptance on, in his language.';

REVOKE ALL ON FUNCTION washminute_data.caller_is_admin(), washminute_data.notifications_of_caller() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION washminute_data.caller_is_admin() TO washminute_admin;
GRANT EXECUTE ON FUNCTION washminute_data.notifications_of_caller() TO washminute_customer, washminute_washman;
