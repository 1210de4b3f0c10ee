/*-------------------------------------------------------------------------
 *
 * open_requests.c
 *		How many requests a customer may have open, over REST.
 *
 * Every request that is booked is offered to washmen at once, at no cost to who
 * books it: without a limit one account could keep all of them busy.  Trusted
 * clients in SQL are not held to it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"

#include "base/argument.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/settings.h"
#include "base/statement.h"

COMMAND(check_open_requests, 0);

static Statement select_open = {
	"SELECT r.xmin::pg_catalog.text::pg_catalog.int8"
	"  FROM washminute._open_requests($1) AS o (request_id)"
	"  JOIN washminute_data.washing_requests AS r ON r.request_id = o.request_id",
	1, {TEXTOID}
};

/*
 * _check_open_requests(customer_id), after a booking: of two that are made at the same time
 * the second one sees the first.  One that was made before, and is repeated with its key, is
 * not refused.
 */
static Datum
check_open_requests_body(FunctionCallInfo fcinfo)
{
	char	   *customer_id = ArgumentId(fcinfo, 0, "customer_id");
	Arguments	arguments = {0};
	Settings	settings;
	uint64		count;
	bool		is_new = false;
	JsonObject	facts;

	SettingsRead(&settings);
	LockCustomer(customer_id);
	ArgumentText(&arguments, customer_id);
	count = StatementRun(&select_open, &arguments);
	if (count <= (uint64) settings.max_open_requests)
		PG_RETURN_VOID();
	for (uint64 row = 0; row < count; row++)
		is_new |= TransactionIdIsCurrentTransactionId((TransactionId) RowInt64(row, 1));
	if (!is_new)
		PG_RETURN_VOID();
	JsonOpen(&facts);
	JsonInt(&facts, "most", (int64) settings.max_open_requests);
	ErrorRaise(WM_TOO_MANY_OPEN, JsonClose(&facts));
}
