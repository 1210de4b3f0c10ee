/*-------------------------------------------------------------------------
 *
 * viewer.c
 *		Who has a chat on the screen, and the gateways that say so.
 *
 * A gateway holds a lock for as long as its session lives, and the rows of sockets of
 * a gateway whose lock is free do not count: when it dies its viewers are gone at once,
 * without anybody having to do anything.  The rows themselves go, and those who look at
 * the same chats are told, when the next gateway registers or gives a sign of life.
 *
 * Each change is told with the whole list, under a lock that is held until the commit:
 * so the last list is the right one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/argument.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/guc.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/statement.h"
#include "outbox/realtime_queue.h"
#include "outbox/wake.h"
#include "realtime/room.h"
#include "realtime/viewer.h"

#define SWEEP_MAX 1000			/* chats that one call tells of */
#define TICK_SECONDS 10			/* how often the worker sends gateways the event tick */

COMMAND(gateway_register, 0);
COMMAND(gateway_beat, 0);
COMMAND(sockets_gone, -1);

PG_FUNCTION_INFO_V1(washminute_gateway_is_live);

static Statement insert_gateway = {
	"INSERT INTO washminute_data.gateways (gateway, registered_at) VALUES ($1, $2)"
	" ON CONFLICT (gateway) DO UPDATE SET registered_at = EXCLUDED.registered_at",
	2, {TEXTOID, TIMESTAMPTZOID}
};

static Statement delete_dead_gateways = {
	"DELETE FROM washminute_data.gateways AS g WHERE NOT washminute._gateway_is_live(g.gateway)"
};

static Statement select_live_gateway = {
	"SELECT FROM washminute_data.gateways AS g WHERE washminute._gateway_is_live(g.gateway) LIMIT 1"
};

static Statement select_viewers = {
	"SELECT COALESCE(pg_catalog.jsonb_agg(DISTINCT v.user_id), '[]')::pg_catalog.text"
	"  FROM washminute_data.chat_viewers AS v"
	" WHERE v.chat_id = $1 AND washminute._gateway_is_live(v.gateway)",
	1, {UUIDOID}
};

static Statement insert_viewer = {
	"INSERT INTO washminute_data.chat_viewers (sid, chat_id, user_id, gateway, since)"
	" VALUES ($1, $2, $3, $4, $5)"
	" ON CONFLICT (sid, chat_id) DO UPDATE SET user_id = EXCLUDED.user_id, gateway = EXCLUDED.gateway",
	5, {TEXTOID, UUIDOID, TEXTOID, TEXTOID, TIMESTAMPTZOID}
};

static Statement delete_viewer = {
	"DELETE FROM washminute_data.chat_viewers WHERE sid = $1 AND chat_id = $2",
	2, {TEXTOID, UUIDOID}
};

static Statement delete_user = {
	"DELETE FROM washminute_data.chat_viewers WHERE chat_id = $1 AND user_id = $2",
	2, {UUIDOID, TEXTOID}
};

/* Chats of sockets, or of a gateway and those that have died. */
static Statement select_chats_of_sockets = {
	"SELECT DISTINCT chat_id FROM washminute_data.chat_viewers WHERE sid = ANY ($1)",
	1, {TEXTARRAYOID}
};

static Statement delete_sockets = {
	"DELETE FROM washminute_data.chat_viewers WHERE sid = ANY ($1) AND chat_id = ANY ($2)",
	2, {TEXTARRAYOID, UUIDARRAYOID}
};

static Statement select_chats_of_dead = {
	"SELECT DISTINCT v.chat_id"
	"  FROM (SELECT DISTINCT gateway FROM washminute_data.chat_viewers) AS g"
	"  JOIN washminute_data.chat_viewers AS v ON v.gateway = g.gateway"
	" WHERE g.gateway = $1 OR NOT washminute._gateway_is_live(g.gateway)"
	" LIMIT $2",
	2, {TEXTOID, INT8OID}
};

