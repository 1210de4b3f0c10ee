/*-------------------------------------------------------------------------
 *
 * echo.c
 *		What an answer costs where nothing is done for it, by a server with a process for
 *		each connection and clients that ask one thing at a time.
 *
 *	echo CONNECTIONS SECONDS
 *
 * Each connection is a pair of sockets, with a thread of this program at one end and a
 * process at the other.  They wait as libpq does, by poll() before it reads, and as
 * PostgreSQL, by epoll_wait() when there is nothing to read, and exchange about as many
 * bytes as a report of a position does.  Prints answers per second, and the mean of their
 * milliseconds, as ask.c.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "now.h"

#define MAX_CONNECTIONS 64
#define MESSAGE_BYTES 100

typedef struct Connection
{
	pthread_t	thread;
	int			socket;
	uint64_t	done;
} Connection;

static double until;

static void
Fail(const char *what)
{
	fprintf(stderr, "echo: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The process at the other end; ends with the connection. */
static void
Answer(int socket)
{
	struct epoll_event event = {.events = EPOLLIN};
	char		message[MESSAGE_BYTES];
	int			waits = epoll_create1(EPOLL_CLOEXEC);

	if (waits < 0 || epoll_ctl(waits, EPOLL_CTL_ADD, socket, &event) != 0)
		Fail("epoll");
	for (;;)
	{
		ssize_t		got = recv(socket, message, sizeof(message), MSG_DONTWAIT);

		if (got == 0)
			exit(0);
		if (got < 0 && errno == EAGAIN)
			(void) epoll_wait(waits, &event, 1, -1);
		else if (got < 0 || send(socket, message, sizeof(message), 0) < 0)
			exit(0);
	}
}

static void *
AskUntil(void *argument)
{
	Connection *connection = argument;
	char		message[MESSAGE_BYTES] = {0};

	while (Now() < until)
	{
		struct pollfd readable = {connection->socket, POLLIN, 0};

		if (send(connection->socket, message, sizeof(message), 0) < 0)
			Fail("send");
		if (poll(&readable, 1, -1) != 1 || recv(connection->socket, message, sizeof(message), 0) <= 0)
			Fail("receive");
		connection->done++;
	}
	return NULL;
}

int
main(int argc, char **argv)
{
	static Connection connections[MAX_CONNECTIONS];
	int			count = argc == 3 ? atoi(argv[1]) : 0;
	uint64_t	done = 0;
	double		started;
	double		seconds;

	if (count < 1 || count > MAX_CONNECTIONS)
	{
		fprintf(stderr, "echo: see the head of echo.c\n");
		return 1;
	}
	for (int i = 0; i < count; i++)
	{
		int			ends[2];
		pid_t		process;

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
			Fail("pair");
		process = fork();
		if (process < 0)
			Fail("process");
		if (process == 0)
		{
			/* the others end when this program has closed theirs */
			for (int j = 0; j < i; j++)
				close(connections[j].socket);
			close(ends[0]);
			Answer(ends[1]);
		}
		close(ends[1]);
		connections[i].socket = ends[0];
	}

	started = Now();
	until = started + atof(argv[2]);
	for (int i = 0; i < count; i++)
		if (pthread_create(&connections[i].thread, NULL, AskUntil, &connections[i]) != 0)
			Fail("thread");
	for (int i = 0; i < count; i++)
	{
		pthread_join(connections[i].thread, NULL);
		done += connections[i].done;
	}
	seconds = Now() - started;
	printf("%.1f %.4f\n", done / seconds, 1000 * seconds * count / done);
	return 0;
}
