/*-------------------------------------------------------------------------
 *
 * replay.c
 *		Replays a fleet's day against a database with washminute:
 *
 *			zcat trace.csv.gz | replay SEED SPEED [POLICY]
 *
 * SPEED 0 is as fast as the machine can, 60 an hour in a minute; POLICY one of those
 * by which a zone offers requests.  PGHOST and
 * the like say where; user postgres sets the clock, and washminute_demo, a
 * member of washminute_owner, is everybody else.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <unistd.h>

#include "summary.h"
#include "world.h"

#define REFRESH_SECONDS 0.2

/* What the progress line was when it was last shown. */
typedef struct Shown
{
	double		at;				/* real seconds */
	int64_t		recorded;
	long		positions;
	long		bookings;
	int			hour;
} Shown;

/* A line that is overwritten on a terminal, and one for each hour elsewhere. */
static void
ShowProgress(Shown *shown, const Tally *tally, int64_t recorded, bool last)
{
	bool		terminal = isatty(STDOUT_FILENO);
	double		elapsed = Seconds() - shown->at;
	int			hour = (int) (recorded / 3600);

	if (!last && (terminal ? elapsed < REFRESH_SECONDS : hour == shown->hour))
		return;
	printf("%s%02d:%02d  %7ld positions %6ld bookings %6ld accepted %4ld expired "
		   "%4ld cancelled %3ld given back  %6.0f positions/s %4.0f bookings/s  x%.0f%s",
		   terminal ? "\r" : "", hour, (int) (recorded / 60 % 60),
		   tally->positions, tally->bookings, tally->accepted, tally->expired,
		   tally->cancelled, tally->given_back,
		   (double) (tally->positions - shown->positions) / elapsed,
		   (double) (tally->bookings - shown->bookings) / elapsed,
		   (double) (recorded - shown->recorded) / elapsed,
		   terminal && !last ? " \033[K" : "\n");
	fflush(stdout);
	*shown = (Shown) {Seconds(), recorded, tally->positions, tally->bookings, hour};
}

int
main(int argc, char **argv)
{
	double		speed = argc == 3 || argc == 4 ? atof(argv[2]) : -1;
	double		began;
	Shown		shown = {.hour = 0};
	Trace		trace;
	World	   *world;
	PGconn	   *admin;

	if (speed < 0)
	{
		fprintf(stderr, "usage: replay SEED SPEED [POLICY] < trace.csv\n");
		return 2;
	}
	TraceRead(stdin, &trace);
	admin = Connect("user=postgres");
	world = WorldOpen(&trace, strtoull(argv[1], NULL, 10), argc == 4 ? argv[3] : "",
					  admin, "user=washminute_demo");
	printf("%d positions of %d washmen, %d pick-ups\n",
		   trace.count, trace.provider_count, trace.pickup_count);

	began = shown.at = Seconds();
	WorldBegin(world, speed);
	while (!WorldIsDone(world))
	{
		int64_t		recorded = WorldStep(world) - trace.positions[0].at;

		ShowProgress(&shown, WorldTally(world), recorded, WorldIsDone(world));
	}
	WorldEnd(world);
	return Summarize(WorldTally(world), admin, Seconds() - began);
}
