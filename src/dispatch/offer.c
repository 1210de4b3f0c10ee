/*-------------------------------------------------------------------------
 *
 * offer.c
 *		Offers a request to the washmen near, wave by wave.
 *
 * A wave is for the nearest so many of the smallest ring that holds somebody who
 * is eligible and was not offered the request in this round.  So the first ring is
 * exhausted before the next one is tried, and nothing but the offers themselves
 * has to be remembered.  Once nobody new is near, those who have not answered for
 * long are offered it again.
 *
 * Where the zone's policy is staggered all offers of a wave are made at once, and
 * can be accepted, but the farther washmen are told of them later; and the next
 * wave, who are farther still, waits until all of this one have been told.
 *
 * A reservation that has not begun is offered at its stages instead (reservation.c),
 * to all of a wave at once, in a wider ring at each.
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
#include "base/lock.h"
#include "base/statement.h"
#include "dispatch/geodesy.h"
#include "dispatch/matching.h"
#include "dispatch/position_table.h"
#include "dispatch/request.h"
#include "dispatch/reservation.h"
#include "outbox/enqueue.h"

static Statement select_place = {
	"SELECT ST_X(client_location::geometry), ST_Y(client_location::geometry)"
	"  FROM washminute_data.washing_requests WHERE request_id = $1",
	1, {UUIDOID}
};

/* All that an offer tells: his first name, and what is to be done. */
static Statement select_told = {
	"SELECT pg_catalog.split_part(pg_catalog.ltrim(u.name), ' ', 1),"
	"       (SELECT pg_catalog.json_agg(l.service_code ORDER BY l.line_number)::pg_catalog.text"
	"          FROM washminute_data.order_lines AS l WHERE l.order_id = $2)"
	"  FROM washminute_data.users AS u WHERE u.user_id = $1",
	2, {TEXTOID, UUIDOID}
};

static Statement update_waves = {
	"UPDATE washminute_data.washing_requests"
	"   SET expires_at = $2, wave = $3::pg_catalog.int4, radius_m = $4, round_wave = $5::pg_catalog.int4,"
	"       next_wave_at = NULLIF($6, 'infinity'), decide_at = NULLIF($7, 'infinity')"
	" WHERE request_id = $1",
	7, {UUIDOID, TIMESTAMPTZOID, INT8OID, FLOAT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static Statement upsert_timer = {
	"INSERT INTO washminute_data.request_timers (request_id, due_at, place)"
	" SELECT request_id, $2, client_location FROM washminute_data.washing_requests"
	"  WHERE request_id = $1"
	" ON CONFLICT (request_id) DO UPDATE SET due_at = EXCLUDED.due_at",
	2, {UUIDOID, TIMESTAMPTZOID}
};

static Statement upsert_offers = {
	"INSERT INTO washminute_data.offers AS f"
	"  (request_id, washman_id, wave, distance_m, located_at, offered_at, expires_at)"
	" SELECT $1, w.washman_id, $2::pg_catalog.int4, w.distance_m, w.located_at, w.offered_at, w.expires_at"
	"   FROM ROWS FROM (pg_catalog.unnest($3), pg_catalog.unnest($4), pg_catalog.unnest($5),"
	"                   pg_catalog.unnest($6), pg_catalog.unnest($7))"
	"        AS w (washman_id, distance_m, located_at, offered_at, expires_at)"
	" ON CONFLICT (request_id, washman_id) DO UPDATE"
	"   SET wave = EXCLUDED.wave, distance_m = EXCLUDED.distance_m,"
	"       located_at = EXCLUDED.located_at, offered_at = EXCLUDED.offered_at,"
	"       expires_at = EXCLUDED.expires_at, answered_at = NULL"
	" WHERE f.declined_at IS NULL",
	7, {UUIDOID, INT8OID, TEXTARRAYOID, FLOAT8ARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZARRAYOID,
	TIMESTAMPTZARRAYOID}
};

/* The open requests near a place, nearest first; those that are reserved for later last. */
static Statement select_open_near = {
	"SELECT t.request_id FROM washminute_data.request_timers AS t"
	"  JOIN washminute_data.washing_requests AS r ON r.request_id = t.request_id"
	" WHERE ST_DWithin(t.place, ST_SetSRID(ST_MakePoint($1, $2), 4326)::geography, $3)"
	"   AND r.status = 'pending' AND r.radius_m > 0 AND r.next_wave_at IS NOT NULL"
	"   AND ST_DWithin(t.place, ST_SetSRID(ST_MakePoint($1, $2), 4326)::geography, r.radius_m)"
	" ORDER BY r.reservation_at > $5, t.place <-> ST_SetSRID(ST_MakePoint($1, $2), 4326)::geography"
	" LIMIT $4",
	5, {FLOAT8OID, FLOAT8OID, FLOAT8OID, INT8OID, TIMESTAMPTZOID}
};

TimestampTz
RequestDueAt(const Request *request)
{
	return Min(request->expires_at, Min(request->next_wave_at, request->decide_at));
}

void
RequestSetTimer(const pg_uuid_t *request_id, TimestampTz due_at)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(request_id));
	ArgumentDatum(&arguments, TimestampTzGetDatum(due_at));
	StatementRunOne(&upsert_timer, &arguments);
	WakeForTimer(due_at);
}

