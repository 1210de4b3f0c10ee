/*-------------------------------------------------------------------------
 *
 * user.h
 *		What a user is: customer, washman, administrator.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_USER_H
#define WASHMINUTE_USER_H

/*
 * Raise unless the user exists and is of the kind; or tell, where he exists.  Both
 * need an SPI connection.
 */
extern void UserRequireKind(const char *user_id, const char *kind);
extern bool UserIsKind(const char *user_id, const char *kind);

#endif							/* WASHMINUTE_USER_H */
