-- Offers over time, rules by zone, fees, what is owed, and payouts.

ALTER TABLE washminute_data.settings
  ADD COLUMN per_zone boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN washminute_data.settings.per_zone IS
  'Whether a zone may have a value of its own, in zone_settings.';
UPDATE washminute_data.settings SET per_zone = true
 WHERE name NOT IN ('balance_floor', 'idempotency_hours', 'max_speed_kmh', 'push_receipt_minutes');

-- Offers are counted, as washmen are.
ALTER TABLE washminute_data.settings
  DROP CONSTRAINT settings_washmen_are_whole,
  ADD CONSTRAINT settings_washmen_are_whole CHECK (unit NOT IN ('washmen', 'offers') OR value = trunc(value));

-- Offers used to be for all who were near, for as long as the request.
UPDATE washminute_data.settings SET value = 10 WHERE name = 'offer_size' AND value = 50;
UPDATE washminute_data.settings SET value = 45 WHERE name = 'offer_seconds' AND value = 600;

CREATE TABLE washminute_data.zone_settings (
    zone_code text NOT NULL,
    name text NOT NULL,
    value numeric NOT NULL,
    CONSTRAINT zone_settings_pk PRIMARY KEY (zone_code, name),
    CONSTRAINT zone_settings_zone_fk FOREIGN KEY (zone_code) REFERENCES washminute_data.service_zones (zone_code),
    CONSTRAINT zone_settings_setting_fk FOREIGN KEY (name) REFERENCES washminute_data.settings (name),
    CONSTRAINT zone_settings_value_has_two_decimals CHECK (scale(value) <= 2 AND value <> 'NaN'::numeric)
);
COMMENT ON TABLE washminute_data.zone_settings IS
  'Business rules that are different in a zone; the others are those of settings. A value must lie in the range that the setting has there.';
COMMENT ON COLUMN washminute_data.zone_settings.zone_code IS 'The zone.';
COMMENT ON COLUMN washminute_data.zone_settings.name IS 'Name of the rule, one that is per_zone in settings.';
COMMENT ON COLUMN washminute_data.zone_settings.value IS 'The value in force there.';

ALTER TABLE washminute_data.service_zones
  ADD COLUMN offer_policy text NOT NULL DEFAULT 'staggered',
  ADD CONSTRAINT service_zones_offer_policy_known
    CHECK (offer_policy IN ('broadcast', 'staggered', 'ranked'));
COMMENT ON COLUMN washminute_data.service_zones.offer_policy IS
  'Inside a wave: broadcast tells all at once and the first to accept has it; staggered tells the nearer some seconds earlier; ranked collects answers for some seconds, and the nearest of those who answered has it.';

CREATE TABLE washminute_data.neighbourhoods (
    neighbourhood_code text NOT NULL,
    name_ar text NOT NULL,
    name_fr text NOT NULL,
    name_en text NOT NULL,
    boundary geography(Polygon, 4326) NOT NULL,
    CONSTRAINT neighbourhoods_pk PRIMARY KEY (neighbourhood_code),
    CONSTRAINT neighbourhoods_code_is_slug CHECK (neighbourhood_code ~ '^[a-z][a-z0-9_]{0,39}$')
);
CREATE INDEX neighbourhoods_boundary ON washminute_data.neighbourhoods USING gist (boundary);
COMMENT ON TABLE washminute_data.neighbourhoods IS
  'Names of parts of a zone, which an offer tells instead of the place. Empty at first: then the zone''s name is told.';
COMMENT ON COLUMN washminute_data.neighbourhoods.neighbourhood_code IS 'Name for programs.';
COMMENT ON COLUMN washminute_data.neighbourhoods.name_ar IS 'Name in Arabic.';
COMMENT ON COLUMN washminute_data.neighbourhoods.name_fr IS 'Name in French.';
COMMENT ON COLUMN washminute_data.neighbourhoods.name_en IS 'Name in English.';
COMMENT ON COLUMN washminute_data.neighbourhoods.boundary IS 'Polygon on WGS 84; where several cover a place, the smallest counts.';

ALTER TABLE washminute_data.washing_requests
  ADD COLUMN radius_m double precision NOT NULL DEFAULT 0,
  ADD COLUMN round_wave integer NOT NULL DEFAULT 0,
  ADD COLUMN next_wave_at timestamptz,
  ADD COLUMN decide_at timestamptz,
  ADD CONSTRAINT washing_requests_radius_not_negative CHECK (radius_m >= 0),
  ADD CONSTRAINT washing_requests_round_has_begun CHECK (round_wave BETWEEN 0 AND wave);
