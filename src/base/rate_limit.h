/*-------------------------------------------------------------------------
 *
 * rate_limit.h
 *		How often a caller may ask: token buckets in shared memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_RATE_LIMIT_H
#define WASHMINUTE_RATE_LIMIT_H

/* From _PG_init. */
extern void RateLimitInit(void);

/*
 * Take a token out of the bucket of that name, which holds `burst` of them and is
 * filled by `rate` per second.  0 where there was one; else the milliseconds until
 * there is.  Always 0 where the library is not preloaded.  Not transactional, and
 * good in read-only transactions too.
 */
extern int64 RateLimitTake(const char *name, int rate, int burst);

#endif							/* WASHMINUTE_RATE_LIMIT_H */
