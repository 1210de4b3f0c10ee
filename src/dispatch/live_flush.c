/*-------------------------------------------------------------------------
 *
 * live_flush.c
 *		Positions that the live index has, and the table has not yet, are written.
 *
 * The worker flushes in parts, each a transaction: other lanes wait no longer than
 * for one, nor does a stop.  Should one fail, since somebody has locked a row, rows
 * that are locked are left out and written later, for as long as there are such.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "portability/instr_time.h"

#include "base/array.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/lock.h"
#include "base/readiness.h"
#include "base/statement.h"
#include "dispatch/live_flush.h"
#include "dispatch/live_memory.h"
#include "outbox/wake.h"

COMMAND(flush_locations, -1);

/* Rows written by one statement, and by one transaction of the worker's. */
#define FLUSH_BATCH 1000
#define FLUSH_PART 20000

/* A transaction of the worker's that has lasted so long ends with fewer. */
#define FLUSH_PART_MS 500

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

/* Who of these has a row, and whose nobody else has locked; those are locked then. */
#define SELECT_WRITTEN \
	"SELECT r.number FROM pg_catalog.unnest($1) WITH ORDINALITY AS r (washman_id, number)" \
	"  JOIN washminute_data.washman_positions AS p ON p.washman_id = r.washman_id"

static Statement select_written = {SELECT_WRITTEN, 1, {TEXTARRAYOID}};
static Statement lock_free = {
	SELECT_WRITTEN " ORDER BY r.washman_id FOR NO KEY UPDATE OF p SKIP LOCKED",
	1, {TEXTARRAYOID}
};

/* A position that is being flushed. */
typedef struct Flushed
{
	uint32		slot;
	uint32		generation;
	Fix			fix;
	bool		written;		/* not left out */
} Flushed;

static Flushed *flushed = NULL; /* of this transaction, malloc'd */
static int	flushed_count = 0;	/* collected */
static int	flushed_capacity = 0;
static bool flushed_lasts = false;	/* no savepoint can undo what was written */

/* The worker's flush, in parts. */
static uint32 flush_from = 0;	/* where the next one begins */
static bool flush_carefully = false;	/* leave out what is locked */
static bool flush_left_out = false; /* since the first part */

/* Are these washmen of this database, whether the index answers or not? */
static bool
IsOurs(void)
{
	return live.control != NULL && live.control->database == MyDatabaseId;
}

static bool
FlushedAdd(uint32 slot)
{
	const HotSlot *hot = &live.hot[slot];

	if (flushed_count == flushed_capacity)
		return false;			/* next time */

	/*
	 * Whoever comes online in a transaction that has not ended may not be there yet
	 * for others to see, and nothing would be written of him.
	 */
	if (live.cold[slot].reservations > 0 && !(hot->flags & SLOT_ONLINE))
	{
		pg_atomic_write_u32(&live.control->dirty, 1);
		return true;
	}
	flushed[flushed_count++] = (Flushed) {
		slot, SlotGeneration(hot),
		{hot->longitude, hot->latitude, hot->at, live.cold[slot].accuracy_m},
		true
	};
	return true;
}

