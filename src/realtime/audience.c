/*-------------------------------------------------------------------------
 *
 * audience.c
 *		What the rules make of an event of the business, and for whom.
 *
 * In mode direct this runs in the transaction of the command, which may be a
 * serializable acceptance: so the request, and who else was offered it, are read by key,
 * without predicate locks (keyed_row.h).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "base/array.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/json.h"
#include "base/keyed_row.h"
#include "base/statement.h"
#include "outbox/enqueue.h"
#include "outbox/realtime_rule.h"
#include "realtime/audience.h"
#include "realtime/room.h"
#include "realtime/wire.h"

/* The event of a wave, whose washmen hear what they may know before they accept. */
#define EVENT_OF_WAVE "requestOffered"

enum
{
	REQUEST_CUSTOMER_ID,
	REQUEST_WASHMAN_ID
};

static const KeyedTable requests = {
	"washing_requests", {{"request_id", UUIDOID}},
	{
		[REQUEST_CUSTOMER_ID] = {"customer_id", TEXTOID},
		[REQUEST_WASHMAN_ID] = {"washman_id", TEXTOID}
	}
};

enum
{
	OFFER_WASHMAN_ID,
	OFFER_OFFERED_AT,
	OFFER_DECLINED_AT
};

static const KeyedTable offers = {
	"offers", {{"request_id", UUIDOID}, {"washman_id", TEXTOID}},
	{
		[OFFER_WASHMAN_ID] = {"washman_id", TEXTOID},
		[OFFER_OFFERED_AT] = {"offered_at", TIMESTAMPTZOID},
		[OFFER_DECLINED_AT] = {"declined_at", TIMESTAMPTZOID}
	}
};

/*
 * The washmen of waves who had not heard by the time "after", and what those are told
 * whose turn it is by $5: the wave's number, when he hears, he, and that or NULL.
 */
static Statement select_waves = {
	"SELECT w.number, f.offered_at, f.washman_id,"
	"       CASE WHEN f.offered_at <= $5 AND r.status = 'pending' THEN"
	"         (SELECT pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object("
	"                   'requestId', f.request_id, 'status', r.status, 'wave', f.wave,"
	"                   'customerName', t.customer_first_name, 'neighbourhood', t.neighbourhood,"
	"                   'distanceMetres', pg_catalog.round(f.distance_m::pg_catalog.numeric),"
	"                   'services', t.services, 'earnings', t.earnings,"
	"                   'paymentMethod', t.payment_method, 'reservationAt', r.reservation_at,"
	"                   'offeredAt', f.offered_at, 'expiresAt', LEAST(f.expires_at, r.expires_at)))"
	"            FROM washminute_data.requests_told AS t"
	"           WHERE t.request_id = f.request_id AND t.washman_id = f.washman_id)::pg_catalog.text"
	"       END"
	"  FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4))"
	"    AS w (number, request_id, wave, after)"
	"  JOIN washminute_data.offers AS f"
	"    ON f.request_id = w.request_id AND f.wave = w.wave AND f.offered_at > w.after AND f.declined_at IS NULL"
	"  JOIN washminute_data.washing_requests AS r ON r.request_id = f.request_id"
	" ORDER BY w.number, f.distance_m, f.washman_id",
	5, {INT8ARRAYOID, UUIDARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID, TIMESTAMPTZOID}
};

/* One of a wave's washmen. */
typedef struct WaveOffer
{
	char	   *room;
	TimestampTz offered_at;		/* when he hears of it */
	char	   *data;			/* what he is told now, or NULL */
} WaveOffer;

struct Told
{
	const RealtimeMessage *message;
	Jsonb	   *data;			/* of the event; NULL where it has none */
	pg_uuid_t  *about;			/* NULL: no request */
	TimestampTz now;
	bool		is_repeated;	/* all but a wave's later washmen have heard */
	TimestampTz after;			/* who was offered it by then has heard */
	List	   *offers;			/* WaveOffer *: of a wave that was read */
};

