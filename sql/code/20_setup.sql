-- setup(): makes and repairs what belongs to the user, from the scripts in
-- washminute.setup_script and the names in washminute.setup_object.

DELETE FROM washminute.setup_object;
INSERT INTO washminute.setup_object (kind, schema, name) VALUES
  ('table', 'washminute_data', 'instance'),
  ('table', 'washminute_data', 'migrations'),
  ('table', 'washminute_data', 'made_objects'),
  ('table', 'washminute_data', 'settings'),
  ('table', 'washminute_data', 'users'),
  ('table', 'washminute_data', 'washmen'),
  ('table', 'washminute_data', 'washman_positions'),
  ('table', 'washminute_data', 'service_zones'),
  ('table', 'washminute_data', 'services'),
  ('table', 'washminute_data', 'zone_settings'),
  ('table', 'washminute_data', 'neighbourhoods'),
  ('table', 'washminute_data', 'receivables'),
  ('table', 'washminute_data', 'payouts'),
  ('table', 'washminute_data', 'payments'),
  ('table', 'washminute_data', 'payment_attempt_transitions'),
  ('table', 'washminute_data', 'payment_attempts'),
  ('table', 'washminute_data', 'refunds'),
  ('table', 'washminute_data', 'payment_observations'),
  ('table', 'washminute_data', 'payment_exceptions'),
  ('table', 'washminute_data', 'payment_exception_kinds'),
  ('table', 'washminute_data', 'payment_exception_decisions'),
  ('table', 'washminute_data', 'settlement_statements'),
  ('table', 'washminute_data', 'settlement_lines'),
  ('table', 'washminute_data', 'card_clients'),
  ('table', 'washminute_data', 'cards'),
  ('table', 'washminute_data', 'orders'),
  ('table', 'washminute_data', 'order_lines'),
  ('table', 'washminute_data', 'request_transitions'),
  ('table', 'washminute_data', 'washing_requests'),
  ('table', 'washminute_data', 'request_timers'),
  ('table', 'washminute_data', 'reservations'),
  ('table', 'washminute_data', 'reservation_stages'),
  ('table', 'washminute_data', 'opening_hours'),
  ('table', 'washminute_data', 'opening_exceptions'),
  ('table', 'washminute_data', 'scheduler'),
  ('table', 'washminute_data', 'offers'),
  ('table', 'washminute_data', 'jobs'),
  ('table', 'washminute_data', 'accounts'),
  ('table', 'washminute_data', 'transfers'),
  ('table', 'washminute_data', 'events'),
  ('table', 'washminute_data', 'outbox'),
  ('table', 'washminute_data', 'lanes'),
  ('table', 'washminute_data', 'listeners'),
  ('table', 'washminute_data', 'push_tokens'),
  ('table', 'washminute_data', 'push_templates'),
  ('table', 'washminute_data', 'idempotency_keys'),
  ('table', 'washminute_data', 'realtime_rules'),
  ('table', 'washminute_data', 'socket_events'),
  ('table', 'washminute_data', 'socket_io_attachments'),
  ('table', 'washminute_data', 'chats'),
  ('table', 'washminute_data', 'chat_members'),
  ('table', 'washminute_data', 'chat_messages'),
  ('table', 'washminute_data', 'chat_viewers'),
  ('table', 'washminute_data', 'gateways'),
  ('domain', 'washminute_data', 'outbox_lane'),
  ('domain', 'washminute_data', 'outbox_state'),
  ('domain', 'washminute_data', 'outbox_audience'),
  ('domain', 'washminute_data', 'outbox_data'),
  ('domain', 'washminute_data', 'outbox_attempts'),
  ('domain', 'washminute_data', 'outbox_error'),
  ('domain', 'washminute_api', '*/*'),
  ('domain', 'washminute_api', 'text/plain'),
  ('domain', 'washminute_api', 'application/geo+json'),
  ('view', 'washminute_data', 'ledger_entries'),
  ('view', 'washminute_data', 'washman_statements'),
  ('view', 'washminute_data', 'requests_told'),
  ('view', 'washminute_data', 'payment_rollup'),
  ('view', 'washminute_api', 'me'),
  ('view', 'washminute_api', 'services'),
  ('view', 'washminute_api', 'orders'),
  ('view', 'washminute_api', 'requests'),
  ('view', 'washminute_api', 'offers'),
  ('view', 'washminute_api', 'statement'),
  ('view', 'washminute_api', 'payouts'),
  ('view', 'washminute_api', 'receivables'),
  ('view', 'washminute_api', 'payments'),
  ('view', 'washminute_api', 'cards'),
  ('view', 'washminute_api', 'refunds'),
  ('view', 'washminute_api', 'exceptions'),
  ('view', 'washminute_api', 'notifications'),
  ('view', 'washminute_api', 'chats'),
  ('view', 'washminute_api', 'chat_messages'),
  ('view', 'washminute_api', 'users'),
  ('view', 'washminute_api', 'washmen');
