/*-------------------------------------------------------------------------
 *
 * claim.h
 *		Claims messages for a destination, and makes requests of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_CLAIM_H
#define WASHMINUTE_CLAIM_H

#include "worker/lane.h"

/*
 * Claim what the destination can start; in the turn's transaction.  A list of
 * Delivery *, to be started once that is committed, in the caller's context.
 */
extern List *ClaimFor(Destination *destination, int64 epoch);

#endif							/* WASHMINUTE_CLAIM_H */
