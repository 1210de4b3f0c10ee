-- The commands for PostgREST: the same as in schema washminute, with the caller
-- taken from the token. They run as washminute_owner, since the callers have no
-- rights on the tables; whether the caller may is for the command to say.

CREATE OR REPLACE FUNCTION washminute_api.create_booking(
    service_codes text[], longitude float8, latitude float8, address text,
    payment_method text, reservation_at timestamptz DEFAULT NULL,
    idempotency_key text DEFAULT NULL)
RETURNS TABLE (order_id uuid, request_id uuid, reference text, total numeric,
               status text, washmen_offered integer)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 1
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY SELECT * FROM washminute.create_booking(
    washminute.require_caller(), service_codes, longitude, latitude, address,
    payment_method, reservation_at, washminute.idempotency_key(idempotency_key));
  -- afterwards, since the same booking again is none more
  PERFORM washminute._check_open_requests(washminute.require_caller());
END
$$;
COMMENT ON FUNCTION washminute_api.create_booking(text[], float8, float8, text, text, timestamptz, text) IS
  'Book a wash for now, or for reservation_at. The same idempotency_key, or header Idempotency-Key, and arguments give the same answer. Who has max_open_requests open already is refused.';

CREATE OR REPLACE FUNCTION washminute_api.accept_request(request_id uuid)
RETURNS TABLE (id uuid, order_id uuid, customer_id text, status text, accepted_at timestamptz)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 1
SET search_path TO pg_catalog, pg_temp
SET default_transaction_isolation TO 'serializable'
AS $$
BEGIN
  RETURN QUERY SELECT * FROM washminute.accept_request(request_id, washminute.require_caller());
END
$$;
COMMENT ON FUNCTION washminute_api.accept_request(uuid) IS
  'Take a request that I was offered. Exactly one washman can; the others get 409.';

