/*-------------------------------------------------------------------------
 *
 * webhook.c
 *		The wire format of webhooks: body, headers, signature.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/evp.h>

#include "fmgr.h"
#include "utils/builtins.h"

#include "base/argument.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "outbox/webhook.h"

PG_FUNCTION_INFO_V1(washminute_webhook_secret);

char *
WebhookBody(const char *event, TimestampTz at, const char *data)
{
	JsonObject	body;

	JsonOpen(&body);
	JsonText(&body, "type", event);
	JsonTime(&body, "timestamp", at);
	JsonObjectMember(&body, "data", data);
	return JsonClose(&body);
}

void
WebhookId(int64 outbox_id, char *id)
{
	snprintf(id, WEBHOOK_ID_MAX, "msg_" INT64_FORMAT, outbox_id);
}

void
WebhookSign(const unsigned char *secret, const char *id, int64 unix_seconds,
			const char *body, char *signature)
{
	char	   *signed_text = psprintf("%s." INT64_FORMAT ".%s", id, unix_seconds, body);
	unsigned char digest[SECRET_BYTES];

	SecretHmac(secret, SECRET_BYTES, signed_text, strlen(signed_text), digest);
	memcpy(signature, "v1,", 3);
	EVP_EncodeBlock((unsigned char *) signature + 3, digest, SECRET_BYTES);
	pfree(signed_text);
}

bool
WebhookSecret(const char *listener, unsigned char *secret, const char **problem)
{
	char	   *purpose = psprintf("washminute webhook %s", listener);
	bool		derived = SecretDerive(purpose, secret, problem);

	pfree(purpose);
	return derived;
}

/* washminute.webhook_secret(listener) */
Datum
washminute_webhook_secret(PG_FUNCTION_ARGS)
{
	char	   *listener = ArgumentRequiredText(fcinfo, 0, "listener", ID_MAX);
	unsigned char secret[SECRET_BYTES];
	char		shown[WEBHOOK_SECRET_MAX] = "whsec_";
	const char *problem;

	if (!WebhookSecret(listener, secret, &problem))
		ErrorRaiseText(WM_SIGNING_KEY_MISSING, "washminute.signing_key_file", problem);
	EVP_EncodeBlock((unsigned char *) shown + strlen(shown), secret, SECRET_BYTES);
	PG_RETURN_TEXT_P(cstring_to_text(shown));
}
