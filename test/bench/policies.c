/*-------------------------------------------------------------------------
 *
 * policies.c
 *		Who gets the job, by which policy of offering it: pick-ups of a recorded
 *		fleet, booked at once for each policy, and phones that answer or do not.
 *
 *	policies SEED COUNT MEDIAN SIGMA SILENT NAME=ZONE... < trace.csv
 *		The zones are there, and all are closed.  Prints a line "NAME REQUESTS
 *		ACCEPTED METRES NEAREST_METRES WILLING_METRES SECONDS TOLD WAVES" for each:
 *		metres of the winner, of the nearest who was free, and of the nearest who
 *		answers when he is told; seconds, how many were told by then, and waves are
 *		means of the accepted, too.
 *
 * test/bench/policies tells what is assumed.  The clock stands still but when it is
 * set, from event to event: somebody is told, somebody answers, something is due.
 *
 *-------------------------------------------------------------------------
 */
#include <libpq-fe.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "trace.h"

#define US_PER_S INT64_C(1000000)

/* A vehicle that was silent for longer is not on duty. */
#define SEEN_WITHIN (600 * US_PER_S)

/* From one booking to the next: farther than any request lives. */
#define APART (3600 * US_PER_S)

#define PHONES_MAX 1000

/* What a chance is asked for. */
enum
{
	ABOUT_SAMPLE = 1, ABOUT_SILENCE, ABOUT_DELAY, ABOUT_DELAY_TOO
};

typedef struct Vehicle
{
	char		id[80];
	const Position *last;
	bool		free;
	bool		online;			/* as the database has it */
} Vehicle;

/* A washman who holds an offer. */
typedef struct Phone
{
	int			vehicle;
	double		distance_m;
	int64_t		told_at;
	int64_t		expires_at;
	int64_t		taps_at;		/* -1: he does not, or has */
	int			times;			/* that he was told */
} Phone;

/* A way of offering, and what came of it. */
typedef struct Policy
{
	char	   *name;
	char	   *zone;
	int			requests;
	int			accepted;
	double		metres;
	double		nearest_metres;
	double		willing_metres;
	double		seconds;
	double		told;
	double		waves;
} Policy;

static uint64_t seed;
static double delay_median;
static double delay_sigma;
static double silent_share;
static double offer_us;			/* how long an offer stands */
static double nearest;			/* of the pick-up at hand: of those free, */
static double willing;			/* and of those who answer */
static Trace trace;
static Vehicle *vehicles;
static PGconn *admin;			/* a superuser: sets the clock */
static PGconn *everybody;
static PGconn *racer;			/* in SERIALIZABLE */

/*
 * The database
 */

static PGconn *
Connect(const char *conninfo)
{
	PGconn	   *connection = PQconnectdb(conninfo);

	if (PQstatus(connection) != CONNECTION_OK)
	{
		fprintf(stderr, "policies: %s", PQerrorMessage(connection));
		exit(1);
	}
	return connection;
}

/* Run a statement with texts as arguments; where it fails the program ends. */
#define Query(connection, sql, ...) \
	QueryArray(connection, sql, sizeof((const char *[]) {__VA_ARGS__}) / sizeof(char *), \
			   (const char *[]) {__VA_ARGS__})

static PGresult *
QueryArray(PGconn *connection, const char *sql, int count, const char *const *arguments)
{
	PGresult   *result = PQexecParams(connection, sql, count, NULL, arguments, NULL, NULL, 0);

	if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
	{
		fprintf(stderr, "policies: %s%s\n", PQresultErrorMessage(result), sql);
		exit(1);
	}
	return result;
}

#define Do(...) PQclear(Query(__VA_ARGS__))