/* The members that a rule's clients get, as JSON. */
static char *
FieldsOf(Jsonb *data, const List *fields)
{
	JsonObject	object;
	ListCell   *cell;

	if (fields == NIL)
		return data == NULL ? pstrdup("{}") : JsonbToCString(NULL, &data->root, VARSIZE(data));
	JsonOpen(&object);
	foreach(cell, fields)
	{
		Jsonb	   *member = JsonMember(data, lfirst(cell));

		if (member != NULL)
			JsonObjectMember(&object, lfirst(cell), JsonbToCString(NULL, &member->root, VARSIZE(member)));
	}
	return JsonClose(&object);
}

/*
 * The rooms of all who had been told of the request by now, but for the washman whom the
 * event names.
 */
static List *
RoomsOfOffered(const Told *told)
{
	List	   *rooms = NIL;
	Datum		key = UUIDPGetDatum(told->about);
	char	   *named = JsonMemberText(told->data, "washmanId");
	TimestampTz now = ClockThisMoment();
	ListCell   *cell;

	foreach(cell, KeyedRowsRead(&offers, &key, 1))
	{
		const KeyedRow *row = lfirst(cell);
		char	   *washman_id = KeyedText(row, OFFER_WASHMAN_ID);

		if (KeyedIsNull(row, OFFER_DECLINED_AT) &&
			KeyedTimeOr(row, OFFER_OFFERED_AT, DT_NOEND) <= now &&
			(named == NULL || strcmp(named, washman_id) != 0))
			rooms = lappend(rooms, RoomOfUser(washman_id));
	}
	return rooms;
}

/*
 * The rooms of the request's customer, its washman, or both.  The washman is who the
 * event names, if it names one: he may have given the request back.
 */
static List *
RoomsOfParties(const Told *told, RuleAudience audience)
{
	List	   *rooms = NIL;
	char	   *washman_id = JsonMemberText(told->data, "washmanId");
	KeyedRow	row;
	Datum		key;

	if (told->about != NULL)
	{
		key = UUIDPGetDatum(told->about);
		if (!KeyedRowRead(&requests, &key, &row))
			return NIL;
		if (audience != AUDIENCE_WASHMAN)
			rooms = lappend(rooms, RoomOfUser(KeyedText(&row, REQUEST_CUSTOMER_ID)));
		if (washman_id == NULL)
			washman_id = KeyedText(&row, REQUEST_WASHMAN_ID);
	}
	if (audience != AUDIENCE_CUSTOMER && washman_id != NULL)
		rooms = lappend(rooms, RoomOfUser(washman_id));
	return rooms;
}

/* The rooms that a rule's events go to; false: nobody is there. */
static bool
RoomsOf(const Told *told, RuleAudience audience, List **rooms)
{
	*rooms = NIL;
	switch (audience)
	{
		case AUDIENCE_ALL:
			return true;
		case AUDIENCE_ADMINS:
			*rooms = list_make1(pstrdup(ROOM_ADMINS));
			break;
		case AUDIENCE_OFFERED:
			if (told->about != NULL)
				*rooms = RoomsOfOffered(told);
			break;
		default:
			*rooms = RoomsOfParties(told, audience);
	}
	return *rooms != NIL;
}

static WireMessage *
MessageMake(const RealtimeRule *rule, List *rooms, Jsonb *data)
{
	WireMessage *wire = palloc0(sizeof(WireMessage));

	*wire = (WireMessage) {
		.type = WIRE_BROADCAST,
		.event = rule->emits,
		.data = FieldsOf(data, rule->fields),
		.rooms = rooms,
		.is_volatile = rule->is_volatile
	};
	return wire;
}

/* Is it a wave, and of which number? */
static bool
IsWave(const Told *told, int64 *wave)
{
	char	   *number;

	if (told->about == NULL || strcmp(told->message->event, EVENT_OF_WAVE) != 0)
		return false;
	number = JsonMemberText(told->data, "wave");
	if (number == NULL)
		return false;
	*wave = strtoll(number, NULL, 10);
	return true;
}

