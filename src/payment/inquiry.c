/*-------------------------------------------------------------------------
 *
 * inquiry.c
 *		What the gateway says when it is asked about an attempt.
 *
 * An inquiry says whether an order was approved, not with which amount: that is what
 * we sent.  "Refunded" comes after any refund, also a partial one, so that only the
 * first refund of an attempt can be seen; "cancelled" is a reversal, and a refused sale,
 * too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/json.h"
#include "base/statement.h"
#include "base/subtransaction.h"
#include "payment/inquiry.h"

/* So many attempts without a link follow each other by themselves. */
#define ATTEMPTS_MAX 10

/* When what no inquiry tells is a person's. */
#define PATIENCE USECS_PER_DAY

/*
 * The same of a saved card that is charged without a page: the call is over long since, and the
 * customer, who cannot pay otherwise meanwhile, waits.
 */
#define CARD_PATIENCE (10 * USECS_PER_MINUTE)

/* The switch behind the gateway may take so long: before, nothing proves that a reversal did not happen. */
#define SWITCH_PATIENCE (2 * USECS_PER_MINUTE)

/* The gateway may take a sale back while its callbacks are not answered: a second look. */
#define CONFIRM_AGAIN (10 * USECS_PER_MINUTE)

/* So long an approved sale that is not captured is looked at each day. */
#define RECHECK_FOR (14 * USECS_PER_DAY)

static Statement count_attempts = {
	"SELECT pg_catalog.count(*), pg_catalog.bool_or(a.status = 'integrity')"
	"  FROM washminute_data.payment_attempts AS a WHERE a.payment_id = $1",
	1, {UUIDOID}
};

static Statement set_charged = {
	"UPDATE washminute_data.payment_attempts SET charged = amount WHERE attempt_id = $1",
	1, {UUIDOID}
};

/* The go-live check's money is not kept; by name, as all that the marketplace does. */
static Statement end_smoke_test = {
	"SELECT washminute._end_smoke_test($1)", 1, {UUIDOID}
};

static Statement set_resent = {
	"UPDATE washminute_data.refunds SET resent = true WHERE refund_id = $1",
	1, {UUIDOID}
};

static Statement take_capture = {
	"UPDATE washminute_data.payment_attempts SET capture_requested_at = NULL"
	" WHERE attempt_id = $1 AND capture_requested_at IS NOT NULL",
	1, {UUIDOID}
};

/* A person decides what became of the refund; it is asked for now and then all the same. */
static void
RefundStaysUnknown(Attempt *attempt, const Refund *refund, const NapsAnswer *answer)
{
	JsonObject	data;

	JsonOpen(&data);
	JsonText(&data, "method", refund->method);
	JsonMoney(&data, "amount", refund->amount);
	JsonText(&data, "lastCode", answer->code);
	JsonText(&data, "lastText", answer->text);
	ExceptionRaise(attempt, &refund->refund_id, "refund_unknown", JsonClose(&data));
}

/* Ask again about an attempt of which a refund is unknown. */
static void
AskAgain(Attempt *attempt)
{
	TimestampTz since = attempt->final_at != DT_NOEND ? attempt->final_at : attempt->created_at;
	int64		age = ClockNow() - since;

	AttemptInquireAt(attempt, ClockNow() + Max(USECS_PER_MINUTE, Min(age / 2, USECS_PER_DAY)));
}

/* The attempt stands as approved: what became of a refund that was not answered? */
static void
JudgeRefundOfApproved(Attempt *attempt, Refund *refund, NapsStatus status, const NapsAnswer *answer)
{
	Arguments	arguments = {0};

	if (ClockNow() < refund->dispatched_at + SWITCH_PATIENCE)
		AttemptInquireAt(attempt, refund->dispatched_at + SWITCH_PATIENCE);
	else if (strcmp(refund->method, "reversal") != 0 || !refund->is_rest)
	{
		/*
		 * A refund may be queued yet, or lost; and of a reversal in part nothing is seen.
		 * Sent again it would be paid twice.
		 */
		RefundStaysUnknown(attempt, refund, answer);
		AskAgain(attempt);
	}
	else if (status != NAPS_STATUS_APPROVED)
	{
		/* captured, so it was not reversed */
		RefundMove(refund, "requested", "refund");
		RefundQueue(&refund->refund_id, DT_NOBEGIN);
	}
	else if (!refund->resent)
	{
		ArgumentDatum(&arguments, UUIDPGetDatum(&refund->refund_id));
		StatementRunOne(&set_resent, &arguments);
		RefundMove(refund, "requested", "reversal");
		RefundQueue(&refund->refund_id, DT_NOBEGIN);
	}
	else
	{
		RefundStaysUnknown(attempt, refund, answer);
		AskAgain(attempt);
	}
}

