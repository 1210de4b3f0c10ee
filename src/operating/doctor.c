/*-------------------------------------------------------------------------
 *
 * doctor.c
 *		What is wrong with this installation, and the remedy for each finding.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

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
#include "base/identity.h"
#include "base/readiness.h"
#include "base/statement.h"

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
	Statement	found;			/* yields a row where there is something wrong */
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
	{NEEDS_CRON, "warning",
		"pg_cron is here, but has no active job that runs washminute on this server",
		"SELECT washminute.setup() registers it.",
		{"SELECT WHERE NOT EXISTS (SELECT FROM cron.job"
			" WHERE jobname = 'washminute run_due' AND active"
			" AND nodeport = pg_catalog.current_setting('port')::pg_catalog.int4"
		" AND database = pg_catalog.current_database())"}}
};

/* Does the check find something?  The tables are looked at as their owner. */
static bool
CheckFinds(Check *check)
{
	Identity	saved;
	uint64		rows;

	if (check->needs != NEEDS_DATA)
		return StatementRun(&check->found, NULL) > 0;
	IdentityBecomeOwner(&saved);
	rows = StatementRun(&check->found, NULL);
	IdentityRestore(&saved);
	return rows > 0;
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
	if (ClockIsSet())
		ReportFinding(rsinfo, "the shared clock is set: time is not the real time",
					  "warning", "SELECT washminute.set_clock(NULL) gives the real time back.");
	if (has_data && !has_cron)
		ReportFinding(rsinfo, "pg_cron is not in this database, so nothing calls washminute.run_due()",
					  "warning",
					  "CREATE EXTENSION pg_cron and SELECT washminute.setup(), or call washminute.run_due() every minute by other means.");

	for (int i = 0; i < lengthof(checks); i++)
	{
		Check	   *check = &checks[i];

		if ((check->needs == NEEDS_DATA && !has_data) ||
			(check->needs == NEEDS_CRON && !(has_data && has_cron && superuser())))
			continue;
		if (CheckFinds(check))
			ReportFinding(rsinfo, check->finding, check->severity, check->remedy);
	}
	SPI_finish();
	return (Datum) 0;
}
