/*-------------------------------------------------------------------------
 *
 * live_sync.c
 *		The live index and its table: loading, flushing, and what it shows of itself.
 *
 * A load takes SHARE locks on both tables: then no writer is under way, those that
 * were have applied their changes (commit callbacks run before locks are released),
 * and those that come see that the index is in use.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "portability/instr_time.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "base/array.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/guc.h"
#include "base/identity.h"
#include "base/lock.h"
#include "base/readiness.h"
#include "base/statement.h"
#include "dispatch/live_memory.h"
#include "dispatch/live_sync.h"
#include "outbox/wake.h"
#include "worker/engine.h"
#include "worker/stopwatch.h"
#include "worker/transaction.h"

COMMAND(flush_locations, -1);
COMMAND(load_live_index, -1);

/* Rows written by one statement, and read at once. */
#define FLUSH_BATCH 1000
#define LOAD_BATCH 10000

/* After an error of our own SQL. */
#define SYNC_PAUSE_FIRST (INT64CONST(1000000))
#define SYNC_PAUSE_LONGEST (INT64CONST(60000000))

static Statement select_online = {
	"SELECT w.washman_id, ST_X(p.last_location::geometry), ST_Y(p.last_location::geometry),"
	"       p.last_location_updated_at, COALESCE(p.accuracy_m, 'NaN')"
	"  FROM washminute_data.washmen AS w"
	"  LEFT JOIN washminute_data.washman_positions AS p ON p.washman_id = w.washman_id"
	" WHERE w.status = 'online' AND w.suspended_at IS NULL"
};

/* In the order of the ids, so that two cannot deadlock. */
static Statement upsert_positions = {
	"INSERT INTO washminute_data.washman_positions AS p"
	"  (washman_id, last_location, last_location_updated_at, accuracy_m)"
	" SELECT r.washman_id, ST_SetSRID(ST_MakePoint(r.longitude, r.latitude), 4326)::geography,"
	"        r.at, NULLIF(r.accuracy_m, 'NaN')"
	"   FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3),"
	"                   pg_catalog.unnest($4), pg_catalog.unnest($5))"
	"        AS r (washman_id, longitude, latitude, at, accuracy_m)"
	"   JOIN washminute_data.washmen AS w ON w.washman_id = r.washman_id"
	"  ORDER BY r.washman_id"
	" ON CONFLICT (washman_id) DO UPDATE"
	"   SET last_location = EXCLUDED.last_location,"
	"       last_location_updated_at = EXCLUDED.last_location_updated_at,"
	"       accuracy_m = EXCLUDED.accuracy_m, suspect_location = NULL, suspect_at = NULL"
	" WHERE EXCLUDED.last_location_updated_at >= p.last_location_updated_at",
	5, {TEXTARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID, TIMESTAMPTZARRAYOID, FLOAT8ARRAYOID}
};

static Statement call_flush = {"SELECT washminute.flush_locations()"};
static Statement call_load = {"SELECT washminute._load_live_index()"};

/* A position that is being flushed. */
typedef struct Flushed
{
	uint32		slot;
	uint32		generation;
	Fix			fix;
} Flushed;

static uint64 load_version = 0; /* of the load that is under way */
static bool loading = false;	/* this transaction has made the index answer */
static Flushed *flushed = NULL; /* of this transaction, malloc'd */
static int	flushed_count = 0;	/* collected */
static int	flushed_written = 0;	/* and written, by what no savepoint can undo */
static int	flushed_capacity = 0;

/*
 * Slot by slot
 */

/* Run it for each slot that has one of the flags, with its id's lock held. */
static void
ForEachSlot(uint32 flags, void (*visit) (uint32 slot))
{
	for (uint32 slot = 0; slot < live.control->capacity; slot++)
	{
		LWLock	   *lock;

		if (!(live.hot[slot].flags & flags))
			continue;
		lock = IdLock(live.cold[slot].id_hash);
		LWLockAcquire(lock, LW_EXCLUSIVE);
		/* it may have been given away before we had the lock */
		if ((live.hot[slot].flags & flags) && IdLock(live.cold[slot].id_hash) == lock)
			visit(slot);
		LWLockRelease(lock);
	}
}

