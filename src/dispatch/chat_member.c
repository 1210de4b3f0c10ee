/*-------------------------------------------------------------------------
 *
 * chat_member.c
 *		Who is in the chat of a request, and until when it is open.
 *
 * A chat has the id of its request, and is made when it is first used: a command that
 * moves a request does nothing here as long as nobody has written.  Its members are the
 * customer, the washman who has the request, and administrators who joined.
 *
 * Whoever changes a chat, its members or its messages holds the chat's lock, and whoever
 * makes it the request's as well, which comes first (lock.h): so he looks first whether
 * there is one, and again when he has both.  An acceptance reads one row here, by its key,
 * and nothing that another acceptance inserts.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "base/argument.h"
#include "base/array.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/keyed_row.h"
#include "base/lock.h"
#include "base/statement.h"
#include "dispatch/chat.h"
#include "realtime/room.h"
#include "realtime/viewer.h"

COMMAND(open_chat, 1);
COMMAND(leave_chat, 1);

enum ChatColumn
{
	CHAT_CLOSED_AT,
	CHAT_CLOSES_AT,
	CHAT_LAST_SEQUENCE
};

static const KeyedTable chats = {
	"chats", {{"chat_id", UUIDOID}},
	{
		[CHAT_CLOSED_AT] = {"closed_at", TIMESTAMPTZOID},
		[CHAT_CLOSES_AT] = {"closes_at", TIMESTAMPTZOID},
		[CHAT_LAST_SEQUENCE] = {"last_sequence", INT8OID}
	}
};

enum MemberColumn
{
	MEMBER_FIRST,
	MEMBER_KIND,
	MEMBER_READ
};

/* Its key is the chat, then the user. */
static const KeyedTable members = {
	"chat_members", {{"chat_id", UUIDOID}, {"user_id", TEXTOID}},
	{
		[MEMBER_FIRST] = {"first_sequence", INT8OID},
		[MEMBER_KIND] = {"kind", TEXTOID},
		[MEMBER_READ] = {"read_sequence", INT8OID}
	}
};

static Statement insert_chat = {
	"INSERT INTO washminute_data.chats (chat_id, opened_at, closes_at) VALUES ($1, $2, $3)",
	3, {UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static Statement insert_member = {
	"INSERT INTO washminute_data.chat_members"
	"  (chat_id, user_id, kind, joined_at, first_sequence, read_sequence)"
	" VALUES ($1, $2, $3, $4, $5, $6)"
	" ON CONFLICT (chat_id, user_id) DO NOTHING",
	6, {UUIDOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, INT8OID, INT8OID}
};

static Statement delete_member = {
	"DELETE FROM washminute_data.chat_members WHERE chat_id = $1 AND user_id = $2 AND kind = $3",
	3, {UUIDOID, TEXTOID, TEXTOID}
};

static Statement select_members = {
	"SELECT user_id FROM washminute_data.chat_members WHERE chat_id = $1 ORDER BY user_id",
	1, {UUIDOID}
};

static Statement set_end = {
	"UPDATE washminute_data.chats SET closes_at = $1 WHERE ctid = $2",
	2, {TIMESTAMPTZOID, TIDOID}
};

static Statement set_closed = {
	"UPDATE washminute_data.chats SET closed_at = $1 WHERE closed_at IS NULL AND ctid = $2",
	2, {TIMESTAMPTZOID, TIDOID}
};

static Statement select_due = {
	"SELECT chat_id FROM washminute_data.chats"
	" WHERE closes_at <= $1 AND closed_at IS NULL ORDER BY closes_at LIMIT $2",
	2, {TIMESTAMPTZOID, INT8OID}
};

/* The chat itself; false where there is none. */
static bool
ReadChat(const pg_uuid_t *chat_id, Chat *chat)
{
	Datum		key = UUIDPGetDatum(chat_id);
	KeyedRow	row;

	if (!KeyedRowRead(&chats, &key, &row))
		return false;
	chat->chat_id = *chat_id;
	chat->last_sequence = DatumGetInt64(row.values[CHAT_LAST_SEQUENCE]);
	chat->closes_at = KeyedTimeOr(&row, CHAT_CLOSES_AT, DT_NOEND);
	return true;
}

/* What the user is in it; false where he is not. */
static bool
ReadMember(const char *user_id, ChatAccess access, Chat *chat)
{
	Datum		key[] = {UUIDPGetDatum(&chat->chat_id), CStringGetTextDatum(user_id)};
	KeyedRow	row;

	if (!KeyedRowRead(&members, key, &row))
		return false;
	chat->kind = KeyedText(&row, MEMBER_KIND);
	if (access == CHAT_NOT_AS_ADMIN && strcmp(chat->kind, "admin") == 0)
		return false;
	chat->first_sequence = DatumGetInt64(row.values[MEMBER_FIRST]);
	chat->read_sequence = DatumGetInt64(row.values[MEMBER_READ]);
	return true;
}

/* Let somebody in, who sees what is written from that message on. */
static void
AddMember(const Chat *chat, const char *user_id, const char *kind, int64 first_sequence)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(&chat->chat_id));
	ArgumentText(&arguments, user_id);
	ArgumentText(&arguments, kind);
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	ArgumentDatum(&arguments, Int64GetDatum(first_sequence));
	ArgumentDatum(&arguments, Int64GetDatum(first_sequence - 1));
	StatementRun(&insert_member, &arguments);
}

