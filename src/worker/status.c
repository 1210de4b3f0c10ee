/*-------------------------------------------------------------------------
 *
 * status.c
 *		What the worker shows of itself, in shared memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/builtins.h"
#include "utils/float.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/identity.h"
#include "base/readiness.h"
#include "base/statement.h"
#include "worker/status.h"

PG_FUNCTION_INFO_V1(washminute_worker_status);
PG_FUNCTION_INFO_V1(washminute_worker_latency);

#define STATE_MAX 200
#define ERROR_MAX 400

/* What a worker may need that ends and starts again, or looks for its database. */
#define AWAIT_LONGEST (5 * USECS_PER_SEC)
#define AWAIT_LOOK_MS 50

/* Upper ends of the histogram's steps, in milliseconds; then everything else. */
static const double steps[] = {
	0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 60000
};

typedef struct SharedLane
{
	uint64		counters[COUNTER_COUNT];
	uint64		times[STAGE_COUNT][lengthof(steps) + 1];
	int			in_flight;
	BreakerState breaker;
	char		held[STATE_MAX];
	char		last_error[ERROR_MAX];
} SharedLane;

typedef struct SharedStatus
{
	slock_t		mutex;
	int			pid;			/* 0: no worker */
	int64		epoch;			/* 0: not served yet */
	char		state[STATE_MAX];
	SharedLane	lanes[LANE_COUNT];
} SharedStatus;

static SharedStatus *shared = NULL;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static Statement select_depth = {
	"SELECT lane, pg_catalog.count(*) FILTER (WHERE state <> 'dead'),"
	"       pg_catalog.count(*) FILTER (WHERE state = 'dead'),"
	"       pg_catalog.clock_timestamp() - pg_catalog.min(queued_at) FILTER (WHERE state <> 'dead')"
	"  FROM washminute_data.outbox GROUP BY lane"
};

static void
StatusRequestMemory(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(MAXALIGN(sizeof(SharedStatus)));
}

static void
StatusMakeMemory(void)
{
	bool		found;

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("washminute status", sizeof(SharedStatus), &found);
	if (!found)
	{
		memset(shared, 0, sizeof(SharedStatus));
		SpinLockInit(&shared->mutex);
	}
	LWLockRelease(AddinShmemInitLock);
}

void
StatusInit(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = StatusRequestMemory;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = StatusMakeMemory;
}

static void
StatusEnded(int code, Datum argument)
{
	SpinLockAcquire(&shared->mutex);
	shared->pid = 0;
	for (int lane = 0; lane < LANE_COUNT; lane++)
		shared->lanes[lane].in_flight = 0;
	SpinLockRelease(&shared->mutex);
}

void
StatusReset(void)
{
	before_shmem_exit(StatusEnded, (Datum) 0);
	SpinLockAcquire(&shared->mutex);
	shared->pid = MyProcPid;
	shared->epoch = 0;
	for (int lane = 0; lane < LANE_COUNT; lane++)
	{
		shared->lanes[lane].breaker = BREAKER_CLOSED;
		shared->lanes[lane].held[0] = '\0';
	}
	SpinLockRelease(&shared->mutex);
}

void
StatusStarted(int64 epoch)
{
	SpinLockAcquire(&shared->mutex);
	shared->epoch = epoch;
	SpinLockRelease(&shared->mutex);
}

void
StatusSay(const char *state)
{
	bool		same;

	SpinLockAcquire(&shared->mutex);
	same = strncmp(shared->state, state, STATE_MAX - 1) == 0;
	strlcpy(shared->state, state, STATE_MAX);
	SpinLockRelease(&shared->mutex);
	if (!same)
		ereport(LOG, (errmsg("washminute worker: state=\"%s\" database=\"%s\"",
							 state, washminute_database)));
}

void
StatusCount(Lane lane, Counter counter, int more)
{
	SpinLockAcquire(&shared->mutex);
	shared->lanes[lane].counters[counter] += more;
	SpinLockRelease(&shared->mutex);
}

void
StatusInFlight(Lane lane, int in_flight)
{
	shared->lanes[lane].in_flight = in_flight;
}

void
StatusTime(Lane lane, Stage stage, double seconds)
{
	int			step = 0;

	while (step < lengthof(steps) && seconds * 1000 > steps[step])
		step++;
	shared->lanes[lane].times[stage][step]++;
}

void
StatusBreaker(Lane lane, BreakerState state)
{
	shared->lanes[lane].breaker = state;
}

static void
SetText(char *text, size_t size, const char *value)
{
	SpinLockAcquire(&shared->mutex);
	strlcpy(text, value, size);
	SpinLockRelease(&shared->mutex);
}

void
StatusError(Lane lane, const char *error)
{
	SetText(shared->lanes[lane].last_error, ERROR_MAX, error);
}

void
StatusHeld(Lane lane, const char *reason)
{
	SetText(shared->lanes[lane].held, STATE_MAX, reason ? reason : "");
}

