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

#endif							/* WASHMINUTE_COMPAT_H */
