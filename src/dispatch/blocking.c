/*-------------------------------------------------------------------------
 *
 * blocking.c
 *		Users whom an administrator keeps from asking over REST and by sockets.
 *
 * pre_request.c and socket.c turn them away; sockets that they have are disconnected.  A washman who is blocked is still offered what
 * comes, since that is not asked for: suspend him as well.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"

#include "base/argument.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/statement.h"
#include "base/user.h"
#include "outbox/enqueue.h"
#include "realtime/room.h"

COMMAND(block_user, 1);
COMMAND(unblock_user, 1);

static Statement update_blocked = {
	"UPDATE washminute_data.users SET blocked_at = $2, updated_at = $3"
	" WHERE user_id = $1 AND (blocked_at IS NULL) <> ($2 IS NULL)",
	3, {TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

/* Block a user or end that; the same again does nothing. */
static void
SetBlocked(FunctionCallInfo fcinfo, bool blocked)
{
	char	   *user_id = ArgumentId(fcinfo, 0, "user_id");
	char	   *admin_id = ArgumentId(fcinfo, 1, "admin_id");
	char	   *reason = ArgumentRequiredText(fcinfo, 2, "reason", REASON_MAX);
	Datum		now = TimestampTzGetDatum(ClockNow());
	Arguments	arguments = {0};
	JsonObject	data;

	UserRequireKind(admin_id, "admin");
	OutboxRequireUser(user_id);
	ArgumentText(&arguments, user_id);
	ArgumentDatumOrNull(&arguments, now, !blocked);
	ArgumentDatum(&arguments, now);
	if (StatementRun(&update_blocked, &arguments) == 0)
		return;
	JsonOpen(&data);
	JsonText(&data, "userId", user_id);
	JsonText(&data, "reason", reason);
	EventRecord(blocked ? "userBlocked" : "userUnblocked", NULL, admin_id, JsonClose(&data));
	if (blocked)
		RoomLogout(user_id);
}

/* block_user(user_id, admin_id, reason) */
static Datum
block_user_body(FunctionCallInfo fcinfo)
{
	SetBlocked(fcinfo, true);
	PG_RETURN_VOID();
}

/* unblock_user(user_id, admin_id, reason) */
static Datum
unblock_user_body(FunctionCallInfo fcinfo)
{
	SetBlocked(fcinfo, false);
	PG_RETURN_VOID();
}
