/*-------------------------------------------------------------------------
 *
 * publish.h
 *		Live events: kept in the log, and told to the gateways.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_REALTIME_PUBLISH_H
#define WASHMINUTE_REALTIME_PUBLISH_H

#include "nodes/pg_list.h"

#include "outbox/queue.h"
#include "outbox/realtime_queue.h"

#define ROOM_MAX 200			/* characters of a room's name */
#define ROOMS_MAX 1000			/* rooms that one event goes to */

/* From _PG_init. */
extern void RealtimeInit(void);

/*
 * Take messages out of the outbox, at most so many, and publish them; how many.  Where
 * another session is publishing it waits for that, or returns -1.  With SPI connected
 * and as washminute_owner.
 */
extern int	RealtimePump(QueueCursor *cursor, int limit, bool wait);

/*
 * After an error of RealtimePump, once it is rolled back: is it known which row is to
 * blame, and is the error the row's own?  RealtimeBlame counts it against the row, which
 * becomes a dead letter the third time.
 */
extern bool RealtimeHasCulprit(int sqlstate);
extern void RealtimeBlame(void);

/* Take and publish in a subtransaction, without waiting; an error becomes a warning. */
extern void RealtimePumpAside(int limit);

/* Publish messages (RealtimeMessage *) that are no rows of the outbox. */
extern void RealtimePublish(const List *messages);

#endif							/* WASHMINUTE_REALTIME_PUBLISH_H */
