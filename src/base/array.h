/*-------------------------------------------------------------------------
 *
 * array.h
 *		C arrays to SQL arrays and back.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_ARRAY_H
#define WASHMINUTE_ARRAY_H

#include "fmgr.h"

/* A text[] of C strings; NULL becomes a NULL element. */
extern Datum TextArray(const char *const *texts, int count);

/* A one-dimensional array of a type whose values have a fixed length. */
extern Datum FixedArray(Datum *values, int count, Oid type);

/*
 * The elements of an array argument, its shape flattened.  nulls may be NULL
 * only where the caller has no use for it.
 */
extern int	ArrayElements(FunctionCallInfo fcinfo, int number, Oid type,
						  Datum **values, bool **nulls);

#endif							/* WASHMINUTE_ARRAY_H */
