/*-------------------------------------------------------------------------
 *
 * refund.c
 *		Money that goes back to a customer's card.
 *
 * The gateway knows no idempotency key for refunds, and each repeated call is one
 * more.  So a refund is sent once; what becomes of one that was not answered is
 * asked for, and never guessed (gateway.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/argument.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/idempotency.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/money.h"
#include "base/statement.h"
#include "base/user.h"
#include "outbox/enqueue.h"
#include "payment/ledger.h"
#include "payment/payment.h"

COMMAND(request_refund, -1);

/* What reason_key of a refund begins with that an administrator grants. */
#define GRANTED "key:"

static Statement insert_refund = {
	"INSERT INTO washminute_data.refunds"
	"  (refund_id, payment_id, attempt_id, amount, reason, reason_key, requested_by, created_at, updated_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)"
	" ON CONFLICT DO NOTHING",
	8, {UUIDOID, UUIDOID, UUIDOID, NUMERICOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID}
};

#define REFUND_COLUMNS \
	"SELECT f.refund_id, f.amount, f.status, f.method, f.resent, f.attempt_id," \
	"       NOT EXISTS (SELECT FROM washminute_data.refunds AS e" \
	"                    WHERE e.attempt_id = f.attempt_id AND e.refund_id <> f.refund_id" \
	"                      AND e.method = 'refund' AND e.status NOT IN ('requested', 'failed'))," \
	"       f.amount + COALESCE((SELECT pg_catalog.sum(e.amount) FROM washminute_data.refunds AS e" \
	"                             WHERE e.attempt_id = f.attempt_id AND e.refund_id <> f.refund_id" \
	"                               AND e.status = 'reversed'), 0)" \
	"         = (SELECT a.amount FROM washminute_data.payment_attempts AS a WHERE a.attempt_id = f.attempt_id)," \
	"       f.dispatched_at, f.reason_key" \
	"  FROM washminute_data.refunds AS f"

static Statement select_refund = {
	REFUND_COLUMNS " WHERE f.refund_id = $1", 1, {UUIDOID}
};

static Statement select_of_attempt = {
	REFUND_COLUMNS " WHERE f.attempt_id = $1 AND f.status IN ($2, $3) ORDER BY f.created_at LIMIT 1",
	3, {UUIDOID, TEXTOID, TEXTOID}
};

/* It has failed, and nobody has booked back what it was to pay: that is still owed. */
#define IS_STILL_OWED \
	"(f.status = 'failed' AND NOT EXISTS (SELECT FROM washminute_data.transfers AS v" \
	"                                      WHERE v.purpose = 'refund_void' AND v.reason = f.refund_id::pg_catalog.text))"

/* Nothing of what is captured can have been reversed, so that there a failed one stays as it is. */
static Statement sum_to_go = {
	"SELECT COALESCE(pg_catalog.sum(f.amount), 0) >= a.amount"
	"  FROM washminute_data.payment_attempts AS a"
	"  LEFT JOIN washminute_data.refunds AS f"
	"         ON f.attempt_id = a.attempt_id"
	"        AND (f.status IN ('requested', 'reversed') OR (a.status NOT IN ('captured', 'settled') AND " IS_STILL_OWED "))"
	" WHERE a.attempt_id = $1 GROUP BY a.attempt_id",
	1, {UUIDOID}
};

static Statement select_owed = {
	REFUND_COLUMNS " WHERE f.attempt_id = $1 AND " IS_STILL_OWED " ORDER BY f.created_at LIMIT 1",
	1, {UUIDOID}
};

static Statement update_amount = {
	"UPDATE washminute_data.refunds SET amount = $2 WHERE refund_id = $1",
	2, {UUIDOID, NUMERICOID}
};

static Statement update_refund = {
	"UPDATE washminute_data.refunds"
	"   SET status = $2, method = COALESCE($3, method), updated_at = $4,"
	"       dispatched_at = CASE WHEN $2 = 'dispatched' THEN $4 ELSE dispatched_at END"
	" WHERE refund_id = $1",
	4, {UUIDOID, TEXTOID, TEXTOID, TIMESTAMPTZOID}
};

static Statement select_payment = {
	"SELECT r.request_id FROM washminute_data.payments AS p"
	"  JOIN washminute_data.washing_requests AS r ON r.order_id = p.order_id"
	" WHERE p.payment_id = $1",
	1, {UUIDOID}
};

