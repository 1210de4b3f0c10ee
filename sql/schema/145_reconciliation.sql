-- Reconciliation: what a person can decide, and what the gateway's statements say.
--
-- A statement is what the gateway paid out in a time: sales that were settled, and
-- refunds taken off. Its lines are matched with ours; what differs is an exception, as
-- other things are that no rule can decide.

CREATE TABLE washminute_data.payment_exception_kinds (
    kind text NOT NULL,
    meaning text NOT NULL,
    advice text NOT NULL,
    CONSTRAINT payment_exception_kinds_pk PRIMARY KEY (kind)
);
COMMENT ON TABLE washminute_data.payment_exception_kinds IS 'Kinds of exceptions, and what to do about them.';
COMMENT ON COLUMN washminute_data.payment_exception_kinds.kind IS 'Name for programs.';
COMMENT ON COLUMN washminute_data.payment_exception_kinds.meaning IS 'What happened.';
COMMENT ON COLUMN washminute_data.payment_exception_kinds.advice IS 'How to find out what to decide.';

INSERT INTO washminute_data.payment_exception_kinds (kind, meaning, advice) VALUES
  ('refund_unknown', 'A refund or reversal was sent and never answered, and no inquiry can tell what became of it.',
   'Look in the gateway''s portal, or ask its operator, whether the money has gone back.'),
  ('refund_failed', 'A refund was refused: nothing has gone back.',
   'Ask the gateway''s operator why. A card that is closed cannot be refunded: pay the customer by another way.'),
  ('attempt_unknown', 'For a day no inquiry could tell whether the customer was charged, or whether the money was taken back.',
   'Look in the gateway''s portal for the order id, or ask its operator whether it was charged.'),
  ('reversed_in_hand', 'The gateway took back money of a job that a washman has accepted, or of which a part had gone back.',
   'Ask the gateway''s operator whether, and why, it was taken back; ask the customer to pay, if it was.'),
  ('amount_differs', 'The customer was charged another amount than we asked for.',
   'Have the gateway''s operator give the sale back, or agree with the customer.'),
  ('second_sale', 'The customer was charged again under the same order id.',
   'Have the gateway''s operator give the second sale back.'),
  ('success_contradicted', 'The gateway called back that it was paid, and denies it since.',
   'Ask the gateway''s operator whether it was charged.'),
  ('settlement_differs', 'A statement has another amount than we, or a sale that we hold for reversed.',
   'Compare with the gateway''s portal: a fee, a reversal in part, a mistake?'),
  ('settlement_only_theirs', 'A statement has a line of which we know nothing: a sale that we hold for not charged, one that comes twice, a refund that we did not ask for (a chargeback), or one of another merchant.',
   'Look the line up in the gateway''s portal. The gateway has been asked about a sale of ours that we hold for not charged: see whether that ends the exception first.'),
  ('settlement_only_ours', 'We have a sale or a refund that should stand in a statement by now, and does not.',
   'Wait for the next statement, which ends the exception if the line is in it; else ask the gateway''s operator.');

CREATE TABLE washminute_data.payment_exception_decisions (
    kind text NOT NULL,
    decision text NOT NULL,
    effect text NOT NULL,
    CONSTRAINT payment_exception_decisions_pk PRIMARY KEY (kind, decision),
    CONSTRAINT payment_exception_decisions_kind_fk FOREIGN KEY (kind)
      REFERENCES washminute_data.payment_exception_kinds (kind)
);
COMMENT ON TABLE washminute_data.payment_exception_decisions IS
  'What an administrator can decide about an exception of a kind: resolve_exception takes these.';
COMMENT ON COLUMN washminute_data.payment_exception_decisions.kind IS 'The kind.';
COMMENT ON COLUMN washminute_data.payment_exception_decisions.decision IS 'The decision.';
COMMENT ON COLUMN washminute_data.payment_exception_decisions.effect IS 'What it does.';

