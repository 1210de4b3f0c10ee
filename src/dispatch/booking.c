/*-------------------------------------------------------------------------
 *
 * booking.c
 *		A customer books: order, request, offers, in one transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/uuid.h"

#include "base/argument.h"
#include "base/array.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/idempotency.h"
#include "base/json.h"
#include "base/money.h"
#include "base/reference.h"
#include "base/settings.h"
#include "base/statement.h"
#include "dispatch/request.h"
#include "dispatch/reservation.h"
#include "dispatch/zone.h"
#include "outbox/enqueue.h"

/* The most services of one order, and characters of an address. */
#define SERVICES_MAX 20
#define ADDRESS_MAX 500
#define SERVICE_CODE_MAX 40

/* 60 random bits do not repeat; a unique constraint stands behind. */
#define REFERENCE_CHARACTERS 12

COMMAND(create_booking, 0);

static const char *const payment_methods[] = {"cash", "card", NULL};

static Statement select_services = {
	"SELECT c.code, s.service_code IS NOT NULL, s.kind = 'main', s.price,"
	"       s.duration_minutes::pg_catalog.int8"
	"  FROM pg_catalog.unnest($1) WITH ORDINALITY AS c (code, number)"
	"  LEFT JOIN washminute_data.services AS s"
	"         ON s.service_code = c.code AND s.active"
	" ORDER BY c.number",
	1, {TEXTARRAYOID}
};

static Statement insert_order = {
	"INSERT INTO washminute_data.orders"
	"  (order_id, reference, customer_id, status, payment_method, total, created_at, updated_at)"
	" VALUES ($1, $2, $3, 'pending', $4, $5, $6, $6)",
	6, {UUIDOID, TEXTOID, TEXTOID, TEXTOID, NUMERICOID, TIMESTAMPTZOID}
};

static Statement insert_lines = {
	"INSERT INTO washminute_data.order_lines"
	"  (order_id, line_number, service_code, price, duration_minutes)"
	" SELECT $1, c.number, s.service_code, s.price, s.duration_minutes"
	"   FROM pg_catalog.unnest($2) WITH ORDINALITY AS c (code, number)"
	"   JOIN washminute_data.services AS s ON s.service_code = c.code",
	2, {UUIDOID, TEXTARRAYOID}
};

