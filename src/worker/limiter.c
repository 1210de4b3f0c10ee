/*-------------------------------------------------------------------------
 *
 * limiter.c
 *		A rate limit: the generic cell rate algorithm.
 *
 * In any second there are at most a second's messages and a burst.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "worker/limiter.h"

/* Microseconds by which a sender may be late and still catch up. */
#define LIMITER_SLACK 20000.0

void
LimiterSet(Limiter *limiter, int rate_per_second, int burst)
{
	limiter->interval = rate_per_second > 0 ? 1e6 / rate_per_second : 0;
	limiter->burst = burst;
}

/* The time that the next message counts from. */
static double
LimiterBase(const Limiter *limiter, int64 now)
{
	double		slack = Max(Min(LIMITER_SLACK, limiter->interval * 10),
							limiter->interval * (limiter->burst - 1));

	return Max(limiter->next, (double) now - slack);
}

int
LimiterAllows(const Limiter *limiter, int64 now, int most)
{
	double		allowed;

	if (limiter->interval == 0)
		return most;
	allowed = floor(((double) now - LimiterBase(limiter, now)) / limiter->interval) + 1;
	return (int) Max(0, Min(allowed, most));
}

void
LimiterTake(Limiter *limiter, int64 now, int count)
{
	limiter->next = LimiterBase(limiter, now) + limiter->interval * count;
}

int64
LimiterNext(const Limiter *limiter, int64 now, int count)
{
	return limiter->interval == 0 ? now :
		Max(now, (int64) ceil(limiter->next + limiter->interval * (Min(count, limiter->burst) - 1)));
}
