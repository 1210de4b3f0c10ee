/*-------------------------------------------------------------------------
 *
 * socket.c
 *		What a gateway asks for its sockets: may it connect, and what it sends.
 *
 * A gateway has verified the signature and the times of a token; who may connect and
 * what becomes of each event is decided here, so that a gateway knows no event and no
 * rule.  A refusal to connect is an error; a refusal of an event is its answer, given
 * by a subtransaction that is undone, since the socket stays.
 *
 * An event's argument is an object, or a plain id, as older apps send it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/argument.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/statement.h"
#include "base/subtransaction.h"
#include "base/token.h"
#include "base/user.h"
#include "realtime/room.h"
#include "realtime/viewer.h"

#define EVENT_NAME_MAX 100

COMMAND(socket_connect, -1);
COMMAND(socket_event, -1);

/* An event of a socket, as it came. */
typedef struct SocketEvent
{
	Jsonb	   *claims;
	char	   *user_id;
	bool		as_admin;		/* by his token */
	char	   *sid;
	char	   *gateway;
	char	   *name;
	Jsonb	   *arguments;		/* an object */
	Jsonb	   *answer;			/* an object */
} SocketEvent;

static Statement open_chat = {
	"SELECT washminute.open_chat($1, $2, $3)", 3, {UUIDOID, TEXTOID, BOOLOID}
};

static Statement chat_state = {
	"SELECT washminute.chat_state($1, $2, $3)", 3, {UUIDOID, TEXTOID, BOOLOID}
};

/* His rooms but that of all, in which every socket is by itself. */
static Statement select_entry = {
	"SELECT pg_catalog.to_jsonb(pg_catalog.array_remove(washminute._live_rooms($1, $2), ''))::pg_catalog.text,"
	"       washminute.live_cursor()",
	2, {TEXTOID, BOOLOID}
};

/*
 * At most so many events at a time; $1 is the user, $2 the argument, $3 whether he is an
 * administrator by his token.  Where they are all, the cursor is where the log ends: who is
 * told little is not to fall behind it.  The log's end is on the statement's snapshot, and
 * the events on one that is no older.
 */
#define CATCH_UP(name) \
	"SELECT pg_catalog.jsonb_build_object(" \
	"         '" name "', COALESCE(pg_catalog.jsonb_agg(e.event ORDER BY e.position), '[]')," \
	"         'cursor', CASE WHEN pg_catalog.count(*) >= 200 THEN pg_catalog.max(e.position)" \
	"                        ELSE GREATEST(pg_catalog.max(e.position), ($2->>'after')::pg_catalog.int8," \
	"                                      washminute.live_cursor()) END," \
	"         'more', pg_catalog.count(*) >= 200)" \
	"  FROM (SELECT m.position, pg_catalog.jsonb_build_object(" \
	"                 'eid', m.position::pg_catalog.text, 'event', m.event, 'data', m.data) AS event" \
	"          FROM washminute.missed_events($1, ($2->>'after')::pg_catalog.int8, 200, $3) AS m) AS e"

static Statement catch_up = {CATCH_UP("events"), 3, {TEXTOID, JSONBOID, BOOLOID}};
static Statement missed = {CATCH_UP("missed"), 3, {TEXTOID, JSONBOID, BOOLOID}};

static Statement send_message = {
	"SELECT pg_catalog.jsonb_build_object("
	"         'chatId', $2->>'chatId', 'messageId', m.message_id, 'sequence', m.sequence, 'sentAt', m.sent_at)"
	"  FROM washminute.send_message(($2->>'chatId')::pg_catalog.uuid, $1, $2->>'clientMessageId',"
	"                               $2->>'text', $2->>'locale', $3) AS m",
	3, {TEXTOID, JSONBOID, BOOLOID}
};

static Statement mark_read = {
	"SELECT pg_catalog.jsonb_build_object("
	"         'chatId', $2->>'chatId',"
	"         'sequence', washminute.mark_read(($2->>'chatId')::pg_catalog.uuid, $1,"
	"                                          ($2->>'sequence')::pg_catalog.int8, $3))",
	3, {TEXTOID, JSONBOID, BOOLOID}
};

