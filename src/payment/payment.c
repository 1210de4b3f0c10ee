/*-------------------------------------------------------------------------
 *
 * payment.c
 *		A customer pays for an order by card: begun here, done by the worker.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "base/argument.h"
#include "base/array.h"
#include "base/caller.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/guc.h"
#include "base/idempotency.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/money.h"
#include "base/statement.h"
#include "base/user.h"
#include "outbox/enqueue.h"
#include "payment/card.h"

/*
 * How often wait_for_payment_link() looks, less and less so that many who wait leave the
 * processors to those they wait for, and how long it does at most.
 */
#define LOOK_FIRST_MS 20
#define LOOK_SLOWER_MS 10
#define LOOK_LATER_MS 200
#define WAIT_MAX (5 * USECS_PER_MINUTE)

COMMAND(begin_payment, 1);
COMMAND(wait_for_payment_link, -1);
COMMAND(capture_payment, -1);

COMMAND(inquire, -1);

PG_FUNCTION_INFO_V1(washminute_naps_mac);
PG_FUNCTION_INFO_V1(washminute_naps_checks_signature);

static Statement select_order = {
	"SELECT o.customer_id, o.status, o.payment_method = 'card', o.payment_verified, o.total,"
	"       r.request_id, r.status, r.expires_at"
	"  FROM washminute_data.orders AS o"
	"  JOIN washminute_data.washing_requests AS r ON r.order_id = o.order_id"
	" WHERE o.order_id = $1",
	1, {UUIDOID}
};

static Statement insert_payment = {
	"INSERT INTO washminute_data.payments"
	"  (payment_id, order_id, customer_id, amount, status, created_at, updated_at)"
	" VALUES ($1, $2, $3, $4, 'requires_payment', $5, $5)",
	5, {UUIDOID, UUIDOID, TEXTOID, NUMERICOID, TIMESTAMPTZOID}
};

/* The payment of an order, and its newest attempt. */
#define PAYMENT_COLUMNS \
	"SELECT p.payment_id, p.status, CASE WHEN a.status = 'awaiting' THEN a.link END," \
	"       COALESCE(a.status IN ('prepared', 'dispatched', 'awaiting', 'unknown'), false)," \
	"       COALESCE(a.xmin::pg_catalog.text::pg_catalog.int8, 0)" \
	"  FROM washminute_data.payments AS p" \
	"  LEFT JOIN LATERAL (SELECT t.status, t.link, t.xmin" \
	"                       FROM washminute_data.payment_attempts AS t" \
	"                      WHERE t.payment_id = p.payment_id ORDER BY t.number DESC LIMIT 1) AS a ON true"

static Statement select_payment_of_order = {
	PAYMENT_COLUMNS " WHERE p.order_id = $1", 1, {UUIDOID}
};

static Statement select_payment = {
	PAYMENT_COLUMNS " WHERE p.payment_id = $1", 1, {UUIDOID}
};

static Statement select_paid = {
	"SELECT r.request_id, p.paid_by FROM washminute_data.payments AS p"
	"  JOIN washminute_data.washing_requests AS r ON r.order_id = p.order_id"
	" WHERE p.payment_id = $1",
	1, {UUIDOID}
};

static Statement request_capture = {
	"UPDATE washminute_data.payment_attempts SET capture_requested_at = $2 WHERE attempt_id = $1",
	2, {UUIDOID, TIMESTAMPTZOID}
};

/* What the customer wants to pay. */
typedef struct Order
{
	pg_uuid_t	order_id;
	char	   *customer_id;
	char	   *status;
	bool		by_card;
	bool		is_paid;
	int64		total;			/* centimes */
	pg_uuid_t	request_id;
	char	   *request_status;
	TimestampTz expires_at;
} Order;

/* False where there is no such order. */
static bool
OrderRead(const pg_uuid_t *order_id, Order *order)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(order_id));
	if (StatementRun(&select_order, &arguments) == 0)
		return false;
	*order = (Order) {
		.order_id = *order_id,
		.customer_id = RowText(0, 1),
		.status = RowText(0, 2),
		.by_card = RowBool(0, 3),
		.is_paid = RowBool(0, 4),
		.total = RowMoney(0, 5),
		.request_id = *RowUuid(0, 6),
		.request_status = RowText(0, 7),
		.expires_at = RowTime(0, 8)
	};
	return true;
}

/* Raise unless the order is one that can be paid by card now. */
static void
RequirePayable(const Order *order)
{
	JsonObject	facts;

	if (strcmp(order->request_status, "pending") == 0 && !order->is_paid &&
		ClockThisMoment() >= order->expires_at)
		ErrorRaise(WM_REQUEST_EXPIRED, NULL);
	if (!order->by_card || order->is_paid || strcmp(order->status, "pending") != 0)
	{
		JsonOpen(&facts);
		JsonText(&facts, "status", order->status);
		JsonText(&facts, "paymentMethod", order->by_card ? "card" : "cash");
		JsonBool(&facts, "paymentVerified", order->is_paid);
		ErrorRaise(WM_ORDER_STATE, JsonClose(&facts));
	}
	if (order->total < NAPS_AMOUNT_MIN)
	{
		JsonOpen(&facts);
		JsonMoney(&facts, "due", order->total);
		JsonMoney(&facts, "least", NAPS_AMOUNT_MIN);
		ErrorRaise(WM_AMOUNT_TOO_LOW, JsonClose(&facts));
	}
}