/* Room for so many; there may be more. */
static void
MakeFlushed(int capacity)
{
	flushed_count = 0;
	flushed_lasts = false;
	if (flushed_capacity == capacity)
		return;
	free(flushed);
	flushed = malloc(capacity * sizeof(Flushed));
	flushed_capacity = flushed == NULL ? 0 : capacity;
	if (flushed == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
}

/* Copy what is dirty: all of it, or for the worker the next part. */
static void
CollectDirty(void)
{
	uint32		from = LiveIsWorker() ? flush_from : 0;
	uint32		left_at;

	if (LiveIsWorker())
		MakeFlushed(flush_carefully ? FLUSH_BATCH : FLUSH_PART);
	else
		MakeFlushed(Max(live.control->held, 1));
	if (from == 0)
	{
		pg_atomic_write_u32(&live.control->dirty, 0);
		pg_memory_barrier();	/* who reports from here on finds it 0 */
		flush_left_out = false;
	}
	left_at = LiveForEach(SLOT_DIRTY, from, FlushedAdd);
	if (LiveIsWorker())
		flush_from = left_at;
	else if (left_at > 0)
		pg_atomic_write_u32(&live.control->dirty, 1);
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
}

/* Rows that somebody else has locked are not written now. */
static void
LeaveOutLocked(Flushed *batch, const char **ids, int count)
{
	bool	   *is_locked = palloc0(count * sizeof(bool));
	Arguments	arguments = {0};
	uint64		rows;

	ArgumentDatum(&arguments, TextArray(ids, count));
	rows = StatementRun(&select_written, &arguments);
	for (uint64 row = 0; row < rows; row++)
		is_locked[RowInt64(row, 1) - 1] = true;
	rows = StatementRun(&lock_free, &arguments);
	for (uint64 row = 0; row < rows; row++)
		is_locked[RowInt64(row, 1) - 1] = false;
	for (int i = 0; i < count; i++)
		if (is_locked[i])
		{
			ids[i] = NULL;
			batch[i].written = false;
			flush_left_out = true;
		}
}

static void
WriteBatch(Flushed *batch, int count)
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
	if (flush_carefully)
		LeaveOutLocked(batch, ids, count);
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
	instr_time	elapsed = {0};
	int			count;

	if (!IsOurs() || live.control->relation != ReadinessRelation())
		PG_RETURN_INT32(0);
	INSTR_TIME_SET_CURRENT(started);

	/* two at once could wait for each other's rows */
	LockFlush();
	CollectDirty();
	for (int from = 0; from < flushed_count; from += FLUSH_BATCH)
	{
		WriteBatch(flushed + from, Min(FLUSH_BATCH, flushed_count - from));
		INSTR_TIME_SET_CURRENT(elapsed);
		INSTR_TIME_SUBTRACT(elapsed, started);
		if (LiveIsWorker() && INSTR_TIME_GET_MILLISEC(elapsed) > FLUSH_PART_MS &&
			from + FLUSH_BATCH < flushed_count)
		{
			flushed_count = from + FLUSH_BATCH;
			flush_from = flushed[flushed_count].slot;
		}
	}
	pg_atomic_write_u64(&live.control->flushed_at, (uint64) GetCurrentTimestamp());
	pg_atomic_write_u32(&live.control->flushed_count, flushed_count);
	pg_atomic_write_u32(&live.control->flush_us, (uint32) INSTR_TIME_GET_MICROSEC(elapsed));
	count = flushed_count;
	flushed_lasts = GetCurrentTransactionNestLevel() == 1;
	PG_RETURN_INT32(count);
}

/* The table has these now, unless they were reported anew. */
static void
FlushCommitted(void)
{
	int			left = 0;

	for (int i = 0; i < flushed_count; i++)
	{
		const Flushed *done = &flushed[i];
		HotSlot    *hot = &live.hot[done->slot];
		LWLock	   *lock = IdLock(live.cold[done->slot].id_hash);

		if (!flushed_lasts || !done->written)
		{
			left++;
			continue;
		}

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
	flushed_count = left;
	FlushForget();
}

static void
FlushTransactionEvent(XactEvent event, void *argument)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			FlushCommitted();
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			FlushForget();
			break;
		default:
			break;
	}
}

void
LiveFlushInit(void)
{
	if (process_shared_preload_libraries_in_progress)
		RegisterXactCallback(FlushTransactionEvent, NULL);
}

/*
 * The worker
 */

bool
LiveFlushIsNeeded(void)
{
	return IsOurs() && (flush_from > 0 || pg_atomic_read_u32(&live.control->dirty) != 0);
}

void
LiveFlushFromStart(void)
{
	flush_from = 0;
}

bool
LiveFlushEndPart(bool done)
{
	if (!done && !flush_carefully)
	{
		flush_carefully = true;
		flush_from = 0;
	}
	else if (done && flush_from == 0)
		flush_carefully = flush_left_out;
	return flush_from == 0;
}