INSERT INTO washminute_data.payment_exception_decisions (kind, decision, effect) VALUES
  ('refund_unknown', 'paid_back', 'The money has gone back: the refund is booked.'),
  ('refund_unknown', 'send_again', 'It has not: the refund is sent once more.'),
  ('refund_unknown', 'not_paid_back', 'It has not, and is not to be sent again: the refund has failed, which is an exception of its own.'),
  ('refund_failed', 'send_again', 'It is sent once more. Not for a refund that an administrator granted: grant another one.'),
  ('refund_failed', 'paid_outside', 'The customer was paid by another way: booked against cash_settlement. Not for a refund that was granted.'),
  ('refund_failed', 'closed', 'Nothing goes back. Only for a refund that was granted, which has been booked back to the platform.'),
  ('attempt_unknown', 'charged', 'The customer was charged: the order is paid, or, where nothing is due, the money goes back.'),
  ('attempt_unknown', 'not_charged', 'He was not, or the money has gone back: the attempt has come to nothing. Not where he has been called paid since.'),
  ('success_contradicted', 'charged', 'He was charged: what the gateway says since is not heeded.'),
  ('success_contradicted', 'not_charged', 'He was not: the order is unpaid again, or, once a washman has accepted, it is an exception reversed_in_hand.'),
  ('amount_differs', 'returned', 'The gateway has given all of it back: the attempt is reversed.'),
  ('amount_differs', 'accepted', 'It stays as it is booked. Only where the order was paid by it.'),
  ('second_sale', 'returned', 'The second sale was given back: nothing changes.'),
  ('second_sale', 'not_charged', 'There was no second sale: nothing changes.'),
  ('reversed_in_hand', 'stands', 'The money was not taken back: nothing changes.'),
  ('reversed_in_hand', 'written_off', 'What is left of it went back at the platform''s expense: booked as a refund that has happened.'),
  ('settlement_differs', 'explained', 'The difference is accounted for elsewhere: nothing changes.'),
  ('settlement_differs', 'booked', 'The platform bears the difference, or keeps it.'),
  ('settlement_only_theirs', 'explained', 'The line is accounted for elsewhere: nothing changes.'),
  ('settlement_only_theirs', 'booked', 'The platform bears what was taken off, or keeps what was paid.'),
  ('settlement_only_theirs', 'charged', 'The customer was charged: the order is paid, or, where nothing is due, the money goes back. Only for a sale of ours that we hold for not charged.'),
  ('settlement_only_ours', 'explained', 'It is accounted for elsewhere: nothing changes.'),
  ('settlement_only_ours', 'booked', 'It will not come: the platform bears it, or keeps it.');

CREATE TABLE washminute_data.settlement_statements (
    statement text NOT NULL,
    complete_through date NOT NULL,
    imported_by text,
    imported_at timestamptz NOT NULL,
    CONSTRAINT settlement_statements_pk PRIMARY KEY (statement),
    CONSTRAINT settlement_statements_statement_has_length CHECK (char_length(statement) BETWEEN 1 AND 128)
);
COMMENT ON TABLE washminute_data.settlement_statements IS 'Statements of the gateway that were imported.';
COMMENT ON COLUMN washminute_data.settlement_statements.statement IS 'Its name.';
COMMENT ON COLUMN washminute_data.settlement_statements.complete_through IS
  'Whatever was sold until the end of this day should be in it, or in one before.';
COMMENT ON COLUMN washminute_data.settlement_statements.imported_by IS 'The administrator who imported it last; NULL for a trusted client.';
COMMENT ON COLUMN washminute_data.settlement_statements.imported_at IS 'When it was imported last.';

