/*-------------------------------------------------------------------------
 *
 * world.c
 *		The people of the replay: what they do, step by step.
 *
 * Every provider of the recording is a washman.  His phone reports the recorded
 * positions, always.  A passenger who gets in is a customer who books there and
 * then.  Washmen who were offered the job and whose vehicle is free in the
 * recording race for it; the winner drives up, works as long as the recorded trip
 * took, and is paid in cash.
 *
 * So a washman at work is where his recorded vehicle is, which the recording
 * sends elsewhere meanwhile: he is left out of offers and races until his job
 * is done, and then counts again where that vehicle has got to.  Who still works
 * half an hour after the recording's end is done then.
 *
 * A step's events happen at its end, in this order: positions, jobs moved on,
 * cancellations, expiry, bookings, races.  Within each all clients work at
 * once, and the next begins when they are done.  What people want depends on
 * the seed alone; who wins a race is up to the server.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "people.h"
#include "random.h"

/* Connections: for everything but races, which run in SERIALIZABLE; for races. */
#define PHONES 8
#define RACERS 16

#define EXPIRE_EVERY 60			/* seconds */
#define TOP_UP_BELOW -400
#define TOP_UP_AMOUNT "400"

static const char *const statements[] = {
	[SIGN_UP] = "SELECT washminute.upsert_user($1, $2, locale => $3)",
	[REGISTER] = "SELECT washminute.register_push_token($1, $2, $3)",
	[GO_ONLINE] = "SELECT washminute.set_washman_status($1, 'online')",
	[REPORT] = "SELECT washminute.report_location($1, $2, $3, recorded_at => to_timestamp($4))",
	[BOOK] = "SELECT request_id FROM washminute.create_booking($1, $2, $3, $4, $5, 'cash', idempotency_key => $6)",
	[SEE_OFFERS] = "SELECT washman_id, distance_m FROM washminute_data.offers WHERE request_id = $1 ORDER BY 2, 1",
	[ACCEPT] = "SELECT status FROM washminute.accept_request($1, $2)",
	[ADVANCE] = "SELECT washminute.advance_request($1, $2, $3)",
	[CANCEL] = "SELECT washminute.cancel_request($1, $2, 'changed my mind')",
	[EXPIRE] = "SELECT washminute.expire_due()",
	[BALANCE] = "SELECT washminute.washman_balance($1)",
	[SETTLE] = "SELECT washminute.settle_balance($1, $2, 'paid in at the counter')"
};

static const char *const status_names[] = {
	"pending", "accepted", "en_route", "arrived", "in_progress", "completed"
};

typedef struct Report
{
	World	   *world;
	const Position *position;
	double		us;
	bool		taken;
} Report;

PGresult *
AdminQuery(PGconn *admin, const char *sql, int count, const char *const *arguments)
{
	PGresult   *result = PQexecParams(admin, sql, count, NULL, arguments, NULL, NULL, 0);

	if (PQresultStatus(result) != PGRES_TUPLES_OK &&
		PQresultStatus(result) != PGRES_COMMAND_OK)
	{
		fprintf(stderr, "replay: %s", PQresultErrorMessage(result));
		exit(1);
	}
	return result;
}

/* Run SQL with number arguments for its effect. */
static void
AdminDo(PGconn *admin, const char *sql, int count, const double *numbers)
{
	char		texts[4][32];
	const char *arguments[4];

	for (int i = 0; i < count; i++)
	{
		snprintf(texts[i], sizeof(texts[i]), "%.12g", numbers[i]);
		arguments[i] = texts[i];
	}
	PQclear(AdminQuery(admin, sql, count, arguments));
}

static void
SetClock(World *world, int64_t now)
{
	world->now = now;
	AdminDo(world->admin, "SELECT washminute.set_clock(to_timestamp($1), 0)",
			1, (double[]) {(double) now});
}

