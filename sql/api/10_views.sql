-- What PostgREST shows. Views read with the rights of who asks (row-level
-- security chooses the rows); they hold no logic.

COMMENT ON SCHEMA washminute_api IS
  'WashMinute: the marketplace over REST. Who is asking is taken from the token.';
GRANT USAGE ON SCHEMA washminute_api TO
  washminute_anon, washminute_customer, washminute_washman, washminute_admin;

CREATE OR REPLACE VIEW washminute_api.me WITH (security_invoker = true) AS
  SELECT u.user_id, u.kinds, u.name, u.phone, u.email, u.locale
    FROM washminute_data.users AS u
   WHERE u.user_id = (SELECT washminute.current_user_id());
COMMENT ON VIEW washminute_api.me IS 'Who I am.';
COMMENT ON COLUMN washminute_api.me.user_id IS 'My id.';
COMMENT ON COLUMN washminute_api.me.kinds IS 'customer, washman, admin.';
COMMENT ON COLUMN washminute_api.me.name IS 'My name.';
COMMENT ON COLUMN washminute_api.me.phone IS 'My phone number, E.164.';
COMMENT ON COLUMN washminute_api.me.email IS 'My e-mail address.';
COMMENT ON COLUMN washminute_api.me.locale IS 'My language: ar, fr or en.';
GRANT SELECT ON washminute_api.me TO washminute_customer, washminute_washman, washminute_admin;

CREATE OR REPLACE VIEW washminute_api.services WITH (security_invoker = true) AS
  SELECT s.service_code, s.kind, s.name_ar, s.name_fr, s.name_en, s.price, s.duration_minutes
    FROM washminute_data.services AS s
   WHERE s.active;
COMMENT ON VIEW washminute_api.services IS 'What can be booked.';
COMMENT ON COLUMN washminute_api.services.service_code IS 'Name for programs.';
COMMENT ON COLUMN washminute_api.services.kind IS 'main or extra; an order has at least one main service.';
COMMENT ON COLUMN washminute_api.services.name_ar IS 'Name in Arabic.';
COMMENT ON COLUMN washminute_api.services.name_fr IS 'Name in French.';
COMMENT ON COLUMN washminute_api.services.name_en IS 'Name in English.';
COMMENT ON COLUMN washminute_api.services.price IS 'MAD.';
COMMENT ON COLUMN washminute_api.services.duration_minutes IS 'Minutes of work.';
GRANT SELECT ON washminute_api.services TO
  washminute_anon, washminute_customer, washminute_washman, washminute_admin;

CREATE OR REPLACE VIEW washminute_api.orders WITH (security_invoker = true) AS
  SELECT o.order_id, o.reference, o.customer_id, o.status, o.payment_method,
         o.payment_verified, o.total, o.created_at,
         (SELECT pg_catalog.array_agg(l.service_code ORDER BY l.line_number)
            FROM washminute_data.order_lines AS l WHERE l.order_id = o.order_id) AS services
    FROM washminute_data.orders AS o;
COMMENT ON VIEW washminute_api.orders IS 'A customer''s orders, those of a washman''s jobs, all for an administrator.';
COMMENT ON COLUMN washminute_api.orders.order_id IS 'Id for programs.';
COMMENT ON COLUMN washminute_api.orders.reference IS 'Id for people.';
COMMENT ON COLUMN washminute_api.orders.customer_id IS 'Who ordered.';
COMMENT ON COLUMN washminute_api.orders.status IS 'pending, paid, completed, cancelled or refunded.';
COMMENT ON COLUMN washminute_api.orders.payment_method IS 'cash or card.';
COMMENT ON COLUMN washminute_api.orders.payment_verified IS 'Whether the money is known to have come.';
COMMENT ON COLUMN washminute_api.orders.total IS 'MAD.';
COMMENT ON COLUMN washminute_api.orders.created_at IS 'When it was booked.';
COMMENT ON COLUMN washminute_api.orders.services IS 'Codes of the services.';
GRANT SELECT ON washminute_api.orders TO washminute_customer, washminute_washman, washminute_admin;

