/*-------------------------------------------------------------------------
 *
 * queue.c
 *		The worker's side of the outbox: find and claim rows.
 *
 * How new rows are found.  What breaks queues in PostgreSQL is an old snapshot,
 * held by a dump or a report: dead rows and their index entries cannot be
 * removed, and a worker that looks for the oldest queued row wades through
 * them each time.  Here the cursor over new rows is a snapshot itself.  Each
 * row carries the id of the transaction that wrote it (xid), and between a
 * snapshot S and a later one T exactly these rows became visible:
 *
 *		- those of transactions that were running in S and ended since
 *		- those from S's xmax on, below T's xmax
 *
 * Both are short ranges of the primary key (lane, listener, xid, outbox_id), and what
 * was seen is never looked at again.  Nothing is missed by late commits, since
 * T's running transactions are looked at in the next pass.
 *
 * Rows that wait for their time (a retry, a receipt) have due_at and are found by
 * it: one whose time is still to come when a pass meets it comes later than
 * due_seen.  Whoever but the worker puts a row back, or makes it due earlier, gives
 * it a new xid, as retry_dead() does; what is changed by hand without that is
 * found when the server's configuration is reloaded, which resets the cursors.
 *
 * A claim changes no indexed column, so it is a HOT update; a delivered row is
 * deleted.  The claim's commit flushes WAL, the writer's commit before it
 * included, before anything is sent: also where the writer did not wait for that.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "storage/itemptr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/array.h"
#include "base/compat.h"
#include "base/statement.h"
#include "outbox/queue.h"

/* Rows of a pass that are kept in mind at a time, where their ids give the order. */
#define PASS_ROWS_MAX 500000

/* What both kinds of looking return; queued, or in flight of an earlier epoch. */
#define MESSAGE_COLUMNS \
	"SELECT ctid, xid, outbox_id, attempts, state = 'inflight', queued_at," \
	"       created_at, expires_at, event, data::pg_catalog.text," \
	"       recipient_id, correlation_id, due_at, audience, token" \
	"  FROM washminute_data.outbox WHERE"
#define MESSAGE_DESTINATION " lane = $1 AND listener = $2"
#define MESSAGE_CLAIMABLE \
	" AND (state = 'queued' OR (state = 'inflight' AND epoch < $4))" \
	" AND (due_at IS NULL OR due_at <= $5)"

static Statement select_new = {
	MESSAGE_COLUMNS MESSAGE_DESTINATION
	" AND (xid, outbox_id) > ($6, $7) AND xid < $8"
	MESSAGE_CLAIMABLE
	" ORDER BY xid, outbox_id LIMIT $3",
	8, {TEXTOID, TEXTOID, INT8OID, INT8OID, TIMESTAMPTZOID, XID8OID, INT8OID, XID8OID}
};

/*
 * Of transactions that were running when the last pass began.  Each is a range as
 * above: as a mere condition the list would be a filter, once statistics advise it,
 * on all entries of the destination, those of dead rows too.
 */
static Statement select_ended = {
	"SELECT m.* FROM pg_catalog.unnest($8) AS ended (id), LATERAL ("
	MESSAGE_COLUMNS MESSAGE_DESTINATION
	" AND (xid, outbox_id) > (ended.id, CASE WHEN ended.id = $6 THEN $7 ELSE 0 END)"
	" AND xid <= ended.id"
	MESSAGE_CLAIMABLE
	" ORDER BY xid, outbox_id LIMIT $3) AS m"
	" ORDER BY m.xid, m.outbox_id LIMIT $3",
	8, {TEXTOID, TEXTOID, INT8OID, INT8OID, TIMESTAMPTZOID, XID8OID, INT8OID, XID8ARRAYOID}
};

