/*-------------------------------------------------------------------------
 *
 * lifecycle.c
 *		A request's way from its offers to its end: declined, advanced, given
 *		back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

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
#include "dispatch/geodesy.h"
#include "dispatch/position_table.h"
#include "dispatch/request.h"
#include "dispatch/reservation.h"
#include "outbox/enqueue.h"
#include "payment/ledger.h"
#include "payment/receivable.h"

COMMAND(decline_request, 1);
COMMAND(advance_request, 1);

/* Where a washman can move his job; pending gives it back. */
static const char *const advance_targets[] = {
	"en_route", "arrived", "in_progress", "completed", "no_show", "pending", NULL
};

static Statement decline_offer = {
	"UPDATE washminute_data.offers SET declined_at = $3"
	" WHERE request_id = $1 AND washman_id = $2 AND declined_at IS NULL",
	3, {UUIDOID, TEXTOID, TIMESTAMPTZOID}
};

/* An operator gave him the request: it stands as declined too, so that it is not offered to him. */
static Statement insert_declined = {
	"INSERT INTO washminute_data.offers"
	"  (request_id, washman_id, wave, distance_m, located_at, offered_at, expires_at, declined_at)"
	" VALUES ($1, $2, GREATEST($4::pg_catalog.int4, 1), 0, $3, $3, $3, $3)"
	" ON CONFLICT DO NOTHING",
	4, {UUIDOID, TEXTOID, TIMESTAMPTZOID, INT8OID}
};

