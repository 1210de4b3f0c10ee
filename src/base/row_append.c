/*-------------------------------------------------------------------------
 *
 * row_append.c
 *		Rows appended to a table of washminute_data without a statement.
 *
 * Half of what an INSERT of a row or two costs is to set up and take down the execution
 * of its plan.  The rows go in as those of COPY do: a few at a time, which has one WAL
 * record for those that share a page; or, where something might look at the table or take
 * a row away before it is written (CanGoTogether), as those of logical replication do: one
 * by one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/own_table.h"
#include "base/row_append.h"

/*
 * What domain_check() keeps is made anew after so many uses: at each change of any
 * constraint in the database it makes its expressions again, and leaves the old ones.
 */
#define CHECKS_LAST 256

/* Rows that go in together. */
#define ROWS_TOGETHER 8

/* A default of a column that is not named. */
typedef struct Default
{
	AttrNumber	number;
	ExprState  *expression;
} Default;

struct RowAppend
{
	AppendTable *table;
	Relation	relation;
	EState	   *estate;
	ResultRelInfo *result;
	List	   *defaults;		/* Default * */
	bool		together;		/* rows wait until there are some, or for the end */
	TupleTableSlot *slots[ROWS_TOGETHER];	/* made as they are needed */
	int			count;			/* of rows that wait in them */

	/* the last values that their domains were asked about */
	Datum		checked[APPEND_MAX_COLUMNS];
	bool		is_checked[APPEND_MAX_COLUMNS];
};

int64
SequenceNext(const char *name)
{
	return nextval_internal(OwnRelation(name), true);
}

/* Is a column still where it was, of that type, and written as its value is given? */
static bool
IsKnown(const AppendColumn *column, TupleDesc descriptor)
{
	Form_pg_attribute attribute;

	if (column->number == InvalidAttrNumber || column->number > descriptor->natts)
		return false;
	attribute = TupleDescAttr(descriptor, column->number - 1);
	return attribute->atttypid == column->column_type && attribute->atttypmod == -1 &&
		!attribute->attgenerated && strcmp(NameStr(attribute->attname), column->own.name) == 0;
}

static void
FindColumns(AppendTable *table, Relation relation)
{
	TupleDesc	descriptor = RelationGetDescr(relation);

	for (AppendColumn *column = table->columns; column->own.name != NULL; column++)
	{
		AttrNumber	number;
		Form_pg_attribute attribute;
		int32		typmod;

		if (IsKnown(column, descriptor))
			continue;
		number = OwnColumnNumber(relation, &column->own);
		attribute = TupleDescAttr(descriptor, number - 1);
		typmod = attribute->atttypmod;
		(void) getBaseTypeAndTypmod(attribute->atttypid, &typmod);
		if (typmod != -1 || attribute->attgenerated)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_COLUMN_DEFINITION),
					 errmsg("column \"%s\" of relation \"washminute_data.%s\" has a length, a precision or an expression",
							column->own.name, table->name),
					 errhint(HINT_OWN_TABLES)));
		column->number = number;
		column->column_type = attribute->atttypid;
		column->check = NULL;
	}
}

/* Find the defaults of columns that are not named, some that a user has added; is one volatile? */
static List *
FindDefaults(const AppendTable *table, Relation relation, bool *has_volatile)
{
	TupleDesc	descriptor = RelationGetDescr(relation);
	List	   *defaults = NIL;

	*has_volatile = false;
	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);
		bool		is_named = false;
		Default    *one;
		Expr	   *expression;

		if (attribute->attisdropped || attribute->attgenerated ||
			(!attribute->atthasdef && !attribute->attidentity))
			continue;
		for (const AppendColumn *column = table->columns; column->own.name != NULL; column++)
			is_named = is_named || column->number == attribute->attnum;
		if (is_named)
			continue;
		one = palloc(sizeof(Default));
		one->number = attribute->attnum;
		expression = expression_planner((Expr *) build_column_default(relation, attribute->attnum));
		*has_volatile = *has_volatile || contain_volatile_functions_not_nextval((Node *) expression);
		one->expression = ExecInitExpr(expression, NULL);
		defaults = lappend(defaults, one);
	}
	return defaults;
}

static void
KeepChecks(AppendTable *table)
{
	if (table->checks != NULL && ++table->uses < CHECKS_LAST)
		return;
	for (AppendColumn *column = table->columns; column->own.name != NULL; column++)
		column->check = NULL;
	if (table->checks != NULL)
		MemoryContextReset(table->checks);
	else
		table->checks = AllocSetContextCreate(TopMemoryContext, "washminute row append",
											  ALLOCSET_SMALL_SIZES);
	table->uses = 0;
}

/*
 * May rows wait for those after them?  Not where a BEFORE trigger or a volatile default might
 * look at the table, nor where ExecSimpleRelationInsert() has more to do.
 */
static bool
CanGoTogether(Relation relation, bool has_volatile_default)
{
	const TriggerDesc *triggers = relation->trigdesc;
	const TupleConstr *constraints = RelationGetDescr(relation)->constr;

	return !has_volatile_default && !relation->rd_rel->relispartition &&
		(triggers == NULL || !triggers->trig_insert_before_row) &&
		(constraints == NULL || !constraints->has_generated_stored);
}