INSERT INTO washminute.setup_object (kind, schema, name, parent) VALUES
  ('function', 'washminute_data', 'caller_is_admin', ''),
  ('function', 'washminute_data', 'notifications_of_caller', ''),
  ('function', 'washminute_data', 'guard_request_status', ''),
  ('function', 'washminute_data', 'guard_append_only', ''),
  ('function', 'washminute_data', 'guard_attempt_status', ''),
  ('function', 'washminute_data', 'routes_changed', ''),
  ('function', 'washminute_data', 'settings_changed', ''),
  ('function', 'washminute_data', 'guard_zone_setting', ''),
  ('function', 'washminute_data', 'washman_changed', ''),
  ('function', 'washminute_api', 'create_booking',
   'text[], double precision, double precision, text, text, timestamp with time zone, text'),
  ('function', 'washminute_api', 'accept_request', 'uuid'),
  ('function', 'washminute_api', 'decline_request', 'uuid'),
  ('function', 'washminute_api', 'advance_request', 'uuid, text'),
  ('function', 'washminute_api', 'cancel_request', 'uuid, text, numeric'),
  ('function', 'washminute_api', 'cancellation_fee', 'uuid'),
  ('function', 'washminute_api', 'open_offers', ''),
  ('function', 'washminute_api', 'open_reservations', ''),
  ('function', 'washminute_api', 'reschedule_request', 'uuid, timestamp with time zone'),
  ('function', 'washminute_api', 'can_book_instant', 'double precision, double precision'),
  ('function', 'washminute_api', 'available_slots', 'double precision, double precision, date, integer'),
  ('function', 'washminute_api', 'contact', 'uuid'),
  ('function', 'washminute_api', 'earnings', 'timestamp with time zone, timestamp with time zone'),
  ('function', 'washminute_api', 'request_payout', 'numeric, text'),
  ('function', 'washminute_api', 'force_cancel_request', 'uuid, text'),
  ('function', 'washminute_api', 'reassign_request', 'uuid, text, text'),
  ('function', 'washminute_api', 'suspend_washman', 'text, text'),
  ('function', 'washminute_api', 'reinstate_washman', 'text, text'),
  ('function', 'washminute_api', 'settle_receivable', 'uuid, text, boolean'),
  ('function', 'washminute_api', 'pay_payout', 'uuid, text'),
  ('function', 'washminute_api', 'refuse_payout', 'uuid, text'),
  ('function', 'washminute_api', 'report_location',
   'double precision, double precision, double precision, timestamp with time zone'),
  ('function', 'washminute_api', 'set_status', 'text'),
  ('function', 'washminute_api', 'balance', ''),
  ('function', 'washminute_api', 'register_push_token', 'text, text'),
  ('function', 'washminute_api', 'unregister_push_token', 'text'),
  ('function', 'washminute_api', 'begin_payment', 'uuid, text, boolean, uuid'),
  ('function', 'washminute_api', 'wait_for_payment_link', 'uuid, interval'),
  ('function', 'washminute_api', 'request_refund', 'uuid, numeric, text, text'),
  ('function', 'washminute_api', 'remove_card', 'uuid'),
  ('function', 'washminute_api', 'resolve_exception', 'uuid, text, text'),
  ('function', 'washminute_api', 'import_settlement', 'text, text, date'),
  ('function', 'washminute_api', 'payment_callback', 'text, text'),
  ('function', 'washminute_api', 'payment_return', 'text'),
  ('function', 'washminute_api', 'sync_user', 'text, text'),
  ('function', 'washminute_api', 'home', 'double precision, double precision'),
  ('function', 'washminute_api', 'track', 'uuid'),
  ('function', 'washminute_api', 'nearby_washmen', 'double precision, double precision, integer'),
  ('function', 'washminute_api', 'map', ''),
  ('function', 'washminute_api', 'health', ''),
  ('function', 'washminute_api', 'metrics', ''),
  ('function', 'washminute_api', 'naps_callback', 'text'),
  ('function', 'washminute_api', 'naps_return', ''),
  ('function', 'washminute_api', 'save_user', 'text, text, text, text, text, text'),
  ('function', 'washminute_api', 'block_user', 'text, text'),
  ('function', 'washminute_api', 'unblock_user', 'text, text'),
  ('function', 'washminute_api', 'settle_balance', 'text, numeric, text, text'),
  ('function', 'washminute_api', 'record_payment', 'uuid, numeric, text'),
  ('function', 'washminute_api', 'capture_payment', 'uuid'),
  ('function', 'washminute_api', 'request_history', 'uuid'),
  ('function', 'washminute_api', 'explain_match', 'uuid'),
  ('function', 'washminute_api', 'notify_user', 'text, text, jsonb'),
  ('function', 'washminute_api', 'retry_dead', 'text, timestamp with time zone'),
  ('function', 'washminute_api', 'worker_status', ''),
  ('function', 'washminute_api', 'events', 'bigint, integer'),
  ('function', 'washminute_api', 'live_cursor', ''),
  ('function', 'washminute_api', 'open_chat', 'uuid'),
  ('function', 'washminute_api', 'leave_chat', 'uuid'),
  ('function', 'washminute_api', 'send_message', 'uuid, text, text, text'),
  ('function', 'washminute_api', 'mark_read', 'uuid, bigint'),
  ('function', 'washminute_api', 'chat_history', 'uuid, bigint, bigint, integer'),
  ('function', 'washminute_api', 'rt_gateway_register', 'text'),
  ('function', 'washminute_api', 'rt_gateway_beat', 'text'),
  ('function', 'washminute_api', 'rt_connect', 'jsonb, text, text, bigint'),
  ('function', 'washminute_api', 'rt_event', 'jsonb, text, text, text, jsonb'),
  ('function', 'washminute_api', 'rt_disconnect', 'text[]'),
  ('trigger', 'washminute_data', 'washing_requests_status_guarded', 'washing_requests'),
  ('trigger', 'washminute_data', 'events_append_only', 'events'),
  ('trigger', 'washminute_data', 'transfers_append_only', 'transfers'),
  ('trigger', 'washminute_data', 'payment_observations_append_only', 'payment_observations'),
  ('trigger', 'washminute_data', 'payment_attempts_status_guarded', 'payment_attempts'),
  ('trigger', 'washminute_data', 'listeners_changed', 'listeners'),
  ('trigger', 'washminute_data', 'lanes_changed', 'lanes'),
  ('trigger', 'washminute_data', 'realtime_rules_changed', 'realtime_rules'),
  ('trigger', 'washminute_data', 'push_templates_changed', 'push_templates'),
  ('trigger', 'washminute_data', 'settings_changed', 'settings'),
  ('trigger', 'washminute_data', 'zone_settings_changed', 'zone_settings'),
  ('trigger', 'washminute_data', 'service_zones_changed', 'service_zones'),
  ('trigger', 'washminute_data', 'zone_settings_guarded', 'zone_settings'),
  ('trigger', 'washminute_data', 'washmen_came_or_left', 'washmen'),
  ('trigger', 'washminute_data', 'washmen_changed', 'washmen'),
  ('trigger', 'washminute_data', 'washmen_truncated', 'washmen'),
  ('policy', 'washminute_data', 'users_read_own', 'users'),
  ('policy', 'washminute_data', 'services_read_active', 'services'),
  ('policy', 'washminute_data', 'orders_read_own', 'orders'),
  ('policy', 'washminute_data', 'order_lines_read_own', 'order_lines'),
  ('policy', 'washminute_data', 'orders_read_of_jobs', 'orders'),
  ('policy', 'washminute_data', 'order_lines_read_of_jobs', 'order_lines'),
  ('policy', 'washminute_data', 'washing_requests_read_own', 'washing_requests'),
  ('policy', 'washminute_data', 'washing_requests_read_of_jobs', 'washing_requests'),
  ('policy', 'washminute_data', 'jobs_read_own', 'jobs'),
  ('policy', 'washminute_data', 'offers_read_own', 'offers'),
  ('policy', 'washminute_data', 'users_read_all', 'users'),
  ('policy', 'washminute_data', 'orders_read_all', 'orders'),
  ('policy', 'washminute_data', 'order_lines_read_all', 'order_lines'),
  ('policy', 'washminute_data', 'washing_requests_read_all', 'washing_requests'),
  ('policy', 'washminute_data', 'transfers_read_own', 'transfers'),
  ('policy', 'washminute_data', 'transfers_read_all', 'transfers'),
  ('policy', 'washminute_data', 'payouts_read_own', 'payouts'),
  ('policy', 'washminute_data', 'payouts_read_all', 'payouts'),
  ('policy', 'washminute_data', 'receivables_read_own', 'receivables'),
  ('policy', 'washminute_data', 'receivables_read_all', 'receivables'),
  ('policy', 'washminute_data', 'payments_read_own', 'payments'),
  ('policy', 'washminute_data', 'payments_read_all', 'payments'),
  ('policy', 'washminute_data', 'cards_read_own', 'cards'),
  ('policy', 'washminute_data', 'refunds_read_all', 'refunds'),
  ('policy', 'washminute_data', 'payment_exceptions_read_all', 'payment_exceptions'),
  ('policy', 'washminute_data', 'payment_exception_kinds_read_all', 'payment_exception_kinds'),
  ('policy', 'washminute_data', 'payment_exception_decisions_read_all', 'payment_exception_decisions'),
  ('policy', 'washminute_data', 'push_templates_read', 'push_templates'),
  ('policy', 'washminute_data', 'washmen_read_own', 'washmen'),
  ('policy', 'washminute_data', 'washmen_read_all', 'washmen'),
  ('policy', 'washminute_data', 'accounts_read_own', 'accounts'),
  ('policy', 'washminute_data', 'accounts_read_all', 'accounts'),
  ('policy', 'washminute_data', 'washman_positions_read_own', 'washman_positions'),
  ('policy', 'washminute_data', 'washman_positions_read_all', 'washman_positions'),
  ('policy', 'washminute_data', 'socket_io_attachments_gateway', 'socket_io_attachments'),
  ('policy', 'washminute_data', 'offers_read_all', 'offers'),
  ('policy', 'washminute_data', 'chats_read_own', 'chats'),
  ('policy', 'washminute_data', 'chats_read_all', 'chats'),
  ('policy', 'washminute_data', 'chat_members_read_own', 'chat_members'),
  ('policy', 'washminute_data', 'chat_messages_read_own', 'chat_messages'),
  ('policy', 'washminute_data', 'chat_messages_read_all', 'chat_messages');

