/*-------------------------------------------------------------------------
 *
 * stop.c
 *		SIGTERM: the worker finishes what it has in flight, and then ends.
 *
 * With PostgreSQL's own handler (die) the worker would end at the next
 * CHECK_FOR_INTERRUPTS and leave answers unrecorded; without it a commit that
 * waits for a synchronous standby that is away would never end, and with it
 * neither would a fast shutdown.  So the handler sets a flag, and inside a commit
 * also what that wait looks at.  Once a stop is asked for, commits wait for no
 * standby: what a failover then forgets is a result, not a claim, and such a row
 * is taken for an orphan.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "worker/stop.h"

static volatile sig_atomic_t asked = false;
static volatile sig_atomic_t committing = false;
static volatile sig_atomic_t in_turn = false;
static TimeoutId turn_timeout;

/* How long a turn may last once a stop is asked for, more or less. */
#define TURN_PATIENCE_MS 2000

static void
StopHandler(SIGNAL_ARGS)
{
	int			save_errno = errno;

	asked = true;
	if (committing)
	{
		InterruptPending = true;
		ProcDiePending = true;
	}
	SetLatch(MyLatch);
	errno = save_errno;
}

/* Whoever cancels the worker's statement ends a turn, and no more than that. */
static void
CancelHandler(SIGNAL_ARGS)
{
	if (in_turn)
		StatementCancelHandler(postgres_signal_arg);
}

/* A turn has lasted so long that a stop can wait for it no more. */
static void
TurnLasts(void)
{
	if (!asked)
		return;
	InterruptPending = true;
	ProcDiePending = true;
	SetLatch(MyLatch);
}

void
StopInit(void)
{
	pqsignal(SIGTERM, StopHandler);
	pqsignal(SIGINT, CancelHandler);
	turn_timeout = RegisterTimeout(USER_TIMEOUT, TurnLasts);
}

void
StopTurnBegin(void)
{
	in_turn = true;
	enable_timeout_every(turn_timeout,
						 TimestampTzPlusMilliseconds(GetCurrentTimestamp(), TURN_PATIENCE_MS),
						 TURN_PATIENCE_MS);
}

void
StopTurnEnd(void)
{
	disable_timeout(turn_timeout, false);
	in_turn = false;
	QueryCancelPending = false;

	/* an error in a commit comes here, too */
	committing = false;
	if (asked)
		ProcDiePending = false;
}

bool
StopIsAsked(void)
{
	return asked;
}

void
StopSafeCommit(void)
{
	committing = true;
	if (asked)
		synchronous_commit = SYNCHRONOUS_COMMIT_LOCAL_FLUSH;
	CommitTransactionCommand();
	committing = false;
}
