-- What the roles of PostgREST may read of the tables. The views of
-- washminute_api read with the rights of who asks, so they need grants here, by
-- column; rows are chosen by policies. Commands go through functions that run
-- as washminute_owner, who is not subject to the policies. What the roles need of
-- the extension itself, setup() grants. Every policy names a function of the
-- extension, so that DROP EXTENSION CASCADE takes it and all is denied. Tokens
-- say who is an administrator, and so does the table of users: it takes both.

COMMENT ON SCHEMA washminute_data IS
  'WashMinute: the tables. Written by the commands of schema washminute.';

GRANT SELECT (user_id, kinds, name, phone, email, locale)
  ON washminute_data.users TO washminute_customer, washminute_washman, washminute_admin;
GRANT SELECT (service_code, kind, name_ar, name_fr, name_en, price, duration_minutes, active)
  ON washminute_data.services TO
  washminute_anon, washminute_customer, washminute_washman, washminute_admin;
GRANT SELECT (order_id, reference, customer_id, status, payment_method, payment_verified, total, created_at)
  ON washminute_data.orders TO washminute_customer, washminute_washman, washminute_admin;
GRANT SELECT (order_id, line_number, service_code, price)
  ON washminute_data.order_lines TO washminute_customer, washminute_washman, washminute_admin;
GRANT SELECT (request_id, order_id, customer_id, status, client_location, address,
              reservation_at, expires_at, washman_id, accepted_at, created_at, updated_at)
  ON washminute_data.washing_requests TO
  washminute_customer, washminute_washman, washminute_admin;
GRANT SELECT (request_id, washman_id) ON washminute_data.jobs TO washminute_washman;
GRANT SELECT (request_id, washman_id, distance_m, offered_at, expires_at, declined_at)
  ON washminute_data.offers TO washminute_washman, washminute_admin;

GRANT SELECT (transfer_id, at, debit_account, credit_account, amount, purpose, order_id)
  ON washminute_data.transfers TO washminute_washman, washminute_admin;
GRANT SELECT (washman_id, transfer_id, at, purpose, amount, balance, order_id)
  ON washminute_data.washman_statements TO washminute_washman, washminute_admin;
GRANT SELECT (payout_id, washman_id, amount, status, requested_at, decided_at, reference)
  ON washminute_data.payouts TO washminute_washman, washminute_admin;
GRANT SELECT (receivable_id, debtor_id, order_id, amount, purpose, created_at, settled_at, waived)
  ON washminute_data.receivables TO washminute_customer, washminute_washman, washminute_admin;

GRANT SELECT (payment_id, order_id, customer_id, amount, status, reserved, created_at, updated_at)
  ON washminute_data.payments TO washminute_customer, washminute_admin;
GRANT SELECT (card_id, customer_id, brand, last4, holder, created_at, removed_at)
  ON washminute_data.cards TO washminute_customer;
GRANT SELECT (refund_id, payment_id, amount, status, method, reason, requested_by, created_at, updated_at)
  ON washminute_data.refunds TO washminute_admin;
GRANT SELECT (exception_id, kind, payment_id, attempt_id, refund_id, line_id, data, since, resolved_at, resolved_by, decision, reason)
  ON washminute_data.payment_exceptions TO washminute_admin;
GRANT SELECT (kind, meaning, advice) ON washminute_data.payment_exception_kinds TO washminute_admin;
GRANT SELECT (kind, decision, effect) ON washminute_data.payment_exception_decisions TO washminute_admin;

CREATE POLICY users_read_own ON washminute_data.users
  FOR SELECT TO washminute_customer, washminute_washman
  USING (user_id = (SELECT washminute.current_user_id()));
CREATE POLICY services_read_active ON washminute_data.services
  FOR SELECT TO washminute_anon, washminute_customer, washminute_washman, washminute_admin
  USING (active AND (SELECT washminute.now()) IS NOT NULL);
CREATE POLICY orders_read_own ON washminute_data.orders
  FOR SELECT TO washminute_customer
  USING (customer_id = (SELECT washminute.current_user_id()));
CREATE POLICY order_lines_read_own ON washminute_data.order_lines
  FOR SELECT TO washminute_customer
  USING (EXISTS (SELECT FROM washminute_data.orders AS o
                  WHERE o.order_id = order_lines.order_id
                    AND o.customer_id = (SELECT washminute.current_user_id())));
CREATE POLICY orders_read_of_jobs ON washminute_data.orders
  FOR SELECT TO washminute_washman
  USING (order_id = ANY (ARRAY(SELECT r.order_id FROM washminute_data.washing_requests AS r
                                WHERE r.washman_id = (SELECT washminute.current_user_id()))));
CREATE POLICY order_lines_read_of_jobs ON washminute_data.order_lines
  FOR SELECT TO washminute_washman
  USING (EXISTS (SELECT FROM washminute_data.washing_requests AS r
                  WHERE r.order_id = order_lines.order_id
                    AND r.washman_id = (SELECT washminute.current_user_id())));