CREATE OR REPLACE FUNCTION washminute_api.decline_request(request_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.decline_request(request_id, washminute.require_caller());
END
$$;
COMMENT ON FUNCTION washminute_api.decline_request(uuid) IS
  'Decline a request that I was offered.';

CREATE OR REPLACE FUNCTION washminute_api.advance_request(request_id uuid, to_status text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.advance_request(request_id, washminute.require_caller(), to_status);
END
$$;
COMMENT ON FUNCTION washminute_api.advance_request(uuid, text) IS
  'Move my job on: en_route, arrived, in_progress, completed, no_show; pending gives it back.';

CREATE OR REPLACE FUNCTION washminute_api.cancel_request(request_id uuid, reason text DEFAULT NULL, agreed_fee numeric DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.cancel_request(request_id, washminute.require_caller(), reason, agreed_fee);
END
$$;
COMMENT ON FUNCTION washminute_api.cancel_request(uuid, text, numeric) IS
  'Cancel my request before the work begins, for the fee that cancellation_fee shows; a fee above agreed_fee is refused.';

CREATE OR REPLACE FUNCTION washminute_api.cancellation_fee(request_id uuid)
RETURNS TABLE (fee numeric, washman_share numeric, refund numeric)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER ROWS 1
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY SELECT * FROM washminute.cancellation_fee(request_id, washminute.require_caller());
END
$$;
COMMENT ON FUNCTION washminute_api.cancellation_fee(uuid) IS
  'What cancelling my request would cost me now, and what I would get back, in MAD.';

CREATE OR REPLACE FUNCTION washminute_api.open_offers()
RETURNS TABLE (request_id uuid, customer_first_name text, neighbourhood text, distance_m double precision,
               services text[], earnings numeric, payment_method text, reservation_at timestamptz,
               offered_at timestamptz, expires_at timestamptz, answered_at timestamptz)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER ROWS 3
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY SELECT * FROM washminute._offers_told(washminute.require_caller());
END
$$;
COMMENT ON FUNCTION washminute_api.open_offers() IS
  'The offers that I can accept now, and what I may know of them before; distances in hundreds of metres.';

CREATE OR REPLACE FUNCTION washminute_api.contact(request_id uuid)
RETURNS TABLE (contact_id text, name text, phone text)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER ROWS 1
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY SELECT * FROM washminute.request_contact(request_id, washminute.require_caller());
END
$$;
COMMENT ON FUNCTION washminute_api.contact(uuid) IS
  'Whom I can call about a job in hand: my washman, or my customer.';

CREATE OR REPLACE FUNCTION washminute_api.earnings(since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL)
RETURNS TABLE (jobs bigint, gross numeric, commission numeric, compensation numeric, fees numeric, net numeric)
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER ROWS 1
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY SELECT * FROM washminute.washman_earnings(washminute.require_caller(), since, until);
END
$$;
COMMENT ON FUNCTION washminute_api.earnings(timestamptz, timestamptz) IS
  'What I have earned from since on and before until, in MAD.';

CREATE OR REPLACE FUNCTION washminute_api.request_payout(amount numeric, idempotency_key text DEFAULT NULL)
RETURNS uuid
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  RETURN washminute.request_payout(washminute.require_caller(), amount, washminute.idempotency_key(idempotency_key));
END
$$;
COMMENT ON FUNCTION washminute_api.request_payout(numeric, text) IS
  'Ask to be paid out an amount of my balance, in MAD.';

CREATE OR REPLACE FUNCTION washminute_api.force_cancel_request(request_id uuid, reason text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.force_cancel_request(request_id, washminute.require_caller(), reason);
END
$$;
COMMENT ON FUNCTION washminute_api.force_cancel_request(uuid, text) IS
  'Cancel any request before it is completed, for a reason that is kept.';

CREATE OR REPLACE FUNCTION washminute_api.reassign_request(request_id uuid, washman_id text, reason text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.reassign_request(request_id, washminute.require_caller(), washman_id, reason);
END
$$;
COMMENT ON FUNCTION washminute_api.reassign_request(uuid, text, text) IS
  'Give a request, or the job of another washman, to this washman, for a reason that is kept.';

CREATE OR REPLACE FUNCTION washminute_api.suspend_washman(washman_id text, reason text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.suspend_washman(washman_id, washminute.require_caller(), reason);
END
$$;
COMMENT ON FUNCTION washminute_api.suspend_washman(text, text) IS
  'Suspend a washman, for a reason that is kept.';

CREATE OR REPLACE FUNCTION washminute_api.reinstate_washman(washman_id text, reason text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.reinstate_washman(washman_id, washminute.require_caller(), reason);
END
$$;
COMMENT ON FUNCTION washminute_api.reinstate_washman(text, text) IS
  'End the suspension of a washman.';

CREATE OR REPLACE FUNCTION washminute_api.settle_receivable(receivable_id uuid, reason text, waived boolean DEFAULT false)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.settle_receivable(receivable_id, washminute.require_caller(), reason, waived);
END
$$;
COMMENT ON FUNCTION washminute_api.settle_receivable(uuid, text, boolean) IS
  'Book that what somebody owed has been paid outside, or is given up.';

CREATE OR REPLACE FUNCTION washminute_api.pay_payout(payout_id uuid, reference text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.pay_payout(payout_id, washminute.require_caller(), reference);
END
$$;
COMMENT ON FUNCTION washminute_api.pay_payout(uuid, text) IS
  'Book that a payout has been sent, with the reference of the bank transfer.';

CREATE OR REPLACE FUNCTION washminute_api.refuse_payout(payout_id uuid, reason text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.refuse_payout(payout_id, washminute.require_caller(), reason);
END
$$;
COMMENT ON FUNCTION washminute_api.refuse_payout(uuid, text) IS
  'Refuse a payout.';

CREATE OR REPLACE FUNCTION washminute_api.report_location(
    longitude float8, latitude float8, accuracy_m float8 DEFAULT NULL,
    recorded_at timestamptz DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.report_location(washminute.require_caller(), longitude, latitude, accuracy_m, recorded_at);
END
$$;
COMMENT ON FUNCTION washminute_api.report_location(float8, float8, float8, timestamptz) IS
  'Where I am, in degrees on WGS 84.';

CREATE OR REPLACE FUNCTION washminute_api.set_status(status text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.set_washman_status(washminute.require_caller(), status);
END
$$;
COMMENT ON FUNCTION washminute_api.set_status(text) IS 'Go online or offline.';

CREATE OR REPLACE FUNCTION washminute_api.balance() RETURNS numeric
LANGUAGE plpgsql STABLE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  RETURN washminute.washman_balance(washminute.require_caller());
END
$$;
COMMENT ON FUNCTION washminute_api.balance() IS 'My balance in MAD.';

CREATE OR REPLACE FUNCTION washminute_api.register_push_token(token text, platform text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.register_push_token(washminute.require_caller(), token, platform);
END
$$;
COMMENT ON FUNCTION washminute_api.register_push_token(text, text) IS
  'My device, by its Expo push token; platform is ios or android. Call it at each start of the app.';

CREATE OR REPLACE FUNCTION washminute_api.unregister_push_token(token text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
DECLARE
  caller text := washminute.require_caller();
BEGIN
  -- locked, or it could become another's before it goes
  IF caller <> (SELECT t.user_id FROM washminute_data.push_tokens AS t
                 WHERE t.token = unregister_push_token.token FOR UPDATE) THEN
    PERFORM washminute.raise('WM_NOT_YOURS');
  END IF;
  PERFORM washminute.unregister_push_token(token);
END
$$;
COMMENT ON FUNCTION washminute_api.unregister_push_token(text) IS 'Send nothing to my device any more: call it at log-out.';

CREATE OR REPLACE FUNCTION washminute_api.begin_payment(
    order_id uuid, idempotency_key text DEFAULT NULL, save_card boolean DEFAULT false, saved_card_id uuid DEFAULT NULL)
RETURNS TABLE (payment_id uuid, status text, link text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 1
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY SELECT * FROM washminute.begin_payment(
    order_id, washminute.require_caller(), washminute.idempotency_key(idempotency_key), save_card, saved_card_id);
END
$$;
COMMENT ON FUNCTION washminute_api.begin_payment(uuid, text, boolean, uuid) IS
  'Pay an order of mine by card. Where link is still null, wait_for_payment_link gives it in one more call. save_card has the gateway''s page offer to keep the card; saved_card_id is one of cards, which is charged without that page.';

CREATE OR REPLACE FUNCTION washminute_api.wait_for_payment_link(payment_id uuid, timeout interval DEFAULT '10 s') RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
SET statement_timeout TO '15s'
AS $$
DECLARE
  link text;
BEGIN
  IF NOT EXISTS (SELECT FROM washminute_data.payments AS p
                  WHERE p.payment_id = wait_for_payment_link.payment_id
                    AND p.customer_id = washminute.require_caller()) THEN
    PERFORM washminute.raise('WM_PAYMENT_NOT_FOUND');
  END IF;
  link := washminute.wait_for_payment_link(payment_id, LEAST(timeout, '0 s'::pg_catalog.interval));
  -- who waits holds a connection, of which there are few
  IF link IS NULL AND timeout > '0 s'::pg_catalog.interval AND washminute._may_wait(washminute.require_caller()) THEN
    link := washminute.wait_for_payment_link(payment_id, LEAST(timeout, '10 s'::pg_catalog.interval));
  END IF;
  RETURN link;
END
$$;
COMMENT ON FUNCTION washminute_api.wait_for_payment_link(uuid, interval) IS
  'The link of the page on which I pay, as soon as it is there; null where it is not within the timeout, of 10 seconds at most, and at once where too many wait already, or I do in another call: ask again after a second.';

CREATE OR REPLACE FUNCTION washminute_api.request_refund(payment_id uuid, amount numeric, reason text, idempotency_key text DEFAULT NULL) RETURNS uuid
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  RETURN washminute.request_refund(payment_id, amount, reason, washminute.idempotency_key(idempotency_key), washminute.require_caller());
END
$$;
COMMENT ON FUNCTION washminute_api.request_refund(uuid, numeric, text, text) IS
  'An administrator pays an amount (MAD) of a payment back.';

CREATE OR REPLACE FUNCTION washminute_api.remove_card(card_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.remove_card(washminute.require_caller(), card_id);
END
$$;
COMMENT ON FUNCTION washminute_api.remove_card(uuid) IS
  'Forget a saved card of mine.';

CREATE OR REPLACE FUNCTION washminute_api.resolve_exception(exception_id uuid, decision text, reason text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM washminute.resolve_exception(exception_id, washminute.require_caller(), decision, reason);
END
$$;
COMMENT ON FUNCTION washminute_api.resolve_exception(uuid, text, text) IS
  'Decide about an exception, for a reason that is kept; its column decisions has what can be decided.';

CREATE OR REPLACE FUNCTION washminute_api.import_settlement(statement text, content text, complete_through date DEFAULT NULL)
RETURNS TABLE (lines bigint, matched bigint, differ bigint, only_theirs bigint, only_ours bigint)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 1
SET search_path TO pg_catalog, pg_temp
SET statement_timeout TO '60s'
AS $$
BEGIN
  RETURN QUERY SELECT * FROM washminute.import_settlement(statement, content, washminute.require_caller(), complete_through);
END
$$;
COMMENT ON FUNCTION washminute_api.import_settlement(text, text, date) IS
  'Read a statement of the card gateway and compare it with our sales and refunds; what differs becomes exceptions.';

CREATE OR REPLACE FUNCTION washminute_api.payment_callback(token text, body text) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  RETURN washminute.payment_callback(token, body);
END
$$;
COMMENT ON FUNCTION washminute_api.payment_callback(text, text) IS
  'For the proxy before the gateway''s callbacks: what it is to answer.';

CREATE OR REPLACE FUNCTION washminute_api.payment_return(token text) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path TO pg_catalog, pg_temp
AS $$
BEGIN
  RETURN washminute.payment_return(token);
END
$$;
COMMENT ON FUNCTION washminute_api.payment_return(text) IS
  'For the proxy before browsers that come back from the gateway: where to redirect them.';

REVOKE ALL ON FUNCTION
  washminute_api.create_booking(text[], float8, float8, text, text, timestamptz, text),
  washminute_api.accept_request(uuid), washminute_api.decline_request(uuid),
  washminute_api.advance_request(uuid, text), washminute_api.cancel_request(uuid, text, numeric),
  washminute_api.cancellation_fee(uuid), washminute_api.open_offers(), washminute_api.contact(uuid),
  washminute_api.earnings(timestamptz, timestamptz), washminute_api.request_payout(numeric, text),
  washminute_api.force_cancel_request(uuid, text), washminute_api.reassign_request(uuid, text, text),
  washminute_api.suspend_washman(text, text), washminute_api.reinstate_washman(text, text),
  washminute_api.settle_receivable(uuid, text, boolean),
  washminute_api.pay_payout(uuid, text), washminute_api.refuse_payout(uuid, text),
  washminute_api.report_location(float8, float8, float8, timestamptz),
  washminute_api.set_status(text), washminute_api.balance(),
  washminute_api.register_push_token(text, text), washminute_api.unregister_push_token(text),
  washminute_api.begin_payment(uuid, text, boolean, uuid), washminute_api.wait_for_payment_link(uuid, interval),
  washminute_api.request_refund(uuid, numeric, text, text), washminute_api.remove_card(uuid),
  washminute_api.resolve_exception(uuid, text, text), washminute_api.import_settlement(text, text, date),
  washminute_api.payment_callback(text, text), washminute_api.payment_return(text)
  FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
  washminute_api.register_push_token(text, text), washminute_api.unregister_push_token(text)
  TO washminute_customer, washminute_washman, washminute_admin;
GRANT EXECUTE ON FUNCTION
  washminute_api.create_booking(text[], float8, float8, text, text, timestamptz, text),
  washminute_api.begin_payment(uuid, text, boolean, uuid), washminute_api.wait_for_payment_link(uuid, interval),
  washminute_api.remove_card(uuid)
  TO washminute_customer;
GRANT EXECUTE ON FUNCTION
  washminute_api.payment_callback(text, text), washminute_api.payment_return(text)
  TO washminute_service;
GRANT USAGE ON SCHEMA washminute_api TO washminute_service;
GRANT EXECUTE ON FUNCTION
  washminute_api.cancel_request(uuid, text, numeric), washminute_api.cancellation_fee(uuid)
  TO washminute_customer, washminute_admin;
GRANT EXECUTE ON FUNCTION washminute_api.contact(uuid)
  TO washminute_customer, washminute_washman;
GRANT EXECUTE ON FUNCTION
  washminute_api.force_cancel_request(uuid, text), washminute_api.reassign_request(uuid, text, text),
  washminute_api.suspend_washman(text, text), washminute_api.reinstate_washman(text, text),
  washminute_api.settle_receivable(uuid, text, boolean), washminute_api.request_refund(uuid, numeric, text, text),
  washminute_api.resolve_exception(uuid, text, text), washminute_api.import_settlement(text, text, date),
  washminute_api.pay_payout(uuid, text), washminute_api.refuse_payout(uuid, text)
  TO washminute_admin;
GRANT EXECUTE ON FUNCTION
  washminute_api.accept_request(uuid), washminute_api.decline_request(uuid),
  washminute_api.advance_request(uuid, text),
  washminute_api.report_location(float8, float8, float8, timestamptz),
  washminute_api.set_status(text), washminute_api.balance(), washminute_api.open_offers(),
  washminute_api.earnings(timestamptz, timestamptz), washminute_api.request_payout(numeric, text)
  TO washminute_washman;
