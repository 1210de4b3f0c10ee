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
 * A position of one who is offline goes to the table.  He may be coming online in
 * another transaction, which cannot see it yet: so once it is committed the index is
 * told, too.
 *
 * Whoever prepares a transaction is not there when it is committed, so that is
 * refused, as it is for NOTIFY.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "base/array.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/identity.h"
#include "base/statement.h"
#include "dispatch/live_index.h"
#include "dispatch/live_status.h"

PG_FUNCTION_INFO_V1(washminute_washman_changed);

typedef struct ChangeKey
{
	int			id_length;
	char		id[LIVE_ID_MAX];	/* the rest is zero */
} ChangeKey;

typedef struct Change
{
	ChangeKey	key;
	uint32		slot;			/* reserved; LIVE_NONE: he has not come online */
	bool		online;			/* as read last */
	uint64		version;
} Change;

/* A position that the table has got, see LiveReportAtCommit. */
typedef struct LateReport
{
	ChangeKey	key;
	Fix			fix;
	double		max_speed;
} LateReport;

static Change *changes = NULL;
static int	change_count = 0;
static int	change_capacity = 0;
static HTAB *change_numbers = NULL; /* from key to number, while there are any */
static bool all_changed = false;	/* TRUNCATE */

static LateReport *late_reports = NULL;
static int	late_count = 0;
static int	late_capacity = 0;

typedef struct ChangeNumber
{
	ChangeKey	key;
	int			number;
} ChangeNumber;

static Statement select_position = {
	"SELECT ST_X(last_location::geometry), ST_Y(last_location::geometry),"
	"       last_location_updated_at, COALESCE(accuracy_m, 'NaN')"
	"  FROM washminute_data.washman_positions WHERE washman_id = $1",
	1, {TEXTOID}
};

#define SELECT_ONLINE \
	"SELECT washman_id FROM washminute_data.washmen" \
	" WHERE washman_id = ANY ($1) AND status = 'online' AND suspended_at IS NULL"

static Statement select_online = {SELECT_ONLINE, 1, {TEXTARRAYOID}};

/*
 * A row whose change was undone by a savepoint is not locked by us any more, and
 * another transaction may be changing it: its version must be newer than what is
 * read here, or older.  All are locked, whether they are online or not.
 */
static Statement lock_changed = {
	"SELECT FROM washminute_data.washmen WHERE washman_id = ANY ($1)"
	" ORDER BY washman_id FOR NO KEY UPDATE",
	1, {TEXTARRAYOID}
};

static ChangeKey
KeyOf(const char *id, int id_length)
{
	ChangeKey	key = {.id_length = id_length};

	memcpy(key.id, id, id_length);
	return key;
}

static Change *
ChangeFind(const char *id, int id_length)
{
	ChangeKey	key;
	ChangeNumber *entry;

	if (change_count == 0 || id_length > LIVE_ID_MAX)
		return NULL;
	key = KeyOf(id, id_length);
	entry = hash_search(change_numbers, &key, HASH_FIND, NULL);
	return entry ? &changes[entry->number] : NULL;
}

/* Room for one more, in an array that outlives the transaction. */
static void *
MakeRoom(void *array, int count, int *capacity, Size size)
{
	int			wanted = Max(8, *capacity * 2);

	if (count < *capacity)
		return array;
	array = array == NULL ? MemoryContextAllocHuge(TopMemoryContext, wanted * size) :
		repalloc_huge(array, wanted * size);
	*capacity = wanted;
	return array;
}