CREATE POLICY washing_requests_read_own ON washminute_data.washing_requests
  FOR SELECT TO washminute_customer, washminute_washman
  USING (customer_id = (SELECT washminute.current_user_id()));
-- by his jobs, which an index finds, and only while he is the one who has it
CREATE POLICY washing_requests_read_of_jobs ON washminute_data.washing_requests
  FOR SELECT TO washminute_washman
  USING (washman_id = (SELECT washminute.current_user_id())
         AND request_id = ANY (ARRAY(SELECT j.request_id FROM washminute_data.jobs AS j
                                      WHERE j.washman_id = (SELECT washminute.current_user_id()))));
CREATE POLICY jobs_read_own ON washminute_data.jobs
  FOR SELECT TO washminute_washman
  USING (washman_id = (SELECT washminute.current_user_id()));
CREATE POLICY offers_read_own ON washminute_data.offers
  FOR SELECT TO washminute_washman
  USING (washman_id = (SELECT washminute.current_user_id()));

CREATE POLICY users_read_all ON washminute_data.users
  FOR SELECT TO washminute_admin
  USING ((SELECT washminute.current_user_id()) IS NOT NULL AND (SELECT washminute_data.caller_is_admin()));
CREATE POLICY orders_read_all ON washminute_data.orders
  FOR SELECT TO washminute_admin
  USING ((SELECT washminute.current_user_id()) IS NOT NULL AND (SELECT washminute_data.caller_is_admin()));
CREATE POLICY order_lines_read_all ON washminute_data.order_lines
  FOR SELECT TO washminute_admin
  USING ((SELECT washminute.current_user_id()) IS NOT NULL AND (SELECT washminute_data.caller_is_admin()));
CREATE POLICY washing_requests_read_all ON washminute_data.washing_requests
  FOR SELECT TO washminute_admin
  USING ((SELECT washminute.current_user_id()) IS NOT NULL AND (SELECT washminute_data.caller_is_admin()));
CREATE POLICY offers_read_all ON washminute_data.offers
  FOR SELECT TO washminute_admin
  USING ((SELECT washminute.current_user_id()) IS NOT NULL AND (SELECT washminute_data.caller_is_admin()));

CREATE POLICY transfers_read_own ON washminute_data.transfers
  FOR SELECT TO washminute_washman
  USING ('washman:' || (SELECT washminute.current_user_id()) IN (debit_account, credit_account));
CREATE POLICY transfers_read_all ON washminute_data.transfers
  FOR SELECT TO washminute_admin
  USING ((SELECT washminute.current_user_id()) IS NOT NULL AND (SELECT washminute_data.caller_is_admin()));
CREATE POLICY payouts_read_own ON washminute_data.payouts
  FOR SELECT TO washminute_washman
  USING (washman_id = (SELECT washminute.current_user_id()));
CREATE POLICY payouts_read_all ON washminute_data.payouts
  FOR SELECT TO washminute_admin
  USING ((SELECT washminute.current_user_id()) IS NOT NULL AND (SELECT washminute_data.caller_is_admin()));
CREATE POLICY receivables_read_own ON washminute_data.receivables
  FOR SELECT TO washminute_customer, washminute_washman
  USING (debtor_id = (SELECT washminute.current_user_id()));
CREATE POLICY receivables_read_all ON washminute_data.receivables
  FOR SELECT TO washminute_admin
  USING ((SELECT washminute.current_user_id()) IS NOT NULL AND (SELECT washminute_data.caller_is_admin()));
CREATE POLICY payments_read_own ON washminute_data.payments
  FOR SELECT TO washminute_customer
  USING (customer_id = (SELECT washminute.current_user_id()));
CREATE POLICY payments_read_all ON washminute_data.payments
  FOR SELECT TO washminute_admin
  USING ((SELECT washminute.current_user_id()) IS NOT NULL AND (SELECT washminute_data.caller_is_admin()));
CREATE POLICY cards_read_own ON washminute_data.cards
  FOR SELECT TO washminute_customer
  USING (customer_id = (SELECT washminute.current_user_id()));
CREATE POLICY refunds_read_all ON washminute_data.refunds
  FOR SELECT TO washminute_admin
  USING ((SELECT washminute.current_user_id()) IS NOT NULL AND (SELECT washminute_data.caller_is_admin()));
CREATE POLICY payment_exceptions_read_all ON washminute_data.payment_exceptions
  FOR SELECT TO washminute_admin
  USING ((SELECT washminute.current_user_id()) IS NOT NULL AND (SELECT washminute_data.caller_is_admin()));
CREATE POLICY payment_exception_kinds_read_all ON washminute_data.payment_exception_kinds
  FOR SELECT TO washminute_admin
  USING ((SELECT washminute.current_user_id()) IS NOT NULL AND (SELECT washminute_data.caller_is_admin()));
CREATE POLICY payment_exception_decisions_read_all ON washminute_data.payment_exception_decisions
  FOR SELECT TO washminute_admin
  USING ((SELECT washminute.current_user_id()) IS NOT NULL AND (SELECT washminute_data.caller_is_admin()));
