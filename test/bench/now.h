/*-------------------------------------------------------------------------
 *
 * now.h
 *		The time by which the clients of the benchmarks measure.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BENCH_NOW_H
#define BENCH_NOW_H

#include <time.h>

/* Seconds since some moment, by a clock that nobody sets. */
static inline double
Now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

#endif							/* BENCH_NOW_H */
