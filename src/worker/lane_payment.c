/*-------------------------------------------------------------------------
 *
 * lane_payment.c
 *		Calls of the card gateway: one per message, each sent at most once, but for one
 *		that moves no money.
 *
 * What a message asks for is looked up, and marked as sent, in the transaction that
 * claims it (payment/gateway.c); what came of it is recorded with the answer.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/crypto.h>

#include "base/compat.h"
#include "base/guc.h"
#include "base/subtransaction.h"
#include "payment/gateway.h"
#include "worker/lane.h"
#include "worker/session.h"

/* When a message is looked at again whose payment is locked, or being paid back, or that fails. */
#define WAIT_SECONDS 1
#define LATER_SECONDS 5
#define FAILED_SECONDS 60

static const char *
PaymentPrepare(Destination *destination)
{
	Credentials credentials;
	const char *problem;
	unsigned char key[SECRET_BYTES];

	if (NapsMac(0, NULL) == NULL)
		return "OpenSSL has no MD5, which the card gateway's protocol needs (FIPS mode forbids it)";
	if (washminute_callback_base_url[0] == '\0')
		return "not configured: washminute.callback_base_url is not set";
	if (!CredentialsRead(&credentials, &problem))
		return psprintf("washminute.naps_credentials_file %s", problem);
	SessionOf(&credentials);
	CredentialsForget(&credentials);
	if (!SecretDerive(CALLBACK_KEY_PURPOSE, key, &problem))
		return psprintf("washminute.signing_key_file %s", problem);
	OPENSSL_cleanse(key, sizeof(key));
	return NULL;
}

/* A message, and what is to be done with it. */
typedef struct Preparation
{
	Message    *message;
	GatewayTask *task;
	GatewayStep step;
	const char *problem;
} Preparation;

static void
PrepareMessage(void *argument)
{
	Preparation *preparation = argument;
	Message    *message = preparation->message;

	preparation->step = GatewayPrepare(message->event, message->data, preparation->task,
									   &preparation->problem);
}

/* Seconds until it is looked at again; 0: it is sent, or dropped. */
static int
PrepareApart(Preparation *preparation)
{
	ErrorData  *error = SubtransactionRun(PrepareMessage, preparation);

	if (error != NULL)
	{
		/* one that fails keeps no other from being sent */
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("washminute worker: not prepared lane=payment id=" INT64_FORMAT " error=\"%s\"",
						preparation->message->key.outbox_id, error->message)));
		preparation->step = GATEWAY_WAIT;
		preparation->problem = error->message;
		return FAILED_SECONDS;
	}
	return preparation->step == GATEWAY_WAIT ? WAIT_SECONDS :
		preparation->step == GATEWAY_LATER ? LATER_SECONDS : 0;
}

/* The result of a message of which nothing is sent. */
static QueueResult
Unsent(const Preparation *preparation, int seconds)
{
	QueueResult result = {
		.key = preparation->message->key,
		.outcome = seconds == 0 ? OUTCOME_DONE : OUTCOME_RELEASED,
		.due_at = GetCurrentTimestamp() + seconds * SECOND
	};

	if (preparation->problem != NULL)
		strlcpy(result.error, preparation->problem, sizeof(result.error));
	DeliveryClean(result.error);
	return result;
}

static List *
PaymentExpand(Destination *destination, List *messages, int64 epoch)
{
	QueueResult *results = palloc(list_length(messages) * sizeof(QueueResult));
	int			count = 0;
	ListCell   *cell;

	foreach(cell, messages)
	{
		Message    *message = lfirst(cell);
		MemoryContext previous = MemoryContextSwitchTo(message->context);
		Preparation preparation = {message, palloc0(sizeof(GatewayTask))};
		int			seconds = PrepareApart(&preparation);

		MemoryContextSwitchTo(previous);
		message->extra = preparation.task;
		if (preparation.step == GATEWAY_SEND)
			continue;
		results[count++] = Unsent(&preparation, seconds);
		if (seconds > 0)
			DestinationDue(LANE_PAYMENT, seconds);
		MessageFree(message);
		messages = foreach_delete_current(messages, cell);
	}
	if (count > 0)
		QueueRecord(results, count, epoch);
	return messages;
}

static void
PaymentBuild(Delivery *delivery)
{
	Message    *message = linitial(delivery->messages);
	GatewayTask *task = message->extra;
	Credentials credentials;
	const char *problem;

	/* the file was there when the lane was made ready; an empty URL fails, unsent */
	if (!CredentialsRead(&credentials, &problem))
	{
		delivery->http.url = "";
		delivery->http.body = "";
		return;
	}
	GatewayFill(&delivery->http, task->call, &credentials,
			 NapsBody(task->call, &credentials, &task->order, SessionToken(&task->session)));
	CredentialsForget(&credentials);
}

static Verdict
PaymentJudge(Delivery *delivery)
{
	HttpRequest *http = &delivery->http;
	GatewayTask *task = ((Message *) linitial(delivery->messages))->extra;
	char		error[QUEUE_ERROR_MAX + 1] = "";

	task->was_sent = http->code == CURLE_OK || http->was_written;
	NapsRead(task->call, http->code == CURLE_OK && http->status == 200 ? http->response : NULL,
			 &task->answer);
	OPENSSL_cleanse((void *) http->body, http->body_length);
	if (task->answer.code == NULL)
		DeliveryError(delivery, error, sizeof(error));
	task->error = pstrdup(error);
	if (!task->was_sent)
	{
		/* however long the gateway is away, it is no dead letter: the breaker sets the pace */
		DeliveryJudge(delivery, OUTCOME_RELEASED, error);
		return VERDICT_ILL;
	}
	switch (task->answer.meaning)
	{
		case NAPS_SESSION_OVER:
			SessionIsOver(task->session);
			DeliveryJudge(delivery, OUTCOME_RELEASED, "the gateway's session is over");
			return VERDICT_WELL;
		case NAPS_MISCONFIGURED:
			DeliveryJudge(delivery, OUTCOME_RELEASED,
						  psprintf("the gateway does not know the merchant, code %s", task->answer.code));
			return VERDICT_HELD;
		default:
			if (task->answer.code != NULL)
				SessionWorks(task->session);
			DeliveryJudge(delivery, task->call == NAPS_FORGET_CARD && task->answer.meaning == NAPS_UNCLEAR ?
						  OUTCOME_RETRY : OUTCOME_DONE, error);
			return task->answer.code != NULL ? VERDICT_WELL : VERDICT_ILL;
	}
}

static bool
PaymentRecord(Delivery *delivery)
{
	return GatewayRecord(((Message *) linitial(delivery->messages))->extra);
}

const LaneKind payment_kind = {
	.batch = 1,
	.must_record = true,
	.prepare = PaymentPrepare,
	.ready_at = SessionReadyAt,
	.expand = PaymentExpand,
	.build = PaymentBuild,
	.judge = PaymentJudge,
	.record = PaymentRecord
};
