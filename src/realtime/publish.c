/*-------------------------------------------------------------------------
 *
 * publish.c
 *		Live events: kept in the log, and told to the gateways.
 *
 * The log gives each event a position, by which a client that was away asks for what
 * it has missed.  Positions come from a sequence, but under a lock that is held until
 * the transaction has ended: so an event becomes visible before any event of a higher
 * position, and nobody's cursor passes over one.  NOTIFY takes such a lock as well, so
 * events reach the gateways in the same order.
 *
 * The worker's transaction takes rows out of the outbox, keeps them in the log and
 * notifies: all of it or nothing, so no claim has to be committed first, as other lanes
 * need it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/async.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "base/array.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/guc.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/statement.h"
#include "base/subtransaction.h"
#include "outbox/realtime_queue.h"
#include "realtime/audience.h"
#include "realtime/msgpack.h"
#include "realtime/publish.h"
#include "realtime/wire.h"

COMMAND(pump_events, -1);

static Statement next_positions = {
	"SELECT pg_catalog.nextval('washminute_data.socket_events_position_seq')"
	"  FROM pg_catalog.generate_series(1, $1)",
	1, {INT8OID}
};

static Statement insert_events = {
	"INSERT INTO washminute_data.socket_events (position, room, event, data, at)"
	" SELECT e.position, e.room, e.event, e.data::pg_catalog.jsonb, $5"
	"  FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3),"
	"                  pg_catalog.unnest($4)) AS e (position, room, event, data)",
	5, {INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZOID}
};

static Statement insert_attachment = {
	"INSERT INTO washminute_data.socket_io_attachments (payload) VALUES ($1) RETURNING id",
	1, {BYTEAOID}
};

/* How often a row is tried that cannot be published: it holds all others up. */
#define PUBLISH_ATTEMPTS 3

/* Rows that are published one by one in search of that one, where no worker does it. */
#define SINGLES_MAX 1000

static Statement blame_message = {
	"UPDATE washminute_data.outbox"
	"   SET attempts = attempts + 1, failed_at = pg_catalog.clock_timestamp(),"
	"       last_error = 'it could not be published: see the server''s log',"
	"       state = CASE WHEN attempts + 1 >= $2 THEN 'dead' ELSE state END,"
	"       due_at = CASE WHEN attempts + 1 >= $2 THEN NULL ELSE due_at END"
	" WHERE outbox_id = $1 AND lane = 'realtime' AND listener = '' AND state = 'queued'",
	2, {INT8OID, INT8OID}
};

/* The row that is being published, for who has to know which one cannot be; 0: none. */
static int64 at_outbox_id = 0;

static List *
Strings(Jsonb *array)
{
	List	   *strings = NIL;
	ListCell   *cell;

	foreach(cell, JsonElements(array))
	{
		char	   *string = JsonStringText(lfirst(cell));

		if (string != NULL)
			strings = lappend(strings, string);
	}
	return strings;
}

static char *
MemberJson(Jsonb *object, const char *name)
{
	Jsonb	   *member = JsonMember(object, name);

	return member == NULL ? pstrdup("{}") :
		JsonbToCString(NULL, &member->root, VARSIZE(member));
}

pg_noreturn static void Malformed(const RealtimeMessage *message, const char *what);

/* A row that was written by hand: what the functions check is not true of it. */
static void
Malformed(const RealtimeMessage *message, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("live event \"%s\" cannot be published: %s", message->event, what)));
}

/* What emit() and the like have queued. */
static WireMessage *
ReadMessage(const RealtimeMessage *message, Jsonb *queued, const char *type)
{
	WireMessage *wire = palloc0(sizeof(WireMessage));
	Jsonb	   *rooms = JsonMember(queued, "rooms");
	Jsonb	   *is_passing = JsonMember(queued, "passing");
	bool		to_all;

	wire->type = (WireType) atoi(type);
	wire->event = message->event;
	wire->rooms = Strings(rooms);
	wire->except = Strings(JsonMember(queued, "except"));
	wire->joins = Strings(JsonMember(queued, "joins"));
	wire->data = MemberJson(queued, "data");
	wire->is_passing = is_passing != NULL && strcmp(MemberJson(queued, "passing"), "true") == 0;

	to_all = wire->type == WIRE_BROADCAST || wire->type == WIRE_SERVER_EMIT;
	if (rooms == NULL || (wire->rooms == NIL && !(to_all && JB_ROOT_IS_ARRAY(rooms) && JB_ROOT_COUNT(rooms) == 0)))
		Malformed(message, "it has no rooms");
	if (to_all && (WireEventIsReserved(wire->event) || wire->data[0] != '{'))
		Malformed(message, "its name is reserved, or its data are no object");
	if ((wire->type == WIRE_JOIN || wire->type == WIRE_LEAVE) && wire->joins == NIL)
		Malformed(message, "it names no rooms to join or to leave");
	if (!to_all && wire->type != WIRE_JOIN && wire->type != WIRE_LEAVE && wire->type != WIRE_DISCONNECT)
		Malformed(message, "it is of no known type");
	return wire;
}

