/*-------------------------------------------------------------------------
 *
 * doctor.c
 *		What is wrong with this installation, and the remedy for each finding.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "base/identity.h"
#include "base/readiness.h"
#include "base/secret.h"
#include "base/statement.h"
#include "operating/cron.h"
#include "payment/credentials.h"
#include "worker/status.h"

PG_FUNCTION_INFO_V1(washminute_doctor);

/* When a check can be made at all. */
typedef enum CheckNeeds
{
	NEEDS_NOTHING,
	NEEDS_DATA,					/* READINESS_READY */
	NEEDS_CRON					/* and pg_cron here, whose jobs a superuser sees */
} CheckNeeds;

typedef struct Check
{
	CheckNeeds	needs;
	const char *severity;		/* error, warning or info */
	const char *finding;
	const char *remedy;
	Statement	found;			/* yields a row where there is something wrong;
								 * a column, if it has one, is the detail */
} Check;

static Check checks[] = {
	{NEEDS_NOTHING, "error",
		"a function of schema washminute can be executed by everybody",
		"REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA washminute FROM PUBLIC.",
		{"SELECT FROM pg_catalog.pg_proc AS p,"
			"       pg_catalog.aclexplode(COALESCE(p.proacl, pg_catalog.acldefault('f', p.proowner))) AS a"
		" WHERE p.pronamespace = 'washminute'::pg_catalog.regnamespace AND a.grantee = 0 LIMIT 1"}},
	{NEEDS_NOTHING, "error",
		"the server does not protect committed rows against a crash",
		"Set fsync and full_page_writes to on in postgresql.conf: the books are in this database.",
		{"SELECT WHERE pg_catalog.current_setting('fsync') = 'off'"
		" OR pg_catalog.current_setting('full_page_writes') = 'off'"}},
	{NEEDS_DATA, "error",
		"something that setup() makes is missing",
		"SELECT washminute.setup() brings policies, triggers, views and functions back.",
		{"SELECT FROM washminute.setup_object AS o"
			"  LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = o.schema"
			" WHERE NOT CASE o.kind"
			"   WHEN 'function' THEN EXISTS (SELECT FROM pg_catalog.pg_proc AS p"
			"     WHERE p.pronamespace = n.oid AND p.proname = o.name"
			"       AND pg_catalog.oidvectortypes(p.proargtypes) = o.parent)"
			"   WHEN 'policy' THEN EXISTS (SELECT FROM pg_catalog.pg_policy AS p"
			"     JOIN pg_catalog.pg_class AS c ON c.oid = p.polrelid"
			"     WHERE c.relnamespace = n.oid AND c.relname = o.parent AND p.polname = o.name)"
			"   WHEN 'trigger' THEN EXISTS (SELECT FROM pg_catalog.pg_trigger AS t"
			"     JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid"
			"     WHERE c.relnamespace = n.oid AND c.relname = o.parent AND t.tgname = o.name"
			"       AND t.tgenabled <> 'D')"
			"   WHEN 'domain' THEN EXISTS (SELECT FROM pg_catalog.pg_type AS t"
			"     WHERE t.typnamespace = n.oid AND t.typname = o.name)"
			"   ELSE EXISTS (SELECT FROM pg_catalog.pg_class AS c"
			"     WHERE c.relnamespace = n.oid AND c.relname = o.name) END"
		" LIMIT 1"}},
	{NEEDS_DATA, "error",
		"row-level security is switched off for a table of washminute_data",
		"ALTER TABLE ... ENABLE ROW LEVEL SECURITY.",
		{"SELECT FROM washminute.setup_object AS o"
			"  JOIN pg_catalog.pg_class AS c ON c.relname = o.name"
			"   AND c.relnamespace = 'washminute_data'::pg_catalog.regnamespace"
		" WHERE o.kind = 'table' AND NOT c.relrowsecurity LIMIT 1"}},
	{NEEDS_DATA, "warning",
		"requests are overdue by more than five minutes",
		"See that SELECT washminute.run_due() runs every minute, by pg_cron or by a scheduler of your own.",
		{"SELECT FROM washminute_data.request_timers"
		" WHERE due_at < washminute.now() - '5 minutes'::pg_catalog.interval LIMIT 1"}},
	{NEEDS_DATA, "warning",
		"pg_cron is not in this database, and nothing has called washminute.run_due() for five minutes",
		"CREATE EXTENSION pg_cron and SELECT washminute.setup(), or call washminute.run_due() every minute by other means, such as cron.schedule_in_database where pg_cron is.",
		{"SELECT FROM washminute_data.scheduler AS s"
			" WHERE s.ran_at < pg_catalog.clock_timestamp() - '5 minutes'::pg_catalog.interval"
		"   AND NOT EXISTS (SELECT FROM pg_catalog.pg_extension AS e WHERE e.extname = 'pg_cron')"}},
	{NEEDS_DATA, "error",
		"no worker serves this database, and nothing leaves it",
		"Have washminute in shared_preload_libraries and this database's name in washminute.database, restart, and see what the server's log says of the worker.",
		{"SELECT state FROM washminute.worker_status()"
			" WHERE state IN ('not preloaded', 'not running', 'serving another database')"
		" OR (state LIKE 'waiting:%' AND state <> 'waiting: cloned') OR state LIKE 'failing:%' LIMIT 1"}},
	{NEEDS_DATA, "warning",
		"live events wait, and nobody publishes them",
		"Have the worker serve this database, or set washminute.realtime_mode to direct, or to off where no socket gateway is used. SELECT washminute.pump_events() publishes what waits, as run_due() does every minute.",
		{"SELECT FROM washminute_data.outbox"
			" WHERE lane = 'realtime' AND listener = '' AND state = 'queued'"
			"   AND queued_at < pg_catalog.clock_timestamp() - '2 minutes'::pg_catalog.interval"
		"   AND (due_at IS NULL OR due_at < pg_catalog.clock_timestamp() - '2 minutes'::pg_catalog.interval) LIMIT 1"}},
	{NEEDS_NOTHING, "warning",
		"notifications pile up: a session that listens does not fetch them",
		"Look in pg_stat_activity for a session that has been in a transaction for long, and end it: where the queue is full, live events can no longer be published.",
		{"SELECT WHERE pg_catalog.pg_notification_queue_usage() > 0.25"}},
	{NEEDS_DATA, "warning",
		"the worker holds a lane",
		"Where a setting is named: mend it, or its file, then SELECT pg_reload_conf(). Where the lane is paused: UPDATE washminute_data.lanes. Where Expo refuses: see the access token and the app's credentials there; it is asked again every minute.",
		{"SELECT lane || ': ' || state FROM washminute.worker_status()"
			" WHERE state = 'paused' OR state LIKE 'washminute.%' OR state LIKE 'Expo: %' OR state LIKE 'HTTP status %'"
		"    OR state LIKE 'the gateway %' OR state LIKE 'OpenSSL %' OR state LIKE 'no session%' LIMIT 1"}},
	{NEEDS_DATA, "warning",
		"a person must look at card payments, which no rule can decide",
		"See the rows of washminute_data.payment_exceptions that are not resolved, ask the gateway's operator, and decide by washminute.resolve_exception().",
		{"SELECT pg_catalog.count(*) || ' since ' || pg_catalog.min(since) FROM washminute_data.payment_exceptions"
		" WHERE resolved_at IS NULL HAVING pg_catalog.count(*) > 0"}},
	{NEEDS_DATA, "warning",
		"a destination of the worker fails and is left alone for a while",
		"See last_error of washminute.worker_status(); the breaker closes by itself when the destination answers again.",
		{"SELECT lane || ': ' || COALESCE(last_error, '') FROM washminute.worker_status()"
		" WHERE breaker <> 'closed' LIMIT 1"}},
	{NEEDS_DATA, "warning",
		"messages have been waiting for the worker for more than five minutes",
		"See washminute.worker_status() and the server's log.",
		{"SELECT o.lane FROM washminute_data.outbox AS o"
			" WHERE o.state <> 'dead'"
			"   AND COALESCE(o.due_at, o.queued_at) < pg_catalog.clock_timestamp() - '5 minutes'::pg_catalog.interval"
		" LIMIT 1"}},
	{NEEDS_DATA, "error",
		"a listener's function cannot be called, so the events that it hears of are refused",
		"The function takes one jsonb, and washminute_owner may execute it; else UPDATE washminute_data.listeners SET enabled = false.",
		{"SELECT l.name FROM washminute_data.listeners AS l"
			" WHERE l.enabled AND l.function_name IS NOT NULL"
			"   AND NOT EXISTS (SELECT FROM pg_catalog.pg_proc AS p"
			"     JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace"
			"    WHERE n.nspname = pg_catalog.split_part(l.function_name, '.', 1)"
			"      AND p.proname = pg_catalog.split_part(l.function_name, '.', 2)"
			"      AND pg_catalog.oidvectortypes(p.proargtypes) = 'jsonb'"
			"      AND p.prokind = 'f' AND NOT p.proretset"
			"      AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')"
		"      AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE')) ORDER BY l.name LIMIT 1"}},
	{NEEDS_DATA, "warning",
		"messages wait for a listener that is disabled",
		"The worker disables a listener whose receiver answers 410. UPDATE washminute_data.listeners SET enabled = true sends them, DELETE of the listener gives them up.",
		{"SELECT l.name FROM washminute_data.listeners AS l"
			" WHERE NOT l.enabled AND l.url IS NOT NULL"
			"   AND EXISTS (SELECT FROM washminute_data.outbox AS o"
		"                WHERE o.lane = l.lane AND o.listener = l.name AND o.state <> 'dead') ORDER BY l.name LIMIT 1"}},
	{NEEDS_DATA, "warning",
		"the worker has given messages up: there are dead letters",
		"See last_error in washminute_data.outbox; SELECT washminute.retry_dead(lane) queues them again, DELETE drops them.",
		{"SELECT lane || ': ' || dead FROM washminute.worker_status() WHERE dead > 0 LIMIT 1"}},
	{NEEDS_CRON, "warning",
		"pg_cron is here, but has no active job that runs washminute on this server",
		"SELECT washminute.schedule_jobs() registers it.",
		{"SELECT WHERE NOT EXISTS (SELECT FROM cron.job"
			" WHERE jobname = 'washminute run_due' AND active"
			" AND nodeport = pg_catalog.current_setting('port')::pg_catalog.int4"
		" AND database = pg_catalog.current_database())"}}
};

