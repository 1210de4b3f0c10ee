-- Card payments: what is owed, the attempts to pay it, refunds, and what the gateway
-- was seen to say.
--
-- A payment is what a customer owes for an order. Each attempt to pay it has an order
-- id at the gateway of its own, never used again. What became of an attempt or a refund
-- that was sent and not answered is a state, unknown, which only evidence or a person
-- leaves. All rows of a payment change under the lock of the order's request.

CREATE TABLE washminute_data.payments (
    payment_id uuid NOT NULL,
    order_id uuid NOT NULL,
    customer_id text NOT NULL,
    amount numeric(12, 2) NOT NULL,
    status text NOT NULL,
    ended boolean NOT NULL DEFAULT false,
    paid_by uuid,
    captured numeric(12, 2) NOT NULL DEFAULT 0,
    reserved numeric(12, 2) NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT payments_pk PRIMARY KEY (payment_id),
    CONSTRAINT payments_order_once UNIQUE (order_id),
    CONSTRAINT payments_order_fk FOREIGN KEY (order_id) REFERENCES washminute_data.orders (order_id),
    CONSTRAINT payments_customer_fk FOREIGN KEY (customer_id) REFERENCES washminute_data.users (user_id),
    CONSTRAINT payments_amount_positive CHECK (amount > 0 AND amount <> 'NaN'::numeric),
    CONSTRAINT payments_status_known
      CHECK (status IN ('requires_payment', 'processing', 'paid', 'partially_refunded', 'refunded',
                        'cancelling', 'cancelled', 'on_hold')),
    CONSTRAINT payments_refunds_within_captured CHECK (reserved BETWEEN 0 AND captured)
);
CREATE INDEX payments_customer ON washminute_data.payments (customer_id, created_at);
COMMENT ON TABLE washminute_data.payments IS
  'What customers owe by card: one payment per order.';
COMMENT ON COLUMN washminute_data.payments.payment_id IS 'Id for programs.';
COMMENT ON COLUMN washminute_data.payments.order_id IS 'The order.';
COMMENT ON COLUMN washminute_data.payments.customer_id IS 'Who owes it.';
COMMENT ON COLUMN washminute_data.payments.amount IS 'MAD, the order''s total.';
COMMENT ON COLUMN washminute_data.payments.status IS
  'requires_payment, processing (an attempt is under way), paid, partially_refunded, refunded, cancelling (the order has ended, an attempt not yet), cancelled, or on_hold (a person must look). It follows from attempts and refunds.';
COMMENT ON COLUMN washminute_data.payments.ended IS 'The order has ended: what is paid from now on goes back.';
COMMENT ON COLUMN washminute_data.payments.paid_by IS 'The attempt whose money paid the order; NULL while it is not paid.';
COMMENT ON COLUMN washminute_data.payments.captured IS 'MAD charged by all attempts together.';
COMMENT ON COLUMN washminute_data.payments.reserved IS 'MAD of all refunds that have not failed.';
COMMENT ON COLUMN washminute_data.payments.created_at IS 'When it was begun.';
COMMENT ON COLUMN washminute_data.payments.updated_at IS 'When it last changed.';

CREATE TABLE washminute_data.payment_attempt_transitions (
    from_status text NOT NULL,
    to_status text NOT NULL,
    CONSTRAINT payment_attempt_transitions_pk PRIMARY KEY (from_status, to_status)
);
COMMENT ON TABLE washminute_data.payment_attempt_transitions IS
  'The moves an attempt can make. No row, no move: in particular not from succeeded to declined.';
COMMENT ON COLUMN washminute_data.payment_attempt_transitions.from_status IS 'The present status.';
COMMENT ON COLUMN washminute_data.payment_attempt_transitions.to_status IS 'The status it moves to.';

INSERT INTO washminute_data.payment_attempt_transitions (from_status, to_status) VALUES
  ('prepared', 'dispatched'),
  ('prepared', 'expired'),
  ('dispatched', 'prepared'),
  ('dispatched', 'awaiting'),
  ('dispatched', 'unknown'),
  ('dispatched', 'declined'),
  ('dispatched', 'succeeded'),
  ('dispatched', 'integrity'),
  ('awaiting', 'unknown'),
  ('awaiting', 'declined'),
  ('awaiting', 'expired'),
  ('awaiting', 'succeeded'),
  ('awaiting', 'integrity'),
  ('unknown', 'declined'),
  ('unknown', 'expired'),
  ('unknown', 'succeeded'),
  ('unknown', 'integrity'),
  ('declined', 'succeeded'),
  ('declined', 'integrity'),
  ('expired', 'succeeded'),
  ('expired', 'integrity'),
  ('integrity', 'reversed'),
  ('succeeded', 'captured'),
  ('succeeded', 'settled'),
  ('succeeded', 'reversed'),
  ('captured', 'settled');