/* What is left of the money that paid the order; surplus money goes back by itself. */
static Statement select_paid = {
	"SELECT p.paid_by, a.charged - COALESCE((SELECT pg_catalog.sum(f.amount) FROM washminute_data.refunds AS f"
	"                                         WHERE f.attempt_id = p.paid_by AND f.status <> 'failed'), 0)"
	"  FROM washminute_data.payments AS p"
	"  LEFT JOIN washminute_data.payment_attempts AS a ON a.attempt_id = p.paid_by"
	" WHERE p.payment_id = $1",
	1, {UUIDOID}
};

static Statement select_left = {
	"SELECT a.charged - COALESCE((SELECT pg_catalog.sum(f.amount) FROM washminute_data.refunds AS f"
	"                              WHERE f.attempt_id = a.attempt_id AND f.status <> 'failed'), 0)"
	"  FROM washminute_data.payment_attempts AS a WHERE a.attempt_id = $1",
	1, {UUIDOID}
};

static Statement update_order_refunded = {
	"UPDATE washminute_data.orders SET status = 'refunded', updated_at = $2"
	" WHERE order_id = $1 AND status = 'cancelled'"
	"   AND EXISTS (SELECT FROM washminute_data.refunds AS f"
	"                 JOIN washminute_data.payments AS p ON p.payment_id = f.payment_id"
	"                WHERE p.order_id = $1 AND f.reason_key = 'order_ended'"
	"                  AND f.status IN ('accepted', 'reversed', 'settled', 'outside'))",
	2, {UUIDOID, TIMESTAMPTZOID}
};

static Statement select_of_order = {
	"SELECT payment_id, paid_by FROM washminute_data.payments WHERE order_id = $1",
	1, {UUIDOID}
};

static Statement end_payment = {
	"UPDATE washminute_data.payments SET ended = true WHERE payment_id = $1",
	1, {UUIDOID}
};

static Statement select_live = {
	"SELECT attempt_id FROM washminute_data.payment_attempts"
	" WHERE payment_id = $1 AND status IN ('prepared', 'dispatched', 'awaiting', 'unknown')",
	1, {UUIDOID}
};

/* Copy the row that was just read. */
static void
ReadRow(Refund *refund)
{
	pg_uuid_t  *attempt_id = RowUuid(0, 6);

	*refund = (Refund) {
		.refund_id = *RowUuid(0, 1),
		.amount = RowMoney(0, 2),
		.status = RowText(0, 3),
		.method = RowText(0, 4),
		.resent = RowBool(0, 5),
		.is_first = RowBool(0, 7),
		.is_rest = RowBool(0, 8),
		.dispatched_at = RowIsNull(0, 9) ? DT_NOBEGIN : RowTime(0, 9),
		.is_granted = strncmp(RowText(0, 10), GRANTED, strlen(GRANTED)) == 0
	};
	(void) AttemptRead(attempt_id, &refund->attempt);
}

bool
RefundReadIfFree(const pg_uuid_t *refund_id, Refund *refund, bool *is_free)
{
	Arguments	arguments = {0};

	*is_free = true;
	ArgumentDatum(&arguments, UUIDPGetDatum(refund_id));
	if (StatementRun(&select_refund, &arguments) == 0)
		return false;
	if (!AttemptLockIfFree(RowUuid(0, 6), &refund->attempt, is_free))
		return false;
	StatementRunOne(&select_refund, &arguments);
	ReadRow(refund);
	return true;
}

bool
RefundLock(const pg_uuid_t *refund_id, Refund *refund)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(refund_id));
	if (StatementRun(&select_refund, &arguments) == 0 || !AttemptLock(RowUuid(0, 6), &refund->attempt))
		return false;
	StatementRunOne(&select_refund, &arguments);
	ReadRow(refund);
	return true;
}

bool
RefundOfAttempt(const Attempt *attempt, const char *status, const char *or_status,
				Refund *refund)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(&attempt->attempt_id));
	ArgumentText(&arguments, status);
	ArgumentText(&arguments, or_status);
	if (StatementRun(&select_of_attempt, &arguments) == 0)
		return false;
	ReadRow(refund);
	return true;
}

static bool
IsPaidBack(const char *status)
{
	return strcmp(status, "accepted") == 0 || strcmp(status, "reversed") == 0 ||
		strcmp(status, "settled") == 0 || strcmp(status, "outside") == 0;
}

/* An order that came to nothing is refunded, once that has happened. */
static void
OrderIsRefunded(const Attempt *attempt)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(&attempt->order_id));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	(void) StatementRun(&update_order_refunded, &arguments);
}

/* Tell of a refund that has moved. */
static void
TellRefund(const Refund *refund, const char *event)
{
	JsonObject	data;

	PaymentData(&refund->attempt, &data);
	JsonUuid(&data, "refundId", &refund->refund_id);
	JsonMoney(&data, "refunded", refund->amount);
	PaymentEvent(&refund->attempt, event, JsonClose(&data));
}

