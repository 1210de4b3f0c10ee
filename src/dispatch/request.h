/*-------------------------------------------------------------------------
 *
 * request.h
 *		A washing request: read it, move it, offer it.
 *
 * Words: an *order* is what the customer buys; its *request* is the work that
 * washmen are offered; an accepted request becomes a *job* of one washman.  A
 * washman who gives a job back ends the job, and the request is offered again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_REQUEST_H
#define WASHMINUTE_REQUEST_H

#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/settings.h"
#include "dispatch/matching.h"

typedef struct Request
{
	pg_uuid_t	request_id;
	pg_uuid_t	order_id;
	char	   *customer_id;
	char	   *status;
	char	   *washman_id;		/* NULL while nobody has it */
	int			duration_minutes;
	bool		is_reservation;
	TimestampTz reservation_at; /* if is_reservation */
	TimestampTz expires_at;
	int			wave;
	char	   *order_status;
	bool		by_card;
	bool		payment_verified;
	int64		total;			/* centimes */
} Request;

/* Whose move it is, as washminute_data.request_transitions names it. */
#define ACTOR_ADMIN "admin"
#define ACTOR_CUSTOMER "customer"
#define ACTOR_SYSTEM "system"
#define ACTOR_WASHMAN "washman"

/* All functions here need an SPI connection. */

/* Read a request; WM_REQUEST_NOT_FOUND where there is none. */
extern void RequestRead(const pg_uuid_t *request_id, Request *request);

/* Lock a request and read it. */
extern void RequestLock(const pg_uuid_t *request_id, Request *request);

/* Raise unless the request can still be had by this washman. */
extern void RequestRequireOpen(const Request *request, const char *washman_id);

/*
 * Move a locked request to another status, if its transitions have a row for
 * that, else WM_ILLEGAL_TRANSITION.  Records the event of that row, with
 * `reason` where it is not NULL.  A move to accepted takes washman_id as the
 * washman; a move to pending leaves it without one.  Sets request->status.
 */
extern void RequestMove(Request *request, const char *to_status,
						const char *actor_kind, const char *actor_id,
						const char *washman_id, const char *reason);

/* Raise WM_ILLEGAL_TRANSITION where RequestMove would. */
extern void RequestCheckMove(const Request *request, const char *to_status,
							 const char *actor_kind);

/*
 * End the live job of a locked request whose washman is locked too.  What was
 * held is released; a completed job is paid.
 */
extern void RequestEndJob(const Request *request, const char *outcome,
						  const Settings *settings);

/*
 * The order of a request that comes to nothing: cancelled, and if it was paid,
 * its money is due back.
 */
extern void RequestCancelOrder(const Request *request, const char *actor_id);

/*
 * Offer a locked, pending request to the washmen near: the next wave.  Returns
 * how many were offered it.
 */
extern int	RequestOffer(Request *request, const Settings *settings);

/* Set when expire_due() looks at the request next. */
extern void RequestSetTimer(const pg_uuid_t *request_id, TimestampTz due_at);

/* Set when the request expires, and the timer with it. */
extern void RequestSetExpiry(Request *request, TimestampTz expires_at);

/* The time that the job of this request takes, if it is accepted now. */
extern void RequestPeriod(const Request *request, const Settings *settings,
						  TimestampTz *starts_at, TimestampTz *ends_at);

/* The commission on this request's order, and what of it is held. */
extern int64 RequestCommission(const Request *request, const Settings *settings);
extern int64 RequestHold(const Request *request, const Settings *settings);

/* Whom it would be offered to now: what matching is asked. */
extern void RequestMatchQuery(const Request *request, const Settings *settings,
							  MatchQuery *query);

/* {"requestId": ..., "orderId": ..., "status": ...} and what the caller adds. */
extern void RequestData(const Request *request, StringInfo data);

/* Raise unless the user exists and is of the kind. */
extern void UserRequireKind(const char *user_id, const char *kind);
extern bool UserIsKind(const char *user_id, const char *kind);

#endif							/* WASHMINUTE_REQUEST_H */
