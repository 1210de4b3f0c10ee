/*-------------------------------------------------------------------------
 *
 * requests.c
 *		Customers book, washmen race for the job.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "people.h"
#include "random.h"

#define CANCEL_SHARE 0.04
#define CANCEL_WITHIN 900		/* seconds after the booking */
#define TAP_MEAN_SECONDS 5.0	/* to answer an offer at the door */
#define TAP_METRES_PER_SECOND 80.0	/* and longer for one far away */
#define RETRIES_MAX 20			/* after 40001 */
#define IGNORING_SHARE 0.3		/* of those told: they do not answer */
#define UNWANTED_SHARE 0.005	/* of the requests: nobody answers */
#define GIVING_BACK_SHARE 0.03	/* of the jobs, on the way */
#define NO_SHOW_SHARE 0.02		/* of the customers */
#define NO_SHOW_WAIT 330		/* seconds: a little more than no_show_minutes */
#define METRES_PER_SECOND 6.0	/* as the crow flies, in a city */
#define METRES_PER_DEGREE 111320.0
#define LOOK_BACK 60			/* seconds: a commit may come after what it says */
#define OVERTIME 1800			/* when the last job is done, after the recording */

/* One washman's try to have one request. */
typedef struct Try
{
	Request    *request;
	Offer	   *offer;
	char		code[6];		/* "" where he got another job meanwhile */
	bool		won;			/* else his answer is kept */
	double		ms;
	int			failures;		/* answers 40001 */
} Try;

/*
 * Bookings
 */

/* What is washed: one main service, sometimes with extras. */
static void
ChooseServices(const Request *request, char *codes, size_t size)
{
	static const char *const extras[] = {"wax", "engine", "upholstery", "tyres"};
	uint64_t	seed = request->world->seed;
	double		chance = Chance(seed, ABOUT_SERVICE, request->number);

	snprintf(codes, size, "{%s", chance < 0.5 ? "exterior" :
			 chance < 0.7 ? "interior" : "complete");
	for (int i = 0; i < 4; i++)
		if (Chance(seed, ABOUT_EXTRAS + 100 * i, request->number) < 0.1)
			snprintf(codes + strlen(codes), size - strlen(codes), ",%s", extras[i]);
	snprintf(codes + strlen(codes), size - strlen(codes), "}");
}

static void
BookWork(Client *client, void *item)
{
	Request    *request = *(Request **) item;
	char		codes[128];
	char		longitude[32];
	char		latitude[32];
	char		address[80];
	char		key[32];
	const Answer *answer;

	ChooseServices(request, codes, sizeof(codes));
	snprintf(longitude, sizeof(longitude), "%.7f", request->pickup->longitude);
	snprintf(latitude, sizeof(latitude), "%.7f", request->pickup->latitude);
	snprintf(address, sizeof(address), "At the kerb, %s %s", latitude, longitude);
	snprintf(key, sizeof(key), "pickup-%d", request->number);
	answer = ClientCall(client, BOOK, "", request->customer, codes, longitude, latitude,
						address, key, request->by_card ? "card" : "cash");
	request->ms = answer->ms;
	if (!answer->ok)
	{
		request->status = STUCK;
		return;
	}
	snprintf(request->id, sizeof(request->id), "%s", PQgetvalue(answer->rows, 0, 0));
	snprintf(request->order, sizeof(request->order), "%s", PQgetvalue(answer->rows, 0, 1));
	if (request->by_card)
		BeginPayment(client, request);
}

/* The pick-ups of this step. */
void
Book(World *world, int first_position)
{
	int			before = world->live_count;

	for (int i = first_position; i < world->next_position; i++)
	{
		const Position *position = &world->trace->positions[i];
		Request    *request;

		if (!position->pickup)
			continue;
		request = calloc(1, sizeof(Request));
		request->world = world;
		request->pickup = position;
		request->number = ++world->tally.bookings;
		request->booked_at = world->now;
		request->nearest_m = -1;
		request->by_card = PaysByCard(request);
		request->nobody_there = Chance(world->seed, ABOUT_NO_SHOW, request->number) < NO_SHOW_SHARE;
		snprintf(request->customer, sizeof(request->customer), "c%d",
				 1 + request->number % world->customer_count);
		if (Chance(world->seed, ABOUT_CANCELLING, request->number) < CANCEL_SHARE)
			request->cancel_at = world->now + 1 + (int64_t)
				(CANCEL_WITHIN * Chance(world->seed, ABOUT_CANCEL_TIME, request->number));
		world->live[world->live_count++] = request;
	}
	ClientsRun(world->phones, BookWork, world->live + before, sizeof(Request *),
			   world->live_count - before);
	for (int i = before; i < world->live_count; i++)
		SamplesAdd(&world->tally.booking_ms, world->live[i]->ms);
}

/*
 * Offers
 */

