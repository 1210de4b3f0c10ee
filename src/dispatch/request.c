/*-------------------------------------------------------------------------
 *
 * request.c
 *		A washing request: read it, move it, end its job.
 *
 * The moves a request can make are rows of washminute_data.request_transitions;
 * RequestMove is the one function that reads them and the one that writes a
 * status.  A trigger on the table asks washminute.status_change_allowed(), which
 * is true inside RequestMove only: a flag in C, which SQL cannot set.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/keyed_row.h"
#include "base/lock.h"
#include "base/money.h"
#include "base/statement.h"
#include "dispatch/chat.h"
#include "dispatch/request.h"
#include "dispatch/reservation.h"
#include "outbox/enqueue.h"
#include "payment/ledger.h"
#include "payment/payment.h"

static bool moving_request = false;

PG_FUNCTION_INFO_V1(washminute_status_change_allowed);

enum RequestColumn
{
	REQUEST_ACCEPTED_AT,
	REQUEST_CUSTOMER,
	REQUEST_DECIDE_AT,
	REQUEST_DURATION,
	REQUEST_EXPIRES_AT,
	REQUEST_NEXT_WAVE_AT,
	REQUEST_ORDER,
	REQUEST_RADIUS,
	REQUEST_RESERVATION_AT,
	REQUEST_ROUND_WAVE,
	REQUEST_STATUS,
	REQUEST_UPDATED_AT,
	REQUEST_WASHMAN,
	REQUEST_WAVE,
	REQUEST_ZONE
};

static const KeyedTable requests = {
	"washing_requests", {{"request_id", UUIDOID}},
	{
		[REQUEST_ACCEPTED_AT] = {"accepted_at", TIMESTAMPTZOID},
		[REQUEST_CUSTOMER] = {"customer_id", TEXTOID},
		[REQUEST_DECIDE_AT] = {"decide_at", TIMESTAMPTZOID},
		[REQUEST_DURATION] = {"duration_minutes", INT4OID},
		[REQUEST_EXPIRES_AT] = {"expires_at", TIMESTAMPTZOID},
		[REQUEST_NEXT_WAVE_AT] = {"next_wave_at", TIMESTAMPTZOID},
		[REQUEST_ORDER] = {"order_id", UUIDOID},
		[REQUEST_RADIUS] = {"radius_m", FLOAT8OID},
		[REQUEST_RESERVATION_AT] = {"reservation_at", TIMESTAMPTZOID},
		[REQUEST_ROUND_WAVE] = {"round_wave", INT4OID},
		[REQUEST_STATUS] = {"status", TEXTOID},
		[REQUEST_UPDATED_AT] = {"updated_at", TIMESTAMPTZOID},
		[REQUEST_WASHMAN] = {"washman_id", TEXTOID},
		[REQUEST_WAVE] = {"wave", INT4OID},
		[REQUEST_ZONE] = {"zone_code", TEXTOID}
	}
};

/* All that a look needs, see RequestLook. */
enum LookColumn
{
	LOOK_STATUS,
	LOOK_WASHMAN
};

static const KeyedTable looks = {
	"washing_requests", {{"request_id", UUIDOID}},
	{
		[LOOK_STATUS] = {"status", TEXTOID},
		[LOOK_WASHMAN] = {"washman_id", TEXTOID}
	}
};

enum OrderColumn
{
	ORDER_PAYMENT_METHOD,
	ORDER_PAYMENT_VERIFIED,
	ORDER_STATUS,
	ORDER_TOTAL
};

static const KeyedTable orders = {
	"orders", {{"order_id", UUIDOID}},
	{
		[ORDER_PAYMENT_METHOD] = {"payment_method", TEXTOID},
		[ORDER_PAYMENT_VERIFIED] = {"payment_verified", BOOLOID},
		[ORDER_STATUS] = {"status", TEXTOID},
		[ORDER_TOTAL] = {"total", NUMERICOID}
	}
};

/* Its key is the status it is moved from, the one it is moved to, and who moves it. */
static const KeyedTable transitions = {
	"request_transitions", {{"from_status", TEXTOID}, {"to_status", TEXTOID}, {"actor_kind", TEXTOID}},
	{{"event", TEXTOID}}
};

