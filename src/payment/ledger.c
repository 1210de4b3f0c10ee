/*-------------------------------------------------------------------------
 *
 * ledger.c
 *		The books: transfers, holds, settlements.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "base/argument.h"
#include "base/caller.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/idempotency.h"
#include "base/json.h"
#include "base/keyed_row.h"
#include "base/lock.h"
#include "base/money.h"
#include "base/settings.h"
#include "base/statement.h"
#include "outbox/enqueue.h"
#include "payment/ledger.h"

/* Settlements leave room for what jobs add: centimes of 1 000 000 000 MAD. */
#define SETTLED_BALANCE_MAX INT64CONST(100000000000)

COMMAND(settle_balance, 0);
COMMAND(washman_balance, 0);

enum AccountColumn
{
	ACCOUNT_BALANCE,
	ACCOUNT_HELD
};

static const KeyedTable accounts = {
	"accounts", {{"account_id", TEXTOID}},
	{
		[ACCOUNT_BALANCE] = {"balance", NUMERICOID},
		[ACCOUNT_HELD] = {"held", NUMERICOID}
	}
};

static Statement insert_transfer = {
	"INSERT INTO washminute_data.transfers"
	"  (at, debit_account, credit_account, amount, purpose, order_id, actor_id, reason)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
	8, {TIMESTAMPTZOID, TEXTOID, TEXTOID, NUMERICOID, TEXTOID, UUIDOID, TEXTOID, TEXTOID}
};

static Statement update_balance = {
	"UPDATE washminute_data.accounts"
	"   SET balance = balance + $1, held = held + $2,"
	"       minimum = LEAST(minimum, $3)"
	" WHERE ctid = $4",
	4, {NUMERICOID, NUMERICOID, NUMERICOID, TIDOID}
};

static Statement update_minimum = {
	"UPDATE washminute_data.accounts"
	"   SET balance = $1, minimum = LEAST($2, $1 - held)"
	" WHERE ctid = $3",
	3, {NUMERICOID, NUMERICOID, TIDOID}
};

char *
LedgerWashmanAccount(const char *washman_id)
{
	return psprintf("washman:%s", washman_id);
}

void
LedgerTransfer(const char *debit_account, const char *credit_account,
			   int64 centimes, const char *purpose, const pg_uuid_t *order_id,
			   const char *actor_id, const char *reason)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	ArgumentText(&arguments, debit_account);
	ArgumentText(&arguments, credit_account);
	ArgumentDatum(&arguments, MoneyToNumeric(centimes));
	ArgumentText(&arguments, purpose);
	ArgumentDatumOrNull(&arguments, UUIDPGetDatum(order_id), order_id == NULL);
	ArgumentText(&arguments, actor_id);
	ArgumentText(&arguments, reason);
	StatementRunOne(&insert_transfer, &arguments);
}

void
LedgerChangeBalance(const char *washman_id, int64 balance_change,
					int64 held_change, int64 minimum)
{
	Datum		key = CStringGetTextDatum(LedgerWashmanAccount(washman_id));
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, MoneyToNumeric(balance_change));
	ArgumentDatum(&arguments, MoneyToNumeric(held_change));
	ArgumentDatum(&arguments, MoneyToNumeric(minimum));
	KeyedRowUpdate(&accounts, &key, &update_balance, &arguments);
}

void
LedgerBalance(const char *washman_id, int64 *balance, int64 *held)
{
	Datum		key = CStringGetTextDatum(LedgerWashmanAccount(washman_id));
	KeyedRow	row;

	if (!KeyedRowRead(&accounts, &key, &row))
		ErrorRaiseText(WM_WASHMAN_NOT_FOUND, "washmanId", washman_id);
	*balance = KeyedMoney(&row, ACCOUNT_BALANCE);
	*held = KeyedMoney(&row, ACCOUNT_HELD);
}

int64
LedgerRoom(const char *washman_id)
{
	int64		balance;
	int64		held;

	LedgerBalance(washman_id, &balance, &held);
	return balance - held;
}

