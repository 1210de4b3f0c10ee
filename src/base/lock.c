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
#include "utils/guc.h"

#include "base/errors.h"
#include "base/guc.h"
#include "base/lock.h"

PG_FUNCTION_INFO_V1(washminute_lock_setup);

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
