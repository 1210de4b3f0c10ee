-- Business rules as rows, each with its range. Commands read them at each call.

CREATE TABLE washminute_data.settings (
    name text NOT NULL,
    value numeric NOT NULL,
    minimum numeric NOT NULL,
    maximum numeric NOT NULL,
    unit text NOT NULL,
    description text NOT NULL,
    CONSTRAINT settings_pk PRIMARY KEY (name),
    CONSTRAINT settings_value_in_range CHECK (value BETWEEN minimum AND maximum),
    CONSTRAINT settings_value_has_two_decimals CHECK (scale(value) <= 2 AND value <> 'NaN'::numeric)
);
COMMENT ON TABLE washminute_data.settings IS
  'Business rules. UPDATE a value; it must lie between minimum and maximum and holds from the next command on.';
COMMENT ON COLUMN washminute_data.settings.name IS 'Name of the rule.';
COMMENT ON COLUMN washminute_data.settings.value IS 'The value in force, at most two decimals.';
COMMENT ON COLUMN washminute_data.settings.minimum IS 'Least value allowed.';
COMMENT ON COLUMN washminute_data.settings.maximum IS 'Greatest value allowed.';
COMMENT ON COLUMN washminute_data.settings.unit IS 'Unit of the value.';
COMMENT ON COLUMN washminute_data.settings.description IS 'What the rule says.';

ALTER TABLE washminute_data.settings ENABLE ROW LEVEL SECURITY;

INSERT INTO washminute_data.settings (name, value, minimum, maximum, unit, description) VALUES
  ('balance_floor', -500.00, -100000, 0, 'MAD',
   'A job can be accepted while the washman''s balance is not below this; exactly this passes.'),
  ('commission_percent', 20, 0, 100, 'per cent',
   'Share of an order''s total that the platform takes.'),
  ('idempotency_hours', 48, 1, 8760, 'hours',
   'How long an idempotency key and its answer are kept.'),
  ('initial_radius_m', 5000, 1, 1000000, 'metres',
   'The first ring that is searched for washmen.'),
  ('offer_seconds', 600, 1, 86400, 'seconds',
   'How long an offer can be accepted.'),
  ('offer_size', 50, 1, 1000, 'washmen',
   'How many washmen are offered a request at once, nearest first.'),
  ('position_max_age_seconds', 7200, 1, 604800, 'seconds',
   'A washman whose position is older than this is not matched.'),
  ('radius_limit_m', 20000, 1, 1000000, 'metres',
   'The last ring that is searched.'),
  ('radius_step_m', 5000, 1, 1000000, 'metres',
   'By how much each ring is wider than the one before.'),
  ('request_seconds', 600, 1, 86400, 'seconds',
   'An instant request that nobody has accepted after this expires.'),
  ('reservation_horizon_days', 30, 1, 366, 'days',
   'A reservation can be made at most so far ahead.'),
  ('reservation_notice_minutes', 30, 0, 10080, 'minutes',
   'A reservation must be made at least so far ahead.'),
  ('travel_minutes', 30, 0, 600, 'minutes',
   'Time allowed for the way to an instant job, part of the washman''s busy time.');
