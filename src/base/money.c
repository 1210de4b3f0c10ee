/*-------------------------------------------------------------------------
 *
 * money.c
 *		Amounts: numeric(12,2) MAD in SQL, whole centimes in C.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/numeric.h"

#include "base/errors.h"
#include "base/money.h"

/* The numeric times 100, as a numeric. */
static Datum
TimesHundred(Datum numeric)
{
	return DirectFunctionCall2(numeric_mul, numeric,
							   NumericGetDatum(int64_to_numeric(100)));
}

int64
MoneyFromArgument(Datum numeric, const char *argument)
{
	Numeric		value = DatumGetNumeric(numeric);
	Datum		hundredfold;
	Datum		whole;

	if (numeric_is_nan(value) || numeric_is_inf(value))
		ErrorRaiseArgument(WM_AMOUNT_INVALID, argument, "be a number");

	if (DatumGetBool(DirectFunctionCall2(numeric_gt,
										 DirectFunctionCall1(numeric_abs, numeric),
										 MoneyToNumeric(MONEY_MAX))))
		ErrorRaiseArgument(WM_AMOUNT_INVALID, argument,
						   "be below 10 000 000 000");
	hundredfold = TimesHundred(numeric);
	whole = DirectFunctionCall2(numeric_trunc, hundredfold, Int32GetDatum(0));
	if (!DatumGetBool(DirectFunctionCall2(numeric_eq, hundredfold, whole)))
		ErrorRaiseArgument(WM_AMOUNT_INVALID, argument,
						   "have at most two decimals");
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, whole));
}

int64
MoneyFromColumn(Datum numeric)
{
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, TimesHundred(numeric)));
}

Datum
MoneyToNumeric(int64 centimes)
{
	return NumericGetDatum(int64_div_fast_to_numeric(centimes, 2));
}

char *
MoneyText(int64 centimes)
{
	int64		size = centimes < 0 ? -centimes : centimes;

	return psprintf("%s" INT64_FORMAT ".%02d", centimes < 0 ? "-" : "",
					size / 100, (int) (size % 100));
}

int64
MoneyPercent(int64 centimes, double percent)
{
	/* per cent settings have at most two decimals, so this is exact */
	int64		hundredths = (int64) rint(percent * 100.0);

	return (centimes * hundredths + 5000) / 10000;
}
