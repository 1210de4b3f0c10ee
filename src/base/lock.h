/*-------------------------------------------------------------------------
 *
 * lock.h
 *		The locks of commands, and their one order.
 *
 * Transaction-level advisory locks in classes of their own, so that they never
 * meet a user's pg_advisory_lock.  The order, for every command:
 *
 *		idempotency key, then at most one request, then the customer who reserves, then
 *		washmen in the order of their ids.
 *
 * A command that handles several requests takes their locks without waiting.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_LOCK_H
#define WASHMINUTE_LOCK_H

#include "utils/uuid.h"

/*
 * Classes are the fourth field of the lock tag, locktag.objsubid in pg_locks.
 * PostgreSQL's own advisory locks use 1 and 2.
 */
typedef enum LockClass
{
	LOCK_SETUP = 0x5701,
	LOCK_IDEMPOTENCY = 0x5702,
	LOCK_REQUEST = 0x5703,
	LOCK_WASHMAN = 0x5704,
	LOCK_FLUSH = 0x5705,
	LOCK_SETTLEMENT = 0x5706,
	LOCK_CUSTOMER = 0x5707
} LockClass;

/*
 * Take the lock till the end of the transaction; WM_LOCK_TIMEOUT when it is not
 * had within washminute.lock_timeout.
 */
extern void LockRequest(const pg_uuid_t *request_id);
extern void LockCustomer(const char *customer_id);
extern void LockWashman(const char *washman_id);
extern void LockIdempotencyKey(const char *actor_id, const char *key);

/*
 * Wait until nobody holds the request's lock, and take none: all who wait so go on
 * at the same time, where they would follow one another for the lock itself.
 */
extern void LockRequestAwait(const pg_uuid_t *request_id);

/* One import of a statement at a time: waits as lock_timeout says, under no other lock. */
extern void LockSettlement(void);

/* One flush of positions at a time: waits as lock_timeout says. */
extern void LockFlush(void);

/* The same, but false at once when somebody else holds it. */
extern bool LockRequestIfFree(const pg_uuid_t *request_id);
extern bool LockCustomerIfFree(const char *customer_id);
extern bool LockWashmanIfFree(const char *washman_id);

#endif							/* WASHMINUTE_LOCK_H */