static Statement select_offer = {
	"SELECT FROM washminute_data.offers WHERE request_id = $1 AND washman_id = $2",
	2, {UUIDOID, TEXTOID}
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

/*
 * A fee of the washman's own, for a job that he gives back late.  Where his balance
 * has no room for it he owes it.
 */
static void
ChargeGiveBack(const Request *request, const Settings *settings)
{
	int64		fee = SETTING_CENTIMES(settings->give_back_fee);
	int64		floor = SETTING_CENTIMES(settings->balance_floor);
	const char *account = LedgerWashmanAccount(request->washman_id);

	if (fee == 0 || ClockNow() < RequestFreeUntil(request, settings))
		return;
	if (LedgerRoom(request->washman_id) - fee >= floor)
		LedgerChangeBalance(request->washman_id, -fee, 0, floor);
	else
	{
		account = ACCOUNT_RECEIVABLES;
		ReceivableAdd(request->washman_id, &request->order_id, fee, "give_back");
	}
	LedgerTransfer(account, ACCOUNT_PLATFORM_REVENUE, fee, "give_back_fee",
				   &request->order_id, request->washman_id, NULL);
}

/* Let him not be offered the request again. */
static void
KeepFrom(const Request *request, const char *washman_id)
{
	Arguments	arguments = {0};

	if (DeclineOffer(request, washman_id) > 0)
		return;
	ArgumentDatum(&arguments, UUIDPGetDatum(&request->request_id));
	ArgumentText(&arguments, washman_id);
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	ArgumentDatum(&arguments, Int64GetDatum(request->wave));
	StatementRun(&insert_declined, &arguments);
}

/*
 * The washman gives the job back: it is offered again, not to him; a reservation that is
 * far ahead, when others are.
 */
static void
GiveBack(Request *request, const char *washman_id, const Settings *settings)
{
	TimestampTz expires_at = ClockNow() +
		SETTING_USECS(settings->request_seconds, 1);

	RequestEndJob(request, "given_back", settings);
	ChargeGiveBack(request, settings);
	KeepFrom(request, washman_id);
	RequestMove(request, "pending", ACTOR_WASHMAN, washman_id, washman_id, NULL, NULL);
	if (ReservationIsFar(request, settings))
		RequestWait(request, request->reservation_at);
	else
		RequestOfferAnew(request, settings, Max(expires_at, request->expires_at));
	RequestTellCustomer(request, "requestGivenBack");
}

/* Raise unless the washman is at the place, by what is known of him of late. */
static void
RequireAtPlace(const Request *request, const Settings *settings)
{
	Fix			fix = PositionOf(request->washman_id);
	double		longitude;
	double		latitude;
	double		distance_m;
	JsonObject	facts;

	JsonOpen(&facts);
	JsonInt(&facts, "withinMetres", (int64) settings->arrival_radius_m);
	JsonInt(&facts, "withinSeconds", (int64) settings->arrival_position_seconds);
	if (!FixIsNone(&fix))
	{
		RequestPlace(request, &longitude, &latitude);
		distance_m = GeodesicDistance(fix.longitude, fix.latitude, longitude, latitude);
		if (distance_m <= settings->arrival_radius_m &&
			fix.at >= ClockNow() - SETTING_USECS(settings->arrival_position_seconds, 1))
			return;
		JsonInt(&facts, "distanceMetres", (int64) ceil(distance_m));
		JsonTime(&facts, "positionAt", fix.at);
	}
	ErrorRaise(WM_NOT_AT_PLACE, JsonClose(&facts));
}

/* Raise unless he has waited at the place; nobody need be there before the time reserved. */
static void
RequireWaited(const Request *request, const Settings *settings)
{
	TimestampTz since = request->is_reservation ?
		Max(request->moved_at, request->reservation_at) : request->moved_at;
	TimestampTz earliest = since + SETTING_USECS(settings->no_show_minutes, 60);
	JsonObject	facts;

	if (ClockThisMoment() >= earliest)
		return;
	JsonOpen(&facts);
	JsonTime(&facts, "earliest", earliest);
	ErrorRaise(WM_TOO_EARLY, JsonClose(&facts));
}

/* Nobody is there: the job ends, and the customer pays for the way. */
static void
NoShow(Request *request, const Settings *settings)
{
	Fee			fee = NoShowFee(request, settings);

	RequestEndJob(request, "no_show", settings);
	RequestMove(request, "no_show", ACTOR_WASHMAN, request->washman_id,
				request->washman_id, NULL, NULL);
	ChargeFee(request, &fee, "no_show", request->washman_id, settings);
	RequestCancelOrder(request, request->washman_id, fee.amount);
	RequestTellCustomer(request, "customerNoShow");
}

/* The ways that a job goes on. */
static const struct
{
	const char *to_status;
	const char *told;			/* what the customer is told */
}			advances[] = {
	{"en_route", "washmanEnRoute"},
	{"arrived", "washmanArrived"},
	{"in_progress", "washStarted"},
	{"completed", "washCompleted"}
};

static void
Advance(Request *request, const char *to_status, const Settings *settings)
{
	for (int i = 0; i < lengthof(advances); i++)
	{
		if (strcmp(advances[i].to_status, to_status) != 0)
			continue;
		/* offered at once, it is paid before the work begins */
		if (strcmp(to_status, "in_progress") == 0 && request->by_card && !request->payment_verified)
			ErrorRaise(WM_PAYMENT_DUE, NULL);
		if (strcmp(to_status, "completed") == 0)
			RequestEndJob(request, "completed", settings);
		RequestMove(request, to_status, ACTOR_WASHMAN, request->washman_id,
					request->washman_id, NULL, NULL);
		RequestTellCustomer(request, advances[i].told);
	}
}

/* advance_request(request_id, washman_id, to_status) */
static Datum
advance_request_body(FunctionCallInfo fcinfo)
{
	pg_uuid_t  *request_id = ArgumentUuid(fcinfo, 0, "request_id");
	char	   *washman_id = ArgumentId(fcinfo, 1, "washman_id");
	char	   *to_status = ArgumentChoice(fcinfo, 2, "to_status", advance_targets);
	bool		no_show = strcmp(to_status, "no_show") == 0;
	Request		request;
	Settings	settings;

	UserRequireKind(washman_id, "washman");
	RequestLock(request_id, &request);
	if (request.washman_id == NULL ||
		strcmp(request.washman_id, washman_id) != 0)
		ErrorRaise(WM_NOT_YOURS, NULL);
	LockWashman(washman_id);
	RequestSettings(&request, &settings);
	RequestCheckMove(&request, to_status, ACTOR_WASHMAN);
	if (no_show || strcmp(to_status, "arrived") == 0)
		RequireAtPlace(&request, &settings);
	if (no_show)
		RequireWaited(&request, &settings);

	if (strcmp(to_status, "pending") == 0)
		GiveBack(&request, washman_id, &settings);
	else if (no_show)
		NoShow(&request, &settings);
	else
		Advance(&request, to_status, &settings);
	PG_RETURN_VOID();
}