/* One zone around all pick-ups, open all day, and none that it overlaps. */
static void
MakeZone(World *world)
{
	const Trace *trace = world->trace;
	double		corners[] = {trace->west, trace->south, trace->east, trace->north};

	AdminDo(world->admin, "UPDATE washminute_data.service_zones SET active = false"
			" WHERE boundary && ST_MakeEnvelope($1, $2, $3, $4, 4326)::geography",
			4, corners);
	AdminDo(world->admin, "INSERT INTO washminute_data.service_zones"
			"  (zone_code, name_ar, name_fr, name_en, boundary, time_zone, opens_at, closes_at)"
			" SELECT 'demo', 'Demo', 'Demo', 'Demo', ST_Segmentize(ST_Expand("
			"        ST_MakeEnvelope($1, $2, $3, $4, 4326), 0.02), 0.1)::geography,"
			"        'UTC', '00:00', '24:00'",
			4, corners);
}

World *
WorldOpen(const Trace *trace, uint64_t seed, PGconn *admin, const char *conninfo)
{
	World	   *world = calloc(1, sizeof(World));
	int			count = sizeof(statements) / sizeof(statements[0]);
	char		serializable[256];
	PGresult   *result;

	world->trace = trace;
	world->seed = seed;
	world->admin = admin;
	world->last_at = trace->positions[trace->count - 1].at;
	world->live = calloc(trace->pickup_count, sizeof(Request *));
	SetClock(world, trace->positions[0].at);
	MakeZone(world);
	world->phones = ClientsOpen(conninfo, PHONES, statements, count);
	MakePeople(world);
	PQclear(AdminQuery(admin, "ANALYZE", 0, NULL));
	result = AdminQuery(admin, "SELECT value::integer FROM washminute_data.settings"
						" WHERE name = 'request_seconds'", 0, NULL);
	world->request_seconds = atoi(PQgetvalue(result, 0, 0));
	PQclear(result);
	snprintf(serializable, sizeof(serializable),
			 "%s options='-c default_transaction_isolation=serializable'", conninfo);
	world->racers = ClientsOpen(serializable, RACERS, statements, count);
	return world;
}

/*
 * Positions
 */

static void
ReportWork(Client *client, void *item)
{
	Report	   *report = item;
	const Position *position = report->position;
	const char *washman_id = report->world->washmen[position->provider].id;
	char		longitude[32];
	char		latitude[32];
	char		at[32];
	const Answer *answer;

	if (position->first)
		ClientCall(client, GO_ONLINE, "", washman_id);
	snprintf(longitude, sizeof(longitude), "%.7f", position->longitude);
	snprintf(latitude, sizeof(latitude), "%.7f", position->latitude);
	snprintf(at, sizeof(at), "%ld", position->at);
	answer = ClientCall(client, REPORT, "", washman_id, longitude, latitude, at);
	report->taken = answer->ok;
	report->us = 1e3 * answer->ms;
}

static void
ReportPositions(World *world)
{
	const Trace *trace = world->trace;
	int			first = world->next_position;
	int			count;
	Report	   *reports;

	while (world->next_position < trace->count &&
		   trace->positions[world->next_position].at <= world->now)
		world->next_position++;
	count = world->next_position - first;
	reports = calloc(count + 1, sizeof(Report));
	for (int i = 0; i < count; i++)
	{
		const Position *position = &trace->positions[first + i];

		reports[i] = (Report) {.world = world,.position = position};
		world->washmen[position->provider].occupied = position->occupied;
	}
	ClientsRun(world->phones, ReportWork, reports, sizeof(Report), count);
	for (int i = 0; i < count; i++)
	{
		world->tally.positions += reports[i].taken;
		SamplesAdd(&world->tally.position_us, reports[i].us);
	}
	free(reports);
}

/*
 * Jobs move on, customers cancel, requests expire
 */

/* Have the phones work on those live requests for which the test holds. */
static int
RunOnRequests(World *world, bool (*test) (const Request *), ClientWork work,
			  Request **chosen)
{
	int			count = 0;

	for (int i = 0; i < world->live_count; i++)
		if (test(world->live[i]))
			chosen[count++] = world->live[i];
	ClientsRun(world->phones, work, chosen, sizeof(Request *), count);
	return count;
}

static bool
IsToAdvance(const Request *request)
{
	return request->status >= ACCEPTED && request->status < COMPLETED &&
		request->due[request->status + 1] <= request->world->now;
}

