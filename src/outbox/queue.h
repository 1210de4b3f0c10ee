/*-------------------------------------------------------------------------
 *
 * queue.h
 *		The worker's side of the outbox: find and claim rows, record results.
 *
 * A destination is a lane, or one listener of a lane; each has a cursor of its
 * own.  All functions run in a transaction of the worker's, with SPI connected,
 * and read committed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_QUEUE_H
#define WASHMINUTE_QUEUE_H

#include "access/transam.h"
#include "nodes/pg_list.h"
#include "utils/timestamp.h"

#include "outbox/wake.h"

/* Longest last_error that is kept, in bytes. */
#define QUEUE_ERROR_MAX 300

/* A row's primary key; no index has outbox_id alone. */
typedef struct MessageKey
{
	Lane		lane;
	const char *listener;		/* the destination's, which outlives its messages */
	uint64		xid;
	int64		outbox_id;
} MessageKey;

/* A row of a pass: what its destination does not say of its key. */
typedef struct PassRow
{
	uint64		xid;
	int64		outbox_id;
} PassRow;

/*
 * How far a destination's new rows have been looked at.  A pass goes through what
 * became visible between two snapshots, oldest first; see queue.c.  Zeroed, it
 * has seen nothing.
 */
typedef struct QueueCursor
{
	/* the snapshot up to which all is seen */
	uint64		seen_xmax;
	uint64	   *seen_running;	/* below seen_xmax, but not seen; malloc'd */
	int			seen_running_count;

	/* the pass that is under way */
	bool		in_pass;
	bool		in_running;		/* at seen_running, before the rest */
	uint64		pass_xmax;
	uint64	   *pass_running;
	int			pass_running_count;
	uint64		at_xid;			/* the last row looked at */
	int64		at_id;

	/* with QUEUE_TAKE: its rows, in the order in which they are taken; malloc'd */
	PassRow    *pass_rows;
	int			pass_count;
	int			pass_at;

	/* rows that wait for their time: all due until then were looked at */
	TimestampTz due_seen;
	TimestampTz next_due;		/* DT_NOEND: none */

	bool		is_news;		/* new rows may be there */
	bool		is_due_news;	/* rows for later may be there */
} QueueCursor;

/*
 * In place of an epoch: take rows that are queued out of the outbox, not to come back,
 * and new ones in the order of their ids.
 */
#define QUEUE_TAKE (-1)

/* Where the rows with these keys are: a tid[]. */
extern Datum QueuePlaces(const MessageKey *keys, int count);

/* Forget what was seen: all rows are looked at again. */
extern void QueueCursorReset(QueueCursor *cursor);

/* Is there something to look for, at that time? */
extern bool QueueCursorHasWork(const QueueCursor *cursor, TimestampTz now);

/* A claimed row, in a memory context of its own, a child of the caller's. */
typedef struct Message
{
	MemoryContext context;
	MessageKey	key;
	int			attempts;		/* this one included */
	bool		orphan;			/* an earlier worker had it in flight */
	TimestampTz queued_at;
	TimestampTz created_at;		/* business's clock, as expires_at */
	TimestampTz expires_at;		/* DT_NOEND: never */
	char	   *event;
	char	   *data;
	char	   *recipient_id;	/* may be NULL, as the next three */
	char	   *correlation_id;
	char	   *audience;
	char	   *token;
	void	   *extra;			/* what the lane adds to it */
} Message;

extern void MessageFree(Message *message);

/*
 * Claim at most so many rows, those that wait for their time first, and advance
 * the cursor.  Expired ones come too: their expires_at tells.  A list of Message *,
 * whose keys refer to the listener's name as it is given here.
 */
extern List *QueueClaim(Lane lane, const char *listener, QueueCursor *cursor,
						int limit, int64 epoch, TimestampTz now);

/* What became of a claimed row. */
typedef enum Outcome
{
	OUTCOME_DONE,				/* delivered, or of no more use: the row goes */
	OUTCOME_RETRY,				/* again at due_at */
	OUTCOME_RELEASED,			/* again at due_at, and this attempt did not count */
	OUTCOME_DEAD
} Outcome;

typedef struct QueueResult
{
	MessageKey	key;
	Outcome		outcome;
	TimestampTz due_at;
	char		error[QUEUE_ERROR_MAX + 1]; /* printable ASCII */
} QueueResult;

/*
 * Record results of rows that the worker of this epoch has in flight; others are
 * left alone.
 */
extern void QueueRecord(const QueueResult *results, int count, int64 epoch);

/* Lock the rows of results that are in flight; an error where somebody else has locked one. */
extern void QueueLock(const QueueResult *results, int count, int64 epoch);

/* The worker's new epoch. */
extern int64 QueueNextEpoch(void);

/* Rows of listeners that are no more become dead letters; their number. */
extern uint64 QueueBuryAbandoned(int64 epoch);

/* Is a transaction prepared in this database that may have queued something? */
extern bool QueueHasPrepared(void);

/* A listener's URL, if it is still that, answered 410 Gone. */
extern void QueueDisableListener(const char *name, const char *url);

#endif							/* WASHMINUTE_QUEUE_H */
