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
#include "base/user.h"
#include "dispatch/matching.h"
#include "outbox/enqueue.h"

typedef struct Request
{
	pg_uuid_t	request_id;
	pg_uuid_t	order_id;
	char	   *customer_id;
	char	   *zone_code;
	char	   *status;
	char	   *washman_id;		/* NULL while nobody has it */
	int			duration_minutes;
	bool		is_reservation;
	TimestampTz reservation_at; /* if is_reservation */
	TimestampTz expires_at;
	int			wave;
	double		radius_m;		/* the widest ring it was offered in */
	int			round_wave;		/* who was offered it then or earlier may be again */
	TimestampTz next_wave_at;	/* DT_NOEND: not to be offered now */
	TimestampTz decide_at;		/* DT_NOEND: no answers are being collected */
	TimestampTz accepted_at;	/* if washman_id */
	TimestampTz moved_at;
	char	   *order_status;
	bool		by_card;
	bool		payment_verified;
	int64		total;			/* centimes */
	TimestampTz as_of;			/* when it was read, or what is done for it is due */
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

/* Has it come to nothing: cancelled, expired, or nobody was there? */
extern bool RequestHasEnded(const Request *request);

/* Raise unless the request can still be had by this washman; by its status and who has it alone. */
extern void RequestRequireOpen(const Request *request, const char *washman_id);

/* Raise as RequestRead and that would, by two columns: cheap, for those who come too late. */
extern void RequestLook(const pg_uuid_t *request_id, const char *washman_id);

/*
 * Move a locked request to another status, if its transitions have a row for
 * that, else WM_ILLEGAL_TRANSITION.  Records the event of that row, with
 * `reason` where it is not NULL, and queues `push` with it where that is not NULL.
 * A move to accepted takes washman_id as the washman; a move to pending leaves it
 * without one.  Sets request->status.
 */
extern void RequestMove(Request *request, const char *to_status,
						const char *actor_kind, const char *actor_id,
						const char *washman_id, const char *reason, const Push *push);

/* Raise WM_ILLEGAL_TRANSITION where RequestMove would. */
extern void RequestCheckMove(const Request *request, const char *to_status,
							 const char *actor_kind);

/*
 * Give a locked request to a washman who is locked too and has no job then: moves
 * it and tells everybody, makes the job, holds the commission.  Raises unless he may
 * have the job, and where he is the actor himself holds an offer that stands, or takes
 * a reservation ahead of its offers.  An
 * operator may send one who is offline or has declined.
 */
extern void RequestAssign(Request *request, const char *washman_id,
						  const char *actor_kind, const char *actor_id,
						  const char *reason, const Settings *settings);

typedef enum Decision
{
	DECISION_MADE,
	DECISION_NOBODY,			/* of those who answered may have it */
	DECISION_LATER				/* another command has locked one of them */
} Decision;

/*
 * The time for answers is over: the nearest of those who answered, and may have
 * the job, has it.  Where that is nobody, decide_at is cleared, and the answers are
 * forgotten.
 */
extern Decision RequestDecide(Request *request, const Settings *settings);

/*
 * End the live job of a locked request whose washman is locked too.  What was
 * held is released; a completed job is paid.
 */
extern void RequestEndJob(const Request *request, const char *outcome,
						  const Settings *settings);

/*
 * The order of a request that comes to nothing: cancelled, and if it was paid,
 * its money, less a fee in centimes, is due back.
 */
extern void RequestCancelOrder(const Request *request, const char *actor_id,
							   int64 fee);

/* The actor's capacity as its customer, or as an administrator; WM_NOT_YOURS for anybody else. */
extern const char *RequestCapacity(const Request *request, const char *actor_id);

/* What the customer pays, in centimes, for a request that comes to nothing. */
typedef struct Fee
{
	int64		amount;
	int64		share;			/* of it, the washman's */
} Fee;

/* Until when it can be cancelled, or given back, without a fee. */
extern TimestampTz RequestFreeUntil(const Request *request, const Settings *settings);

/* For cancelling it now, in that capacity. */
extern Fee	CancellationFee(const Request *request, const char *capacity,
							const Settings *settings);

/* For not being there. */
extern Fee	NoShowFee(const Request *request, const Settings *settings);

/*
 * Take the fee out of what was paid by card, or else note that it is owed for that
 * purpose; the washman, who is locked, gets his share.
 */
extern void ChargeFee(const Request *request, const Fee *fee, const char *purpose,
					  const char *actor_id, const Settings *settings);

/* Where the car is. */
extern void RequestPlace(const Request *request, double *longitude, double *latitude);

/*
 * Until when it is worth telling of an event: how a request has ended for a day, and
 * what happens before for an hour.
 */
extern TimestampTz NoticeEnd(const char *event);

/* A message for one of those whom it concerns. */
extern void RequestTell(const Request *request, const char *user_id,
						const char *audience, const char *event);
#define RequestTellCustomer(request, event) \
	RequestTell((request), (request)->customer_id, "customer", (event))

/* To all who hold an offer of it: it is gone. */
extern void RequestTellOffered(const Request *request);

/*
 * Offer a locked, pending request to the washmen near: the next wave.  Returns
 * how many were offered it.
 */
extern int	RequestOffer(Request *request, const Settings *settings);

/*
 * The same in two steps, for a request that is not stored yet: find who is offered
 * it, and set how far the offers have come; then, once it is, make the offers.
 */
typedef struct Wave Wave;
extern Wave *RequestFindWave(Request *request, const Settings *settings,
							 double longitude, double latitude);
extern int	RequestMakeWave(const Request *request, const Settings *settings,
							const Wave *wave);

/*
 * Begin anew: offer it to all who are near, also to those who were offered it
 * before and have not declined, until expires_at.
 */
extern int	RequestOfferAnew(Request *request, const Settings *settings,
							 TimestampTz expires_at);

/* Offer open requests near by to a washman who has come online. */
extern void OfferToJoiner(const char *washman_id);

/* Set when RequestsRunDue looks at the request next. */
extern void RequestSetTimer(const pg_uuid_t *request_id, TimestampTz due_at);

/* Is it a card job that is offered once it is paid, and is not? */
#define RequestWaitsForPayment(request, settings) \
	((request)->by_card && !(request)->payment_verified && \
	 (settings)->card_dispatch == DISPATCH_AFTER_PAYMENT)

/* It is not to be offered until something has it offered, and expires then. */
extern void RequestWait(Request *request, TimestampTz expires_at);

/* Write how far the offers have come, expires_at to decide_at, and the timer. */
extern void RequestWriteWaves(const Request *request);

/* The first of the times at which something is to be done for a pending request. */
extern TimestampTz RequestDueAt(const Request *request);

/* Its settings: those of its zone. */
#define RequestSettings(request, settings) SettingsReadZone((request)->zone_code, (settings))

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

#endif							/* WASHMINUTE_REQUEST_H */
