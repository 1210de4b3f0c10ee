/*-------------------------------------------------------------------------
 *
 * lifecycle.c
 *		A request's way from its offers to its end: declined, advanced, given
 *		back, paid, cancelled, expired.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/argument.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/money.h"
#include "base/settings.h"
#include "base/statement.h"
#include "dispatch/lifecycle.h"
#include "dispatch/request.h"
#include "outbox/enqueue.h"
#include "payment/ledger.h"

/* Characters of a reason; due requests that one call handles. */
#define REASON_MAX 500
#define EXPIRE_BATCH 500

COMMAND(decline_request, 1);
COMMAND(advance_request, 1);
COMMAND(cancel_request, 1);
COMMAND(record_payment, -1);
COMMAND(expire_due, -1);

/* Where a washman can move his job; pending gives it back. */
static const char *const advance_targets[] = {
	"en_route", "arrived", "in_progress", "completed", "no_show", "pending", NULL
};

static Statement decline_offer = {
	"UPDATE washminute_data.offers SET declined_at = $3"
	" WHERE request_id = $1 AND washman_id = $2 AND declined_at IS NULL",
	3, {UUIDOID, TEXTOID, TIMESTAMPTZOID}
};

static Statement select_offer = {
	"SELECT FROM washminute_data.offers WHERE request_id = $1 AND washman_id = $2",
	2, {UUIDOID, TEXTOID}
};

static Statement select_request_of_order = {
	"SELECT request_id FROM washminute_data.washing_requests WHERE order_id = $1",
	1, {UUIDOID}
};

static Statement update_order_paid = {
	"UPDATE washminute_data.orders"
	"   SET status = 'paid', payment_verified = true, updated_at = $2"
	" WHERE order_id = $1",
	2, {UUIDOID, TIMESTAMPTZOID}
};

static Statement select_payment = {
	"SELECT order_id FROM washminute_data.transfers"
	" WHERE purpose = 'payment' AND reason = $1",
	1, {TEXTOID}
};

static Statement select_due = {
	"SELECT request_id FROM washminute_data.request_timers"
	" WHERE due_at <= $1 ORDER BY due_at LIMIT $2",
	2, {TIMESTAMPTZOID, INT8OID}
};

static Statement delete_timer = {
	"DELETE FROM washminute_data.request_timers WHERE request_id = $1",
	1, {UUIDOID}
};

/* Mark the washman's offer declined; how many offers that touched. */
static uint64
DeclineOffer(const Request *request, const char *washman_id)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(&request->request_id));
	ArgumentText(&arguments, washman_id);
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	return StatementRun(&decline_offer, &arguments);
}

/*
 * decline_request(request_id, washman_id): he is not offered it again.
 * Declining twice does nothing the second time; what is no longer open cannot
 * be declined.
 */
static Datum
decline_request_body(FunctionCallInfo fcinfo)
{
	pg_uuid_t  *request_id = ArgumentUuid(fcinfo, 0, "request_id");
	char	   *washman_id = ArgumentId(fcinfo, 1, "washman_id");
	Request		request;
	JsonObject	data;
	Arguments	arguments = {0};

	UserRequireKind(washman_id, "washman");
	RequestLock(request_id, &request);
	RequestRequireOpen(&request, washman_id);

	if (DeclineOffer(&request, washman_id) == 0)
	{
		ArgumentDatum(&arguments, UUIDPGetDatum(request_id));
		ArgumentText(&arguments, washman_id);
		if (StatementRun(&select_offer, &arguments) == 0)
			ErrorRaise(WM_NOT_OFFERED, NULL);
		PG_RETURN_VOID();
	}

	RequestData(&request, &data);
	JsonText(&data, "washmanId", washman_id);
	EventRecord("offerDeclined", request_id, washman_id, JsonClose(&data));
	PG_RETURN_VOID();
}

static void
Tell(const Request *request, const char *user_id, const char *audience, const char *event)
{
	Notice		notice = {user_id, audience, event, DT_NOEND};
	JsonObject	data;

	RequestData(request, &data);
	(void) OutboxPush(&notice, 1, JsonClose(&data));
}

/* Tell the customer what became of his request. */
static void
TellCustomer(const Request *request, const char *event)
{
	Tell(request, request->customer_id, "customer", event);
}

/* The washman gives the job back: it is offered again, not to him. */
static void
GiveBack(Request *request, const char *washman_id, const Settings *settings)
{
	TimestampTz expires_at = ClockNow() +
		SETTING_USECS(settings->request_seconds, 1);

	RequestEndJob(request, "given_back", settings);
	DeclineOffer(request, washman_id);
	RequestMove(request, "pending", ACTOR_WASHMAN, washman_id, washman_id, NULL);
	RequestSetExpiry(request, Max(expires_at, request->expires_at));
	RequestOffer(request, settings);
	TellCustomer(request, "requestGivenBack");
}

