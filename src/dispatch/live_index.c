/*-------------------------------------------------------------------------
 *
 * live_index.c
 *		The washmen who are online and where they are, in shared memory.
 *
 * Positions are not transactional, as a sequence's numbers are not.  A washman
 * who went offline keeps his slot until the worker has written his last position
 * to the table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/readiness.h"
#include "dispatch/live_memory.h"
#include "outbox/wake.h"

#define LIVE_TRANCHE "washminute live index"

LiveMemory	live = {0};

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

/*
 * Memory
 */

/* Heads: four cells' for each washman, so that few share one. */
static uint32
BlockCount(void)
{
	return pg_nextpower2_32(Max(washminute_max_live_washmen * 4 / CELLS_PER_BLOCK,
								BLOCK_PARTITIONS));
}

static uint32
IdHeadCount(void)
{
	return pg_nextpower2_32(Max(washminute_max_live_washmen, ID_PARTITIONS));
}

Size
LiveMemorySize(void)
{
	Size		size = CACHELINEALIGN(sizeof(LiveControl));

	size = add_size(size, mul_size(washminute_max_live_washmen, sizeof(HotSlot)));
	size = add_size(size, mul_size(washminute_max_live_washmen, sizeof(ColdSlot)));
	size = add_size(size, mul_size(IdHeadCount(), sizeof(uint32)));
	size = add_size(size, mul_size((Size) BlockCount() * CELLS_PER_BLOCK, sizeof(uint32)));
	return add_size(size, PG_CACHE_LINE_SIZE);
}

static void
LiveRequestMemory(void)
{
	if (previous_request_hook)
		previous_request_hook();
	if (washminute_max_live_washmen == 0)
		return;
	RequestAddinShmemSpace(LiveMemorySize());
	RequestNamedLWLockTranche(LIVE_TRANCHE, LIVE_LOCKS);
}

static void
FillControl(LiveControl *control)
{
	memset(control, 0, sizeof(LiveControl));
	control->capacity = washminute_max_live_washmen;
	control->id_heads = IdHeadCount();
	control->blocks = BlockCount();
	for (int row = 0; row < CELL_ROWS; row++)
	{
		double		latitude = (row + 0.5) * CELL_DEGREES - 90.0;

		control->columns[row] = Max(1, (uint32) (CELL_COLUMNS * cos(latitude * M_PI / 180.0)));
	}
	pg_atomic_init_u64(&control->version, 0);
	pg_atomic_init_u32(&control->loaded, 0);
	pg_atomic_init_u32(&control->stale, 0);
	pg_atomic_init_u32(&control->dirty, 0);
	for (int i = 0; i < LIVE_COUNTERS; i++)
		pg_atomic_init_u64(&control->counters[i], 0);
	for (int i = 0; i < RATE_SECONDS; i++)
	{
		pg_atomic_init_u64(&control->rate_second[i], 0);
		pg_atomic_init_u32(&control->rate_count[i], 0);
	}
	pg_atomic_init_u64(&control->flushed_at, 0);
	pg_atomic_init_u32(&control->flushed_count, 0);
	pg_atomic_init_u32(&control->flush_us, 0);
}

static void
LiveMakeMemory(void)
{
	bool		found;
	char	   *memory;

	if (previous_startup_hook)
		previous_startup_hook();
	live.control = NULL;
	if (washminute_max_live_washmen == 0)
		return;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	memory = ShmemInitStruct(LIVE_TRANCHE, LiveMemorySize(), &found);
	memory = (char *) CACHELINEALIGN(memory);
	live.control = (LiveControl *) memory;
	memory += CACHELINEALIGN(sizeof(LiveControl));
	if (!found)
		FillControl(live.control);
	live.hot = (HotSlot *) memory;
	memory += (Size) live.control->capacity * sizeof(HotSlot);
	live.cold = (ColdSlot *) memory;
	memory += (Size) live.control->capacity * sizeof(ColdSlot);
	live.id_heads = (uint32 *) memory;
	memory += (Size) live.control->id_heads * sizeof(uint32);
	live.cell_heads = (uint32 *) memory;
	live.locks = GetNamedLWLockTranche(LIVE_TRANCHE);
	if (!found)
	{
		memset(live.id_heads, 0xff, (Size) live.control->id_heads * sizeof(uint32));
		memset(live.hot, 0, (Size) live.control->capacity * sizeof(HotSlot));
		memset(live.cell_heads, 0xff,
			   (Size) live.control->blocks * CELLS_PER_BLOCK * sizeof(uint32));
		for (uint32 slot = 0; slot < live.control->capacity; slot++)
			live.cold[slot].id_next = slot + 1 < live.control->capacity ? slot + 1 : LIVE_NONE;
		live.control->free_head = 0;
	}
	LWLockRelease(AddinShmemInitLock);
}

