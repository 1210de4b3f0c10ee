/*-------------------------------------------------------------------------
 *
 * attempt.c
 *		Attempts to pay, and what evidence makes of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/money.h"
#include "base/reference.h"
#include "base/settings.h"
#include "base/statement.h"
#include "outbox/enqueue.h"
#include "payment/ledger.h"
#include "payment/payment.h"

static Statement select_attempt = {
	"SELECT a.payment_id, p.order_id, r.request_id, p.customer_id, r.status, o.status,"
	"       a.gateway_order_id, a.amount, a.status, a.surplus, a.charged > 0, a.save_card, a.link,"
	"       a.authorization_number, a.transaction_number, a.inquiry_number::pg_catalog.int8,"
	"       a.confirmed_at IS NOT NULL, a.created_at, a.dispatched_at, a.final_at, p.ended,"
	"       o.payment_verified, p.paid_by IS NOT DISTINCT FROM a.attempt_id, a.nonce, a.card_id"
	"  FROM washminute_data.payment_attempts AS a"
	"  JOIN washminute_data.payments AS p ON p.payment_id = a.payment_id"
	"  JOIN washminute_data.orders AS o ON o.order_id = p.order_id"
	"  JOIN washminute_data.washing_requests AS r ON r.order_id = p.order_id"
	" WHERE a.attempt_id = $1",
	1, {UUIDOID}
};

static Statement select_request = {
	"SELECT r.request_id FROM washminute_data.payment_attempts AS a"
	"  JOIN washminute_data.payments AS p ON p.payment_id = a.payment_id"
	"  JOIN washminute_data.washing_requests AS r ON r.order_id = p.order_id"
	" WHERE a.attempt_id = $1",
	1, {UUIDOID}
};

static Statement insert_attempt = {
	"INSERT INTO washminute_data.payment_attempts"
	"  (attempt_id, payment_id, number, gateway_order_id, amount, save_card, card_id, nonce, created_at, updated_at)"
	" SELECT $1, $2, COALESCE(pg_catalog.max(a.number), 0) + 1, $3, $4, $5, $6, $7, $8, $8"
	"   FROM washminute_data.payment_attempts AS a WHERE a.payment_id = $2",
	8, {UUIDOID, UUIDOID, TEXTOID, NUMERICOID, BOOLOID, UUIDOID, BYTEAOID, TIMESTAMPTZOID}
};

static Statement move_attempt = {
	"UPDATE washminute_data.payment_attempts AS a"
	"   SET status = $2, updated_at = $3,"
	"       dispatched_at = CASE WHEN $2 = 'dispatched' THEN COALESCE(a.dispatched_at, $3)"
	"                            ELSE a.dispatched_at END,"
	"       final_at = CASE WHEN $2 IN ('prepared', 'dispatched', 'awaiting', 'unknown', 'integrity')"
	"                       THEN NULL ELSE $3 END,"
	"       charged = CASE WHEN $2 IN ('succeeded', 'captured', 'settled') THEN a.amount"
	"                      WHEN $2 = 'reversed' THEN a.charged ELSE 0 END"
	" WHERE a.attempt_id = $1"
	"   AND EXISTS (SELECT FROM washminute_data.payment_attempt_transitions AS t"
	"                WHERE t.from_status = a.status AND t.to_status = $2)",
	3, {UUIDOID, TEXTOID, TIMESTAMPTZOID}
};

/*
 * What the marketplace does when an order's money comes or is taken back.  It knows
 * payments, not they it: so its functions are called by name.
 */
static Statement order_paid = {
	"SELECT washminute._order_paid($1, $2, $3)", 3, {UUIDOID, NUMERICOID, TEXTOID}
};

static Statement order_unpaid = {
	"SELECT washminute._order_unpaid($1, $2, $3)", 3, {UUIDOID, NUMERICOID, TEXTOID}
};

static Statement set_surplus = {
	"UPDATE washminute_data.payment_attempts SET surplus = true WHERE attempt_id = $1",
	1, {UUIDOID}
};

static Statement set_not_charged = {
	"UPDATE washminute_data.payment_attempts SET charged = 0 WHERE attempt_id = $1",
	1, {UUIDOID}
};

static Statement set_numbers = {
	"UPDATE washminute_data.payment_attempts"
	"   SET authorization_number = COALESCE($2, authorization_number),"
	"       transaction_number = COALESCE($3, transaction_number)"
	" WHERE attempt_id = $1",
	3, {UUIDOID, TEXTOID, TEXTOID}
};

