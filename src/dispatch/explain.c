/*-------------------------------------------------------------------------
 *
 * explain.c
 *		Why a washman near a request would be offered it now, or would not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "base/argument.h"
#include "base/array.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/settings.h"
#include "base/statement.h"
#include "dispatch/geodesy.h"
#include "dispatch/matching.h"
#include "dispatch/request.h"

COMMAND(explain_match, -1);

/* Eligible, and yet not to be offered it: bits after those of EligibilityReasons. */
#define REASON_OUTSIDE_RING (REASON_MANY_OFFERS << 1)
#define REASON_OTHERS_NEARER (REASON_MANY_OFFERS << 2)
#define REASON_NEXT_WAVE (REASON_MANY_OFFERS << 3)

/* Names of the reasons, by bit. */
static const char *const reason_names[] = {
	"suspended", "offline", "position_old", "declined", "busy", "balance_below_floor",
	"no_room_for_commission", "own_request", "offered_lately", "too_many_offers",
	"outside_ring", "others_nearer", "next_wave"
};

StaticAssertDecl(REASON_SUSPENDED == 1 && REASON_MANY_OFFERS == 1 << 9,
				 "reason_names go by bits");

/* Of those who are in the live index the table may know an older place, or none. */
static Statement select_near = {
	"WITH live AS MATERIALIZED ("
	"  SELECT washman_id, longitude, latitude, located_at FROM washminute.live_washmen()"
	"   WHERE ST_DWithin(ST_SetSRID(ST_MakePoint(longitude, latitude), 4326)::geography,"
	"                    ST_SetSRID(ST_MakePoint($2, $3), 4326)::geography, $4)),"
	" near AS ("
	"  SELECT washman_id, longitude, latitude, located_at FROM live"
	"  UNION ALL"
	"  SELECT p.washman_id, ST_X(p.last_location::geometry), ST_Y(p.last_location::geometry),"
	"         p.last_location_updated_at"
	"    FROM washminute_data.washman_positions AS p"
	"   WHERE ST_DWithin(p.last_location, ST_SetSRID(ST_MakePoint($2, $3), 4326)::geography, $4)"
	"     AND p.washman_id NOT IN (SELECT washman_id FROM washminute.live_washmen()"
	"                               WHERE located_at IS NOT NULL))"
	" SELECT n.washman_id, n.longitude, n.latitude, n.located_at,"
	"        w.status = 'online', w.suspended_at IS NOT NULL, a.balance, a.held,"
	"        EXISTS (SELECT FROM washminute_data.jobs AS j"
	"                 WHERE j.washman_id = n.washman_id AND j.live AND j.request_id <> $1"
	"                   AND pg_catalog.tstzrange(pg_catalog.lower(j.period),"
	"                         GREATEST(pg_catalog.upper(j.period), $5), '[]')"
	"                       OPERATOR(pg_catalog.&&) pg_catalog.tstzrange($6, $7)),"
	"        f.declined_at IS NOT NULL, f.request_id IS NOT NULL,"
	"        (" OPEN_OFFERS("n", "$1", "$5", "$8") "), (f.wave > $9) IS TRUE"
	"   FROM near AS n"
	"   JOIN washminute_data.washmen AS w ON w.washman_id = n.washman_id"
	"   JOIN washminute_data.accounts AS a ON a.washman_id = n.washman_id"
	"   LEFT JOIN washminute_data.offers AS f ON f.request_id = $1 AND f.washman_id = n.washman_id",
	9, {UUIDOID, FLOAT8OID, FLOAT8OID, FLOAT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
	TIMESTAMPTZOID, INT8OID}
};

typedef struct Considered
{
	char	   *washman_id;
	double		distance_m;
	bool		offered;
	bool		in_round;		/* offered since it was given back, if it was */
	int			reasons;
} Considered;

static int
ConsideredCompare(const void *a, const void *b)
{
	const Considered *left = a;
	const Considered *right = b;

	if (left->distance_m != right->distance_m)
		return left->distance_m < right->distance_m ? -1 : 1;
	return strcmp(left->washman_id, right->washman_id);
}

