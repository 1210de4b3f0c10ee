/*-------------------------------------------------------------------------
 *
 * lane_push.c
 *		Push messages by Expo: up to 100 in a request, a ticket for each.
 *
 * A request that Expo refuses for one bad message is halved until that is alone;
 * one that mixes projects is split by what the refusal says of them.  Both are
 * sent again at once and cost the others no attempt.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "base/json.h"
#include "base/settings.h"
#include "outbox/push.h"
#include "worker/expo.h"
#include "worker/lane.h"
#include "worker/status.h"

/*
 * Messages at once after a pause.  Expo allows 600 in a second, so with the usual
 * 500 there is room for this and for requests that arrive an eighth of a second late.
 */
#define PUSH_BURST 40

#define MESSAGE_AT(delivery, i) ((Message *) list_nth((delivery)->messages, i))
#define PUSH_AT(delivery, i) ((PushMessage *) MESSAGE_AT(delivery, i)->extra)

static const char *
PushLanePrepare(Destination *destination)
{
	const char *problem;

	LimiterSet(&destination->limiter, washminute_expo_rate_limit, PUSH_BURST);
	PushTemplatesRead();
	return ExpoConfigure(&problem) ? NULL : problem;
}

static List *
PushLaneExpand(Destination *destination, List *messages, int64 epoch)
{
	bool		more = false;
	List	   *dead = NIL;
	List	   *ready = PushExpand(messages, epoch, &more, &dead);
	ListCell   *cell;

	if (more)
		destination->cursor.is_news = true;
	foreach(cell, dead)
	{
		StatusCount(LANE_PUSH, COUNTER_FAILED, 1);
		StatusError(LANE_PUSH, lfirst(cell));
	}
	return ready;
}

/* May they go in one request?  Not where they are known to be of two projects. */
static bool
PushLaneFits(const Message *first, const Message *next)
{
	const char *one = ((PushMessage *) first->extra)->project;
	const char *other = ((PushMessage *) next->extra)->project;

	return one == NULL || other == NULL || strcmp(one, other) == 0;
}

static void
PushLaneBuild(Delivery *delivery)
{
	StringInfoData body;

	initStringInfo(&body);
	for (int i = 0; i < list_length(delivery->messages); i++)
	{
		appendStringInfoChar(&body, i == 0 ? '[' : ',');
		appendStringInfoString(&body, PUSH_AT(delivery, i)->json);
	}
	appendStringInfoChar(&body, ']');
	ExpoFill(&delivery->http, ExpoUrl("send"), body.data);
}

/* {"@owner/project": [token, ...], ...}: which project each token is of. */
static bool
LearnProjects(Delivery *delivery, Jsonb *body)
{
	List	   *errors = JsonElements(JsonMember(body, "errors"));
	Jsonb	   *details = errors == NIL ? NULL : JsonMember(linitial(errors), "details");
	List	   *names = JsonNames(details);
	ListCell   *name;
	ListCell   *element;

	foreach(name, names)
		foreach(element, JsonElements(JsonMember(details, lfirst(name))))
	{
		char	   *token = JsonStringText(lfirst(element));

		for (int i = 0; token != NULL && i < list_length(delivery->messages); i++)
		{
			PushMessage *push = PUSH_AT(delivery, i);

			if (strcmp(push->token, token) != 0)
				continue;
			push->project = MemoryContextStrdup(MESSAGE_AT(delivery, i)->context, lfirst(name));
			push->learnt = true;
		}
	}
	for (int i = 0; i < list_length(delivery->messages); i++)
		if (PUSH_AT(delivery, i)->project == NULL)
			return false;
	return list_length(names) > 1;
}

/* Each message goes by the ticket in its place. */
static Verdict
JudgeTickets(Delivery *delivery, List *tickets)
{
	Verdict		verdict = VERDICT_WELL;

	for (int i = 0; i < list_length(tickets); i++)
	{
		Message    *message = MESSAGE_AT(delivery, i);
		QueueResult *result = &delivery->results[i];
		Jsonb	   *ticket = list_nth(tickets, i);
		char	   *id = JsonMemberText(ticket, "id");

		switch (ExpoActionOf(ticket, result->error, sizeof(result->error)))
		{
			case EXPO_OK:
				result->outcome = OUTCOME_DONE;
				if (id != NULL)
					PUSH_AT(delivery, i)->ticket = MemoryContextStrdup(message->context, id);
				break;
			case EXPO_DEVICE_GONE:
				result->outcome = OUTCOME_DONE;
				PUSH_AT(delivery, i)->gone = true;
				break;
			case EXPO_LATER:
				result->outcome = OUTCOME_RETRY;
				break;
			case EXPO_CREDENTIALS:
				result->outcome = OUTCOME_RELEASED;
				verdict = VERDICT_HELD;
				break;
			case EXPO_NEVER:
				result->outcome = OUTCOME_DEAD;
				break;
		}
	}
	return verdict;
}

/*
 * Does a refusal of that status speak of what was sent?  Others, 404 or 408 say, speak
 * of the URL or the way to it: they come for any message, and no message is to blame.
 */
