/*-------------------------------------------------------------------------
 *
 * push.h
 *		Push messages: whose devices they go to, and what they say.
 *
 * The worker's side; the commands register_push_token(), unregister_push_token()
 * and notify_user() are in push_token.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_PUSH_H
#define WASHMINUTE_PUSH_H

#include "outbox/queue.h"

/* Expo's limit on a message, in bytes. */
#define PUSH_MESSAGE_MAX 4096

/* A message to one device: Message.extra. */
typedef struct PushMessage
{
	char	   *token;
	char	   *project;		/* NULL: not known */
	char	   *json;			/* as Expo takes it */
	bool		learnt;			/* project is news, to be kept */
	bool		gone;			/* Expo says that there is no such device */
	char	   *ticket;			/* Expo's, once it has accepted it */
	TimestampTz looked_up_at;	/* the token, by the business's clock */
} PushMessage;

/* Read the templates; they are kept until the next time. */
extern void PushTemplatesRead(void);

/*
 * Find device and text of each message.  One to several devices, or to all who
 * were offered a request, becomes one row for each, and leaves the list;
 * *more says that there are new rows.  So do those that nobody can be sent, and
 * those without a text or too big, which are dead letters: *dead has their errors
 * (char *).
 */
extern List *PushExpand(List *messages, int64 epoch, bool *more, List **dead);

/*
 * A ticket of Expo's, whose receipt is asked for later.  The tickets of one
 * request wait in one row of the lane push_receipt, each with its message, should
 * that have to be sent again.
 */
typedef struct Ticket
{
	char	   *id;
	char	   *token;
	char	   *recipient_id;
	char	   *audience;		/* may be NULL */
	char	   *event;
	char	   *data;
	char	   *correlation_id; /* may be NULL */
	TimestampTz created_at;		/* business's clock, as the next */
	TimestampTz expires_at;		/* DT_NOEND: never */
} Ticket;

/*
 * Keep tickets (Ticket *), sent at that time, which was told_at by the business's
 * clock, to be asked for in so many seconds.
 */
extern void PushKeepTickets(const List *tickets, TimestampTz sent_at,
							TimestampTz told_at, double seconds);

/* The tickets of a row, and when they were sent. */
extern List *PushReadTickets(const char *data, TimestampTz *sent_at);

/*
 * Nothing is sent to that device any more, and what waits for it goes; unless it
 * was registered after that time, by the business's clock.
 */
extern void PushDisableToken(const char *token, const char *reason,
							 TimestampTz registered_by);

extern void PushKeepProject(const char *token, const char *project);

/* The message of a ticket, again, after so many seconds. */
extern void PushAgain(const Ticket *ticket, double seconds);

/* The same where it is given up, as a dead letter. */
extern void PushBury(const Ticket *ticket, const char *error);

#endif							/* WASHMINUTE_PUSH_H */
