-- When a scheduler was here last: pg_cron may run in another database, which cannot be seen from this one.

CREATE TABLE washminute_data.scheduler (
    only_row boolean NOT NULL DEFAULT true,
    ran_at timestamptz NOT NULL,
    CONSTRAINT scheduler_pk PRIMARY KEY (only_row),
    CONSTRAINT scheduler_has_one_row CHECK (only_row)
);
INSERT INTO washminute_data.scheduler (ran_at) VALUES ('-infinity');
COMMENT ON TABLE washminute_data.scheduler IS 'What calls washminute.run_due() every minute: one row.';
COMMENT ON COLUMN washminute_data.scheduler.only_row IS 'True: there is one row.';
COMMENT ON COLUMN washminute_data.scheduler.ran_at IS 'When run_due() was called last, by the real clock.';
ALTER TABLE washminute_data.scheduler ENABLE ROW LEVEL SECURITY;
