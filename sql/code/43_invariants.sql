-- Each branch names one invariant and returns what violates it.
CREATE OR REPLACE FUNCTION washminute.check_invariants()
RETURNS TABLE (invariant text, detail text)
LANGUAGE sql STABLE PARALLEL RESTRICTED ROWS 10
SET search_path FROM CURRENT
AS $$
  SELECT 'a request has at most one live job', j.request_id::text
    FROM washminute_data.jobs AS j WHERE j.live
   GROUP BY j.request_id HAVING pg_catalog.count(*) > 1
  UNION ALL
  SELECT 'live jobs of a washman never overlap', pg_catalog.format('jobs %s and %s', a.job_id, b.job_id)
    FROM washminute_data.jobs AS a
    JOIN washminute_data.jobs AS b
      ON b.washman_id = a.washman_id AND b.job_id > a.job_id AND b.period && a.period
   WHERE a.live AND b.live
  UNION ALL
  SELECT 'a request is in hand exactly while a live job of its washman stands', r.request_id::text
    FROM washminute_data.washing_requests AS r
    LEFT JOIN washminute_data.jobs AS j
           ON j.request_id = r.request_id AND j.live
   WHERE (r.status IN ('accepted', 'en_route', 'arrived', 'in_progress')) <> (j.job_id IS NOT NULL)
      OR j.washman_id <> r.washman_id
  UNION ALL
  SELECT 'a request that was done has exactly one job with that outcome', r.request_id::text
    FROM washminute_data.washing_requests AS r
   WHERE r.status IN ('completed', 'no_show')
     AND (SELECT pg_catalog.count(*) FROM washminute_data.jobs AS j
           WHERE j.request_id = r.request_id AND j.outcome = r.status
             AND j.washman_id = r.washman_id) <> 1
  UNION ALL
  SELECT 'the washman of a job was offered the request', j.job_id::text
    FROM washminute_data.jobs AS j
    LEFT JOIN washminute_data.offers AS f
           ON f.request_id = j.request_id AND f.washman_id = j.washman_id
   WHERE f.request_id IS NULL
  UNION ALL
  SELECT 'the last move in the event log is to the present status', r.request_id::text
    FROM washminute_data.washing_requests AS r
    LEFT JOIN LATERAL (
      SELECT e.data->>'status' AS status FROM washminute_data.events AS e
       WHERE e.request_id = r.request_id ORDER BY e.event_id DESC LIMIT 1) AS last ON true
   WHERE last.status IS DISTINCT FROM r.status
  UNION ALL
  SELECT 'order and request agree', pg_catalog.format('order %s is %s, its request %s', o.order_id, o.status, r.status)
    FROM washminute_data.washing_requests AS r
    JOIN washminute_data.orders AS o ON o.order_id = r.order_id
   WHERE NOT CASE r.status
               WHEN 'completed' THEN o.status = 'completed' AND o.payment_verified
               WHEN 'cancelled' THEN o.status IN ('cancelled', 'refunded')
               WHEN 'expired' THEN o.status IN ('cancelled', 'refunded')
               WHEN 'no_show' THEN o.status IN ('cancelled', 'refunded')
               ELSE o.status IN ('pending', 'paid') END
      OR (o.payment_method = 'card' AND o.status = 'completed' AND NOT o.payment_verified)
  UNION ALL
  SELECT 'every order has a request', o.order_id::text
    FROM washminute_data.orders AS o
   WHERE NOT EXISTS (SELECT FROM washminute_data.washing_requests AS r WHERE r.order_id = o.order_id)
  UNION ALL
  SELECT 'the lines of an order sum to its total', o.order_id::text
    FROM washminute_data.orders AS o
   WHERE o.total IS DISTINCT FROM
         (SELECT pg_catalog.sum(l.price) FROM washminute_data.order_lines AS l WHERE l.order_id = o.order_id)
  UNION ALL
  SELECT 'a pending request has a timer', r.request_id::text
    FROM washminute_data.washing_requests AS r
    LEFT JOIN washminute_data.request_timers AS t ON t.request_id = r.request_id
   WHERE r.status = 'pending' AND t.request_id IS NULL
  UNION ALL
  SELECT 'a washman''s balance is the sum of his transfers', a.account_id
    FROM washminute_data.accounts AS a
    LEFT JOIN (SELECT e.account_id, pg_catalog.sum(e.amount) AS amount
                 FROM washminute_data.ledger_entries AS e GROUP BY e.account_id) AS s
           ON s.account_id = a.account_id
   WHERE a.kind = 'washman' AND a.balance <> COALESCE(s.amount, 0)
  UNION ALL
  SELECT 'what is held is the sum of live jobs', a.account_id
    FROM washminute_data.accounts AS a
    LEFT JOIN (SELECT j.washman_id, pg_catalog.sum(j.held) AS held
                 FROM washminute_data.jobs AS j WHERE j.live GROUP BY j.washman_id) AS s
           ON s.washman_id = a.washman_id
   WHERE a.kind = 'washman' AND a.held <> COALESCE(s.held, 0)
  UNION ALL
  SELECT 'every washman has an account', w.washman_id
    FROM washminute_data.washmen AS w
   WHERE NOT EXISTS (SELECT FROM washminute_data.accounts AS a WHERE a.washman_id = w.washman_id)
  UNION ALL
  SELECT 'a completed order took its commission', o.order_id::text
    FROM washminute_data.orders AS o
    JOIN washminute_data.washing_requests AS r ON r.order_id = o.order_id
    JOIN washminute_data.jobs AS j ON j.request_id = r.request_id AND j.outcome = 'completed'
    LEFT JOIN washminute_data.transfers AS t ON t.order_id = o.order_id AND t.purpose = 'commission'
   WHERE j.commission <> COALESCE(t.amount, 0)
  UNION ALL
  SELECT 'an order that was not completed took no commission', t.order_id::text
    FROM washminute_data.transfers AS t
    JOIN washminute_data.orders AS o ON o.order_id = t.order_id
   WHERE t.purpose IN ('commission', 'washman_income') AND o.status <> 'completed'
  UNION ALL
  SELECT 'the customers'' funds are those of paid orders in hand', 'customer_funds'
   WHERE (SELECT COALESCE(pg_catalog.sum(e.amount), 0) FROM washminute_data.ledger_entries AS e
           WHERE e.account_id = 'customer_funds')
      <> (SELECT COALESCE(pg_catalog.sum(o.total), 0) FROM washminute_data.orders AS o
           WHERE o.payment_method = 'card' AND o.status = 'paid')
  UNION ALL
  SELECT 'a paid order that came to nothing is due back', o.order_id::text
    FROM washminute_data.orders AS o
    LEFT JOIN washminute_data.transfers AS t ON t.order_id = o.order_id AND t.purpose = 'refund_due'
   WHERE o.payment_method = 'card' AND o.payment_verified AND o.status IN ('cancelled', 'refunded')
     AND t.amount IS DISTINCT FROM o.total
$$;
COMMENT ON FUNCTION washminute.check_invariants() IS
  'What must always be true of the data: each violation with its detail, no row when all is well.';
