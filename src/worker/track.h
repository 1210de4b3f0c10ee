/*-------------------------------------------------------------------------
 *
 * track.h
 *		What the worker tells the sockets by itself: where washmen are who have a job
 *		in hand, and that it is alive.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_WORKER_TRACK_H
#define WASHMINUTE_WORKER_TRACK_H

/*
 * Tell what is to be told now; true where a transaction was run.  Only while the worker
 * serves the database.
 */
extern bool TrackTurn(void);

/* When that is next (monotonic, microseconds); PG_INT64_MAX: not before a wake-up. */
extern int64 TrackAt(void);

/* Positions were written to the table. */
extern void TrackMoved(void);

/* A gateway may have registered. */
extern void TrackGateways(void);

#endif							/* WASHMINUTE_WORKER_TRACK_H */