-- The roles, which belong to the cluster: missing ones are made, and those with
-- attributes that would open a way around row-level security are refused.
CREATE OR REPLACE FUNCTION washminute._setup_roles() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT
AS $$
DECLARE
  role_name text;
  unsafe text;
BEGIN
  FOREACH role_name IN ARRAY ARRAY['washminute_owner', 'washminute_anon', 'washminute_customer',
                                   'washminute_washman', 'washminute_admin', 'washminute_service',
                                   'washminute_gateway']
  LOOP
    IF pg_catalog.to_regrole(role_name) IS NULL THEN
      EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', role_name);
    END IF;
  END LOOP;

  SELECT r.rolname INTO unsafe
    FROM pg_catalog.pg_roles AS r
   WHERE r.rolname IN ('washminute_owner', 'washminute_anon', 'washminute_customer',
                       'washminute_washman', 'washminute_admin', 'washminute_service',
                       'washminute_gateway')
     AND (r.rolcanlogin OR r.rolsuper OR r.rolbypassrls)
   ORDER BY r.rolname LIMIT 1;
  IF FOUND THEN
    PERFORM washminute.raise('WM_ROLE_UNSAFE', pg_catalog.jsonb_build_object('role', unsafe));
  END IF;
END
$$;
COMMENT ON FUNCTION washminute._setup_roles() IS 'Internal: the part of setup() that makes the roles.';

