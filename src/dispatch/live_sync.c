/*-------------------------------------------------------------------------
 *
 * live_sync.c
 *		The live index and its table: loading, and when the worker loads or flushes.
 *
 * A load takes SHARE locks on both tables: then no writer is under way, those that
 * were have applied their changes (commit callbacks run before locks are released),
 * and those that come see that the index is in use.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"

#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/guc.h"
#include "base/identity.h"
#include "base/own_table.h"
#include "base/readiness.h"
#include "base/statement.h"
#include "dispatch/live_flush.h"
#include "dispatch/live_memory.h"
#include "dispatch/live_sync.h"
#include "worker/engine.h"
#include "worker/stopwatch.h"
#include "worker/transaction.h"

COMMAND(load_live_index, -1);

/* Rows read at once. */
#define LOAD_BATCH 10000

/* After an error of our own SQL. */
#define SYNC_PAUSE_FIRST (INT64CONST(1000000))
#define SYNC_PAUSE_LONGEST (INT64CONST(60000000))

/* So often the worker's last flush may fail: the first one makes it careful. */
#define END_FAILURES 3

static Statement select_online = {
	"SELECT w.washman_id, ST_X(p.last_location::geometry), ST_Y(p.last_location::geometry),"
	"       p.last_location_updated_at, COALESCE(p.accuracy_m, 'NaN')"
	"  FROM washminute_data.washmen AS w"
	"  LEFT JOIN washminute_data.washman_positions AS p ON p.washman_id = w.washman_id"
	" WHERE w.status = 'online' AND w.suspended_at IS NULL"
};

static Statement call_flush = {"SELECT washminute.flush_locations()"};
static Statement call_load = {"SELECT washminute._load_live_index()"};

static uint64 load_version = 0; /* of the load that is under way */
static bool loading = false;	/* this transaction has made the index answer */

static bool
SlotForget(uint32 slot)
{
	LiveLeave(slot);
	live.hot[slot].flags &= ~SLOT_DIRTY;
	LiveFreeIfIdle(slot);
	return true;
}

/* Forget all washmen. */
static void
LiveForget(void)
{
	pg_atomic_write_u32(&live.control->loaded, 0);
	pg_atomic_write_u32(&live.control->dirty, 0);
	pg_memory_barrier();
	(void) LiveForEach(SLOT_ONLINE | SLOT_DIRTY, 0, SlotForget);
}

/* Whom the load did not meet is offline. */
static bool
SlotEndLoad(uint32 slot)
{
	if (live.cold[slot].version < load_version)
	{
		LiveLeave(slot);
		LiveFreeIfIdle(slot);
	}
	return true;
}

/*
 * Load
 */

static void
LockTable(const char *name)
{
	LockRelationOid(OwnRelation(name), ShareLock);
}

/* Who has a slot is online still; who has none gets one in the second pass. */
static void
LoadRow(uint64 row, bool second)
{
	char	   *id = RowText(row, 1);
	uint32		slot;

	LiveApply(id, strlen(id), true, load_version);
	if (!second)
		return;
	slot = LiveReserve(id, strlen(id));
	if (slot == LIVE_NONE)
	{
		/* better the table than an index that is known to be wrong */
		pg_atomic_write_u32(&live.control->loaded, 0);
		ErrorRaise(WM_LIVE_INDEX_FULL, NULL);
	}
	if (!RowIsNull(row, 2))
	{
		Fix			fix = {RowFloat8(row, 2), RowFloat8(row, 3), RowTime(row, 4), RowFloat8(row, 5)};

		LiveSeed(slot, &fix);
	}
	LiveApply(id, strlen(id), true, load_version);
	LiveRelease(slot);
}

static void
LoadPass(bool second)
{
	Arguments	none = {0};
	Portal		portal = StatementOpen(&select_online, &none, false);
	uint64		rows;

	do
	{
		rows = StatementFetch(portal, LOAD_BATCH);
		for (uint64 row = 0; row < rows; row++)
			LoadRow(row, second);
		SPI_freetuptable(SPI_tuptable);
		CHECK_FOR_INTERRUPTS();
	} while (rows == LOAD_BATCH);
	SPI_cursor_close(portal);
}

/*
 * _load_live_index(): read all who are online, and let the index answer from then
 * on.  The worker's alone.
 */
