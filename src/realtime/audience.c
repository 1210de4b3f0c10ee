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
	"washing_requests",
	{
		[REQUEST_CUSTOMER_ID] = "customer_id",
		[REQUEST_WASHMAN_ID] = "washman_id"
	}
};

enum
{
	OFFER_WASHMAN_ID,
	OFFER_OFFERED_AT,
	OFFER_DECLINED_AT
};

static const KeyedTable offers = {
	"offers",
	{
		[OFFER_WASHMAN_ID] = "washman_id",
		[OFFER_OFFERED_AT] = "offered_at",
		[OFFER_DECLINED_AT] = "declined_at"
	}
};

/* A wave's washmen whose turn to be told it is, and what each is told. */
static Statement select_told = {
	"SELECT washman_id, data::pg_catalog.text"
	"  FROM washminute._live_offers($1, $2::pg_catalog.int4, $3, $4)",
	4, {UUIDOID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static Statement select_next_told = {
	"SELECT pg_catalog.min(offered_at) FROM washminute_data.offers"
	" WHERE request_id = $1 AND wave = $2 AND offered_at > $3 AND declined_at IS NULL",
	3, {UUIDOID, INT8OID, TIMESTAMPTZOID}
};

/* A queued event. */
typedef struct Told
{
	const RealtimeMessage *message;
	Jsonb	   *data;			/* of the event; NULL where it has none */
	pg_uuid_t  *about;			/* NULL: no request */
	char	   *after;			/* who was offered it by then has heard; NULL: nobody has */
} Told;

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

/* A wave again, once the next of its washmen are to be told. */
static void
WaveLater(const Told *told, TimestampTz now)
{
	char	   *wave = JsonMemberText(told->data, "wave");
	Arguments	arguments = {0};
	JsonObject	queued;

	if (told->about == NULL || wave == NULL)
		return;
	ArgumentDatum(&arguments, UUIDPGetDatum(told->about));
	ArgumentDatum(&arguments, Int64GetDatum(strtoll(wave, NULL, 10)));
	ArgumentDatum(&arguments, TimestampTzGetDatum(now));
	StatementRun(&select_next_told, &arguments);
	if (RowIsNull(0, 1))
		return;
	JsonOpen(&queued);
	JsonUuid(&queued, "about", told->about);
	JsonObjectMember(&queued, "data", FieldsOf(told->data, NIL));
	JsonTime(&queued, "after", now);
	OutboxRealtimeLater(told->message->event, JsonClose(&queued), RowTime(0, 1));
}

/* Each washman of a wave whose turn it is hears what he may know. */
static List *
WaveMessages(const Told *told, const RealtimeRule *rule, TimestampTz now)
{
	List	   *messages = NIL;
	char	   *wave = JsonMemberText(told->data, "wave");
	Arguments	arguments = {0};
	TimestampTz after = DT_NOBEGIN;
	uint64		rows;
	char	  **told_data;
	char	  **rooms;

	if (told->about == NULL || wave == NULL)
		return NIL;
	if (told->after != NULL)
		after = DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in, CStringGetDatum(told->after),
														ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	ArgumentDatum(&arguments, UUIDPGetDatum(told->about));
	ArgumentDatum(&arguments, Int64GetDatum(strtoll(wave, NULL, 10)));
	ArgumentDatum(&arguments, TimestampTzGetDatum(after));
	ArgumentDatum(&arguments, TimestampTzGetDatum(now));
	rows = StatementRun(&select_told, &arguments);
	rooms = palloc(Max(rows, 1) * sizeof(char *));
	told_data = palloc(Max(rows, 1) * sizeof(char *));
	for (uint64 row = 0; row < rows; row++)
	{
		rooms[row] = RoomOfUser(RowText(row, 1));
		told_data[row] = RowText(row, 2);
	}
	for (uint64 row = 0; row < rows; row++)
		messages = lappend(messages, MessageMake(rule, list_make1(rooms[row]),
												 DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(told_data[row])))));
	return messages;
}

List *
AudienceMessages(const RealtimeMessage *message, Jsonb *queued)
{
	char	   *about = JsonMemberText(queued, "about");
	Told		told = {
		.message = message,
		.data = JsonMember(queued, "data"),
		.after = JsonMemberText(queued, "after")
	};
	List	   *messages = NIL;
	bool		is_wave = strcmp(message->event, EVENT_OF_WAVE) == 0;
	bool		has_wave = false;
	TimestampTz now = ClockThisMoment();
	ListCell   *cell;

	if (about != NULL)
		told.about = DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(about)));
	foreach(cell, RealtimeRulesFor(message->event))
	{
		const RealtimeRule *rule = lfirst(cell);
		List	   *rooms;

		if (is_wave && rule->audience == AUDIENCE_OFFERED)
		{
			messages = list_concat(messages, WaveMessages(&told, rule, now));
			has_wave = true;
		}
		else if (told.after == NULL && RoomsOf(&told, rule->audience, &rooms))
			messages = lappend(messages, MessageMake(rule, rooms, told.data));
	}
	if (has_wave)
		WaveLater(&told, now);
	return messages;
}
