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
      ON b.washman_id = a.washman_id AND b.job_id > a.job_id AND b.period OPERATOR(pg_catalog.&&) a.period
   WHERE a.live AND b.live
  UNION ALL
  SELECT 'a request is in hand exactly while a live job of its washman stands', r.request_id::text
    FROM washminute_data.washing_requests AS r
    LEFT JOIN washminute_data.jobs AS j
           ON j.request_id = r.request_id AND j.live
   WHERE (r.status IN ('accepted', 'en_route', 'arrived', 'in_progress')) <> (j.job_id IS NOT NULL)
      OR j.washman_id <> r.washman_id
  UNION ALL
  SELECT 'every job is of a request', j.job_id::text
    FROM washminute_data.jobs AS j
   WHERE NOT EXISTS (SELECT FROM washminute_data.washing_requests AS r WHERE r.request_id = j.request_id)
  UNION ALL
  SELECT 'a request that was done has exactly one job with that outcome', r.request_id::text
    FROM washminute_data.washing_requests AS r
    LEFT JOIN (SELECT j.request_id, j.washman_id, j.outcome, pg_catalog.count(*) AS jobs
                 FROM washminute_data.jobs AS j GROUP BY j.request_id, j.washman_id, j.outcome) AS done
           ON done.request_id = r.request_id AND done.outcome = r.status
          AND done.washman_id = r.washman_id
   WHERE r.status IN ('completed', 'no_show') AND done.jobs IS DISTINCT FROM 1
  UNION ALL
  SELECT 'the washman of a job was offered the request, given it by an operator, or took a reservation ahead', j.job_id::text
    FROM washminute_data.jobs AS j
    LEFT JOIN washminute_data.offers AS f
           ON f.request_id = j.request_id AND f.washman_id = j.washman_id
   WHERE f.request_id IS NULL
     AND NOT EXISTS (SELECT FROM washminute_data.events AS e
                      WHERE e.request_id = j.request_id AND e.data->>'washmanId' = j.washman_id
                        AND (e.event = 'requestReassigned'
                             OR (e.event = 'washmanAssigned' AND e.data->>'reason' = 'ahead')))
  UNION ALL
  SELECT 'a job was accepted while its offer stood', j.job_id::text
    FROM washminute_data.jobs AS j
    JOIN washminute_data.offers AS f
      ON f.request_id = j.request_id AND f.washman_id = j.washman_id AND f.offered_at <= j.accepted_at
   WHERE j.accepted_at >= f.expires_at AND f.answered_at IS NULL
     AND NOT EXISTS (SELECT FROM washminute_data.events AS e
                      WHERE e.request_id = j.request_id AND e.data->>'washmanId' = j.washman_id
                        AND (e.event = 'requestReassigned'
                             OR (e.event = 'washmanAssigned' AND e.data->>'reason' = 'ahead')))
  UNION ALL
  SELECT 'a request was offered within its ring, in a wave it has had', pg_catalog.format('%s to %s', f.request_id, f.washman_id)
    FROM washminute_data.offers AS f
    JOIN washminute_data.washing_requests AS r ON r.request_id = f.request_id
   WHERE r.wave > 0 AND (f.wave NOT BETWEEN 1 AND r.wave OR f.distance_m > r.radius_m)
  UNION ALL
  SELECT 'a live job and its request tell the same time of acceptance', j.job_id::text
    FROM washminute_data.jobs AS j
    JOIN washminute_data.washing_requests AS r ON r.request_id = j.request_id
   WHERE j.live AND r.accepted_at IS DISTINCT FROM j.accepted_at
  UNION ALL
  SELECT 'the last move in the event log is to the present status', r.request_id::text
    FROM washminute_data.washing_requests AS r
    LEFT JOIN LATERAL (
      SELECT e.data->>'status' AS status FROM washminute_data.events AS e
       WHERE e.request_id = r.request_id ORDER BY e.event_id DESC LIMIT 1) AS last ON true
   WHERE last.status IS DISTINCT FROM r.status
  UNION ALL
  SELECT 'each move in the event log is one that is allowed', pg_catalog.format('event %s', e.event_id)
    FROM (SELECT e.event_id, e.data->>'status' AS status,
                 pg_catalog.lag(e.data->>'status', 1, 'pending')
                   OVER (PARTITION BY e.request_id ORDER BY e.event_id) AS previous
            FROM washminute_data.events AS e WHERE e.request_id IS NOT NULL) AS e
   WHERE e.status <> e.previous
     AND NOT EXISTS (SELECT FROM washminute_data.request_transitions AS t
                      WHERE t.from_status = e.previous AND t.to_status = e.status)
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
  SELECT 'every order has a request, of the same customer', o.order_id::text
    FROM washminute_data.orders AS o
   WHERE NOT EXISTS (SELECT FROM washminute_data.washing_requests AS r
                      WHERE r.order_id = o.order_id AND r.customer_id = o.customer_id)
  UNION ALL
  SELECT 'the lines of an order sum to its total', o.order_id::text
    FROM washminute_data.orders AS o
   WHERE o.total IS DISTINCT FROM
         (SELECT pg_catalog.sum(l.price) FROM washminute_data.order_lines AS l WHERE l.order_id = o.order_id)
  UNION ALL
  SELECT 'a pending request has a timer that is due when something is to be done', r.request_id::text
    FROM washminute_data.washing_requests AS r
    LEFT JOIN washminute_data.request_timers AS t ON t.request_id = r.request_id
   WHERE r.status = 'pending'
     AND (t.due_at <= LEAST(r.expires_at, r.next_wave_at, r.decide_at)
          OR (LEAST(r.expires_at, r.next_wave_at, r.decide_at) <= washminute.now()
              AND t.due_at <= washminute.now() + '1 minute')) IS NOT TRUE
  UNION ALL
  SELECT 'a reserved request and its reservation tell the same time, live until it ends', r.request_id::text
    FROM washminute_data.washing_requests AS r
    FULL JOIN washminute_data.reservations AS v ON v.request_id = r.request_id
   WHERE CASE WHEN r.request_id IS NULL OR v.request_id IS NULL THEN
                v.request_id IS NOT NULL
                OR (r.reservation_at IS NOT NULL AND r.status IN ('pending', 'accepted', 'en_route', 'arrived', 'in_progress'))
              ELSE v.live <> (r.status IN ('pending', 'accepted', 'en_route', 'arrived', 'in_progress'))
                OR pg_catalog.lower(v.period) IS DISTINCT FROM r.reservation_at
                OR v.customer_id <> r.customer_id END
  UNION ALL
  SELECT 'a reservation that can be offered has its stages, and none is ahead of one that has ended', r.request_id::text
    FROM washminute_data.washing_requests AS r
    JOIN washminute_data.reservations AS v ON v.request_id = r.request_id
    JOIN washminute_data.orders AS o ON o.order_id = r.order_id
    LEFT JOIN (SELECT s.request_id, pg_catalog.count(*) AS stages,
                      pg_catalog.count(*) FILTER (WHERE s.done_at IS NULL) AS ahead
                 FROM washminute_data.reservation_stages AS s GROUP BY s.request_id) AS s
           ON s.request_id = r.request_id
   WHERE CASE WHEN v.live THEN
                COALESCE(s.stages, 0) <> 4 AND (o.payment_method = 'cash' OR o.payment_verified)
              ELSE s.ahead > 0 END
  UNION ALL
  SELECT 'a washman''s balance is the sum of his transfers', a.account_id
    FROM washminute_data.accounts AS a
    LEFT JOIN (SELECT e.account_id, pg_catalog.sum(e.amount) AS amount
                 FROM washminute_data.ledger_entries AS e GROUP BY e.account_id) AS s
           ON s.account_id = a.account_id
   WHERE a.kind = 'washman' AND a.balance <> COALESCE(s.amount, 0)
  UNION ALL
  SELECT 'what is held is the sum of live jobs and open payouts', a.account_id
    FROM washminute_data.accounts AS a
    LEFT JOIN (SELECT h.washman_id, pg_catalog.sum(h.held) AS held
                 FROM (SELECT j.washman_id, j.held FROM washminute_data.jobs AS j WHERE j.live
                       UNION ALL
                       SELECT p.washman_id, p.amount FROM washminute_data.payouts AS p
                        WHERE p.status = 'requested') AS h
                GROUP BY h.washman_id) AS s
           ON s.washman_id = a.washman_id
   WHERE a.kind = 'washman' AND a.held <> COALESCE(s.held, 0)
  UNION ALL
  SELECT 'every payout that was paid was booked', 'payouts_paid'
   WHERE (SELECT COALESCE(pg_catalog.sum(e.amount), 0) FROM washminute_data.ledger_entries AS e
           WHERE e.account_id = 'payouts_paid')
      <> (SELECT COALESCE(pg_catalog.sum(p.amount), 0) FROM washminute_data.payouts AS p WHERE p.status = 'paid')
  UNION ALL
  SELECT 'what is owed is the sum of open receivables', 'receivables'
   WHERE (SELECT COALESCE(-pg_catalog.sum(e.amount), 0) FROM washminute_data.ledger_entries AS e
           WHERE e.account_id = 'receivables')
      <> (SELECT COALESCE(pg_catalog.sum(v.amount), 0) FROM washminute_data.receivables AS v
           WHERE v.settled_at IS NULL)
  UNION ALL
  SELECT 'the fee of an order was booked', o.order_id::text
    FROM washminute_data.orders AS o
    LEFT JOIN (SELECT t.order_id, pg_catalog.sum(t.amount) AS amount
                 FROM washminute_data.transfers AS t
                WHERE t.purpose IN ('cancellation_fee', 'cancellation_share') GROUP BY t.order_id) AS s
           ON s.order_id = o.order_id
   WHERE o.fee <> COALESCE(s.amount, 0) OR (o.fee > 0 AND o.status NOT IN ('cancelled', 'refunded'))
  UNION ALL
  SELECT 'every washman has a status and an account', u.user_id
    FROM washminute_data.users AS u
   WHERE 'washman' = ANY (u.kinds)
     AND NOT (EXISTS (SELECT FROM washminute_data.washmen AS w WHERE w.washman_id = u.user_id)
              AND EXISTS (SELECT FROM washminute_data.accounts AS a
                           WHERE a.washman_id = u.user_id AND a.account_id = 'washman:' || u.user_id))
  UNION ALL
  SELECT 'a completed order took its commission', o.order_id::text
    FROM washminute_data.orders AS o
    JOIN washminute_data.washing_requests AS r ON r.order_id = o.order_id
    JOIN washminute_data.jobs AS j ON j.request_id = r.request_id AND j.outcome = 'completed'
    LEFT JOIN washminute_data.transfers AS t ON t.order_id = o.order_id AND t.purpose = 'commission'
   WHERE j.commission <> COALESCE(t.amount, 0)
  UNION ALL
  SELECT 'transfers are between the accounts of their purpose', t.transfer_id::text
    FROM washminute_data.transfers AS t
    LEFT JOIN washminute_data.orders AS o ON o.order_id = t.order_id
    LEFT JOIN washminute_data.washing_requests AS r ON r.order_id = t.order_id
    LEFT JOIN LATERAL (
      SELECT CASE WHEN o.payment_method = 'card' AND o.payment_verified THEN 'customer_funds'
                  ELSE 'receivables' END AS account) AS payer ON true
   WHERE ((t.debit_account, t.credit_account) = (
           SELECT CASE t.purpose
                    WHEN 'payment' THEN 'card_clearing'
                    WHEN 'surplus' THEN 'card_clearing'
                    WHEN 'refund' THEN 'refunds_payable'
                    WHEN 'refund_granted' THEN 'platform_revenue'
                    WHEN 'refund_offset' THEN 'refunds_payable'
                    WHEN 'refund_outside' THEN 'refunds_payable'
                    WHEN 'settlement_difference'
                    THEN CASE t.debit_account WHEN 'card_clearing' THEN 'card_clearing' ELSE 'platform_revenue' END
                    WHEN 'refund_void' THEN 'refunds_payable'
                    WHEN 'payment_reversed'
                    THEN CASE WHEN t.debit_account = 'refunds_payable' THEN 'refunds_payable' ELSE 'customer_funds' END
                    WHEN 'commission'
                    THEN CASE o.payment_method WHEN 'card' THEN 'customer_funds' ELSE 'washman:' || r.washman_id END
                    WHEN 'settlement'
                    THEN CASE WHEN t.debit_account LIKE 'washman:%' THEN t.debit_account ELSE 'cash_settlement' END
                    WHEN 'cancellation_fee' THEN payer.account
                    WHEN 'cancellation_share' THEN payer.account
                    WHEN 'give_back_fee'
                    THEN CASE WHEN t.debit_account = 'receivables' THEN 'receivables' ELSE 'washman:' || t.actor_id END
                    WHEN 'receivable'
                    THEN CASE WHEN t.debit_account = 'platform_revenue' THEN 'platform_revenue' ELSE 'cash_settlement' END
                    WHEN 'payout'
                    THEN CASE WHEN t.debit_account LIKE 'washman:%' THEN t.debit_account END
                    ELSE 'customer_funds' END,
                  CASE t.purpose
                    WHEN 'payment' THEN 'customer_funds'
                    WHEN 'surplus' THEN 'refunds_payable'
                    WHEN 'refund' THEN 'card_clearing'
                    WHEN 'refund_granted' THEN 'refunds_payable'
                    WHEN 'refund_offset' THEN 'platform_revenue'
                    WHEN 'refund_outside' THEN 'cash_settlement'
                    WHEN 'settlement_difference'
                    THEN CASE t.debit_account WHEN 'card_clearing' THEN 'platform_revenue' ELSE 'card_clearing' END
                    WHEN 'refund_void' THEN 'platform_revenue'
                    WHEN 'payment_reversed' THEN 'card_clearing'
                    WHEN 'commission' THEN 'platform_revenue'
                    WHEN 'washman_income' THEN 'washman:' || r.washman_id
                    WHEN 'refund_due' THEN 'refunds_payable'
                    WHEN 'cancellation_fee' THEN 'platform_revenue'
                    WHEN 'cancellation_share' THEN 'washman:' || r.washman_id
                    WHEN 'give_back_fee' THEN 'platform_revenue'
                    WHEN 'receivable' THEN 'receivables'
                    WHEN 'payout' THEN 'payouts_paid'
                    WHEN 'settlement'
                    THEN CASE WHEN t.credit_account LIKE 'washman:%' AND t.debit_account NOT LIKE 'washman:%'
                              THEN t.credit_account ELSE 'cash_settlement' END
                    END)) IS NOT TRUE
  UNION ALL
  SELECT 'a washman''s income from a card order is its total less the commission', o.order_id::text
    FROM washminute_data.orders AS o
    JOIN washminute_data.washing_requests AS r ON r.order_id = o.order_id
    JOIN washminute_data.jobs AS j ON j.request_id = r.request_id AND j.outcome = 'completed'
    LEFT JOIN washminute_data.transfers AS t ON t.order_id = o.order_id AND t.purpose = 'washman_income'
   WHERE CASE o.payment_method WHEN 'card' THEN o.total - j.commission ELSE 0 END <> COALESCE(t.amount, 0)
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
     AND COALESCE(t.amount, 0) <> o.total - o.fee
  UNION ALL
  SELECT 'a payment''s sums are those of its attempts and refunds', p.payment_id::text
    FROM washminute_data.payments AS p
   WHERE p.captured <> (SELECT COALESCE(pg_catalog.sum(a.charged), 0)
                          FROM washminute_data.payment_attempts AS a WHERE a.payment_id = p.payment_id)
      OR p.reserved <> (SELECT COALESCE(pg_catalog.sum(f.amount), 0)
                          FROM washminute_data.refunds AS f
                         WHERE f.payment_id = p.payment_id AND f.status <> 'failed')
  UNION ALL
  SELECT 'an order was paid by an attempt that was charged', p.payment_id::text
    FROM washminute_data.payments AS p
    LEFT JOIN washminute_data.payment_attempts AS a ON a.attempt_id = p.paid_by
    LEFT JOIN washminute_data.transfers AS t ON t.purpose = 'payment' AND t.reason = a.gateway_order_id
   WHERE p.paid_by IS NOT NULL
     AND (a.payment_id = p.payment_id AND NOT a.surplus AND a.charged = p.amount
          AND t.order_id = p.order_id AND t.amount = p.amount) IS NOT TRUE
  UNION ALL
  SELECT 'what was charged and paid no order is surplus', a.attempt_id::text
    FROM washminute_data.payment_attempts AS a
    JOIN washminute_data.payments AS p ON p.payment_id = a.payment_id
   WHERE a.charged > 0 AND a.status <> 'integrity' AND NOT a.surplus AND p.paid_by IS DISTINCT FROM a.attempt_id
  UNION ALL
  SELECT 'a refund is booked once it has gone', f.refund_id::text
    FROM washminute_data.refunds AS f
    LEFT JOIN washminute_data.transfers AS t
           ON t.purpose = CASE f.status WHEN 'outside' THEN 'refund_outside' ELSE 'refund' END AND t.reason = f.refund_id::text
   WHERE CASE WHEN f.status IN ('accepted', 'reversed', 'settled', 'outside') THEN f.amount ELSE 0 END <> COALESCE(t.amount, 0)
  UNION ALL
  SELECT 'the books of a payment are what the gateway did', u.payment_id::text
    FROM washminute_data.payment_rollup AS u
   WHERE u.unbooked <> 0
     AND NOT EXISTS (SELECT FROM washminute_data.payment_attempts AS a
                      WHERE a.payment_id = u.payment_id AND a.status = 'integrity')
  UNION ALL
  SELECT 'the gateway is asked about what is open', pg_catalog.format('attempt %s', a.attempt_id)
    FROM washminute_data.payment_attempts AS a
   WHERE (a.status IN ('prepared', 'dispatched', 'awaiting', 'unknown')
          OR EXISTS (SELECT FROM washminute_data.refunds AS f
                      WHERE f.attempt_id = a.attempt_id AND f.status = 'unknown'))
     AND NOT EXISTS (SELECT FROM washminute_data.outbox AS q
                      WHERE q.lane = 'payment' AND q.state <> 'dead' AND q.data->>'attemptId' = a.attempt_id::text
                         AND COALESCE((q.data->>'number')::integer, a.inquiry_number) = a.inquiry_number)
  UNION ALL
  SELECT 'a refund that was asked for is queued', f.refund_id::text
    FROM washminute_data.refunds AS f
   WHERE f.status IN ('requested', 'dispatched')
     AND NOT EXISTS (SELECT FROM washminute_data.outbox AS q
                      WHERE q.lane = 'payment' AND q.state <> 'dead' AND q.data->>'refundId' = f.refund_id::text)
  UNION ALL
  SELECT 'live events are kept from a position on', pg_catalog.format('position %s, room %s', e.position, e.room)
    FROM washminute_data.socket_events AS e, washminute_data.instance AS i
   WHERE e.position <= i.socket_events_floor
  UNION ALL
  SELECT 'the messages of a chat are numbered without a gap', c.chat_id::text
    FROM washminute_data.chats AS c
    LEFT JOIN (SELECT m.chat_id, pg_catalog.count(*) AS messages, pg_catalog.min(m.sequence) AS first, pg_catalog.max(m.sequence) AS last
                 FROM washminute_data.chat_messages AS m GROUP BY m.chat_id) AS m ON m.chat_id = c.chat_id
   WHERE (COALESCE(m.messages, 0), COALESCE(m.last, 0), COALESCE(m.first, 1)) <> (c.last_sequence, c.last_sequence, 1)
  UNION ALL
  SELECT 'chats are of requests, members and messages of chats', x.chat_id::text
    FROM (SELECT c.chat_id FROM washminute_data.chats AS c
           WHERE NOT EXISTS (SELECT FROM washminute_data.washing_requests AS r WHERE r.request_id = c.chat_id)
          UNION ALL
          SELECT m.chat_id FROM washminute_data.chat_members AS m
           WHERE NOT EXISTS (SELECT FROM washminute_data.chats AS c WHERE c.chat_id = m.chat_id)
          UNION ALL
          SELECT m.chat_id FROM washminute_data.chat_messages AS m
           WHERE NOT EXISTS (SELECT FROM washminute_data.chats AS c WHERE c.chat_id = m.chat_id)) AS x
  UNION ALL
  SELECT 'nobody has read a message that was not written', pg_catalog.format('%s by %s', m.chat_id, m.user_id)
    FROM washminute_data.chat_members AS m
    JOIN washminute_data.chats AS c ON c.chat_id = m.chat_id
   WHERE m.read_sequence > c.last_sequence OR m.first_sequence > c.last_sequence + 1
  UNION ALL
  SELECT 'the customer and the washman of a request are in its chat, and no other washman', r.request_id::text
    FROM washminute_data.chats AS c
    JOIN washminute_data.washing_requests AS r ON r.request_id = c.chat_id
   WHERE NOT EXISTS (SELECT FROM washminute_data.chat_members AS m
                      WHERE m.chat_id = c.chat_id AND m.user_id = r.customer_id AND m.kind = 'customer')
      OR r.washman_id IS DISTINCT FROM (SELECT pg_catalog.string_agg(m.user_id, ' ') FROM washminute_data.chat_members AS m
                                         WHERE m.chat_id = c.chat_id AND m.kind = 'washman')
  UNION ALL
  SELECT 'a chat''s time runs once its request has ended', c.chat_id::text
    FROM washminute_data.chats AS c
    JOIN washminute_data.washing_requests AS r ON r.request_id = c.chat_id
   WHERE (c.closes_at IS NOT NULL) <> (r.status IN ('completed', 'cancelled', 'expired', 'no_show'))
$$;
COMMENT ON FUNCTION washminute.check_invariants() IS
  'What must always be true of the data: each violation with its detail, no row when all is well.';