/* advance_request(request_id, washman_id, to_status) */
static Datum
advance_request_body(FunctionCallInfo fcinfo)
{
	static const struct
	{
		const char *to_status;
		const char *told;		/* what the customer is told */
		const char *outcome;	/* how the job ends, NULL if it goes on */
	}			moves[] = {
		{"en_route", "washmanEnRoute", NULL},
		{"arrived", "washmanArrived", NULL},
		{"in_progress", "washStarted", NULL},
		{"completed", "washCompleted", "completed"},
		{"no_show", "customerNoShow", "no_show"}
	};
	pg_uuid_t  *request_id = ArgumentUuid(fcinfo, 0, "request_id");
	char	   *washman_id = ArgumentId(fcinfo, 1, "washman_id");
	char	   *to_status = ArgumentChoice(fcinfo, 2, "to_status", advance_targets);
	Request		request;
	Settings	settings;

	UserRequireKind(washman_id, "washman");
	RequestLock(request_id, &request);
	if (request.washman_id == NULL ||
		strcmp(request.washman_id, washman_id) != 0)
		ErrorRaise(WM_NOT_YOURS, NULL);
	LockWashman(washman_id);
	SettingsRead(&settings);
	RequestCheckMove(&request, to_status, ACTOR_WASHMAN);

	if (strcmp(to_status, "pending") == 0)
	{
		GiveBack(&request, washman_id, &settings);
		PG_RETURN_VOID();
	}
	for (int i = 0; i < lengthof(moves); i++)
	{
		if (strcmp(moves[i].to_status, to_status) != 0)
			continue;
		if (moves[i].outcome != NULL)
			RequestEndJob(&request, moves[i].outcome, &settings);
		RequestMove(&request, to_status, ACTOR_WASHMAN, washman_id, washman_id,
					NULL);
		if (strcmp(to_status, "no_show") == 0)
			RequestCancelOrder(&request, washman_id);
		TellCustomer(&request, moves[i].told);
	}
	PG_RETURN_VOID();
}

/* In what capacity the actor may cancel this request. */
static const char *
CancelCapacity(const Request *request, const char *actor_id)
{
	if (strcmp(request->customer_id, actor_id) == 0)
		return ACTOR_CUSTOMER;
	if (UserIsKind(actor_id, "admin"))
		return ACTOR_ADMIN;
	ErrorRaise(WM_NOT_YOURS, NULL);
}

/* cancel_request(request_id, actor_id, reason) */
static Datum
cancel_request_body(FunctionCallInfo fcinfo)
{
	pg_uuid_t  *request_id = ArgumentUuid(fcinfo, 0, "request_id");
	char	   *actor_id = ArgumentId(fcinfo, 1, "actor_id");
	char	   *reason = ArgumentOptionalText(fcinfo, 2, "reason", REASON_MAX);
	Request		request;
	Settings	settings;
	const char *capacity;

	RequestLock(request_id, &request);
	capacity = CancelCapacity(&request, actor_id);
	RequestCheckMove(&request, "cancelled", capacity);

	if (request.washman_id != NULL)
	{
		LockWashman(request.washman_id);
		SettingsRead(&settings);
		RequestEndJob(&request, "cancelled", &settings);
	}
	RequestMove(&request, "cancelled", capacity, actor_id, request.washman_id,
				reason);
	if (request.washman_id != NULL)
		Tell(&request, request.washman_id, "washman", "requestCancelled");
	RequestCancelOrder(&request, actor_id);
	if (strcmp(capacity, ACTOR_CUSTOMER) != 0)
		TellCustomer(&request, "requestCancelled");
	PG_RETURN_VOID();
}

/*
 * Was this very payment recorded for the order before?  For another order it is
 * WM_PAYMENT_REFERENCE_USED.
 */
static bool
PaymentIsRecorded(const Request *request, const char *payment_reference)
{
	Arguments	arguments = {0};

	ArgumentText(&arguments, payment_reference);
	if (StatementRun(&select_payment, &arguments) == 0)
		return false;
	if (memcmp(RowUuid(0, 1), &request->order_id, sizeof(pg_uuid_t)) != 0)
		ErrorRaiseText(WM_PAYMENT_REFERENCE_USED, "paymentReference",
					   payment_reference);
	return true;
}

