/*-------------------------------------------------------------------------
 *
 * world.c
 *		The people of the replay: what they do, step by step.
 *
 * Every provider of the recording is a washman, who is online while his vehicle is
 * free, and whose phone then reports the recorded positions.  A passenger who gets
 * in is a customer who books there and then.  Washmen who are told of the job race
 * for it; the winner drives up, which his phone reports, works as long as the
 * recorded trip took, and is paid in cash, or was paid by card before.  Some give the
 * job back on the way, some customers cancel, and some are not there.
 *
 * The recording sends a washman's vehicle elsewhere while he works: he counts again
 * where that has got to when he is done, which is a jump that the server does not
 * believe until a second position agrees.  Who still works half an hour after the
 * recording's end is done then.
 *
 * The clock runs all the time (clock.h), and the worker does what is due by it:
 * waves, decisions, expiry.  A step lets happen what has not happened yet by now, in
 * this order: positions, jobs moved on, cancellations, bookings, races.  Within
 * each all clients work at once, and the next begins when they are done.  What
 * people want depends on the seed alone; who wins a race is up to the server.
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

/* The clock goes on for so long after the last request: late payments are looked into. */
#define QUIET_SECONDS 300

#define TOP_UP_BELOW -400
#define TOP_UP_AMOUNT "400"

static const char *const statements[] = {
	[SIGN_UP] = "SELECT washminute.upsert_user($1, $2, locale => $3)",
	[REGISTER] = "SELECT washminute.register_push_token($1, $2, $3)",
	[SET_STATUS] = "SELECT washminute.set_washman_status($1, $2)",
	[REPORT] = "SELECT washminute.report_location($1, $2, $3, recorded_at => to_timestamp($4))",
	[BOOK] = "SELECT request_id, order_id FROM washminute.create_booking($1, $2, $3, $4, $5, $7, idempotency_key => $6)",
	[PAY] = "SELECT status FROM washminute.begin_payment($1, $2, $3)",
	[SEE] = "SELECT k.n, r.status, r.washman_id, f.washman_id, f.distance_m,"
	"       extract(epoch FROM f.offered_at), extract(epoch FROM f.expires_at), p.status"
	"  FROM unnest($1::uuid[]) WITH ORDINALITY AS k (request_id, n)"
	"  JOIN washminute_data.washing_requests AS r USING (request_id)"
	"  LEFT JOIN washminute_data.offers AS f ON f.request_id = k.request_id"
	"   AND f.offered_at > to_timestamp($2) AND f.offered_at <= to_timestamp($3)"
	"  LEFT JOIN washminute_data.payments AS p ON p.order_id = r.order_id"
	" ORDER BY k.n, f.distance_m",
	[ACCEPT] = "SELECT status FROM washminute.accept_request($1, $2)",
	[ADVANCE] = "SELECT washminute.advance_request($1, $2, $3)",
	[CANCEL] = "SELECT washminute.cancel_request($1, $2, 'changed my mind',"
	"              (SELECT fee FROM washminute.cancellation_fee($1, $2)))",
	[BALANCE] = "SELECT washminute.washman_balance($1)",
	[SETTLE] = "SELECT washminute.settle_balance($1, $2, 'paid in at the counter')"
};

static const char *const status_names[] = {
	"pending", "accepted", "en_route", "arrived", "in_progress", "completed"
};

/* What a phone has to report in a step. */
typedef struct Report
{
	World	   *world;
	const Position *position;
	int			next;			/* of the same washman; 0: none */
	double		us;
	bool		sent;
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

/* One zone around all pick-ups, open all day, and none that it overlaps. */
static void
MakeZone(World *world, const char *policy)
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
	if (policy[0] != '\0')
		PQclear(AdminQuery(world->admin, "UPDATE washminute_data.service_zones SET offer_policy = $1"
						   " WHERE zone_code = 'demo'", 1, &policy));
}

World *
WorldOpen(const Trace *trace, uint64_t seed, const char *policy, PGconn *admin,
		  const char *conninfo)
{
	World	   *world = calloc(1, sizeof(World));
	int			count = sizeof(statements) / sizeof(statements[0]);
	char		serializable[256];

	world->trace = trace;
	world->seed = seed;
	world->admin = admin;
	world->last_at = trace->positions[trace->count - 1].at;
	world->live = calloc(trace->pickup_count, sizeof(Request *));
	ClockSet(&world->clock, admin, (double) trace->positions[0].at);
	MakeZone(world, policy);
	world->phones = ClientsOpen(conninfo, PHONES, statements, count);
	MakePeople(world);
	PQclear(AdminQuery(admin, "ANALYZE", 0, NULL));
	snprintf(serializable, sizeof(serializable),
			 "%s options='-c default_transaction_isolation=serializable'", conninfo);
	world->racers = ClientsOpen(serializable, RACERS, statements, count);
	return world;
}

