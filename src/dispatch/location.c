/*-------------------------------------------------------------------------
 *
 * location.c
 *		Positions come in.
 *
 * A position older than the one held is ignored: phones send late what they
 * could not send in time.  Of a washman who is online the live index holds it,
 * of others, and where there is no index, the table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "base/argument.h"
#include "base/array.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/settings.h"
#include "dispatch/fast_path.h"
#include "dispatch/live_index.h"
#include "dispatch/live_status.h"
#include "dispatch/position_table.h"
#include "dispatch/request.h"

/* How far a device's clock may run ahead, in microseconds. */
#define CLOCK_TOLERANCE (5 * USECS_PER_SEC)

COMMAND(report_location, 0);
COMMAND(report_locations, -1);
PG_FUNCTION_INFO_V1(washminute_report_location_fast);
PG_FUNCTION_INFO_V1(washminute_report_locations_fast);

static bool
TimeIsInFuture(TimestampTz at)
{
	return at > ClockNow() + CLOCK_TOLERANCE;
}

static double
MaxSpeed(void)
{
	Settings	settings;

	SettingsRead(&settings);
	return settings.max_speed_kmh * 1000 / SECS_PER_HOUR;
}

static void
CountVerdict(FixVerdict verdict)
{
	static const LiveCounter counters[] = {
		[FIX_TAKEN] = LIVE_COUNT_TAKEN,
		[FIX_OLD] = LIVE_COUNT_OLD,
		[FIX_IMPOSSIBLE] = LIVE_COUNT_IMPOSSIBLE,
		[FIX_STRANGER] = LIVE_COUNT_STRANGER
	};

	LiveCount(counters[verdict], 1);
}

/* The arguments of report_location. */
static void
ReadReport(FunctionCallInfo fcinfo, Report *report)
{
	Fix		   *fix = &report->fix;

	report->washman_id = ArgumentId(fcinfo, 0, "washman_id");
	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2) &&
		!PlaceIsOnGlobe(PG_GETARG_FLOAT8(1), PG_GETARG_FLOAT8(2)))
		LiveCount(LIVE_COUNT_INVALID, 1);
	ArgumentPlace(fcinfo, 1, &fix->longitude, &fix->latitude);
	fix->accuracy_m = PG_ARGISNULL(3) ? NAN : PG_GETARG_FLOAT8(3);
	if (!PG_ARGISNULL(3) && (!isfinite(fix->accuracy_m) || fix->accuracy_m < 0))
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "accuracy_m",
						   "be a number of metres, not below 0");
	fix->at = PG_ARGISNULL(4) ? ClockNow() : PG_GETARG_TIMESTAMPTZ(4);
	if (TIMESTAMP_IS_NOBEGIN(fix->at))
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "recorded_at", "be finite");
	if (TimeIsInFuture(fix->at))
	{
		JsonObject	facts;

		LiveCount(LIVE_COUNT_INVALID, 1);
		JsonOpen(&facts);
		JsonTime(&facts, "now", ClockNow());
		ErrorRaise(WM_POSITION_IN_FUTURE, JsonClose(&facts));
	}
}

static FixVerdict
ReportToIndex(const Report *report, double max_speed)
{
	return LiveReport(report->washman_id, strlen(report->washman_id), &report->fix,
					  max_speed);
}

/* Was he not matched for want of a position: is that he reports now as good as coming online? */
static bool
IsNews(const Fix *held)
{
	Settings	settings;

	SettingsRead(&settings);
	return held->at < ClockNow() - SETTING_USECS(settings.position_max_age_seconds, 1);
}

/* By the table; the index is told at commit. */
static void
ReportToTable(Report *reports, int count, double max_speed)
{
	PositionTableTake(reports, count, max_speed);
	for (int i = 0; i < count; i++)
		if (reports[i].verdict == FIX_TAKEN)
			LiveReportAtCommit(reports[i].washman_id, strlen(reports[i].washman_id),
							   &reports[i].fix, max_speed);
}

/* report_location(washman_id, longitude, latitude, accuracy_m, recorded_at) */
Datum
washminute_report_location_fast(PG_FUNCTION_ARGS)
{
	Report		report;
	Fix			held;

	if (!FastPathIsOpen())
		return FastPathLeave(fcinfo);
	ReadReport(fcinfo, &report);
	held = LiveFix(report.washman_id, strlen(report.washman_id));
	if (IsNews(&held))
		return FastPathLeave(fcinfo);
	report.verdict = ReportToIndex(&report, MaxSpeed());
	if (report.verdict == FIX_STRANGER)
		return FastPathLeave(fcinfo);
	CountVerdict(report.verdict);
	PG_RETURN_VOID();
}

