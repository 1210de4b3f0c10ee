-- A statement made of our books, with seeded mistakes.
--
--	:seed     another one makes other mistakes
--	:charged  so many of bench.callbacks are charged, the others have a link alone

-- the sales in a random order; the first 500 of bench.callbacks have a refund of 10
CREATE TABLE bench.sales AS
SELECT c.i, a.gateway_order_id AS order_id, a.authorization_number AS number, a.amount, a.attempt_id,
       (a.dispatched_at AT TIME ZONE 'Africa/Casablanca')::date AS day, c.i <= :charged AS is_charged,
       row_number() OVER (PARTITION BY c.i > 500, c.i <= :charged ORDER BY md5(:'seed' || c.i)) AS place
  FROM bench.callbacks AS c JOIN washminute_data.payment_attempts AS a USING (gateway_order_id);

-- What is wrong with which; "plain" are as they should be, in several ways of writing.
CREATE TABLE bench.roles AS
SELECT s.*, CASE WHEN NOT is_charged THEN 'open'
                 WHEN i <= 500 THEN CASE WHEN place <= 50 THEN 'refund differs' WHEN place <= 100 THEN 'refund missing' ELSE 'refund' END
                 WHEN place <= 100 THEN 'differs' WHEN place <= 200 THEN 'missing' WHEN place <= 300 THEN 'twice'
                 WHEN place <= 350 THEN 'other day' WHEN place <= 400 THEN 'refund unasked'
                 WHEN place <= 900 THEN 'by number' WHEN place <= 1400 THEN 'comma' ELSE 'plain' END AS role
  FROM bench.sales AS s;

CREATE TABLE bench.lines AS
SELECT CASE WHEN role IN ('by number', 'other day') THEN '' ELSE order_id END AS order_id, number,
       CASE role WHEN 'differs' THEN (amount - 1.5)::text WHEN 'comma' THEN replace(amount::text, '.', ',') ELSE amount::text END AS amount,
       CASE role WHEN 'other day' THEN day - 10 ELSE day END AS day, 'sale' AS kind
  FROM bench.roles WHERE role <> 'missing'
UNION ALL SELECT order_id, number, amount::text, day, 'sale' FROM bench.roles WHERE role = 'twice'
UNION ALL SELECT 'UNKNOWN' || n, (900000 + n)::text, '60.00', (SELECT max(day) FROM bench.sales), 'sale' FROM generate_series(1, 100) AS n
UNION ALL SELECT order_id, number, CASE role WHEN 'refund differs' THEN '9.00' ELSE '10.00' END, day, 'refund' FROM bench.roles WHERE role IN ('refund', 'refund differs')
UNION ALL SELECT order_id, number, '7.00', day, 'refund' FROM bench.roles WHERE role = 'refund unasked';

CREATE TABLE bench.statement AS
SELECT E'date;kind;amount;orderid;numauto\n' || string_agg(concat_ws(';', to_char(day, 'DD/MM/YYYY'), kind, amount, order_id, number), E'\n' ORDER BY md5(:'seed' || order_id || number || kind)) || E'\n' AS content,
       (SELECT max(day) FROM bench.sales) AS day
  FROM bench.lines;

-- What is to be found, and what was.
CREATE VIEW bench.seeded (kind, key) AS
SELECT 'settlement_differs', order_id FROM bench.roles WHERE role IN ('differs', 'refund differs')
UNION ALL SELECT 'settlement_only_ours', order_id FROM bench.roles WHERE role IN ('missing', 'other day', 'refund missing')
UNION ALL SELECT 'settlement_only_theirs', order_id FROM bench.roles WHERE role IN ('twice', 'open', 'refund unasked')
UNION ALL SELECT 'settlement_only_theirs', number FROM bench.roles WHERE role = 'other day'
UNION ALL SELECT 'settlement_only_theirs', 'UNKNOWN' || n FROM generate_series(1, 100) AS n;
CREATE VIEW bench.found (kind, key) AS
SELECT kind, COALESCE(data->>'orderId', data->>'authorization') FROM washminute_data.payment_exceptions WHERE kind LIKE 'settlement%';
