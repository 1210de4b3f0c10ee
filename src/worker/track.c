/*-------------------------------------------------------------------------
 *
 * track.c
 *		What the worker tells the sockets by itself: where washmen are who have a job
 *		in hand, and that it is alive.
 *
 * Positions are told when they have been written to the table, so that nothing of it is
 * in the way of report_location(), and to the extent that the rules for washmanLocation
 * say.  They are volatile: these transactions only notify.
 *
 * Gateways take it that something is wrong when no tick comes for a while.  There is one
 * every TICK_EVERY as long as a gateway is registered (viewer.c); what a dead one has left
 * is taken away then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/identity.h"
#include "base/json.h"
#include "base/statement.h"
#include "outbox/realtime_queue.h"
#include "outbox/realtime_rule.h"
#include "realtime/publish.h"
#include "realtime/viewer.h"
#include "worker/engine.h"
#include "worker/lane.h"
#include "worker/stopwatch.h"
#include "worker/track.h"
#include "worker/transaction.h"

#define EVENT_OF_POSITION "washmanLocation"

#define TICK_EVERY (10 * SECOND)
#define FAILED_PAUSE (5 * SECOND)

/* Jobs in hand whose washman was seen lately. */
static Statement select_positions = {
	"SELECT request_id, located_at, data::pg_catalog.text FROM washminute._live_positions()"
};

/* A job, and the last position of it that was told. */
typedef struct Told
{
	pg_uuid_t	request_id;
	TimestampTz located_at;
	uint32		round;			/* in which it was there */
} Told;

static MemoryContext track_context = NULL;
static HTAB *told = NULL;
static uint32 round_number = 0;
static bool moved = true;		/* what was written before this worker's time */
static bool has_gateways = false;

/* monotonic: when it is looked for gateways, the first time at once; not before which positions are told */
static int64 tick_at = 0;
static int64 positions_at = 0;

void
TrackMoved(void)
{
	moved = true;
}

void
TrackGateways(void)
{
	tick_at = 0;
}

int64
TrackAt(void)
{
	if (washminute_realtime_mode == REALTIME_OFF)
		return PG_INT64_MAX;
	return Min(tick_at, moved ? positions_at : PG_INT64_MAX);
}

static HTAB *
ToldMake(void)
{
	HASHCTL		control = {
		.keysize = sizeof(pg_uuid_t), .entrysize = sizeof(Told), .hcxt = TopMemoryContext
	};

	return hash_create("washminute positions told", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* Jobs that are in hand no longer are forgotten. */
static void
ToldForget(void)
{
	HASH_SEQ_STATUS status;
	Told	   *one;

	hash_seq_init(&status, told);
	while ((one = hash_seq_search(&status)) != NULL)
		if (one->round != round_number)
			(void) hash_search(told, &one->request_id, HASH_REMOVE, NULL);
}

static RealtimeMessage *
MessageMake(const char *event, char *data)
{
	RealtimeMessage *message = palloc(sizeof(RealtimeMessage));

	*message = (RealtimeMessage) {0, event, data};
	return message;
}

/* The positions that are new since they were told last. */
static List *
NewPositions(void)
{
	List	   *messages = NIL;
	uint64		rows = StatementRun(&select_positions, NULL);

	round_number++;
	for (uint64 row = 0; row < rows; row++)
	{
		pg_uuid_t  *request_id = RowUuid(row, 1);
		bool		found;
		Told	   *one = hash_search(told, request_id, HASH_ENTER, &found);
		JsonObject	queued;

		one->round = round_number;
		if (found && one->located_at == RowTime(row, 2))
			continue;
		one->located_at = RowTime(row, 2);
		JsonOpen(&queued);
		JsonUuid(&queued, "about", request_id);
		JsonObjectMember(&queued, "data", RowText(row, 3));
		messages = lappend(messages, MessageMake(EVENT_OF_POSITION, JsonClose(&queued)));
	}
	ToldForget();
	return messages;
}

static void
RunPositions(bool unused)
{
	Identity	saved;

	IdentityBecomeOwner(&saved);
	if (RealtimeRulesFor(EVENT_OF_POSITION) != NIL)
		RealtimePublish(NewPositions());
	IdentityRestore(&saved);
}

static void
RunSweep(bool unused)
{
	Identity	saved;

	IdentityBecomeOwner(&saved);
	has_gateways = GatewaysSweep();
	IdentityRestore(&saved);
}

static void
RunTick(bool unused)
{
	Identity	saved;

	IdentityBecomeOwner(&saved);
	RealtimePublish(list_make1(MessageMake("tick", "{\"type\": 9, \"rooms\": []}")));
	IdentityRestore(&saved);
}

/* One of them, alone: what fails there is not in the way of the others. */
static bool
Run(const char *activity, void (*body) (bool unused))
{
	MemoryContextReset(track_context);
	if (TransactionRun(activity, track_context, body, false))
		return true;
	EngineDoubt();
	return false;
}

/* Gateways live on ticks, whatever is the matter with what dead ones have left. */
static void
Tick(int64 now)
{
	bool		done = Run("washminute worker: gateways", RunSweep);

	if (has_gateways)
		done = Run("washminute worker: tick", RunTick) && done;
	tick_at = !done ? now + FAILED_PAUSE : has_gateways ? now + TICK_EVERY : PG_INT64_MAX;
}

bool
TrackTurn(void)
{
	int64		now = MonotonicNow();

	if (now < TrackAt())
		return false;
	if (track_context == NULL)
	{
		track_context = AllocSetContextCreate(TopMemoryContext, "washminute positions told",
											  ALLOCSET_DEFAULT_SIZES);
		told = ToldMake();
	}
	if (now >= tick_at)
		Tick(now);
	if (moved && now >= positions_at)
	{
		/* what was not told is told when they move again */
		if (Run("washminute worker: positions told", RunPositions))
			moved = false;
		else
			positions_at = now + FAILED_PAUSE;
	}
	return true;
}
