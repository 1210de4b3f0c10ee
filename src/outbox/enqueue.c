/*-------------------------------------------------------------------------
 *
 * enqueue.c
 *		Events and outbox rows, written in the transaction that causes them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/array.h"
#include "base/caller.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/statement.h"
#include "outbox/enqueue.h"

static Statement insert_event = {
	"INSERT INTO washminute_data.events"
	"  (at, event, request_id, actor_id, data, correlation_id)"
	" VALUES ($1, $2, $3, $4, $5::pg_catalog.jsonb, $6)",
	6, {TIMESTAMPTZOID, TEXTOID, UUIDOID, TEXTOID, TEXTOID, TEXTOID}
};

static Statement insert_outbox = {
	"INSERT INTO washminute_data.outbox"
	"  (lane, recipient_id, event, data, correlation_id, created_at, due_at, expires_at)"
	" SELECT $1, recipient, $3, $4::pg_catalog.jsonb, $5, $6, $6, $7"
	"   FROM pg_catalog.unnest($2) AS recipient",
	7, {TEXTOID, TEXTARRAYOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

void
EventRecord(const char *event, const pg_uuid_t *request_id,
			const char *actor_id, const char *data)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	ArgumentText(&arguments, event);
	ArgumentDatumOrNull(&arguments, UUIDPGetDatum(request_id),
						request_id == NULL);
	ArgumentText(&arguments, actor_id);
	ArgumentText(&arguments, data);
	ArgumentText(&arguments, CallerCorrelationId());
	StatementRunOne(&insert_event, &arguments);
}

static void
OutboxWrite(const char *lane, const char *const *recipient_ids, int count,
			const char *event, const char *data, TimestampTz expires_at)
{
	Arguments	arguments = {0};

	ArgumentText(&arguments, lane);
	ArgumentDatum(&arguments, TextArray(recipient_ids, count));
	ArgumentText(&arguments, event);
	ArgumentText(&arguments, data);
	ArgumentText(&arguments, CallerCorrelationId());
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	ArgumentDatumOrNull(&arguments, TimestampTzGetDatum(expires_at),
						TIMESTAMP_NOT_FINITE(expires_at));
	StatementRun(&insert_outbox, &arguments);
}

void
OutboxPushMany(const char *const *recipient_ids, int count, const char *event,
			   const char *data, TimestampTz expires_at)
{
	if (count > 0)
		OutboxWrite("push", recipient_ids, count, event, data, expires_at);
}

void
OutboxPush(const char *recipient_id, const char *event, const char *data,
		   TimestampTz expires_at)
{
	OutboxPushMany(&recipient_id, 1, event, data, expires_at);
}

void
OutboxPayment(const char *event, const char *data)
{
	const char *nobody = NULL;

	OutboxWrite("payment", &nobody, 1, event, data, DT_NOEND);
}