static Statement update_request = {
	"UPDATE washminute_data.washing_requests"
	"   SET status = $1, washman_id = $2, updated_at = $3,"
	"       accepted_at = CASE WHEN $2 IS NULL THEN NULL"
	"                          WHEN $1 = 'accepted' THEN $3"
	"                          ELSE accepted_at END"
	" WHERE status = $4 AND ctid = $5",
	5, {TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TIDOID}
};

static Statement end_job = {
	"UPDATE washminute_data.jobs"
	"   SET live = false, ended_at = $2, outcome = $3"
	" WHERE request_id = $1 AND live"
	" RETURNING commission, held",
	3, {UUIDOID, TIMESTAMPTZOID, TEXTOID}
};

static Statement update_order = {
	"UPDATE washminute_data.orders"
	"   SET status = $2, payment_verified = payment_verified OR $2 = 'completed',"
	"       updated_at = $3"
	" WHERE order_id = $1",
	3, {UUIDOID, TEXTOID, TIMESTAMPTZOID}
};

/* washminute.status_change_allowed(): for the trigger on washing_requests. */
Datum
washminute_status_change_allowed(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(moving_request);
}

static void
ReadOrder(Request *request)
{
	Datum		key = UUIDPGetDatum(&request->order_id);
	KeyedRow	row;

	if (!KeyedRowRead(&orders, &key, &row))
		elog(ERROR, "a request has no order");
	request->by_card = strcmp(KeyedText(&row, ORDER_PAYMENT_METHOD), "card") == 0;
	request->payment_verified = KeyedBool(&row, ORDER_PAYMENT_VERIFIED);
	request->total = KeyedMoney(&row, ORDER_TOTAL);
	request->order_status = KeyedText(&row, ORDER_STATUS);
}

void
RequestRead(const pg_uuid_t *request_id, Request *request)
{
	Datum		key = UUIDPGetDatum(request_id);
	KeyedRow	row;

	if (!KeyedRowRead(&requests, &key, &row))
		ErrorRaise(WM_REQUEST_NOT_FOUND, NULL);

	request->request_id = *request_id;
	request->order_id = *KeyedUuid(&row, REQUEST_ORDER);
	request->customer_id = KeyedText(&row, REQUEST_CUSTOMER);
	request->zone_code = KeyedText(&row, REQUEST_ZONE);
	request->status = KeyedText(&row, REQUEST_STATUS);
	request->washman_id = KeyedText(&row, REQUEST_WASHMAN);
	request->duration_minutes = KeyedInt(&row, REQUEST_DURATION);
	request->is_reservation = !KeyedIsNull(&row, REQUEST_RESERVATION_AT);
	request->reservation_at = KeyedTimeOr(&row, REQUEST_RESERVATION_AT, 0);
	request->expires_at = KeyedTimeOr(&row, REQUEST_EXPIRES_AT, DT_NOEND);
	request->wave = KeyedInt(&row, REQUEST_WAVE);
	request->radius_m = KeyedFloat8(&row, REQUEST_RADIUS);
	request->round_wave = KeyedInt(&row, REQUEST_ROUND_WAVE);
	request->next_wave_at = KeyedTimeOr(&row, REQUEST_NEXT_WAVE_AT, DT_NOEND);
	request->decide_at = KeyedTimeOr(&row, REQUEST_DECIDE_AT, DT_NOEND);
	request->accepted_at = KeyedTimeOr(&row, REQUEST_ACCEPTED_AT, 0);
	request->moved_at = KeyedTimeOr(&row, REQUEST_UPDATED_AT, DT_NOBEGIN);
	request->as_of = ClockNow();
	ReadOrder(request);
}

void
RequestLock(const pg_uuid_t *request_id, Request *request)
{
	LockRequest(request_id);
	RequestRead(request_id, request);
}

void
RequestData(const Request *request, StringInfo data)
{
	JsonOpen(data);
	JsonUuid(data, "requestId", &request->request_id);
	JsonUuid(data, "orderId", &request->order_id);
	JsonText(data, "status", request->status);
}

bool
RequestHasEnded(const Request *request)
{
	return strcmp(request->status, "cancelled") == 0 || strcmp(request->status, "expired") == 0 ||
		strcmp(request->status, "no_show") == 0;
}

