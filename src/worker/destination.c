/*-------------------------------------------------------------------------
 *
 * destination.c
 *		Where messages go: made from the tables lanes and listeners.
 *
 * Each destination has its own cursor, concurrency, rate limit and breaker, so that
 * one's trouble delays no other.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/statement.h"
#include "worker/record.h"
#include "worker/status.h"
#include "worker/stopwatch.h"

List	   *destinations = NIL;

static LaneSettings lane_settings[LANE_COUNT];
static int64 abandoned_buried_for = 0;	/* epoch */

static Statement select_lanes = {
	"SELECT lane, concurrency, COALESCE(rate_per_second, 0), max_attempts,"
	"       backoff_limit_seconds, breaker_failures, paused"
	"  FROM washminute_data.lanes"
};

static Statement select_urls = {
	"SELECT lane, name, url, enabled FROM washminute_data.listeners WHERE url IS NOT NULL"
};

static Destination *
DestinationFind(Lane lane, const char *listener)
{
	ListCell   *cell;
	MemoryContext context;
	MemoryContext previous;
	Destination *destination;

	foreach(cell, destinations)
	{
		destination = lfirst(cell);
		if (destination->lane == lane && strcmp(destination->listener, listener) == 0)
			return destination;
	}
	context = AllocSetContextCreate(TopMemoryContext, "washminute destination",
									ALLOCSET_SMALL_SIZES);
	previous = MemoryContextSwitchTo(context);
	destination = palloc0(sizeof(Destination));
	destination->context = context;
	destination->lane = lane;
	destination->listener = pstrdup(listener);
	destination->shown = psprintf("lane=%s%s%s", lane_names[lane],
								  listener[0] ? " listener=" : "", listener);
	QueueCursorReset(&destination->cursor);
	MemoryContextSwitchTo(TopMemoryContext);
	destinations = lappend(destinations, destination);
	MemoryContextSwitchTo(previous);
	return destination;
}

static void
DestinationSet(Lane lane, const char *listener, const char *url, bool enabled)
{
	Destination *destination = DestinationFind(lane, listener);
	const LaneSettings *settings = &lane_settings[lane];
	const char *reason = NULL;
	const char *problem;

	destination->kind = lane_kinds[lane];
	destination->settings = settings;
	destination->enabled = enabled && !settings->paused;
	destination->listed = true;

	/* until that is recorded, the table does not know */
	if (!enabled || (url != NULL && strcmp(url, destination->url ? destination->url : "") != 0))
		destination->gone = false;
	if (destination->gone)
		destination->enabled = false;

	/* a good moment for rows that somebody wrote by hand, which wakes nobody */
	destination->cursor.is_news = true;
	destination->cursor.is_due_news = true;

	if (url != NULL && (destination->url == NULL || strcmp(destination->url, url) != 0))
	{
		if (destination->url != NULL)
			pfree(destination->url);
		destination->url = MemoryContextStrdup(destination->context, url);
	}
	LimiterSet(&destination->limiter, settings->rate_per_second, 1);
	if (destination->held)
		reason = destination->held_for;

	if (settings->paused)
		reason = "paused";
	else if ((problem = destination->kind->prepare(destination)) != NULL)
	{
		destination->enabled = false;
		reason = problem;
	}
	if (reason != NULL)
		StatusHeld(lane, reason);
}

static void
ReadLanes(void)
{
	uint64		rows = StatementRun(&select_lanes, NULL);

	/* a lane without a row sends no more; what is in flight keeps its settings */
	for (int lane = 0; lane < LANE_COUNT; lane++)
		lane_settings[lane].concurrency = 0;
	for (uint64 row = 0; row < rows; row++)
	{
		int			lane = LaneByName(RowText(row, 1));

		if (lane < 0)
			continue;
		lane_settings[lane] = (LaneSettings) {
			.concurrency = DatumGetInt32(RowDatum(row, 2)),
			.rate_per_second = DatumGetInt32(RowDatum(row, 3)),
			.max_attempts = DatumGetInt32(RowDatum(row, 4)),
			.backoff_limit = DatumGetInt32(RowDatum(row, 5)),
			.breaker_failures = DatumGetInt32(RowDatum(row, 6)),
			.paused = RowBool(row, 7)
		};
		StatusHeld((Lane) lane, NULL);
	}
}

/*
 * Forget destinations that are in the tables no longer, once they are idle; false
 * where there are none.
 */
static bool
DropUnlisted(void)
{
	bool		found = false;
	ListCell   *cell;

	foreach(cell, destinations)
	{
		Destination *destination = lfirst(cell);

		if (destination->listed)
			continue;
		found = true;
		destination->enabled = false;
		destination->gone = false;
		if (destination->in_flight == 0 && !RecordRefersTo(destination))
		{
			QueueCursorReset(&destination->cursor);
			destinations = foreach_delete_current(destinations, cell);
			MemoryContextDelete(destination->context);
		}
	}
	return found;
}