CREATE TABLE washminute_data.payment_attempts (
    attempt_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    number integer NOT NULL,
    gateway_order_id text NOT NULL,
    amount numeric(12, 2) NOT NULL,
    status text NOT NULL DEFAULT 'prepared',
    surplus boolean NOT NULL DEFAULT false,
    charged numeric(12, 2) NOT NULL DEFAULT 0,
    save_card boolean NOT NULL DEFAULT false,
    nonce bytea NOT NULL,
    link text,
    authorization_number text,
    transaction_number text,
    inquiry_number integer NOT NULL DEFAULT 0,
    confirmed_at timestamptz,
    capture_requested_at timestamptz,
    created_at timestamptz NOT NULL,
    dispatched_at timestamptz,
    final_at timestamptz,
    updated_at timestamptz NOT NULL,
    CONSTRAINT payment_attempts_pk PRIMARY KEY (attempt_id),
    CONSTRAINT payment_attempts_number_once UNIQUE (payment_id, number),
    CONSTRAINT payment_attempts_gateway_order_id_once UNIQUE (gateway_order_id),
    CONSTRAINT payment_attempts_payment_fk FOREIGN KEY (payment_id) REFERENCES washminute_data.payments (payment_id),
    CONSTRAINT payment_attempts_gateway_order_id_fits CHECK (gateway_order_id ~ '^[A-Z0-9]{1,20}$'),
    CONSTRAINT payment_attempts_amount_positive CHECK (amount > 0 AND amount <> 'NaN'::numeric),
    CONSTRAINT payment_attempts_charged_in_range CHECK (charged IN (0, amount)),
    CONSTRAINT payment_attempts_charged_fits_status
      CHECK (CASE WHEN status IN ('succeeded', 'captured', 'settled') THEN charged = amount
                  WHEN status IN ('integrity', 'reversed') THEN true
                  ELSE charged = 0 END),
    CONSTRAINT payment_attempts_status_known
      CHECK (status IN ('prepared', 'dispatched', 'awaiting', 'unknown', 'declined', 'expired',
                        'succeeded', 'integrity', 'captured', 'settled', 'reversed')),
    CONSTRAINT payment_attempts_nonce_is_long CHECK (octet_length(nonce) = 16)
);
CREATE UNIQUE INDEX payment_attempts_one_live ON washminute_data.payment_attempts (payment_id)
  WHERE status IN ('prepared', 'dispatched', 'awaiting', 'unknown');
COMMENT ON TABLE washminute_data.payment_attempts IS
  'The attempts to pay a payment, each with an order id of its own at the gateway.';
COMMENT ON COLUMN washminute_data.payment_attempts.attempt_id IS 'Id for programs.';
COMMENT ON COLUMN washminute_data.payment_attempts.payment_id IS 'The payment.';
COMMENT ON COLUMN washminute_data.payment_attempts.number IS 'From 1, in order.';
COMMENT ON COLUMN washminute_data.payment_attempts.gateway_order_id IS 'The gateway''s orderid: at most 20 characters, never used again.';
COMMENT ON COLUMN washminute_data.payment_attempts.amount IS 'MAD.';
COMMENT ON COLUMN washminute_data.payment_attempts.status IS
  'prepared (nothing was sent), dispatched (it may have been sent), awaiting (the customer has the link), unknown (no answer), declined, expired, succeeded, captured, settled, integrity (charged with another amount), reversed.';
COMMENT ON COLUMN washminute_data.payment_attempts.surplus IS 'Its money came when none was due any more: it goes back.';
COMMENT ON COLUMN washminute_data.payment_attempts.charged IS
  'MAD that the customer was charged, as far as is known: the amount, or 0 if it was never charged or the gateway has taken it back itself.';
