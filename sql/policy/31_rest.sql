-- What the views of notifications, users and washmen read, as in 30_row_security.sql.

GRANT SELECT (event, audience, locale, title, body)
  ON washminute_data.push_templates TO washminute_customer, washminute_washman;
GRANT SELECT (washman_id, status, status_changed_at, suspended_at)
  ON washminute_data.washmen TO washminute_washman, washminute_admin;
GRANT SELECT (account_id, washman_id, balance, held)
  ON washminute_data.accounts TO washminute_washman, washminute_admin;
GRANT SELECT (washman_id, last_location, last_location_updated_at)
  ON washminute_data.washman_positions TO washminute_washman, washminute_admin;
GRANT SELECT (created_at, blocked_at) ON washminute_data.users TO washminute_admin;

CREATE POLICY push_templates_read ON washminute_data.push_templates
  FOR SELECT TO washminute_customer, washminute_washman
  USING ((SELECT washminute.current_user_id()) IS NOT NULL);
CREATE POLICY washmen_read_own ON washminute_data.washmen
  FOR SELECT TO washminute_washman
  USING (washman_id = (SELECT washminute.current_user_id()));
CREATE POLICY washmen_read_all ON washminute_data.washmen
  FOR SELECT TO washminute_admin
  USING ((SELECT washminute.current_user_id()) IS NOT NULL AND (SELECT washminute_data.caller_is_admin()));
CREATE POLICY accounts_read_own ON washminute_data.accounts
  FOR SELECT TO washminute_washman
  USING (washman_id = (SELECT washminute.current_user_id()));
CREATE POLICY accounts_read_all ON washminute_data.accounts
  FOR SELECT TO washminute_admin
  USING ((SELECT washminute.current_user_id()) IS NOT NULL AND (SELECT washminute_data.caller_is_admin()));
CREATE POLICY washman_positions_read_own ON washminute_data.washman_positions
  FOR SELECT TO washminute_washman
  USING (washman_id = (SELECT washminute.current_user_id()));
CREATE POLICY washman_positions_read_all ON washminute_data.washman_positions
  FOR SELECT TO washminute_admin
  USING ((SELECT washminute.current_user_id()) IS NOT NULL AND (SELECT washminute_data.caller_is_admin()));
