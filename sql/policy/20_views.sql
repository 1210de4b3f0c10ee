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