-- The schemas and what is in them belong to washminute_owner. After a restore
-- without the roles they belong to the superuser who restored: that is repaired,
-- anything else is somebody else's and refused.
CREATE OR REPLACE FUNCTION washminute._setup_ownership() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT
AS $$
DECLARE
  restored boolean := pg_catalog.to_regclass('washminute_data.instance') IS NOT NULL;
  found record;
BEGIN
  FOR found IN
    SELECT s.name, n.nspname IS NOT NULL AS present, r.rolname AS owner, r.rolsuper AS by_superuser
      FROM (VALUES ('washminute_data'), ('washminute_api')) AS s (name)
      LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = s.name
      LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = n.nspowner
  LOOP
    IF NOT found.present THEN
      EXECUTE pg_catalog.format('CREATE SCHEMA %I AUTHORIZATION washminute_owner', found.name);
    ELSIF found.owner <> 'washminute_owner' THEN
      IF NOT (restored AND found.by_superuser) THEN
        PERFORM washminute.raise('WM_SCHEMA_FOREIGN',
          pg_catalog.jsonb_build_object('schema', found.name, 'owner', found.owner));
      END IF;
      EXECUTE pg_catalog.format('ALTER SCHEMA %I OWNER TO washminute_owner', found.name);
    END IF;
  END LOOP;

  FOR found IN
    SELECT o.kind, o.schema, o.name, r.rolname AS owner, r.rolsuper AS by_superuser,
           p.oid::pg_catalog.regprocedure::pg_catalog.text AS signature, c.relkind
      FROM washminute.setup_object AS o
      JOIN pg_catalog.pg_namespace AS n ON n.nspname = o.schema
      LEFT JOIN pg_catalog.pg_class AS c
             ON o.kind IN ('table', 'view') AND c.relnamespace = n.oid AND c.relname = o.name
      LEFT JOIN pg_catalog.pg_proc AS p
             ON o.kind = 'function' AND p.pronamespace = n.oid AND p.proname = o.name
            AND pg_catalog.oidvectortypes(p.proargtypes) = o.parent
      LEFT JOIN pg_catalog.pg_type AS t
             ON o.kind = 'domain' AND t.typnamespace = n.oid AND t.typname = o.name
      JOIN pg_catalog.pg_roles AS r ON r.oid = COALESCE(c.relowner, p.proowner, t.typowner)
     WHERE r.rolname <> 'washminute_owner'
  LOOP
    IF NOT (restored AND found.by_superuser) THEN
      PERFORM washminute.raise('WM_OBJECT_IN_THE_WAY',
        pg_catalog.jsonb_build_object('kind', found.kind, 'schema', found.schema,
                                      'name', found.name, 'owner', found.owner));
    END IF;
    EXECUTE CASE
      WHEN found.kind = 'function'
      THEN pg_catalog.format('ALTER ROUTINE %s OWNER TO washminute_owner', found.signature)
      WHEN found.kind = 'domain'
      THEN pg_catalog.format('ALTER DOMAIN %I.%I OWNER TO washminute_owner', found.schema, found.name)
      ELSE pg_catalog.format('ALTER TABLE %I.%I OWNER TO washminute_owner', found.schema, found.name)
      END;
  END LOOP;
