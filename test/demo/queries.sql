-- the day by the hour: how many booked, how many were served, how long until somebody took it
SELECT date_trunc('hour', created_at) AS hour, count(*) AS booked,
       count(*) FILTER (WHERE status = 'completed') AS served,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY accepted_at - created_at) AS taken_after
  FROM washminute_data.washing_requests GROUP BY 1 ORDER BY 1;

-- the story of the request that waited longest until somebody took it
SELECT h.at, h.event, h.actor, h.detail->>'offers' AS offers
  FROM washminute.request_history((
    SELECT request_id FROM washminute_data.washing_requests
     WHERE status = 'completed' ORDER BY accepted_at - created_at DESC LIMIT 1)) AS h;

-- who earned most, what the platform took of it, and where he is now
SELECT j.washman_id, count(*) AS jobs, sum(o.total) AS sales_mad,
       sum(o.total) FILTER (WHERE o.payment_method = 'card') AS by_card_mad, sum(j.commission) AS commission_mad,
       washminute.washman_balance(j.washman_id) AS balance_mad, ST_AsText(p.last_location, 4) AS place
  FROM washminute_data.jobs AS j
  JOIN washminute_data.washing_requests AS r USING (request_id)
  JOIN washminute_data.orders AS o USING (order_id)
  JOIN washminute_data.washman_positions AS p ON p.washman_id = j.washman_id
 WHERE j.outcome = 'completed'
 GROUP BY j.washman_id, p.last_location ORDER BY sales_mad DESC LIMIT 10;

-- card payments that were paid back, why, and by which call of the gateway
SELECT f.updated_at AS at, o.reference, p.amount AS paid, f.amount AS paid_back, f.reason, f.method, f.status
  FROM washminute_data.refunds AS f JOIN washminute_data.payments AS p USING (payment_id)
  JOIN washminute_data.orders AS o USING (order_id) ORDER BY f.updated_at DESC LIMIT 10;

-- the payment that took most attempts: what the gateway was seen to say
SELECT v.at, a.number AS attempt, v.source, v.code, v.answer AS answered
  FROM washminute_data.payment_observations AS v JOIN washminute_data.payment_attempts AS a USING (attempt_id)
 WHERE a.payment_id = (SELECT payment_id FROM washminute_data.payment_attempts
                        GROUP BY payment_id ORDER BY count(*) DESC, max(final_at) LIMIT 1)
 ORDER BY v.observation_id;

-- a wash of your own, where the last position came from; the clock goes on, as the phones
-- of the washmen near are told one after the other, see below
SELECT washminute.set_clock(washminute.now());
SELECT b.reference, b.washmen_offered
  FROM (SELECT last_location FROM washminute_data.washman_positions ORDER BY last_location_updated_at DESC LIMIT 1) AS p,
       washminute.create_booking('c1', ARRAY['exterior'], ST_X(p.last_location::geometry),
                                 ST_Y(p.last_location::geometry), 'Here', 'cash') AS b;
