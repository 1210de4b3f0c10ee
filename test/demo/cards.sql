-- What came of the day's card payments, by our books and by the gateway's.
--
--	:counts     GET /control of test/fakes/naps.js
--	$BOOKS      a file of what GET /control/books answered

SET search_path = washminute_data, public;
\pset footer off
\set books `cat "$BOOKS"`

CREATE TEMP TABLE sums AS
SELECT p.payment_id, p.status, o.payment_verified AS paid, a.attempts, a.declined,
       p.captured - coalesce(f.amount, 0) AS net,
       coalesce(t.charged, 0) AS charged, coalesce(t.paid_back, 0) AS paid_back, coalesce(t.surplus, 0) AS surplus
  FROM payments AS p
  JOIN orders AS o USING (order_id)
  CROSS JOIN LATERAL (
    SELECT count(*) AS attempts, count(*) FILTER (WHERE status = 'declined') AS declined
      FROM payment_attempts WHERE payment_id = p.payment_id) AS a
  CROSS JOIN LATERAL (
    SELECT sum(amount) AS amount
      FROM refunds WHERE payment_id = p.payment_id AND status IN ('accepted', 'reversed', 'settled')) AS f
  CROSS JOIN LATERAL (
    SELECT sum(amount) FILTER (WHERE purpose IN ('payment', 'surplus')) AS charged,
           sum(amount) FILTER (WHERE purpose IN ('refund', 'payment_reversed')) AS paid_back,
           sum(amount) FILTER (WHERE purpose = 'surplus') AS surplus
      FROM transfers WHERE order_id = p.order_id) AS t;

-- an order's money at the gateway, under the order ids there of all attempts; NULL: those of nobody
CREATE TEMP TABLE books AS
SELECT a.payment_id, sum(b.net) AS net
  FROM jsonb_to_recordset(:'books') AS b (orderid text, net numeric)
  LEFT JOIN payment_attempts AS a ON a.gateway_order_id = b.orderid GROUP BY a.payment_id;

\echo
\echo 'Card payments at the end of the day, MAD; surplus was charged when nothing was due:'
SELECT coalesce(status, 'all') AS status, count(*) AS payments,
       round(100.0 * count(*) / (SELECT count(*) FROM sums), 1) AS "% of all", sum(attempts) AS attempts,
       sum(declined) AS declined, sum(charged) AS charged, sum(paid_back) AS "paid back",
       sum(surplus) AS "of that surplus", sum(net) AS kept
  FROM sums GROUP BY ROLLUP (status) ORDER BY sums.status IS NULL, count(*) DESC;

SELECT count(*) AS payments, count(*) FILTER (WHERE paid) AS paid,
       coalesce(round(100.0 * avg(paid::integer), 1), 0) AS share, coalesce(sum(paid_back), 0) AS paid_back
  FROM sums \gset
SELECT count(*) AS differ, count(*) > 0 AS is_different
  FROM sums AS s FULL JOIN books AS b USING (payment_id)
 WHERE coalesce(s.net, 0) <> coalesce(b.net, 0) \gset
SELECT count(*) FILTER (WHERE state = 'inflight' OR
                        state = 'queued' AND COALESCE(due_at, queued_at) <= clock_timestamp() - interval '5 s') AS due,
       count(*) FILTER (WHERE state = 'dead') AS dead
  FROM outbox WHERE lane = 'payment' \gset
SELECT count(*) AS exceptions FROM payment_exceptions WHERE resolved_at IS NULL \gset
SELECT (:'counts'::jsonb->>'paying')::integer + (:'counts'::jsonb->'auto'->>'waiting')::integer AS paying,
       :'counts'::jsonb->'callbacks'->>'sent' AS callbacks \gset
SELECT :due + :paying > 0 AS is_open \gset

\if :is_different
\echo WRONG: the gateway has other books than we of :differ orders
\endif
\if :is_open
\echo WRONG: :due calls of the gateway are due yet, :paying customers are paying
\endif
\echo result card_payments = :payments
\echo result card_paid = :paid
\echo result card_paid_percent = :share
\echo result card_refunded_mad = :paid_back
\echo result card_callbacks = :callbacks
\echo result card_calls_dead = :dead
\echo result card_exceptions = :exceptions
\echo result card_books_differ = :differ
