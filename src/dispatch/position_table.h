/*-------------------------------------------------------------------------
 *
 * position_table.h
 *		Positions in the table: of those whom the live index does not hold.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_POSITION_TABLE_H
#define WASHMINUTE_POSITION_TABLE_H

#include "dispatch/fix.h"

typedef struct Report
{
	char	   *washman_id;
	Fix			fix;
	FixVerdict	verdict;
} Report;

/*
 * Take reports in their order, and fill in the verdicts.  max_speed is in metres
 * per second.  Needs an SPI connection.
 */
extern void PositionTableTake(Report *reports, int count, double max_speed);

/* Where a washman is, by the live index or the table; FIX_NONE where nobody knows. */
extern Fix	PositionOf(const char *washman_id);

#endif							/* WASHMINUTE_POSITION_TABLE_H */
