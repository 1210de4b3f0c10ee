/*-------------------------------------------------------------------------
 *
 * live_memory.h
 *		How the live index lies in shared memory; for src/dispatch/live_*.c alone.
 *
 * A washman has a slot, found by his id through a hash, and linked into the list
 * of the cell that he is in where he is online and has a position.  Cells are
 * about 500 m wide; each row of them, of equal latitude, has as many as its length
 * allows.  The lists' heads stand in an array, blocks of 8 x 8 neighbouring cells
 * together, the blocks hashed: so cells share a head, and a slot names its cell.
 *
 * Locks, in the order in which they are taken: the partition of the id, exclusive
 * for every change of a slot; the partition of the block, exclusive to change a
 * list or a slot that is in one, shared to read it; the lock of the free list.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_LIVE_MEMORY_H
#define WASHMINUTE_LIVE_MEMORY_H

#include "common/hashfn.h"
#include "port/atomics.h"
#include "storage/lwlock.h"

#include "dispatch/geodesy.h"
#include "dispatch/live_index.h"

#define CELL_DEGREES 0.0045		/* of latitude: 500 m */
#define CELL_ROWS 40000			/* 180 / CELL_DEGREES */
#define CELL_COLUMNS 80000		/* at the equator */
#define CELLS_PER_BLOCK 64		/* list heads; 8 x 8 cells */

#define ID_PARTITIONS 64
#define BLOCK_PARTITIONS 128
#define FREE_LOCK (ID_PARTITIONS + BLOCK_PARTITIONS)
#define LIVE_LOCKS (FREE_LOCK + 1)

#define SLOT_ONLINE (1 << 0)
#define SLOT_LINKED (1 << 1)	/* in the list of its cell */
#define SLOT_DIRTY (1 << 2)		/* the table has an older position */
#define SLOT_FLAG_BITS 8		/* above them its generation: how often it was given away */

/* What a walk reads: a cache line. */
typedef struct HotSlot
{
	Place3		place;
	double		longitude;
	double		latitude;
	TimestampTz at;				/* DT_NOBEGIN: no position */
	uint32		next;			/* in the list of the cell */
	uint32		previous;		/* LIVE_NONE: it is the first */
	uint32		cell;
	uint32		flags;
} HotSlot;

StaticAssertDecl(sizeof(HotSlot) == 64, "a slot is a cache line");

static inline uint32
SlotGeneration(const HotSlot *hot)
{
	return hot->flags >> SLOT_FLAG_BITS;
}

typedef struct ColdSlot
{
	uint64		version;		/* of the status that was applied last */
	Fix			suspect;		/* see FixJudge */
	double		accuracy_m;
	uint32		id_hash;
	uint32		id_next;		/* in the chain of the hash, or the free list */
	uint32		reservations;	/* transactions that may bring him online */
	uint32		id_length;
	char		id[LIVE_ID_MAX];
} ColdSlot;

#define RATE_SECONDS 16			/* of which the last ten whole ones count */

typedef struct LiveControl
{
	/* fixed */
	uint32		capacity;
	uint32		id_heads;		/* how many, a power of two */
	uint32		blocks;			/* likewise */
	uint32		columns[CELL_ROWS];

	pg_atomic_uint64 version;
	pg_atomic_uint32 loaded;	/* 1: it answers, for the database below */
	pg_atomic_uint32 stale;		/* 1: to be loaded anew */
	pg_atomic_uint32 dirty;		/* 1: there is something to flush */
	Oid			database;
	Oid			relation;		/* washminute_data.instance, as it was loaded */

	uint32		free_head;		/* by the free list's lock, as the next */
	uint32		held;

	/* for live_status() */
	pg_atomic_uint64 counters[LIVE_COUNTERS];
	pg_atomic_uint64 rate_second[RATE_SECONDS];
	pg_atomic_uint32 rate_count[RATE_SECONDS];
	pg_atomic_uint64 flushed_at;
	pg_atomic_uint32 flushed_count;
	pg_atomic_uint32 flush_us;
} LiveControl;

typedef struct LiveMemory
{
	LiveControl *control;		/* NULL: there is no index */
	HotSlot    *hot;
	ColdSlot   *cold;
	uint32	   *id_heads;
	uint32	   *cell_heads;
	LWLockPadded *locks;
} LiveMemory;

extern LiveMemory live;

static inline LWLock *
IdLock(uint32 hash)
{
	return &live.locks[hash % ID_PARTITIONS].lock;
}

static inline LWLock *
FreeLock(void)
{
	return &live.locks[FREE_LOCK].lock;
}

/* The list of a cell, and its lock. */
static inline uint32
CellHead(uint32 row, uint32 column)
{
	uint32		block = murmurhash32((row >> 3) * (CELL_COLUMNS / 8) + (column >> 3));

	return (block & (live.control->blocks - 1)) * CELLS_PER_BLOCK +
		((row & 7) << 3) + (column & 7);
}

static inline LWLock *
HeadLock(uint32 head)
{
	return &live.locks[ID_PARTITIONS + head / CELLS_PER_BLOCK % BLOCK_PARTITIONS].lock;
}

static inline uint32
CellRow(double latitude)
{
	int			row = (int) ((latitude + 90.0) / CELL_DEGREES);

	return Max(0, Min(row, CELL_ROWS - 1));
}

/* Of a whole row's columns, counted from the antimeridian eastward. */
static inline uint32
CellColumn(uint32 row, double longitude)
{
	uint32		columns = live.control->columns[row];

	return (uint32) ((longitude + 180.0) / 360.0 * columns) % columns;
}

extern Size LiveMemorySize(void);

/* By his id, whose lock is held. */
extern uint32 LiveFind(const char *id, int id_length, uint32 hash);

/* No longer online.  Its id's lock is held. */
extern void LiveLeave(uint32 slot);

/* Free a slot that nothing needs.  Its id's lock is held. */
extern void LiveFreeIfIdle(uint32 slot);

/*
 * Run it for each slot that has one of the flags, with its id's lock held, until it
 * returns false.  The slot of which it did; 0: of none.
 */
extern uint32 LiveForEach(uint32 flags, uint32 from, bool (*visit) (uint32 slot));

/* Is this the worker? */
extern bool LiveIsWorker(void);

static inline uint32
LiveHash(const char *id, int id_length)
{
	return hash_bytes((const unsigned char *) id, id_length);
}

#endif							/* WASHMINUTE_LIVE_MEMORY_H */
