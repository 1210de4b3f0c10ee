/*-------------------------------------------------------------------------
 *
 * operator.c
 *		What an administrator does with washmen and jobs, for a reason that is
 *		kept in the log.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "base/argument.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/settings.h"
#include "base/statement.h"
#include "dispatch/request.h"
#include "outbox/enqueue.h"

COMMAND(reassign_request, 1);
COMMAND(suspend_washman, 1);
COMMAND(reinstate_washman, 1);

static Statement update_suspension = {
	"UPDATE washminute_data.washmen SET suspended_at = $2"
	" WHERE washman_id = $1 AND (suspended_at IS NULL) <> ($2 IS NULL)",
	2, {TEXTOID, TIMESTAMPTZOID}
};

/* Suspend a washman or end that; the same again does nothing. */
static void
SetSuspension(FunctionCallInfo fcinfo, bool suspended)
{
	char	   *washman_id = ArgumentId(fcinfo, 0, "washman_id");
	char	   *admin_id = ArgumentId(fcinfo, 1, "admin_id");
	char	   *reason = ArgumentRequiredText(fcinfo, 2, "reason", REASON_MAX);
	Arguments	arguments = {0};
	JsonObject	data;

	UserRequireKind(admin_id, "admin");
	UserRequireKind(washman_id, "washman");
	LockWashman(washman_id);
	ArgumentText(&arguments, washman_id);
	ArgumentDatumOrNull(&arguments, TimestampTzGetDatum(ClockNow()), !suspended);
	if (StatementRun(&update_suspension, &arguments) == 0)
		return;
	JsonOpen(&data);
	JsonText(&data, "washmanId", washman_id);
	JsonText(&data, "reason", reason);
	EventRecord(suspended ? "washmanSuspended" : "washmanReinstated", NULL, admin_id,
				JsonClose(&data));
}

/*
 * suspend_washman(washman_id, admin_id, reason): he is offered nothing more and can
 * accept nothing.  A job in hand stays his, unless it is reassigned.
 */
static Datum
suspend_washman_body(FunctionCallInfo fcinfo)
{
	SetSuspension(fcinfo, true);
	PG_RETURN_VOID();
}

/* reinstate_washman(washman_id, admin_id, reason) */
static Datum
reinstate_washman_body(FunctionCallInfo fcinfo)
{
	SetSuspension(fcinfo, false);
	PG_RETURN_VOID();
}

/* Both washmen, in the order of their ids. */
static void
LockWashmen(const char *one, const char *other)
{
	bool		in_order = other == NULL || strcmp(one, other) < 0;

	if (!in_order)
		LockWashman(other);
	LockWashman(one);
	if (in_order && other != NULL)
		LockWashman(other);
}

/*
 * reassign_request(request_id, admin_id, washman_id, reason): gives a request, or
 * the job of another washman before the work begins, to this one, whether or not it
 * was offered to him.
 */
static Datum
reassign_request_body(FunctionCallInfo fcinfo)
{
	pg_uuid_t  *request_id = ArgumentUuid(fcinfo, 0, "request_id");
	char	   *admin_id = ArgumentId(fcinfo, 1, "admin_id");
	char	   *washman_id = ArgumentId(fcinfo, 2, "washman_id");
	char	   *reason = ArgumentRequiredText(fcinfo, 3, "reason", REASON_MAX);
	Request		request;
	Settings	settings;

	UserRequireKind(admin_id, "admin");
	UserRequireKind(washman_id, "washman");
	RequestLock(request_id, &request);
	RequestCheckMove(&request, "accepted", ACTOR_ADMIN);
	if (request.washman_id != NULL && strcmp(request.washman_id, washman_id) == 0)
		ErrorRaiseText(WM_ALREADY_ACCEPTED, "washmanId", washman_id);
	LockWashmen(washman_id, request.washman_id);
	RequestSettings(&request, &settings);
	if (request.washman_id != NULL)
	{
		RequestEndJob(&request, "reassigned", &settings);
		RequestTell(&request, request.washman_id, "washman", "jobReassigned");
	}
	RequestAssign(&request, washman_id, ACTOR_ADMIN, admin_id, reason, &settings);
	PG_RETURN_VOID();
}