END
$$;
COMMENT ON FUNCTION washminute._setup_ownership() IS
  'Internal: the part of setup() that makes the schemas and repairs who owns what is in them.';

-- What the roles need of the extension and of PostGIS, which are a superuser's.
CREATE OR REPLACE FUNCTION washminute._setup_grants() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT
AS $$
DECLARE
  postgis_schema name;
BEGIN
  SELECT n.nspname INTO STRICT postgis_schema
    FROM pg_catalog.pg_extension AS e
    JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
   WHERE e.extname = 'postgis';
  EXECUTE pg_catalog.format('GRANT USAGE ON SCHEMA %I TO washminute_owner', postgis_schema);

  GRANT USAGE ON SCHEMA washminute TO washminute_owner;
  GRANT SELECT ON TABLE washminute.setup_object, washminute.setup_script TO washminute_owner;
  GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA washminute TO washminute_owner;
  REVOKE EXECUTE ON FUNCTION
    washminute.setup(), washminute.adopt(), washminute.set_clock(timestamptz, float8),
    washminute._setup_roles(), washminute._setup_ownership(), washminute._setup_grants(),
    washminute._setup_as_owner(), washminute._setup_cron(),
    washminute.schedule_jobs(), washminute.unschedule_jobs(),
    washminute._creating_extension(), washminute._lock_setup()
    FROM washminute_owner;

  GRANT USAGE ON SCHEMA washminute TO
    washminute_anon, washminute_customer, washminute_washman, washminute_admin, washminute_service;
  GRANT USAGE ON SCHEMA washminute TO washminute_gateway;
  GRANT EXECUTE ON FUNCTION washminute.now() TO washminute_gateway;
  GRANT EXECUTE ON FUNCTION washminute.pre_request() TO
    washminute_anon, washminute_customer, washminute_washman, washminute_admin, washminute_service;
  GRANT EXECUTE ON FUNCTION washminute.current_user_id(), washminute.now() TO
    washminute_anon, washminute_customer, washminute_washman, washminute_admin;