void
LiveIndexInit(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = LiveRequestMemory;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = LiveMakeMemory;
}

bool
LiveIsShared(void)
{
	return live.control != NULL;
}

bool
LiveIsHere(void)
{
	return live.control != NULL && pg_atomic_read_u32(&live.control->loaded) != 0 &&
		live.control->database == MyDatabaseId;
}

bool
LiveIsUsed(void)
{
	if (live.control == NULL || pg_atomic_read_u32(&live.control->loaded) == 0)
		return false;
	pg_read_barrier();
	return live.control->database == MyDatabaseId &&
		live.control->relation == ReadinessRelation();
}

bool
LiveIsWorker(void)
{
	return MyBgworkerEntry != NULL &&
		strcmp(MyBgworkerEntry->bgw_function_name, "washminute_worker_main") == 0;
}

void
LiveInvalidate(void)
{
	pg_atomic_write_u32(&live.control->loaded, 0);
	pg_atomic_write_u32(&live.control->stale, 1);
	WakeNow(WAKE_POSITIONS);
}

/*
 * Ids and slots
 */

uint32
LiveFind(const char *id, int id_length, uint32 hash)
{
	uint32		slot = live.id_heads[hash & (live.control->id_heads - 1)];

	while (slot != LIVE_NONE)
	{
		ColdSlot   *cold = &live.cold[slot];

		if (cold->id_hash == hash && cold->id_length == id_length &&
			memcmp(cold->id, id, id_length) == 0)
			return slot;
		slot = cold->id_next;
	}
	return LIVE_NONE;
}

/* A new slot for an id whose lock is held; LIVE_NONE where all are taken. */
static uint32
SlotMake(const char *id, int id_length, uint32 hash)
{
	uint32	   *head = &live.id_heads[hash & (live.control->id_heads - 1)];
	uint32		slot;
	ColdSlot   *cold;

	LWLockAcquire(FreeLock(), LW_EXCLUSIVE);
	slot = live.control->free_head;
	if (slot != LIVE_NONE)
	{
		live.control->free_head = live.cold[slot].id_next;
		live.control->held++;
	}
	LWLockRelease(FreeLock());
	if (slot == LIVE_NONE)
		return LIVE_NONE;

	live.hot[slot] = (HotSlot) {
		.at = DT_NOBEGIN,
		.next = LIVE_NONE,
		.previous = LIVE_NONE,
		.flags = (SlotGeneration(&live.hot[slot]) + 1) << SLOT_FLAG_BITS
	};
	pg_write_barrier();			/* see NearId */
	cold = &live.cold[slot];
	cold->version = 0;
	cold->suspect = FIX_NONE;
	cold->accuracy_m = NAN;
	cold->id_hash = hash;
	cold->reservations = 0;
	cold->id_length = id_length;
	memcpy(cold->id, id, id_length);
	cold->id_next = *head;
	*head = slot;
	return slot;
}

void
LiveFreeIfIdle(uint32 slot)
{
	ColdSlot   *cold = &live.cold[slot];
	uint32	   *link = &live.id_heads[cold->id_hash & (live.control->id_heads - 1)];

	if (cold->reservations > 0 || (live.hot[slot].flags & (SLOT_ONLINE | SLOT_DIRTY)))
		return;
	while (*link != slot)
		link = &live.cold[*link].id_next;
	*link = cold->id_next;
	LWLockAcquire(FreeLock(), LW_EXCLUSIVE);
	cold->id_next = live.control->free_head;
	live.control->free_head = slot;
	live.control->held--;
	LWLockRelease(FreeLock());
}

uint32
LiveForEach(uint32 flags, uint32 from, bool (*visit) (uint32 slot))
{
	for (uint32 slot = from; slot < live.control->capacity; slot++)
	{
		LWLock	   *lock;
		bool		go_on = true;

		if (!(live.hot[slot].flags & flags))
			continue;
		lock = IdLock(live.cold[slot].id_hash);
		LWLockAcquire(lock, LW_EXCLUSIVE);
		/* it may have been given away before we had the lock */
		if ((live.hot[slot].flags & flags) && IdLock(live.cold[slot].id_hash) == lock)
			go_on = visit(slot);
		LWLockRelease(lock);
		if (!go_on)
			return slot;
	}
	return 0;
}

