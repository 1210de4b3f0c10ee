/*-------------------------------------------------------------------------
 *
 * lane_webhook.c
 *		Webhooks: one signed POST per message.
 *
 * As Standard Webhooks asks: a 2xx status is a delivery, 410 means that the
 * receiver wants no more, all else is tried again.  What the receiver says
 * besides is of no interest: a body that never ends does not undo a 2xx.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/caller.h"
#include "base/compat.h"
#include "outbox/webhook.h"
#include "worker/lane.h"

const LaneKind *const lane_kinds[LANE_COUNT] = {
	[LANE_PAYMENT] = &payment_kind,
	[LANE_PUSH] = &push_kind,
	[LANE_PUSH_RECEIPT] = &receipt_kind,
	[LANE_WEBHOOK] = &webhook_kind,
	[LANE_REALTIME] = &webhook_kind
};

static const char *
WebhookPrepare(Destination *destination)
{
	const char *problem;

	if (WebhookSecret(destination->listener, destination->secret, &problem))
		return NULL;
	return psprintf("washminute.signing_key_file %s", problem);
}

static void
WebhookBuild(Delivery *delivery)
{
	Message    *message = linitial(delivery->messages);
	HttpRequest *http = &delivery->http;
	int64		seconds = (int64) time(NULL);
	char		id[WEBHOOK_ID_MAX];
	char		signature[WEBHOOK_SIGNATURE_MAX];

	/* a copy: the listener's may change meanwhile */
	http->url = pstrdup(delivery->destination->url);
	http->body = WebhookBody(message->event, message->created_at, message->data);
	http->body_length = strlen(http->body);
	WebhookId(message->key.outbox_id, id);
	WebhookSign(delivery->destination->secret, id, seconds, http->body, signature);

	HttpAddHeader(http, "Content-Type: application/json");
	HttpAddHeader(http, "Expect:");
	HttpAddHeader(http, psprintf("webhook-id: %s", id));
	HttpAddHeader(http, psprintf("webhook-timestamp: " INT64_FORMAT, seconds));
	HttpAddHeader(http, psprintf("webhook-signature: %s", signature));
	if (message->correlation_id != NULL && CorrelationIdIsValid(message->correlation_id))
		HttpAddHeader(http, psprintf("X-Request-Id: %s", message->correlation_id));
}

static Verdict
WebhookJudge(Delivery *delivery)
{
	HttpRequest *http = &delivery->http;
	char		error[QUEUE_ERROR_MAX + 1];

	if (http->status >= 200 && http->status < 300)
	{
		DeliveryJudge(delivery, OUTCOME_DONE, "");
		return VERDICT_WELL;
	}
	DeliveryError(delivery, error, sizeof(error));
	switch (http->status)
	{
		case 410:
			DeliveryJudge(delivery, OUTCOME_DEAD, error);
			return VERDICT_GONE;
		case 429:
			DeliveryJudge(delivery, OUTCOME_RELEASED, error);
			return VERDICT_BUSY;
		case 503:
			if (http->retry_after != 0)
			{
				DeliveryJudge(delivery, OUTCOME_RELEASED, error);
				return VERDICT_BUSY;
			}
			break;
		default:
			break;
	}
	DeliveryJudge(delivery, OUTCOME_RETRY, error);
	return http->status >= 300 && http->status < 500 ? VERDICT_WELL : VERDICT_ILL;
}

const LaneKind webhook_kind = {
	.batch = 1,
	.prepare = WebhookPrepare,
	.build = WebhookBuild,
	.judge = WebhookJudge
};
