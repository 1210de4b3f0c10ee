/*-------------------------------------------------------------------------
 *
 * worker.c
 *		The background worker's life: start, wait, stop.
 *
 * The postmaster starts it once the server is no standby (any more), and again a
 * second after each end.  It connects as the bootstrap superuser, since a worker
 * cannot as a role that may not log in, and works as washminute_owner
 * (identity.h).
 *
 * Where its database is not there, or somebody needs it empty (aside.c), the
 * worker starts without one, and waits until it can end and start with it.  The
 * first look is the connection itself: the server says then, once, that the
 * database does not exist.
 *
 * It sleeps on its latch and on what libcurl waits for.  Idle, it runs no query.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "fmgr.h"
#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/procsignal.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/compat.h"
#include "base/guc.h"
#include "outbox/wake.h"
#include "dispatch/live_sync.h"
#include "worker/engine.h"
#include "worker/http.h"
#include "worker/status.h"
#include "worker/pump.h"
#include "worker/stop.h"
#include "worker/stopwatch.h"
#include "worker/timers.h"
#include "worker/track.h"
#include "worker/worker.h"

#define SECOND INT64CONST(1000000)

/* What a stop leaves requests in flight, and what standing aside does. */
#define STOP_PATIENCE (5 * SECOND)
#define ASIDE_PATIENCE (SECOND / 4)

/* What cannot be, a wake-up lost, would be made good after this; no SQL runs. */
#define LONGEST_SLEEP_MS 30000

/* How often to look for a database that is not there. */
#define DATABASE_LOOK_MS 5000

PGDLLEXPORT void washminute_worker_main(Datum argument);

void
WorkerInit(void)
{
	BackgroundWorker worker = {
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = 1,
		.bgw_name = "washminute worker",
		.bgw_type = "washminute worker",
		.bgw_library_name = "washminute",
		.bgw_function_name = "washminute_worker_main"
	};

	if (process_shared_preload_libraries_in_progress)
		RegisterBackgroundWorker(&worker);
}

/* What may have changed at any time. */
static void
HandleInterrupts(void)
{
	/* there is no query that could be cancelled here */
	QueryCancelPending = false;
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
		EngineReload();
	}
}

typedef enum DatabaseState
{
	DATABASE_MISSING,
	DATABASE_CLOSED,			/* ALLOW_CONNECTIONS false, or half dropped */
	DATABASE_OPEN
} DatabaseState;

/*
 * Is the database there?  A process without one can rely on no catalog but those
 * that are nailed in the cache, so pg_database is read as autovacuum's launcher
 * reads it, without its indexes.
 */
static DatabaseState
DatabaseLook(void)
{
	Relation	databases;
	TableScanDesc scan;
	HeapTuple	tuple;
	DatabaseState state = DATABASE_MISSING;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	databases = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(databases, 0, NULL);
	while (state == DATABASE_MISSING &&
		   HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);

		if (strcmp(NameStr(database->datname), washminute_database) != 0)
			continue;
		state = database->datallowconn && database->datconnlimit != -2 ?
			DATABASE_OPEN : DATABASE_CLOSED;
	}
	table_endscan(scan);
	table_close(databases, AccessShareLock);
	CommitTransactionCommand();
	return state;
}

/* Without a database: wait for it, then end, to be started again. */
pg_noreturn static void WaitForDatabase(void);

static void
WaitForDatabase(void)
{
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	StopInit();
	while (!StopIsAsked())
	{
		bool		aside;
		DatabaseState state;

		ResetLatch(MyLatch);
		(void) WakeTake();
		aside = WakeIsAskedAside();
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		state = aside ? DATABASE_MISSING : DatabaseLook();
		if (state == DATABASE_OPEN)
		{
			WakeSetDatabaseMissing(false);
			break;
		}
		StatusSay(aside ? "waiting: the database is being worked on" :
				  state == DATABASE_CLOSED ? "waiting: the database accepts no connections" :
				  "waiting: the database does not exist");
		pgstat_report_activity(STATE_IDLE, NULL);
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 DATABASE_LOOK_MS, PG_WAIT_EXTENSION);
	}
	proc_exit(1);
}

