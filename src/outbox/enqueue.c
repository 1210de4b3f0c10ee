/*-------------------------------------------------------------------------
 *
 * enqueue.c
 *		Events and outbox rows, written in the transaction that causes them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/xid8.h"

#include "base/argument.h"
#include "base/caller.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/guc.h"
#include "base/idempotency.h"
#include "base/json.h"
#include "base/row_append.h"
#include "base/statement.h"
#include "outbox/enqueue.h"
#include "outbox/listener.h"
#include "outbox/realtime_queue.h"
#include "outbox/realtime_rule.h"

COMMAND(enqueue, -1);

static Statement insert_event = {
	"INSERT INTO washminute_data.events"
	"  (at, event, request_id, actor_id, data, correlation_id)"
	" VALUES ($1, $2, $3, $4, $5::pg_catalog.jsonb, $6)",
	6, {TIMESTAMPTZOID, TEXTOID, UUIDOID, TEXTOID, TEXTOID, TEXTOID}
};

/* Columns of a new row; the others are NULL, or what their defaults say. */
enum
{
	OUTBOX_ID, OUTBOX_LANE, OUTBOX_LISTENER, OUTBOX_RECIPIENT_ID, OUTBOX_AUDIENCE, OUTBOX_EVENT,
	OUTBOX_DATA, OUTBOX_CORRELATION_ID, OUTBOX_STATE, OUTBOX_ATTEMPTS, OUTBOX_EPOCH,
	OUTBOX_CREATED_AT, OUTBOX_DUE_AT, OUTBOX_EXPIRES_AT, OUTBOX_QUEUED_AT, OUTBOX_XID,
	OUTBOX_COLUMNS
};

StaticAssertDecl(OUTBOX_COLUMNS <= APPEND_MAX_COLUMNS, "an AppendTable has room for them");

static AppendTable outbox = {
	"outbox",
	{
		[OUTBOX_ID] = {{"outbox_id", INT8OID}},
		[OUTBOX_LANE] = {{"lane", TEXTOID}},
		[OUTBOX_LISTENER] = {{"listener", TEXTOID}},
		[OUTBOX_RECIPIENT_ID] = {{"recipient_id", TEXTOID}},
		[OUTBOX_AUDIENCE] = {{"audience", TEXTOID}},
		[OUTBOX_EVENT] = {{"event", TEXTOID}},
		[OUTBOX_DATA] = {{"data", JSONBOID}},
		[OUTBOX_CORRELATION_ID] = {{"correlation_id", TEXTOID}},
		[OUTBOX_STATE] = {{"state", TEXTOID}},
		[OUTBOX_ATTEMPTS] = {{"attempts", INT4OID}},
		[OUTBOX_EPOCH] = {{"epoch", INT8OID}},
		[OUTBOX_CREATED_AT] = {{"created_at", TIMESTAMPTZOID}},
		[OUTBOX_DUE_AT] = {{"due_at", TIMESTAMPTZOID}},
		[OUTBOX_EXPIRES_AT] = {{"expires_at", TIMESTAMPTZOID}},
		[OUTBOX_QUEUED_AT] = {{"queued_at", TIMESTAMPTZOID}},
		[OUTBOX_XID] = {{"xid", XID8OID}}
	}
};

static Statement select_user = {
	"SELECT FROM washminute_data.users WHERE user_id = $1", 1, {TEXTOID}
};

/* What is queued: a row for each notice. */
typedef struct Entry
{
	Lane		lane;
	const char *listener;		/* "" for lanes of one destination */
	const char *data;			/* a JSON object as text */
	TimestampTz due_at;			/* DT_NOBEGIN: at once */
	const Notice *notices;
	int			count;
} Entry;

static void
SetText(Datum *values, bool *nulls, int column, const char *text)
{
	nulls[column] = text == NULL;
	values[column] = text == NULL ? (Datum) 0 : CStringGetTextDatum(text);
}

/* A time, and that which stands for none. */
static void
SetTime(Datum *values, bool *nulls, int column, TimestampTz at, TimestampTz none)
{
	nulls[column] = at == none;
	values[column] = TimestampTzGetDatum(at);
}

