/*-------------------------------------------------------------------------
 *
 * delivery.c
 *		What an answer means for its messages and for their destination.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/pg_prng.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "worker/lane.h"
#include "worker/status.h"
#include "worker/stopwatch.h"

static Delivery *
DeliveryMake(Destination *destination, const List *messages)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "washminute delivery",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(context);
	Delivery   *delivery = palloc0(sizeof(Delivery));
	ListCell   *cell;

	delivery->context = context;
	delivery->destination = destination;
	delivery->messages = list_copy(messages);
	delivery->results = palloc0(list_length(messages) * sizeof(QueueResult));
	foreach(cell, messages)
	{
		Message    *message = lfirst(cell);

		MemoryContextSetParent(message->context, context);
		delivery->results[foreach_current_index(cell)].key = message->key;
	}
	MemoryContextSwitchTo(previous);
	return delivery;
}

/* Does a message fit every one of a group? */
static bool
FitsGroup(const LaneKind *kind, const List *group, const Message *message)
{
	ListCell   *cell;

	if (kind->fits == NULL)
		return true;
	foreach(cell, group)
		if (!kind->fits(lfirst(cell), message))
			return false;
	return true;
}

List *
DeliveriesMake(Destination *destination, const List *messages, int most)
{
	const LaneKind *kind = destination->kind;
	List	   *groups = NIL;	/* lists of messages */
	List	   *deliveries = NIL;
	ListCell   *cell;
	ListCell   *place;

	foreach(cell, messages)
	{
		bool		placed = false;

		foreach(place, groups)
		{
			List	   *group = lfirst(place);

			if (list_length(group) == most || !FitsGroup(kind, group, lfirst(cell)))
				continue;
			lfirst(place) = lappend(group, lfirst(cell));
			placed = true;
			break;
		}
		if (!placed)
			groups = lappend(groups, list_make1(lfirst(cell)));
	}
	foreach(place, groups)
		deliveries = lappend(deliveries, DeliveryMake(destination, lfirst(place)));
	return deliveries;
}

void
DeliveryJudge(Delivery *delivery, Outcome outcome, const char *error)
{
	for (int i = 0; i < list_length(delivery->messages); i++)
	{
		delivery->results[i].outcome = outcome;
		strlcpy(delivery->results[i].error, error, sizeof(delivery->results[i].error));
	}
}

void
DeliveryError(const Delivery *delivery, char *error, size_t size)
{
	const HttpRequest *http = &delivery->http;

	if (http->status > 0 && http->code == CURLE_OK)
		snprintf(error, size, "HTTP status %ld", http->status);
	else if (http->response_cut)
		snprintf(error, size, "HTTP status %ld, and the answer is longer than %d bytes",
				 http->status, HTTP_RESPONSE_MAX);
	else
		snprintf(error, size, "%s (%s)", http->error,
				 http->was_written ? "the request may have arrived" : "nothing was sent");
	DeliveryClean(error);
}