static double
MetresBetween(double longitude, double latitude, const Position *to)
{
	return METRES_PER_DEGREE * hypot(latitude - to->latitude, (longitude - to->longitude) *
									 cos(latitude * M_PI / 180));
}

/* The request is this washman's: when he will do what. */
static void
Plan(Request *request, Offer *winner)
{
	World	   *world = request->world;
	Washman    *washman = winner->washman;
	int64_t		drive = (int64_t) (MetresBetween(washman->longitude, washman->latitude,
												 request->pickup) / METRES_PER_SECOND);
	int64_t		latest = world->last_at + OVERTIME;

	washman->job = request;
	washman->at_work = true;
	request->winner = winner;
	request->status = ACCEPTED;
	request->from_longitude = washman->longitude;
	request->from_latitude = washman->latitude;
	request->due[EN_ROUTE] = world->now + STEP_SECONDS;
	request->due[ARRIVED] = request->due[EN_ROUTE] + drive;
	request->due[IN_PROGRESS] = request->due[ARRIVED] +
		(request->nobody_there ? NO_SHOW_WAIT : 30 + (int64_t)
		 (90 * Chance(world->seed, ABOUT_WORK, request->number)));
	request->due[COMPLETED] = request->due[IN_PROGRESS] + request->pickup->trip_seconds;
	request->give_back_at = 0;
	if (Chance(world->seed, ABOUT_GIVING_BACK + 100 * request->jobs, request->number) < GIVING_BACK_SHARE)
		request->give_back_at = request->due[EN_ROUTE] + drive / 2;
	request->jobs++;
	for (int status = EN_ROUTE; status <= COMPLETED; status++)
		if (request->due[status] > latest)
			request->due[status] = latest;

	world->tally.accepted++;
	SamplesAdd(&world->tally.distance_m, winner->distance_m);
	if (request->nearest_m >= 0)
		SamplesAdd(&world->tally.nearest_m, request->nearest_m);
}

/* He is told, perhaps again: the nearer and the keener he is, the sooner he taps. */
static void
Tell(Request *request, Offer *offer)
{
	uint64_t	seed = request->world->seed;
	uint64_t	which = 100 * ((uint64_t) request->number + ((uint64_t) offer->times << 32));
	double		mean_seconds = (TAP_MEAN_SECONDS + offer->distance_m / TAP_METRES_PER_SECOND) /
		offer->washman->keenness;

	offer->times++;
	offer->tried = Chance(seed, ABOUT_IGNORING + which, offer->washman->number) < IGNORING_SHARE ||
		Chance(seed, ABOUT_UNWANTED, request->number) < UNWANTED_SHARE;
	offer->tap_at = offer->told_at + 2 -
		mean_seconds * log(Chance(seed, ABOUT_TAP + which, offer->washman->number));
	if (request->nearest_m < 0)
		request->nearest_m = offer->distance_m;
}

static Offer *
OfferTo(Request *request, const Washman *washman)
{
	for (int i = 0; i < request->offer_count; i++)
		if (request->offers[i].washman == washman)
			return &request->offers[i];
	return NULL;
}

static Washman *
WashmanOf(const World *world, const char *washman_id)
{
	return &world->washmen[TraceProvider(washman_id + 1)];
}

/* One row of what was seen. */
static void
SeeRow(Request *request, const PGresult *rows, int row)
{
	World	   *world = request->world;
	const char *status = PQgetvalue(rows, row, 1);
	Offer	   *offer;

	if (!PQgetisnull(rows, row, 3))
	{
		Washman    *washman = WashmanOf(world, PQgetvalue(rows, row, 3));
		double		told_at = atof(PQgetvalue(rows, row, 5));

		offer = OfferTo(request, washman);
		if (offer == NULL)
		{
			request->offers = realloc(request->offers, (request->offer_count + 1) * sizeof(Offer));
			offer = &request->offers[request->offer_count++];
			*offer = (Offer) {.washman = washman};
		}
		if (offer->told_at != told_at)
		{
			offer->told_at = told_at;
			offer->distance_m = atof(PQgetvalue(rows, row, 4));
			offer->expires_at = atof(PQgetvalue(rows, row, 6));
			Tell(request, offer);
		}
	}
	request->unpaid = strcmp(PQgetvalue(rows, row, 7), "requires_payment") == 0;
	if (strcmp(status, "expired") == 0)
	{
		request->status = EXPIRED;
		world->tally.expired++;
	}
}

/* Somebody has it, by his answer of before. */
static void
SeeWinner(Request *request, const PGresult *rows, int row)
{
	Offer	   *offer;

	if (request->status != PENDING || strcmp(PQgetvalue(rows, row, 1), "accepted") != 0)
		return;
	offer = OfferTo(request, WashmanOf(request->world, PQgetvalue(rows, row, 2)));
	if (offer != NULL)
		Plan(request, offer);
	else
		request->status = STUCK;
}

