/*-------------------------------------------------------------------------
 *
 * clock.h
 *		The replay's clock: the database's, which runs all the time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DEMO_CLOCK_H
#define DEMO_CLOCK_H

#include "clients.h"

/* Seconds of the recording from one step to the next, if the clients can follow. */
#define STEP_SECONDS 5

typedef struct Clock
{
	PGconn	   *admin;			/* a superuser's connection */
	double		speed;			/* seconds shown per second; 0: as fast as can be */
	double		rate;			/* as it runs now */
	double		shown;			/* what it showed ... */
	double		set_at;			/* ... at this time of Seconds() */
	double		stepped_at;		/* when the last step began */
	double		step_shown;		/* and what the clock showed */
	double		step_s;			/* how long steps take, of late */
} Clock;

/* Set it, standing; and have it run. */
extern void ClockSet(Clock *clock, PGconn *admin, double at);
extern void ClockRun(Clock *clock, double speed);

/* What it shows now, or a moment ago: never what it has not shown yet. */
extern double ClockShows(const Clock *clock);

/* Wait for the next step; what the clock shows as it begins. */
extern double ClockStep(Clock *clock);

/* Have it stand still. */
extern void ClockStop(Clock *clock);

#endif							/* DEMO_CLOCK_H */
