/*-------------------------------------------------------------------------
 *
 * eligibility.c
 *		May this washman have this job?
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "dispatch/eligibility.h"

int
EligibilityReasons(const WashmanFacts *facts, const JobTerms *terms)
{
	int			reasons = 0;

	if (facts->suspended)
		reasons |= REASON_SUSPENDED;
	if (!facts->online)
		reasons |= REASON_OFFLINE;
	if (facts->located_at < terms->located_since)
		reasons |= REASON_POSITION_OLD;
	if (facts->declined)
		reasons |= REASON_DECLINED;
	if (facts->busy)
		reasons |= REASON_BUSY;
	if (facts->is_customer)
		reasons |= REASON_OWN_REQUEST;
	if (facts->offered)
		reasons |= REASON_OFFERED;
	if (terms->max_open_offers > 0 && facts->open_offers >= terms->max_open_offers)
		reasons |= REASON_MANY_OFFERS;
	if (terms->balance_matters)
	{
		if (facts->balance < terms->floor)
			reasons |= REASON_BELOW_FLOOR;
		if (terms->commission_to_hold > 0 &&
			facts->balance - facts->held - terms->commission_to_hold < terms->floor)
			reasons |= REASON_NO_ROOM;
	}
	return reasons;
}
