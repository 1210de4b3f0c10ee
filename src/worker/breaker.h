/*-------------------------------------------------------------------------
 *
 * breaker.h
 *		Leaves a destination alone that keeps failing.
 *
 * Closed: all goes.  After so many failures in a row it opens, for 5 s; then one
 * request probes (half open): success closes it, failure opens it for twice as
 * long, up to 5 minutes.  Only failures of the destination count (no
 * connection, no answer, 5xx), not that it refuses a message.  Times are
 * microseconds of the monotonic clock.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_BREAKER_H
#define WASHMINUTE_BREAKER_H

typedef enum BreakerState
{
	BREAKER_CLOSED,
	BREAKER_HALF_OPEN,
	BREAKER_OPEN
} BreakerState;

typedef struct Breaker
{
	int			failures;		/* in a row */
	int64		open_until;		/* 0: closed */
	int64		open_for;		/* the last time it opened */
} Breaker;

extern const char *const breaker_state_names[];

extern BreakerState BreakerLook(const Breaker *breaker, int64 now);

/* True where that opened it; random is from 0 to 1. */
extern bool BreakerFailed(Breaker *breaker, int64 now, int most_failures,
						  double random);

/* True where that closed it. */
extern bool BreakerSucceeded(Breaker *breaker, int64 now);

#endif							/* WASHMINUTE_BREAKER_H */
