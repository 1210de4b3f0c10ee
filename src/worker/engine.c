/*-------------------------------------------------------------------------
 *
 * engine.c
 *		Claims messages, has them sent, records what became of them.
 *
 * The worker lives in turns.  In a turn's one transaction the answers that have
 * come are recorded and their places filled with newly claimed messages; the
 * requests start after its commit.  So a claim is on disk before anything is
 * sent, no transaction is open while the network is used, and under load one
 * flush serves many messages.
 *
 * A destination (destination.c) claims no more than it can start at once: free
 * places of its concurrency, what its rate limit lets through, nothing while its
 * breaker is open.
 *
 * An epoch is one life of the worker.  Rows carry the epoch that claimed them:
 * those of an earlier one are orphans, claimed again at once, and results count
 * for rows of the present one only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/identity.h"
#include "base/readiness.h"
#include "base/statement.h"
#include "outbox/queue.h"
#include "worker/engine.h"
#include "worker/lane.h"
#include "worker/status.h"
#include "worker/stop.h"
#include "worker/stopwatch.h"

/* How often to look for what no commit tells of: setup(), COMMIT PREPARED. */
#define LOOK_EVERY (5 * SECOND)

/* A message that waited so long is worth a warning, as often. */
#define BACKLOG_WARNING (60 * SECOND)

#define ERROR_PAUSE_FIRST SECOND
#define ERROR_PAUSE_LONGEST (60 * SECOND)

static MemoryContext turn_context = NULL;
static List *claimed = NIL;		/* Delivery *: of this turn, in its context */
static List *again = NIL;		/* Delivery *: to be sent once more, in parts */
static List *finished = NIL;	/* Delivery *: answered, not recorded */
static int64 epoch = 0;			/* 0: not serving yet */
static bool epoch_is_kept = false;	/* committed */
static bool serving = false;
static bool routes_known = false;
static int64 look_at = 0;		/* monotonic: see LOOK_EVERY */
static int	quick_looks = 0;	/* a commit wakes us before its invalidations come */
static Destination *claiming = NULL;	/* whose SQL runs, should it fail */
static Delivery *recording = NULL;
static int64 error_pause = 0;
static int64 error_pause_until = 0;

void
EngineInit(void)
{
	turn_context = AllocSetContextCreate(TopMemoryContext, "washminute turn",
										 ALLOCSET_DEFAULT_SIZES);
}

int
EngineInFlight(void)
{
	int			in_flight = list_length(finished) + list_length(again);
	ListCell   *cell;

	foreach(cell, destinations)
		in_flight += ((Destination *) lfirst(cell))->in_flight;
	return in_flight;
}

void
EngineWake(uint32 bits)
{
	if (bits & WAKE_LOOK)
	{
		look_at = 0;
		quick_looks = 3;
	}
	if (bits & WAKE_ROUTES)
		routes_known = false;
	for (int lane = 0; lane < LANE_COUNT; lane++)
		if (bits & (WAKE_NEW(lane) | WAKE_DUE(lane)))
			DestinationNews((Lane) lane);
}

void
EngineReload(void)
{
	ListCell   *cell;

	HttpConfigure();
	routes_known = false;
	foreach(cell, destinations)
		QueueCursorReset(&((Destination *) lfirst(cell))->cursor);
}

