/*-------------------------------------------------------------------------
 *
 * queue_result.c
 *		The worker's side of the outbox: what became of rows that were claimed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "base/array.h"
#include "base/compat.h"
#include "base/keyed_row.h"
#include "base/statement.h"
#include "outbox/queue.h"

/* How often rows are looked up that somebody else has moved since they were found. */
#define RECORD_TRIES 5

/* Of the primary key: lane, listener, xid, outbox_id. */
#define KEY_COLUMNS 4

/*
 * Rows are looked up by their primary key beforehand (QueuePlaces): for a table that was
 * small when the plan was made the planner looks for the beginning of a key only, which then
 * reads the entries of all dead rows.
 */
static const KeyedTable outbox = {
	"outbox", {{"lane", TEXTOID}, {"listener", TEXTOID}, {"xid", XID8OID}, {"outbox_id", INT8OID}}
};

static Statement delete_done = {
	"DELETE FROM washminute_data.outbox"
	" WHERE ctid = ANY ($2) AND state = 'inflight' AND epoch = $1",
	2, {INT8OID, TIDARRAYOID}
};

/* the sum keeps the planner from looking each id up in an index */
static Statement update_failed = {
	"UPDATE washminute_data.outbox AS o"
	"   SET state = CASE WHEN r.outcome = 3 THEN 'dead' ELSE 'queued' END,"
	"       attempts = o.attempts - CASE WHEN r.outcome = 2 THEN 1 ELSE 0 END,"
	"       due_at = CASE WHEN r.outcome = 3 THEN NULL ELSE r.due_at END, last_error = r.error, failed_at = $6"
	"  FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3),"
	"                  pg_catalog.unnest($4)) AS r (outbox_id, outcome, due_at, error)"
	" WHERE o.ctid = ANY ($7) AND o.outbox_id + 0 = r.outbox_id AND o.state = 'inflight' AND o.epoch = $5",
	7, {INT8ARRAYOID, INT8ARRAYOID, TIMESTAMPTZARRAYOID, TEXTARRAYOID, INT8OID, TIMESTAMPTZOID, TIDARRAYOID}
};

StaticAssertDecl(KEY_COLUMNS <= KEYED_KEY_MAX, "the key of the outbox has too many columns");
StaticAssertDecl(OUTCOME_RELEASED == 2 && OUTCOME_DEAD == 3,
				 "update_failed names them by number");

/* here, too, for each of which it might read the whole index */
static Statement select_rekeyed = {
	"SELECT pg_catalog.array_agg(ctid), pg_catalog.count(*) FROM washminute_data.outbox"
	" WHERE outbox_id + 0 = ANY ($1) AND state = 'inflight' AND epoch = $2",
	2, {INT8ARRAYOID, INT8OID}
};

static Statement lock_results = {
	"SELECT FROM washminute_data.outbox WHERE ctid = ANY ($1) FOR UPDATE NOWAIT",
	1, {TIDARRAYOID}
};

/* The keys' columns, one after the other, as KeyedPlaces wants them. */
static Datum *
KeyColumns(const MessageKey *keys, int count)
{
	Datum	   *columns = palloc(Max(count, 1) * KEY_COLUMNS * sizeof(Datum));

	for (int i = 0; i < count; i++)
	{
		Datum	   *column = &columns[i * KEY_COLUMNS];

		column[0] = CStringGetTextDatum(lane_names[keys[i].lane]);
		column[1] = CStringGetTextDatum(keys[i].listener);
		column[2] = UInt64GetDatum(keys[i].xid);
		column[3] = Int64GetDatum(keys[i].outbox_id);
	}
	return columns;
}

Datum
QueuePlaces(const MessageKey *keys, int count)
{
	int			found;

	return KeyedPlaces(&outbox, KeyColumns(keys, count), count, &found);
}

/*
 * Where the rows with these keys are, and how many there are.  If some are not found,
 * somebody has taken them away or given them another xid, as adopt() does: then those
 * that the worker of this epoch has in flight are looked for by their ids, which reads
 * the whole table.
 */
