/*-------------------------------------------------------------------------
 *
 * record.c
 *		Takes the answers of requests, and records what became of their messages.
 *
 * All that was answered is recorded together.  Should that fail, since somebody
 * has locked a row or a trigger of somebody's raises an error, each delivery is
 * recorded in a subtransaction of its own for as long as there are such: what
 * cannot be recorded is tried again later and keeps nothing else waiting.  Its
 * rows stay in flight until then, so they are not sent again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "base/compat.h"
#include "base/subtransaction.h"
#include "outbox/queue.h"
#include "worker/record.h"
#include "worker/status.h"
#include "worker/stopwatch.h"

#define RECORD_PAUSE_LONGEST (60 * SECOND)

/* When a lane is asked again that could not keep what it keeps. */
#define LANE_PAUSE (SECOND / 5)

List	   *record_again = NIL;	/* Delivery * */
static List *finished = NIL;	/* Delivery *: answered, not recorded */
static bool together = false;	/* recording all of them, at this moment */
static bool carefully = false;	/* each on its own */

/* Keep a delivery beyond the turn, in a list that lives as long. */
static List *
KeepDelivery(List *list, Delivery *delivery)
{
	MemoryContext previous = MemoryContextSwitchTo(TopMemoryContext);

	MemoryContextSetParent(delivery->context, TopMemoryContext);
	list = lappend(list, delivery);
	MemoryContextSwitchTo(previous);
	return list;
}

void
RecordStartLater(Delivery *delivery)
{
	record_again = KeepDelivery(record_again, delivery);
}

void
RecordAdd(Delivery *delivery)
{
	finished = KeepDelivery(finished, delivery);
}

/*
 * Send the messages again in smaller requests: by what may go together, and where
 * that does not part them, in halves.  They stay claimed.
 */
static void
DeliverySplit(Delivery *delivery)
{
	int			count = list_length(delivery->messages);
	List	   *parts = DeliveriesMake(delivery->destination, delivery->messages, count);
	ListCell   *cell;

	if (list_length(parts) == 1)
		parts = DeliveriesMake(delivery->destination, delivery->messages, (count + 1) / 2);
	foreach(cell, parts)
		RecordStartLater(lfirst(cell));
	MemoryContextDelete(delivery->context);
}

static void
CountResults(const Delivery *delivery)
{
	Lane		lane = delivery->destination->lane;

	for (int i = 0; i < list_length(delivery->messages); i++)
	{
		const QueueResult *result = &delivery->results[i];

		if (result->error[0] != '\0')
		{
			StatusCount(lane, COUNTER_FAILED, 1);
			StatusError(lane, result->error);
		}
		else if (result->outcome == OUTCOME_DONE)
			StatusCount(lane, COUNTER_SENT, 1);
	}
}

void
RecordTakeAnswers(void)
{
	HttpRequest *http;

	while ((http = HttpNextDone()) != NULL)
	{
		Delivery   *delivery = http->owner;
		Destination *destination;
		MemoryContext previous;
		bool		settled;

		if (http->done != NULL)
		{
			http->done(http);
			continue;
		}
		destination = delivery->destination;
		previous = MemoryContextSwitchTo(delivery->context);
		destination->in_flight--;
		StatusTime(destination->lane, STAGE_ANSWER, http->seconds);
		settled = DeliverySettle(delivery);
		HttpForget(http);
		if (settled)
		{
			CountResults(delivery);
			RecordAdd(delivery);
		}
		else
			DeliverySplit(delivery);
		MemoryContextSwitchTo(previous);
	}
}

int
RecordWaiting(void)
{
	return list_length(finished) + list_length(record_again);
}

bool
RecordRefersTo(const Destination *destination)
{
	ListCell   *cell;

	foreach(cell, finished)
		if (((Delivery *) lfirst(cell))->destination == destination)
			return true;
	foreach(cell, record_again)
		if (((Delivery *) lfirst(cell))->destination == destination)
			return true;
	return false;
}

int64
RecordAt(void)
{
	int64		at = PG_INT64_MAX;
	ListCell   *cell;

	foreach(cell, finished)
		at = Min(at, ((Delivery *) lfirst(cell))->record_at);
	foreach(cell, destinations)
	{
		const Destination *destination = lfirst(cell);

		if (destination->gone)
			at = Min(at, destination->gone_at);
	}
	return at;
}

/* What its lane keeps besides the results; false where it cannot do so now. */
static bool
RecordOfLane(Delivery *delivery)
{
	if (delivery->destination->kind->record == NULL || delivery->plain ||
		delivery->destination->kind->record(delivery))
		return true;
	delivery->record_at = MonotonicNow() + LANE_PAUSE;
	return false;
}

