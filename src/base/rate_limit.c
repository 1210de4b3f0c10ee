/*-------------------------------------------------------------------------
 *
 * rate_limit.c
 *		How often a caller may ask: token buckets in shared memory.
 *
 * A bucket is one time: that at which it will be full again (the "generic cell
 * rate algorithm").  One whose time has passed is as good as none, so that its
 * place can be given to another caller and nothing needs to be cleared away.
 *
 * A table would do neither in a read-only transaction, which every GET is, nor
 * beside serializable ones.  Buckets lie in sets of eight, each under a spinlock
 * held for a few comparisons; a set that is full gives up the bucket that is
 * nearest to being full again.  Names are kept as 64 bits of hash: two callers
 * with the same one would share a bucket, which is all the harm they do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/timestamp.h"

#include "base/rate_limit.h"

PG_FUNCTION_INFO_V1(washminute_rate_limited);

#define SETS 4096
#define BUCKETS_PER_SET 8

typedef struct Bucket
{
	uint64		name_hash;
	TimestampTz full_at;
} Bucket;

typedef struct BucketSet
{
	slock_t		mutex;
	Bucket		buckets[BUCKETS_PER_SET];
} BucketSet;

typedef struct RateLimits
{
	pg_atomic_uint64 refused;
	BucketSet	sets[SETS];
} RateLimits;

static RateLimits *limits = NULL;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static void
RateLimitRequestMemory(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(MAXALIGN(sizeof(RateLimits)));
}

static void
RateLimitMakeMemory(void)
{
	bool		found;

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	limits = ShmemInitStruct("washminute rate limits", sizeof(RateLimits), &found);
	if (!found)
	{
		memset(limits, 0, sizeof(RateLimits));
		pg_atomic_init_u64(&limits->refused, 0);
		for (int i = 0; i < SETS; i++)
			SpinLockInit(&limits->sets[i].mutex);
	}
	LWLockRelease(AddinShmemInitLock);
}

void
RateLimitInit(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = RateLimitRequestMemory;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = RateLimitMakeMemory;
}

/* The bucket of that name, or the one to be given up for it. */
static Bucket *
BucketFind(BucketSet *set, uint64 name_hash)
{
	Bucket	   *fullest = &set->buckets[0];

	for (int i = 0; i < BUCKETS_PER_SET; i++)
	{
		Bucket	   *bucket = &set->buckets[i];

		if (bucket->name_hash == name_hash)
			return bucket;
		if (bucket->full_at < fullest->full_at)
			fullest = bucket;
	}
	fullest->name_hash = name_hash;
	fullest->full_at = 0;
	return fullest;
}

int64
RateLimitTake(const char *name, int rate, int burst)
{
	uint64		name_hash;
	BucketSet  *set;
	Bucket	   *bucket;
	TimestampTz now = GetCurrentTimestamp();
	int64		token_us = USECS_PER_SEC / Max(rate, 1);
	int64		missing_us;

	if (limits == NULL || rate <= 0)
		return 0;
	name_hash = hash_bytes_extended((const unsigned char *) name, strlen(name), 0);
	set = &limits->sets[name_hash % SETS];

	SpinLockAcquire(&set->mutex);
	bucket = BucketFind(set, name_hash);
	/* a bucket is never emptier than empty: not after the clock was put back, nor after a change of settings */
	bucket->full_at = Min(Max(bucket->full_at, now), now + burst * token_us);
	missing_us = bucket->full_at + token_us - now - burst * token_us;
	if (missing_us <= 0)
		bucket->full_at += token_us;
	SpinLockRelease(&set->mutex);

	if (missing_us <= 0)
		return 0;
	pg_atomic_fetch_add_u64(&limits->refused, 1);
	return (missing_us + 999) / 1000;
}

/* washminute._rate_limited(): how many were refused since the server started */
Datum
washminute_rate_limited(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(limits ? (int64) pg_atomic_read_u64(&limits->refused) : 0);
}
