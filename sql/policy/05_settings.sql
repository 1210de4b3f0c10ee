-- The business rules that are missing, with their defaults; what an operator has
-- set stays.

INSERT INTO washminute_data.settings (name, value, minimum, maximum, unit, description) VALUES
  ('balance_floor', -500.00, -100000, 0, 'MAD',
   'A washman''s balance must not be below this to accept a job (exactly this passes), nor, less what is held and the commission, to accept a cash job.'),
  ('commission_percent', 20, 0, 100, 'per cent',
   'Share of an order''s total that the platform takes.'),
  ('idempotency_hours', 48, 1, 8760, 'hours',
   'How long an idempotency key and its answer are kept.'),
  ('initial_radius_m', 5000, 1, 1000000, 'metres',
   'The first ring that is searched for washmen.'),
  ('offer_seconds', 600, 1, 1800, 'seconds',
   'How long an offer can be accepted.'),
  ('offer_size', 50, 1, 1000, 'washmen',
   'How many washmen are offered a request at once, nearest first.'),
  ('position_max_age_seconds', 7200, 1, 604800, 'seconds',
   'A washman whose position is older than this is not matched.'),
  ('push_receipt_minutes', 15, 0, 1440, 'minutes',
   'How long after a push message its receipt is asked for.'),
  ('radius_limit_m', 20000, 1, 1000000, 'metres',
   'The last ring that is searched.'),
  ('radius_step_m', 5000, 1, 1000000, 'metres',
   'By how much each ring is wider than the one before.'),
  ('request_seconds', 600, 1, 86400, 'seconds',
   'An instant request that nobody has accepted, or whose card payment has not come, after this expires.'),
  ('reservation_horizon_days', 30, 1, 366, 'days',
   'A reservation can be made at most so far ahead.'),
  ('reservation_notice_minutes', 30, 0, 10080, 'minutes',
   'A reservation must be made at least so far ahead.'),
  ('travel_minutes', 30, 0, 600, 'minutes',
   'Time allowed for the way to an instant job, part of the washman''s busy time.')
ON CONFLICT (name) DO NOTHING;