COMMENT ON COLUMN washminute_data.payment_attempts.save_card IS 'The customer is asked whether to keep the card.';
COMMENT ON COLUMN washminute_data.payment_attempts.nonce IS 'Random, part of what the callback''s token is made from.';
COMMENT ON COLUMN washminute_data.payment_attempts.link IS 'The gateway''s payment page for the customer.';
COMMENT ON COLUMN washminute_data.payment_attempts.authorization_number IS 'The gateway''s numAuto, once it is known.';
COMMENT ON COLUMN washminute_data.payment_attempts.transaction_number IS 'The gateway''s numTrans, once it is known.';
COMMENT ON COLUMN washminute_data.payment_attempts.inquiry_number IS 'Counts the inquiries that were planned: only the last one is still made.';
COMMENT ON COLUMN washminute_data.payment_attempts.confirmed_at IS 'When an inquiry confirmed the success.';
COMMENT ON COLUMN washminute_data.payment_attempts.capture_requested_at IS 'When an operator asked for its capture.';
COMMENT ON COLUMN washminute_data.payment_attempts.created_at IS 'When it was made.';
COMMENT ON COLUMN washminute_data.payment_attempts.dispatched_at IS 'When it was first about to be sent.';
COMMENT ON COLUMN washminute_data.payment_attempts.final_at IS 'When it came to its end; late evidence may still move it.';
COMMENT ON COLUMN washminute_data.payment_attempts.updated_at IS 'When the row last changed.';

CREATE TABLE washminute_data.refunds (
    refund_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    attempt_id uuid NOT NULL,
    amount numeric(12, 2) NOT NULL,
    status text NOT NULL DEFAULT 'requested',
    method text,
    reason text NOT NULL,
    reason_key text NOT NULL,
    requested_by text,
    resent boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    dispatched_at timestamptz,
    updated_at timestamptz NOT NULL,
    CONSTRAINT refunds_pk PRIMARY KEY (refund_id),
    CONSTRAINT refunds_reason_once UNIQUE (payment_id, reason_key),
    CONSTRAINT refunds_payment_fk FOREIGN KEY (payment_id) REFERENCES washminute_data.payments (payment_id),
    CONSTRAINT refunds_attempt_fk FOREIGN KEY (attempt_id) REFERENCES washminute_data.payment_attempts (attempt_id),
    CONSTRAINT refunds_amount_positive CHECK (amount > 0 AND amount <> 'NaN'::numeric),
    CONSTRAINT refunds_status_known
      CHECK (status IN ('requested', 'dispatched', 'unknown', 'accepted', 'reversed', 'settled', 'failed')),
    CONSTRAINT refunds_method_known CHECK (method IN ('reversal', 'refund')),
    CONSTRAINT refunds_sent_by_a_method CHECK (status IN ('requested', 'failed') OR method IS NOT NULL),
    CONSTRAINT refunds_reason_has_length CHECK (char_length(reason) BETWEEN 1 AND 500)
);
CREATE UNIQUE INDEX refunds_one_in_flight ON washminute_data.refunds (payment_id)
  WHERE status IN ('dispatched', 'unknown');
COMMENT ON TABLE washminute_data.refunds IS
  'Money that goes back to customers'' cards, by a reversal while it is not captured, by a refund afterwards. One at a time per payment, never more than was charged.';
COMMENT ON COLUMN washminute_data.refunds.refund_id IS 'Id for programs.';
COMMENT ON COLUMN washminute_data.refunds.payment_id IS 'The payment.';
COMMENT ON COLUMN washminute_data.refunds.attempt_id IS 'The attempt whose money goes back.';
COMMENT ON COLUMN washminute_data.refunds.amount IS 'MAD, kept in reserve unless the refund fails.';
COMMENT ON COLUMN washminute_data.refunds.status IS
  'requested, dispatched (it may have been sent), unknown (no answer: never sent again by itself), accepted (queued at the gateway), reversed, settled, failed (refused, so that nothing was paid back).';
