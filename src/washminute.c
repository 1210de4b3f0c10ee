/*-------------------------------------------------------------------------
 *
 * washminute.c
 *		The library's entry: one Init call per module, nothing else.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "base/rate_limit.h"
#include "base/readiness.h"
#include "base/settings.h"
#include "dispatch/live_flush.h"
#include "dispatch/live_index.h"
#include "dispatch/live_status.h"
#include "dispatch/live_sync.h"
#include "outbox/listener.h"
#include "outbox/realtime_queue.h"
#include "outbox/realtime_rule.h"
#include "outbox/wake.h"
#include "realtime/publish.h"
#include "worker/status.h"
#include "worker/worker.h"

WASHMINUTE_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	ReadinessInit();
	SettingsInit();
	GucInit();
	RateLimitInit();
	ListenerInit();
	WakeInit();
	RealtimeQueueInit();
	RealtimeRuleInit();
	RealtimeInit();
	LiveIndexInit();
	LiveFlushInit();
	LiveStatusInit();
	LiveSyncInit();
	StatusInit();
	AsideInit();
	WorkerInit();
}
