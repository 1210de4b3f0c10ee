-- The day is over: the gateway's statement is compared with our books.
--
--	$STATEMENT   a file of what POST /control/statement of test/fakes/naps.js gave
--	:day         the day of it

\pset footer off
\set statement `cat "$STATEMENT"`

\echo
\echo 'The gateway''s statement of the day:'
SELECT * FROM washminute.import_settlement('demo ' || :'day', :'statement', NULL, :'day') \gset
SELECT :lines AS lines, :matched AS matched, :differ AS "of another amount", :only_theirs AS "only theirs", :only_ours AS "only ours";
SELECT count(*) AS payments, sum(charged) AS charged, sum(paid_back) AS "paid back", sum(net) AS net, sum(booked) AS booked, sum(stated) AS stated,
       count(*) FILTER (WHERE unbooked <> 0 OR COALESCE(unsettled, -net) <> 0) AS "do not sum to zero"
  FROM washminute_data.payment_rollup;
SELECT count(*) AS unequal, count(*) > 0 AS is_unequal FROM washminute_data.payment_rollup WHERE unbooked <> 0 OR COALESCE(unsettled, -net) <> 0 \gset
SELECT :differ + :only_theirs + :only_ours AS differences, :differ + :only_theirs + :only_ours > 0 AS is_different \gset
\if :is_different
\echo WRONG: :differences differences between the statement and our books
SELECT kind, data FROM washminute_data.payment_exceptions WHERE resolved_at IS NULL AND kind LIKE 'settlement%' LIMIT 10;
\endif
\if :is_unequal
\echo WRONG: :unequal payments do not sum to zero
\endif
\echo result settlement_lines = :lines
\echo result settlement_differences = :differences
\echo result settlement_payments_unequal = :unequal