END
$$;
COMMENT ON FUNCTION washminute._setup_grants() IS
  'Internal: the part of setup() that gives the roles what they need of the extension.';

-- The migrations that have not run yet, in order; one that has run is refused if
-- its text is another now, or if it is of a newer version. Runs as
-- washminute_owner, as _setup_replace does.
CREATE OR REPLACE FUNCTION washminute._setup_migrations() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT
AS $$
DECLARE
  script record;
  digest text;
  known text;
BEGIN
  IF pg_catalog.to_regclass('washminute_data.migrations') IS NOT NULL THEN
    SELECT m.name, m.version INTO script
      FROM washminute_data.migrations AS m
     WHERE NOT EXISTS (SELECT FROM washminute.setup_script AS s
                        WHERE s.kind = 'schema' AND s.name = m.name)
     ORDER BY m.name LIMIT 1;
    IF FOUND THEN
      PERFORM washminute.raise('WM_VERSION_DIFFERS', pg_catalog.jsonb_build_object(
        'library', washminute._library_version(), 'data', script.version, 'migration', script.name));
    END IF;
  END IF;

  FOR script IN
    SELECT s.name, s.body FROM washminute.setup_script AS s
     WHERE s.kind = 'schema' ORDER BY s.name COLLATE "C"
  LOOP
    digest := pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(script.body, 'UTF8')), 'hex');
    known := NULL;
    IF pg_catalog.to_regclass('washminute_data.migrations') IS NOT NULL THEN
      SELECT m.sha256 INTO known FROM washminute_data.migrations AS m WHERE m.name = script.name;
    END IF;
    IF known IS NULL THEN
      EXECUTE script.body;
      INSERT INTO washminute_data.migrations (name, sha256, version, applied_at)
      VALUES (script.name, digest, washminute._library_version(), pg_catalog.now());
    ELSIF known <> digest THEN
      PERFORM washminute.raise('WM_MIGRATION_CHANGED', pg_catalog.jsonb_build_object('migration', script.name));
    END IF;
  END LOOP;
