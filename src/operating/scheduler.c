/*-------------------------------------------------------------------------
 *
 * scheduler.c
 *		The entry of pg_cron: what is due is done.
 *
 * pg_cron runs a job as whoever scheduled it, here the superuser who called
 * setup().  The work itself runs as washminute_owner (identity.h).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"

#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/identity.h"
#include "base/readiness.h"
#include "base/settings.h"
#include "base/statement.h"
#include "dispatch/due.h"
#include "dispatch/reservation.h"
#include "operating/cron.h"

/* Rows that one call clears away, and requests that it looks at, at most. */
#define CLEANING_BATCH 10000
#define DUE_BATCH 5000

/* How often it is looked whether the rules of a time zone have changed. */
#define RESOLVE_EVERY (5 * USECS_PER_MINUTE)

COMMAND(run_due, -1);

static Statement delete_old_keys = {
	"DELETE FROM washminute_data.idempotency_keys"
	" WHERE (actor_id, command, key) IN ("
	"   SELECT actor_id, command, key FROM washminute_data.idempotency_keys"
	"    WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
	2, {TIMESTAMPTZOID, INT8OID}
};

static void
CleanIdempotencyKeys(void)
{
	Settings	settings;
	Arguments	arguments = {0};

	SettingsRead(&settings);
	ArgumentDatum(&arguments, TimestampTzGetDatum(
		ClockNow() - SETTING_USECS(settings.idempotency_hours, 3600)));
	ArgumentDatum(&arguments, Int64GetDatum(CLEANING_BATCH));
	StatementRun(&delete_old_keys, &arguments);
}

/* Is it the first minute of so long a time, for what need not be done every minute? */
static bool
Begins(int64 every)
{
	return ClockNow() % every < USECS_PER_MINUTE;
}

/*
 * run_due(): does what is due for requests and reservations, and clears away what is
 * old; how many requests expired.  Idle, with 0, in a copy of the database.
 */
static Datum
run_due_body(FunctionCallInfo fcinfo)
{
	Identity	saved;
	DueCounts	counts;

	if (InstanceIsCloned())
		PG_RETURN_INT32(0);

	if (Begins(USECS_PER_HOUR) && superuser())
		CronCleanHistory();
	IdentityBecomeOwner(&saved);
	if (Begins(RESOLVE_EVERY))
		(void) ReservationsResolve();
	RequestsRunDue(DUE_BATCH, DT_NOEND, &counts);
	CleanIdempotencyKeys();
	IdentityRestore(&saved);
	PG_RETURN_INT32(counts.expired);
}