static void
SlotForget(uint32 slot)
{
	LiveLeave(slot);
	live.hot[slot].flags &= ~SLOT_DIRTY;
	LiveFreeIfIdle(slot);
}

/* Forget all washmen. */
static void
LiveForget(void)
{
	pg_atomic_write_u32(&live.control->loaded, 0);
	pg_atomic_write_u32(&live.control->dirty, 0);
	pg_memory_barrier();
	ForEachSlot(SLOT_ONLINE | SLOT_DIRTY, SlotForget);
}

/* Whom the load did not meet is offline. */
static void
SlotEndLoad(uint32 slot)
{
	if (live.cold[slot].version >= load_version)
		return;
	LiveLeave(slot);
	LiveFreeIfIdle(slot);
}

/*
 * Load
 */

static void
LockTable(const char *name)
{
	Oid			namespace = get_namespace_oid("washminute_data", false);

	LockRelationOid(get_relname_relid(name, namespace), ShareLock);
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
	if (MyBgworkerEntry == NULL || live.control == NULL ||
		strcmp(MyBgworkerEntry->bgw_function_name, "washminute_worker_main") != 0)
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
	ForEachSlot(SLOT_ONLINE, SlotEndLoad);
	LoadPass(true);

	live.control->database = MyDatabaseId;
	live.control->relation = ReadinessRelation();
	loading = true;
	pg_write_barrier();
	pg_atomic_write_u32(&live.control->loaded, 1);
	PG_RETURN_VOID();
}

/*
 * Flush
 */

/* Are these washmen of this database, whether the index answers or not? */
static bool
IsOurs(void)
{
	return live.control != NULL && live.control->database == MyDatabaseId;
}

static void
FlushedAdd(uint32 slot)
{
	const HotSlot *hot = &live.hot[slot];

	if (flushed_count == flushed_capacity)
		return;					/* next time */
	flushed[flushed_count++] = (Flushed) {
		slot, SlotGeneration(hot),
		{hot->longitude, hot->latitude, hot->at, live.cold[slot].accuracy_m}
	};
}