static Datum
PlacesInFlight(const MessageKey *keys, int count, int64 epoch, int *found)
{
	Datum		places = KeyedPlaces(&outbox, KeyColumns(keys, count), count, found);
	Datum	   *ids;
	Arguments	arguments = {0};

	if (*found == count)
		return places;
	ids = palloc(count * sizeof(Datum));
	for (int i = 0; i < count; i++)
		ids[i] = Int64GetDatum(keys[i].outbox_id);
	ArgumentDatum(&arguments, FixedArray(ids, count, INT8OID));
	ArgumentDatum(&arguments, Int64GetDatum(epoch));
	StatementRunOne(&select_rekeyed, &arguments);
	*found = (int) RowInt64(0, 2);
	return *found == 0 ? places : PointerGetDatum(PG_DETOAST_DATUM_COPY(RowDatum(0, 1)));
}

/*
 * Run a statement that changes rows, their places its last argument; again for those that
 * somebody else's update has moved meanwhile.  Rows that are no longer ours it leaves alone.
 */
static void
RunAtPlaces(Statement *statement, const Arguments *arguments, const MessageKey *keys, int count,
			int64 epoch)
{
	for (int i = 0; i < RECORD_TRIES; i++)
	{
		Arguments	with_places = *arguments;
		int			found;
		uint64		changed;

		ArgumentDatum(&with_places, PlacesInFlight(keys, count, epoch, &found));
		changed = StatementRun(statement, &with_places);
		if (changed == (uint64) found || (i > 0 && changed == 0))
			break;
	}
}

void
QueueRecord(const QueueResult *results, int count, int64 epoch)
{
	MessageKey *done = palloc(count * sizeof(MessageKey));
	MessageKey *failed = palloc(count * sizeof(MessageKey));
	Datum	   *ids = palloc(count * sizeof(Datum));
	Datum	   *outcomes = palloc(count * sizeof(Datum));
	Datum	   *due = palloc(count * sizeof(Datum));
	const char **errors = palloc(count * sizeof(char *));
	int			done_count = 0;
	int			failed_count = 0;
	Arguments	arguments = {0};

	for (int i = 0; i < count; i++)
	{
		if (results[i].outcome == OUTCOME_DONE)
		{
			done[done_count++] = results[i].key;
			continue;
		}
		failed[failed_count] = results[i].key;
		ids[failed_count] = Int64GetDatum(results[i].key.outbox_id);
		outcomes[failed_count] = Int64GetDatum(results[i].outcome);
		due[failed_count] = TimestampTzGetDatum(results[i].due_at);
		errors[failed_count++] = results[i].error;
	}
	if (done_count > 0)
	{
		ArgumentDatum(&arguments, Int64GetDatum(epoch));
		RunAtPlaces(&delete_done, &arguments, done, done_count, epoch);
	}
	if (failed_count > 0)
	{
		arguments.count = 0;
		ArgumentDatum(&arguments, FixedArray(ids, failed_count, INT8OID));
		ArgumentDatum(&arguments, FixedArray(outcomes, failed_count, INT8OID));
		ArgumentDatum(&arguments, FixedArray(due, failed_count, TIMESTAMPTZOID));
		ArgumentDatum(&arguments, TextArray(errors, failed_count));
		ArgumentDatum(&arguments, Int64GetDatum(epoch));
		ArgumentDatum(&arguments, TimestampTzGetDatum(GetCurrentTimestamp()));
		RunAtPlaces(&update_failed, &arguments, failed, failed_count, epoch);
	}
}

void
QueueLock(const QueueResult *results, int count, int64 epoch)
{
	MessageKey *keys = palloc(count * sizeof(MessageKey));
	Arguments	arguments = {0};
	int			found;

	for (int i = 0; i < count; i++)
		keys[i] = results[i].key;
	ArgumentDatum(&arguments, PlacesInFlight(keys, count, epoch, &found));
	StatementRun(&lock_results, &arguments);
}
