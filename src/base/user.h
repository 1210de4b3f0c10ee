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

/* Raise where an administrator has blocked the user; nobody's id passes. */
extern void UserRequireUnblocked(const char *user_id);

/* The user's language. */
extern char *UserLocale(const char *user_id);

#endif							/* WASHMINUTE_USER_H */
