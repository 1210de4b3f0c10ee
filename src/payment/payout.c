/*-------------------------------------------------------------------------
 *
 * payout.c
 *		A washman asks for what he has earned, and an administrator pays it.
 *
 * The transfer to his bank is made outside.  While a payout is open its amount is
 * held on the balance, as commissions of live jobs are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/argument.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/idempotency.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/money.h"
#include "base/settings.h"
#include "base/statement.h"
#include "base/user.h"
#include "outbox/enqueue.h"
#include "payment/ledger.h"

COMMAND(request_payout, 0);
COMMAND(pay_payout, 1);
COMMAND(refuse_payout, 1);

static Statement select_open = {
	"SELECT FROM washminute_data.payouts WHERE washman_id = $1 AND status = 'requested'",
	1, {TEXTOID}
};

static Statement insert_payout = {
	"INSERT INTO washminute_data.payouts (payout_id, washman_id, amount, status, requested_at)"
	" VALUES ($1, $2, $3, 'requested', $4)",
	4, {UUIDOID, TEXTOID, NUMERICOID, TIMESTAMPTZOID}
};

static Statement select_payout = {
	"SELECT washman_id, amount, status FROM washminute_data.payouts WHERE payout_id = $1",
	1, {UUIDOID}
};

static Statement update_payout = {
	"UPDATE washminute_data.payouts"
	"   SET status = $2, decided_at = $3, decided_by = $4, reference = $5"
	" WHERE payout_id = $1 AND status = 'requested'",
	5, {UUIDOID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TEXTOID}
};

static void
RecordPayout(const char *event, const char *payout_id, const char *washman_id,
			 int64 amount, const char *actor_id, const char *reference)
{
	JsonObject	data;

	JsonOpen(&data);
	JsonText(&data, "payoutId", payout_id);
	JsonText(&data, "washmanId", washman_id);
	JsonMoney(&data, "amount", amount);
	JsonText(&data, "reference", reference);
	EventRecord(event, NULL, actor_id, JsonClose(&data));
}

static char *
PayoutIdText(const pg_uuid_t *payout_id)
{
	return UuidText(payout_id);
}

/* Hold the amount and write the payout; its id. */
static char *
OpenPayout(const char *washman_id, int64 amount)
{
	pg_uuid_t  *payout_id = DatumGetUUIDP(DirectFunctionCall1(gen_random_uuid, 0));
	Settings	settings;
	Arguments	open = {0};
	Arguments	insert = {0};
	int64		room;
	JsonObject	facts;

	UserRequireKind(washman_id, "washman");
	LockWashman(washman_id);
	ArgumentText(&open, washman_id);
	if (StatementRun(&select_open, &open) > 0)
		ErrorRaise(WM_PAYOUT_OPEN, NULL);
	room = LedgerRoom(washman_id);
	if (amount > room)
	{
		JsonOpen(&facts);
		JsonMoney(&facts, "available", Max(room, 0));
		ErrorRaise(WM_PAYOUT_EXCEEDS_BALANCE, JsonClose(&facts));
	}

	SettingsRead(&settings);
	LedgerChangeBalance(washman_id, 0, amount, SETTING_CENTIMES(settings.balance_floor));
	ArgumentDatum(&insert, UUIDPGetDatum(payout_id));
	ArgumentText(&insert, washman_id);
	ArgumentDatum(&insert, MoneyToNumeric(amount));
	ArgumentDatum(&insert, TimestampTzGetDatum(ClockNow()));
	StatementRunOne(&insert_payout, &insert);
	RecordPayout("payoutRequested", PayoutIdText(payout_id), washman_id, amount, washman_id, NULL);
	return PayoutIdText(payout_id);
}

/* request_payout(washman_id, amount, idempotency_key): the payout's id. */
static Datum
request_payout_body(FunctionCallInfo fcinfo)
{
	char	   *washman_id = ArgumentId(fcinfo, 0, "washman_id");
	char	   *key = ArgumentOptionalText(fcinfo, 2, "idempotency_key", ID_MAX);
	char	   *answer = NULL;
	int64		amount;

	ArgumentRequire(fcinfo, 1, "amount");
	amount = MoneyFromArgument(PG_GETARG_DATUM(1), "amount");
	if (amount <= 0)
		ErrorRaiseArgument(WM_AMOUNT_INVALID, "amount", "be above 0");
	if (key != NULL)
		answer = IdempotencyBegin(washman_id, "request_payout", key, MoneyText(amount));
	if (answer == NULL)
	{
		answer = OpenPayout(washman_id, amount);
		if (key != NULL)
			IdempotencyEnd(washman_id, "request_payout", key, MoneyText(amount),
						   psprintf("\"%s\"", answer));
	}
	else
		answer = JsonStringText(JsonParse(answer));
	PG_RETURN_DATUM(DirectFunctionCall1(uuid_in, CStringGetDatum(answer)));
}

/* Pay or refuse an open payout. */
static void
DecidePayout(FunctionCallInfo fcinfo, const char *status, const char *reference_name)
{
	pg_uuid_t  *payout_id = ArgumentUuid(fcinfo, 0, "payout_id");
	char	   *admin_id = ArgumentId(fcinfo, 1, "admin_id");
	char	   *reference = ArgumentRequiredText(fcinfo, 2, reference_name, REASON_MAX);
	bool		paid = strcmp(status, "paid") == 0;
	Settings	settings;
	Arguments	find = {0};
	Arguments	update = {0};
	char	   *washman_id;
	int64		amount;

	UserRequireKind(admin_id, "admin");
	ArgumentDatum(&find, UUIDPGetDatum(payout_id));
	if (StatementRun(&select_payout, &find) == 0)
		ErrorRaise(WM_PAYOUT_NOT_FOUND, NULL);
	washman_id = RowText(0, 1);
	amount = RowMoney(0, 2);
	LockWashman(washman_id);

	ArgumentDatum(&update, UUIDPGetDatum(payout_id));
	ArgumentText(&update, status);
	ArgumentDatum(&update, TimestampTzGetDatum(ClockNow()));
	ArgumentText(&update, admin_id);
	ArgumentText(&update, reference);
	if (StatementRun(&update_payout, &update) == 0)
	{
		StatementRunOne(&select_payout, &find);
		ErrorRaiseText(WM_PAYOUT_STATE, "status", RowText(0, 3));
	}
	SettingsRead(&settings);
	if (paid)
		LedgerTransfer(LedgerWashmanAccount(washman_id), ACCOUNT_PAYOUTS_PAID, amount,
					   "payout", NULL, admin_id, reference);
	LedgerChangeBalance(washman_id, paid ? -amount : 0, -amount,
						SETTING_CENTIMES(settings.balance_floor));
	RecordPayout(paid ? "payoutPaid" : "payoutRefused", PayoutIdText(payout_id), washman_id,
				 amount, admin_id, reference);
}

/* pay_payout(payout_id, admin_id, reference): the money has been sent. */
static Datum
pay_payout_body(FunctionCallInfo fcinfo)
{
	DecidePayout(fcinfo, "paid", "reference");
	PG_RETURN_VOID();
}

/* refuse_payout(payout_id, admin_id, reason): it is his to use again. */
static Datum
refuse_payout_body(FunctionCallInfo fcinfo)
{
	DecidePayout(fcinfo, "refused", "reason");
	PG_RETURN_VOID();
}