/* Copy what is dirty, as much as there is room for. */
static void
CollectDirty(void)
{
	flushed_count = 0;
	flushed_written = 0;
	if (flushed_capacity < live.control->held)
	{
		int			capacity = live.control->held;

		free(flushed);
		flushed = malloc(capacity * sizeof(Flushed));
		flushed_capacity = flushed == NULL ? 0 : capacity;
		if (flushed == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	}
	pg_atomic_write_u32(&live.control->dirty, 0);
	pg_memory_barrier();		/* who reports from here on finds it 0 */
	ForEachSlot(SLOT_DIRTY, FlushedAdd);
}

/* What was collected is to be flushed again. */
static void
FlushForget(void)
{
	if (flushed_count > 0)
	{
		pg_atomic_write_u32(&live.control->dirty, 1);
		WakeNow(WAKE_POSITIONS);
	}
	flushed_count = 0;
	flushed_written = 0;
}

static void
WriteBatch(const Flushed *batch, int count)
{
	Datum	   *columns[4];
	const char **ids = palloc(count * sizeof(char *));
	Arguments	arguments = {0};

	for (int i = 0; i < 4; i++)
		columns[i] = palloc(count * sizeof(Datum));
	for (int i = 0; i < count; i++)
	{
		const ColdSlot *cold = &live.cold[batch[i].slot];

		/* one who left meanwhile was clean, or is still here */
		ids[i] = pnstrdup(cold->id, Min(cold->id_length, LIVE_ID_MAX));
		pg_read_barrier();
		if (SlotGeneration(&live.hot[batch[i].slot]) != batch[i].generation)
			ids[i] = NULL;
		columns[0][i] = Float8GetDatum(batch[i].fix.longitude);
		columns[1][i] = Float8GetDatum(batch[i].fix.latitude);
		columns[2][i] = TimestampTzGetDatum(batch[i].fix.at);
		columns[3][i] = Float8GetDatum(batch[i].fix.accuracy_m);
	}
	ArgumentDatum(&arguments, TextArray(ids, count));
	ArgumentDatum(&arguments, FixedArray(columns[0], count, FLOAT8OID));
	ArgumentDatum(&arguments, FixedArray(columns[1], count, FLOAT8OID));
	ArgumentDatum(&arguments, FixedArray(columns[2], count, TIMESTAMPTZOID));
	ArgumentDatum(&arguments, FixedArray(columns[3], count, FLOAT8OID));
	StatementRun(&upsert_positions, &arguments);
}

/*
 * flush_locations(): write what the index has and the table has not; how many.
 * What a savepoint may undo is not taken for written.
 */
static Datum
flush_locations_body(FunctionCallInfo fcinfo)
{
	instr_time	started;
	instr_time	elapsed;
	int			count;

	if (!IsOurs() || live.control->relation != ReadinessRelation())
		PG_RETURN_INT32(0);
	INSTR_TIME_SET_CURRENT(started);

	/* two at once could wait for each other's rows */
	LockFlush();
	CollectDirty();
	for (int from = 0; from < flushed_count; from += FLUSH_BATCH)
		WriteBatch(flushed + from, Min(FLUSH_BATCH, flushed_count - from));
	INSTR_TIME_SET_CURRENT(elapsed);
	INSTR_TIME_SUBTRACT(elapsed, started);
	pg_atomic_write_u64(&live.control->flushed_at, (uint64) GetCurrentTimestamp());
	pg_atomic_write_u32(&live.control->flushed_count, flushed_count);
	pg_atomic_write_u32(&live.control->flush_us, (uint32) INSTR_TIME_GET_MICROSEC(elapsed));
	count = flushed_count;
	if (GetCurrentTransactionNestLevel() == 1)
		flushed_written = count;
	PG_RETURN_INT32(count);
}

/* The table has these now, unless they were reported anew. */
static void
FlushCommitted(void)
{
	for (int i = 0; i < flushed_written; i++)
	{
		const Flushed *done = &flushed[i];
		HotSlot    *hot = &live.hot[done->slot];
		LWLock	   *lock = IdLock(live.cold[done->slot].id_hash);

		LWLockAcquire(lock, LW_EXCLUSIVE);
		if (SlotGeneration(hot) == done->generation && (hot->flags & SLOT_DIRTY) &&
			IdLock(live.cold[done->slot].id_hash) == lock &&
			hot->at == done->fix.at && hot->longitude == done->fix.longitude &&
			hot->latitude == done->fix.latitude)
		{
			hot->flags &= ~SLOT_DIRTY;
			LiveFreeIfIdle(done->slot);
		}
		LWLockRelease(lock);
	}
	if (flushed_written == flushed_count)
		flushed_count = 0;
	FlushForget();
}

static void
SyncTransactionEvent(XactEvent event, void *argument)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			FlushCommitted();
			loading = false;
			break;
		case XACT_EVENT_ABORT:
			if (loading)
				LiveInvalidate();
			loading = false;
			FlushForget();
			break;
		case XACT_EVENT_PREPARE:
			FlushForget();
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
NeedsFlush(void)
{
	return IsOurs() && pg_atomic_read_u32(&live.control->dirty) != 0;
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

static void
Flush(void)
{
	flush_pause = NextPause(Sync(false), flush_pause);
	flush_at = MonotonicNow() +
		Max(flush_pause, (int64) washminute_location_flush_interval * 1000);
}

int64
LiveSyncAt(void)
{
	return Min(NeedsLoad() ? load_at : PG_INT64_MAX,
			   NeedsFlush() ? flush_at : PG_INT64_MAX);
}

bool
LiveSyncTurn(void)
{
	int64		now = MonotonicNow();

	if (now < LiveSyncAt())
		return false;
	if (NeedsFlush() && flush_at <= now)
		Flush();
	else
		Load();
	return true;
}

void
LiveSyncEnd(void)
{
	if (NeedsFlush())
		Flush();
}

void
LiveSyncReload(void)
{
	if (live.control != NULL)
		pg_atomic_write_u32(&live.control->stale, 1);
}
