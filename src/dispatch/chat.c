/*-------------------------------------------------------------------------
 *
 * chat.c
 *		What is written in a chat, and what has been read of it.
 *
 * Messages get their numbers under the chat's lock, which is held until the commit:
 * so no number is left out, and a message that can be seen has no unseen one before it.
 * Members hear of it in their own rooms, as they are when it is written: who has left
 * the chat hears no more of it, whichever rooms his sockets are in.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "base/argument.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/keyed_row.h"
#include "base/statement.h"
#include "dispatch/chat.h"
#include "realtime/viewer.h"

#define MESSAGE_MAX 2000		/* characters */
#define HISTORY_MAX 200			/* messages of one answer */
#define HISTORY_STANDARD 50

COMMAND(send_message, 1);
COMMAND(mark_read, 1);
COMMAND(chat_history, 1);
COMMAND(chat_state, 1);

static const char *const locales[] = {"ar", "fr", "en", NULL};

static const KeyedTable chats = {"chats", {{"chat_id", UUIDOID}}, {{"last_sequence", INT8OID}}};
static const KeyedTable members = {"chat_members", {{"chat_id", UUIDOID}, {"user_id", TEXTOID}}, {{"read_sequence", INT8OID}}};

enum MessageColumn
{
	MESSAGE_ID,
	MESSAGE_SENT_AT,
	MESSAGE_SEQUENCE,
	MESSAGE_TEXT
};

/* Its key is the chat, the sender, and the id that the sender's app gave it. */
static const KeyedTable messages = {
	"chat_messages", {{"chat_id", UUIDOID}, {"sender_id", TEXTOID}, {"client_message_id", TEXTOID}},
	{
		[MESSAGE_ID] = {"message_id", UUIDOID},
		[MESSAGE_SENT_AT] = {"sent_at", TIMESTAMPTZOID},
		[MESSAGE_SEQUENCE] = {"sequence", INT8OID},
		[MESSAGE_TEXT] = {"text", TEXTOID}
	}
};

static Statement insert_message = {
	"INSERT INTO washminute_data.chat_messages"
	"  (chat_id, sender_id, client_message_id, text, sequence, locale, sent_at, message_id)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, pg_catalog.gen_random_uuid())"
	" RETURNING message_id",
	7, {UUIDOID, TEXTOID, TEXTOID, TEXTOID, INT8OID, TEXTOID, TIMESTAMPTZOID}
};

static Statement count_message = {
	"UPDATE washminute_data.chats SET last_sequence = $1, last_message_at = $2 WHERE ctid = $3",
	3, {INT8OID, TIMESTAMPTZOID, TIDOID}
};

static Statement set_read = {
	"UPDATE washminute_data.chat_members SET read_sequence = $1, read_at = $2 WHERE ctid = $3",
	3, {INT8OID, TIMESTAMPTZOID, TIDOID}
};

/* of those between, the first ones; the last ones where only the end is given, or nothing */
static Statement select_history = {
	"SELECT * FROM ("
	"  SELECT m.sequence, m.message_id, m.sender_id, m.client_message_id, m.text, m.locale, m.sent_at"
	"    FROM washminute_data.chat_messages AS m"
	"   WHERE m.chat_id = $1 AND m.sequence > $2 AND m.sequence < $3"
	"   ORDER BY m.sequence LIMIT $4) AS m",
	4, {UUIDOID, INT8OID, INT8OID, INT8OID}
};

static Statement select_latest = {
	"SELECT * FROM ("
	"  SELECT m.sequence, m.message_id, m.sender_id, m.client_message_id, m.text, m.locale, m.sent_at"
	"    FROM washminute_data.chat_messages AS m"
	"   WHERE m.chat_id = $1 AND m.sequence > $2 AND m.sequence < $3"
	"   ORDER BY m.sequence DESC LIMIT $4) AS m ORDER BY m.sequence",
	4, {UUIDOID, INT8OID, INT8OID, INT8OID}
};

static Statement select_members = {
	"SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object("
	"         'userId', m.user_id, 'kind', m.kind, 'readSequence', m.read_sequence)"
	"         ORDER BY m.joined_at, m.user_id)::pg_catalog.text"
	"  FROM washminute_data.chat_members AS m WHERE m.chat_id = $1",
	1, {UUIDOID}
};

/* A text of several lines, not blank; lines end with LF, tabs may be in it. */
static char *
ArgumentMessage(FunctionCallInfo fcinfo, int number)
{
	bool		blank = true;
	char	   *message;

	ArgumentRequire(fcinfo, number, "text");
	message = text_to_cstring(PG_GETARG_TEXT_PP(number));
	if (pg_mbstrlen(message) > MESSAGE_MAX)
		ErrorRaiseArgument(WM_ARGUMENT_TOO_LONG, "text",
						   psprintf("have at most %d characters", MESSAGE_MAX));
	for (const unsigned char *p = (const unsigned char *) message; *p; p++)
	{
		if ((*p < 0x20 && *p != '\n' && *p != '\t') || *p == 0x7f)
			ErrorRaiseArgument(WM_ARGUMENT_INVALID, "text",
							   "have no control characters but line ends and tabs");
		if (*p != ' ' && *p != '\n' && *p != '\t')
			blank = false;
	}
	if (blank)
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "text", "not be empty");
	return message;
}

