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
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/errors.h"
#include "base/identity.h"
#include "base/json.h"
#include "base/readiness.h"
#include "base/statement.h"

static bool known_ready = false;
static uint64 invalidations = 0;	/* to notice one during the look */
static Oid	instance_relid = InvalidOid;


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

static Statement select_owner_is_in = {
	"SELECT WHERE pg_catalog.has_schema_privilege('washminute_owner', 'washminute', 'USAGE')"
};

static Statement select_identity = {
	"SELECT system_identifier, database_oid FROM washminute_data.instance"
};

/* setup(), or something that was done to the table: a drop, another owner. */
static void
InstanceRelationChanged(Datum argument, Oid relid)
{
	if (relid != InvalidOid && relid != instance_relid)
		return;
	known_ready = false;
	invalidations++;
}

static void
FunctionChanged(Datum argument, int cacheid, uint32 hashvalue)
{
	known_ready = false;
	invalidations++;
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
	Identity	saved;
	uint64		rows;

	*facts = NULL;

	/* after DROP EXTENSION the worker has the library still */
	if (!OidIsValid(get_extension_oid("washminute", true)))
		return READINESS_NOT_SET_UP;
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

	/* CREATE EXTENSION anew: setup() has not granted anything yet */
	if (StatementRun(&select_owner_is_in, NULL) == 0)
		return READINESS_NOT_SET_UP;
	/* the tables are his, and the caller may be a superuser */
	IdentityBecomeOwner(&saved);
	rows = StatementRun(&select_versions, NULL);
	IdentityRestore(&saved);
	if (rows == 0)
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

Oid
ReadinessRelation(void)
{
	if (!known_ready)
		instance_relid = InstanceRelation();
	return instance_relid;
}

bool
ReadinessIsKnown(void)
{
	return known_ready;
}

Readiness
ReadinessNow(char **facts)
{
	uint64		before = invalidations;
	Readiness	readiness;

	*facts = NULL;
	if (known_ready)
		return READINESS_READY;
	readiness = ReadinessLook(facts);
	known_ready = readiness == READINESS_READY && before == invalidations;
	return readiness;
}

void
ReadinessRequire(void)
{
	char	   *facts;

	switch (ReadinessNow(&facts))
	{
		case READINESS_NOT_SET_UP:
			ErrorRaise(WM_NOT_SET_UP, facts);
		case READINESS_OWNER_DIFFERS:
			ErrorRaise(WM_OWNER_DIFFERS, facts);
		case READINESS_VERSION_DIFFERS:
			ErrorRaise(WM_VERSION_DIFFERS, facts);
		case READINESS_READY:
			break;
	}
}

void
ReadinessInvalidate(void)
{
	Oid			relid = InstanceRelation();

	if (OidIsValid(relid))
		CacheInvalidateRelcacheByRelid(relid);
}

bool
InstanceIsCloned(void)
{
	Identity	saved;
	uint64		rows;

	IdentityBecomeOwner(&saved);
	rows = StatementRun(&select_identity, NULL);
	IdentityRestore(&saved);
	if (rows != 1)
		return true;
	return (uint64) RowInt64(0, 1) != GetSystemIdentifier() ||
		DatumGetObjectId(RowDatum(0, 2)) != MyDatabaseId;
}
