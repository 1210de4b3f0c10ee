/*-------------------------------------------------------------------------
 *
 * statement.c
 *		SQL statements with kept plans, run on the latest snapshot.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/money.h"
#include "base/own_table.h"
#include "base/statement.h"

void
ArgumentDatumOrNull(Arguments *arguments, Datum value, bool isnull)
{
	Assert(arguments->count < STATEMENT_MAX_ARGS);
	arguments->values[arguments->count] = isnull ? (Datum) 0 : value;
	arguments->nulls[arguments->count] = isnull ? 'n' : ' ';
	arguments->count++;
}

void
ArgumentDatum(Arguments *arguments, Datum value)
{
	ArgumentDatumOrNull(arguments, value, false);
}

void
ArgumentText(Arguments *arguments, const char *text)
{
	ArgumentDatumOrNull(arguments,
						text ? CStringGetTextDatum(text) : (Datum) 0,
						text == NULL);
}

static SPIPlanPtr
StatementPlan(Statement *statement, int cursor_options)
{
	if (statement->plan == NULL)
	{
		/* look-ups by key: planning again for each value would gain nothing */
		SPIPlanPtr	plan = SPI_prepare_cursor(statement->sql, statement->nargs,
											  statement->types,
											  CURSOR_OPT_GENERIC_PLAN |
											  cursor_options);

		if (plan == NULL)
			elog(ERROR, "could not prepare statement: %s: %s",
				 SPI_result_code_string(SPI_result), statement->sql);
		SPI_keepplan(plan);
		statement->plan = plan;
	}
	return statement->plan;
}

uint64
StatementRun(Statement *statement, Arguments *arguments)
{
	MemoryContext context = CurrentMemoryContext;
	SPIPlanPtr	plan = StatementPlan(statement, 0);
	int			result;

	Assert((arguments ? arguments->count : 0) == statement->nargs);
	result = SPI_execute_snapshot(plan,
								  arguments ? arguments->values : NULL,
								  arguments ? arguments->nulls : NULL,
								  GetLatestSnapshot(), InvalidSnapshot,
								  false, true, 0);

	/* SPI leaves its own context, which ends with the connection */
	MemoryContextSwitchTo(context);
	if (result < 0)
		elog(ERROR, "could not run statement: %s: %s",
			 SPI_result_code_string(result), statement->sql);
	return SPI_processed;
}

Portal
StatementOpen(Statement *statement, Arguments *arguments, bool read_only)
{
	MemoryContext context = CurrentMemoryContext;
	SPIPlanPtr	plan = StatementPlan(statement, CURSOR_OPT_FAST_PLAN);
	Portal		portal;

	/* a cursor that is not read-only would take the transaction's snapshot */
	if (!read_only)
	{
		CommandCounterIncrement();
		PushActiveSnapshot(GetLatestSnapshot());
	}
	portal = SPI_cursor_open(NULL, plan, arguments->values, arguments->nulls,
							 true);
	if (!read_only)
		PopActiveSnapshot();
	MemoryContextSwitchTo(context);

	if (portal == NULL)
		elog(ERROR, "could not open cursor: %s: %s",
			 SPI_result_code_string(SPI_result), statement->sql);
	return portal;
}

uint64
StatementFetch(Portal portal, long count)
{
	MemoryContext context = CurrentMemoryContext;

	SPI_cursor_fetch(portal, true, count);
	MemoryContextSwitchTo(context);
	return SPI_processed;
}

void
StatementRunOne(Statement *statement, Arguments *arguments)
{
	uint64		rows = StatementRun(statement, arguments);

	if (rows != 1)
		elog(ERROR, "statement touched " UINT64_FORMAT " rows instead of one: %s",
			 rows, statement->sql);
}

int
StatementSettings(void)
{
	int			nest_level = NewGUCNestLevel();

	set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
					  GUC_ACTION_SAVE, true, 0, false);
	set_config_option("enable_seqscan", "off", PGC_USERSET, PGC_S_SESSION,
					  GUC_ACTION_SAVE, true, 0, false);
	set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION,
					  GUC_ACTION_SAVE, true, 0, false);
	return nest_level;
}

void
StatementRunBehindWall(Statement *statement, Arguments *arguments, const ConstraintError *errors)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		StatementRunOne(statement, arguments);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		/*
		 * The error is replaced, not swallowed: the transaction, or the
		 * caller's subtransaction, is rolled back as before.
		 */
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		for (const ConstraintError *one = errors; one->constraint != NULL; one++)
			if (error->constraint_name != NULL && strcmp(error->constraint_name, one->constraint) == 0)
				ErrorRaise(one->code, NULL);
		ReThrowError(error);
	}
	PG_END_TRY();
}

Datum
RowDatum(uint64 row, int column)
{
	bool		isnull;

	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column,
						 &isnull);
}

bool
RowIsNull(uint64 row, int column)
{
	bool		isnull;

	(void) SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column,
						 &isnull);
	return isnull;
}

/* The column is taken apart as that type: is it of it, or one that is stored alike? */
static void
RequireType(int column, Oid type)
{
	Oid			given = SPI_gettypeid(SPI_tuptable->tupdesc, column);

	if (!IsBinaryCoercible(given, type))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of a query is not of type %s",
						NameStr(TupleDescAttr(SPI_tuptable->tupdesc, column - 1)->attname), format_type_be(type)),
				 errhint(HINT_OWN_TABLES)));
}

char *
RowText(uint64 row, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row],
									  SPI_tuptable->tupdesc, column, &isnull);

	RequireType(column, TEXTOID);
	return isnull ? NULL : TextDatumGetCString(value);
}

pg_uuid_t *
RowUuid(uint64 row, int column)
{
	pg_uuid_t  *copy = palloc(sizeof(pg_uuid_t));

	RequireType(column, UUIDOID);
	memcpy(copy, DatumGetUUIDP(RowDatum(row, column)), sizeof(pg_uuid_t));
	return copy;
}

int64
RowMoney(uint64 row, int column)
{
	RequireType(column, NUMERICOID);
	return MoneyFromColumn(RowDatum(row, column));
}
