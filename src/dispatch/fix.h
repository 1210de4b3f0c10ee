/*-------------------------------------------------------------------------
 *
 * fix.h
 *		A position that comes in: is it taken?
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_FIX_H
#define WASHMINUTE_FIX_H

#include "utils/timestamp.h"

typedef struct Fix
{
	double		longitude;		/* degrees, WGS 84 */
	double		latitude;
	TimestampTz at;				/* DT_NOBEGIN: there is none */
	double		accuracy_m;		/* NaN: not said */
} Fix;

/* No fix. */
#define FIX_NONE ((Fix) {.at = DT_NOBEGIN})
#define FixIsNone(fix) TIMESTAMP_IS_NOBEGIN((fix)->at)

typedef enum FixVerdict
{
	FIX_TAKEN,
	FIX_OLD,					/* older than the one held */
	FIX_IMPOSSIBLE,				/* nobody moves so fast; kept as a suspect */
	FIX_STRANGER				/* of nobody who is known here */
} FixVerdict;

/*
 * What to do with the new one, where held and suspect are those known, or none.
 * An impossible one is not matched on; should the next agree with it, that is taken.
 * max_speed is in metres per second.
 */
extern FixVerdict FixJudge(const Fix *held, const Fix *suspect, const Fix *fix,
						   double max_speed);

#endif							/* WASHMINUTE_FIX_H */