static void
MakeChangeNumbers(void)
{
	HASHCTL		control = {
		.keysize = sizeof(ChangeKey),
		.entrysize = sizeof(ChangeNumber),
		.hcxt = TopMemoryContext
	};

	if (change_numbers == NULL)
		change_numbers = hash_create("washminute changes", 64, &control,
									 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static Change *
ChangeAdd(const char *id, int id_length)
{
	Change	   *change = ChangeFind(id, id_length);
	ChangeKey	key = KeyOf(id, id_length);
	ChangeNumber *entry;

	if (change != NULL)
		return change;
	changes = MakeRoom(changes, change_count, &change_capacity, sizeof(Change));
	MakeChangeNumbers();
	entry = hash_search(change_numbers, &key, HASH_ENTER, NULL);
	entry->number = change_count;
	change = &changes[change_count++];
	*change = (Change) {.key = key, .slot = LIVE_NONE};
	return change;
}

void
LiveReportAtCommit(const char *id, int id_length, const Fix *fix, double max_speed)
{
	if (!LiveIsShared() || id_length > LIVE_ID_MAX)
		return;
	late_reports = MakeRoom(late_reports, late_count, &late_capacity, sizeof(LateReport));
	late_reports[late_count++] = (LateReport) {KeyOf(id, id_length), *fix, max_speed};
}

/* He may come online: have a slot for him, with the position that the table has. */
static void
Reserve(Change *change)
{
	Arguments	arguments = {0};

	change->slot = LiveReserve(change->key.id, change->key.id_length);
	if (change->slot == LIVE_NONE)
		ErrorRaise(WM_LIVE_INDEX_FULL, NULL);

	SPI_connect();
	ArgumentText(&arguments, pnstrdup(change->key.id, change->key.id_length));
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

/* Has the transaction dropped the table? */
static bool
TableIsGone(void)
{
	Oid			namespace = get_namespace_oid("washminute_data", true);

	return !OidIsValid(namespace) || !OidIsValid(get_relname_relid("washmen", namespace));
}

/* Read what the transaction has made of them so far. */
static void
ReadChanges(bool lock)
{
	const char **ids = palloc(change_count * sizeof(char *));
	Arguments	arguments = {0};
	Identity	saved;
	uint64		rows;
	int			nest_level;

	for (int i = 0; i < change_count; i++)
	{
		ids[i] = pnstrdup(changes[i].key.id, changes[i].key.id_length);
		changes[i].online = false;
	}
	CommandCounterIncrement();
	if (TableIsGone())
	{
		all_changed = true;
		return;
	}
	nest_level = StatementSettings();
	SPI_connect();
	IdentityBecomeOwner(&saved);
	ArgumentDatum(&arguments, TextArray(ids, change_count));
	if (lock)
		StatementRun(&lock_changed, &arguments);
	rows = StatementRun(&select_online, &arguments);
	for (uint64 row = 0; row < rows; row++)
	{
		char	   *id = RowText(row, 1);
		Change	   *change = ChangeFind(id, strlen(id));

		if (change != NULL)
			change->online = true;
	}
	IdentityRestore(&saved);
	SPI_finish();
	AtEOXact_GUC(true, nest_level);
}

/* He was online before, and what was changed of that was undone. */
static bool
IsUndone(const Change *change)
{
	return change->online && change->slot == LIVE_NONE;
}

bool
LiveHasChanges(void)
{
	return change_count > 0 || all_changed;
}

bool
LiveHasTruncated(void)
{
	return all_changed;
}

int
LiveChanges(LiveChange **changed)
{
	int			count = 0;

	*changed = palloc(Max(change_count, 1) * sizeof(LiveChange));
	if (change_count > 0)
		ReadChanges(false);
	for (int i = 0; i < change_count; i++)
		if (!IsUndone(&changes[i]))
			(*changed)[count++] = (LiveChange) {
				pnstrdup(changes[i].key.id, changes[i].key.id_length), changes[i].online
			};
	return count;
}

bool
LiveIsChanged(const char *id)
{
	const Change *change = ChangeFind(id, strlen(id));

	return change != NULL && !IsUndone(change);
}

static void
EndChanges(bool committed)
{
	for (int i = 0; i < change_count; i++)
	{
		const Change *change = &changes[i];

		if (committed && !IsUndone(change))
			LiveApply(change->key.id, change->key.id_length, change->online, change->version);
		if (change->slot != LIVE_NONE)
			LiveRelease(change->slot);
	}
	change_count = 0;
	if (change_numbers != NULL)
		hash_destroy(change_numbers);
	change_numbers = NULL;
	if (all_changed && committed)
		LiveInvalidate();
	all_changed = false;
}

static void
EndLateReports(bool committed)
{
	for (int i = 0; committed && LiveIsHere() && i < late_count; i++)
		(void) LiveReport(late_reports[i].key.id, late_reports[i].key.id_length,
						  &late_reports[i].fix, late_reports[i].max_speed);
	late_count = 0;
}

static void
TransactionEvent(XactEvent event, void *argument)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			if (change_count > 0)
				ReadChanges(true);
			for (int i = 0; i < change_count; i++)
				changes[i].version = LiveNextVersion();
			break;
		case XACT_EVENT_COMMIT:
			EndChanges(true);
			EndLateReports(true);
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			EndChanges(false);
			EndLateReports(false);
			break;
		case XACT_EVENT_PRE_PREPARE:
			if (!LiveHasChanges())
				break;
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot PREPARE a transaction that has changed the status of a washman"),
					 errhint("Commit it instead: the live index takes such a change over at commit.")));
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
