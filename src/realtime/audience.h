/*-------------------------------------------------------------------------
 *
 * audience.h
 *		What the rules make of an event of the business, and for whom.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_REALTIME_AUDIENCE_H
#define WASHMINUTE_REALTIME_AUDIENCE_H

#include "nodes/pg_list.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "outbox/realtime_queue.h"

/* The room of those administrators who are connected. */
#define ROOM_ADMINS "admins"

/* A queued event of the business. */
typedef struct Told Told;

extern Told *AudienceRead(const RealtimeMessage *message, Jsonb *queued, TimestampTz now);

/* For all of them (Told *) at once: the washmen of the waves of offers among them. */
extern void AudienceReadWaves(const List *all_told, TimestampTz now);

/*
 * What the rules make of it: WireMessage *, one for each rule and kind of audience.
 * Waves have been read.  What is for washmen whose turn comes later is queued again.
 */
extern List *AudienceMessages(const Told *told);

#endif							/* WASHMINUTE_REALTIME_AUDIENCE_H */
