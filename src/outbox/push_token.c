/*-------------------------------------------------------------------------
 *
 * push_token.c
 *		The devices that push messages go to, and messages to a user.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"

#include "base/argument.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/statement.h"
#include "outbox/enqueue.h"

#define TOKEN_MAX 255

COMMAND(register_push_token, 0);
COMMAND(unregister_push_token, -1);
COMMAND(notify_user, 0);

static Statement upsert_token = {
	"INSERT INTO washminute_data.push_tokens AS t (token, user_id, platform, registered_at)"
	" VALUES ($2, $1, $3, $4)"
	" ON CONFLICT (token) DO UPDATE"
	"   SET user_id = $1, platform = COALESCE($3, t.platform), registered_at = $4,"
	"       disabled_at = NULL, disabled_reason = NULL",
	4, {TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID}
};

/* what waits for that device is not for its new user */
/* Devices of one user; each of his messages goes to all of them. */
#define DEVICES_MAX 20

static Statement delete_beyond = {
	"DELETE FROM washminute_data.push_tokens WHERE token IN ("
	"  SELECT token FROM washminute_data.push_tokens WHERE user_id = $1"
	"   ORDER BY token = $2 DESC, registered_at DESC, token OFFSET $3)",
	3, {TEXTOID, TEXTOID, INT8OID}
};

static Statement delete_of_others = {
	"DELETE FROM washminute_data.outbox"
	" WHERE token = $1 AND lane = 'push' AND state = 'queued'"
	"   AND recipient_id IS DISTINCT FROM $2",
	2, {TEXTOID, TEXTOID}
};

static Statement delete_token = {
	"DELETE FROM washminute_data.push_tokens WHERE token = $1",
	1, {TEXTOID}
};

/* xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx of letters and digits. */
static bool
IsUuidShaped(const char *token)
{
	static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	if (strlen(token) != sizeof(shape) - 1)
		return false;
	for (int i = 0; shape[i] != '\0'; i++)
		if (shape[i] == '-' ? token[i] != '-' : !isalnum((unsigned char) token[i]))
			return false;
	return true;
}

/*
 * What Expo's own SDK takes for a token (expo-server-sdk-node,
 * isExpoPushToken), less empty brackets and what is not printable ASCII.
 */
static char *
ArgumentToken(FunctionCallInfo fcinfo, int number)
{
	static const char *const prefixes[] = {"ExponentPushToken[", "ExpoPushToken["};
	char	   *token = ArgumentRequiredText(fcinfo, number, "token", TOKEN_MAX);
	size_t		length = strlen(token);
	bool		good = IsUuidShaped(token);

	for (int i = 0; i < lengthof(prefixes); i++)
		if (strncmp(token, prefixes[i], strlen(prefixes[i])) == 0 &&
			token[length - 1] == ']' && length > strlen(prefixes[i]) + 1)
			good = true;
	for (size_t i = 0; i < length; i++)
		if (token[i] <= ' ' || token[i] > '~')
			good = false;
	if (!good)
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "token",
						   "be an Expo push token, ExponentPushToken[...]");
	return token;
}

/* register_push_token(user_id, token, platform): of a user's devices the latest count. */
static Datum
register_push_token_body(FunctionCallInfo fcinfo)
{
	static const char *const platforms[] = {"ios", "android", NULL};
	char	   *user_id = ArgumentId(fcinfo, 0, "user_id");
	char	   *token = ArgumentToken(fcinfo, 1);
	Arguments	arguments = {0};
	Arguments	others = {0};
	Arguments	beyond = {0};

	OutboxRequireUser(user_id);
	ArgumentText(&arguments, user_id);
	ArgumentText(&arguments, token);
	ArgumentText(&arguments, PG_ARGISNULL(2) ? NULL :
				 ArgumentChoice(fcinfo, 2, "platform", platforms));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	StatementRunOne(&upsert_token, &arguments);

	ArgumentText(&others, token);
	ArgumentText(&others, user_id);
	StatementRun(&delete_of_others, &others);
	ArgumentText(&beyond, user_id);
	ArgumentText(&beyond, token);
	ArgumentDatum(&beyond, Int64GetDatum(DEVICES_MAX));
	StatementRun(&delete_beyond, &beyond);
	PG_RETURN_VOID();
}

/* unregister_push_token(token); one that is not there is no error */
static Datum
unregister_push_token_body(FunctionCallInfo fcinfo)
{
	char	   *token = ArgumentToken(fcinfo, 0);
	Arguments	arguments = {0};
	Arguments	others = {0};

	ArgumentText(&arguments, token);
	StatementRun(&delete_token, &arguments);
	ArgumentText(&others, token);
	ArgumentText(&others, NULL);
	StatementRun(&delete_of_others, &others);
	PG_RETURN_VOID();
}

/* notify_user(user_id, event, data): the outbox row's id. */
static Datum
notify_user_body(FunctionCallInfo fcinfo)
{
	char	   *user_id = ArgumentId(fcinfo, 0, "user_id");
	char	   *event = ArgumentRequiredText(fcinfo, 1, "event", EVENT_MAX);
	char	   *data = ArgumentJsonObject(fcinfo, 2, "data", PUSH_DATA_MAX);

	Notice		notice = {user_id, NULL, event, DT_NOEND};

	OutboxRequireUser(user_id);
	PG_RETURN_INT64(OutboxPush(&notice, 1, data));
}