static Statement set_paid_by = {
	"UPDATE washminute_data.payments SET paid_by = $2 WHERE payment_id = $1",
	2, {UUIDOID, UUIDOID}
};

static Statement set_confirmed = {
	"UPDATE washminute_data.payment_attempts SET confirmed_at = COALESCE(confirmed_at, $2)"
	" WHERE attempt_id = $1",
	2, {UUIDOID, TIMESTAMPTZOID}
};

/* The next time, by the clock of the request's zone, that it is so many hours after midnight. */
static Statement next_hour = {
	"SELECT CASE WHEN d.today > $2 THEN d.today ELSE d.tomorrow END"
	"  FROM washminute_data.washing_requests AS r"
	"  JOIN washminute_data.service_zones AS z ON z.zone_code = r.zone_code,"
	"  LATERAL (SELECT pg_catalog.date_trunc('day', $2 AT TIME ZONE z.time_zone)"
	"                  + pg_catalog.make_interval(secs => $3 * 3600)) AS l (today),"
	"  LATERAL (SELECT l.today AT TIME ZONE z.time_zone,"
	"                  (l.today + '1 day'::pg_catalog.interval) AT TIME ZONE z.time_zone) AS d (today, tomorrow)"
	" WHERE r.request_id = $1",
	3, {UUIDOID, TIMESTAMPTZOID, FLOAT8OID}
};

static Statement next_inquiry = {
	"UPDATE washminute_data.payment_attempts SET inquiry_number = inquiry_number + 1"
	" WHERE attempt_id = $1 RETURNING inquiry_number::pg_catalog.int8",
	1, {UUIDOID}
};

static Statement refresh_payment = {
	"UPDATE washminute_data.payments AS p"
	"   SET captured = a.charged, reserved = f.reserved, updated_at = $2,"
	"       status = CASE WHEN a.integrity OR x.is_open THEN 'on_hold'"
	"                     WHEN p.paid_by IS NOT NULL"
	"                     THEN CASE WHEN f.done = 0 THEN 'paid' WHEN f.done >= p.amount THEN 'refunded'"
	"                               ELSE 'partially_refunded' END"
	"                     WHEN a.live THEN CASE WHEN p.ended THEN 'cancelling' ELSE 'processing' END"
	"                     WHEN p.ended THEN 'cancelled' ELSE 'requires_payment' END"
	"  FROM (SELECT COALESCE(pg_catalog.sum(charged), 0) AS charged,"
	"               COALESCE(pg_catalog.bool_or(status IN ('prepared', 'dispatched', 'awaiting', 'unknown')), false) AS live,"
	"               COALESCE(pg_catalog.bool_or(status = 'integrity'), false) AS integrity"
	"          FROM washminute_data.payment_attempts WHERE payment_id = $1) AS a,"
	"       (SELECT COALESCE(pg_catalog.sum(f.amount) FILTER (WHERE f.status <> 'failed'), 0) AS reserved,"
	"               COALESCE(pg_catalog.sum(f.amount) FILTER (WHERE f.status IN ('accepted', 'reversed', 'settled', 'outside')"
	"                                               AND NOT b.surplus), 0) AS done"
	"          FROM washminute_data.refunds AS f"
	"          JOIN washminute_data.payment_attempts AS b ON b.attempt_id = f.attempt_id"
	"         WHERE f.payment_id = $1) AS f,"
	"       (SELECT EXISTS (SELECT FROM washminute_data.payment_exceptions"
	"                        WHERE payment_id = $1 AND resolved_at IS NULL"
	"                          AND kind IN ('reversed_in_hand', 'amount_differs', 'second_sale', 'success_contradicted')) AS is_open) AS x"
	" WHERE p.payment_id = $1",
	2, {UUIDOID, TIMESTAMPTZOID}
};

static void
ReadRow(const pg_uuid_t *attempt_id, Attempt *attempt)
{
	bytea	   *nonce = DatumGetByteaPP(RowDatum(0, 24));

	*attempt = (Attempt) {
		.attempt_id = *attempt_id,
		.payment_id = *RowUuid(0, 1),
		.order_id = *RowUuid(0, 2),
		.request_id = *RowUuid(0, 3),
		.customer_id = RowText(0, 4),
		.request_status = RowText(0, 5),
		.order_status = RowText(0, 6),
		.gateway_order_id = RowText(0, 7),
		.amount = RowMoney(0, 8),
		.status = RowText(0, 9),
		.surplus = RowBool(0, 10),
		.charged = RowBool(0, 11),
		.save_card = RowBool(0, 12),
		.link = RowText(0, 13),
		.authorization_number = RowText(0, 14),
		.transaction_number = RowText(0, 15),
		.inquiry_number = (int) RowInt64(0, 16),
		.is_confirmed = RowBool(0, 17),
		.created_at = RowTime(0, 18),
		.dispatched_at = RowIsNull(0, 19) ? DT_NOEND : RowTime(0, 19),
		.final_at = RowIsNull(0, 20) ? DT_NOEND : RowTime(0, 20),
		.payment_ended = RowBool(0, 21),
		.order_paid = RowBool(0, 22),
		.paid_by_this = RowBool(0, 23)
	};
	memcpy(attempt->nonce, VARDATA_ANY(nonce), CALLBACK_NONCE_BYTES);
	attempt->by_card = !RowIsNull(0, 25);
	if (attempt->by_card)
		attempt->card_id = *RowUuid(0, 25);
}

