/*-------------------------------------------------------------------------
 *
 * reservation.c
 *		Requests that are reserved for a time: what is due before they begin.
 *
 * Three times before it begins a reservation is offered to the washmen who are near at
 * that moment, in a wider ring each time; customer and washman are reminded of one that
 * was accepted before.  Each of these stages is a row, done once: whoever does it holds
 * the request's lock and marks the row in the same transaction.  Of offers that are due
 * at the same time, since nobody came to do them, only the last is made, and none once
 * the reservation has begun.
 *
 * A card job has stages from its payment on, and the times of a request that is
 * rescheduled are written anew.
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
#include "base/lock.h"
#include "base/statement.h"
#include "dispatch/request.h"
#include "dispatch/reservation.h"
#include "outbox/enqueue.h"

/* The offers in their order, and the reminder: column stage of reservation_stages. */
#define OFFER_STAGES 3
#define REMINDER OFFER_STAGES

static const char *const stages[] = {"offer", "second_offer", "last_offer", "reminder"};

/* How long a reminder is worth being told. */
#define REMINDER_LIFE (5 * USECS_PER_MINUTE)

static const ConstraintError wall[] = {
	{"reservations_customer_times_never_overlap", WM_RESERVATION_OVERLAPS},
	{NULL}
};

static Statement insert_reservation = {
	"INSERT INTO washminute_data.reservations AS v (request_id, customer_id, period, starts_local)"
	" SELECT $1, $2, pg_catalog.tstzrange($3, $4), $3 AT TIME ZONE z.time_zone"
	"   FROM washminute_data.service_zones AS z WHERE z.zone_code = $5"
	" ON CONFLICT (request_id) DO UPDATE"
	"   SET period = EXCLUDED.period, starts_local = EXCLUDED.starts_local, live = true",
	5, {UUIDOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID}
};

