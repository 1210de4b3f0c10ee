-- Views over the tables, for those who may read the tables.

CREATE OR REPLACE VIEW washminute_data.ledger_entries WITH (security_invoker = true) AS
  SELECT t.transfer_id, t.at, t.debit_account AS account_id, t.credit_account AS counter_account,
         -t.amount AS amount, t.purpose, t.order_id, t.actor_id, t.reason
    FROM washminute_data.transfers AS t
  UNION ALL
  SELECT t.transfer_id, t.at, t.credit_account, t.debit_account,
         t.amount, t.purpose, t.order_id, t.actor_id, t.reason
    FROM washminute_data.transfers AS t;
COMMENT ON VIEW washminute_data.ledger_entries IS
  'The journal as entries: each transfer from the side of each of its accounts, debits negative. All amounts together are 0.';
COMMENT ON COLUMN washminute_data.ledger_entries.transfer_id IS 'The transfer.';
COMMENT ON COLUMN washminute_data.ledger_entries.at IS 'When it was booked.';
COMMENT ON COLUMN washminute_data.ledger_entries.account_id IS 'The account.';
COMMENT ON COLUMN washminute_data.ledger_entries.counter_account IS 'The other account of the transfer.';
COMMENT ON COLUMN washminute_data.ledger_entries.amount IS 'MAD; negative for a debit.';
COMMENT ON COLUMN washminute_data.ledger_entries.purpose IS 'What it is for.';
COMMENT ON COLUMN washminute_data.ledger_entries.order_id IS 'The order it is for.';
COMMENT ON COLUMN washminute_data.ledger_entries.actor_id IS 'Who caused it.';
COMMENT ON COLUMN washminute_data.ledger_entries.reason IS 'Why, in words.';

CREATE OR REPLACE VIEW washminute_data.washman_statements WITH (security_invoker = true) AS
  SELECT pg_catalog.substr(e.account_id, 9) AS washman_id, e.transfer_id, e.at, e.purpose, e.amount,
         pg_catalog.sum(e.amount) OVER (PARTITION BY e.account_id ORDER BY e.transfer_id) AS balance,
         e.order_id
    FROM (SELECT t.debit_account AS account_id, t.transfer_id, t.at, t.purpose, -t.amount AS amount, t.order_id
            FROM washminute_data.transfers AS t
          UNION ALL
          SELECT t.credit_account, t.transfer_id, t.at, t.purpose, t.amount, t.order_id
            FROM washminute_data.transfers AS t) AS e
   WHERE e.account_id LIKE 'washman:%';
COMMENT ON VIEW washminute_data.washman_statements IS
  'The account of each washman as a statement: what came and went, and the balance after it.';
COMMENT ON COLUMN washminute_data.washman_statements.washman_id IS 'The washman.';
COMMENT ON COLUMN washminute_data.washman_statements.transfer_id IS 'The transfer.';
COMMENT ON COLUMN washminute_data.washman_statements.at IS 'When it was booked.';
COMMENT ON COLUMN washminute_data.washman_statements.purpose IS 'What it is for.';
COMMENT ON COLUMN washminute_data.washman_statements.amount IS 'MAD; negative for what went.';
COMMENT ON COLUMN washminute_data.washman_statements.balance IS 'MAD, after it.';
COMMENT ON COLUMN washminute_data.washman_statements.order_id IS 'The order it is for.';

-- One row for each pair of them: to be asked by both keys.
CREATE OR REPLACE VIEW washminute_data.requests_told WITH (security_invoker = true) AS
  SELECT r.request_id, w.user_id AS washman_id,
         pg_catalog.split_part(pg_catalog.ltrim(c.name), ' ', 1) AS customer_first_name,
         COALESCE(
           (SELECT CASE w.locale WHEN 'ar' THEN n.name_ar WHEN 'en' THEN n.name_en ELSE n.name_fr END
              FROM washminute_data.neighbourhoods AS n
             WHERE ST_Covers(n.boundary, r.client_location) ORDER BY ST_Area(n.boundary) LIMIT 1),
           CASE w.locale WHEN 'ar' THEN z.name_ar WHEN 'en' THEN z.name_en ELSE z.name_fr END) AS neighbourhood,
         (SELECT pg_catalog.array_agg(l.service_code ORDER BY l.line_number)
            FROM washminute_data.order_lines AS l WHERE l.order_id = r.order_id) AS services,
         o.total - pg_catalog.round(o.total * COALESCE(zs.value, s.value) / 100, 2) AS earnings,
         o.payment_method
    FROM washminute_data.washing_requests AS r
    JOIN washminute_data.orders AS o ON o.order_id = r.order_id
    JOIN washminute_data.users AS c ON c.user_id = r.customer_id
    JOIN washminute_data.service_zones AS z ON z.zone_code = r.zone_code
    JOIN washminute_data.settings AS s ON s.name = 'commission_percent'
    LEFT JOIN washminute_data.zone_settings AS zs ON zs.zone_code = r.zone_code AND zs.name = s.name
   CROSS JOIN washminute_data.users AS w;
