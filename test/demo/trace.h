/*-------------------------------------------------------------------------
 *
 * trace.h
 *		A recorded fleet: rows of epoch,provider,lat,lon,occupied.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DEMO_TRACE_H
#define DEMO_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct Position
{
	int64_t		at;				/* seconds since 1970 */
	int			provider;		/* from 0, in order of appearance */
	double		latitude;
	double		longitude;
	bool		occupied;
	bool		first;			/* of this provider */
	bool		pickup;			/* a customer gets in here */
	int64_t		trip_seconds;	/* of a pick-up: until he gets out */
} Position;

typedef struct Trace
{
	Position   *positions;		/* in order of time */
	int			count;
	char	  **providers;		/* names as recorded */
	int			provider_count;
	int			pickup_count;
	double		south,
				north,
				west,
				east;			/* around the pick-ups */
} Trace;

/* Read all of it; a row that makes no sense ends the program. */
extern void TraceRead(FILE *file, Trace *trace);

/* The number of a provider of the trace; -1 where there is none of that name. */
extern int	TraceProvider(const char *name);

#endif							/* DEMO_TRACE_H */
