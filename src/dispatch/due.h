/*-------------------------------------------------------------------------
 *
 * due.h
 *		Requests at which something falls due.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_DUE_H
#define WASHMINUTE_DUE_H

#include "utils/timestamp.h"

typedef struct DueCounts
{
	int			due;			/* that were looked at */
	int			left;			/* that another session works on, or failed */
	int			expired;
	int			told;			/* stages of reservations that somebody was told of */
} DueCounts;

/*
 * Do what is due for at most so many requests: decide, offer to more, expire; and for
 * so many reservations before they begin.  None
 * but the first is begun after `until`, by the real clock: all stay locked until the
 * transaction ends.
 * Those that another session works on are left for the next call.  Needs an SPI
 * connection.
 */
extern void RequestsRunDue(int limit, TimestampTz until, DueCounts *counts);

#endif							/* WASHMINUTE_DUE_H */
