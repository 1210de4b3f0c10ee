/*-------------------------------------------------------------------------
 *
 * redis.c
 *		Redis as a marketplace's back end would ask it: one command, one answer,
 *		on so many connections at once, each with a thread of its own.
 *
 *	redis SOCKET load WASHMEN
 *		GEOADD of all washmen.
 *	redis SOCKET nearby POINTS CONNECTIONS SECONDS COUNT RADIUS-KM...
 *		GEOSEARCH around random points: of the radii, the first that holds COUNT
 *		washmen or else the last.  Prints searches per second, and how many
 *		washmen and commands there were to each on average.
 *	redis SOCKET report WASHMEN CONNECTIONS SECONDS
 *		GEOADD of random washmen, each less than 25 m from where he was loaded.
 *		Prints commands per second.
 *
 * A line of WASHMEN is "ID LONGITUDE LATITUDE", of POINTS "LONGITUDE LATITUDE".
 * Searches are put together beforehand, so that while time is taken a thread has
 * nothing to do but to send them and read the answers.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "../now.h"

#define KEY "washmen"

/* Commands on their way while loading. */
#define LOAD_WINDOW 1000

/* How far a report lies from where its washman was loaded, in millionths of a degree. */
#define JITTER 150

#define MAX_RADII 4
#define MAX_CONNECTIONS 64

typedef struct Command
{
	char	   *text;
	size_t		length;
} Command;

typedef struct Place
{
	char		id[32];
	double		longitude;
	double		latitude;
} Place;

typedef struct Places
{
	Place	   *places;
	size_t		count;
} Places;

/* What a thread does and has done. */
typedef struct Connection
{
	pthread_t	thread;
	redisContext *redis;
	uint64_t	random;
	uint64_t	done;
	uint64_t	commands;
	uint64_t	found;
} Connection;

static const char *socket_path;
static Places places;
static Command *searches[MAX_RADII];
static int	radius_count;
static size_t wanted;
static double until;

