/*-------------------------------------------------------------------------
 *
 * listener.c
 *		Who hears of which events: the rows of washminute_data.listeners.
 *
 * Commands record events and know no listener.  Each backend keeps the listeners
 * in memory, until a statement that changes them invalidates the table's entry
 * in the relation caches (trigger listeners_changed), which PostgreSQL does with
 * that statement's commit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "parser/parse_func.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/varlena.h"

#include "base/compat.h"
#include "base/statement.h"
#include "outbox/enqueue.h"
#include "outbox/listener.h"
#include "outbox/realtime_rule.h"
#include "outbox/wake.h"
#include "outbox/webhook.h"

PG_FUNCTION_INFO_V1(washminute_routes_changed);

typedef struct Listener
{
	char	   *name;
	char	   *pattern;
	int			lane;			/* -1: a function */
	char	   *audience;
	char	   *template;
	char	   *function_name;
} Listener;

static MemoryContext listeners_context = NULL;
static List *listeners = NIL;
static bool listeners_known = false;
static Oid	listeners_relid = InvalidOid;

static Statement select_listeners = {
	"SELECT name, event_pattern, lane, audience, template, function_name"
	"  FROM washminute_data.listeners WHERE enabled ORDER BY name"
};

static Statement select_concerned = {
	"SELECT CASE $2 WHEN 'customer' THEN customer_id ELSE washman_id END"
	"  FROM washminute_data.washing_requests WHERE request_id = $1",
	2, {UUIDOID, TEXTOID}
};

static void
ListenersRelationChanged(Datum argument, Oid relid)
{
	if (relid == InvalidOid || relid == listeners_relid)
		listeners_known = false;
}

void
ListenerInit(void)
{
	CacheRegisterRelcacheCallback(ListenersRelationChanged, (Datum) 0);
}

static Oid
ListenersRelation(void)
{
	Oid			namespace = get_namespace_oid("washminute_data", true);

	return OidIsValid(namespace) ?
		get_relname_relid("listeners", namespace) : InvalidOid;
}

static char *
KeepText(uint64 row, int column)
{
	char	   *text = RowText(row, column);

	return text ? MemoryContextStrdup(listeners_context, text) : NULL;
}

static void
ListenersRead(void)
{
	uint64		rows;

	if (listeners_known)
		return;
	if (listeners_context == NULL)
		listeners_context = AllocSetContextCreate(TopMemoryContext,
												  "washminute listeners",
												  ALLOCSET_SMALL_SIZES);
	listeners_relid = ListenersRelation();

	/* an invalidation that comes while the rows are read makes us read again */
	listeners_known = true;
	PG_TRY();
	{
		rows = StatementRun(&select_listeners, NULL);
	}
	PG_CATCH();
	{
		listeners_known = false;
		PG_RE_THROW();
	}
	PG_END_TRY();

	MemoryContextReset(listeners_context);
	listeners = NIL;
	for (uint64 row = 0; row < rows; row++)
	{
		MemoryContext previous = MemoryContextSwitchTo(listeners_context);
		Listener   *listener = palloc0(sizeof(Listener));

		listener->name = KeepText(row, 1);
		listener->pattern = KeepText(row, 2);
		listener->lane = RowIsNull(row, 3) ? -1 : LaneByName(RowText(row, 3));
		listener->audience = KeepText(row, 4);
		listener->template = KeepText(row, 5);
		listener->function_name = KeepText(row, 6);
		listeners = lappend(listeners, listener);
		MemoryContextSwitchTo(previous);
	}
}

/* Call schema.function(jsonb) with what a webhook would be sent. */
static void
CallFunction(const Listener *listener, const Event *event)
{
	char	   *body = WebhookBody(event->event, event->at, event->data);
	Oid			types[1] = {JSONBOID};
	Oid			function = LookupFuncName(compat_qualified_name(listener->function_name),
										  1, types, false);
	AclResult	allowed = compat_function_aclcheck(function, GetUserId(), ACL_EXECUTE);
	FmgrInfo	info;
	LOCAL_FCINFO(call, 1);

	if (allowed != ACLCHECK_OK)
		aclcheck_error(allowed, OBJECT_FUNCTION, listener->function_name);
	if (get_func_prokind(function) != PROKIND_FUNCTION || get_func_retset(function))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" of listener \"%s\" is not a plain function",
						listener->function_name, listener->name),
				 errhint("A listener's function takes one jsonb and returns void.")));

	/* not FunctionCall1: of a function in SQL the result, void, is NULL */
	fmgr_info(function, &info);
	InitFunctionCallInfoData(*call, &info, 1, InvalidOid, NULL, NULL);
	call->args[0].value = DirectFunctionCall1(jsonb_in, CStringGetDatum(body));
	call->args[0].isnull = false;
	(void) FunctionCallInvoke(call);
}

/* Whose function it is that refuses a command, or is not there. */
static void
FunctionContext(void *listener)
{
	errcontext("function %s of washminute's listener \"%s\"",
			   ((const Listener *) listener)->function_name,
			   ((const Listener *) listener)->name);
}

static void
ListenerTell(const Listener *listener, const Event *event)
{
	Arguments	arguments = {0};
	Notice		notice = {NULL, listener->audience, listener->template, DT_NOEND};
	ErrorContextCallback context = {error_context_stack, FunctionContext, unconstify(Listener *, listener)};

	switch (listener->lane)
	{
		case -1:
			error_context_stack = &context;
			CallFunction(listener, event);
			error_context_stack = context.previous;
			break;
		case LANE_PUSH:
			if (event->request_id == NULL)
				break;
			ArgumentDatum(&arguments, UUIDPGetDatum(event->request_id));
			ArgumentText(&arguments, listener->audience);
			if (StatementRun(&select_concerned, &arguments) == 0)
				break;
			notice.recipient_id = RowText(0, 1);
			if (notice.recipient_id != NULL)
				(void) OutboxPush(&notice, 1, event->data);
			break;
		default:
			OutboxTellListener((Lane) listener->lane, listener->name,
							   event->event, event->data);
	}
}

void
ListenersTell(const Event *event)
{
	ListCell   *cell;
	List	   *matching = NIL;

	/* a function may change the listeners: so choose first */
	ListenersRead();
	foreach(cell, listeners)
	{
		Listener   *listener = lfirst(cell);

		if (PatternMatches(listener->pattern, event->event))
		{
			Listener   *copy = palloc(sizeof(Listener));

			*copy = (Listener) {
				.name = pstrdup(listener->name),
				.lane = listener->lane,
				.audience = listener->audience ? pstrdup(listener->audience) : NULL,
				.template = listener->template ? pstrdup(listener->template) : NULL,
				.function_name = listener->function_name ? pstrdup(listener->function_name) : NULL
			};
			matching = lappend(matching, copy);
		}
	}
	foreach(cell, matching)
		ListenerTell(lfirst(cell), event);
}

int
ListenerLane(const char *name)
{
	ListCell   *cell;

	ListenersRead();
	foreach(cell, listeners)
	{
		Listener   *listener = lfirst(cell);

		if (strcmp(listener->name, name) == 0)
			return listener->lane;
	}
	return -1;
}

/*
 * washminute._routes_changed(): every session looks at listeners and live rules anew,
 * and the worker at lanes and listeners, once this transaction has committed.
 */
Datum
washminute_routes_changed(PG_FUNCTION_ARGS)
{
	Oid			relid = ListenersRelation();

	if (OidIsValid(relid))
		CacheInvalidateRelcacheByRelid(relid);
	RealtimeRulesInvalidate();
	WakeAtCommit(WAKE_ROUTES);
	PG_RETURN_VOID();
}
