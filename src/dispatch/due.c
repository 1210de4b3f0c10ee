/*-------------------------------------------------------------------------
 *
 * due.c
 *		Requests at which something falls due: answers to decide on, the next
 *		wave, the end; and before a reservation begins.
 *
 * Timers only tidy up: that an offer or a request is over is a condition of its
 * acceptance.  The worker runs what is due when it is, and the scheduler, or
 * whoever calls expire_due(), does the same; each takes a request's lock without
 * waiting and looks at the request anew, so that both at once do no harm.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/settings.h"
#include "base/statement.h"
#include "base/subtransaction.h"
#include "dispatch/due.h"
#include "dispatch/request.h"
#include "dispatch/reservation.h"
#include "outbox/wake.h"

/* Requests that one call of expire_due(), or of notify_due_reservations(), looks at. */
#define DUE_BATCH 500

/* When one that failed is looked at again, and one of which a row was locked. */
#define FAILED_PAUSE (60 * USECS_PER_SEC)
#define LOCKED_PAUSE USECS_PER_SEC

/* How long after the end of a request its collected answers are still decided on. */
#define LATE_DECISION (90 * USECS_PER_SEC)

COMMAND(expire_due, -1);
COMMAND(notify_due_reservations, -1);
COMMAND(run_due_requests, -1);

static Statement select_due = {
	"SELECT request_id FROM washminute_data.request_timers"
	" WHERE due_at <= $1 ORDER BY due_at LIMIT $2",
	2, {TIMESTAMPTZOID, INT8OID}
};

static Statement select_due_reservations = {
	"SELECT request_id FROM washminute_data.reservation_stages"
	" WHERE due_at <= $1 AND done_at IS NULL"
	" GROUP BY request_id ORDER BY pg_catalog.min(due_at) LIMIT $2",
	2, {TIMESTAMPTZOID, INT8OID}
};

static Statement select_next_due = {
	"SELECT LEAST((SELECT due_at FROM washminute_data.request_timers ORDER BY due_at LIMIT 1),"
	"             (SELECT due_at FROM washminute_data.reservation_stages WHERE done_at IS NULL"
	"               ORDER BY due_at LIMIT 1),"
	"             'infinity')"
};

static Statement delete_timer = {
	"DELETE FROM washminute_data.request_timers WHERE request_id = $1",
	1, {UUIDOID}
};

static Statement postpone_timer = {
	"UPDATE washminute_data.request_timers SET due_at = $3"
	" WHERE request_id = $1 AND due_at <= $2",
	3, {UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static Statement postpone_stages = {
	"UPDATE washminute_data.reservation_stages SET due_at = $3"
	" WHERE request_id = $1 AND due_at <= $2 AND done_at IS NULL",
	3, {UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

typedef enum DueOutcome
{
	DUE_DONE,
	DUE_EXPIRED,
	DUE_LEFT
} DueOutcome;

static DueOutcome
EndTimer(const pg_uuid_t *request_id, DueOutcome outcome)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(request_id));
	StatementRun(&delete_timer, &arguments);
	return outcome;
}

static DueOutcome
Expire(Request *request)
{
	RequestMove(request, "expired", ACTOR_SYSTEM, NULL, NULL, NULL, NULL);
	RequestCancelOrder(request, NULL, 0);
	RequestTellCustomer(request, "requestExpired");
	return EndTimer(&request->request_id, DUE_EXPIRED);
}

/* What is due for one request. */
static DueOutcome
RunOne(const pg_uuid_t *request_id)
{
	Request		request;
	Settings	settings;

	if (!LockRequestIfFree(request_id))
		return DUE_LEFT;
	RequestRead(request_id, &request);
	if (strcmp(request.status, "pending") != 0)
		return EndTimer(request_id, DUE_DONE);
	RequestSettings(&request, &settings);

	/* answers that were collected until the end count, unless nobody came to decide for long */
	if (request.decide_at != DT_NOEND && ClockNow() < request.expires_at + LATE_DECISION &&
		ClockNow() >= Min(request.decide_at, request.expires_at))
		switch (RequestDecide(&request, &settings))
		{
			case DECISION_MADE:
				return EndTimer(request_id, DUE_DONE);
			case DECISION_LATER:
				return DUE_LEFT;
			case DECISION_NOBODY:
				break;
		}
	if (ClockNow() >= request.expires_at)
		return Expire(&request);
	if (ClockNow() >= request.next_wave_at)
		(void) RequestOffer(&request, &settings);
	else
		RequestWriteWaves(&request);
	return DUE_DONE;
}

/* What falls due: timers of requests, or stages of reservations. */
typedef struct DueKind
{
	Statement  *select;
	Statement  *postpone;
	bool		is_reservation;
} DueKind;

static const DueKind timers = {&select_due, &postpone_timer, false};
static const DueKind reservations = {&select_due_reservations, &postpone_stages, true};

/* One that is due, and what came of it. */
typedef struct DueRequest
{
	const DueKind *kind;
	const pg_uuid_t *request_id;
	TimestampTz as_of;
	DueOutcome	outcome;
	int			told;			/* of how many stages */
	int64		pause;			/* until it is looked at again */
} DueRequest;

static void
RunOneWork(void *argument)
{
	DueRequest *due = argument;

	if (!due->kind->is_reservation)
		due->outcome = RunOne(due->request_id);
	else
	{
		due->told = ReservationRun(due->request_id, due->as_of);
		due->outcome = due->told < 0 ? DUE_LEFT : DUE_DONE;
	}
}

/* Unless it has got a later time meanwhile: its lock is not held. */
static void
Postpone(void *argument)
{
	DueRequest *due = argument;
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(due->request_id));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow() + due->pause));
	StatementRun(due->kind->postpone, &arguments);
	WakeForTimer(ClockNow() + due->pause);
}