/* Write the rows of an entry; the id of the first that no trigger took away, or 0. */
static int64
AppendEntry(RowAppend *append, const Entry *entry, Datum *values, bool *nulls)
{
	int64		first = 0;

	SetText(values, nulls, OUTBOX_LANE, lane_names[entry->lane]);
	SetText(values, nulls, OUTBOX_LISTENER, entry->listener);
	SetTime(values, nulls, OUTBOX_DUE_AT, entry->due_at, DT_NOBEGIN);
	values[OUTBOX_DATA] = DirectFunctionCall1(jsonb_in, CStringGetDatum(entry->data));
	for (int i = 0; i < entry->count; i++)
	{
		const Notice *notice = &entry->notices[i];
		int64		outbox_id = SequenceNext("outbox_outbox_id_seq");

		values[OUTBOX_ID] = Int64GetDatum(outbox_id);
		SetText(values, nulls, OUTBOX_RECIPIENT_ID, notice->recipient_id);
		SetText(values, nulls, OUTBOX_AUDIENCE, notice->audience);
		SetText(values, nulls, OUTBOX_EVENT, notice->event);
		SetTime(values, nulls, OUTBOX_EXPIRES_AT, notice->expires_at, DT_NOEND);
		if (RowAppendRow(append, values, nulls) && first == 0)
			first = outbox_id;
	}
	if (first != 0)
		WakeAtCommit(nulls[OUTBOX_DUE_AT] ? WAKE_NEW(entry->lane) : WAKE_DUE(entry->lane));
	return first;
}