/* The requests that were looked at, and the answer. */
typedef struct Look
{
	World	   *world;
	Request   **requests;
	char	   *ids;
} Look;

static void
SeeWork(Client *client, void *item)
{
	Look	   *look = item;
	char		times[2][32];
	const Answer *answer;

	snprintf(times[0], sizeof(times[0]), "%ld", look->world->seen_at - LOOK_BACK);
	snprintf(times[1], sizeof(times[1]), "%ld", look->world->now);
	answer = ClientCall(client, SEE, "", look->ids, times[0], times[1]);
	if (!answer->ok)
		return;
	for (int row = 0; row < PQntuples(answer->rows); row++)
	{
		Request    *request = look->requests[atoi(PQgetvalue(answer->rows, row, 0)) - 1];
		bool		is_last = row + 1 == PQntuples(answer->rows) ||
			strcmp(PQgetvalue(answer->rows, row, 0), PQgetvalue(answer->rows, row + 1, 0)) != 0;

		if (request->status != PENDING)
			continue;
		SeeRow(request, answer->rows, row);
		if (is_last)
			SeeWinner(request, answer->rows, row);
	}
	look->world->seen_at = look->world->now;
}

void
See(World *world)
{
	Look		look = {.world = world};
	size_t		length = 1;
	int			count = 0;

	look.requests = calloc(world->live_count + 1, sizeof(Request *));
	look.ids = malloc(2 + (world->live_count + 1) * sizeof(world->live[0]->id));
	strcpy(look.ids, "{");
	for (int i = 0; i < world->live_count; i++)
	{
		Request    *request = world->live[i];

		if (request->status != PENDING)
			continue;
		length += sprintf(look.ids + length, "%s%s", count > 0 ? "," : "", request->id);
		look.requests[count++] = request;
	}
	strcpy(look.ids + length, "}");
	if (count > 0)
		ClientsRun(world->phones, SeeWork, &look, sizeof(Look), 1);
	free(look.requests);
	free(look.ids);
}

/*
 * Races
 */

static void
TryWork(Client *client, void *item)
{
	Try		   *try = item;
	Washman    *washman = try->offer->washman;
	const Answer *answer;

	if (washman->at_work)
		return;

	/*
	 * PT402: he has won another job at this moment, and its commission is held; PT410:
	 * the clock did not wait for him.
	 */
	do
	{
		answer = ClientCall(client, ACCEPT, "PT402 PT409 PT410 40001", try->request->id, washman->id);
		try->ms += answer->ms;
		try->failures += strcmp(answer->code, "40001") == 0;
	} while (strcmp(answer->code, "40001") == 0 && try->failures < RETRIES_MAX);
	strcpy(try->code, answer->code);
	try->won = answer->ok && strcmp(PQgetvalue(answer->rows, 0, 0), "accepted") == 0;
	if (try->won)
		washman->at_work = true;
}

static int
CompareTries(const void *a, const void *b)
{
	const Offer *left = ((const Try *) a)->offer;
	const Offer *right = ((const Try *) b)->offer;

	if (left->tap_at != right->tap_at)
		return left->tap_at < right->tap_at ? -1 : 1;
	return left->washman->number - right->washman->number;
}

/* Whoever taps in this step tries; that a job is gone is known in the next. */
void
Race(World *world)
{
	Try		   *tries = NULL;
	int			count = 0;

	for (int i = 0; i < world->live_count; i++)
	{
		Request    *request = world->live[i];

		if (request->status != PENDING)
			continue;
		tries = realloc(tries, (count + request->offer_count) * sizeof(Try));
		for (int o = 0; o < request->offer_count; o++)
		{
			Offer	   *offer = &request->offers[o];

			if (offer->tried || offer->tap_at > (double) world->now ||
				offer->tap_at >= offer->expires_at ||
				offer->washman->occupied || offer->washman->at_work)
				continue;
			tries[count++] = (Try) {.request = request,.offer = offer};
		}
	}
	if (count > 0)
		qsort(tries, count, sizeof(Try), CompareTries);
	ClientsRun(world->racers, TryWork, tries, sizeof(Try), count);

	for (int i = 0; i < count; i++)
	{
		Try		   *try = &tries[i];

		try->offer->tried = try->code[0] != '\0';
		world->tally.serialization_failures += try->failures;
		if (try->won)
		{
			Plan(try->request, try->offer);
			SamplesAdd(&world->tally.accept_ms, try->ms);
		}
		else if (strcmp(try->code, "PT409") == 0)
		{
			world->tally.refused_races++;
			SamplesAdd(&world->tally.refused_ms, try->ms);
		}
		else if (strcmp(try->code, "PT410") == 0)
			world->tally.late_taps++;
	}
	free(tries);
}
