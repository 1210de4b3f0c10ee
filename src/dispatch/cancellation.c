/*-------------------------------------------------------------------------
 *
 * cancellation.c
 *		A request is cancelled, and what that costs.
 *
 * Fees are for customers who cancel after a washman has accepted and had some
 * minutes to set out, and for those who are not there.  cancellation_fee() and the
 * commands ask the same function, so that what is shown is what is taken.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
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
#include "dispatch/request.h"
#include "outbox/enqueue.h"
#include "payment/ledger.h"
#include "payment/receivable.h"

COMMAND(cancel_request, 1);
COMMAND(force_cancel_request, 1);
COMMAND(cancellation_fee, 1);

static Statement update_fee = {
	"UPDATE washminute_data.orders SET fee = $2 WHERE order_id = $1",
	2, {UUIDOID, NUMERICOID}
};

static Fee
FeeOf(const Request *request, double fee, const Settings *settings)
{
	int64		amount = Min(SETTING_CENTIMES(fee), request->total);

	return (Fee) {amount, MoneyPercent(amount, settings->cancel_fee_share_percent)};
}

/*
 * Until when it is for free: for some minutes after the acceptance, and of a reservation,
 * which may be accepted long before, until it would be offered.
 */
TimestampTz
RequestFreeUntil(const Request *request, const Settings *settings)
{
	TimestampTz until = request->accepted_at + SETTING_USECS(settings->cancel_free_minutes, 60);

	if (!request->is_reservation)
		return until;
	return Max(until, request->reservation_at -
			   SETTING_USECS(settings->reservation_offer_minutes, 60));
}

Fee
CancellationFee(const Request *request, const char *capacity, const Settings *settings)
{
	/* nobody pays for a washman who has not set out by the time reserved */
	bool		is_late = request->is_reservation && ClockNow() >= request->reservation_at &&
		strcmp(request->status, "accepted") == 0;

	if (strcmp(capacity, ACTOR_CUSTOMER) != 0 || request->washman_id == NULL || is_late ||
		ClockNow() < RequestFreeUntil(request, settings))
		return (Fee) {0, 0};
	return FeeOf(request, settings->cancel_fee, settings);
}

Fee
NoShowFee(const Request *request, const Settings *settings)
{
	return FeeOf(request, settings->no_show_fee, settings);
}

void
ChargeFee(const Request *request, const Fee *fee, const char *purpose,
		  const char *actor_id, const Settings *settings)
{
	const char *source = ACCOUNT_CUSTOMER_FUNDS;
	Arguments	arguments = {0};
	JsonObject	data;

	if (fee->amount == 0)
		return;
	if (!request->by_card || !request->payment_verified)
	{
		source = ACCOUNT_RECEIVABLES;
		ReceivableAdd(request->customer_id, &request->order_id, fee->amount, purpose);
	}
	ArgumentDatum(&arguments, UUIDPGetDatum(&request->order_id));
	ArgumentDatum(&arguments, MoneyToNumeric(fee->amount));
	StatementRunOne(&update_fee, &arguments);
	if (fee->amount > fee->share)
		LedgerTransfer(source, ACCOUNT_PLATFORM_REVENUE, fee->amount - fee->share,
					   "cancellation_fee", &request->order_id, actor_id, NULL);
	if (fee->share > 0)
	{
		LedgerTransfer(source, LedgerWashmanAccount(request->washman_id), fee->share,
					   "cancellation_share", &request->order_id, actor_id, NULL);
		LedgerChangeBalance(request->washman_id, fee->share, 0,
							SETTING_CENTIMES(settings->balance_floor));
	}

	RequestData(request, &data);
	JsonText(&data, "purpose", purpose);
	JsonMoney(&data, "amount", fee->amount);
	JsonMoney(&data, "washmanShare", fee->share);
	EventRecord("feeCharged", &request->request_id, actor_id, JsonClose(&data));
}

const char *
RequestCapacity(const Request *request, const char *actor_id)
{
	if (strcmp(request->customer_id, actor_id) == 0)
		return ACTOR_CUSTOMER;
	if (UserIsKind(actor_id, "admin"))
		return ACTOR_ADMIN;
	ErrorRaise(WM_NOT_YOURS, NULL);
}