DROP INDEX washminute_data.washing_requests_client_location;
COMMENT ON COLUMN washminute_data.washing_requests.radius_m IS
  'Metres: the widest ring it was offered in so far; 0 before the first wave.';
COMMENT ON COLUMN washminute_data.washing_requests.round_wave IS
  'Whoever was offered it in that wave or an earlier one may be offered it again: the last one before it was given back.';
COMMENT ON COLUMN washminute_data.washing_requests.next_wave_at IS
  'When it is offered to more; NULL while it waits for its payment or, reserved, for its time.';
COMMENT ON COLUMN washminute_data.washing_requests.decide_at IS
  'Where the policy is ranked: until when answers are collected; NULL once that is decided.';

ALTER TABLE washminute_data.request_timers
  ADD COLUMN place geography(Point, 4326);
UPDATE washminute_data.request_timers AS t SET place = r.client_location
  FROM washminute_data.washing_requests AS r WHERE r.request_id = t.request_id;
ALTER TABLE washminute_data.request_timers ALTER COLUMN place SET NOT NULL;
CREATE INDEX request_timers_place ON washminute_data.request_timers USING gist (place);
COMMENT ON COLUMN washminute_data.request_timers.place IS
  'Where the car is: washmen who come online find the requests near by it, since this table holds those that are open, and few others.';

ALTER TABLE washminute_data.offers
  ADD COLUMN answered_at timestamptz;
COMMENT ON COLUMN washminute_data.offers.offered_at IS
  'When he is told; with the policy staggered that may be some seconds ahead.';
COMMENT ON COLUMN washminute_data.offers.answered_at IS
  'When he said yes, where the policy is ranked and answers are collected.';

ALTER TABLE washminute_data.jobs
  DROP CONSTRAINT jobs_outcome_known,
  ADD CONSTRAINT jobs_outcome_known
    CHECK (outcome IN ('completed', 'given_back', 'cancelled', 'no_show', 'reassigned'));
COMMENT ON COLUMN washminute_data.jobs.outcome IS
  'How it ended: completed, given_back, cancelled, no_show or, given to another washman by an operator, reassigned.';

INSERT INTO washminute_data.request_transitions (from_status, to_status, actor_kind, event) VALUES
  ('in_progress', 'cancelled', 'admin', 'requestCancelled'),
  ('pending', 'accepted', 'system', 'washmanAssigned'),
  ('pending', 'accepted', 'admin', 'requestReassigned'),
  ('accepted', 'accepted', 'admin', 'requestReassigned'),
  ('en_route', 'accepted', 'admin', 'requestReassigned'),
  ('arrived', 'accepted', 'admin', 'requestReassigned');

-- Fees of customers who cancel late, or are not there.

ALTER TABLE washminute_data.orders
  ADD COLUMN fee numeric(12, 2) NOT NULL DEFAULT 0,
  ADD CONSTRAINT orders_fee_in_range CHECK (fee BETWEEN 0 AND total);
COMMENT ON COLUMN washminute_data.orders.fee IS
  'MAD charged for a late cancellation, or for not being there.';

CREATE TABLE washminute_data.receivables (
    receivable_id uuid NOT NULL,
    debtor_id text NOT NULL,
    order_id uuid NOT NULL,
    amount numeric(12, 2) NOT NULL,
    purpose text NOT NULL,
    created_at timestamptz NOT NULL,
    settled_at timestamptz,
    settled_by text,
    waived boolean,
    reason text,
    CONSTRAINT receivables_pk PRIMARY KEY (receivable_id),
    CONSTRAINT receivables_debtor_fk FOREIGN KEY (debtor_id) REFERENCES washminute_data.users (user_id),
    CONSTRAINT receivables_order_fk FOREIGN KEY (order_id) REFERENCES washminute_data.orders (order_id),
    CONSTRAINT receivables_amount_positive CHECK (amount > 0 AND amount <> 'NaN'::numeric),
    CONSTRAINT receivables_purpose_known CHECK (purpose IN ('cancellation', 'no_show', 'give_back')),
    CONSTRAINT receivables_settled_by_somebody CHECK (num_nulls(settled_at, settled_by, waived) IN (0, 3)),
    CONSTRAINT receivables_reason_has_length CHECK (char_length(reason) BETWEEN 1 AND 500)
);
CREATE INDEX receivables_open ON washminute_data.receivables (debtor_id, created_at) WHERE settled_at IS NULL;
CREATE INDEX receivables_order ON washminute_data.receivables (order_id);
COMMENT ON TABLE washminute_data.receivables IS
  'What people owe the platform: fees that could not be taken at once, from cash customers or from a washman at his floor.';
