/*-------------------------------------------------------------------------
 *
 * live_flush.h
 *		Positions that the live index has, and the table has not yet, are written.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_LIVE_FLUSH_H
#define WASHMINUTE_LIVE_FLUSH_H

/* From _PG_init. */
extern void LiveFlushInit(void);

/*
 * For the worker, which calls flush_locations() for each part.  Is there anything to
 * write?  Begin with the first part.  A part was written, or could not be: was it
 * the last one?
 */
extern bool LiveFlushIsNeeded(void);
extern void LiveFlushFromStart(void);
extern bool LiveFlushEndPart(bool done);

#endif							/* WASHMINUTE_LIVE_FLUSH_H */
