/*-------------------------------------------------------------------------
 *
 * keyed_row.h
 *		Rows looked up by primary key, and updated, without predicate locks.
 *
 * A serializable transaction that looks up a row by an index leaves a predicate
 * lock on the index page, which hundreds of rows share; an update of any of them
 * that finds no room in its heap page writes that page.  Two commands that have
 * nothing in common can so fail each other with 40001.  What advisory locks keep
 * apart is therefore read here, and leaves no such lock.
 *
 * So neither a row nor that there is none is kept as it is by having been read.  Who
 * decides by it holds a lock of lock.h under which nobody else changes or adds it.
 *
 * An update by the row's place does lock the version that it finds, until it has written
 * it; in a savepoint that lock stays.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_KEYED_ROW_H
#define WASHMINUTE_KEYED_ROW_H

#include "nodes/pg_list.h"
#include "storage/itemptr.h"

#include "base/own_table.h"
#include "base/statement.h"

#define KEYED_KEY_MAX 4
#define KEYED_COLUMNS_MAX 20

/* A table of washminute_data, its primary key, and what is read of it. */
typedef struct KeyedTable
{
	const char *name;
	OwnColumn	key[KEYED_KEY_MAX + 1];
	OwnColumn	columns[KEYED_COLUMNS_MAX + 1];
} KeyedTable;

/* A row's columns, copied into the current memory context, and where it was. */
typedef struct KeyedRow
{
	Datum		values[KEYED_COLUMNS_MAX];
	bool		nulls[KEYED_COLUMNS_MAX];
	ItemPointerData place;
} KeyedRow;

/*
 * Read the row with that key on the latest snapshot; false where there is none.
 * The caller needs the rights that a SELECT of all rows needs.
 */
extern bool KeyedRowRead(const KeyedTable *table, const Datum *key, KeyedRow *row);

/*
 * Read all rows whose key begins with so many values (KeyedRow *), on the latest snapshot.
 */
extern List *KeyedRowsRead(const KeyedTable *table, const Datum *key, int count);

/*
 * Where the rows with so many keys are on the latest snapshot: a tid[], for
 * "WHERE ctid = ANY ($n)", and how many there are.  The keys stand one after the other,
 * each with a value for each of the columns of the primary key.  A row that is updated
 * afterwards is missed; what keeps its place from being another row's is the caller's
 * active snapshot.
 */
extern Datum KeyedPlaces(const KeyedTable *table, const Datum *keys, int count, int *found);

/*
 * Run a statement that updates the row with that key, found by its place: the
 * last parameter, a tid, of "WHERE ctid = $n", to which no argument is given yet.
 * It must touch exactly one row.
 */
extern void KeyedRowUpdate(const KeyedTable *table, const Datum *key,
						   Statement *statement, const Arguments *arguments);

/* Columns by their number in the table's list, from 0.  Text is NULL for SQL's NULL. */
extern char *KeyedText(const KeyedRow *row, int column);
extern int64 KeyedMoney(const KeyedRow *row, int column);	/* centimes */

#define KeyedIsNull(row, column) ((row)->nulls[column])
#define KeyedBool(row, column) DatumGetBool((row)->values[column])
#define KeyedInt(row, column) DatumGetInt32((row)->values[column])
#define KeyedFloat8(row, column) DatumGetFloat8((row)->values[column])
#define KeyedArray(row, column) DatumGetArrayTypeP((row)->values[column])
#define KeyedUuid(row, column) DatumGetUUIDP((row)->values[column])
#define KeyedTimeOr(row, column, otherwise) \
	((row)->nulls[column] ? (otherwise) : DatumGetTimestampTz((row)->values[column]))

#endif							/* WASHMINUTE_KEYED_ROW_H */
