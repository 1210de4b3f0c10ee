/*-------------------------------------------------------------------------
 *
 * own_table.c
 *		Tables of washminute_data that C code reads or writes without a statement.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "catalog/namespace.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "base/own_table.h"

Oid
OwnRelation(const char *name)
{
	Oid			namespace = get_namespace_oid("washminute_data", false);
	Oid			relid = get_relname_relid(name, namespace);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"washminute_data.%s\" does not exist", name),
				 errhint(HINT_OWN_TABLES)));
	return relid;
}

void
OwnColumnIsOther(Relation relation, const char *name, Oid type)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("column \"%s\" of relation \"washminute_data.%s\" is not of type %s",
					name, RelationGetRelationName(relation), format_type_be(type)),
			 errhint(HINT_OWN_TABLES)));
}

AttrNumber
OwnColumn(Relation relation, const char *name, Oid type)
{
	AttrNumber	number = get_attnum(RelationGetRelid(relation), name);
	Oid			column_type;

	if (number == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"washminute_data.%s\" does not exist",
						name, RelationGetRelationName(relation)),
				 errhint(HINT_OWN_TABLES)));
	column_type = TupleDescAttr(RelationGetDescr(relation), number - 1)->atttypid;
	if (column_type != type && getBaseType(column_type) != type)
		OwnColumnIsOther(relation, name, type);
	return number;
}

Relation
OwnPrimaryKey(Relation relation, const Oid *types)
{
	Oid			indexid = compat_primary_key_index(relation);
	Relation	index = OidIsValid(indexid) ? index_open(indexid, AccessShareLock) : NULL;
	int			count = 0;

	while (index != NULL && count < IndexRelationGetNumberOfKeyAttributes(index) &&
		   types[count] == index->rd_opcintype[count])
		count++;
	if (index == NULL || count < IndexRelationGetNumberOfKeyAttributes(index) || OidIsValid(types[count]))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("relation \"washminute_data.%s\" has not the primary key that it had",
						RelationGetRelationName(relation)),
				 errhint(HINT_OWN_TABLES)));
	return index;
}