static void
Consider(const MatchQuery *query, uint64 row, Considered *considered)
{
	WashmanFacts facts = {
		.located_at = RowTime(row, 4),
		.online = RowBool(row, 5),
		.suspended = RowBool(row, 6),
		.balance = RowMoney(row, 7),
		.held = RowMoney(row, 8),
		.busy = RowBool(row, 9),
		.declined = RowBool(row, 10),
		.open_offers = RowBool(row, 13) ? 0 : (int) RowInt64(row, 12)
	};

	considered->washman_id = RowText(row, 1);
	facts.is_customer = strcmp(considered->washman_id, query->customer_id) == 0;
	considered->distance_m = GeodesicDistance(RowFloat8(row, 2), RowFloat8(row, 3),
											  query->longitude, query->latitude);
	considered->offered = RowBool(row, 11);
	considered->in_round = RowBool(row, 13);
	considered->reasons = EligibilityReasons(&facts, &query->terms);
}

/*
 * Of those who are eligible and were not offered it yet, the next wave is for the
 * nearest so many of the ring of the nearest.
 */
static void
CutToRing(const MatchQuery *query, Considered *considered, int count)
{
	double		ring_m = 0;
	int			eligible = 0;

	for (int i = 0; i < count; i++)
	{
		if (considered[i].reasons != 0 || considered[i].in_round)
			continue;
		if (eligible == 0)
			ring_m = MatchRing(query, considered[i].distance_m);
		if (considered[i].distance_m > ring_m)
			considered[i].reasons = REASON_OUTSIDE_RING;
		else
			considered[i].reasons = eligible++ < query->max_results ?
				REASON_NEXT_WAVE : REASON_OTHERS_NEARER;
	}
}

static Datum
ReasonNames(int reasons)
{
	const char *names[lengthof(reason_names)];
	int			count = 0;

	for (int i = 0; i < lengthof(reason_names); i++)
		if (reasons & (1 << i))
			names[count++] = reason_names[i];
	return TextArray(names, count);
}

/* explain_match(request_id): everybody within the last ring, nearest first. */
static Datum
explain_match_body(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	pg_uuid_t  *request_id = ArgumentUuid(fcinfo, 0, "request_id");
	Request		request;
	Settings	settings;
	MatchQuery	query;
	Arguments	arguments = {0};
	Considered *considered;
	uint64		rows;
	int			count;

	RequestRead(request_id, &request);
	RequestSettings(&request, &settings);
	RequestMatchQuery(&request, &settings, &query);
	ArgumentDatum(&arguments, UUIDPGetDatum(request_id));
	ArgumentDatum(&arguments, Float8GetDatum(query.longitude));
	ArgumentDatum(&arguments, Float8GetDatum(query.latitude));
	ArgumentDatum(&arguments, Float8GetDatum(query.radius_limit_m));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	ArgumentDatum(&arguments, TimestampTzGetDatum(query.starts_at));
	ArgumentDatum(&arguments, TimestampTzGetDatum(query.ends_at));
	ArgumentDatum(&arguments, TimestampTzGetDatum(OFFERS_STAND_SINCE));
	ArgumentDatum(&arguments, Int64GetDatum(query.round_wave));
	rows = StatementRun(&select_near, &arguments);
	count = (int) rows;
	considered = palloc_extended(Max(rows, 1) * sizeof(Considered), MCXT_ALLOC_HUGE);
	for (uint64 row = 0; row < rows; row++)
		Consider(&query, row, &considered[row]);
	qsort(considered, count, sizeof(Considered), ConsideredCompare);
	CutToRing(&query, considered, count);

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < count; i++)
	{
		Datum		values[4] = {
			CStringGetTextDatum(considered[i].washman_id),
			Float8GetDatum(considered[i].distance_m),
			BoolGetDatum(considered[i].offered),
			ReasonNames(considered[i].reasons)
		};
		bool		nulls[4] = {false};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
