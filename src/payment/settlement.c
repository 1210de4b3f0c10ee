/*-------------------------------------------------------------------------
 *
 * settlement.c
 *		Statements of the gateway are imported, and matched with what we know.
 *
 * A line of a statement is kept once, by a hash of what it says and of which one of
 * several alike it is, so that it does not matter how often the statement is imported, also
 * under another name.  The same line in a statement that has others too is one more: what
 * comes twice may have been paid twice.  Lines are matched by order id, else by authorization
 * number, amount and day; what is left on either side is an exception.
 *
 * Matching is done by a few statements over all lines.  They wait for nobody: attempts and
 * refunds that are seen to be settled are taken without waiting for their rows, the others
 * the next time; the locks of requests, of which there may be thousands, are not taken.
 * That is harmless, since nothing depends on a sale being captured or settled but the
 * way in which it is paid back, which the gateway has the last word on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/date.h"

#include "base/argument.h"
#include "base/array.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/statement.h"
#include "base/user.h"
#include "outbox/enqueue.h"
#include "payment/payment.h"
#include "payment/settlement.h"

/* Longest statement, in bytes. */
#define CONTENT_MAX (64 * 1024 * 1024)

/* Of so many sales the gateway is asked at most, since each takes a lock. */
#define INQUIRIES_MAX 500

COMMAND(import_settlement, 2);
COMMAND(match_settlement, -1);

/* Within which our sale's day a line without an order id is looked for. */
#define DAY_OF_SALE \
	"((COALESCE(a.dispatched_at, a.created_at) AT TIME ZONE 'Africa/Casablanca')::pg_catalog.date)"

/* What should be paid out of an attempt: what was reversed never is. */
#define EXPECTED \
	"(a.charged - COALESCE((SELECT pg_catalog.sum(f.amount) FROM washminute_data.refunds AS f" \
	"                        WHERE f.attempt_id = a.attempt_id AND f.status = 'reversed'), 0))"

/* Of which no line is known yet. */
#define UNMATCHED_ATTEMPT \
	"NOT EXISTS (SELECT FROM washminute_data.settlement_lines AS m" \
	"             WHERE m.attempt_id = a.attempt_id AND m.kind = 'sale' AND m.outcome IN ('matched', 'differs'))"
#define UNMATCHED_REFUND \
	"NOT EXISTS (SELECT FROM washminute_data.settlement_lines AS m WHERE m.refund_id = f.refund_id)"

static Statement upsert_statement = {
	"INSERT INTO washminute_data.settlement_statements AS s (statement, complete_through, imported_by, imported_at)"
	" VALUES ($1, $2, $3, $4)"
	" ON CONFLICT (statement) DO UPDATE"
	"   SET complete_through = GREATEST(s.complete_through, excluded.complete_through),"
	"       imported_by = excluded.imported_by, imported_at = excluded.imported_at",
	4, {TEXTOID, DATEOID, TEXTOID, TIMESTAMPTZOID}
};

/* The lines that are imported, arguments 2 to 7, and the hash of one. */
#define LINES_READ \
	" ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3), pg_catalog.unnest($4), pg_catalog.unnest($5)," \
	"            pg_catalog.unnest($6), pg_catalog.unnest($7))" \
	"   AS l (number, kind, order_id, authorization_number, amount, day)"
#define LINE_HASH \
	"pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.jsonb_build_array(" \
	"  l.kind, l.order_id, l.authorization_number, l.amount, l.day," \
	"  pg_catalog.row_number() OVER (PARTITION BY l.kind, l.order_id, l.authorization_number, l.amount, l.day" \
	"                                    ORDER BY l.number))::pg_catalog.text, 'UTF8'))"