CREATE OR REPLACE VIEW washminute_api.requests WITH (security_invoker = true) AS
  SELECT r.request_id, r.order_id, r.customer_id, r.status, r.client_location, r.address,
         r.reservation_at, r.expires_at, r.washman_id, r.accepted_at, r.created_at, r.updated_at,
         ST_X(r.client_location::geometry) AS longitude, ST_Y(r.client_location::geometry) AS latitude
    FROM washminute_data.washing_requests AS r;
COMMENT ON VIEW washminute_api.requests IS
  'A customer''s requests, a washman''s jobs, all for an administrator.';
COMMENT ON COLUMN washminute_api.requests.request_id IS 'Id for programs.';
COMMENT ON COLUMN washminute_api.requests.order_id IS 'The order.';
COMMENT ON COLUMN washminute_api.requests.customer_id IS 'Who ordered.';
COMMENT ON COLUMN washminute_api.requests.status IS 'pending, accepted, en_route, arrived, in_progress, completed, cancelled, expired or no_show.';
COMMENT ON COLUMN washminute_api.requests.client_location IS 'Where the car is, WGS 84.';
COMMENT ON COLUMN washminute_api.requests.address IS 'Where the car is, in words.';
COMMENT ON COLUMN washminute_api.requests.reservation_at IS 'When the work is to start; null for as soon as possible.';
COMMENT ON COLUMN washminute_api.requests.expires_at IS 'When it expires if nobody accepts it.';
COMMENT ON COLUMN washminute_api.requests.washman_id IS 'Who has the job.';
COMMENT ON COLUMN washminute_api.requests.accepted_at IS 'When he accepted.';
COMMENT ON COLUMN washminute_api.requests.created_at IS 'When it was booked.';
COMMENT ON COLUMN washminute_api.requests.updated_at IS 'When it last moved.';
COMMENT ON COLUMN washminute_api.requests.longitude IS 'Where the car is, degrees on WGS 84.';
COMMENT ON COLUMN washminute_api.requests.latitude IS 'Where the car is, degrees on WGS 84.';
GRANT SELECT ON washminute_api.requests TO
  washminute_customer, washminute_washman, washminute_admin;

CREATE OR REPLACE VIEW washminute_api.offers WITH (security_invoker = true) AS
  SELECT f.request_id, f.washman_id, 100 * GREATEST(1, pg_catalog.round(f.distance_m / 100)) AS distance_m, f.offered_at, f.expires_at, f.declined_at
    FROM washminute_data.offers AS f
   WHERE f.offered_at <= washminute.now();
COMMENT ON VIEW washminute_api.offers IS
  'What a washman was offered, whatever became of it; all offers for an administrator.';
COMMENT ON COLUMN washminute_api.offers.request_id IS 'The request.';
COMMENT ON COLUMN washminute_api.offers.washman_id IS 'The washman.';
COMMENT ON COLUMN washminute_api.offers.distance_m IS 'Metres to the place, in hundreds.';
COMMENT ON COLUMN washminute_api.offers.offered_at IS 'When it was offered.';
COMMENT ON COLUMN washminute_api.offers.expires_at IS 'Until when it can be accepted.';
COMMENT ON COLUMN washminute_api.offers.declined_at IS 'When he declined it.';
GRANT SELECT ON washminute_api.offers TO washminute_washman, washminute_admin;

CREATE OR REPLACE VIEW washminute_api.statement WITH (security_invoker = true) AS
  SELECT s.washman_id, s.transfer_id, s.at, s.purpose, s.amount, s.balance, s.order_id
    FROM washminute_data.washman_statements AS s;
COMMENT ON VIEW washminute_api.statement IS
  'What came and went on a washman''s account, with the balance after it; all accounts for an administrator.';
COMMENT ON COLUMN washminute_api.statement.washman_id IS 'The washman.';
COMMENT ON COLUMN washminute_api.statement.transfer_id IS 'Id, in the order of booking.';
COMMENT ON COLUMN washminute_api.statement.at IS 'When it was booked.';
COMMENT ON COLUMN washminute_api.statement.purpose IS 'What it is for.';
COMMENT ON COLUMN washminute_api.statement.amount IS 'MAD; negative for what went.';
COMMENT ON COLUMN washminute_api.statement.balance IS 'MAD, after it.';
COMMENT ON COLUMN washminute_api.statement.order_id IS 'The order it is for.';
GRANT SELECT ON washminute_api.statement TO washminute_washman, washminute_admin;