END
$$;
COMMENT ON FUNCTION washminute._setup_migrations() IS 'Internal: the part of setup() that runs the migrations.';

-- Policies, triggers, grants and the API, made anew; what the last version made
-- and this one has no longer, goes. Functions and views are replaced in place, so
-- that what users built on them stays; where one has changed its form, PostgreSQL
-- wants our views and functions dropped first, and refuses that, with the reason,
-- as long as something of a user depends on one. Runs as washminute_owner.
CREATE OR REPLACE FUNCTION washminute._setup_replace() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT
AS $$
BEGIN
  BEGIN
    PERFORM washminute._setup_run_scripts();
  EXCEPTION WHEN invalid_table_definition OR invalid_function_definition THEN
    PERFORM washminute._setup_drop((
      SELECT pg_catalog.jsonb_agg(m) FROM washminute_data.made_objects AS m
       WHERE m.kind = 'view' OR (m.kind = 'function' AND m.schema = 'washminute_api')));
    PERFORM washminute._setup_run_scripts();
  END;

  PERFORM washminute._setup_drop((
    SELECT pg_catalog.jsonb_agg(m) FROM washminute_data.made_objects AS m
     WHERE NOT EXISTS (SELECT FROM washminute.setup_object AS o
                        WHERE (o.kind, o.schema, o.name, o.parent) = (m.kind, m.schema, m.name, m.parent))));
  DELETE FROM washminute_data.made_objects;
  INSERT INTO washminute_data.made_objects (kind, schema, name, parent)
  SELECT o.kind, o.schema, o.name, o.parent FROM washminute.setup_object AS o WHERE o.kind NOT IN ('table', 'domain');
END
$$;
COMMENT ON FUNCTION washminute._setup_replace() IS
  'Internal: the part of setup() that replaces policies, triggers, grants and the API.';

CREATE OR REPLACE FUNCTION washminute._setup_run_scripts() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT
AS $$
DECLARE
  user_roles constant text := 'washminute_anon, washminute_customer, washminute_washman, washminute_admin, washminute_service, washminute_gateway';
  found record;
BEGIN
  -- policies have no OR REPLACE, and a grant that a script no longer has must go
  FOR found IN
    SELECT CASE o.kind
             WHEN 'policy'
             THEN pg_catalog.format('DROP POLICY IF EXISTS %I ON %I.%I', o.name, o.schema, o.parent)
             WHEN 'function'
             THEN pg_catalog.format('REVOKE ALL ON FUNCTION %I.%I(%s) FROM %s', o.schema, o.name, o.parent, user_roles)
             ELSE pg_catalog.format('REVOKE ALL ON TABLE %I.%I FROM %s', o.schema, o.name, user_roles)
           END AS command
      FROM washminute.setup_object AS o
     WHERE o.kind = 'policy'
        OR (o.kind IN ('table', 'view')
            AND pg_catalog.to_regclass(pg_catalog.format('%I.%I', o.schema, o.name)) IS NOT NULL)
        OR (o.kind = 'function'
            AND pg_catalog.to_regprocedure(pg_catalog.format('%I.%I(%s)', o.schema, o.name, o.parent)) IS NOT NULL)
    UNION ALL
    SELECT pg_catalog.format('REVOKE ALL ON SCHEMA washminute_data, washminute_api FROM %s', user_roles)
  LOOP
    EXECUTE found.command;
  END LOOP;

  FOR found IN
    SELECT s.body FROM washminute.setup_script AS s
     WHERE s.kind IN ('policy', 'api') ORDER BY s.kind DESC, s.name COLLATE "C"
  LOOP
    EXECUTE found.body;
  END LOOP;
