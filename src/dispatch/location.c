/*-------------------------------------------------------------------------
 *
 * location.c
 *		Positions come in.
 *
 * A position older than the one held is ignored: phones send late what they
 * could not send in time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"

#include "base/argument.h"
#include "base/array.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/statement.h"

/* How far a device's clock may run ahead, in microseconds. */
#define CLOCK_TOLERANCE (5 * USECS_PER_SEC)

COMMAND(report_location, 0);
COMMAND(report_locations, -1);

static Statement upsert_position = {
	"INSERT INTO washminute_data.washman_positions AS p"
	"  (washman_id, last_location, last_location_updated_at, accuracy_m)"
	" SELECT w.washman_id, ST_SetSRID(ST_MakePoint($2, $3), 4326)::geography, $4, $5"
	"   FROM washminute_data.washmen AS w WHERE w.washman_id = $1"
	" ON CONFLICT (washman_id) DO UPDATE"
	"   SET last_location = EXCLUDED.last_location,"
	"       last_location_updated_at = EXCLUDED.last_location_updated_at,"
	"       accuracy_m = EXCLUDED.accuracy_m"
	" WHERE EXCLUDED.last_location_updated_at >= p.last_location_updated_at",
	5, {TEXTOID, FLOAT8OID, FLOAT8OID, TIMESTAMPTZOID, FLOAT8OID}
};

static Statement select_washman = {
	"SELECT FROM washminute_data.washmen WHERE washman_id = $1",
	1, {TEXTOID}
};

/*
 * Many positions in one statement.  Of several of one washman the newest is
 * kept.  Taken is a row that is not older than what was held when its turn
 * came, the rows taken in their order.  Rows are written in the order of the
 * ids, so that two such calls cannot deadlock.
 */
static Statement upsert_positions = {
	"WITH reported AS ("
	"  SELECT r.washman_id, r.longitude, r.latitude, r.at, r.number,"
	"         r.at >= COALESCE(GREATEST("
	"           max(r.at) OVER (PARTITION BY r.washman_id ORDER BY r.number"
	"                           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),"
	"           p.last_location_updated_at), r.at) AS taken"
	"    FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2),"
	"                    pg_catalog.unnest($3), pg_catalog.unnest($4))"
	"         WITH ORDINALITY AS r (washman_id, longitude, latitude, at, number)"
	"    JOIN washminute_data.washmen AS w ON w.washman_id = r.washman_id"
	"    LEFT JOIN washminute_data.washman_positions AS p ON p.washman_id = r.washman_id),"
	" written AS ("
	"  INSERT INTO washminute_data.washman_positions AS p"
	"    (washman_id, last_location, last_location_updated_at)"
	"  SELECT DISTINCT ON (washman_id) washman_id,"
	"         ST_SetSRID(ST_MakePoint(longitude, latitude), 4326)::geography, at"
	"    FROM reported WHERE taken"
	"   ORDER BY washman_id, at DESC, number DESC"
	"  ON CONFLICT (washman_id) DO UPDATE"
	"    SET last_location = EXCLUDED.last_location,"
	"        last_location_updated_at = EXCLUDED.last_location_updated_at,"
	"        accuracy_m = NULL"
	"  WHERE EXCLUDED.last_location_updated_at >= p.last_location_updated_at)"
	" SELECT count(*) FROM reported WHERE taken",
	4, {TEXTARRAYOID, FLOAT8ARRAYOID, FLOAT8ARRAYOID, TIMESTAMPTZARRAYOID}
};

static bool
TimeIsInFuture(TimestampTz at)
{
	return at > ClockNow() + CLOCK_TOLERANCE;
}

/* report_location(washman_id, longitude, latitude, accuracy_m, recorded_at) */
static Datum
report_location_body(FunctionCallInfo fcinfo)
{
	char	   *washman_id = ArgumentId(fcinfo, 0, "washman_id");
	double		longitude;
	double		latitude;
	double		accuracy_m = PG_ARGISNULL(3) ? 0 : PG_GETARG_FLOAT8(3);
	TimestampTz recorded_at = PG_ARGISNULL(4) ? ClockNow() : PG_GETARG_TIMESTAMPTZ(4);
	Arguments	arguments = {0};
	Arguments	find = {0};

	ArgumentPlace(fcinfo, 1, &longitude, &latitude);
	if (!isfinite(accuracy_m) || accuracy_m < 0)
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "accuracy_m",
						   "be a number of metres, not below 0");
	if (TIMESTAMP_IS_NOBEGIN(recorded_at))
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "recorded_at", "be finite");
	if (TimeIsInFuture(recorded_at))
	{
		JsonObject	facts;

		JsonOpen(&facts);
		JsonTime(&facts, "now", ClockNow());
		ErrorRaise(WM_POSITION_IN_FUTURE, JsonClose(&facts));
	}

	ArgumentText(&arguments, washman_id);
	ArgumentDatum(&arguments, Float8GetDatum(longitude));
	ArgumentDatum(&arguments, Float8GetDatum(latitude));
	ArgumentDatum(&arguments, TimestampTzGetDatum(recorded_at));
	ArgumentDatumOrNull(&arguments, Float8GetDatum(accuracy_m), PG_ARGISNULL(3));
	if (StatementRun(&upsert_position, &arguments) > 0)
		PG_RETURN_VOID();

	/* nothing written: an older position, or no such washman */
	ArgumentText(&find, washman_id);
	if (StatementRun(&select_washman, &find) == 0)
		ErrorRaiseText(WM_WASHMAN_NOT_FOUND, "washmanId", washman_id);
	PG_RETURN_VOID();
}

