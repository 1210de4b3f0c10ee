/*-------------------------------------------------------------------------
 *
 * limiter.h
 *		A rate limit: the generic cell rate algorithm.
 *
 * ITU-T I.371, virtual scheduling: messages are due at even distances.  One
 * timestamp says when the next may go; what is late by a burst, or a few
 * milliseconds, may catch up, so that a coarse timer still reaches the rate.  No
 * second holds more than the rate and a burst.  Times are microseconds of the
 * monotonic clock.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_LIMITER_H
#define WASHMINUTE_LIMITER_H

typedef struct Limiter
{
	double		interval;		/* microseconds per message; 0: no limit */
	double		next;			/* when the next may go */
	int			burst;			/* messages that may go at once after a pause */
} Limiter;

/* Per second; 0 for no limit. */
extern void LimiterSet(Limiter *limiter, int rate_per_second, int burst);

/* How many may go at that time, at most so many. */
extern int	LimiterAllows(const Limiter *limiter, int64 now, int most);

/* So many went. */
extern void LimiterTake(Limiter *limiter, int64 now, int count);

/* When so many may go at once, or a burst: now, or a later time. */
extern int64 LimiterNext(const Limiter *limiter, int64 now, int count);

#endif							/* WASHMINUTE_LIMITER_H */
