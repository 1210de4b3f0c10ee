/*-------------------------------------------------------------------------
 *
 * claim.c
 *		Claims messages for a destination, and makes requests of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/clock.h"
#include "base/compat.h"
#include "outbox/queue.h"
#include "worker/claim.h"
#include "worker/status.h"
#include "worker/stopwatch.h"

/* A message that waited so long is worth a warning, as often. */
#define BACKLOG_WARNING (60 * SECOND)

/* Messages that are not to be sent: too late, or tried too often. */
static bool
IsUseless(const Destination *destination, const Message *message, QueueResult *result)
{
	result->key = message->key;
	result->error[0] = '\0';
	if (message->expires_at <= ClockThisMoment())
	{
		result->outcome = OUTCOME_DONE;
		StatusCount(destination->lane, COUNTER_EXPIRED, 1);
		ereport(LOG,
				(errmsg("washminute worker: expired %s id=" INT64_FORMAT,
						destination->shown, message->key.outbox_id)));
		return true;
	}
	if (message->attempts > destination->settings->max_attempts)
	{
		result->outcome = OUTCOME_DEAD;
		strlcpy(result->error, "the worker ended each time before an answer was recorded",
				sizeof(result->error));
		ereport(WARNING,
				(errmsg("washminute worker: dead letter %s id=" INT64_FORMAT " attempt=%d error=\"%s\"",
						destination->shown, message->key.outbox_id,
						message->attempts, result->error)));
		return true;
	}
	return false;
}

/* Drop useless messages from a claimed list, in the transaction that claimed it. */
static List *
WithoutUseless(const Destination *destination, int64 epoch, List *messages)
{
	QueueResult *results = palloc(Max(list_length(messages), 1) * sizeof(QueueResult));
	int			count = 0;
	ListCell   *cell;

	foreach(cell, messages)
	{
		Message    *message = lfirst(cell);

		if (!IsUseless(destination, message, &results[count]))
			continue;
		results[count].due_at = 0;
		count++;
		MessageFree(message);
		messages = foreach_delete_current(messages, cell);
	}
	if (count > 0)
		QueueRecord(results, count, epoch);
	return messages;
}

static void
WarnOfBacklog(Destination *destination, const Message *message, int64 now)
{
	int64		waited = GetCurrentTimestamp() - message->queued_at;

	if (message->attempts > 1 || waited < BACKLOG_WARNING ||
		now < destination->warned_at + BACKLOG_WARNING)
		return;
	destination->warned_at = now;
	ereport(WARNING,
			(errmsg("washminute worker: backlog %s oldest_s=" INT64_FORMAT,
					destination->shown, waited / SECOND)));
}

/* An earlier worker had these in flight, and may have sent them. */
static void
TellOrphans(const Destination *destination, const List *messages)
{
	int			orphans = 0;
	ListCell   *cell;

	foreach(cell, messages)
		if (((Message *) lfirst(cell))->orphan)
			orphans++;
	if (orphans > 0)
		ereport(LOG,
				(errmsg("washminute worker: orphans taken up %s count=%d",
						destination->shown, orphans)));
}

List *
ClaimFor(Destination *destination, int64 epoch)
{
	int64		now = MonotonicNow();
	int			room = DestinationRoom(destination, now);
	const LaneKind *kind = destination->kind;
	TimestampTz wall = GetCurrentTimestamp();
	List	   *messages;

	if (room == 0 || !QueueCursorHasWork(&destination->cursor, wall))
		return NIL;
	messages = WithoutUseless(destination, epoch,
							  QueueClaim(destination->lane, destination->listener,
										 &destination->cursor, room, epoch, wall));
	if (messages != NIL && kind->expand)
		messages = kind->expand(destination, messages, epoch);
	if (messages == NIL)
		return NIL;
	TellOrphans(destination, messages);
	WarnOfBacklog(destination, linitial(messages), now);
	return DeliveriesMake(destination, messages, kind->batch);
}