COMMENT ON COLUMN washminute_data.refunds.method IS 'reversal or refund; NULL until it is sent.';
COMMENT ON COLUMN washminute_data.refunds.reason IS 'Why, in words.';
COMMENT ON COLUMN washminute_data.refunds.reason_key IS 'Why, for programs: one refund of a payment for each.';
COMMENT ON COLUMN washminute_data.refunds.requested_by IS 'Who asked for it; NULL where a rule did.';
COMMENT ON COLUMN washminute_data.refunds.resent IS 'A reversal that was shown not to have happened was sent a second time.';
COMMENT ON COLUMN washminute_data.refunds.created_at IS 'When it was asked for.';
COMMENT ON COLUMN washminute_data.refunds.dispatched_at IS 'When it was about to be sent last.';
COMMENT ON COLUMN washminute_data.refunds.updated_at IS 'When the row last changed.';

CREATE TABLE washminute_data.payment_observations (
    observation_id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    attempt_id uuid NOT NULL,
    at timestamptz NOT NULL,
    source text NOT NULL,
    code text,
    data jsonb NOT NULL,
    dedupe_key bytea,
    answer text,
    CONSTRAINT payment_observations_pk PRIMARY KEY (observation_id),
    CONSTRAINT payment_observations_dedupe_key_once UNIQUE (dedupe_key),
    CONSTRAINT payment_observations_attempt_fk FOREIGN KEY (attempt_id) REFERENCES washminute_data.payment_attempts (attempt_id),
    CONSTRAINT payment_observations_source_known
      CHECK (source IN ('callback', 'return', 'link', 'inquiry', 'reversal', 'refund', 'capture')),
    CONSTRAINT payment_observations_answer_known CHECK (answer IN ('GATESUCCESS', 'GATEFAILED')),
    CONSTRAINT payment_observations_answer_once CHECK ((answer IS NULL) = (dedupe_key IS NULL))
);
CREATE INDEX payment_observations_attempt ON washminute_data.payment_observations (attempt_id, observation_id);
COMMENT ON TABLE washminute_data.payment_observations IS
  'What the gateway was seen to say of an attempt. Append-only; no card number, no token.';
COMMENT ON COLUMN washminute_data.payment_observations.observation_id IS 'Id, in the order of recording.';
COMMENT ON COLUMN washminute_data.payment_observations.attempt_id IS 'The attempt.';
COMMENT ON COLUMN washminute_data.payment_observations.at IS 'When.';
COMMENT ON COLUMN washminute_data.payment_observations.source IS
  'callback (from the gateway), return (the customer''s browser, which proves nothing), or the call that was answered: link, inquiry, reversal, refund, capture.';
COMMENT ON COLUMN washminute_data.payment_observations.code IS 'The gateway''s code; NULL where no answer came that could be read.';
COMMENT ON COLUMN washminute_data.payment_observations.data IS 'What else it said, or what went wrong.';
COMMENT ON COLUMN washminute_data.payment_observations.dedupe_key IS 'SHA-256 of what a callback says: a repeated one gets the first answer.';
COMMENT ON COLUMN washminute_data.payment_observations.answer IS 'What a callback was answered.';

CREATE TABLE washminute_data.payment_exceptions (
    exception_id uuid NOT NULL,
    kind text NOT NULL,
    payment_id uuid NOT NULL,
    attempt_id uuid,
    refund_id uuid,
    data jsonb NOT NULL,
    since timestamptz NOT NULL,
    resolved_at timestamptz,
    resolved_by text,
    decision text,
    reason text,
    CONSTRAINT payment_exceptions_pk PRIMARY KEY (exception_id),
    CONSTRAINT payment_exceptions_payment_fk FOREIGN KEY (payment_id) REFERENCES washminute_data.payments (payment_id),
    CONSTRAINT payment_exceptions_attempt_fk FOREIGN KEY (attempt_id) REFERENCES washminute_data.payment_attempts (attempt_id),
    CONSTRAINT payment_exceptions_refund_fk FOREIGN KEY (refund_id) REFERENCES washminute_data.refunds (refund_id),
    CONSTRAINT payment_exceptions_kind_known
      CHECK (kind IN ('refund_unknown', 'refund_failed', 'attempt_unknown', 'reversed_in_hand', 'amount_differs', 'second_sale', 'success_contradicted')),
    CONSTRAINT payment_exceptions_resolved_by_somebody
      CHECK (num_nulls(resolved_at, resolved_by, decision, reason) IN (0, 4))
);
CREATE UNIQUE INDEX payment_exceptions_open ON washminute_data.payment_exceptions
  (payment_id, kind, COALESCE(refund_id, attempt_id)) WHERE resolved_at IS NULL;
