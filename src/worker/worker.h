/*-------------------------------------------------------------------------
 *
 * worker.h
 *		The background worker: what leaves the database goes through it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_WORKER_H
#define WASHMINUTE_WORKER_H

/* While the library is preloaded. */
extern void WorkerInit(void);
extern void AsideInit(void);

#endif							/* WASHMINUTE_WORKER_H */
