-- Orders, the requests that washmen answer, and the jobs that come of them.
--
-- Acceptances run in serializable transactions, many at a time, and must not
-- disturb each other. So no index of washing_requests, offers or accounts has a
-- column that an acceptance changes (its updates stay within the heap page), an
-- acceptance never writes offers, and foreign keys point at rows that hardly
-- ever change. src/dispatch/acceptance.c tells the whole protocol.

CREATE TABLE washminute_data.orders (
    order_id uuid NOT NULL,
    reference text NOT NULL,
    customer_id text NOT NULL,
    status text NOT NULL,
    payment_method text NOT NULL,
    payment_verified boolean NOT NULL DEFAULT false,
    total numeric(12, 2) NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT orders_pk PRIMARY KEY (order_id),
    CONSTRAINT orders_reference_unique UNIQUE (reference),
    CONSTRAINT orders_customer_fk FOREIGN KEY (customer_id) REFERENCES washminute_data.users (user_id),
    CONSTRAINT orders_reference_fits_a_gateway CHECK (reference ~ '^[A-Z0-9]{1,20}$'),
    CONSTRAINT orders_status_known
      CHECK (status IN ('pending', 'paid', 'completed', 'cancelled', 'refunded')),
    CONSTRAINT orders_payment_method_known CHECK (payment_method IN ('cash', 'card')),
    CONSTRAINT orders_paid_is_verified CHECK (status <> 'paid' OR payment_verified),
    CONSTRAINT orders_total_positive CHECK (total > 0 AND total <> 'NaN'::numeric)
) WITH (fillfactor = 70);
CREATE INDEX orders_customer ON washminute_data.orders (customer_id, created_at);
COMMENT ON TABLE washminute_data.orders IS 'What a customer has ordered, and whether it is paid.';
COMMENT ON COLUMN washminute_data.orders.order_id IS 'Id for programs.';
COMMENT ON COLUMN washminute_data.orders.reference IS 'Id for people and card gateways: at most 20 characters of A-Z and 0-9.';
COMMENT ON COLUMN washminute_data.orders.customer_id IS 'Who ordered.';
COMMENT ON COLUMN washminute_data.orders.status IS 'pending, paid (by card, before the work), completed, cancelled or refunded.';
COMMENT ON COLUMN washminute_data.orders.payment_method IS 'cash or card.';
COMMENT ON COLUMN washminute_data.orders.payment_verified IS 'True once the money is known to have come.';
COMMENT ON COLUMN washminute_data.orders.total IS 'MAD, all lines together.';
COMMENT ON COLUMN washminute_data.orders.created_at IS 'When it was booked.';
COMMENT ON COLUMN washminute_data.orders.updated_at IS 'When the row last changed.';

CREATE TABLE washminute_data.order_lines (
    order_id uuid NOT NULL,
    line_number integer NOT NULL,
    service_code text NOT NULL,
    price numeric(12, 2) NOT NULL,
    duration_minutes integer NOT NULL,
    CONSTRAINT order_lines_pk PRIMARY KEY (order_id, line_number),
    CONSTRAINT order_lines_service_once UNIQUE (order_id, service_code),
    CONSTRAINT order_lines_order_fk FOREIGN KEY (order_id) REFERENCES washminute_data.orders (order_id),
    CONSTRAINT order_lines_service_fk FOREIGN KEY (service_code) REFERENCES washminute_data.services (service_code),
    CONSTRAINT order_lines_price_positive CHECK (price > 0 AND price <> 'NaN'::numeric)
);
COMMENT ON TABLE washminute_data.order_lines IS 'The services of an order, at the prices of the day.';
COMMENT ON COLUMN washminute_data.order_lines.order_id IS 'The order.';
COMMENT ON COLUMN washminute_data.order_lines.line_number IS 'From 1, in the order of booking.';
COMMENT ON COLUMN washminute_data.order_lines.service_code IS 'The service.';
COMMENT ON COLUMN washminute_data.order_lines.price IS 'MAD, as it was when booked.';
COMMENT ON COLUMN washminute_data.order_lines.duration_minutes IS 'Minutes, as they were when booked.';

