-- Triggers that refuse, and some that tell. None has an effect on other rows: triggers
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

CREATE OR REPLACE TRIGGER payment_observations_append_only
  BEFORE UPDATE OR DELETE OR TRUNCATE ON washminute_data.payment_observations
  FOR EACH STATEMENT EXECUTE FUNCTION washminute_data.guard_append_only();
COMMENT ON TRIGGER payment_observations_append_only ON washminute_data.payment_observations IS
  'What was seen was seen.';

CREATE OR REPLACE FUNCTION washminute_data.guard_attempt_status() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM washminute_data.payment_attempt_transitions AS t
                  WHERE t.from_status = OLD.status AND t.to_status = NEW.status) THEN
    PERFORM washminute.raise('WM_PAYMENT_STATE', pg_catalog.jsonb_build_object('status', OLD.status, 'to', NEW.status));
  END IF;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION washminute_data.guard_attempt_status() IS
  'Trigger: refuses a move of an attempt that is not in payment_attempt_transitions, whoever makes it.';
REVOKE ALL ON FUNCTION washminute_data.guard_attempt_status() FROM PUBLIC;

CREATE OR REPLACE TRIGGER payment_attempts_status_guarded
  BEFORE UPDATE ON washminute_data.payment_attempts
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
  EXECUTE FUNCTION washminute_data.guard_attempt_status();
COMMENT ON TRIGGER payment_attempts_status_guarded ON washminute_data.payment_attempts IS
  'No row of payment_attempt_transitions, no move.';

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

CREATE OR REPLACE TRIGGER realtime_rules_changed
  AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON washminute_data.realtime_rules
  FOR EACH STATEMENT EXECUTE FUNCTION washminute_data.routes_changed();
COMMENT ON TRIGGER realtime_rules_changed ON washminute_data.realtime_rules IS 'Changes hold from the next event on.';

CREATE OR REPLACE FUNCTION washminute_data.settings_changed() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute._settings_changed();
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION washminute_data.settings_changed() IS
  'Trigger: sessions read the settings anew, once this is committed.';
REVOKE ALL ON FUNCTION washminute_data.settings_changed() FROM PUBLIC;

CREATE OR REPLACE TRIGGER settings_changed
  AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON washminute_data.settings
  FOR EACH STATEMENT EXECUTE FUNCTION washminute_data.settings_changed();
COMMENT ON TRIGGER settings_changed ON washminute_data.settings IS 'A changed setting holds from the next command on.';

-- What the live index holds in memory follows the rows: likewise no effect on any row.
CREATE OR REPLACE FUNCTION washminute_data.washman_changed() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    PERFORM washminute._washman_changed(NULL, NULL, false);
  ELSIF TG_OP = 'DELETE' THEN
    PERFORM washminute._washman_changed(OLD.washman_id, NULL, false);
  ELSE
    PERFORM washminute._washman_changed(OLD.washman_id, NEW.washman_id, NEW.status = 'online' AND NEW.suspended_at IS NULL);
  END IF;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION washminute_data.washman_changed() IS
  'Trigger: the live index takes a change of a washman over, once this is committed.';
REVOKE ALL ON FUNCTION washminute_data.washman_changed() FROM PUBLIC;

CREATE OR REPLACE TRIGGER washmen_came_or_left
  AFTER INSERT OR DELETE ON washminute_data.washmen
  FOR EACH ROW EXECUTE FUNCTION washminute_data.washman_changed();
COMMENT ON TRIGGER washmen_came_or_left ON washminute_data.washmen IS 'The live index takes it over at commit.';

CREATE OR REPLACE TRIGGER washmen_changed
  AFTER UPDATE ON washminute_data.washmen
  FOR EACH ROW WHEN (OLD.washman_id <> NEW.washman_id OR OLD.status <> NEW.status OR OLD.suspended_at IS DISTINCT FROM NEW.suspended_at)
  EXECUTE FUNCTION washminute_data.washman_changed();
COMMENT ON TRIGGER washmen_changed ON washminute_data.washmen IS 'The live index takes it over at commit.';

CREATE OR REPLACE TRIGGER washmen_truncated
  AFTER TRUNCATE ON washminute_data.washmen
  FOR EACH STATEMENT EXECUTE FUNCTION washminute_data.washman_changed();
COMMENT ON TRIGGER washmen_truncated ON washminute_data.washmen IS 'The live index is loaded anew.';

CREATE OR REPLACE TRIGGER push_templates_changed
  AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON washminute_data.push_templates
  FOR EACH STATEMENT EXECUTE FUNCTION washminute_data.routes_changed();
COMMENT ON TRIGGER push_templates_changed ON washminute_data.push_templates IS 'The worker takes changed texts at once.';

CREATE OR REPLACE TRIGGER zone_settings_changed
  AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON washminute_data.zone_settings
  FOR EACH STATEMENT EXECUTE FUNCTION washminute_data.settings_changed();
COMMENT ON TRIGGER zone_settings_changed ON washminute_data.zone_settings IS
  'A changed setting holds from the next command on.';

CREATE OR REPLACE TRIGGER service_zones_changed
  AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON washminute_data.service_zones
  FOR EACH STATEMENT EXECUTE FUNCTION washminute_data.settings_changed();
COMMENT ON TRIGGER service_zones_changed ON washminute_data.service_zones IS
  'A changed policy holds from the next command on.';

CREATE OR REPLACE FUNCTION washminute_data.guard_zone_setting() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path TO pg_catalog, pg_temp
AS $$
DECLARE
  rule washminute_data.settings;
BEGIN
  SELECT s.* INTO rule FROM washminute_data.settings AS s WHERE s.name = NEW.name;
  IF FOUND AND NOT (rule.per_zone AND NEW.value BETWEEN rule.minimum AND rule.maximum
                    AND (rule.unit NOT IN ('washmen', 'offers') OR NEW.value = pg_catalog.trunc(NEW.value))) THEN
    PERFORM washminute.raise('WM_ARGUMENT_INVALID', pg_catalog.jsonb_build_object(
      'argument', NEW.name,
      'must', CASE WHEN rule.per_zone THEN pg_catalog.format('be from %s to %s', rule.minimum, rule.maximum)
                   ELSE 'be the same in all zones' END));
  END IF;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION washminute_data.guard_zone_setting() IS
  'Trigger: refuses a value out of the range of its setting.';
REVOKE ALL ON FUNCTION washminute_data.guard_zone_setting() FROM PUBLIC;

CREATE OR REPLACE TRIGGER zone_settings_guarded
  BEFORE INSERT OR UPDATE ON washminute_data.zone_settings
  FOR EACH ROW EXECUTE FUNCTION washminute_data.guard_zone_setting();
COMMENT ON TRIGGER zone_settings_guarded ON washminute_data.zone_settings IS
  'Values lie in the range of their setting.';
