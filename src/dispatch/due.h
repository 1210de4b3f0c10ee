/*-------------------------------------------------------------------------
 *
 * due.h
 *		Requests at which something falls due.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_DUE_H
#define WASHMINUTE_DUE_H

typedef struct DueCounts
{
	int			due;			/* that were looked at */
	int			left;			/* that another session works on, or failed */
	int			expired;
} DueCounts;

/*
 * Do what is due for at most so many requests: decide, offer to more, expire.
 * Those that another session works on are left for the next call.  Needs an SPI
 * connection.
 */
extern void RequestsRunDue(int limit, DueCounts *counts);

#endif							/* WASHMINUTE_DUE_H */
