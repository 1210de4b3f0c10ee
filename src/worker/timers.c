/*-------------------------------------------------------------------------
 *
 * timers.c
 *		What falls due for requests: the worker's side.
 *
 * The earliest due time stands in shared memory (outbox/wake.h): the worker sleeps
 * until then, and a commit that sets an earlier one wakes it.  The work itself is a
 * function of SQL, which sets what commands need (src/dispatch/due.c).
 *
 * How long to sleep is worked out when a due time becomes known, and anew when the
 * clock is set (washminute.set_clock).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "base/identity.h"
#include "base/statement.h"
#include "outbox/wake.h"
#include "worker/engine.h"
#include "worker/lane.h"
#include "worker/stopwatch.h"
#include "worker/timers.h"
#include "worker/transaction.h"

/*
 * Requests of one transaction, and milliseconds after which it begins no more: it
 * holds their locks until it ends, and whoever accepts or cancels one waits.
 */
#define TIMERS_BATCH 50
#define TIMERS_MS 20

/* Before those are looked at again that another session works on. */
#define BUSY_PAUSE (SECOND / 5)

#define FAILED_PAUSE_FIRST SECOND
#define FAILED_PAUSE_LONGEST (60 * SECOND)

static Statement run_due = {
	"SELECT done, next_due FROM washminute._run_due_requests($1, $2)", 2, {INT4OID, INT4OID}
};

static MemoryContext timers_context = NULL;
static bool looked = false;		/* into the table */
static TimestampTz known = DT_NOEND;	/* the time that known_at was made of */
static uint32 known_clock = 0;	/* and the clock that it was made by */
static int64 known_at = PG_INT64_MAX;	/* monotonic */
static int64 paused_until = 0;
static int64 failed_pause = 0;
static int	done = 0;
static TimestampTz next_due = DT_NOEND;

void
TimersDoubt(void)
{
	looked = false;
}

int64
TimersAt(void)
{
	TimestampTz timer = WakeTimer();

	if (!washminute_run_timers)
		return PG_INT64_MAX;
	if (!looked)
		return paused_until;
	if (timer != known || ClockVersion() != known_clock)
	{
		TimestampTz real;

		known_clock = ClockVersion();
		real = ClockRealTime(timer);
		known = timer;
		known_at = real == DT_NOEND ? PG_INT64_MAX :
			MonotonicNow() + Max(0, real - GetCurrentTimestamp());
	}
	return Max(known_at, paused_until);
}

static void
RunDue(bool unused)
{
	Identity	saved;
	Arguments	arguments = {0};

	IdentityBecomeOwner(&saved);
	ArgumentDatum(&arguments, Int32GetDatum(TIMERS_BATCH));
	ArgumentDatum(&arguments, Int32GetDatum(TIMERS_MS));
	StatementRunOne(&run_due, &arguments);
	done = DatumGetInt32(RowDatum(0, 1));
	next_due = RowTime(0, 2);
	IdentityRestore(&saved);
}

bool
TimersTurn(void)
{
	if (MonotonicNow() < TimersAt())
		return false;
	if (timers_context == NULL)
		timers_context = AllocSetContextCreate(TopMemoryContext, "washminute timers",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(timers_context);

	/* what is committed from now on counts, seen or not */
	WakeTimerForget();
	known = DT_NOEND;
	known_at = PG_INT64_MAX;
	if (!TransactionRun("washminute worker: timers", timers_context, RunDue, false))
	{
		looked = false;
		failed_pause = failed_pause == 0 ? FAILED_PAUSE_FIRST :
			Min(2 * failed_pause, FAILED_PAUSE_LONGEST);
		paused_until = MonotonicNow() + failed_pause;
		EngineDoubt();
		return true;
	}
	looked = true;
	failed_pause = 0;
	WakeTimerAdd(next_due);

	/* those that are left are due still: give who works on them some time */
	paused_until = done == 0 && next_due <= ClockThisMoment() ?
		MonotonicNow() + BUSY_PAUSE : 0;
	return true;
}