static Datum
report_location_body(FunctionCallInfo fcinfo)
{
	Report		report;
	Fix			held;
	bool		is_online = true;	/* as far as the index tells */

	ReadReport(fcinfo, &report);
	held = LiveIsUsed() ? LiveFix(report.washman_id, strlen(report.washman_id)) :
		PositionOf(report.washman_id);
	report.verdict = LiveIsUsed() ? ReportToIndex(&report, MaxSpeed()) : FIX_STRANGER;
	if (report.verdict == FIX_STRANGER)
	{
		is_online = !LiveIsUsed();
		ReportToTable(&report, 1, MaxSpeed());
	}
	CountVerdict(report.verdict);
	if (report.verdict == FIX_STRANGER)
		ErrorRaiseText(WM_WASHMAN_NOT_FOUND, "washmanId", report.washman_id);
	if (report.verdict == FIX_TAKEN && is_online && IsNews(&held))
		OfferToJoiner(report.washman_id);
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
		VARSIZE_ANY_EXHDR(DatumGetPointer(arrays->ids[i])) > ID_MAX * MAX_MULTIBYTE_CHAR_LEN ||
		!PlaceIsOnGlobe(DatumGetFloat8(arrays->longitudes[i]),
						DatumGetFloat8(arrays->latitudes[i])))
		return false;
	if (arrays->time_nulls[i])
		arrays->times[i] = TimestampTzGetDatum(ClockNow());
	return !TIMESTAMP_IS_NOBEGIN(DatumGetTimestampTz(arrays->times[i])) &&
		!TimeIsInFuture(DatumGetTimestampTz(arrays->times[i]));
}

/* The rows that a single report would not refuse for what they say; their number. */
static int
ReadReports(FunctionCallInfo fcinfo, Report **reports)
{
	ReportArrays arrays = {0};
	int			kept = 0;

	ReadReportArrays(fcinfo, &arrays);
	*reports = palloc(Max(arrays.count, 1) * sizeof(Report));
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
		(*reports)[kept++] = (Report) {
			.washman_id = TextDatumGetCString(arrays.ids[i]),
			.fix = {
				DatumGetFloat8(arrays.longitudes[i]), DatumGetFloat8(arrays.latitudes[i]),
				DatumGetTimestampTz(arrays.times[i]), NAN
			}
		};
	}
	LiveCount(LIVE_COUNT_INVALID, arrays.count - kept);
	return kept;
}

/*
 * By the index: how many were taken.  Those of whom it does not know come to stand
 * first.
 */
static int
ReportsToIndex(Report *reports, int count, double max_speed, int *strangers)
{
	int			verdicts[FIX_STRANGER + 1] = {0};

	*strangers = 0;
	for (int i = 0; i < count; i++)
	{
		FixVerdict	verdict = ReportToIndex(&reports[i], max_speed);

		verdicts[verdict]++;
		if (verdict == FIX_STRANGER)
			reports[(*strangers)++] = reports[i];
	}
	LiveCount(LIVE_COUNT_TAKEN, verdicts[FIX_TAKEN]);
	LiveCount(LIVE_COUNT_OLD, verdicts[FIX_OLD]);
	LiveCount(LIVE_COUNT_IMPOSSIBLE, verdicts[FIX_IMPOSSIBLE]);
	return verdicts[FIX_TAKEN];
}

/* Reports as arguments of the function with the underscore. */
static void
WriteReportArguments(FunctionCallInfo fcinfo, const Report *reports, int count)
{
	const char **ids = palloc(count * sizeof(char *));
	Datum	   *longitudes = palloc(count * sizeof(Datum));
	Datum	   *latitudes = palloc(count * sizeof(Datum));
	Datum	   *times = palloc(count * sizeof(Datum));

	for (int i = 0; i < count; i++)
	{
		ids[i] = reports[i].washman_id;
		longitudes[i] = Float8GetDatum(reports[i].fix.longitude);
		latitudes[i] = Float8GetDatum(reports[i].fix.latitude);
		times[i] = TimestampTzGetDatum(reports[i].fix.at);
	}
	fcinfo->args[0].value = TextArray(ids, count);
	fcinfo->args[1].value = FixedArray(longitudes, count, FLOAT8OID);
	fcinfo->args[2].value = FixedArray(latitudes, count, FLOAT8OID);
	fcinfo->args[3].value = FixedArray(times, count, TIMESTAMPTZOID);
	fcinfo->args[3].isnull = false;
}

/*
 * report_locations(washman_ids, longitudes, latitudes, recorded_at): rows that a
 * single report would refuse are skipped; the number of rows taken.
 */
Datum
washminute_report_locations_fast(PG_FUNCTION_ARGS)
{
	Report	   *reports;
	double		max_speed;
	int			count;
	int			strangers;
	int			taken;

	if (!FastPathIsOpen())
		return FastPathLeave(fcinfo);
	max_speed = MaxSpeed();		/* detoasting may take in an invalidation */
	count = ReadReports(fcinfo, &reports);
	taken = ReportsToIndex(reports, count, max_speed, &strangers);
	if (strangers > 0)
	{
		LOCAL_FCINFO(call, 4);

		/* the executor sets constant arguments once, for all calls */
		memcpy(call, fcinfo, SizeForFunctionCallInfo(4));
		WriteReportArguments(call, reports, strangers);
		taken += DatumGetInt32(FastPathLeave(call));
	}
	PG_RETURN_INT32(taken);
}

static Datum
report_locations_body(FunctionCallInfo fcinfo)
{
	Report	   *reports;
	int			count = ReadReports(fcinfo, &reports);
	double		max_speed = MaxSpeed();
	int			strangers = count;
	int			taken = 0;

	if (LiveIsUsed())
		taken = ReportsToIndex(reports, count, max_speed, &strangers);
	if (strangers > 0)
		ReportToTable(reports, strangers, max_speed);
	for (int i = 0; i < strangers; i++)
	{
		CountVerdict(reports[i].verdict);
		if (reports[i].verdict == FIX_TAKEN)
			taken++;
	}
	PG_RETURN_INT32(taken);
}
