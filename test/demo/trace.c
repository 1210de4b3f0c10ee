/*-------------------------------------------------------------------------
 *
 * trace.c
 *		Reads a recorded fleet.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "trace.h"

#define HEADER "epoch,provider,lat,lon,occupied\n"
#define PROVIDERS_MAX 100000
#define NAME_LENGTH_MAX 64

static void
Refuse(int line, const char *why)
{
	fprintf(stderr, "replay: line %d of the trace: %s\n", line, why);
	exit(2);
}

int
TraceProvider(const char *name)
{
	ENTRY	   *found = hsearch((ENTRY) {.key = (char *) name}, FIND);

	return found ? (int) (intptr_t) found->data : -1;
}

static int
AddProvider(Trace *trace, const char *name)
{
	int			number = trace->provider_count++;
	ENTRY		entry = {.key = strdup(name),.data = (void *) (intptr_t) number};

	if (hsearch(entry, ENTER) == NULL)
		return -1;
	trace->providers = realloc(trace->providers, trace->provider_count * sizeof(char *));
	trace->providers[number] = entry.key;
	return number;
}

static void
ReadRows(FILE *file, Trace *trace)
{
	char		text[256];
	int			line = 1;
	int			capacity = 0;

	if (fgets(text, sizeof(text), file) == NULL || strcmp(text, HEADER) != 0)
		Refuse(line, "the header is not " HEADER);
	while (fgets(text, sizeof(text), file) != NULL)
	{
		char		name[NAME_LENGTH_MAX + 1];
		char		occupied;
		Position   *position;

		line++;
		if (trace->count == capacity)
		{
			capacity = capacity ? 2 * capacity : 65536;
			trace->positions = realloc(trace->positions, capacity * sizeof(Position));
		}
		position = &trace->positions[trace->count];
		*position = (Position) {0};
		if (sscanf(text, "%ld,%64[^,],%lf,%lf,%c", &position->at, name,
				   &position->latitude, &position->longitude, &occupied) != 5 ||
			!(fabs(position->latitude) <= 90) || !(fabs(position->longitude) <= 180) ||
			(occupied != '0' && occupied != '1'))
			Refuse(line, "not epoch,provider,lat,lon,occupied");
		if (trace->count > 0 && position->at < position[-1].at)
			Refuse(line, "rows are not in the order of time");
		position->occupied = occupied == '1';
		position->provider = TraceProvider(name);
		if (position->provider < 0)
			position->provider = AddProvider(trace, name);
		if (position->provider < 0)
			Refuse(line, "too many providers");
		trace->count++;
	}
	if (trace->count == 0)
		Refuse(line, "no rows");
}

/* Find the pick-ups: how long each trip takes, and where they all are. */
static void
FindPickups(Trace *trace)
{
	Position  **last = calloc(trace->provider_count, sizeof(Position *));
	Position  **pickup = calloc(trace->provider_count, sizeof(Position *));

	trace->south = trace->west = INFINITY;
	trace->north = trace->east = -INFINITY;
	for (Position *p = trace->positions; p < trace->positions + trace->count; p++)
	{
		Position   *before = last[p->provider];

		p->first = before == NULL;
		if (before != NULL && before->occupied && pickup[p->provider] != NULL)
			pickup[p->provider]->trip_seconds = p->at - pickup[p->provider]->at;
		if (before != NULL && !before->occupied && p->occupied)
		{
			p->pickup = true;
			pickup[p->provider] = p;
			trace->pickup_count++;
			trace->south = fmin(trace->south, p->latitude);
			trace->north = fmax(trace->north, p->latitude);
			trace->west = fmin(trace->west, p->longitude);
			trace->east = fmax(trace->east, p->longitude);
		}
		last[p->provider] = p;
	}
	free(last);
	free(pickup);
	if (trace->pickup_count == 0)
	{
		fprintf(stderr, "replay: the trace has no pick-up\n");
		exit(2);
	}
}

void
TraceRead(FILE *file, Trace *trace)
{
	*trace = (Trace) {0};
	hcreate(2 * PROVIDERS_MAX);
	ReadRows(file, trace);
	FindPickups(trace);
}
