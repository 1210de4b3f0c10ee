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
#define METRES_PER_SECOND 6.0	/* as the crow flies, in a city */
#define OVERTIME 1800			/* when the last job is done, after the recording */

/* One washman's try to have one request. */
typedef struct Try
{
	Request    *request;
	Offer	   *offer;
	char		code[6];		/* "" where he got another job meanwhile */
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

/* The nearer and the keener a washman is, the sooner he taps. */
static void
WeighOffer(Request *request, Offer *offer, const char *washman_id, double distance_m)
{
	World	   *world = request->world;
	Washman    *washman = &world->washmen[TraceProvider(washman_id + 1)];
	double		mean_seconds = (TAP_MEAN_SECONDS + distance_m / TAP_METRES_PER_SECOND) /
		washman->keenness;
	double		chance = Chance(world->seed, ABOUT_TAP + 100 * (uint64_t) request->number,
								washman->number);

	*offer = (Offer)
	{
		.washman = washman,.distance_m = distance_m,
			.tap_at = world->now + 2 + (int64_t) (-mean_seconds * log(chance))
	};
}

/* Book, then see who was offered the job: what push messages will tell. */
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
						address, key);
	request->ms = answer->ms;
	if (!answer->ok)
	{
		request->status = STUCK;
		return;
	}
	snprintf(request->id, sizeof(request->id), "%s", PQgetvalue(answer->rows, 0, 0));

	answer = ClientCall(client, SEE_OFFERS, "", request->id);
	if (!answer->ok)
		return;
	request->offer_count = PQntuples(answer->rows);
	request->offers = calloc(request->offer_count + 1, sizeof(Offer));
	for (int i = 0; i < request->offer_count; i++)
		WeighOffer(request, &request->offers[i], PQgetvalue(answer->rows, i, 0),
				   atof(PQgetvalue(answer->rows, i, 1)));
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
	{
		Request    *request = world->live[i];

		SamplesAdd(&world->tally.booking_ms, request->ms);
		request->nearest_m = -1;
		for (int o = 0; o < request->offer_count && request->nearest_m < 0; o++)
			if (!request->offers[o].washman->occupied)
				request->nearest_m = request->offers[o].distance_m;
	}
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

	/* PT402: he has won another job at this moment, and its commission is held */
	do
	{
		answer = ClientCall(client, ACCEPT, "PT402 PT409 40001", try->request->id, washman->id);
		try->ms += answer->ms;
		try->failures += strcmp(answer->code, "40001") == 0;
	} while (strcmp(answer->code, "40001") == 0 && try->failures < RETRIES_MAX);
	strcpy(try->code, answer->code);
	if (answer->ok)
		washman->at_work = true;
}

/* The request is this washman's: when he will do what. */
static void
Plan(Request *request, Offer *winner)
{
	World	   *world = request->world;
	int64_t		drive = (int64_t) (winner->distance_m / METRES_PER_SECOND);
	int64_t		latest = world->last_at + OVERTIME;

	request->winner = winner;
	request->status = ACCEPTED;
	request->due[EN_ROUTE] = world->now + STEP_SECONDS;
	request->due[ARRIVED] = request->due[EN_ROUTE] + drive;
	request->due[IN_PROGRESS] = request->due[ARRIVED] + 30 + (int64_t)
		(90 * Chance(world->seed, ABOUT_WORK, request->number));
	request->due[COMPLETED] = request->due[IN_PROGRESS] + request->pickup->trip_seconds;
	for (int status = EN_ROUTE; status <= COMPLETED; status++)
		if (request->due[status] > latest)
			request->due[status] = latest;
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

			if (offer->tried || offer->tap_at > world->now ||
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
		if (strcmp(try->code, "00000") == 0)
		{
			Plan(try->request, try->offer);
			world->tally.accepted++;
			SamplesAdd(&world->tally.accept_ms, try->ms);
			SamplesAdd(&world->tally.distance_m, try->offer->distance_m);
			if (try->request->nearest_m >= 0)
				SamplesAdd(&world->tally.nearest_m, try->request->nearest_m);
		}
		else if (strcmp(try->code, "PT409") == 0)
		{
			world->tally.refused_races++;
			SamplesAdd(&world->tally.refused_ms, try->ms);
		}
	}
	free(tries);
}

