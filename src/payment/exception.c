/*-------------------------------------------------------------------------
 *
 * exception.c
 *		An administrator decides what no rule can.
 *
 * What can be decided about which kind of exception are rows of
 * washminute_data.payment_exception_decisions; what each does stands here.  The
 * exception is closed first: evidence that the decision makes is not to close it again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "base/argument.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/money.h"
#include "base/statement.h"
#include "base/user.h"
#include "outbox/enqueue.h"
#include "payment/ledger.h"
#include "payment/payment.h"

COMMAND(resolve_exception, 1);

static Statement select_exception = {
	"SELECT e.kind, e.attempt_id, e.refund_id, e.line_id, e.data->>'difference', e.decision, e.resolved_by,"
	"       r.request_id, p.order_id, e.since"
	"  FROM washminute_data.payment_exceptions AS e"
	"  LEFT JOIN washminute_data.payments AS p ON p.payment_id = e.payment_id"
	"  LEFT JOIN washminute_data.washing_requests AS r ON r.order_id = p.order_id"
	" WHERE e.exception_id = $1",
	1, {UUIDOID}
};

static Statement select_decision = {
	"SELECT pg_catalog.bool_or(decision = $2), pg_catalog.string_agg(decision, ', ' ORDER BY decision)"
	"  FROM washminute_data.payment_exception_decisions WHERE kind = $1",
	2, {TEXTOID, TEXTOID}
};

static Statement update_exception = {
	"UPDATE washminute_data.payment_exceptions"
	"   SET resolved_at = $2, resolved_by = $3, decision = $4, reason = $5"
	" WHERE exception_id = $1 AND resolved_at IS NULL",
	5, {UUIDOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, TEXTOID}
};

static Statement set_line_matched = {
	"UPDATE washminute_data.settlement_lines AS l SET outcome = 'matched'"
	"  FROM washminute_data.payment_attempts AS a"
	" WHERE l.line_id = $1 AND a.attempt_id = l.attempt_id AND l.kind = 'sale' AND l.amount = a.amount"
	" RETURNING l.line_id",
	1, {INT8OID}
};

/* An exception, with what it is about, locked. */
typedef struct Exception
{
	char	   *id;				/* as text */
	char	   *kind;
	char	   *decision;		/* NULL while it is open, as the next */
	char	   *resolved_by;
	TimestampTz since;
	const char *admin_id;
	bool		has_attempt;
	bool		has_refund;
	bool		has_line;
	pg_uuid_t	attempt_id;
	pg_uuid_t	refund_id;
	int64		line_id;
	char	   *difference;		/* MAD, theirs less ours; NULL where it is about no line */
	bool		has_order;
	pg_uuid_t	request_id;
	pg_uuid_t	order_id;
	Attempt		attempt;
	Refund		refund;
} Exception;

/* The present state is not one that this can be decided in. */
pg_noreturn static void
RefuseState(const char *status)
{
	ErrorRaiseText(WM_PAYMENT_STATE, "status", status);
}

/* The refund, unless something else has come of it. */
static Refund *
RequireRefund(Exception *exception, const char *status)
{
	if (!exception->has_refund || strcmp(exception->refund.status, status) != 0)
		RefuseState(exception->has_refund ? exception->refund.status : "none");
	return &exception->refund;
}

static Attempt *
RequireAttempt(Exception *exception)
{
	if (!exception->has_attempt)
		RefuseState("none");
	return &exception->attempt;
}

/* Nothing of ours changes. */
static void
Nothing(Exception *exception)
{
}

static void
RefundPaidBack(Exception *exception)
{
	Refund	   *refund = RequireRefund(exception, "unknown");

	RefundMove(refund, strcmp(refund->method, "reversal") == 0 ? "reversed" : "accepted", NULL);
}

static void
RefundNotPaidBack(Exception *exception)
{
	RefundMove(RequireRefund(exception, "unknown"), "failed", NULL);
}

static void
RefundSendUnknownAgain(Exception *exception)
{
	RefundMove(RequireRefund(exception, "unknown"), "requested", NULL);
	RefundQueue(&exception->refund_id, DT_NOBEGIN);
}

/*
 * One that was granted has been booked back: the administrator grants another.  Of what is
 * owed, what he has granted meanwhile is a part.
 */
static Refund *
RequireOwed(Exception *exception)
{
	Refund	   *refund = RequireRefund(exception, "failed");

	if (refund->is_granted)
		RefuseState("granted");
	RefundCut(refund);
	return refund;
}

/* It was refused, and has gone back all the same. */
static void
RefundFailedPaidBack(Exception *exception)
{
	Refund	   *refund = RequireRefund(exception, "failed");
	bool		is_refund = refund->method != NULL && strcmp(refund->method, "refund") == 0;

	RefundRequireRoom(&refund->attempt, refund->amount);
	if (refund->is_granted)
		RefundGrantAgain(refund, exception->admin_id);
	RefundMove(refund, is_refund ? "accepted" : "reversed", is_refund ? "refund" : "reversal");
}

