/*-------------------------------------------------------------------------
 *
 * array.c
 *		C arrays to SQL arrays and back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "base/array.h"

Datum
TextArray(const char *const *texts, int count)
{
	Datum	   *values = palloc(Max(count, 1) * sizeof(Datum));
	bool	   *nulls = palloc(Max(count, 1) * sizeof(bool));
	int			dims[1] = {count};
	int			lower_bounds[1] = {1};

	for (int i = 0; i < count; i++)
	{
		nulls[i] = texts[i] == NULL;
		values[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(texts[i]);
	}
	return PointerGetDatum(construct_md_array(values, nulls, 1, dims,
											  lower_bounds, TEXTOID, -1, false,
											  TYPALIGN_INT));
}

Datum
FixedArray(Datum *values, int count, Oid type)
{
	int16		length;
	bool		by_value;
	char		align;

	get_typlenbyvalalign(type, &length, &by_value, &align);
	return PointerGetDatum(construct_array(values, count, type, length,
										   by_value, align));
}

int
ArrayElements(FunctionCallInfo fcinfo, int number, Oid type, Datum **values,
			  bool **nulls)
{
	int16		length;
	bool		by_value;
	char		align;
	int			count;

	get_typlenbyvalalign(type, &length, &by_value, &align);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(number), type, length, by_value,
					  align, values, nulls, &count);
	return count;
}