void
DeliveryClean(char *error)
{
	for (char *c = error; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

/* Seconds until the next attempt: 1, 2, 4 ..., a fifth more or less. */
static double
Backoff(int attempts, int limit)
{
	double		seconds = Min(ldexp(1, Min(attempts, 30) - 1), limit);

	return seconds * (0.8 + 0.4 * pg_prng_double(&pg_global_prng_state));
}

/*
 * Fill in when failed messages come again, released ones after the pause, and
 * which have failed for good.
 */
static void
SetDueTimes(Delivery *delivery, int64 pause)
{
	const Destination *destination = delivery->destination;
	ListCell   *cell;

	foreach(cell, delivery->messages)
	{
		Message    *message = lfirst(cell);
		QueueResult *result = &delivery->results[foreach_current_index(cell)];
		double		seconds = Backoff(message->attempts, destination->settings->backoff_limit);

		if (result->outcome == OUTCOME_DONE)
			continue;
		if (result->outcome == OUTCOME_RETRY &&
			message->attempts >= destination->settings->max_attempts)
			result->outcome = OUTCOME_DEAD;
		if (result->outcome == OUTCOME_RELEASED)
			seconds = (double) pause / SECOND;
		result->due_at = GetCurrentTimestamp() + (int64) (seconds * SECOND);
		if (result->error[0] == '\0')
			continue;			/* waits for something that is still to come */

		ereport(result->outcome == OUTCOME_DEAD ? WARNING : LOG,
				(errmsg("washminute worker: %s %s id=" INT64_FORMAT " attempt=%d error=\"%s\"",
						result->outcome == OUTCOME_DEAD ? "dead letter" : "attempt failed",
						destination->shown, message->key.outbox_id,
						message->attempts, result->error)));
	}
}

/* The destination asks to wait: by Retry-After, or else longer each time. */
static int64
PauseDestination(Destination *destination, int64 retry_after, int64 now)
{
	int64		limit = destination->settings->backoff_limit;
	int64		pause;

	/* answers to what was in flight together are one refusal */
	if (now >= destination->paused_until)
		destination->busy++;
	pause = retry_after != 0 ? SECOND * Max(1, Min(retry_after, limit)) :
		(int64) (SECOND * Backoff(destination->busy, (int) limit));
	destination->paused_until = Max(destination->paused_until, now + pause);
	ereport(LOG,
			(errmsg("washminute worker: asked to wait %s for_s=%.1f",
					destination->shown, (double) pause / SECOND)));
	return pause;
}

/* Why the lane is held: a message before may have gone well. */
static const char *
FirstReleased(const Delivery *delivery)
{
	for (int i = 0; i < list_length(delivery->messages); i++)
		if (delivery->results[i].outcome == OUTCOME_RELEASED)
			return delivery->results[i].error;
	return "";
}

bool
DeliverySettle(Delivery *delivery)
{
	Destination *destination = delivery->destination;
	int64		now = MonotonicNow();
	int64		pause = 0;
	Verdict		verdict;

	verdict = destination->kind->judge(delivery);
	for (int i = 0; i < list_length(delivery->messages); i++)
		DeliveryClean(delivery->results[i].error);
	switch (verdict)
	{
		case VERDICT_ILL:
			if (BreakerFailed(&destination->breaker, now,
							  destination->settings->breaker_failures,
							  pg_prng_double(&pg_global_prng_state)))
				ereport(WARNING,
						(errmsg("washminute worker: breaker open %s for_s=%.1f",
								destination->shown,
								(double) (destination->breaker.open_until - now) / SECOND)));
			break;
		case VERDICT_BUSY:
			pause = PauseDestination(destination, delivery->http.retry_after, now);
			break;
		case VERDICT_HELD:
			/* the rows are ready as soon as the lane is */
			pause = SECOND;
			DestinationHold(destination->lane, FirstReleased(delivery));
			break;
		case VERDICT_SPLIT:
			return false;
		case VERDICT_GONE:
			/* said by the URL of then, not by one that was set meanwhile */
			if (strcmp(delivery->http.url, destination->url) != 0)
				break;
			destination->gone = true;
			destination->enabled = false;
			ereport(WARNING,
					(errmsg("washminute worker: listener disabled %s error=\"%s\"",
							destination->shown, delivery->results[0].error)));
			break;
		case VERDICT_WELL:
			destination->busy = 0;
			if (destination->held && now >= destination->paused_until)
			{
				destination->held = false;
				StatusHeld(destination->lane, NULL);
				ereport(LOG,
						(errmsg("washminute worker: held no longer %s", destination->shown)));
			}
			if (BreakerSucceeded(&destination->breaker, now))
				ereport(LOG,
						(errmsg("washminute worker: breaker closed %s",
								destination->shown)));
			break;
	}
	SetDueTimes(delivery, pause);
	return true;
}

void
DeliveryPutBack(Delivery *delivery, const char *error)
{
	DeliveryJudge(delivery, OUTCOME_RELEASED, error);
	SetDueTimes(delivery, SECOND);
}