static TupleTableSlot *
NextSlot(RowAppend *append)
{
	TupleTableSlot **slot = &append->slots[append->count];
	MemoryContext previous = MemoryContextSwitchTo(append->estate->es_query_cxt);

	if (*slot == NULL)
		*slot = ExecInitExtraTupleSlot(append->estate, RelationGetDescr(append->relation),
									   table_slot_callbacks(append->relation));
	else
		ExecClearTuple(*slot);
	MemoryContextSwitchTo(previous);
	return *slot;
}

/* Write the rows that wait. */
static void
InsertTogether(RowAppend *append)
{
	EState	   *estate = append->estate;
	MemoryContext previous;

	if (append->count == 0)
		return;
	previous = MemoryContextSwitchTo(GetPerTupleMemoryContext(estate));
	table_multi_insert(append->relation, append->slots, append->count, estate->es_output_cid, 0, NULL);
	for (int i = 0; i < append->count; i++)
	{
		TupleTableSlot *slot = append->slots[i];
		List	   *recheck = NIL;

		ResetPerTupleExprContext(estate);
		if (append->result->ri_NumIndices > 0)
			recheck = compat_insert_index_tuples(append->result, slot, estate);
		ExecARInsertTriggers(estate, append->result, slot, recheck, NULL);
	}
	MemoryContextSwitchTo(previous);
	append->count = 0;
}

RowAppend *
RowAppendBegin(AppendTable *table)
{
	RowAppend  *append;
	Relation	relation;
	Oid			relid;
	EState	   *estate;
	bool		has_volatile_default;
	MemoryContext previous;

	PreventCommandIfReadOnly("INSERT");
	relation = OwnTableOpen(table->name, RowExclusiveLock);
	relid = RelationGetRelid(relation);
	if (pg_class_aclcheck(relid, GetUserId(), ACL_INSERT) != ACLCHECK_OK ||
		check_enable_rls(relid, InvalidOid, false) == RLS_ENABLED)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, table->name);
	FindColumns(table, relation);
	KeepChecks(table);

	estate = CreateExecutorState();
	previous = MemoryContextSwitchTo(estate->es_query_cxt);
	append = palloc0(sizeof(RowAppend));
	append->table = table;
	append->relation = relation;
	append->estate = estate;
	estate->es_output_cid = GetCurrentCommandId(true);
	append->result = makeNode(ResultRelInfo);
	InitResultRelInfo(append->result, relation, 0, NULL, 0);
	ExecOpenIndices(append->result, false);
	estate->es_opened_result_relations = list_make1(append->result);	/* for triggers */
	append->defaults = FindDefaults(table, relation, &has_volatile_default);
	append->together = CanGoTogether(relation, has_volatile_default);
	MemoryContextSwitchTo(previous);

	AfterTriggerBeginQuery();
	PushActiveSnapshot(GetLatestSnapshot());
	return append;
}

bool
RowAppendRow(RowAppend *append, const Datum *values, const bool *nulls)
{
	TupleTableSlot *slot = NextSlot(append);
	AppendColumn *columns = append->table->columns;
	MemoryContext previous;
	ListCell   *cell;

	ResetPerTupleExprContext(append->estate);
	memset(slot->tts_isnull, true, RelationGetNumberOfAttributes(append->relation));
	for (int i = 0; columns[i].own.name != NULL; i++)
	{
		int			at = columns[i].number - 1;

		slot->tts_values[at] = values[i];
		slot->tts_isnull[at] = nulls[i];
		if (columns[i].column_type == columns[i].own.type ||
			(append->is_checked[i] && !nulls[i] && values[i] == append->checked[i]))
			continue;
		domain_check(values[i], nulls[i], columns[i].column_type,
					 &columns[i].check, append->table->checks);
		append->checked[i] = values[i];
		append->is_checked[i] = !nulls[i];
	}
	foreach(cell, append->defaults)
	{
		const Default *one = lfirst(cell);

		slot->tts_values[one->number - 1] =
			ExecEvalExprSwitchContext(one->expression, GetPerTupleExprContext(append->estate),
									  &slot->tts_isnull[one->number - 1]);
	}
	ExecStoreVirtualTuple(slot);

	if (append->together)
	{
		ExecMaterializeSlot(slot);
		if (RelationGetDescr(append->relation)->constr)
			ExecConstraints(append->result, slot, append->estate);
		if (++append->count == ROWS_TOGETHER)
			InsertTogether(append);
		return true;
	}
	previous = MemoryContextSwitchTo(GetPerTupleMemoryContext(append->estate));
	ExecSimpleRelationInsert(append->result, append->estate, slot);
	MemoryContextSwitchTo(previous);

	/* the place is of the row that was written, if one was */
	return ItemPointerIsValid(&slot->tts_tid);
}

void
RowAppendEnd(RowAppend *append)
{
	EState	   *estate = append->estate;
	Relation	relation = append->relation;

	InsertTogether(append);
	AfterTriggerEndQuery(estate);
	PopActiveSnapshot();
	ExecCloseResultRelations(estate);
	ExecResetTupleTable(estate->es_tupleTable, false);
	FreeExecutorState(estate);
	table_close(relation, NoLock);
}