/* Write the entries; the id of the first row, or 0 where there is none. */
static int64
OutboxWrite(const Entry *entries, int count)
{
	RowAppend  *append;
	Datum		values[OUTBOX_COLUMNS];
	bool		nulls[OUTBOX_COLUMNS] = {false};
	int64		first = 0;

#ifdef WASHMINUTE_BENCH
	if (!washminute_enqueues)
		return 0;
#endif
	if (count == 0)
		return 0;
	append = RowAppendBegin(&outbox);

	SetText(values, nulls, OUTBOX_CORRELATION_ID, CallerCorrelationId());
	SetText(values, nulls, OUTBOX_STATE, "queued");
	values[OUTBOX_ATTEMPTS] = Int32GetDatum(0);
	values[OUTBOX_EPOCH] = Int64GetDatum(0);
	values[OUTBOX_CREATED_AT] = TimestampTzGetDatum(ClockNow());
	values[OUTBOX_QUEUED_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[OUTBOX_XID] = FullTransactionIdGetDatum(GetTopFullTransactionId());
	for (int i = 0; i < count; i++)
	{
		int64		outbox_id = AppendEntry(append, &entries[i], values, nulls);

		if (first == 0)
			first = outbox_id;
	}
	RowAppendEnd(append);
	return first;
}

void
EventRecord(const char *event, const pg_uuid_t *request_id,
			const char *actor_id, const char *data)
{
	EventRecordTelling(event, request_id, actor_id, data, NULL);
}

/* Push messages and the live event go in together: the table and its indexes are opened once. */
void
EventRecordTelling(const char *event, const pg_uuid_t *request_id,
				   const char *actor_id, const char *data, const Push *push)
{
	Arguments	arguments = {0};
	Event		told = {event, request_id, data, CallerCorrelationId(), ClockNow()};
	Notice		live_notice = {NULL, NULL, event, DT_NOEND};
	Entry		entries[2];
	int			count = 0;
	const char *live;

	ArgumentDatum(&arguments, TimestampTzGetDatum(told.at));
	ArgumentText(&arguments, event);
	ArgumentDatumOrNull(&arguments, UUIDPGetDatum(request_id),
						request_id == NULL);
	ArgumentText(&arguments, actor_id);
	ArgumentText(&arguments, data);
	ArgumentText(&arguments, told.correlation_id);
	StatementRunOne(&insert_event, &arguments);
	ListenersTell(&told);

	if (push != NULL && push->count > 0)
		entries[count++] = (Entry) {LANE_PUSH, "", push->data, DT_NOBEGIN, push->notices, push->count};
	live = RealtimeRulesData(&told);
	if (live != NULL && washminute_realtime_mode == REALTIME_OUTBOX)
		entries[count++] = (Entry) {LANE_REALTIME, "", live, DT_NOBEGIN, &live_notice, 1};
	else if (live != NULL)
		(void) RealtimeQueue(event, live);
	(void) OutboxWrite(entries, count);
}

/* Write the entry with one notice. */
static int64
WriteNotice(Entry entry, const Notice *notice)
{
	entry.notices = notice;
	entry.count = 1;
	return OutboxWrite(&entry, 1);
}

int64
OutboxPush(const Notice *notices, int count, const char *data)
{
	Entry		entry = {LANE_PUSH, "", data, DT_NOBEGIN, notices, count};

	return OutboxWrite(&entry, count == 0 ? 0 : 1);
}

void
OutboxPushLater(const char *event, const char *data, TimestampTz due_at,
				TimestampTz expires_at)
{
	Entry		entry = {LANE_PUSH, "", data, ClockRealTime(due_at)};
	Notice		notice = {NULL, "washman", event, expires_at};

	(void) WriteNotice(entry, &notice);
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
OutboxPayment(const char *event, const char *data, TimestampTz due_at)
{
	Entry		entry = {
		LANE_PAYMENT, "", data,
		TIMESTAMP_IS_NOBEGIN(due_at) ? due_at : ClockRealTime(due_at)
	};
	Notice		notice = {NULL, NULL, event, DT_NOEND};

	(void) WriteNotice(entry, &notice);
}

int64
OutboxRealtime(const char *event, const char *data)
{
	Entry		entry = {LANE_REALTIME, "", data, DT_NOBEGIN};
	Notice		notice = {NULL, NULL, event, DT_NOEND};

	return WriteNotice(entry, &notice);
}

void
OutboxRealtimeLater(const char *event, const char *data, TimestampTz due_at)
{
	Entry		entry = {LANE_REALTIME, "", data, ClockRealTime(due_at)};
	Notice		notice = {NULL, NULL, event, DT_NOEND};

	(void) WriteNotice(entry, &notice);
}

void
OutboxTellListener(Lane lane, const char *listener, const char *event,
				   const char *data)
{
	Entry		entry = {lane, listener, data, DT_NOBEGIN};
	Notice		notice = {NULL, NULL, event, DT_NOEND};

	(void) WriteNotice(entry, &notice);
}

/* Where a message of enqueue() goes: to a user, or to a listener. */
static void
ArgumentDestination(FunctionCallInfo fcinfo, Entry *entry, Notice *notice)
{
	static const char *const lanes[] = {"push", "webhook", "realtime", NULL};
	bool		to_listener;

	entry->lane = (Lane) LaneByName(ArgumentChoice(fcinfo, 0, "lane", lanes));
	to_listener = entry->lane != LANE_PUSH;
	notice->recipient_id = ArgumentOptionalText(fcinfo, 3, "recipient_id", ID_MAX);
	entry->listener = ArgumentOptionalText(fcinfo, 4, "listener", ID_MAX);
	if (to_listener != (entry->listener != NULL))
		ErrorRaiseArgument(to_listener ? WM_ARGUMENT_MISSING : WM_ARGUMENT_INVALID,
						   "listener", to_listener ? "be given" : "not be given for the lane push");
	if (!to_listener && notice->recipient_id == NULL)
		ErrorRaiseArgument(WM_ARGUMENT_MISSING, "recipient_id", "be given");

	if (to_listener)
	{
		if (ListenerLane(entry->listener) != (int) entry->lane)
			ErrorRaiseText(WM_LISTENER_NOT_FOUND, "listener", entry->listener);
		return;
	}
	entry->listener = "";
	OutboxRequireUser(notice->recipient_id);
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
EntryText(const Entry *entry, const Notice *notice)
{
	JsonObject	text;

	JsonOpen(&text);
	JsonText(&text, "listener", entry->listener);
	JsonText(&text, "recipient", notice->recipient_id);
	JsonText(&text, "event", notice->event);
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
	Notice		notice = {0};
	char	   *dedupe_key = ArgumentOptionalText(fcinfo, 7, "dedupe_key", ID_MAX);
	const char *lane;
	char	   *answer;
	int64		outbox_id;

	notice.event = ArgumentRequiredText(fcinfo, 1, "event", EVENT_MAX);
	ArgumentDestination(fcinfo, &entry, &notice);
	entry.data = ArgumentJsonObject(fcinfo, 2, "data",
									entry.lane == LANE_PUSH ? PUSH_DATA_MAX : EVENT_DATA_MAX);
	entry.due_at = ArgumentTime(fcinfo, 5, "due_at", DT_NOBEGIN);
	notice.expires_at = ArgumentTime(fcinfo, 6, "expires_at", DT_NOEND);

	lane = lane_names[entry.lane];
	if (dedupe_key != NULL)
	{
		answer = IdempotencyBegin(lane, "enqueue", dedupe_key,
								  EntryText(&entry, &notice));
		if (answer != NULL)
			PG_RETURN_INT64(strtoll(answer, NULL, 10));
	}
	outbox_id = WriteNotice(entry, &notice);
	if (dedupe_key != NULL)
		IdempotencyEnd(lane, "enqueue", dedupe_key,
					   EntryText(&entry, &notice),
					   psprintf(INT64_FORMAT, outbox_id));
	PG_RETURN_INT64(outbox_id);
}
