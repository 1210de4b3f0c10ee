/*-------------------------------------------------------------------------
 *
 * argument.c
 *		Checks of what callers give, each with a clear error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "base/argument.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"

void
ArgumentRequire(FunctionCallInfo fcinfo, int number, const char *name)
{
	if (PG_ARGISNULL(number))
		ErrorRaiseArgument(WM_ARGUMENT_MISSING, name, "be given");
}

/* Raise unless the text is not blank, not too long, free of control characters. */
static void
CheckText(const char *text, const char *name, int max_chars)
{
	bool		blank = true;

	if (pg_mbstrlen(text) > max_chars)
	{
		JsonObject	facts;

		JsonOpen(&facts);
		JsonText(&facts, "argument", name);
		JsonInt(&facts, "most", max_chars);
		ErrorRaise(WM_ARGUMENT_TOO_LONG, JsonClose(&facts));
	}
	for (const unsigned char *p = (const unsigned char *) text; *p; p++)
	{
		if (*p < 0x20 || *p == 0x7f)
			ErrorRaiseArgument(WM_ARGUMENT_INVALID, name,
							   "have no control characters");
		if (*p != ' ')
			blank = false;
	}
	if (blank)
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, name, "not be empty");
}

char *
ArgumentOptionalText(FunctionCallInfo fcinfo, int number, const char *name,
					 int max_chars)
{
	char	   *value;

	if (PG_ARGISNULL(number))
		return NULL;
	value = text_to_cstring(PG_GETARG_TEXT_PP(number));
	CheckText(value, name, max_chars);
	return value;
}

char *
ArgumentRequiredText(FunctionCallInfo fcinfo, int number, const char *name,
					 int max_chars)
{
	ArgumentRequire(fcinfo, number, name);
	return ArgumentOptionalText(fcinfo, number, name, max_chars);
}

char *
ArgumentId(FunctionCallInfo fcinfo, int number, const char *name)
{
	return ArgumentRequiredText(fcinfo, number, name, ID_MAX);
}

pg_uuid_t *
ArgumentUuid(FunctionCallInfo fcinfo, int number, const char *name)
{
	ArgumentRequire(fcinfo, number, name);
	return PG_GETARG_UUID_P(number);
}

char *
ArgumentJsonObject(FunctionCallInfo fcinfo, int number, const char *name,
				   int max_bytes)
{
	Jsonb	   *jsonb;
	char	   *text;

	if (PG_ARGISNULL(number))
		return pstrdup("{}");
	jsonb = PG_GETARG_JSONB_P(number);
	if (!JB_ROOT_IS_OBJECT(jsonb))
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, name, "be a JSON object");
	text = JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
	if (strlen(text) > (size_t) max_bytes)
		ErrorRaiseArgument(WM_ARGUMENT_TOO_LONG, name,
						   psprintf("have at most %d bytes", max_bytes));
	return text;
}

char *
ArgumentChoice(FunctionCallInfo fcinfo, int number, const char *name,
			   const char *const *choices)
{
	StringInfoData must;
	char	   *value;

	ArgumentRequire(fcinfo, number, name);
	value = text_to_cstring(PG_GETARG_TEXT_PP(number));
	initStringInfo(&must);
	appendStringInfoString(&must, "be one of");
	for (int i = 0; choices[i] != NULL; i++)
	{
		if (strcmp(value, choices[i]) == 0)
			return value;
		appendStringInfo(&must, "%s %s", i > 0 ? "," : "", choices[i]);
	}
	ErrorRaiseArgument(WM_ARGUMENT_INVALID, name, must.data);
}

double
ArgumentPositive(FunctionCallInfo fcinfo, int number, const char *name,
				 double standard)
{
	double		value;

	if (PG_ARGISNULL(number))
		return standard;
	value = PG_GETARG_FLOAT8(number);
	if (!isfinite(value) || value <= 0)
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, name, "be a number above 0");
	return value;
}

bool
PlaceIsOnGlobe(double longitude, double latitude)
{
	/* NaN and infinity fail these too */
	return longitude >= -180 && longitude <= 180 &&
		latitude >= -90 && latitude <= 90;
}

void
ArgumentPlace(FunctionCallInfo fcinfo, int number, double *longitude,
			  double *latitude)
{
	ArgumentRequire(fcinfo, number, "longitude");
	ArgumentRequire(fcinfo, number + 1, "latitude");
	*longitude = PG_GETARG_FLOAT8(number);
	*latitude = PG_GETARG_FLOAT8(number + 1);
	if (!PlaceIsOnGlobe(*longitude, *latitude))
		ErrorRaise(WM_COORDINATE_INVALID, NULL);
}