/* Set the member's mark, which never goes back; the mark as it is then. */
static int64
SetRead(const Chat *chat, const char *user_id, int64 sequence, TimestampTz at)
{
	Datum		key[] = {UUIDPGetDatum(&chat->chat_id), CStringGetTextDatum(user_id)};
	Arguments	arguments = {0};

	if (sequence <= chat->read_sequence)
		return chat->read_sequence;
	ArgumentDatum(&arguments, Int64GetDatum(sequence));
	ArgumentDatum(&arguments, TimestampTzGetDatum(at));
	KeyedRowUpdate(&members, key, &set_read, &arguments);
	return sequence;
}

/* Was it sent before?  Then its answer; with another text that is an error. */
static bool
WasSent(const Chat *chat, const char *user_id, const char *client_message_id,
		const char *text, Datum *answer)
{
	Datum		key[] = {
		UUIDPGetDatum(&chat->chat_id),
		CStringGetTextDatum(user_id),
		CStringGetTextDatum(client_message_id)
	};
	KeyedRow	row;

	if (!KeyedRowRead(&messages, key, &row))
		return false;
	if (strcmp(KeyedText(&row, MESSAGE_TEXT), text) != 0)
		ErrorRaiseText(WM_MESSAGE_ID_REUSED, "clientMessageId", client_message_id);
	answer[0] = row.values[MESSAGE_ID];
	answer[1] = row.values[MESSAGE_SEQUENCE];
	answer[2] = row.values[MESSAGE_SENT_AT];
	return true;
}

static void
RequireOpen(const Chat *chat)
{
	JsonObject	facts;

	if (!ChatIsClosed(chat))
		return;
	JsonOpen(&facts);
	JsonTime(&facts, "closedAt", chat->closes_at);
	ErrorRaise(WM_CHAT_CLOSED, JsonClose(&facts));
}

/*
 * send_message(chat_id, user_id, client_message_id, text, locale, as_admin): sent again with the
 * same id it is the same message, and gets the same answer.
 */
static Datum
send_message_body(FunctionCallInfo fcinfo)
{
	pg_uuid_t  *chat_id = ArgumentUuid(fcinfo, 0, "chat_id");
	char	   *user_id = ArgumentId(fcinfo, 1, "user_id");
	char	   *client_message_id = ArgumentRequiredText(fcinfo, 2, "client_message_id", ID_MAX);
	char	   *text = ArgumentMessage(fcinfo, 3);
	char	   *locale = PG_ARGISNULL(4) ? NULL : ArgumentChoice(fcinfo, 4, "locale", locales);
	Datum		key = UUIDPGetDatum(chat_id);
	bool		nulls[3] = {false};
	Datum		answer[3];
	Arguments	count = {0};
	Arguments	message = {0};
	TimestampTz now;
	JsonObject	data;
	Chat		chat;

	UserRequireUnblocked(user_id);
	ChatEnter(chat_id, user_id, ChatArgumentAccess(fcinfo, 5), &chat);
	if (WasSent(&chat, user_id, client_message_id, text, answer))
	{
		CommandReturnRow(fcinfo, answer, nulls);
		return (Datum) 0;
	}
	RequireOpen(&chat);
	if (locale == NULL)
		locale = UserLocale(user_id);

	/* under the lock, so that later numbers have later times */
	now = ClockThisMoment();
	chat.last_sequence++;
	ArgumentDatum(&count, Int64GetDatum(chat.last_sequence));
	ArgumentDatum(&count, TimestampTzGetDatum(now));
	KeyedRowUpdate(&chats, &key, &count_message, &count);

	ArgumentDatum(&message, key);
	ArgumentText(&message, user_id);
	ArgumentText(&message, client_message_id);
	ArgumentText(&message, text);
	ArgumentDatum(&message, Int64GetDatum(chat.last_sequence));
	ArgumentText(&message, locale);
	ArgumentDatum(&message, TimestampTzGetDatum(now));
	StatementRunOne(&insert_message, &message);
	answer[0] = UUIDPGetDatum(RowUuid(0, 1));
	answer[1] = Int64GetDatum(chat.last_sequence);
	answer[2] = TimestampTzGetDatum(now);
	(void) SetRead(&chat, user_id, chat.last_sequence, now);

	JsonOpen(&data);
	JsonUuid(&data, "chatId", chat_id);
	JsonUuid(&data, "messageId", DatumGetUUIDP(answer[0]));
	JsonInt(&data, "sequence", chat.last_sequence);
	JsonText(&data, "senderId", user_id);
	JsonText(&data, "senderKind", chat.kind);
	JsonText(&data, "clientMessageId", client_message_id);
	JsonText(&data, "text", text);
	JsonText(&data, "locale", locale);
	JsonTime(&data, "sentAt", now);
	ChatTell(chat_id, "newMessage", JsonClose(&data));
	CommandReturnRow(fcinfo, answer, nulls);
	return (Datum) 0;
}

