/*-------------------------------------------------------------------------
 *
 * position.c
 *		Where a washman is, for those who may know.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "funcapi.h"

#include "base/argument.h"
#include "base/command.h"
#include "base/compat.h"
#include "dispatch/position_table.h"

COMMAND(washman_position, 0);

/* washman_position(washman_id): a row, or none where nobody knows */
static Datum
washman_position_body(FunctionCallInfo fcinfo)
{
	Fix			fix = PositionOf(ArgumentId(fcinfo, 0, "washman_id"));
	Datum		values[4] = {
		Float8GetDatum(fix.longitude),
		Float8GetDatum(fix.latitude),
		TimestampTzGetDatum(fix.at),
		Float8GetDatum(fix.accuracy_m)
	};
	bool		nulls[4] = {[3] = isnan(fix.accuracy_m)};

	if (FixIsNone(&fix))
		InitMaterializedSRF(fcinfo, 0);	/* no row */
	else
		CommandReturnRow(fcinfo, values, nulls);
	return (Datum) 0;
}
