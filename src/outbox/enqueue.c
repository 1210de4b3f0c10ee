/*-------------------------------------------------------------------------
 *
 * enqueue.c
 *		Events and outbox rows, written in the transaction that causes them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/argument.h"
#include "base/array.h"
#include "base/caller.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/guc.h"
#include "base/idempotency.h"
#include "base/json.h"
#include "base/statement.h"
#include "outbox/enqueue.h"
#include "outbox/listener.h"

COMMAND(enqueue, -1);

static Statement insert_event = {
	"INSERT INTO washminute_data.events"
	"  (at, event, request_id, actor_id, data, correlation_id)"
	" VALUES ($1, $2, $3, $4, $5::pg_catalog.jsonb, $6)",
	6, {TIMESTAMPTZOID, TEXTOID, UUIDOID, TEXTOID, TEXTOID, TEXTOID}
};

static Statement insert_outbox = {
	"INSERT INTO washminute_data.outbox"
	"  (lane, listener, recipient_id, event, data, correlation_id,"
	"   created_at, due_at, expires_at, audience)"
	" SELECT $1, $2, recipient, $4, $5::pg_catalog.jsonb, $6, $7, $8, $9, $10"
	"   FROM pg_catalog.unnest($3) AS recipient"
	" RETURNING outbox_id",
	10, {TEXTOID, TEXTOID, TEXTARRAYOID, TEXTOID, TEXTOID, TEXTOID,
	TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID}
};

static Statement select_user = {
	"SELECT FROM washminute_data.users WHERE user_id = $1", 1, {TEXTOID}
};

/* What is queued: rows that differ in their recipient only. */
typedef struct Entry
{
	Lane		lane;
	const char *listener;		/* "" for lanes of one destination */
	const char *event;
	const char *data;			/* a JSON object as text */
	TimestampTz due_at;			/* DT_NOBEGIN: at once */
	TimestampTz expires_at;		/* DT_NOEND: never */
	const char *audience;		/* of a push; NULL: not said */
} Entry;

void
EventRecord(const char *event, const pg_uuid_t *request_id,
			const char *actor_id, const char *data)
{
	Arguments	arguments = {0};
	Event		told = {event, request_id, data, CallerCorrelationId(), ClockNow()};

	ArgumentDatum(&arguments, TimestampTzGetDatum(told.at));
	ArgumentText(&arguments, event);
	ArgumentDatumOrNull(&arguments, UUIDPGetDatum(request_id),
						request_id == NULL);
	ArgumentText(&arguments, actor_id);
	ArgumentText(&arguments, data);
	ArgumentText(&arguments, told.correlation_id);
	StatementRunOne(&insert_event, &arguments);
	ListenersTell(&told);
}

/* Queue for each recipient (NULL for none); the id of the first row. */
static int64
OutboxWrite(const Entry *entry, const char *const *recipient_ids, int count)
{
	Arguments	arguments = {0};
	bool		at_once = TIMESTAMP_IS_NOBEGIN(entry->due_at);

#ifdef WASHMINUTE_BENCH
	if (!washminute_enqueues)
		return 0;
#endif
	ArgumentText(&arguments, lane_names[entry->lane]);
	ArgumentText(&arguments, entry->listener);
	ArgumentDatum(&arguments, TextArray(recipient_ids, count));
	ArgumentText(&arguments, entry->event);
	ArgumentText(&arguments, entry->data);
	ArgumentText(&arguments, CallerCorrelationId());
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	ArgumentDatumOrNull(&arguments, TimestampTzGetDatum(entry->due_at), at_once);
	ArgumentDatumOrNull(&arguments, TimestampTzGetDatum(entry->expires_at),
						TIMESTAMP_IS_NOEND(entry->expires_at));
	ArgumentText(&arguments, entry->audience);
	if (StatementRun(&insert_outbox, &arguments) == 0)
		return 0;				/* somebody's trigger took it away */
	WakeAtCommit(at_once ? WAKE_NEW(entry->lane) : WAKE_DUE(entry->lane));
	return RowInt64(0, 1);
}

void
OutboxPushMany(const char *const *recipient_ids, int count,
			   const char *audience, const char *event, const char *data,
			   TimestampTz expires_at)
{
	Entry		entry = {LANE_PUSH, "", event, data, DT_NOBEGIN, expires_at, audience};

	if (count > 0)
		(void) OutboxWrite(&entry, recipient_ids, count);
}

int64
OutboxPush(const char *recipient_id, const char *audience, const char *event,
		   const char *data, TimestampTz expires_at)
{
	Entry		entry = {LANE_PUSH, "", event, data, DT_NOBEGIN, expires_at, audience};

	return OutboxWrite(&entry, &recipient_id, 1);
}

static const char *const nobody = NULL;

void
OutboxPushOfferGone(const char *data, TimestampTz expires_at)
{
	Entry		entry = {LANE_PUSH, "", "offerGone", data, DT_NOBEGIN, expires_at, "washman"};

	(void) OutboxWrite(&entry, &nobody, 1);
}

