/*-------------------------------------------------------------------------
 *
 * clock.h
 *		The time that business rules go by.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_CLOCK_H
#define WASHMINUTE_CLOCK_H

#include "datatype/timestamp.h"

/*
 * The start of the transaction, on the shared clock where one is set.  The same
 * throughout a transaction.
 */
extern TimestampTz ClockNow(void);

/*
 * The time at this moment: for deadlines, which a transaction that was begun
 * early, or waited for a lock, must not outwit.
 */
extern TimestampTz ClockThisMoment(void);

/*
 * When, by the real clock, this clock will show that time; DT_NOEND where it never
 * will.
 */
extern TimestampTz ClockRealTime(TimestampTz shown);

/* Changes whenever the clock is set. */
extern uint32 ClockVersion(void);

/* Is a shared clock set? */
extern bool ClockIsSet(void);

#endif							/* WASHMINUTE_CLOCK_H */
