/*-------------------------------------------------------------------------
 *
 * statement.h
 *		SQL statements with kept plans, run on the latest snapshot.
 *
 * A statement is a static of the file that uses it; its plan is made when first
 * run and kept for the life of the backend.  A statement needs an SPI
 * connection, which CommandRun gives.
 *
 * Every statement reads the *latest* snapshot, in a serializable transaction
 * too: commands take their locks first and decide afterwards, so what was
 * committed while they waited must be seen.  In a read committed transaction
 * that is what a statement does anyway.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_STATEMENT_H
#define WASHMINUTE_STATEMENT_H

#include "executor/spi.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/errors.h"

#define STATEMENT_MAX_ARGS 16

typedef struct Statement
{
	const char *sql;
	int			nargs;
	Oid			types[STATEMENT_MAX_ARGS];
	SPIPlanPtr	plan;
} Statement;

/* Arguments of one run; a text that is NULL becomes SQL's NULL. */
typedef struct Arguments
{
	int			count;
	Datum		values[STATEMENT_MAX_ARGS];
	char		nulls[STATEMENT_MAX_ARGS];
} Arguments;

extern void ArgumentText(Arguments *arguments, const char *text);
extern void ArgumentDatum(Arguments *arguments, Datum value);
extern void ArgumentDatumOrNull(Arguments *arguments, Datum value, bool isnull);

/*
 * Run a statement; the number of rows returned or touched.  The memory context
 * stays the caller's.
 */
extern uint64 StatementRun(Statement *statement, Arguments *arguments);

/* Run a statement that must touch exactly one row; any other number is a bug. */
extern void StatementRunOne(Statement *statement, Arguments *arguments);

/*
 * Statements outside any SQL function of ours, at the end of a transaction for instance,
 * have the caller's settings, his search_path too: set what those functions set.  To be
 * given back with AtEOXact_GUC(true, the level returned).
 */
extern int	StatementSettings(void);

/* The error that stands for the violation of a constraint. */
typedef struct ConstraintError
{
	const char *constraint;		/* NULL: the end of a list */
	WashminuteError code;
} ConstraintError;

/*
 * The same, where a violation of one of these constraints is raised as our error: the
 * second wall, behind what a command has checked.
 */
extern void StatementRunBehindWall(Statement *statement, Arguments *arguments,
								   const ConstraintError *errors);

/*
 * Open a SELECT as a cursor, planned for its first rows.  read_only takes the
 * snapshot of the calling query, else it is the latest one, in which this
 * command's own writes are seen.
 */
extern Portal StatementOpen(Statement *statement, Arguments *arguments,
							bool read_only);

/* Fetch the next rows of a cursor; their number. */
extern uint64 StatementFetch(Portal portal, long count);

/*
 * Columns (from 1) of a row of the last StatementRun or StatementFetch.  Text is
 * palloc'd in the current context; NULL for SQL's NULL.  By-value columns of NULL are 0.
 */
extern char *RowText(uint64 row, int column);
extern Datum RowDatum(uint64 row, int column);
extern bool RowIsNull(uint64 row, int column);
extern pg_uuid_t *RowUuid(uint64 row, int column);
extern int64 RowMoney(uint64 row, int column);	/* centimes */

#define RowBool(row, column) DatumGetBool(RowDatum(row, column))
#define RowInt64(row, column) DatumGetInt64(RowDatum(row, column))
#define RowTime(row, column) DatumGetTimestampTz(RowDatum(row, column))
#define RowFloat8(row, column) DatumGetFloat8(RowDatum(row, column))

#endif							/* WASHMINUTE_STATEMENT_H */