void
RefundMove(Refund *refund, const char *status, const char *method)
{
	bool		was_paid_back = IsPaidBack(refund->status);
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(&refund->refund_id));
	ArgumentText(&arguments, status);
	ArgumentText(&arguments, method);
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	StatementRunOne(&update_refund, &arguments);
	refund->status = pstrdup(status);
	if (method != NULL)
		refund->method = pstrdup(method);

	if (IsPaidBack(status) && !was_paid_back)
	{
		bool		is_outside = strcmp(status, "outside") == 0;

		LedgerTransfer(ACCOUNT_REFUNDS_PAYABLE,
					   is_outside ? ACCOUNT_CASH_SETTLEMENT : ACCOUNT_CARD_CLEARING, refund->amount,
					   is_outside ? "refund_outside" : "refund", &refund->attempt.order_id, NULL,
					   UuidText(&refund->refund_id));
		ExceptionEnd(&refund->attempt, &refund->refund_id, "refund_unknown", status);
		ExceptionEnd(&refund->attempt, &refund->refund_id, "refund_failed", status);
		if (strcmp(status, "reversed") == 0 && refund->is_rest)
			(void) AttemptMove(&refund->attempt, "reversed");
	}
	PaymentRefresh(&refund->attempt.payment_id);
	if (IsPaidBack(status) && !was_paid_back)
	{
		OrderIsRefunded(&refund->attempt);
		TellRefund(refund, "paymentRefunded");
	}
	if (strcmp(status, "failed") == 0)
	{
		JsonObject	data;

		/* what the platform gave for it is the platform's again */
		if (refund->is_granted)
			RefundBookBack(refund);
		JsonOpen(&data);
		JsonMoney(&data, "amount", refund->amount);
		JsonText(&data, "method", refund->method);
		ExceptionEnd(&refund->attempt, &refund->refund_id, "refund_unknown", status);
		ExceptionRaise(&refund->attempt, &refund->refund_id, "refund_failed", JsonClose(&data));
		TellRefund(refund, "refundFailed");
	}
}

/* Add a row; false where there was one for that reason. */
static bool
InsertRefund(const Attempt *attempt, int64 amount, const char *reason, const char *reason_key,
			 const char *requested_by, pg_uuid_t *refund_id)
{
	Arguments	arguments = {0};

	*refund_id = *DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, 0));
	ArgumentDatum(&arguments, UUIDPGetDatum(refund_id));
	ArgumentDatum(&arguments, UUIDPGetDatum(&attempt->payment_id));
	ArgumentDatum(&arguments, UUIDPGetDatum(&attempt->attempt_id));
	ArgumentDatum(&arguments, MoneyToNumeric(amount));
	ArgumentText(&arguments, reason);
	ArgumentText(&arguments, reason_key);
	ArgumentText(&arguments, requested_by);
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	if (StatementRun(&insert_refund, &arguments) == 0)
		return false;
	PaymentRefresh(&attempt->payment_id);
	return true;
}

bool
RefundMake(const Attempt *attempt, int64 amount, const char *reason,
		   const char *reason_key, const char *requested_by, pg_uuid_t *refund_id)
{
	if (!InsertRefund(attempt, amount, reason, reason_key, requested_by, refund_id))
		return false;
	RefundQueue(refund_id, DT_NOBEGIN);
	return true;
}

/* What is left of an attempt's money, in centimes. */
static int64
LeftOf(const Attempt *attempt)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(&attempt->attempt_id));
	StatementRunOne(&select_left, &arguments);
	return RowMoney(0, 1);
}

static void
RequireRoom(int64 left, int64 amount)
{
	JsonObject	facts;

	if (amount <= left)
		return;
	JsonOpen(&facts);
	JsonMoney(&facts, "refundable", left);
	ErrorRaise(WM_REFUND_TOO_HIGH, JsonClose(&facts));
}

void
RefundRequireRoom(const Attempt *attempt, int64 amount)
{
	RequireRoom(LeftOf(attempt), amount);
}

/* The platform gets back what was to pay so much of a refund; what it is for makes the booking unique. */
static void
BookBack(const Refund *refund, int64 amount, const char *what)
{
	LedgerTransfer(ACCOUNT_REFUNDS_PAYABLE, ACCOUNT_PLATFORM_REVENUE, amount, "refund_void",
				   &refund->attempt.order_id, NULL, what);
}