void
RequestRequireOpen(const Request *request, const char *washman_id)
{
	JsonObject	facts;

	if (strcmp(request->status, "pending") == 0)
		return;
	if (strcmp(request->status, "cancelled") == 0)
		ErrorRaise(WM_REQUEST_CANCELLED, NULL);
	if (strcmp(request->status, "expired") == 0)
		ErrorRaise(WM_REQUEST_EXPIRED, NULL);

	JsonOpen(&facts);
	JsonText(&facts, "status", request->status);
	JsonBool(&facts, "byYou", request->washman_id != NULL &&
			 strcmp(request->washman_id, washman_id) == 0);
	ErrorRaise(WM_ALREADY_ACCEPTED, JsonClose(&facts));
}

void
RequestLook(const pg_uuid_t *request_id, const char *washman_id)
{
	Datum		key = UUIDPGetDatum(request_id);
	KeyedRow	row;
	Request		request = {0};

	if (!KeyedRowRead(&looks, &key, &row))
		ErrorRaise(WM_REQUEST_NOT_FOUND, NULL);
	request.status = KeyedText(&row, LOOK_STATUS);
	request.washman_id = KeyedText(&row, LOOK_WASHMAN);
	RequestRequireOpen(&request, washman_id);
}

/* The event that a move records; raises where the move is not allowed. */
static char *
TransitionEvent(const Request *request, const char *to_status,
				const char *actor_kind)
{
	Datum		key[] = {
		CStringGetTextDatum(request->status),
		CStringGetTextDatum(to_status),
		CStringGetTextDatum(actor_kind)
	};
	KeyedRow	row;
	JsonObject	facts;

	if (KeyedRowRead(&transitions, key, &row))
		return KeyedText(&row, 0);

	JsonOpen(&facts);
	JsonText(&facts, "status", request->status);
	JsonText(&facts, "to", to_status);
	JsonText(&facts, "by", actor_kind);
	ErrorRaise(WM_ILLEGAL_TRANSITION, JsonClose(&facts));
}

void
RequestCheckMove(const Request *request, const char *to_status,
				 const char *actor_kind)
{
	(void) TransitionEvent(request, to_status, actor_kind);
}

void
RequestMove(Request *request, const char *to_status, const char *actor_kind,
			const char *actor_id, const char *washman_id, const char *reason, const Push *push)
{
	char	   *event = TransitionEvent(request, to_status, actor_kind);
	const char *previous = request->washman_id;
	Datum		key = UUIDPGetDatum(&request->request_id);
	Arguments	arguments = {0};
	JsonObject	data;

	if (strcmp(to_status, "accepted") == 0)
		request->washman_id = pstrdup(washman_id);
	else if (strcmp(to_status, "pending") == 0)
		request->washman_id = NULL;

	ArgumentText(&arguments, to_status);
	ArgumentText(&arguments, request->washman_id);
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	ArgumentText(&arguments, request->status);

	moving_request = true;
	PG_TRY();
	{
		KeyedRowUpdate(&requests, &key, &update_request, &arguments);
	}
	PG_FINALLY();
	{
		moving_request = false;
	}
	PG_END_TRY();

	request->status = pstrdup(to_status);
	request->moved_at = ClockNow();
	if (request->is_reservation && (RequestHasEnded(request) || strcmp(to_status, "completed") == 0))
		ReservationEnd(request);
	RequestData(request, &data);
	JsonText(&data, "washmanId", washman_id);
	JsonText(&data, "reason", reason);
	EventRecordTelling(event, &request->request_id, actor_id, JsonClose(&data), push);
	ChatFollow(request, previous);
}

static void
OrderSetStatus(const Request *request, const char *status)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(&request->order_id));
	ArgumentText(&arguments, status);
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	StatementRunOne(&update_order, &arguments);
}