static bool
StatusBlamesMessages(long status)
{
	return status == 400 || status == 413 || status == 422;
}

/* The whole request was refused. */
static Verdict
JudgeRefusal(Delivery *delivery, Jsonb *body, const char *code)
{
	char		error[QUEUE_ERROR_MAX + 1];
	long		status = delivery->http.status;

	snprintf(error, sizeof(error), "Expo: %s", code);
	DeliveryClean(error);
	if (status == 401 || status == 403 || strcmp(code, "UNAUTHORIZED") == 0)
	{
		DeliveryJudge(delivery, OUTCOME_RELEASED, error);
		return VERDICT_HELD;
	}
	if (status == 429 || strcmp(code, "TOO_MANY_REQUESTS") == 0)
	{
		DeliveryJudge(delivery, OUTCOME_RELEASED, error);
		return VERDICT_BUSY;
	}
	if (strcmp(code, "PUSH_TOO_MANY_EXPERIENCE_IDS") == 0 &&
		list_length(delivery->messages) > 1 && LearnProjects(delivery, body))
		return VERDICT_SPLIT;
	if (!StatusBlamesMessages(status))
	{
		DeliveryJudge(delivery, OUTCOME_RETRY, error);
		return status == 200 ? VERDICT_WELL : VERDICT_ILL;
	}
	if (list_length(delivery->messages) > 1)
		return VERDICT_SPLIT;
	DeliveryJudge(delivery, OUTCOME_DEAD, error);
	return VERDICT_WELL;
}

static Verdict
PushLaneJudge(Delivery *delivery)
{
	HttpRequest *http = &delivery->http;
	char		error[QUEUE_ERROR_MAX + 1];
	Jsonb	   *body = http->code == CURLE_OK && http->response != NULL ?
		JsonParse(http->response) : NULL;
	char	   *code = ExpoRequestError(body);
	List	   *tickets;

	if (code != NULL)
		return JudgeRefusal(delivery, body, code);
	if (http->code == CURLE_OK && http->status == 200 && body != NULL)
	{
		Jsonb	   *data = JsonMember(body, "data");

		/* a single message may be answered by a single ticket */
		tickets = JsonMemberText(data, "status") != NULL ? list_make1(data) : JsonElements(data);
		if (list_length(tickets) == list_length(delivery->messages))
			return JudgeTickets(delivery, tickets);
		DeliveryJudge(delivery, OUTCOME_RETRY, "Expo: tickets and messages do not match");
		return VERDICT_WELL;
	}
	DeliveryError(delivery, error, sizeof(error));
	if (http->code == CURLE_OK && http->status == 429)
	{
		DeliveryJudge(delivery, OUTCOME_RELEASED, error);
		return VERDICT_BUSY;
	}
	if (http->code == CURLE_OK && (http->status == 401 || http->status == 403))
	{
		DeliveryJudge(delivery, OUTCOME_RELEASED, error);
		return VERDICT_HELD;
	}
	if (http->code == CURLE_OK && StatusBlamesMessages(http->status))
	{
		if (list_length(delivery->messages) > 1)
			return VERDICT_SPLIT;
		DeliveryJudge(delivery, OUTCOME_DEAD, error);
		return VERDICT_WELL;
	}
	DeliveryJudge(delivery, OUTCOME_RETRY, error);
	return VERDICT_ILL;
}

static Ticket *
TicketOf(const Message *message)
{
	const PushMessage *push = message->extra;
	Ticket	   *ticket = palloc(sizeof(Ticket));

	*ticket = (Ticket) {
		.id = push->ticket,
		.token = push->token,
		.recipient_id = message->recipient_id,
		.audience = message->audience,
		.event = message->event,
		.data = message->data,
		.correlation_id = message->correlation_id,
		.created_at = message->created_at,
		.expires_at = message->expires_at
	};
	return ticket;
}

/* Tickets wait for their receipts; dead devices and projects are remembered. */
static bool
PushLaneRecord(Delivery *delivery)
{
	List	   *tickets = NIL;
	Settings	settings;

	for (int i = 0; i < list_length(delivery->messages); i++)
	{
		PushMessage *push = PUSH_AT(delivery, i);

		if (push->ticket != NULL)
			tickets = lappend(tickets, TicketOf(MESSAGE_AT(delivery, i)));
		if (push->gone)
			PushDisableToken(push->token, "DeviceNotRegistered", push->looked_up_at);
		if (push->learnt)
			PushKeepProject(push->token, push->project);
	}
	if (tickets == NIL)
		return true;
	SettingsRead(&settings);
	PushKeepTickets(tickets, GetCurrentTimestamp(), ClockNow(),
					settings.push_receipt_minutes * SECS_PER_MINUTE);
	DestinationDue(LANE_PUSH_RECEIPT, settings.push_receipt_minutes * SECS_PER_MINUTE);
	return true;
}

const LaneKind push_kind = {
	.batch = EXPO_BATCH,
	.prepare = PushLanePrepare,
	.expand = PushLaneExpand,
	.fits = PushLaneFits,
	.build = PushLaneBuild,
	.judge = PushLaneJudge,
	.record = PushLaneRecord
};