static Statement load_messages = {
	"SELECT pg_catalog.jsonb_build_object("
	"         'chatId', $2->>'chatId',"
	"         'messages', COALESCE(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object("
	"           'sequence', m.sequence, 'messageId', m.message_id, 'senderId', m.sender_id,"
	"           'clientMessageId', m.client_message_id, 'text', m.text, 'locale', m.locale,"
	"           'sentAt', m.sent_at) ORDER BY m.sequence), '[]'))"
	"  FROM washminute.chat_history(($2->>'chatId')::pg_catalog.uuid, $1, ($2->>'before')::pg_catalog.int8,"
	"                               ($2->>'after')::pg_catalog.int8, ($2->>'limit')::pg_catalog.int4, $3) AS m",
	3, {TEXTOID, JSONBOID, BOOLOID}
};

static Statement report_location = {
	"SELECT '{}'::pg_catalog.jsonb"
	"  FROM (SELECT washminute.report_location("
	"          $1, ($2->>'longitude')::pg_catalog.float8, ($2->>'latitude')::pg_catalog.float8,"
	"          ($2->>'accuracy')::pg_catalog.float8, ($2->>'recordedAt')::pg_catalog.timestamptz)) AS done",
	3, {TEXTOID, JSONBOID, BOOLOID}
};

static Jsonb *
JsonbOf(const char *text)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
}

/* A member that must be a text, e.g. an id. */
static char *
RequiredMember(const SocketEvent *event, const char *name)
{
	char	   *text = JsonMemberText(event->arguments, name);

	if (text == NULL)
		ErrorRaiseArgument(WM_ARGUMENT_MISSING, name, "be given");
	return text;
}

static pg_uuid_t *
RequiredChat(const SocketEvent *event)
{
	return DatumGetUUIDP(DirectFunctionCall1(uuid_in,
											 CStringGetDatum(RequiredMember(event, "chatId"))));
}

/* identify: apps say who they are; the token has said it already. */
static void
Identify(SocketEvent *event)
{
	JsonObject	answer;

	if (strcmp(RequiredMember(event, "userId"), event->user_id) != 0)
		ErrorRaise(WM_NOT_YOURS, NULL);
	JsonOpen(&answer);
	JsonText(&answer, "userId", event->user_id);
	event->answer = JsonbOf(JsonClose(&answer));
}

/*
 * join-chat: the socket shows a chat.  The chat is locked from the check until the
 * commit, so that who is turned out meanwhile has not joined, or leaves after it.
 */
static void
JoinChat(SocketEvent *event)
{
	pg_uuid_t  *chat_id = RequiredChat(event);
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(chat_id));
	ArgumentText(&arguments, event->user_id);
	ArgumentDatum(&arguments, BoolGetDatum(event->as_admin));
	(void) StatementRun(&open_chat, &arguments);
	RoomAddSocket(event->sid, RoomOfChat(chat_id));
	ViewerAdd(chat_id, event->user_id, event->sid, event->gateway);
	StatementRunOne(&chat_state, &arguments);
	event->answer = DatumGetJsonbPCopy(RowDatum(0, 1));
}

/* leave-chat: it does so no longer. */
static void
LeaveChat(SocketEvent *event)
{
	pg_uuid_t  *chat_id = RequiredChat(event);

	RoomRemoveSocket(event->sid, RoomOfChat(chat_id));
	ViewerRemove(chat_id, event->sid);
	event->answer = JsonbOf("{}");
}

/* What a socket can send: a function, or a statement with the parameters of CATCH_UP. */
static const struct
{
	const char *name;
	void		(*run) (SocketEvent *event);
	Statement  *statement;
}			known_events[] = {
	{"identify", Identify, NULL},
	{"join-chat", JoinChat, NULL},
	{"leave-chat", LeaveChat, NULL},
	{"send-message", NULL, &send_message},
	{"mark-read", NULL, &mark_read},
	{"load-messages", NULL, &load_messages},
	{"catch-up", NULL, &catch_up},
	{"location", NULL, &report_location}
};

