-- What can be decided about refunds that failed, and lines that come in two statements.

INSERT INTO washminute_data.payment_exception_decisions (kind, decision, effect) VALUES
  ('refund_failed', 'paid_back', 'It has gone back all the same: the refund is booked; one that was granted at the platform''s expense again.');
UPDATE washminute_data.payment_exception_decisions SET effect = CASE decision
    WHEN 'send_again' THEN 'It is sent once more, or what is left to be paid back of it. Not for a refund that an administrator granted: grant another one.'
    WHEN 'paid_outside' THEN 'The customer was paid by another way, or what is left to be paid back of it: booked against cash_settlement. Not for a refund that was granted.'
    WHEN 'closed' THEN 'Nothing goes back. Only for a refund that was granted, which has been booked back to the platform, or where other refunds leave nothing to be paid back: then the platform gets it.'
    ELSE effect END
 WHERE kind = 'refund_failed';
UPDATE washminute_data.payment_exception_decisions
   SET effect = 'What is left of it went back: what was owed by refunds that failed, and the rest at the platform''s expense, is booked as having happened.'
 WHERE kind = 'reversed_in_hand' AND decision = 'written_off';
UPDATE washminute_data.payment_exception_decisions
   SET effect = effect || CASE kind
    WHEN 'settlement_only_ours' THEN ' Booked back by itself should its line come after all.'
    ELSE ' Booked back by itself should a sale turn out to be ours after all.' END
 WHERE kind IN ('settlement_only_ours', 'settlement_only_theirs') AND decision = 'booked';
UPDATE washminute_data.payment_exception_kinds
   SET advice = 'Ask the gateway''s operator why, and whether it has gone back all the same. A card that is closed cannot be refunded: pay the customer by another way.'
 WHERE kind = 'refund_failed';
UPDATE washminute_data.payment_exception_kinds
   SET meaning = 'No inquiry could tell, of a saved card for ten minutes, else for a day, whether the customer was charged, or whether the money was taken back.'
 WHERE kind = 'attempt_unknown';
UPDATE washminute_data.payment_exception_kinds
   SET advice = advice || ' Where the evidence has alsoIn, another statement has the same line: it was paid twice, or one statement repeats a part of the other.'
 WHERE kind = 'settlement_only_theirs';

-- The same line in another statement is another line.
ALTER TABLE washminute_data.settlement_lines
  DROP CONSTRAINT settlement_lines_hash_once,
  ADD CONSTRAINT settlement_lines_once_per_statement UNIQUE (statement, hash);
CREATE INDEX settlement_lines_hash ON washminute_data.settlement_lines (hash);
COMMENT ON TABLE washminute_data.settlement_lines IS
  'Lines of the gateway''s statements, each once, however often its statement is imported.';
COMMENT ON COLUMN washminute_data.settlement_lines.statement IS 'The statement that it is in.';
COMMENT ON COLUMN washminute_data.settlement_lines.line_id IS 'Id, in the order of import.';
