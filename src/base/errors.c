/*-------------------------------------------------------------------------
 *
 * errors.c
 *		Raises the errors of errors.h, from C and from SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "base/errors.h"
#include "base/json.h"

typedef struct ErrorEntry
{
	const char *code;
	const char *sqlstate;
	const char *message;
	const char *hint;
} ErrorEntry;

static const ErrorEntry error_entries[] = {
#define WASHMINUTE_ERROR_ENTRY(code, sqlstate, message, hint) \
	{#code, sqlstate, message, hint},
	WASHMINUTE_ERRORS(WASHMINUTE_ERROR_ENTRY)
#undef WASHMINUTE_ERROR_ENTRY
};

PG_FUNCTION_INFO_V1(washminute_error_codes);
PG_FUNCTION_INFO_V1(washminute_raise);

void
ErrorRaise(WashminuteError code, const char *facts)
{
	const ErrorEntry *entry = &error_entries[code];
	const char *s = entry->sqlstate;

	ereport(ERROR,
			(errcode(MAKE_SQLSTATE(s[0], s[1], s[2], s[3], s[4])),
			 errmsg_internal("%s", entry->message),
			 facts ? errdetail_internal("%s %s", entry->code, facts)
			 : errdetail_internal("%s", entry->code),
			 errhint("%s", entry->hint),
			 errhidestmt(true)));
	pg_unreachable();
}

bool
ErrorIsOurs(int sqlstate)
{
	return strncmp(unpack_sql_state(sqlstate), "PT", 2) == 0;
}

void
ErrorRaiseText(WashminuteError code, const char *name, const char *text)
{
	JsonObject	facts;

	JsonOpen(&facts);
	JsonText(&facts, name, text);
	ErrorRaise(code, JsonClose(&facts));
}

void
ErrorRaiseArgument(WashminuteError code, const char *argument, const char *must)
{
	JsonObject	facts;

	JsonOpen(&facts);
	JsonText(&facts, "argument", argument);
	JsonText(&facts, "must", must);
	ErrorRaise(code, JsonClose(&facts));
}

/*
 * washminute.raise(code text, facts jsonb): raises an error of the list from
 * SQL and PL/pgSQL, so that the list stands in one file only.
 */
Datum
washminute_raise(PG_FUNCTION_ARGS)
{
	char	   *code = PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *facts = NULL;

	if (!PG_ARGISNULL(1))
	{
		Jsonb	   *jsonb = PG_GETARG_JSONB_P(1);

		facts = JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
	}

	for (int i = 0; code != NULL && i < WASHMINUTE_ERROR_COUNT; i++)
		if (strcmp(error_entries[i].code, code) == 0)
			ErrorRaise((WashminuteError) i, facts);

	ErrorRaiseArgument(WM_ARGUMENT_INVALID, "code",
					   "be a code that washminute.error_codes() lists");
	PG_RETURN_VOID();
}

/* washminute.error_codes(): the list as rows. */
Datum
washminute_error_codes(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < WASHMINUTE_ERROR_COUNT; i++)
	{
		const ErrorEntry *entry = &error_entries[i];
		Datum		values[4] = {
			CStringGetTextDatum(entry->code),
			CStringGetTextDatum(entry->sqlstate),
			CStringGetTextDatum(entry->message),
			CStringGetTextDatum(entry->hint)
		};
		bool		nulls[4] = {false};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
