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

/* Whom a message is for, and what it tells. */
typedef struct Notice
{
	const char *recipient_id;	/* NULL: whom the event concerns */
	const char *audience;		/* spoken to as customer, washman or admin; NULL: as what he is */
	const char *event;
	TimestampTz expires_at;		/* of no use from then on; DT_NOEND: never */
} Notice;

/* Messages to devices, see OutboxPush. */
typedef struct Push
{
	const Notice *notices;
	int			count;
	const char *data;
} Push;

/*
 * Add to the event log, and queue what listeners and live rules want of it.  request_id
 * and actor_id may be NULL; data is a JSON object as text.  Needs an SPI connection.
 */
extern void EventRecord(const char *event, const pg_uuid_t *request_id,
						const char *actor_id, const char *data);

/* The same, and OutboxPush in one go, which is faster; push may be NULL. */
extern void EventRecordTelling(const char *event, const pg_uuid_t *request_id,
							   const char *actor_id, const char *data, const Push *push);

/*
 * Queue a message for each notice, to all devices of its recipient; the id of the
 * first row.  Without a recipient the event is offerGone: it goes to all who were
 * offered the request of the data (requestId) up to that wave (wave), but for the
 * washman there (washmanId), whom it does not name to them.  Who they are the worker
 * looks up, since an acceptance must not read them; by then the request may have been
 * offered anew, in a later wave.  Needs an SPI connection.
 */
extern int64 OutboxPush(const Notice *notices, int count, const char *data);

/*
 * Queue a message without a recipient for later, a time of the business's clock, to
 * washmen: newWashingRequest goes to those who were offered the request of the data to
 * be told at its offeredAt, if it is still pending then, and after so many
 * everyMicroseconds to the next ones, until lastAt.
 */
extern void OutboxPushLater(const char *event, const char *data, TimestampTz due_at,
							TimestampTz expires_at);

extern void OutboxRequireUser(const char *user_id);

/*
 * Queue work for the card gateway, for a time of the business's clock, or at once
 * (DT_NOBEGIN).
 */
extern void OutboxPayment(const char *event, const char *data, TimestampTz due_at);

/* Queue a live event, see realtime_queue.h; the id of its row. */
extern int64 OutboxRealtime(const char *event, const char *data);

/* The same for a time of the business's clock. */
extern void OutboxRealtimeLater(const char *event, const char *data, TimestampTz due_at);

/* Queue a POST to the URL of a listener. */
extern void OutboxTellListener(Lane lane, const char *listener,
							   const char *event, const char *data);

#endif							/* WASHMINUTE_ENQUEUE_H */