static Statement insert_lines = {
	"INSERT INTO washminute_data.settlement_lines"
	"  (statement, number, kind, gateway_order_id, authorization_number, amount, sold_on, hash)"
	" SELECT $1, l.number, l.kind, l.order_id, l.authorization_number, l.amount::pg_catalog.numeric, l.day::pg_catalog.date,"
	"        " LINE_HASH
	"   FROM " LINES_READ
	"  ORDER BY l.number"
	" ON CONFLICT (statement, hash) DO NOTHING",
	7, {TEXTOID, INT4ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
};

/* Another statement with these lines and no others, where this one has none yet. */
static Statement select_same = {
	"WITH n AS MATERIALIZED (SELECT " LINE_HASH " AS hash FROM " LINES_READ ")"
	" SELECT m.statement FROM n JOIN washminute_data.settlement_lines AS m ON m.hash = n.hash"
	"  WHERE NOT EXISTS (SELECT FROM washminute_data.settlement_lines AS o WHERE o.statement = $1)"
	"  GROUP BY m.statement"
	" HAVING pg_catalog.count(*) = (SELECT pg_catalog.count(*) FROM n)"
	"    AND pg_catalog.count(*) = (SELECT pg_catalog.count(*) FROM washminute_data.settlement_lines AS o"
	"                                WHERE o.statement = m.statement)"
	"  ORDER BY m.statement LIMIT 1",
	7, {TEXTOID, INT4ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
};

static Statement last_day = {
	"SELECT pg_catalog.max(d.day::pg_catalog.date) - 1, pg_catalog.max(d.day::pg_catalog.date) > $2::pg_catalog.date + 40"
	"  FROM pg_catalog.unnest($1) AS d (day)",
	2, {TEXTARRAYOID, TIMESTAMPTZOID}
};

/*
 * What was only theirs is looked at again as long as nobody has decided; and a sale that
 * was booked as a difference, once it turns out to be ours.
 */
static Statement reopen_lines = {
	"UPDATE washminute_data.settlement_lines AS l SET outcome = NULL, attempt_id = NULL"
	" WHERE l.outcome = 'only_theirs'"
	"   AND EXISTS (SELECT FROM washminute_data.payment_exceptions AS e"
	"                WHERE e.line_id = l.line_id AND e.kind = 'settlement_only_theirs'"
	"                  AND (e.resolved_at IS NULL"
	"                       OR (e.decision = 'booked' AND l.kind = 'sale'"
	"                           AND EXISTS (SELECT FROM washminute_data.payment_attempts AS a"
	"                                        WHERE a.attempt_id = l.attempt_id AND a.charged > 0 AND " UNMATCHED_ATTEMPT "))))"
};

/* Of several lines about one sale the first is it. */
static Statement match_by_order = {
	"UPDATE washminute_data.settlement_lines AS l"
	"   SET attempt_id = c.attempt_id,"
	"       outcome = CASE WHEN l.amount = c.expected THEN 'matched' ELSE 'differs' END"
	"  FROM (SELECT DISTINCT ON (a.attempt_id) n.line_id, a.attempt_id, " EXPECTED " AS expected"
	"          FROM washminute_data.settlement_lines AS n"
	"          JOIN washminute_data.payment_attempts AS a ON a.gateway_order_id = n.gateway_order_id"
	"         WHERE n.outcome IS NULL AND n.kind = 'sale' AND a.charged > 0 AND " UNMATCHED_ATTEMPT
	"         ORDER BY a.attempt_id, n.line_id) AS c"
	" WHERE l.line_id = c.line_id"
};

/* A number of six digits is not unique: with amount and day it must be. */
static Statement match_by_number = {
	"WITH c AS ("
	"  SELECT n.line_id, a.attempt_id, pg_catalog.count(*) OVER (PARTITION BY n.line_id) AS attempts,"
	"         pg_catalog.row_number() OVER (PARTITION BY a.attempt_id ORDER BY n.line_id) AS place"
	"    FROM washminute_data.settlement_lines AS n"
	"    JOIN washminute_data.payment_attempts AS a ON a.authorization_number = n.authorization_number"
	"   WHERE n.outcome IS NULL AND n.kind = 'sale' AND n.gateway_order_id IS NULL AND a.charged > 0"
	"     AND " DAY_OF_SALE " BETWEEN n.sold_on - 3 AND n.sold_on + 1"
	"     AND n.amount = " EXPECTED " AND " UNMATCHED_ATTEMPT ")"
	"UPDATE washminute_data.settlement_lines AS l SET attempt_id = c.attempt_id, outcome = 'matched'"
	"  FROM c WHERE l.line_id = c.line_id AND c.attempts = 1 AND c.place = 1"
};

/* Refunds of one attempt and amount are as good as each other. */
static Statement match_refunds = {
	"WITH t AS ("
	"  SELECT n.line_id, a.attempt_id, n.amount,"
	"         pg_catalog.row_number() OVER (PARTITION BY a.attempt_id, n.amount ORDER BY n.line_id) AS place"
	"    FROM washminute_data.settlement_lines AS n"
	"    JOIN washminute_data.payment_attempts AS a ON a.gateway_order_id = n.gateway_order_id"
	"   WHERE n.outcome IS NULL AND n.kind = 'refund'),"
	" o AS ("
	"  SELECT f.refund_id, f.attempt_id, f.amount,"
	"         pg_catalog.row_number() OVER (PARTITION BY f.attempt_id, f.amount ORDER BY f.created_at, f.refund_id) AS place"
	"    FROM washminute_data.refunds AS f"
	"   WHERE f.status IN ('accepted', 'settled', 'unknown') AND f.method = 'refund' AND " UNMATCHED_REFUND
	"     AND f.attempt_id IN (SELECT t.attempt_id FROM t))"
	"UPDATE washminute_data.settlement_lines AS l"
	"   SET attempt_id = t.attempt_id, refund_id = o.refund_id, outcome = 'matched'"
	"  FROM t JOIN o ON o.attempt_id = t.attempt_id AND o.amount = t.amount AND o.place = t.place"
	" WHERE l.line_id = t.line_id"
};

/* One refund of another amount, where there is no other one. */
static Statement match_other_refunds = {
	"WITH t AS ("
	"  SELECT n.line_id, a.attempt_id, pg_catalog.count(*) OVER (PARTITION BY a.attempt_id) AS lines"
	"    FROM washminute_data.settlement_lines AS n"
	"    JOIN washminute_data.payment_attempts AS a ON a.gateway_order_id = n.gateway_order_id"
	"   WHERE n.outcome IS NULL AND n.kind = 'refund'),"
	" o AS ("
	"  SELECT f.refund_id, f.attempt_id, pg_catalog.count(*) OVER (PARTITION BY f.attempt_id) AS refunds"
	"    FROM washminute_data.refunds AS f"
	"   WHERE f.status IN ('accepted', 'settled') AND f.method = 'refund' AND " UNMATCHED_REFUND
	"     AND f.attempt_id IN (SELECT t.attempt_id FROM t))"
	"UPDATE washminute_data.settlement_lines AS l"
	"   SET attempt_id = t.attempt_id, refund_id = o.refund_id, outcome = 'differs'"
	"  FROM t JOIN o ON o.attempt_id = t.attempt_id AND o.refunds = 1"
	" WHERE l.line_id = t.line_id AND t.lines = 1"
};

static Statement name_the_rest = {
	"UPDATE washminute_data.settlement_lines AS l"
	"   SET outcome = 'only_theirs',"
	"       attempt_id = (SELECT a.attempt_id FROM washminute_data.payment_attempts AS a"
	"                      WHERE a.gateway_order_id = l.gateway_order_id)"
	" WHERE l.outcome IS NULL"
};

static Statement settle_attempts = {
	"UPDATE washminute_data.payment_attempts AS a"
	"   SET status = 'settled', final_at = $1, updated_at = $1, confirmed_at = COALESCE(a.confirmed_at, $1)"
	"  FROM (SELECT b.attempt_id FROM washminute_data.payment_attempts AS b"
	"         WHERE b.status IN ('succeeded', 'captured')"
	"           AND b.attempt_id IN (SELECT l.attempt_id FROM washminute_data.settlement_lines AS l"
	"                                 WHERE l.kind = 'sale' AND l.outcome = 'matched')"
	"           FOR UPDATE SKIP LOCKED) AS s"
	" WHERE a.attempt_id = s.attempt_id",
	1, {TIMESTAMPTZOID}
};

static Statement settle_refunds = {
	"UPDATE washminute_data.refunds AS f SET status = 'settled', updated_at = $1"
	"  FROM (SELECT g.refund_id FROM washminute_data.refunds AS g"
	"         WHERE g.status = 'accepted'"
	"           AND g.refund_id IN (SELECT l.refund_id FROM washminute_data.settlement_lines AS l"
	"                                WHERE l.outcome = 'matched')"
	"           FOR UPDATE SKIP LOCKED) AS s"
	" WHERE f.refund_id = s.refund_id",
	1, {TIMESTAMPTZOID}
};

/* Sent and never answered: the statement is the answer. */
static Statement select_answered = {
	"SELECT f.refund_id FROM washminute_data.refunds AS f"
	" WHERE f.status = 'unknown'"
	"   AND f.refund_id IN (SELECT l.refund_id FROM washminute_data.settlement_lines AS l WHERE l.outcome = 'matched')"
	" ORDER BY f.refund_id LIMIT 100"
};

/*
 * The other side has come after all of what was booked as a difference: that is booked back,
 * or it would count twice.
 */
static Statement undo_differences = {
	"INSERT INTO washminute_data.transfers (at, debit_account, credit_account, amount, purpose, order_id, reason)"
	" SELECT $1, t.credit_account, t.debit_account, t.amount, t.purpose, t.order_id, 'undone: ' || t.reason"
	"   FROM washminute_data.payment_exceptions AS e"
	"   JOIN washminute_data.transfers AS t"
	"     ON t.purpose = 'settlement_difference' AND t.reason = e.exception_id::pg_catalog.text"
	"  WHERE e.decision = 'booked' AND e.kind IN ('settlement_only_ours', 'settlement_only_theirs')"
	"    AND EXISTS (SELECT FROM washminute_data.settlement_lines AS l"
	"                 WHERE l.outcome IN ('matched', 'differs')"
	"                   AND CASE e.kind"
	"                         WHEN 'settlement_only_theirs' THEN l.line_id = e.line_id"
	"                         ELSE l.attempt_id = e.attempt_id AND l.refund_id IS NOT DISTINCT FROM e.refund_id END)"
	"    AND NOT EXISTS (SELECT FROM washminute_data.transfers AS u"
	"                     WHERE u.purpose = 'settlement_difference' AND u.reason = 'undone: ' || t.reason)",
	1, {TIMESTAMPTZOID}
};

/* What a line has more (or less) than we: of a refund it is the other way round. */
static Statement insert_of_lines = {
	"INSERT INTO washminute_data.payment_exceptions"
	"  (exception_id, kind, payment_id, attempt_id, refund_id, line_id, data, since)"
	" SELECT pg_catalog.gen_random_uuid(), 'settlement_' || l.outcome, a.payment_id, l.attempt_id, l.refund_id, l.line_id,"
	"        pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object("
	"          'statement', l.statement, 'line', l.number, 'kind', l.kind, 'orderId', l.gateway_order_id,"
	"          'authorization', l.authorization_number, 'amount', l.amount::pg_catalog.text, 'date', l.sold_on,"
	"          'ours', x.ours::pg_catalog.text, 'status', COALESCE(f.status, a.status),"
	"          'alsoIn', (SELECT pg_catalog.min(m.statement) FROM washminute_data.settlement_lines AS m"
	"                      WHERE m.hash = l.hash AND m.line_id < l.line_id),"
	"          'difference', (CASE l.kind WHEN 'sale' THEN 1 ELSE -1 END * (l.amount - COALESCE(x.ours, 0)))::pg_catalog.text)),"
	"        $1"
	"   FROM washminute_data.settlement_lines AS l"
	"   LEFT JOIN washminute_data.payment_attempts AS a ON a.attempt_id = l.attempt_id"
	"   LEFT JOIN washminute_data.refunds AS f ON f.refund_id = l.refund_id"
	"   CROSS JOIN LATERAL (SELECT CASE WHEN l.outcome = 'only_theirs' THEN NULL"
	"                                   WHEN l.kind = 'refund' THEN f.amount ELSE " EXPECTED " END) AS x (ours)"
	"  WHERE l.outcome IN ('differs', 'only_theirs')"
	"    AND NOT EXISTS (SELECT FROM washminute_data.payment_exceptions AS e"
	"                     WHERE e.line_id = l.line_id AND e.kind = 'settlement_' || l.outcome)"
	"  ORDER BY l.line_id"
	" ON CONFLICT DO NOTHING RETURNING kind, attempt_id",
	1, {TIMESTAMPTZOID}
};

/* Between the first day of any statement and the day up to which they are complete. */
#define IN_THE_TIME \
	" BETWEEN (SELECT pg_catalog.min(l.sold_on) FROM washminute_data.settlement_lines AS l)" \
	"     AND (SELECT pg_catalog.max(s.complete_through) FROM washminute_data.settlement_statements AS s)"

static Statement insert_of_sales = {
	"INSERT INTO washminute_data.payment_exceptions (exception_id, kind, payment_id, attempt_id, data, since)"
	" SELECT pg_catalog.gen_random_uuid(), 'settlement_only_ours', a.payment_id, a.attempt_id,"
	"        pg_catalog.jsonb_build_object('kind', 'sale', 'orderId', a.gateway_order_id, 'authorization', a.authorization_number,"
	"          'ours', " EXPECTED "::pg_catalog.text, 'status', a.status, 'difference', (-" EXPECTED ")::pg_catalog.text),"
	"        $1"
	"   FROM washminute_data.payment_attempts AS a"
	"  WHERE a.status IN ('succeeded', 'captured', 'settled', 'reversed') AND " EXPECTED " > 0"
	"    AND " DAY_OF_SALE IN_THE_TIME " AND " UNMATCHED_ATTEMPT
	"    AND NOT EXISTS (SELECT FROM washminute_data.payment_exceptions AS e"
	"                     WHERE e.attempt_id = a.attempt_id AND e.refund_id IS NULL AND e.kind = 'settlement_only_ours'"
	"                       AND e.resolved_by IS DISTINCT FROM 'evidence')"
	" ON CONFLICT DO NOTHING RETURNING kind, attempt_id",
	1, {TIMESTAMPTZOID}
};

static Statement insert_of_refunds = {
	"INSERT INTO washminute_data.payment_exceptions (exception_id, kind, payment_id, attempt_id, refund_id, data, since)"
	" SELECT pg_catalog.gen_random_uuid(), 'settlement_only_ours', f.payment_id, f.attempt_id, f.refund_id,"
	"        pg_catalog.jsonb_build_object('kind', 'refund', 'orderId', a.gateway_order_id,"
	"          'ours', f.amount::pg_catalog.text, 'status', f.status, 'difference', f.amount::pg_catalog.text),"
	"        $1"
	"   FROM washminute_data.refunds AS f"
	"   JOIN washminute_data.payment_attempts AS a ON a.attempt_id = f.attempt_id"
	"  WHERE f.status IN ('accepted', 'settled') AND f.method = 'refund'"
	"    AND (f.dispatched_at AT TIME ZONE 'Africa/Casablanca')::pg_catalog.date" IN_THE_TIME
	"    AND " UNMATCHED_REFUND
	"    AND NOT EXISTS (SELECT FROM washminute_data.payment_exceptions AS e"
	"                     WHERE e.attempt_id = f.attempt_id AND e.refund_id = f.refund_id AND e.kind = 'settlement_only_ours'"
	"                       AND e.resolved_by IS DISTINCT FROM 'evidence')"
	" ON CONFLICT DO NOTHING RETURNING kind, attempt_id",
	1, {TIMESTAMPTZOID}
};

static Statement end_by_evidence = {
	"UPDATE washminute_data.payment_exceptions AS e"
	"   SET resolved_at = $1, resolved_by = 'evidence', decision = 'matched', reason = 'evidence came'"
	" WHERE e.resolved_at IS NULL"
	"   AND CASE e.kind"
	"         WHEN 'settlement_only_theirs'"
	"         THEN EXISTS (SELECT FROM washminute_data.settlement_lines AS l"
	"                       WHERE l.line_id = e.line_id AND l.outcome <> 'only_theirs')"
	"         WHEN 'settlement_only_ours'"
	"         THEN EXISTS (SELECT FROM washminute_data.settlement_lines AS l"
	"                       WHERE l.attempt_id = e.attempt_id AND l.refund_id IS NOT DISTINCT FROM e.refund_id"
	"                         AND l.outcome <> 'only_theirs')"
	"       END",
	1, {TIMESTAMPTZOID}
};

static Statement count_open = {
	"SELECT pg_catalog.count(*) FROM washminute_data.payment_exceptions"
	" WHERE resolved_at IS NULL AND kind LIKE 'settlement\\_%'"
};

static Statement count_outcomes = {
	"SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE l.outcome = 'matched'),"
	"       pg_catalog.count(*) FILTER (WHERE l.outcome = 'differs'),"
	"       pg_catalog.count(*) FILTER (WHERE l.outcome = 'only_theirs')"
	"  FROM washminute_data.settlement_lines AS l WHERE l.statement = $1",
	1, {TEXTOID}
};

static Statement count_only_ours = {
	"SELECT pg_catalog.count(*) FROM washminute_data.payment_exceptions"
	" WHERE resolved_at IS NULL AND kind = 'settlement_only_ours'"
};

/* Run a statement whose one argument is the time; the rows touched. */
static uint64
RunNow(Statement *statement)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	return StatementRun(statement, &arguments);
}

/* Refunds of which a statement is the answer; those that somebody has locked come the next time. */
static void
SettleAnswered(void)
{
	uint64		count = StatementRun(&select_answered, NULL);
	pg_uuid_t  *ids = palloc(Max(count, 1) * sizeof(pg_uuid_t));

	for (uint64 i = 0; i < count; i++)
		ids[i] = *RowUuid(i, 1);
	for (uint64 i = 0; i < count; i++)
	{
		Refund		refund;
		bool		is_free;

		if (RefundReadIfFree(&ids[i], &refund, &is_free) && strcmp(refund.status, "unknown") == 0)
			RefundMove(&refund, "settled", NULL);
	}
}

/*
 * Tell of the exceptions that an INSERT has returned.  Of a sale of ours that we hold for
 * not charged the gateway is asked: its answer, and the next comparison, may end it.
 */
static void
TellExceptions(uint64 count)
{
	char	  **kinds = palloc(Max(count, 1) * sizeof(char *));
	pg_uuid_t **attempts = palloc(Max(count, 1) * sizeof(pg_uuid_t *));

	for (uint64 i = 0; i < count; i++)
	{
		kinds[i] = RowText(i, 1);
		attempts[i] = RowIsNull(i, 2) ? NULL : memcpy(palloc(sizeof(pg_uuid_t)), RowUuid(i, 2), sizeof(pg_uuid_t));
	}
	for (uint64 i = 0; i < count; i++)
	{
		Attempt		attempt;
		bool		is_known = attempts[i] != NULL && AttemptRead(attempts[i], &attempt);
		bool		is_free = false;
		JsonObject	data;

		if (is_known)
			PaymentData(&attempt, &data);
		else
			JsonOpen(&data);
		JsonText(&data, "kind", kinds[i]);
		EventRecord("paymentException", is_known ? &attempt.request_id : NULL,
					is_known ? attempt.customer_id : NULL, JsonClose(&data));
		if (is_known && i < INQUIRIES_MAX && !attempt.charged &&
			strcmp(kinds[i], "settlement_only_theirs") == 0 &&
			AttemptLockIfFree(attempts[i], &attempt, &is_free))
			AttemptInquireAt(&attempt, DT_NOBEGIN);
	}
	if (count > 0)
		ereport(WARNING,
				(errmsg("washminute: a person must look at " UINT64_FORMAT " differences between statements and our books",
						count),
				 errhint("See washminute_data.payment_exceptions.")));
}

/* Compare all lines that are open with what we know. */
static void
Match(void)
{
	(void) StatementRun(&reopen_lines, NULL);
	(void) StatementRun(&match_by_order, NULL);
	(void) StatementRun(&match_by_number, NULL);
	(void) StatementRun(&match_refunds, NULL);
	(void) StatementRun(&match_other_refunds, NULL);
	(void) StatementRun(&name_the_rest, NULL);
	(void) RunNow(&settle_attempts);
	(void) RunNow(&settle_refunds);
	SettleAnswered();
	(void) RunNow(&undo_differences);
	(void) RunNow(&end_by_evidence);
	TellExceptions(RunNow(&insert_of_lines));
	TellExceptions(RunNow(&insert_of_sales));
	TellExceptions(RunNow(&insert_of_refunds));
}

/* Import them; the statement that they are of, another one where that is the same. */
static const char *
ImportLines(const char *statement, const StatementLines *lines)
{
	Arguments	arguments = {0};
	Datum	   *numbers = palloc(Max(lines->count, 1) * sizeof(Datum));

	for (int i = 0; i < lines->count; i++)
		numbers[i] = Int32GetDatum(lines->numbers[i]);
	ArgumentText(&arguments, statement);
	ArgumentDatum(&arguments, FixedArray(numbers, lines->count, INT4OID));
	ArgumentDatum(&arguments, TextArray((const char *const *) lines->kinds, lines->count));
	ArgumentDatum(&arguments, TextArray((const char *const *) lines->order_ids, lines->count));
	ArgumentDatum(&arguments, TextArray((const char *const *) lines->authorizations, lines->count));
	ArgumentDatum(&arguments, TextArray((const char *const *) lines->amounts, lines->count));
	ArgumentDatum(&arguments, TextArray((const char *const *) lines->days, lines->count));
	if (StatementRun(&select_same, &arguments) > 0)
	{
		const char *same = RowText(0, 1);

		ereport(NOTICE,
				(errmsg("washminute: statement \"%s\" is the same as \"%s\": its lines count once", statement, same)));
		return same;
	}
	(void) StatementRun(&insert_lines, &arguments);
	return statement;
}

/*
 * The day before the last one: what was sold late may come in the next statement.  A day
 * that is far ahead is a slip of the pen, after which all our sales would be missed.
 */
static Datum
LastDay(const StatementLines *lines)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, TextArray((const char *const *) lines->days, lines->count));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	StatementRunOne(&last_day, &arguments);
	if (RowBool(0, 2))
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "content", "have no days far ahead");
	return RowDatum(0, 1);
}

