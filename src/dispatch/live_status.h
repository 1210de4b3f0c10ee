/*-------------------------------------------------------------------------
 *
 * live_status.h
 *		Changes of a washman's status, taken over by the live index at commit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_LIVE_STATUS_H
#define WASHMINUTE_LIVE_STATUS_H

#include "dispatch/fix.h"

/* From _PG_init. */
extern void LiveStatusInit(void);

/*
 * What this transaction has changed, and the index does not know before it is
 * committed; how many.  Needs an SPI connection.
 */
typedef struct LiveChange
{
	char	   *id;
	bool		online;			/* and not suspended */
} LiveChange;

extern int	LiveChanges(LiveChange **changed);
extern bool LiveHasChanges(void);
extern bool LiveIsChanged(const char *id);

/* Has it emptied washmen, so that the index is no use before it is committed? */
extern bool LiveHasTruncated(void);

/* A position that the table has got from this transaction: tell the index then. */
extern void LiveReportAtCommit(const char *id, int id_length, const Fix *fix,
							   double max_speed);

#endif							/* WASHMINUTE_LIVE_STATUS_H */
