/*-------------------------------------------------------------------------
 *
 * due.c
 *		Requests at which something falls due: answers to decide on, the next
 *		wave, the end.
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
#include "base/json.h"
#include "base/lock.h"
#include "base/settings.h"
#include "base/statement.h"
#include "base/subtransaction.h"
#include "dispatch/due.h"
#include "dispatch/request.h"
#include "outbox/wake.h"

/* Requests that one call of expire_due() looks at. */
#define EXPIRE_BATCH 500

/* When one that failed is looked at again, and one of which a row was locked. */
#define FAILED_PAUSE (60 * USECS_PER_SEC)
#define LOCKED_PAUSE USECS_PER_SEC

/* How long after the end of a request its collected answers are still decided on. */
#define LATE_DECISION (90 * USECS_PER_SEC)

COMMAND(expire_due, -1);
COMMAND(run_due_requests, -1);

static Statement select_due = {
	"SELECT request_id FROM washminute_data.request_timers"
	" WHERE due_at <= $1 ORDER BY due_at LIMIT $2",
	2, {TIMESTAMPTZOID, INT8OID}
};

static Statement select_next_due = {
	"SELECT due_at FROM washminute_data.request_timers ORDER BY due_at LIMIT 1"
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
	RequestMove(request, "expired", ACTOR_SYSTEM, NULL, NULL, NULL);
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

/* One that is due, and what came of it. */
typedef struct DueRequest
{
	const pg_uuid_t *request_id;
	DueOutcome	outcome;
	int64		pause;			/* until it is looked at again */
} DueRequest;

static void
RunOneWork(void *argument)
{
	DueRequest *due = argument;

	due->outcome = RunOne(due->request_id);
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
	StatementRun(&postpone_timer, &arguments);
	WakeForTimer(ClockNow() + due->pause);
}

/*
 * The same in a subtransaction, so that one that fails keeps nobody else waiting:
 * it is looked at again later, and sooner where it is only that somebody has locked a
 * row of it.
 */
static DueOutcome
RunOneApart(const pg_uuid_t *request_id)
{
	DueRequest	due = {request_id, DUE_LEFT, FAILED_PAUSE};
	ErrorData  *error = SubtransactionRun(RunOneWork, &due);

	if (error == NULL)
		return due.outcome;
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
		error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
		ReThrowError(error);
	if (error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE)
		due.pause = LOCKED_PAUSE;
	else
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("washminute: request %s could not be moved on: %s",
						UuidText(request_id),
						error->message),
				 errhint("It is tried again in a minute.")));
	(void) SubtransactionRun(Postpone, &due);
	return DUE_LEFT;
}

void
RequestsRunDue(int limit, TimestampTz until, DueCounts *counts)
{
	Arguments	arguments = {0};
	pg_uuid_t **due;
	uint64		count;

	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	ArgumentDatum(&arguments, Int64GetDatum(limit));
	count = StatementRun(&select_due, &arguments);
	due = palloc(Max(count, 1) * sizeof(pg_uuid_t *));
	for (uint64 row = 0; row < count; row++)
		due[row] = RowUuid(row, 1);

	*counts = (DueCounts) {0};
	for (uint64 i = 0; i < count && (i == 0 || GetCurrentTimestamp() < until); i++)
	{
		DueOutcome	outcome;

		CHECK_FOR_INTERRUPTS();
		outcome = RunOneApart(due[i]);
		counts->due++;
		counts->left += outcome == DUE_LEFT;
		counts->expired += outcome == DUE_EXPIRED;
	}
}

/* When the next one is due; DT_NOEND: none is. */
static TimestampTz
RequestsNextDue(void)
{
	return StatementRun(&select_next_due, NULL) > 0 ? RowTime(0, 1) : DT_NOEND;
}

/* expire_due(): what is due is done; how many requests expired. */
static Datum
expire_due_body(FunctionCallInfo fcinfo)
{
	DueCounts	counts;

	RequestsRunDue(EXPIRE_BATCH, DT_NOEND, &counts);
	PG_RETURN_INT32(counts.expired);
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
	values[1] = TimestampTzGetDatum(RequestsNextDue());
	CommandReturnRow(fcinfo, values, nulls);
	return (Datum) 0;
}