/* Turn somebody out: also his sockets, in the same transaction. */
static void
RemoveMember(const pg_uuid_t *chat_id, const char *user_id, const char *kind)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(chat_id));
	ArgumentText(&arguments, user_id);
	ArgumentText(&arguments, kind);
	if (StatementRun(&delete_member, &arguments) == 0)
		return;
	RoomRemoveUser(user_id, RoomOfChat(chat_id));
	ViewersRemoveUser(chat_id, user_id);
}

static bool
HasEnded(const Request *request)
{
	return RequestHasEnded(request) || strcmp(request->status, "completed") == 0;
}

/* The end of the chat of a request that has ended now, or had before. */
static TimestampTz
EndOf(const Request *request)
{
	Settings	settings;

	if (!HasEnded(request))
		return DT_NOEND;
	RequestSettings(request, &settings);
	return request->moved_at + SETTING_USECS(settings.chat_hours, 3600);
}

/* Make the chat of a locked request. */
static void
MakeChat(const Request *request, Chat *chat)
{
	Arguments	arguments = {0};

	chat->chat_id = request->request_id;
	chat->last_sequence = 0;
	chat->closes_at = EndOf(request);
	ArgumentDatum(&arguments, UUIDPGetDatum(&chat->chat_id));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	ArgumentDatumOrNull(&arguments, TimestampTzGetDatum(chat->closes_at),
						TIMESTAMP_IS_NOEND(chat->closes_at));
	StatementRunOne(&insert_chat, &arguments);
	AddMember(chat, request->customer_id, "customer", 1);
	if (request->washman_id != NULL)
		AddMember(chat, request->washman_id, "washman", 1);
}

/* What the user is to the request; WM_CHAT_NOT_FOUND where he is nothing to it. */
static const char *
KindFor(const Request *request, const char *user_id, ChatAccess access)
{
	if (strcmp(request->customer_id, user_id) == 0)
		return "customer";
	if (request->washman_id != NULL && strcmp(request->washman_id, user_id) == 0)
		return "washman";
	if (!UserIsKind(user_id, "admin") || access != CHAT_ADMIN_JOINS)
		ErrorRaise(WM_CHAT_NOT_FOUND, NULL);
	return "admin";
}

/* May he make the chat of the request as it is now? */
static void
RequireMayOpen(const Request *request, const char *user_id, ChatAccess access)
{
	const char *kind = KindFor(request, user_id, access);
	JsonObject	facts;

	if (request->washman_id == NULL && strcmp(kind, "admin") != 0)
		ErrorRaise(WM_CHAT_NOT_OPEN, NULL);
	if (EndOf(request) > ClockThisMoment())
		return;
	JsonOpen(&facts);
	JsonTime(&facts, "closedAt", EndOf(request));
	ErrorRaise(WM_CHAT_CLOSED, JsonClose(&facts));
}

/* Make the chat for somebody who may, unless it is there by now, and lock it. */
static void
OpenFor(const pg_uuid_t *chat_id, const char *user_id, ChatAccess access, Chat *chat)
{
	static const KeyedTable requests = {"washing_requests", {{"request_id", UUIDOID}}, {{"status", TEXTOID}}};
	Datum		key = UUIDPGetDatum(chat_id);
	KeyedRow	row;
	Request		request;

	if (!KeyedRowRead(&requests, &key, &row))
		ErrorRaise(WM_CHAT_NOT_FOUND, NULL);

	/* nobody locks a request that is not his */
	RequestRead(chat_id, &request);
	RequireMayOpen(&request, user_id, access);
	RequestLock(chat_id, &request);
	LockChat(chat_id);
	if (ReadChat(chat_id, chat))
		return;
	RequireMayOpen(&request, user_id, access);
	MakeChat(&request, chat);
}

void
ChatRead(const pg_uuid_t *chat_id, const char *user_id, ChatAccess access, Chat *chat)
{
	if (!ReadChat(chat_id, chat) || !ReadMember(user_id, access, chat))
		ErrorRaise(WM_CHAT_NOT_FOUND, NULL);
}

void
ChatEnter(const pg_uuid_t *chat_id, const char *user_id, ChatAccess access, Chat *chat)
{
	Datum		key = UUIDPGetDatum(chat_id);

	/* only a look: the chat is read under its lock */
	if (KeyedRowsRead(&chats, &key, 1) != NIL)
	{
		LockChat(chat_id);
		(void) ReadChat(chat_id, chat);
	}
	else
		OpenFor(chat_id, user_id, access, chat);
	if (ReadMember(user_id, access, chat))
		return;
	if (!UserIsKind(user_id, "admin") || access != CHAT_ADMIN_JOINS)
		ErrorRaise(WM_CHAT_NOT_FOUND, NULL);
	AddMember(chat, user_id, "admin", 1);
	(void) ReadMember(user_id, access, chat);
}

