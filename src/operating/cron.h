/*-------------------------------------------------------------------------
 *
 * cron.h
 *		What we know of pg_cron, which calls run_due().
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_CRON_H
#define WASHMINUTE_CRON_H

/*
 * pg_cron reads its jobs anew once this transaction has committed.  Needs an SPI
 * connection.
 */
extern void CronReloadAtCommit(void);

/*
 * Forget runs of our jobs that are some days old.  For a superuser; needs an SPI
 * connection.
 */
extern void CronCleanHistory(void);

/*
 * Why our job, which is in cron.job, does not do its work; NULL where it does, or
 * where that cannot be known (yet).  For a superuser; needs an SPI connection and
 * READY.
 */
extern const char *CronProblem(void);

#endif							/* WASHMINUTE_CRON_H */