/* What was not done for want of its payment is ahead again. */
static Statement insert_stages = {
	"INSERT INTO washminute_data.reservation_stages AS s (request_id, stage, due_at)"
	" VALUES ($1, 'offer', $2), ($1, 'second_offer', $3), ($1, 'last_offer', $4), ($1, 'reminder', $2)"
	" ON CONFLICT (request_id, stage) DO UPDATE"
	"   SET due_at = EXCLUDED.due_at, done_at = NULL, outcome = NULL"
	" WHERE s.outcome = 'unpaid'",
	4, {UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static Statement end_reservation = {
	"UPDATE washminute_data.reservations SET live = false WHERE request_id = $1 AND live",
	1, {UUIDOID}
};

static Statement delete_stages = {
	"DELETE FROM washminute_data.reservation_stages WHERE request_id = $1 AND done_at IS NULL",
	1, {UUIDOID}
};

static Statement end_stages = {
	"UPDATE washminute_data.reservation_stages SET done_at = $2, outcome = 'too_late'"
	" WHERE request_id = $1 AND done_at IS NULL",
	2, {UUIDOID, TIMESTAMPTZOID}
};

static Statement delete_all_stages = {
	"DELETE FROM washminute_data.reservation_stages WHERE request_id = $1",
	1, {UUIDOID}
};

static Statement select_due_stages = {
	"SELECT stage FROM washminute_data.reservation_stages"
	" WHERE request_id = $1 AND due_at <= $2 AND done_at IS NULL",
	2, {UUIDOID, TIMESTAMPTZOID}
};

static Statement mark_stage = {
	"UPDATE washminute_data.reservation_stages SET done_at = $3, outcome = $4"
	" WHERE request_id = $1 AND stage = $2 AND done_at IS NULL",
	4, {UUIDOID, TEXTOID, TIMESTAMPTZOID, TEXTOID}
};

static Statement select_start = {
	"SELECT pg_catalog.to_char(v.starts_local, 'YYYY-MM-DD\"T\"HH24:MI')"
	"  FROM washminute_data.reservations AS v WHERE v.request_id = $1",
	1, {UUIDOID}
};

/* When a stage of the request is due by the settings. */
static TimestampTz
StageAt(const Request *request, const Settings *settings, int stage)
{
	double		minutes = stage == 1 ? settings->reservation_second_offer_minutes :
		stage == 2 ? settings->reservation_last_offer_minutes : settings->reservation_offer_minutes;

	return request->reservation_at - SETTING_USECS(minutes, 60);
}

bool
ReservationIsFar(const Request *request, const Settings *settings)
{
	return request->is_reservation && request->as_of < StageAt(request, settings, 0);
}

int
ReservationStage(const Request *request, const Settings *settings)
{
	int			stage = 0;

	if (!request->is_reservation)
		return 0;
	for (int i = 1; i < OFFER_STAGES; i++)
		if (request->as_of >= StageAt(request, settings, i))
			stage = i;
	return stage;
}

TimestampTz
ReservationNextOffer(const Request *request, const Settings *settings)
{
	TimestampTz next = request->reservation_at;

	for (int i = 0; i < OFFER_STAGES; i++)
	{
		TimestampTz at = StageAt(request, settings, i);

		if (at > request->as_of)
			next = Min(next, at);
	}
	return next;
}

void
ReservationCheckTime(TimestampTz reservation_at, const Settings *settings)
{
	TimestampTz earliest = ClockNow() + SETTING_USECS(settings->reservation_notice_minutes, 60);
	TimestampTz latest = ClockNow() + SETTING_USECS(settings->reservation_horizon_days, 86400);
	JsonObject	facts;

	if (reservation_at >= earliest && reservation_at <= latest)
		return;
	JsonOpen(&facts);
	JsonTime(&facts, "earliest", earliest);
	JsonTime(&facts, "latest", latest);
	ErrorRaise(WM_RESERVATION_TIME_INVALID, JsonClose(&facts));
}

void
ReservationPlan(const Request *request, const Settings *settings)
{
	Arguments	arguments = {0};
	TimestampTz first = DT_NOEND;

	ArgumentDatum(&arguments, UUIDPGetDatum(&request->request_id));
	for (int i = 0; i < OFFER_STAGES; i++)
	{
		TimestampTz at = Max(ClockNow(), StageAt(request, settings, i));

		ArgumentDatum(&arguments, TimestampTzGetDatum(at));
		first = Min(first, at);
	}
	StatementRun(&insert_stages, &arguments);
	WakeForTimer(first);
}

/* The time it takes, under the exclusion constraint. */
static void
WritePeriod(const Request *request)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(&request->request_id));
	ArgumentText(&arguments, request->customer_id);
	ArgumentDatum(&arguments, TimestampTzGetDatum(request->reservation_at));
	ArgumentDatum(&arguments, TimestampTzGetDatum(request->reservation_at +
												  SETTING_USECS(request->duration_minutes, 60)));
	ArgumentText(&arguments, request->zone_code);

	/* the constraint alone, without a lock, deadlocks where two are moved to each other's time */
	LockCustomer(request->customer_id);
	StatementRunBehindWall(&insert_reservation, &arguments, wall);
}

void
ReservationWrite(const Request *request, const Settings *settings)
{
	WritePeriod(request);
	if (!RequestWaitsForPayment(request, settings))
		ReservationPlan(request, settings);
}

static void
RunForRequest(Statement *statement, const Request *request)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(&request->request_id));
	StatementRun(statement, &arguments);
}

void
ReservationEnd(const Request *request)
{
	Arguments	arguments = {0};

	RunForRequest(&end_reservation, request);
	if (strcmp(request->status, "expired") != 0)
	{
		RunForRequest(&delete_stages, request);
		return;
	}

	/* what nobody came to do in time */
	ArgumentDatum(&arguments, UUIDPGetDatum(&request->request_id));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	StatementRun(&end_stages, &arguments);
}

void
ReservationForget(const Request *request)
{
	RunForRequest(&delete_all_stages, request);
}

void
ReservationTold(const Request *request, JsonObject *data)
{
	Arguments	arguments = {0};

	if (!ReservationIsAhead(request))
		return;
	ArgumentDatum(&arguments, UUIDPGetDatum(&request->request_id));
	StatementRunOne(&select_start, &arguments);
	JsonText(data, "startsAt", RowText(0, 1));
	JsonInt(data, "minutes", (request->reservation_at - request->as_of + USECS_PER_MINUTE - 1) / USECS_PER_MINUTE);
}

