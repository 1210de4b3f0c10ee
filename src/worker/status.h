/*-------------------------------------------------------------------------
 *
 * status.h
 *		What the worker shows of itself, in shared memory.
 *
 * The worker alone writes; worker_status() and worker_latency() read, and doctor() by them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_STATUS_H
#define WASHMINUTE_STATUS_H

#include "utils/timestamp.h"

#include "outbox/wake.h"
#include "worker/breaker.h"

typedef enum Counter
{
	COUNTER_SENT,				/* delivered */
	COUNTER_FAILED,				/* attempts that were not */
	COUNTER_EXPIRED				/* dropped, being of no more use */
} Counter;

#define COUNTER_COUNT (COUNTER_EXPIRED + 1)

/* What takes time. */
typedef enum Stage
{
	STAGE_QUEUED,				/* from the row's writing to its first sending */
	STAGE_ANSWER				/* from sending to the end of the answer */
} Stage;

#define STAGE_COUNT (STAGE_ANSWER + 1)

extern void StatusInit(void);

/* Of the whole worker: "running", or why it waits.  Logs a change, once. */
extern void StatusSay(const char *state);
extern void StatusStarted(int64 epoch);
extern void StatusReset(void);

/* Of a lane. */
extern void StatusCount(Lane lane, Counter counter, int more);
extern void StatusInFlight(Lane lane, int in_flight);
extern void StatusTime(Lane lane, Stage stage, double seconds);
extern void StatusBreaker(Lane lane, BreakerState state);
extern void StatusError(Lane lane, const char *error);

/*
 * For other sessions: where this database is set up, wait a moment for a worker
 * that does not serve it yet, having just started or not looked again.
 */
extern void StatusAwaitWorker(void);

/* NULL, or why the lane sends nothing although the worker runs. */
extern void StatusHeld(Lane lane, const char *reason);

#endif							/* WASHMINUTE_STATUS_H */
