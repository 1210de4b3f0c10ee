/*-------------------------------------------------------------------------
 *
 * people.c
 *		Users, and whether a washman takes jobs now.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"

#include "base/argument.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/money.h"
#include "base/settings.h"
#include "base/statement.h"
#include "base/user.h"
#include "dispatch/live_index.h"
#include "dispatch/request.h"
#include "outbox/enqueue.h"
#include "payment/ledger.h"

#define NAME_MAX_CHARS 200
#define EMAIL_MAX_CHARS 254
#define PHONE_MAX_CHARS 40		/* as typed, with blanks */

COMMAND(upsert_user, 0);
COMMAND(save_user, 1);
COMMAND(set_washman_status, 0);

static const char *const kinds[] = {"customer", "washman", "admin", NULL};
static const char *const locales[] = {"ar", "fr", "en", NULL};
static const char *const statuses[] = {"online", "offline", NULL};

/* NULL keeps what is stored; a row that would not change is not written. */
static Statement upsert_user = {
	"INSERT INTO washminute_data.users AS u"
	"  (user_id, kinds, name, phone, email, locale, created_at, updated_at)"
	" VALUES ($1, ARRAY[$2], $3, $4, $5, COALESCE($6, 'fr'), $7, $7)"
	" ON CONFLICT (user_id) DO UPDATE"
	"   SET kinds = CASE WHEN $2 = ANY (u.kinds) THEN u.kinds ELSE u.kinds || $2 END,"
	"       name = COALESCE($3, u.name), phone = COALESCE($4, u.phone),"
	"       email = COALESCE($5, u.email), locale = COALESCE($6, u.locale),"
	"       updated_at = $7"
	" WHERE NOT $2 = ANY (u.kinds)"
	"    OR (COALESCE($3, u.name), COALESCE($4, u.phone), COALESCE($5, u.email),"
	"        COALESCE($6, u.locale))"
	"       IS DISTINCT FROM (u.name, u.phone, u.email, u.locale)",
	7, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID}
};

static Statement insert_washman = {
	"INSERT INTO washminute_data.washmen (washman_id, status_changed_at)"
	" VALUES ($1, $2) ON CONFLICT (washman_id) DO NOTHING",
	2, {TEXTOID, TIMESTAMPTZOID}
};

static Statement insert_account = {
	"INSERT INTO washminute_data.accounts"
	"  (account_id, kind, washman_id, balance, held, minimum)"
	" VALUES ($2, 'washman', $1, 0, 0, $3) ON CONFLICT (account_id) DO NOTHING",
	3, {TEXTOID, TEXTOID, NUMERICOID}
};

static Statement select_washman = {
	"SELECT status, suspended_at IS NOT NULL"
	"  FROM washminute_data.washmen WHERE washman_id = $1",
	1, {TEXTOID}
};

static Statement update_status = {
	"UPDATE washminute_data.washmen SET status = $2, status_changed_at = $3"
	" WHERE washman_id = $1",
	3, {TEXTOID, TEXTOID, TIMESTAMPTZOID}
};

/*
 * A phone number in the form of ITU-T E.164: +, then 7 to 15 digits, the first
 * not 0.  Blanks are taken out first.
 */
static char *
ArgumentPhone(FunctionCallInfo fcinfo, int number)
{
	char	   *text = ArgumentOptionalText(fcinfo, number, "phone",
											PHONE_MAX_CHARS);
	char	   *end = text;
	int			digits = 0;

	if (text == NULL)
		return NULL;
	for (char *p = text; *p != '\0'; p++)
		if (*p != ' ')
			*end++ = *p;
	*end = '\0';

	for (char *p = text + 1; text[0] == '+' && *p >= '0' && *p <= '9'; p++)
		digits++;
	if (text[0] != '+' || text[1 + digits] != '\0' || text[1] == '0' ||
		digits < 7 || digits > 15)
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "phone",
						   "be in E.164 form, e.g. +212612345678");
	return text;
}

/* An address of the form name@host.domain; only sending proves more. */
static char *
ArgumentEmail(FunctionCallInfo fcinfo, int number)
{
	char	   *text = ArgumentOptionalText(fcinfo, number, "email",
											EMAIL_MAX_CHARS);
	char	   *at;
	char	   *dot;

	if (text == NULL)
		return NULL;
	at = strchr(text, '@');
	dot = at ? strrchr(at, '.') : NULL;
	if (at == NULL || at == text || strchr(at + 1, '@') != NULL ||
		strchr(text, ' ') != NULL || dot == NULL || dot == at + 1 ||
		dot[1] == '\0')
		ErrorRaiseArgument(WM_ARGUMENT_INVALID, "email",
						   "be of the form name@example.com");
	return text;
}

