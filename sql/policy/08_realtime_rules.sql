-- The rules that are missing, as they come; what an operator has changed stays.

INSERT INTO washminute_data.realtime_rules (name, event_pattern, audience, emits, fields, volatile)
SELECT r.name, r.event_pattern, r.audience, r.emits, r.fields, r.volatile
  FROM (VALUES
    ('new-request', 'requestOffered', 'offered', 'newWashingRequest', NULL::text[], false),
    ('request-taken', 'washmanAssigned', 'offered', 'requestTaken', '{requestId,status}', false),
    ('request-reassigned', 'requestReassigned', 'offered', 'requestTaken', '{requestId,status}', false),
    ('request-withdrawn', 'requestCancelled', 'offered', 'requestTaken', '{requestId,status}', false),
    ('request-lapsed', 'requestExpired', 'offered', 'requestTaken', '{requestId,status}', false),
    ('washman-assigned', 'washmanAssigned', 'customer', 'washmanAssigned', '{requestId,orderId,status,washmanId}', false),
    ('washman-changed', 'requestReassigned', 'customer', 'washmanAssigned', '{requestId,orderId,status,washmanId}', false),
    ('scheduled-request', 'scheduledRequest', 'customer', 'scheduledRequest', NULL, false),
    ('reservation-moved', 'reservationMoved', 'both', 'reservationMoved', NULL, false),
    ('washman-location', 'washmanLocation', 'customer', 'washmanLocation', NULL, true),
    ('payment-link', 'paymentLinkReady', 'customer', 'paymentLinkReady', '{requestId,orderId,paymentId,amount,link}', false),
    ('payment-received', 'paymentReceived', 'customer', 'paymentPaid', '{requestId,orderId,amount}', false),
    ('payment-declined', 'paymentDeclined', 'customer', 'paymentDeclined', '{requestId,orderId,paymentId,amount}', false),
    ('payment-taken-back', 'paymentTakenBack', 'customer', 'paymentTakenBack', '{requestId,orderId,paymentId,amount}', false),
    ('payment-refunded', 'paymentRefunded', 'customer', 'paymentRefunded', '{requestId,orderId,paymentId,amount}', false),
    ('payment-exception', 'paymentException', 'admins', 'paymentException', NULL, false)
  ) AS r (name, event_pattern, audience, emits, fields, volatile)
UNION ALL
SELECT 'status-' || pg_catalog.lower(m.event), m.event, 'both', 'requestStatusChanged',
       '{requestId,orderId,status,washmanId,reason}', false
  FROM (SELECT DISTINCT t.event FROM washminute_data.request_transitions AS t) AS m
ON CONFLICT (name) DO NOTHING;
