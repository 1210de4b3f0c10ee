/*-------------------------------------------------------------------------
 *
 * wake.c
 *		Tells the worker at commit that there is something to do, and where it
 *		has to stand aside.
 *
 * The rows are the truth; what stands in shared memory is a hint, and no ids
 * travel there.  A backend collects bits while its transaction runs and hands
 * them over in a commit callback, which is registered once per backend and runs
 * when the rows are visible already.  The worker takes the bits before it looks,
 * so none is lost.  NOTIFY would do the same under a lock that makes all commits
 * of the cluster wait for each other.
 *
 * A transaction that is prepared hands over one flag instead: the backend that
 * commits it later may be any.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"

#include "base/compat.h"
#include "outbox/wake.h"

#define NOBODY PG_UINT32_MAX

typedef struct SharedWake
{
	pg_atomic_uint32 bits;
	pg_atomic_uint32 worker;	/* number of its PGPROC, or NOBODY */
	pg_atomic_uint32 prepared;	/* 1: see WakeHasPrepared */
	pg_atomic_uint32 aside;		/* sessions that need the worker away */
	pg_atomic_uint32 connected; /* 1 while it is in a database */
	pg_atomic_uint32 database_missing;
	pg_atomic_uint64 timer;		/* TimestampTz: see WakeTimer */
} SharedWake;

const char *const lane_names[LANE_COUNT] = {
	[LANE_PUSH] = "push",
	[LANE_PUSH_RECEIPT] = "push_receipt",
	[LANE_PAYMENT] = "payment",
	[LANE_WEBHOOK] = "webhook",
	[LANE_REALTIME] = "realtime"
};

static SharedWake *shared = NULL;
static uint32 bits_of_transaction = 0;
static TimestampTz timer_of_transaction = DT_NOEND;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

int
LaneByName(const char *name)
{
	for (int lane = 0; lane < LANE_COUNT; lane++)
		if (strcmp(lane_names[lane], name) == 0)
			return lane;
	return -1;
}

static void
WakeRequestMemory(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(MAXALIGN(sizeof(SharedWake)));
}

static void
WakeMakeMemory(void)
{
	bool		found;

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("washminute wake", sizeof(SharedWake), &found);
	if (!found)
	{
		pg_atomic_init_u32(&shared->bits, 0);
		pg_atomic_init_u32(&shared->worker, NOBODY);
		/* what was prepared before a restart is still there */
		pg_atomic_init_u32(&shared->prepared, 1);
		pg_atomic_init_u32(&shared->aside, 0);
		pg_atomic_init_u32(&shared->connected, 0);
		pg_atomic_init_u32(&shared->database_missing, 0);
		pg_atomic_init_u64(&shared->timer, (uint64) DT_NOEND);
	}
	LWLockRelease(AddinShmemInitLock);
}

static void
WakeSetLatch(void)
{
	uint32		worker = pg_atomic_read_u32(&shared->worker);

	if (worker != NOBODY)
		SetLatch(&ProcGlobal->allProcs[worker].procLatch);
}

/* Hand bits over: a commit cannot fail here. */
void
WakeNow(uint32 bits)
{
	uint32		before = pg_atomic_fetch_or_u32(&shared->bits, bits);

	if ((before & bits) != bits)
		WakeSetLatch();
}

/* Make it the earliest known, if it is. */
static bool
TimerLower(TimestampTz due_at)
{
	uint64		known = pg_atomic_read_u64(&shared->timer);

	while (due_at < (TimestampTz) known)
		if (pg_atomic_compare_exchange_u64(&shared->timer, &known, (uint64) due_at))
			return true;
	return false;
}

static void
WakeTransactionEnds(XactEvent event, void *argument)
{
	if (timer_of_transaction != DT_NOEND)
	{
		if (event == XACT_EVENT_PREPARE ||
			(event == XACT_EVENT_COMMIT && TimerLower(timer_of_transaction)))
			bits_of_transaction |= WAKE_TIMERS;
		if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE || event == XACT_EVENT_ABORT)
			timer_of_transaction = DT_NOEND;
	}
	if (bits_of_transaction == 0)
		return;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			WakeNow(bits_of_transaction);
			bits_of_transaction = 0;
			break;
		case XACT_EVENT_PREPARE:
			WakeSetPrepared(true);
			WakeSetLatch();
			bits_of_transaction = 0;
			break;
		case XACT_EVENT_ABORT:
			bits_of_transaction = 0;
			break;
		default:
			break;
	}
}

void
WakeInit(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = WakeRequestMemory;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = WakeMakeMemory;
	RegisterXactCallback(WakeTransactionEnds, NULL);
}

bool
WakeIsShared(void)
{
	return shared != NULL;
}

void
WakeAtCommit(uint32 bits)
{
	if (shared != NULL)
		bits_of_transaction |= bits;
}

void
WakeForTimer(TimestampTz due_at)
{
	if (shared != NULL)
		timer_of_transaction = Min(timer_of_transaction, due_at);
}

void
WakeTimerForget(void)
{
	pg_atomic_write_u64(&shared->timer, (uint64) DT_NOEND);
	pg_memory_barrier();
}

void
WakeTimerAdd(TimestampTz due_at)
{
	(void) TimerLower(due_at);
}

TimestampTz
WakeTimer(void)
{
	return (TimestampTz) pg_atomic_read_u64(&shared->timer);
}

static void
WakeUnregister(int code, Datum argument)
{
	pg_atomic_write_u32(&shared->worker, NOBODY);
	WakeSetConnected(false);
}

void
WakeRegister(void)
{
	before_shmem_exit(WakeUnregister, (Datum) 0);
	pg_atomic_write_u32(&shared->worker, (uint32) (MyProc - ProcGlobal->allProcs));
}

uint32
WakeTake(void)
{
	return pg_atomic_exchange_u32(&shared->bits, 0);
}

bool
WakeHasPrepared(void)
{
	return pg_atomic_read_u32(&shared->prepared) != 0;
}

void
WakeSetPrepared(bool prepared)
{
	pg_atomic_write_u32(&shared->prepared, prepared ? 1 : 0);
	pg_memory_barrier();
}

void
WakeAskAside(void)
{
	pg_atomic_fetch_add_u32(&shared->aside, 1);
	WakeSetLatch();
}

void
WakeEndAside(void)
{
	pg_atomic_fetch_sub_u32(&shared->aside, 1);
	WakeSetLatch();
}

bool
WakeIsAskedAside(void)
{
	return pg_atomic_read_u32(&shared->aside) > 0;
}

void
WakeSetConnected(bool connected)
{
	pg_atomic_write_u32(&shared->connected, connected ? 1 : 0);
	pg_memory_barrier();
}

bool
WakeIsConnected(void)
{
	return pg_atomic_read_u32(&shared->connected) != 0;
}

void
WakeSetDatabaseMissing(bool missing)
{
	pg_atomic_write_u32(&shared->database_missing, missing ? 1 : 0);
}

bool
WakeIsDatabaseMissing(void)
{
	return pg_atomic_read_u32(&shared->database_missing) != 0;
}
