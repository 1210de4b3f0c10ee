/*-------------------------------------------------------------------------
 *
 * history.c
 *		The story of a request, out of the event log.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"

#include "base/argument.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/statement.h"
#include "dispatch/request.h"

#define HISTORY_COLUMNS 4

COMMAND(request_history, -1);

static Statement select_events = {
	"SELECT at, event, actor_id, data FROM washminute_data.events"
	" WHERE request_id = $1 ORDER BY event_id",
	1, {UUIDOID}
};

/* request_history(request_id): what happened, in order. */
static Datum
request_history_body(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	pg_uuid_t  *request_id = ArgumentUuid(fcinfo, 0, "request_id");
	Arguments	arguments = {0};
	Request		request;
	uint64		rows;

	RequestRead(request_id, &request);
	InitMaterializedSRF(fcinfo, 0);
	ArgumentDatum(&arguments, UUIDPGetDatum(request_id));
	rows = StatementRun(&select_events, &arguments);
	for (uint64 row = 0; row < rows; row++)
	{
		Datum		values[HISTORY_COLUMNS];
		bool		nulls[HISTORY_COLUMNS];

		for (int i = 0; i < HISTORY_COLUMNS; i++)
		{
			values[i] = RowDatum(row, i + 1);
			nulls[i] = RowIsNull(row, i + 1);
		}
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
