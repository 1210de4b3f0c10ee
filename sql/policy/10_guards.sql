-- Triggers that refuse, and three that tell. None has an effect on other rows: triggers
-- fire on restore too, and money would move twice.

CREATE OR REPLACE FUNCTION washminute_data.guard_request_status() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT washminute.status_change_allowed() THEN
    PERFORM washminute.raise('WM_STATUS_IS_GUARDED');
  END IF;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION washminute_data.guard_request_status() IS
  'Trigger: refuses a change of status that does not come from a command.';
REVOKE ALL ON FUNCTION washminute_data.guard_request_status() FROM PUBLIC;

CREATE OR REPLACE TRIGGER washing_requests_status_guarded
  BEFORE UPDATE ON washminute_data.washing_requests
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
  EXECUTE FUNCTION washminute_data.guard_request_status();
COMMENT ON TRIGGER washing_requests_status_guarded ON washminute_data.washing_requests IS
  'The status is moved by the commands alone.';

CREATE OR REPLACE FUNCTION washminute_data.guard_append_only() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.raise('WM_APPEND_ONLY', pg_catalog.jsonb_build_object('table', TG_TABLE_NAME));
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION washminute_data.guard_append_only() IS
  'Trigger: refuses to change or remove rows.';
REVOKE ALL ON FUNCTION washminute_data.guard_append_only() FROM PUBLIC;

CREATE OR REPLACE TRIGGER events_append_only
  BEFORE UPDATE OR DELETE OR TRUNCATE ON washminute_data.events
  FOR EACH STATEMENT EXECUTE FUNCTION washminute_data.guard_append_only();
COMMENT ON TRIGGER events_append_only ON washminute_data.events IS 'The log is append-only.';

CREATE OR REPLACE TRIGGER transfers_append_only
  BEFORE UPDATE OR DELETE OR TRUNCATE ON washminute_data.transfers
  FOR EACH STATEMENT EXECUTE FUNCTION washminute_data.guard_append_only();
COMMENT ON TRIGGER transfers_append_only ON washminute_data.transfers IS 'The journal is append-only.';

-- The effect of this one is that a cache is looked up anew: none on any row.
CREATE OR REPLACE FUNCTION washminute_data.routes_changed() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute._routes_changed();
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION washminute_data.routes_changed() IS
  'Trigger: sessions and worker look at listeners, lanes and templates anew, once this is committed.';
REVOKE ALL ON FUNCTION washminute_data.routes_changed() FROM PUBLIC;

CREATE OR REPLACE TRIGGER listeners_changed
  AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON washminute_data.listeners
  FOR EACH STATEMENT EXECUTE FUNCTION washminute_data.routes_changed();
COMMENT ON TRIGGER listeners_changed ON washminute_data.listeners IS 'Changes hold from the next event on.';

CREATE OR REPLACE TRIGGER lanes_changed
  AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON washminute_data.lanes
  FOR EACH STATEMENT EXECUTE FUNCTION washminute_data.routes_changed();
COMMENT ON TRIGGER lanes_changed ON washminute_data.lanes IS 'The worker looks at changes at once.';

CREATE OR REPLACE TRIGGER push_templates_changed
  AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON washminute_data.push_templates
  FOR EACH STATEMENT EXECUTE FUNCTION washminute_data.routes_changed();
COMMENT ON TRIGGER push_templates_changed ON washminute_data.push_templates IS 'The worker takes changed texts at once.';
