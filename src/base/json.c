/*-------------------------------------------------------------------------
 *
 * json.c
 *		Writes small flat JSON objects as text.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
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

void
JsonCopy(const JsonObject *object, JsonObject *copy)
{
	initStringInfo(copy);
	appendBinaryStringInfo(copy, object->data, object->len);
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

char *
UuidText(const pg_uuid_t *uuid)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(uuid)));
}

void
JsonUuid(JsonObject *object, const char *name, const pg_uuid_t *uuid)
{
	JsonText(object, name, UuidText(uuid));
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

void
JsonEscape(StringInfo json, const char *text)
{
	escape_json(json, text);
}

char *
JsonClose(JsonObject *object)
{
	appendStringInfoChar(object, '}');
	return object->data;
}

Jsonb *
JsonParse(const char *text)
{
	MemoryContext context = CurrentMemoryContext;
	Jsonb	   *volatile parsed = NULL;

	if (!pg_verify_mbstr(GetDatabaseEncoding(), text, strlen(text), true))
		return NULL;
	PG_TRY();
	{
		parsed = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
	return parsed;
}

Jsonb *
JsonMember(Jsonb *object, const char *name)
{
	JsonbValue	buffer;
	JsonbValue *value;

	if (object == NULL || !JB_ROOT_IS_OBJECT(object))
		return NULL;
	value = getKeyJsonValueFromContainer(&object->root, name, strlen(name), &buffer);
	return value ? JsonbValueToJsonb(value) : NULL;
}

char *
JsonMemberText(Jsonb *object, const char *name)
{
	JsonbValue	buffer;
	JsonbValue *value;

	if (object == NULL || !JB_ROOT_IS_OBJECT(object))
		return NULL;
	value = getKeyJsonValueFromContainer(&object->root, name, strlen(name), &buffer);
	if (value == NULL || value->type == jbvNull)
		return NULL;
	if (value->type == jbvString)
		return pnstrdup(value->val.string.val, value->val.string.len);
	if (value->type == jbvNumeric)
		return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
	return NULL;
}

List *
JsonElements(Jsonb *array)
{
	List	   *elements = NIL;

	if (array == NULL || !JB_ROOT_IS_ARRAY(array) || JB_ROOT_IS_SCALAR(array))
		return NIL;
	for (uint32 i = 0; i < JB_ROOT_COUNT(array); i++)
		elements = lappend(elements,
						   JsonbValueToJsonb(getIthJsonbValueFromContainer(&array->root, i)));
	return elements;
}

char *
JsonStringText(Jsonb *string)
{
	JsonbValue	value;

	if (!JB_ROOT_IS_SCALAR(string) || !JsonbExtractScalar(&string->root, &value) ||
		value.type != jbvString)
		return NULL;
	return pnstrdup(value.val.string.val, value.val.string.len);
}

List *
JsonNames(Jsonb *object)
{
	List	   *names = NIL;
	JsonbIterator *iterator;
	JsonbValue	value;
	JsonbIteratorToken token;

	if (object == NULL || !JB_ROOT_IS_OBJECT(object))
		return NIL;
	iterator = JsonbIteratorInit(&object->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
		if (token == WJB_KEY)
			names = lappend(names, pnstrdup(value.val.string.val, value.val.string.len));
	return names;
}