bool
AttemptRead(const pg_uuid_t *attempt_id, Attempt *attempt)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(attempt_id));
	if (StatementRun(&select_attempt, &arguments) == 0)
		return false;
	ReadRow(attempt_id, attempt);
	return true;
}

/* The request of an attempt, which never changes; NULL where there is none. */
static pg_uuid_t *
RequestOf(const pg_uuid_t *attempt_id)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(attempt_id));
	return StatementRun(&select_request, &arguments) > 0 ? RowUuid(0, 1) : NULL;
}

bool
AttemptLock(const pg_uuid_t *attempt_id, Attempt *attempt)
{
	pg_uuid_t  *request_id = RequestOf(attempt_id);

	if (request_id == NULL)
		return false;
	LockRequest(request_id);
	return AttemptRead(attempt_id, attempt);
}

bool
AttemptLockIfFree(const pg_uuid_t *attempt_id, Attempt *attempt, bool *is_free)
{
	pg_uuid_t  *request_id = RequestOf(attempt_id);

	*is_free = request_id == NULL || LockRequestIfFree(request_id);
	return request_id != NULL && *is_free && AttemptRead(attempt_id, attempt);
}

bool
AttemptIsStatus(const Attempt *attempt, const char *status)
{
	return strcmp(attempt->status, status) == 0;
}

bool
AttemptIsLive(const Attempt *attempt)
{
	return AttemptIsStatus(attempt, "prepared") || AttemptIsStatus(attempt, "dispatched") ||
		AttemptIsStatus(attempt, "awaiting") || AttemptIsStatus(attempt, "unknown");
}

void
PaymentRefresh(const pg_uuid_t *payment_id)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(payment_id));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	StatementRunOne(&refresh_payment, &arguments);
}

bool
AttemptMove(Attempt *attempt, const char *status)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(&attempt->attempt_id));
	ArgumentText(&arguments, status);
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	if (StatementRun(&move_attempt, &arguments) == 0)
		return false;
	(void) AttemptRead(&attempt->attempt_id, attempt);
	PaymentRefresh(&attempt->payment_id);
	return true;
}

uint64
AttemptRun(const Attempt *attempt, Statement *statement)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(&attempt->attempt_id));
	return StatementRun(statement, &arguments);
}

void
AttemptKeepNumbers(Attempt *attempt, const char *authorization_number,
				   const char *transaction_number)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(&attempt->attempt_id));
	ArgumentText(&arguments, authorization_number);
	ArgumentText(&arguments, transaction_number);
	StatementRunOne(&set_numbers, &arguments);
	if (authorization_number != NULL)
		attempt->authorization_number = pstrdup(authorization_number);
	if (transaction_number != NULL)
		attempt->transaction_number = pstrdup(transaction_number);
}

/* Queue work of the gateway's that is about one row. */
static void
QueueWork(const char *event, const char *name, const pg_uuid_t *id, int64 number, TimestampTz at)
{
	JsonObject	data;

	JsonOpen(&data);
	JsonText(&data, name, UuidText(id));
	if (number > 0)
		JsonInt(&data, "number", number);
	OutboxPayment(event, JsonClose(&data), at);
}