/*
 * Cells
 */

static inline uint32
HeadOfCell(uint32 cell)
{
	return CellHead(cell / CELL_COLUMNS, cell % CELL_COLUMNS);
}

static inline uint32
CellOf(double longitude, double latitude)
{
	uint32		row = CellRow(latitude);

	return row * CELL_COLUMNS + CellColumn(row, longitude);
}

/* Both with the list's lock held. */
static void
ListAdd(uint32 head, uint32 slot)
{
	HotSlot    *hot = &live.hot[slot];

	hot->next = live.cell_heads[head];
	hot->previous = LIVE_NONE;
	if (hot->next != LIVE_NONE)
		live.hot[hot->next].previous = slot;
	live.cell_heads[head] = slot;
}

static void
ListRemove(uint32 head, uint32 slot)
{
	HotSlot    *hot = &live.hot[slot];

	if (hot->previous == LIVE_NONE)
		live.cell_heads[head] = hot->next;
	else
		live.hot[hot->previous].next = hot->next;
	if (hot->next != LIVE_NONE)
		live.hot[hot->next].previous = hot->previous;
}

static void
SlotLink(uint32 slot)
{
	HotSlot    *hot = &live.hot[slot];
	uint32		head = HeadOfCell(hot->cell);

	LWLockAcquire(HeadLock(head), LW_EXCLUSIVE);
	ListAdd(head, slot);
	LWLockRelease(HeadLock(head));
	hot->flags |= SLOT_LINKED;
}

static void
SlotUnlink(uint32 slot)
{
	HotSlot    *hot = &live.hot[slot];
	uint32		head = HeadOfCell(hot->cell);

	LWLockAcquire(HeadLock(head), LW_EXCLUSIVE);
	ListRemove(head, slot);
	LWLockRelease(HeadLock(head));
	hot->flags &= ~SLOT_LINKED;
}

static void
SlotWrite(HotSlot *hot, const Fix *fix, const Place3 *place, uint32 cell)
{
	hot->place = *place;
	hot->longitude = fix->longitude;
	hot->latitude = fix->latitude;
	hot->at = fix->at;
	hot->cell = cell;
}

/* Move a slot to where its washman is.  Its id's lock is held. */
static void
SlotPlace(uint32 slot, const Fix *fix)
{
	HotSlot    *hot = &live.hot[slot];
	Place3		place = PlaceFromDegrees(fix->longitude, fix->latitude);
	uint32		cell = CellOf(fix->longitude, fix->latitude);

	live.cold[slot].accuracy_m = fix->accuracy_m;
	live.cold[slot].suspect = FIX_NONE;
	if (hot->flags & SLOT_LINKED)
	{
		uint32		from = HeadOfCell(hot->cell);
		uint32		to = cell == hot->cell ? from : HeadOfCell(cell);
		LWLock	   *first = Min(HeadLock(from), HeadLock(to));
		LWLock	   *second = Max(HeadLock(from), HeadLock(to));

		LWLockAcquire(first, LW_EXCLUSIVE);
		if (second != first)
			LWLockAcquire(second, LW_EXCLUSIVE);
		if (from != to)
			ListRemove(from, slot);
		SlotWrite(hot, fix, &place, cell);
		if (from != to)
			ListAdd(to, slot);
		if (second != first)
			LWLockRelease(second);
		LWLockRelease(first);
		return;
	}
	SlotWrite(hot, fix, &place, cell);
	if (hot->flags & SLOT_ONLINE)
		SlotLink(slot);
}

static Fix
SlotFix(uint32 slot)
{
	const HotSlot *hot = &live.hot[slot];

	return (Fix) {hot->longitude, hot->latitude, hot->at, live.cold[slot].accuracy_m};
}

/*
 * Positions
 */

