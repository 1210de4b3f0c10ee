/*-------------------------------------------------------------------------
 *
 * room.c
 *		The rooms that people and chats have, and what is told to them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/json.h"
#include "realtime/emit.h"
#include "realtime/room.h"

char *
RoomOfUser(const char *user_id)
{
	return psprintf("user-%s", user_id);
}

char *
RoomOfChat(const pg_uuid_t *chat_id)
{
	return psprintf("chat-%s", UuidText(chat_id));
}

static List *
Rooms(const char *const *rooms, int count)
{
	List	   *list = NIL;

	for (int i = 0; i < count; i++)
		list = lappend(list, unconstify(char *, rooms[i]));
	return list;
}

void
RoomsTell(const char *const *rooms, int count, const char *event, const char *data)
{
	WireMessage message = {WIRE_BROADCAST, event, data, .rooms = Rooms(rooms, count)};

	(void) RealtimeSend(&message);
}

void
RoomTellNow(const char *room, const char *event, const char *data)
{
	WireMessage message = {
		WIRE_BROADCAST, event, data, .rooms = Rooms(&room, 1), .is_passing = true
	};

	(void) RealtimeSend(&message);
}

void
RoomAddSocket(const char *sid, const char *room)
{
	WireMessage message = {WIRE_JOIN, "join", .rooms = Rooms(&sid, 1), .joins = Rooms(&room, 1)};

	(void) RealtimeSend(&message);
}

void
RoomRemoveSocket(const char *sid, const char *room)
{
	WireMessage message = {WIRE_LEAVE, "leave", .rooms = Rooms(&sid, 1), .joins = Rooms(&room, 1)};

	(void) RealtimeSend(&message);
}

void
RoomRemoveUser(const char *user_id, const char *room)
{
	RoomRemoveSocket(RoomOfUser(user_id), room);
}

void
RoomLogout(const char *user_id)
{
	const char *sockets = RoomOfUser(user_id);
	WireMessage message = {WIRE_DISCONNECT, "disconnect", .rooms = Rooms(&sockets, 1)};

	(void) RealtimeSend(&message);
}
