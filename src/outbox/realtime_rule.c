/*-------------------------------------------------------------------------
 *
 * realtime_rule.c
 *		Which events of the business become live events, and for whom: the rows of
 *		washminute_data.realtime_rules.
 *
 * Commands know nothing of it: like the listeners, the rules are kept in each backend's
 * memory until a statement changes them.  An event that a rule wants is queued once,
 * as it is; whom it goes to is resolved by who publishes it, since an acceptance must
 * not read the offers of others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/json.h"
#include "base/statement.h"
#include "outbox/realtime_queue.h"
#include "outbox/realtime_rule.h"

typedef struct KeptRule
{
	char	   *pattern;
	RealtimeRule rule;
} KeptRule;

static MemoryContext rules_context = NULL;
static List *rules = NIL;		/* KeptRule * */
static bool rules_known = false;
static uint64 rules_changes = 0;	/* how often they may have changed */
static Oid	rules_relid = InvalidOid;

static Statement select_rules = {
	"SELECT event_pattern, audience, emits, fields, volatile"
	"  FROM washminute_data.realtime_rules WHERE enabled ORDER BY name"
};

static void
RulesRelationChanged(Datum argument, Oid relid)
{
	if (relid == InvalidOid || relid == rules_relid)
	{
		rules_known = false;
		rules_changes++;
	}
}

void
RealtimeRuleInit(void)
{
	CacheRegisterRelcacheCallback(RulesRelationChanged, (Datum) 0);
}

static Oid
RulesRelation(void)
{
	Oid			namespace = get_namespace_oid("washminute_data", true);

	return OidIsValid(namespace) ?
		get_relname_relid("realtime_rules", namespace) : InvalidOid;
}

void
RealtimeRulesInvalidate(void)
{
	Oid			relid = RulesRelation();

	if (OidIsValid(relid))
		CacheInvalidateRelcacheByRelid(relid);
}

static RuleAudience
AudienceByName(const char *name)
{
	static const char *const names[] = {
		[AUDIENCE_CUSTOMER] = "customer",
		[AUDIENCE_WASHMAN] = "washman",
		[AUDIENCE_BOTH] = "both",
		[AUDIENCE_OFFERED] = "offered",
		[AUDIENCE_ADMINS] = "admins",
		[AUDIENCE_ALL] = "all"
	};

	for (int i = 0; i < lengthof(names); i++)
		if (strcmp(names[i], name) == 0)
			return (RuleAudience) i;
	elog(ERROR, "no such audience: %s", name);
}

static List *
FieldsRead(uint64 row, int column)
{
	List	   *fields = NIL;
	Datum	   *values;
	bool	   *nulls;
	int			count;

	if (RowIsNull(row, column))
		return NIL;
	deconstruct_array(DatumGetArrayTypeP(RowDatum(row, column)), TEXTOID, -1, false, TYPALIGN_INT,
					  &values, &nulls, &count);
	for (int i = 0; i < count; i++)
		fields = lappend(fields, TextDatumGetCString(values[i]));
	return fields;
}

static void
RulesRead(void)
{
	uint64		changes = rules_changes;
	uint64		rows;

	if (rules_known)
		return;
	if (rules_context == NULL)
		rules_context = AllocSetContextCreate(TopMemoryContext, "washminute live rules",
											  ALLOCSET_SMALL_SIZES);
	rules_relid = RulesRelation();

	rows = StatementRun(&select_rules, NULL);

	MemoryContextReset(rules_context);
	rules = NIL;
	for (uint64 row = 0; row < rows; row++)
	{
		MemoryContext previous = MemoryContextSwitchTo(rules_context);
		KeptRule   *kept = palloc0(sizeof(KeptRule));

		kept->pattern = RowText(row, 1);
		kept->rule.audience = AudienceByName(RowText(row, 2));
		kept->rule.emits = RowText(row, 3);
		kept->rule.fields = FieldsRead(row, 4);
		kept->rule.is_volatile = RowBool(row, 5);
		rules = lappend(rules, kept);
		MemoryContextSwitchTo(previous);
	}

	/* an error leaves them unknown, as does a change that came while they were read */
	rules_known = changes == rules_changes;
}

bool
PatternMatches(const char *pattern, const char *event)
{
	size_t		length = strlen(pattern);

	if (pattern[length - 1] == '*')
		return strncmp(pattern, event, length - 1) == 0;
	return strcmp(pattern, event) == 0;
}

static bool
RulesWant(const char *event)
{
	ListCell   *cell;

	RulesRead();
	foreach(cell, rules)
		if (PatternMatches(((KeptRule *) lfirst(cell))->pattern, event))
			return true;
	return false;
}

List *
RealtimeRulesFor(const char *event)
{
	List	   *found = NIL;
	ListCell   *cell;
	ListCell   *field;

	RulesRead();
	foreach(cell, rules)
	{
		const KeptRule *kept = lfirst(cell);
		RealtimeRule *copy;

		if (!PatternMatches(kept->pattern, event))
			continue;
		copy = palloc(sizeof(RealtimeRule));
		*copy = kept->rule;
		copy->emits = pstrdup(copy->emits);
		copy->fields = NIL;
		foreach(field, kept->rule.fields)
			copy->fields = lappend(copy->fields, pstrdup(lfirst(field)));
		found = lappend(found, copy);
	}
	return found;
}

char *
RealtimeRulesData(const Event *event)
{
	JsonObject	queued;

	if (washminute_realtime_mode == REALTIME_OFF || !RulesWant(event->event))
		return NULL;
	JsonOpen(&queued);
	if (event->request_id != NULL)
		JsonUuid(&queued, "about", event->request_id);
	JsonObjectMember(&queued, "data", event->data);
	return JsonClose(&queued);
}

void
RealtimeRulesTell(const Event *event)
{
	const char *data = RealtimeRulesData(event);

	if (data != NULL)
		(void) RealtimeQueue(event->event, data);
}
