/*-------------------------------------------------------------------------
 *
 * receivable.c
 *		What people owe the platform, and how that ends.
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
#include "base/json.h"
#include "base/money.h"
#include "base/statement.h"
#include "base/user.h"
#include "outbox/enqueue.h"
#include "payment/ledger.h"
#include "payment/receivable.h"

COMMAND(settle_receivable, 1);

static Statement insert_receivable = {
	"INSERT INTO washminute_data.receivables"
	"  (receivable_id, debtor_id, order_id, amount, purpose, created_at)"
	" VALUES ($1, $2, $3, $4, $5, $6)",
	6, {UUIDOID, TEXTOID, UUIDOID, NUMERICOID, TEXTOID, TIMESTAMPTZOID}
};

static Statement lock_receivable = {
	"SELECT debtor_id, order_id, amount, settled_at IS NOT NULL"
	"  FROM washminute_data.receivables WHERE receivable_id = $1 FOR UPDATE",
	1, {UUIDOID}
};

static Statement settle_row = {
	"UPDATE washminute_data.receivables"
	"   SET settled_at = $2, settled_by = $3, waived = $4, reason = $5"
	" WHERE receivable_id = $1",
	5, {UUIDOID, TIMESTAMPTZOID, TEXTOID, BOOLOID, TEXTOID}
};

void
ReceivableAdd(const char *debtor_id, const pg_uuid_t *order_id, int64 centimes,
			  const char *purpose)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, DirectFunctionCall1(gen_random_uuid, 0));
	ArgumentText(&arguments, debtor_id);
	ArgumentDatum(&arguments, UUIDPGetDatum(order_id));
	ArgumentDatum(&arguments, MoneyToNumeric(centimes));
	ArgumentText(&arguments, purpose);
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	StatementRunOne(&insert_receivable, &arguments);
}

/*
 * settle_receivable(receivable_id, admin_id, reason, waived): what was owed has
 * been paid outside, or is given up, which the platform's revenue bears.
 */
static Datum
settle_receivable_body(FunctionCallInfo fcinfo)
{
	pg_uuid_t  *receivable_id = ArgumentUuid(fcinfo, 0, "receivable_id");
	char	   *admin_id = ArgumentId(fcinfo, 1, "admin_id");
	char	   *reason = ArgumentRequiredText(fcinfo, 2, "reason", REASON_MAX);
	bool		waived = !PG_ARGISNULL(3) && PG_GETARG_BOOL(3);
	Arguments	lock = {0};
	Arguments	settle = {0};
	char	   *debtor_id;
	pg_uuid_t  *order_id;
	int64		amount;
	JsonObject	data;

	UserRequireKind(admin_id, "admin");
	ArgumentDatum(&lock, UUIDPGetDatum(receivable_id));
	if (StatementRun(&lock_receivable, &lock) == 0)
		ErrorRaise(WM_RECEIVABLE_NOT_FOUND, NULL);
	debtor_id = RowText(0, 1);
	order_id = RowUuid(0, 2);
	amount = RowMoney(0, 3);
	if (RowBool(0, 4))
		ErrorRaise(WM_RECEIVABLE_SETTLED, NULL);

	ArgumentDatum(&settle, UUIDPGetDatum(receivable_id));
	ArgumentDatum(&settle, TimestampTzGetDatum(ClockNow()));
	ArgumentText(&settle, admin_id);
	ArgumentDatum(&settle, BoolGetDatum(waived));
	ArgumentText(&settle, reason);
	StatementRunOne(&settle_row, &settle);
	LedgerTransfer(waived ? ACCOUNT_PLATFORM_REVENUE : ACCOUNT_CASH_SETTLEMENT,
				   ACCOUNT_RECEIVABLES, amount, "receivable", order_id, admin_id, reason);

	JsonOpen(&data);
	JsonText(&data, "debtorId", debtor_id);
	JsonMoney(&data, "amount", amount);
	JsonBool(&data, "waived", waived);
	JsonText(&data, "reason", reason);
	EventRecord("receivableSettled", NULL, admin_id, JsonClose(&data));
	PG_RETURN_VOID();
}
