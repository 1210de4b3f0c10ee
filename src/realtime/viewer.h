/*-------------------------------------------------------------------------
 *
 * viewer.h
 *		Who has a chat on the screen, and the gateways that say so.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_VIEWER_H
#define WASHMINUTE_VIEWER_H

#include "utils/uuid.h"

/* All functions here need an SPI connection. */

/* The users who view a chat, as a JSON array of their ids. */
extern char *ViewersList(const pg_uuid_t *chat_id);

/*
 * A socket begins or ceases to show a chat; whoever else shows it is told.  A gateway
 * that has not registered is WM_GATEWAY_NOT_REGISTERED.
 */
extern void ViewerAdd(const pg_uuid_t *chat_id, const char *user_id, const char *sid,
					  const char *gateway);
extern void ViewerRemove(const pg_uuid_t *chat_id, const char *sid);

/* All sockets of a user cease to, for one chat. */
extern void ViewersRemoveUser(const pg_uuid_t *chat_id, const char *user_id);

/* Take away what gateways that have died left, and tell; is any gateway alive? */
extern bool GatewaysSweep(void);

#endif							/* WASHMINUTE_VIEWER_H */
