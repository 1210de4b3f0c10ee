/*-------------------------------------------------------------------------
 *
 * keyed_row.c
 *		Rows looked up by primary key, and updated, without predicate locks.
 *
 * All versions of the row are fetched (SnapshotAny), and the latest snapshot is asked of
 * each whether it shows it: one, at most, however the row is being changed.  For scans
 * of this kind PostgreSQL takes no predicate locks, neither on the index nor on the row,
 * and does not ask who wrote the versions that are not shown.
 *
 * A serializable transaction needs neither: whoever changes such a row holds a lock of
 * ours (lock.h), or changes what may as well change a moment later, as a washman's
 * status and a user's block; and most of them are not serializable.  It would pay for
 * both.  Of transactions that have ended PostgreSQL forgets nothing while any that has
 * written goes on: their locks fill its memory, and from some number on it takes whoever
 * comes upon their versions for concurrent with them, which is 40001 however long ago
 * they ended.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relscan.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "base/array.h"
#include "base/compat.h"
#include "base/keyed_row.h"
#include "base/money.h"
#include "base/own_table.h"

/* An update by hand, under no lock, may move a row after it was found: how often it is looked up. */
#define UPDATE_TRIES 5

/* Open the table; raises as a SELECT would, also where it would show some rows only. */
static Relation
OpenTable(const KeyedTable *table)
{
	Relation	relation = OwnTableOpen(table->name, AccessShareLock);
	Oid			relid = RelationGetRelid(relation);

	if (pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK ||
		check_enable_rls(relid, InvalidOid, false) == RLS_ENABLED)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, table->name);
	return relation;
}

/* Conditions of a scan of the primary key: that its first values, so many, are these. */
static void
MakeScanKeys(Relation index, const Datum *key, int count, ScanKeyData *scan_keys)
{
	for (int i = 0; i < count; i++)
	{
		Oid			type = index->rd_opcintype[i];
		Oid			equal = get_opfamily_member(index->rd_opfamily[i], type, type,
												BTEqualStrategyNumber);

		ScanKeyEntryInitialize(&scan_keys[i], 0, i + 1, BTEqualStrategyNumber, type,
							   index->rd_indcollation[i], get_opcode(equal), key[i]);
	}
}

/* Begin a scan of the primary key for a key, or for so many of its values. */
static IndexScanDesc
BeginScan(Relation relation, Relation index, const Datum *key, int count)
{
	ScanKeyData scan_keys[INDEX_MAX_KEYS];
	IndexScanDesc scan = compat_index_beginscan(relation, index, SnapshotAny, count);

	MakeScanKeys(index, key, count, scan_keys);
	index_rescan(scan, scan_keys, count, NULL, 0);
	return scan;
}

/* Fetch the version that the snapshot shows of the next row that has one. */
static bool
FetchVisible(Relation relation, IndexScanDesc scan, Snapshot snapshot, TupleTableSlot *slot)
{
	ItemPointer place;

	while ((place = index_getnext_tid(scan, ForwardScanDirection)) != NULL)
	{
		bool		again = false;

		/* versions that share an entry of the index come one after the other */
		while (table_index_fetch_tuple(scan->xs_heapfetch, place, SnapshotAny, slot, &again, NULL))
			if (table_tuple_satisfies_snapshot(relation, slot, snapshot))
				return true;
	}
	return false;
}

/* The numbers of what is read. */
static void
FindColumns(const KeyedTable *table, Relation relation, AttrNumber *numbers)
{
	int			i = 0;

	for (; table->columns[i].name != NULL; i++)
		numbers[i] = OwnColumnNumber(relation, &table->columns[i]);
	numbers[i] = InvalidAttrNumber;
}

static void
CopyColumns(const AttrNumber *numbers, TupleTableSlot *slot, KeyedRow *row)
{
	for (int i = 0; numbers[i] != InvalidAttrNumber; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(slot->tts_tupleDescriptor, numbers[i] - 1);
		Datum		value = slot_getattr(slot, numbers[i], &row->nulls[i]);

		if (row->nulls[i])
			row->values[i] = (Datum) 0;
		else if (attribute->attlen == -1)
			row->values[i] = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
		else
			row->values[i] = datumCopy(value, attribute->attbyval, attribute->attlen);
	}
	row->place = slot->tts_tid;
}

