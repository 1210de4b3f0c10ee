/*-------------------------------------------------------------------------
 *
 * compat.h
 *		The one file that knows PostgreSQL's versions.
 *
 * The code is written for the newest server; what older ones lack or call
 * otherwise is given here, each entry with its version and reason.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_COMPAT_H
#define WASHMINUTE_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "washminute needs PostgreSQL 15 or newer"
#endif

/* 16: varatt.h was split off postgres.h */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 18: the module's name and version are part of the magic block */
#if PG_VERSION_NUM >= 180000
#define WASHMINUTE_MODULE_MAGIC \
	PG_MODULE_MAGIC_EXT(.name = "washminute", .version = WASHMINUTE_VERSION)
#else
#define WASHMINUTE_MODULE_MAGIC PG_MODULE_MAGIC
#endif

/* 18: pg_noreturn stands before the declaration; before, an attribute after it */
#if PG_VERSION_NUM < 180000
#define pg_noreturn __attribute__((noreturn))
#endif

/* 16: one function checks the rights on objects of every kind */
#if PG_VERSION_NUM >= 160000
#define compat_function_aclcheck(function, role, mode) \
	object_aclcheck(ProcedureRelationId, function, role, mode)
#define compat_database_ownercheck(database, role) \
	object_ownercheck(DatabaseRelationId, database, role)
#else
#define compat_function_aclcheck(function, role, mode) \
	pg_proc_aclcheck(function, role, mode)
#define compat_database_ownercheck(database, role) \
	pg_database_ownercheck(database, role)
#endif

/* 18: a primary key may be deferrable, which is asked for */
#if PG_VERSION_NUM >= 180000
#define compat_primary_key_index(relation) RelationGetPrimaryKeyIndex(relation, false)
#else
#define compat_primary_key_index(relation) RelationGetPrimaryKeyIndex(relation)
#endif

/* 18: a scan of an index may be measured */
#if PG_VERSION_NUM >= 180000
#define compat_index_beginscan(relation, index, snapshot, keys) \
	index_beginscan(relation, index, snapshot, NULL, keys, 0)
#else
#define compat_index_beginscan(relation, index, snapshot, keys) \
	index_beginscan(relation, index, snapshot, keys, 0)
#endif

/* 17: a set of events belongs to a resource owner, NULL for the session's life */
#if PG_VERSION_NUM >= 170000
#define compat_create_wait_event_set(count) CreateWaitEventSet(NULL, count)
#else
#define compat_create_wait_event_set(count) CreateWaitEventSet(TopMemoryContext, count)
#endif

/* 16: a qualified name's parser reports errors where it is told to */
#if PG_VERSION_NUM >= 160000
#define compat_qualified_name(name) stringToQualifiedNameList(name, NULL)
#else
#define compat_qualified_name(name) stringToQualifiedNameList(name)
#endif

/* 16: an update may leave all indexes but those that summarize alone */
#if PG_VERSION_NUM >= 160000
#define compat_insert_index_tuples(result, slot, estate) \
	ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL, false)
#else
#define compat_insert_index_tuples(result, slot, estate) \
	ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL)
#endif

#endif							/* WASHMINUTE_COMPAT_H */
