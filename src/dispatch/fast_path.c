/*-------------------------------------------------------------------------
 *
 * fast_path.c
 *		Calls that the live index answers without any SQL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/readiness.h"
#include "base/settings.h"
#include "dispatch/fast_path.h"
#include "dispatch/live_index.h"
#include "dispatch/live_status.h"

bool
FastPathIsOpen(void)
{
	return !washminute_log_commands && ReadinessIsKnown() && SettingsAreKept() &&
		LiveIsUsed() && !LiveHasChanges();
}

/* The function of the same arguments, schema washminute, with the underscore. */
static Oid
CarefulFunction(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc form;
	char	   *name;
	Oid			careful;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	form = (Form_pg_proc) GETSTRUCT(tuple);
	name = psprintf("_%s", NameStr(form->proname));
	careful = LookupFuncName(list_make2(makeString("washminute"), makeString(name)),
							 form->pronargs, form->proargtypes.values, false);
	ReleaseSysCache(tuple);
	return careful;
}

Datum
FastPathLeave(FunctionCallInfo fcinfo)
{
	LOCAL_FCINFO(call, FUNC_MAX_ARGS);
	FmgrInfo	function;
	Datum		result;

	fmgr_info(CarefulFunction(fcinfo->flinfo->fn_oid), &function);
	function.fn_expr = fcinfo->flinfo->fn_expr;
	InitFunctionCallInfoData(*call, &function, fcinfo->nargs, fcinfo->fncollation,
							 NULL, fcinfo->resultinfo);
	memcpy(call->args, fcinfo->args, fcinfo->nargs * sizeof(NullableDatum));
	result = FunctionCallInvoke(call);
	fcinfo->isnull = call->isnull;
	return result;
}