static Statement delete_dead_of_chats = {
	"DELETE FROM washminute_data.chat_viewers AS v"
	" WHERE v.chat_id = ANY ($2)"
	"   AND (v.gateway = $1 OR NOT washminute._gateway_is_live(v.gateway))",
	2, {TEXTOID, UUIDARRAYOID}
};

/* washminute._gateway_is_live(gateway) */
Datum
washminute_gateway_is_live(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(LockGatewayIsHeld(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}

char *
ViewersList(const pg_uuid_t *chat_id)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(chat_id));
	(void) StatementRun(&select_viewers, &arguments);
	return RowText(0, 1);
}

/* Tell the sockets that show the chat who views it now. */
static void
ViewersTell(const pg_uuid_t *chat_id)
{
	JsonObject	data;

	JsonOpen(&data);
	JsonUuid(&data, "chatId", chat_id);
	JsonObjectMember(&data, "viewers", ViewersList(chat_id));
	RoomTellNow(RoomOfChat(chat_id), "chat-viewers-updated", JsonClose(&data));
}

void
ViewerAdd(const pg_uuid_t *chat_id, const char *user_id, const char *sid,
		  const char *gateway)
{
	Arguments	arguments = {0};

	if (!LockGatewayIsHeld(gateway))
		ErrorRaiseText(WM_GATEWAY_NOT_REGISTERED, "gateway", gateway);
	LockViewers(LockViewersBucket(chat_id));
	ArgumentText(&arguments, sid);
	ArgumentDatum(&arguments, UUIDPGetDatum(chat_id));
	ArgumentText(&arguments, user_id);
	ArgumentText(&arguments, gateway);
	ArgumentDatum(&arguments, TimestampTzGetDatum(GetCurrentTimestamp()));
	StatementRunOne(&insert_viewer, &arguments);
	ViewersTell(chat_id);
}

void
ViewerRemove(const pg_uuid_t *chat_id, const char *sid)
{
	Arguments	arguments = {0};

	LockViewers(LockViewersBucket(chat_id));
	ArgumentText(&arguments, sid);
	ArgumentDatum(&arguments, UUIDPGetDatum(chat_id));
	if (StatementRun(&delete_viewer, &arguments) > 0)
		ViewersTell(chat_id);
}

void
ViewersRemoveUser(const pg_uuid_t *chat_id, const char *user_id)
{
	Arguments	arguments = {0};

	LockViewers(LockViewersBucket(chat_id));
	ArgumentDatum(&arguments, UUIDPGetDatum(chat_id));
	ArgumentText(&arguments, user_id);
	if (StatementRun(&delete_user, &arguments) > 0)
		ViewersTell(chat_id);
}

/* Chats whose viewers are about to change. */
typedef struct ChatList
{
	int			count;
	Datum	   *ids;			/* uuids */
} ChatList;

/* Those that a statement has found, with their locks; without waiting, those whose lock is free. */
static ChatList
LockFoundChats(uint64 rows, bool wait)
{
	ChatList	list = {0, palloc(Max(rows, 1) * sizeof(Datum))};
	bool		taken[LOCK_VIEWERS_BUCKETS] = {false};

	for (uint64 row = 0; row < rows; row++)
		taken[LockViewersBucket(RowUuid(row, 1))] = true;
	for (int bucket = 0; bucket < LOCK_VIEWERS_BUCKETS; bucket++)
	{
		if (taken[bucket] && wait)
			LockViewers(bucket);
		else if (taken[bucket])
			taken[bucket] = LockViewersIfFree(bucket);
	}
	for (uint64 row = 0; row < rows; row++)
		if (taken[LockViewersBucket(RowUuid(row, 1))])
			list.ids[list.count++] = UUIDPGetDatum(RowUuid(row, 1));
	return list;
}

