/*-------------------------------------------------------------------------
 *
 * live_status.h
 *		Changes of a washman's status, taken over by the live index at commit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_LIVE_STATUS_H
#define WASHMINUTE_LIVE_STATUS_H

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

#endif							/* WASHMINUTE_LIVE_STATUS_H */
