/*-------------------------------------------------------------------------
 *
 * row_append.c
 *		Rows appended to a table of washminute_data without a statement.
 *
 * Half of what an INSERT of a row or two costs is to set up and take down the execution
 * of its plan.  The rows go in as those of logical replication do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/row_append.h"

struct RowAppend
{
	AppendTable *table;
	Relation	relation;
	EState	   *estate;
	ResultRelInfo *result;
	TupleTableSlot *slot;
};

static Oid
RelationByName(const char *name)
{
	Oid			namespace = get_namespace_oid("washminute_data", false);
	Oid			relid = get_relname_relid(name, namespace);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"washminute_data.%s\" does not exist", name)));
	return relid;
}

int64
SequenceNext(const char *name)
{
	return nextval_internal(RelationByName(name), true);
}

/* Is a column still where it was, and of that type? */
static bool
IsKnown(const AppendTable *table, int column, TupleDesc descriptor)
{
	AttrNumber	number = table->known[column].number;
	Form_pg_attribute attribute;

	if (number == InvalidAttrNumber || number > descriptor->natts)
		return false;
	attribute = TupleDescAttr(descriptor, number - 1);
	return attribute->atttypid == table->known[column].type &&
		strcmp(NameStr(attribute->attname), table->columns[column]) == 0;
}

static void
FindColumns(AppendTable *table, Relation relation)
{
	TupleDesc	descriptor = RelationGetDescr(relation);

	for (int i = 0; table->columns[i] != NULL; i++)
	{
		AttrNumber	number;
		Oid			type;

		if (IsKnown(table, i, descriptor))
			continue;
		number = get_attnum(RelationGetRelid(relation), table->columns[i]);
		if (number == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" of relation \"washminute_data.%s\" does not exist",
							table->columns[i], table->name)));
		type = TupleDescAttr(descriptor, number - 1)->atttypid;
		table->known[i].number = number;
		table->known[i].type = type;
		table->known[i].is_domain = get_typtype(type) == TYPTYPE_DOMAIN;
	}
}

RowAppend *
RowAppendBegin(AppendTable *table)
{
	Relation	relation = table_open(RelationByName(table->name), RowExclusiveLock);
	Oid			relid = RelationGetRelid(relation);
	RowAppend  *append = palloc0(sizeof(RowAppend));

	PreventCommandIfReadOnly("INSERT");
	if (pg_class_aclcheck(relid, GetUserId(), ACL_INSERT) != ACLCHECK_OK ||
		check_enable_rls(relid, InvalidOid, false) == RLS_ENABLED)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, table->name);

	FindColumns(table, relation);
	append->table = table;
	append->relation = relation;
	append->estate = CreateExecutorState();
	append->estate->es_output_cid = GetCurrentCommandId(true);
	append->result = makeNode(ResultRelInfo);
	InitResultRelInfo(append->result, relation, 0, NULL, 0);
	ExecOpenIndices(append->result, false);
	append->estate->es_opened_result_relations = list_make1(append->result);	/* for triggers */
	append->slot = ExecInitExtraTupleSlot(append->estate, RelationGetDescr(relation),
										  table_slot_callbacks(relation));
	AfterTriggerBeginQuery();
	PushActiveSnapshot(GetLatestSnapshot());
	return append;
}

void
RowAppendRow(RowAppend *append, const Datum *values, const bool *nulls)
{
	AppendTable *table = append->table;
	TupleTableSlot *slot = append->slot;
	MemoryContext previous;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, RelationGetNumberOfAttributes(append->relation));
	for (int i = 0; table->columns[i] != NULL; i++)
	{
		int			at = table->known[i].number - 1;

		slot->tts_values[at] = values[i];
		slot->tts_isnull[at] = nulls[i];
		if (table->known[i].is_domain)
			domain_check(values[i], nulls[i], table->known[i].type,
						 &table->known[i].check, TopMemoryContext);
	}
	ExecStoreVirtualTuple(slot);

	ResetPerTupleExprContext(append->estate);
	previous = MemoryContextSwitchTo(GetPerTupleMemoryContext(append->estate));
	ExecSimpleRelationInsert(append->result, append->estate, slot);
	MemoryContextSwitchTo(previous);
}

void
RowAppendEnd(RowAppend *append)
{
	PopActiveSnapshot();
	AfterTriggerEndQuery(append->estate);
	ExecCloseResultRelations(append->estate);
	ExecResetTupleTable(append->estate->es_tupleTable, false);
	FreeExecutorState(append->estate);
	table_close(append->relation, NoLock);
	pfree(append);
}
