/*-------------------------------------------------------------------------
 *
 * own_table.h
 *		Tables of washminute_data that C code reads or writes without a statement.
 *
 * A statement's plan knows of what it names whether it is there, and of what type.  Code
 * that takes a row apart asks here: whoever has renamed or changed what it needs is told
 * so, with a hint.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_OWN_TABLE_H
#define WASHMINUTE_OWN_TABLE_H

#include "access/attnum.h"
#include "utils/relcache.h"

#include "base/compat.h"

/* For who has renamed or changed what is ours. */
#define HINT_OWN_TABLES "What is in washminute_data may be added to; give back the name, the type and the key that it had."

/* The table or sequence of that name in washminute_data; 42P01 where there is none. */
extern Oid	OwnRelation(const char *name);

/*
 * The number of a column of such a table; 42703 where there is none, 42804 where it is not
 * of that type or a domain over it.
 */
extern AttrNumber OwnColumn(Relation relation, const char *name, Oid type);

/*
 * Its primary key's index, locked as the table is read; 42P16 where the values of the key are
 * not of these types, the last of them InvalidOid.
 */
extern Relation OwnPrimaryKey(Relation relation, const Oid *types);

/* Raise 42804: a column is not of that type. */
pg_noreturn extern void OwnColumnIsOther(Relation relation, const char *name, Oid type);

#endif							/* WASHMINUTE_OWN_TABLE_H */