void
RequestWriteWaves(const Request *request)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(&request->request_id));
	ArgumentDatum(&arguments, TimestampTzGetDatum(request->expires_at));
	ArgumentDatum(&arguments, Int64GetDatum(request->wave));
	ArgumentDatum(&arguments, Float8GetDatum(request->radius_m));
	ArgumentDatum(&arguments, Int64GetDatum(request->round_wave));
	ArgumentDatum(&arguments, TimestampTzGetDatum(request->next_wave_at));
	ArgumentDatum(&arguments, TimestampTzGetDatum(request->decide_at));
	StatementRunOne(&update_waves, &arguments);
	RequestSetTimer(&request->request_id, RequestDueAt(request));
}

void
RequestWait(Request *request, TimestampTz expires_at)
{
	request->next_wave_at = DT_NOEND;
	request->decide_at = DT_NOEND;
	request->expires_at = expires_at;
	RequestWriteWaves(request);
}

void
RequestPlace(const Request *request, double *longitude, double *latitude)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(&request->request_id));
	StatementRunOne(&select_place, &arguments);
	*longitude = RowFloat8(0, 1);
	*latitude = RowFloat8(0, 2);
}

static void
FillMatchQuery(const Request *request, const Settings *settings,
			   double longitude, double latitude, MatchQuery *query)
{
	int			stage = ReservationStage(request, settings);

	*query = (MatchQuery) {
		.longitude = longitude,
		.latitude = latitude,
		.initial_radius_m = Min(settings->initial_radius_m + stage * settings->radius_step_m,
								settings->radius_limit_m),
		.radius_step_m = settings->radius_step_m,
		.radius_limit_m = settings->radius_limit_m,
		.max_results = (stage + 1) * (int) settings->offer_size,
		.request_id = &request->request_id,
		.customer_id = request->customer_id,
		.round_wave = request->round_wave,
		.offered_since = DT_NOBEGIN,
		.already = (request->wave - request->round_wave) * (stage + 1) * (int) settings->offer_size,
		.terms = {
			.located_since = ClockNow() -
			SETTING_USECS(settings->position_max_age_seconds, 1),
			.balance_matters = true,
			.floor = SETTING_CENTIMES(settings->balance_floor),
			.commission_to_hold = RequestHold(request, settings),
			.max_open_offers = (int) settings->max_open_offers
		}
	};
	RequestPeriod(request, settings, &query->starts_at, &query->ends_at);
}

void
RequestMatchQuery(const Request *request, const Settings *settings, MatchQuery *query)
{
	double		longitude;
	double		latitude;

	RequestPlace(request, &longitude, &latitude);
	FillMatchQuery(request, settings, longitude, latitude, query);
}

/* An offer that is about to be made. */
typedef struct Offer
{
	Candidate	candidate;
	TimestampTz told_at;
	TimestampTz expires_at;
} Offer;

struct Wave
{
	int			count;
	Offer	   *offers;
};

/* The offers as rows, in one statement. */
static void
WriteOffers(const Request *request, const Offer *offers, int count)
{
	const char **washman_ids = palloc(count * sizeof(char *));
	Datum	   *distances = palloc(count * sizeof(Datum));
	Datum	   *located_at = palloc(count * sizeof(Datum));
	Datum	   *told_at = palloc(count * sizeof(Datum));
	Datum	   *expire_at = palloc(count * sizeof(Datum));
	Arguments	arguments = {0};

	for (int i = 0; i < count; i++)
	{
		washman_ids[i] = offers[i].candidate.washman_id;
		distances[i] = Float8GetDatum(offers[i].candidate.distance_m);
		located_at[i] = TimestampTzGetDatum(offers[i].candidate.located_at);
		told_at[i] = TimestampTzGetDatum(offers[i].told_at);
		expire_at[i] = TimestampTzGetDatum(offers[i].expires_at);
	}
	ArgumentDatum(&arguments, UUIDPGetDatum(&request->request_id));
	ArgumentDatum(&arguments, Int64GetDatum(request->wave));
	ArgumentDatum(&arguments, TextArray(washman_ids, count));
	ArgumentDatum(&arguments, FixedArray(distances, count, FLOAT8OID));
	ArgumentDatum(&arguments, FixedArray(located_at, count, TIMESTAMPTZOID));
	ArgumentDatum(&arguments, FixedArray(told_at, count, TIMESTAMPTZOID));
	ArgumentDatum(&arguments, FixedArray(expire_at, count, TIMESTAMPTZOID));
	StatementRun(&upsert_offers, &arguments);
}

