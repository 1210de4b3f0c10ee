/*-------------------------------------------------------------------------
 *
 * token.h
 *		What the claims of a verified token allow.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_TOKEN_H
#define WASHMINUTE_TOKEN_H

#include "utils/jsonb.h"

#define ROLE_PREFIX "washminute_"

/* What only who has no token is, and what is nobody's. */
#define ROLE_ANONYMOUS ROLE_PREFIX "anon"
#define ROLE_SERVICE ROLE_PREFIX "service"

/*
 * Raise unless the token is from an issuer, for an app and of the use that the
 * settings washminute.jwt_... name.  path is that of a request over REST, or empty.
 */
extern void TokenCheck(Jsonb *claims, const char *path);

/*
 * The role that somebody goes on with whom the token, or else PostgREST, gave this
 * one; NULL where it stays.  wanted: the one that he asks for by name, or NULL.
 */
extern char *TokenRole(Jsonb *claims, const char *role, const char *wanted);

#endif							/* WASHMINUTE_TOKEN_H */