/* The books of a completed job, and the order with it. */
static void
PayJob(const Request *request, int64 commission, int64 held, int64 floor)
{
	char	   *account = LedgerWashmanAccount(request->washman_id);
	int64		income = request->total - commission;

	if (request->by_card)
	{
		/* the customer's money is with us: the washman gets his part of it */
		if (income > 0)
			LedgerTransfer(ACCOUNT_CUSTOMER_FUNDS, account, income,
						   "washman_income", &request->order_id,
						   request->washman_id, NULL);
		if (commission > 0)
			LedgerTransfer(ACCOUNT_CUSTOMER_FUNDS, ACCOUNT_PLATFORM_REVENUE,
						   commission, "commission", &request->order_id,
						   request->washman_id, NULL);
		LedgerChangeBalance(request->washman_id, income, -held, floor);
	}
	else
	{
		/* he has the cash: the commission is taken from his balance */
		if (commission > 0)
			LedgerTransfer(account, ACCOUNT_PLATFORM_REVENUE, commission,
						   "commission", &request->order_id,
						   request->washman_id, NULL);
		LedgerChangeBalance(request->washman_id, -commission, -held, floor);
	}
	OrderSetStatus(request, "completed");
}

void
RequestEndJob(const Request *request, const char *outcome,
			  const Settings *settings)
{
	Arguments	arguments = {0};
	int64		commission;
	int64		held;
	int64		floor = SETTING_CENTIMES(settings->balance_floor);

	ArgumentDatum(&arguments, UUIDPGetDatum(&request->request_id));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	ArgumentText(&arguments, outcome);
	StatementRunOne(&end_job, &arguments);
	commission = RowMoney(0, 1);
	held = RowMoney(0, 2);

	if (strcmp(outcome, "completed") == 0)
		PayJob(request, commission, held, floor);
	else if (held > 0)
		LedgerChangeBalance(request->washman_id, 0, -held, floor);
}

void
RequestCancelOrder(const Request *request, const char *actor_id, int64 fee)
{
	int64		due_back = request->by_card && request->payment_verified ? request->total - fee : 0;

	OrderSetStatus(request, "cancelled");
	if (due_back > 0)
	{
		JsonObject	data;

		LedgerTransfer(ACCOUNT_CUSTOMER_FUNDS, ACCOUNT_REFUNDS_PAYABLE, due_back,
					   "refund_due", &request->order_id, actor_id, NULL);
		RequestData(request, &data);
		JsonMoney(&data, "amount", due_back);
		EventRecord("refundDue", &request->request_id, actor_id, JsonClose(&data));
	}
	if (request->by_card)
		PaymentOrderEnded(&request->order_id, due_back);
}

TimestampTz
NoticeEnd(const char *event)
{
	static const char *const ends[] = {
		"washCompleted", "customerNoShow", "requestCancelled", "requestExpired"
	};

	for (int i = 0; i < lengthof(ends); i++)
		if (strcmp(event, ends[i]) == 0)
			return ClockNow() + USECS_PER_DAY;
	return ClockNow() + USECS_PER_HOUR;
}

void
RequestTell(const Request *request, const char *user_id, const char *audience,
			const char *event)
{
	Notice		notice = {user_id, audience, event, NoticeEnd(event)};
	JsonObject	data;

	RequestData(request, &data);
	(void) OutboxPush(&notice, 1, JsonClose(&data));
}

void
RequestTellOffered(const Request *request)
{
	Notice		notice = {NULL, "washman", "offerGone", request->expires_at};
	JsonObject	data;

	if (request->wave == 0)
		return;
	RequestData(request, &data);
	JsonInt(&data, "wave", request->wave);
	(void) OutboxPush(&notice, 1, JsonClose(&data));
}

void
RequestPeriod(const Request *request, const Settings *settings,
			  TimestampTz *starts_at, TimestampTz *ends_at)
{
	int64		work = SETTING_USECS(request->duration_minutes, 60);

	if (request->is_reservation && request->reservation_at > ClockNow())
	{
		*starts_at = request->reservation_at;
		*ends_at = request->reservation_at + work;
	}
	else
	{
		*starts_at = ClockNow();
		*ends_at = *starts_at + work + SETTING_USECS(settings->travel_minutes, 60);
	}
}

int64
RequestCommission(const Request *request, const Settings *settings)
{
	return MoneyPercent(request->total, settings->commission_percent);
}

int64
RequestHold(const Request *request, const Settings *settings)
{
	return request->by_card ? 0 : RequestCommission(request, settings);
}
