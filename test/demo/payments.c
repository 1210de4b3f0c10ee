/*-------------------------------------------------------------------------
 *
 * payments.c
 *		Customers pay by card.
 *
 * One in five does: he begins right after he has booked, and the gateway's fake has
 * him pay, be declined or leave (test/demo/cards).  Who is declined begins again,
 * once; what is not paid in time expires.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "people.h"
#include "random.h"

#define CARD_SHARE 0.2
#define PAYMENTS_MAX 2			/* that a customer begins for one booking */
#define PATIENCE_SECONDS 60		/* to wait for the worker, in real time */
#define LOOK_MS 50

static const char due_query[] =
	"SELECT EXISTS (SELECT FROM washminute_data.outbox"
	"                WHERE lane = 'payment' AND state <> 'dead'"
	"                  AND (state = 'inflight' OR due_at IS NULL OR due_at <= clock_timestamp()))";

bool
PaysByCard(const Request *request)
{
	return Chance(request->world->seed, ABOUT_CARD, request->number) < CARD_SHARE;
}

/* PT410: the clock did not wait; PT409: it was at its end before. */
void
BeginPayment(Client *client, Request *request)
{
	char		key[48];

	snprintf(key, sizeof(key), "payment-%d-%d", request->number, ++request->payments);
	request->unpaid = false;
	ClientCall(client, PAY, "PT409 PT410", request->order, request->customer, key);
}

static void
PayWork(Client *client, void *item)
{
	BeginPayment(client, *(Request **) item);
}

void
PayAgain(World *world)
{
	Request   **chosen = calloc(world->live_count + 1, sizeof(Request *));
	int			count = 0;

	for (int i = 0; i < world->live_count; i++)
	{
		Request    *request = world->live[i];

		if (request->status == PENDING && request->unpaid && request->payments < PAYMENTS_MAX)
			chosen[count++] = request;
	}
	ClientsRun(world->phones, PayWork, chosen, sizeof(Request *), count);
	free(chosen);
}

void
AwaitGateway(World *world)
{
	double		began = Seconds();
	bool		due = true;

	while (due && Seconds() - began < PATIENCE_SECONDS)
	{
		PGresult   *result = AdminQuery(world->admin, due_query, 0, NULL);

		due = strcmp(PQgetvalue(result, 0, 0), "t") == 0;
		PQclear(result);
		if (due)
			nanosleep(&(struct timespec) {0, LOOK_MS * 1000000L}, NULL);
	}
}