static Datum
load_live_index_body(FunctionCallInfo fcinfo)
{
	if (!LiveIsWorker() || live.control == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("only the worker loads the live index"),
				 errhint("SELECT pg_reload_conf() has the worker load it.")));
	LockTable("washmen");
	LockTable("washman_positions");
	pg_atomic_write_u32(&live.control->stale, 0);

	/* another database was served, or another washminute was here */
	if (live.control->database != MyDatabaseId ||
		live.control->relation != ReadinessRelation())
		LiveForget();
	load_version = LiveNextVersion();
	LoadPass(false);
	(void) LiveForEach(SLOT_ONLINE, 0, SlotEndLoad);
	LoadPass(true);

	live.control->database = MyDatabaseId;
	live.control->relation = ReadinessRelation();
	loading = true;
	pg_write_barrier();
	pg_atomic_write_u32(&live.control->loaded, 1);
	PG_RETURN_VOID();
}

static void
SyncTransactionEvent(XactEvent event, void *argument)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			loading = false;
			break;
		case XACT_EVENT_ABORT:
			if (loading)
				LiveInvalidate();
			loading = false;
			break;
		default:
			break;
	}
}

void
LiveSyncInit(void)
{
	if (process_shared_preload_libraries_in_progress)
		RegisterXactCallback(SyncTransactionEvent, NULL);
}

/*
 * The worker
 */

static MemoryContext sync_context = NULL;
static int64 flush_at = 0;		/* monotonic */
static int64 load_at = 0;
static int64 load_pause = 0;
static int64 flush_pause = 0;

static void
CallAsOwner(bool load)
{
	Identity	saved;

	IdentityBecomeOwner(&saved);
	StatementRun(load ? &call_load : &call_flush, NULL);
	IdentityRestore(&saved);
}

/* Outside transactions: what needs a look at the catalogue the next turn will know. */
static bool
NeedsLoad(void)
{
	LiveControl *control = live.control;

	return control != NULL &&
		(pg_atomic_read_u32(&control->stale) != 0 ||
		 !LiveIsHere() ||
		 (ReadinessIsKnown() && control->relation != ReadinessRelation()));
}

static bool
Sync(bool load)
{
	if (sync_context == NULL)
		sync_context = AllocSetContextCreate(TopMemoryContext, "washminute live index",
											 ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(sync_context);
	if (TransactionRun(load ? "washminute worker: load" : "washminute worker: flush",
					   sync_context, CallAsOwner, load))
		return true;
	EngineDoubt();
	return false;
}

static int64
NextPause(bool done, int64 pause)
{
	return done ? 0 : Max(SYNC_PAUSE_FIRST, Min(2 * pause, SYNC_PAUSE_LONGEST));
}

static void
Load(void)
{
	bool		done = Sync(true);

	if (done)
		ereport(LOG,
				(errmsg("washminute worker: live index loaded washmen=%u", live.control->held)));
	else
		pg_atomic_write_u32(&live.control->stale, 1);
	load_pause = NextPause(done, load_pause);
	load_at = MonotonicNow() + load_pause;
}

/* The next part, at once after the one before. */
static bool
Flush(void)
{
	bool		done = Sync(false);
	bool		last = LiveFlushEndPart(done);

	flush_pause = NextPause(done, flush_pause);
	flush_at = MonotonicNow() +
		Max(flush_pause, last ? (int64) washminute_location_flush_interval * 1000 : 0);
	return last && done;
}

int64
LiveSyncAt(void)
{
	return Min(NeedsLoad() ? load_at : PG_INT64_MAX,
			   LiveFlushIsNeeded() ? flush_at : PG_INT64_MAX);
}

LiveSyncDone
LiveSyncTurn(void)
{
	int64		now = MonotonicNow();

	if (now < LiveSyncAt())
		return LIVE_SYNC_NOTHING;
	if (LiveFlushIsNeeded() && flush_at <= now)
	{
		Flush();
		return LIVE_SYNC_FLUSHED;
	}
	Load();
	return LIVE_SYNC_LOADED;
}

void
LiveSyncEnd(void)
{
	LiveFlushFromStart();
	for (int failures = 0; LiveFlushIsNeeded() && failures < END_FAILURES;)
	{
		if (Flush())
			break;
		if (flush_pause > 0)
			failures++;
	}
}

void
LiveSyncReload(void)
{
	if (live.control != NULL)
		pg_atomic_write_u32(&live.control->stale, 1);
	/* the interval may be a shorter one now */
	flush_at = Min(flush_at, MonotonicNow() +
				   Max(flush_pause, (int64) washminute_location_flush_interval * 1000));
}
