/*-------------------------------------------------------------------------
 *
 * breaker.c
 *		Leaves a destination alone that keeps failing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/breaker.h"

#define OPEN_FIRST INT64CONST(5000000)
#define OPEN_LONGEST INT64CONST(300000000)

const char *const breaker_state_names[] = {
	[BREAKER_CLOSED] = "closed",
	[BREAKER_HALF_OPEN] = "half open",
	[BREAKER_OPEN] = "open"
};

BreakerState
BreakerLook(const Breaker *breaker, int64 now)
{
	if (breaker->open_until == 0)
		return BREAKER_CLOSED;
	return now < breaker->open_until ? BREAKER_OPEN : BREAKER_HALF_OPEN;
}

bool
BreakerFailed(Breaker *breaker, int64 now, int most_failures, double random)
{
	BreakerState state = BreakerLook(breaker, now);

	breaker->failures++;

	/* answers to what was sent before it opened change nothing */
	if (state == BREAKER_OPEN ||
		(state == BREAKER_CLOSED && breaker->failures < most_failures))
		return false;
	breaker->open_for = breaker->open_for == 0 ? OPEN_FIRST :
		Min(breaker->open_for * 2, OPEN_LONGEST);

	/* up to a tenth more, so that many do not come back at once */
	breaker->open_until = now + (int64) (breaker->open_for * (1 + random / 10));
	return true;
}

bool
BreakerSucceeded(Breaker *breaker, int64 now)
{
	bool		was_open = breaker->open_until != 0;

	if (BreakerLook(breaker, now) == BREAKER_OPEN)
		return false;
	*breaker = (Breaker) {0};
	return was_open;
}
