/*-------------------------------------------------------------------------
 *
 * pump.h
 *		Live events out of the outbox: the worker's side.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_WORKER_PUMP_H
#define WASHMINUTE_WORKER_PUMP_H

/*
 * Publish what waits, if something does; true where a transaction was run.  Only
 * while the worker serves the database.
 */
extern bool PumpTurn(void);

/* When that is next (monotonic, microseconds); PG_INT64_MAX: not before a wake-up. */
extern int64 PumpAt(void);

/* There are new rows. */
extern void PumpNews(void);

/* What was seen of the outbox may not be so any more. */
extern void PumpDoubt(void);

#endif							/* WASHMINUTE_WORKER_PUMP_H */