CREATE TABLE washminute_data.request_transitions (
    from_status text NOT NULL,
    to_status text NOT NULL,
    actor_kind text NOT NULL,
    event text NOT NULL,
    CONSTRAINT request_transitions_pk PRIMARY KEY (from_status, to_status, actor_kind),
    CONSTRAINT request_transitions_actor_kind_known
      CHECK (actor_kind IN ('customer', 'washman', 'admin', 'system'))
);
COMMENT ON TABLE washminute_data.request_transitions IS
  'The moves a request can make and who may make them. No row, no move.';
COMMENT ON COLUMN washminute_data.request_transitions.from_status IS 'The present status.';
COMMENT ON COLUMN washminute_data.request_transitions.to_status IS 'The status it moves to.';
COMMENT ON COLUMN washminute_data.request_transitions.actor_kind IS 'customer: who ordered; washman: who has the job; admin; system: a deadline.';
COMMENT ON COLUMN washminute_data.request_transitions.event IS 'The event that is recorded for the move.';

INSERT INTO washminute_data.request_transitions (from_status, to_status, actor_kind, event) VALUES
  ('pending', 'accepted', 'washman', 'washmanAssigned'),
  ('pending', 'expired', 'system', 'requestExpired'),
  ('pending', 'cancelled', 'customer', 'requestCancelled'),
  ('pending', 'cancelled', 'admin', 'requestCancelled'),
  ('accepted', 'en_route', 'washman', 'washmanEnRoute'),
  ('accepted', 'pending', 'washman', 'requestGivenBack'),
  ('accepted', 'cancelled', 'customer', 'requestCancelled'),
  ('accepted', 'cancelled', 'admin', 'requestCancelled'),
  ('en_route', 'arrived', 'washman', 'washmanArrived'),
  ('en_route', 'pending', 'washman', 'requestGivenBack'),
  ('en_route', 'cancelled', 'customer', 'requestCancelled'),
  ('en_route', 'cancelled', 'admin', 'requestCancelled'),
  ('arrived', 'in_progress', 'washman', 'washStarted'),
  ('arrived', 'no_show', 'washman', 'customerNoShow'),
  ('arrived', 'pending', 'washman', 'requestGivenBack'),
  ('arrived', 'cancelled', 'customer', 'requestCancelled'),
  ('arrived', 'cancelled', 'admin', 'requestCancelled'),
  ('in_progress', 'completed', 'washman', 'washCompleted');

CREATE TABLE washminute_data.washing_requests (
    request_id uuid NOT NULL,
    order_id uuid NOT NULL,
    customer_id text NOT NULL,
    zone_code text NOT NULL,
    status text NOT NULL,
    client_location geography(Point, 4326) NOT NULL,
    address text NOT NULL,
    duration_minutes integer NOT NULL,
    reservation_at timestamptz,
    expires_at timestamptz NOT NULL,
    wave integer NOT NULL DEFAULT 0,
    washman_id text,
    accepted_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT washing_requests_pk PRIMARY KEY (request_id),
    CONSTRAINT washing_requests_order_once UNIQUE (order_id),
    CONSTRAINT washing_requests_order_fk FOREIGN KEY (order_id) REFERENCES washminute_data.orders (order_id),
    CONSTRAINT washing_requests_customer_fk FOREIGN KEY (customer_id) REFERENCES washminute_data.users (user_id),
    CONSTRAINT washing_requests_washman_fk FOREIGN KEY (washman_id) REFERENCES washminute_data.users (user_id),
    CONSTRAINT washing_requests_zone_fk FOREIGN KEY (zone_code) REFERENCES washminute_data.service_zones (zone_code),
    CONSTRAINT washing_requests_status_known
      CHECK (status IN ('pending', 'accepted', 'en_route', 'arrived', 'in_progress', 'completed', 'cancelled', 'expired', 'no_show')),
    CONSTRAINT washing_requests_washman_has_accepted
      CHECK ((washman_id IS NULL) = (accepted_at IS NULL)),
    CONSTRAINT washing_requests_status_fits_washman
      CHECK (CASE WHEN status IN ('pending', 'expired') THEN washman_id IS NULL
                  WHEN status = 'cancelled' THEN true
                  ELSE washman_id IS NOT NULL END),
    CONSTRAINT washing_requests_duration_positive CHECK (duration_minutes > 0)
) WITH (fillfactor = 50);
CREATE INDEX washing_requests_client_location ON washminute_data.washing_requests USING gist (client_location);
CREATE INDEX washing_requests_customer ON washminute_data.washing_requests (customer_id, created_at);
COMMENT ON TABLE washminute_data.washing_requests IS
  'The work behind an order: where, when, by whom, how far. Its status is moved by the commands alone.';
