/*-------------------------------------------------------------------------
 *
 * gateway.c
 *		Work for the card gateway: what is sent, and what its answer leads to.
 *
 * An answer that does not come, or cannot be read, says nothing: the call may have
 * had its effect.  What follows, by call:
 *
 *		link		ask; an order id of which nobody has the link is given up, and the
 *					next attempt gets another one, since the same cannot be used again
 *		authorization	ask, for as long as it takes; it is never sent again, and no other
 *					attempt is made meanwhile
 *		status		ask again, by the schedule
 *		reversal	ask; where it did not happen it is sent once more, then a person decides
 *		refund		ask; a first refund is seen to have happened, all else a person decides
 *		capture		ask
 *		deleteCardtoken	again, since no money moves
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/caller.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/guc.h"
#include "base/json.h"
#include "base/money.h"
#include "base/secret.h"
#include "base/statement.h"
#include "outbox/enqueue.h"
#include "outbox/realtime_rule.h"
#include "payment/card.h"
#include "payment/gateway.h"
#include "payment/inquiry.h"

/* A link can be paid for as long as anybody has it; so long its callback is believed. */
#define TOKEN_LIFE (180 * USECS_PER_DAY)

/* When an answer that a card was charged is confirmed by an inquiry. */
#define CONFIRM_AFTER (60 * USECS_PER_SEC)

static Statement set_link = {
	"UPDATE washminute_data.payment_attempts SET link = $2 WHERE attempt_id = $1",
	2, {UUIDOID, TEXTOID}
};

static Statement select_in_flight = {
	"SELECT FROM washminute_data.refunds"
	" WHERE payment_id = $1 AND status IN ('dispatched', 'unknown')",
	1, {UUIDOID}
};

/* The uuid in a row's data; NULL where somebody wrote the row by hand, and wrongly. */
static pg_uuid_t *
UuidMember(Jsonb *object, const char *name)
{
	char	   *text = JsonMemberText(object, name);

	if (text != NULL && strlen(text) == 36 &&
		strspn(text, "0123456789abcdef-") == 36 && text[8] == '-' && text[13] == '-' &&
		text[18] == '-' && text[23] == '-' && strcspn(text + 24, "-") == 12)
		return DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(text)));
	ereport(WARNING,
			(errmsg("washminute worker: a row of the lane payment has no %s", name)));
	return NULL;
}

static char *
MakeUrl(const char *path, TokenPurpose purpose, const Attempt *attempt,
		const char *merchant_id, const char **problem)
{
	const char *base = washminute_callback_base_url;
	int			length = strlen(base);
	TokenFacts	facts = {
		attempt->gateway_order_id, attempt->amount, merchant_id, attempt->nonce
	};
	char	   *token = CallbackTokenMake(purpose, &attempt->attempt_id, &facts,
										  ClockNow() + TOKEN_LIFE, problem);

	while (length > 0 && base[length - 1] == '/')
		length--;
	return token != NULL ? psprintf("%.*s%s%s", length, base, path, token) : NULL;
}

/* What all calls about an attempt say. */
static void
FillOrder(const Attempt *attempt, GatewayTask *task)
{
	task->attempt_id = attempt->attempt_id;
	task->order = (NapsOrder) {
		.order_id = attempt->gateway_order_id,
		.amount = attempt->amount,
		.authorization_number = attempt->authorization_number,
		.transaction_number = attempt->transaction_number,
		.save_card = attempt->save_card
	};
}

/* Where gateway and browser come back to; false with *problem. */
static bool
FillUrls(const Attempt *attempt, NapsOrder *order, const char **problem)
{
	Credentials credentials;
	const char *merchant_id;

	if (!CredentialsRead(&credentials, problem))
		return false;
	merchant_id = credentials.merchant_id;
	CredentialsForget(&credentials);
	order->client_id = attempt->save_card ? CardClientId(attempt->customer_id) : NULL;
	order->callback_url = MakeUrl("/naps/cb/", TOKEN_CALLBACK, attempt, merchant_id, problem);
	order->success_url = MakeUrl("/naps/return/", TOKEN_SUCCESS, attempt, merchant_id, problem);
	order->fail_url = MakeUrl("/naps/return/", TOKEN_FAIL, attempt, merchant_id, problem);
	return order->callback_url != NULL && order->success_url != NULL && order->fail_url != NULL;
}

