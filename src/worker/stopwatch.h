/*-------------------------------------------------------------------------
 *
 * stopwatch.h
 *		The worker's stop-watch: rates and pauses must not follow a clock that
 *		somebody sets.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_STOPWATCH_H
#define WASHMINUTE_STOPWATCH_H

#include <time.h>

/* Microseconds of the monotonic clock. */
static inline int64
MonotonicNow(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

#endif							/* WASHMINUTE_STOPWATCH_H */
