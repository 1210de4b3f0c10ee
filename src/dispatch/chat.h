/*-------------------------------------------------------------------------
 *
 * chat.h
 *		The chat of a request: who is in it, and until when it is open.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_CHAT_H
#define WASHMINUTE_CHAT_H

#include "dispatch/request.h"

/* All functions here need an SPI connection. */

/* A chat as one of its members sees it. */
typedef struct Chat
{
	pg_uuid_t	chat_id;
	int64		last_sequence;
	TimestampTz closes_at;		/* DT_NOEND: not known yet */
	char	   *kind;			/* what the member is in it */
	int64		first_sequence; /* the first message that he sees */
	int64		read_sequence;
} Chat;

/* Whether what an administrator may counts, which it does not for other tokens of his. */
typedef enum ChatAccess
{
	CHAT_NOT_AS_ADMIN,
	CHAT_AS_ADMIN,				/* in the chats that he has joined */
	CHAT_ADMIN_JOINS
} ChatAccess;

/*
 * Read the chat for a user; WM_CHAT_NOT_FOUND where he is not in it, also where there
 * is none.  ChatEnter makes it where it is not made yet, lets an administrator join who
 * is to, and keeps it locked.
 */
extern void ChatRead(const pg_uuid_t *chat_id, const char *user_id, ChatAccess access,
					 Chat *chat);
extern void ChatEnter(const pg_uuid_t *chat_id, const char *user_id, ChatAccess access,
					  Chat *chat);

/* The access that the argument as_admin gives. */
extern ChatAccess ChatArgumentAccess(FunctionCallInfo fcinfo, int number);

/* Is it over, so that nothing can be written any more? */
extern bool ChatIsClosed(const Chat *chat);

/* Tell all members of a locked chat; data is a JSON object as text. */
extern void ChatTell(const pg_uuid_t *chat_id, const char *event, const char *data);

/*
 * A locked request has moved: whoever had it leaves its chat, whoever has it now comes
 * in, and when it has ended the chat's time runs.  previous: who had it, or NULL.
 */
extern void ChatFollow(const Request *request, const char *previous);

/* Close the chats whose time is over, so many at most. */
extern void ChatsClose(int most);

#endif							/* WASHMINUTE_CHAT_H */