void
WorldBegin(World *world, double speed)
{
	ClockRun(&world->clock, speed);
}

void
WorldEnd(World *world)
{
	ClockStop(&world->clock);
	AwaitGateway(world);
}

/*
 * Positions
 */

bool
ReportPlace(Client *client, Washman *washman, double longitude, double latitude, const char *at)
{
	char		texts[2][32];

	washman->longitude = longitude;
	washman->latitude = latitude;
	snprintf(texts[0], sizeof(texts[0]), "%.7f", longitude);
	snprintf(texts[1], sizeof(texts[1]), "%.7f", latitude);
	return ClientCall(client, REPORT, "", washman->id, texts[0], texts[1], at)->ok;
}

/* Where a washman with a job is: on the way, and then at the place. */
static void
ReportFromJob(Client *client, Washman *washman, int64_t at, const char *at_text)
{
	const Request *job = washman->job;
	int64_t		drive = job->due[ARRIVED] - job->due[EN_ROUTE];
	double		share = drive > 0 ? (double) (at - job->due[EN_ROUTE]) / (double) drive : 1;

	share = share < 0 ? 0 : share > 1 ? 1 : share;
	ReportPlace(client, washman,
				job->from_longitude + share * (job->pickup->longitude - job->from_longitude),
				job->from_latitude + share * (job->pickup->latitude - job->from_latitude), at_text);
}

/* Who comes online has said where he is. */
static void
ReportOne(Client *client, Report *report)
{
	const Position *position = report->position;
	Washman    *washman = &report->world->washmen[position->provider];
	bool		online = !position->occupied || washman->job != NULL;
	double		began = Seconds();
	char		at[32];

	washman->occupied = position->occupied;
	report->sent = online;
	snprintf(at, sizeof(at), "%ld", position->at);
	if (online && washman->job != NULL)
		ReportFromJob(client, washman, position->at, at);
	else if (online)
		ReportPlace(client, washman, position->longitude, position->latitude, at);
	report->us = 1e6 * (Seconds() - began);
	if (online != washman->online)
		ClientCall(client, SET_STATUS, "", washman->id, online ? "online" : "offline");
	washman->online = online;
}

/* All that a phone has to report, in its order. */
static void
ReportWork(Client *client, void *item)
{
	Report	   *report = *(Report **) item;

	for (;;)
	{
		ReportOne(client, report);
		if (report->next == 0)
			return;
		report += report->next;
	}
}

static void
ReportPositions(World *world)
{
	const Trace *trace = world->trace;
	int			first = world->next_position;
	int			count;
	int			phones = 0;
	Report	   *reports;
	Report	  **firsts;
	Report	  **lasts = calloc(trace->provider_count, sizeof(Report *));

	while (world->next_position < trace->count &&
		   trace->positions[world->next_position].at <= world->now)
		world->next_position++;
	count = world->next_position - first;
	reports = calloc(count + 1, sizeof(Report));
	firsts = calloc(count + 1, sizeof(Report *));
	for (int i = 0; i < count; i++)
	{
		const Position *position = &trace->positions[first + i];
		Report	  **last = &lasts[position->provider];

		reports[i] = (Report) {.world = world,.position = position};
		if (*last == NULL)
			firsts[phones++] = &reports[i];
		else
			(*last)->next = (int) (&reports[i] - *last);
		*last = &reports[i];
	}
	ClientsRun(world->phones, ReportWork, firsts, sizeof(Report *), phones);
	for (int i = 0; i < count; i++)
	{
		if (!reports[i].sent)
			continue;
		world->tally.positions++;
		SamplesAdd(&world->tally.position_us, reports[i].us);
	}
	free(reports);
	free(firsts);
	free(lasts);
}