COMMENT ON COLUMN washminute_data.washing_requests.request_id IS 'Id for programs.';
COMMENT ON COLUMN washminute_data.washing_requests.order_id IS 'The order it belongs to.';
COMMENT ON COLUMN washminute_data.washing_requests.customer_id IS 'Who ordered.';
COMMENT ON COLUMN washminute_data.washing_requests.zone_code IS 'The service zone, whose clock counts.';
COMMENT ON COLUMN washminute_data.washing_requests.status IS 'pending, accepted, en_route, arrived, in_progress, completed, cancelled, expired or no_show.';
COMMENT ON COLUMN washminute_data.washing_requests.client_location IS 'Where the car is, WGS 84.';
COMMENT ON COLUMN washminute_data.washing_requests.address IS 'Where the car is, in words.';
COMMENT ON COLUMN washminute_data.washing_requests.duration_minutes IS 'Minutes of work, all services together.';
COMMENT ON COLUMN washminute_data.washing_requests.reservation_at IS 'When the work is to start; NULL for as soon as possible.';
COMMENT ON COLUMN washminute_data.washing_requests.expires_at IS 'When the request expires if nobody has accepted it.';
COMMENT ON COLUMN washminute_data.washing_requests.wave IS 'How often it was offered so far.';
COMMENT ON COLUMN washminute_data.washing_requests.washman_id IS 'Who has the job.';
COMMENT ON COLUMN washminute_data.washing_requests.accepted_at IS 'When he accepted.';
COMMENT ON COLUMN washminute_data.washing_requests.created_at IS 'When it was booked.';
COMMENT ON COLUMN washminute_data.washing_requests.updated_at IS 'When it last moved.';

CREATE TABLE washminute_data.request_timers (
    request_id uuid NOT NULL,
    due_at timestamptz NOT NULL,
    CONSTRAINT request_timers_pk PRIMARY KEY (request_id),
    CONSTRAINT request_timers_request_fk FOREIGN KEY (request_id) REFERENCES washminute_data.washing_requests (request_id)
);
CREATE INDEX request_timers_due ON washminute_data.request_timers (due_at);
COMMENT ON TABLE washminute_data.request_timers IS
  'When washminute.expire_due() must look at a request next. Timers only tidy up: every deadline is a condition of its command as well.';
COMMENT ON COLUMN washminute_data.request_timers.request_id IS 'The request.';
COMMENT ON COLUMN washminute_data.request_timers.due_at IS 'When to look.';

CREATE TABLE washminute_data.offers (
    request_id uuid NOT NULL,
    washman_id text NOT NULL,
    wave integer NOT NULL,
    distance_m double precision NOT NULL,
    located_at timestamptz NOT NULL,
    offered_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    declined_at timestamptz,
    CONSTRAINT offers_pk PRIMARY KEY (request_id, washman_id),
    CONSTRAINT offers_request_fk FOREIGN KEY (request_id) REFERENCES washminute_data.washing_requests (request_id),
    CONSTRAINT offers_distance_not_negative CHECK (distance_m >= 0),
    CONSTRAINT offers_expire_after_they_begin CHECK (expires_at >= offered_at)
) WITH (fillfactor = 80);
CREATE INDEX offers_washman ON washminute_data.offers (washman_id, offered_at);
COMMENT ON TABLE washminute_data.offers IS
  'Which washman was offered which request. Whether an offer still stands follows from the request, so that an acceptance need not touch the offers of those who lost.';
