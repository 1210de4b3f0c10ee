/*-------------------------------------------------------------------------
 *
 * lock.c
 *		Transaction-level advisory locks of commands.
 *
 * The key is a 64-bit hash.  Two ids with the same hash share a lock, which
 * costs a needless wait and nothing else.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "base/errors.h"
#include "base/guc.h"
#include "base/lock.h"

PG_FUNCTION_INFO_V1(washminute_lock_setup);
PG_FUNCTION_INFO_V1(washminute_may_wait);

static LOCKTAG
LockTag(LockClass class, uint64 hash)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (hash >> 32),
						 (uint32) hash, class);
	return tag;
}

/* Wait for the lock with lock_timeout set to ours, restored by the caller. */
static void
WaitFor(const LOCKTAG *tag, LOCKMODE mode)
{
	char		milliseconds[16];

	snprintf(milliseconds, sizeof(milliseconds), "%d", washminute_lock_timeout);
	(void) set_config_option("lock_timeout", milliseconds,
							 PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	(void) LockAcquire(tag, mode, false, false);
}

static void
LockTake(const LOCKTAG *tag, LOCKMODE mode)
{
	MemoryContext context = CurrentMemoryContext;
	int			nest_level;

	if (LockAcquire(tag, mode, false, true) != LOCKACQUIRE_NOT_AVAIL)
		return;

	nest_level = NewGUCNestLevel();
	PG_TRY();
	{
		WaitFor(tag, mode);
	}
	PG_CATCH();
	{
		if (geterrcode() == ERRCODE_LOCK_NOT_AVAILABLE)
		{
			MemoryContextSwitchTo(context);
			FlushErrorState();
			ErrorRaise(WM_LOCK_TIMEOUT, NULL);
		}
		PG_RE_THROW();
	}
	PG_END_TRY();
	AtEOXact_GUC(true, nest_level);
}

static uint64
HashText(const char *text, uint64 seed)
{
	return DatumGetUInt64(hash_any_extended((const unsigned char *) text,
											strlen(text), seed));
}

static uint64
HashUuid(const pg_uuid_t *uuid)
{
	return DatumGetUInt64(hash_any_extended(uuid->data, UUID_LEN, 0));
}

void
LockRequest(const pg_uuid_t *request_id)
{
	LOCKTAG		tag = LockTag(LOCK_REQUEST, HashUuid(request_id));

	LockTake(&tag, ExclusiveLock);
}

void
LockRequestAwait(const pg_uuid_t *request_id)
{
	LOCKTAG		tag = LockTag(LOCK_REQUEST, HashUuid(request_id));

	LockTake(&tag, ShareLock);
	LockRelease(&tag, ShareLock, false);
}

bool
LockRequestIfFree(const pg_uuid_t *request_id)
{
	LOCKTAG		tag = LockTag(LOCK_REQUEST, HashUuid(request_id));

	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

void
LockCustomer(const char *customer_id)
{
	LOCKTAG		tag = LockTag(LOCK_CUSTOMER, HashText(customer_id, 0));

	LockTake(&tag, ExclusiveLock);
}

bool
LockCustomerIfFree(const char *customer_id)
{
	LOCKTAG		tag = LockTag(LOCK_CUSTOMER, HashText(customer_id, 0));

	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

void
LockWashman(const char *washman_id)
{
	LOCKTAG		tag = LockTag(LOCK_WASHMAN, HashText(washman_id, 0));

	LockTake(&tag, ExclusiveLock);
}

bool
LockWashmanIfFree(const char *washman_id)
{
	LOCKTAG		tag = LockTag(LOCK_WASHMAN, HashText(washman_id, 0));

	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

void
LockIdempotencyKey(const char *actor_id, const char *key)
{
	LOCKTAG		tag = LockTag(LOCK_IDEMPOTENCY, HashText(key, HashText(actor_id, 0)));

	LockTake(&tag, ExclusiveLock);
}

void
LockFlush(void)
{
	LOCKTAG		tag = LockTag(LOCK_FLUSH, 0);

	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

void
LockSettlement(void)
{
	LOCKTAG		tag = LockTag(LOCK_SETTLEMENT, 0);

	LockTake(&tag, ExclusiveLock);
}

void
LockPositions(void)
{
	LOCKTAG		tag = LockTag(LOCK_POSITIONS, 0);

	LockTake(&tag, ExclusiveLock);
}

bool
LockPositionsIfFree(void)
{
	LOCKTAG		tag = LockTag(LOCK_POSITIONS, 0);

	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

void
LockChat(const pg_uuid_t *chat_id)
{
	LOCKTAG		tag = LockTag(LOCK_CHAT, HashUuid(chat_id));

	LockTake(&tag, ExclusiveLock);
}

bool
LockChatIfFree(const pg_uuid_t *chat_id)
{
	LOCKTAG		tag = LockTag(LOCK_CHAT, HashUuid(chat_id));

	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

int
LockViewersBucket(const pg_uuid_t *chat_id)
{
	return (int) (HashUuid(chat_id) % LOCK_VIEWERS_BUCKETS);
}

void
LockViewers(int bucket)
{
	LOCKTAG		tag = LockTag(LOCK_VIEWERS, (uint64) bucket);

	LockTake(&tag, ExclusiveLock);
}

bool
LockViewersIfFree(int bucket)
{
	LOCKTAG		tag = LockTag(LOCK_VIEWERS, (uint64) bucket);

	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/* Gateways' locks that are the session's unless this transaction fails, newest first. */
typedef struct NewGateway
{
	LOCKTAG		tag;
	SubTransactionId subid;
	struct NewGateway *next;
} NewGateway;

static NewGateway *new_gateways = NULL;

/* Let go of those that were taken in that subtransaction or, with 0, in any. */
static void
GatewaysUnlock(SubTransactionId subid)
{
	while (new_gateways != NULL && new_gateways->subid >= subid)
	{
		(void) LockRelease(&new_gateways->tag, ExclusiveLock, true);
		new_gateways = new_gateways->next;
	}
}

static void
GatewaysAtEnd(XactEvent event, void *argument)
{
	if (event == XACT_EVENT_ABORT)
		GatewaysUnlock(0);
	else if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
		new_gateways = NULL;
}

static void
GatewaysAtSubEnd(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *argument)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		GatewaysUnlock(subid);
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		for (NewGateway *gateway = new_gateways; gateway != NULL; gateway = gateway->next)
			gateway->subid = Min(gateway->subid, parent);
}

void
LockGatewayForSession(const char *gateway)
{
	static bool is_registered = false;
	LOCKTAG		tag = LockTag(LOCK_GATEWAY, HashText(gateway, 0));
	NewGateway *new_gateway;

	if (LockHeldByMe(&tag, ExclusiveLock))
		return;
	if (!is_registered)
	{
		RegisterXactCallback(GatewaysAtEnd, NULL);
		RegisterSubXactCallback(GatewaysAtSubEnd, NULL);
		is_registered = true;
	}
	new_gateway = MemoryContextAlloc(TopTransactionContext, sizeof(NewGateway));

	/* wait as our own settings say, then keep it beyond the transaction */
	LockTake(&tag, ExclusiveLock);
	(void) LockAcquire(&tag, ExclusiveLock, true, true);
	*new_gateway = (NewGateway) {tag, GetCurrentSubTransactionId(), new_gateways};
	new_gateways = new_gateway;
}

/*
 * Ask for the lock itself: that is one entry of the lock table, where a look at
 * pg_locks is all of them.
 */
bool
LockGatewayIsHeld(const char *gateway)
{
	LOCKTAG		tag = LockTag(LOCK_GATEWAY, HashText(gateway, 0));

	if (LockHeldByMe(&tag, ExclusiveLock))
		return true;
	if (LockAcquire(&tag, ShareLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return true;
	LockRelease(&tag, ShareLock, false);
	return false;
}

/*
 * washminute._may_wait(user_id): one call of a user's, and washminute.rest_waits of all.
 * A lock rather than a counter, since it goes with the transaction, however that ends.
 */
Datum
washminute_may_wait(PG_FUNCTION_ARGS)
{
	LOCKTAG		tag;

	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	tag = LockTag(LOCK_WAITER, HashText(text_to_cstring(PG_GETARG_TEXT_PP(0)), 0));
	if (LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		PG_RETURN_BOOL(false);
	for (int place = 0; place < washminute_rest_waits; place++)
	{
		tag = LockTag(LOCK_WAIT, place);
		if (LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL)
			PG_RETURN_BOOL(true);
	}
	PG_RETURN_BOOL(false);
}

/*
 * washminute._lock_setup(): lets one setup() run at a time.  It waits as long
 * as the other takes, since the operator wants setup done, not refused.
 */
Datum
washminute_lock_setup(PG_FUNCTION_ARGS)
{
	LOCKTAG		tag = LockTag(LOCK_SETUP, 0);

	if (LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL)
		PG_RETURN_VOID();
	(void) LockAcquire(&tag, ExclusiveLock, false, false);

	/* an older snapshot does not show what the other one has done */
	if (IsolationUsesXactSnapshot())
		ErrorRaise(WM_SNAPSHOT_TOO_OLD, NULL);
	PG_RETURN_VOID();
}
