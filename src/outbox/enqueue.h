/*-------------------------------------------------------------------------
 *
 * enqueue.h
 *		Events and outbox rows, written in the transaction that causes them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_ENQUEUE_H
#define WASHMINUTE_ENQUEUE_H

#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "outbox/wake.h"

#define EVENT_MAX 100			/* characters of an event's name */
#define EVENT_DATA_MAX 65536	/* bytes of its data as text */
#define PUSH_DATA_MAX 3000		/* of a push's: Expo takes 4096 with the texts */

/*
 * Add to the event log.  request_id and actor_id may be NULL; data is a JSON
 * object as text.  Needs an SPI connection.
 */
extern void EventRecord(const char *event, const pg_uuid_t *request_id,
						const char *actor_id, const char *data);

/*
 * Queue a message to the devices of one user, or of several; the id of the (first)
 * row.  audience is as what he is spoken to: customer, washman or admin, or NULL
 * for what he is.  It is of no more use from expires_at on (DT_NOEND for always).
 * Needs an SPI connection.
 */
extern int64 OutboxPush(const char *recipient_id, const char *audience,
						const char *event, const char *data,
						TimestampTz expires_at);
extern void OutboxPushMany(const char *const *recipient_ids, int count,
						   const char *audience, const char *event,
						   const char *data, TimestampTz expires_at);

/*
 * Tell all who were offered the request of the data (requestId), but for the
 * washman there (washmanId), that the offer is gone.  One row: who they are the
 * worker looks up, since an acceptance must not read them.
 */
extern void OutboxPushOfferGone(const char *data, TimestampTz expires_at);

extern void OutboxRequireUser(const char *user_id);

/* Queue work for the card gateway. */
extern void OutboxPayment(const char *event, const char *data);

/* Queue a POST to the URL of a listener. */
extern void OutboxTellListener(Lane lane, const char *listener,
							   const char *event, const char *data);

#endif							/* WASHMINUTE_ENQUEUE_H */
