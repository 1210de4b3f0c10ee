/*-------------------------------------------------------------------------
 *
 * argument.h
 *		Checks of what callers give, each with a clear error.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_ARGUMENT_H
#define WASHMINUTE_ARGUMENT_H

#include "fmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#define ID_MAX 128				/* characters of a user's id or a key */
#define REASON_MAX 500			/* of a reason that people give */

/* A text that must be there: not NULL, not blank, no control characters. */
extern char *ArgumentRequiredText(FunctionCallInfo fcinfo, int number,
								  const char *name, int max_chars);

/* The same where NULL is allowed, and returned as NULL. */
extern char *ArgumentOptionalText(FunctionCallInfo fcinfo, int number,
								  const char *name, int max_chars);

/* An id of a user. */
extern char *ArgumentId(FunctionCallInfo fcinfo, int number, const char *name);

extern pg_uuid_t *ArgumentUuid(FunctionCallInfo fcinfo, int number,
							   const char *name);

/* A jsonb argument that must be an object, as text; NULL gives {}. */
extern char *ArgumentJsonObject(FunctionCallInfo fcinfo, int number,
								const char *name, int max_bytes);

/* A text out of a NULL-terminated list. */
extern char *ArgumentChoice(FunctionCallInfo fcinfo, int number,
							const char *name, const char *const *choices);

/* Raises WM_ARGUMENT_MISSING where the argument is NULL. */
extern void ArgumentRequire(FunctionCallInfo fcinfo, int number,
							const char *name);

/* A finite number above 0; NULL gives the default. */
extern double ArgumentPositive(FunctionCallInfo fcinfo, int number,
							   const char *name, double standard);

/* Raise unless the place is on the globe; two required arguments. */
extern void ArgumentPlace(FunctionCallInfo fcinfo, int number,
						  double *longitude, double *latitude);
extern bool PlaceIsOnGlobe(double longitude, double latitude);

#endif							/* WASHMINUTE_ARGUMENT_H */
