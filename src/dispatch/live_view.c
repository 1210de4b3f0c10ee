/*-------------------------------------------------------------------------
 *
 * live_view.c
 *		What the live index shows of itself, and whether it is whole.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "base/compat.h"
#include "dispatch/live_memory.h"

PG_FUNCTION_INFO_V1(washminute_live_status);
PG_FUNCTION_INFO_V1(washminute_live_washmen);
PG_FUNCTION_INFO_V1(washminute_check_live_index);

/* The whole seconds before this one that the rate is taken over. */
#define RATE_OVER 10

static double
PingsPerSecond(void)
{
	uint64		now = (uint64) (GetCurrentTimestamp() / USECS_PER_SEC);
	uint64		count = 0;

	for (uint64 second = now - RATE_OVER; second < now; second++)
	{
		int			place = second % RATE_SECONDS;

		if (pg_atomic_read_u64(&live.control->rate_second[place]) == second)
			count += pg_atomic_read_u32(&live.control->rate_count[place]);
	}
	return (double) count / RATE_OVER;
}

static int64
CountOnline(void)
{
	int64		online = 0;

	for (uint32 slot = 0; slot < live.control->capacity; slot++)
		if (live.hot[slot].flags & SLOT_ONLINE)
			online++;
	return online;
}

/* live_status() */
Datum
washminute_live_status(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	LiveControl *control = live.control;
	Datum		values[14] = {0};
	bool		nulls[14] = {false};

	InitMaterializedSRF(fcinfo, 0);
	values[0] = BoolGetDatum(LiveIsUsed());
	if (control == NULL)
		memset(nulls + 1, true, sizeof(nulls) - sizeof(bool));
	else
	{
		uint64		flushed_at = pg_atomic_read_u64(&control->flushed_at);

		values[1] = Int64GetDatum(CountOnline());
		values[2] = Int64GetDatum((int64) control->held);
		values[3] = Int64GetDatum((int64) control->capacity);
		values[4] = Float8GetDatum(PingsPerSecond());
		for (int i = 0; i < LIVE_COUNTERS; i++)
			values[5 + i] = Int64GetDatum((int64) pg_atomic_read_u64(&control->counters[i]));
		nulls[10] = nulls[11] = nulls[12] = flushed_at == 0;
		values[10] = TimestampTzGetDatum((TimestampTz) flushed_at);
		values[11] = Int64GetDatum((int64) pg_atomic_read_u32(&control->flushed_count));
		values[12] = Float8GetDatum(pg_atomic_read_u32(&control->flush_us) / 1000.0);
		values[13] = Int64GetDatum((int64) LiveMemorySize());
	}
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	return (Datum) 0;
}

/* live_washmen() */
Datum
washminute_live_washmen(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	if (!LiveIsUsed())
		return (Datum) 0;
	for (uint32 slot = 0; slot < live.control->capacity; slot++)
	{
		const HotSlot *hot = &live.hot[slot];
		const ColdSlot *cold = &live.cold[slot];
		HotSlot		hot_copy;
		ColdSlot	cold_copy;
		LWLock	   *lock;
		Datum		values[6];
		bool		nulls[6] = {false};

		if (!(hot->flags & SLOT_ONLINE))
			continue;
		lock = IdLock(cold->id_hash);
		LWLockAcquire(lock, LW_SHARED);
		hot_copy = *hot;
		cold_copy = *cold;
		LWLockRelease(lock);
		if (!(hot_copy.flags & SLOT_ONLINE) || IdLock(cold_copy.id_hash) != lock)
			continue;
		values[0] = PointerGetDatum(cstring_to_text_with_len(cold_copy.id, cold_copy.id_length));
		values[1] = Float8GetDatum(hot_copy.longitude);
		values[2] = Float8GetDatum(hot_copy.latitude);
		values[3] = TimestampTzGetDatum(hot_copy.at);
		values[4] = Float8GetDatum(cold_copy.accuracy_m);
		values[5] = BoolGetDatum(!(hot_copy.flags & SLOT_DIRTY));
		nulls[1] = nulls[2] = nulls[3] = TIMESTAMP_IS_NOBEGIN(hot_copy.at);
		nulls[4] = nulls[1] || isnan(cold_copy.accuracy_m);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		CHECK_FOR_INTERRUPTS();
	}
	return (Datum) 0;
}

