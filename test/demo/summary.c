/*-------------------------------------------------------------------------
 *
 * summary.c
 *		What came of the day, for people and for programs.
 *
 * Outcomes are counted in the database, not taken from what the clients saw;
 * the two must agree.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>

#include "summary.h"

#define COMPLETED_SHARE_WANTED 0.8

static const char outcomes_query[] =
	"SELECT count(*),"
	"       count(*) FILTER (WHERE status NOT IN ('pending', 'expired', 'cancelled')),"
	"       count(*) FILTER (WHERE status = 'expired'),"
	"       count(*) FILTER (WHERE status = 'cancelled'),"
	"       count(*) FILTER (WHERE status = 'completed'),"
	"       count(*) FILTER (WHERE status = 'no_show'),"
	"       (SELECT count(*) FROM washminute_data.jobs WHERE outcome = 'given_back')"
	"  FROM washminute_data.washing_requests";

static void
ShowPeople(const Tally *tally)
{
	static const double metres[] = {250, 500, 1000, 1500, 2000, 3000, 5000};
	static const double minutes[] = {2, 4, 6, 8, 10, 15, 20};

	printf("\nHow far the washman was when he was offered the job he got:\n");
	SamplesHistogram(&tally->distance_m, "m", metres, 7);
	printf("  median %.0f m; %.0f m had the nearest free one always taken it\n",
		   SamplesQuantile(&tally->distance_m, 0.5), SamplesQuantile(&tally->nearest_m, 0.5));

	printf("\nHow long the customer waited until he was there:\n");
	SamplesHistogram(&tally->wait_minutes, "min", minutes, 7);
	printf("  median %.1f minutes\n", SamplesQuantile(&tally->wait_minutes, 0.5));
}

static void
ShowWork(const Tally *tally)
{
	printf("\nRaces: %ld tries for %d jobs; half of the losers knew within %.2f ms, 99 %% within %.2f ms\n",
		   tally->refused_races + tally->accept_ms.count, tally->accept_ms.count,
		   SamplesQuantile(&tally->refused_ms, 0.5), SamplesQuantile(&tally->refused_ms, 0.99));
	printf("Positions: half took under %.0f us, 99 %% under %.0f us\n",
		   SamplesQuantile(&tally->position_us, 0.5), SamplesQuantile(&tally->position_us, 0.99));
	printf("Time: %.0f s reporting positions, %.0f s booking, %.0f s racing, %.0f s moving jobs on\n",
		   tally->reporting_s, tally->booking_s, tally->racing_s, tally->working_s);
	printf("Washmen paid in %ld times; %ld customers wanted to cancel when the work had begun\n",
		   tally->settlements, tally->too_late);
	printf("Answers that came when the offer was over: %ld; phones that had to report twice from the place: %ld\n",
		   tally->late_taps, tally->not_there);
}

/* Say what is not as it should be; true if nothing is. */
static bool
ShowFaults(const Tally *tally, const long *outcomes, PGresult *violations)
{
	bool		well = true;

	for (int i = 0; i < PQntuples(violations); i++)
	{
		printf("VIOLATED: %s: %s\n", PQgetvalue(violations, i, 0), PQgetvalue(violations, i, 1));
		well = false;
	}
	if (ClientsComplaints() > 0)
	{
		printf("WRONG: %d calls failed as they should not\n", ClientsComplaints());
		well = false;
	}
	if (outcomes[0] != tally->bookings || outcomes[1] != tally->accepted ||
		outcomes[2] != tally->expired || outcomes[3] != tally->cancelled ||
		outcomes[4] != tally->completed || outcomes[5] != tally->no_shows ||
		outcomes[6] != tally->given_back ||
		outcomes[0] != outcomes[1] + outcomes[2] + outcomes[3])
	{
		printf("WRONG: the clients saw %ld bookings, %ld accepted, %ld expired, %ld cancelled, "
			   "%ld completed, %ld not there, %ld given back; the database has %ld, %ld, %ld, %ld, %ld, %ld, %ld\n",
			   tally->bookings, tally->accepted, tally->expired, tally->cancelled,
			   tally->completed, tally->no_shows, tally->given_back, outcomes[0], outcomes[1],
			   outcomes[2], outcomes[3], outcomes[4], outcomes[5], outcomes[6]);
		well = false;
	}
	if ((double) outcomes[4] < COMPLETED_SHARE_WANTED * (double) outcomes[0])
		printf("Under %.0f %% were completed: %ld found nobody in time, %ld were cancelled\n",
			   100 * COMPLETED_SHARE_WANTED, outcomes[2], outcomes[3]);
	return well;
}

int
Summarize(const Tally *tally, PGconn *admin, double wall_s)
{
	static const char *const names[] = {
		"bookings", "accepted", "expired", "cancelled", "completed", "no_shows", "given_back"
	};
	PGresult   *result = AdminQuery(admin, outcomes_query, 0, NULL);
	PGresult   *violations = AdminQuery(admin, "SELECT * FROM washminute.check_invariants()", 0, NULL);
	long		outcomes[7];
	bool		well;

	for (int i = 0; i < 7; i++)
		outcomes[i] = atol(PQgetvalue(result, 0, i));
	ShowPeople(tally);
	ShowWork(tally);
	well = ShowFaults(tally, outcomes, violations);

	printf("\nresult positions = %ld\n", tally->positions);
	for (int i = 0; i < 7; i++)
		printf("result %s = %ld\n", names[i], outcomes[i]);
	printf("result refused_races = %ld\n", tally->refused_races);
	printf("result serialization_failures = %ld\n", tally->serialization_failures);
	printf("result median_distance_m = %.1f\n", SamplesQuantile(&tally->distance_m, 0.5));
	printf("result p95_distance_m = %.1f\n", SamplesQuantile(&tally->distance_m, 0.95));
	printf("result nearest_median_distance_m = %.1f\n", SamplesQuantile(&tally->nearest_m, 0.5));
	printf("result booking_ms_p50 = %.3f\n", SamplesQuantile(&tally->booking_ms, 0.5));
	printf("result booking_ms_p99 = %.3f\n", SamplesQuantile(&tally->booking_ms, 0.99));
	printf("result accept_ms_p50 = %.3f\n", SamplesQuantile(&tally->accept_ms, 0.5));
	printf("result accept_ms_p99 = %.3f\n", SamplesQuantile(&tally->accept_ms, 0.99));
	printf("result position_us_p50 = %.1f\n", SamplesQuantile(&tally->position_us, 0.5));
	printf("result wall_s = %.1f\n", wall_s);
	printf("result invariant_violations = %d\n", PQntuples(violations));
	return well ? 0 : 1;
}