static int64_t
Integer(const PGresult *result, int row, int column)
{
	return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

static void
SetClock(int64_t at)
{
	char		text[32];

	snprintf(text, sizeof(text), "%ld", at);
	Do(admin, "SELECT washminute.set_clock(to_timestamp(0) + $1::bigint * interval '1 us', 0)", text);
}

/*
 * The fleet
 */

/* An array's text, as long as it gets. */
typedef struct List
{
	char	   *text;
	size_t		length;
	size_t		capacity;
} List;

static void
ListAdd(List *list, const char *element)
{
	size_t		more = strlen(element) + 3;

	if (list->length + more > list->capacity)
	{
		list->capacity = 2 * (list->capacity + more);
		list->text = realloc(list->text, list->capacity);
	}
	list->length += sprintf(list->text + list->length, "%s%s",
							list->length > 0 ? "," : "{", element);
}

static const char *
ListClose(List *list)
{
	if (list->length == 0)
		ListAdd(list, "");
	strcpy(list->text + list->length, "}");
	return list->text;
}

static void
MakeVehicles(void)
{
	List		ids = {0};

	vehicles = calloc(trace.provider_count, sizeof(Vehicle));
	for (int i = 0; i < trace.provider_count; i++)
	{
		snprintf(vehicles[i].id, sizeof(vehicles[i].id), "w%s", trace.providers[i]);
		ListAdd(&ids, vehicles[i].id);
	}
	Do(everybody, "SELECT washminute.upsert_user(id, 'washman') FROM unnest($1::text[]) AS i (id)", ListClose(&ids));
	Do(everybody, "SELECT washminute.upsert_user('customer', 'customer'), washminute.upsert_user('admin', 'admin')");
	free(ids.text);
}

/* Who is free when a customer is picked up. */
static void
FindFree(const Position *pickup)
{
	for (int i = 0; i < trace.provider_count; i++)
		vehicles[i].free = vehicles[i].last != NULL && !vehicles[i].last->occupied &&
			(pickup->at - vehicles[i].last->at) * US_PER_S <= SEEN_WITHIN;
}

/* The free ones online, the others not. */
static void
ChangeStatus(void)
{
	List		lists[2] = {0};

	for (int i = 0; i < trace.provider_count; i++)
	{
		Vehicle    *vehicle = &vehicles[i];

		if (vehicle->free != vehicle->online)
			ListAdd(&lists[vehicle->free], vehicle->id);
		vehicle->online = vehicle->free;
	}
	for (int online = 0; online <= 1; online++)
		Do(everybody, "SELECT washminute.set_washman_status(id, $2) FROM unnest($1::text[]) AS i (id)",
		   ListClose(&lists[online]), online ? "online" : "offline");
	free(lists[0].text);
	free(lists[1].text);
}

/* The free ones, and where they are, as arrays. */
static int
ListFree(List *ids, List *longitudes, List *latitudes)
{
	int			count = 0;

	for (int i = 0; i < trace.provider_count; i++)
	{
		char		text[32];

		if (!vehicles[i].free)
			continue;
		count++;
		ListAdd(ids, vehicles[i].id);
		snprintf(text, sizeof(text), "%.7f", vehicles[i].last->longitude);
		ListAdd(longitudes, text);
		snprintf(text, sizeof(text), "%.7f", vehicles[i].last->latitude);
		ListAdd(latitudes, text);
	}
	ListClose(ids);
	ListClose(longitudes);
	ListClose(latitudes);
	return count;
}

/* Report where the free ones are, now. */
static void
ReportFree(void)
{
	List		lists[3] = {0};
	int			count = ListFree(&lists[0], &lists[1], &lists[2]);
	PGresult   *result = Query(everybody, "SELECT washminute.report_locations($1, $2, $3)",
							   lists[0].text, lists[1].text, lists[2].text);

	if (Integer(result, 0, 0) != count)
	{
		fprintf(stderr, "policies: of %d positions %s were taken\n", count, PQgetvalue(result, 0, 0));
		exit(1);
	}
	PQclear(result);
	for (int i = 0; i < 3; i++)
		free(lists[i].text);
}

/*
 * Phones
 */

/* Whether and when he answers, who is told for the nth time of this pick-up. */
static int64_t
TapsAt(const Phone *phone, int sample)
{
	uint64_t	who = (uint64_t) sample * trace.provider_count + phone->vehicle;
	uint64_t	what = 100 * (uint64_t) phone->times;
	double		radius = sqrt(-2 * log(Chance(seed, what + ABOUT_DELAY, who)));
	double		angle = 2 * M_PI * Chance(seed, what + ABOUT_DELAY_TOO, who);
	int64_t		taps_at;

	if (Chance(seed, what + ABOUT_SILENCE, who) < silent_share)
		return -1;
	taps_at = phone->told_at + (int64_t)
		(US_PER_S * delay_median * exp(delay_sigma * radius * cos(angle)));
	return taps_at < phone->expires_at ? taps_at : -1;
}

/* How far the nearest is, and the nearest who answers, by PostGIS. */
static void
Measure(int sample, const char *longitude, const char *latitude)
{
	List		lists[3] = {0};
	PGresult   *result;

	ListFree(&lists[0], &lists[1], &lists[2]);
	result = Query(everybody, "SELECT id, ST_Distance("
				   "  ST_MakePoint(longitude, latitude)::geography, ST_MakePoint($4, $5)::geography)"
				   "  FROM unnest($1::text[], $2::float8[], $3::float8[]) AS p (id, longitude, latitude)"
				   " ORDER BY 2", lists[0].text, lists[1].text, lists[2].text, longitude, latitude);
	nearest = willing = -1;
	for (int row = 0; row < PQntuples(result) && willing < 0; row++)
	{
		Phone		phone = {.vehicle = TraceProvider(PQgetvalue(result, row, 0) + 1)};

		phone.times = 1;
		phone.expires_at = (int64_t) offer_us;
		if (row == 0)
			nearest = atof(PQgetvalue(result, row, 1));
		if (TapsAt(&phone, sample) >= 0)
			willing = atof(PQgetvalue(result, row, 1));
	}
	PQclear(result);
	for (int i = 0; i < 3; i++)
		free(lists[i].text);
}

/* The offers that there are now, which their washmen see when they are told. */
static int
SeeOffers(const char *request_id, int sample, Phone *phones, int count)
{
	PGresult   *result = Query(everybody, "SELECT washman_id, distance_m,"
							   "       (extract(epoch FROM offered_at) * 1000000)::bigint,"
							   "       (extract(epoch FROM expires_at) * 1000000)::bigint"
							   "  FROM washminute_data.offers WHERE request_id = $1 ORDER BY 2, 1", request_id);

	for (int row = 0; row < PQntuples(result); row++)
	{
		int			vehicle = TraceProvider(PQgetvalue(result, row, 0) + 1);
		int64_t		told_at = Integer(result, row, 2);
		int			i = 0;

		while (i < count && phones[i].vehicle != vehicle)
			i++;
		if (i < count && phones[i].told_at == told_at)
			continue;
		if (i == count && count++ < PHONES_MAX)
			phones[i] = (Phone) {.vehicle = vehicle};
		if (i == PHONES_MAX)
		{
			fprintf(stderr, "policies: more than %d offers\n", PHONES_MAX);
			exit(1);
		}
		phones[i].distance_m = atof(PQgetvalue(result, row, 1));
		phones[i].told_at = told_at;
		phones[i].expires_at = Integer(result, row, 3);
		phones[i].times++;
		phones[i].taps_at = TapsAt(&phones[i], sample);
	}
	PQclear(result);
	return count;
}

static Phone *
NextToTap(Phone *phones, int count)
{
	Phone	   *next = NULL;

	for (int i = 0; i < count; i++)
		if (phones[i].taps_at >= 0 &&
			(next == NULL || phones[i].taps_at < next->taps_at ||
			 (phones[i].taps_at == next->taps_at && phones[i].vehicle < next->vehicle)))
			next = &phones[i];
	return next;
}

/*
 * Requests
 */

static void
Count(Policy *policy, const PGresult *state, const Phone *phones, int count,
	  int64_t seconds_us, int64_t now)
{
	int			winner = TraceProvider(PQgetvalue(state, 0, 1) + 1);

	policy->accepted++;
	policy->seconds += (double) seconds_us / US_PER_S;
	policy->waves += (double) Integer(state, 0, 2);
	policy->nearest_metres += nearest;
	policy->willing_metres += willing;
	for (int i = 0; i < count; i++)
	{
		policy->told += phones[i].told_at <= now;
		if (phones[i].vehicle == winner)
			policy->metres += phones[i].distance_m;
	}
}

/* Let phones answer and waves come until somebody has the request, or it is over. */
static void
RunRequest(Policy *policy, const char *request_id, int sample, int64_t booked_at)
{
	static Phone phones[PHONES_MAX];
	int			count = 0;
	int64_t		now = booked_at;

	for (;;)
	{
		PGresult   *state = Query(everybody, "SELECT r.status, r.washman_id, r.wave,"
								  "       (extract(epoch FROM t.due_at) * 1000000)::bigint"
								  "  FROM washminute_data.washing_requests AS r"
								  "  LEFT JOIN washminute_data.request_timers AS t USING (request_id)"
								  " WHERE request_id = $1", request_id);
		bool		pending = strcmp(PQgetvalue(state, 0, 0), "pending") == 0;
		int64_t		due_at = Integer(state, 0, 3);
		Phone	   *next;

		count = SeeOffers(request_id, sample, phones, count);
		if (strcmp(PQgetvalue(state, 0, 0), "accepted") == 0)
		{
			Count(policy, state, phones, count, now - booked_at, now);
			Do(everybody, "SELECT washminute.force_cancel_request($1, 'admin', 'the next one')", request_id);
		}
		PQclear(state);
		if (!pending)
			return;

		next = NextToTap(phones, count);
		if (next == NULL || due_at <= next->taps_at)
		{
			now = due_at > now ? due_at : now;
			SetClock(now);
			Do(everybody, "SELECT washminute.expire_due()");
			continue;
		}
		now = next->taps_at;
		next->taps_at = -1;
		SetClock(now);
		Do(racer, "SELECT washminute.accept_request($1, $2)", request_id, vehicles[next->vehicle].id);
	}
}

/* The pick-up, offered by one policy. */
static void
RunPolicy(Policy *policy, const char *longitude, const char *latitude, int sample, int64_t at)
{
	char		request_id[40];
	PGresult   *result;

	SetClock(at);
	ReportFree();
	Do(everybody, "UPDATE washminute_data.service_zones SET active = zone_code = $1"
	   " WHERE active <> (zone_code = $1)", policy->zone);
	result = Query(everybody, "SELECT request_id, washmen_offered FROM washminute.create_booking("
				   "'customer', '{exterior}', $1, $2, 'At the kerb', 'cash')", longitude, latitude);
	snprintf(request_id, sizeof(request_id), "%s", PQgetvalue(result, 0, 0));
	if (Integer(result, 0, 1) > 0)
	{
		policy->requests++;
		RunRequest(policy, request_id, sample, at);
	}
	else
		Do(everybody, "SELECT washminute.force_cancel_request($1, 'admin', 'nobody is near')", request_id);
	PQclear(result);
}

/* Whether a pick-up belongs to the sample: a share of all, drawn by the seed. */
static bool
IsSampled(int pickup, int count)
{
	return Chance(seed, ABOUT_SAMPLE, pickup) * trace.pickup_count < count;
}

static void
Run(Policy *policies, int policy_count, int count)
{
	int64_t		at = trace.positions[0].at * US_PER_S;
	int			pickup = 0;
	char		longitude[32];
	char		latitude[32];

	for (const Position *p = trace.positions; p < trace.positions + trace.count; p++)
	{
		vehicles[p->provider].last = p;
		if (!p->pickup || !IsSampled(++pickup, count))
			continue;
		snprintf(longitude, sizeof(longitude), "%.7f", p->longitude);
		snprintf(latitude, sizeof(latitude), "%.7f", p->latitude);
		FindFree(p);
		SetClock(at);
		ChangeStatus();
		Measure(pickup, longitude, latitude);
		for (int i = 0; i < policy_count; i++, at += APART)
			RunPolicy(&policies[i], longitude, latitude, pickup, at);
	}
}

int
main(int argc, char **argv)
{
	int			policy_count = argc - 6;
	Policy	   *policies;
	PGresult   *result;

	if (policy_count < 1)
	{
		fprintf(stderr, "usage: policies SEED COUNT MEDIAN SIGMA SILENT NAME=ZONE... < trace.csv\n");
		return 2;
	}
	seed = strtoull(argv[1], NULL, 10);
	delay_median = atof(argv[3]);
	delay_sigma = atof(argv[4]);
	silent_share = atof(argv[5]);
	policies = calloc(policy_count, sizeof(Policy));
	for (int i = 0; i < policy_count; i++)
	{
		policies[i].name = argv[6 + i];
		policies[i].zone = strchr(argv[6 + i], '=');
		*policies[i].zone++ = '\0';
	}
	TraceRead(stdin, &trace);
	admin = Connect("user=postgres");
	everybody = Connect("user=washminute_demo options='-c synchronous_commit=off'");
	racer = Connect("user=washminute_demo options='-c synchronous_commit=off"
					" -c default_transaction_isolation=serializable'");
	SetClock(trace.positions[0].at * US_PER_S);
	MakeVehicles();
	result = Query(everybody, "SELECT 1000000 * value FROM washminute_data.settings WHERE name = 'offer_seconds'");
	offer_us = atof(PQgetvalue(result, 0, 0));
	PQclear(result);
	Run(policies, policy_count, atoi(argv[2]));
	for (int i = 0; i < policy_count; i++)
	{
		const Policy *policy = &policies[i];
		double		accepted = policy->accepted;

		printf("%s %d %d %.3f %.3f %.3f %.3f %.3f %.3f\n", policy->name, policy->requests, policy->accepted,
			   policy->metres / accepted, policy->nearest_metres / accepted,
			   policy->willing_metres / accepted, policy->seconds / accepted,
			   policy->told / accepted, policy->waves / accepted);
	}
	return 0;
}
