/*-------------------------------------------------------------------------
 *
 * record.h
 *		Takes the answers of requests, and records what became of their messages.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_RECORD_H
#define WASHMINUTE_RECORD_H

#include "worker/lane.h"

/* Judge what has been answered. */
extern void RecordTakeAnswers(void);

/* This one is over, too: it was not even started. */
extern void RecordAdd(Delivery *delivery);

/* Deliveries that wait for a place; the caller takes them out. */
extern List *record_again;

/* One more of them. */
extern void RecordStartLater(Delivery *delivery);

/* How many deliveries are not recorded yet. */
extern int	RecordWaiting(void);

/* Is one of them of that destination? */
extern bool RecordRefersTo(const Destination *destination);

/* When there is something to record (monotonic); PG_INT64_MAX: nothing. */
extern int64 RecordAt(void);

/* Record what can be; in the turn's transaction. */
extern void RecordFinished(int64 epoch);

/* Its commit has happened.  True where a destination left the tables meanwhile. */
extern bool RecordCommitted(void);

/* It was rolled back.  True where recording was what failed. */
extern bool RecordRolledBack(void);

#endif							/* WASHMINUTE_RECORD_H */
