/*-------------------------------------------------------------------------
 *
 * row_append.h
 *		Rows appended to a table of washminute_data without a statement.
 *
 *	static AppendTable table = {"outbox", {{"lane", TEXTOID}, {"event", TEXTOID}}};
 *	RowAppend  *append = RowAppendBegin(&table);
 *
 *	RowAppendRow(append, values, nulls);
 *	RowAppendEnd(append);
 *
 * Of what an INSERT does beside, these are done: the right to insert into the table,
 * types that are domains, own defaults of columns that are not named, constraints, indexes,
 * triggers for each row.  Not done: rules, triggers for each statement, rights on single
 * columns.  Rows may wait for those after them: until RowAppendEnd() they may not be in
 * the table, and statements that begin after it see them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_ROW_APPEND_H
#define WASHMINUTE_ROW_APPEND_H

#include "base/own_table.h"

#define APPEND_MAX_COLUMNS 20

/* A column, and the type of the values given for it: its own, or of its domain. */
typedef struct AppendColumn
{
	OwnColumn	own;

	/* what was found out about it, for the backend's life */
	AttrNumber	number;
	Oid			column_type;
	void	   *check;			/* of domain_check() */
} AppendColumn;

/* A static of the file that uses it. */
typedef struct AppendTable
{
	const char *name;			/* in washminute_data */
	AppendColumn columns[APPEND_MAX_COLUMNS + 1];	/* ends with one without a name */
	MemoryContext checks;
	int			uses;
} AppendTable;

typedef struct RowAppend RowAppend;

/* Begin; raises as INSERT would where the table may not be written to. */
extern RowAppend *RowAppendBegin(AppendTable *table);

/*
 * A row: a value for each of the table's columns, in their order; the same Datum as in
 * the row before it stands for the same value.  False where a trigger has suppressed it;
 * errors of an index or of writing may come with a later row or the end.
 */
extern bool RowAppendRow(RowAppend *append, const Datum *values, const bool *nulls);

/* Write what waits, and end: rows are lost without it. */
extern void RowAppendEnd(RowAppend *append);

/* The next value of a sequence of washminute_data. */
extern int64 SequenceNext(const char *name);

#endif							/* WASHMINUTE_ROW_APPEND_H */
