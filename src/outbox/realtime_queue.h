/*-------------------------------------------------------------------------
 *
 * realtime_queue.h
 *		Live events on their way to the sockets, queued in the transaction that
 *		causes them.
 *
 * By washminute.realtime_mode they are rows of the outbox (lane realtime, without a
 * listener), which the worker publishes; or are published by the transaction itself
 * as it commits.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_REALTIME_QUEUE_H
#define WASHMINUTE_REALTIME_QUEUE_H

#include "nodes/pg_list.h"

typedef enum RealtimeMode
{
	REALTIME_OFF,
	REALTIME_OUTBOX,
	REALTIME_DIRECT
} RealtimeMode;

/* What is to be published; see src/realtime/publish.c for its data. */
typedef struct RealtimeMessage
{
	int64		outbox_id;		/* 0: it never was a row */
	const char *event;
	const char *data;			/* a JSON object as text */
} RealtimeMessage;

extern void RealtimeQueueInit(void);

/*
 * Publish messages (RealtimeMessage *), with SPI connected and as washminute_owner:
 * src/realtime's, which depends on us.
 */
typedef void (*RealtimePublisher) (const List *messages);
extern void RealtimeQueueSetPublisher(RealtimePublisher publisher);

/*
 * Queue a message of this transaction; the id of its outbox row, or 0 where it gets
 * none.  Needs an SPI connection.
 */
extern int64 RealtimeQueue(const char *event, const char *data);

#endif							/* WASHMINUTE_REALTIME_QUEUE_H */
