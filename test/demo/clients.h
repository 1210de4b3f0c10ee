/*-------------------------------------------------------------------------
 *
 * clients.h
 *		Many clients at once: a thread each, with a connection of its own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DEMO_CLIENTS_H
#define DEMO_CLIENTS_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct Client Client;
typedef struct Clients Clients;

/* What a call came to. */
typedef struct Answer
{
	bool		ok;
	char		code[6];		/* SQLSTATE */
	double		ms;				/* from sending it to having the answer */
	PGresult   *rows;
} Answer;

/* Seconds by a clock that only goes forward. */
extern double Seconds(void);

extern PGconn *Connect(const char *conninfo);

/*
 * Connect `count` clients and prepare the statements for them, which calls then
 * name by their number.  Where that fails the program ends.
 */
extern Clients *ClientsOpen(const char *conninfo, int count,
							const char *const *statements, int statement_count);

/*
 * Have the clients work on all items, each item by one client, as many at once
 * as there are clients.  Returns when all are done.
 */
typedef void (*ClientWork) (Client *client, void *item);
extern void ClientsRun(Clients *clients, ClientWork work,
					   void *items, size_t item_size, int count);

/*
 * Call a prepared statement; arguments are texts.  The answer is good until the
 * client's next call.  An error with a SQLSTATE that is not among those expected
 * ("PT409 40001") is told and counted.
 */
#define ClientCall(client, statement, expected, ...) \
	ClientCallArray(client, statement, expected, \
					sizeof((const char *[]) {__VA_ARGS__}) / sizeof(char *), \
					(const char *[]) {__VA_ARGS__})
extern const Answer *ClientCallArray(Client *client, int statement,
									 const char *expected,
									 int count, const char *const *arguments);

/* How many errors were not expected. */
extern int	ClientsComplaints(void);

#endif							/* DEMO_CLIENTS_H */