void
OutboxRequireUser(const char *user_id)
{
	Arguments	arguments = {0};

	ArgumentText(&arguments, user_id);
	if (StatementRun(&select_user, &arguments) == 0)
		ErrorRaiseText(WM_USER_NOT_FOUND, "userId", user_id);
}

void
OutboxPayment(const char *event, const char *data)
{
	Entry		entry = {LANE_PAYMENT, "", event, data, DT_NOBEGIN, DT_NOEND};

	(void) OutboxWrite(&entry, &nobody, 1);
}

void
OutboxTellListener(Lane lane, const char *listener, const char *event,
				   const char *data)
{
	Entry		entry = {lane, listener, event, data, DT_NOBEGIN, DT_NOEND};

	(void) OutboxWrite(&entry, &nobody, 1);
}

/* Where a message of enqueue() goes: to a user, or to a listener. */
static void
ArgumentDestination(FunctionCallInfo fcinfo, Entry *entry, char **recipient_id)
{
	static const char *const lanes[] = {"push", "webhook", "realtime", NULL};
	bool		to_listener;

	entry->lane = (Lane) LaneByName(ArgumentChoice(fcinfo, 0, "lane", lanes));
	to_listener = entry->lane != LANE_PUSH;
	*recipient_id = ArgumentOptionalText(fcinfo, 3, "recipient_id", ID_MAX);
	entry->listener = ArgumentOptionalText(fcinfo, 4, "listener", ID_MAX);
	if (to_listener != (entry->listener != NULL))
		ErrorRaiseArgument(to_listener ? WM_ARGUMENT_MISSING : WM_ARGUMENT_INVALID,
						   "listener", to_listener ? "be given" : "not be given for the lane push");
	if (!to_listener && *recipient_id == NULL)
		ErrorRaiseArgument(WM_ARGUMENT_MISSING, "recipient_id", "be given");

	if (to_listener)
	{
		if (ListenerLane(entry->listener) != (int) entry->lane)
			ErrorRaiseText(WM_LISTENER_NOT_FOUND, "listener", entry->listener);
		return;
	}
	entry->listener = "";
	OutboxRequireUser(*recipient_id);
}

/* A time that may be left out; infinity says nothing that leaving out would not. */
static TimestampTz
ArgumentTime(FunctionCallInfo fcinfo, int number, const char *name,
			 TimestampTz standard)
{
	TimestampTz at;

	if (PG_ARGISNULL(number))
		return standard;
	at = PG_GETARG_TIMESTAMPTZ(number);
	if (TIMESTAMP_NOT_FINITE(at))
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, name, "be a finite time");
	return at;
}

/* Arguments in which equal messages are equal, for the dedupe key. */
static char *
EntryText(const Entry *entry, const char *recipient_id)
{
	JsonObject	text;

	JsonOpen(&text);
	JsonText(&text, "listener", entry->listener);
	JsonText(&text, "recipient", recipient_id);
	JsonText(&text, "event", entry->event);
	JsonObjectMember(&text, "data", entry->data);
	return JsonClose(&text);
}

/*
 * enqueue(lane, event, data, recipient_id, listener, due_at, expires_at,
 * dedupe_key): a message of your own; the id of its row.  With a dedupe key the
 * same message is queued once: a repeated call gives the first one's id.
 */
static Datum
enqueue_body(FunctionCallInfo fcinfo)
{
	Entry		entry = {0};
	char	   *recipient_id;
	char	   *dedupe_key = ArgumentOptionalText(fcinfo, 7, "dedupe_key", ID_MAX);
	const char *lane;
	char	   *answer;
	int64		outbox_id;

	entry.event = ArgumentRequiredText(fcinfo, 1, "event", EVENT_MAX);
	ArgumentDestination(fcinfo, &entry, &recipient_id);
	entry.data = ArgumentJsonObject(fcinfo, 2, "data",
									entry.lane == LANE_PUSH ? PUSH_DATA_MAX : EVENT_DATA_MAX);
	entry.due_at = ArgumentTime(fcinfo, 5, "due_at", DT_NOBEGIN);
	entry.expires_at = ArgumentTime(fcinfo, 6, "expires_at", DT_NOEND);

	lane = lane_names[entry.lane];
	if (dedupe_key != NULL)
	{
		answer = IdempotencyBegin(lane, "enqueue", dedupe_key,
								  EntryText(&entry, recipient_id));
		if (answer != NULL)
			PG_RETURN_INT64(strtoll(answer, NULL, 10));
	}
	outbox_id = OutboxWrite(&entry, (const char *const *) &recipient_id, 1);
	if (dedupe_key != NULL)
		IdempotencyEnd(lane, "enqueue", dedupe_key,
					   EntryText(&entry, recipient_id),
					   psprintf(INT64_FORMAT, outbox_id));
	PG_RETURN_INT64(outbox_id);
}
