/*-------------------------------------------------------------------------
 *
 * realtime_rule.h
 *		Which events of the business become live events, and for whom: the rows of
 *		washminute_data.realtime_rules.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_REALTIME_RULE_H
#define WASHMINUTE_REALTIME_RULE_H

#include "nodes/pg_list.h"

#include "outbox/listener.h"

typedef enum RuleAudience
{
	AUDIENCE_CUSTOMER,			/* of the request, as the next three */
	AUDIENCE_WASHMAN,
	AUDIENCE_BOTH,
	AUDIENCE_OFFERED,			/* washmen who were offered it */
	AUDIENCE_ADMINS,
	AUDIENCE_ALL
} RuleAudience;

typedef struct RealtimeRule
{
	RuleAudience audience;
	char	   *emits;			/* the name that clients hear */
	List	   *fields;			/* char *: members of the data that they get; NIL: all */
	bool		is_volatile;
} RealtimeRule;

extern void RealtimeRuleInit(void);

/* The enabled rules for an event, RealtimeRule *, copied.  Needs an SPI connection. */
extern List *RealtimeRulesFor(const char *event);

/* What RealtimeQueue gets of an event; NULL where no rule wants it. */
extern char *RealtimeRulesData(const Event *event);

/*
 * Queue an event, in one message, if a rule wants it: who hears of it is looked up when
 * it is published.  Needs an SPI connection.
 */
extern void RealtimeRulesTell(const Event *event);

/* Every session reads the rules anew, once this transaction has committed. */
extern void RealtimeRulesInvalidate(void);

/* A name, or its beginning and a star, as listeners have it too. */
extern bool PatternMatches(const char *pattern, const char *event);

#endif							/* WASHMINUTE_REALTIME_RULE_H */
