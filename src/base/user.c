/*-------------------------------------------------------------------------
 *
 * user.c
 *		What a user is: customer, washman, administrator.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/caller.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/keyed_row.h"
#include "base/user.h"

COMMAND(require_kind, -1);

enum UserColumn
{
	USER_BLOCKED_AT,
	USER_KINDS,
	USER_LOCALE
};

static const KeyedTable users = {
	"users", {{"user_id", TEXTOID}},
	{
		[USER_BLOCKED_AT] = {"blocked_at", TIMESTAMPTZOID},
		[USER_KINDS] = {"kinds", TEXTARRAYOID},
		[USER_LOCALE] = {"locale", TEXTOID}
	}
};

bool
UserIsKind(const char *user_id, const char *kind)
{
	Datum		key = CStringGetTextDatum(user_id);
	KeyedRow	row;
	Datum	   *kinds;
	int			count;

	if (!KeyedRowRead(&users, &key, &row))
	{
		if (strcmp(kind, "washman") == 0)
			ErrorRaiseText(WM_WASHMAN_NOT_FOUND, "washmanId", user_id);
		ErrorRaiseText(WM_USER_NOT_FOUND, "userId", user_id);
	}
	deconstruct_array(KeyedArray(&row, USER_KINDS), TEXTOID, -1, false, TYPALIGN_INT,
					  &kinds, NULL, &count);
	for (int i = 0; i < count; i++)
		if (strcmp(TextDatumGetCString(kinds[i]), kind) == 0)
			return true;
	return false;
}

void
UserRequireKind(const char *user_id, const char *kind)
{
	if (!UserIsKind(user_id, kind))
		ErrorRaiseText(WM_WRONG_KIND, "kind", kind);
}

void
UserRequireUnblocked(const char *user_id)
{
	Datum		key = CStringGetTextDatum(user_id);
	KeyedRow	row;

	if (KeyedRowRead(&users, &key, &row) && !KeyedIsNull(&row, USER_BLOCKED_AT))
		ErrorRaise(WM_USER_BLOCKED, NULL);
}

char *
UserLocale(const char *user_id)
{
	Datum		key = CStringGetTextDatum(user_id);
	KeyedRow	row;

	if (!KeyedRowRead(&users, &key, &row))
		ErrorRaiseText(WM_USER_NOT_FOUND, "userId", user_id);
	return KeyedText(&row, USER_LOCALE);
}

/* require_kind(kind): the caller's id, if he is known and of that kind */
static Datum
require_kind_body(FunctionCallInfo fcinfo)
{
	char	   *user_id = CallerUserId();

	if (user_id == NULL)
		ErrorRaise(WM_CALLER_UNKNOWN, NULL);
	UserRequireKind(user_id, text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_TEXT_P(cstring_to_text(user_id));
}
