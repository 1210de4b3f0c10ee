/*-------------------------------------------------------------------------
 *
 * push.c
 *		Push messages: whose devices they go to, and what they say.
 *
 * A row of the outbox names a user and an event.  Which devices he has, and his
 * language, is looked up when it is about to be sent, so that a token that was
 * registered, moved or disabled meanwhile counts.  A user with several devices
 * gets a row for each, since each has a ticket and a receipt of its own.
 *
 * Texts are kept in the worker's memory; a change of push_templates has them read
 * anew, as listeners and lanes are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "base/array.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/json.h"
#include "base/statement.h"
#include "outbox/enqueue.h"
#include "outbox/push.h"
#include "outbox/text.h"

typedef struct Template
{
	char	   *event;
	char	   *audience;
	char	   *locale;
	char	   *title;
	char	   *body;
	char	   *priority;
	int			ttl_seconds;
	char	   *channel_id;		/* NULL: none */
	char	   *interruption_level;
} Template;

static MemoryContext templates_context = NULL;
static List *templates = NIL;

static Statement select_templates = {
	"SELECT event, audience, locale, title, body, priority, ttl_seconds, channel_id,"
	"       interruption_level"
	"  FROM washminute_data.push_templates"
};

static Statement select_devices = {
	"SELECT i.ord, u.locale, pg_catalog.array_to_string(u.kinds, ','), t.token, t.project"
	"  FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2))"
	"       WITH ORDINALITY AS i (recipient_id, token, ord)"
	"  JOIN washminute_data.users AS u ON u.user_id = i.recipient_id"
	"  JOIN washminute_data.push_tokens AS t ON t.user_id = i.recipient_id"
	"   AND t.disabled_at IS NULL AND (i.token IS NULL OR i.token = t.token)"
	" ORDER BY i.ord",
	2, {TEXTARRAYOID, TEXTARRAYOID}
};

/* messages that tell of a reservation as it was before it moved or ended; the data may be anybody's */
static Statement select_overtaken = {
	"SELECT i.ord"
	"  FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3))"
	"       WITH ORDINALITY AS i (event, data, created_at, ord)"
	"  JOIN washminute_data.washing_requests AS r"
	"    ON r.request_id = pg_catalog.substring(i.data::pg_catalog.jsonb->>'requestId',"
	"         '^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$')::pg_catalog.uuid"
	" WHERE i.event IN ('upcomingReservation', 'reservationReminder')"
	"   AND (r.status IN ('cancelled', 'expired')"
	"     OR EXISTS (SELECT FROM washminute_data.events AS e"
	"                 WHERE e.request_id = r.request_id AND e.event = 'reservationMoved' AND e.at > i.created_at))",
	3, {TEXTARRAYOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID}
};

#define COPIED_COLUMNS \
	"lane, event, data, correlation_id, created_at, expires_at, queued_at, audience"

static Statement fan_out_devices = {
	"INSERT INTO washminute_data.outbox (" COPIED_COLUMNS ", recipient_id, token)"
	" SELECT " COPIED_COLUMNS ", recipient_id, d.token FROM washminute_data.outbox,"
	"        pg_catalog.unnest($2) AS d (token)"
	"  WHERE ctid = ANY ($1)",
	2, {TIDARRAYOID, TEXTARRAYOID}
};

/*
 * To all who had been told of the request by then, in that wave or an earlier one, and
 * have not declined, but for one washman, whom the others are not told of.
 */
static Statement fan_out_offers = {
	"INSERT INTO washminute_data.outbox (" COPIED_COLUMNS ", recipient_id)"
	" SELECT o.lane, o.event, o.data - 'washmanId', o.correlation_id, o.created_at, o.expires_at, o.queued_at,"
	"        o.audience, f.washman_id"
	"   FROM washminute_data.outbox AS o"
	"   JOIN washminute_data.offers AS f ON f.request_id = (o.data->>'requestId')::pg_catalog.uuid"
	"  WHERE o.ctid = ANY ($1) AND f.declined_at IS NULL AND f.offered_at <= o.created_at"
	"    AND f.washman_id IS DISTINCT FROM o.data->>'washmanId'"
	"    AND f.wave <= (o.data->>'wave')::pg_catalog.int4",
	1, {TIDARRAYOID}
};

