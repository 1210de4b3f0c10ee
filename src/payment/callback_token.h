/*-------------------------------------------------------------------------
 *
 * callback_token.h
 *		The tokens in the URLs that the gateway and browsers come back to.
 *
 * The gateway signs its callbacks with what is no secret, so they are known by a
 * token of ours in the URL's path.  It is an HMAC-SHA256 over the attempt, what the
 * URL is for, and all that must not change: order id, amount, currency, merchant,
 * time, and a nonce of the attempt's.  The URLs that browsers come back to have
 * tokens for other purposes, so that whoever sees them cannot make the callback's.
 *
 * A token is base64url (RFC 4648) of: a byte for the version, the purpose, the
 * length of the key's id, the id, the attempt's id, the time it ends (8 bytes, seconds
 * since 1970), and the HMAC.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_CALLBACK_TOKEN_H
#define WASHMINUTE_CALLBACK_TOKEN_H

#include "datatype/timestamp.h"
#include "utils/uuid.h"

/* Longest token that is looked at, in characters. */
#define CALLBACK_TOKEN_MAX 200

#define CALLBACK_NONCE_BYTES 16

/* What the keys are derived for, see SecretDerive. */
#define CALLBACK_KEY_PURPOSE "washminute payment callback"

typedef enum TokenPurpose
{
	TOKEN_CALLBACK = 'c',
	TOKEN_SUCCESS = 's',
	TOKEN_FAIL = 'f'
} TokenPurpose;

/* What a token stands for, besides its purpose and the attempt's id. */
typedef struct TokenFacts
{
	const char *order_id;
	int64		amount;			/* centimes */
	const char *merchant_id;
	const unsigned char *nonce;
} TokenFacts;

/* A token for that purpose; NULL with *problem where there is no key. */
extern char *CallbackTokenMake(TokenPurpose purpose, const pg_uuid_t *attempt_id,
							   const TokenFacts *facts, TimestampTz ends_at,
							   const char **problem);

/* A token as it came, not verified yet. */
typedef struct CallbackToken
{
	TokenPurpose purpose;
	char		key_id[17];
	pg_uuid_t	attempt_id;
	int64		ends_at;		/* seconds since 1970 */
	unsigned char hmac[32];
} CallbackToken;

/* Take a token apart; false where it is none. */
extern bool CallbackTokenRead(const char *text, CallbackToken *token);

/*
 * Is it one that CallbackTokenMake gave for these facts, by a key that still stands
 * in the file, and not over?  *problem where no key can be read.
 */
extern bool CallbackTokenIsRight(const CallbackToken *token, const TokenFacts *facts,
								 TimestampTz now, const char **problem);

#endif							/* WASHMINUTE_CALLBACK_TOKEN_H */