static void
RunStatement(SocketEvent *event, Statement *statement)
{
	Arguments	arguments = {0};

	ArgumentText(&arguments, event->user_id);
	ArgumentDatum(&arguments, JsonbPGetDatum(event->arguments));
	ArgumentDatum(&arguments, BoolGetDatum(event->as_admin));
	StatementRunOne(statement, &arguments);
	event->answer = DatumGetJsonbPCopy(RowDatum(0, 1));
}

/*
 * What he is in this connection: what the token says, or else his groups in it, where he
 * is that; a token that says nothing leaves a washman a washman.
 */
static char *
KindOf(Jsonb *claims, const char *user_id)
{
	char	   *given = JsonMemberText(claims, "role");
	char	   *chosen = TokenRole(claims, given ? given : ROLE_ANONYMOUS, NULL);
	char	   *kind = chosen ? chosen : given;

	if (strncmp(kind, ROLE_PREFIX, strlen(ROLE_PREFIX)) == 0)
		kind += strlen(ROLE_PREFIX);
	if (given == NULL && !UserIsKind(user_id, kind) && UserIsKind(user_id, "washman"))
		return pstrdup("washman");
	UserRequireKind(user_id, kind);
	return kind;
}

/* Runs in a subtransaction. */
static void
RunEvent(void *argument)
{
	SocketEvent *event = argument;

	UserRequireUnblocked(event->user_id);
	event->as_admin = strcmp(KindOf(event->claims, event->user_id), "admin") == 0;
	for (int i = 0; i < lengthof(known_events); i++)
	{
		if (strcmp(known_events[i].name, event->name) != 0)
			continue;
		if (known_events[i].run != NULL)
			known_events[i].run(event);
		else
			RunStatement(event, known_events[i].statement);
		return;
	}
	ErrorRaiseText(WM_EVENT_UNKNOWN, "event", event->name);
}

/* The refusal that an error stands for, or NULL where it is a failure of ours. */
static char *
Refusal(const ErrorData *error)
{
	const char *detail = error->detail ? error->detail : "";
	const char *facts = strchr(detail, ' ');
	JsonObject	answer;

	JsonOpen(&answer);
	JsonBool(&answer, "ok", false);
	if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_DATA_EXCEPTION)
		JsonText(&answer, "error", "WM_ARGUMENT_INVALID");	/* a cast of ours */
	else if (ErrorIsOurs(error->sqlerrcode) && strncmp(unpack_sql_state(error->sqlerrcode), "PT4", 3) == 0)
		JsonText(&answer, "error", pnstrdup(detail, facts ? facts - detail : strlen(detail)));
	else
		return NULL;
	JsonText(&answer, "message", error->message);
	if (facts != NULL && facts[1] == '{')
		JsonObjectMember(&answer, "details", facts + 1);
	return JsonClose(&answer);
}

/* The user whom claims speak for, if they are good here and he may come in. */
static char *
UserOfClaims(Jsonb *claims)
{
	char	   *user_id = JsonMemberText(claims, "sub");

	if (user_id == NULL || user_id[0] == '\0')
		ErrorRaise(WM_CALLER_UNKNOWN, NULL);
	TokenCheck(claims, "");
	return user_id;
}

/* The event's argument as an object: a plain id stands for any of the ids it may be. */
static Jsonb *
ArgumentObject(FunctionCallInfo fcinfo, int number)
{
	Jsonb	   *jsonb = PG_ARGISNULL(number) ? NULL : PG_GETARG_JSONB_P(number);
	JsonbValue	scalar;
	JsonObject	object;
	char	   *id = NULL;

	if (jsonb != NULL && JB_ROOT_IS_ARRAY(jsonb) && !JB_ROOT_IS_SCALAR(jsonb))
	{
		List	   *elements = JsonElements(jsonb);

		jsonb = elements == NIL ? NULL : linitial(elements);
	}
	if (jsonb != NULL && JB_ROOT_IS_OBJECT(jsonb))
		return jsonb;
	if (jsonb != NULL && JB_ROOT_IS_SCALAR(jsonb) && JsonbExtractScalar(&jsonb->root, &scalar) &&
		(scalar.type == jbvString || scalar.type == jbvNumeric))
		id = JsonMemberText(JsonbOf(psprintf("{\"id\": %s}", JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb)))), "id");
	JsonOpen(&object);
	JsonText(&object, "userId", id);
	JsonText(&object, "chatId", id);
	JsonText(&object, "after", id);
	return JsonbOf(JsonClose(&object));
}

