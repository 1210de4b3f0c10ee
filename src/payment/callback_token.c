/*-------------------------------------------------------------------------
 *
 * callback_token.c
 *		The tokens in the URLs that the gateway and browsers come back to.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/crypto.h>

#include "common/base64.h"
#include "lib/stringinfo.h"
#include "port/pg_bswap.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/secret.h"
#include "payment/callback_token.h"

#define VERSION 1
#define BYTES_MAX (CALLBACK_TOKEN_MAX * 3 / 4)

/* A field with its length before it, so that no two lists of fields are alike. */
static void
AppendField(StringInfo text, const void *data, size_t length)
{
	uint32		prefix = pg_hton32((uint32) length);

	appendBinaryStringInfo(text, (const char *) &prefix, sizeof(prefix));
	appendBinaryStringInfo(text, data, (int) length);
}

static void
ComputeHmac(const CallbackToken *token, const TokenFacts *facts,
			const unsigned char *key, unsigned char *hmac)
{
	StringInfoData text;
	uint64		amount = pg_hton64((uint64) facts->amount);
	uint64		ends_at = pg_hton64((uint64) token->ends_at);
	char		purpose = (char) token->purpose;

	initStringInfo(&text);
	AppendField(&text, "v1", 2);
	AppendField(&text, &purpose, 1);
	AppendField(&text, token->attempt_id.data, UUID_LEN);
	AppendField(&text, facts->order_id, strlen(facts->order_id));
	AppendField(&text, &amount, sizeof(amount));
	AppendField(&text, "MAD", 3);
	AppendField(&text, facts->merchant_id, strlen(facts->merchant_id));
	AppendField(&text, &ends_at, sizeof(ends_at));
	AppendField(&text, facts->nonce, CALLBACK_NONCE_BYTES);
	SecretHmac(key, SECRET_BYTES, text.data, text.len, hmac);
	pfree(text.data);
}

static char *
Base64Url(const char *bytes, int length)
{
	int			size = pg_b64_enc_len(length) + 1;
	char	   *text = palloc0(size);

	if (pg_b64_encode(bytes, length, text, size - 1) < 0)
		elog(ERROR, "could not encode a token");
	for (char *c = text; *c != '\0'; c++)
		*c = *c == '+' ? '-' : *c == '/' ? '_' : *c == '=' ? '\0' : *c;
	return text;
}

/* The bytes of base64url text; -1 where it is none. */
static int
Base64UrlDecode(const char *text, char *bytes, int size)
{
	int			length = strlen(text);
	char		padded[CALLBACK_TOKEN_MAX + 4];

	if (length == 0 || length > CALLBACK_TOKEN_MAX)
		return -1;
	for (int i = 0; i < length; i++)
	{
		if (text[i] == '+' || text[i] == '/' || text[i] == '=' || text[i] <= ' ' || text[i] > '~')
			return -1;
		padded[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
	}
	while (length % 4 != 0)
		padded[length++] = '=';
	return pg_b64_decode(padded, length, bytes, size);
}

char *
CallbackTokenMake(TokenPurpose purpose, const pg_uuid_t *attempt_id,
				  const TokenFacts *facts, TimestampTz ends_at, const char **problem)
{
	CallbackToken token = {purpose, "", *attempt_id, timestamptz_to_time_t(ends_at)};
	unsigned char key[SECRET_BYTES];
	uint64		seconds = pg_hton64((uint64) token.ends_at);
	StringInfoData bytes;

	if (!SecretDeriveNow(CALLBACK_KEY_PURPOSE, key, token.key_id, problem))
		return NULL;
	ComputeHmac(&token, facts, key, token.hmac);
	OPENSSL_cleanse(key, sizeof(key));

	initStringInfo(&bytes);
	appendStringInfoChar(&bytes, VERSION);
	appendStringInfoChar(&bytes, (char) purpose);
	appendStringInfoChar(&bytes, (char) strlen(token.key_id));
	appendStringInfoString(&bytes, token.key_id);
	appendBinaryStringInfo(&bytes, (char *) attempt_id->data, UUID_LEN);
	appendBinaryStringInfo(&bytes, (char *) &seconds, sizeof(seconds));
	appendBinaryStringInfo(&bytes, (char *) token.hmac, sizeof(token.hmac));
	return Base64Url(bytes.data, bytes.len);
}

bool
CallbackTokenRead(const char *text, CallbackToken *token)
{
	char		bytes[BYTES_MAX + 4];
	int			length = Base64UrlDecode(text, bytes, sizeof(bytes));
	int			key_length;
	uint64		seconds;
	const char *at = bytes + 3;

	if (length < 3 || bytes[0] != VERSION)
		return false;
	key_length = (unsigned char) bytes[2];
	if (key_length < 1 || key_length >= (int) sizeof(token->key_id) ||
		length != 3 + key_length + UUID_LEN + (int) sizeof(seconds) + (int) sizeof(token->hmac))
		return false;
	token->purpose = (TokenPurpose) bytes[1];
	memcpy(token->key_id, at, key_length);
	token->key_id[key_length] = '\0';
	memcpy(token->attempt_id.data, at + key_length, UUID_LEN);
	memcpy(&seconds, at + key_length + UUID_LEN, sizeof(seconds));
	token->ends_at = (int64) pg_ntoh64(seconds);
	memcpy(token->hmac, at + key_length + UUID_LEN + sizeof(seconds), sizeof(token->hmac));
	return true;
}

bool
CallbackTokenIsRight(const CallbackToken *token, const TokenFacts *facts,
					 TimestampTz now, const char **problem)
{
	unsigned char key[SECRET_BYTES];
	unsigned char hmac[SECRET_BYTES];

	*problem = NULL;
	if (!SecretDeriveById(CALLBACK_KEY_PURPOSE, token->key_id, key, problem))
		return false;
	ComputeHmac(token, facts, key, hmac);
	OPENSSL_cleanse(key, sizeof(key));
	return CRYPTO_memcmp(hmac, token->hmac, sizeof(hmac)) == 0 &&
		token->ends_at > timestamptz_to_time_t(now);
}
