/*-------------------------------------------------------------------------
 *
 * pre_request.c
 *		What is asked before each request over REST (db-pre-request).
 *
 * PostgREST has verified the token's signature and times, and nothing else: not
 * who issued it, nor for which app, nor whether it is an access token.  Here the
 * rest is checked, the groups of a user become his role, blocked users are turned
 * away, and each caller is held to his share of requests.
 *
 * It runs in the transaction of the request, read-only for every GET, as the role
 * that the token gave.  So it writes nothing, and looks at tables as
 * washminute_owner; the role is changed afterwards, outside that context, as SET
 * LOCAL ROLE would be.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"

#include "base/caller.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/guc.h"
#include "base/identity.h"
#include "base/json.h"
#include "base/keyed_row.h"
#include "base/rate_limit.h"
#include "base/readiness.h"
#include "base/statement.h"

PG_FUNCTION_INFO_V1(washminute_pre_request);

#define ROLE_PREFIX "washminute_"
#define ROLE_HEADER "x-washminute-role"

/* What only who has no token is. */
#define ROLE_ANONYMOUS ROLE_PREFIX "anon"
#define ROLE_SERVICE ROLE_PREFIX "service"

/* Roles that a user can have by his groups, the one with most rights first. */
static const char *const user_roles[] = {"admin", "washman", "customer"};

#define USER_ROLES lengthof(user_roles)
#define ROLE_CUSTOMER (USER_ROLES - 1)

enum UserColumn
{
	USER_BLOCKED_AT
};

static const KeyedTable users = {"users", {[USER_BLOCKED_AT] = "blocked_at"}};

static Statement select_catalogue_version = {
	"SELECT pg_catalog.md5(pg_catalog.string_agg(s::pg_catalog.text, ' ' ORDER BY s.service_code))"
	"  FROM washminute_data.services AS s WHERE s.active"
};

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
static void
CheckToken(Jsonb *claims, const char *path)
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
static char *
ChooseRole(Jsonb *claims, const char *role)
{
	bool		has[USER_ROLES] = {[ROLE_CUSTOMER] = true};
	bool		is_nobody = strcmp(role, ROLE_ANONYMOUS) == 0;
	char	   *wanted = CallerHeader(ROLE_HEADER);
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

/* As SET LOCAL ROLE: the login must have been granted it. */
static void
BecomeRole(const char *role)
{
	(void) set_config_option("role", role, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
}

/* Raise where a caller asks too often: a user, or an address that the proxy tells. */
static void
CheckRate(const char *user_id)
{
	char	   *address = user_id ? NULL : CallerHeader("x-real-ip");
	int64		wait_ms;
	JsonObject	facts;

	if (user_id == NULL && address == NULL)
		return;
	wait_ms = RateLimitTake(psprintf("%s %s", user_id ? "user" : "address", user_id ? user_id : address),
							washminute_rate_limit, washminute_rate_burst);
	if (wait_ms == 0)
		return;
	JsonOpen(&facts);
	JsonInt(&facts, "retryAfterMilliseconds", wait_ms);
	ErrorRaise(WM_TOO_MANY_REQUESTS, JsonClose(&facts));
}

static void
CheckBlocked(const char *user_id)
{
	Datum		key = CStringGetTextDatum(user_id);
	KeyedRow	row;

	if (KeyedRowRead(&users, &key, &row) && !KeyedIsNull(&row, USER_BLOCKED_AT))
		ErrorRaise(WM_USER_BLOCKED, NULL);
}

/* Does the header If-None-Match name the tag? */
static bool
CallerHas(const char *tag)
{
	char	   *tags = CallerHeader("if-none-match");

	return tags != NULL && (strcmp(tags, "*") == 0 || strstr(tags, tag) != NULL);
}

/*
 * The catalogue changes seldom and everybody reads it: phones keep it, and ask
 * whether it is still the same.  PostgREST sends no body with status 304.
 */
static void
TagCatalogue(void)
{
	char	   *tag;

	(void) StatementRun(&select_catalogue_version, NULL);
	tag = psprintf("\"%s\"", RowIsNull(0, 1) ? "none" : RowText(0, 1));
	(void) set_config_option("response.headers",
							 psprintf("[{\"Cache-Control\": \"public, max-age=300\"}, {\"ETag\": \"\\\"%.*s\\\"\"}]",
									  (int) strlen(tag) - 2, tag + 1),
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
	if (CallerHas(tag))
		(void) set_config_option("response.status", "304",
								 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

/* Is it a reading of the catalogue? */
static bool
ReadsCatalogue(const char *path)
{
	const char *method = GetConfigOption("request.method", true, false);

	return strcmp(path, "/services") == 0 && method != NULL &&
		(strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0);
}

/* washminute.pre_request() */
Datum
washminute_pre_request(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	const char *role = GetConfigOption("role", false, false);
	const char *path = GetConfigOption("request.path", true, false);
	Jsonb	   *claims = CallerClaims();
	char	   *user_id = CallerUserId();
	bool		has_token = list_length(JsonNames(claims)) > (JsonMember(claims, "role") ? 1 : 0);
	bool		is_service = strcmp(role, ROLE_SERVICE) == 0;
	char	   *chosen = NULL;
	Identity	saved;

	path = path ? path : "";
	if (has_token || strcmp(role, ROLE_ANONYMOUS) != 0)
		CheckToken(claims, path);
	if (!is_service)
		CheckRate(user_id);
	if (user_id != NULL && !is_service)
		chosen = ChooseRole(claims, role);

	SPI_connect();
	MemoryContextSwitchTo(context);
	IdentityBecomeOwner(&saved);
	ReadinessRequire();
	if (user_id != NULL)
		CheckBlocked(user_id);
	if (ReadsCatalogue(path))
		TagCatalogue();
	IdentityRestore(&saved);
	SPI_finish();

	if (chosen != NULL)
		BecomeRole(chosen);
	PG_RETURN_VOID();
}