/* The elements of the four arrays, as given. */
typedef struct ReportArrays
{
	int			count;
	Datum	   *ids;
	bool	   *id_nulls;
	Datum	   *longitudes;
	bool	   *longitude_nulls;
	Datum	   *latitudes;
	bool	   *latitude_nulls;
	Datum	   *times;			/* NULL: now, for all */
	bool	   *time_nulls;
} ReportArrays;

static void
ReadReportArrays(FunctionCallInfo fcinfo, ReportArrays *arrays)
{
	ArgumentRequire(fcinfo, 0, "washman_ids");
	ArgumentRequire(fcinfo, 1, "longitudes");
	ArgumentRequire(fcinfo, 2, "latitudes");
	arrays->count = ArrayElements(fcinfo, 0, TEXTOID, &arrays->ids,
								  &arrays->id_nulls);
	if (ArrayElements(fcinfo, 1, FLOAT8OID, &arrays->longitudes,
					  &arrays->longitude_nulls) != arrays->count ||
		ArrayElements(fcinfo, 2, FLOAT8OID, &arrays->latitudes,
					  &arrays->latitude_nulls) != arrays->count)
		ErrorRaise(WM_ARRAYS_DIFFER, NULL);
	if (!PG_ARGISNULL(3) &&
		ArrayElements(fcinfo, 3, TIMESTAMPTZOID, &arrays->times,
					  &arrays->time_nulls) != arrays->count)
		ErrorRaise(WM_ARRAYS_DIFFER, NULL);
}

/*
 * Would a single report of row i be taken, as far as the row itself says?  A
 * NULL time is now, as in a single report.
 */
static bool
ReportIsValid(ReportArrays *arrays, int i)
{
	if (arrays->id_nulls[i] || arrays->longitude_nulls[i] ||
		arrays->latitude_nulls[i] ||
		!PlaceIsOnGlobe(DatumGetFloat8(arrays->longitudes[i]),
						DatumGetFloat8(arrays->latitudes[i])))
		return false;
	if (arrays->time_nulls[i])
		arrays->times[i] = TimestampTzGetDatum(ClockNow());
	return !TIMESTAMP_IS_NOBEGIN(DatumGetTimestampTz(arrays->times[i])) &&
		!TimeIsInFuture(DatumGetTimestampTz(arrays->times[i]));
}

/*
 * report_locations(washman_ids, longitudes, latitudes, recorded_at): rows that a
 * single report would refuse are skipped; the number of rows taken.
 */
static Datum
report_locations_body(FunctionCallInfo fcinfo)
{
	ReportArrays arrays = {0};
	Arguments	arguments = {0};
	int			kept = 0;

	ReadReportArrays(fcinfo, &arrays);
	if (arrays.times == NULL)
	{
		arrays.times = palloc(Max(arrays.count, 1) * sizeof(Datum));
		arrays.time_nulls = palloc(Max(arrays.count, 1) * sizeof(bool));
		memset(arrays.time_nulls, true, arrays.count * sizeof(bool));
	}
	for (int i = 0; i < arrays.count; i++)
	{
		if (!ReportIsValid(&arrays, i))
			continue;
		arrays.ids[kept] = arrays.ids[i];
		arrays.longitudes[kept] = arrays.longitudes[i];
		arrays.latitudes[kept] = arrays.latitudes[i];
		arrays.times[kept] = arrays.times[i];
		kept++;
	}
	if (kept == 0)
		PG_RETURN_INT32(0);

	ArgumentDatum(&arguments, PointerGetDatum(
		construct_array(arrays.ids, kept, TEXTOID, -1, false, TYPALIGN_INT)));
	ArgumentDatum(&arguments, FixedArray(arrays.longitudes, kept, FLOAT8OID));
	ArgumentDatum(&arguments, FixedArray(arrays.latitudes, kept, FLOAT8OID));
	ArgumentDatum(&arguments, FixedArray(arrays.times, kept, TIMESTAMPTZOID));
	StatementRunOne(&upsert_positions, &arguments);
	PG_RETURN_INT32((int32) RowInt64(0, 1));
}