/* A link is asked for, or a saved card charged. */
static GatewayStep
PrepareSale(Attempt *attempt, GatewayTask *task, const char **problem)
{
	if (AttemptIsStatus(attempt, "dispatched"))
	{
		/* it was sent, and whoever did never said what came of it */
		(void) AttemptMove(attempt, "unknown");
		AttemptInquireAt(attempt, DT_NOBEGIN);
		return GATEWAY_DROP;
	}
	if (!AttemptIsStatus(attempt, "prepared"))
		return GATEWAY_DROP;
	if (attempt->by_card)
		task->order.card_token = CardToken(&attempt->card_id);
	if (attempt->payment_ended || (attempt->by_card && task->order.card_token == NULL))
	{
		(void) AttemptMove(attempt, "expired");
		return GATEWAY_DROP;
	}
	if (!FillUrls(attempt, &task->order, problem))
		return GATEWAY_WAIT;
	(void) AttemptMove(attempt, "dispatched");
	return GATEWAY_SEND;
}

/* Does another refund of the payment wait for its answer? */
static bool
OtherIsInFlight(const Refund *refund)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(&refund->attempt.payment_id));
	return StatementRun(&select_in_flight, &arguments) > 0;
}

static GatewayStep
PrepareRefund(Refund *refund, GatewayTask *task)
{
	const char *method = refund->method;

	if (strcmp(refund->status, "dispatched") == 0)
	{
		RefundMove(refund, "unknown", NULL);
		AttemptInquireAt(&refund->attempt, DT_NOBEGIN);
		return GATEWAY_DROP;
	}
	if (strcmp(refund->status, "requested") != 0)
		return GATEWAY_DROP;
	if (OtherIsInFlight(refund))
		return GATEWAY_LATER;
	if (method == NULL)
		method = AttemptIsStatus(&refund->attempt, "captured") ||
			AttemptIsStatus(&refund->attempt, "settled") ? "refund" : "reversal";
	RefundMove(refund, "dispatched", method);
	FillOrder(&refund->attempt, task);
	task->call = strcmp(method, "refund") == 0 ? NAPS_REFUND : NAPS_REVERSAL;
	task->refund_id = refund->refund_id;
	task->order.amount = refund->amount;
	return GATEWAY_SEND;
}

static GatewayStep
PrepareForget(const pg_uuid_t *card_id, GatewayTask *task)
{
	task->call = NAPS_FORGET_CARD;
	task->card_id = *card_id;
	task->order.card_token = CardTokenToForget(card_id);
	return task->order.card_token != NULL ? GATEWAY_SEND : GATEWAY_DROP;
}

GatewayStep
GatewayPrepare(const char *event, const char *data, GatewayTask *task, const char **problem)
{
	Jsonb	   *object = JsonParse(data);
	bool		is_free;
	Attempt		attempt;
	Refund		refund;
	bool		is_refund = strcmp(event, GATEWAY_REFUND) == 0;
	bool		is_card = strcmp(event, GATEWAY_FORGET) == 0;
	pg_uuid_t  *id = UuidMember(object, is_refund ? "refundId" : is_card ? "cardId" : "attemptId");
	char	   *number;

	*task = (GatewayTask) {.error = ""};
	*problem = NULL;
	if (id == NULL)
		return GATEWAY_DROP;
	ForceSyncCommit();
	if (is_card)
		return PrepareForget(id, task);
	if (is_refund)
	{
		if (!RefundReadIfFree(id, &refund, &is_free))
			return is_free ? GATEWAY_DROP : GATEWAY_WAIT;
		return PrepareRefund(&refund, task);
	}
	if (!AttemptLockIfFree(id, &attempt, &is_free))
		return is_free ? GATEWAY_DROP : GATEWAY_WAIT;
	FillOrder(&attempt, task);
	if (strcmp(event, GATEWAY_LINK) == 0 || strcmp(event, GATEWAY_AUTHORIZE) == 0)
	{
		task->call = attempt.by_card ? NAPS_AUTHORIZATION : NAPS_LINK;
		return PrepareSale(&attempt, task, problem);
	}
	if (strcmp(event, GATEWAY_CAPTURE) == 0)
	{
		task->call = NAPS_CAPTURE;
		/* what goes back is not to be captured first */
		return AttemptIsStatus(&attempt, "succeeded") && !attempt.surplus && !attempt.payment_ended &&
			!RefundOfAttempt(&attempt, "requested", "reversed", &refund) ? GATEWAY_SEND : GATEWAY_DROP;
	}
	if (strcmp(event, GATEWAY_INQUIRE) != 0)
		return GATEWAY_DROP;
	number = JsonMemberText(object, "number");
	task->call = NAPS_STATUS;
	task->number = number != NULL ? atoi(number) : 0;
	/* one that was planned later is made instead */
	return task->number == attempt.inquiry_number ? GATEWAY_SEND : GATEWAY_DROP;
}