void
DestinationsRead(int64 epoch)
{
	ListCell   *cell;
	uint64		rows;
	uint64		buried;

	ReadLanes();
	foreach(cell, destinations)
		((Destination *) lfirst(cell))->listed = false;
	for (int lane = 0; lane < LANE_COUNT; lane++)
		if (lane != LANE_WEBHOOK && lane != LANE_REALTIME &&
			lane_settings[lane].concurrency > 0)
			DestinationSet((Lane) lane, "", NULL, true);

	rows = StatementRun(&select_urls, NULL);
	for (uint64 row = 0; row < rows; row++)
	{
		int			lane = LaneByName(RowText(row, 1));

		if (lane >= 0 && lane_settings[lane].concurrency > 0)
			DestinationSet((Lane) lane, RowText(row, 2), RowText(row, 3), RowBool(row, 4));
	}

	/* it reads the whole outbox: not for each change of a lane or a text */
	if (!DropUnlisted() && abandoned_buried_for == epoch)
		return;
	buried = QueueBuryAbandoned(epoch);
	abandoned_buried_for = epoch;
	if (buried > 0)
		ereport(WARNING,
				(errmsg("washminute worker: dead_letters=" UINT64_FORMAT " reason=\"the listener was removed\"",
						buried)));
}

/*
 * How many messages are worth a request: with a rate limit a batch is not sent off
 * in crumbs that fill all places, as long as there are answers to wait for.
 */
static int
Worthwhile(const Destination *destination)
{
	return destination->in_flight == 0 || destination->kind->batch == 1 ? 1 :
		Max(1, destination->limiter.burst * 3 / 5);
}

/* From when on requests can be made, as far as the lane itself is concerned. */
static int64
ReadyAt(const Destination *destination, int64 now)
{
	return destination->kind->ready_at != NULL ? destination->kind->ready_at(now) : 0;
}

int
DestinationRoom(const Destination *destination, int64 now)
{
	int			requests;
	int			allowed;

	if (!destination->enabled || now < destination->paused_until)
		return 0;
	requests = HttpRoom(Max(0, destination->settings->concurrency - destination->in_flight));
	switch (BreakerLook(&destination->breaker, now))
	{
		case BREAKER_OPEN:
			return 0;
		case BREAKER_HALF_OPEN:
			return destination->in_flight > 0 || ReadyAt(destination, now) > now ? 0 :
				LimiterAllows(&destination->limiter, now, 1);
		case BREAKER_CLOSED:
			break;
	}
	if (ReadyAt(destination, now) > now)
		return 0;
	allowed = LimiterAllows(&destination->limiter, now,
							Max(0, requests) * destination->kind->batch);
	return allowed < Worthwhile(destination) ? 0 : allowed;
}

int64
DestinationRoomAt(const Destination *destination, int64 now, int count)
{
	int64		at;
	int64		ready_at;

	/* where the breaker is half open only the probe's answer makes room */
	if (!destination->enabled ||
		destination->in_flight >= destination->settings->concurrency ||
		(destination->in_flight > 0 &&
		 BreakerLook(&destination->breaker, now) == BREAKER_HALF_OPEN))
		return 0;
	at = Max(destination->paused_until,
			 LimiterNext(&destination->limiter, now, Max(count, Worthwhile(destination))));

	ready_at = ReadyAt(destination, now);
	if (ready_at == PG_INT64_MAX)
		return 0;
	at = Max(at, ready_at);

	/* out of descriptors: an answer will wake us, or somebody else closes some */
	if (HttpRoom(1) == 0)
		at = Max(at, now + SECOND);
	return Max(at, destination->breaker.open_until);
}

bool
DestinationMayStart(const Destination *destination, int64 now, int count)
{
	int			burst = Min(count, destination->limiter.burst);

	return DestinationRoom(destination, now) > 0 &&
		LimiterAllows(&destination->limiter, now, burst) == burst;
}

void
DestinationHold(Lane lane, const char *reason)
{
	ListCell   *cell;

	foreach(cell, destinations)
	{
		Destination *destination = lfirst(cell);

		if (destination->lane != lane)
			continue;
		destination->held = true;
		strlcpy(destination->held_for, reason, sizeof(destination->held_for));
		destination->paused_until = MonotonicNow() + HOLD_FOR;
		StatusHeld(lane, reason);
		ereport(WARNING,
				(errmsg("washminute worker: held %s reason=\"%s\"",
						destination->shown, reason)));
	}
}

void
DestinationsRelease(void)
{
	ListCell   *cell;

	abandoned_buried_for = 0;

	foreach(cell, destinations)
	{
		Destination *destination = lfirst(cell);

		if (!destination->held)
			continue;
		destination->held = false;
		destination->paused_until = 0;
	}
}

void
DestinationNews(Lane lane)
{
	ListCell   *cell;

	foreach(cell, destinations)
	{
		Destination *destination = lfirst(cell);

		if (destination->lane != lane)
			continue;
		destination->cursor.is_news = true;
		destination->cursor.is_due_news = true;
	}
}

void
DestinationDue(Lane lane, double seconds)
{
	TimestampTz at = GetCurrentTimestamp() + (int64) (seconds * SECOND);
	ListCell   *cell;

	foreach(cell, destinations)
	{
		Destination *destination = lfirst(cell);

		if (destination->lane == lane)
			destination->cursor.next_due = Min(destination->cursor.next_due, at);
	}
}