COMMENT ON TABLE washminute_data.payment_exceptions IS
  'What a person must look at, since no rule can decide it.';
COMMENT ON COLUMN washminute_data.payment_exceptions.exception_id IS 'Id for programs.';
COMMENT ON COLUMN washminute_data.payment_exceptions.kind IS
  'refund_unknown: a refund was sent and never answered; refund_failed: refused; attempt_unknown: no inquiry tells; reversed_in_hand: the gateway took back money of a job in hand; amount_differs: charged with another amount; second_sale: charged again under the same order id; success_contradicted: called back as paid, and denied since.';
COMMENT ON COLUMN washminute_data.payment_exceptions.payment_id IS 'The payment.';
COMMENT ON COLUMN washminute_data.payment_exceptions.attempt_id IS 'The attempt.';
COMMENT ON COLUMN washminute_data.payment_exceptions.refund_id IS 'The refund, where it is one.';
COMMENT ON COLUMN washminute_data.payment_exceptions.data IS 'The evidence.';
COMMENT ON COLUMN washminute_data.payment_exceptions.since IS 'Since when it stands.';
COMMENT ON COLUMN washminute_data.payment_exceptions.resolved_at IS 'When it was resolved; NULL while it is open.';
COMMENT ON COLUMN washminute_data.payment_exceptions.resolved_by IS 'The administrator who did, or evidence, where that came by itself.';
COMMENT ON COLUMN washminute_data.payment_exceptions.decision IS 'What was decided.';
COMMENT ON COLUMN washminute_data.payment_exceptions.reason IS 'Why.';

ALTER TABLE washminute_data.payments ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.payment_attempt_transitions ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.payment_attempts ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.refunds ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.payment_observations ENABLE ROW LEVEL SECURITY;
ALTER TABLE washminute_data.payment_exceptions ENABLE ROW LEVEL SECURITY;

-- The books of it.

ALTER TABLE washminute_data.transfers
  DROP CONSTRAINT transfers_purpose_known,
  ADD CONSTRAINT transfers_purpose_known
    CHECK (purpose IN ('payment', 'payment_reversed', 'surplus', 'washman_income', 'commission', 'refund_due',
                       'refund_granted', 'refund_offset', 'refund_void', 'refund', 'cancellation_fee', 'cancellation_share', 'give_back_fee',
                       'receivable', 'settlement', 'payout'));
DROP INDEX washminute_data.transfers_once_per_order;
CREATE UNIQUE INDEX transfers_once_per_order ON washminute_data.transfers (order_id, purpose)
  WHERE purpose IN ('washman_income', 'commission', 'refund_due', 'refund_offset', 'cancellation_fee', 'cancellation_share');
CREATE UNIQUE INDEX transfers_once_per_reason ON washminute_data.transfers (purpose, reason)
  WHERE purpose IN ('payment_reversed', 'surplus', 'refund_granted', 'refund_void', 'refund');
COMMENT ON COLUMN washminute_data.transfers.purpose IS
  'payment, payment_reversed (the gateway took it back), surplus (money that was not due), refund_due, refund_granted (by an administrator), refund_offset (of what was due back, what had been granted), refund_void (a granted one failed), refund (it went back), washman_income, commission, cancellation_fee, cancellation_share, give_back_fee, receivable, settlement or payout.';
COMMENT ON COLUMN washminute_data.transfers.reason IS
  'Why, in words; for payments the gateway''s order id, for refunds the refund''s id.';

-- When a card job is offered.

ALTER TABLE washminute_data.service_zones
  ADD COLUMN card_dispatch text NOT NULL DEFAULT 'after_payment',
  ADD CONSTRAINT service_zones_card_dispatch_known CHECK (card_dispatch IN ('after_payment', 'at_once'));
COMMENT ON COLUMN washminute_data.service_zones.card_dispatch IS
  'after_payment: a card job is offered once it is paid; at_once: it is offered when it is booked, and must be paid before the work begins.';

-- Nothing did this work until now: what was paid was recorded by hand, and goes back so.
DELETE FROM washminute_data.outbox WHERE lane = 'payment' AND event = 'refundDue';

-- A gateway that is down for hours must not turn refunds into dead letters.
UPDATE washminute_data.lanes SET max_attempts = 100 WHERE lane = 'payment' AND max_attempts = 10;
