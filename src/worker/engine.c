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

#include "base/clock.h"
#include "base/compat.h"
#include "base/identity.h"
#include "base/readiness.h"
#include "base/statement.h"
#include "dispatch/live_sync.h"
#include "outbox/queue.h"
#include "worker/claim.h"
#include "worker/engine.h"
#include "worker/pump.h"
#include "worker/record.h"
#include "worker/status.h"
#include "worker/stopwatch.h"
#include "worker/timers.h"
#include "worker/track.h"
#include "worker/transaction.h"

/* How often to look for what no commit tells of: setup(), COMMIT PREPARED. */
#define LOOK_EVERY (5 * SECOND)

#define ERROR_PAUSE_FIRST SECOND
#define ERROR_PAUSE_LONGEST (60 * SECOND)

static MemoryContext turn_context = NULL;
static List *claimed = NIL;		/* Delivery *: of this turn, in its context */
static int64 epoch = 0;			/* 0: not serving yet */
static bool epoch_is_kept = false;	/* committed */
static bool serving = false;
static bool routes_known = false;
static int64 look_at = 0;		/* monotonic: see LOOK_EVERY */
static int	quick_looks = 0;	/* a commit wakes us before its invalidations come */
static Destination *claiming = NULL;	/* whose SQL runs, should it fail */
static int64 error_pause = 0;
static int64 error_pause_until = 0;

void
EngineInit(void)
{
	turn_context = AllocSetContextCreate(TopMemoryContext, "washminute turn",
										 ALLOCSET_DEFAULT_SIZES);
}

bool
EngineIsServing(void)
{
	return serving && epoch_is_kept;
}

void
EngineDoubt(void)
{
	serving = false;
	look_at = 0;
}

int
EngineInFlight(void)
{
	int			in_flight = RecordWaiting();
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
	if (bits & (WAKE_NEW(LANE_REALTIME) | WAKE_DUE(LANE_REALTIME) | WAKE_ROUTES))
		PumpNews();
	if (bits & WAKE_GATEWAYS)
		TrackGateways();
}

void
EngineReload(void)
{
	ListCell   *cell;

	HttpConfigure();
	LiveSyncReload();
	TimersDoubt();
	PumpDoubt();
	DestinationsRelease();
	routes_known = false;
	foreach(cell, destinations)
		QueueCursorReset(&((Destination *) lfirst(cell))->cursor);
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
	TimersDoubt();
	PumpDoubt();
	TrackGateways();
	foreach(cell, destinations)
		QueueCursorReset(&((Destination *) lfirst(cell))->cursor);
	return true;
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
	TimersDoubt();
	look_at = MonotonicNow() + LOOK_EVERY;
}

static void
LookAndClaim(void)
{
	ListCell   *cell;

	if (MonotonicNow() >= look_at)
		LookForPrepared();
	if (!routes_known)
	{
		DestinationsRead(epoch);
		routes_known = true;
	}
	foreach(cell, destinations)
	{
		claiming = lfirst(cell);
		claimed = list_concat(claimed, ClaimFor(claiming, epoch));
	}
	claiming = NULL;
}

/* All of the turn's work on the database. */
static void
TurnBody(bool may_claim)
{
	Identity	saved;

	if (!IsServing())
		return;
	IdentityBecomeOwner(&saved);
	if (epoch == 0)
		epoch = QueueNextEpoch();
	RecordFinished(epoch);
	if (may_claim)
		LookAndClaim();
	IdentityRestore(&saved);
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
		LimiterTake(&destination->limiter, MonotonicNow(), list_length(delivery->messages));
		if (first->attempts == 1)
			StatusTime(destination->lane, STAGE_QUEUED,
					   (double) (GetCurrentTimestamp() - first->queued_at) / SECOND);
	}
	else
	{
		DeliveryPutBack(delivery, "no more connections can be opened");
		HttpForget(&delivery->http);
		RecordAdd(delivery);
	}
	MemoryContextSwitchTo(previous);
}

/* What does not fit together may need more requests than there are places. */
static void
StartClaimed(void)
{
	ListCell   *cell;

	foreach(cell, claimed)
	{
		Delivery   *delivery = lfirst(cell);
		Destination *destination = delivery->destination;

		destination->error_pause = 0;
		if (destination->in_flight < destination->settings->concurrency)
			StartDelivery(delivery);
		else
			RecordStartLater(delivery);
	}
}

/* Parts of requests that were refused and the like, as there is room. */
static void
StartAgain(void)
{
	ListCell   *cell;

	foreach(cell, record_again)
	{
		Delivery   *delivery = lfirst(cell);

		if (!DestinationMayStart(delivery->destination, MonotonicNow(),
								 list_length(delivery->messages)))
			continue;
		record_again = foreach_delete_current(record_again, cell);
		StartDelivery(delivery);
	}
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
	bool		recording = RecordRolledBack();	/* which will be more careful */

	/* the next turn looks at everything anew */
	serving = false;
	look_at = 0;
	WakeSetPrepared(true);
	if (!epoch_is_kept)
		epoch = 0;

	/* what one lane cannot do must not keep the others from working */
	if (claiming != NULL)
	{
		claiming->error_pause = LongerPause(claiming->error_pause);
		claiming->paused_until = MonotonicNow() + claiming->error_pause;
		claiming->held = true;
		StatusHeld(claiming->lane, "failing: see the server's log");
	}
	else if (!recording)
	{
		error_pause = LongerPause(error_pause);
		error_pause_until = MonotonicNow() + error_pause;
		StatusSay("failing: see the server's log");
	}
	claiming = NULL;
}

/* Is there anything that needs a transaction? */
static bool
TurnIsDue(bool may_claim)
{
	int64		now = MonotonicNow();
	TimestampTz wall = GetCurrentTimestamp();
	ListCell   *cell;

	if (!serving)
		return now >= look_at && (may_claim || RecordAt() <= now);
	if (RecordAt() <= now)
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
	RecordTakeAnswers();
	StartAgain();
	if (MonotonicNow() < error_pause_until || !TurnIsDue(may_claim))
		return false;

	MemoryContextReset(turn_context);
	claimed = NIL;
	if (!TransactionRun("washminute worker: turn", turn_context, TurnBody, may_claim))
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
		/* its listener was removed meanwhile: look what that leaves behind */
		if (RecordCommitted())
			routes_known = false;
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
		at = may_claim ? look_at : Max(look_at, RecordAt());
	else if (may_claim && !routes_known)
		return 0;
	else
		at = RecordAt();
	if (serving && may_claim && now >= error_pause_until)
	{
		if (WakeHasPrepared())
			at = Min(at, look_at);
		foreach(cell, destinations)
		{
			Destination *destination = lfirst(cell);
			const QueueCursor *cursor = &destination->cursor;
			int64		room_at = DestinationRoomAt(destination, now, 1);

			if (room_at == 0)
				continue;
			if (QueueCursorHasWork(cursor, wall))
				at = Min(at, room_at);
			else if (cursor->next_due != DT_NOEND)
				at = Min(at, Max(room_at, now + (cursor->next_due - wall)));
		}
		foreach(cell, record_again)
		{
			const Delivery *delivery = lfirst(cell);
			int64		room_at = DestinationRoomAt(delivery->destination, now,
													list_length(delivery->messages));

			if (room_at != 0)
				at = Min(at, room_at);
		}
	}
	if (at == PG_INT64_MAX)
		return -1;
	return at <= now ? 0 : (long) Min((at - now + 999) / 1000, 3600 * 1000);
}
