/*-------------------------------------------------------------------------
 *
 * lock.h
 *		The locks of commands, and their one order.
 *
 * Transaction-level advisory locks in classes of their own, so that they never
 * meet a user's pg_advisory_lock.  The order, for every command:
 *
 *		idempotency key, then at most one request, then the customer who reserves, then
 *		washmen in the order of their ids, then a chat, then the viewers of chats.
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
	LOCK_CUSTOMER = 0x5707,
	LOCK_POSITIONS = 0x5708,
	LOCK_CHAT = 0x570A,
	LOCK_VIEWERS = 0x570B,
	LOCK_GATEWAY = 0x570C,
	LOCK_WAITER = 0x570D,
	LOCK_WAIT = 0x570E
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

/*
 * Whoever publishes live events holds it until the transaction has ended: as the last
 * lock of all, while it commits, or as the first.
 */
extern void LockPositions(void);
extern bool LockPositionsIfFree(void);

/* The same, but false at once when somebody else holds it. */
extern bool LockRequestIfFree(const pg_uuid_t *request_id);
extern bool LockCustomerIfFree(const char *customer_id);
extern bool LockWashmanIfFree(const char *washman_id);

/* Who changes a chat, its members or its messages. */
extern void LockChat(const pg_uuid_t *chat_id);
extern bool LockChatIfFree(const pg_uuid_t *chat_id);

/*
 * Who changes the viewers of chats, so that the last one to tell of them tells of all.
 * Chats share LOCK_VIEWERS_BUCKETS of these locks, since a gateway that ends may have
 * thousands; to be taken in the order of their numbers.
 */
#define LOCK_VIEWERS_BUCKETS 64
extern int	LockViewersBucket(const pg_uuid_t *chat_id);
extern void LockViewers(int bucket);
extern bool LockViewersIfFree(int bucket);

/*
 * A gateway's sign of life: held by its session, unless the transaction fails.  Raises
 * WM_LOCK_TIMEOUT where another session holds it and goes on to.
 */
extern void LockGatewayForSession(const char *gateway);
extern bool LockGatewayIsHeld(const char *gateway);

#endif							/* WASHMINUTE_LOCK_H */
