/*-------------------------------------------------------------------------
 *
 * session.h
 *		The session with the card gateway, which every call of a payment needs.
 *
 * The gateway gives a token for 24 hours.  It is kept in the worker's memory alone,
 * renewed some time before it ends, and asked for once at a time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_SESSION_H
#define WASHMINUTE_SESSION_H

#include "payment/naps.h"
#include "worker/http.h"

/* A call of the gateway with its headers; in the current memory context. */
extern void GatewayFill(HttpRequest *http, NapsCall call, const Credentials *credentials,
						char *body);

/*
 * 0 where there is one; else it is asked for, and this is the (monotonic) time to look
 * again, PG_INT64_MAX while the answer is awaited.
 */
extern int64 SessionReadyAt(int64 now);

/* The token, and which one it is; only where SessionReadyAt gave 0. */
extern const char *SessionToken(int *number);

/* The credentials: where they are others than before, there is no session of theirs. */
extern void SessionOf(const Credentials *credentials);

/* The gateway says that this one is over; or it took it for good. */
extern void SessionIsOver(int number);
extern void SessionWorks(int number);

#endif							/* WASHMINUTE_SESSION_H */