/* A copy; its numbers, each written at its own time, need not agree exactly. */
static void
StatusRead(SharedStatus *copy)
{
	if (shared == NULL)
	{
		memset(copy, 0, sizeof(SharedStatus));
		strlcpy(copy->state, "not preloaded", STATE_MAX);
		return;
	}
	SpinLockAcquire(&shared->mutex);
	memcpy(copy, shared, sizeof(SharedStatus));
	SpinLockRelease(&shared->mutex);
	if (copy->pid == 0)
		strlcpy(copy->state, RecoveryInProgress() ? "standby" : "not running", STATE_MAX);
	if (strcmp(get_database_name(MyDatabaseId), washminute_database) != 0)
		strlcpy(copy->state, "serving another database", STATE_MAX);
}

/* Does the worker of this database wait for what is there, or is it starting? */
static bool
WorkerIsLate(SharedStatus *copy)
{
	StatusRead(copy);
	return strcmp(copy->state, "not running") == 0 ||
		(strncmp(copy->state, "waiting:", 8) == 0 && strcmp(copy->state, "waiting: cloned") != 0);
}

void
StatusAwaitWorker(void)
{
	SharedStatus *copy = palloc(sizeof(SharedStatus));
	TimestampTz end = GetCurrentTimestamp() + AWAIT_LONGEST;

	while (WorkerIsLate(copy) && GetCurrentTimestamp() < end)
	{
		WakeNow(WAKE_LOOK);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 AWAIT_LOOK_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	pfree(copy);
}

/* The rows that wait, by lane; a lane without rows stays zero. */
typedef struct Depth
{
	int64		queued;
	int64		dead;
	Datum		oldest;			/* interval; 0: none */
} Depth;

static void
ReadDepths(Depth *depths)
{
	Identity	saved;
	uint64		rows;

	IdentityBecomeOwner(&saved);
	rows = StatementRun(&select_depth, NULL);
	IdentityRestore(&saved);
	for (uint64 row = 0; row < rows; row++)
	{
		int			lane = LaneByName(RowText(row, 1));

		if (lane < 0)
			continue;
		depths[lane].queued = RowInt64(row, 2);
		depths[lane].dead = RowInt64(row, 3);
		if (!RowIsNull(row, 4))
		{
			Interval   *oldest = palloc(sizeof(Interval));

			*oldest = *DatumGetIntervalP(RowDatum(row, 4));
			depths[lane].oldest = IntervalPGetDatum(oldest);
		}
	}
}

/* washminute.worker_status(): a row for each lane. */
Datum
washminute_worker_status(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext context = CurrentMemoryContext;
	SharedStatus *status = palloc(sizeof(SharedStatus));
	Depth		depths[LANE_COUNT] = {0};

	InitMaterializedSRF(fcinfo, 0);
	StatusRead(status);
	SPI_connect();
	MemoryContextSwitchTo(context);
	ReadinessRequire();
	ReadDepths(depths);

	for (int lane = 0; lane < LANE_COUNT; lane++)
	{
		SharedLane *shown = &status->lanes[lane];
		bool		held = strcmp(status->state, "running") == 0 && shown->held[0] != '\0';
		Datum		values[12] = {
			CStringGetTextDatum(lane_names[lane]),
			CStringGetTextDatum(held ? shown->held : status->state),
			Int64GetDatum(depths[lane].queued),
			Int32GetDatum(shown->in_flight),
			Int64GetDatum((int64) shown->counters[COUNTER_SENT]),
			Int64GetDatum((int64) shown->counters[COUNTER_FAILED]),
			Int64GetDatum(depths[lane].dead),
			depths[lane].oldest,
			CStringGetTextDatum(breaker_state_names[shown->breaker]),
			CStringGetTextDatum(shown->last_error),
			Int32GetDatum(status->pid),
			Int64GetDatum(status->epoch)
		};
		bool		nulls[12] = {
			[7] = depths[lane].oldest == 0,
			[9] = shown->last_error[0] == '\0',
			[10] = status->pid == 0,
			[11] = status->epoch == 0
		};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	SPI_finish();
	return (Datum) 0;
}

/* washminute.worker_latency(): histograms, as cumulative counts per step. */
Datum
washminute_worker_latency(PG_FUNCTION_ARGS)
{
	static const char *const stage_names[STAGE_COUNT] = {
		[STAGE_QUEUED] = "queued",
		[STAGE_ANSWER] = "answer"
	};
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	SharedStatus *status = palloc(sizeof(SharedStatus));

	InitMaterializedSRF(fcinfo, 0);
	StatusRead(status);
	for (int lane = 0; lane < LANE_COUNT; lane++)
		for (int stage = 0; stage < STAGE_COUNT; stage++)
		{
			uint64		sum = 0;

			for (int step = 0; step <= lengthof(steps); step++)
			{
				bool		is_last = step == lengthof(steps);
				Datum		values[4] = {
					CStringGetTextDatum(lane_names[lane]),
					CStringGetTextDatum(stage_names[stage]),
					Float8GetDatum(is_last ? get_float8_infinity() : steps[step]),
					Int64GetDatum((int64) (sum += status->lanes[lane].times[stage][step]))
				};
				bool		nulls[4] = {false};

				tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
			}
		}
	return (Datum) 0;
}
