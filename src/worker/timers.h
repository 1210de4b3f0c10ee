/*-------------------------------------------------------------------------
 *
 * timers.h
 *		What falls due for requests: the worker's side.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_TIMERS_H
#define WASHMINUTE_TIMERS_H

/*
 * Do what is due, if something is; true where a transaction was run.  Only while
 * the worker serves the database.
 */
extern bool TimersTurn(void);

/* When that is next (monotonic, microseconds); PG_INT64_MAX: not before a wake-up. */
extern int64 TimersAt(void);

/* What is known of the next due time may not be true any more. */
extern void TimersDoubt(void);

#endif							/* WASHMINUTE_TIMERS_H */