/* The money has come: books, order, event. */
static void
TakePayment(Request *request, int64 amount, const char *payment_reference)
{
	Arguments	paid = {0};
	JsonObject	data;

	ArgumentDatum(&paid, UUIDPGetDatum(&request->order_id));
	ArgumentDatum(&paid, TimestampTzGetDatum(ClockNow()));
	StatementRunOne(&update_order_paid, &paid);
	request->payment_verified = true;
	LedgerTransfer(ACCOUNT_CARD_CLEARING, ACCOUNT_CUSTOMER_FUNDS, amount,
				   "payment", &request->order_id, request->customer_id,
				   payment_reference);
	RequestData(request, &data);
	JsonMoney(&data, "amount", amount);
	EventRecord("paymentReceived", &request->request_id, request->customer_id,
				JsonClose(&data));
}

/* Raise unless a payment of this amount can be taken for the order. */
static void
CheckPayment(const Request *request, int64 amount)
{
	JsonObject	data;

	if (!request->by_card || request->payment_verified)
	{
		JsonOpen(&data);
		JsonText(&data, "status", request->order_status);
		JsonText(&data, "paymentMethod", request->by_card ? "card" : "cash");
		JsonBool(&data, "paymentVerified", request->payment_verified);
		ErrorRaise(WM_ORDER_STATE, JsonClose(&data));
	}
	if (amount != request->total)
	{
		JsonOpen(&data);
		JsonMoney(&data, "due", request->total);
		ErrorRaise(WM_AMOUNT_DIFFERS, JsonClose(&data));
	}
}

/*
 * record_payment(order_id, amount, payment_reference): a card payment has
 * arrived, so the job is offered.  Money that comes after the request was
 * cancelled or has expired is booked, and due back.  The same reference again
 * does nothing.  Returns how many washmen were offered the job.
 */
static Datum
record_payment_body(FunctionCallInfo fcinfo)
{
	pg_uuid_t  *order_id = ArgumentUuid(fcinfo, 0, "order_id");
	int64		amount;
	char	   *payment_reference;
	Request		request;
	Settings	settings;
	Arguments	find = {0};

	ArgumentRequire(fcinfo, 1, "amount");
	amount = MoneyFromArgument(PG_GETARG_DATUM(1), "amount");
	payment_reference = ArgumentRequiredText(fcinfo, 2, "payment_reference",
											 ID_MAX);

	ArgumentDatum(&find, UUIDPGetDatum(order_id));
	if (StatementRun(&select_request_of_order, &find) == 0)
		ErrorRaise(WM_ORDER_NOT_FOUND, NULL);
	RequestLock(RowUuid(0, 1), &request);
	if (PaymentIsRecorded(&request, payment_reference) && amount == request.total)
		PG_RETURN_INT32(0);
	CheckPayment(&request, amount);

	TakePayment(&request, amount, payment_reference);
	if (strcmp(request.status, "pending") != 0)
	{
		RequestCancelOrder(&request, NULL);
		PG_RETURN_INT32(0);
	}
	if (request.is_reservation)
		PG_RETURN_INT32(0);
	SettingsRead(&settings);
	RequestSetExpiry(&request, ClockNow() +
					 SETTING_USECS(settings.request_seconds, 1));
	PG_RETURN_INT32(RequestOffer(&request, &settings));
}

/* Look at one due request; true if it expired.  A busy one is left for later. */
static bool
ExpireOne(const pg_uuid_t *request_id)
{
	Request		request;
	Arguments	arguments = {0};
	bool		pending;

	if (!LockRequestIfFree(request_id))
		return false;
	RequestRead(request_id, &request);
	pending = strcmp(request.status, "pending") == 0;
	if (pending && ClockNow() < request.expires_at)
	{
		RequestSetTimer(request_id, request.expires_at);
		return false;
	}

	ArgumentDatum(&arguments, UUIDPGetDatum(request_id));
	StatementRun(&delete_timer, &arguments);
	if (!pending)
		return false;
	RequestMove(&request, "expired", ACTOR_SYSTEM, NULL, NULL, NULL);
	RequestCancelOrder(&request, NULL);
	TellCustomer(&request, "requestExpired");
	return true;
}

int
RequestsExpireDue(void)
{
	Arguments	arguments = {0};
	pg_uuid_t **due;
	uint64		count;
	int			expired = 0;

	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	ArgumentDatum(&arguments, Int64GetDatum(EXPIRE_BATCH));
	count = StatementRun(&select_due, &arguments);
	due = palloc(Max(count, 1) * sizeof(pg_uuid_t *));
	for (uint64 row = 0; row < count; row++)
		due[row] = RowUuid(row, 1);

	for (uint64 i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (ExpireOne(due[i]))
			expired++;
	}
	return expired;
}

/* expire_due(): requests that nobody accepted in time; how many expired. */
static Datum
expire_due_body(FunctionCallInfo fcinfo)
{
	PG_RETURN_INT32(RequestsExpireDue());
}