static Statement select_due = {
	MESSAGE_COLUMNS MESSAGE_DESTINATION
	" AND due_at > $6"
	MESSAGE_CLAIMABLE
	" ORDER BY due_at LIMIT $3",
	6, {TEXTOID, TEXTOID, INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static Statement select_next_due = {
	"SELECT due_at FROM washminute_data.outbox"
	" WHERE lane = $1 AND listener = $2 AND due_at > $3"
	"   AND (state = 'queued' OR (state = 'inflight' AND epoch < $4))"
	" ORDER BY due_at LIMIT 1",
	4, {TEXTOID, TEXTOID, TIMESTAMPTZOID, INT8OID}
};

/*
 * For rows that are taken in the order of their ids: those of a pass.  What has become
 * visible since the pass began is left to the next one, since it may follow what is of
 * no pass yet.  OFFSET has each range looked up by itself: without it the planner may
 * read all entries of the destination, those of dead rows too, and compare.
 */
static Statement select_pass = {
	"SELECT pg_catalog.array_agg(p.xid), pg_catalog.array_agg(p.outbox_id) FROM ("
	"SELECT xid, outbox_id FROM washminute_data.outbox"
	"   WHERE lane = $1 AND listener = $2 AND xid >= $4 AND xid < $5 AND xid <> ALL ($7)"
	"     AND state = 'queued' AND (due_at IS NULL OR due_at <= $3)"
	" UNION ALL "
	"SELECT o.xid, o.outbox_id FROM pg_catalog.unnest($6) AS ended (id), LATERAL ("
	"  SELECT xid, outbox_id FROM washminute_data.outbox"
	"   WHERE lane = $1 AND listener = $2 AND xid >= ended.id AND xid <= ended.id AND xid <> ALL ($7)"
	"     AND state = 'queued' AND (due_at IS NULL OR due_at <= $3) OFFSET 0) AS o"
	" ORDER BY outbox_id LIMIT $8) AS p",
	8, {TEXTOID, TEXTOID, TIMESTAMPTZOID, XID8OID, XID8OID, XID8ARRAYOID, XID8ARRAYOID, INT8OID}
};

/* and a few of them, at their places */
static Statement select_places = {
	MESSAGE_COLUMNS " ctid = ANY ($6)" MESSAGE_CLAIMABLE,
	6, {TEXTOID, TEXTOID, INT8OID, INT8OID, TIMESTAMPTZOID, TIDARRAYOID}
};

static Statement update_claimed = {
	"UPDATE washminute_data.outbox"
	"   SET state = 'inflight', attempts = attempts + 1, epoch = $2, claimed_at = $3"
	" WHERE ctid = ANY ($1) AND (state = 'queued' OR (state = 'inflight' AND epoch < $2))"
	" RETURNING outbox_id, xid",
	3, {TIDARRAYOID, INT8OID, TIMESTAMPTZOID}
};

static Statement delete_taken = {
	"DELETE FROM washminute_data.outbox WHERE ctid = ANY ($1) AND state = 'queued' RETURNING outbox_id, xid",
	1, {TIDARRAYOID}
};

static Statement update_epoch = {
	"UPDATE washminute_data.instance SET worker_epoch = worker_epoch + 1"
	" RETURNING worker_epoch"
};

static Statement bury_abandoned = {
	"UPDATE washminute_data.outbox"
	"   SET state = 'dead', due_at = NULL, last_error = 'the listener was removed',"
	"       failed_at = pg_catalog.clock_timestamp()"
	" WHERE (lane, listener, xid, outbox_id) IN"
	" (SELECT o.lane, o.listener, o.xid, o.outbox_id FROM washminute_data.outbox AS o"
	"   WHERE o.listener <> ''"
	"     AND (o.state = 'queued' OR (o.state = 'inflight' AND o.epoch < $1))"
	"     AND NOT EXISTS (SELECT FROM washminute_data.listeners AS l"
	"                      WHERE l.name = o.listener AND l.lane = o.lane)"
	"     FOR UPDATE SKIP LOCKED)",
	1, {INT8OID}
};

static Statement select_prepared = {
	"SELECT FROM pg_catalog.pg_prepared_xacts"
	" WHERE database = pg_catalog.current_database() LIMIT 1"
};

static Statement disable_listener = {
	"UPDATE washminute_data.listeners SET enabled = false WHERE name IN"
	" (SELECT name FROM washminute_data.listeners WHERE name = $1 AND url = $2 AND enabled"
	"     FOR UPDATE SKIP LOCKED)",
	2, {TEXTOID, TEXTOID}
};

void
QueueCursorReset(QueueCursor *cursor)
{
	free(cursor->seen_running);
	free(cursor->pass_running);
	free(cursor->pass_rows);
	*cursor = (QueueCursor) {
		.due_seen = DT_NOBEGIN,
		.next_due = DT_NOEND,
		.is_news = true,
		.is_due_news = true
	};
}

bool
QueueCursorHasWork(const QueueCursor *cursor, TimestampTz now)
{
	return cursor->in_pass || cursor->is_news || cursor->is_due_news ||
		cursor->next_due <= now;
}

void
MessageFree(Message *message)
{
	MemoryContextDelete(message->context);
}

/* A 32-bit id of a snapshot as the 64-bit one of the column xid. */
static uint64
WideXid(TransactionId xid, FullTransactionId next)
{
	uint32		epoch = EpochFromFullTransactionId(next);

	if (xid > XidFromFullTransactionId(next))
		epoch--;
	return U64FromFullTransactionId(FullTransactionIdFromEpochAndXid(epoch, xid));
}

/* Begin a pass: what has become visible up to now. */
static void
PassBegin(QueueCursor *cursor)
{
	Snapshot	snapshot = GetLatestSnapshot();
	FullTransactionId next = ReadNextFullTransactionId();
	TransactionId own = GetTopTransactionIdIfAny();
	uint64	   *running = malloc((snapshot->xcnt + 1) * sizeof(uint64));
	int			count = 0;

	if (running == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	for (uint32 i = 0; i < snapshot->xcnt; i++)
		running[count++] = WideXid(snapshot->xip[i], next);

	/* a snapshot leaves its own transaction out, which may write rows yet (FanOut) */
	if (TransactionIdIsValid(own) && TransactionIdPrecedes(own, snapshot->xmax))
		running[count++] = WideXid(own, next);

	cursor->pass_xmax = WideXid(snapshot->xmax, next);
	cursor->pass_running = running;
	cursor->pass_running_count = count;
	cursor->in_pass = true;
	cursor->in_running = cursor->seen_running_count > 0;
	cursor->at_xid = cursor->in_running ? 0 : cursor->seen_xmax;
	cursor->at_id = 0;
	cursor->is_news = false;

	/* it may pass over rows for later that nobody told of */
	cursor->is_due_news = true;
}

/* The part of the pass that is under way has no more rows. */
static void
PassPartEnd(QueueCursor *cursor)
{
	if (cursor->in_running)
	{
		cursor->in_running = false;
		cursor->at_xid = cursor->seen_xmax;
		cursor->at_id = 0;
		return;
	}
	free(cursor->seen_running);
	cursor->seen_xmax = cursor->pass_xmax;
	cursor->seen_running = cursor->pass_running;
	cursor->seen_running_count = cursor->pass_running_count;
	cursor->pass_running = NULL;
	cursor->in_pass = false;
}

static Message *
MessageRead(Lane lane, const char *listener, uint64 row)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "washminute message",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(context);
	Message    *message = palloc0(sizeof(Message));

	message->context = context;
	message->key = (MessageKey) {lane, listener, DatumGetUInt64(RowDatum(row, 2)), RowInt64(row, 3)};
	message->attempts = DatumGetInt32(RowDatum(row, 4)) + 1;
	message->orphan = RowBool(row, 5);
	message->queued_at = RowTime(row, 6);
	message->created_at = RowTime(row, 7);
	message->expires_at = RowIsNull(row, 8) ? DT_NOEND : RowTime(row, 8);
	message->event = RowText(row, 9);
	message->data = RowText(row, 10);
	message->recipient_id = RowText(row, 11);
	message->correlation_id = RowText(row, 12);
	message->audience = RowText(row, 14);
	message->token = RowText(row, 15);
	MemoryContextSwitchTo(previous);
	return message;
}

/* The arguments that all three ways of looking begin with. */
static void
LookArguments(Arguments *arguments, Lane lane, const char *listener,
			  int limit, int64 epoch, TimestampTz now)
{
	ArgumentText(arguments, lane_names[lane]);
	ArgumentText(arguments, listener);
	ArgumentDatum(arguments, Int64GetDatum(limit));
	ArgumentDatum(arguments, Int64GetDatum(epoch));
	ArgumentDatum(arguments, TimestampTzGetDatum(now));
}

/*
 * Claim the rows that were just found.  Whatever somebody else changed or took
 * away meanwhile is not updated, and not claimed.
 */
static List *
ClaimFound(Lane lane, const char *listener, uint64 rows, int64 epoch, TimestampTz now)
{
	Message   **found = palloc(rows * sizeof(Message *));
	Datum	   *ctids = palloc(rows * sizeof(Datum));
	List	   *claimed = NIL;
	Arguments	arguments = {0};
	uint64		updated;

	for (uint64 row = 0; row < rows; row++)
	{
		ItemPointer ctid = palloc(sizeof(ItemPointerData));

		ItemPointerCopy((ItemPointer) DatumGetPointer(RowDatum(row, 1)), ctid);
		ctids[row] = PointerGetDatum(ctid);
		found[row] = MessageRead(lane, listener, row);
	}
	ArgumentDatum(&arguments, FixedArray(ctids, (int) rows, TIDOID));
	if (epoch != QUEUE_TAKE)
	{
		ArgumentDatum(&arguments, Int64GetDatum(epoch));
		ArgumentDatum(&arguments, TimestampTzGetDatum(now));
	}
	updated = StatementRun(epoch == QUEUE_TAKE ? &delete_taken : &update_claimed, &arguments);

	for (uint64 i = 0; i < rows; i++)
	{
		uint64		at = i;

		/* a TID scan goes by block, which may be another order */
		if (at >= updated || RowInt64(at, 1) != found[i]->key.outbox_id)
			for (at = 0; at < updated; at++)
				if (RowInt64(at, 1) == found[i]->key.outbox_id)
					break;
		if (at == updated)
		{
			MessageFree(found[i]);
			continue;
		}
		/* where the update has waited for another one, that may have changed it */
		found[i]->key.xid = DatumGetUInt64(RowDatum(at, 2));
		claimed = lappend(claimed, found[i]);
	}
	return claimed;
}

/* Rows whose time has come; the cursor is moved past them. */
static List *
ClaimDue(Lane lane, const char *listener, QueueCursor *cursor, int limit,
		 int64 epoch, TimestampTz now)
{
	Arguments	arguments = {0};
	uint64		rows;
	List	   *claimed;
	TimestampTz last;

	LookArguments(&arguments, lane, listener, limit, epoch, now);
	ArgumentDatum(&arguments, TimestampTzGetDatum(cursor->due_seen));
	rows = StatementRun(&select_due, &arguments);
	if (rows > 0)
	{
		last = RowTime(rows - 1, 13);
		claimed = ClaimFound(lane, listener, rows, epoch, now);
	}
	else
	{
		last = now;
		claimed = NIL;
	}
	if ((int) rows == limit)
	{
		/* others may be due at the very same moment: those are not passed */
		cursor->due_seen = last - 1;
		cursor->next_due = now;
		return claimed;
	}
	cursor->due_seen = now;
	cursor->next_due = DT_NOEND;
	cursor->is_due_news = true;
	return claimed;
}

/* When the next row that waits is due. */
static void
LookNextDue(Lane lane, const char *listener, QueueCursor *cursor, int64 epoch)
{
	Arguments	arguments = {0};

	ArgumentText(&arguments, lane_names[lane]);
	ArgumentText(&arguments, listener);
	ArgumentDatum(&arguments, TimestampTzGetDatum(cursor->due_seen));
	ArgumentDatum(&arguments, Int64GetDatum(epoch));
	cursor->next_due = StatementRun(&select_next_due, &arguments) > 0 ?
		RowTime(0, 1) : DT_NOEND;
	cursor->is_due_news = false;
}

/* The next rows of the pass. */
static List *
ClaimNew(Lane lane, const char *listener, QueueCursor *cursor, int limit,
		 int64 epoch, TimestampTz now)
{
	Arguments	arguments = {0};
	uint64		rows;

	LookArguments(&arguments, lane, listener, limit, epoch, now);
	ArgumentDatum(&arguments, UInt64GetDatum(cursor->at_xid));
	ArgumentDatum(&arguments, Int64GetDatum(cursor->at_id));
	if (cursor->in_running)
	{
		Datum	   *xids = palloc(cursor->seen_running_count * sizeof(Datum));
		int			count = 0;

		for (int i = 0; i < cursor->seen_running_count; i++)
			if (cursor->seen_running[i] >= cursor->at_xid)
				xids[count++] = UInt64GetDatum(cursor->seen_running[i]);
		ArgumentDatum(&arguments, FixedArray(xids, count, XID8OID));
		rows = StatementRun(&select_ended, &arguments);
	}
	else
	{
		ArgumentDatum(&arguments, UInt64GetDatum(cursor->pass_xmax));
		rows = StatementRun(&select_new, &arguments);
	}
	if (rows > 0)
	{
		cursor->at_xid = DatumGetUInt64(RowDatum(rows - 1, 2));
		cursor->at_id = RowInt64(rows - 1, 3);
	}
	if ((int) rows < limit)
	{
		List	   *claimed = rows > 0 ? ClaimFound(lane, listener, rows, epoch, now) : NIL;

		PassPartEnd(cursor);
		return claimed;
	}
	return ClaimFound(lane, listener, rows, epoch, now);
}

static Datum
XidArray(const uint64 *xids, int count)
{
	Datum	   *values = palloc(Max(count, 1) * sizeof(Datum));

	for (int i = 0; i < count; i++)
		values[i] = UInt64GetDatum(xids[i]);
	return FixedArray(values, count, XID8OID);
}

/* Read what rows the pass has, or the next of them. */
static void
PassReadRows(Lane lane, const char *listener, QueueCursor *cursor, TimestampTz now)
{
	Arguments	arguments = {0};
	ArrayType  *xids;
	ArrayType  *ids;

	ArgumentText(&arguments, lane_names[lane]);
	ArgumentText(&arguments, listener);
	ArgumentDatum(&arguments, TimestampTzGetDatum(now));
	ArgumentDatum(&arguments, UInt64GetDatum(cursor->seen_xmax));
	ArgumentDatum(&arguments, UInt64GetDatum(cursor->pass_xmax));
	ArgumentDatum(&arguments, XidArray(cursor->seen_running, cursor->seen_running_count));
	ArgumentDatum(&arguments, XidArray(cursor->pass_running, cursor->pass_running_count));
	ArgumentDatum(&arguments, Int64GetDatum(PASS_ROWS_MAX));
	StatementRunOne(&select_pass, &arguments);

	free(cursor->pass_rows);
	cursor->pass_rows = NULL;
	cursor->pass_at = cursor->pass_count = 0;
	if (RowIsNull(0, 1))
		return;
	xids = DatumGetArrayTypeP(RowDatum(0, 1));
	ids = DatumGetArrayTypeP(RowDatum(0, 2));
	cursor->pass_count = ArrayGetNItems(ARR_NDIM(ids), ARR_DIMS(ids));
	cursor->pass_rows = malloc(cursor->pass_count * sizeof(PassRow));
	if (cursor->pass_rows == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	for (int i = 0; i < cursor->pass_count; i++)
		cursor->pass_rows[i] = (PassRow) {
			((uint64 *) ARR_DATA_PTR(xids))[i], ((int64 *) ARR_DATA_PTR(ids))[i]
		};
}

/*
 * The next rows of the pass in the order of their ids: whoever has seen what another
 * transaction queued, and queued something then, has the higher id, whichever of the
 * two began first.
 */
static List *
TakeInOrder(Lane lane, const char *listener, QueueCursor *cursor, int limit, TimestampTz now)
{
	Arguments	arguments = {0};
	MessageKey *keys = palloc(limit * sizeof(MessageKey));
	int			count = 0;
	bool		is_all;
	uint64		rows;

	if (cursor->pass_at == cursor->pass_count)
		PassReadRows(lane, listener, cursor, now);
	is_all = cursor->pass_count < PASS_ROWS_MAX;
	while (count < limit && cursor->pass_at < cursor->pass_count)
	{
		PassRow		row = cursor->pass_rows[cursor->pass_at++];

		keys[count++] = (MessageKey) {lane, listener, row.xid, row.outbox_id};
	}
	if (cursor->pass_at == cursor->pass_count && is_all)
	{
		cursor->pass_at = cursor->pass_count = 0;
		cursor->in_running = false;
		PassPartEnd(cursor);
	}
	if (count == 0)
		return NIL;
	LookArguments(&arguments, lane, listener, limit, QUEUE_TAKE, now);
	ArgumentDatum(&arguments, QueuePlaces(keys, count));
	rows = StatementRun(&select_places, &arguments);
	return rows > 0 ? ClaimFound(lane, listener, rows, QUEUE_TAKE, now) : NIL;
}

List *
QueueClaim(Lane lane, const char *listener, QueueCursor *cursor, int limit,
		   int64 epoch, TimestampTz now)
{
	List	   *claimed = NIL;

	/* the clock was set back: rows may be due before what was seen */
	if (cursor->due_seen > now)
	{
		cursor->due_seen = DT_NOBEGIN;
		cursor->is_due_news = true;
	}
	if (cursor->is_due_news)
		LookNextDue(lane, listener, cursor, epoch);
	if (cursor->next_due <= now)
		claimed = ClaimDue(lane, listener, cursor, limit, epoch, now);

	while (list_length(claimed) < limit)
	{
		if (!cursor->in_pass)
		{
			if (!cursor->is_news)
				break;
			PassBegin(cursor);
		}
		claimed = list_concat(claimed, epoch == QUEUE_TAKE ?
							  TakeInOrder(lane, listener, cursor,
										  limit - list_length(claimed), now) :
							  ClaimNew(lane, listener, cursor,
									   limit - list_length(claimed), epoch, now));
	}

	/* a pass may have met rows for later */
	if (cursor->is_due_news)
		LookNextDue(lane, listener, cursor, epoch);
	return claimed;
}

int64
QueueNextEpoch(void)
{
	StatementRunOne(&update_epoch, NULL);
	return RowInt64(0, 1);
}

uint64
QueueBuryAbandoned(int64 epoch)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, Int64GetDatum(epoch));
	return StatementRun(&bury_abandoned, &arguments);
}

bool
QueueHasPrepared(void)
{
	return StatementRun(&select_prepared, NULL) > 0;
}

void
QueueDisableListener(const char *name, const char *url)
{
	Arguments	arguments = {0};

	ArgumentText(&arguments, name);
	ArgumentText(&arguments, url);
	StatementRun(&disable_listener, &arguments);
}