CREATE TABLE washminute_data.settlement_lines (
    line_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    statement text NOT NULL,
    number integer NOT NULL,
    kind text NOT NULL,
    gateway_order_id text,
    authorization_number text,
    amount numeric(12, 2) NOT NULL,
    sold_on date NOT NULL,
    hash bytea NOT NULL,
    outcome text,
    attempt_id uuid,
    refund_id uuid,
    CONSTRAINT settlement_lines_pk PRIMARY KEY (line_id),
    CONSTRAINT settlement_lines_hash_once UNIQUE (hash),
    CONSTRAINT settlement_lines_statement_fk FOREIGN KEY (statement)
      REFERENCES washminute_data.settlement_statements (statement),
    CONSTRAINT settlement_lines_attempt_fk FOREIGN KEY (attempt_id)
      REFERENCES washminute_data.payment_attempts (attempt_id),
    CONSTRAINT settlement_lines_refund_fk FOREIGN KEY (refund_id) REFERENCES washminute_data.refunds (refund_id),
    CONSTRAINT settlement_lines_kind_known CHECK (kind IN ('sale', 'refund')),
    CONSTRAINT settlement_lines_amount_positive CHECK (amount > 0 AND amount <> 'NaN'::numeric),
    CONSTRAINT settlement_lines_outcome_known CHECK (outcome IN ('matched', 'differs', 'only_theirs')),
    CONSTRAINT settlement_lines_matched_with_ours CHECK (outcome = 'only_theirs' OR outcome IS NULL OR attempt_id IS NOT NULL)
);
CREATE INDEX settlement_lines_attempt ON washminute_data.settlement_lines (attempt_id);
CREATE INDEX settlement_lines_refund ON washminute_data.settlement_lines (refund_id) WHERE refund_id IS NOT NULL;
CREATE INDEX settlement_lines_open ON washminute_data.settlement_lines (line_id) WHERE outcome IS NULL;
COMMENT ON TABLE washminute_data.settlement_lines IS
  'Lines of the gateway''s statements, each once, however often it is imported.';
COMMENT ON COLUMN washminute_data.settlement_lines.line_id IS 'Id, in the order of the first import.';
COMMENT ON COLUMN washminute_data.settlement_lines.statement IS 'The statement that brought it first.';
COMMENT ON COLUMN washminute_data.settlement_lines.number IS 'Its line there, from 1, which is the header.';
COMMENT ON COLUMN washminute_data.settlement_lines.kind IS 'sale or refund.';
COMMENT ON COLUMN washminute_data.settlement_lines.gateway_order_id IS 'orderid, where the line has one.';
COMMENT ON COLUMN washminute_data.settlement_lines.authorization_number IS 'numAuto, where the line has one.';
COMMENT ON COLUMN washminute_data.settlement_lines.amount IS 'MAD.';
COMMENT ON COLUMN washminute_data.settlement_lines.sold_on IS 'Its day.';
COMMENT ON COLUMN washminute_data.settlement_lines.hash IS
  'SHA-256 of what it says, and of which one of several alike in its statement it is.';
COMMENT ON COLUMN washminute_data.settlement_lines.outcome IS
  'matched, differs (another amount), only_theirs (nothing of ours is like it), or NULL before it was compared.';
COMMENT ON COLUMN washminute_data.settlement_lines.attempt_id IS 'The attempt of that order id, or that it was matched with.';
COMMENT ON COLUMN washminute_data.settlement_lines.refund_id IS 'The refund that it was matched with.';

ALTER TABLE washminute_data.payment_exception_kinds ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.payment_exception_decisions ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.settlement_statements ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.settlement_lines ENABLE ROW LEVEL SECURITY;

-- An exception may be about a line of a statement, of which we may know no payment.

ALTER TABLE washminute_data.payment_exceptions
  DROP CONSTRAINT payment_exceptions_kind_known,
  ALTER COLUMN payment_id DROP NOT NULL,
  ADD COLUMN line_id bigint,
  ADD CONSTRAINT payment_exceptions_kind_fk FOREIGN KEY (kind)
    REFERENCES washminute_data.payment_exception_kinds (kind),
  ADD CONSTRAINT payment_exceptions_line_fk FOREIGN KEY (line_id)
    REFERENCES washminute_data.settlement_lines (line_id),
  ADD CONSTRAINT payment_exceptions_about_something CHECK (payment_id IS NOT NULL OR line_id IS NOT NULL);
