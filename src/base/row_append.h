/*-------------------------------------------------------------------------
 *
 * row_append.h
 *		Rows appended to a table of washminute_data without a statement.
 *
 *	static AppendTable table = {"outbox", {"lane", "event", NULL}};
 *	RowAppend  *append = RowAppendBegin(&table);
 *
 *	RowAppendRow(append, values, nulls);
 *	RowAppendEnd(append);
 *
 * What an INSERT does beside, is done: rights, types that are domains, constraints,
 * indexes, triggers for each row.  What it would put into columns that are not named is
 * not: they become NULL, and the next value of a sequence is asked for.  The rows are
 * seen by the statements that begin later.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_ROW_APPEND_H
#define WASHMINUTE_ROW_APPEND_H

#include "access/attnum.h"

#define APPEND_MAX_COLUMNS 16

/* A static of the file that uses it. */
typedef struct AppendTable
{
	const char *name;			/* in washminute_data */
	const char *columns[APPEND_MAX_COLUMNS + 1];	/* ends with NULL */

	/* what was found out about them, for the backend's life */
	struct
	{
		AttrNumber	number;
		Oid			type;
		bool		is_domain;
		void	   *check;		/* of domain_check() */
	}			known[APPEND_MAX_COLUMNS];
} AppendTable;

typedef struct RowAppend RowAppend;

/* Begin; raises as INSERT would where the table may not be written to. */
extern RowAppend *RowAppendBegin(AppendTable *table);

/* A row: a value for each of the table's columns, in their order. */
extern void RowAppendRow(RowAppend *append, const Datum *values, const bool *nulls);

extern void RowAppendEnd(RowAppend *append);

/* The next value of a sequence of washminute_data. */
extern int64 SequenceNext(const char *name);

#endif							/* WASHMINUTE_ROW_APPEND_H */