static pg_uuid_t *
InsertPayment(const Order *order)
{
	pg_uuid_t  *payment_id = DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, 0));
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(payment_id));
	ArgumentDatum(&arguments, UUIDPGetDatum(&order->order_id));
	ArgumentText(&arguments, order->customer_id);
	ArgumentDatum(&arguments, MoneyToNumeric(order->total));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	StatementRunOne(&insert_payment, &arguments);
	return payment_id;
}

/* The payment of a locked order, and an attempt of it that is under way. */
static void
BeginPayment(const Order *order, bool save_card, const pg_uuid_t *card_id)
{
	Arguments	arguments = {0};
	pg_uuid_t  *payment_id;
	bool		is_new;
	JsonObject	data;

	ArgumentDatum(&arguments, UUIDPGetDatum(&order->order_id));
	is_new = StatementRun(&select_payment_of_order, &arguments) == 0;
	payment_id = is_new ? InsertPayment(order) : RowUuid(0, 1);
	if (!is_new && RowBool(0, 4))
		return;
	/* charged, and not as it should have been: not again before somebody has looked */
	if (!is_new && strcmp(RowText(0, 2), "on_hold") == 0)
		ErrorRaiseText(WM_PAYMENT_STATE, "status", "on_hold");
	AttemptMake(payment_id, order->total, save_card, card_id);

	JsonOpen(&data);
	JsonUuid(&data, "orderId", &order->order_id);
	JsonText(&data, "status", order->request_status);
	JsonUuid(&data, "paymentId", payment_id);
	JsonMoney(&data, "amount", order->total);
	EventRecord("paymentBegun", &order->request_id, order->customer_id, JsonClose(&data));
}

/* Return a payment's present state; the statement has found it. */
static void
ReturnPayment(FunctionCallInfo fcinfo)
{
	Datum		values[3] = {RowDatum(0, 1), RowDatum(0, 2), RowDatum(0, 3)};
	bool		nulls[3] = {false, false, RowIsNull(0, 3)};

	CommandReturnRow(fcinfo, values, nulls);
}

/*
 * begin_payment(order_id, customer_id, idempotency_key, save_card, saved_card_id): the
 * order's payment, of which one attempt at a time is under way.  The link comes once
 * the worker has asked the gateway for it; a saved card is charged without one.
 */
static Datum
begin_payment_body(FunctionCallInfo fcinfo)
{
	pg_uuid_t  *order_id = ArgumentUuid(fcinfo, 0, "order_id");
	char	   *customer_id = ArgumentId(fcinfo, 1, "customer_id");
	char	   *key = ArgumentRequiredText(fcinfo, 2, "idempotency_key", ID_MAX);
	bool		save_card = !PG_ARGISNULL(3) && PG_GETARG_BOOL(3);
	pg_uuid_t  *card_id = PG_ARGISNULL(4) ? NULL : PG_GETARG_UUID_P(4);
	char	   *shown = UuidText(order_id);
	Arguments	arguments = {0};
	Order		order;
	JsonObject	text;

	if (save_card && card_id != NULL)
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "save_card", "be false where a saved card is charged");
	UserRequireKind(customer_id, "customer");
	JsonOpen(&text);
	JsonText(&text, "orderId", shown);
	JsonBool(&text, "saveCard", save_card);
	if (card_id != NULL)
		JsonUuid(&text, "card", card_id);
	JsonClose(&text);

	ArgumentDatum(&arguments, UUIDPGetDatum(order_id));
	if (IdempotencyBegin(customer_id, "begin_payment", key, text.data) == NULL)
	{
		/* other people's orders are none at all */
		if (!OrderRead(order_id, &order) || strcmp(order.customer_id, customer_id) != 0)
			ErrorRaise(WM_ORDER_NOT_FOUND, NULL);
		if (card_id != NULL)
			CardRequire(customer_id, card_id);
		LockRequest(&order.request_id);
		(void) OrderRead(order_id, &order);
		RequirePayable(&order);
		BeginPayment(&order, save_card, card_id);
		IdempotencyEnd(customer_id, "begin_payment", key, text.data, "{}");
		ForceSyncCommit();
	}
	StatementRunOne(&select_payment_of_order, &arguments);
	ReturnPayment(fcinfo);
	return (Datum) 0;
}

/* Let somebody else go on for a moment, a longer one each time. */
static void
WaitALittle(int looks)
{
	CHECK_FOR_INTERRUPTS();
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 Min(LOOK_FIRST_MS + looks * LOOK_SLOWER_MS, LOOK_LATER_MS), PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
}