DROP INDEX washminute_data.payment_exceptions_open;
CREATE UNIQUE INDEX payment_exceptions_open ON washminute_data.payment_exceptions
  (payment_id, kind, COALESCE(refund_id, attempt_id)) WHERE resolved_at IS NULL AND line_id IS NULL;
CREATE UNIQUE INDEX payment_exceptions_open_line ON washminute_data.payment_exceptions (line_id)
  WHERE resolved_at IS NULL AND line_id IS NOT NULL;
CREATE INDEX payment_exceptions_line ON washminute_data.payment_exceptions (line_id) WHERE line_id IS NOT NULL;
CREATE INDEX payment_exceptions_attempt ON washminute_data.payment_exceptions (attempt_id, kind);
COMMENT ON COLUMN washminute_data.payment_exceptions.kind IS 'A row of payment_exception_kinds, which says what it means.';
COMMENT ON COLUMN washminute_data.payment_exceptions.payment_id IS 'The payment; NULL where a statement''s line is of none of ours.';
COMMENT ON COLUMN washminute_data.payment_exceptions.line_id IS 'The line of a statement, where it is about one.';

-- Refunds of which the customer was paid by another way, and the books of all this.

CREATE INDEX refunds_attempt ON washminute_data.refunds (attempt_id);
ALTER TABLE washminute_data.refunds
  DROP CONSTRAINT refunds_status_known,
  ADD CONSTRAINT refunds_status_known
    CHECK (status IN ('requested', 'dispatched', 'unknown', 'accepted', 'reversed', 'settled', 'outside', 'failed')),
  DROP CONSTRAINT refunds_sent_by_a_method,
  ADD CONSTRAINT refunds_sent_by_a_method CHECK (status IN ('requested', 'failed', 'outside') OR method IS NOT NULL);
COMMENT ON COLUMN washminute_data.refunds.status IS
  'requested, dispatched (it may have been sent), unknown (no answer: never sent again by itself), accepted (queued at the gateway), reversed, settled, outside (the customer was paid by another way), failed (refused, so that nothing was paid back).';

ALTER TABLE washminute_data.transfers
  DROP CONSTRAINT transfers_purpose_known,
  ADD CONSTRAINT transfers_purpose_known
    CHECK (purpose IN ('payment', 'payment_reversed', 'surplus', 'washman_income', 'commission', 'refund_due',
                       'refund_granted', 'refund_offset', 'refund_void', 'refund', 'refund_outside', 'settlement_difference',
                       'cancellation_fee', 'cancellation_share', 'give_back_fee', 'receivable', 'settlement', 'payout')),
  DROP CONSTRAINT transfers_order_named,
  ADD CONSTRAINT transfers_order_named
    CHECK ((order_id IS NULL) = (purpose IN ('settlement', 'payout')) OR purpose = 'settlement_difference');
CREATE UNIQUE INDEX transfers_once_per_decision ON washminute_data.transfers (purpose, reason)
  WHERE purpose IN ('refund_outside', 'settlement_difference');
COMMENT ON COLUMN washminute_data.transfers.purpose IS
  'payment, payment_reversed (the gateway took it back), surplus (money that was not due), refund_due, refund_granted (by an administrator), refund_offset (of what was due back, what had been granted), refund_void (a granted one failed), refund (it went back), refund_outside (by another way), settlement_difference (between a statement and our books), washman_income, commission, cancellation_fee, cancellation_share, give_back_fee, receivable, settlement or payout.';
COMMENT ON COLUMN washminute_data.transfers.reason IS
  'Why, in words; for payments the gateway''s order id, for refunds the refund''s id, for a difference of a settlement the exception''s id.';