/* What the gateway says now is not what it said before: a person must look. */
static void
Contradicted(Attempt *attempt, const char *kind, const NapsAnswer *answer)
{
	JsonObject	data;

	JsonOpen(&data);
	JsonText(&data, "status", attempt->status);
	JsonText(&data, "code", answer->code);
	JsonText(&data, "text", answer->text);
	ExceptionRaise(attempt, NULL, kind, JsonClose(&data));
}

static void
EndSmokeTest(void *argument)
{
	(void) AttemptRun(argument, &end_smoke_test);
}

/* An order of the go-live check goes back; what is seen is kept, whatever becomes of that. */
static void
EndSmokeTestApart(Attempt *attempt)
{
	ErrorData  *error = SubtransactionRun(EndSmokeTest, attempt);

	if (error != NULL)
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("washminute worker: the test of the card gateway cannot be paid back attempt=%s error=\"%s\"",
						attempt->gateway_order_id, error->message)));
}

static void
Approved(Attempt *attempt, NapsStatus status, const NapsAnswer *answer)
{
	Refund		refund;

	if (AttemptIsStatus(attempt, "integrity"))
	{
		/* how much was charged only the callback said: a person decides */
		(void) AttemptRun(attempt, &set_charged);
		PaymentRefresh(&attempt->payment_id);
		AskAgain(attempt);
		return;
	}
	if (AttemptIsStatus(attempt, "reversed"))
	{
		/* of a reversal the gateway may know nothing for a moment; later it is another sale */
		if (ClockNow() > attempt->final_at + SWITCH_PATIENCE)
			Contradicted(attempt, "second_sale", answer);
		AskAgain(attempt);
		return;
	}
	(void) AttemptSucceeded(attempt);
	ExceptionEnd(attempt, NULL, "success_contradicted", "approved");
	AttemptConfirmed(attempt);
	if (status == NAPS_STATUS_CAPTURED)
		(void) AttemptMove(attempt, "captured");
	else if (status == NAPS_STATUS_SETTLED)
		(void) AttemptMove(attempt, "settled");
	else if (AttemptRun(attempt, &take_capture) > 0)
		AttemptQueueCapture(attempt);	/* it did not happen: once more */
	else if (!attempt->is_confirmed)
		AttemptInquireAt(attempt, ClockNow() + CONFIRM_AGAIN);
	else if (ClockNow() < attempt->created_at + RECHECK_FOR)
		AttemptInquireDaily(attempt);	/* until it is captured */

	if (RefundOfAttempt(attempt, "unknown", "unknown", &refund))
		JudgeRefundOfApproved(attempt, &refund, status, answer);
	else if (attempt->surplus)
		AttemptGiveBack(attempt);
	else if (attempt->paid_by_this)
		EndSmokeTestApart(attempt);
}

/* Nobody can have its link: it is given up, and the customer is got another one. */
static void
GiveUp(Attempt *attempt)
{
	Arguments	arguments = {0};

	if (!AttemptMove(attempt, "expired") || attempt->payment_ended || attempt->order_paid)
		return;
	ArgumentDatum(&arguments, UUIDPGetDatum(&attempt->payment_id));
	StatementRunOne(&count_attempts, &arguments);
	if (RowInt64(0, 1) < ATTEMPTS_MAX && !RowBool(0, 2))
		AttemptMake(&attempt->payment_id, attempt->amount, attempt->save_card, NULL);
}

/*
 * A link was asked for, and not got.  A saved card is charged by the call itself, so that
 * there is nothing to give up: another attempt might charge it twice.
 */
static bool
IsWithoutLink(const Attempt *attempt)
{
	return AttemptIsStatus(attempt, "unknown") && attempt->link == NULL && !attempt->by_card;
}

static bool
IsOld(const Attempt *attempt)
{
	return ClockNow() - attempt->created_at > PATIENCE;
}

/* Has an attempt that is under way waited for long enough for what the gateway cannot tell? */
static bool
IsOverdue(const Attempt *attempt)
{
	return IsOld(attempt) ||
		(AttemptIsLive(attempt) && attempt->by_card && attempt->link == NULL &&
		 attempt->dispatched_at != DT_NOEND && ClockNow() - attempt->dispatched_at >= CARD_PATIENCE);
}

/* It was charged, by the callback's word, and the gateway denies that. */
static bool
IsDenied(Attempt *attempt, const NapsAnswer *answer)
{
	Refund		refund;

	if (!attempt->charged || AttemptIsStatus(attempt, "reversed"))
		return false;
	Contradicted(attempt, "success_contradicted", answer);
	if (RefundOfAttempt(attempt, "unknown", "unknown", &refund))
		RefundStaysUnknown(attempt, &refund, answer);
	AskAgain(attempt);
	return true;
}

/* Not approved, and not refused either. */
static void
StillOpen(Attempt *attempt, const NapsAnswer *answer)
{
	if (IsDenied(attempt, answer))
		return;
	if (IsWithoutLink(attempt))
		GiveUp(attempt);
	else if (AttemptIsLive(attempt) &&
			 (attempt->payment_ended || (attempt->by_card && IsOverdue(attempt))))
		(void) AttemptMove(attempt, "expired");
	AttemptInquireLater(attempt);
}

