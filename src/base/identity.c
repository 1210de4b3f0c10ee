/*-------------------------------------------------------------------------
 *
 * identity.c
 *		Work on the tables as washminute_owner, whoever called.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/acl.h"

#include "base/identity.h"

void
IdentityBecomeOwner(Identity *saved)
{
	Oid			owner = get_role_oid("washminute_owner", false);

	GetUserIdAndSecContext(&saved->user_id, &saved->security_context);
	SetUserIdAndSecContext(owner, saved->security_context |
						   SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
}

void
IdentityRestore(const Identity *saved)
{
	SetUserIdAndSecContext(saved->user_id, saved->security_context);
}
