/*-------------------------------------------------------------------------
 *
 * reschedule.c
 *		Another time for a reservation.
 *
 * Either somebody wants one, or the rules of the zone's time zone have changed since it
 * was made: what was promised is a time by the zone's clock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"

#include "base/argument.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/settings.h"
#include "base/statement.h"
#include "base/subtransaction.h"
#include "dispatch/request.h"
#include "dispatch/reservation.h"
#include "dispatch/zone.h"
#include "outbox/enqueue.h"

COMMAND(reschedule_request, 1);
COMMAND(resolve_reservations, -1);

/* Reservations that one call of resolve_reservations() moves. */
#define RESOLVE_BATCH 1000

static const ConstraintError wall[] = {{"jobs_washman_times_never_overlap", WM_WASHMAN_BUSY}, {NULL}};

/* One that somebody has would expire then if he gave it back. */
static Statement update_time = {
	"UPDATE washminute_data.washing_requests"
	"   SET reservation_at = $2, expires_at = CASE WHEN washman_id IS NULL THEN expires_at ELSE $2 END"
	" WHERE request_id = $1",
	2, {UUIDOID, TIMESTAMPTZOID}
};

static Statement update_job = {
	"UPDATE washminute_data.jobs SET period = pg_catalog.tstzrange($2, $3)"
	" WHERE request_id = $1 AND live",
	3, {UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static Statement end_offers = {
	"UPDATE washminute_data.offers SET expires_at = GREATEST(offered_at, $2)"
	" WHERE request_id = $1 AND expires_at > $2",
	2, {UUIDOID, TIMESTAMPTZOID}
};

/*
 * Reservations whose beginning is another moment by now, the nearest first; in an order in
 * which none is moved to where the next one is yet.  One that would have begun stays.
 */
static Statement select_shifted = {
	"SELECT s.request_id, s.starts_at FROM ("
	" SELECT v.request_id, new.starts_at, pg_catalog.lower(v.period) AS started_at"
	"  FROM washminute_data.reservations AS v"
	"  JOIN washminute_data.washing_requests AS r ON r.request_id = v.request_id"
	"  JOIN washminute_data.service_zones AS z ON z.zone_code = r.zone_code,"
	"       LATERAL (SELECT v.starts_local AT TIME ZONE z.time_zone) AS new (starts_at)"
	" WHERE v.live AND pg_catalog.lower(v.period) > $1 AND r.status IN ('pending', 'accepted')"
	"   AND (pg_catalog.lower(v.period) AT TIME ZONE z.time_zone) <> v.starts_local"
	"   AND new.starts_at > $1"
	" ORDER BY pg_catalog.lower(v.period) LIMIT $2) AS s"
	" ORDER BY CASE WHEN s.starts_at < s.started_at THEN s.started_at END, s.started_at DESC",
	2, {TIMESTAMPTZOID, INT8OID}
};

/* Raise unless it can still be moved. */
static void
RequireAhead(const Request *request)
{
	bool		waits = strcmp(request->status, "pending") == 0 || strcmp(request->status, "accepted") == 0;
	JsonObject	facts;

	if (ReservationIsAhead(request) && waits)
		return;
	JsonOpen(&facts);
	JsonText(&facts, "status", request->status);
	if (request->is_reservation)
		JsonTime(&facts, "reservationAt", request->reservation_at);
	ErrorRaise(WM_RESERVATION_STATE, JsonClose(&facts));
}

/* The washman keeps the job if he is free then. */
static void
MoveJob(const Request *request, const Settings *settings)
{
	Arguments	arguments = {0};
	TimestampTz starts_at;
	TimestampTz ends_at;

	RequestPeriod(request, settings, &starts_at, &ends_at);
	ArgumentDatum(&arguments, UUIDPGetDatum(&request->request_id));
	ArgumentDatum(&arguments, TimestampTzGetDatum(starts_at));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ends_at));
	StatementRunBehindWall(&update_job, &arguments, wall);
}

/*
 * Those whom it concerns, but for the one who did it; nobody where nobody did.  Before
 * is the time it had.
 */
static void
Tell(const Request *request, TimestampTz before, const char *actor_id)
{
	Notice		notices[2];
	int			count = 0;
	JsonObject	data;
	JsonObject	told;

	if (actor_id != NULL && strcmp(request->customer_id, actor_id) != 0)
		notices[count++] = (Notice) {
			request->customer_id, "customer", "reservationMoved", request->reservation_at
		};
	if (actor_id != NULL && request->washman_id != NULL)
		notices[count++] = (Notice) {
			request->washman_id, "washman", "reservationMoved", request->reservation_at
		};
	RequestData(request, &data);
	JsonTime(&data, "reservationAt", request->reservation_at);
	JsonCopy(&data, &told);
	JsonTime(&data, "reservedBefore", before);
	EventRecord("reservationMoved", &request->request_id, actor_id, JsonClose(&data));
	if (count == 0)
		return;
	ReservationTold(request, &told);
	(void) OutboxPush(notices, count, JsonClose(&told));
}

