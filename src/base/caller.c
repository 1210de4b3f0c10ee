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
PG_FUNCTION_INFO_V1(washminute_idempotency_key);
PG_FUNCTION_INFO_V1(washminute_request_header);

/*
 * The JSON object held by a setting, or NULL.  Bad JSON raises the parser's error:
 * only a broken gateway can leave it there.
 */
static Jsonb *
SettingObject(const char *setting)
{
	const char *json = GetConfigOption(setting, true, false);
	Jsonb	   *object;

	if (json == NULL || json[0] == '\0')
		return NULL;

	object = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
	return JB_ROOT_IS_OBJECT(object) ? object : NULL;
}

/* Its text member `name`, or NULL. */
static char *
SettingMember(const char *setting, const char *name)
{
	Jsonb	   *object = SettingObject(setting);
	JsonbValue *member;
	JsonbValue	buffer;

	if (object == NULL)
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

Jsonb *
CallerClaims(void)
{
	return SettingObject("request.jwt.claims");
}

char *
CallerHeader(const char *name)
{
	return SettingMember("request.headers", name);
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

	header = CallerHeader("x-request-id");
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

/* washminute.idempotency_key(argument): the argument, else the header Idempotency-Key. */
Datum
washminute_idempotency_key(PG_FUNCTION_ARGS)
{
	char	   *header;

	if (!PG_ARGISNULL(0))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	header = CallerHeader("idempotency-key");
	if (header == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(header));
}

/* washminute.request_header(name) */
Datum
washminute_request_header(PG_FUNCTION_ARGS)
{
	char	   *value = CallerHeader(text_to_cstring(PG_GETARG_TEXT_PP(0)));

	if (value == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(value));
}