static void
Declined(Attempt *attempt, const NapsAnswer *answer)
{
	JsonObject	data;

	if (IsDenied(attempt, answer))
		return;

	if (AttemptIsLive(attempt) && AttemptMove(attempt, "declined"))
	{
		PaymentData(attempt, &data);
		PaymentEvent(attempt, "paymentDeclined", JsonClose(&data));
	}
	AttemptInquireLater(attempt);
}

static void
Cancelled(Attempt *attempt, const NapsAnswer *answer)
{
	Refund		refund;

	if (!attempt->charged && !AttemptIsStatus(attempt, "integrity"))
	{
		Declined(attempt, answer);
		return;
	}

	if (RefundOfAttempt(attempt, "unknown", "unknown", &refund))
	{
		if (refund.is_rest)
			RefundMove(&refund, "reversed", "reversal");
		else
		{
			RefundStaysUnknown(attempt, &refund, answer);
			AskAgain(attempt);
		}
		return;
	}

	/* what we have just sent */
	if (AttemptIsStatus(attempt, "reversed") ||
		RefundOfAttempt(attempt, "dispatched", "dispatched", &refund))
		return;
	ExceptionEnd(attempt, NULL, "amount_differs", "reversed by the gateway");
	AttemptTakenBack(attempt);
}

static void
Refunded(Attempt *attempt, const NapsAnswer *answer)
{
	Refund		refund;

	if (AttemptIsLive(attempt))
	{
		/* approved, and paid back by somebody else */
		Contradicted(attempt, "attempt_unknown", answer);
		AskAgain(attempt);
		return;
	}
	if (!RefundOfAttempt(attempt, "unknown", "unknown", &refund))
		return;
	if (strcmp(refund.method, "refund") == 0 && refund.is_first)
		RefundMove(&refund, "accepted", NULL);
	else
	{
		RefundStaysUnknown(attempt, &refund, answer);
		AskAgain(attempt);
	}
}

static void
RefundDeclined(Attempt *attempt, const NapsAnswer *answer)
{
	Refund		refund;

	if (!RefundOfAttempt(attempt, "unknown", "unknown", &refund))
		return;
	if (refund.is_first && strcmp(refund.method, "refund") == 0)
		RefundMove(&refund, "failed", NULL);
	else
	{
		RefundStaysUnknown(attempt, &refund, answer);
		AskAgain(attempt);
	}
}

/* The gateway cannot say. */
static void
CannotSay(Attempt *attempt, const NapsAnswer *answer)
{
	Refund		refund;

	if (RefundOfAttempt(attempt, "unknown", "unknown", &refund))
	{
		if (IsOld(attempt))
			RefundStaysUnknown(attempt, &refund, answer);
		AskAgain(attempt);
		return;
	}
	if (IsWithoutLink(attempt) && answer->code != NULL)
	{
		/* whether it knows the order or not, nobody can pay it */
		GiveUp(attempt);
	}
	else if (IsOverdue(attempt) && (attempt->link != NULL || attempt->by_card) && !attempt->is_confirmed)
	{
		/* it may be paid where we took it for over, or taken back where we were told of it */
		JsonObject	data;

		JsonOpen(&data);
		JsonText(&data, "lastCode", answer->code);
		JsonText(&data, "lastText", answer->text);
		ExceptionRaise(attempt, NULL, "attempt_unknown", JsonClose(&data));
	}
	AttemptInquireLater(attempt);
}

void
InquiryRecord(Attempt *attempt, const NapsAnswer *answer)
{
	NapsStatus	status = NapsStatusOf(answer);

	switch (status)
	{
		case NAPS_STATUS_APPROVED:
		case NAPS_STATUS_CAPTURED:
		case NAPS_STATUS_SETTLED:
			Approved(attempt, status, answer);
			break;
		case NAPS_STATUS_OPEN:
		case NAPS_STATUS_NONE:
			StillOpen(attempt, answer);
			break;
		case NAPS_STATUS_DECLINED:
			Declined(attempt, answer);
			break;
		case NAPS_STATUS_CANCELLED:
			Cancelled(attempt, answer);
			break;
		case NAPS_STATUS_REFUNDED:
			Refunded(attempt, answer);
			break;
		case NAPS_STATUS_REFUND_DECLINED:
			RefundDeclined(attempt, answer);
			break;
		case NAPS_STATUS_UNKNOWN:
			CannotSay(attempt, answer);
			break;
	}
	if (!AttemptIsLive(attempt) && status != NAPS_STATUS_UNKNOWN && status != NAPS_STATUS_REFUNDED)
		ExceptionEnd(attempt, NULL, "attempt_unknown", attempt->status);
}
