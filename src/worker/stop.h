/*-------------------------------------------------------------------------
 *
 * stop.h
 *		SIGTERM: the worker finishes what it has in flight, and then ends.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_STOP_H
#define WASHMINUTE_STOP_H

extern void StopInit(void);

/* Has somebody asked? */
extern bool StopIsAsked(void);

/*
 * Around a turn on the database: should it last while a stop is asked for, it is
 * broken off after some seconds.
 */
extern void StopTurnBegin(void);
extern void StopTurnEnd(void);

/* CommitTransactionCommand that no stop can be held up by. */
extern void StopSafeCommit(void);

#endif							/* WASHMINUTE_STOP_H */