/* A wave again, once the next of its washmen are to be told. */
static void
WaveLater(const Told *told)
{
	TimestampTz next = DT_NOEND;
	ListCell   *cell;
	JsonObject	queued;

	foreach(cell, told->offers)
	{
		TimestampTz offered_at = ((const WaveOffer *) lfirst(cell))->offered_at;

		if (offered_at > told->now)
			next = Min(next, offered_at);
	}
	if (next == DT_NOEND)
		return;
	JsonOpen(&queued);
	JsonUuid(&queued, "about", told->about);
	JsonObjectMember(&queued, "data", FieldsOf(told->data, NIL));
	JsonTime(&queued, "after", told->now);
	OutboxRealtimeLater(told->message->event, JsonClose(&queued), next);
}

/* Each washman of a wave whose turn it is hears what he may know. */
static List *
WaveMessages(const Told *told, const RealtimeRule *rule)
{
	List	   *messages = NIL;
	ListCell   *cell;

	foreach(cell, told->offers)
	{
		const WaveOffer *offer = lfirst(cell);

		if (offer->data != NULL)
			messages = lappend(messages, MessageMake(rule, list_make1(offer->room),
													 DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(offer->data)))));
	}
	return messages;
}

Told *
AudienceRead(const RealtimeMessage *message, Jsonb *queued, TimestampTz now)
{
	Told	   *told = palloc0(sizeof(Told));
	char	   *about = JsonMemberText(queued, "about");
	char	   *after = JsonMemberText(queued, "after");

	told->message = message;
	told->data = JsonMember(queued, "data");
	if (about != NULL)
		told->about = DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(about)));
	told->now = now;
	told->is_repeated = after != NULL;
	told->after = after == NULL ? DT_NOBEGIN :
		DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in, CStringGetDatum(after),
												ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	return told;
}

void
AudienceReadWaves(const List *all_told, TimestampTz now)
{
	Arguments	arguments = {0};
	Datum	   *columns[4];
	int			count = 0;
	uint64		rows;
	ListCell   *cell;

	for (int i = 0; i < lengthof(columns); i++)
		columns[i] = palloc(list_length(all_told) * sizeof(Datum));
	foreach(cell, all_told)
	{
		const Told *told = lfirst(cell);
		int64		wave;

		if (!IsWave(told, &wave))
			continue;
		columns[0][count] = Int64GetDatum(foreach_current_index(cell));
		columns[1][count] = UUIDPGetDatum(told->about);
		columns[2][count] = Int64GetDatum(wave);
		columns[3][count++] = TimestampTzGetDatum(told->after);
	}
	if (count == 0)
		return;
	ArgumentDatum(&arguments, FixedArray(columns[0], count, INT8OID));
	ArgumentDatum(&arguments, FixedArray(columns[1], count, UUIDOID));
	ArgumentDatum(&arguments, FixedArray(columns[2], count, INT8OID));
	ArgumentDatum(&arguments, FixedArray(columns[3], count, TIMESTAMPTZOID));
	ArgumentDatum(&arguments, TimestampTzGetDatum(now));
	rows = StatementRun(&select_waves, &arguments);
	for (uint64 row = 0; row < rows; row++)
	{
		Told	   *told = list_nth(all_told, RowInt64(row, 1));
		WaveOffer  *offer = palloc(sizeof(WaveOffer));

		*offer = (WaveOffer) {RoomOfUser(RowText(row, 3)), RowTime(row, 2), RowText(row, 4)};
		told->offers = lappend(told->offers, offer);
	}
}

List *
AudienceMessages(const Told *told)
{
	List	   *messages = NIL;
	bool		has_wave = false;
	ListCell   *cell;

	foreach(cell, RealtimeRulesFor(told->message->event))
	{
		const RealtimeRule *rule = lfirst(cell);
		List	   *rooms;

		if (strcmp(told->message->event, EVENT_OF_WAVE) == 0 && rule->audience == AUDIENCE_OFFERED)
		{
			messages = list_concat(messages, WaveMessages(told, rule));
			has_wave = true;
		}
		else if (!told->is_repeated && RoomsOf(told, rule->audience, &rooms))
			messages = lappend(messages, MessageMake(rule, rooms, told->data));
	}
	if (has_wave)
		WaveLater(told);
	return messages;
}
