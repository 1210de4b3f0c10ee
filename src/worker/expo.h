/*-------------------------------------------------------------------------
 *
 * expo.h
 *		The wire format of the Expo push service.
 *
 * https://docs.expo.dev/push-notifications/sending-notifications: POST
 * <url>/send with an array of messages gives tickets in their order, POST
 * <url>/getReceipts with {"ids": [...]} gives receipts by id; errors are in the
 * body, whatever the status says.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_EXPO_H
#define WASHMINUTE_EXPO_H

#include "worker/http.h"

#define EXPO_BATCH 100			/* recipients in a request */
#define EXPO_GZIP_FROM 1024		/* bytes from which a body is compressed */

/* What to do with one message, by the ticket or receipt. */
typedef enum ExpoAction
{
	EXPO_OK,
	EXPO_DEVICE_GONE,			/* disable the token */
	EXPO_LATER,				/* too many to that device, or Expo's own trouble */
	EXPO_CREDENTIALS,			/* stop the lane, an operator must act */
	EXPO_NEVER					/* the message is at fault */
} ExpoAction;

/* By a ticket's or receipt's status and details.error. */
extern ExpoAction ExpoActionOf(Jsonb *answer, char *error, size_t size);

/* The code of the first of the errors of a whole request, or NULL. */
extern char *ExpoRequestError(Jsonb *body);

/* Where to POST, with the access token where there is one; false with a problem. */
extern bool ExpoConfigure(const char **problem);
extern const char *ExpoUrl(const char *path);

/* Headers and body, compressed where that is worth while; palloc'd. */
extern void ExpoFill(HttpRequest *http, const char *url, const char *body);

#endif							/* WASHMINUTE_EXPO_H */