static void
AdvanceWork(Client *client, void *item)
{
	Request    *request = *(Request **) item;
	Washman    *washman = request->winner->washman;
	const Answer *balance;

	while (request->status < COMPLETED &&
		   request->due[request->status + 1] <= request->world->now)
	{
		Status		next = request->status + 1;

		request->status = ClientCall(client, ADVANCE, "", request->id, washman->id,
									 status_names[next])->ok ? next : STUCK;
	}
	if (request->status != COMPLETED)
		return;

	/* a washman whose balance nears the floor pays in */
	balance = ClientCall(client, BALANCE, "", washman->id);
	if (balance->ok && atof(PQgetvalue(balance->rows, 0, 0)) < TOP_UP_BELOW)
		request->settled = ClientCall(client, SETTLE, "", washman->id, TOP_UP_AMOUNT)->ok;
	washman->at_work = false;
}

static void
AdvanceJobs(World *world, Request **chosen)
{
	int			count = RunOnRequests(world, IsToAdvance, AdvanceWork, chosen);

	for (int i = 0; i < count; i++)
	{
		Request    *request = chosen[i];

		world->tally.settlements += request->settled;
		if (request->status == COMPLETED)
		{
			world->tally.completed++;
			SamplesAdd(&world->tally.wait_minutes,
					   (double) (request->due[ARRIVED] - request->booked_at) / 60);
		}
	}
}

static bool
IsToCancel(const Request *request)
{
	return request->cancel_at != 0 && request->cancel_at <= request->world->now;
}

static void
CancelWork(Client *client, void *item)
{
	Request    *request = *(Request **) item;

	request->cancel_at = 0;
	if (!ClientCall(client, CANCEL, "PT409", request->id, request->customer)->ok)
		return;
	if (request->winner != NULL)
		request->winner->washman->at_work = false;
	request->status = CANCELLED;
}

static void
CancelSome(World *world, Request **chosen)
{
	int			count = RunOnRequests(world, IsToCancel, CancelWork, chosen);

	for (int i = 0; i < count; i++)
	{
		if (chosen[i]->status == CANCELLED)
		{
			world->tally.cancelled++;
			world->tally.accepted -= chosen[i]->winner != NULL;
		}
		else
			world->tally.too_late++;
	}
}

static void
ExpireWork(Client *client, void *item)
{
	const Answer *answer;

	(void) item;
	do
		answer = ClientCall(client, EXPIRE, "");
	while (answer->ok && atoi(PQgetvalue(answer->rows, 0, 0)) > 0);
}

static void
Expire(World *world)
{
	if (world->now >= world->expire_at)
	{
		ClientsRun(world->phones, ExpireWork, world, 1, 1);
		world->expire_at = world->now + EXPIRE_EVERY;
	}
	for (int i = 0; i < world->live_count; i++)
	{
		Request    *request = world->live[i];

		if (request->status == PENDING &&
			world->now >= request->booked_at + world->request_seconds)
		{
			request->status = EXPIRED;
			world->tally.expired++;
		}
	}
}

/* Forget the requests that are at their end. */
static void
ForgetEnded(World *world)
{
	int			kept = 0;

	for (int i = 0; i < world->live_count; i++)
	{
		Request    *request = world->live[i];

		if (request->status < COMPLETED)
			world->live[kept++] = request;
		else
		{
			free(request->offers);
			free(request);
		}
	}
	world->live_count = kept;
}

/* Add the time since `since` to what a part of the work has taken so far. */
static double
Lap(double *seconds, double since)
{
	double		now = Seconds();

	*seconds += now - since;
	return now;
}

void
WorldStep(World *world, int64_t now)
{
	Tally	   *tally = &world->tally;
	Request   **chosen = calloc(world->live_count + 1, sizeof(Request *));
	int			first_position = world->next_position;
	double		lap = Seconds();

	SetClock(world, now);
	ReportPositions(world);
	lap = Lap(&tally->reporting_s, lap);
	AdvanceJobs(world, chosen);
	CancelSome(world, chosen);
	Expire(world);
	ForgetEnded(world);
	lap = Lap(&tally->working_s, lap);
	Book(world, first_position);
	lap = Lap(&tally->booking_s, lap);
	Race(world);
	Lap(&tally->racing_s, lap);
	free(chosen);
}

bool
WorldIsDone(const World *world)
{
	return world->next_position == world->trace->count && world->live_count == 0;
}

const Tally *
WorldTally(const World *world)
{
	return &world->tally;
}
