/*-------------------------------------------------------------------------
 *
 * live_walk.c
 *		The nearest washmen: one walk outward over the cells of the live index.
 *
 * A walk reaches out to a distance, step by step, and at each step looks into the
 * cells that came within reach.  Reach is measured by chords, which are cheap: no
 * geodesic is shorter than its chord.  So a slot that was not looked at is farther
 * than the reach, and once enough are surely nearer than that, the walk ends.  The
 * geodesic itself is computed for those alone that may be among the wanted.
 *
 * What a row of cells contributes: with q the place and p a point of the row, at
 * distances rho from the earth's axis and longitudes that differ by l,
 *
 *		chord^2 = (rho_q - rho_p)^2 + (z_q - z_p)^2 + 4 rho_q rho_p sin^2(l / 2)
 *
 * The first two terms are what parts them in their meridians' plane, and at least
 * the chord of the difference in latitude; so l is bounded, and with it the row's
 * columns.  This holds at the poles and across the antimeridian alike.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"

#include "base/compat.h"
#include "dispatch/live_memory.h"

/* A walk that would reach over more rows looks at all slots instead: 900 km. */
#define WALK_ROWS_MAX 2000

/* Rounding of the bounds, in metres, and of degrees: 1e-9 is a tenth of a mm. */
#define SLACK_M 0.001
#define SLACK_DEGREES 1e-9

/* A chord in the meridians' plane is at least this share of the arc, up to 500 km. */
#define MERIDIAN_CHORD_SHARE 0.999

#define FIRST_REACH_M 500.0

/* Found besides: one tells that there are more, two may be others met twice. */
#define SPARE 3

typedef struct Near
{
	double		chord_squared;
	double		longitude;
	double		latitude;
	TimestampTz at;
	uint32		slot;
	uint32		generation;		/* of the slot */
	uint32		cell;
} Near;

/* The columns of a row that have been looked at: from <= column < to, unwrapped. */
typedef struct RowReach
{
	int			from;
	int			to;				/* from = to: none yet */
} RowReach;

typedef struct Walk
{
	const LiveQuery *query;
	Place3		place;
	double		axis_distance;
	double		reach_m;
	int			first_row;		/* of reaches[0] */
	int			rows;
	RowReach   *reaches;

	Near	   *near;
	int			count;
	int			capacity;
	double		bound_squared;	/* nothing with a longer chord is wanted */
	LWLock	   *lock;			/* held, or NULL */
} Walk;

/* NearSort(near, count): the nearest first */
#define ST_SORT NearSort
#define ST_ELEMENT_TYPE Near
#define ST_COMPARE(a, b) \
	((a)->chord_squared < (b)->chord_squared ? -1 : (a)->chord_squared > (b)->chord_squared)
#define ST_SCOPE static
#define ST_DEFINE
#include "lib/sort_template.h"

static int
NearCompareSlot(const void *a, const void *b)
{
	uint32		left = ((const Near *) a)->slot;
	uint32		right = ((const Near *) b)->slot;

	return left < right ? -1 : left > right;
}

static inline double
Square(double x)
{
	return x * x;
}

/*
 * The nearest first, and none that cannot be wanted: those that are surely farther
 * than enough others, or than the ring that the nearest one makes.
 */
static void
WalkTighten(Walk *walk)
{
	const LiveQuery *query = walk->query;
	double		bound_m = sqrt(walk->bound_squared);

	if (walk->count == 0)
		return;
	NearSort(walk->near, walk->count);
	if (query->ring)
		bound_m = Min(bound_m,
					  query->ring(query->argument,
								  GeodesicAtMost(sqrt(walk->near[0].chord_squared)) + SLACK_M));
	if (walk->count > query->count + SPARE)
		bound_m = Min(bound_m,
					  GeodesicAtMost(sqrt(walk->near[query->count + SPARE].chord_squared)) + SLACK_M);
	walk->bound_squared = Min(walk->bound_squared, Square(bound_m));
	while (walk->count > 0 &&
		   walk->near[walk->count - 1].chord_squared > walk->bound_squared)
		walk->count--;
}

static void
WalkTake(Walk *walk, uint32 slot, double chord_squared)
{
	const HotSlot *hot = &live.hot[slot];

	walk->near[walk->count++] = (Near) {
		chord_squared, hot->longitude, hot->latitude, hot->at, slot,
		SlotGeneration(hot), hot->cell
	};
}

/* Room for one more; nothing is allocated while a lock is held. */
static inline bool
WalkIsFull(const Walk *walk)
{
	return walk->count == walk->capacity;
}

static void
WalkUnlock(Walk *walk)
{
	if (walk->lock != NULL)
		LWLockRelease(walk->lock);
	walk->lock = NULL;
}

static inline bool
IsWanted(const Walk *walk, const HotSlot *hot, double *chord_squared)
{
	*chord_squared = ChordSquared(&walk->place, &hot->place);
	return *chord_squared <= walk->bound_squared && hot->at >= walk->query->since;
}