COMMENT ON COLUMN washminute_data.receivables.receivable_id IS 'Id for programs.';
COMMENT ON COLUMN washminute_data.receivables.debtor_id IS 'Who owes it.';
COMMENT ON COLUMN washminute_data.receivables.order_id IS 'The order it came of.';
COMMENT ON COLUMN washminute_data.receivables.amount IS 'MAD.';
COMMENT ON COLUMN washminute_data.receivables.purpose IS 'cancellation, no_show or give_back.';
COMMENT ON COLUMN washminute_data.receivables.created_at IS 'Since when it is owed.';
COMMENT ON COLUMN washminute_data.receivables.settled_at IS 'When it was paid or waived; NULL while it is owed.';
COMMENT ON COLUMN washminute_data.receivables.settled_by IS 'The administrator who settled it.';
COMMENT ON COLUMN washminute_data.receivables.waived IS 'True where the platform gave it up, false where it was paid.';
COMMENT ON COLUMN washminute_data.receivables.reason IS 'What the administrator said.';

CREATE TABLE washminute_data.payouts (
    payout_id uuid NOT NULL,
    washman_id text NOT NULL,
    amount numeric(12, 2) NOT NULL,
    status text NOT NULL,
    requested_at timestamptz NOT NULL,
    decided_at timestamptz,
    decided_by text,
    reference text,
    CONSTRAINT payouts_pk PRIMARY KEY (payout_id),
    CONSTRAINT payouts_washman_fk FOREIGN KEY (washman_id) REFERENCES washminute_data.users (user_id),
    CONSTRAINT payouts_amount_positive CHECK (amount > 0 AND amount <> 'NaN'::numeric),
    CONSTRAINT payouts_status_known CHECK (status IN ('requested', 'paid', 'refused')),
    CONSTRAINT payouts_decided_by_somebody
      CHECK (num_nulls(decided_at, decided_by, reference) = CASE status WHEN 'requested' THEN 3 ELSE 0 END),
    CONSTRAINT payouts_reference_has_length CHECK (char_length(reference) BETWEEN 1 AND 500)
);
CREATE UNIQUE INDEX payouts_one_open ON washminute_data.payouts (washman_id) WHERE status = 'requested';
CREATE INDEX payouts_washman ON washminute_data.payouts (washman_id, requested_at);
COMMENT ON TABLE washminute_data.payouts IS
  'What washmen asked to be paid out. While it is open the amount is held on the balance.';
COMMENT ON COLUMN washminute_data.payouts.payout_id IS 'Id for programs.';
COMMENT ON COLUMN washminute_data.payouts.washman_id IS 'Who is paid.';
COMMENT ON COLUMN washminute_data.payouts.amount IS 'MAD.';
COMMENT ON COLUMN washminute_data.payouts.status IS 'requested, paid or refused.';
COMMENT ON COLUMN washminute_data.payouts.requested_at IS 'When he asked.';
COMMENT ON COLUMN washminute_data.payouts.decided_at IS 'When it was paid or refused.';
COMMENT ON COLUMN washminute_data.payouts.decided_by IS 'The administrator who did.';
COMMENT ON COLUMN washminute_data.payouts.reference IS 'Of the bank transfer, or why it was refused.';

ALTER TABLE washminute_data.transfers
  DROP CONSTRAINT transfers_purpose_known,
  DROP CONSTRAINT transfers_order_named,
  ADD CONSTRAINT transfers_purpose_known
    CHECK (purpose IN ('payment', 'washman_income', 'commission', 'refund_due', 'cancellation_fee',
                       'cancellation_share', 'give_back_fee', 'receivable', 'settlement', 'payout')),
  ADD CONSTRAINT transfers_order_named
    CHECK ((order_id IS NULL) = (purpose IN ('settlement', 'payout')));
DROP INDEX washminute_data.transfers_once_per_order;
CREATE UNIQUE INDEX transfers_once_per_order ON washminute_data.transfers (order_id, purpose)
  WHERE purpose NOT IN ('give_back_fee', 'receivable', 'settlement', 'payout');
COMMENT ON COLUMN washminute_data.transfers.purpose IS
  'payment, washman_income, commission, refund_due, cancellation_fee, cancellation_share (each once per order), give_back_fee, receivable, settlement or payout.';
COMMENT ON COLUMN washminute_data.transfers.order_id IS 'The order it is for; NULL for settlements and payouts.';

INSERT INTO washminute_data.accounts (account_id, kind) VALUES
  ('payouts_paid', 'platform'),
  ('receivables', 'platform');

ALTER TABLE washminute_data.neighbourhoods ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.zone_settings ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.receivables ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.payouts ENABLE ROW LEVEL SECURITY;