/* to those whose turn to be told it is, while the request is pending */
static Statement fan_out_later = {
	"INSERT INTO washminute_data.outbox (" COPIED_COLUMNS ", recipient_id)"
	" SELECT o.lane, o.event,"
	"        (o.data - '{everyMicroseconds,lastAt}'::pg_catalog.text[]) ||"
	"        pg_catalog.jsonb_build_object('expiresAt', f.expires_at),"
	"        o.correlation_id, o.created_at, f.expires_at, o.queued_at, o.audience, f.washman_id"
	"   FROM washminute_data.outbox AS o"
	"   JOIN washminute_data.washing_requests AS r"
	"     ON r.request_id = (o.data->>'requestId')::pg_catalog.uuid AND r.status = 'pending'"
	"   JOIN washminute_data.offers AS f ON f.request_id = r.request_id"
	"    AND f.offered_at = (o.data->>'offeredAt')::pg_catalog.timestamptz"
	"  WHERE o.ctid = ANY ($1) AND f.declined_at IS NULL",
	1, {TIDARRAYOID}
};

/* when the next of the wave are told, if they are to be */
static Statement select_next_told = {
	"SELECT t.next_at FROM washminute_data.outbox AS o"
	"  JOIN washminute_data.washing_requests AS r"
	"    ON r.request_id = (o.data->>'requestId')::pg_catalog.uuid AND r.status = 'pending',"
	"  LATERAL (SELECT (o.data->>'offeredAt')::pg_catalog.timestamptz +"
	"                  (o.data->>'everyMicroseconds')::pg_catalog.int8 * '1 microsecond'::pg_catalog.interval"
	"                  AS next_at) AS t"
	" WHERE o.ctid = ANY ($1) AND t.next_at <= (o.data->>'lastAt')::pg_catalog.timestamptz",
	1, {TIDARRAYOID}
};

static Statement insert_next_told = {
	"INSERT INTO washminute_data.outbox (" COPIED_COLUMNS ", due_at)"
	" SELECT lane, event, data || pg_catalog.jsonb_build_object('offeredAt', $2), correlation_id, created_at,"
	"        expires_at, queued_at, audience, $3"
	"   FROM washminute_data.outbox WHERE ctid = ANY ($1)",
	3, {TIDARRAYOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static Statement disable_token = {
	"UPDATE washminute_data.push_tokens SET disabled_at = $2, disabled_reason = $3"
	" WHERE token = $1 AND disabled_at IS NULL AND registered_at <= $4",
	4, {TEXTOID, TIMESTAMPTZOID, TEXTOID, TIMESTAMPTZOID}
};

static Statement delete_for_token = {
	"DELETE FROM washminute_data.outbox"
	" WHERE token = $1 AND lane = 'push' AND state = 'queued'",
	1, {TEXTOID}
};

static Statement update_project = {
	"UPDATE washminute_data.push_tokens SET project = $2"
	" WHERE token = $1 AND project IS DISTINCT FROM $2",
	2, {TEXTOID, TEXTOID}
};

void
PushTemplatesRead(void)
{
	uint64		rows = StatementRun(&select_templates, NULL);
	MemoryContext previous;

	if (templates_context == NULL)
		templates_context = AllocSetContextCreate(TopMemoryContext,
												  "washminute push templates",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(templates_context);
	previous = MemoryContextSwitchTo(templates_context);
	templates = NIL;
	for (uint64 row = 0; row < rows; row++)
	{
		Template   *template = palloc(sizeof(Template));

		*template = (Template) {
			.event = RowText(row, 1),
			.audience = RowText(row, 2),
			.locale = RowText(row, 3),
			.title = RowText(row, 4),
			.body = RowText(row, 5),
			.priority = RowText(row, 6),
			.ttl_seconds = DatumGetInt32(RowDatum(row, 7)),
			.channel_id = RowText(row, 8),
			.interruption_level = RowText(row, 9)
		};
		templates = lappend(templates, template);
	}
	MemoryContextSwitchTo(previous);
}

/*
 * The text of an event for a person: to whom it speaks first, then his language,
 * then French.  Without an audience it is what the person is.
 */
static const Template *
TemplateFind(const char *event, const char *audience, const char *kinds,
			 const char *locale)
{
	const Template *best = NULL;
	int			best_rank = 0;
	ListCell   *cell;

	foreach(cell, templates)
	{
		const Template *template = lfirst(cell);
		int			rank = strcmp(template->locale, locale) == 0 ? 3 :
			strcmp(template->locale, "fr") == 0 ? 2 : 1;

		if (rank > best_rank && strcmp(template->event, event) == 0 &&
			(audience ? strcmp(template->audience, audience) == 0 :
			 strstr(kinds, template->audience) != NULL))
		{
			best = template;
			best_rank = rank;
		}
	}
	return best;
}

/* A message without a template may bring its own title and body. */
static const Template *
TemplateOfData(const char *data)
{
	Jsonb	   *members = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(data)));
	Template   *template = palloc0(sizeof(Template));

	template->title = JsonMemberText(members, "title");
	template->body = JsonMemberText(members, "body");
	template->priority = "high";
	template->ttl_seconds = SECS_PER_HOUR;
	template->interruption_level = "active";
	return template->title && template->body ? template : NULL;
}

/* The data that the app gets: the message's, and which event it is, which comes last to count. */
static char *
PushData(const Message *message)
{
	StringInfoData data;

	initStringInfo(&data);
	appendStringInfoString(&data, message->data);
	data.data[--data.len] = '\0';	/* its closing brace */
	appendStringInfo(&data, "%s\"event\": ", data.len > 1 ? ", " : "");
	JsonEscape(&data, message->event);
	appendStringInfoChar(&data, '}');
	return data.data;
}

/* A message as Expo takes it. */
static char *
PushJson(const Message *message, const Template *template, const char *token)
{
	JsonObject	json;
	Jsonb	   *data = NULL;
	char		collapse_id[32];
	int64		ttl = template->ttl_seconds;

	/* only the texts of templates have places to fill */
	if (template->event != NULL &&
		(strchr(template->title, '{') || strchr(template->body, '{')))
		data = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(message->data)));
	if (message->expires_at != DT_NOEND)
		ttl = Max(1, Min(ttl, (message->expires_at - ClockThisMoment()) / USECS_PER_SEC));
	snprintf(collapse_id, sizeof(collapse_id), "wm-" INT64_FORMAT, message->key.outbox_id);

	JsonOpen(&json);
	JsonText(&json, "to", token);
	JsonText(&json, "title", data ? TextFill(template->title, template->locale, data) : template->title);
	JsonText(&json, "body", data ? TextFill(template->body, template->locale, data) : template->body);
	JsonObjectMember(&json, "data", PushData(message));
	JsonText(&json, "sound", "default");
	JsonText(&json, "priority", template->priority);
	JsonInt(&json, "ttl", ttl);
	JsonText(&json, "channelId", template->channel_id);
	JsonText(&json, "interruptionLevel", template->interruption_level);
	JsonText(&json, "collapseId", collapse_id);
	JsonText(&json, "tag", collapse_id);
	return JsonClose(&json);
}