static void
Fail(const char *what, const char *why)
{
	fprintf(stderr, "redis: %s: %s\n", what, why);
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

static const Place *
RandomPlace(Connection *connection)
{
	return &places.places[Random(connection) % places.count];
}

static void
ReadPlaces(const char *path, bool with_ids)
{
	FILE	   *file = fopen(path, "r");
	Place		place = {0};
	size_t		capacity = 0;

	if (file == NULL)
		Fail(path, strerror(errno));
	while ((!with_ids || fscanf(file, "%31s", place.id) == 1) &&
		   fscanf(file, "%lf %lf", &place.longitude, &place.latitude) == 2)
	{
		if (places.count == capacity)
		{
			capacity = capacity == 0 ? 1024 : 2 * capacity;
			places.places = realloc(places.places, capacity * sizeof(Place));
			if (places.places == NULL)
				Fail(path, "out of memory");
		}
		places.places[places.count++] = place;
	}
	if (!feof(file) || places.count == 0)
		Fail(path, "not the lines expected");
	fclose(file);
}

static redisContext *
Connect(void)
{
	redisContext *redis = redisConnectUnix(socket_path);

	if (redis == NULL)
		Fail(socket_path, "out of memory");
	if (redis->err)
		Fail(socket_path, redis->errstr);
	return redis;
}

static redisReply *
Answer(redisContext *redis, int type)
{
	void	   *reply;

	if (redisGetReply(redis, &reply) != REDIS_OK)
		Fail("no answer", redis->errstr);
	if (((redisReply *) reply)->type == REDIS_REPLY_ERROR)
		Fail("refused", ((redisReply *) reply)->str);
	if (((redisReply *) reply)->type != type)
		Fail("refused", "an answer of another type");
	return reply;
}

static void
SendReport(redisContext *redis, const char *id, double longitude, double latitude)
{
	char		longitude_text[32];
	char		latitude_text[32];
	const char *words[] = {"GEOADD", KEY, longitude_text, latitude_text, id};

	snprintf(longitude_text, sizeof(longitude_text), "%.6f", longitude);
	snprintf(latitude_text, sizeof(latitude_text), "%.6f", latitude);
	redisAppendCommandArgv(redis, 5, words, NULL);
}

static void
Load(void)
{
	redisContext *redis = Connect();
	size_t		answered = 0;

	for (size_t i = 0; i < places.count; i++)
	{
		SendReport(redis, places.places[i].id, places.places[i].longitude,
				   places.places[i].latitude);
		if (i - answered >= LOAD_WINDOW)
		{
			freeReplyObject(Answer(redis, REDIS_REPLY_INTEGER));
			answered++;
		}
	}
	for (; answered < places.count; answered++)
		freeReplyObject(Answer(redis, REDIS_REPLY_INTEGER));
	redisFree(redis);
}

static void
PrepareSearches(int number, const char *radius_km, const char *count)
{
	searches[number] = malloc(places.count * sizeof(Command));
	if (searches[number] == NULL)
		Fail("searches", "out of memory");
	for (size_t i = 0; i < places.count; i++)
	{
		Command    *command = &searches[number][i];
		int			length = redisFormatCommand(&command->text,
												"GEOSEARCH " KEY " FROMLONLAT %f %f BYRADIUS %s km ASC COUNT %s WITHDIST",
												places.places[i].longitude,
												places.places[i].latitude,
												radius_km, count);

		if (length < 0)
			Fail("searches", "out of memory");
		command->length = length;
	}
}

static void *
SearchUntil(void *argument)
{
	Connection *connection = argument;

	while (Now() < until)
	{
		size_t		place = RandomPlace(connection) - places.places;
		size_t		found = 0;

		for (int i = 0; i < radius_count && found < wanted; i++)
		{
			redisReply *reply;

			redisAppendFormattedCommand(connection->redis,
										searches[i][place].text,
										searches[i][place].length);
			reply = Answer(connection->redis, REDIS_REPLY_ARRAY);
			found = reply->elements;
			freeReplyObject(reply);
			connection->commands++;
		}
		connection->found += found;
		connection->done++;
	}
	return NULL;
}

static double
Jitter(Connection *connection)
{
	return ((int) (Random(connection) % (2 * JITTER + 1)) - JITTER) / 1e6;
}

static void *
ReportUntil(void *argument)
{
	Connection *connection = argument;

	while (Now() < until)
	{
		const Place *place = RandomPlace(connection);

		SendReport(connection->redis, place->id,
				   place->longitude + Jitter(connection),
				   place->latitude + Jitter(connection));
		freeReplyObject(Answer(connection->redis, REDIS_REPLY_INTEGER));
		connection->done++;
	}
	return NULL;
}

/* Run on all connections, and print what came of it. */
static void
Measure(int count, double seconds, void *(*run) (void *))
{
	static Connection connections[MAX_CONNECTIONS];
	Connection	sum = {0};
	double		started;

	if (count < 1 || count > MAX_CONNECTIONS)
		Fail("CONNECTIONS", "1 to 64");
	for (int i = 0; i < count; i++)
	{
		connections[i].redis = Connect();
		connections[i].random = UINT64_C(0x9E3779B97F4A7C15) * (i + 1);
	}

	started = Now();
	until = started + seconds;
	for (int i = 0; i < count; i++)
		if (pthread_create(&connections[i].thread, NULL, run, &connections[i]) != 0)
			Fail("thread", strerror(errno));
	for (int i = 0; i < count; i++)
	{
		pthread_join(connections[i].thread, NULL);
		sum.done += connections[i].done;
		sum.commands += connections[i].commands;
		sum.found += connections[i].found;
	}
	printf("%.1f", sum.done / (Now() - started));
	if (sum.commands > 0)
		printf(" %.2f %.2f", (double) sum.found / sum.done,
			   (double) sum.commands / sum.done);
	printf("\n");
}

int
main(int argc, char **argv)
{
	if (argc < 4)
		Fail("usage", "redis SOCKET load|nearby|report FILE ...");
	socket_path = argv[1];
	ReadPlaces(argv[3], strcmp(argv[2], "nearby") != 0);

	if (strcmp(argv[2], "load") == 0)
		Load();
	else if (strcmp(argv[2], "report") == 0 && argc == 6)
		Measure(atoi(argv[4]), atof(argv[5]), ReportUntil);
	else if (strcmp(argv[2], "nearby") == 0 && argc >= 8 && argc <= 7 + MAX_RADII)
	{
		wanted = strtoul(argv[6], NULL, 10);
		radius_count = argc - 7;
		for (int i = 0; i < radius_count; i++)
			PrepareSearches(i, argv[7 + i], argv[6]);
		Measure(atoi(argv[4]), atof(argv[5]), SearchUntil);
	}
	else
		Fail("usage", "see the head of redis.c");
	return 0;
}
