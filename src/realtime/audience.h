/*-------------------------------------------------------------------------
 *
 * audience.h
 *		What the rules make of an event of the business, and for whom.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_REALTIME_AUDIENCE_H
#define WASHMINUTE_REALTIME_AUDIENCE_H

#include "utils/jsonb.h"

#include "outbox/realtime_queue.h"

/* The room of those administrators who are connected. */
#define ROOM_ADMINS "admins"

/*
 * The messages (WireMessage *) that the enabled rules make of a queued event.  Where
 * washmen are to be told of offers later, the event is queued again for then.
 */
extern List *AudienceMessages(const RealtimeMessage *message, Jsonb *queued);

#endif							/* WASHMINUTE_REALTIME_AUDIENCE_H */
