/*-------------------------------------------------------------------------
 *
 * lane_receipt.c
 *		What became of push messages: Expo's receipts.
 *
 * A ticket says that Expo has taken a message, its receipt that Apple or Google
 * has.  Receipts are there after a while, and gone after a day; those that are not
 * there yet are asked for again, at growing distances.  One row asks for the
 * tickets of one request.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/json.h"
#include "base/settings.h"
#include "outbox/push.h"
#include "worker/expo.h"
#include "worker/lane.h"

/* Seconds after which Expo has forgotten a receipt. */
#define RECEIPT_LIFE (24 * SECS_PER_HOUR)

/* Seconds from its writing on for which a push that failed by others' fault is worth another try. */
#define AGAIN_LIFE SECS_PER_HOUR
#define AGAIN_SECONDS 60

/* What a row asks for, and what was answered: Message.extra. */
typedef struct Receipts
{
	TimestampTz sent_at;
	List	   *tickets;		/* Ticket * */
	List	   *missing;		/* no receipt yet */
	List	   *gone;			/* device not registered */
	List	   *again;			/* to be sent once more */
	const char *credentials;	/* why Expo cannot reach Apple or Google, or NULL */
} Receipts;

static const char *
ReceiptPrepare(Destination *destination)
{
	const char *problem;

	return ExpoConfigure(&problem) ? NULL : problem;
}

static void
ReceiptBuild(Delivery *delivery)
{
	Message    *message = linitial(delivery->messages);
	Receipts   *receipts = palloc0(sizeof(Receipts));
	StringInfoData body;
	ListCell   *cell;

	receipts->tickets = PushReadTickets(message->data, &receipts->sent_at);
	message->extra = receipts;
	initStringInfo(&body);
	appendStringInfoString(&body, "{\"ids\": [");
	foreach(cell, receipts->tickets)
	{
		if (foreach_current_index(cell) > 0)
			appendStringInfoString(&body, ", ");
		JsonEscape(&body, ((Ticket *) lfirst(cell))->id);
	}
	appendStringInfoString(&body, "]}");
	ExpoFill(&delivery->http, ExpoUrl("getReceipts"), body.data);
}

static double
SecondsSince(TimestampTz at)
{
	return (double) (GetCurrentTimestamp() - at) / USECS_PER_SEC;
}

/* Sort the tickets by what their receipts say; the last error is kept. */
static void
JudgeReceipts(Receipts *receipts, Jsonb *answer, QueueResult *result)
{
	ListCell   *cell;
	char		error[QUEUE_ERROR_MAX + 1];

	result->outcome = OUTCOME_DONE;
	result->error[0] = '\0';
	foreach(cell, receipts->tickets)
	{
		Ticket	   *ticket = lfirst(cell);
		Jsonb	   *receipt = JsonMember(answer, ticket->id);

		if (receipt == NULL)
		{
			receipts->missing = lappend(receipts->missing, ticket);
			continue;
		}
		switch (ExpoActionOf(receipt, error, sizeof(error)))
		{
			case EXPO_OK:
				continue;
			case EXPO_DEVICE_GONE:
				receipts->gone = lappend(receipts->gone, ticket);
				break;
			case EXPO_CREDENTIALS:
				receipts->credentials = pstrdup(error);
				receipts->again = lappend(receipts->again, ticket);
				break;
			case EXPO_LATER:
				receipts->again = lappend(receipts->again, ticket);
				break;
			case EXPO_NEVER:
				DeliveryClean(error);
				ereport(WARNING,
						(errmsg("washminute worker: push refused recipient=%s event=%s error=\"%s\"",
								ticket->recipient_id, ticket->event, error)));
				break;
		}
		DeliveryClean(error);
		strlcpy(result->error, error, sizeof(result->error));
	}
}

static Verdict
ReceiptJudge(Delivery *delivery)
{
	HttpRequest *http = &delivery->http;
	char		error[QUEUE_ERROR_MAX + 1];
	Jsonb	   *body = http->code == CURLE_OK && http->response != NULL ?
		JsonParse(http->response) : NULL;
	char	   *code = ExpoRequestError(body);
	Jsonb	   *receipts = JsonMember(body, "data");

	if (code == NULL && http->code == CURLE_OK && http->status == 200 &&
		receipts != NULL && JB_ROOT_IS_OBJECT(receipts))
	{
		JudgeReceipts(((Message *) linitial(delivery->messages))->extra, receipts,
					  &delivery->results[0]);
		return VERDICT_WELL;
	}
	if (code != NULL)
		snprintf(error, sizeof(error), "Expo: %s", code);
	else
		DeliveryError(delivery, error, sizeof(error));
	DeliveryClean(error);
	if (http->status == 401 || http->status == 403)
	{
		DeliveryJudge(delivery, OUTCOME_RELEASED, error);
		return VERDICT_HELD;
	}
	if (http->status == 429)
	{
		DeliveryJudge(delivery, OUTCOME_RELEASED, error);
		return VERDICT_BUSY;
	}
	DeliveryJudge(delivery, OUTCOME_RETRY, error);
	return http->status >= 200 && http->status < 500 ? VERDICT_WELL : VERDICT_ILL;
}

/* Until the next look at receipts that are missing: as long as they have waited. */
static double
NextLook(double age, double first)
{
	return Max(Min(age, (double) SECS_PER_HOUR), first);
}

static bool
ReceiptRecord(Delivery *delivery)
{
	const Message *message = linitial(delivery->messages);
	Receipts   *receipts = message->extra;
	double		age = SecondsSince(receipts->sent_at);
	Settings	settings;
	ListCell   *cell;

	/* not one that was registered since it was sent to */
	foreach(cell, receipts->gone)
		PushDisableToken(((Ticket *) lfirst(cell))->token, "DeviceNotRegistered",
						 message->created_at);
	if (receipts->credentials != NULL)
		DestinationHold(LANE_PUSH, receipts->credentials);
	foreach(cell, receipts->again)
	{
		Ticket	   *ticket = lfirst(cell);

		if (ClockNow() - ticket->created_at > AGAIN_LIFE * USECS_PER_SEC ||
			ticket->expires_at <= ClockNow())
		{
			ereport(LOG,
					(errmsg("washminute worker: push given up recipient=%s event=%s",
							ticket->recipient_id, ticket->event)));
			/* nobody's fault but the operator's, who may want to send it yet */
			if (receipts->credentials != NULL && ticket->expires_at > ClockNow())
				PushBury(ticket, receipts->credentials);
			continue;
		}
		PushAgain(ticket, AGAIN_SECONDS);
		DestinationDue(LANE_PUSH, AGAIN_SECONDS);
	}
	if (receipts->missing == NIL)
		return true;
	if (age > RECEIPT_LIFE)
	{
		ereport(LOG,
				(errmsg("washminute worker: no receipts within a day count=%d",
						list_length(receipts->missing))));
		return true;
	}
	SettingsRead(&settings);
	age = NextLook(age, Max(1, settings.push_receipt_minutes * SECS_PER_MINUTE));
	PushKeepTickets(receipts->missing, receipts->sent_at, message->created_at, age);
	DestinationDue(LANE_PUSH_RECEIPT, age);
	return true;
}

const LaneKind receipt_kind = {
	.batch = 1,
	.prepare = ReceiptPrepare,
	.build = ReceiptBuild,
	.judge = ReceiptJudge,
	.record = ReceiptRecord
};