void
RefundCut(Refund *refund)
{
	int64		left = LeftOf(&refund->attempt);
	Arguments	update = {0};
	Arguments	read = {0};

	if (refund->amount <= left)
		return;
	RequireRoom(left, left > 0 ? left : refund->amount);
	BookBack(refund, refund->amount - left,
			 psprintf("%s: but for %s", UuidText(&refund->refund_id), MoneyText(left)));
	ArgumentDatum(&update, UUIDPGetDatum(&refund->refund_id));
	ArgumentDatum(&update, MoneyToNumeric(left));
	StatementRunOne(&update_amount, &update);
	ArgumentDatum(&read, UUIDPGetDatum(&refund->refund_id));
	StatementRunOne(&select_refund, &read);
	ReadRow(refund);
}

bool
RefundIsMoot(const Refund *refund)
{
	return LeftOf(&refund->attempt) <= 0;
}

void
RefundBookBack(const Refund *refund)
{
	BookBack(refund, refund->amount, UuidText(&refund->refund_id));
}

void
RefundGrantAgain(const Refund *refund, const char *admin_id)
{
	LedgerTransfer(ACCOUNT_PLATFORM_REVENUE, ACCOUNT_REFUNDS_PAYABLE, refund->amount, "refund_granted",
				   &refund->attempt.order_id, admin_id, psprintf("%s: after all", UuidText(&refund->refund_id)));
}

/* What was owed of an attempt's money, and failed to go back, has gone: is there any? */
static bool
OwedHasGone(const Attempt *attempt)
{
	Arguments	arguments = {0};
	Refund		refund;
	bool		is_any = false;

	ArgumentDatum(&arguments, UUIDPGetDatum(&attempt->attempt_id));
	while (LeftOf(attempt) > 0 && StatementRun(&select_owed, &arguments) > 0)
	{
		ReadRow(&refund);
		RefundCut(&refund);
		RefundMove(&refund, "reversed", "reversal");
		is_any = true;
	}
	return is_any;
}

bool
RefundsOfTakenBack(Attempt *attempt)
{
	Arguments	arguments = {0};
	bool		is_all;
	Refund		refund;

	ArgumentDatum(&arguments, UUIDPGetDatum(&attempt->attempt_id));
	StatementRunOne(&sum_to_go, &arguments);
	is_all = RowBool(0, 1);
	while (RefundOfAttempt(attempt, "requested", "requested", &refund))
		RefundMove(&refund, is_all ? "reversed" : "failed", "reversal");
	if (is_all)
		(void) OwedHasGone(attempt);
	(void) AttemptRead(&attempt->attempt_id, attempt);
	return is_all;
}

bool
RefundHappened(const Attempt *attempt, const char *reason, const char *reason_key,
			   const char *admin_id)
{
	Arguments	read = {0};
	Refund		refund;
	pg_uuid_t	refund_id;
	bool		is_any = OwedHasGone(attempt);
	int64		left = LeftOf(attempt);

	if (left <= 0 || !InsertRefund(attempt, left, reason, reason_key, admin_id, &refund_id))
		return is_any;
	if (!attempt->surplus)
		LedgerTransfer(ACCOUNT_PLATFORM_REVENUE, ACCOUNT_REFUNDS_PAYABLE, left, "refund_granted",
					   &attempt->order_id, admin_id, UuidText(&refund_id));
	ArgumentDatum(&read, UUIDPGetDatum(&refund_id));
	StatementRunOne(&select_refund, &read);
	ReadRow(&refund);
	RefundMove(&refund, "reversed", "reversal");
	return true;
}

/* What was not charged by the end of the order will be given back when it is. */
static void
EndLiveAttempt(const pg_uuid_t *payment_id)
{
	Arguments	arguments = {0};
	Attempt		attempt;

	ArgumentDatum(&arguments, UUIDPGetDatum(payment_id));
	if (StatementRun(&select_live, &arguments) == 0 ||
		!AttemptRead(RowUuid(0, 1), &attempt))
		return;
	if (AttemptIsStatus(&attempt, "prepared"))
		(void) AttemptMove(&attempt, "expired");
	else
		AttemptInquireAt(&attempt, DT_NOBEGIN);
}

/*
 * So much of what is due back as is left of the attempt's money goes back.  The rest an
 * administrator has paid back before, so that the platform gets it back.
 */
static void
PayBackDue(const pg_uuid_t *payment_id, int64 due_back)
{
	Arguments	arguments = {0};
	Attempt		attempt;
	int64		amount;
	pg_uuid_t	refund_id;

	ArgumentDatum(&arguments, UUIDPGetDatum(payment_id));
	StatementRunOne(&select_paid, &arguments);
	amount = Min(due_back, RowMoney(0, 2));
	(void) AttemptRead(RowUuid(0, 1), &attempt);
	if (amount > 0)
		(void) RefundMake(&attempt, amount, "the order came to nothing", "order_ended", NULL, &refund_id);
	if (amount < due_back)
		LedgerTransfer(ACCOUNT_REFUNDS_PAYABLE, ACCOUNT_PLATFORM_REVENUE, due_back - amount,
					   "refund_offset", &attempt.order_id, NULL, NULL);
}

