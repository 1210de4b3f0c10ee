/*-------------------------------------------------------------------------
 *
 * wire.h
 *		The messages of Socket.IO's Postgres adapter.  Pure functions.
 *
 * A NOTIFY on the channel "<prefix>#<namespace>" carries one JSON object: uid, type,
 * nsp and data, or instead of data the id of a row of the attachments table, which
 * holds the whole message as MessagePack.  The form is the one that adapters from
 * 0.3.1 to 0.5.0 take; see also README, "Live events".
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_REALTIME_WIRE_H
#define WASHMINUTE_REALTIME_WIRE_H

#include "nodes/pg_list.h"

/* What PostgreSQL takes as the payload of a NOTIFY, in bytes, is less than this. */
#define WIRE_INLINE_LIMIT 8000

/* The adapter's numbers of what is sent from here. */
typedef enum WireType
{
	WIRE_BROADCAST = 3,
	WIRE_JOIN = 4,
	WIRE_LEAVE = 5,
	WIRE_DISCONNECT = 6,
	WIRE_SERVER_EMIT = 9
} WireType;

typedef struct WireMessage
{
	WireType	type;
	const char *event;			/* of WIRE_BROADCAST and WIRE_SERVER_EMIT */
	const char *data;			/* its one argument, a JSON object as text */
	List	   *rooms;			/* char *: whose sockets; NIL: all */
	List	   *except;			/* char *: but not those in these */
	List	   *joins;			/* char *: rooms to join or to leave */
	bool		is_volatile;	/* may be dropped where a client is slow; not kept */
	bool		is_passing;		/* for those who are there: not kept, but not dropped */
} WireMessage;

/* Is it a name that Socket.IO sends itself, and its clients refuse from anybody else? */
extern bool WireEventIsReserved(const char *event);

/* The message as JSON. */
extern char *WireJson(const WireMessage *message);

/* The notification that stands for a message in the attachments table. */
extern char *WireAttachment(WireType type, int64 attachment_id);

/* A JSON object as text with a member eid besides, which takes the place of its own. */
extern char *WireWithId(const char *data, int64 position);

#endif							/* WASHMINUTE_REALTIME_WIRE_H */
