/*-------------------------------------------------------------------------
 *
 * matching.c
 *		Who is near: by the live index, or where there is none by the table, through
 *		PostGIS's nearest-neighbour index.  Both give the same.
 *
 * PostGIS's index yields washmen in the order of their distance on a sphere.  That
 * differs from the geodesic on the WGS 84 spheroid, which counts here, by 0.6 %
 * at the most (the radii of curvature of WGS 84 run from 6335.4 km to 6399.6 km,
 * PostGIS's sphere has 6371.0 km).  So the walk outwards stops when the sphere's
 * distance, less that margin, is beyond everything that can still matter: the
 * ring, or the last of max_results washmen already found.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/argument.h"
#include "base/array.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/settings.h"
#include "base/statement.h"
#include "dispatch/fast_path.h"
#include "dispatch/geodesy.h"
#include "dispatch/live_index.h"
#include "dispatch/live_status.h"
#include "dispatch/matching.h"

/* A geodesic is at least this share of the distance on PostGIS's sphere. */
#define GEODESIC_OVER_SPHERE_MIN 0.994

/* Rows fetched at once. */
#define MATCH_BATCH 64

/* The most that nearby_washmen returns. */
#define MATCH_MAX_RESULTS 10000
#define MATCH_RESULTS 50		/* unless told */

/* The longest max_age. */
#define MAX_AGE_YEARS INT64CONST(1000)

/* Half the earth's circumference: no two places are farther apart. */
#define FARTHEST_M 20037508.0

COMMAND(nearby_washmen, -1);
PG_FUNCTION_INFO_V1(washminute_nearby_washmen_fast);

/* Columns that both statements begin with, and what they have in common. */
#define MATCH_COLUMNS \
	"SELECT p.washman_id," \
	"       ST_Distance(p.last_location, ST_SetSRID(ST_MakePoint($1, $2), 4326)::geography)," \
	"       p.last_location <-> ST_SetSRID(ST_MakePoint($1, $2), 4326)::geography," \
	"       p.last_location_updated_at, w.suspended_at IS NOT NULL"
#define MATCH_FROM \
	"  FROM washminute_data.washman_positions AS p" \
	"  JOIN washminute_data.washmen AS w ON w.washman_id = p.washman_id"
#define MATCH_WHERE \
	" WHERE w.status = 'online'" \
	" ORDER BY p.last_location <-> ST_SetSRID(ST_MakePoint($1, $2), 4326)::geography"

static Statement select_near = {
	MATCH_COLUMNS MATCH_FROM MATCH_WHERE,
	2, {FLOAT8OID, FLOAT8OID}
};

/*
 * A job that takes longer than planned keeps its washman busy.  The lists are
 * read once for the walk, whatever plan the tables had when they were empty.
 */
static Statement select_near_for_request = {
	MATCH_COLUMNS ","
	"       a.balance, a.held,"
	"       p.washman_id IN (SELECT j.washman_id FROM washminute_data.jobs AS j"
	"                         WHERE j.live"
	"                           AND pg_catalog.tstzrange(pg_catalog.lower(j.period),"
	"                                 GREATEST(pg_catalog.upper(j.period), $4), '[]')"
	"                               OPERATOR(pg_catalog.&&) pg_catalog.tstzrange($5, $6)),"
	"       p.washman_id IN (SELECT f.washman_id FROM washminute_data.offers AS f"
	"                         WHERE f.request_id = $3 AND f.declined_at IS NOT NULL),"
	"       p.washman_id IN (SELECT f.washman_id FROM washminute_data.offers AS f"
	"                         WHERE f.request_id = $3 AND f.wave > $9 AND f.offered_at >= $7),"
	"       (" OPEN_OFFERS("p", "$3", "$4", "$8") ")"
	MATCH_FROM
	"  JOIN washminute_data.accounts AS a ON a.washman_id = p.washman_id"
	MATCH_WHERE,
	9, {FLOAT8OID, FLOAT8OID, UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
	TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID}
};

