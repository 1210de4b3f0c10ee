/*-------------------------------------------------------------------------
 *
 * pump.c
 *		Live events out of the outbox: the worker's side.
 *
 * Not a lane like the others, since nothing is sent over HTTP: rows leave the outbox
 * in the transaction that publishes them (src/realtime/publish.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/identity.h"
#include "outbox/queue.h"
#include "realtime/publish.h"
#include "worker/engine.h"
#include "worker/lane.h"
#include "worker/pump.h"
#include "worker/status.h"
#include "worker/stopwatch.h"
#include "worker/transaction.h"

/* Events of one transaction: its commit is the one that waits for the disk. */
#define PUMP_BATCH 1000

/* While another session publishes. */
#define BUSY_PAUSE (SECOND / 200)

#define FAILED_PAUSE_FIRST SECOND
#define FAILED_PAUSE_LONGEST (60 * SECOND)

static MemoryContext pump_context = NULL;
static QueueCursor cursor;
static bool cursor_is_good = false;
static int64 paused_until = 0;
static int64 failed_pause = 0;
static int	published = 0;
static int	batch = PUMP_BATCH;	/* smaller after a failure, for a time */
static int	failed_with = 0;	/* SQLSTATE */

void
PumpNews(void)
{
	cursor.is_news = true;
	cursor.is_due_news = true;
}

void
PumpDoubt(void)
{
	cursor_is_good = false;
}

int64
PumpAt(void)
{
	TimestampTz now = GetCurrentTimestamp();

	if (!cursor_is_good || QueueCursorHasWork(&cursor, now))
		return paused_until;
	if (cursor.next_due == DT_NOEND)
		return PG_INT64_MAX;
	return Max(paused_until, MonotonicNow() + (cursor.next_due - now));
}

static void
RunPump(bool unused)
{
	Identity	saved;

	failed_with = 0;
	IdentityBecomeOwner(&saved);
	PG_TRY();
	{
		published = RealtimePump(&cursor, batch, false);
	}
	PG_CATCH();
	{
		failed_with = geterrcode();
		PG_RE_THROW();
	}
	PG_END_TRY();
	IdentityRestore(&saved);
}

static void
RunBlame(bool unused)
{
	Identity	saved;

	IdentityBecomeOwner(&saved);
	RealtimeBlame();
	IdentityRestore(&saved);
}

/*
 * Nothing was published: look at everything anew, beginning with one message, then two,
 * four, so that the one that cannot be published is alone sooner or later.
 */
static void
PumpFailed(void)
{
	batch = 1;
	cursor_is_good = false;
	failed_pause = failed_pause == 0 ? FAILED_PAUSE_FIRST :
		Min(2 * failed_pause, FAILED_PAUSE_LONGEST);
	paused_until = MonotonicNow() + failed_pause;
	StatusCount(LANE_REALTIME, COUNTER_FAILED, 1);
	if (failed_with != 0 && RealtimeHasCulprit(failed_with))
		(void) TransactionRun("washminute worker: live events", pump_context, RunBlame, false);
	EngineDoubt();
}

bool
PumpTurn(void)
{
	if (MonotonicNow() < PumpAt())
		return false;
	if (pump_context == NULL)
		pump_context = AllocSetContextCreate(TopMemoryContext, "washminute live events",
											 ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(pump_context);
	if (!cursor_is_good)
	{
		QueueCursorReset(&cursor);
		cursor_is_good = true;
	}
	if (!TransactionRun("washminute worker: live events", pump_context, RunPump, false))
	{
		PumpFailed();
		return true;
	}
	if (published > 0)
		StatusCount(LANE_REALTIME, COUNTER_SENT, published);
	failed_pause = 0;
	if (published >= 0)
		batch = Min(2 * batch, PUMP_BATCH);
	paused_until = published < 0 ? MonotonicNow() + BUSY_PAUSE : 0;
	return true;
}