void
AttemptMake(const pg_uuid_t *payment_id, int64 amount, bool save_card,
			const pg_uuid_t *card_id)
{
	Datum		attempt_id = DirectFunctionCall1(gen_random_uuid, 0);
	bytea	   *nonce = palloc(VARHDRSZ + CALLBACK_NONCE_BYTES);
	Arguments	arguments = {0};

	SET_VARSIZE(nonce, VARHDRSZ + CALLBACK_NONCE_BYTES);
	if (!pg_strong_random(VARDATA(nonce), CALLBACK_NONCE_BYTES))
		elog(ERROR, "could not generate random bytes");
	ArgumentDatum(&arguments, attempt_id);
	ArgumentDatum(&arguments, UUIDPGetDatum(payment_id));
	ArgumentText(&arguments, ReferenceMake(REFERENCE_MAX));
	ArgumentDatum(&arguments, MoneyToNumeric(amount));
	ArgumentDatum(&arguments, BoolGetDatum(save_card));
	ArgumentDatumOrNull(&arguments, UUIDPGetDatum(card_id), card_id == NULL);
	ArgumentDatum(&arguments, PointerGetDatum(nonce));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	StatementRunOne(&insert_attempt, &arguments);
	PaymentRefresh(payment_id);
	QueueWork(card_id != NULL ? GATEWAY_AUTHORIZE : GATEWAY_LINK, "attemptId",
			  DatumGetUUIDP(attempt_id), 0, DT_NOBEGIN);
}

void
PaymentData(const Attempt *attempt, StringInfo data)
{
	JsonOpen(data);
	JsonUuid(data, "requestId", &attempt->request_id);
	JsonUuid(data, "orderId", &attempt->order_id);
	JsonText(data, "status", attempt->request_status);
	JsonUuid(data, "paymentId", &attempt->payment_id);
	JsonText(data, "gatewayOrderId", attempt->gateway_order_id);
	JsonMoney(data, "amount", attempt->amount);
}

void
PaymentEvent(const Attempt *attempt, const char *event, char *data)
{
	EventRecord(event, &attempt->request_id, attempt->customer_id, data);
}

/* An event that needs no more to be said. */
static void
TellPlainly(const Attempt *attempt, const char *event)
{
	JsonObject	data;

	PaymentData(attempt, &data);
	PaymentEvent(attempt, event, JsonClose(&data));
}

static void
SetPaidBy(const Attempt *attempt, bool by_this)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(&attempt->payment_id));
	ArgumentDatumOrNull(&arguments, UUIDPGetDatum(&attempt->attempt_id), !by_this);
	StatementRunOne(&set_paid_by, &arguments);
	PaymentRefresh(&attempt->payment_id);
}

static bool
HasSucceeded(const Attempt *attempt)
{
	return AttemptIsStatus(attempt, "succeeded") || AttemptIsStatus(attempt, "captured") ||
		AttemptIsStatus(attempt, "settled");
}

/* Tell the marketplace, by one of the statements above. */
static void
TellOrder(Statement *statement, const Attempt *attempt)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(&attempt->request_id));
	ArgumentDatum(&arguments, MoneyToNumeric(attempt->amount));
	ArgumentText(&arguments, attempt->gateway_order_id);
	StatementRunOne(statement, &arguments);
}

/* Is the order unpaid again?  Not once a washman has accepted. */
static bool
OrderIsUnpaid(const Attempt *attempt)
{
	TellOrder(&order_unpaid, attempt);
	return RowBool(0, 1);
}

bool
AttemptSucceeded(Attempt *attempt)
{
	bool		is_due = !attempt->payment_ended && !attempt->order_paid &&
		strcmp(attempt->order_status, "pending") == 0;

	if (HasSucceeded(attempt))
		return !attempt->surplus;
	if (!AttemptMove(attempt, "succeeded"))
		return false;
	if (is_due)
	{
		SetPaidBy(attempt, true);
		TellOrder(&order_paid, attempt);
		(void) AttemptRead(&attempt->attempt_id, attempt);
		return true;
	}
	(void) AttemptRun(attempt, &set_surplus);
	attempt->surplus = true;
	LedgerTransfer(ACCOUNT_CARD_CLEARING, ACCOUNT_REFUNDS_PAYABLE, attempt->amount, "surplus",
				   &attempt->order_id, attempt->customer_id, attempt->gateway_order_id);
	TellPlainly(attempt, "paymentSurplus");
	return false;
}

/* The gateway took back what stands in our books as ours: a person must look. */
static void
TakenBackInHand(Attempt *attempt)
{
	JsonObject	data;

	PaymentData(attempt, &data);
	ExceptionRaise(attempt, NULL, "reversed_in_hand", JsonClose(&data));
}

