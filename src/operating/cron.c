/*-------------------------------------------------------------------------
 *
 * cron.c
 *		What we know of pg_cron, which calls run_due().
 *
 * pg_cron's launcher keeps its jobs in memory until it is told that cron.job has
 * changed.  A first setup() makes so many objects that the queue of such messages
 * runs over; the launcher then is told that anything may have changed, which it
 * does not take for its jobs (at least up to pg_cron 1.6).  On SIGHUP it reads
 * them, so that is sent to it when the job can be seen.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/procarray.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/identity.h"
#include "base/statement.h"
#include "operating/cron.h"

/* The job is run every minute; so many without a run are a finding. */
#define PATIENCE (5 * USECS_PER_MINUTE)

/* How long the history of its runs is kept. */
#define HISTORY (2 * USECS_PER_DAY)

static Statement select_launcher = {
	"SELECT pid::pg_catalog.int8 FROM pg_catalog.pg_stat_activity"
	" WHERE backend_type = 'pg_cron launcher' AND datname = pg_catalog.current_database()"
};

static Statement select_set_up_at = {
	"SELECT set_up_at FROM washminute_data.instance"
};

/* the newest first, by the primary key: the table may hold years */
static Statement select_last_run = {
	"SELECT d.status = 'succeeded', d.return_message, d.start_time"
	"  FROM cron.job_run_details AS d"
	" WHERE d.jobid IN (SELECT jobid FROM cron.job"
	"                    WHERE jobname = 'washminute run_due' AND active"
	"                      AND database = pg_catalog.current_database())"
	"   AND d.status IN ('succeeded', 'failed')"
	" ORDER BY d.runid DESC LIMIT 1"
};

/* also those of jobs that setup() has made anew since */
static Statement delete_history = {
	"DELETE FROM cron.job_run_details"
	" WHERE end_time < $1 AND database = pg_catalog.current_database()"
	"   AND command = 'SELECT washminute.run_due()'",
	1, {TIMESTAMPTZOID}
};

static int	launcher = 0;		/* to be told at commit; 0: none */
static bool is_registered = false;

static void
TransactionEnds(XactEvent event, void *argument)
{
	if (launcher == 0)
		return;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			if (BackendPidGetProc(launcher) != NULL)
				(void) kill(launcher, SIGHUP);
			launcher = 0;
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			launcher = 0;
			break;
		default:
			break;
	}
}

void
CronReloadAtCommit(void)
{
	if (!is_registered)
	{
		RegisterXactCallback(TransactionEnds, NULL);
		is_registered = true;
	}
	if (StatementRun(&select_launcher, NULL) > 0)
		launcher = (int) RowInt64(0, 1);
}

/* Could it have run by now? */
static bool
RunIsExpected(void)
{
	Identity	saved;
	bool		expected;

	IdentityBecomeOwner(&saved);
	expected = StatementRun(&select_set_up_at, NULL) > 0 &&
		RowTime(0, 1) < Min(GetCurrentTimestamp(), ClockNow()) - PATIENCE;
	IdentityRestore(&saved);
	return expected;
}

/* Does it keep a history of its runs in this database? */
static bool
HistoryIsHere(void)
{
	Oid			namespace = get_namespace_oid("cron", true);

	return OidIsValid(namespace) && OidIsValid(get_relname_relid("job_run_details", namespace));
}

void
CronCleanHistory(void)
{
	Arguments	arguments = {0};

	if (!HistoryIsHere())
		return;
	ArgumentDatum(&arguments, TimestampTzGetDatum(GetCurrentTimestamp() - HISTORY));
	StatementRun(&delete_history, &arguments);
}

const char *
CronProblem(void)
{
	const char *log_run = GetConfigOption("cron.log_run", true, false);

	/* it tells of its runs in a table, unless it was told not to */
	if (RecoveryInProgress() || log_run == NULL || strcmp(log_run, "on") != 0 || !HistoryIsHere())
		return NULL;
	if (StatementRun(&select_last_run, NULL) == 0)
		return RunIsExpected() ? "it never did" : NULL;
	if (!RowBool(0, 1))
		return psprintf("it failed: %s", RowIsNull(0, 2) ? "" : RowText(0, 2));
	if (RowTime(0, 3) < GetCurrentTimestamp() - PATIENCE)
	{
		const char *problem = psprintf("not since %s", timestamptz_to_str(RowTime(0, 3)));

		return RunIsExpected() ? problem : NULL;
	}
	return NULL;
}
