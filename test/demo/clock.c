/*-------------------------------------------------------------------------
 *
 * clock.c
 *		The replay's clock: the database's, which runs all the time.
 *
 * It does not wait for the clients: offers run out, waves come and requests expire
 * by it, as the worker sees to.  So that the clients can follow nevertheless, it
 * runs as fast as they have been of late, where no speed was asked for.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "clock.h"
#include "world.h"

/* Where no speed is asked for: at first, and at most. */
#define RATE_AT_FIRST 60
#define RATE_MAX 600

/* How much the last step counts in what steps take. */
#define LAST_STEP_SHARE 0.2

/* The rate is left alone for less than this. */
#define RATE_TOLERANCE 0.1

static void
Set(Clock *clock, double at, double rate)
{
	char		texts[2][32];

	snprintf(texts[0], sizeof(texts[0]), "%.6f", at);
	snprintf(texts[1], sizeof(texts[1]), "%.6f", rate);
	PQclear(AdminQuery(clock->admin, "SELECT washminute.set_clock(to_timestamp($1), $2)",
					   2, (const char *[]) {texts[0], texts[1]}));
	clock->shown = at;
	clock->rate = rate;
	clock->set_at = Seconds();	/* after the server's: we are never ahead */
}

void
ClockSet(Clock *clock, PGconn *admin, double at)
{
	*clock = (Clock) {.admin = admin,.step_shown = at - STEP_SECONDS};
	Set(clock, at, 0);
}

void
ClockRun(Clock *clock, double speed)
{
	clock->speed = speed;
	Set(clock, clock->shown, speed > 0 ? speed : RATE_AT_FIRST);
	clock->stepped_at = Seconds();
	clock->step_s = STEP_SECONDS / clock->rate;
}

double
ClockShows(const Clock *clock)
{
	return clock->shown + clock->rate * (Seconds() - clock->set_at);
}

static void
SleepFor(double seconds)
{
	struct timespec rest = {(time_t) seconds, (long) (1e9 * (seconds - (time_t) seconds))};

	if (seconds > 0)
		nanosleep(&rest, NULL);
}

/* Run as fast as the clients have been. */
static void
Adapt(Clock *clock)
{
	double		rate;

	clock->step_s += LAST_STEP_SHARE * (Seconds() - clock->stepped_at - clock->step_s);
	rate = fmin(STEP_SECONDS / clock->step_s, RATE_MAX);
	if (fabs(rate / clock->rate - 1) > RATE_TOLERANCE)
		/* we lag behind the server by a moment: it must not go back */
		Set(clock, ClockShows(clock) + 1, rate);
}

double
ClockStep(Clock *clock)
{
	if (clock->speed == 0)
		Adapt(clock);
	SleepFor((clock->step_shown + STEP_SECONDS - ClockShows(clock)) / clock->rate);
	clock->stepped_at = Seconds();
	clock->step_shown = ClockShows(clock);
	return clock->step_shown;
}

void
ClockStop(Clock *clock)
{
	Set(clock, ClockShows(clock) + 1, 0);
}