static void
RecordTogether(int64 epoch)
{
	QueueResult *results;
	int64		now = MonotonicNow();
	int			count = 0;
	ListCell   *cell;

	foreach(cell, finished)
		count += list_length(((Delivery *) lfirst(cell))->messages);
	if (count == 0)
		return;
	results = palloc(count * sizeof(QueueResult));
	count = 0;
	together = true;
	foreach(cell, finished)
	{
		Delivery   *delivery = lfirst(cell);
		int			messages = list_length(delivery->messages);

		if (delivery->record_at > now || !RecordOfLane(delivery))
			continue;
		memcpy(results + count, delivery->results, messages * sizeof(QueueResult));
		count += messages;
		delivery->recorded = true;
	}
	if (count > 0)
		QueueRecord(results, count, epoch);
	together = false;
}

/* A delivery that is recorded alone. */
typedef struct Single
{
	Delivery   *delivery;
	int64		epoch;
	bool		locked;			/* its rows */
	bool		later;			/* its lane cannot keep it now */
} Single;

static void
RecordSingle(void *argument)
{
	Single	   *single = argument;
	Delivery   *delivery = single->delivery;
	int			count = list_length(delivery->messages);

	QueueLock(delivery->results, count, single->epoch);
	single->locked = true;
	single->later = !RecordOfLane(delivery);
	if (!single->later)
		QueueRecord(delivery->results, count, single->epoch);
}

/* Record one delivery; false where that fails, which changes nothing. */
static bool
RecordAlone(Delivery *delivery, int64 epoch)
{
	Single		single = {delivery, epoch, false, false};
	ErrorData  *error = SubtransactionRun(RecordSingle, &single);

	if (error == NULL)
		return !single.later;
	DeliveryClean(error->message);
	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("washminute worker: not recorded %s id=" INT64_FORMAT " messages=%d error=\"%s\"",
					delivery->destination->shown, delivery->results[0].key.outbox_id,
					list_length(delivery->messages), error->message)));

	/* what was delivered must not be sent again for what its lane keeps besides */
	if (single.locked && !delivery->destination->kind->must_record)
		delivery->plain = true;
	FreeErrorData(error);
	return false;
}

static void
RecordEach(int64 epoch)
{
	int64		now = MonotonicNow();
	ListCell   *cell;

	foreach(cell, finished)
	{
		Delivery   *delivery = lfirst(cell);

		if (delivery->record_at > now)
			continue;
		delivery->recorded = RecordAlone(delivery, epoch);
		if (delivery->recorded || delivery->record_at > now)
			continue;
		delivery->record_pause = Min(Max(SECOND, delivery->record_pause * 2),
									 RECORD_PAUSE_LONGEST);
		delivery->record_at = now + delivery->record_pause;
	}
}

void
RecordFinished(int64 epoch)
{
	ListCell   *cell;

	foreach(cell, destinations)
	{
		Destination *destination = lfirst(cell);

		if (!destination->gone || destination->gone_at > MonotonicNow())
			continue;
		QueueDisableListener(destination->listener, destination->url);

		/* until the listeners are read anew; somebody may have locked it */
		destination->gone_at = MonotonicNow() + SECOND;
	}
	if (carefully)
		RecordEach(epoch);
	else
		RecordTogether(epoch);
}

bool
RecordCommitted(void)
{
	bool		left = false;
	ListCell   *cell;

	foreach(cell, finished)
	{
		Delivery   *delivery = lfirst(cell);
		QueueCursor *cursor = &delivery->destination->cursor;

		if (!delivery->recorded)
			continue;

		/* failed messages come again at their time */
		for (int i = 0; i < list_length(delivery->messages); i++)
		{
			Outcome		outcome = delivery->results[i].outcome;

			TimestampTz due_at = delivery->results[i].due_at;

			if (outcome != OUTCOME_RETRY && outcome != OUTCOME_RELEASED)
				continue;
			cursor->next_due = Min(cursor->next_due, due_at);

			/* one that was recorded late may be due already, and passed */
			cursor->due_seen = Min(cursor->due_seen, due_at - 1);
		}
		left = left || !delivery->destination->listed;
		MemoryContextDelete(delivery->context);
		finished = foreach_delete_current(finished, cell);
	}
	if (finished == NIL)
		carefully = false;
	return left;
}

bool
RecordRolledBack(void)
{
	bool		failed = together;
	ListCell   *cell;

	foreach(cell, finished)
		((Delivery *) lfirst(cell))->recorded = false;
	carefully = carefully || failed;
	together = false;
	return failed;
}
