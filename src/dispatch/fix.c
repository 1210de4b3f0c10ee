/*-------------------------------------------------------------------------
 *
 * fix.c
 *		A position that comes in: is it taken?
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "base/compat.h"
#include "dispatch/fix.h"
#include "dispatch/geodesy.h"

/* Fixes scatter by so many metres, however short the time between them. */
#define FIX_SCATTER_M 200.0

/* Degrees that are surely within the scatter: of latitude and of longitude. */
#define FIX_SCATTER_DEGREES 0.001

static bool
IsPossible(const Fix *from, const Fix *to, double max_speed)
{
	double		allowed;
	Place3		start;
	Place3		end;

	if (fabs(from->longitude - to->longitude) < FIX_SCATTER_DEGREES &&
		fabs(from->latitude - to->latitude) < FIX_SCATTER_DEGREES)
		return true;
	start = PlaceFromDegrees(from->longitude, from->latitude);
	end = PlaceFromDegrees(to->longitude, to->latitude);
	allowed = FIX_SCATTER_M +
		max_speed * ((double) to->at - (double) from->at) / USECS_PER_SEC;
	return ChordSquared(&start, &end) <= allowed * allowed;
}

FixVerdict
FixJudge(const Fix *held, const Fix *suspect, const Fix *fix, double max_speed)
{
	if (FixIsNone(held))
		return FIX_TAKEN;
	if (fix->at < held->at)
		return FIX_OLD;
	if (IsPossible(held, fix, max_speed))
		return FIX_TAKEN;
	if (!FixIsNone(suspect) && fix->at >= suspect->at &&
		IsPossible(suspect, fix, max_speed))
		return FIX_TAKEN;
	return FIX_IMPOSSIBLE;
}
