-- Work that is reserved for a time, and when zones are open.

CREATE TABLE washminute_data.reservations (
    request_id uuid NOT NULL,
    customer_id text NOT NULL,
    period tstzrange NOT NULL,
    starts_local timestamp NOT NULL,
    live boolean NOT NULL DEFAULT true,
    CONSTRAINT reservations_pk PRIMARY KEY (request_id),
    CONSTRAINT reservations_request_fk FOREIGN KEY (request_id) REFERENCES washminute_data.washing_requests (request_id),
    CONSTRAINT reservations_customer_times_never_overlap
      EXCLUDE USING gist (customer_id WITH =, period WITH &&) WHERE (live),
    CONSTRAINT reservations_period_not_empty CHECK (NOT isempty(period))
);
COMMENT ON TABLE washminute_data.reservations IS
  'The time that each reserved request takes. Two live ones of a customer that overlap cannot be stored.';
COMMENT ON COLUMN washminute_data.reservations.request_id IS 'The request.';
COMMENT ON COLUMN washminute_data.reservations.customer_id IS 'Who reserved.';
COMMENT ON COLUMN washminute_data.reservations.period IS 'From reservation_at of the request on, as long as the work takes.';
COMMENT ON COLUMN washminute_data.reservations.starts_local IS
  'The same beginning by the zone''s clock, which is what was promised: where the rules of its time zone change meanwhile, the request moves.';
COMMENT ON COLUMN washminute_data.reservations.live IS 'False once the request has ended.';

