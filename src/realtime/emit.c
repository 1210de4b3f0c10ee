/*-------------------------------------------------------------------------
 *
 * emit.c
 *		The functions that send live events, and move sockets between rooms.
 *
 * What Socket.IO would choke on is refused here: an empty list of rooms would go to
 * everybody, and an event of a reserved name disconnects every client that gets it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "base/argument.h"
#include "base/array.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "outbox/enqueue.h"
#include "outbox/realtime_queue.h"
#include "realtime/emit.h"
#include "realtime/publish.h"
#include "realtime/wire.h"

COMMAND(emit, -1);
COMMAND(emit_rooms, -1);
COMMAND(emit_all, -1);
COMMAND(socket_join, -1);
COMMAND(socket_leave, -1);
COMMAND(user_join, -1);
COMMAND(user_leave, -1);
COMMAND(user_logout, -1);
COMMAND(server_emit, -1);

static char *
ArgumentEvent(FunctionCallInfo fcinfo, int number)
{
	char	   *event = ArgumentRequiredText(fcinfo, number, "event", EVENT_MAX);

	if (WireEventIsReserved(event))
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "event", "not be a name that Socket.IO reserves");
	return event;
}

static char *
ArgumentRoom(FunctionCallInfo fcinfo, int number, const char *name)
{
	char	   *room = ArgumentRequiredText(fcinfo, number, name, ROOM_MAX);

	/* an array without its type is taken for the text of one room */
	if (room[0] == '{')
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, name, "not begin with {: give several rooms as text[]");
	return room;
}

/* At least one room, none of them NULL or empty. */
static List *
ArgumentRooms(FunctionCallInfo fcinfo, int number, const char *name)
{
	List	   *rooms = NIL;
	Datum	   *values;
	bool	   *nulls;
	int			count;

	ArgumentRequire(fcinfo, number, name);
	count = ArrayElements(fcinfo, number, TEXTOID, &values, &nulls);
	if (count == 0 || count > ROOMS_MAX)
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, name,
						   psprintf("have from 1 to %d rooms", ROOMS_MAX));
	for (int i = 0; i < count; i++)
	{
		LOCAL_FCINFO(room, 1);

		room->args[0].value = values[i];
		room->args[0].isnull = nulls[i];
		rooms = lappend(rooms, ArgumentRoom(room, 0, name));
	}
	return rooms;
}

static void
JsonStrings(JsonObject *object, const char *name, const List *strings)
{
	StringInfoData array;
	ListCell   *cell;

	initStringInfo(&array);
	appendStringInfoChar(&array, '[');
	foreach(cell, strings)
	{
		if (array.len > 1)
			appendStringInfoString(&array, ", ");
		JsonEscape(&array, lfirst(cell));
	}
	appendStringInfoChar(&array, ']');
	JsonObjectMember(object, name, array.data);
}

int64
RealtimeSend(const WireMessage *message)
{
	JsonObject	queued;

	JsonOpen(&queued);
	JsonInt(&queued, "type", message->type);
	JsonStrings(&queued, "rooms", message->rooms);
	if (message->except != NIL)
		JsonStrings(&queued, "except", message->except);
	if (message->joins != NIL)
		JsonStrings(&queued, "joins", message->joins);
	if (message->data != NULL)
		JsonObjectMember(&queued, "data", message->data);
	if (message->is_passing)
		JsonBool(&queued, "passing", true);
	return RealtimeQueue(message->event, JsonClose(&queued));
}

static Datum
Emit(const char *event, const char *data, List *rooms)
{
	WireMessage message = {WIRE_BROADCAST, event, data, rooms};

	PG_RETURN_INT64(RealtimeSend(&message));
}

/* The sockets in rooms join others, or leave them. */
static Datum
Move(WireType type, List *rooms, List *joins)
{
	WireMessage message = {
		.type = type, .event = type == WIRE_JOIN ? "join" : "leave", .rooms = rooms, .joins = joins
	};

	(void) RealtimeSend(&message);
	PG_RETURN_VOID();
}

/* emit(room, event, data): to the sockets in a room; the id of its outbox row. */
static Datum
emit_body(FunctionCallInfo fcinfo)
{
	List	   *rooms = list_make1(ArgumentRoom(fcinfo, 0, "room"));
	char	   *event = ArgumentEvent(fcinfo, 1);

	return Emit(event, ArgumentJsonObject(fcinfo, 2, "data", EVENT_DATA_MAX), rooms);
}

/* emit(rooms, event, data): to the sockets in any of these rooms, to each once. */
static Datum
emit_rooms_body(FunctionCallInfo fcinfo)
{
	List	   *rooms = ArgumentRooms(fcinfo, 0, "rooms");
	char	   *event = ArgumentEvent(fcinfo, 1);

	return Emit(event, ArgumentJsonObject(fcinfo, 2, "data", EVENT_DATA_MAX), rooms);
}

/* emit_all(event, data): to all sockets. */
static Datum
emit_all_body(FunctionCallInfo fcinfo)
{
	char	   *event = ArgumentEvent(fcinfo, 0);

	return Emit(event, ArgumentJsonObject(fcinfo, 1, "data", EVENT_DATA_MAX), NIL);
}

static char *
UserRoom(FunctionCallInfo fcinfo, int number)
{
	return psprintf("user-%s", ArgumentId(fcinfo, number, "user_id"));
}

/* socket_join(sid, rooms): a socket, by its id, joins rooms. */
static Datum
socket_join_body(FunctionCallInfo fcinfo)
{
	List	   *sockets = list_make1(ArgumentRoom(fcinfo, 0, "sid"));

	return Move(WIRE_JOIN, sockets, ArgumentRooms(fcinfo, 1, "rooms"));
}

/* socket_leave(sid, rooms) */
static Datum
socket_leave_body(FunctionCallInfo fcinfo)
{
	List	   *sockets = list_make1(ArgumentRoom(fcinfo, 0, "sid"));

	return Move(WIRE_LEAVE, sockets, ArgumentRooms(fcinfo, 1, "rooms"));
}

/* user_join(user_id, room): all sockets of a user join a room. */
static Datum
user_join_body(FunctionCallInfo fcinfo)
{
	List	   *sockets = list_make1(UserRoom(fcinfo, 0));

	return Move(WIRE_JOIN, sockets, list_make1(ArgumentRoom(fcinfo, 1, "room")));
}

/* user_leave(user_id, room) */
static Datum
user_leave_body(FunctionCallInfo fcinfo)
{
	List	   *sockets = list_make1(UserRoom(fcinfo, 0));

	return Move(WIRE_LEAVE, sockets, list_make1(ArgumentRoom(fcinfo, 1, "room")));
}

/* user_logout(user_id): all sockets of a user are disconnected, and stay so. */
static Datum
user_logout_body(FunctionCallInfo fcinfo)
{
	WireMessage message = {
		.type = WIRE_DISCONNECT, .event = "disconnect", .rooms = list_make1(UserRoom(fcinfo, 0))
	};

	(void) RealtimeSend(&message);
	PG_RETURN_VOID();
}

/* server_emit(event, data): to the gateways themselves, not to their clients. */
static Datum
server_emit_body(FunctionCallInfo fcinfo)
{
	WireMessage message = {WIRE_SERVER_EMIT, ArgumentEvent(fcinfo, 0)};

	message.data = ArgumentJsonObject(fcinfo, 1, "data", EVENT_DATA_MAX);
	(void) RealtimeSend(&message);
	PG_RETURN_VOID();
}
