/*-------------------------------------------------------------------------
 *
 * zone.c
 *		The zones that are served, and when they are open.
 *
 * The clock that counts is the zone's, never the server's.  What hours a day has is
 * for SQL to say (washminute._opening_spans); where a zone has the same every day,
 * which is the rule, its own row suffices.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"

#include "base/argument.h"
#include "base/clock.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/statement.h"
#include "dispatch/zone.h"

PG_FUNCTION_INFO_V1(washminute_require_place);

#define SLOT_MINUTES 30			/* from one to the next, unless told */

/* As washminute._zone_of() has it, with a plan that is kept: each booking asks. */
static Statement select_zone = {
	"SELECT z.zone_code FROM washminute_data.service_zones AS z"
	" WHERE z.active"
	"   AND ST_Covers(z.boundary, ST_SetSRID(ST_MakePoint($1, $2), 4326)::geography)"
	" ORDER BY ST_Area(z.boundary), z.zone_code LIMIT 1",
	2, {FLOAT8OID, FLOAT8OID}
};

static Statement select_open = {
	"SELECT CASE WHEN EXISTS (SELECT FROM washminute_data.opening_hours AS h WHERE h.zone_code = z.zone_code)"
	"              OR EXISTS (SELECT FROM washminute_data.opening_exceptions AS x WHERE x.zone_code = z.zone_code)"
	"            THEN washminute.zone_is_open(z.zone_code, $2)"
	"            ELSE w.wall_time >= z.opens_at AND w.wall_time < z.closes_at END"
	"  FROM washminute_data.service_zones AS z,"
	"       LATERAL (SELECT ($2 AT TIME ZONE z.time_zone)::pg_catalog.time) AS w (wall_time)"
	" WHERE z.zone_code = $1",
	2, {TEXTOID, TIMESTAMPTZOID}
};

/* The hours of the local day, and what comes next. */
static Statement select_hours = {
	"SELECT z.time_zone, pg_catalog.to_char(w.wall_time, 'YYYY-MM-DD\"T\"HH24:MI:SS'),"
	"       (SELECT pg_catalog.string_agg(pg_catalog.to_char(s.opens_local, 'HH24:MI-') ||"
	"                 CASE WHEN s.closes_local = w.wall_time::pg_catalog.date + 1 THEN '24:00'"
	"                      ELSE pg_catalog.to_char(s.closes_local, 'HH24:MI') END, ',' ORDER BY s.opens_local)"
	"          FROM washminute._opening_spans(z.zone_code, w.wall_time::pg_catalog.date,"
	"                                         w.wall_time::pg_catalog.date) AS s),"
	"       COALESCE(washminute.next_opening(z.zone_code, $2), 'infinity')"
	"  FROM washminute_data.service_zones AS z,"
	"       LATERAL (SELECT $2 AT TIME ZONE z.time_zone) AS w (wall_time)"
	" WHERE z.zone_code = $1",
	2, {TEXTOID, TIMESTAMPTZOID}
};

char *
ZoneFind(double longitude, double latitude)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, Float8GetDatum(longitude));
	ArgumentDatum(&arguments, Float8GetDatum(latitude));
	if (StatementRun(&select_zone, &arguments) == 0)
		ErrorRaise(WM_OUTSIDE_ZONES, NULL);
	return RowText(0, 1);
}

void
ZoneRequireOpen(const char *zone_code, TimestampTz at)
{
	Arguments	arguments = {0};
	JsonObject	facts;
	char	   *hours;

	ArgumentText(&arguments, zone_code);
	ArgumentDatum(&arguments, TimestampTzGetDatum(at));
	StatementRunOne(&select_open, &arguments);
	if (RowBool(0, 1))
		return;

	StatementRunOne(&select_hours, &arguments);
	JsonOpen(&facts);
	JsonText(&facts, "zone", zone_code);
	JsonText(&facts, "timeZone", RowText(0, 1));
	JsonText(&facts, "localTime", RowText(0, 2));
	hours = RowText(0, 3);
	JsonText(&facts, "hours", hours ? hours : "");
	if (RowTime(0, 4) != DT_NOEND)
		JsonTime(&facts, "opensAt", RowTime(0, 4));
	ErrorRaise(WM_ZONE_CLOSED, JsonClose(&facts));
}

/* washminute._require_place(longitude, latitude, slot_minutes): the arguments of what SQL answers. */
Datum
washminute_require_place(PG_FUNCTION_ARGS)
{
	double		longitude;
	double		latitude;
	int32		minutes = PG_ARGISNULL(2) ? SLOT_MINUTES : PG_GETARG_INT32(2);

	ArgumentPlace(fcinfo, 0, &longitude, &latitude);
	if (minutes < 5 || minutes > MINS_PER_HOUR * HOURS_PER_DAY)
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "slot_minutes", "be from 5 to 1440");
	PG_RETURN_INT32(minutes);
}
