-- Double-entry books: one row per transfer, so that every posting is zero-sum
-- by its form. Only a washman's account keeps a balance; the others are sums.

CREATE TABLE washminute_data.accounts (
    account_id text NOT NULL,
    kind text NOT NULL,
    washman_id text,
    balance numeric(12, 2),
    held numeric(12, 2),
    minimum numeric(12, 2),
    CONSTRAINT accounts_pk PRIMARY KEY (account_id),
    CONSTRAINT accounts_washman_once UNIQUE (washman_id),
    CONSTRAINT accounts_washman_fk FOREIGN KEY (washman_id) REFERENCES washminute_data.users (user_id),
    CONSTRAINT accounts_kind_known CHECK (kind IN ('washman', 'platform')),
    CONSTRAINT accounts_balance_kept_for_washmen_only
      CHECK (CASE kind WHEN 'washman'
                       THEN num_nulls(washman_id, balance, held, minimum) = 0
                       ELSE num_nonnulls(washman_id, balance, held, minimum) = 0 END),
    CONSTRAINT accounts_held_not_negative CHECK (held >= 0 AND held <> 'NaN'::numeric),
    CONSTRAINT accounts_minimum_kept CHECK (balance - held >= minimum)
) WITH (fillfactor = 10);
COMMENT ON TABLE washminute_data.accounts IS
  'The accounts of the books, in MAD. Much room is left in its pages: an update that found none would write the index, which every acceptance reads.';
COMMENT ON COLUMN washminute_data.accounts.account_id IS 'washman:<id>, or the name of a platform account.';
COMMENT ON COLUMN washminute_data.accounts.kind IS 'washman or platform.';
COMMENT ON COLUMN washminute_data.accounts.washman_id IS 'Whose account it is.';
COMMENT ON COLUMN washminute_data.accounts.balance IS 'Credits less debits; kept for washmen, a sum for the others.';
COMMENT ON COLUMN washminute_data.accounts.held IS 'What is set aside for the commissions of live cash jobs.';
COMMENT ON COLUMN washminute_data.accounts.minimum IS 'balance - held is never below this: the floor, or what an operator has taken it down to.';

CREATE TABLE washminute_data.transfers (
    transfer_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL,
    debit_account text NOT NULL,
    credit_account text NOT NULL,
    amount numeric(12, 2) NOT NULL,
    purpose text NOT NULL,
    order_id uuid,
    actor_id text,
    reason text,
    CONSTRAINT transfers_pk PRIMARY KEY (transfer_id),
    CONSTRAINT transfers_debit_fk FOREIGN KEY (debit_account) REFERENCES washminute_data.accounts (account_id),
    CONSTRAINT transfers_credit_fk FOREIGN KEY (credit_account) REFERENCES washminute_data.accounts (account_id),
    CONSTRAINT transfers_order_fk FOREIGN KEY (order_id) REFERENCES washminute_data.orders (order_id),
    CONSTRAINT transfers_amount_positive CHECK (amount > 0 AND amount <> 'NaN'::numeric),
    CONSTRAINT transfers_between_two_accounts CHECK (debit_account <> credit_account),
    CONSTRAINT transfers_purpose_known
      CHECK (purpose IN ('payment', 'washman_income', 'commission', 'refund_due', 'settlement')),
    CONSTRAINT transfers_order_named
      CHECK ((order_id IS NULL) = (purpose = 'settlement'))
);
CREATE UNIQUE INDEX transfers_once_per_order ON washminute_data.transfers (order_id, purpose)
  WHERE purpose <> 'settlement';
CREATE UNIQUE INDEX transfers_payment_reference_once ON washminute_data.transfers (reason)
  WHERE purpose = 'payment';
CREATE INDEX transfers_debit ON washminute_data.transfers (debit_account, transfer_id);
CREATE INDEX transfers_credit ON washminute_data.transfers (credit_account, transfer_id);
COMMENT ON TABLE washminute_data.transfers IS
  'The journal: amount goes from the debited to the credited account. Append-only.';
COMMENT ON COLUMN washminute_data.transfers.transfer_id IS 'Id, in the order of booking.';
COMMENT ON COLUMN washminute_data.transfers.at IS 'When it was booked.';
COMMENT ON COLUMN washminute_data.transfers.debit_account IS 'The account it is taken from.';
COMMENT ON COLUMN washminute_data.transfers.credit_account IS 'The account it is given to.';
COMMENT ON COLUMN washminute_data.transfers.amount IS 'MAD, above 0.';
COMMENT ON COLUMN washminute_data.transfers.purpose IS 'payment, washman_income, commission, refund_due (each once per order) or settlement.';
COMMENT ON COLUMN washminute_data.transfers.order_id IS 'The order it is for; NULL for settlements.';
COMMENT ON COLUMN washminute_data.transfers.actor_id IS 'Who caused it.';
COMMENT ON COLUMN washminute_data.transfers.reason IS 'Why, in words.';

ALTER TABLE washminute_data.accounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.transfers ENABLE ROW LEVEL SECURITY;

INSERT INTO washminute_data.accounts (account_id, kind) VALUES
  ('card_clearing', 'platform'),
  ('cash_settlement', 'platform'),
  ('customer_funds', 'platform'),
  ('platform_revenue', 'platform'),
  ('refunds_payable', 'platform');
