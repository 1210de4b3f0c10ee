/*-------------------------------------------------------------------------
 *
 * webhook.h
 *		The wire format of webhooks: body, headers, signature.  Pure functions.
 *
 * As https://www.standardwebhooks.com (specification 1.0) has it: headers
 * webhook-id, webhook-timestamp and webhook-signature, the last
 * "v1," base64(HMAC-SHA256(secret, id "." timestamp "." body)).  The secret is
 * shown to people as "whsec_" base64(secret).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_WEBHOOK_H
#define WASHMINUTE_WEBHOOK_H

#include "base/secret.h"
#include "utils/timestamp.h"

#define WEBHOOK_ID_MAX 32
#define WEBHOOK_SIGNATURE_MAX 64	/* "v1," and 44 of base64 */
#define WEBHOOK_SECRET_MAX 64	/* "whsec_" and 44 of base64 */

/* {"type": event, "timestamp": at, "data": data}; palloc'd. */
extern char *WebhookBody(const char *event, TimestampTz at, const char *data);

/* The id of a message: the same at each attempt, so that receivers know it again. */
extern void WebhookId(int64 outbox_id, char *id);

extern void WebhookSign(const unsigned char *secret, const char *id,
						int64 unix_seconds, const char *body,
						char *signature);

/* The secret of a listener, from washminute.signing_key_file (see secret.h). */
extern bool WebhookSecret(const char *listener, unsigned char *secret,
						  const char **problem);

#endif							/* WASHMINUTE_WEBHOOK_H */
