/*-------------------------------------------------------------------------
 *
 * setup.c
 *		The parts of setup() and adopt() that need C.
 *
 * setup() itself is PL/pgSQL (sql/code/20_setup.sql).  Roles, schemas, ownership
 * and grants are a superuser's work; all that runs on the tables is done here as
 * washminute_owner.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/identity.h"
#include "base/readiness.h"
#include "base/statement.h"
#include "operating/cron.h"
#include "outbox/wake.h"

PG_FUNCTION_INFO_V1(washminute_adopt);
PG_FUNCTION_INFO_V1(washminute_creating_extension);
PG_FUNCTION_INFO_V1(washminute_library_version);
PG_FUNCTION_INFO_V1(washminute_setup_as_owner);

static Statement run_migrations = {
	"SELECT washminute._setup_migrations()"
};

static Statement replace_objects = {
	"SELECT washminute._setup_replace()"
};

static Statement upsert_instance = {
	"INSERT INTO washminute_data.instance AS i"
	"  (only_row, system_identifier, database_oid, version, set_up_at)"
	" VALUES (true, $1, $2, $3, $4)"
	" ON CONFLICT (only_row) DO UPDATE"
	"   SET version = EXCLUDED.version, set_up_at = EXCLUDED.set_up_at",
	4, {INT8OID, OIDOID, TEXTOID, TIMESTAMPTZOID}
};

static Statement update_identity = {
	"UPDATE washminute_data.instance"
	"   SET system_identifier = $1, database_oid = $2, adopted_at = $3",
	3, {INT8OID, OIDOID, TIMESTAMPTZOID}
};

/* Transaction ids of another cluster may still be to come in this one. */
static Statement renew_outbox = {
	"UPDATE washminute_data.outbox SET xid = pg_catalog.pg_current_xact_id()"
};

/* Which cluster and database this is: the first arguments of both statements. */
static void
ArgumentsOfIdentity(Arguments *arguments)
{
	ArgumentDatum(arguments, Int64GetDatum((int64) GetSystemIdentifier()));
	ArgumentDatum(arguments, ObjectIdGetDatum(MyDatabaseId));
}

/*
 * washminute._setup_as_owner(): migrations, policies, triggers and API, and the
 * row of instance, as washminute_owner.  Every session looks at the
 * installation anew after commit.
 */
Datum
washminute_setup_as_owner(PG_FUNCTION_ARGS)
{
	Identity	saved;
	Arguments	arguments = {0};

	if (!superuser())
		ErrorRaise(WM_SUPERUSER_ONLY, NULL);

	SPI_connect();
	IdentityBecomeOwner(&saved);
	StatementRun(&run_migrations, NULL);
	StatementRun(&replace_objects, NULL);
	ArgumentsOfIdentity(&arguments);
	ArgumentText(&arguments, WASHMINUTE_VERSION);
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	StatementRunOne(&upsert_instance, &arguments);
	IdentityRestore(&saved);
	CronReloadAtCommit();
	SPI_finish();

	ReadinessInvalidate();
	WakeAtCommit(WAKE_LOOK | WAKE_ROUTES);
	PG_RETURN_VOID();
}

/* washminute.adopt() */
Datum
washminute_adopt(PG_FUNCTION_ARGS)
{
	Identity	saved;
	Arguments	arguments = {0};

	if (!superuser())
		ErrorRaise(WM_SUPERUSER_ONLY, NULL);

	SPI_connect();
	ReadinessRequire();
	IdentityBecomeOwner(&saved);
	ArgumentsOfIdentity(&arguments);
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	StatementRunOne(&update_identity, &arguments);
	StatementRun(&renew_outbox, NULL);
	IdentityRestore(&saved);
	SPI_finish();

	ReadinessInvalidate();
	WakeAtCommit(WAKE_LOOK);
	PG_RETURN_VOID();
}

/* washminute._creating_extension(): are we inside CREATE or ALTER EXTENSION? */
Datum
washminute_creating_extension(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(creating_extension);
}

/* washminute._library_version() */
Datum
washminute_library_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(WASHMINUTE_VERSION));
}