/*
 * The same in a subtransaction, so that one that fails keeps nobody else waiting:
 * it is looked at again later, and sooner where it is only that somebody has locked a
 * row of it.
 */
static void
RunOneApart(DueRequest *due)
{
	ErrorData  *error = SubtransactionRun(RunOneWork, due);

	if (error == NULL)
		return;
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
		error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
		ReThrowError(error);
	*due = (DueRequest) {due->kind, due->request_id, due->as_of, DUE_LEFT, 0, FAILED_PAUSE};
	if (error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
		due->pause = LOCKED_PAUSE;
	else
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("washminute: request %s could not be moved on: %s",
						UuidText(due->request_id),
						error->message),
				 errhint("It is tried again in a minute.")));
	(void) SubtransactionRun(Postpone, due);
}

/* Do what is due of a kind; adds to the counts. */
static void
RunDue(const DueKind *kind, TimestampTz as_of, int limit, TimestampTz until, DueCounts *counts)
{
	Arguments	arguments = {0};
	pg_uuid_t **request_ids;
	uint64		count;

	ArgumentDatum(&arguments, TimestampTzGetDatum(as_of));
	ArgumentDatum(&arguments, Int64GetDatum(limit));
	count = StatementRun(kind->select, &arguments);
	request_ids = palloc(Max(count, 1) * sizeof(pg_uuid_t *));
	for (uint64 row = 0; row < count; row++)
		request_ids[row] = RowUuid(row, 1);

	for (uint64 i = 0; i < count && (counts->due == 0 || GetCurrentTimestamp() < until); i++)
	{
		DueRequest	due = {kind, request_ids[i], as_of, DUE_LEFT};

		CHECK_FOR_INTERRUPTS();
		RunOneApart(&due);
		counts->due++;
		counts->left += due.outcome == DUE_LEFT;
		counts->expired += due.outcome == DUE_EXPIRED;
		counts->told += Max(due.told, 0);
	}
}

void
RequestsRunDue(int limit, TimestampTz until, DueCounts *counts)
{
	*counts = (DueCounts) {0};
	RunDue(&reservations, ClockNow(), limit, until, counts);
	RunDue(&timers, ClockNow(), limit, until, counts);
}

/* expire_due(): what is due is done; how many requests expired. */
static Datum
expire_due_body(FunctionCallInfo fcinfo)
{
	DueCounts	counts;

	RequestsRunDue(DUE_BATCH, DT_NOEND, &counts);
	PG_RETURN_INT32(counts.expired);
}

/* notify_due_reservations(as_of): of how many stages somebody was told. */
static Datum
notify_due_reservations_body(FunctionCallInfo fcinfo)
{
	TimestampTz as_of = PG_ARGISNULL(0) ? ClockNow() : PG_GETARG_TIMESTAMPTZ(0);
	DueCounts	counts = {0};

	if (TIMESTAMP_NOT_FINITE(as_of))
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "as_of", "be finite");
	RunDue(&reservations, as_of, DUE_BATCH, DT_NOEND, &counts);
	PG_RETURN_INT32(counts.told);
}

/*
 * _run_due_requests(batch, milliseconds): the same for at most so many, and none is
 * begun later than that; how many were done, and when the next one is due.
 */
static Datum
run_due_requests_body(FunctionCallInfo fcinfo)
{
	DueCounts	counts;
	Datum		values[2];
	bool		nulls[2] = {false};

	RequestsRunDue(PG_GETARG_INT32(0),
				   GetCurrentTimestamp() + PG_GETARG_INT32(1) * INT64CONST(1000), &counts);
	values[0] = Int32GetDatum(counts.due - counts.left);
	StatementRunOne(&select_next_due, NULL);
	values[1] = RowDatum(0, 1);
	CommandReturnRow(fcinfo, values, nulls);
	return (Datum) 0;
}