/* Every cell of a list. */
#define ANY_CELL LIVE_NONE

/*
 * Look into a cell's list, with its lock held.  False where there is no room, and
 * it is to be looked at again.
 */
static bool
CellLook(Walk *walk, uint32 head, uint32 cell)
{
	double		chord_squared;

	for (uint32 slot = live.cell_heads[head]; slot != LIVE_NONE; slot = live.hot[slot].next)
	{
		if ((cell != ANY_CELL && live.hot[slot].cell != cell) ||
			!IsWanted(walk, &live.hot[slot], &chord_squared))
			continue;
		if (WalkIsFull(walk))
			WalkTighten(walk);
		if (WalkIsFull(walk))
			return false;
		WalkTake(walk, slot, chord_squared);
	}
	return true;
}

/* Forget what was taken from it. */
static void
CellForget(Walk *walk, uint32 head, uint32 cell)
{
	int			kept = 0;

	for (int i = 0; i < walk->count; i++)
	{
		uint32		of = walk->near[i].cell;

		if (cell == ANY_CELL ? CellHead(of / CELL_COLUMNS, of % CELL_COLUMNS) != head : of != cell)
			walk->near[kept++] = walk->near[i];
	}
	walk->count = kept;
}

static void
CellVisit(Walk *walk, uint32 head, uint32 cell)
{
	LWLock	   *lock = HeadLock(head);

	for (;;)
	{
		if (walk->lock != lock)
		{
			WalkUnlock(walk);
			LWLockAcquire(lock, LW_SHARED);
			walk->lock = lock;
		}
		if (CellLook(walk, head, cell))
			return;
		WalkUnlock(walk);
		CellForget(walk, head, cell);
		walk->capacity *= 2;
		walk->near = repalloc_huge(walk->near, (Size) walk->capacity * sizeof(Near));
	}
}

/* Columns from <= column < to, counted on around the globe. */
static void
ColumnsVisit(Walk *walk, int row, int from, int to)
{
	int			columns = live.control->columns[row];

	for (int column = from; column < to; column++)
	{
		uint32		at = (column % columns + columns) % columns;

		CellVisit(walk, CellHead(row, at), row * CELL_COLUMNS + at);
	}
}

/* The columns of a row that may hold something within reach. */
static RowReach
RowWithin(const Walk *walk, int row)
{
	const LiveQuery *query = walk->query;
	double		south = row * CELL_DEGREES - 90.0;
	double		north = row == CELL_ROWS - 1 ? 90.0 : south + CELL_DEGREES;
	double		gap = Max(0, Max(query->latitude - north, south - query->latitude) - SLACK_DEGREES);
	double		along_squared = Square(walk->reach_m) -
		Square(LatitudeMetres(gap) * MERIDIAN_CHORD_SHARE);
	double		narrow = AxisDistance(Max(fabs(south), fabs(north)));
	int			columns = live.control->columns[row];
	double		half;
	double		column;
	double		reach;

	if (along_squared < 0)
		return (RowReach) {0, 0};
	half = 4.0 * walk->axis_distance * narrow;
	half = half > 0 ? sqrt(along_squared / half) : 1.0;
	if (half >= 1.0)
		return (RowReach) {0, columns};
	reach = (2.0 * asin(half) * (180.0 / M_PI) + SLACK_DEGREES) / 360.0 * columns;
	column = (query->longitude + 180.0) / 360.0 * columns;
	if (2.0 * reach + 2.0 >= columns)
		return (RowReach) {0, columns};
	return (RowReach) {(int) floor(column - reach), (int) floor(column + reach) + 1};
}

/* Look at what has come within reach in a row. */
static void
RowVisit(Walk *walk, int row)
{
	RowReach   *seen = &walk->reaches[row - walk->first_row];
	RowReach	now = RowWithin(walk, row);
	int			columns = live.control->columns[row];

	if (seen->from == seen->to)
	{
		ColumnsVisit(walk, row, now.from, now.to);
		*seen = now;
		return;
	}
	if (now.to - now.from >= columns)
	{
		/* the rest of the way around */
		ColumnsVisit(walk, row, seen->to, seen->from + columns);
		*seen = (RowReach) {seen->from, seen->from + columns};
		return;
	}
	if (now.from < seen->from)
	{
		ColumnsVisit(walk, row, now.from, seen->from);
		seen->from = now.from;
	}
	if (now.to > seen->to)
	{
		ColumnsVisit(walk, row, seen->to, now.to);
		seen->to = now.to;
	}
}

/* All slots, whatever cells they are in. */
static void
WalkAll(Walk *walk)
{
	walk->count = 0;
	for (uint32 head = 0; head < live.control->blocks * CELLS_PER_BLOCK; head++)
	{
		if (head % (64 * CELLS_PER_BLOCK) == 0)
		{
			WalkUnlock(walk);
			CHECK_FOR_INTERRUPTS();
		}
		if (live.cell_heads[head] != LIVE_NONE)
			CellVisit(walk, head, ANY_CELL);
	}
	WalkUnlock(walk);
	WalkTighten(walk);
}