static Datum
ChatsAsArray(const ChatList *list)
{
	return PointerGetDatum(construct_array(list->ids, list->count, UUIDOID, UUID_LEN, false,
										   TYPALIGN_CHAR));
}

static void
TellChats(const ChatList *list)
{
	for (int i = 0; i < list->count; i++)
		ViewersTell(DatumGetUUIDP(list->ids[i]));
}

/*
 * Take away the viewers of gateways that have died, and of this one where it is given, of
 * so many chats at a time; is that all?  Only for a gateway that is given does it wait for
 * those who are changing viewers: its rows count from now on.
 */
static bool
Sweep(const char *gateway)
{
	Arguments	find = {0};
	Arguments	arguments = {0};
	ChatList	list;

	ArgumentText(&find, gateway);
	ArgumentDatum(&find, Int64GetDatum(SWEEP_MAX));
	list = LockFoundChats(StatementRun(&select_chats_of_dead, &find), gateway != NULL);
	if (list.count > 0)
	{
		ArgumentText(&arguments, gateway);
		ArgumentDatum(&arguments, ChatsAsArray(&list));
		StatementRun(&delete_dead_of_chats, &arguments);
		TellChats(&list);
	}
	StatementRun(&delete_dead_gateways, NULL);
	return list.count < SWEEP_MAX;
}

bool
GatewaysSweep(void)
{
	(void) Sweep(NULL);
	return StatementRun(&select_live_gateway, NULL) > 0;
}

/*
 * gateway_register(gateway): this session stands for the gateway from now on.  What an
 * earlier life of it has left is taken away.  Answers how often it will hear a tick; 0:
 * nobody ticks.
 */
static Datum
gateway_register_body(FunctionCallInfo fcinfo)
{
	char	   *gateway = ArgumentId(fcinfo, 0, "gateway");
	Arguments	arguments = {0};
	JsonObject	answer;

	LockGatewayForSession(gateway);
	ArgumentText(&arguments, gateway);
	ArgumentDatum(&arguments, TimestampTzGetDatum(GetCurrentTimestamp()));
	StatementRunOne(&insert_gateway, &arguments);

	/* all of it, as from now on its rows count */
	while (!Sweep(gateway))
		CHECK_FOR_INTERRUPTS();

	/* the worker ticks from now on, until no gateway is there any more */
	WakeAtCommit(WAKE_GATEWAYS);
	JsonOpen(&answer);
	JsonInt(&answer, "tickSeconds",
			WakeIsShared() && washminute_realtime_mode != REALTIME_OFF ? TICK_SECONDS : 0);
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(JsonClose(&answer))));
}

/* gateway_beat(gateway): a sign of life, and a look after those who give none. */
static Datum
gateway_beat_body(FunctionCallInfo fcinfo)
{
	char	   *gateway = ArgumentId(fcinfo, 0, "gateway");

	if (!LockGatewayIsHeld(gateway))
		ErrorRaiseText(WM_GATEWAY_NOT_REGISTERED, "gateway", gateway);
	(void) Sweep(NULL);
	PG_RETURN_VOID();
}

/*
 * sockets_gone(sids): they have disconnected.  A join that is still under way may come
 * after it: a gateway calls again when it has the answer.
 */
static Datum
sockets_gone_body(FunctionCallInfo fcinfo)
{
	Arguments	arguments = {0};
	ChatList	list;

	ArgumentRequire(fcinfo, 0, "sids");
	ArgumentDatum(&arguments, PG_GETARG_DATUM(0));
	list = LockFoundChats(StatementRun(&select_chats_of_sockets, &arguments), true);
	if (list.count == 0)
		PG_RETURN_VOID();
	/* those whose lock we have, and no other that one of them has joined meanwhile */
	ArgumentDatum(&arguments, ChatsAsArray(&list));
	StatementRun(&delete_sockets, &arguments);
	TellChats(&list);
	PG_RETURN_VOID();
}