/* What the tables know of washmen who are near, for a request. */
static Statement select_facts = {
	"SELECT i.ord, w.suspended_at IS NOT NULL, a.balance, a.held,"
	"       EXISTS (SELECT FROM washminute_data.jobs AS j"
	"                WHERE j.washman_id = i.washman_id AND j.live"
	"                  AND pg_catalog.tstzrange(pg_catalog.lower(j.period),"
	"                        GREATEST(pg_catalog.upper(j.period), $3), '[]')"
	"                      OPERATOR(pg_catalog.&&) pg_catalog.tstzrange($4, $5)),"
	"       f.declined_at IS NOT NULL, w.status = 'online', (f.wave > $8 AND f.offered_at >= $6) IS TRUE,"
	"       (" OPEN_OFFERS("i", "$2", "$3", "$7") ")"
	"  FROM pg_catalog.unnest($1) WITH ORDINALITY AS i (washman_id, ord)"
	"  JOIN washminute_data.washmen AS w ON w.washman_id = i.washman_id"
	"  JOIN washminute_data.accounts AS a ON a.washman_id = i.washman_id"
	"  LEFT JOIN washminute_data.offers AS f ON f.request_id = $2 AND f.washman_id = i.washman_id",
	8, {TEXTARRAYOID, UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
	TIMESTAMPTZOID, INT8OID}
};

/* What the walk has found so far. */
typedef struct MatchWalk
{
	const MatchQuery *query;
	Candidate  *candidates;
	int			count;
	int			capacity;
	double		bound_m;		/* nothing farther can matter */
} MatchWalk;

static int
CandidateCompare(const void *a, const void *b)
{
	const Candidate *left = a;
	const Candidate *right = b;

	if (left->distance_m != right->distance_m)
		return left->distance_m < right->distance_m ? -1 : 1;
	return strcmp(left->washman_id, right->washman_id);
}

/*
 * The smallest ring that reaches so far, at most the limit.  Rounding must not
 * put it short of the washman whose ring it is.
 */
double
MatchRing(const MatchQuery *query, double distance_m)
{
	double		steps;

	if (distance_m <= query->initial_radius_m)
		return Min(query->initial_radius_m, query->radius_limit_m);
	steps = ceil((distance_m - query->initial_radius_m) / query->radius_step_m);
	return Min(Max(query->initial_radius_m + steps * query->radius_step_m,
				   distance_m),
			   query->radius_limit_m);
}

/* How many of the candidates, nearest first, are wanted; and their ring. */
static int
WithinRing(const MatchQuery *query, const Candidate *candidates, int count,
		   double *radius_m)
{
	int			within = 0;

	*radius_m = 0;
	if (count == 0)
		return 0;
	*radius_m = MatchRing(query, candidates[0].distance_m);
	while (within < Min(count, query->max_results) &&
		   candidates[within].distance_m <= *radius_m)
		within++;
	return within;
}

/* Take one row of the walk, if its washman is eligible and near enough. */
static void
WalkTakeRow(MatchWalk *walk, uint64 row)
{
	const MatchQuery *query = walk->query;
	double		distance_m = RowFloat8(row, 2);
	WashmanFacts facts = {
		.online = true,
		.located_at = RowTime(row, 4),
		.suspended = RowBool(row, 5)
	};
	Candidate  *candidate;

	if (distance_m > query->radius_limit_m)
		return;
	if (query->request_id != NULL)
	{
		facts.balance = RowMoney(row, 6);
		facts.held = RowMoney(row, 7);
		facts.busy = RowBool(row, 8);
		facts.declined = RowBool(row, 9);
		facts.offered = RowBool(row, 10);
		facts.open_offers = (int) RowInt64(row, 11);
		facts.is_customer = strcmp(RowText(row, 1), query->customer_id) == 0;
	}
	if (EligibilityReasons(&facts, &query->terms) != 0)
		return;

	if (walk->count == walk->capacity)
	{
		walk->capacity *= 2;
		walk->candidates = repalloc(walk->candidates,
									walk->capacity * sizeof(Candidate));
	}
	candidate = &walk->candidates[walk->count++];
	candidate->washman_id = RowText(row, 1);
	candidate->distance_m = distance_m;
	candidate->located_at = facts.located_at;
}