CREATE TABLE washminute_data.reservation_stages (
    request_id uuid NOT NULL,
    stage text NOT NULL,
    due_at timestamptz NOT NULL,
    done_at timestamptz,
    outcome text,
    CONSTRAINT reservation_stages_pk PRIMARY KEY (request_id, stage),
    CONSTRAINT reservation_stages_reservation_fk
      FOREIGN KEY (request_id) REFERENCES washminute_data.reservations (request_id),
    CONSTRAINT reservation_stages_stage_known
      CHECK (stage IN ('offer', 'second_offer', 'last_offer', 'reminder')),
    CONSTRAINT reservation_stages_outcome_known
      CHECK (outcome IN ('told', 'nobody', 'superseded', 'not_needed', 'unpaid', 'too_late')),
    CONSTRAINT reservation_stages_done_with_an_outcome CHECK ((done_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX reservation_stages_due ON washminute_data.reservation_stages (due_at) WHERE done_at IS NULL;
COMMENT ON TABLE washminute_data.reservation_stages IS
  'What is to be done before a reservation begins, and what came of it; washminute.notify_due_reservations() does it, each once.';
COMMENT ON COLUMN washminute_data.reservation_stages.request_id IS 'The request.';
COMMENT ON COLUMN washminute_data.reservation_stages.stage IS
  'offer, second_offer or last_offer: washmen near are offered it, in a wider ring each time; reminder: customer and washman are reminded.';
COMMENT ON COLUMN washminute_data.reservation_stages.due_at IS 'When it is to be done.';
COMMENT ON COLUMN washminute_data.reservation_stages.done_at IS 'When it was looked at; NULL while it is ahead.';
COMMENT ON COLUMN washminute_data.reservation_stages.outcome IS
  'told; nobody was near; superseded by a later offer that was due as well; not_needed: a washman has the job, or none has whom to remind; unpaid; or too_late: the reservation had begun.';

-- Those that were reserved before: what is ahead of them.
INSERT INTO washminute_data.reservations (request_id, customer_id, period, starts_local)
SELECT r.request_id, r.customer_id,
       pg_catalog.tstzrange(r.reservation_at, r.reservation_at + r.duration_minutes * '1 minute'::interval),
       r.reservation_at AT TIME ZONE z.time_zone
  FROM washminute_data.washing_requests AS r
  JOIN washminute_data.service_zones AS z ON z.zone_code = r.zone_code
 WHERE r.reservation_at IS NOT NULL
   AND r.status IN ('pending', 'accepted', 'en_route', 'arrived', 'in_progress')
    ON CONFLICT DO NOTHING;
INSERT INTO washminute_data.reservation_stages (request_id, stage, due_at)
SELECT v.request_id, s.stage, pg_catalog.lower(v.period) - s.minutes * '1 minute'::interval
  FROM washminute_data.reservations AS v
  JOIN washminute_data.washing_requests AS r ON r.request_id = v.request_id
  JOIN washminute_data.orders AS o ON o.order_id = r.order_id,
       (VALUES ('offer', 30), ('second_offer', 15), ('last_offer', 5), ('reminder', 30)) AS s (stage, minutes)
 WHERE o.payment_method = 'cash' OR o.payment_verified;

-- Opening hours

CREATE TABLE washminute_data.opening_hours (
    zone_code text NOT NULL,
    weekday smallint NOT NULL,
    opens_at time NOT NULL,
    closes_at time NOT NULL,
    CONSTRAINT opening_hours_pk PRIMARY KEY (zone_code, weekday, opens_at),
    CONSTRAINT opening_hours_zone_fk FOREIGN KEY (zone_code) REFERENCES washminute_data.service_zones (zone_code),
    CONSTRAINT opening_hours_weekday_in_week CHECK (weekday BETWEEN 1 AND 7),
    CONSTRAINT opening_hours_not_empty CHECK (opens_at <> closes_at)
);
COMMENT ON TABLE washminute_data.opening_hours IS
  'Hours of a weekday where they differ from opens_at and closes_at of the zone; several rows where it closes between. A weekday without rows has the zone''s hours.';
COMMENT ON COLUMN washminute_data.opening_hours.zone_code IS 'The zone, whose clock counts.';
COMMENT ON COLUMN washminute_data.opening_hours.weekday IS '1 is Monday, 7 is Sunday.';
COMMENT ON COLUMN washminute_data.opening_hours.opens_at IS 'First local time at which work may start.';
COMMENT ON COLUMN washminute_data.opening_hours.closes_at IS
  'Local time from which on no work may start; one before opens_at is on the next day.';

CREATE TABLE washminute_data.opening_exceptions (
    zone_code text NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL,
    opens_at time,
    closes_at time,
    reason text NOT NULL,
    CONSTRAINT opening_exceptions_pk PRIMARY KEY (zone_code, first_day),
    CONSTRAINT opening_exceptions_zone_fk FOREIGN KEY (zone_code) REFERENCES washminute_data.service_zones (zone_code),
    CONSTRAINT opening_exceptions_days_in_order CHECK (first_day <= last_day AND isfinite(first_day) AND isfinite(last_day)),
    CONSTRAINT opening_exceptions_never_overlap
      EXCLUDE USING gist (zone_code WITH =, daterange(first_day, last_day, '[]') WITH &&),
    CONSTRAINT opening_exceptions_hours_whole CHECK ((opens_at IS NULL) = (closes_at IS NULL)),
    CONSTRAINT opening_exceptions_not_empty CHECK (opens_at <> closes_at),
    CONSTRAINT opening_exceptions_reason_has_length CHECK (char_length(reason) BETWEEN 1 AND 200)
);
COMMENT ON TABLE washminute_data.opening_exceptions IS
  'Days with hours of their own, whatever the weekday: holidays, the hours of Ramadan.';
COMMENT ON COLUMN washminute_data.opening_exceptions.zone_code IS 'The zone, whose calendar counts.';
COMMENT ON COLUMN washminute_data.opening_exceptions.first_day IS 'First local day.';
COMMENT ON COLUMN washminute_data.opening_exceptions.last_day IS 'Last local day.';
COMMENT ON COLUMN washminute_data.opening_exceptions.opens_at IS 'First local time at which work may start; NULL: closed all day.';
COMMENT ON COLUMN washminute_data.opening_exceptions.closes_at IS
  'Local time from which on no work may start; one before opens_at is on the next day.';
COMMENT ON COLUMN washminute_data.opening_exceptions.reason IS 'Why, for people.';

ALTER TABLE washminute_data.reservations ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.reservation_stages ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.opening_hours ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.opening_exceptions ENABLE ROW LEVEL SECURITY;

COMMENT ON TABLE washminute_data.push_templates IS
  'What a push message says, by event, audience and language; French where the user''s language is missing. In title and body {name} stands for that member of the message''s data, {name|else} for it or else the words behind the bar, {name, time} and {name, date} for a local time, {name, money} for an amount, and {name, plural, one {...} other {...}} for the form that the number has in the language, with # for the number.';
