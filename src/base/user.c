/*-------------------------------------------------------------------------
 *
 * user.c
 *		What a user is: customer, washman, administrator.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/compat.h"
#include "base/errors.h"
#include "base/statement.h"
#include "base/user.h"

static Statement select_user_kind = {
	"SELECT $2 = ANY (kinds) FROM washminute_data.users WHERE user_id = $1",
	2, {TEXTOID, TEXTOID}
};

bool
UserIsKind(const char *user_id, const char *kind)
{
	Arguments	arguments = {0};

	ArgumentText(&arguments, user_id);
	ArgumentText(&arguments, kind);
	if (StatementRun(&select_user_kind, &arguments) == 0)
	{
		if (strcmp(kind, "washman") == 0)
			ErrorRaiseText(WM_WASHMAN_NOT_FOUND, "washmanId", user_id);
		ErrorRaiseText(WM_USER_NOT_FOUND, "userId", user_id);
	}
	return RowBool(0, 1);
}

void
UserRequireKind(const char *user_id, const char *kind)
{
	if (!UserIsKind(user_id, kind))
		ErrorRaiseText(WM_WRONG_KIND, "kind", kind);
}
