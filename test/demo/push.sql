-- What came of the day's push messages: what should have reached the phones, by what
-- happened and by who has which, against what the fake Expo counted.
--
--	:counts, :tally     GET /control and GET /control/tally of test/fakes/expo.js
--	:waited             seconds that the worker took to send the last ones
--
-- Each message to each phone is delivered once, or has expired, or is a dead letter;
-- else it is missing.  What is sent to a device that is gone reaches no phone.

SET search_path = washminute_data, public;
\pset footer off

-- people's phones, and their devices that are gone
CREATE TEMP TABLE owners AS
SELECT u.user_id, u.locale, count(t.token) FILTER (WHERE t.token !~ 'DeviceNotRegistered') AS phones,
       count(t.token) FILTER (WHERE t.token ~ 'DeviceNotRegistered') AS gone
  FROM users AS u LEFT JOIN push_tokens AS t USING (user_id) GROUP BY u.user_id;

-- who was to be told of what
CREATE TEMP TABLE told (event, user_id) AS
SELECT event, user_id FROM washminute_demo.told
UNION ALL
SELECT 'washmanAssigned', washman_id FROM jobs
UNION ALL
SELECT 'requestCancelled', washman_id FROM jobs WHERE outcome = 'cancelled'
UNION ALL
SELECT 'bookingConfirmed', customer_id FROM washing_requests
UNION ALL
SELECT e.event, r.customer_id FROM events AS e JOIN washing_requests AS r USING (request_id)
 WHERE e.event IN ('washmanAssigned', 'washmanEnRoute', 'washmanArrived', 'washStarted', 'washCompleted',
                   'requestExpired', 'requestGivenBack', 'customerNoShow');

-- who holds an offer that he was to be told of at once; one of them may have been made before,
-- for the very moment in which another one is made, and somebody has the job before he is told
SELECT coalesce(sum(greatest(least(made.offers, held.offers) - held.told, 0)), 0) AS untold,
       coalesce(bool_or(held.told < least(made.offers, held.offers)), false) AS is_untold
  FROM (SELECT request_id, at, sum((data->>'offers')::integer) AS offers
          FROM events WHERE event = 'requestOffered' GROUP BY 1, 2) AS made
  JOIN (SELECT f.request_id, f.offered_at AS at, count(*) AS offers,
               count(*) FILTER (WHERE EXISTS (SELECT FROM washminute_demo.told AS t
                 WHERE t.event = 'newWashingRequest' AND t.user_id = f.washman_id AND t.request_id = f.request_id)) AS told
          FROM offers AS f GROUP BY 1, 2) AS held USING (request_id, at) \gset

-- what has not left, and why; a row that is for whoever has an offer is for nobody yet
CREATE TEMP TABLE kept (event, user_id, token, why) AS
SELECT event, recipient_id, token, CASE WHEN attempts > 1 THEN 'tried' ELSE 'expired' END
  FROM washminute_demo.expired WHERE recipient_id IS NOT NULL
UNION ALL
SELECT event, recipient_id, token, state FROM outbox WHERE lane = 'push' AND recipient_id IS NOT NULL;

CREATE TEMP TABLE ends (event, locale, what, messages) AS
SELECT event, locale, 'due', sum(phones) FROM told JOIN owners USING (user_id) GROUP BY 1, 2
UNION ALL
SELECT event, locale, 'gone', sum(gone) FROM told JOIN owners USING (user_id) GROUP BY 1, 2
UNION ALL
SELECT event, locale, 'none', count(*) FROM told JOIN owners USING (user_id) WHERE phones + gone = 0 GROUP BY 1, 2
UNION ALL
SELECT k.event, o.locale, k.why, sum(CASE WHEN k.token IS NULL THEN o.phones ELSE (k.token !~ 'DeviceNotRegistered')::integer END)
  FROM kept AS k JOIN owners AS o USING (user_id) GROUP BY 1, 2, 3
UNION ALL
SELECT event, "group", 'delivered', sum(messages)
  FROM jsonb_to_recordset(:'tally') AS t (event text, "group" text, messages bigint) GROUP BY 1, 2;

CREATE TEMP TABLE sums AS
SELECT event, locale,
       coalesce(sum(messages) FILTER (WHERE what = 'delivered'), 0) AS delivered,
       coalesce(sum(messages) FILTER (WHERE what = 'expired'), 0) AS expired,
       coalesce(sum(messages) FILTER (WHERE what = 'dead'), 0) AS dead,
       coalesce(sum(messages) FILTER (WHERE what = 'gone'), 0) AS gone,
       coalesce(sum(messages) FILTER (WHERE what = 'none'), 0) AS none,
       coalesce(sum(CASE WHEN what = 'due' THEN messages
                         WHEN what IN ('delivered', 'expired', 'dead') THEN -messages END), 0) AS missing,
       coalesce(sum(messages) FILTER (WHERE what = 'tried'), 0) AS tried
  FROM ends GROUP BY event, locale;

-- expired after an attempt whose answer was lost: it may have arrived before
UPDATE sums SET expired = expired + missing, missing = 0 WHERE missing BETWEEN 1 AND tried;

\echo
\echo 'Push messages on the phones, by language, and what became of the others:'
SELECT event,
       coalesce(sum(delivered) FILTER (WHERE locale = 'ar'), 0) AS ar,
       coalesce(sum(delivered) FILTER (WHERE locale = 'fr'), 0) AS fr,
       coalesce(sum(delivered) FILTER (WHERE locale = 'en'), 0) AS en,
       sum(expired) AS expired, sum(dead) AS dead, sum(gone) AS "device gone", sum(none) AS "no device",
       sum(missing) AS missing
  FROM sums GROUP BY event
 ORDER BY array_position(ARRAY['bookingConfirmed', 'newWashingRequest', 'washmanAssigned', 'offerGone', 'washmanEnRoute',
                               'washmanArrived', 'washStarted', 'washCompleted'], event), event;

SELECT sum(delivered) AS delivered, sum(expired) AS expired, sum(dead) AS dead, sum(abs(missing)) AS lost,
       sum(abs(missing)) > 0 AS is_lost
  FROM sums \gset
SELECT count(*) AS waiting FROM outbox WHERE lane = 'push' AND state <> 'dead' \gset
SELECT count(*) AS gone, count(disabled_at) AS disabled FROM push_tokens WHERE token ~ 'DeviceNotRegistered' \gset
SELECT coalesce(sum(messages), 0) AS strange, count(*) > 0 AS is_strange
  FROM jsonb_to_recordset(:'tally') AS t (event text, "group" text, title text, messages bigint)
 WHERE NOT EXISTS (SELECT FROM push_templates AS p
                    WHERE p.event = t.event AND p.locale = t."group" AND p.title = t.title) \gset
SELECT :'counts'::jsonb->>'doubled' AS doubled, :'counts'::jsonb->>'peakPerSecond' AS peak \gset

\if :is_lost
\echo WRONG: :lost push messages are missing or too many; rows that still wait: :waiting
\endif
\if :is_untold
\echo WRONG: :untold washmen who hold an offer were not told of it
\endif
\if :is_strange
\echo WRONG: :strange push messages are not in the language of the phone
\endif
\echo result push_delivered = :delivered
\echo result push_expired = :expired
\echo result push_dead = :dead
\echo result push_lost = :lost
\echo result push_doubled = :doubled
\echo result push_devices_gone = :gone
\echo result push_devices_disabled = :disabled
\echo result push_peak_per_second = :peak
\echo result push_waited_s = :waited