/* The request, and its timer. */
static Statement insert_request = {
	"WITH r AS ("
	"  INSERT INTO washminute_data.washing_requests"
	"    (request_id, order_id, customer_id, zone_code, status, client_location,"
	"     address, duration_minutes, reservation_at, expires_at, created_at, updated_at,"
	"     wave, radius_m, next_wave_at, decide_at)"
	"  VALUES ($1, $2, $3, $4, 'pending',"
	"          ST_SetSRID(ST_MakePoint($5, $6), 4326)::geography,"
	"          $7, $8::pg_catalog.int4, $9, $10, $11, $11,"
	"          $12::pg_catalog.int4, $13, NULLIF($14, 'infinity'), NULLIF($15, 'infinity'))"
	"  RETURNING request_id, client_location)"
	" INSERT INTO washminute_data.request_timers (request_id, due_at, place)"
	" SELECT request_id, $16, client_location FROM r",
	16, {UUIDOID, UUIDOID, TEXTOID, TEXTOID, FLOAT8OID, FLOAT8OID, TEXTOID, INT8OID,
	TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, FLOAT8OID, TIMESTAMPTZOID,
	TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static Statement read_answer = {
	"SELECT (a->>'orderId')::pg_catalog.uuid, (a->>'requestId')::pg_catalog.uuid,"
	"       a->>'reference', (a->>'total')::pg_catalog.numeric,"
	"       a->>'status', (a->>'washmenOffered')::pg_catalog.int8"
	"  FROM (SELECT $1::pg_catalog.jsonb) AS t (a)",
	1, {TEXTOID}
};

/* What the caller asks for. */
typedef struct Booking
{
	char	   *customer_id;
	Datum		service_codes;	/* text[] */
	int			service_count;
	double		longitude;
	double		latitude;
	char	   *address;
	char	   *payment_method;
	bool		is_reservation;
	TimestampTz reservation_at;
	char	   *idempotency_key;	/* or NULL */

	/* what follows from it */
	int64		total;			/* centimes */
	int			duration_minutes;
	char	   *zone_code;
	char	   *reference;
	Request		request;
	int			offered;		/* to how many */
} Booking;

static void
BookingServices(FunctionCallInfo fcinfo, Booking *booking)
{
	Datum	   *codes;
	bool	   *nulls;

	ArgumentRequire(fcinfo, 1, "service_codes");
	booking->service_codes = PG_GETARG_DATUM(1);
	booking->service_count = ArrayElements(fcinfo, 1, TEXTOID, &codes, &nulls);
	if (booking->service_count < 1 || booking->service_count > SERVICES_MAX)
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "service_codes",
						   "hold 1 to 20 services");
	for (int i = 0; i < booking->service_count; i++)
	{
		if (nulls[i])
			ErrorRaiseArgument(WM_ARGUMENT_INVALID, "service_codes",
							   "hold no NULL");
		if (VARSIZE_ANY_EXHDR(DatumGetTextPP(codes[i])) > SERVICE_CODE_MAX)
			ErrorRaiseArgument(WM_ARGUMENT_TOO_LONG, "service_codes",
							   "hold codes of at most 40 characters");
		for (int j = 0; j < i; j++)
			if (DatumGetBool(DirectFunctionCall2Coll(texteq, C_COLLATION_OID,
													 codes[i], codes[j])))
				ErrorRaiseArgument(WM_ARGUMENT_INVALID, "service_codes",
								   "name each service once");
	}
}

static void
BookingArguments(FunctionCallInfo fcinfo, Booking *booking)
{
	booking->customer_id = ArgumentId(fcinfo, 0, "customer_id");
	BookingServices(fcinfo, booking);
	ArgumentPlace(fcinfo, 2, &booking->longitude, &booking->latitude);
	booking->address = ArgumentRequiredText(fcinfo, 4, "address", ADDRESS_MAX);
	booking->payment_method = ArgumentChoice(fcinfo, 5, "payment_method",
											 payment_methods);
	booking->is_reservation = !PG_ARGISNULL(6);
	if (booking->is_reservation)
	{
		booking->reservation_at = PG_GETARG_TIMESTAMPTZ(6);
		if (TIMESTAMP_NOT_FINITE(booking->reservation_at))
			ErrorRaiseArgument(WM_ARGUMENT_INVALID, "reservation_at", "be finite");
	}
	booking->idempotency_key = ArgumentOptionalText(fcinfo, 7,
													"idempotency_key", ID_MAX);
}

/* A text in which equal bookings are equal, for the idempotency key. */
static char *
BookingText(const Booking *booking)
{
	JsonObject	text;
	char	   *codes = OidOutputFunctionCall(F_ARRAY_OUT, booking->service_codes);

	JsonOpen(&text);
	JsonText(&text, "services", codes);
	appendStringInfo(&text, ", \"place\": [%.17g, %.17g]",
					 booking->longitude, booking->latitude);
	JsonText(&text, "address", booking->address);
	JsonText(&text, "payment", booking->payment_method);
	if (booking->is_reservation)
		JsonInt(&text, "reservation", booking->reservation_at);
	return JsonClose(&text);
}

/* Price and duration of the services, which must be on offer. */
static void
BookingPrice(Booking *booking)
{
	Arguments	arguments = {0};
	bool		has_main = false;
	uint64		rows;

	ArgumentDatum(&arguments, booking->service_codes);
	rows = StatementRun(&select_services, &arguments);
	for (uint64 row = 0; row < rows; row++)
	{
		if (!RowBool(row, 2))
			ErrorRaiseText(WM_SERVICE_NOT_FOUND, "service", RowText(row, 1));
		has_main |= RowBool(row, 3);
		booking->total += RowMoney(row, 4);
		booking->duration_minutes += (int) RowInt64(row, 5);
	}
	if (booking->total > MONEY_MAX)
		ErrorRaiseArgument(WM_AMOUNT_INVALID, "service_codes",
						   "cost less than 10 000 000 000");
	if (!has_main)
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "service_codes",
						   "hold at least one main service");
}

