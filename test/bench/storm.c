/*-------------------------------------------------------------------------
 *
 * storm.c
 *		Many sessions call for one and the same request at the same moment, and
 *		then for the next.
 *
 *	storm SESSIONS WARM-UP REQUESTS CALL FINISH [open]
 *
 * A line of REQUESTS is a request's id, and is a round; the first rounds, as many as
 * WARM-UP says, do not count, since in them each session plans its statements.  CALL is a query of $1, the
 * request, and $2, the washman, which is 'storm' and the session's number from 1.
 * A session has won when it gets a row and the commit is done; it has lost when it
 * gets none, or PT409.  FINISH is run after the round for each winner, whom it makes
 * free for the next.
 *
 * In a round all sessions are made ready, the calls go out one after the other without
 * waiting, in another order each time, and the round ends when all have their answers.
 * A call alone takes its snapshot when it arrives.  With "open" each session has
 * begun a serializable transaction before and told who it is, as PostgREST does, so
 * that all transactions are concurrent however fast the winner is; the commit goes out
 * with the call.  A call's time is from before it is sent until its answer is read,
 * the winner's commit included.
 *
 * Prints the number of calls, the number of winners in the round in which it is farthest
 * from 1, failures with 40001, all other errors, and the losers' milliseconds: median,
 * 99th percentile, longest, longest while warming up.  Connects by libpq's environment variables.
 *
 *-------------------------------------------------------------------------
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include <libpq-fe.h>

#define MAX_SESSIONS 1000
#define MAX_ROUNDS 100000
#define SQL_MAX 1024

typedef struct Session
{
	PGconn	   *connection;
	int			number;			/* from 1 */
	double		started;
	double		ended;			/* 0 while an answer is awaited */
	bool		won;
	char		sqlstate[6];	/* empty without an error */
	char		message[256];
} Session;

static Session sessions[MAX_SESSIONS];
static int	session_count;
static int	epoll;
static PGconn *other;

static long calls;
static long serialization_failures;
static long other_errors;
static int	worst_winners = 1;
static double *losers_ms;
static size_t loser_count;
static double longest_warm_up;

static void
Fail(const char *what, const char *why)
{
	fprintf(stderr, "storm: %s: %s\n", what, why);
	exit(1);
}

static double
Now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static void
Prepare(PGconn *connection, const char *name, const char *query)
{
	PGresult   *result = PQprepare(connection, name, query, 0, NULL);

	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		Fail(query, PQerrorMessage(connection));
	PQclear(result);
}

static PGconn *
Connect(void)
{
	PGconn	   *connection = PQconnectdb("");

	if (PQstatus(connection) != CONNECTION_OK)
		Fail("no connection", PQerrorMessage(connection));
	return connection;
}

static void
ConnectSessions(const char *call)
{
	epoll = epoll_create1(0);
	for (int i = 0; i < session_count; i++)
	{
		Session    *session = &sessions[i];
		struct epoll_event event = {.events = EPOLLIN,.data.ptr = session};

		session->number = i + 1;
		session->connection = Connect();
		Prepare(session->connection, "call", call);
		if (PQsetnonblocking(session->connection, 1) != 0 ||
			epoll_ctl(epoll, EPOLL_CTL_ADD, PQsocket(session->connection), &event) != 0)
			Fail("connection", "cannot be waited for");
	}
}

/* Send, and do not wait: so short a text always finds room. */
static void
Send(Session *session, const char *sql)
{
	session->won = false;
	session->sqlstate[0] = '\0';
	session->ended = 0;
	session->started = Now();
	if (PQsendQuery(session->connection, sql) != 1 || PQflush(session->connection) != 0)
		Fail("not sent", PQerrorMessage(session->connection));
}

static void
KeepAnswer(Session *session, const PGresult *result)
{
	switch (PQresultStatus(result))
	{
		case PGRES_TUPLES_OK:
			session->won = PQntuples(result) > 0;
			break;
		case PGRES_COMMAND_OK:
			break;
		default:
			session->won = false;
			snprintf(session->sqlstate, sizeof(session->sqlstate), "%s",
					 PQresultErrorField(result, PG_DIAG_SQLSTATE) ? : "?");
			snprintf(session->message, sizeof(session->message), "%s",
					 PQresultErrorMessage(result));
	}
}

/* Read what has come; true when the answer is complete. */
static bool
ReadAnswer(Session *session)
{
	PGconn	   *connection = session->connection;

	if (session->ended != 0)
		return false;
	if (PQconsumeInput(connection) != 1)
		Fail("connection lost", PQerrorMessage(connection));
	while (PQisBusy(connection) == 0)
	{
		PGresult   *result = PQgetResult(connection);

		if (result == NULL)
		{
			session->ended = Now();
			return true;
		}
		KeepAnswer(session, result);
		PQclear(result);
	}
	return false;
}

