/*-------------------------------------------------------------------------
 *
 * idempotency.c
 *		The same key and arguments give the same answer, with one effect.
 *
 * Effect and key are committed together, so there is no window between them and
 * nothing to recover.  A twin that runs at the same moment waits for the key's
 * lock and then reads the answer on the latest snapshot; an insert that met
 * the twin's row instead would fail in a serializable transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/idempotency.h"
#include "base/lock.h"
#include "base/secret.h"
#include "base/statement.h"

static Statement select_key = {
	"SELECT arguments_sha256 = $4, answer::pg_catalog.text"
	"  FROM washminute_data.idempotency_keys"
	" WHERE actor_id = $1 AND command = $2 AND key = $3",
	4, {TEXTOID, TEXTOID, TEXTOID, BYTEAOID}
};

static Statement insert_key = {
	"INSERT INTO washminute_data.idempotency_keys"
	"  (actor_id, command, key, arguments_sha256, answer, created_at)"
	" VALUES ($1, $2, $3, $4, $5::pg_catalog.jsonb, $6)",
	6, {TEXTOID, TEXTOID, TEXTOID, BYTEAOID, TEXTOID, TIMESTAMPTZOID}
};

/* The four arguments that both statements begin with. */
static void
KeyArguments(Arguments *list, const char *actor_id, const char *command,
			 const char *key, const char *arguments)
{
	ArgumentText(list, actor_id);
	ArgumentText(list, command);
	ArgumentText(list, key);
	ArgumentDatum(list, SecretSha256(arguments));
}

char *
IdempotencyBegin(const char *actor_id, const char *command, const char *key,
				 const char *arguments)
{
	Arguments	list = {0};

	LockIdempotencyKey(actor_id, key);
	KeyArguments(&list, actor_id, command, key, arguments);
	if (StatementRun(&select_key, &list) == 0)
		return NULL;
	if (!RowBool(0, 1))
		ErrorRaiseText(WM_IDEMPOTENCY_KEY_REUSED, "key", key);
	return RowText(0, 2);
}

void
IdempotencyEnd(const char *actor_id, const char *command, const char *key,
			   const char *arguments, const char *answer)
{
	Arguments	list = {0};

	KeyArguments(&list, actor_id, command, key, arguments);
	ArgumentText(&list, answer);
	ArgumentDatum(&list, TimestampTzGetDatum(ClockNow()));
	StatementRunOne(&insert_key, &list);
}
