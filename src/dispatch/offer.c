/*-------------------------------------------------------------------------
 *
 * offer.c
 *		Offers a request to the washmen near.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "base/array.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/json.h"
#include "base/statement.h"
#include "dispatch/matching.h"
#include "dispatch/request.h"
#include "outbox/enqueue.h"

static Statement select_place = {
	"SELECT ST_X(client_location::geometry), ST_Y(client_location::geometry)"
	"  FROM washminute_data.washing_requests WHERE request_id = $1",
	1, {UUIDOID}
};

/* His first name is all that an offer tells of the customer. */
static Statement select_first_name = {
	"SELECT pg_catalog.split_part(name, ' ', 1)"
	"  FROM washminute_data.users WHERE user_id = $1",
	1, {TEXTOID}
};

static Statement update_wave = {
	"UPDATE washminute_data.washing_requests SET wave = $2::pg_catalog.int4"
	" WHERE request_id = $1",
	2, {UUIDOID, INT8OID}
};

static Statement update_expiry = {
	"UPDATE washminute_data.washing_requests SET expires_at = $2"
	" WHERE request_id = $1",
	2, {UUIDOID, TIMESTAMPTZOID}
};

static Statement upsert_timer = {
	"INSERT INTO washminute_data.request_timers (request_id, due_at)"
	" VALUES ($1, $2)"
	" ON CONFLICT (request_id) DO UPDATE SET due_at = EXCLUDED.due_at",
	2, {UUIDOID, TIMESTAMPTZOID}
};

static Statement upsert_offers = {
	"INSERT INTO washminute_data.offers AS f"
	"  (request_id, washman_id, wave, distance_m, located_at, offered_at, expires_at)"
	" SELECT $1, w.washman_id, $2::pg_catalog.int4, w.distance_m, w.located_at, $6, $7"
	"   FROM ROWS FROM (pg_catalog.unnest($3), pg_catalog.unnest($4), pg_catalog.unnest($5))"
	"        AS w (washman_id, distance_m, located_at)"
	" ON CONFLICT (request_id, washman_id) DO UPDATE"
	"   SET wave = EXCLUDED.wave, distance_m = EXCLUDED.distance_m,"
	"       located_at = EXCLUDED.located_at, offered_at = EXCLUDED.offered_at,"
	"       expires_at = EXCLUDED.expires_at"
	" WHERE f.declined_at IS NULL",
	7, {UUIDOID, INT8OID, TEXTARRAYOID, FLOAT8ARRAYOID, TIMESTAMPTZARRAYOID,
	TIMESTAMPTZOID, TIMESTAMPTZOID}
};

void
RequestSetTimer(const pg_uuid_t *request_id, TimestampTz due_at)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(request_id));
	ArgumentDatum(&arguments, TimestampTzGetDatum(due_at));
	StatementRunOne(&upsert_timer, &arguments);
}

void
RequestSetExpiry(Request *request, TimestampTz expires_at)
{
	Arguments	arguments = {0};

	request->expires_at = expires_at;
	ArgumentDatum(&arguments, UUIDPGetDatum(&request->request_id));
	ArgumentDatum(&arguments, TimestampTzGetDatum(expires_at));
	StatementRunOne(&update_expiry, &arguments);
	RequestSetTimer(&request->request_id, expires_at);
}

void
RequestMatchQuery(const Request *request, const Settings *settings, MatchQuery *query)
{
	Arguments	arguments = {0};

	*query = (MatchQuery) {
		.initial_radius_m = Min(settings->initial_radius_m, settings->radius_limit_m),
		.radius_step_m = settings->radius_step_m,
		.radius_limit_m = settings->radius_limit_m,
		.max_results = (int) settings->offer_size,
		.request_id = &request->request_id,
		.customer_id = request->customer_id,
		.terms = {
			.located_since = ClockNow() -
			SETTING_USECS(settings->position_max_age_seconds, 1),
			.balance_matters = true,
			.floor = SETTING_CENTIMES(settings->balance_floor),
			.commission_to_hold = RequestHold(request, settings)
		}
	};
	ArgumentDatum(&arguments, UUIDPGetDatum(&request->request_id));
	StatementRunOne(&select_place, &arguments);
	query->longitude = RowFloat8(0, 1);
	query->latitude = RowFloat8(0, 2);
	RequestPeriod(request, settings, &query->starts_at, &query->ends_at);
}

/* The offers of a wave as rows, in one statement. */
static void
WriteOffers(const Request *request, const Candidate *candidates, int count,
			const char *const *washman_ids, TimestampTz expires_at)
{
	Datum	   *distances = palloc(count * sizeof(Datum));
	Datum	   *times = palloc(count * sizeof(Datum));
	Arguments	arguments = {0};

	for (int i = 0; i < count; i++)
	{
		distances[i] = Float8GetDatum(candidates[i].distance_m);
		times[i] = TimestampTzGetDatum(candidates[i].located_at);
	}
	ArgumentDatum(&arguments, UUIDPGetDatum(&request->request_id));
	ArgumentDatum(&arguments, Int64GetDatum(request->wave));
	ArgumentDatum(&arguments, TextArray(washman_ids, count));
	ArgumentDatum(&arguments, FixedArray(distances, count, FLOAT8OID));
	ArgumentDatum(&arguments, FixedArray(times, count, TIMESTAMPTZOID));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	ArgumentDatum(&arguments, TimestampTzGetDatum(expires_at));
	StatementRun(&upsert_offers, &arguments);
}

static void
OfferData(const Request *request, int count, TimestampTz expires_at,
		  JsonObject *data)
{
	RequestData(request, data);
	JsonInt(data, "wave", request->wave);
	JsonInt(data, "offers", count);
	JsonTime(data, "expiresAt", expires_at);
}

static char *
FirstName(const char *user_id)
{
	Arguments	arguments = {0};

	ArgumentText(&arguments, user_id);
	return StatementRun(&select_first_name, &arguments) > 0 ? RowText(0, 1) : NULL;
}

int
RequestOffer(Request *request, const Settings *settings)
{
	TimestampTz expires_at =
		Min(ClockNow() + SETTING_USECS(settings->offer_seconds, 1),
			request->expires_at);
	MatchQuery	query;
	Candidate  *candidates;
	double		radius_m;
	int			count;
	const char **washman_ids;
	Arguments	arguments = {0};
	Notice	   *notices;
	JsonObject	data;

	RequestMatchQuery(request, settings, &query);
	count = MatchNearest(&query, &candidates, &radius_m);
	if (count == 0)
		return 0;

	request->wave++;
	ArgumentDatum(&arguments, UUIDPGetDatum(&request->request_id));
	ArgumentDatum(&arguments, Int64GetDatum(request->wave));
	StatementRunOne(&update_wave, &arguments);

	washman_ids = palloc(count * sizeof(char *));
	notices = palloc(count * sizeof(Notice));
	for (int i = 0; i < count; i++)
	{
		washman_ids[i] = candidates[i].washman_id;
		notices[i] = (Notice) {washman_ids[i], "washman", "newWashingRequest", expires_at};
	}
	WriteOffers(request, candidates, count, washman_ids, expires_at);

	OfferData(request, count, expires_at, &data);
	EventRecord("requestOffered", &request->request_id, NULL, JsonClose(&data));
	OfferData(request, count, expires_at, &data);
	JsonText(&data, "customerName", FirstName(request->customer_id));
	(void) OutboxPush(notices, count, JsonClose(&data));
	return count;
}