void
AttemptTakenBack(Attempt *attempt)
{
	Refund		refund;

	if (RefundsOfTakenBack(attempt))
		return;

	/* captured money cannot have been reversed */
	if (AttemptIsStatus(attempt, "captured") || AttemptIsStatus(attempt, "settled") ||
		RefundOfAttempt(attempt, "reversed", "accepted", &refund) ||
		RefundOfAttempt(attempt, "settled", "outside", &refund) ||
		RefundOfAttempt(attempt, "unknown", "dispatched", &refund) ||
		(attempt->paid_by_this && !OrderIsUnpaid(attempt)))
	{
		TakenBackInHand(attempt);
		return;
	}
	if (attempt->paid_by_this)
		SetPaidBy(attempt, false);
	if (attempt->surplus)
		LedgerTransfer(ACCOUNT_REFUNDS_PAYABLE, ACCOUNT_CARD_CLEARING, attempt->amount,
					   "payment_reversed", &attempt->order_id, NULL, attempt->gateway_order_id);
	AttemptVoided(attempt);
	TellPlainly(attempt, "paymentTakenBack");
}

void
AttemptGiveBack(const Attempt *attempt)
{
	pg_uuid_t	refund_id;

	(void) RefundMake(attempt, attempt->amount, "the money was not due",
					  psprintf("surplus:%s", attempt->gateway_order_id), NULL, &refund_id);
}

void
AttemptConfirmed(Attempt *attempt)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(&attempt->attempt_id));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	StatementRunOne(&set_confirmed, &arguments);
}

void
AttemptVoided(Attempt *attempt)
{
	if (!AttemptMove(attempt, "reversed"))
		return;
	(void) AttemptRun(attempt, &set_not_charged);
	PaymentRefresh(&attempt->payment_id);
}

void
AttemptInquireAt(Attempt *attempt, TimestampTz at)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(&attempt->attempt_id));
	StatementRunOne(&next_inquiry, &arguments);
	attempt->inquiry_number = (int) RowInt64(0, 1);
	QueueWork(GATEWAY_INQUIRE, "attemptId", &attempt->attempt_id, attempt->inquiry_number, at);
}

void
AttemptInquireDaily(Attempt *attempt)
{
	Arguments	arguments = {0};
	Settings	settings;

	SettingsRead(&settings);
	ArgumentDatum(&arguments, UUIDPGetDatum(&attempt->request_id));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	ArgumentDatum(&arguments, Float8GetDatum(settings.payment_recheck_hour));
	StatementRunOne(&next_hour, &arguments);
	AttemptInquireAt(attempt, RowTime(0, 1));
}

/*
 * From when on, in seconds since it was sent or came to its end, inquiries are how far
 * apart.  A link can be paid for as long as anybody has it, so that an attempt that came
 * to nothing is looked at for a week.
 */
typedef struct InquiryStep
{
	int64		until;
	int64		every;
} InquiryStep;

static const InquiryStep while_live[] = {
	{60, 60}, {180, 120}, {360, 180}, {600, 240}, {1200, 600}, {2400, 1200}, {PG_INT64_MAX, SECS_PER_HOUR}
};

static const InquiryStep afterwards[] = {
	{600, 600}, {SECS_PER_HOUR, SECS_PER_HOUR}, {SECS_PER_DAY, 6 * SECS_PER_HOUR},
	{7 * SECS_PER_DAY, SECS_PER_DAY}
};

void
AttemptInquireLater(Attempt *attempt)
{
	bool		is_live = attempt->final_at == DT_NOEND;
	TimestampTz since = !is_live ? attempt->final_at :
		attempt->dispatched_at != DT_NOEND ? attempt->dispatched_at : attempt->created_at;
	const InquiryStep *steps = is_live ? while_live : afterwards;
	int			count = is_live ? lengthof(while_live) : lengthof(afterwards);
	int64		age = (ClockNow() - since) / USECS_PER_SEC;

	/* of which nobody has the link, nobody can pay any more, unless a card was charged */
	if (!is_live && attempt->link == NULL && !attempt->charged &&
		(!attempt->by_card || attempt->dispatched_at == DT_NOEND))
		return;

	/* the customer waits for a link, which he gets once this one is known not to be paid, or to be told */
	if (is_live && attempt->link == NULL && age < SECS_PER_MINUTE)
	{
		AttemptInquireAt(attempt, ClockNow() + Max(1, Min(age, 5)) * USECS_PER_SEC);
		return;
	}
	for (int i = 0; i < count; i++)
		if (age < steps[i].until)
		{
			AttemptInquireAt(attempt, ClockNow() + steps[i].every * USECS_PER_SEC);
			return;
		}
}

void
AttemptQueueCapture(const Attempt *attempt)
{
	QueueWork(GATEWAY_CAPTURE, "attemptId", &attempt->attempt_id, 0, DT_NOBEGIN);
}

void
RefundQueue(const pg_uuid_t *refund_id, TimestampTz at)
{
	QueueWork(GATEWAY_REFUND, "refundId", refund_id, 0, at);
}
