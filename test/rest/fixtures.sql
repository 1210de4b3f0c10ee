-- What the requests of this folder work on: read by run.js, as a superuser, in a serializable
-- session. Amina is a customer, karim another one, w1 a washman near by, w9 one in another town,
-- zineb an administrator; nobody is called ghost.

CREATE SCHEMA IF NOT EXISTS rest_test;

SELECT washminute.upsert_user('amina', 'customer', 'Amina Alaoui', '+212612345678', 'amina@example.com', 'fr'),
       washminute.upsert_user('karim', 'customer', 'Karim', '+212612345679'),
       washminute.upsert_user('troll', 'customer', 'Troll'),
       washminute.upsert_user('w1', 'washman', 'Brahim', '+212622000001'),
       washminute.upsert_user('w9', 'washman', 'Omar', '+212622000009'),
       washminute.upsert_user('zineb', 'admin', 'Zineb');
SELECT washminute.set_washman_status(w, 'offline') FROM washminute_data.washmen AS u (w) WHERE w NOT IN ('w1', 'w9');
SELECT washminute.set_washman_status('w1', 'online'), washminute.set_washman_status('w9', 'online'),
       washminute.report_location('w1', -7.611, 33.59), washminute.report_location('w9', -8.00, 31.63);
SELECT washminute.settle_balance('w1', 5000, 'rest'), washminute.settle_balance('w9', 5000, 'rest');

-- Undoes what an earlier request has left in hand.
CREATE OR REPLACE FUNCTION rest_test.clear() RETURNS void LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM washminute.force_cancel_request(r.request_id, 'zineb', 'next')
     FROM washminute_data.washing_requests AS r WHERE r.status IN ('pending', 'accepted', 'en_route', 'arrived', 'in_progress');
  PERFORM washminute.refuse_payout(p.payout_id, 'zineb', 'next') FROM washminute_data.payouts AS p WHERE p.status = 'requested';
  DELETE FROM washminute_data.users WHERE user_id = 'ghost';
  PERFORM washminute.unblock_user('troll', 'zineb', 'next');
  PERFORM washminute.reinstate_washman('w1', 'zineb', 'next');
  PERFORM washminute.set_washman_status('w1', 'online');
END
$$;

-- A thing in the state that a row of the matrix names; its ids.
CREATE OR REPLACE FUNCTION rest_test.make(state text) RETURNS jsonb LANGUAGE plpgsql
AS $$
DECLARE
  by_card boolean := state IN ('unpaid', 'begun');
  booked record;
  made jsonb := '{}';
  next_status text;
BEGIN
  PERFORM rest_test.clear();
  IF state = 'payout' THEN
    RETURN jsonb_build_object('payout_id', washminute.request_payout('w1', 10));
  ELSIF state = 'card' THEN
    made := jsonb_build_object('card_id', gen_random_uuid());
    INSERT INTO washminute_data.cards (card_id, customer_id, token, brand, last4, created_at)
    VALUES ((made->>'card_id')::uuid, 'amina', replace(made->>'card_id', '-', ''), 'visa', '1111', washminute.now());
    RETURN made;
  ELSIF state = 'device' THEN
    PERFORM washminute.register_push_token('amina', 'ExponentPushToken[rest]');
    RETURN made;
  ELSIF state = '' THEN
    RETURN made;
  END IF;
  SELECT * INTO STRICT booked FROM washminute.create_booking(
    'amina', '{complete,wax}', -7.61, 33.59, '7, rue Secrète', CASE WHEN by_card THEN 'card' ELSE 'cash' END,
    CASE WHEN state = 'reserved' THEN date_trunc('hour', washminute.now()) + '1 day' END);
  made := to_jsonb(booked) || jsonb_build_object('later', date_trunc('hour', washminute.now()) + '1 day 1 hour');
  IF by_card OR state IN ('pending', 'reserved') THEN
    IF state = 'begun' THEN
      made := made || jsonb_build_object('payment_id',
        (SELECT payment_id FROM washminute.begin_payment(booked.order_id, 'amina', booked.order_id::text)));
    END IF;
    RETURN made;
  END IF;
  PERFORM washminute.accept_request(booked.request_id, 'w1');
  IF state = 'joined' THEN
    PERFORM washminute.open_chat(booked.request_id, 'zineb');
  END IF;
  IF state IN ('written', 'joined') THEN
    PERFORM washminute.send_message(booked.request_id, CASE state WHEN 'written' THEN 'amina' ELSE 'zineb' END, '1', 'Hello');
  END IF;
  FOREACH next_status IN ARRAY CASE state WHEN 'owed' THEN '{en_route,arrived,no_show}'
                                          WHEN 'completed' THEN '{en_route,arrived,in_progress,completed}' ELSE '{}' END::text[]
  LOOP
    PERFORM washminute.advance_request(booked.request_id, 'w1', next_status);
  END LOOP;
  RETURN made || jsonb_build_object('receivable_id',
    (SELECT v.receivable_id FROM washminute_data.receivables AS v WHERE v.order_id = booked.order_id));
END
$$;