/* What a washman has besides his user: status and account. */
static void
MakeWashman(const char *user_id)
{
	Arguments	washman = {0};
	Arguments	account = {0};
	Settings	settings;

	ArgumentText(&washman, user_id);
	ArgumentDatum(&washman, TimestampTzGetDatum(ClockNow()));
	if (StatementRun(&insert_washman, &washman) == 0)
		return;

	SettingsRead(&settings);
	ArgumentText(&account, user_id);
	ArgumentText(&account, LedgerWashmanAccount(user_id));
	ArgumentDatum(&account,
				  MoneyToNumeric(SETTING_CENTIMES(settings.balance_floor)));
	StatementRunOne(&insert_account, &account);
}

/*
 * Write the user of argument 0 with the kind and what follows it of the arguments from
 * `first` on; false where all was so already.
 */
static bool
WriteUser(FunctionCallInfo fcinfo, int first)
{
	char	   *user_id = ArgumentId(fcinfo, 0, "user_id");
	char	   *kind = ArgumentChoice(fcinfo, first, "kind", kinds);
	Arguments	arguments = {0};
	bool		written;

	if (strcmp(kind, "washman") == 0 && strlen(user_id) > LIVE_ID_MAX)
		ErrorRaiseArgument(WM_ARGUMENT_TOO_LONG, "user_id",
						   "be at most 128 bytes long for a washman");
	ArgumentText(&arguments, user_id);
	ArgumentText(&arguments, kind);
	ArgumentText(&arguments,
				 ArgumentOptionalText(fcinfo, first + 1, "name", NAME_MAX_CHARS));
	ArgumentText(&arguments, ArgumentPhone(fcinfo, first + 2));
	ArgumentText(&arguments, ArgumentEmail(fcinfo, first + 3));
	ArgumentText(&arguments, PG_ARGISNULL(first + 4) ? NULL :
				 ArgumentChoice(fcinfo, first + 4, "locale", locales));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	written = StatementRun(&upsert_user, &arguments) > 0;
	if (strcmp(kind, "washman") == 0)
		MakeWashman(user_id);
	return written;
}

/* upsert_user(user_id, kind, name, phone, email, locale) */
static Datum
upsert_user_body(FunctionCallInfo fcinfo)
{
	(void) WriteUser(fcinfo, 1);
	PG_RETURN_VOID();
}

/*
 * save_user(user_id, admin_id, kind, name, phone, email, locale).  The log is never
 * rewritten, so it has which data were given, not what they are.
 */
static Datum
save_user_body(FunctionCallInfo fcinfo)
{
	static const char *const data_names[] = {"name", "phone", "email", "locale"};
	char	   *admin_id = ArgumentId(fcinfo, 1, "admin_id");
	JsonObject	data;

	UserRequireKind(admin_id, "admin");
	if (!WriteUser(fcinfo, 2))
		PG_RETURN_VOID();
	JsonOpen(&data);
	JsonText(&data, "userId", ArgumentId(fcinfo, 0, "user_id"));
	JsonText(&data, "kind", ArgumentChoice(fcinfo, 2, "kind", kinds));
	for (int i = 0; i < lengthof(data_names); i++)
		if (!PG_ARGISNULL(3 + i))
			JsonBool(&data, data_names[i], true);
	EventRecord("userSaved", NULL, admin_id, JsonClose(&data));
	PG_RETURN_VOID();
}

/* set_washman_status(washman_id, status) */
static Datum
set_washman_status_body(FunctionCallInfo fcinfo)
{
	char	   *washman_id = ArgumentId(fcinfo, 0, "washman_id");
	char	   *status = ArgumentChoice(fcinfo, 1, "status", statuses);
	Arguments	find = {0};
	Arguments	arguments = {0};
	JsonObject	data;

	ArgumentText(&find, washman_id);
	if (StatementRun(&select_washman, &find) == 0)
		ErrorRaiseText(WM_WASHMAN_NOT_FOUND, "washmanId", washman_id);
	if (RowBool(0, 2) && strcmp(status, "online") == 0)
		ErrorRaise(WM_WASHMAN_SUSPENDED, NULL);
	if (strcmp(RowText(0, 1), status) == 0)
		PG_RETURN_VOID();

	ArgumentText(&arguments, washman_id);
	ArgumentText(&arguments, status);
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	StatementRunOne(&update_status, &arguments);

	JsonOpen(&data);
	JsonText(&data, "washmanId", washman_id);
	JsonText(&data, "status", status);
	EventRecord("washmanStatusChanged", NULL, washman_id, JsonClose(&data));
	if (strcmp(status, "online") == 0)
		OfferToJoiner(washman_id);
	PG_RETURN_VOID();
}