/* After a batch: nearest first, and how far is still worth walking. */
static void
WalkTighten(MatchWalk *walk)
{
	if (walk->count == 0)
		return;
	qsort(walk->candidates, walk->count, sizeof(Candidate), CandidateCompare);
	walk->bound_m = MatchRing(walk->query, walk->candidates[0].distance_m);
	if (walk->count >= walk->query->max_results)
		walk->bound_m =
			Min(walk->bound_m,
				walk->candidates[walk->query->max_results - 1].distance_m);
}

static Portal
WalkOpen(const MatchQuery *query)
{
	bool		for_request = query->request_id != NULL;
	Statement  *statement = for_request ? &select_near_for_request : &select_near;
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, Float8GetDatum(query->longitude));
	ArgumentDatum(&arguments, Float8GetDatum(query->latitude));
	if (for_request)
	{
		ArgumentDatum(&arguments, UUIDPGetDatum(query->request_id));
		ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
		ArgumentDatum(&arguments, TimestampTzGetDatum(query->starts_at));
		ArgumentDatum(&arguments, TimestampTzGetDatum(query->ends_at));
		ArgumentDatum(&arguments, TimestampTzGetDatum(query->offered_since));
		ArgumentDatum(&arguments, TimestampTzGetDatum(OFFERS_STAND_SINCE));
		ArgumentDatum(&arguments, Int64GetDatum(query->round_wave));
	}

	/* a request's matching must see what its command has written */
	return StatementOpen(statement, &arguments, !for_request);
}