static void
AwaitAll(void)
{
	struct epoll_event events[64];
	int			left = session_count;

	while (left > 0)
	{
		int			ready = epoll_wait(epoll, events, 64, 60000);

		if (ready <= 0)
			Fail("no answer", "for a minute");
		for (int i = 0; i < ready; i++)
			left -= ReadAnswer(events[i].data.ptr);
	}
}

/* Begin all transactions, after rolling back those that failed. */
static void
OpenAll(void)
{
	char		sql[SQL_MAX];

	for (int i = 0; i < session_count; i++)
	{
		Session    *session = &sessions[i];
		bool		failed = PQtransactionStatus(session->connection) == PQTRANS_INERROR;

		snprintf(sql, sizeof(sql),
				 "%sBEGIN ISOLATION LEVEL SERIALIZABLE;"
				 " SELECT pg_catalog.set_config('request.jwt.claims', '{\"sub\": \"storm%d\"}', true)",
				 failed ? "ROLLBACK; " : "", session->number);
		Send(session, sql);
	}
	AwaitAll();
	for (int i = 0; i < session_count; i++)
		if (sessions[i].sqlstate[0] != '\0')
			Fail("not begun", sessions[i].message);
}

static void
Finish(const char *request, const Session *winner)
{
	char		washman[32];
	const char *values[] = {request, washman};
	PGresult   *result;

	snprintf(washman, sizeof(washman), "storm%d", winner->number);
	result = PQexecPrepared(other, "finish", 2, values, NULL, NULL, 0);
	if (PQresultStatus(result) != PGRES_TUPLES_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
		Fail("not finished", PQerrorMessage(other));
	PQclear(result);
}

static void
Round(const char *request, int number, bool open)
{
	char		sql[SQL_MAX];
	int			winners = 0;

	if (open)
		OpenAll();
	for (int i = 0; i < session_count; i++)
	{
		Session    *session = &sessions[(i + number * 7) % session_count];

		snprintf(sql, sizeof(sql), "EXECUTE call('%s', 'storm%d')%s",
				 request, session->number, open ? "; COMMIT" : "");
		Send(session, sql);
	}
	AwaitAll();
	calls += session_count;

	for (int i = 0; i < session_count; i++)
	{
		Session    *session = &sessions[i];

		if (session->won)
		{
			winners++;
			Finish(request, session);
		}
		else if (session->sqlstate[0] == '\0' || strcmp(session->sqlstate, "PT409") == 0)
			losers_ms[loser_count++] = session->ended - session->started;
		else if (strcmp(session->sqlstate, "40001") == 0)
			serialization_failures++;
		else if (other_errors++ == 0)
			fprintf(stderr, "storm: %s: %s", session->sqlstate, session->message);
	}
	if (abs(winners - 1) > abs(worst_winners - 1))
		worst_winners = winners;
}

static int
CompareDoubles(const void *a, const void *b)
{
	double		difference = *(const double *) a - *(const double *) b;

	return (difference > 0) - (difference < 0);
}

static double
Loser(double share)
{
	size_t		i = loser_count * share;

	if (loser_count == 0)
		return 0;
	return losers_ms[i < loser_count ? i : loser_count - 1];
}

/* The sessions are warm: count from here. */
static void
Forget(void)
{
	for (size_t i = 0; i < loser_count; i++)
		if (losers_ms[i] > longest_warm_up)
			longest_warm_up = losers_ms[i];
	calls = serialization_failures = other_errors = 0;
	worst_winners = 1;
	loser_count = 0;
}

int
main(int argc, char **argv)
{
	char		request[64];
	int			warm_up;
	int			rounds = 0;
	FILE	   *requests;
	bool		open;

	if (argc < 6 || argc > 7)
		Fail("usage", "see the head of storm.c");
	session_count = atoi(argv[1]);
	if (session_count < 1 || session_count > MAX_SESSIONS)
		Fail("SESSIONS", "1 to 1000");
	warm_up = atoi(argv[2]);
	open = argc == 7 && strcmp(argv[6], "open") == 0;
	requests = fopen(argv[3], "r");
	losers_ms = malloc((size_t) MAX_ROUNDS * session_count * sizeof(double));
	if (requests == NULL || losers_ms == NULL)
		Fail(argv[3], "cannot be read");

	other = Connect();
	Prepare(other, "finish", argv[5]);
	ConnectSessions(argv[4]);
	while (rounds < MAX_ROUNDS && fscanf(requests, "%63s", request) == 1)
	{
		Round(request, rounds++, open);
		if (rounds == warm_up)
			Forget();
	}
	if (rounds <= warm_up)
		Fail(argv[3], "has too few requests");

	qsort(losers_ms, loser_count, sizeof(double), CompareDoubles);
	printf("%ld %d %ld %ld %.3f %.3f %.3f %.3f\n", calls, worst_winners, serialization_failures,
		   other_errors, Loser(0.5), Loser(0.99), Loser(1), longest_warm_up);
	return 0;
}