CREATE OR REPLACE VIEW washminute_api.payouts WITH (security_invoker = true) AS
  SELECT p.payout_id, p.washman_id, p.amount, p.status, p.requested_at, p.decided_at, p.reference
    FROM washminute_data.payouts AS p;
COMMENT ON VIEW washminute_api.payouts IS
  'What a washman asked to be paid out; all payouts for an administrator.';
COMMENT ON COLUMN washminute_api.payouts.payout_id IS 'Id for programs.';
COMMENT ON COLUMN washminute_api.payouts.washman_id IS 'Who is paid.';
COMMENT ON COLUMN washminute_api.payouts.amount IS 'MAD.';
COMMENT ON COLUMN washminute_api.payouts.status IS 'requested, paid or refused.';
COMMENT ON COLUMN washminute_api.payouts.requested_at IS 'When he asked.';
COMMENT ON COLUMN washminute_api.payouts.decided_at IS 'When it was paid or refused.';
COMMENT ON COLUMN washminute_api.payouts.reference IS 'Of the bank transfer, or why it was refused.';
GRANT SELECT ON washminute_api.payouts TO washminute_washman, washminute_admin;

CREATE OR REPLACE VIEW washminute_api.receivables WITH (security_invoker = true) AS
  SELECT v.receivable_id, v.debtor_id, v.order_id, v.amount, v.purpose, v.created_at, v.settled_at, v.waived
    FROM washminute_data.receivables AS v;
COMMENT ON VIEW washminute_api.receivables IS
  'What I owe for late cancellations and the like; all of it for an administrator.';
COMMENT ON COLUMN washminute_api.receivables.receivable_id IS 'Id for programs.';
COMMENT ON COLUMN washminute_api.receivables.debtor_id IS 'Who owes it.';
COMMENT ON COLUMN washminute_api.receivables.order_id IS 'The order it came of.';
COMMENT ON COLUMN washminute_api.receivables.amount IS 'MAD.';
COMMENT ON COLUMN washminute_api.receivables.purpose IS 'cancellation, no_show or give_back.';
COMMENT ON COLUMN washminute_api.receivables.created_at IS 'Since when it is owed.';
COMMENT ON COLUMN washminute_api.receivables.settled_at IS 'When it was paid or waived.';
COMMENT ON COLUMN washminute_api.receivables.waived IS 'Whether the platform gave it up.';
GRANT SELECT ON washminute_api.receivables TO washminute_customer, washminute_washman, washminute_admin;

CREATE OR REPLACE VIEW washminute_api.payments WITH (security_invoker = true) AS
  SELECT p.payment_id, p.order_id, p.customer_id, p.amount, p.status, p.reserved AS refunds, p.created_at, p.updated_at
    FROM washminute_data.payments AS p;
COMMENT ON VIEW washminute_api.payments IS 'A customer''s card payments, all for an administrator.';
COMMENT ON COLUMN washminute_api.payments.payment_id IS 'Id for programs.';
COMMENT ON COLUMN washminute_api.payments.order_id IS 'The order.';
COMMENT ON COLUMN washminute_api.payments.customer_id IS 'Who owes it.';
COMMENT ON COLUMN washminute_api.payments.amount IS 'MAD.';
COMMENT ON COLUMN washminute_api.payments.status IS
  'requires_payment, processing, paid, partially_refunded, refunded, cancelling, cancelled or on_hold.';
COMMENT ON COLUMN washminute_api.payments.refunds IS 'MAD that go back, or have gone.';
COMMENT ON COLUMN washminute_api.payments.created_at IS 'When it was begun.';
COMMENT ON COLUMN washminute_api.payments.updated_at IS 'When it last changed.';
GRANT SELECT ON washminute_api.payments TO washminute_customer, washminute_admin;

CREATE OR REPLACE VIEW washminute_api.cards WITH (security_invoker = true) AS
  SELECT c.card_id, c.brand, c.last4, c.holder, c.created_at
    FROM washminute_data.cards AS c
   WHERE c.removed_at IS NULL;
COMMENT ON VIEW washminute_api.cards IS 'My saved cards.';
COMMENT ON COLUMN washminute_api.cards.card_id IS 'Id for programs: begin_payment''s saved_card_id.';
COMMENT ON COLUMN washminute_api.cards.brand IS
  'cmi, visa, mastercard, amex, diners, discover, jcb, unionpay, maestro, mir or other.';
