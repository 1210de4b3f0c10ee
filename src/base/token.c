/*-------------------------------------------------------------------------
 *
 * token.c
 *		What the claims of a verified token allow.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/errors.h"
#include "base/guc.h"
#include "base/json.h"
#include "base/token.h"

/* Roles that a user can have by his groups, the one with most rights first. */
static const char *const user_roles[] = {"admin", "washman", "customer"};

#define USER_ROLES lengthof(user_roles)
#define ROLE_CUSTOMER (USER_ROLES - 1)

/* Is the text an item of a list with commas between? */
static bool
ListHolds(const char *list, const char *text)
{
	size_t		length = strlen(text);

	for (const char *item = list; *item != '\0';)
	{
		size_t		item_length;

		item += strspn(item, ", ");
		item_length = strcspn(item, ", ");
		if (item_length == length && length > 0 && strncmp(item, text, length) == 0)
			return true;
		item += item_length;
	}
	return false;
}

/* Is one of the claim's values, a text or an array of texts, in the list? */
static bool
ClaimIsIn(Jsonb *claims, const char *name, const char *list)
{
	char	   *text = JsonMemberText(claims, name);
	ListCell   *cell;

	if (text != NULL)
		return ListHolds(list, text);
	foreach(cell, JsonElements(JsonMember(claims, name)))
	{
		text = JsonStringText(lfirst(cell));
		if (text != NULL && ListHolds(list, text))
			return true;
	}
	return false;
}

/*
 * Raise unless the token is from an issuer, for an app and of the use that the
 * settings name.  The claims of who sent none are nothing but the role.  An ID
 * token tells the phone number and the address, which access tokens of some
 * providers do not: it is good for sync_user, and for nothing else.
 */
void
TokenCheck(Jsonb *claims, const char *path)
{
	const char *use = washminute_jwt_token_use;

	if (washminute_jwt_issuers[0] != '\0' && !ClaimIsIn(claims, "iss", washminute_jwt_issuers))
		ErrorRaiseText(WM_TOKEN_REFUSED, "claim", "iss");
	if (washminute_jwt_clients[0] != '\0' &&
		!ClaimIsIn(claims, "client_id", washminute_jwt_clients) &&
		!ClaimIsIn(claims, "azp", washminute_jwt_clients) &&
		!ClaimIsIn(claims, "aud", washminute_jwt_clients))
		ErrorRaiseText(WM_TOKEN_REFUSED, "claim", "client_id");
	if (use[0] != '\0' && !ClaimIsIn(claims, "token_use", use) &&
		!(strcmp(path, "/rpc/sync_user") == 0 && ClaimIsIn(claims, "token_use", "id")))
		ErrorRaiseText(WM_TOKEN_REFUSED, "claim", "token_use");
}

/* Which of user_roles is it, with or without the prefix?  -1: none. */
static int
UserRole(const char *name)
{
	if (strncmp(name, ROLE_PREFIX, strlen(ROLE_PREFIX)) == 0)
		name += strlen(ROLE_PREFIX);
	for (int i = 0; i < USER_ROLES; i++)
		if (strcmp(name, user_roles[i]) == 0)
			return i;
	return -1;
}

/*
 * The role that the request goes on with: a token without a role, which PostgREST
 * takes for nobody's, has the highest that its groups give, customer where they give
 * none; and who has several by his groups may name another one of them in a header.
 */
char *
TokenRole(Jsonb *claims, const char *role, const char *wanted)
{
	bool		has[USER_ROLES] = {[ROLE_CUSTOMER] = true};
	bool		is_nobody = strcmp(role, ROLE_ANONYMOUS) == 0;
	ListCell   *cell;
	int			number;

	foreach(cell, JsonElements(JsonMember(claims, washminute_jwt_groups_claim)))
	{
		char	   *group = JsonStringText(lfirst(cell));

		number = group ? UserRole(group) : -1;
		if (number >= 0)
			has[number] = true;
	}
	if (wanted != NULL)
	{
		/* where the token itself names the role, it is not up to groups */
		number = UserRole(wanted);
		if (number >= 0 && has[number] &&
			(is_nobody || (UserRole(role) >= 0 && JsonMember(claims, washminute_jwt_groups_claim))))
			return psprintf(ROLE_PREFIX "%s", user_roles[number]);
		if (number < 0 || number != UserRole(role))
			ErrorRaiseText(WM_ROLE_NOT_GIVEN, "role", wanted);
		return NULL;
	}
	if (!is_nobody)
		return NULL;
	for (number = 0; !has[number]; number++)
		;
	return psprintf(ROLE_PREFIX "%s", user_roles[number]);
}
