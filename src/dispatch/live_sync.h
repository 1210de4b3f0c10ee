/*-------------------------------------------------------------------------
 *
 * live_sync.h
 *		The live index and its table: loading, flushing; the worker's side.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_LIVE_SYNC_H
#define WASHMINUTE_LIVE_SYNC_H

/* From _PG_init. */
extern void LiveSyncInit(void);

typedef enum LiveSyncDone
{
	LIVE_SYNC_NOTHING,
	LIVE_SYNC_LOADED,
	LIVE_SYNC_FLUSHED
} LiveSyncDone;

/*
 * Load or flush, if it is time to; never both.  What there was to do, whether it went
 * well or not.  Only while the worker serves the database.
 */
extern LiveSyncDone LiveSyncTurn(void);

/* When that is next (monotonic, microseconds); PG_INT64_MAX: not before a wake-up. */
extern int64 LiveSyncAt(void);

/* The worker ends: write what is there. */
extern void LiveSyncEnd(void);

/* Settings were read: take them over, and load again what triggers have not seen. */
extern void LiveSyncReload(void);

#endif							/* WASHMINUTE_LIVE_SYNC_H */
