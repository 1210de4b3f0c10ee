/*-------------------------------------------------------------------------
 *
 * eligibility.h
 *		May this washman have this job?  The one place that says so.
 *
 * Matching and acceptance gather the facts each in its own way, and both ask
 * EligibilityReasons.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_ELIGIBILITY_H
#define WASHMINUTE_ELIGIBILITY_H

#include "utils/timestamp.h"

/* Why not: bits of a mask. */
#define REASON_SUSPENDED		(1 << 0)	/* by an operator */
#define REASON_OFFLINE			(1 << 1)
#define REASON_POSITION_OLD		(1 << 2)	/* not seen lately */
#define REASON_DECLINED			(1 << 3)	/* has declined or given back this */
#define REASON_BUSY				(1 << 4)	/* has a job at that time */
#define REASON_BELOW_FLOOR		(1 << 5)	/* balance below the floor */
#define REASON_NO_ROOM			(1 << 6)	/* commission would break the floor */
#define REASON_OWN_REQUEST		(1 << 7)	/* he is the customer himself */
#define REASON_OFFERED			(1 << 8)	/* was offered it lately */
#define REASON_MANY_OFFERS		(1 << 9)	/* holds as many offers as he may */

typedef struct WashmanFacts
{
	bool		suspended;
	bool		online;
	bool		declined;
	bool		busy;
	bool		is_customer;	/* of this request */
	bool		offered;		/* this request, lately */
	int			open_offers;	/* of other requests */
	TimestampTz located_at;
	int64		balance;		/* centimes */
	int64		held;			/* centimes */
} WashmanFacts;

/* What a job asks of a washman. */
typedef struct JobTerms
{
	TimestampTz located_since;	/* DT_NOBEGIN: the position does not matter */
	bool		balance_matters;
	int64		floor;			/* centimes */
	int64		commission_to_hold; /* centimes, 0 for a card job */
	int			max_open_offers;	/* 0: they do not matter */
} JobTerms;

/* 0 where he may. */
extern int	EligibilityReasons(const WashmanFacts *facts, const JobTerms *terms);

#endif							/* WASHMINUTE_ELIGIBILITY_H */
