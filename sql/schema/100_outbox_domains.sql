-- What the outbox's columns may hold, as domains.
--
-- PostgreSQL reads a table's CHECK constraints from their text anew in each statement
-- that writes to it; those of a domain it keeps.  Of what an INSERT of three
-- messages cost, two fifths were constraints.  That a row in flight has an epoch,
-- which takes two columns to say, is now said by none being without.

CREATE DOMAIN washminute_data.outbox_lane AS text
  CONSTRAINT outbox_lane_known CHECK (VALUE IN ('push', 'push_receipt', 'payment', 'webhook', 'realtime'));
CREATE DOMAIN washminute_data.outbox_state AS text
  CONSTRAINT outbox_state_known CHECK (VALUE IN ('queued', 'inflight', 'dead'));
CREATE DOMAIN washminute_data.outbox_audience AS text
  CONSTRAINT outbox_audience_known CHECK (VALUE IN ('customer', 'washman', 'admin'));
CREATE DOMAIN washminute_data.outbox_data AS jsonb
  CONSTRAINT outbox_data_is_object CHECK (jsonb_typeof(VALUE) = 'object');
CREATE DOMAIN washminute_data.outbox_attempts AS integer
  CONSTRAINT outbox_attempts_not_negative CHECK (VALUE >= 0);
CREATE DOMAIN washminute_data.outbox_error AS text
  CONSTRAINT outbox_last_error_has_length CHECK (char_length(VALUE) <= 1000);
COMMENT ON DOMAIN washminute_data.outbox_lane IS 'A lane of the outbox.';
COMMENT ON DOMAIN washminute_data.outbox_state IS 'A state of a row of the outbox.';
COMMENT ON DOMAIN washminute_data.outbox_audience IS 'As what a recipient is spoken to.';
COMMENT ON DOMAIN washminute_data.outbox_data IS 'Facts of a message: a JSON object.';
COMMENT ON DOMAIN washminute_data.outbox_attempts IS 'A count of attempts.';
COMMENT ON DOMAIN washminute_data.outbox_error IS 'What an attempt failed by.';

UPDATE washminute_data.outbox SET epoch = 0 WHERE epoch IS NULL;
ALTER TABLE washminute_data.outbox
  DROP CONSTRAINT outbox_lane_known,
  DROP CONSTRAINT outbox_state_known,
  DROP CONSTRAINT outbox_inflight_has_epoch,
  DROP CONSTRAINT outbox_audience_known,
  DROP CONSTRAINT outbox_data_is_object,
  DROP CONSTRAINT outbox_attempts_not_negative,
  DROP CONSTRAINT outbox_last_error_has_length,
  ALTER COLUMN lane TYPE washminute_data.outbox_lane,
  ALTER COLUMN state TYPE washminute_data.outbox_state,
  ALTER COLUMN audience TYPE washminute_data.outbox_audience,
  ALTER COLUMN data TYPE washminute_data.outbox_data,
  ALTER COLUMN attempts TYPE washminute_data.outbox_attempts,
  ALTER COLUMN last_error TYPE washminute_data.outbox_error,
  ALTER COLUMN epoch SET DEFAULT 0,
  ALTER COLUMN epoch SET NOT NULL;
COMMENT ON COLUMN washminute_data.outbox.epoch IS
  'Which life of the worker claimed it last, 0 for none; a row in flight of an earlier one is an orphan.';
