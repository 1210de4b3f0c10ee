/*-------------------------------------------------------------------------
 *
 * caller.h
 *		Who is asking, and under which request id.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_CALLER_H
#define WASHMINUTE_CALLER_H

#include "utils/jsonb.h"

/* The claims of the verified JWT, or NULL where there are none. */
extern Jsonb *CallerClaims(void);

/* A header of the request, by its name in small letters, or NULL.  Palloc'd. */
extern char *CallerHeader(const char *name);

/*
 * The sub of the verified JWT, as PostgREST leaves it in request.jwt.claims, or
 * NULL where there is none.  Palloc'd.
 */
extern char *CallerUserId(void);

/*
 * washminute.correlation_id, else the X-Request-Id header that PostgREST leaves
 * in request.headers (ignored where it is not valid), else NULL.  Palloc'd.
 */
extern char *CallerCorrelationId(void);

/*
 * At most 128 printable ASCII characters without blanks, since the id goes into
 * log lines.
 */
#define CORRELATION_ID_MAX 128
extern bool CorrelationIdIsValid(const char *id);

#endif							/* WASHMINUTE_CALLER_H */