COMMENT ON VIEW washminute_data.requests_told IS
  'What a washman may know of a request before he accepts it. To be asked by both keys.';
COMMENT ON COLUMN washminute_data.requests_told.request_id IS 'The request.';
COMMENT ON COLUMN washminute_data.requests_told.washman_id IS 'The washman, or any user.';
COMMENT ON COLUMN washminute_data.requests_told.customer_first_name IS 'The customer''s first name.';
COMMENT ON COLUMN washminute_data.requests_told.neighbourhood IS 'Where it is, in the washman''s language: the neighbourhood, or else the zone.';
COMMENT ON COLUMN washminute_data.requests_told.services IS 'Codes of the services, in the order of the booking.';
COMMENT ON COLUMN washminute_data.requests_told.earnings IS 'MAD that he will earn.';
COMMENT ON COLUMN washminute_data.requests_told.payment_method IS 'cash or card.';

CREATE OR REPLACE VIEW washminute_data.payment_rollup WITH (security_invoker = true) AS
  SELECT p.payment_id, p.order_id, p.status, g.charged, g.paid_back, g.net, b.booked, d.differences, s.stated,
         g.net - b.booked AS unbooked,
         CASE WHEN s.stated IS NOT NULL THEN s.stated - g.net - d.differences END AS unsettled,
         (SELECT pg_catalog.count(*) FROM washminute_data.payment_exceptions AS e
           WHERE e.payment_id = p.payment_id AND e.resolved_at IS NULL) AS open_exceptions
    FROM washminute_data.payments AS p
    CROSS JOIN LATERAL (
      SELECT a.charged, f.paid_back, a.charged - f.paid_back AS net
        FROM (SELECT COALESCE(pg_catalog.sum(t.charged), 0) AS charged
                FROM washminute_data.payment_attempts AS t WHERE t.payment_id = p.payment_id) AS a,
             (SELECT COALESCE(pg_catalog.sum(r.amount), 0) AS paid_back FROM washminute_data.refunds AS r
               WHERE r.payment_id = p.payment_id AND r.status IN ('accepted', 'reversed', 'settled')) AS f) AS g
    CROSS JOIN LATERAL (
      SELECT COALESCE(pg_catalog.sum(CASE t.debit_account WHEN 'card_clearing' THEN t.amount ELSE -t.amount END), 0) AS booked
        FROM washminute_data.transfers AS t
       WHERE t.order_id = p.order_id AND 'card_clearing' IN (t.debit_account, t.credit_account)
         AND (t.reason IN (SELECT a.gateway_order_id FROM washminute_data.payment_attempts AS a WHERE a.payment_id = p.payment_id)
              OR t.purpose = 'refund')) AS b
    CROSS JOIN LATERAL (
      SELECT COALESCE(pg_catalog.sum(CASE t.debit_account WHEN 'card_clearing' THEN t.amount ELSE -t.amount END), 0) AS differences
        FROM washminute_data.transfers AS t
       WHERE t.order_id = p.order_id AND t.purpose = 'settlement_difference') AS d
    CROSS JOIN LATERAL (
      SELECT pg_catalog.sum(CASE l.kind WHEN 'sale' THEN l.amount ELSE -l.amount END) AS stated
        FROM washminute_data.settlement_lines AS l
        JOIN washminute_data.payment_attempts AS a ON a.attempt_id = l.attempt_id
       WHERE a.payment_id = p.payment_id) AS s;
COMMENT ON VIEW washminute_data.payment_rollup IS
  'Each payment by the gateway''s calls, by the books and by its statements: unbooked is 0 unless another amount was charged, unsettled once all of its lines have come and none was explained.';
COMMENT ON COLUMN washminute_data.payment_rollup.payment_id IS 'The payment.';
COMMENT ON COLUMN washminute_data.payment_rollup.order_id IS 'The order.';
COMMENT ON COLUMN washminute_data.payment_rollup.status IS 'The payment''s status.';
COMMENT ON COLUMN washminute_data.payment_rollup.charged IS 'MAD charged by all attempts.';
COMMENT ON COLUMN washminute_data.payment_rollup.paid_back IS 'MAD that have gone back through the gateway.';
COMMENT ON COLUMN washminute_data.payment_rollup.net IS 'The difference: what the gateway owes, or has paid, us.';
COMMENT ON COLUMN washminute_data.payment_rollup.booked IS 'The same by the transfers of account card_clearing.';
COMMENT ON COLUMN washminute_data.payment_rollup.differences IS 'What was booked as a difference of a settlement.';
COMMENT ON COLUMN washminute_data.payment_rollup.stated IS 'The same by the gateway''s statements; NULL while they say nothing of it.';
COMMENT ON COLUMN washminute_data.payment_rollup.unbooked IS 'net less booked.';
COMMENT ON COLUMN washminute_data.payment_rollup.unsettled IS 'stated less net and differences; NULL while nothing is stated.';
COMMENT ON COLUMN washminute_data.payment_rollup.open_exceptions IS 'Exceptions of it that are open.';