static void
InsertOrder(Booking *booking)
{
	const pg_uuid_t *order_id = &booking->request.order_id;
	Arguments	order = {0};
	Arguments	lines = {0};

	booking->reference = ReferenceMake(REFERENCE_CHARACTERS);
	ArgumentDatum(&order, UUIDPGetDatum(order_id));
	ArgumentText(&order, booking->reference);
	ArgumentText(&order, booking->customer_id);
	ArgumentText(&order, booking->payment_method);
	ArgumentDatum(&order, MoneyToNumeric(booking->total));
	ArgumentDatum(&order, TimestampTzGetDatum(ClockNow()));
	StatementRunOne(&insert_order, &order);

	ArgumentDatum(&lines, UUIDPGetDatum(order_id));
	ArgumentDatum(&lines, booking->service_codes);
	StatementRun(&insert_lines, &lines);
}

/* The request as it will be stored, before it is offered to anybody. */
static void
FillRequest(Booking *booking, const Settings *settings)
{
	bool		by_card = strcmp(booking->payment_method, "card") == 0;
	bool		waits = by_card && settings->card_dispatch == DISPATCH_AFTER_PAYMENT;
	TimestampTz pay_by = ClockNow() + SETTING_USECS(settings->payment_minutes, 60);
	TimestampTz expires_at = booking->is_reservation ? booking->reservation_at :
		ClockNow() + SETTING_USECS(settings->request_seconds, 1);

	/* a card job has so long to be paid, and from then on as long as others */
	if (waits)
		expires_at = booking->is_reservation ? Min(expires_at, pay_by) : pay_by;
	booking->request = (Request) {
		.request_id = *DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, 0)),
		.order_id = *DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, 0)),
		.customer_id = booking->customer_id,
		.zone_code = booking->zone_code,
		.status = "pending",
		.duration_minutes = booking->duration_minutes,
		.is_reservation = booking->is_reservation,
		.reservation_at = booking->reservation_at,
		.expires_at = expires_at,
		.next_wave_at = DT_NOEND,
		.decide_at = DT_NOEND,
		.moved_at = ClockNow(),
		.order_status = "pending",
		.by_card = by_card,
		.total = booking->total,
		.as_of = ClockNow()
	};
}

static void
InsertRequest(const Booking *booking)
{
	const Request *request = &booking->request;
	TimestampTz due_at = RequestDueAt(request);
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(&request->request_id));
	ArgumentDatum(&arguments, UUIDPGetDatum(&request->order_id));
	ArgumentText(&arguments, request->customer_id);
	ArgumentText(&arguments, request->zone_code);
	ArgumentDatum(&arguments, Float8GetDatum(booking->longitude));
	ArgumentDatum(&arguments, Float8GetDatum(booking->latitude));
	ArgumentText(&arguments, booking->address);
	ArgumentDatum(&arguments, Int64GetDatum(request->duration_minutes));
	ArgumentDatumOrNull(&arguments, TimestampTzGetDatum(request->reservation_at),
						!request->is_reservation);
	ArgumentDatum(&arguments, TimestampTzGetDatum(request->expires_at));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	ArgumentDatum(&arguments, Int64GetDatum(request->wave));
	ArgumentDatum(&arguments, Float8GetDatum(request->radius_m));
	ArgumentDatum(&arguments, TimestampTzGetDatum(request->next_wave_at));
	ArgumentDatum(&arguments, TimestampTzGetDatum(request->decide_at));
	ArgumentDatum(&arguments, TimestampTzGetDatum(due_at));
	StatementRunOne(&insert_request, &arguments);
	WakeForTimer(due_at);
}

/* What a booking has led to: the beginning of what the log and the answer say. */
static void
BookingData(const Booking *booking, JsonObject *data)
{
	RequestData(&booking->request, data);
	JsonText(data, "reference", booking->reference);
	JsonMoney(data, "total", booking->total);
	if (booking->is_reservation)
		JsonTime(data, "reservationAt", booking->request.reservation_at);
}