bool
KeyedRowRead(const KeyedTable *table, const Datum *key, KeyedRow *row)
{
	Relation	relation = OpenTable(table);
	Relation	index = OwnPrimaryKeyOpen(relation, table->key);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	Snapshot	snapshot;
	IndexScanDesc scan;
	AttrNumber	numbers[KEYED_COLUMNS_MAX + 1];
	bool		found;

	FindColumns(table, relation, numbers);

	/* this transaction's own writes are to be seen */
	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan = BeginScan(relation, index, key, IndexRelationGetNumberOfKeyAttributes(index));
	found = FetchVisible(relation, scan, snapshot, slot);
	if (found)
		CopyColumns(numbers, slot, row);
	index_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
	table_close(relation, NoLock);
	return found;
}

List *
KeyedRowsRead(const KeyedTable *table, const Datum *key, int count)
{
	Relation	relation = OpenTable(table);
	Relation	index = OwnPrimaryKeyOpen(relation, table->key);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	List	   *rows = NIL;
	Snapshot	snapshot;
	IndexScanDesc scan;
	AttrNumber	numbers[KEYED_COLUMNS_MAX + 1];

	FindColumns(table, relation, numbers);
	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan = BeginScan(relation, index, key, count);
	while (FetchVisible(relation, scan, snapshot, slot))
	{
		KeyedRow   *row = palloc(sizeof(KeyedRow));

		CopyColumns(numbers, slot, row);
		rows = lappend(rows, row);
		CHECK_FOR_INTERRUPTS();
	}
	index_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
	table_close(relation, NoLock);
	return rows;
}

Datum
KeyedPlaces(const KeyedTable *table, const Datum *keys, int count, int *found)
{
	Relation	relation = OpenTable(table);
	Relation	index = OwnPrimaryKeyOpen(relation, table->key);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	ItemPointerData *places = palloc(Max(count, 1) * sizeof(ItemPointerData));
	Datum	   *at = palloc(Max(count, 1) * sizeof(Datum));
	ScanKeyData scan_keys[INDEX_MAX_KEYS];
	int			columns = IndexRelationGetNumberOfKeyAttributes(index);
	IndexScanDesc scan;
	Snapshot	snapshot;

	Assert(ActiveSnapshotSet());
	*found = 0;
	CommandCounterIncrement();
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan = compat_index_beginscan(relation, index, SnapshotAny, columns);
	for (int i = 0; i < count; i++)
	{
		if (i == 0)
			MakeScanKeys(index, keys, columns, scan_keys);
		for (int column = 0; column < columns; column++)
			scan_keys[column].sk_argument = keys[i * columns + column];
		index_rescan(scan, scan_keys, columns, NULL, 0);
		if (FetchVisible(relation, scan, snapshot, slot))
		{
			places[*found] = slot->tts_tid;
			at[*found] = PointerGetDatum(&places[*found]);
			(*found)++;
		}
		CHECK_FOR_INTERRUPTS();
	}
	index_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	index_close(index, NoLock);
	table_close(relation, NoLock);
	return FixedArray(at, *found, TIDOID);
}

void
KeyedRowUpdate(const KeyedTable *table, const Datum *key,
			   Statement *statement, const Arguments *arguments)
{
	KeyedTable	place_only = {table->name};

	memcpy(place_only.key, table->key, sizeof(place_only.key));
	for (int i = 0; i < UPDATE_TRIES; i++)
	{
		Arguments	with_place = *arguments;
		KeyedRow	row;

		if (!KeyedRowRead(&place_only, key, &row))
			break;
		ArgumentDatum(&with_place, PointerGetDatum(&row.place));
		if (StatementRun(statement, &with_place) == 1)
			return;
	}
	elog(ERROR, "the row to be updated was not found: %s", statement->sql);
}

char *
KeyedText(const KeyedRow *row, int column)
{
	return row->nulls[column] ? NULL : TextDatumGetCString(row->values[column]);
}

int64
KeyedMoney(const KeyedRow *row, int column)
{
	return MoneyFromColumn(row->values[column]);
}
