/*-------------------------------------------------------------------------
 *
 * missed.c
 *		What a client has missed while it was away.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "base/argument.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/statement.h"

COMMAND(missed_events, 0);

/* Events that one call gives at most. */
#define MISSED_MAX 1000

/* Of each room the next ones, by its key; an event of several of them once. */
static Statement select_missed = {
	"SELECT position, room, event, data, at FROM ("
	"  SELECT DISTINCT ON (e.position) e.*"
	"    FROM pg_catalog.unnest(washminute._live_rooms($1, $4)) AS r (room), LATERAL ("
	"      SELECT position, room, event, data, at FROM washminute_data.socket_events AS s"
	"       WHERE s.room = r.room AND s.position > $2 ORDER BY s.position LIMIT $3) AS e"
	"   ORDER BY e.position, e.room) AS m"
	" ORDER BY position LIMIT $3",
	4, {TEXTOID, INT8OID, INT8OID, BOOLOID}
};

static Statement select_kept = {
	"SELECT socket_events_floor, washminute.live_cursor() FROM washminute_data.instance"
};

/*
 * Some events after that position may be gone; or it is not of this database, which was
 * restored from a backup since.
 */
static void
RequireKept(int64 after)
{
	JsonObject	facts;

	StatementRunOne(&select_kept, NULL);
	if (after >= RowInt64(0, 1) && (after <= RowInt64(0, 2) || RecoveryInProgress()))
		return;
	JsonOpen(&facts);
	JsonInt(&facts, "after", after);
	JsonInt(&facts, "oldest", RowInt64(0, 1));
	JsonInt(&facts, "newest", RowInt64(0, 2));
	ErrorRaise(WM_CURSOR_TOO_OLD, JsonClose(&facts));
}

/* missed_events(user_id, after, max_events, as_admin) */
static Datum
missed_events_body(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Arguments	arguments = {0};
	int64		most = MISSED_MAX;
	uint64		rows;

	ArgumentText(&arguments, ArgumentId(fcinfo, 0, "user_id"));
	ArgumentRequire(fcinfo, 1, "after");
	ArgumentRequire(fcinfo, 3, "as_admin");
	if (PG_GETARG_INT64(1) < 0)
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "after", "be a position, or 0");
	if (!PG_ARGISNULL(2))
		most = PG_GETARG_INT32(2);
	if (most < 1 || most > MISSED_MAX)
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "max_events", psprintf("be from 1 to %d", MISSED_MAX));

	InitMaterializedSRF(fcinfo, 0);
	ArgumentDatum(&arguments, PG_GETARG_DATUM(1));
	ArgumentDatum(&arguments, Int64GetDatum(most));
	ArgumentDatum(&arguments, PG_GETARG_DATUM(3));
	rows = StatementRun(&select_missed, &arguments);
	for (uint64 row = 0; row < rows; row++)
	{
		Datum		values[5];
		bool		nulls[5] = {false};

		for (int i = 0; i < lengthof(values); i++)
			values[i] = RowDatum(row, i + 1);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}

	/* afterwards: what is cleared away from now on was read */
	RequireKept(PG_GETARG_INT64(1));
	return (Datum) 0;
}