ChatAccess
ChatArgumentAccess(FunctionCallInfo fcinfo, int number)
{
	ArgumentRequire(fcinfo, number, "as_admin");
	return PG_GETARG_BOOL(number) ? CHAT_AS_ADMIN : CHAT_NOT_AS_ADMIN;
}

bool
ChatIsClosed(const Chat *chat)
{
	return chat->closes_at <= ClockThisMoment();
}

void
ChatTell(const pg_uuid_t *chat_id, const char *event, const char *data)
{
	Arguments	arguments = {0};
	uint64		count;
	const char **rooms;

	ArgumentDatum(&arguments, UUIDPGetDatum(chat_id));
	count = StatementRun(&select_members, &arguments);
	if (count == 0)
		return;
	rooms = palloc(count * sizeof(char *));
	for (uint64 i = 0; i < count; i++)
		rooms[i] = RoomOfUser(RowText(i, 1));
	RoomsTell(rooms, (int) count, event, data);
}

void
ChatFollow(const Request *request, const char *previous)
{
	Datum		key = UUIDPGetDatum(&request->request_id);
	const char *washman_id = request->washman_id;
	Chat		chat;

	if (!ReadChat(&request->request_id, &chat))
		return;
	LockChat(&request->request_id);
	/* what was written while we waited */
	(void) ReadChat(&request->request_id, &chat);
	if (previous != NULL && (washman_id == NULL || strcmp(previous, washman_id) != 0))
		RemoveMember(&chat.chat_id, previous, "washman");
	if (washman_id != NULL && strcmp(request->status, "accepted") == 0)
		AddMember(&chat, washman_id, "washman", chat.last_sequence + 1);
	if (HasEnded(request))
	{
		Arguments	arguments = {0};

		ArgumentDatum(&arguments, TimestampTzGetDatum(EndOf(request)));
		KeyedRowUpdate(&chats, &key, &set_end, &arguments);
	}
}

/* Close one, unless somebody is at it now, then the next call does; or has closed it. */
static void
CloseChat(const pg_uuid_t *chat_id, TimestampTz now)
{
	Datum		key = UUIDPGetDatum(chat_id);
	Arguments	arguments = {0};
	JsonObject	data;
	KeyedRow	row;

	if (!LockChatIfFree(chat_id))
		return;
	if (!KeyedRowRead(&chats, &key, &row) || !KeyedIsNull(&row, CHAT_CLOSED_AT))
		return;
	ArgumentDatum(&arguments, TimestampTzGetDatum(now));
	KeyedRowUpdate(&chats, &key, &set_closed, &arguments);
	JsonOpen(&data);
	JsonUuid(&data, "chatId", chat_id);
	JsonTime(&data, "closedAt", now);
	ChatTell(chat_id, "chatClosed", JsonClose(&data));
}

void
ChatsClose(int most)
{
	TimestampTz now = ClockThisMoment();
	Arguments	arguments = {0};
	uint64		count;
	pg_uuid_t **due;

	ArgumentDatum(&arguments, TimestampTzGetDatum(now));
	ArgumentDatum(&arguments, Int64GetDatum(most));
	count = StatementRun(&select_due, &arguments);
	if (count == 0)
		return;
	due = palloc(count * sizeof(pg_uuid_t *));
	for (uint64 i = 0; i < count; i++)
		due[i] = RowUuid(i, 1);
	for (uint64 i = 0; i < count; i++)
		CloseChat(due[i], now);
}

/* open_chat(request_id, user_id, as_admin): the chat's id. */
static Datum
open_chat_body(FunctionCallInfo fcinfo)
{
	pg_uuid_t  *request_id = ArgumentUuid(fcinfo, 0, "request_id");
	char	   *user_id = ArgumentId(fcinfo, 1, "user_id");
	ChatAccess	access = ChatArgumentAccess(fcinfo, 2);
	Chat		chat;

	UserRequireUnblocked(user_id);
	ChatEnter(request_id, user_id, access == CHAT_AS_ADMIN ? CHAT_ADMIN_JOINS : access, &chat);
	PG_RETURN_UUID_P(request_id);
}

/* leave_chat(chat_id, user_id): an administrator who has joined leaves. */
static Datum
leave_chat_body(FunctionCallInfo fcinfo)
{
	pg_uuid_t  *chat_id = ArgumentUuid(fcinfo, 0, "chat_id");
	char	   *user_id = ArgumentId(fcinfo, 1, "user_id");
	Chat		chat;

	LockChat(chat_id);
	ChatRead(chat_id, user_id, CHAT_AS_ADMIN, &chat);
	if (strcmp(chat.kind, "admin") != 0)
		ErrorRaiseText(WM_WRONG_KIND, "kind", "admin");
	RemoveMember(chat_id, user_id, "admin");
	PG_RETURN_VOID();
}
