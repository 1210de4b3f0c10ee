/*-------------------------------------------------------------------------
 *
 * clock.c
 *		washminute.now(), and the shared clock of tests and simulations.
 *
 * The clock is a few bytes of shared memory under a spinlock.  They are taken when
 * first used, from the room that the server keeps for small unannounced areas,
 * so that the clock works without shared_preload_libraries too.  Like a
 * sequence it is not transactional: a rollback does not turn it back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/errors.h"
#include "outbox/wake.h"

/* The fastest clock: ten years in five minutes. */
#define CLOCK_RATE_MAX 1e6

/* What it can be set to: 1970-01-01 to 2200-01-01, counted from 2000-01-01. */
#define CLOCK_AT_MIN (-INT64CONST(10957) * USECS_PER_DAY)
#define CLOCK_AT_MAX (INT64CONST(73050) * USECS_PER_DAY)

typedef struct SharedClock
{
	slock_t		mutex;
	bool		is_set;
	TimestampTz real_at;		/* when it was set, by the real clock */
	TimestampTz shown_at;		/* what it showed then */
	double		rate;			/* seconds shown per real second */
	uint32		version;		/* how often it was set */
} SharedClock;

PG_FUNCTION_INFO_V1(washminute_now);
PG_FUNCTION_INFO_V1(washminute_set_clock);

static SharedClock *
ClockAttach(void)
{
	static SharedClock *clock = NULL;
	bool		found;

	if (clock != NULL)
		return clock;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	clock = ShmemInitStruct("washminute clock", sizeof(SharedClock), &found);
	if (!found)
	{
		memset(clock, 0, sizeof(SharedClock));
		SpinLockInit(&clock->mutex);
	}
	LWLockRelease(AddinShmemInitLock);
	return clock;
}

/* A consistent copy of the shared clock. */
static void
ClockRead(SharedClock *copy)
{
	SharedClock *clock = ClockAttach();

	SpinLockAcquire(&clock->mutex);
	copy->is_set = clock->is_set;
	copy->real_at = clock->real_at;
	copy->shown_at = clock->shown_at;
	copy->rate = clock->rate;
	copy->version = clock->version;
	SpinLockRelease(&clock->mutex);
}

uint32
ClockVersion(void)
{
	SharedClock clock;

	ClockRead(&clock);
	return clock.version;
}

bool
ClockIsSet(void)
{
	SharedClock clock;

	ClockRead(&clock);
	return clock.is_set;
}

/* What the clock shows at a real time. */
static TimestampTz
ClockAt(TimestampTz real_now)
{
	SharedClock clock;
	double		shown;

	ClockRead(&clock);
	if (!clock.is_set)
		return real_now;

	/* in the transaction that set it, the clock shows what it was set to */
	if (real_now <= clock.real_at)
		return clock.shown_at;
	shown = (double) clock.shown_at +
		(double) (real_now - clock.real_at) * clock.rate;
	return (TimestampTz) rint(Min(shown, (double) CLOCK_AT_MAX));
}

TimestampTz
ClockNow(void)
{
	return ClockAt(GetCurrentTransactionStartTimestamp());
}

TimestampTz
ClockThisMoment(void)
{
	return ClockAt(GetCurrentTimestamp());
}

TimestampTz
ClockRealTime(TimestampTz shown)
{
	SharedClock clock;
	double		real;

	ClockRead(&clock);
	if (!clock.is_set || TIMESTAMP_NOT_FINITE(shown))
		return shown;
	if (shown <= clock.shown_at)
		return clock.real_at;
	if (clock.rate == 0)
		return DT_NOEND;
	real = (double) clock.real_at + (double) (shown - clock.shown_at) / clock.rate;
	return real >= (double) END_TIMESTAMP ? DT_NOEND : (TimestampTz) rint(real);
}

/* washminute.now() */
Datum
washminute_now(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(ClockNow());
}

/*
 * washminute.set_clock(at, rate): NULL gives the real time back.  Superuser
 * only, whatever was granted: it moves every deadline of the cluster.
 */
Datum
washminute_set_clock(PG_FUNCTION_ARGS)
{
	SharedClock *clock;
	bool		is_set = !PG_ARGISNULL(0);
	TimestampTz shown_at = is_set ? PG_GETARG_TIMESTAMPTZ(0) : 0;
	double		rate = PG_ARGISNULL(1) ? 1.0 : PG_GETARG_FLOAT8(1);

	if (!superuser())
		ErrorRaise(WM_SUPERUSER_ONLY, NULL);
	if (isnan(rate) || rate < 0 || rate > CLOCK_RATE_MAX)
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "rate", "be from 0 to 1000000");
	if (is_set && (shown_at < CLOCK_AT_MIN || shown_at > CLOCK_AT_MAX))
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "at",
						   "be in the years 1970 to 2199");

	clock = ClockAttach();
	SpinLockAcquire(&clock->mutex);
	clock->is_set = is_set;
	clock->real_at = GetCurrentTimestamp();
	clock->shown_at = shown_at;
	clock->rate = rate;
	clock->version++;
	SpinLockRelease(&clock->mutex);

	/* what falls due for requests does so at another moment now */
	if (WakeIsShared())
		WakeNow(WAKE_TIMERS);
	PG_RETURN_VOID();
}