/* A request of these messages, which become its own. */
static Delivery *
DeliveryMake(Destination *destination, const List *messages, int from, int count)
{
	MemoryContext context = AllocSetContextCreate(turn_context,
												  "washminute delivery",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(context);
	Delivery   *delivery = palloc0(sizeof(Delivery));

	delivery->context = context;
	delivery->destination = destination;
	delivery->results = palloc0(count * sizeof(QueueResult));
	for (int i = 0; i < count; i++)
	{
		Message    *message = list_nth(messages, from + i);

		MemoryContextSetParent(message->context, context);
		delivery->messages = lappend(delivery->messages, message);
		delivery->results[i].outbox_id = message->outbox_id;
	}
	MemoryContextSwitchTo(previous);
	return delivery;
}

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

/*
 * Send the messages again in smaller requests: by what may go together, and where
 * that does not part them, in halves.  They stay claimed.
 */
static void
DeliverySplit(Delivery *delivery)
{
	const LaneKind *kind = delivery->destination->kind;
	List	   *messages = delivery->messages;
	int			count = list_length(messages);
	int			part_end;

	for (int from = 0; from < count; from = part_end)
	{
		part_end = from + 1;
		while (part_end < count &&
			   (kind->fits == NULL ||
				kind->fits(list_nth(messages, from), list_nth(messages, part_end))))
			part_end++;
		if (part_end - from == count)
			part_end = from + (count + 1) / 2;
		again = KeepDelivery(again, DeliveryMake(delivery->destination, messages, from,
												 part_end - from));
	}
	MemoryContextDelete(delivery->context);
}

/* Judge what has been answered. */
static void
TakeAnswers(void)
{
	HttpRequest *http;

	while ((http = HttpNextDone()) != NULL)
	{
		Delivery   *delivery = http->owner;
		Destination *destination = delivery->destination;
		MemoryContext previous = MemoryContextSwitchTo(delivery->context);
		bool		settled;

		destination->in_flight--;
		StatusTime(destination->lane, STAGE_ANSWER, http->seconds);
		settled = DeliverySettle(delivery);
		HttpForget(http);
		if (!settled)
		{
			DeliverySplit(delivery);
			MemoryContextSwitchTo(previous);
			continue;
		}
		for (int i = 0; i < list_length(delivery->messages); i++)
		{
			const QueueResult *result = &delivery->results[i];

			if (result->error[0] != '\0')
			{
				StatusCount(destination->lane, COUNTER_FAILED, 1);
				StatusError(destination->lane, result->error);
			}
			else if (result->outcome == OUTCOME_DONE)
				StatusCount(destination->lane, COUNTER_SENT, 1);
		}

		finished = KeepDelivery(finished, delivery);
		MemoryContextSwitchTo(previous);
	}
}

/* Why the worker serves nothing, or NULL. */
static const char *
ReasonToWait(void)
{
	char	   *facts;

	switch (ReadinessNow(&facts))
	{
		case READINESS_NOT_SET_UP:
			return "waiting: washminute is not set up";
		case READINESS_OWNER_DIFFERS:
			return "waiting: tables do not belong to washminute_owner";
		case READINESS_VERSION_DIFFERS:
			return psprintf("waiting: versions differ %s", facts);
		case READINESS_READY:
			break;
	}
	if (InstanceIsCloned())
		return "waiting: cloned";
	return NULL;
}

/* Look whether there is something to serve, unless that is known. */
static bool
IsServing(void)
{
	const char *reason;
	bool		was_serving;
	ListCell   *cell;

	if (serving && ReadinessIsKnown())
		return true;
	was_serving = serving;
	reason = ReasonToWait();
	serving = reason == NULL;
	if (serving && was_serving)
		return true;			/* something changed, but nothing for us */
	if (!serving)
	{
		StatusSay(reason);
		look_at = MonotonicNow() + (quick_looks > 0 ? SECOND / 10 : LOOK_EVERY);
		quick_looks = Max(0, quick_looks - 1);
		return false;
	}
	routes_known = false;
	foreach(cell, destinations)
		QueueCursorReset(&((Destination *) lfirst(cell))->cursor);
	return true;
}

/* Collect the results of all finished deliveries, and record them. */
static void
RecordFinished(void)
{
	QueueResult *results;
	int			count = 0;
	ListCell   *cell;

	foreach(cell, destinations)
	{
		Destination *destination = lfirst(cell);

		if (destination->gone)
			QueueDisableListener(destination->listener, destination->url);
	}
	if (finished == NIL)
		return;
	foreach(cell, finished)
		count += list_length(((Delivery *) lfirst(cell))->messages);
	results = palloc(count * sizeof(QueueResult));
	count = 0;
	foreach(cell, finished)
	{
		Delivery   *delivery = lfirst(cell);
		int			messages = list_length(delivery->messages);

		memcpy(results + count, delivery->results, messages * sizeof(QueueResult));
		count += messages;
	}
	foreach(cell, finished)
	{
		Delivery   *delivery = lfirst(cell);

		if (delivery->destination->kind->record == NULL || delivery->plain)
			continue;
		recording = delivery;
		delivery->destination->kind->record(delivery);
		recording = NULL;
	}
	QueueRecord(results, count, epoch);
}

/* Messages that are not to be sent: too late, or tried too often. */
static bool
IsUseless(const Destination *destination, const Message *message, QueueResult *result)
{
	result->outbox_id = message->outbox_id;
	result->error[0] = '\0';
	if (message->expires_at <= ClockThisMoment())
	{
		result->outcome = OUTCOME_DONE;
		StatusCount(destination->lane, COUNTER_EXPIRED, 1);
		ereport(LOG,
				(errmsg("washminute worker: expired %s id=" INT64_FORMAT,
						destination->shown, message->outbox_id)));
		return true;
	}
	if (message->attempts > destination->settings->max_attempts)
	{
		result->outcome = OUTCOME_DEAD;
		strlcpy(result->error, "the worker ended each time before an answer was recorded",
				sizeof(result->error));
		return true;
	}
	return false;
}

/* Drop useless messages from a claimed list, in the transaction that claimed it. */
static List *
WithoutUseless(const Destination *destination, List *messages)
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

/* Claim what the destination can start. */
static void
ClaimFor(Destination *destination)
{
	int64		now = MonotonicNow();
	int			room = DestinationRoom(destination, now);
	const LaneKind *kind = destination->kind;
	TimestampTz wall = GetCurrentTimestamp();
	List	   *messages;

	if (room == 0 || !QueueCursorHasWork(&destination->cursor, wall))
		return;
	messages = WithoutUseless(destination,
							  QueueClaim(destination->lane, destination->listener,
										 &destination->cursor, room, epoch, wall));
	if (messages != NIL && kind->expand)
		messages = kind->expand(destination, messages, epoch);
	if (messages == NIL)
		return;
	LimiterTake(&destination->limiter, now, list_length(messages));
	TellOrphans(destination, messages);
	WarnOfBacklog(destination, linitial(messages), now);
	for (int from = 0, count; from < list_length(messages); from += count)
	{
		for (count = 1; count < kind->batch && from + count < list_length(messages); count++)
			if (kind->fits && !kind->fits(list_nth(messages, from), list_nth(messages, from + count)))
				break;
		claimed = lappend(claimed, DeliveryMake(destination, messages, from, count));
	}
}

/* What was prepared and may have been committed since, nobody tells. */
static void
LookForPrepared(void)
{
	if (!WakeHasPrepared())
		return;
	/* one that comes later sets it again; one that ended is looked for once more */
	WakeSetPrepared(false);
	if (QueueHasPrepared())
		WakeSetPrepared(true);
	for (int lane = 0; lane < LANE_COUNT; lane++)
		EngineWake(WAKE_DUE(lane));
	look_at = MonotonicNow() + LOOK_EVERY;
}

/* All of the turn's work on the database. */
static void
TurnTransaction(bool may_claim)
{
	Identity	saved;
	ListCell   *cell;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(turn_context);
	pgstat_report_activity(STATE_RUNNING, "washminute worker: turn");

	if (IsServing())
	{
		IdentityBecomeOwner(&saved);
		if (epoch == 0)
			epoch = QueueNextEpoch();
		RecordFinished();
		if (may_claim && MonotonicNow() >= look_at)
			LookForPrepared();
		if (may_claim && !routes_known)
		{
			DestinationsRead(epoch);
			routes_known = true;
		}
		foreach(cell, destinations)
		{
			claiming = lfirst(cell);
			if (may_claim)
				ClaimFor(claiming);
		}
		claiming = NULL;
		IdentityRestore(&saved);
	}

	PopActiveSnapshot();
	SPI_finish();
	StopSafeCommit();
	MemoryContextSwitchTo(turn_context);
}

/* Send it, or put it back where that is not possible. */
static void
StartDelivery(Delivery *delivery)
{
	Destination *destination = delivery->destination;
	Message    *first = linitial(delivery->messages);
	MemoryContext previous;

	MemoryContextSetParent(delivery->context, TopMemoryContext);
	previous = MemoryContextSwitchTo(delivery->context);
	delivery->http.owner = delivery;
	destination->kind->build(delivery);
	if (HttpStart(&delivery->http))
	{
		destination->in_flight++;
		if (first->attempts == 1)
			StatusTime(destination->lane, STAGE_QUEUED,
					   (double) (GetCurrentTimestamp() - first->queued_at) / SECOND);
	}
	else
	{
		DeliveryPutBack(delivery, "no more connections can be opened");
		HttpForget(&delivery->http);
		finished = KeepDelivery(finished, delivery);
	}
	MemoryContextSwitchTo(previous);
}

static void
StartClaimed(void)
{
	ListCell   *cell;

	foreach(cell, claimed)
	{
		((Delivery *) lfirst(cell))->destination->error_pause = 0;
		StartDelivery(lfirst(cell));
	}
}

/* Parts of requests that were refused, as their destinations have room. */
static void
StartAgain(void)
{
	ListCell   *cell;

	foreach(cell, again)
	{
		Delivery   *delivery = lfirst(cell);
		int64		now = MonotonicNow();

		if (DestinationRoom(delivery->destination, now) == 0)
			continue;
		LimiterTake(&delivery->destination->limiter, now, list_length(delivery->messages));
		again = foreach_delete_current(again, cell);
		StartDelivery(delivery);
	}
}

/* What was recorded is done with; failed messages come again at their time. */
static void
ForgetFinished(void)
{
	ListCell   *cell;

	foreach(cell, finished)
	{
		Delivery   *delivery = lfirst(cell);
		QueueCursor *cursor = &delivery->destination->cursor;

		for (int i = 0; i < list_length(delivery->messages); i++)
		{
			Outcome		outcome = delivery->results[i].outcome;

			if (outcome == OUTCOME_RETRY || outcome == OUTCOME_RELEASED)
				cursor->next_due = Min(cursor->next_due, delivery->results[i].due_at);
		}

		/* its listener was removed meanwhile: look what that leaves behind */
		if (!delivery->destination->listed)
			routes_known = false;
		MemoryContextDelete(delivery->context);
	}
	list_free(finished);
	finished = NIL;
}

static int64
LongerPause(int64 pause)
{
	return pause == 0 ? ERROR_PAUSE_FIRST : Min(pause * 2, ERROR_PAUSE_LONGEST);
}

/* An error of our own SQL: nothing of the turn has happened. */
static void
TurnFailed(void)
{
	HOLD_INTERRUPTS();
	EmitErrorReport();
	AbortCurrentTransaction();
	FlushErrorState();
	RESUME_INTERRUPTS();

	/* the next turn looks at everything anew */
	serving = false;
	look_at = 0;
	WakeSetPrepared(true);
	if (!epoch_is_kept)
		epoch = 0;
	/* what one lane cannot do must not keep the others from working */
	if (recording != NULL)
		recording->plain = true;
	else if (claiming != NULL)
	{
		claiming->error_pause = LongerPause(claiming->error_pause);
		claiming->paused_until = MonotonicNow() + claiming->error_pause;
		claiming->held = true;
		StatusHeld(claiming->lane, "failing: see the server's log");
	}
	else
	{
		error_pause = LongerPause(error_pause);
		error_pause_until = MonotonicNow() + error_pause;
		StatusSay("failing: see the server's log");
	}
	claiming = NULL;
	recording = NULL;
}

/* Is there anything that needs a transaction? */
static bool
TurnIsDue(bool may_claim)
{
	int64		now = MonotonicNow();
	TimestampTz wall = GetCurrentTimestamp();
	ListCell   *cell;

	if (!serving)
		return now >= look_at && (may_claim || finished != NIL);
	if (finished != NIL)
		return true;
	if (!may_claim)
		return false;
	if (!routes_known || (WakeHasPrepared() && now >= look_at))
		return true;
	foreach(cell, destinations)
	{
		Destination *destination = lfirst(cell);

		if (QueueCursorHasWork(&destination->cursor, wall) &&
			DestinationRoom(destination, now) > 0)
			return true;
	}
	return false;
}

static void
ShowLanes(void)
{
	int			in_flight[LANE_COUNT] = {0};
	BreakerState worst[LANE_COUNT] = {0};
	int64		now = MonotonicNow();
	ListCell   *cell;

	foreach(cell, destinations)
	{
		Destination *destination = lfirst(cell);

		in_flight[destination->lane] += destination->in_flight;
		worst[destination->lane] = Max(worst[destination->lane],
									   BreakerLook(&destination->breaker, now));
	}
	for (int lane = 0; lane < LANE_COUNT; lane++)
	{
		StatusInFlight((Lane) lane, in_flight[lane]);
		StatusBreaker((Lane) lane, worst[lane]);
	}
}

bool
EngineTurn(bool may_claim)
{
	volatile bool failed = false;

	TakeAnswers();
	StartAgain();
	if (MonotonicNow() < error_pause_until || !TurnIsDue(may_claim))
		return false;

	MemoryContextReset(turn_context);
	MemoryContextSwitchTo(turn_context);
	claimed = NIL;
	StopTurnBegin();
	PG_TRY();
	{
		TurnTransaction(may_claim);
	}
	PG_CATCH();
	{
		failed = true;
	}
	PG_END_TRY();
	StopTurnEnd();
	MemoryContextSwitchTo(turn_context);
	if (failed)
	{
		TurnFailed();
		return true;
	}

	if (serving)
	{
		error_pause = 0;
		epoch_is_kept = true;
		StatusStarted(epoch);
		StatusSay("running");
		ForgetFinished();
		StartClaimed();
	}
	ShowLanes();
	pgstat_report_stat(claimed == NIL);
	pgstat_report_activity(STATE_IDLE, NULL);
	return true;
}

long
EngineTimeout(bool may_claim)
{
	int64		now = MonotonicNow();
	TimestampTz wall = GetCurrentTimestamp();
	int64		at = PG_INT64_MAX;
	ListCell   *cell;

	if (now < error_pause_until)
		at = error_pause_until;
	else if (!serving)
		at = may_claim || finished != NIL ? look_at : PG_INT64_MAX;
	else if (finished != NIL || (may_claim && !routes_known))
		return 0;
	else if (may_claim)
	{
		if (WakeHasPrepared())
			at = look_at;
		foreach(cell, destinations)
		{
			Destination *destination = lfirst(cell);
			const QueueCursor *cursor = &destination->cursor;
			int64		room_at = DestinationRoomAt(destination, now);

			if (room_at == 0)
				continue;
			if (again != NIL)
				at = Min(at, room_at);
			if (QueueCursorHasWork(cursor, wall))
				at = Min(at, room_at);
			else if (cursor->next_due != DT_NOEND)
				at = Min(at, Max(room_at, now + (cursor->next_due - wall)));
		}
	}
	if (at == PG_INT64_MAX)
		return -1;
	return at <= now ? 0 : (long) Min((at - now + 999) / 1000, 3600 * 1000);
}
