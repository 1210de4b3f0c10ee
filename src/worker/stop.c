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

#include "worker/stop.h"

static volatile sig_atomic_t asked = false;
static volatile sig_atomic_t committing = false;

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

void
StopInit(void)
{
	pqsignal(SIGTERM, StopHandler);
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

	/* the flag is what we go by: in-flight requests get their time */
	if (asked)
		ProcDiePending = false;
}