static void
RefundSendFailedAgain(Exception *exception)
{
	RefundMove(RequireOwed(exception), "requested", NULL);
	RefundQueue(&exception->refund_id, DT_NOBEGIN);
}

static void
RefundPaidOutside(Exception *exception)
{
	RefundMove(RequireOwed(exception), "outside", NULL);
}

static void
RefundClosed(Exception *exception)
{
	Refund	   *refund = RequireRefund(exception, "failed");

	if (refund->is_granted)
		return;
	if (!RefundIsMoot(refund))
		RefuseState("owed");
	RefundBookBack(refund);
}

static void
Charged(Exception *exception)
{
	Attempt    *attempt = RequireAttempt(exception);

	if (AttemptIsStatus(attempt, "integrity") || AttemptIsStatus(attempt, "reversed"))
		RefuseState(attempt->status);
	if (!AttemptSucceeded(attempt))
	{
		/* a prepared one cannot have been */
		if (!attempt->charged)
			RefuseState(attempt->status);
		AttemptGiveBack(attempt);
	}
	AttemptConfirmed(attempt);
}

static void
NotCharged(Exception *exception)
{
	Attempt    *attempt = RequireAttempt(exception);

	if (AttemptIsLive(attempt))
		(void) AttemptMove(attempt, "expired");
	else if (attempt->charged && !AttemptIsStatus(attempt, "reversed"))
		AttemptTakenBack(attempt);
}

/* Unless evidence has come since it was raised that it was. */
static void
UnknownNotCharged(Exception *exception)
{
	Attempt    *attempt = RequireAttempt(exception);

	if (attempt->charged && attempt->final_at >= exception->since)
		RefuseState(attempt->status);
	NotCharged(exception);
}

static void
AmountReturned(Exception *exception)
{
	Attempt    *attempt = RequireAttempt(exception);

	if (AttemptIsStatus(attempt, "integrity"))
		AttemptVoided(attempt);
	else if (attempt->charged && !AttemptIsStatus(attempt, "reversed"))
		AttemptTakenBack(attempt);
}

static void
AmountAccepted(Exception *exception)
{
	Attempt    *attempt = RequireAttempt(exception);

	if (!attempt->paid_by_this)
		RefuseState(attempt->status);
}

static void
WrittenOff(Exception *exception)
{
	Attempt    *attempt = RequireAttempt(exception);

	if (!RefundHappened(attempt, "the gateway took it back",
						psprintf("taken_back:%s", attempt->gateway_order_id), exception->admin_id))
		RefuseState(attempt->status);
}

/* What a statement has more than we the platform keeps, what it has less it bears. */
static void
DifferenceBooked(Exception *exception)
{
	bool		is_less = exception->difference != NULL && exception->difference[0] == '-';
	int64		amount = exception->difference != NULL ?
		NapsCentimes(exception->difference + is_less) : -1;

	if (amount <= 0)
		RefuseState("none");
	LedgerTransfer(is_less ? ACCOUNT_PLATFORM_REVENUE : ACCOUNT_CARD_CLEARING,
				   is_less ? ACCOUNT_CARD_CLEARING : ACCOUNT_PLATFORM_REVENUE, amount,
				   "settlement_difference", exception->has_order ? &exception->order_id : NULL,
				   exception->admin_id, exception->id);
}

/* A statement proves a charge of which we knew nothing. */
static void
LineCharged(Exception *exception)
{
	Arguments	arguments = {0};

	if (RequireAttempt(exception)->charged)
		RefuseState(exception->attempt.status);

	/* a line of another amount, or of a refund, proves no charge of this one */
	ArgumentDatum(&arguments, Int64GetDatum(exception->line_id));
	if (StatementRun(&set_line_matched, &arguments) == 0)
		RefuseState(exception->attempt.status);
	Charged(exception);
}

static const struct
{
	const char *kind;
	const char *decision;
	void		(*apply) (Exception *exception);
}			effects[] = {
	{"refund_unknown", "paid_back", RefundPaidBack},
	{"refund_unknown", "send_again", RefundSendUnknownAgain},
	{"refund_unknown", "not_paid_back", RefundNotPaidBack},
	{"refund_failed", "send_again", RefundSendFailedAgain},
	{"refund_failed", "paid_outside", RefundPaidOutside},
	{"refund_failed", "paid_back", RefundFailedPaidBack},
	{"refund_failed", "closed", RefundClosed},
	{"attempt_unknown", "charged", Charged},
	{"attempt_unknown", "not_charged", UnknownNotCharged},
	{"success_contradicted", "charged", Charged},
	{"success_contradicted", "not_charged", NotCharged},
	{"amount_differs", "returned", AmountReturned},
	{"amount_differs", "accepted", AmountAccepted},
	{"second_sale", "returned", Nothing},
	{"second_sale", "not_charged", Nothing},
	{"reversed_in_hand", "stands", Nothing},
	{"reversed_in_hand", "written_off", WrittenOff},
	{"settlement_differs", "explained", Nothing},
	{"settlement_differs", "booked", DifferenceBooked},
	{"settlement_only_theirs", "explained", Nothing},
	{"settlement_only_theirs", "booked", DifferenceBooked},
	{"settlement_only_theirs", "charged", LineCharged},
	{"settlement_only_ours", "explained", Nothing},
	{"settlement_only_ours", "booked", DifferenceBooked}
};