/* Cancel a locked request. */
static void
Cancel(Request *request, const char *capacity, const char *actor_id, const char *reason,
	   const Settings *settings)
{
	Fee			fee = CancellationFee(request, capacity, settings);
	bool		pending = strcmp(request->status, "pending") == 0;

	RequestCheckMove(request, "cancelled", capacity);
	if (request->washman_id != NULL)
	{
		LockWashman(request->washman_id);
		RequestEndJob(request, "cancelled", settings);
	}
	RequestMove(request, "cancelled", capacity, actor_id, request->washman_id,
				reason, NULL);
	if (request->washman_id != NULL)
		RequestTell(request, request->washman_id, "washman", "requestCancelled");
	if (pending)
		RequestTellOffered(request);
	ChargeFee(request, &fee, "cancellation", actor_id, settings);
	RequestCancelOrder(request, actor_id, fee.amount);
	if (strcmp(capacity, ACTOR_CUSTOMER) != 0)
		RequestTellCustomer(request, "requestCancelled");
}

/* Raise where the fee is more than the customer has agreed to. */
static void
RequireFee(FunctionCallInfo fcinfo, int number, const Fee *fee)
{
	JsonObject	facts;

	if (PG_ARGISNULL(number) ||
		fee->amount <= MoneyFromArgument(PG_GETARG_DATUM(number), "agreed_fee"))
		return;
	JsonOpen(&facts);
	JsonMoney(&facts, "fee", fee->amount);
	ErrorRaise(WM_FEE_CHANGED, JsonClose(&facts));
}

/* cancel_request(request_id, actor_id, reason, agreed_fee) */
static Datum
cancel_request_body(FunctionCallInfo fcinfo)
{
	pg_uuid_t  *request_id = ArgumentUuid(fcinfo, 0, "request_id");
	char	   *actor_id = ArgumentId(fcinfo, 1, "actor_id");
	char	   *reason = ArgumentOptionalText(fcinfo, 2, "reason", REASON_MAX);
	Request		request;
	Settings	settings;
	const char *capacity;
	Fee			fee;

	RequestLock(request_id, &request);
	capacity = RequestCapacity(&request, actor_id);
	RequestSettings(&request, &settings);
	RequestCheckMove(&request, "cancelled", capacity);
	if (strcmp(request.status, "in_progress") == 0)
		(void) ArgumentRequiredText(fcinfo, 2, "reason", REASON_MAX);
	fee = CancellationFee(&request, capacity, &settings);
	RequireFee(fcinfo, 3, &fee);
	Cancel(&request, capacity, actor_id, reason, &settings);
	PG_RETURN_VOID();
}

/* force_cancel_request(request_id, admin_id, reason): also while the work goes on. */
static Datum
force_cancel_request_body(FunctionCallInfo fcinfo)
{
	pg_uuid_t  *request_id = ArgumentUuid(fcinfo, 0, "request_id");
	char	   *admin_id = ArgumentId(fcinfo, 1, "admin_id");
	char	   *reason = ArgumentRequiredText(fcinfo, 2, "reason", REASON_MAX);
	Request		request;
	Settings	settings;

	UserRequireKind(admin_id, "admin");
	RequestLock(request_id, &request);
	RequestSettings(&request, &settings);
	Cancel(&request, ACTOR_ADMIN, admin_id, reason, &settings);
	PG_RETURN_VOID();
}

/*
 * cancellation_fee(request_id, actor_id): what cancelling would cost him now, what
 * the washman would get of it, and what would be due back; nothing changes.
 */
static Datum
cancellation_fee_body(FunctionCallInfo fcinfo)
{
	pg_uuid_t  *request_id = ArgumentUuid(fcinfo, 0, "request_id");
	char	   *actor_id = ArgumentId(fcinfo, 1, "actor_id");
	Request		request;
	Settings	settings;
	const char *capacity;
	Fee			fee;
	Datum		values[3];
	bool		nulls[3] = {false};

	RequestRead(request_id, &request);
	capacity = RequestCapacity(&request, actor_id);
	RequestSettings(&request, &settings);
	RequestCheckMove(&request, "cancelled", capacity);
	fee = CancellationFee(&request, capacity, &settings);
	values[0] = MoneyToNumeric(fee.amount);
	values[1] = MoneyToNumeric(fee.share);
	values[2] = MoneyToNumeric(request.by_card && request.payment_verified ?
							   request.total - fee.amount : 0);
	CommandReturnRow(fcinfo, values, nulls);
	return (Datum) 0;
}
