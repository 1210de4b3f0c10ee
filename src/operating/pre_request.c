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
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"

#include "base/caller.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/guc.h"
#include "base/identity.h"
#include "base/json.h"
#include "base/rate_limit.h"
#include "base/readiness.h"
#include "base/statement.h"
#include "base/token.h"
#include "base/user.h"

PG_FUNCTION_INFO_V1(washminute_pre_request);

#define ROLE_HEADER "x-washminute-role"

static Statement select_catalogue_version = {
	"SELECT pg_catalog.md5(pg_catalog.string_agg(s::pg_catalog.text, ' ' ORDER BY s.service_code))"
	"  FROM washminute_data.services AS s WHERE s.active"
};

/* The statement_timeout of a role, which PostgREST gives to who comes with it. */
static Statement select_timeout = {
	"SELECT pg_catalog.substr(c, 19) FROM pg_catalog.pg_roles AS r, pg_catalog.unnest(r.rolconfig) AS c"
	" WHERE r.rolname = $1::pg_catalog.name AND c LIKE 'statement\\_timeout=%'",
	1, {TEXTOID}
};

/* What PostgREST would have set for the role, or NULL.  Needs an SPI connection. */
static char *
RoleTimeout(const char *role)
{
	Arguments	arguments = {0};

	ArgumentText(&arguments, role);
	return StatementRun(&select_timeout, &arguments) > 0 ? RowText(0, 1) : NULL;
}

/*
 * As SET LOCAL ROLE: the login must have been granted it.  The request, which is the next
 * statement, has the time of that role, unless it has more already by its function.
 */
static void
BecomeRole(const char *role, const char *timeout)
{
	int			milliseconds;

	if (timeout != NULL && StatementTimeout > 0 &&
		parse_int(timeout, &milliseconds, GUC_UNIT_MS, NULL) &&
		(milliseconds == 0 || milliseconds > StatementTimeout))
		(void) set_config_option("statement_timeout", timeout, PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
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
	char	   *timeout = NULL;
	Identity	saved;

	path = path ? path : "";
	if (has_token || strcmp(role, ROLE_ANONYMOUS) != 0)
		TokenCheck(claims, path);
	if (!is_service)
		CheckRate(user_id);
	if (user_id != NULL && !is_service)
		chosen = TokenRole(claims, role, CallerHeader(ROLE_HEADER));

	SPI_connect();
	MemoryContextSwitchTo(context);
	IdentityBecomeOwner(&saved);
	ReadinessRequire();
	if (user_id != NULL)
		UserRequireUnblocked(user_id);
	if (ReadsCatalogue(path))
		TagCatalogue();
	if (chosen != NULL)
		timeout = RoleTimeout(chosen);
	IdentityRestore(&saved);
	SPI_finish();

	if (chosen != NULL)
		BecomeRole(chosen, timeout);
	PG_RETURN_VOID();
}