COMMENT ON COLUMN washminute_data.offers.request_id IS 'The request.';
COMMENT ON COLUMN washminute_data.offers.washman_id IS 'The washman; without a foreign key, which would lock a row of every washman near at each booking.';
COMMENT ON COLUMN washminute_data.offers.wave IS 'The wave in which it was offered last.';
COMMENT ON COLUMN washminute_data.offers.distance_m IS 'Metres from him to the place when it was offered.';
COMMENT ON COLUMN washminute_data.offers.located_at IS 'Time of the position that the distance was measured from.';
COMMENT ON COLUMN washminute_data.offers.offered_at IS 'When it was offered.';
COMMENT ON COLUMN washminute_data.offers.expires_at IS 'Until when it can be accepted.';
COMMENT ON COLUMN washminute_data.offers.declined_at IS 'When he declined it or gave the job back; he is not asked again.';

CREATE TABLE washminute_data.jobs (
    job_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    request_id uuid NOT NULL,
    washman_id text NOT NULL,
    period tstzrange NOT NULL,
    live boolean NOT NULL DEFAULT true,
    outcome text,
    commission numeric(12, 2) NOT NULL,
    held numeric(12, 2) NOT NULL,
    accepted_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT jobs_pk PRIMARY KEY (job_id),
    CONSTRAINT jobs_request_fk FOREIGN KEY (request_id) REFERENCES washminute_data.washing_requests (request_id),
    CONSTRAINT jobs_washman_fk FOREIGN KEY (washman_id) REFERENCES washminute_data.users (user_id),
    CONSTRAINT jobs_washman_times_never_overlap
      EXCLUDE USING gist (washman_id WITH =, period WITH &&) WHERE (live),
    CONSTRAINT jobs_outcome_known
      CHECK (outcome IN ('completed', 'given_back', 'cancelled', 'no_show')),
    CONSTRAINT jobs_live_until_they_end
      CHECK (live = (ended_at IS NULL) AND live = (outcome IS NULL)),
    CONSTRAINT jobs_period_not_empty CHECK (NOT isempty(period)),
    CONSTRAINT jobs_amounts_not_negative CHECK (commission >= 0 AND held >= 0 AND held <= commission)
);
CREATE UNIQUE INDEX jobs_one_live_per_request ON washminute_data.jobs (request_id) WHERE live;
COMMENT ON TABLE washminute_data.jobs IS
  'Who does which request and when. A second live job of a request, or one that overlaps another of the same washman, cannot be stored.';
COMMENT ON COLUMN washminute_data.jobs.job_id IS 'Id, in the order of acceptance.';
COMMENT ON COLUMN washminute_data.jobs.request_id IS 'The request.';
COMMENT ON COLUMN washminute_data.jobs.washman_id IS 'The washman.';
COMMENT ON COLUMN washminute_data.jobs.period IS 'The time he is taken for: the way and the work.';
COMMENT ON COLUMN washminute_data.jobs.live IS 'True until the job ends.';
COMMENT ON COLUMN washminute_data.jobs.outcome IS 'How it ended: completed, given_back, cancelled or no_show.';
COMMENT ON COLUMN washminute_data.jobs.commission IS 'MAD that the platform takes when the job is completed.';
COMMENT ON COLUMN washminute_data.jobs.held IS 'MAD held on his balance while the job is live: the commission of a cash job, 0 for a card job.';
COMMENT ON COLUMN washminute_data.jobs.accepted_at IS 'When he accepted.';
COMMENT ON COLUMN washminute_data.jobs.ended_at IS 'When the job ended.';

ALTER TABLE washminute_data.orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.order_lines ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.request_transitions ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.washing_requests ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.request_timers ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.offers ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.jobs ENABLE ROW LEVEL SECURITY;