static int
CompareRooms(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

/* Each room once, in the order given: the log has one row of an event for a room. */
static List *
Distinct(List *rooms)
{
	List	   *sorted = list_copy(rooms);
	List	   *distinct = NIL;
	bool		has_twice = false;
	ListCell   *cell;
	ListCell   *other;

	list_sort(sorted, CompareRooms);
	for (int i = 1; i < list_length(sorted) && !has_twice; i++)
		has_twice = strcmp(list_nth(sorted, i - 1), list_nth(sorted, i)) == 0;
	if (!has_twice)
		return rooms;
	foreach(cell, rooms)
	{
		bool		is_there = false;

		foreach(other, distinct)
			is_there = is_there || strcmp(lfirst(other), lfirst(cell)) == 0;
		if (!is_there)
			distinct = lappend(distinct, lfirst(cell));
	}
	return distinct;
}

/* What is to be sent: WireMessage *. */
static List *
ReadMessages(const List *messages)
{
	TimestampTz now = ClockThisMoment();
	List	   *wires = NIL;
	List	   *read = NIL;		/* of each message a WireMessage *, or NULL: see all_told */
	List	   *all_told = NIL; /* Told *, of those */
	ListCell   *cell;
	ListCell   *next_told;

	foreach(cell, messages)
	{
		const RealtimeMessage *message = lfirst(cell);
		Jsonb	   *queued = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(message->data)));
		char	   *type = JsonMemberText(queued, "type");

		at_outbox_id = message->outbox_id;
		read = lappend(read, type == NULL ? NULL : ReadMessage(message, queued, type));
		if (type == NULL)
			all_told = lappend(all_told, AudienceRead(message, queued, now));
	}

	/* the statement is of all: only a message that is alone can be blamed for it */
	if (list_length(messages) != 1)
		at_outbox_id = 0;
	AudienceReadWaves(all_told, now);
	next_told = list_head(all_told);
	foreach(cell, read)
	{
		if (lfirst(cell) != NULL)
		{
			wires = lappend(wires, lfirst(cell));
			continue;
		}
		at_outbox_id = ((const RealtimeMessage *) list_nth(messages, foreach_current_index(cell)))->outbox_id;
		wires = list_concat(wires, AudienceMessages(lfirst(next_told)));
		next_told = lnext(all_told, next_told);
	}
	foreach(cell, wires)
	{
		WireMessage *wire = lfirst(cell);

		wire->rooms = Distinct(wire->rooms);
	}
	if (list_length(messages) != 1)
		at_outbox_id = 0;
	return wires;
}

static bool
IsKept(const WireMessage *wire)
{
	return wire->type == WIRE_BROADCAST && !wire->is_volatile && !wire->is_passing;
}

/* Give positions to those that are kept, of which there are so many. */
static int64 *
GivePositions(int count)
{
	int64	   *positions = palloc(count * sizeof(int64));
	Arguments	arguments = {0};

	LockPositions();
	ArgumentDatum(&arguments, Int64GetDatum(count));
	StatementRun(&next_positions, &arguments);
	for (int i = 0; i < count; i++)
		positions[i] = RowInt64(i, 1);
	return positions;
}

/* Keep in the log a row for each room, '' for all; and put the eids into the data. */
static void
KeepInLog(List *wires)
{
	Datum	   *positions;
	int64	   *given;
	const char **columns[3];
	Arguments	arguments = {0};
	ListCell   *cell;
	int			count = 0;
	int			rows = 0;

	foreach(cell, wires)
	{
		const WireMessage *wire = lfirst(cell);

		count += IsKept(wire) ? 1 : 0;
		rows += IsKept(wire) ? Max(1, list_length(wire->rooms)) : 0;
	}
	if (count == 0)
		return;
	given = GivePositions(count);
	positions = palloc(rows * sizeof(Datum));
	for (int i = 0; i < lengthof(columns); i++)
		columns[i] = palloc(rows * sizeof(char *));
	count = rows = 0;
	foreach(cell, wires)
	{
		WireMessage *wire = lfirst(cell);
		int			rooms = list_length(wire->rooms);

		if (!IsKept(wire))
			continue;
		for (int room = 0; room < Max(1, rooms); room++)
		{
			positions[rows] = Int64GetDatum(given[count]);
			columns[0][rows] = rooms == 0 ? "" : list_nth(wire->rooms, room);
			columns[1][rows] = wire->event;
			columns[2][rows++] = wire->data;
		}
		wire->data = WireWithId(wire->data, given[count++]);
	}
	ArgumentDatum(&arguments, FixedArray(positions, rows, INT8OID));
	for (int i = 0; i < lengthof(columns); i++)
		ArgumentDatum(&arguments, TextArray(columns[i], rows));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	StatementRun(&insert_events, &arguments);
}