void
PaymentOrderEnded(const pg_uuid_t *order_id, int64 due_back)
{
	Arguments	find = {0};
	Arguments	end = {0};
	pg_uuid_t  *payment_id;
	bool		is_paid;

	ArgumentDatum(&find, UUIDPGetDatum(order_id));
	if (StatementRun(&select_of_order, &find) == 0)
		return;
	payment_id = RowUuid(0, 1);
	is_paid = !RowIsNull(0, 2);
	ArgumentDatum(&end, UUIDPGetDatum(payment_id));
	StatementRunOne(&end_payment, &end);
	PaymentRefresh(payment_id);
	EndLiveAttempt(payment_id);
	ForceSyncCommit();
	if (is_paid && due_back > 0)
		PayBackDue(payment_id, due_back);
}

/* Raise unless so much can be paid back; the attempt that it is of. */
static void
CheckRefund(const pg_uuid_t *payment_id, int64 amount, Attempt *attempt)
{
	Arguments	arguments = {0};
	int64		left;

	ArgumentDatum(&arguments, UUIDPGetDatum(payment_id));
	StatementRunOne(&select_paid, &arguments);
	if (RowIsNull(0, 1))
		ErrorRaise(WM_PAYMENT_STATE, "{\"paid\": false}");
	left = RowMoney(0, 2);
	(void) AttemptRead(RowUuid(0, 1), attempt);
	RequireRoom(left, amount);
}

/*
 * request_refund(payment_id, amount, reason, idempotency_key, requested_by): a part of what was paid
 * goes back, at the platform's expense; the refund's id.  What an order that came to
 * nothing is owed goes back by itself.
 */
static Datum
request_refund_body(FunctionCallInfo fcinfo)
{
	pg_uuid_t  *payment_id = ArgumentUuid(fcinfo, 0, "payment_id");
	char	   *shown = UuidText(payment_id);
	int64		amount;
	char	   *reason;
	char	   *key;
	char	   *requested_by;
	char	   *answer;
	Arguments	find = {0};
	Attempt		attempt;
	JsonObject	text;
	pg_uuid_t  *refund_id = palloc(sizeof(pg_uuid_t));

	ArgumentRequire(fcinfo, 1, "amount");
	amount = MoneyFromArgument(PG_GETARG_DATUM(1), "amount");
	if (amount <= 0)
		ErrorRaiseArgument(WM_AMOUNT_INVALID, "amount", "be above 0");
	reason = ArgumentRequiredText(fcinfo, 2, "reason", REASON_MAX);
	key = ArgumentRequiredText(fcinfo, 3, "idempotency_key", ID_MAX);
	requested_by = ArgumentOptionalText(fcinfo, 4, "requested_by", ID_MAX);
	if (requested_by != NULL)
		UserRequireKind(requested_by, "admin");

	JsonOpen(&text);
	JsonMoney(&text, "amount", amount);
	JsonText(&text, "reason", reason);
	JsonClose(&text);
	answer = IdempotencyBegin(shown, "request_refund", key, text.data);
	if (answer != NULL)
		PG_RETURN_DATUM(DirectFunctionCall1(uuid_in, CStringGetDatum(JsonStringText(JsonParse(answer)))));

	ArgumentDatum(&find, UUIDPGetDatum(payment_id));
	if (StatementRun(&select_payment, &find) == 0)
		ErrorRaise(WM_PAYMENT_NOT_FOUND, NULL);
	LockRequest(RowUuid(0, 1));
	CheckRefund(payment_id, amount, &attempt);
	ForceSyncCommit();

	/* idempotency keys are forgotten after a while, this is not */
	if (!RefundMake(&attempt, amount, reason, psprintf(GRANTED "%s", key), requested_by, refund_id))
		ErrorRaiseText(WM_IDEMPOTENCY_KEY_REUSED, "key", key);
	LedgerTransfer(ACCOUNT_PLATFORM_REVENUE, ACCOUNT_REFUNDS_PAYABLE, amount, "refund_granted",
				   &attempt.order_id, requested_by,
				   UuidText(refund_id));
	IdempotencyEnd(shown, "request_refund", key, text.data,
				   psprintf("\"%s\"", UuidText(refund_id)));
	PG_RETURN_UUID_P(refund_id);
}
