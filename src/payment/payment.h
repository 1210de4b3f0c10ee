/*-------------------------------------------------------------------------
 *
 * payment.h
 *		What a customer owes by card, the attempts to pay it, and refunds.
 *
 * Everything here changes under the lock of the order's request (lock.h): one
 * order has one request and one payment, so no other lock is needed, and whatever
 * cancels, expires or completes the request cannot run at the same time.
 *
 * All functions need an SPI connection.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_PAYMENT_H
#define WASHMINUTE_PAYMENT_H

#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/statement.h"
#include "payment/callback_token.h"
#include "payment/naps.h"

/* An attempt, with what is asked of its payment and its order. */
typedef struct Attempt
{
	pg_uuid_t	attempt_id;
	pg_uuid_t	payment_id;
	pg_uuid_t	order_id;
	pg_uuid_t	request_id;
	char	   *customer_id;
	char	   *request_status;
	char	   *order_status;
	char	   *gateway_order_id;
	int64		amount;			/* centimes */
	char	   *status;
	bool		surplus;
	bool		charged;
	bool		save_card;
	bool		by_card;		/* a saved one, card_id: no page, and no link but of a challenge */
	pg_uuid_t	card_id;
	char	   *link;			/* NULL: none yet */
	char	   *authorization_number;	/* NULL: not known, as the next */
	char	   *transaction_number;
	int			inquiry_number;
	bool		is_confirmed;
	TimestampTz created_at;
	TimestampTz dispatched_at;	/* DT_NOEND: not yet, as the next */
	TimestampTz final_at;
	bool		payment_ended;
	bool		order_paid;		/* by whatever */
	bool		paid_by_this;
	unsigned char nonce[CALLBACK_NONCE_BYTES];
} Attempt;

/* Read an attempt; false where there is none. */
extern bool AttemptRead(const pg_uuid_t *attempt_id, Attempt *attempt);

/* Lock its request, and read it. */
extern bool AttemptLock(const pg_uuid_t *attempt_id, Attempt *attempt);

/* The same without waiting: *is_free is false where somebody else holds the lock. */
extern bool AttemptLockIfFree(const pg_uuid_t *attempt_id, Attempt *attempt, bool *is_free);

/* Is it under way: may the customer still be charged by it, as far as is known? */
extern bool AttemptIsLive(const Attempt *attempt);
extern bool AttemptIsStatus(const Attempt *attempt, const char *status);

/* Run a statement whose one argument is the attempt's id; rows returned or touched. */
extern uint64 AttemptRun(const Attempt *attempt, Statement *statement);

/*
 * Move a locked attempt, if its transitions have a row for that; what follows for the
 * payment follows.  False where there is none: then nothing changes.
 */
extern bool AttemptMove(Attempt *attempt, const char *status);

/* Keep what the gateway calls its authorization; NULL keeps what there is. */
extern void AttemptKeepNumbers(Attempt *attempt, const char *authorization_number,
							   const char *transaction_number);

/*
 * Make an attempt to pay, for which the worker then asks the gateway for a link, or, with
 * a card_id, has that card charged.
 */
extern void AttemptMake(const pg_uuid_t *payment_id, int64 amount, bool save_card,
						const pg_uuid_t *card_id);

/*
 * There is evidence that the customer was charged: the order is paid, or, where
 * nothing is due any more, the money is surplus.  True where it paid, or had paid,
 * the order.
 */
extern bool AttemptSucceeded(Attempt *attempt);

/* There is evidence that the gateway took the money back, which we had not asked for. */
extern void AttemptTakenBack(Attempt *attempt);

/* Charged when nothing was due: it goes back. */
extern void AttemptGiveBack(const Attempt *attempt);

/* It is certain that it was charged. */
extern void AttemptConfirmed(Attempt *attempt);

/*
 * Whatever was charged was given back by the gateway, without our doing, and is of none
 * of our books: an attempt with another amount than ours.
 */
extern void AttemptVoided(Attempt *attempt);

/* Have the gateway asked about it at that time, instead of at any other. */
extern void AttemptInquireAt(Attempt *attempt, TimestampTz at);

/* The same at the next time by the schedule, where there is one. */
extern void AttemptInquireLater(Attempt *attempt);

/* The same at payment_recheck_hour, today or tomorrow. */
extern void AttemptInquireDaily(Attempt *attempt);

/* Have it captured: for merchants whose sales are not captured by themselves. */
extern void AttemptQueueCapture(const Attempt *attempt);

/* Keep what was seen; data is a JSON object as text. */
extern void ObservationAdd(const Attempt *attempt, const char *source, const char *code,
						   const char *data);