/* What the log says of a wave. */
static char *
WaveData(const Request *request, int count)
{
	JsonObject	data;

	RequestData(request, &data);
	JsonInt(&data, "wave", request->wave);
	JsonInt(&data, "offers", count);
	JsonInt(&data, "radiusMetres", (int64) request->radius_m);
	return JsonClose(&data);
}

/*
 * What washmen are told before one of them accepts: neither the place nor who the
 * customer is, beyond his first name.
 */
static void
ToldData(const Request *request, const Settings *settings, JsonObject *data)
{
	Arguments	arguments = {0};

	RequestData(request, data);
	JsonInt(data, "wave", request->wave);
	JsonText(data, "zone", request->zone_code);
	ReservationTold(request, data);
	JsonMoney(data, "earnings", request->total - RequestCommission(request, settings));
	ArgumentText(&arguments, request->customer_id);
	ArgumentDatum(&arguments, UUIDPGetDatum(&request->order_id));
	if (StatementRun(&select_told, &arguments) > 0)
	{
		char	   *services = RowText(0, 2);

		JsonText(data, "customerName", RowText(0, 1));
		if (services != NULL)
			JsonObjectMember(data, "services", services);
	}
}

/*
 * Tell those whose turn it is now, who stand before the others.  One message in the
 * outbox sees to all others, group after group.
 */
static void
TellOffers(const Request *request, const Settings *settings, const Offer *offers, int count)
{
	Notice	   *notices = palloc(count * sizeof(Notice));
	JsonObject	data;
	JsonObject	later;
	const char *event = ReservationIsAhead(request) ? "upcomingReservation" : "newWashingRequest";
	int			at_once = 0;

	while (at_once < count && offers[at_once].told_at == offers[0].told_at)
	{
		notices[at_once] = (Notice) {
			offers[at_once].candidate.washman_id, "washman", event, offers[at_once].expires_at
		};
		at_once++;
	}
	ToldData(request, settings, &data);
	if (at_once < count)
	{
		JsonCopy(&data, &later);
		JsonTime(&later, "offeredAt", offers[at_once].told_at);
		JsonTime(&later, "lastAt", offers[count - 1].told_at);
		JsonInt(&later, "everyMicroseconds", SETTING_USECS(settings->stagger_seconds, 1));
		OutboxPushLater("newWashingRequest", JsonClose(&later), offers[at_once].told_at,
						request->expires_at);
	}
	JsonTime(&data, "offeredAt", offers[0].told_at);
	JsonTime(&data, "expiresAt", offers[0].expires_at);
	(void) OutboxPush(notices, at_once, JsonClose(&data));
}

/* Make offers and tell of them. */
static void
MakeOffers(const Request *request, const Settings *settings, const Offer *offers, int count)
{
	WriteOffers(request, offers, count);
	EventRecord("requestOffered", &request->request_id, NULL, WaveData(request, count));
	TellOffers(request, settings, offers, count);
}

/* An offer of a reservation that has not begun stands until the next ones are made. */
static Offer
OfferTo(const Request *request, const Settings *settings, const Candidate *candidate,
		TimestampTz told_at)
{
	Offer		offer = {*candidate};

	offer.told_at = Min(told_at, request->expires_at);
	offer.expires_at = ReservationIsAhead(request) ? ReservationNextOffer(request, settings) :
		offer.told_at + SETTING_USECS(settings->offer_seconds, 1);
	offer.expires_at = Max(offer.told_at, Min(offer.expires_at, request->expires_at));
	return offer;
}

/* When the washman is told who is the nth nearest of a wave, from 0. */
static TimestampTz
ToldAt(const Request *request, TimestampTz now, int n, const Settings *settings)
{
	if (settings->offer_policy != POLICY_STAGGERED || ReservationIsAhead(request))
		return now;
	return now + n / Max(1, (int) settings->stagger_size) *
		SETTING_USECS(settings->stagger_seconds, 1);
}

/*
 * When the next wave is due, after one of so many: of a reservation that has not begun
 * none before the last of its stages.
 */
static TimestampTz
NextWaveAt(const Request *request, TimestampTz now, int count, const Settings *settings)
{
	TimestampTz next = now + SETTING_USECS(settings->wave_seconds, 1);
	TimestampTz last_told = ToldAt(request, now, Max(count, 1) - 1, settings);

	if (last_told >= next)
		next = last_told + SETTING_USECS(settings->stagger_seconds, 1);
	if (ReservationIsAhead(request) && ReservationNextOffer(request, settings) < request->reservation_at)
		next = Max(next, request->reservation_at);
	return next;
}

