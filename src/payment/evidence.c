/*-------------------------------------------------------------------------
 *
 * evidence.c
 *		What was seen of payments, and what a person must look at.
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
#include "payment/payment.h"

static Statement insert_observation = {
	"INSERT INTO washminute_data.payment_observations"
	"  (attempt_id, at, source, code, data, dedupe_key, answer)"
	" VALUES ($1, $2, $3, $4, $5::pg_catalog.jsonb, $6, $7)",
	7, {UUIDOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, TEXTOID, BYTEAOID, TEXTOID}
};

static Statement select_answer = {
	"SELECT answer FROM washminute_data.payment_observations WHERE dedupe_key = $1 AND attempt_id = $2",
	2, {BYTEAOID, UUIDOID}
};

/*
 * By the same evidence again a person is not asked again, who has decided; but for a refund,
 * which another call has been made for since.
 */
static Statement insert_exception = {
	"INSERT INTO washminute_data.payment_exceptions"
	"  (exception_id, kind, payment_id, attempt_id, refund_id, data, since)"
	" SELECT pg_catalog.gen_random_uuid(), $1, $2, $3, $4, $5::pg_catalog.jsonb, $6"
	"  WHERE $1 IN ('refund_unknown', 'refund_failed')"
	"     OR NOT EXISTS (SELECT FROM washminute_data.payment_exceptions AS e"
	"                     WHERE e.attempt_id = $3 AND e.kind = $1 AND e.data = $5::pg_catalog.jsonb"
	"                       AND e.resolved_by <> 'evidence')"
	" ON CONFLICT DO NOTHING",
	6, {TEXTOID, UUIDOID, UUIDOID, UUIDOID, TEXTOID, TIMESTAMPTZOID}
};

static Statement end_exception = {
	"UPDATE washminute_data.payment_exceptions"
	"   SET resolved_at = $5, resolved_by = 'evidence', decision = $4, reason = 'evidence came'"
	" WHERE payment_id = $1 AND kind = $2 AND COALESCE(refund_id, attempt_id) = $3 AND resolved_at IS NULL",
	5, {UUIDOID, TEXTOID, UUIDOID, TEXTOID, TIMESTAMPTZOID}
};

static void
AddObservation(const Attempt *attempt, const char *source, const char *code,
			   const char *data, Datum dedupe_key, const char *answer)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(&attempt->attempt_id));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	ArgumentText(&arguments, source);
	ArgumentText(&arguments, code);
	ArgumentText(&arguments, data);
	ArgumentDatumOrNull(&arguments, dedupe_key, answer == NULL);
	ArgumentText(&arguments, answer);
	StatementRunOne(&insert_observation, &arguments);
}

void
ObservationAdd(const Attempt *attempt, const char *source, const char *code, const char *data)
{
	AddObservation(attempt, source, code, data, (Datum) 0, NULL);
}

void
ObservationAddAnswer(const Attempt *attempt, const char *code, const char *data,
					 Datum dedupe_key, const char *answer)
{
	AddObservation(attempt, "callback", code, data, dedupe_key, answer);
}

char *
ObservationAnswer(const Attempt *attempt, Datum dedupe_key)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, dedupe_key);
	ArgumentDatum(&arguments, UUIDPGetDatum(&attempt->attempt_id));
	return StatementRun(&select_answer, &arguments) > 0 ? RowText(0, 1) : NULL;
}

void
ExceptionRaise(const Attempt *attempt, const pg_uuid_t *refund_id, const char *kind,
			   const char *data)
{
	Arguments	arguments = {0};
	JsonObject	event;

	ArgumentText(&arguments, kind);
	ArgumentDatum(&arguments, UUIDPGetDatum(&attempt->payment_id));
	ArgumentDatum(&arguments, UUIDPGetDatum(&attempt->attempt_id));
	ArgumentDatumOrNull(&arguments, UUIDPGetDatum(refund_id), refund_id == NULL);
	ArgumentText(&arguments, data);
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	if (StatementRun(&insert_exception, &arguments) == 0)
		return;					/* it stands already */
	PaymentRefresh(&attempt->payment_id);
	PaymentData(attempt, &event);
	JsonText(&event, "kind", kind);
	PaymentEvent(attempt, "paymentException", JsonClose(&event));
	ereport(WARNING,
			(errmsg("washminute: a person must look at payment %s: %s",
					UuidText(&attempt->payment_id),
					kind),
			 errhint("See washminute_data.payment_exceptions.")));
}

void
ExceptionEnd(const Attempt *attempt, const pg_uuid_t *refund_id, const char *kind,
			 const char *decision)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(&attempt->payment_id));
	ArgumentText(&arguments, kind);
	ArgumentDatum(&arguments, UUIDPGetDatum(refund_id != NULL ? refund_id : &attempt->attempt_id));
	ArgumentText(&arguments, decision);
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	if (StatementRun(&end_exception, &arguments) > 0)
		PaymentRefresh(&attempt->payment_id);
}