/*
 * Book a settlement; the new balance, in centimes.  Over REST an administrator asks for it,
 * who is named; who calls in SQL says so in the reason.
 */
static int64
Settle(const char *washman_id, int64 amount, const char *reason)
{
	char	   *account = LedgerWashmanAccount(washman_id);
	char	   *actor_id = CallerUserId();
	Datum		key = CStringGetTextDatum(account);
	int64		balance;
	int64		held;
	Settings	settings;
	Arguments	arguments = {0};
	JsonObject	data;

	LockWashman(washman_id);
	LedgerBalance(washman_id, &balance, &held);
	balance += amount;
	if (balance > SETTLED_BALANCE_MAX || balance < -SETTLED_BALANCE_MAX)
		ErrorRaiseArgument(WM_AMOUNT_INVALID, "amount",
						   "leave the balance below 1 000 000 000");

	SettingsRead(&settings);
	ArgumentDatum(&arguments, MoneyToNumeric(balance));
	ArgumentDatum(&arguments,
				  MoneyToNumeric(SETTING_CENTIMES(settings.balance_floor)));
	KeyedRowUpdate(&accounts, &key, &update_minimum, &arguments);

	if (amount > 0)
		LedgerTransfer(ACCOUNT_CASH_SETTLEMENT, account, amount, "settlement",
					   NULL, actor_id, reason);
	else
		LedgerTransfer(account, ACCOUNT_CASH_SETTLEMENT, -amount, "settlement",
					   NULL, actor_id, reason);

	JsonOpen(&data);
	JsonText(&data, "washmanId", washman_id);
	JsonMoney(&data, "amount", amount);
	JsonMoney(&data, "balance", balance);
	JsonText(&data, "reason", reason);
	EventRecord("balanceSettled", NULL, actor_id, JsonClose(&data));
	return balance;
}

/*
 * settle_balance(washman_id, amount, reason, idempotency_key): money that
 * changed hands outside, e.g. a washman who pays in at the counter.  An operator
 * may take a balance below the floor: the account's minimum follows it down, and
 * comes back up with the balance.  Returns the new balance.
 */
static Datum
settle_balance_body(FunctionCallInfo fcinfo)
{
	char	   *washman_id = ArgumentId(fcinfo, 0, "washman_id");
	int64		amount;
	char	   *reason;
	char	   *key;
	char	   *answer;
	int64		balance;
	JsonObject	text;

	ArgumentRequire(fcinfo, 1, "amount");
	amount = MoneyFromArgument(PG_GETARG_DATUM(1), "amount");
	if (amount == 0)
		ErrorRaiseArgument(WM_AMOUNT_INVALID, "amount", "not be 0");
	reason = ArgumentRequiredText(fcinfo, 2, "reason", 500);
	key = ArgumentOptionalText(fcinfo, 3, "idempotency_key", ID_MAX);
	if (key == NULL)
		PG_RETURN_DATUM(MoneyToNumeric(Settle(washman_id, amount, reason)));

	JsonOpen(&text);
	JsonMoney(&text, "amount", amount);
	JsonText(&text, "reason", reason);
	JsonClose(&text);
	answer = IdempotencyBegin(washman_id, "settle_balance", key, text.data);
	if (answer == NULL)
	{
		balance = Settle(washman_id, amount, reason);
		answer = MoneyText(balance);
		IdempotencyEnd(washman_id, "settle_balance", key, text.data, answer);
	}
	PG_RETURN_DATUM(DirectFunctionCall3(numeric_in, CStringGetDatum(answer),
										ObjectIdGetDatum(InvalidOid),
										Int32GetDatum(-1)));
}

/* washman_balance(washman_id) */
static Datum
washman_balance_body(FunctionCallInfo fcinfo)
{
	char	   *washman_id = ArgumentId(fcinfo, 0, "washman_id");
	int64		balance;
	int64		held;

	LedgerBalance(washman_id, &balance, &held);
	PG_RETURN_DATUM(MoneyToNumeric(balance));
}