/*
 * What the check finds, in words; NULL where all is well.  The tables are looked
 * at as their owner.
 */
static const char *
CheckFinds(Check *check)
{
	Identity	saved;
	uint64		rows;

	if (check->needs != NEEDS_DATA)
		rows = StatementRun(&check->found, NULL);
	else
	{
		IdentityBecomeOwner(&saved);
		rows = StatementRun(&check->found, NULL);
		IdentityRestore(&saved);
	}
	if (rows == 0)
		return NULL;
	if (SPI_tuptable->tupdesc->natts == 0)
		return check->finding;
	return psprintf("%s: %s", check->finding, RowText(0, 1));
}

static void
ReportFinding(ReturnSetInfo *rsinfo, const char *finding, const char *severity,
			  const char *remedy)
{
	Datum		values[3] = {
		CStringGetTextDatum(finding),
		CStringGetTextDatum(severity),
		CStringGetTextDatum(remedy)
	};
	bool		nulls[3] = {false};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* Whether the installation can serve at all. */
static bool
ReportReadiness(ReturnSetInfo *rsinfo)
{
	char	   *facts;

	switch (ReadinessLook(&facts))
	{
		case READINESS_NOT_SET_UP:
			ReportFinding(rsinfo, "washminute is not set up in this database",
						  "error", "SELECT washminute.setup() as a superuser.");
			return false;
		case READINESS_OWNER_DIFFERS:
			ReportFinding(rsinfo, "tables do not belong to washminute_owner",
						  "error",
						  "SELECT washminute.setup() as a superuser repairs the ownership.");
			return false;
		case READINESS_VERSION_DIFFERS:
			ReportFinding(rsinfo,
						  psprintf("versions differ: %s", facts), "error",
						  "Restart the server after installing files, then ALTER EXTENSION washminute UPDATE and SELECT washminute.setup().");
			return false;
		case READINESS_READY:
			break;
	}
	if (InstanceIsCloned())
		ReportFinding(rsinfo, "cloned: the data belongs to another cluster or database, so nothing is expired or sent from this one",
					  "warning",
					  "If this database is to serve from now on, SELECT washminute.adopt() as a superuser.");
	return true;
}

/* A file that a setting names must be readable for us, and for nobody else. */
static void
ReportSecretFile(ReturnSetInfo *rsinfo, const char *setting, const char *path)
{
	char		secret[SECRET_FILE_MAX + 1];
	const char *problem = NULL;

	if (path == NULL || path[0] == '\0')
		return;
	if (SecretReadFile(path, secret, &problem) == 0)
		ReportFinding(rsinfo, psprintf("%s %s", setting, problem), "error",
					  "Give the server's user a file of mode 0600, then SELECT pg_reload_conf().");
	explicit_bzero(secret, sizeof(secret));
}

/* What the card gateway knows us by. */
static void
ReportCredentials(ReturnSetInfo *rsinfo)
{
	Credentials credentials;
	const char *problem;

	if (washminute_naps_credentials_file[0] == '\0')
		return;
	if (CredentialsRead(&credentials, &problem))
		CredentialsForget(&credentials);
	else
		ReportFinding(rsinfo, psprintf("washminute.naps_credentials_file %s", problem), "error",
					  "Give the server's user a file of mode 0600 with the members that the README lists, then SELECT pg_reload_conf().");
}

/* Without it no certificate of a peer is good. */
static void
ReportCaFile(ReturnSetInfo *rsinfo)
{
	if (washminute_ca_file[0] != '\0' && access(washminute_ca_file, R_OK) != 0)
		ReportFinding(rsinfo, psprintf("washminute.ca_file \"%s\" cannot be read: %s",
									   washminute_ca_file, strerror(errno)),
					  "error",
					  "Name a file that the server's user can read, or none for the system's authorities, then SELECT pg_reload_conf().");
}

/* That pg_cron has our job, which a check looks at, does not mean that it runs it. */
static void
ReportCron(ReturnSetInfo *rsinfo)
{
	const char *problem = CronProblem();

	if (problem != NULL)
		ReportFinding(rsinfo, psprintf("pg_cron does not run washminute: %s", problem),
					  "warning",
					  "See cron.job_run_details and the server's log. Where it cannot log in: cron.use_background_workers = on, or .pgpass. Where it does nothing: SELECT pg_reload_conf(); without a process 'pg_cron launcher' in pg_stat_activity, restart.");
}

/* washminute.doctor(): findings, none when all is well. */
Datum
washminute_doctor(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext context = CurrentMemoryContext;
	bool		has_data;
	bool		has_cron;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	MemoryContextSwitchTo(context);

	has_data = ReportReadiness(rsinfo);
	has_cron = OidIsValid(get_extension_oid("pg_cron", true));
	ReportSecretFile(rsinfo, "washminute.signing_key_file", washminute_signing_key_file);
	ReportCredentials(rsinfo);
	ReportCaFile(rsinfo);
	if (ClockIsSet())
		ReportFinding(rsinfo, "the shared clock is set: time is not the real time",
					  "warning", "SELECT washminute.set_clock(NULL) gives the real time back.");

	if (has_data)
		StatusAwaitWorker();
	for (int i = 0; i < lengthof(checks); i++)
	{
		Check	   *check = &checks[i];
		const char *finding;

		if ((check->needs == NEEDS_DATA && !has_data) ||
			(check->needs == NEEDS_CRON && !(has_data && has_cron && superuser())))
			continue;
		finding = CheckFinds(check);
		if (finding != NULL)
			ReportFinding(rsinfo, finding, check->severity, check->remedy);
	}
	if (has_data && has_cron && superuser())
		ReportCron(rsinfo);
	SPI_finish();
	return (Datum) 0;
}
