/*-------------------------------------------------------------------------
 *
 * own_table.h
 *		Tables of washminute_data that C code reads or writes without a statement.
 *
 * A statement's plan follows a change of the tables that it names, or fails.  Code that
 * takes a row apart by itself asks here whether it still is what it takes it for: whoever
 * has changed that is told so, with a hint.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_OWN_TABLE_H
#define WASHMINUTE_OWN_TABLE_H

#include "access/attnum.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"

/* For who has changed what is ours. */
#define HINT_OWN_TABLES \
	"Columns may be added to tables of washminute_data; restore the original name, type or key."

/* A column, and its type or that of its domain. */
typedef struct OwnColumn
{
	const char *name;
	Oid			type;
} OwnColumn;

/* The relation of that name in washminute_data; 42P01 where there is none. */
extern Oid	OwnRelation(const char *name);

/* Open a table; 42809 where what has its name is a view, partitioned, or the like. */
extern Relation OwnTableOpen(const char *name, LOCKMODE lock);

/*
 * The number of a column; 42703 where there is none, 42804 where it is of another type,
 * 42611 where its values are not stored.
 */
extern AttrNumber OwnColumnNumber(Relation relation, const OwnColumn *column);

/*
 * Open the index of the primary key, which has to be of these columns, the last of them
 * without a name; 42P16 where it is not.  It is locked as for reading.
 */
extern Relation OwnPrimaryKeyOpen(Relation relation, const OwnColumn *columns);

#endif							/* WASHMINUTE_OWN_TABLE_H */
