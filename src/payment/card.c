/*-------------------------------------------------------------------------
 *
 * card.c
 *		Cards that the gateway keeps for customers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/argument.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/statement.h"
#include "base/user.h"
#include "outbox/enqueue.h"
#include "payment/card.h"
#include "payment/card_brand.h"

#define TOKEN_MIN 8
#define TOKEN_MAX 64
#define HOLDER_MAX 100

COMMAND(remove_card, 0);

static Statement select_usable = {
	"SELECT FROM washminute_data.cards"
	" WHERE card_id = $1 AND customer_id = $2 AND removed_at IS NULL",
	2, {UUIDOID, TEXTOID}
};

static Statement select_token = {
	"SELECT token FROM washminute_data.cards WHERE card_id = $1 AND (removed_at IS NOT NULL) = $2",
	2, {UUIDOID, BOOLOID}
};

static Statement set_forgotten = {
	"UPDATE washminute_data.cards SET token = NULL WHERE card_id = $1 AND removed_at IS NOT NULL",
	1, {UUIDOID}
};

static Statement insert_client = {
	"INSERT INTO washminute_data.card_clients (customer_id, client_id, created_at)"
	" VALUES ($1, pg_catalog.gen_random_uuid(), $2) ON CONFLICT DO NOTHING",
	2, {TEXTOID, TIMESTAMPTZOID}
};

static Statement select_client = {
	"SELECT pg_catalog.replace(client_id::pg_catalog.text, '-', '')"
	"  FROM washminute_data.card_clients WHERE customer_id = $1",
	1, {TEXTOID}
};

/* One that was removed, of which the gateway has been told to keep it before it was told to forget it. */
static Statement forget_removed = {
	"UPDATE washminute_data.cards SET token = NULL"
	" WHERE customer_id = $1 AND token = $2 AND removed_at IS NOT NULL",
	2, {TEXTOID, TEXTOID}
};

static Statement insert_card = {
	"INSERT INTO washminute_data.cards"
	"  (card_id, customer_id, token, brand, last4, holder, attempt_id, created_at)"
	" VALUES (pg_catalog.gen_random_uuid(), $1, $2, $3, $4, $5, $6, $7)"
	" ON CONFLICT ON CONSTRAINT cards_token_once_per_customer DO NOTHING",
	7, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, UUIDOID, TIMESTAMPTZOID}
};

static Statement update_removed = {
	"UPDATE washminute_data.cards SET removed_at = $3"
	" WHERE card_id = $1 AND customer_id = $2 AND removed_at IS NULL",
	3, {UUIDOID, TEXTOID, TIMESTAMPTZOID}
};

void
CardRequire(const char *customer_id, const pg_uuid_t *card_id)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(card_id));
	ArgumentText(&arguments, customer_id);
	if (StatementRun(&select_usable, &arguments) == 0)
		ErrorRaise(WM_CARD_NOT_FOUND, NULL);
}

static char *
ReadToken(const pg_uuid_t *card_id, bool is_removed)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(card_id));
	ArgumentDatum(&arguments, BoolGetDatum(is_removed));
	return StatementRun(&select_token, &arguments) > 0 ? RowText(0, 1) : NULL;
}

char *
CardToken(const pg_uuid_t *card_id)
{
	return ReadToken(card_id, false);
}

char *
CardTokenToForget(const pg_uuid_t *card_id)
{
	return ReadToken(card_id, true);
}

void
CardForgotten(const pg_uuid_t *card_id)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(card_id));
	(void) StatementRun(&set_forgotten, &arguments);
}

char *
CardClientId(const char *customer_id)
{
	Arguments	insert = {0};
	Arguments	select = {0};

	ArgumentText(&insert, customer_id);
	ArgumentDatum(&insert, TimestampTzGetDatum(ClockNow()));
	(void) StatementRun(&insert_client, &insert);
	ArgumentText(&select, customer_id);
	StatementRunOne(&select_client, &select);
	return RowText(0, 1);
}

/* A token is letters and digits; what is none of these is not kept. */
static bool
IsToken(const char *token)
{
	size_t		length = token != NULL ? strlen(token) : 0;

	return length >= TOKEN_MIN && length <= TOKEN_MAX &&
		strspn(token, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-") == length;
}

/* The last four digits of a masked number; NULL where it does not end with them. */
static const char *
LastFour(const char *card)
{
	size_t		length = card != NULL ? strlen(card) : 0;

	return length >= 4 && strspn(card + length - 4, "0123456789") == 4 ? card + length - 4 : NULL;
}

void
CardSave(const Attempt *attempt, const NapsCallback *callback)
{
	Arguments	forget = {0};
	Arguments	arguments = {0};
	const char *holder = callback->holder;

	/* empty: the gateway keeps that card for him already */
	if (!attempt->save_card || !IsToken(callback->card_token))
		return;
	if (holder != NULL && (holder[0] == '\0' || pg_mbstrlen(holder) > HOLDER_MAX))
		holder = NULL;
	ArgumentText(&forget, attempt->customer_id);
	ArgumentText(&forget, callback->card_token);
	(void) StatementRun(&forget_removed, &forget);
	ArgumentText(&arguments, attempt->customer_id);
	ArgumentText(&arguments, callback->card_token);
	ArgumentText(&arguments, CardBrand(callback->card_number, callback->card_type));
	ArgumentText(&arguments, LastFour(callback->card_number));
	ArgumentText(&arguments, holder);
	ArgumentDatum(&arguments, UUIDPGetDatum(&attempt->attempt_id));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	(void) StatementRun(&insert_card, &arguments);
}

/* remove_card(customer_id, card_id): it cannot be used any more, and the gateway is to forget it. */
static Datum
remove_card_body(FunctionCallInfo fcinfo)
{
	char	   *customer_id = ArgumentId(fcinfo, 0, "customer_id");
	pg_uuid_t  *card_id = ArgumentUuid(fcinfo, 1, "card_id");
	Arguments	arguments = {0};
	JsonObject	data;

	UserRequireKind(customer_id, "customer");
	ArgumentDatum(&arguments, UUIDPGetDatum(card_id));
	ArgumentText(&arguments, customer_id);
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	if (StatementRun(&update_removed, &arguments) == 0)
		ErrorRaise(WM_CARD_NOT_FOUND, NULL);
	JsonOpen(&data);
	JsonUuid(&data, "cardId", card_id);
	OutboxPayment(GATEWAY_FORGET, JsonClose(&data), DT_NOBEGIN);
	PG_RETURN_VOID();
}
