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

/*
 * Add to the event log.  request_id and actor_id may be NULL; data is a JSON
 * object as text.  Needs an SPI connection.
 */
extern void EventRecord(const char *event, const pg_uuid_t *request_id,
						const char *actor_id, const char *data);

/*
 * Queue a message to the devices of one user, or of several.  It is of no more
 * use from expires_at on (DT_NOEND for always).  Needs an SPI connection.
 */
extern void OutboxPush(const char *recipient_id, const char *event,
					   const char *data, TimestampTz expires_at);
extern void OutboxPushMany(const char *const *recipient_ids, int count,
						   const char *event, const char *data,
						   TimestampTz expires_at);

/* Queue work for the card gateway. */
extern void OutboxPayment(const char *event, const char *data);

/* Queue a POST to the URL of a listener. */
extern void OutboxTellListener(Lane lane, const char *listener,
							   const char *event, const char *data);

#endif							/* WASHMINUTE_ENQUEUE_H */
