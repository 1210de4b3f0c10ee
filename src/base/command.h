/*-------------------------------------------------------------------------
 *
 * command.h
 *		What every command has around it.
 *
 * A command is one SQL function and one transaction.  Its C function is a call
 * of CommandRun with the body, which runs connected to SPI in the caller's
 * memory context: what it pallocs may be returned.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_COMMAND_H
#define WASHMINUTE_COMMAND_H

#include "fmgr.h"

typedef struct Command
{
	const char *name;			/* as in SQL, without schema */
	int			actor_argument; /* which argument is the actor, -1 for none */
	Datum		(*body) (FunctionCallInfo fcinfo);
} Command;

/*
 * Require readiness, connect to SPI, run the body and, where
 * washminute.log_commands is on, log one line.
 */
extern Datum CommandRun(const Command *command, FunctionCallInfo fcinfo);

/* Defines the SQL-callable function washminute_<name> around <name>_body. */
#define COMMAND(name, actor_argument) \
	PG_FUNCTION_INFO_V1(washminute_##name); \
	static Datum name##_body(FunctionCallInfo fcinfo); \
	Datum \
	washminute_##name(PG_FUNCTION_ARGS) \
	{ \
		static const Command command = {#name, actor_argument, name##_body}; \
		return CommandRun(&command, fcinfo); \
	} \
	extern int	washminute_no_such_variable

/* Return one row from a function declared to return a table. */
extern void CommandReturnRow(FunctionCallInfo fcinfo, Datum *values, bool *nulls);

#endif							/* WASHMINUTE_COMMAND_H */