/* The answer to a callback of that key, or NULL; and keep one. */
extern char *ObservationAnswer(const Attempt *attempt, Datum dedupe_key);
extern void ObservationAddAnswer(const Attempt *attempt, const char *code, const char *data,
								 Datum dedupe_key, const char *answer);

/*
 * Something for a person to look at, once; and no longer, since evidence came.  The
 * payment's status follows.
 */
extern void ExceptionRaise(const Attempt *attempt, const pg_uuid_t *refund_id,
						   const char *kind, const char *data);
extern void ExceptionEnd(const Attempt *attempt, const pg_uuid_t *refund_id,
						 const char *kind, const char *decision);

/* Make the payment's status, and its sums, what follows from attempts and refunds. */
extern void PaymentRefresh(const pg_uuid_t *payment_id);

/* An event of the payment's, beside those of the request; with what the caller adds. */
extern void PaymentData(const Attempt *attempt, StringInfo data);
extern void PaymentEvent(const Attempt *attempt, const char *event, char *data);

/*
 * The order comes to nothing, and so much of what was paid for it, in centimes, is due
 * back: it is paid back, or, where it is not paid, what is paid from now on will be.
 */
extern void PaymentOrderEnded(const pg_uuid_t *order_id, int64 due_back);

/* A refund, with its attempt. */
typedef struct Refund
{
	pg_uuid_t	refund_id;
	int64		amount;
	char	   *status;
	char	   *method;			/* NULL: not decided */
	TimestampTz dispatched_at;	/* DT_NOBEGIN: not yet */
	bool		resent;
	bool		is_first;		/* of its attempt that was sent as a refund: status 07 tells of it */
	bool		is_granted;		/* by an administrator */
	bool		is_rest;		/* by a reversal, nothing would be left of the attempt */
	Attempt		attempt;
} Refund;

/* Ask for a refund of an attempt's money; false where there was one for that reason. */
extern bool RefundMake(const Attempt *attempt, int64 amount, const char *reason,
					   const char *reason_key, const char *requested_by, pg_uuid_t *refund_id);

extern bool RefundReadIfFree(const pg_uuid_t *refund_id, Refund *refund, bool *is_free);

/* Move a locked refund; accepted, reversed and settled have paid it back. */
extern void RefundMove(Refund *refund, const char *status, const char *method);

/* A refund of the attempt that is in one of the two states; false where there is none. */
extern bool RefundOfAttempt(const Attempt *attempt, const char *status,
							const char *or_status, Refund *refund);

/*
 * The gateway has taken all of an attempt's money back.  Refunds that were still to be
 * sent, or are owed and have failed, have happened thereby, where all of it was to go, or
 * has gone, back: true.  Else those to be sent have failed, since they paid nothing back.
 */
extern bool RefundsOfTakenBack(Attempt *attempt);

/*
 * What is left of an attempt's money the gateway has paid back by itself: what was owed
 * of it is thereby no more, and the rest is a refund that has happened, at the platform's
 * expense unless it was surplus.  False where nothing is left.
 */
extern bool RefundHappened(const Attempt *attempt, const char *reason, const char *reason_key,
						   const char *admin_id);

/* Raise WM_REFUND_TOO_HIGH unless so much is left of an attempt's money. */
extern void RefundRequireRoom(const Attempt *attempt, int64 amount);

/*
 * A failed refund that is owed becomes one of what is left of the money: the rest went
 * back by others, at the platform's expense, so that the platform gets it.
 * WM_REFUND_TOO_HIGH where nothing is left.
 */
extern void RefundCut(Refund *refund);

/* Has all that was charged gone back, or is to go, by others? */
extern bool RefundIsMoot(const Refund *refund);

/* What was to pay a failed refund is the platform's; or is not, after all. */
extern void RefundBookBack(const Refund *refund);
extern void RefundGrantAgain(const Refund *refund, const char *admin_id);

/* Lock the refund's request, and read it. */
extern bool RefundLock(const pg_uuid_t *refund_id, Refund *refund);

/* Queue the refund to be sent, at a time or (DT_NOBEGIN) at once. */
extern void RefundQueue(const pg_uuid_t *refund_id, TimestampTz at);

/* Work for the gateway: rows of the lane payment have one of these as their event. */
#define GATEWAY_LINK "requestLink"
#define GATEWAY_AUTHORIZE "authorize"
#define GATEWAY_INQUIRE "inquire"
#define GATEWAY_REFUND "refund"
#define GATEWAY_CAPTURE "capture"
#define GATEWAY_FORGET "forgetCard"

#endif							/* WASHMINUTE_PAYMENT_H */