COMMENT ON COLUMN washminute_api.cards.last4 IS 'The last four digits of its number.';
COMMENT ON COLUMN washminute_api.cards.holder IS 'The holder''s name, where it is known.';
COMMENT ON COLUMN washminute_api.cards.created_at IS 'When it was saved.';
GRANT SELECT ON washminute_api.cards TO washminute_customer;

CREATE OR REPLACE VIEW washminute_api.refunds WITH (security_invoker = true) AS
  SELECT f.refund_id, f.payment_id, f.amount, f.status, f.method, f.reason, f.requested_by, f.created_at, f.updated_at
    FROM washminute_data.refunds AS f;
COMMENT ON VIEW washminute_api.refunds IS 'Money that goes back to customers'' cards.';
COMMENT ON COLUMN washminute_api.refunds.refund_id IS 'Id for programs.';
COMMENT ON COLUMN washminute_api.refunds.payment_id IS 'The payment.';
COMMENT ON COLUMN washminute_api.refunds.amount IS 'MAD.';
COMMENT ON COLUMN washminute_api.refunds.status IS
  'requested, dispatched, unknown, accepted, reversed, settled, outside or failed.';
COMMENT ON COLUMN washminute_api.refunds.method IS 'reversal or refund; null until it is sent.';
COMMENT ON COLUMN washminute_api.refunds.reason IS 'Why.';
COMMENT ON COLUMN washminute_api.refunds.requested_by IS 'Who asked for it; null where a rule did.';
COMMENT ON COLUMN washminute_api.refunds.created_at IS 'When it was asked for.';
COMMENT ON COLUMN washminute_api.refunds.updated_at IS 'When it last changed.';
GRANT SELECT ON washminute_api.refunds TO washminute_admin;

CREATE OR REPLACE VIEW washminute_api.exceptions WITH (security_invoker = true) AS
  SELECT e.exception_id, e.kind, k.meaning, k.advice,
         (SELECT pg_catalog.jsonb_object_agg(d.decision, d.effect)
            FROM washminute_data.payment_exception_decisions AS d WHERE d.kind = e.kind) AS decisions,
         e.payment_id, p.order_id, p.customer_id, e.refund_id, e.data, e.since, e.resolved_at, e.resolved_by, e.decision, e.reason
    FROM washminute_data.payment_exceptions AS e
    JOIN washminute_data.payment_exception_kinds AS k ON k.kind = e.kind
    LEFT JOIN washminute_data.payments AS p ON p.payment_id = e.payment_id;
COMMENT ON VIEW washminute_api.exceptions IS 'What a person must look at of card payments, and has.';
COMMENT ON COLUMN washminute_api.exceptions.exception_id IS 'Id for programs.';
COMMENT ON COLUMN washminute_api.exceptions.kind IS 'What kind of thing happened.';
COMMENT ON COLUMN washminute_api.exceptions.meaning IS 'The same in words.';
COMMENT ON COLUMN washminute_api.exceptions.advice IS 'How to find out what to decide.';
COMMENT ON COLUMN washminute_api.exceptions.decisions IS 'What resolve_exception takes for it, each with what it does.';
COMMENT ON COLUMN washminute_api.exceptions.payment_id IS 'The payment; null where a statement''s line is of none of ours.';
COMMENT ON COLUMN washminute_api.exceptions.order_id IS 'Its order.';
COMMENT ON COLUMN washminute_api.exceptions.customer_id IS 'Its customer.';
COMMENT ON COLUMN washminute_api.exceptions.refund_id IS 'The refund, where it is one.';
COMMENT ON COLUMN washminute_api.exceptions.data IS 'The evidence.';
COMMENT ON COLUMN washminute_api.exceptions.since IS 'Since when it stands.';
COMMENT ON COLUMN washminute_api.exceptions.resolved_at IS 'When it was resolved; null while it is open.';
COMMENT ON COLUMN washminute_api.exceptions.resolved_by IS 'Who did, or evidence.';
COMMENT ON COLUMN washminute_api.exceptions.decision IS 'What was decided.';
COMMENT ON COLUMN washminute_api.exceptions.reason IS 'Why.';
GRANT SELECT ON washminute_api.exceptions TO washminute_admin;