/* Those whose turn it is are told of a request, and the next ones when it is theirs. */
static void
FanOutLater(const Message *message)
{
	Arguments	this = {0};
	Arguments	next = {0};
	TimestampTz next_at;

	ArgumentDatum(&this, QueuePlaces(&message->key, 1));
	StatementRun(&fan_out_later, &this);
	if (StatementRun(&select_next_told, &this) == 0)
		return;
	next_at = RowTime(0, 1);
	ArgumentDatum(&next, this.values[0]);
	ArgumentDatum(&next, TimestampTzGetDatum(next_at));
	ArgumentDatum(&next, TimestampTzGetDatum(ClockRealTime(next_at)));
	StatementRun(&insert_next_told, &next);
	WakeAtCommit(WAKE_DUE(LANE_PUSH));
}

/* A row for each device, or each washman who was offered the request. */
static void
FanOut(const Message *message, List *tokens)
{
	Arguments	arguments = {0};
	const char **texts = palloc(Max(list_length(tokens), 1) * sizeof(char *));
	ListCell   *cell;

	if (tokens == NIL && strcmp(message->event, "newWashingRequest") == 0)
	{
		FanOutLater(message);
		return;
	}
	ArgumentDatum(&arguments, QueuePlaces(&message->key, 1));
	if (tokens == NIL)
	{
		StatementRun(&fan_out_offers, &arguments);
		return;
	}
	foreach(cell, tokens)
		texts[foreach_current_index(cell)] = lfirst(cell);
	ArgumentDatum(&arguments, TextArray(texts, list_length(tokens)));
	StatementRun(&fan_out_devices, &arguments);
}

/* What is looked up for a message. */
typedef struct Devices
{
	char	   *locale;
	char	   *kinds;
	char	   *project;		/* of the last one */
	List	   *tokens;			/* char * */
} Devices;

static Devices *
LookUpDevices(List *messages)
{
	int			count = list_length(messages);
	Devices    *devices = palloc0(count * sizeof(Devices));
	const char **recipients = palloc(count * sizeof(char *));
	const char **tokens = palloc(count * sizeof(char *));
	Arguments	arguments = {0};
	uint64		rows;
	ListCell   *cell;

	foreach(cell, messages)
	{
		Message    *message = lfirst(cell);

		recipients[foreach_current_index(cell)] = message->recipient_id;
		tokens[foreach_current_index(cell)] = message->token;
	}
	ArgumentDatum(&arguments, TextArray(recipients, count));
	ArgumentDatum(&arguments, TextArray(tokens, count));
	rows = StatementRun(&select_devices, &arguments);
	for (uint64 row = 0; row < rows; row++)
	{
		Devices    *found = &devices[RowInt64(row, 1) - 1];

		found->locale = RowText(row, 2);
		found->kinds = RowText(row, 3);
		found->tokens = lappend(found->tokens, RowText(row, 4));
		found->project = RowText(row, 5);
	}
	return devices;
}

