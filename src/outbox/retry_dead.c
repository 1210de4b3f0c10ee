/*-------------------------------------------------------------------------
 *
 * retry_dead.c
 *		Dead letters are queued again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "base/argument.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/statement.h"
#include "outbox/enqueue.h"
#include "outbox/queue.h"

COMMAND(retry_dead, -1);

static Statement revive_dead = {
	"UPDATE washminute_data.outbox AS o"
	"   SET state = 'queued', attempts = 0, due_at = NULL, queued_at = pg_catalog.clock_timestamp(),"
	"       xid = pg_catalog.pg_current_xact_id()"
	" WHERE o.lane = $1 AND o.state = 'dead' AND ($2 IS NULL OR o.failed_at >= $2)"
	"   AND (o.listener = '' OR EXISTS (SELECT FROM washminute_data.listeners AS l"
	"                                    WHERE l.name = o.listener AND l.lane = o.lane))",
	2, {TEXTOID, TIMESTAMPTZOID}
};

/*
 * retry_dead(lane, since): dead letters are queued again, as if new: all of the
 * lane whose listener is still there, or those that failed since a time; how many.
 */
static Datum
retry_dead_body(FunctionCallInfo fcinfo)
{
	static const char *const lanes[] = {
		"push", "push_receipt", "payment", "webhook", "realtime", NULL
	};
	char	   *lane = ArgumentChoice(fcinfo, 0, "lane", lanes);
	Arguments	arguments = {0};
	uint64		revived;

	ArgumentText(&arguments, lane);
	ArgumentDatumOrNull(&arguments,
						PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1),
						PG_ARGISNULL(1));
	revived = StatementRun(&revive_dead, &arguments);
	if (revived > 0)
		WakeAtCommit(WAKE_NEW(LaneByName(lane)));
	PG_RETURN_INT64((int64) revived);
}
