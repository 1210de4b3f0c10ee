/*-------------------------------------------------------------------------
 *
 * naps.h
 *		The wire format of NAPS's gateway MXPlus: pure functions.
 *
 * The gateway's specification is not public.  What stands here, and nowhere else,
 * was seen in public integrations of merchants: each call is a POST of JSON to a path
 * below the gateway's URL, and is judged by statuscode in the body of its answer,
 * since errors come with HTTP status 200.  Amounts are dirhams with two decimals.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_NAPS_H
#define WASHMINUTE_NAPS_H

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

#include "payment/credentials.h"

/* The least that can be charged, in centimes. */
#define NAPS_AMOUNT_MIN 500

/* Calls of the gateway. */
typedef enum NapsCall
{
	NAPS_SESSION,
	NAPS_LINK,
	NAPS_AUTHORIZATION,			/* a saved card is charged */
	NAPS_STATUS,
	NAPS_REVERSAL,
	NAPS_REFUND,
	NAPS_CAPTURE,
	NAPS_FORGET_CARD
} NapsCall;

/* What a call is about; texts may be NULL. */
typedef struct NapsOrder
{
	const char *order_id;
	int64		amount;			/* centimes */
	const char *authorization_number;
	const char *transaction_number;
	bool		save_card;
	const char *client_id;		/* opaque; whose saved cards the page offers */
	const char *card_token;		/* of a saved card */
	const char *callback_url;
	const char *success_url;
	const char *fail_url;
} NapsOrder;

/* A call's path below the gateway's URL. */
extern const char *NapsPath(NapsCall call);

/* Its body; session is what NAPS_SESSION gave, and not needed for that. */
extern char *NapsBody(NapsCall call, const Credentials *credentials,
					  const NapsOrder *order, const char *session);

/*
 * md5 of texts one after the other, in 32 hexadecimal digits.  The gateway's
 * "mac_value" and "signature" are such: they hold no secret, and prove little.  NULL
 * where OpenSSL has no MD5, as under FIPS.
 */
extern char *NapsMac(int count, const char *const *parts);

/* What the answer to a call means. */
typedef enum NapsMeaning
{
	NAPS_DONE,					/* the call had its effect */
	NAPS_REFUSED,				/* it had none, and never will */
	NAPS_CHALLENGE,				/* the customer's bank asks him first, on a page of its own */
	NAPS_IS_CAPTURED,			/* a reversal came too late */
	NAPS_IS_PAID,				/* that order was paid already */
	NAPS_SESSION_OVER,			/* the session is not valid (any more) */
	NAPS_MISCONFIGURED,			/* the merchant is not known as we say */
	NAPS_UNCLEAR				/* it may have had its effect */
} NapsMeaning;

typedef struct NapsAnswer
{
	NapsMeaning meaning;
	char	   *code;			/* the gateway's; NULL: none came */
	char	   *text;			/* what it says besides, or NULL */
	char	   *link;			/* of NAPS_LINK, and of a challenge */
	char	   *authorization_number;	/* of NAPS_AUTHORIZATION, as the next; or NULL */
	char	   *transaction_number;
	char	   *session;		/* of NAPS_SESSION */
} NapsAnswer;

/* Judge the body of an answer, which may be no JSON at all, or NULL. */
extern void NapsRead(NapsCall call, const char *body, NapsAnswer *answer);

/* What an inquiry says of an order. */
typedef enum NapsStatus
{
	NAPS_STATUS_APPROVED,
	NAPS_STATUS_CAPTURED,
	NAPS_STATUS_SETTLED,
	NAPS_STATUS_OPEN,			/* not approved, and may still be */
	NAPS_STATUS_DECLINED,		/* refused; may yet be followed by an approval */
	NAPS_STATUS_NONE,			/* there is no such order */
	NAPS_STATUS_CANCELLED,		/* reversed, or a refused sale */
	NAPS_STATUS_REFUNDED,		/* in part at least */
	NAPS_STATUS_REFUND_DECLINED,
	NAPS_STATUS_UNKNOWN
} NapsStatus;

extern NapsStatus NapsStatusOf(const NapsAnswer *answer);

/* What the gateway posts to the callback's URL. */
typedef struct NapsCallback
{
	char	   *order_id;		/* idcommande */
	char	   *result;			/* repauto, 00 for approved */
	char	   *amount;			/* montant, as sent */
	char	   *authorization_number;	/* numAuto */
	char	   *transaction_number; /* numTrans */
	char	   *signature;
	char	   *merchant_id;	/* codecmr; not always there */
	char	   *card_token;		/* token: empty unless a card was saved just now */
	char	   *card_number;	/* carte: the first six and the last four digits */
	char	   *card_type;		/* typecarte: the gateway's number of the brand */
	char	   *holder;			/* nomprenom; not always there */
} NapsCallback;

/* Read a callback's body, a form or JSON; what is missing is NULL. */
extern void NapsReadCallback(const char *body, NapsCallback *callback);

/* Is its signature that of this public key?  In constant time. */
extern bool NapsSignatureIsRight(const NapsCallback *callback, const char *public_key);

/* Centimes of "120", "120.5", "120.00" or "120,00"; -1 for anything else. */
extern int64 NapsCentimes(const char *amount);

#endif							/* WASHMINUTE_NAPS_H */