/* Which of them tell of what is no more so: a flag for each. */
static bool *
FindOvertaken(List *messages)
{
	int			count = list_length(messages);
	bool	   *overtaken = palloc0(count * sizeof(bool));
	const char **events = palloc(count * sizeof(char *));
	const char **data = palloc(count * sizeof(char *));
	Datum	   *created_at = palloc(count * sizeof(Datum));
	Arguments	arguments = {0};
	uint64		rows;
	ListCell   *cell;

	foreach(cell, messages)
	{
		Message    *message = lfirst(cell);
		int			i = foreach_current_index(cell);

		events[i] = message->event;
		data[i] = message->data;
		created_at[i] = TimestampTzGetDatum(message->created_at);
	}
	ArgumentDatum(&arguments, TextArray(events, count));
	ArgumentDatum(&arguments, TextArray(data, count));
	ArgumentDatum(&arguments, FixedArray(created_at, count, TIMESTAMPTZOID));
	rows = StatementRun(&select_overtaken, &arguments);
	for (uint64 row = 0; row < rows; row++)
		overtaken[RowInt64(row, 1) - 1] = true;
	return overtaken;
}

/* Make it ready for its one device; false with an error where there is no text. */
static bool
PushPrepare(Message *message, const Devices *devices, char *error)
{
	const Template *template = TemplateFind(message->event, message->audience,
											devices->kinds, devices->locale);
	PushMessage *push;
	MemoryContext previous;

	if (template == NULL)
		template = TemplateOfData(message->data);
	if (template == NULL)
	{
		snprintf(error, QUEUE_ERROR_MAX, "no template for event %s", message->event);
		for (char *c = error; *c != '\0'; c++)
			if (*c < ' ' || *c > '~')
				*c = '?';
		return false;
	}
	previous = MemoryContextSwitchTo(message->context);
	push = palloc0(sizeof(PushMessage));
	push->token = pstrdup(linitial(devices->tokens));
	push->project = devices->project ? pstrdup(devices->project) : NULL;
	push->json = PushJson(message, template, push->token);
	push->looked_up_at = ClockThisMoment();
	message->extra = push;
	MemoryContextSwitchTo(previous);
	if (strlen(push->json) > PUSH_MESSAGE_MAX)
	{
		snprintf(error, QUEUE_ERROR_MAX, "MessageTooBig: longer than %d bytes", PUSH_MESSAGE_MAX);
		return false;
	}
	return true;
}

List *
PushExpand(List *messages, int64 epoch, bool *more, List **dead)
{
	Devices    *devices = LookUpDevices(messages);
	bool	   *overtaken = FindOvertaken(messages);
	QueueResult *results = palloc0(list_length(messages) * sizeof(QueueResult));
	int			count = 0;
	List	   *ready = NIL;
	ListCell   *cell;

	foreach(cell, messages)
	{
		Message    *message = lfirst(cell);
		Devices    *found = &devices[foreach_current_index(cell)];
		QueueResult *result = &results[count];

		result->key = message->key;
		result->outcome = OUTCOME_DONE;
		if (overtaken[foreach_current_index(cell)])
			 /* of no more use */ ;
		else if (message->recipient_id == NULL || list_length(found->tokens) > 1)
		{
			FanOut(message, found->tokens);
			*more = true;
		}
		else if (found->tokens != NIL)
		{
			if (PushPrepare(message, found, result->error))
			{
				ready = lappend(ready, message);
				continue;
			}
			result->outcome = OUTCOME_DEAD;
			*dead = lappend(*dead, result->error);
			ereport(WARNING,
					(errmsg("washminute worker: dead letter lane=push id=" INT64_FORMAT " attempt=%d error=\"%s\"",
							message->key.outbox_id, message->attempts, result->error)));
		}
		count++;
		MessageFree(message);
	}
	if (count > 0)
		QueueRecord(results, count, epoch);
	return ready;
}

void
PushDisableToken(const char *token, const char *reason, TimestampTz registered_by)
{
	Arguments	disable = {0};
	Arguments	delete = {0};

	ArgumentText(&disable, token);
	ArgumentDatum(&disable, TimestampTzGetDatum(ClockNow()));
	ArgumentText(&disable, reason);
	ArgumentDatum(&disable, TimestampTzGetDatum(registered_by));
	if (StatementRun(&disable_token, &disable) == 0)
		return;
	ArgumentText(&delete, token);
	StatementRun(&delete_for_token, &delete);
}

void
PushKeepProject(const char *token, const char *project)
{
	Arguments	arguments = {0};

	ArgumentText(&arguments, token);
	ArgumentText(&arguments, project);
	StatementRun(&update_project, &arguments);
}
