/*-------------------------------------------------------------------------
 *
 * room.h
 *		The rooms that people and chats have, and what is told to them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_ROOM_H
#define WASHMINUTE_ROOM_H

#include "utils/uuid.h"

/* Names of rooms, palloc'd. */
extern char *RoomOfUser(const char *user_id);
extern char *RoomOfChat(const pg_uuid_t *chat_id);

/* All functions below need an SPI connection; data is a JSON object as text. */

/* Tell whoever is in one of the rooms; kept for those who are away. */
extern void RoomsTell(const char *const *rooms, int count, const char *event,
					  const char *data);

/* The same to one room, of what is of no use later. */
extern void RoomTellNow(const char *room, const char *event, const char *data);

/* A socket, or all of a user's, joins or leaves. */
extern void RoomAddSocket(const char *sid, const char *room);
extern void RoomRemoveSocket(const char *sid, const char *room);
extern void RoomRemoveUser(const char *user_id, const char *room);

/* End all of a user's connections. */
extern void RoomLogout(const char *user_id);

#endif							/* WASHMINUTE_ROOM_H */
