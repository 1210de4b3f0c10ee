/*-------------------------------------------------------------------------
 *
 * live_index.h
 *		The washmen who are online and where they are, in shared memory.
 *
 * It serves one database, the worker's, and there from the moment on at which the
 * worker has loaded it.  All else is answered from the table washman_positions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_LIVE_INDEX_H
#define WASHMINUTE_LIVE_INDEX_H

#include "dispatch/fix.h"

/* Longest id of a washman, in bytes. */
#define LIVE_ID_MAX 128

/* No slot. */
#define LIVE_NONE PG_UINT32_MAX

/* From _PG_init. */
extern void LiveIndexInit(void);

/* Is there shared memory for it?  And does it answer for this database? */
extern bool LiveIsShared(void);
extern bool LiveIsUsed(void);

/* The same without a look at the catalogue, for commits and the worker's loop. */
extern bool LiveIsHere(void);

/* What it holds is not true any more: the worker is to load it anew. */
extern void LiveInvalidate(void);

/*
 * A position of a washman who is online or about to be; FIX_STRANGER where he is
 * neither, and nothing is done.  max_speed is in metres per second.
 */
extern FixVerdict LiveReport(const char *id, int id_length, const Fix *fix,
							 double max_speed);

/* Where he is; FIX_NONE where that is not known here. */
extern Fix	LiveFix(const char *id, int id_length);

/*
 * The protocol of a change of status, see live_status.c.  A place is reserved
 * while an error can still be raised, LIVE_NONE where there is none; then it is
 * applied or released.  Neither allocates nor raises.
 */
extern uint32 LiveReserve(const char *id, int id_length);
extern void LiveSeed(uint32 slot, const Fix *fix);
extern void LiveRelease(uint32 slot);
extern uint64 LiveNextVersion(void);
extern void LiveApply(const char *id, int id_length, bool online, uint64 version);

/* What live_status() counts. */
typedef enum LiveCounter
{
	LIVE_COUNT_TAKEN,
	LIVE_COUNT_OLD,
	LIVE_COUNT_IMPOSSIBLE,
	LIVE_COUNT_STRANGER,
	LIVE_COUNT_INVALID			/* off the globe, in the future, incomplete */
} LiveCounter;

#define LIVE_COUNTERS (LIVE_COUNT_INVALID + 1)

extern void LiveCount(LiveCounter counter, int more);

/* The nearest washmen. */
typedef struct LiveQuery
{
	double		longitude;
	double		latitude;
	double		limit_m;		/* none farther, at most half the earth's girth */
	int			count;			/* how many, at most */
	TimestampTz since;			/* seen then or later */

	/*
	 * With the first one, none is wanted that is farther than this makes of his
	 * distance; NULL: no such bound.
	 */
	double		(*ring) (const void *argument, double distance_m);
	const void *argument;
} LiveQuery;

typedef struct LiveFound
{
	double		distance_m;		/* geodesic */
	TimestampTz at;
	char	   *id;
} LiveFound;

/* For qsort: by distance and id. */
extern int	LiveFoundCompare(const void *a, const void *b);

/* By distance and id; all but the last count where *more is set. */
extern int	LiveNearest(const LiveQuery *query, LiveFound **found, bool *more);

#endif							/* WASHMINUTE_LIVE_INDEX_H */
