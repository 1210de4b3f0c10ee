/*-------------------------------------------------------------------------
 *
 * realtime_queue.c
 *		Live events on their way to the sockets, queued in the transaction that
 *		causes them.
 *
 * Messages that the transaction publishes itself wait in memory: rows of the outbox
 * would have to be read again, and a serializable transaction that reads an index in
 * which all others write makes those fail.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/identity.h"
#include "base/statement.h"
#include "outbox/enqueue.h"
#include "outbox/realtime_queue.h"

/* A message of this transaction, and the savepoint that it was queued under. */
typedef struct Waiting
{
	RealtimeMessage message;
	SubTransactionId savepoint;
} Waiting;

static List *waiting = NIL;		/* Waiting *: in TopTransactionContext */
static RealtimePublisher publish = NULL;

void
RealtimeQueueSetPublisher(RealtimePublisher publisher)
{
	publish = publisher;
}

int64
RealtimeQueue(const char *event, const char *data)
{
	MemoryContext previous;
	Waiting    *one;

	switch ((RealtimeMode) washminute_realtime_mode)
	{
		case REALTIME_OFF:
			return 0;
		case REALTIME_OUTBOX:
			return OutboxRealtime(event, data);
		case REALTIME_DIRECT:
			break;
	}
	previous = MemoryContextSwitchTo(TopTransactionContext);
	one = palloc(sizeof(Waiting));
	*one = (Waiting) {
		.message = {0, pstrdup(event), pstrdup(data)},
		.savepoint = GetCurrentSubTransactionId()
	};
	waiting = lappend(waiting, one);
	MemoryContextSwitchTo(previous);
	return 0;
}

/*
 * Publish what waits, as the transaction commits: as the owner, and no function of ours
 * is around that would keep the caller's search_path out.
 */
static void
PublishWaiting(void)
{
	List	   *messages = NIL;
	int			nest_level = StatementSettings();
	Identity	saved;
	ListCell   *cell;

	foreach(cell, waiting)
		messages = lappend(messages, &((Waiting *) lfirst(cell))->message);
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	IdentityBecomeOwner(&saved);
	publish(messages);
	IdentityRestore(&saved);
	PopActiveSnapshot();
	SPI_finish();
	AtEOXact_GUC(true, nest_level);
}

static void
TransactionEvent(XactEvent event, void *argument)
{
	if (waiting == NIL)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:	/* which PostgreSQL then refuses, for its NOTIFY */
			PublishWaiting();
			waiting = NIL;
			break;
		case XACT_EVENT_ABORT:
			waiting = NIL;
			break;
		default:
			break;
	}
}

/* What was queued since a savepoint goes with it: ids of savepoints only grow. */
static void
SavepointEvent(SubXactEvent event, SubTransactionId savepoint,
			   SubTransactionId parent, void *argument)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	while (waiting != NIL && ((Waiting *) llast(waiting))->savepoint >= savepoint)
		waiting = list_delete_last(waiting);
}

void
RealtimeQueueInit(void)
{
	RegisterXactCallback(TransactionEvent, NULL);
	RegisterSubXactCallback(SavepointEvent, NULL);
}