/* import_settlement(statement, content, imported_by, complete_through): harmless to repeat. */
static Datum
import_settlement_body(FunctionCallInfo fcinfo)
{
	char	   *statement = ArgumentRequiredText(fcinfo, 0, "statement", ID_MAX);
	char	   *imported_by = ArgumentOptionalText(fcinfo, 2, "imported_by", ID_MAX);
	const char *counted;
	StatementLines lines;
	Arguments	upsert = {0};
	Arguments	count = {0};
	Datum		last;
	Datum		values[5];
	bool		nulls[5] = {false};

	ArgumentRequire(fcinfo, 1, "content");
	if (VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(1)) > CONTENT_MAX)
		ErrorRaiseArgument(WM_ARGUMENT_TOO_LONG, "content", "have at most 64 MB");
	if (imported_by != NULL)
		UserRequireKind(imported_by, "admin");
	StatementRead(text_to_cstring(PG_GETARG_TEXT_PP(1)), &lines);
	if (lines.count == 0)
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "content", "have lines");
	last = LastDay(&lines);
	if (!PG_ARGISNULL(3))
		last = PG_GETARG_DATUM(3);
	if (DATE_NOT_FINITE(DatumGetDateADT(last)))
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "complete_through", "be finite");
	LockSettlement();
	ArgumentText(&upsert, statement);
	ArgumentDatum(&upsert, last);
	ArgumentText(&upsert, imported_by);
	ArgumentDatum(&upsert, TimestampTzGetDatum(ClockNow()));
	StatementRunOne(&upsert_statement, &upsert);
	counted = ImportLines(statement, &lines);
	ForceSyncCommit();
	Match();

	ArgumentText(&count, counted);
	StatementRunOne(&count_outcomes, &count);
	for (int i = 0; i < 4; i++)
		values[i] = RowDatum(0, i + 1);
	StatementRunOne(&count_only_ours, NULL);
	values[4] = RowDatum(0, 1);
	CommandReturnRow(fcinfo, values, nulls);
	return (Datum) 0;
}

/* match_settlement(): the number of differences that are open. */
static Datum
match_settlement_body(FunctionCallInfo fcinfo)
{
	LockSettlement();
	ForceSyncCommit();
	Match();
	StatementRunOne(&count_open, NULL);
	PG_RETURN_DATUM(RowDatum(0, 1));
}
