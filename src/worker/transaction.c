/*-------------------------------------------------------------------------
 *
 * transaction.c
 *		A transaction of the worker's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "worker/stop.h"
#include "worker/transaction.h"

static void
RunBody(const char *activity, MemoryContext context, void (*body) (bool argument),
		bool argument)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	SPI_connect();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(context);
	pgstat_report_activity(STATE_RUNNING, activity);
	body(argument);
	PopActiveSnapshot();
	SPI_finish();
	StopSafeCommit();
}

bool
TransactionRun(const char *activity, MemoryContext context,
			   void (*body) (bool argument), bool argument)
{
	volatile bool failed = false;

	StopTurnBegin();
	PG_TRY();
	{
		RunBody(activity, context, body, argument);
	}
	PG_CATCH();
	{
		failed = true;
	}
	PG_END_TRY();
	StopTurnEnd();
	if (failed)
	{
		HOLD_INTERRUPTS();
		EmitErrorReport();
		AbortCurrentTransaction();
		FlushErrorState();
		RESUME_INTERRUPTS();
	}
	pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
	MemoryContextSwitchTo(context);
	return !failed;
}
