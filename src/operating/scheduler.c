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
#include "dispatch/chat.h"
#include "dispatch/due.h"
#include "dispatch/reservation.h"
#include "operating/cron.h"
#include "realtime/publish.h"

/* Rows that one call clears away, and requests that it looks at, at most. */
#define CLEANING_BATCH 10000
#define DUE_BATCH 5000

/* So long live events are cleared away: the locks of this transaction are held meanwhile. */
#define CLEANING_USECS (2 * USECS_PER_SEC)

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

/* not where somebody else does the same */
static Statement note_run = {
	"UPDATE washminute_data.scheduler SET ran_at = pg_catalog.clock_timestamp()"
	" WHERE ctid = (SELECT s.ctid FROM washminute_data.scheduler AS s FOR UPDATE SKIP LOCKED)"
};

/*
 * Of the oldest so many live events those whose time is over, and what stood in the
 * attachments table when no gateway was there to clear it.
 */
static Statement delete_old_events = {
	"WITH oldest AS ("
	"  SELECT position, at FROM washminute_data.socket_events"
	"   WHERE position > (SELECT i.socket_events_floor FROM washminute_data.instance AS i)"
	"   ORDER BY position LIMIT $2),"
	" gone AS ("
	"  DELETE FROM washminute_data.socket_events AS e"
	"   WHERE e.position <= (SELECT pg_catalog.max(o.position) FROM oldest AS o WHERE o.at < $1)"
	"  RETURNING e.position)"
	" UPDATE washminute_data.instance"
	"    SET socket_events_floor = GREATEST(socket_events_floor, (SELECT pg_catalog.max(g.position) FROM gone AS g))"
	"  WHERE EXISTS (SELECT FROM gone)",
	2, {TIMESTAMPTZOID, INT8OID}
};

static Statement delete_old_attachments = {
	"DELETE FROM washminute_data.socket_io_attachments"
	" WHERE created_at < pg_catalog.clock_timestamp() - '5 minutes'::pg_catalog.interval"
};

/*
 * Live events that no worker has published, and those whose time is over.  The last of
 * all, since it holds the lock of those who publish till the end.
 */
static void
SeeToLiveEvents(void)
{
	Settings	settings;
	Arguments	arguments = {0};
	TimestampTz began = GetCurrentTimestamp();

	SettingsRead(&settings);
	ArgumentDatum(&arguments, TimestampTzGetDatum(
		ClockNow() - SETTING_USECS(settings.socket_events_hours, 3600)));
	ArgumentDatum(&arguments, Int64GetDatum(CLEANING_BATCH));
	while (StatementRun(&delete_old_events, &arguments) > 0 &&
		   GetCurrentTimestamp() - began < CLEANING_USECS)
		CHECK_FOR_INTERRUPTS();
	StatementRun(&delete_old_attachments, NULL);

	RealtimePumpAside(CLEANING_BATCH);
}

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
	ChatsClose(DUE_BATCH);
	CleanIdempotencyKeys();
	StatementRun(&note_run, NULL);
	SeeToLiveEvents();
	IdentityRestore(&saved);
	PG_RETURN_INT32(counts.expired);
}
