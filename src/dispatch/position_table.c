/*-------------------------------------------------------------------------
 *
 * position_table.c
 *		Positions in the table: of those whom the live index does not hold.
 *
 * Rows are locked and written in the order of the ids, so that two such calls
 * cannot deadlock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/hsearch.h"

#include "base/argument.h"
#include "base/array.h"
#include "base/compat.h"
#include "base/statement.h"
#include "dispatch/live_index.h"
#include "dispatch/position_table.h"

/* Bytes of an id with its zero byte: a character has four at the most. */
#define KEY_BYTES (ID_MAX * 4 + 1)

/* What is known of a washman, and becomes of it. */
typedef struct Position
{
	char		washman_id[KEY_BYTES];
	Fix			held;
	Fix			suspect;
	bool		changed;
	bool		known;			/* he exists */
} Position;

static Statement select_held = {
	"SELECT p.washman_id, ST_X(p.last_location::geometry), ST_Y(p.last_location::geometry),"
	"       p.last_location_updated_at, COALESCE(p.accuracy_m, 'NaN'),"
	"       ST_X(p.suspect_location::geometry), ST_Y(p.suspect_location::geometry), p.suspect_at"
	"  FROM washminute_data.washman_positions AS p"
	" WHERE p.washman_id = ANY ($1)"
	"   AND EXISTS (SELECT FROM washminute_data.washmen AS w WHERE w.washman_id = p.washman_id)"
	" ORDER BY p.washman_id FOR UPDATE OF p",
	1, {TEXTARRAYOID}
};

static Statement upsert_positions = {
	"INSERT INTO washminute_data.washman_positions AS p"
	"  (washman_id, last_location, last_location_updated_at, accuracy_m, suspect_location, suspect_at)"
	" SELECT r.washman_id, ST_SetSRID(ST_MakePoint(r.longitude, r.latitude), 4326)::geography,"
	"        r.at, NULLIF(r.accuracy_m, 'NaN'),"
	"        CASE WHEN r.suspect_at <> '-infinity'"
	"             THEN ST_SetSRID(ST_MakePoint(r.suspect_longitude, r.suspect_latitude), 4326)::geography END,"
	"        NULLIF(r.suspect_at, '-infinity')"
	"   FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2), pg_catalog.unnest($3),"
	"                   pg_catalog.unnest($4), pg_catalog.unnest($5), pg_catalog.unnest($6),"
	"                   pg_catalog.unnest($7), pg_catalog.unnest($8))"
	"        AS r (washman_id, longitude, latitude, at, accuracy_m,"
	"              suspect_longitude, suspect_latitude, suspect_at)"
	"   JOIN washminute_data.washmen AS w ON w.washman_id = r.washman_id"
	"  ORDER BY r.washman_id"
	" ON CONFLICT (washman_id) DO UPDATE"
	"   SET last_location = EXCLUDED.last_location,"
	"       last_location_updated_at = EXCLUDED.last_location_updated_at,"
	"       accuracy_m = EXCLUDED.accuracy_m,"
	"       suspect_location = EXCLUDED.suspect_location, suspect_at = EXCLUDED.suspect_at"
	" WHERE EXCLUDED.last_location_updated_at >= p.last_location_updated_at"
	" RETURNING washman_id",
	8, {TEXTARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID, TIMESTAMPTZARRAYOID, FLOAT8ARRAYOID,
	FLOAT8ARRAYOID, FLOAT8ARRAYOID, TIMESTAMPTZARRAYOID}
};

static Statement select_position = {
	"SELECT ST_X(last_location::geometry), ST_Y(last_location::geometry),"
	"       last_location_updated_at, COALESCE(accuracy_m, 'NaN')"
	"  FROM washminute_data.washman_positions WHERE washman_id = $1",
	1, {TEXTOID}
};

/* who was not written, since somebody else wrote something newer at the same moment */
static Statement select_known = {
	"SELECT washman_id FROM washminute_data.washmen WHERE washman_id = ANY ($1)",
	1, {TEXTARRAYOID}
};

static Position *
PositionFind(HTAB *positions, const char *washman_id)
{
	bool		found;
	Position   *position = hash_search(positions, washman_id, HASH_ENTER, &found);

	if (!found)
	{
		position->held = FIX_NONE;
		position->suspect = FIX_NONE;
		position->changed = false;
		position->known = false;
	}
	return position;
}