/* socket_event(claims, sid, gateway, event, args): the answer, an object with ok. */
static Datum
socket_event_body(FunctionCallInfo fcinfo)
{
	SocketEvent event = {0};
	ErrorData  *error;
	char	   *refusal;

	ArgumentRequire(fcinfo, 0, "claims");
	event.claims = PG_GETARG_JSONB_P(0);
	event.user_id = UserOfClaims(event.claims);
	event.sid = ArgumentId(fcinfo, 1, "sid");
	event.gateway = ArgumentId(fcinfo, 2, "gateway");
	event.name = ArgumentRequiredText(fcinfo, 3, "event", EVENT_NAME_MAX);
	event.arguments = ArgumentObject(fcinfo, 4);

	error = SubtransactionRun(RunEvent, &event);
	if (error == NULL)
		return DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(JsonbOf("{\"ok\": true}")),
								   JsonbPGetDatum(event.answer));
	refusal = Refusal(error);
	if (refusal == NULL)
		ReThrowError(error);
	PG_RETURN_JSONB_P(JsonbOf(refusal));
}

/* Runs in a subtransaction. */
static void
CatchUp(void *argument)
{
	RunStatement(argument, &missed);
}

/* What he has missed since that cursor; that it is too old is told, and no refusal. */
static Jsonb *
MissedSince(char *user_id, bool as_admin, int64 since)
{
	SocketEvent event = {.user_id = user_id, .as_admin = as_admin};
	ErrorData  *error;

	event.arguments = JsonbOf(psprintf("{\"after\": " INT64_FORMAT "}", since));
	error = SubtransactionRun(CatchUp, &event);
	if (error == NULL)
		return event.answer;
	if (strcmp(unpack_sql_state(error->sqlerrcode), "PT410") != 0)
		ReThrowError(error);
	return JsonbOf("{\"missed\": [], \"more\": false, \"tooOld\": true}");
}

/*
 * socket_connect(claims, sid, gateway, since): who it is, the rooms to join, and what
 * he has missed since that cursor.
 */
static Datum
socket_connect_body(FunctionCallInfo fcinfo)
{
	Jsonb	   *claims;
	char	   *user_id;
	char	   *kind;
	char	   *expires;
	bool		as_admin;
	Arguments	arguments = {0};
	JsonObject	answer;

	ArgumentRequire(fcinfo, 0, "claims");
	claims = PG_GETARG_JSONB_P(0);
	(void) ArgumentId(fcinfo, 1, "sid");
	(void) ArgumentId(fcinfo, 2, "gateway");
	user_id = UserOfClaims(claims);
	UserRequireUnblocked(user_id);
	kind = KindOf(claims, user_id);
	as_admin = strcmp(kind, "admin") == 0;

	JsonOpen(&answer);
	JsonText(&answer, "userId", user_id);
	JsonText(&answer, "kind", kind);
	JsonText(&answer, "locale", UserLocale(user_id));
	expires = JsonMemberText(claims, "exp");
	JsonObjectMember(&answer, "expiresAt", expires ? expires : "null");
	ArgumentText(&arguments, user_id);
	ArgumentDatum(&arguments, BoolGetDatum(as_admin));
	StatementRunOne(&select_entry, &arguments);
	JsonObjectMember(&answer, "join", RowText(0, 1));
	JsonInt(&answer, "cursor", RowInt64(0, 2));
	JsonObjectMember(&answer, "missed", "[]");
	JsonBool(&answer, "more", false);
	if (PG_ARGISNULL(3))
		PG_RETURN_JSONB_P(JsonbOf(JsonClose(&answer)));
	return DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(JsonbOf(JsonClose(&answer))),
							   JsonbPGetDatum(MissedSince(user_id, as_admin, PG_GETARG_INT64(3))));
}
