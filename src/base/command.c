/*-------------------------------------------------------------------------
 *
 * command.c
 *		What every command has around it: readiness, SPI, one log line.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/json.h"

#include "base/caller.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/guc.h"
#include "base/json.h"
#include "base/readiness.h"

/* Longest actor in a log line, in bytes. */
#define LOGGED_ACTOR_MAX 128

/*
 * One line per command, e.g.
 * washminute: command=accept_request actor="w1" code=PT409 ms=0.412
 * Actors are JSON strings, since ids are the caller's text; of an error the SQLSTATE
 * is given, whose own line follows where it reaches the client.
 */
static void
CommandLog(const Command *command, FunctionCallInfo fcinfo, const char *code,
		   const char *correlation_id, instr_time started)
{
	instr_time	elapsed;
	StringInfoData actor;

	INSTR_TIME_SET_CURRENT(elapsed);
	INSTR_TIME_SUBTRACT(elapsed, started);

	initStringInfo(&actor);
	if (command->actor_argument >= 0 && !PG_ARGISNULL(command->actor_argument))
	{
		char	   *id = text_to_cstring(PG_GETARG_TEXT_PP(command->actor_argument));

		id[pg_mbcliplen(id, strlen(id), LOGGED_ACTOR_MAX)] = '\0';
		escape_json(&actor, id);
	}
	else
		appendStringInfoString(&actor, "null");

	ereport(LOG,
			(errmsg_internal("washminute: command=%s actor=%s code=%s ms=%.3f%s%s",
							 command->name,
							 actor.data,
							 code,
							 INSTR_TIME_GET_MILLISEC(elapsed),
							 correlation_id ? " correlation_id=" : "",
							 correlation_id ? correlation_id : ""),
			 errhidestmt(true), errhidecontext(true)));
}

static Datum
CommandRunBody(const Command *command, FunctionCallInfo fcinfo)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		result;

	SPI_connect();
	MemoryContextSwitchTo(context);
	ReadinessRequire();
	result = command->body(fcinfo);
	SPI_finish();
	return result;
}

pg_noreturn static void CommandFailed(const Command *command,
									  FunctionCallInfo fcinfo,
									  const char *correlation_id,
									  instr_time started);

/*
 * Checks come before constraints.  So a reference to nothing, or a duplicate key,
 * says that the transaction's snapshot, by which foreign keys are checked in
 * repeatable read and serializable, is older than what the command has read; in
 * read committed a duplicate key says that another session was quicker.
 */
static bool
IsOfOldSnapshot(int sqlstate)
{
	if (sqlstate == ERRCODE_UNIQUE_VIOLATION)
		return true;
	return IsolationUsesXactSnapshot() &&
		(sqlstate == ERRCODE_FOREIGN_KEY_VIOLATION || sqlstate == ERRCODE_EXCLUSION_VIOLATION);
}

/*
 * An error of the body.  A check that a user has added is passed on as it is, and so
 * are all others; his own unique index is taken for one of ours.
 */
static void
CommandFailed(const Command *command, FunctionCallInfo fcinfo,
			  const char *correlation_id, instr_time started)
{
	ErrorData  *error = CopyErrorData();
	bool		too_old = IsOfOldSnapshot(error->sqlerrcode);
	JsonObject	facts;

	FlushErrorState();
	if (washminute_log_commands)
		CommandLog(command, fcinfo,
				   too_old ? "PT503" : unpack_sql_state(error->sqlerrcode),
				   correlation_id, started);
	if (!too_old)
		ReThrowError(error);

	JsonOpen(&facts);
	JsonText(&facts, "constraint", error->constraint_name);
	ErrorRaise(WM_SNAPSHOT_TOO_OLD, JsonClose(&facts));
}

Datum
CommandRun(const Command *command, FunctionCallInfo fcinfo)
{
	MemoryContext context = CurrentMemoryContext;
	instr_time	started;
	char	   *volatile correlation_id = NULL;
	Datum		result;

	INSTR_TIME_SET_CURRENT(started);
	if (washminute_log_commands)
		correlation_id = CallerCorrelationId();
	PG_TRY();
	{
		result = CommandRunBody(command, fcinfo);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		CommandFailed(command, fcinfo, correlation_id, started);
		pg_unreachable();
	}
	PG_END_TRY();
	if (washminute_log_commands)
		CommandLog(command, fcinfo, "00000", correlation_id, started);
	return result;
}

void
CommandReturnRow(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}
