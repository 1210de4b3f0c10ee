-- More views for PostgREST: what was told, and the people, for administrators.

CREATE OR REPLACE VIEW washminute_api.notifications WITH (security_invoker = true) AS
  SELECT n.event_id AS notification_id, n.at, n.event, n.request_id, n.title, n.body
    FROM washminute_data.notifications_of_caller() AS n;
COMMENT ON VIEW washminute_api.notifications IS
  'What I was told of my newest 100 requests or jobs, in my language: ask for notification_id=gt. the last one seen.';
COMMENT ON COLUMN washminute_api.notifications.notification_id IS 'Id, in the order of events.';
COMMENT ON COLUMN washminute_api.notifications.at IS 'When it happened.';
COMMENT ON COLUMN washminute_api.notifications.event IS 'What happened, for programs.';
COMMENT ON COLUMN washminute_api.notifications.request_id IS 'The request.';
COMMENT ON COLUMN washminute_api.notifications.title IS 'In my language.';
COMMENT ON COLUMN washminute_api.notifications.body IS 'In my language.';
GRANT SELECT ON washminute_api.notifications TO washminute_customer, washminute_washman;

CREATE OR REPLACE VIEW washminute_api.users WITH (security_invoker = true) AS
  SELECT u.user_id, u.kinds, u.name, u.phone, u.email, u.locale, u.created_at, u.blocked_at
    FROM washminute_data.users AS u;
COMMENT ON VIEW washminute_api.users IS 'All users, for an administrator.';
COMMENT ON COLUMN washminute_api.users.user_id IS 'The sub of his tokens.';
COMMENT ON COLUMN washminute_api.users.kinds IS 'customer, washman, admin.';
COMMENT ON COLUMN washminute_api.users.name IS 'Name to show.';
COMMENT ON COLUMN washminute_api.users.phone IS 'Phone number, E.164.';
COMMENT ON COLUMN washminute_api.users.email IS 'E-mail address.';
COMMENT ON COLUMN washminute_api.users.locale IS 'Language: ar, fr or en.';
COMMENT ON COLUMN washminute_api.users.created_at IS 'When he was first known.';
COMMENT ON COLUMN washminute_api.users.blocked_at IS 'Since when he is blocked; null when he is not.';
GRANT SELECT ON washminute_api.users TO washminute_admin;

CREATE OR REPLACE VIEW washminute_api.washmen WITH (security_invoker = true) AS
  SELECT w.washman_id, u.name, w.status, w.status_changed_at, w.suspended_at, a.balance, a.held,
         ST_X(p.last_location::geometry) AS longitude, ST_Y(p.last_location::geometry) AS latitude,
         p.last_location_updated_at AS located_at
    FROM washminute_data.washmen AS w
    JOIN washminute_data.users AS u ON u.user_id = w.washman_id
    LEFT JOIN washminute_data.accounts AS a ON a.washman_id = w.washman_id
    LEFT JOIN washminute_data.washman_positions AS p ON p.washman_id = w.washman_id;
COMMENT ON VIEW washminute_api.washmen IS 'A washman himself; all washmen for an administrator.';
COMMENT ON COLUMN washminute_api.washmen.washman_id IS 'The washman.';
COMMENT ON COLUMN washminute_api.washmen.name IS 'Name to show.';
COMMENT ON COLUMN washminute_api.washmen.status IS 'online or offline.';
COMMENT ON COLUMN washminute_api.washmen.status_changed_at IS 'When that last changed.';
COMMENT ON COLUMN washminute_api.washmen.suspended_at IS 'Since when he is suspended; null when he is not.';
COMMENT ON COLUMN washminute_api.washmen.balance IS 'MAD.';
COMMENT ON COLUMN washminute_api.washmen.held IS 'MAD of the balance that are held.';
COMMENT ON COLUMN washminute_api.washmen.longitude IS 'Where he was last, as it is written every few seconds; degrees on WGS 84.';
COMMENT ON COLUMN washminute_api.washmen.latitude IS 'Where he was last, as it is written every few seconds; degrees on WGS 84.';
COMMENT ON COLUMN washminute_api.washmen.located_at IS 'When he was there.';
GRANT SELECT ON washminute_api.washmen TO washminute_washman, washminute_admin;
