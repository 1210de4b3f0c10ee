/*-------------------------------------------------------------------------
 *
 * ask.c
 *		PostgreSQL as a marketplace's back end would ask it: one prepared query, one
 *		answer, on so many connections at once, each with a thread of its own; numbers
 *		go both ways in binary, as by the usual drivers (pgx, asyncpg, Npgsql).
 *
 *	ask CONNECTIONS SECONDS QUERY
 *		A query without parameters.
 *	ask CONNECTIONS SECONDS QUERY POINTS
 *		$1 and $2 are the longitude and latitude of random points.
 *	ask CONNECTIONS SECONDS QUERY WASHMEN report
 *		$1 is the id of a random washman, $2 and $3 are less than 25 m from where he is.
 *	ask CONNECTIONS SECONDS FUNCTION WASHMEN call
 *		The same to washminute.report_location(), whose regprocedure FUNCTION is, by PQfn():
 *		the protocol's message for one call of a function, without a statement.
 *
 * Prints queries per second, and the mean of their milliseconds, of a back end that was
 * let in.  Where to connect is told by the variables of libpq.  A line of WASHMEN is "ID
 * LONGITUDE LATITUDE", of POINTS "LONGITUDE LATITUDE", as for rivals/redis.c, which is
 * the same for Redis.
 *
 *-------------------------------------------------------------------------
 */
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "now.h"

#define STATEMENT "ask"
#define FLOAT8OID 701
#define TEXTOID 25

/* How far a report lies from where its washman was loaded, in millionths of a degree. */
#define JITTER 150

#define MAX_CONNECTIONS 64

typedef struct Place
{
	char		id[32];
	double		longitude;
	double		latitude;
} Place;

typedef struct Connection
{
	pthread_t	thread;
	PGconn	   *postgres;
	uint64_t	random;
	uint64_t	done;
} Connection;

static Place *places;
static size_t place_count;
static bool reports;
static bool calls;
static int	called;				/* the function's OID */
static double until;

static void
Fail(const char *what, const char *why)
{
	fprintf(stderr, "ask: %s: %s\n", what, why);
	exit(1);
}

/* xorshift64* */
static uint64_t
Random(Connection *connection)
{
	connection->random ^= connection->random >> 12;
	connection->random ^= connection->random << 25;
	connection->random ^= connection->random >> 27;
	return (connection->random * UINT64_C(2685821657736338717)) >> 16;
}

static void
ReadPlaces(const char *path)
{
	FILE	   *file = fopen(path, "r");
	Place		place = {0};
	size_t		capacity = 0;

	if (file == NULL)
		Fail(path, strerror(errno));
	while ((!reports || fscanf(file, "%31s", place.id) == 1) &&
		   fscanf(file, "%lf %lf", &place.longitude, &place.latitude) == 2)
	{
		if (place_count == capacity)
		{
			capacity = capacity == 0 ? 1024 : 2 * capacity;
			places = realloc(places, capacity * sizeof(Place));
			if (places == NULL)
				Fail(path, "out of memory");
		}
		places[place_count++] = place;
	}
	if (!feof(file) || place_count == 0)
		Fail(path, "not the lines expected");
	fclose(file);
}

static PGconn *
Connect(const char *query)
{
	static const Oid report_types[] = {TEXTOID, FLOAT8OID, FLOAT8OID};
	static const Oid point_types[] = {FLOAT8OID, FLOAT8OID};
	PGconn	   *postgres = PQconnectdb("");
	PGresult   *result;

	if (PQstatus(postgres) != CONNECTION_OK)
		Fail("connection", PQerrorMessage(postgres));
	if (calls)
	{
		result = PQexecParams(postgres, "SELECT $1::regprocedure::oid", 1, NULL, &query, NULL, NULL, 0);
		if (PQresultStatus(result) != PGRES_TUPLES_OK)
			Fail("function", PQerrorMessage(postgres));
		called = atoi(PQgetvalue(result, 0, 0));
		PQclear(result);
		return postgres;
	}
	result = PQprepare(postgres, STATEMENT, query, reports ? 3 : place_count > 0 ? 2 : 0,
					   reports ? report_types : point_types);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		Fail("query", PQerrorMessage(postgres));
	PQclear(result);
	return postgres;
}

