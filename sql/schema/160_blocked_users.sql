-- Users who may not ask over REST.

ALTER TABLE washminute_data.users ADD COLUMN blocked_at timestamptz;
COMMENT ON COLUMN washminute_data.users.blocked_at IS
  'Since when an administrator has blocked the user; NULL when none has.';