END
$$;
COMMENT ON FUNCTION washminute._setup_run_scripts() IS
  'Internal: the part of setup() that runs the scripts of policies, triggers, grants and the API.';

CREATE OR REPLACE FUNCTION washminute._setup_drop(objects jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT
AS $$
DECLARE
  found record;
BEGIN
  FOR found IN
    SELECT CASE o.kind
             WHEN 'policy'
             THEN pg_catalog.format('DROP POLICY IF EXISTS %I ON %I.%I', o.name, o.schema, o.parent)
             WHEN 'trigger'
             THEN pg_catalog.format('DROP TRIGGER IF EXISTS %I ON %I.%I', o.name, o.schema, o.parent)
             WHEN 'view'
             THEN pg_catalog.format('DROP VIEW IF EXISTS %I.%I', o.schema, o.name)
             ELSE pg_catalog.format('DROP FUNCTION IF EXISTS %I.%I(%s)', o.schema, o.name, o.parent)
           END AS command
      FROM pg_catalog.jsonb_to_recordset(objects) AS o (kind text, schema text, name text, parent text)
     ORDER BY pg_catalog.array_position(ARRAY['policy', 'trigger', 'view', 'function'], o.kind), o.schema
  LOOP
    EXECUTE found.command;
  END LOOP;
END
$$;
COMMENT ON FUNCTION washminute._setup_drop(jsonb) IS
  'Internal: drops what an earlier setup() made, never with CASCADE.';

-- The job of pg_cron, where pg_cron is in this database.
CREATE OR REPLACE FUNCTION washminute._setup_cron() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT
AS $$
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'pg_cron') THEN
    PERFORM washminute.schedule_jobs();
  END IF;
END
$$;
COMMENT ON FUNCTION washminute._setup_cron() IS 'Internal: the part of setup() that registers the pg_cron job.';

CREATE OR REPLACE FUNCTION washminute.setup() RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path FROM CURRENT
SET client_min_messages TO warning
AS $$
DECLARE
  extension_version text;
BEGIN
  IF NOT (SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = CURRENT_USER) THEN
    PERFORM washminute.raise('WM_SUPERUSER_ONLY');
  END IF;
  IF washminute._creating_extension() THEN
    PERFORM washminute.raise('WM_CALLED_INSIDE_EXTENSION');
  END IF;
  SELECT e.extversion INTO STRICT extension_version
    FROM pg_catalog.pg_extension AS e WHERE e.extname = 'washminute';
  IF extension_version <> washminute._library_version() THEN
    PERFORM washminute.raise('WM_VERSION_DIFFERS', pg_catalog.jsonb_build_object(
      'library', washminute._library_version(), 'extension', extension_version));
  END IF;

  PERFORM washminute._lock_setup();
  PERFORM washminute._setup_roles();
  PERFORM washminute._setup_ownership();
  PERFORM washminute._setup_grants();
  PERFORM washminute._setup_as_owner();
  PERFORM washminute._setup_cron();

  NOTIFY pgrst, 'reload schema';
  RETURN extension_version;
END
$$;
COMMENT ON FUNCTION washminute.setup() IS
  'Makes, upgrades or repairs roles, tables, policies, the API and the pg_cron job; returns the version. All or nothing, one at a time, and harmless to repeat. Superuser only.';
