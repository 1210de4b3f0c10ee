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
COMMENT ON VIEW washminute_api.orders IS 'My orders; all orders for an administrator.';
COMMENT ON COLUMN washminute_api.orders.order_id IS 'Id for programs.';
COMMENT ON COLUMN washminute_api.orders.reference IS 'Id for people.';
COMMENT ON COLUMN washminute_api.orders.customer_id IS 'Who ordered.';
COMMENT ON COLUMN washminute_api.orders.status IS 'pending, paid, completed, cancelled or refunded.';
COMMENT ON COLUMN washminute_api.orders.payment_method IS 'cash or card.';
COMMENT ON COLUMN washminute_api.orders.payment_verified IS 'Whether the money is known to have come.';
COMMENT ON COLUMN washminute_api.orders.total IS 'MAD.';
COMMENT ON COLUMN washminute_api.orders.created_at IS 'When it was booked.';
COMMENT ON COLUMN washminute_api.orders.services IS 'Codes of the services.';
GRANT SELECT ON washminute_api.orders TO washminute_customer, washminute_admin;

CREATE OR REPLACE VIEW washminute_api.requests WITH (security_invoker = true) AS
  SELECT r.request_id, r.order_id, r.customer_id, r.status, r.client_location, r.address,
         r.reservation_at, r.expires_at, r.washman_id, r.accepted_at, r.created_at, r.updated_at
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
GRANT SELECT ON washminute_api.requests TO
  washminute_customer, washminute_washman, washminute_admin;

CREATE OR REPLACE VIEW washminute_api.offers WITH (security_invoker = true) AS
  SELECT f.request_id, f.washman_id, f.distance_m, f.offered_at, f.expires_at, f.declined_at
    FROM washminute_data.offers AS f;
COMMENT ON VIEW washminute_api.offers IS
  'What a washman was offered; all offers for an administrator.';
COMMENT ON COLUMN washminute_api.offers.request_id IS 'The request.';
COMMENT ON COLUMN washminute_api.offers.washman_id IS 'The washman.';
COMMENT ON COLUMN washminute_api.offers.distance_m IS 'Metres to the place.';
COMMENT ON COLUMN washminute_api.offers.offered_at IS 'When it was offered.';
COMMENT ON COLUMN washminute_api.offers.expires_at IS 'Until when it can be accepted.';
COMMENT ON COLUMN washminute_api.offers.declined_at IS 'When he declined it.';
GRANT SELECT ON washminute_api.offers TO washminute_washman, washminute_admin;
