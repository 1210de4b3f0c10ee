/*-------------------------------------------------------------------------
 *
 * readiness.c
 *		Is this installation fit to serve: set up, owned, of one version?
 *
 * Library, extension and data carry a version each.  They differ for a while
 * in every upgrade, and after a dump was restored under newer files.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/readiness.h"
#include "base/statement.h"

static bool known_ready = false;
static Oid	instance_relid = InvalidOid;

PG_FUNCTION_INFO_V1(washminute_adopt);
PG_FUNCTION_INFO_V1(washminute_creating_extension);
PG_FUNCTION_INFO_V1(washminute_instance_changed);
PG_FUNCTION_INFO_V1(washminute_library_version);

static Statement select_versions = {
	"SELECT i.version, e.extversion"
	"  FROM washminute_data.instance AS i, pg_catalog.pg_extension AS e"
	" WHERE e.extname = 'washminute'"
};

/* The first of our tables that does not belong to washminute_owner. */
static Statement select_foreign_table = {
	"SELECT c.relname::pg_catalog.text"
	"  FROM pg_catalog.pg_class AS c"
	"  JOIN washminute.setup_object AS o"
	"    ON o.kind = 'table' AND o.name = c.relname"
	" WHERE c.relnamespace = 'washminute_data'::pg_catalog.regnamespace"
	"   AND c.relowner <> 'washminute_owner'::pg_catalog.regrole"
	" ORDER BY c.relname LIMIT 1"
};

static Statement select_identity = {
	"SELECT system_identifier, database_oid FROM washminute_data.instance"
};

static Statement update_identity = {
	"UPDATE washminute_data.instance"
	"   SET system_identifier = $1, database_oid = $2, adopted_at = $3",
	3, {INT8OID, OIDOID, TIMESTAMPTZOID}
};

static void
InstanceRelationChanged(Datum argument, Oid relid)
{
	if (relid == InvalidOid || relid == instance_relid)
		known_ready = false;
}

static void
FunctionChanged(Datum argument, int cacheid, uint32 hashvalue)
{
	known_ready = false;
}

void
ReadinessInit(void)
{
	CacheRegisterRelcacheCallback(InstanceRelationChanged, (Datum) 0);

	/* ALTER EXTENSION UPDATE replaces our functions */
	CacheRegisterSyscacheCallback(PROCOID, FunctionChanged, (Datum) 0);
}

static Oid
InstanceRelation(void)
{
	Oid			namespace = get_namespace_oid("washminute_data", true);

	if (!OidIsValid(namespace))
		return InvalidOid;
	return get_relname_relid("instance", namespace);
}

Readiness
ReadinessLook(char **facts)
{
	char	   *data_version;
	char	   *extension_version;
	JsonObject	object;

	*facts = NULL;
	instance_relid = InstanceRelation();
	if (!OidIsValid(instance_relid) ||
		!OidIsValid(get_role_oid("washminute_owner", true)))
		return OidIsValid(instance_relid) ? READINESS_OWNER_DIFFERS :
			READINESS_NOT_SET_UP;

	if (StatementRun(&select_foreign_table, NULL) > 0)
	{
		JsonOpen(&object);
		JsonText(&object, "table", RowText(0, 1));
		*facts = JsonClose(&object);
		return READINESS_OWNER_DIFFERS;
	}

	if (StatementRun(&select_versions, NULL) == 0)
		return READINESS_NOT_SET_UP;
	data_version = RowText(0, 1);
	extension_version = RowText(0, 2);
	if (strcmp(data_version, WASHMINUTE_VERSION) != 0 ||
		strcmp(extension_version, WASHMINUTE_VERSION) != 0)
	{
		JsonOpen(&object);
		JsonText(&object, "library", WASHMINUTE_VERSION);
		JsonText(&object, "extension", extension_version);
		JsonText(&object, "data", data_version);
		*facts = JsonClose(&object);
		return READINESS_VERSION_DIFFERS;
	}
	return READINESS_READY;
}

void
ReadinessRequire(void)
{
	char	   *facts;

	if (known_ready)
		return;

	switch (ReadinessLook(&facts))
	{
		case READINESS_NOT_SET_UP:
			ErrorRaise(WM_NOT_SET_UP, facts);
		case READINESS_OWNER_DIFFERS:
			ErrorRaise(WM_OWNER_DIFFERS, facts);
		case READINESS_VERSION_DIFFERS:
			ErrorRaise(WM_VERSION_DIFFERS, facts);
		case READINESS_READY:
			known_ready = true;
	}
}

bool
InstanceIsCloned(void)
{
	if (StatementRun(&select_identity, NULL) != 1)
		return true;
	return (uint64) RowInt64(0, 1) != GetSystemIdentifier() ||
		DatumGetObjectId(RowDatum(0, 2)) != MyDatabaseId;
}

/* washminute.adopt() */
Datum
washminute_adopt(PG_FUNCTION_ARGS)
{
	Arguments	arguments = {0};

	if (!superuser())
		ErrorRaise(WM_SUPERUSER_ONLY, NULL);

	SPI_connect();
	ReadinessRequire();
	ArgumentDatum(&arguments, Int64GetDatum((int64) GetSystemIdentifier()));
	ArgumentDatum(&arguments, ObjectIdGetDatum(MyDatabaseId));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	StatementRunOne(&update_identity, &arguments);
	SPI_finish();
	PG_RETURN_VOID();
}

/* washminute._creating_extension(): are we inside CREATE or ALTER EXTENSION? */
Datum
washminute_creating_extension(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(creating_extension);
}

/*
 * washminute._instance_changed(): setup() calls it at its end, so that every
 * backend looks anew after commit.
 */
Datum
washminute_instance_changed(PG_FUNCTION_ARGS)
{
	Oid			relid = InstanceRelation();

	if (OidIsValid(relid))
		CacheInvalidateRelcacheByRelid(relid);
	PG_RETURN_VOID();
}

/* washminute._library_version() */
Datum
washminute_library_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(WASHMINUTE_VERSION));
}