static void
Apply(Exception *exception, const char *decision)
{
	for (int i = 0; i < lengthof(effects); i++)
		if (strcmp(effects[i].kind, exception->kind) == 0 &&
			strcmp(effects[i].decision, decision) == 0)
		{
			effects[i].apply(exception);
			return;
		}
	elog(ERROR, "decision %s of %s is not written", decision, exception->kind);
}

/* Read it; an error where there is none. */
static void
ExceptionRead(const pg_uuid_t *exception_id, Exception *exception)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(exception_id));
	if (StatementRun(&select_exception, &arguments) == 0)
		ErrorRaise(WM_EXCEPTION_NOT_FOUND, NULL);
	exception->kind = RowText(0, 1);
	exception->has_attempt = !RowIsNull(0, 2);
	if (exception->has_attempt)
		exception->attempt_id = *RowUuid(0, 2);
	exception->has_refund = !RowIsNull(0, 3);
	if (exception->has_refund)
		exception->refund_id = *RowUuid(0, 3);
	exception->has_line = !RowIsNull(0, 4);
	exception->line_id = RowInt64(0, 4);
	exception->difference = RowText(0, 5);
	exception->decision = RowText(0, 6);
	exception->resolved_by = RowText(0, 7);
	exception->since = RowTime(0, 10);
	exception->has_order = !RowIsNull(0, 9);
	if (exception->has_order)
	{
		exception->request_id = *RowUuid(0, 8);
		exception->order_id = *RowUuid(0, 9);
	}
}

/* Raise unless it is open, and can be decided so. */
static void
RequireOpen(const Exception *exception, const char *decision)
{
	Arguments	arguments = {0};
	JsonObject	facts;

	if (exception->decision != NULL)
	{
		JsonOpen(&facts);
		JsonText(&facts, "decision", exception->decision);
		JsonText(&facts, "resolvedBy", exception->resolved_by);
		ErrorRaise(WM_EXCEPTION_RESOLVED, JsonClose(&facts));
	}
	ArgumentText(&arguments, exception->kind);
	ArgumentText(&arguments, decision);
	StatementRunOne(&select_decision, &arguments);
	if (!RowBool(0, 1))
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "decision", psprintf("be one of %s", RowText(0, 2)));
}

/* Close it; false where somebody else has, whom no lock of a request kept from it. */
static bool
Close(const pg_uuid_t *exception_id, const char *admin_id, const char *decision, const char *reason)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(exception_id));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	ArgumentText(&arguments, admin_id);
	ArgumentText(&arguments, decision);
	ArgumentText(&arguments, reason);
	return StatementRun(&update_exception, &arguments) > 0;
}

/* Tell of it, with the request's status as it is now. */
static void
Tell(Exception *exception, const char *decision, const char *reason)
{
	JsonObject	data;

	if (exception->has_attempt)
	{
		(void) AttemptRead(&exception->attempt_id, &exception->attempt);
		PaymentData(&exception->attempt, &data);
	}
	else
		JsonOpen(&data);
	JsonText(&data, "exceptionId", exception->id);
	JsonText(&data, "kind", exception->kind);
	JsonText(&data, "decision", decision);
	JsonText(&data, "reason", reason);
	EventRecord("paymentExceptionResolved", exception->has_attempt ? &exception->request_id : NULL,
				exception->admin_id, JsonClose(&data));
}

/* resolve_exception(exception_id, admin_id, decision, reason) */
static Datum
resolve_exception_body(FunctionCallInfo fcinfo)
{
	pg_uuid_t  *exception_id = ArgumentUuid(fcinfo, 0, "exception_id");
	char	   *admin_id = ArgumentId(fcinfo, 1, "admin_id");
	char	   *decision = ArgumentRequiredText(fcinfo, 2, "decision", ID_MAX);
	char	   *reason = ArgumentRequiredText(fcinfo, 3, "reason", REASON_MAX);
	Exception	exception = {.id = UuidText(exception_id), .admin_id = admin_id};

	UserRequireKind(admin_id, "admin");
	ExceptionRead(exception_id, &exception);
	if (exception.has_order)
	{
		LockRequest(&exception.request_id);
		ExceptionRead(exception_id, &exception);
	}
	RequireOpen(&exception, decision);
	if (exception.has_attempt)
		(void) AttemptLock(&exception.attempt_id, &exception.attempt);
	if (exception.has_refund)
		(void) RefundLock(&exception.refund_id, &exception.refund);
	ForceSyncCommit();
	if (!Close(exception_id, admin_id, decision, reason))
	{
		ExceptionRead(exception_id, &exception);
		RequireOpen(&exception, decision);
	}
	Apply(&exception, decision);
	if (exception.has_attempt)
		PaymentRefresh(&exception.attempt.payment_id);
	Tell(&exception, decision, reason);
	PG_RETURN_VOID();
}