/* Write the booking, and offer it, if that is to be done now. */
static void
BookingWrite(Booking *booking, const Settings *settings)
{
	const char *event = booking->is_reservation ? "scheduledRequest" : "newWashingRequest";
	const char *confirmation = booking->is_reservation ? "reservationConfirmed" : "bookingConfirmed";
	Notice		confirmed = {booking->customer_id, "customer", confirmation, NoticeEnd(confirmation)};
	Request    *request = &booking->request;
	Wave	   *wave = NULL;
	JsonObject	data;
	JsonObject	told;

	/* a reservation is offered when it is due, a card job when it is paid */
	FillRequest(booking, settings);
	if (!request->is_reservation &&
		(!request->by_card || settings->card_dispatch == DISPATCH_AT_ONCE))
		wave = RequestFindWave(request, settings, booking->longitude, booking->latitude);
	InsertOrder(booking);
	InsertRequest(booking);
	if (request->is_reservation)
		ReservationWrite(request, settings);

	BookingData(booking, &data);
	JsonCopy(&data, &told);
	EventRecord(event, &request->request_id, booking->customer_id, JsonClose(&data));
	ReservationTold(request, &told);
	(void) OutboxPush(&confirmed, 1, JsonClose(&told));
	if (wave != NULL)
		booking->offered = RequestMakeWave(request, settings, wave);
}

/* The answer, as an idempotency key keeps it. */
static char *
BookingAnswer(const Booking *booking)
{
	JsonObject	answer;

	BookingData(booking, &answer);
	JsonInt(&answer, "washmenOffered", booking->offered);
	return JsonClose(&answer);
}

/* Return a kept answer as the function's one row. */
static void
ReturnAnswer(FunctionCallInfo fcinfo, const char *answer)
{
	Arguments	arguments = {0};
	Datum		values[6];
	bool		nulls[6] = {false};

	ArgumentText(&arguments, answer);
	StatementRunOne(&read_answer, &arguments);
	for (int column = 1; column <= 5; column++)
		values[column - 1] = RowDatum(0, column);
	values[5] = Int32GetDatum((int32) RowInt64(0, 6));
	CommandReturnRow(fcinfo, values, nulls);
}

static void
ReturnBooking(FunctionCallInfo fcinfo, const Booking *booking)
{
	Datum		values[6] = {
		UUIDPGetDatum(&booking->request.order_id),
		UUIDPGetDatum(&booking->request.request_id),
		CStringGetTextDatum(booking->reference),
		MoneyToNumeric(booking->total),
		CStringGetTextDatum(booking->request.status),
		Int32GetDatum(booking->offered)
	};
	bool		nulls[6] = {false};

	CommandReturnRow(fcinfo, values, nulls);
}

static Datum
create_booking_body(FunctionCallInfo fcinfo)
{
	Booking		booking = {0};
	Settings	settings;
	char	   *arguments = NULL;
	char	   *answer = NULL;

	BookingArguments(fcinfo, &booking);
	if (booking.idempotency_key != NULL)
	{
		arguments = BookingText(&booking);
		answer = IdempotencyBegin(booking.customer_id, "create_booking",
								  booking.idempotency_key, arguments);
	}
	if (answer != NULL)
	{
		ReturnAnswer(fcinfo, answer);
		return (Datum) 0;
	}

	UserRequireKind(booking.customer_id, "customer");
	BookingPrice(&booking);
	booking.zone_code = ZoneFind(booking.longitude, booking.latitude);
	SettingsReadZone(booking.zone_code, &settings);
	if (booking.is_reservation)
		ReservationCheckTime(booking.reservation_at, &settings);
	ZoneRequireOpen(booking.zone_code, booking.is_reservation ? booking.reservation_at : ClockNow());
	BookingWrite(&booking, &settings);
	if (booking.idempotency_key != NULL)
		IdempotencyEnd(booking.customer_id, "create_booking",
					   booking.idempotency_key, arguments, BookingAnswer(&booking));
	ReturnBooking(fcinfo, &booking);
	return (Datum) 0;
}