/* Widen the reach; false where all slots are to be looked at instead. */
static bool
WalkReach(Walk *walk, double reach_m)
{
	double		degrees = LatitudeDegrees(reach_m) + SLACK_DEGREES;
	int			first = CellRow(Max(-90.0, walk->query->latitude - degrees));
	int			last = CellRow(Min(90.0, walk->query->latitude + degrees));
	int			rows = last - first + 1;
	RowReach   *reaches;

	if (rows > WALK_ROWS_MAX ||
		(double) rows * rows > (double) live.control->blocks * CELLS_PER_BLOCK)
		return false;
	reaches = palloc0(rows * sizeof(RowReach));
	if (walk->rows > 0)
		memcpy(reaches + (walk->first_row - first), walk->reaches,
			   walk->rows * sizeof(RowReach));
	walk->reach_m = reach_m;
	walk->first_row = first;
	walk->rows = rows;
	walk->reaches = reaches;
	for (int row = first; row <= last; row++)
		RowVisit(walk, row);
	WalkUnlock(walk);
	CHECK_FOR_INTERRUPTS();
	WalkTighten(walk);
	return true;
}

/* How far to reach next, by how many are near. */
static double
NextReach(const Walk *walk)
{
	double		factor = 2.0;

	if (walk->count > 0)
		factor = sqrt(1.5 * (walk->query->count + SPARE) / walk->count);
	return walk->reach_m * Max(1.3, Min(2.0, factor));
}

int
LiveFoundCompare(const void *a, const void *b)
{
	const LiveFound *left = a;
	const LiveFound *right = b;

	if (left->distance_m != right->distance_m)
		return left->distance_m < right->distance_m ? -1 : 1;
	return strcmp(left->id, right->id);
}

/* Whose slot it was; NULL where it was freed meanwhile, and he is offline. */
static char *
NearId(const Near *near)
{
	const ColdSlot *cold = &live.cold[near->slot];
	char	   *id = pnstrdup(cold->id, Min(cold->id_length, LIVE_ID_MAX));

	/* a new owner's id is written after the generation */
	pg_read_barrier();
	return SlotGeneration(&live.hot[near->slot]) == near->generation ? id : NULL;
}

/*
 * One who moved while the walk went on may have been met twice, and counts where
 * he was last.
 */
static void
WalkUnite(Walk *walk)
{
	int			count = 0;

	qsort(walk->near, walk->count, sizeof(Near), NearCompareSlot);
	for (int i = 0; i < walk->count; i++)
	{
		Near	   *last = count > 0 ? &walk->near[count - 1] : NULL;

		if (last == NULL || last->slot != walk->near[i].slot)
			walk->near[count++] = walk->near[i];
		else if (last->at < walk->near[i].at)
			*last = walk->near[i];
	}
	walk->count = count;
}

/* Measure those that are left, and put them into their order. */
static int
WalkMeasure(Walk *walk, LiveFound **found)
{
	const LiveQuery *query = walk->query;
	int			count = 0;

	WalkUnite(walk);
	*found = palloc_extended(Max(walk->count, 1) * sizeof(LiveFound), MCXT_ALLOC_HUGE);
	for (int i = 0; i < walk->count; i++)
	{
		const Near *near = &walk->near[i];
		LiveFound  *next = &(*found)[count];

		next->distance_m = GeodesicDistance(near->longitude, near->latitude,
											query->longitude, query->latitude);
		next->at = near->at;
		if (next->distance_m <= query->limit_m && (next->id = NearId(near)) != NULL)
			count++;
	}
	qsort(*found, count, sizeof(LiveFound), LiveFoundCompare);
	return count;
}

int
LiveNearest(const LiveQuery *query, LiveFound **found, bool *more)
{
	Walk		walk = {
		.query = query,
		.place = PlaceFromDegrees(query->longitude, query->latitude),
		.axis_distance = AxisDistance(query->latitude),
		.capacity = Max(2 * Min(query->count, 1000), 64),
		.bound_squared = Square(query->limit_m + SLACK_M)
	};
	double		reach_m = Min(FIRST_REACH_M, query->limit_m + SLACK_M);
	int			count;

	walk.near = palloc_extended((Size) walk.capacity * sizeof(Near), MCXT_ALLOC_HUGE);
	for (;;)
	{
		if (!WalkReach(&walk, reach_m))
		{
			WalkAll(&walk);
			break;
		}
		/* all within reach is known, and nothing beyond it is wanted */
		if (Square(reach_m) >= walk.bound_squared)
			break;
		reach_m = Min(NextReach(&walk), sqrt(walk.bound_squared) + SLACK_M);
	}
	count = WalkMeasure(&walk, found);
	*more = count > query->count;
	return Min(count, query->count);
}
