/*-------------------------------------------------------------------------
 *
 * order.c
 *		The money of an order: it comes, and may go back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "base/argument.h"
#include "base/caller.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/money.h"
#include "base/settings.h"
#include "base/statement.h"
#include "dispatch/request.h"
#include "dispatch/reservation.h"
#include "outbox/enqueue.h"
#include "payment/ledger.h"
#include "payment/payment.h"

COMMAND(order_paid, -1);
COMMAND(order_unpaid, -1);
COMMAND(record_payment, -1);

static Statement select_request_of_order = {
	"SELECT request_id FROM washminute_data.washing_requests WHERE order_id = $1",
	1, {UUIDOID}
};

static Statement update_order_paid = {
	"UPDATE washminute_data.orders"
	"   SET status = CASE WHEN $3 THEN 'paid' ELSE 'pending' END, payment_verified = $3, updated_at = $2"
	" WHERE order_id = $1",
	3, {UUIDOID, TIMESTAMPTZOID, BOOLOID}
};

static Statement select_payment = {
	"SELECT order_id FROM washminute_data.transfers"
	" WHERE purpose = 'payment' AND reason = $1",
	1, {TEXTOID}
};

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

/* The money has come: books, order, event.  recorded_by: who says so, NULL where the gateway does. */
static void
TakePayment(Request *request, int64 amount, const char *payment_reference, const char *recorded_by)
{
	Arguments	paid = {0};
	JsonObject	data;

	ArgumentDatum(&paid, UUIDPGetDatum(&request->order_id));
	ArgumentDatum(&paid, TimestampTzGetDatum(ClockNow()));
	ArgumentDatum(&paid, BoolGetDatum(true));
	StatementRunOne(&update_order_paid, &paid);
	request->payment_verified = true;
	request->order_status = "paid";
	LedgerTransfer(ACCOUNT_CARD_CLEARING, ACCOUNT_CUSTOMER_FUNDS, amount,
				   "payment", &request->order_id, request->customer_id,
				   payment_reference);
	RequestData(request, &data);
	JsonMoney(&data, "amount", amount);
	if (recorded_by != NULL)
		JsonText(&data, "recordedBy", recorded_by);
	EventRecord("paymentReceived", &request->request_id, request->customer_id,
				JsonClose(&data));
}

/*
 * A request of which the money has come is offered, unless it is being offered already, or is
 * reserved for later; to how many.
 */
static int
OfferPaid(Request *request)
{
	Settings	settings;

	RequestSettings(request, &settings);
	if (strcmp(request->status, "pending") != 0 || request->next_wave_at != DT_NOEND)
		return 0;
	if (!request->is_reservation)
		return RequestOfferAnew(request, &settings, ClockNow() +
								SETTING_USECS(settings.request_seconds, 1));
	RequestWait(request, request->reservation_at);
	ReservationPlan(request, &settings);
	return 0;
}

/* _order_paid(request_id, amount, reference): the money of a locked request's order has come. */
static Datum
order_paid_body(FunctionCallInfo fcinfo)
{
	Request		request;

	RequestRead(PG_GETARG_UUID_P(0), &request);
	TakePayment(&request, MoneyFromColumn(PG_GETARG_DATUM(1)), text_to_cstring(PG_GETARG_TEXT_PP(2)), NULL);
	(void) OfferPaid(&request);
	PG_RETURN_VOID();
}

/*
 * _order_unpaid(request_id, amount, reference): it was taken back by the gateway.  Where
 * nobody has accepted yet the customer is asked to pay again; else false, and nothing is
 * done.
 */
static Datum
order_unpaid_body(FunctionCallInfo fcinfo)
{
	Request		request;
	Settings	settings;
	Arguments	unpaid = {0};

	RequestRead(PG_GETARG_UUID_P(0), &request);
	if (strcmp(request.status, "pending") != 0)
		PG_RETURN_BOOL(false);
	RequestSettings(&request, &settings);
	ArgumentDatum(&unpaid, UUIDPGetDatum(&request.order_id));
	ArgumentDatum(&unpaid, TimestampTzGetDatum(ClockNow()));
	ArgumentDatum(&unpaid, BoolGetDatum(false));
	StatementRunOne(&update_order_paid, &unpaid);
	LedgerTransfer(ACCOUNT_CUSTOMER_FUNDS, ACCOUNT_CARD_CLEARING,
				   MoneyFromColumn(PG_GETARG_DATUM(1)), "payment_reversed",
				   &request.order_id, NULL, text_to_cstring(PG_GETARG_TEXT_PP(2)));
	if (settings.card_dispatch == DISPATCH_AFTER_PAYMENT)
	{
		TimestampTz pay_by = ClockNow() + SETTING_USECS(settings.payment_minutes, 60);

		/* offers that stand are refused from now on: it is not paid */
		RequestWait(&request, request.is_reservation ? Min(pay_by, request.reservation_at) : pay_by);
		RequestTellOffered(&request);
	}
	RequestTellCustomer(&request, "paymentTakenBack");
	PG_RETURN_BOOL(true);
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

	TakePayment(&request, amount, payment_reference, CallerUserId());

	/* what is paid at the gateway from now on is not due */
	PaymentOrderEnded(&request.order_id, 0);
	if (RequestHasEnded(&request))
	{
		RequestCancelOrder(&request, NULL, 0);
		PG_RETURN_INT32(0);
	}
	PG_RETURN_INT32(OfferPaid(&request));
}