/* Log a stage that somebody is told of; offers: to how many washmen, or -1. */
static void
LogStage(const Request *request, int stage, int offers)
{
	JsonObject	data;

	RequestData(request, &data);
	JsonText(&data, "stage", stages[stage]);
	JsonTime(&data, "reservationAt", request->reservation_at);
	if (offers >= 0)
		JsonInt(&data, "offers", offers);
	EventRecord("upcomingReservation", &request->request_id, NULL, JsonClose(&data));
}

/* Offer it; the outcome. */
static const char *
RunOffer(Request *request, const Settings *settings, int stage)
{
	int			offers;

	if (strcmp(request->status, "pending") != 0)
		return "not_needed";
	if (RequestWaitsForPayment(request, settings))
		return "unpaid";
	offers = RequestOfferAnew(request, settings, request->expires_at);
	LogStage(request, stage, offers);
	if (offers > 0)
		return "told";

	/* whoever comes to be near is offered it then */
	request->radius_m = Max(request->radius_m, settings->radius_limit_m);
	RequestWriteWaves(request);
	return "nobody";
}

/* Remind whoever will meet; the outcome. */
static const char *
RunReminder(const Request *request)
{
	/* it says how many minutes are left, and the reservation may be moved */
	TimestampTz until = Min(request->reservation_at, ClockNow() + REMINDER_LIFE);
	Notice		notices[] = {
		{request->customer_id, "customer", "reservationReminder", until},
		{request->washman_id, "washman", "reservationReminder", until}
	};
	JsonObject	data;

	if (strcmp(request->status, "accepted") != 0 && strcmp(request->status, "en_route") != 0)
		return "not_needed";
	RequestData(request, &data);
	ReservationTold(request, &data);
	(void) OutboxPush(notices, lengthof(notices), JsonClose(&data));
	LogStage(request, REMINDER, -1);
	return "told";
}

/* Do one of the stages that are due; superseded: a later offer is due as well. */
static bool
RunStage(Request *request, const Settings *settings, int stage, bool superseded)
{
	const char *outcome;
	Arguments	arguments = {0};

	if (!ReservationIsAhead(request))
		outcome = "too_late";
	else if (superseded)
		outcome = "superseded";
	else
		outcome = stage == REMINDER ? RunReminder(request) : RunOffer(request, settings, stage);
	ArgumentDatum(&arguments, UUIDPGetDatum(&request->request_id));
	ArgumentText(&arguments, stages[stage]);
	ArgumentDatum(&arguments, TimestampTzGetDatum(request->as_of));
	ArgumentText(&arguments, outcome);
	StatementRunOne(&mark_stage, &arguments);
	return strcmp(outcome, "told") == 0;
}

int
ReservationRun(const pg_uuid_t *request_id, TimestampTz as_of)
{
	Request		request;
	Settings	settings;
	Arguments	arguments = {0};
	bool		is_due[lengthof(stages)] = {false};
	bool		superseded = false;
	uint64		rows;
	int			told = 0;

	if (!LockRequestIfFree(request_id))
		return -1;
	RequestRead(request_id, &request);
	RequestSettings(&request, &settings);

	/* a call for a time ahead may do things early, but it does not have a reservation begin */
	request.as_of = Max(as_of, ClockNow());
	if (ClockNow() < request.reservation_at)
		request.as_of = Min(request.as_of, request.reservation_at - 1);
	ArgumentDatum(&arguments, UUIDPGetDatum(request_id));
	ArgumentDatum(&arguments, TimestampTzGetDatum(as_of));
	rows = StatementRun(&select_due_stages, &arguments);
	for (uint64 row = 0; row < rows; row++)
		for (int stage = 0; stage < lengthof(stages); stage++)
			if (strcmp(RowText(row, 1), stages[stage]) == 0)
				is_due[stage] = true;

	if (is_due[REMINDER])
		told += RunStage(&request, &settings, REMINDER, false);
	for (int stage = OFFER_STAGES - 1; stage >= 0; stage--)
	{
		if (!is_due[stage])
			continue;
		told += RunStage(&request, &settings, stage, superseded);
		superseded = true;
	}
	return told;
}