/*
 * Is it whole?
 */

#define CHECK(condition, slot) \
	do { \
		if (!(condition)) \
			return psprintf("slot %u: not %s", (unsigned int) (slot), #condition); \
	} while (0)

/* Each washman is in the chain of his id, once. */
static const char *
CheckIds(uint32 *held)
{
	for (uint32 head = 0; head < live.control->id_heads; head++)
		for (uint32 slot = live.id_heads[head]; slot != LIVE_NONE; slot = live.cold[slot].id_next)
		{
			const ColdSlot *cold = &live.cold[slot];

			CHECK(slot < live.control->capacity, slot);
			CHECK((cold->id_hash & (live.control->id_heads - 1)) == head, slot);
			CHECK(LiveHash(cold->id, cold->id_length) == cold->id_hash, slot);
			CHECK(LiveFind(cold->id, cold->id_length, cold->id_hash) == slot, slot);
			CHECK(cold->reservations > 0 || (live.hot[slot].flags & (SLOT_ONLINE | SLOT_DIRTY)), slot);
			CHECK(++*held <= live.control->held, slot);
		}
	return NULL;
}

/* Whoever is online and has a position is in the list of his cell, once. */
static const char *
CheckCells(uint32 *linked)
{
	for (uint32 head = 0; head < live.control->blocks * CELLS_PER_BLOCK; head++)
	{
		uint32		previous = LIVE_NONE;

		for (uint32 slot = live.cell_heads[head]; slot != LIVE_NONE; slot = live.hot[slot].next)
		{
			const HotSlot *hot = &live.hot[slot];
			uint32		row = CellRow(hot->latitude);
			uint32		column = CellColumn(row, hot->longitude);

			CHECK(hot->previous == previous, slot);
			CHECK(hot->flags & SLOT_LINKED, slot);
			CHECK(hot->flags & SLOT_ONLINE, slot);
			CHECK(hot->cell == row * CELL_COLUMNS + column, slot);
			CHECK(CellHead(row, column) == head, slot);
			CHECK(++*linked <= live.control->held, slot);
			previous = slot;
		}
	}
	return NULL;
}

static const char *
CheckSlots(uint32 linked)
{
	for (uint32 slot = 0; slot < live.control->capacity; slot++)
	{
		const HotSlot *hot = &live.hot[slot];

		if (hot->flags & SLOT_ONLINE)
			CHECK(((hot->flags & SLOT_LINKED) != 0) == !TIMESTAMP_IS_NOBEGIN(hot->at), slot);
		if (hot->flags & SLOT_LINKED)
			linked--;
	}
	CHECK(linked == 0, LIVE_NONE);
	return NULL;
}

static const char *
CheckFree(uint32 held)
{
	uint32		count = 0;

	CHECK(held == live.control->held, LIVE_NONE);
	for (uint32 slot = live.control->free_head; slot != LIVE_NONE; slot = live.cold[slot].id_next)
	{
		CHECK(!(live.hot[slot].flags & (SLOT_ONLINE | SLOT_LINKED | SLOT_DIRTY)), slot);
		CHECK(++count <= live.control->capacity, slot);
	}
	CHECK(count + held == live.control->capacity, LIVE_NONE);
	return NULL;
}

/* _check_live_index(): an error where it is not whole.  Nobody changes it meanwhile. */
Datum
washminute_check_live_index(PG_FUNCTION_ARGS)
{
	uint32		held = 0;
	uint32		linked = 0;
	const char *problem;

	if (live.control == NULL)
		PG_RETURN_VOID();
	for (int i = 0; i < ID_PARTITIONS; i++)
		LWLockAcquire(&live.locks[i].lock, LW_EXCLUSIVE);
	LWLockAcquire(FreeLock(), LW_SHARED);
	problem = CheckIds(&held);
	if (problem == NULL)
		problem = CheckCells(&linked);
	if (problem == NULL)
		problem = CheckSlots(linked);
	if (problem == NULL)
		problem = CheckFree(held);
	LWLockRelease(FreeLock());
	for (int i = 0; i < ID_PARTITIONS; i++)
		LWLockRelease(&live.locks[i].lock);
	if (problem != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the live index is not whole"),
				 errdetail_internal("%s", problem),
				 errhint("Restart the server, which builds it anew, and report this.")));
	PG_RETURN_VOID();
}