/* What was answered, as it is kept. */
static char *
AnswerData(const GatewayTask *task)
{
	JsonObject	data;

	JsonOpen(&data);
	JsonText(&data, "text", task->answer.text);
	if (task->answer.code == NULL)
		JsonText(&data, "error", task->error);
	return JsonClose(&data);
}

/* Of it the log says nothing, but an app that waits may hear. */
static void
TellLink(const Attempt *attempt)
{
	JsonObject	data;
	Event		told = {"paymentLinkReady", &attempt->request_id, NULL, CallerCorrelationId(), ClockNow()};

	PaymentData(attempt, &data);
	JsonText(&data, "link", attempt->link);
	told.data = JsonClose(&data);
	RealtimeRulesTell(&told);
}

/* The customer gets a link: of the gateway's page, or of his bank's. */
static void
GiveLink(Attempt *attempt, const char *link)
{
	Arguments	arguments = {0};

	if (!AttemptMove(attempt, "awaiting"))
		return;					/* paid already, or seen to be */
	ArgumentDatum(&arguments, UUIDPGetDatum(&attempt->attempt_id));
	ArgumentText(&arguments, link);
	StatementRunOne(&set_link, &arguments);
	attempt->link = pstrdup(link);
	TellLink(attempt);
	AttemptInquireLater(attempt);
}

/* A saved card was charged.  No callback follows, so that surplus money goes back from here. */
static void
CardCharged(Attempt *attempt, const NapsAnswer *answer)
{
	AttemptKeepNumbers(attempt, answer->authorization_number, answer->transaction_number);
	AttemptInquireAt(attempt, AttemptSucceeded(attempt) ? ClockNow() + CONFIRM_AFTER : DT_NOBEGIN);
}

static void
RecordSale(Attempt *attempt, const GatewayTask *task)
{
	JsonObject	data;

	switch (task->answer.meaning)
	{
		case NAPS_DONE:
			if (task->call == NAPS_AUTHORIZATION)
				CardCharged(attempt, &task->answer);
			else
				GiveLink(attempt, task->answer.link);
			break;
		case NAPS_CHALLENGE:
			GiveLink(attempt, task->answer.link);
			break;
		case NAPS_REFUSED:
			ereport(WARNING,
					(errmsg("washminute worker: gateway refused attempt=%s code=%s text=\"%s\"",
							task->order.order_id, task->answer.code,
							task->answer.text ? task->answer.text : "")));
			if (AttemptMove(attempt, "declined"))
			{
				PaymentData(attempt, &data);
				PaymentEvent(attempt, "paymentDeclined", JsonClose(&data));
				if (attempt->by_card)
					AttemptInquireLater(attempt);
			}
			break;
		case NAPS_SESSION_OVER:
		case NAPS_MISCONFIGURED:
			(void) AttemptMove(attempt, "prepared");
			break;
		case NAPS_IS_PAID:
		case NAPS_IS_CAPTURED:
		case NAPS_UNCLEAR:
			(void) AttemptMove(attempt, "unknown");
			AttemptInquireAt(attempt, DT_NOBEGIN);
			break;
	}
}

