-- A weekday on which a zone is closed; exceptions with a pause, and within one another.

ALTER TABLE washminute_data.opening_hours
  DROP CONSTRAINT opening_hours_pk,
  ADD COLUMN opening_hours_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  ADD CONSTRAINT opening_hours_id_pk PRIMARY KEY (opening_hours_id),
  ALTER COLUMN opens_at DROP NOT NULL,
  ALTER COLUMN closes_at DROP NOT NULL,
  ADD CONSTRAINT opening_hours_unique UNIQUE NULLS NOT DISTINCT (zone_code, weekday, opens_at),
  ADD CONSTRAINT opening_hours_whole CHECK ((opens_at IS NULL) = (closes_at IS NULL));
COMMENT ON COLUMN washminute_data.opening_hours.opening_hours_id IS 'Id; hours of a day are known by when they begin.';
COMMENT ON COLUMN washminute_data.opening_hours.opens_at IS 'First local time at which work may start; NULL: closed on that weekday.';

ALTER TABLE washminute_data.opening_exceptions
  DROP CONSTRAINT opening_exceptions_pk,
  ADD COLUMN opening_exception_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  ADD CONSTRAINT opening_exceptions_id_pk PRIMARY KEY (opening_exception_id),
  DROP CONSTRAINT opening_exceptions_never_overlap,
  ADD CONSTRAINT opening_exceptions_unique UNIQUE NULLS NOT DISTINCT (zone_code, first_day, last_day, opens_at);
COMMENT ON TABLE washminute_data.opening_exceptions IS
  'Days with hours of their own, whatever the weekday: holidays, the hours of Ramadan; several rows of the same days where it closes between. Where exceptions of other days overlap, the one of fewer days counts; of as many, the one that begins later.';
COMMENT ON COLUMN washminute_data.opening_exceptions.opening_exception_id IS 'Id; an exception is known by its days and when it begins.';
