/*-------------------------------------------------------------------------
 *
 * live_status.c
 *		Changes of a washman's status, taken over by the live index at commit.
 *
 * A trigger notes whose row of washmen was changed, by whatever statement, and
 * reserves a slot for one who comes online: where there is none, that is an error
 * of the statement.  Before the commit the rows are read again, since savepoints
 * may have undone the change; each gets a version then, while its row is locked,
 * so that versions follow the order of the commits.  At the commit, where an error
 * would be a PANIC, what was read is applied: two commits may do that in reverse,
 * and the index takes newer versions only.  If the transaction is rolled back the
 * reservation is given up, and nothing has happened.
 *
 * Whoever prepares a transaction is not there when it is committed, so that is
 * refused, as it is for NOTIFY.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/array.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/identity.h"
#include "base/statement.h"
#include "dispatch/live_index.h"
#include "dispatch/live_status.h"

PG_FUNCTION_INFO_V1(washminute_washman_changed);

typedef struct Change
{
	char		id[LIVE_ID_MAX];
	int			id_length;
	uint32		slot;			/* reserved; LIVE_NONE: not needed */
	bool		online;			/* as read before the commit */
	uint64		version;
} Change;

static Change *changes = NULL;
static int	change_count = 0;
static int	change_capacity = 0;
static bool all_changed = false;	/* TRUNCATE */

static Statement select_position = {
	"SELECT ST_X(last_location::geometry), ST_Y(last_location::geometry),"
	"       last_location_updated_at, COALESCE(accuracy_m, 'NaN')"
	"  FROM washminute_data.washman_positions WHERE washman_id = $1",
	1, {TEXTOID}
};

static Statement select_online = {
	"SELECT washman_id FROM washminute_data.washmen"
	" WHERE washman_id = ANY ($1) AND status = 'online' AND suspended_at IS NULL",
	1, {TEXTARRAYOID}
};

static Change *
ChangeFind(const char *id, int id_length)
{
	for (int i = 0; i < change_count; i++)
		if (changes[i].id_length == id_length && memcmp(changes[i].id, id, id_length) == 0)
			return &changes[i];
	return NULL;
}

static Change *
ChangeAdd(const char *id, int id_length)
{
	Change	   *change = ChangeFind(id, id_length);

	if (change != NULL)
		return change;
	if (change_count == change_capacity)
	{
		int			capacity = Max(8, change_capacity * 2);
		Size		size = capacity * sizeof(Change);

		changes = changes == NULL ? MemoryContextAlloc(TopMemoryContext, size) :
			repalloc(changes, size);
		change_capacity = capacity;
	}
	change = &changes[change_count++];
	memcpy(change->id, id, id_length);
	change->id_length = id_length;
	change->slot = LIVE_NONE;
	change->online = false;
	return change;
}

/* He may come online: have a slot for him, with the position that the table has. */
static void
Reserve(Change *change)
{
	Arguments	arguments = {0};

	change->slot = LiveReserve(change->id, change->id_length);
	if (change->slot == LIVE_NONE)
		ErrorRaise(WM_LIVE_INDEX_FULL, NULL);

	SPI_connect();
	ArgumentText(&arguments, pnstrdup(change->id, change->id_length));
	if (StatementRun(&select_position, &arguments) > 0)
	{
		Fix			fix = {RowFloat8(0, 1), RowFloat8(0, 2), RowTime(0, 3), RowFloat8(0, 4)};

		LiveSeed(change->slot, &fix);
	}
	SPI_finish();
}

/* What an argument names; NULL where that can be in no index. */
static Change *
ArgumentChange(FunctionCallInfo fcinfo, int number)
{
	text	   *id;

	if (PG_ARGISNULL(number))
		return NULL;
	id = PG_GETARG_TEXT_PP(number);
	return VARSIZE_ANY_EXHDR(id) > LIVE_ID_MAX ? NULL :
		ChangeAdd(VARDATA_ANY(id), VARSIZE_ANY_EXHDR(id));
}

/*
 * washminute._washman_changed(before, after, online): the triggers on washmen call
 * it with the ids of a row, and whether it is to be matched on; with none for TRUNCATE.
 */
Datum
washminute_washman_changed(PG_FUNCTION_ARGS)
{
	Change	   *change;

	if (!LiveIsUsed())
		PG_RETURN_VOID();
	if (PG_ARGISNULL(0) && PG_ARGISNULL(1))
		all_changed = true;
	(void) ArgumentChange(fcinfo, 0);
	change = ArgumentChange(fcinfo, 1);
	if (change != NULL && !PG_ARGISNULL(2) && PG_GETARG_BOOL(2) && change->slot == LIVE_NONE)
		Reserve(change);
	PG_RETURN_VOID();
}

/* Read what the transaction has made of them so far. */
static void
ReadChanges(void)
{
	const char **ids = palloc(change_count * sizeof(char *));
	Arguments	arguments = {0};
	Identity	saved;
	uint64		rows;

	for (int i = 0; i < change_count; i++)
	{
		ids[i] = pnstrdup(changes[i].id, changes[i].id_length);
		changes[i].online = false;
	}
	CommandCounterIncrement();
	SPI_connect();
	IdentityBecomeOwner(&saved);
	ArgumentDatum(&arguments, TextArray(ids, change_count));
	rows = StatementRun(&select_online, &arguments);
	for (uint64 row = 0; row < rows; row++)
	{
		char	   *id = RowText(row, 1);
		Change	   *change = ChangeFind(id, strlen(id));

		if (change != NULL && change->slot != LIVE_NONE)
			change->online = true;
	}
	IdentityRestore(&saved);
	SPI_finish();
}

bool
LiveHasChanges(void)
{
	return change_count > 0;
}

int
LiveChanges(LiveChange **changed)
{
	*changed = palloc(Max(change_count, 1) * sizeof(LiveChange));
	if (change_count > 0)
		ReadChanges();
	for (int i = 0; i < change_count; i++)
		(*changed)[i] = (LiveChange) {
			pnstrdup(changes[i].id, changes[i].id_length), changes[i].online
		};
	return change_count;
}

static void
EndChanges(bool committed)
{
	for (int i = 0; i < change_count; i++)
	{
		if (committed)
			LiveApply(changes[i].id, changes[i].id_length, changes[i].online,
					  changes[i].version);
		if (changes[i].slot != LIVE_NONE)
			LiveRelease(changes[i].slot);
	}
	change_count = 0;
	if (all_changed && committed)
		LiveInvalidate();
	all_changed = false;
}

static void
TransactionEvent(XactEvent event, void *argument)
{
	if (change_count == 0 && !all_changed)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			if (change_count > 0)
				ReadChanges();
			for (int i = 0; i < change_count; i++)
				changes[i].version = LiveNextVersion();
			break;
		case XACT_EVENT_COMMIT:
			EndChanges(true);
			break;
		case XACT_EVENT_ABORT:
			EndChanges(false);
			break;
		case XACT_EVENT_PRE_PREPARE:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot PREPARE a transaction that has changed the status of a washman")));
			break;
		default:
			break;
	}
}

void
LiveStatusInit(void)
{
	if (process_shared_preload_libraries_in_progress)
		RegisterXactCallback(TransactionEvent, NULL);
}