/* What was offered was for the old time. */
static void
EndOffers(const Request *request)
{
	Arguments	arguments = {0};

	RequestTellOffered(request);
	ArgumentDatum(&arguments, UUIDPGetDatum(&request->request_id));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	StatementRun(&end_offers, &arguments);
}

/* Move a locked reservation, whose washman is locked too. */
static void
Move(Request *request, TimestampTz reservation_at, const char *actor_id, const Settings *settings)
{
	TimestampTz before = request->reservation_at;
	Arguments	time = {0};

	request->reservation_at = reservation_at;
	ArgumentDatum(&time, UUIDPGetDatum(&request->request_id));
	ArgumentDatum(&time, TimestampTzGetDatum(reservation_at));
	StatementRunOne(&update_time, &time);
	ReservationForget(request);
	ReservationWrite(request, settings);
	if (request->washman_id != NULL)
		MoveJob(request, settings);
	else
	{
		EndOffers(request);
		RequestWait(request, RequestWaitsForPayment(request, settings) ?
					Min(request->expires_at, reservation_at) : reservation_at);
	}
	Tell(request, before, actor_id);
}

/* reschedule_request(request_id, actor_id, reservation_at) */
static Datum
reschedule_request_body(FunctionCallInfo fcinfo)
{
	pg_uuid_t  *request_id = ArgumentUuid(fcinfo, 0, "request_id");
	char	   *actor_id = ArgumentId(fcinfo, 1, "actor_id");
	TimestampTz reservation_at;
	Request		request;
	Settings	settings;

	ArgumentRequire(fcinfo, 2, "reservation_at");
	reservation_at = PG_GETARG_TIMESTAMPTZ(2);
	if (TIMESTAMP_NOT_FINITE(reservation_at))
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "reservation_at", "be finite");
	RequestLock(request_id, &request);
	(void) RequestCapacity(&request, actor_id);
	RequireAhead(&request);
	if (reservation_at == request.reservation_at)
		PG_RETURN_VOID();
	RequestSettings(&request, &settings);
	ReservationCheckTime(reservation_at, &settings);
	ZoneRequireOpen(request.zone_code, reservation_at);
	LockCustomer(request.customer_id);
	if (request.washman_id != NULL)
		LockWashman(request.washman_id);
	Move(&request, reservation_at, actor_id, &settings);
	PG_RETURN_VOID();
}

/* One whose time zone has got other rules, and when it begins by them. */
typedef struct Shifted
{
	pg_uuid_t  *request_id;
	TimestampTz reservation_at;
	bool		moved;
} Shifted;

static void
ResolveOne(void *argument)
{
	Shifted    *shifted = argument;
	Request		request;
	Settings	settings;

	if (!LockRequestIfFree(shifted->request_id))
		return;
	RequestRead(shifted->request_id, &request);
	if (!LockCustomerIfFree(request.customer_id))
		return;
	if (request.washman_id != NULL && !LockWashmanIfFree(request.washman_id))
		return;
	RequestSettings(&request, &settings);
	Move(&request, shifted->reservation_at, NULL, &settings);
	shifted->moved = true;
}

int
ReservationsResolve(void)
{
	Arguments	arguments = {0};
	Shifted    *shifted;
	uint64		count;
	int			moved = 0;

	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	ArgumentDatum(&arguments, Int64GetDatum(RESOLVE_BATCH));
	count = StatementRun(&select_shifted, &arguments);
	shifted = palloc(Max(count, 1) * sizeof(Shifted));
	for (uint64 row = 0; row < count; row++)
		shifted[row] = (Shifted) {RowUuid(row, 1), RowTime(row, 2), false};

	for (uint64 i = 0; i < count; i++)
	{
		ErrorData  *error;

		CHECK_FOR_INTERRUPTS();
		error = SubtransactionRun(ResolveOne, &shifted[i]);
		if (error != NULL && !ErrorIsOurs(error->sqlerrcode))
			ReThrowError(error);
		if (error != NULL)
			ereport(WARNING,
					(errcode(error->sqlerrcode),
					 errmsg("washminute: reservation %s could not follow its time zone: %s",
							UuidText(shifted[i].request_id), error->message)));
		else
			moved += shifted[i].moved;
	}
	return moved;
}

/* resolve_reservations(): how many begin at another moment by now. */
static Datum
resolve_reservations_body(FunctionCallInfo fcinfo)
{
	PG_RETURN_INT32(ReservationsResolve());
}
