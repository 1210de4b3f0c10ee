/*-------------------------------------------------------------------------
 *
 * identity.h
 *		Work on the tables as washminute_owner, whoever called.
 *
 * What only a superuser may start (setup, adopt, the scheduler) works on tables
 * that washminute_owner can put triggers on.  Nothing of his may run with a
 * superuser's rights: so the identity is switched in a context that blocks SET
 * ROLE and RESET ROLE, and where a deferred trigger, which would run at commit
 * as the superuser again, cannot be fired.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_IDENTITY_H
#define WASHMINUTE_IDENTITY_H

typedef struct Identity
{
	Oid			user_id;
	int			security_context;
} Identity;

/*
 * Become washminute_owner, keeping who we were.  An error restores that with the
 * transaction; else the caller does by IdentityRestore.
 */
extern void IdentityBecomeOwner(Identity *saved);
extern void IdentityRestore(const Identity *saved);

#endif							/* WASHMINUTE_IDENTITY_H */
