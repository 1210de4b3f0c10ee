-- The lanes that are missing, with their defaults; what an operator has set stays.

INSERT INTO washminute_data.lanes
  (lane, concurrency, rate_per_second, max_attempts, backoff_limit_seconds, breaker_failures) VALUES
  ('push', 6, NULL, 10, 300, 5),
  ('push_receipt', 2, NULL, 40, 3600, 5),
  ('payment', 16, NULL, 100, 300, 5),
  ('webhook', 32, NULL, 16, 3600, 5),
  ('realtime', 32, NULL, 5, 60, 5)
ON CONFLICT (lane) DO NOTHING;