/* mark_read(chat_id, user_id, sequence, as_admin): the mark as it is then. */
static Datum
mark_read_body(FunctionCallInfo fcinfo)
{
	pg_uuid_t  *chat_id = ArgumentUuid(fcinfo, 0, "chat_id");
	char	   *user_id = ArgumentId(fcinfo, 1, "user_id");
	TimestampTz now;
	int64		sequence;
	int64		mark;
	JsonObject	data;
	Chat		chat;

	ArgumentRequire(fcinfo, 2, "sequence");
	sequence = PG_GETARG_INT64(2);
	UserRequireUnblocked(user_id);
	ChatEnter(chat_id, user_id, ChatArgumentAccess(fcinfo, 3), &chat);
	if (sequence < 0 || sequence > chat.last_sequence)
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "sequence",
						   psprintf("be at most " INT64_FORMAT ", the last message's", chat.last_sequence));
	now = ClockThisMoment();
	mark = SetRead(&chat, user_id, sequence, now);
	if (mark == chat.read_sequence)
		PG_RETURN_INT64(mark);

	JsonOpen(&data);
	JsonUuid(&data, "chatId", chat_id);
	JsonText(&data, "userId", user_id);
	JsonInt(&data, "sequence", mark);
	JsonTime(&data, "readAt", now);
	ChatTell(chat_id, "messagesRead", JsonClose(&data));
	PG_RETURN_INT64(mark);
}

/* The argument, or what stands for NULL. */
static int64
ArgumentSequence(FunctionCallInfo fcinfo, int number, int64 standard)
{
	return PG_ARGISNULL(number) ? standard : PG_GETARG_INT64(number);
}

/* chat_history(chat_id, user_id, before, after, max_messages, as_admin), in the order of sending. */
static Datum
chat_history_body(FunctionCallInfo fcinfo)
{
	pg_uuid_t  *chat_id = ArgumentUuid(fcinfo, 0, "chat_id");
	char	   *user_id = ArgumentId(fcinfo, 1, "user_id");
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	int			most = PG_ARGISNULL(4) ? HISTORY_STANDARD : PG_GETARG_INT32(4);
	Arguments	arguments = {0};
	uint64		rows;
	Chat		chat;

	if (most < 1 || most > HISTORY_MAX)
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "max_messages",
						   psprintf("be 1 to %d", HISTORY_MAX));
	ChatRead(chat_id, user_id, ChatArgumentAccess(fcinfo, 5), &chat);
	ArgumentDatum(&arguments, UUIDPGetDatum(chat_id));
	ArgumentDatum(&arguments, Int64GetDatum(Max(ArgumentSequence(fcinfo, 3, 0), chat.first_sequence - 1)));
	ArgumentDatum(&arguments, Int64GetDatum(ArgumentSequence(fcinfo, 2, PG_INT64_MAX)));
	ArgumentDatum(&arguments, Int64GetDatum(most));
	rows = StatementRun(PG_ARGISNULL(3) ? &select_latest : &select_history, &arguments);

	InitMaterializedSRF(fcinfo, 0);
	for (uint64 row = 0; row < rows; row++)
	{
		Datum		values[7];
		bool		nulls[7] = {false};

		for (int i = 0; i < lengthof(values); i++)
			values[i] = RowDatum(row, i + 1);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* chat_state(chat_id, user_id, as_admin): what a screen shows before the first message. */
static Datum
chat_state_body(FunctionCallInfo fcinfo)
{
	pg_uuid_t  *chat_id = ArgumentUuid(fcinfo, 0, "chat_id");
	char	   *user_id = ArgumentId(fcinfo, 1, "user_id");
	Arguments	arguments = {0};
	JsonObject	state;
	Chat		chat;

	ChatRead(chat_id, user_id, ChatArgumentAccess(fcinfo, 2), &chat);
	JsonOpen(&state);
	JsonUuid(&state, "chatId", chat_id);
	JsonText(&state, "kind", chat.kind);
	JsonInt(&state, "lastSequence", chat.last_sequence);
	JsonInt(&state, "readSequence", chat.read_sequence);
	JsonBool(&state, "closed", ChatIsClosed(&chat));
	if (!TIMESTAMP_IS_NOEND(chat.closes_at))
		JsonTime(&state, "closesAt", chat.closes_at);
	ArgumentDatum(&arguments, UUIDPGetDatum(chat_id));
	(void) StatementRun(&select_members, &arguments);
	JsonObjectMember(&state, "members", RowText(0, 1));
	JsonObjectMember(&state, "viewers", ViewersList(chat_id));
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(JsonClose(&state))));
}