Wave *
RequestFindWave(Request *request, const Settings *settings,
				double longitude, double latitude)
{
	TimestampTz now = ClockNow();
	Wave	   *wave = palloc0(sizeof(Wave));
	MatchQuery	query;
	Candidate  *candidates;
	double		radius_m;

	FillMatchQuery(request, settings, longitude, latitude, &query);
	wave->count = MatchNearest(&query, &candidates, &radius_m);
	if (wave->count == 0 && request->wave > 0 && request->decide_at == DT_NOEND)
	{
		/* nobody new: those who have not answered for long, and no answer waits */
		query.offered_since = now - SETTING_USECS(
			Max(settings->reoffer_seconds, settings->offer_seconds), 1);
		wave->count = MatchNearest(&query, &candidates, &radius_m);
	}
	request->next_wave_at = NextWaveAt(request, now, wave->count, settings);
	if (wave->count == 0)
		return wave;

	request->wave++;
	request->radius_m = Max(request->radius_m, radius_m);
	if (settings->offer_policy == POLICY_RANKED)
		request->decide_at = Min(request->decide_at,
								 now + SETTING_USECS(settings->ranking_seconds, 1));
	wave->offers = palloc(wave->count * sizeof(Offer));
	for (int i = 0; i < wave->count; i++)
		wave->offers[i] = OfferTo(request, settings, &candidates[i],
								  ToldAt(request, now, i, settings));
	return wave;
}

int
RequestMakeWave(const Request *request, const Settings *settings, const Wave *wave)
{
	if (wave->count > 0)
		MakeOffers(request, settings, wave->offers, wave->count);
	return wave->count;
}

int
RequestOffer(Request *request, const Settings *settings)
{
	double		longitude;
	double		latitude;
	Wave	   *wave;

	RequestPlace(request, &longitude, &latitude);
	wave = RequestFindWave(request, settings, longitude, latitude);
	RequestWriteWaves(request);
	return RequestMakeWave(request, settings, wave);
}

int
RequestOfferAnew(Request *request, const Settings *settings, TimestampTz expires_at)
{
	request->round_wave = request->wave;
	request->expires_at = expires_at;
	request->decide_at = DT_NOEND;
	return RequestOffer(request, settings);
}

/* Offer one open request to the washman, if he is eligible. */
static void
OfferOneToJoiner(const pg_uuid_t *request_id, const char *washman_id, const Fix *fix)
{
	Request		request;
	Settings	settings;
	MatchQuery	query;
	Candidate	candidate = {unconstify(char *, washman_id), 0, fix->at};
	Offer		offer;

	/* a busy one is being moved: if it stays open, its next wave reaches him */
	if (!LockRequestIfFree(request_id))
		return;
	RequestRead(request_id, &request);
	if (strcmp(request.status, "pending") != 0 || request.next_wave_at == DT_NOEND ||
		ClockNow() >= request.expires_at)
		return;
	RequestSettings(&request, &settings);
	RequestMatchQuery(&request, &settings, &query);
	candidate.distance_m = GeodesicDistance(fix->longitude, fix->latitude,
											query.longitude, query.latitude);
	if (candidate.distance_m > request.radius_m ||
		MatchReasons(&query, washman_id, fix->at) != 0)
		return;
	if (request.wave == request.round_wave)
	{
		/* nobody was near when it was given back: an offer of this round needs a wave of it */
		request.wave++;
		RequestWriteWaves(&request);
	}
	offer = OfferTo(&request, &settings, &candidate, ClockNow());
	MakeOffers(&request, &settings, &offer, 1);
}

void
OfferToJoiner(const char *washman_id)
{
	Fix			fix = PositionOf(washman_id);
	Settings	settings;
	Arguments	arguments = {0};
	pg_uuid_t **near;
	uint64		count;

	if (FixIsNone(&fix))
		return;
	SettingsRead(&settings);
	ArgumentDatum(&arguments, Float8GetDatum(fix.longitude));
	ArgumentDatum(&arguments, Float8GetDatum(fix.latitude));
	ArgumentDatum(&arguments, Float8GetDatum(SettingsWidestRing()));
	ArgumentDatum(&arguments, Int64GetDatum((int64) settings.max_open_offers));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	count = StatementRun(&select_open_near, &arguments);
	near = palloc(Max(count, 1) * sizeof(pg_uuid_t *));
	for (uint64 row = 0; row < count; row++)
		near[row] = RowUuid(row, 1);
	for (uint64 i = 0; i < count; i++)
		OfferOneToJoiner(near[i], washman_id, &fix);
}
