/*-------------------------------------------------------------------------
 *
 * listener.h
 *		Who hears of which events: the rows of washminute_data.listeners.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_LISTENER_H
#define WASHMINUTE_LISTENER_H

#include "utils/timestamp.h"
#include "utils/uuid.h"

typedef struct Event
{
	const char *event;
	const pg_uuid_t *request_id;	/* NULL: about none */
	const char *data;			/* a JSON object as text */
	const char *correlation_id; /* NULL: none */
	TimestampTz at;
} Event;

extern void ListenerInit(void);

/*
 * Queue, or call, what the listeners of an event ask for.  Costs a look into
 * this backend's memory where nobody listens.  Needs an SPI connection.
 */
extern void ListenersTell(const Event *event);

/* Is there a listener of that name with a URL?  Its lane, or -1. */
extern int	ListenerLane(const char *name);

#endif							/* WASHMINUTE_LISTENER_H */