/* What databases or roles set for sessions is not meant for the worker. */
static void
FixSettings(void)
{
	static const char *const settings[][2] = {
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
		{"enable_bitmapscan", "off"},
		{"enable_hashjoin", "off"},
		{"enable_mergejoin", "off"},
		{"enable_seqscan", "off"},
		{"idle_in_transaction_session_timeout", "0"},
		{"jit", "off"},
		{"lock_timeout", "200ms"},
		{"max_parallel_workers_per_gather", "0"},
		{"search_path", "pg_catalog, pg_temp"},
		{"session_replication_role", "origin"},
		{"statement_timeout", "0"},
		{"synchronous_commit", "on"},
		{"timezone", "UTC"}
	};

	for (int i = 0; i < lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
}

/* The earlier of a timeout (-1: none) and a monotonic time, in milliseconds. */
static long
EarlierTimeout(long timeout, int64 at)
{
	int64		now = MonotonicNow();
	int64		wait;

	if (at == PG_INT64_MAX)
		return timeout;
	wait = at <= now ? 0 : Min((at - now + 999) / 1000, 3600 * 1000);
	return timeout < 0 ? (long) wait : Min(timeout, (long) wait);
}

/* Until somebody asks us to end. */
static void
Serve(int http_fd)
{
	WaitEventSet *events = compat_create_wait_event_set(3);
	WaitEvent	occurred[3];

	AddWaitEventToSet(events, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(events, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(events, WL_SOCKET_READABLE, http_fd, NULL, NULL);

	for (int64 end_at = 0;;)
	{
		bool		aside = WakeIsAskedAside();
		bool		ending = aside || StopIsAsked();
		LiveSyncDone synced;
		long		timeout;
		long		longest;

		HandleInterrupts();
		EngineWake(WakeTake());
		HttpDrive();
		/* in a transaction others reset our latch: look again what it told of */
		if (EngineTurn(!ending))
			SetLatch(MyLatch);
		synced = !ending && EngineIsServing() ? LiveSyncTurn() : LIVE_SYNC_NOTHING;
		if (synced == LIVE_SYNC_FLUSHED)
			TrackMoved();
		if (synced != LIVE_SYNC_NOTHING)
			SetLatch(MyLatch);
		if (!ending && EngineIsServing() && TimersTurn())
			SetLatch(MyLatch);
		if (!ending && EngineIsServing() && PumpTurn())
			SetLatch(MyLatch);
		if (!ending && EngineIsServing() && TrackTurn())
			SetLatch(MyLatch);
		HttpDrive();

		if (!ending)
			end_at = 0;
		else if (end_at == 0)
			end_at = MonotonicNow() + (StopIsAsked() ? STOP_PATIENCE : ASIDE_PATIENCE);
		if (ending && (EngineInFlight() == 0 || MonotonicNow() >= end_at))
			break;

		timeout = EngineTimeout(!ending);
		if (!ending && EngineIsServing())
			timeout = EarlierTimeout(timeout, Min(Min(PumpAt(), TrackAt()), Min(LiveSyncAt(), TimersAt())));
		if (HttpTimeout() >= 0 && (timeout < 0 || HttpTimeout() < timeout))
			timeout = HttpTimeout();
		longest = ending ? 20 : LONGEST_SLEEP_MS;
		timeout = timeout < 0 ? longest : Min(timeout, longest);
		for (int i = WaitEventSetWait(events, timeout, occurred, 3, PG_WAIT_EXTENSION); i > 0; i--)
			if (occurred[i - 1].events & WL_LATCH_SET)
				ResetLatch(MyLatch);
	}

	/* while the database is worked on, the positions are safe in the index */
	if (StopIsAsked() && EngineIsServing())
		LiveSyncEnd();
}

void
washminute_worker_main(Datum argument)
{
	int			in_flight;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	StatusReset();
	WakeRegister();

	/*
	 * If the connection fails this process ends, and the next one waits without
	 * a database.
	 */
	if (WakeIsDatabaseMissing() || WakeIsAskedAside())
		WaitForDatabase();
	WakeSetDatabaseMissing(true);
	WakeSetConnected(true);
	BackgroundWorkerInitializeConnection(washminute_database, NULL, 0);
	WakeSetDatabaseMissing(false);

	StopInit();
	FixSettings();
	EngineInit();
	Serve(HttpInit());

	in_flight = EngineInFlight();
	ereport(LOG,
			(errmsg("washminute worker: stopped reason=\"%s\" unanswered=%d",
					StopIsAsked() ? "asked to end" : "the database is being worked on",
					in_flight)));
	proc_exit(1);
}