static void
RecordRefund(Refund *refund, const GatewayTask *task)
{
	bool		by_reversal = task->call == NAPS_REVERSAL;

	/* an inquiry, or an operator, was faster */
	if (strcmp(refund->status, "dispatched") != 0)
		return;
	switch (task->answer.meaning)
	{
		case NAPS_DONE:
			RefundMove(refund, by_reversal ? "reversed" : "accepted", NULL);
			break;
		case NAPS_IS_CAPTURED:
			(void) AttemptMove(&refund->attempt, "captured");
			RefundMove(refund, "requested", "refund");
			RefundQueue(&refund->refund_id, DT_NOBEGIN);
			break;
		case NAPS_SESSION_OVER:
		case NAPS_MISCONFIGURED:
			RefundMove(refund, "requested", NULL);
			break;
		case NAPS_REFUSED:
			if (!by_reversal)
			{
				RefundMove(refund, "failed", NULL);
				break;
			}
			/* it may be reversed already, by the gateway itself */
			/* FALLTHROUGH */
		case NAPS_IS_PAID:
		case NAPS_CHALLENGE:
		case NAPS_UNCLEAR:
			RefundMove(refund, "unknown", NULL);
			AttemptInquireAt(&refund->attempt, DT_NOBEGIN);
			break;
	}
}

static void
RecordCapture(Attempt *attempt, const GatewayTask *task)
{
	if (task->answer.meaning == NAPS_DONE)
		(void) AttemptMove(attempt, "captured");
	else if (task->answer.meaning != NAPS_SESSION_OVER && task->answer.meaning != NAPS_MISCONFIGURED)
		AttemptInquireAt(attempt, DT_NOBEGIN);
}

bool
GatewayRecord(const GatewayTask *task)
{
	static const char *const sources[] = {
		[NAPS_LINK] = "link", [NAPS_AUTHORIZATION] = "authorization", [NAPS_STATUS] = "inquiry", [NAPS_REVERSAL] = "reversal",
		[NAPS_REFUND] = "refund", [NAPS_CAPTURE] = "capture"
	};
	bool		is_refund = task->call == NAPS_REVERSAL || task->call == NAPS_REFUND;
	bool		is_sale = task->call == NAPS_LINK || task->call == NAPS_AUTHORIZATION;
	bool		is_free;
	Refund		refund;
	Attempt		attempt;

	ForceSyncCommit();
	if (task->call == NAPS_FORGET_CARD)
	{
		/* refused: the gateway does not know it, so that nothing is left to be forgotten */
		if (task->was_sent && (task->answer.meaning == NAPS_DONE || task->answer.meaning == NAPS_REFUSED))
			CardForgotten(&task->card_id);
		return true;
	}
	if (!(is_refund ? RefundReadIfFree(&task->refund_id, &refund, &is_free) :
		  AttemptLockIfFree(&task->attempt_id, &attempt, &is_free)))
		return is_free;			/* else there is no such row */
	if (task->was_sent)
		ObservationAdd(is_refund ? &refund.attempt : &attempt, sources[task->call],
					   task->answer.code, AnswerData(task));
	if (!task->was_sent)
	{
		/* the row comes again, and finds what it found the first time */
		if (is_refund && strcmp(refund.status, "dispatched") == 0)
			RefundMove(&refund, "requested", NULL);
		else if (is_sale && AttemptIsStatus(&attempt, "dispatched"))
			(void) AttemptMove(&attempt, "prepared");
	}
	else if (is_refund)
		RecordRefund(&refund, task);
	else if (is_sale)
		RecordSale(&attempt, task);
	else if (task->call == NAPS_CAPTURE)
		RecordCapture(&attempt, task);
	else if (task->answer.meaning != NAPS_SESSION_OVER && task->number == attempt.inquiry_number)
		InquiryRecord(&attempt, &task->answer);
	return true;
}
