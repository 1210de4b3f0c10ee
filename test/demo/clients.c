/*-------------------------------------------------------------------------
 *
 * clients.c
 *		Many clients at once: a thread each, with a connection of its own.
 *
 *-------------------------------------------------------------------------
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clients.h"

#define COMPLAINTS_SHOWN 10

/* So many items are done before other threads would have woken up. */
#define FEW 2

struct Client
{
	Clients    *all;
	PGconn	   *connection;
	Answer		answer;			/* of the last call */
};

struct Clients
{
	int			count;
	Client	   *clients;

	/* the round at hand: under the mutex but for next_item */
	pthread_mutex_t mutex;
	pthread_cond_t begins;
	pthread_cond_t ends;
	long		round;
	int			working;
	ClientWork	work;
	char	   *items;
	size_t		item_size;
	int			item_count;
	atomic_int	next_item;
};

static atomic_int complaints;

double
Seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + 1e-9 * (double) now.tv_nsec;
}

PGconn *
Connect(const char *conninfo)
{
	PGconn	   *connection = PQconnectdb(conninfo);

	if (PQstatus(connection) != CONNECTION_OK)
	{
		fprintf(stderr, "replay: %s", PQerrorMessage(connection));
		exit(1);
	}
	return connection;
}

static void *
ClientMain(void *argument)
{
	Client	   *client = argument;
	Clients    *all = client->all;

	for (long round = 1;; round++)
	{
		int			item;

		pthread_mutex_lock(&all->mutex);
		while (all->round < round)
			pthread_cond_wait(&all->begins, &all->mutex);
		pthread_mutex_unlock(&all->mutex);

		while ((item = atomic_fetch_add(&all->next_item, 1)) < all->item_count)
			all->work(client, all->items + item * all->item_size);

		pthread_mutex_lock(&all->mutex);
		if (--all->working == 0)
			pthread_cond_signal(&all->ends);
		pthread_mutex_unlock(&all->mutex);
	}
	return NULL;
}

Clients *
ClientsOpen(const char *conninfo, int count,
			const char *const *statements, int statement_count)
{
	Clients    *all = calloc(1, sizeof(Clients));

	all->count = count;
	all->clients = calloc(count, sizeof(Client));
	pthread_mutex_init(&all->mutex, NULL);
	pthread_cond_init(&all->begins, NULL);
	pthread_cond_init(&all->ends, NULL);
	for (int i = 0; i < count; i++)
	{
		Client	   *client = &all->clients[i];
		pthread_t	thread;

		client->all = all;
		client->connection = Connect(conninfo);
		for (int s = 0; s < statement_count; s++)
		{
			char		name[16];
			PGresult   *result;

			snprintf(name, sizeof(name), "%d", s);
			result = PQprepare(client->connection, name, statements[s], 0, NULL);
			if (PQresultStatus(result) != PGRES_COMMAND_OK)
			{
				fprintf(stderr, "replay: %s", PQresultErrorMessage(result));
				exit(1);
			}
			PQclear(result);
		}
		if (pthread_create(&thread, NULL, ClientMain, client) != 0)
		{
			fprintf(stderr, "replay: no more threads\n");
			exit(1);
		}
	}
	return all;
}

void
ClientsRun(Clients *all, ClientWork work, void *items, size_t item_size, int count)
{
	if (count <= FEW)
	{
		for (int i = 0; i < count; i++)
			work(&all->clients[0], (char *) items + i * item_size);
		return;
	}
	pthread_mutex_lock(&all->mutex);
	all->work = work;
	all->items = items;
	all->item_size = item_size;
	all->item_count = count;
	atomic_store(&all->next_item, 0);
	all->working = all->count;
	all->round++;
	pthread_cond_broadcast(&all->begins);
	while (all->working > 0)
		pthread_cond_wait(&all->ends, &all->mutex);
	pthread_mutex_unlock(&all->mutex);
}

const Answer *
ClientCallArray(Client *client, int statement, const char *expected,
				int count, const char *const *arguments)
{
	Answer	   *answer = &client->answer;
	double		began = Seconds();
	char		name[16];
	const char *code;

	PQclear(answer->rows);
	snprintf(name, sizeof(name), "%d", statement);
	answer->rows = PQexecPrepared(client->connection, name, count, arguments,
								  NULL, NULL, 0);
	answer->ms = 1e3 * (Seconds() - began);
	answer->ok = PQresultStatus(answer->rows) == PGRES_TUPLES_OK;
	code = PQresultErrorField(answer->rows, PG_DIAG_SQLSTATE);
	snprintf(answer->code, sizeof(answer->code), "%s",
			 answer->ok ? "00000" : code ? code : "08006");
	if (!answer->ok && strstr(expected, answer->code) == NULL &&
		atomic_fetch_add(&complaints, 1) < COMPLAINTS_SHOWN)
		fprintf(stderr, "\n%s %s", answer->code, PQresultErrorMessage(answer->rows));
	return answer;
}

int
ClientsComplaints(void)
{
	return atomic_load(&complaints);
}
