/*-------------------------------------------------------------------------
 *
 * world.h
 *		The people of the replay: what they do, and what came of it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DEMO_WORLD_H
#define DEMO_WORLD_H

#include "clients.h"
#include "statistics.h"
#include "trace.h"

/* What happened so far, as the clients saw it. */
typedef struct Tally
{
	long		positions;
	long		bookings;
	long		accepted;		/* not cancelled since */
	long		expired;
	long		cancelled;
	long		completed;
	long		given_back;
	long		no_shows;
	long		refused_races;	/* accept_request answered PT409 */
	long		late_taps;		/* or PT410: the offer was over */
	long		not_there;		/* a washman's phone had to report twice */
	long		serialization_failures;
	long		too_late;		/* cancellations refused: the work had begun */
	long		settlements;	/* washmen who paid in */
	double		reporting_s;	/* where the time went */
	double		working_s;
	double		booking_s;
	double		racing_s;
	Samples		position_us;
	Samples		booking_ms;
	Samples		accept_ms;		/* calls that got the job */
	Samples		refused_ms;		/* calls that did not */
	Samples		distance_m;		/* of the washman who got the job */
	Samples		nearest_m;		/* of the nearest who was free */
	Samples		wait_minutes;	/* from booking to the washman's arrival */
} Tally;

typedef struct World World;

/*
 * Make the people of the trace and their zone, which offers by this policy, or the
 * default where it is "".  `admin` is a superuser's connection, which sets the clock.
 */
extern World *WorldOpen(const Trace *trace, uint64_t seed, const char *policy,
						PGconn *admin, const char *conninfo);

/* Have the clock run at this speed; 0: as fast as can be. */
extern void WorldBegin(World *world, double speed);

/* Let happen what has not happened yet by now; the time of the recording. */
extern int64_t WorldStep(World *world);

/* Whether the recording is at its end and nothing has been left to do for a while. */
extern bool WorldIsDone(const World *world);

/* Stop the clock, and let the worker come to an end with what is due. */
extern void WorldEnd(World *world);

extern const Tally *WorldTally(const World *world);

/* Run SQL as the superuser; where it fails the program ends. */
extern PGresult *AdminQuery(PGconn *admin, const char *sql, int count,
							const char *const *arguments);

#endif							/* DEMO_WORLD_H */
