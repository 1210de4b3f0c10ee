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