/* By the table. */
static int
MatchByTable(const MatchQuery *query, Candidate **candidates, double *radius_m)
{
	MatchWalk	walk = {
		.query = query,
		.capacity = MATCH_BATCH,
		.bound_m = query->radius_limit_m
	};
	Portal		portal = WalkOpen(query);
	bool		more = true;

	walk.candidates = palloc(walk.capacity * sizeof(Candidate));
	while (more)
	{
		uint64		rows = StatementFetch(portal, MATCH_BATCH);

		CHECK_FOR_INTERRUPTS();
		for (uint64 row = 0; row < rows; row++)
			WalkTakeRow(&walk, row);
		WalkTighten(&walk);
		more = rows == MATCH_BATCH &&
			RowFloat8(rows - 1, 3) * GEODESIC_OVER_SPHERE_MIN <= walk.bound_m;
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	*candidates = walk.candidates;
	return WithinRing(query, walk.candidates, walk.count, radius_m);
}

/*
 * By the live index
 */

static double
RingBound(const void *argument, double distance_m)
{
	return MatchRing(argument, distance_m);
}

/* The reasons that only the tables know, for those who are near. */
static void
LookUpFacts(const MatchQuery *query, const LiveFound *found, int count,
			WashmanFacts *facts)
{
	const char **ids = palloc(count * sizeof(char *));
	Arguments	arguments = {0};
	uint64		rows;

	for (int i = 0; i < count; i++)
		ids[i] = found[i].id;
	ArgumentDatum(&arguments, TextArray(ids, count));
	ArgumentDatum(&arguments, UUIDPGetDatum(query->request_id));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	ArgumentDatum(&arguments, TimestampTzGetDatum(query->starts_at));
	ArgumentDatum(&arguments, TimestampTzGetDatum(query->ends_at));
	ArgumentDatum(&arguments, TimestampTzGetDatum(query->offered_since));
	ArgumentDatum(&arguments, TimestampTzGetDatum(OFFERS_STAND_SINCE));
	ArgumentDatum(&arguments, Int64GetDatum(query->round_wave));
	rows = StatementRun(&select_facts, &arguments);
	for (uint64 row = 0; row < rows; row++)
	{
		int			i = (int) RowInt64(row, 1) - 1;

		facts[i] = (WashmanFacts) {
			.online = RowBool(row, 7),
			.suspended = RowBool(row, 2),
			.balance = RowMoney(row, 3),
			.held = RowMoney(row, 4),
			.busy = RowBool(row, 5),
			.declined = RowBool(row, 6),
			.offered = RowBool(row, 8),
			.open_offers = (int) RowInt64(row, 9),
			.located_at = found[i].at,
			.is_customer = strcmp(found[i].id, query->customer_id) == 0
		};
	}
}

int
MatchReasons(const MatchQuery *query, const char *washman_id, TimestampTz located_at)
{
	LiveFound	found = {0, located_at, unconstify(char *, washman_id)};
	WashmanFacts facts = {0};

	LookUpFacts(query, &found, 1, &facts);
	return EligibilityReasons(&facts, &query->terms);
}

/* Those of the found who are eligible, at most so many within their ring. */
static int
TakeEligible(const MatchQuery *query, const LiveFound *found, int count,
			 Candidate **candidates, double *radius_m)
{
	WashmanFacts *facts = palloc0(Max(count, 1) * sizeof(WashmanFacts));
	int			eligible = 0;

	*candidates = palloc(Max(count, 1) * sizeof(Candidate));
	if (query->request_id != NULL && count > 0)
		LookUpFacts(query, found, count, facts);
	for (int i = 0; i < count; i++)
	{
		/* the index holds those who are online and not suspended */
		if (query->request_id == NULL)
			facts[i] = (WashmanFacts) {.online = true, .located_at = found[i].at};
		if (EligibilityReasons(&facts[i], &query->terms) != 0)
			continue;
		(*candidates)[eligible++] = (Candidate) {
			found[i].id, found[i].distance_m, found[i].at
		};
	}
	return WithinRing(query, *candidates, eligible, radius_m);
}

/* What the transaction itself has changed is not in the index before its commit. */
static int
WithOwnChanges(const LiveQuery *query, const LiveChange *changes, int change_count,
			   LiveFound **found, int count)
{
	LiveFound  *all = palloc((count + change_count) * sizeof(LiveFound));
	int			kept = 0;

	for (int i = 0; i < count; i++)
	{
		if (!LiveIsChanged((*found)[i].id))
			all[kept++] = (*found)[i];
	}
	for (int j = 0; j < change_count; j++)
	{
		Fix			fix = LiveFix(changes[j].id, strlen(changes[j].id));
		double		distance_m;

		if (!changes[j].online || FixIsNone(&fix) || fix.at < query->since)
			continue;
		distance_m = GeodesicDistance(fix.longitude, fix.latitude,
									  query->longitude, query->latitude);
		if (distance_m <= query->limit_m)
			all[kept++] = (LiveFound) {distance_m, fix.at, changes[j].id};
	}
	qsort(all, kept, sizeof(LiveFound), LiveFoundCompare);
	*found = all;
	return kept;
}

/*
 * For a request many who are near may not be eligible: more are looked for, until
 * there are enough, or the ring of the nearest is exhausted.
 */
static int
MatchByIndex(const MatchQuery *query, Candidate **candidates, double *radius_m)
{
	LiveChange *changes = NULL;
	int			change_count = LiveHasChanges() ? LiveChanges(&changes) : 0;
	LiveQuery	walk = {
		.longitude = query->longitude,
		.latitude = query->latitude,
		.limit_m = query->radius_limit_m,
		.count = query->max_results + query->already + change_count,
		.since = query->terms.located_since,
		.argument = query
	};

	if (query->request_id == NULL && change_count == 0)
		walk.ring = RingBound;
	for (;; walk.count *= 4)
	{
		LiveFound  *found;
		bool		more;
		int			near = LiveNearest(&walk, &found, &more);
		double		reached_m = more ? found[near - 1].distance_m : query->radius_limit_m;
		int			count;

		if (change_count > 0)
			near = WithOwnChanges(&walk, changes, change_count, &found, near);
		count = TakeEligible(query, found, near, candidates, radius_m);

		/* nothing nearer than what was reached is missing */
		if (!more || (count > 0 && reached_m > *radius_m) ||
			(count == query->max_results && (*candidates)[count - 1].distance_m <= reached_m))
			return count;
	}
}

int
MatchNearest(const MatchQuery *query, Candidate **candidates, double *radius_m)
{
	return LiveIsUsed() && !LiveHasTruncated() ? MatchByIndex(query, candidates, radius_m) :
		MatchByTable(query, candidates, radius_m);
}

/* Read the arguments of nearby_washmen; NULL takes the setting. */
static void
NearbyArguments(FunctionCallInfo fcinfo, MatchQuery *query)
{
	Settings	settings;
	Interval   *max_age;

	SettingsRead(&settings);
	ArgumentPlace(fcinfo, 0, &query->longitude, &query->latitude);
	query->initial_radius_m = ArgumentPositive(fcinfo, 2, "initial_radius_m",
											   settings.initial_radius_m);
	query->radius_step_m = ArgumentPositive(fcinfo, 3, "radius_step_m",
											settings.radius_step_m);
	query->radius_limit_m =
		ArgumentPositive(fcinfo, 4, "radius_limit_m",
						 Max(settings.radius_limit_m, query->initial_radius_m));
	if (query->radius_limit_m < query->initial_radius_m)
	{
		if (!PG_ARGISNULL(2))
			ErrorRaiseArgument(WM_ARGUMENT_INVALID, "radius_limit_m",
							   "not be below initial_radius_m");
		query->initial_radius_m = query->radius_limit_m;
	}
	query->radius_limit_m = Min(query->radius_limit_m, FARTHEST_M);

	query->max_results = PG_ARGISNULL(5) ? MATCH_RESULTS : PG_GETARG_INT32(5);
	if (query->max_results < 1 || query->max_results > MATCH_MAX_RESULTS)
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "max_results",
						   "be from 1 to 10000");

	if (PG_ARGISNULL(6))
	{
		query->terms.located_since = ClockNow() -
			SETTING_USECS(settings.position_max_age_seconds, 1);
		return;
	}
	max_age = PG_GETARG_INTERVAL_P(6);
	if (abs(max_age->month / 12) > MAX_AGE_YEARS ||
		abs(max_age->day / 366) > MAX_AGE_YEARS ||
		max_age->time > MAX_AGE_YEARS * 365 * USECS_PER_DAY ||
		max_age->time < -MAX_AGE_YEARS * 365 * USECS_PER_DAY)
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "max_age", "be at most 1000 years");
	query->terms.located_since = DatumGetTimestampTz(
		DirectFunctionCall2(timestamptz_mi_interval,
							TimestampTzGetDatum(ClockNow()),
							IntervalPGetDatum(max_age)));
	if (query->terms.located_since >= ClockNow())
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "max_age", "be above 0");
}

/* nearby_washmen(longitude, latitude, ...): who is online near, whatever for. */
Datum
washminute_nearby_washmen_fast(PG_FUNCTION_ARGS)
{
	return FastPathIsOpen() ? nearby_washmen_body(fcinfo) : FastPathLeave(fcinfo);
}

static Datum
nearby_washmen_body(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MatchQuery	query = {0};
	Candidate  *candidates;
	double		radius_m;
	int			count;

	NearbyArguments(fcinfo, &query);
	count = MatchNearest(&query, &candidates, &radius_m);

	/* who calls it knows its columns: no need to look them up */
	InitMaterializedSRF(fcinfo, rsinfo != NULL && IsA(rsinfo, ReturnSetInfo) &&
						rsinfo->expectedDesc != NULL && rsinfo->expectedDesc->natts == 4 ?
						MAT_SRF_USE_EXPECTED_DESC : 0);
	for (int i = 0; i < count; i++)
	{
		Datum		values[4] = {
			CStringGetTextDatum(candidates[i].washman_id),
			Float8GetDatum(candidates[i].distance_m),
			Float8GetDatum(radius_m),
			TimestampTzGetDatum(candidates[i].located_at)
		};
		bool		nulls[4] = {false};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