static int64
IntervalMicroseconds(const Interval *interval)
{
	if (interval->month != 0 || interval->day < 0 || interval->day > 1 || interval->time < 0)
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "timeout", "be 0 to 5 minutes");
	return Min(interval->day * USECS_PER_DAY + interval->time, WAIT_MAX);
}

/*
 * wait_for_payment_link(payment_id, timeout): the link, as soon as it is there; NULL
 * where it is not in time.  A payment that needs none is WM_PAYMENT_STATE.
 */
static Datum
wait_for_payment_link_body(FunctionCallInfo fcinfo)
{
	pg_uuid_t  *payment_id = ArgumentUuid(fcinfo, 0, "payment_id");
	TimestampTz until;
	Arguments	arguments = {0};

	ArgumentRequire(fcinfo, 1, "timeout");
	until = GetCurrentTimestamp() + IntervalMicroseconds(PG_GETARG_INTERVAL_P(1));
	ArgumentDatum(&arguments, UUIDPGetDatum(payment_id));
	for (int looks = 0;; looks++)
	{
		if (StatementRun(&select_payment, &arguments) == 0)
			ErrorRaise(WM_PAYMENT_NOT_FOUND, NULL);
		if (!RowIsNull(0, 3))
			PG_RETURN_TEXT_P(cstring_to_text(RowText(0, 3)));
		if (!RowBool(0, 4))
			ErrorRaiseText(WM_PAYMENT_STATE, "status", RowText(0, 2));
		/* begun in this very transaction, or a part of it: the worker cannot see it */
		if (TransactionIdIsCurrentTransactionId((TransactionId) RowInt64(0, 5)))
			ErrorRaise(WM_PAYMENT_NOT_COMMITTED, NULL);
		if (GetCurrentTimestamp() >= until)
			PG_RETURN_NULL();
		SPI_freetuptable(SPI_tuptable);
		WaitALittle(looks);
	}
}

/* capture_payment(payment_id): once it is captured, again does nothing. */
static Datum
capture_payment_body(FunctionCallInfo fcinfo)
{
	pg_uuid_t  *payment_id = ArgumentUuid(fcinfo, 0, "payment_id");
	Arguments	find = {0};
	Arguments	request = {0};
	Attempt		attempt;
	JsonObject	data;

	ArgumentDatum(&find, UUIDPGetDatum(payment_id));
	if (StatementRun(&select_paid, &find) == 0)
		ErrorRaise(WM_PAYMENT_NOT_FOUND, NULL);
	LockRequest(RowUuid(0, 1));
	StatementRunOne(&select_paid, &find);
	if (RowIsNull(0, 2) || !AttemptRead(RowUuid(0, 2), &attempt))
		ErrorRaise(WM_PAYMENT_STATE, "{\"paid\": false}");
	if (!AttemptIsStatus(&attempt, "succeeded"))
		PG_RETURN_VOID();
	ArgumentDatum(&request, UUIDPGetDatum(&attempt.attempt_id));
	ArgumentDatum(&request, TimestampTzGetDatum(ClockNow()));
	StatementRunOne(&request_capture, &request);
	AttemptQueueCapture(&attempt);
	PaymentData(&attempt, &data);
	EventRecord("paymentCaptureRequested", &attempt.request_id, CallerUserId(), JsonClose(&data));
	ForceSyncCommit();
	PG_RETURN_VOID();
}

/* washminute._naps_mac(parts): for tests of the wire format. */
Datum
washminute_naps_mac(PG_FUNCTION_ARGS)
{
	Datum	   *values;
	bool	   *nulls;
	int			count = ArrayElements(fcinfo, 0, TEXTOID, &values, &nulls);
	const char **parts = palloc(Max(count, 1) * sizeof(char *));
	char	   *mac;

	for (int i = 0; i < count; i++)
		parts[i] = nulls[i] ? "" : TextDatumGetCString(values[i]);
	mac = NapsMac(count, parts);
	if (mac == NULL)
		ErrorRaise(WM_DIGEST_FORBIDDEN, NULL);
	PG_RETURN_TEXT_P(cstring_to_text(mac));
}

/* _inquire(attempt_id): the gateway is asked now. */
static Datum
inquire_body(FunctionCallInfo fcinfo)
{
	Attempt		attempt;

	if (!AttemptLock(ArgumentUuid(fcinfo, 0, "attempt_id"), &attempt))
		ErrorRaise(WM_PAYMENT_NOT_FOUND, NULL);
	AttemptInquireAt(&attempt, DT_NOBEGIN);
	PG_RETURN_VOID();
}

/* washminute._naps_checks_signature(): NULL where the credentials cannot be read. */
Datum
washminute_naps_checks_signature(PG_FUNCTION_ARGS)
{
	Credentials credentials;
	const char *problem;
	bool		checks;

	if (!CredentialsRead(&credentials, &problem))
		PG_RETURN_NULL();
	checks = credentials.public_key != NULL;
	CredentialsForget(&credentials);
	PG_RETURN_BOOL(checks);
}