static void
ReadHeld(HTAB *positions, const Report *reports, int count)
{
	const char **ids = palloc(count * sizeof(char *));
	Arguments	arguments = {0};
	uint64		rows;

	for (int i = 0; i < count; i++)
		ids[i] = reports[i].washman_id;
	ArgumentDatum(&arguments, TextArray(ids, count));
	rows = StatementRun(&select_held, &arguments);
	for (uint64 row = 0; row < rows; row++)
	{
		Position   *position = PositionFind(positions, RowText(row, 1));

		position->held = (Fix) {
			RowFloat8(row, 2), RowFloat8(row, 3), RowTime(row, 4), RowFloat8(row, 5)
		};
		if (!RowIsNull(row, 8))
			position->suspect = (Fix) {
				RowFloat8(row, 6), RowFloat8(row, 7), RowTime(row, 8), NAN
			};
		position->known = true;
	}
}

static void
Judge(HTAB *positions, Report *report, double max_speed)
{
	Position   *position = PositionFind(positions, report->washman_id);

	report->verdict = FixJudge(&position->held, &position->suspect, &report->fix,
							   max_speed);
	if (report->verdict == FIX_TAKEN)
	{
		position->held = report->fix;
		position->suspect = FIX_NONE;
	}
	else if (report->verdict == FIX_IMPOSSIBLE)
		position->suspect = report->fix;
	if (report->verdict != FIX_OLD)
		position->changed = true;
}

/* Write what has changed; who was written is known. */
static void
WriteChanged(HTAB *positions)
{
	int			most = hash_get_num_entries(positions);
	const char **ids = palloc(most * sizeof(char *));
	Datum	   *columns[7];
	static const Oid types[7] = {
		FLOAT8OID, FLOAT8OID, TIMESTAMPTZOID, FLOAT8OID, FLOAT8OID, FLOAT8OID, TIMESTAMPTZOID
	};
	Arguments	arguments = {0};
	HASH_SEQ_STATUS scan;
	Position   *position;
	int			count = 0;
	uint64		rows;

	for (int i = 0; i < lengthof(columns); i++)
		columns[i] = palloc(most * sizeof(Datum));
	hash_seq_init(&scan, positions);
	while ((position = hash_seq_search(&scan)) != NULL)
	{
		if (!position->changed)
			continue;
		ids[count] = position->washman_id;
		columns[0][count] = Float8GetDatum(position->held.longitude);
		columns[1][count] = Float8GetDatum(position->held.latitude);
		columns[2][count] = TimestampTzGetDatum(position->held.at);
		columns[3][count] = Float8GetDatum(position->held.accuracy_m);
		columns[4][count] = Float8GetDatum(position->suspect.longitude);
		columns[5][count] = Float8GetDatum(position->suspect.latitude);
		columns[6][count] = TimestampTzGetDatum(position->suspect.at);
		count++;
	}
	if (count == 0)
		return;
	ArgumentDatum(&arguments, TextArray(ids, count));
	for (int i = 0; i < lengthof(columns); i++)
		ArgumentDatum(&arguments, FixedArray(columns[i], count, types[i]));
	rows = StatementRun(&upsert_positions, &arguments);
	if (rows < count)
	{
		arguments.count = 0;
		ArgumentDatum(&arguments, TextArray(ids, count));
		rows = StatementRun(&select_known, &arguments);
	}
	for (uint64 row = 0; row < rows; row++)
		PositionFind(positions, RowText(row, 1))->known = true;
}

void
PositionTableTake(Report *reports, int count, double max_speed)
{
	HASHCTL		control = {
		.keysize = KEY_BYTES,
		.entrysize = sizeof(Position),
		.hcxt = CurrentMemoryContext
	};
	HTAB	   *positions = hash_create("washminute positions", Max(count, 16), &control,
										HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);

	ReadHeld(positions, reports, count);
	for (int i = 0; i < count; i++)
		Judge(positions, &reports[i], max_speed);
	WriteChanged(positions);
	for (int i = 0; i < count; i++)
		if (!PositionFind(positions, reports[i].washman_id)->known)
			reports[i].verdict = FIX_STRANGER;
	hash_destroy(positions);
}

Fix
PositionOf(const char *washman_id)
{
	Fix			live = LiveIsUsed() ? LiveFix(washman_id, strlen(washman_id)) : FIX_NONE;
	Arguments	arguments = {0};

	ArgumentText(&arguments, washman_id);
	if (StatementRun(&select_position, &arguments) == 0 || RowTime(0, 3) <= live.at)
		return live;
	return (Fix) {RowFloat8(0, 1), RowFloat8(0, 2), RowTime(0, 3), RowFloat8(0, 4)};
}
