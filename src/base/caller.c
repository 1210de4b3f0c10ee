/*-------------------------------------------------------------------------
 *
 * caller.c
 *		Who is asking, and under which request id.
 *
 * PostgREST verifies the token and leaves its claims in the setting
 * request.jwt.claims of the transaction.  On a connection that had such a
 * setting before, an unset one reads as '', so NULL and '' are alike.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"

#include "base/caller.h"
#include "base/compat.h"
#include "base/errors.h"

PG_FUNCTION_INFO_V1(washminute_current_user_id);
PG_FUNCTION_INFO_V1(washminute_require_caller);

/*
 * The text member `name` of the JSON object held by a setting, or NULL.  Bad
 * JSON raises the parser's error: only a broken gateway can leave it there.
 */
static char *
SettingMember(const char *setting, const char *name)
{
	const char *json = GetConfigOption(setting, true, false);
	Jsonb	   *object;
	JsonbValue *member;
	JsonbValue	buffer;

	if (json == NULL || json[0] == '\0')
		return NULL;

	object = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
	if (!JB_ROOT_IS_OBJECT(object))
		return NULL;
	member = getKeyJsonValueFromContainer(&object->root, name, strlen(name),
										  &buffer);
	if (member == NULL || member->type != jbvString ||
		member->val.string.len == 0)
		return NULL;
	return pnstrdup(member->val.string.val, member->val.string.len);
}

bool
CorrelationIdIsValid(const char *id)
{
	int			length = 0;

	for (; id[length] != '\0'; length++)
		if (id[length] < 0x21 || id[length] > 0x7e)
			return false;
	return length <= CORRELATION_ID_MAX;
}

char *
CallerUserId(void)
{
	return SettingMember("request.jwt.claims", "sub");
}

char *
CallerCorrelationId(void)
{
	const char *own = GetConfigOption("washminute.correlation_id", true, false);
	char	   *header;

	if (own != NULL && own[0] != '\0')
		return pstrdup(own);

	header = SettingMember("request.headers", "x-request-id");
	if (header == NULL || !CorrelationIdIsValid(header))
		return NULL;
	return header;
}

/* washminute.current_user_id() */
Datum
washminute_current_user_id(PG_FUNCTION_ARGS)
{
	char	   *user_id = CallerUserId();

	if (user_id == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(user_id));
}

/* washminute.require_caller(): as current_user_id, but PT401 without a caller. */
Datum
washminute_require_caller(PG_FUNCTION_ARGS)
{
	char	   *user_id = CallerUserId();

	if (user_id == NULL)
		ErrorRaise(WM_CALLER_UNKNOWN, NULL);
	PG_RETURN_TEXT_P(cstring_to_text(user_id));
}
