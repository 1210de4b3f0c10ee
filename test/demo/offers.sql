-- How the day's requests found their washmen: by waves, by distance, and what went wrong.

SET search_path = washminute_data, public;
\pset footer off

SELECT offer_policy FROM service_zones WHERE zone_code = 'demo' \gset
SELECT value AS wave_seconds FROM settings WHERE name = 'wave_seconds' \gset

-- the waves, but for those after a job was given back, and washmen who came online
CREATE TEMP TABLE waves AS
SELECT e.request_id, (e.data->>'wave')::integer AS wave, min(e.at) AS at
  FROM events AS e
 WHERE e.event = 'requestOffered'
   AND NOT EXISTS (SELECT FROM events AS b WHERE b.request_id = e.request_id AND b.event = 'requestGivenBack'
                      AND b.event_id < e.event_id)
 GROUP BY 1, 2;

-- whoever had a job, the wave in which he was offered it, and how long after the first
-- one: a card job's comes once it is paid
CREATE TEMP TABLE taken AS
SELECT j.request_id, j.outcome, j.accepted_at, f.distance_m,
       CASE WHEN row_number() OVER (PARTITION BY j.request_id ORDER BY j.job_id) > 1 THEN 'again'
            WHEN f.wave > 2 THEN '3 and later' ELSE f.wave::text END AS wave,
       extract(epoch FROM j.accepted_at - coalesce(w.at, r.created_at)) AS seconds
  FROM jobs AS j
  JOIN offers AS f USING (request_id, washman_id)
  JOIN washing_requests AS r USING (request_id)
  LEFT JOIN (SELECT request_id, min(at) AS at FROM waves GROUP BY 1) AS w USING (request_id);

\echo
\echo 'Waves of offers (policy' :offer_policy'); "again" is after a washman gave the job back:'
SELECT w.wave, w.requests AS "requests offered", t.taken, round(100.0 * t.taken / sum(t.taken) OVER (), 1) AS "% of all",
       round(t.way) AS "mean way, m", round(t.seconds, 1) AS "mean s since offered"
  FROM (SELECT CASE WHEN wave > 2 THEN '3 and later' ELSE wave::text END AS wave, count(DISTINCT request_id) AS requests
          FROM waves GROUP BY 1
         UNION ALL
        SELECT 'again', count(DISTINCT request_id) FROM events WHERE event = 'requestGivenBack') AS w
  LEFT JOIN (SELECT wave, count(*) AS taken, avg(distance_m) AS way, avg(seconds) AS seconds
               FROM taken GROUP BY 1) AS t USING (wave)
 ORDER BY w.wave;

\echo 'What went wrong for people:'
SELECT (SELECT count(*) FROM washing_requests WHERE status = 'expired') AS expired,
       (SELECT count(*) FROM jobs WHERE outcome = 'given_back') AS "given back",
       count(*) FILTER (WHERE status = 'cancelled' AND washman_id IS NULL) AS "cancelled early",
       count(*) FILTER (WHERE status = 'cancelled' AND washman_id IS NOT NULL AND fee = 0) AS "with a washman",
       count(*) FILTER (WHERE status = 'cancelled' AND fee > 0) AS "for a fee",
       count(*) FILTER (WHERE status = 'no_show') AS "nobody there",
       sum(fee) AS "fees, MAD",
       (SELECT sum(amount) FROM transfers WHERE purpose = 'cancellation_share') AS "of them to washmen",
       (SELECT sum(amount) FROM receivables WHERE settled_at IS NULL) AS "owed"
  FROM (SELECT r.status, r.washman_id, o.fee FROM washing_requests AS r JOIN orders AS o USING (order_id)) AS r;

-- How late waves are.  One that finds nobody leaves no trace, so where the next comes
-- after more than the time of two, one was missed out.
CREATE TEMP TABLE late AS
SELECT gap - :wave_seconds AS seconds
  FROM (SELECT extract(epoch FROM at - lag(at) OVER (PARTITION BY request_id ORDER BY wave)) AS gap FROM waves) AS g
 WHERE gap < 2 * :wave_seconds;

SELECT coalesce(round(percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds)::numeric, 3), 0) AS late_p50,
       coalesce(round(percentile_cont(0.99) WITHIN GROUP (ORDER BY seconds)::numeric, 3), 0) AS late_p99
  FROM late \gset
SELECT count(*) AS later_waves FROM waves WHERE wave > 1 \gset
SELECT count(*) FILTER (WHERE wave = '1') AS in_wave_1, count(*) FILTER (WHERE wave = '2') AS in_wave_2,
       count(*) FILTER (WHERE wave = '3 and later') AS in_wave_3,
       count(*) FILTER (WHERE wave = 'again') AS again,
       round(avg(distance_m)) AS way, round(avg(seconds), 1) AS seconds
  FROM taken \gset
SELECT count(*) FILTER (WHERE r.status = 'cancelled') AS cancelled_late, sum(o.fee) AS fees
  FROM orders AS o JOIN washing_requests AS r USING (order_id) WHERE o.fee > 0 \gset
SELECT refused_impossible, refused_old FROM washminute.live_status() \gset
SELECT :'fees' = '' AS no_fees \gset
\if :no_fees
\set fees 0
\endif

\echo result taken_in_wave_1 = :in_wave_1
\echo result taken_in_wave_2 = :in_wave_2
\echo result taken_in_wave_3_or_later = :in_wave_3
\echo result taken_again = :again
\echo result way_mean_m = :way
\echo result taken_after_s = :seconds
\echo result later_waves = :later_waves
\echo result wave_late_s_p50 = :late_p50
\echo result wave_late_s_p99 = :late_p99
\echo result cancelled_for_a_fee = :cancelled_late
\echo result fees_mad = :fees
\echo result positions_not_believed = :refused_impossible
\echo result positions_too_old = :refused_old