FixVerdict
LiveReport(const char *id, int id_length, const Fix *fix, double max_speed)
{
	uint32		hash = LiveHash(id, id_length);
	LWLock	   *lock = IdLock(hash);
	FixVerdict	verdict = FIX_STRANGER;
	uint32		slot;

	LWLockAcquire(lock, LW_EXCLUSIVE);
	slot = LiveFind(id, id_length, hash);
	if (slot != LIVE_NONE)
	{
		Fix			held = SlotFix(slot);

		verdict = FixJudge(&held, &live.cold[slot].suspect, fix, max_speed);
		if (verdict == FIX_TAKEN)
		{
			SlotPlace(slot, fix);
			live.hot[slot].flags |= SLOT_DIRTY;
		}
		else if (verdict == FIX_IMPOSSIBLE)
			live.cold[slot].suspect = *fix;
	}
	LWLockRelease(lock);
	if (verdict == FIX_TAKEN && pg_atomic_read_u32(&live.control->dirty) == 0 &&
		pg_atomic_exchange_u32(&live.control->dirty, 1) == 0)
		WakeNow(WAKE_POSITIONS);
	return verdict;
}

Fix
LiveFix(const char *id, int id_length)
{
	uint32		hash = LiveHash(id, id_length);
	Fix			fix = FIX_NONE;
	uint32		slot;

	LWLockAcquire(IdLock(hash), LW_SHARED);
	slot = LiveFind(id, id_length, hash);
	if (slot != LIVE_NONE)
		fix = SlotFix(slot);
	LWLockRelease(IdLock(hash));
	return fix;
}

/*
 * Status
 */

uint32
LiveReserve(const char *id, int id_length)
{
	uint32		hash = LiveHash(id, id_length);
	uint32		slot;

	LWLockAcquire(IdLock(hash), LW_EXCLUSIVE);
	slot = LiveFind(id, id_length, hash);
	if (slot == LIVE_NONE)
		slot = SlotMake(id, id_length, hash);
	if (slot != LIVE_NONE)
		live.cold[slot].reservations++;
	LWLockRelease(IdLock(hash));
	return slot;
}

/* The position that the table has, where none newer is known. */
void
LiveSeed(uint32 slot, const Fix *fix)
{
	LWLock	   *lock = IdLock(live.cold[slot].id_hash);

	LWLockAcquire(lock, LW_EXCLUSIVE);
	if (live.hot[slot].at < fix->at)
		SlotPlace(slot, fix);
	LWLockRelease(lock);
}

void
LiveRelease(uint32 slot)
{
	LWLock	   *lock = IdLock(live.cold[slot].id_hash);

	LWLockAcquire(lock, LW_EXCLUSIVE);
	Assert(live.cold[slot].reservations > 0);
	live.cold[slot].reservations--;
	LiveFreeIfIdle(slot);
	LWLockRelease(lock);
}

uint64
LiveNextVersion(void)
{
	return pg_atomic_add_fetch_u64(&live.control->version, 1);
}

void
LiveLeave(uint32 slot)
{
	if (live.hot[slot].flags & SLOT_LINKED)
		SlotUnlink(slot);
	live.hot[slot].flags &= ~SLOT_ONLINE;
}

void
LiveApply(const char *id, int id_length, bool online, uint64 version)
{
	uint32		hash = LiveHash(id, id_length);
	uint32		slot;

	LWLockAcquire(IdLock(hash), LW_EXCLUSIVE);
	slot = LiveFind(id, id_length, hash);

	/* nothing is held of one who is offline and stays so */
	if (slot != LIVE_NONE && live.cold[slot].version < version)
	{
		HotSlot    *hot = &live.hot[slot];

		live.cold[slot].version = version;
		if (online)
		{
			hot->flags |= SLOT_ONLINE;
			if (!(hot->flags & SLOT_LINKED) && !TIMESTAMP_IS_NOBEGIN(hot->at))
				SlotLink(slot);
		}
		else
			LiveLeave(slot);
		LiveFreeIfIdle(slot);
	}
	LWLockRelease(IdLock(hash));
}

void
LiveCount(LiveCounter counter, int more)
{
	LiveControl *control = live.control;
	uint64		second;
	int			place;

	if (control == NULL || more == 0)
		return;
	pg_atomic_fetch_add_u64(&control->counters[counter], more);
	if (counter != LIVE_COUNT_TAKEN)
		return;

	/* two that begin a second at once may lose a few: it is only shown */
	second = (uint64) (GetCurrentTimestamp() / USECS_PER_SEC);
	place = second % RATE_SECONDS;
	if (pg_atomic_read_u64(&control->rate_second[place]) != second)
	{
		pg_atomic_write_u64(&control->rate_second[place], second);
		pg_atomic_write_u32(&control->rate_count[place], 0);
	}
	pg_atomic_fetch_add_u32(&control->rate_count[place], more);
}
