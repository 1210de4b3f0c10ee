/*-------------------------------------------------------------------------
 *
 * own_table.c
 *		Tables of washminute_data that C code reads or writes without a statement.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
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

Relation
OwnTableOpen(const char *name, LOCKMODE lock)
{
	Relation	relation = table_open(OwnRelation(name), lock);

	if (relation->rd_rel->relkind != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"washminute_data.%s\" is not an ordinary table", name),
				 errhint(HINT_OWN_TABLES)));
	return relation;
}

AttrNumber
OwnColumnNumber(Relation relation, const OwnColumn *column)
{
	AttrNumber	number = get_attnum(RelationGetRelid(relation), column->name);
	Form_pg_attribute attribute;

	if (number == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"washminute_data.%s\" does not exist",
						column->name, RelationGetRelationName(relation)),
				 errhint(HINT_OWN_TABLES)));
	attribute = TupleDescAttr(RelationGetDescr(relation), number - 1);
	if (attribute->atttypid != column->type && getBaseType(attribute->atttypid) != column->type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of relation \"washminute_data.%s\" is not of type %s",
						column->name, RelationGetRelationName(relation), format_type_be(column->type)),
				 errhint(HINT_OWN_TABLES)));
	if (attribute->attgenerated != '\0' && attribute->attgenerated != ATTRIBUTE_GENERATED_STORED)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_COLUMN_DEFINITION),
				 errmsg("column \"%s\" of relation \"washminute_data.%s\" is not stored",
						column->name, RelationGetRelationName(relation)),
				 errhint(HINT_OWN_TABLES)));
	return number;
}

Relation
OwnPrimaryKeyOpen(Relation relation, const OwnColumn *columns)
{
	Oid			indexid = compat_primary_key_index(relation);
	Relation	index = OidIsValid(indexid) ? index_open(indexid, AccessShareLock) : NULL;
	int			count = index == NULL ? 0 : IndexRelationGetNumberOfKeyAttributes(index);
	int			same = 0;

	while (same < count && columns[same].name != NULL &&
		   index->rd_index->indkey.values[same] == OwnColumnNumber(relation, &columns[same]))
		same++;
	if (index == NULL || same < count || columns[same].name != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("relation \"washminute_data.%s\" does not have its original primary key",
						RelationGetRelationName(relation)),
				 errhint(HINT_OWN_TABLES)));
	return index;
}
