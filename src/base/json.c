/*-------------------------------------------------------------------------
 *
 * json.c
 *		Writes small flat JSON objects as text.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "base/json.h"
#include "base/money.h"

void
JsonOpen(JsonObject *object)
{
	initStringInfo(object);
	appendStringInfoChar(object, '{');
}

/* Begin a member: separator, name, colon. */
static void
JsonName(JsonObject *object, const char *name)
{
	if (object->len > 1)
		appendStringInfoString(object, ", ");
	escape_json(object, name);
	appendStringInfoString(object, ": ");
}

void
JsonText(JsonObject *object, const char *name, const char *text)
{
	if (text == NULL)
		return;
	JsonName(object, name);
	escape_json(object, text);
}

void
JsonInt(JsonObject *object, const char *name, int64 number)
{
	JsonName(object, name);
	appendStringInfo(object, INT64_FORMAT, number);
}

void
JsonBool(JsonObject *object, const char *name, bool value)
{
	JsonName(object, name);
	appendStringInfoString(object, value ? "true" : "false");
}

void
JsonTime(JsonObject *object, const char *name, TimestampTz at)
{
	char		text[MAXDATELEN + 1];

	JsonEncodeDateTime(text, TimestampTzGetDatum(at), TIMESTAMPTZOID, NULL);
	JsonText(object, name, text);
}

void
JsonMoney(JsonObject *object, const char *name, int64 centimes)
{
	JsonName(object, name);
	appendStringInfoString(object, MoneyText(centimes));
}

void
JsonObjectMember(JsonObject *object, const char *name, const char *json)
{
	JsonName(object, name);
	appendStringInfoString(object, json);
}

char *
JsonClose(JsonObject *object)
{
	appendStringInfoChar(object, '}');
	return object->data;
}
