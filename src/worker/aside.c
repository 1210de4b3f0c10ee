/*-------------------------------------------------------------------------
 *
 * aside.c
 *		The worker leaves its database while somebody needs that empty.
 *
 * DROP DATABASE, a CREATE DATABASE that copies it, a rename and a move to another
 * tablespace want nobody connected.  The library is preloaded, so the session
 * that runs such a command knows, in whichever database it is: it asks the
 * worker aside, waits until that has left, and calls it back when done.  The
 * worker is waked, too, where a database may have appeared.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/wait_event.h"

#include "base/compat.h"
#include "base/guc.h"
#include "outbox/wake.h"
#include "worker/worker.h"

/* Longest wait for the worker to leave: then PostgreSQL says what is in the way. */
#define ASIDE_WAIT_MS 2000

static ProcessUtility_hook_type previous_hook = NULL;

static const char *
OptionText(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst(cell);

		if (strcmp(option->defname, name) == 0)
			return option->arg ? defGetString(option) : NULL;
	}
	return NULL;
}

/* The database that the command wants empty, or NULL. */
static const char *
DatabaseWantedEmpty(Node *statement)
{
	const char *template;

	switch (nodeTag(statement))
	{
		case T_DropdbStmt:
			return ((DropdbStmt *) statement)->dbname;
		case T_CreatedbStmt:
			template = OptionText(((CreatedbStmt *) statement)->options, "template");
			return template ? template : "template1";
		case T_RenameStmt:
			if (((RenameStmt *) statement)->renameType == OBJECT_DATABASE)
				return ((RenameStmt *) statement)->subname;
			return NULL;
		case T_AlterDatabaseStmt:
			if (OptionText(((AlterDatabaseStmt *) statement)->options, "tablespace") != NULL)
				return ((AlterDatabaseStmt *) statement)->dbname;
			return NULL;
		default:
			return NULL;
	}
}

/*
 * Will PostgreSQL refuse the command right away?  Then nothing is to be emptied:
 * or whoever may connect could keep the worker away.
 */
static bool
IsRefused(Node *statement, const char *database, ProcessUtilityContext context)
{
	Oid			database_oid;

	if (!IsA(statement, RenameStmt) &&
		IsInTransactionBlock(context == PROCESS_UTILITY_TOPLEVEL))
		return true;
	database_oid = get_database_oid(database, true);
	return !OidIsValid(database_oid) ||
		!compat_database_ownercheck(database_oid, GetUserId());
}

static void
EndAside(int code, Datum argument)
{
	WakeEndAside();
}

static void
WaitUntilAway(void)
{
	for (int waited = 0; WakeIsConnected() && waited < ASIDE_WAIT_MS; waited += 10)
	{
		CHECK_FOR_INTERRUPTS();
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 10, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

static void
AsideUtility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
			 ProcessUtilityContext context, ParamListInfo params,
			 QueryEnvironment *queryEnv, DestReceiver *dest,
			 QueryCompletion *qc)
{
	ProcessUtility_hook_type next = previous_hook ? previous_hook : standard_ProcessUtility;
	const char *database = DatabaseWantedEmpty(pstmt->utilityStmt);

	if (database == NULL)
	{
		next(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
		return;
	}

	/* a name that was not there may be now */
	WakeAtCommit(WAKE_LOOK);
	if (strcmp(database, washminute_database) != 0 ||
		IsRefused(pstmt->utilityStmt, database, context))
	{
		next(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
		return;
	}
	WakeAskAside();
	PG_ENSURE_ERROR_CLEANUP(EndAside, (Datum) 0);
	{
		WaitUntilAway();
		next(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
	}
	PG_END_ENSURE_ERROR_CLEANUP(EndAside, (Datum) 0);
	WakeEndAside();
}

void
AsideInit(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_hook = ProcessUtility_hook;
	ProcessUtility_hook = AsideUtility;
}