/* A float8 as the wire has it. */
static uint64_t
WireDouble(double value)
{
	uint64_t	bits;

	memcpy(&bits, &value, sizeof(bits));
	return htobe64(bits);
}

static double
Jitter(Connection *connection)
{
	return reports ? ((int) (Random(connection) % (2 * JITTER + 1)) - JITTER) / 1e6 : 0;
}

/* report_location(washman_id, longitude, latitude, NULL, NULL) */
static PGresult *
Call(Connection *connection, const char *const *values, const int *lengths)
{
	PQArgBlock	arguments[5];
	int			answer;
	int			length;

	for (int i = 0; i < 3; i++)
		arguments[i] = (PQArgBlock) {.len = lengths[i], .u.ptr = (int *) values[i]};
	arguments[3] = arguments[4] = (PQArgBlock) {.len = -1};
	return PQfn(connection->postgres, called, &answer, &length, 0, arguments, 5);
}

static PGresult *
Ask(Connection *connection)
{
	static const int formats[] = {1, 1, 1};
	const Place *place;
	uint64_t	longitude;
	uint64_t	latitude;
	const char *values[3];
	int			lengths[] = {0, sizeof(uint64_t), sizeof(uint64_t)};
	int			first = reports ? 0 : 1;

	if (place_count == 0)
		return PQexecPrepared(connection->postgres, STATEMENT, 0, NULL, NULL, NULL, 1);
	place = &places[Random(connection) % place_count];
	longitude = WireDouble(place->longitude + Jitter(connection));
	latitude = WireDouble(place->latitude + Jitter(connection));
	values[0] = place->id;
	values[1] = (const char *) &longitude;
	values[2] = (const char *) &latitude;
	lengths[0] = strlen(place->id);
	if (calls)
		return Call(connection, values, lengths);
	return PQexecPrepared(connection->postgres, STATEMENT, 3 - first, values + first,
						  lengths + first, formats, 1);
}

static void *
AskUntil(void *argument)
{
	Connection *connection = argument;

	while (Now() < until)
	{
		PGresult   *result = Ask(connection);
		ExecStatusType status = PQresultStatus(result);

		/* an update is of one row; a call has no count */
		if (status != PGRES_TUPLES_OK &&
			(status != PGRES_COMMAND_OK || (!calls && strcmp(PQcmdTuples(result), "1") != 0)))
			Fail("query", PQerrorMessage(connection->postgres));
		PQclear(result);
		connection->done++;
	}
	return NULL;
}

int
main(int argc, char **argv)
{
	static Connection connections[MAX_CONNECTIONS];
	int			count = argc > 1 ? atoi(argv[1]) : 0;
	uint64_t	done = 0;
	double		started;
	double		seconds;

	if (argc < 4 || argc > 6 || count < 1 || count > MAX_CONNECTIONS ||
		(argc == 6 && strcmp(argv[5], "report") != 0 && strcmp(argv[5], "call") != 0))
		Fail("usage", "see the head of ask.c");
	reports = argc == 6;
	calls = reports && strcmp(argv[5], "call") == 0;
	if (argc > 4)
		ReadPlaces(argv[4]);
	for (int i = 0; i < count; i++)
	{
		connections[i].postgres = Connect(argv[3]);
		connections[i].random = UINT64_C(0x9E3779B97F4A7C15) * (i + 1);
	}

	started = Now();
	until = started + atof(argv[2]);
	for (int i = 0; i < count; i++)
		if (pthread_create(&connections[i].thread, NULL, AskUntil, &connections[i]) != 0)
			Fail("thread", strerror(errno));
	for (int i = 0; i < count; i++)
	{
		pthread_join(connections[i].thread, NULL);
		done += connections[i].done;
	}
	seconds = Now() - started;
	printf("%.1f %.4f\n", done / seconds, 1000 * seconds * count / done);
	return 0;
}