/*
 * Jobs move on, or are given back; customers cancel
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
IsToGiveBack(const Request *request)
{
	return request->status == EN_ROUTE && request->give_back_at != 0 &&
		request->give_back_at <= request->world->now;
}

static bool
IsToAdvance(const Request *request)
{
	return request->status >= ACCEPTED && request->status < COMPLETED &&
		(request->due[request->status + 1] <= request->world->now || IsToGiveBack(request));
}

void
LeaveJob(Request *request)
{
	Washman    *washman = request->winner->washman;

	if (washman->job == request)
	{
		washman->job = NULL;
		washman->at_work = false;
	}
}

/*
 * He says that he is there, or has waited there for nothing, and reports where he is
 * before.  Refused, he tries again: that he got there so fast is not believed until a
 * second position agrees, and a busy machine can be too slow for the clock.
 */
static bool
SayFromThere(Client *client, Request *request, const char *status)
{
	Washman    *washman = request->winner->washman;

	ReportPlace(client, washman, request->pickup->longitude, request->pickup->latitude, NULL);
	if (ClientCall(client, ADVANCE, "PT409", request->id, washman->id, status)->ok)
		return true;
	request->refused_here++;
	return false;
}

/* Move the job on by one status; false: not in this step. */
static bool
AdvanceOne(Client *client, Request *request)
{
	Status		next = request->status + 1;
	const char *washman_id = request->winner->washman->id;

	if (IsToGiveBack(request))
	{
		request->given_back = ClientCall(client, ADVANCE, "", request->id, washman_id, "pending")->ok;
		request->status = request->given_back ? PENDING : STUCK;
	}
	else if (next == ARRIVED)
	{
		if (!SayFromThere(client, request, status_names[next]))
			return false;
		request->status = next;
	}
	else if (next == IN_PROGRESS && request->nobody_there)
	{
		if (!SayFromThere(client, request, "no_show"))
			return false;
		request->status = NO_SHOW;
	}
	else
		request->status = ClientCall(client, ADVANCE, "", request->id, washman_id,
									 status_names[next])->ok ? next : STUCK;
	return true;
}

static void
AdvanceWork(Client *client, void *item)
{
	Request    *request = *(Request **) item;
	Washman    *washman = request->winner->washman;
	const Answer *balance;

	while (IsToAdvance(request) && AdvanceOne(client, request))
		;
	if (request->status == PENDING || request->status >= COMPLETED)
		LeaveJob(request);
	if (request->status != COMPLETED)
		return;

	/* a washman whose balance nears the floor pays in */
	balance = ClientCall(client, BALANCE, "", washman->id);
	if (balance->ok && atof(PQgetvalue(balance->rows, 0, 0)) < TOP_UP_BELOW)
		request->settled = ClientCall(client, SETTLE, "", washman->id, TOP_UP_AMOUNT)->ok;
}

static void
AdvanceJobs(World *world, Request **chosen)
{
	Tally	   *tally = &world->tally;
	int			count = RunOnRequests(world, IsToAdvance, AdvanceWork, chosen);

	for (int i = 0; i < count; i++)
	{
		Request    *request = chosen[i];

		tally->settlements += request->settled;
		tally->not_there += request->refused_here;
		tally->no_shows += request->status == NO_SHOW;
		request->refused_here = 0;
		if (request->status == COMPLETED)
		{
			tally->completed++;
			SamplesAdd(&tally->wait_minutes,
					   (double) (request->due[ARRIVED] - request->booked_at) / 60);
		}
		if (request->given_back)
		{
			tally->given_back++;
			tally->accepted--;
			request->given_back = false;
			request->winner = NULL;
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
		LeaveJob(request);
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
			if (request->winner != NULL)
				LeaveJob(request);
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

int64_t
WorldStep(World *world)
{
	Tally	   *tally = &world->tally;
	Request   **chosen = calloc(world->live_count + 1, sizeof(Request *));
	int			first_position = world->next_position;
	double		lap;

	world->now = (int64_t) ClockStep(&world->clock);
	lap = Seconds();
	ReportPositions(world);
	lap = Lap(&tally->reporting_s, lap);
	AdvanceJobs(world, chosen);
	CancelSome(world, chosen);
	ForgetEnded(world);
	lap = Lap(&tally->working_s, lap);
	Book(world, first_position);
	lap = Lap(&tally->booking_s, lap);
	See(world);
	PayAgain(world);
	Race(world);
	Lap(&tally->racing_s, lap);
	if (world->live_count > 0)
		world->live_at = world->now;
	free(chosen);
	return world->now;
}

bool
WorldIsDone(const World *world)
{
	return world->next_position == world->trace->count && world->live_count == 0 &&
		world->now >= world->live_at + QUIET_SECONDS;
}

const Tally *
WorldTally(const World *world)
{
	return &world->tally;
}