/* Tell the gateways, by way of the attachments table what is too long for a NOTIFY. */
static void
Notify(const WireMessage *message)
{
	char	   *channel = psprintf("%s#/", washminute_realtime_channel_prefix);
	char	   *json = WireJson(message);

	if (strlen(json) >= WIRE_INLINE_LIMIT)
	{
		Jsonb	   *jsonb = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
		Arguments	arguments = {0};

		ArgumentDatum(&arguments, PointerGetDatum(MsgpackFromJsonb(jsonb)));
		StatementRunOne(&insert_attachment, &arguments);
		json = WireAttachment(message->type, RowInt64(0, 1));
	}
	Async_Notify(channel, json);
}

void
RealtimePublish(const List *messages)
{
	List	   *wires = ReadMessages(messages);
	ListCell   *cell;

	KeepInLog(wires);
	foreach(cell, wires)
		Notify(lfirst(cell));
}

void
RealtimeInit(void)
{
	RealtimeQueueSetPublisher(RealtimePublish);
}

/* Is it an error of the row's own, which comes again whenever it is tried? */
static bool
IsOfRow(int sqlstate)
{
	/* serialization, resources, objects in use, operators, the system, locks of ours */
	static const char *const passing[] = {"40", "53", "55", "57", "58", "PT"};
	const char *code = unpack_sql_state(sqlstate);

	for (int i = 0; i < lengthof(passing); i++)
		if (strncmp(code, passing[i], 2) == 0)
			return false;
	return true;
}

bool
RealtimeHasCulprit(int sqlstate)
{
	return at_outbox_id != 0 && IsOfRow(sqlstate);
}

void
RealtimeBlame(void)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, Int64GetDatum(at_outbox_id));
	ArgumentDatum(&arguments, Int64GetDatum(PUBLISH_ATTEMPTS));
	StatementRun(&blame_message, &arguments);
	at_outbox_id = 0;
}

static int
CompareIds(const ListCell *a, const ListCell *b)
{
	int64		first = ((const Message *) lfirst(a))->key.outbox_id;
	int64		second = ((const Message *) lfirst(b))->key.outbox_id;

	return first < second ? -1 : first > second;
}

int
RealtimePump(QueueCursor *cursor, int limit, bool wait)
{
	List	   *taken;
	List	   *messages = NIL;
	ListCell   *cell;

	at_outbox_id = 0;
	if (wait)
		LockPositions();
	else if (!LockPositionsIfFree())
		return -1;
	taken = QueueClaim(LANE_REALTIME, "", cursor, limit, QUEUE_TAKE, GetCurrentTimestamp());

	/* who has seen an event of another transaction, and then told one, told it later */
	list_sort(taken, CompareIds);
	foreach(cell, taken)
	{
		const Message *message = lfirst(cell);
		RealtimeMessage *one = palloc(sizeof(RealtimeMessage));

		*one = (RealtimeMessage) {message->key.outbox_id, message->event, message->data};
		messages = lappend(messages, one);
	}
	if (messages != NIL)
		RealtimePublish(messages);
	at_outbox_id = 0;
	return list_length(messages);
}

/* A pump in a subtransaction. */
typedef struct Aside
{
	QueueCursor cursor;
	int			limit;
	int			published;
} Aside;

static void
PumpAside(void *argument)
{
	Aside	   *aside = argument;

	aside->published = RealtimePump(&aside->cursor, aside->limit, false);
}

static ErrorData *
RunAside(Aside *aside, int limit)
{
	ErrorData  *error;

	QueueCursorReset(&aside->cursor);
	*aside = (Aside) {.cursor = aside->cursor, .limit = limit};
	error = SubtransactionRun(PumpAside, aside);
	QueueCursorReset(&aside->cursor);
	return error;
}

void
RealtimePumpAside(int limit)
{
	Aside		aside = {0};
	ErrorData  *error = RunAside(&aside, limit);

	if (error == NULL)
		return;

	/* one at a time, until it is known which one it is */
	for (int i = 0; i < SINGLES_MAX && at_outbox_id == 0; i++)
	{
		ErrorData  *of_one = RunAside(&aside, 1);

		if (of_one != NULL)
			error = of_one;
		else if (aside.published <= 0)
			break;
	}
	ereport(WARNING,
			(errmsg("live events could not be published: %s", error->message)));
	if (RealtimeHasCulprit(error->sqlerrcode))
		RealtimeBlame();
}

/* pump_events(max_events): publish what waits by now, as the worker does; how many. */
static Datum
pump_events_body(FunctionCallInfo fcinfo)
{
	QueueCursor cursor = {0};
	int			published;

	QueueCursorReset(&cursor);
	published = RealtimePump(&cursor, PG_ARGISNULL(0) ? 1000 : Max(1, PG_GETARG_INT32(0)), true);
	QueueCursorReset(&cursor);
	PG_RETURN_INT32(published);
}
