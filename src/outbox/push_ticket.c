/*-------------------------------------------------------------------------
 *
 * push_ticket.c
 *		Expo's tickets for push messages: they are kept until their receipts have
 *		come, and a message whose receipt tells of a failure is queued anew or buried.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "base/compat.h"
#include "base/json.h"
#include "base/statement.h"
#include "outbox/push.h"

static Statement insert_receipt = {
	"INSERT INTO washminute_data.outbox (lane, event, data, created_at, due_at)"
	" VALUES ('push_receipt', 'tickets', $1::pg_catalog.jsonb, $2, $3)",
	3, {TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID}
};

static Statement insert_again = {
	"INSERT INTO washminute_data.outbox"
	"  (lane, recipient_id, audience, event, data, created_at, due_at, token, correlation_id, expires_at)"
	" VALUES ('push', $1, $2, $3, $4::pg_catalog.jsonb, $5, $6, $7, $8, NULLIF($9, 'infinity'))",
	9, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID,
	TEXTOID, TIMESTAMPTZOID}
};

static Statement insert_dead = {
	"INSERT INTO washminute_data.outbox"
	"  (lane, recipient_id, audience, event, data, created_at, token, correlation_id, expires_at,"
	"   state, failed_at, last_error)"
	" VALUES ('push', $1, $2, $3, $4::pg_catalog.jsonb, $5, $6, $7, NULLIF($8, 'infinity'),"
	"         'dead', pg_catalog.clock_timestamp(), pg_catalog.left($9, 1000))",
	9, {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, TIMESTAMPTZOID,
	TEXTOID}
};

static TimestampTz
SecondsFromNow(double seconds)
{
	return GetCurrentTimestamp() + (int64) (seconds * USECS_PER_SEC);
}

void
PushKeepTickets(const List *tickets, TimestampTz sent_at, TimestampTz told_at,
				double seconds)
{
	Arguments	arguments = {0};
	JsonObject	row;
	ListCell   *cell;

	JsonOpen(&row);
	JsonInt(&row, "sentAt", sent_at);
	appendStringInfoString(&row, ", \"tickets\": [");
	foreach(cell, tickets)
	{
		const Ticket *ticket = lfirst(cell);
		JsonObject	element;

		JsonOpen(&element);
		JsonText(&element, "id", ticket->id);
		JsonText(&element, "token", ticket->token);
		JsonText(&element, "recipient", ticket->recipient_id);
		JsonText(&element, "audience", ticket->audience);
		JsonText(&element, "event", ticket->event);
		JsonText(&element, "correlation", ticket->correlation_id);
		JsonInt(&element, "createdAt", ticket->created_at);
		JsonInt(&element, "expiresAt", ticket->expires_at);
		JsonObjectMember(&element, "data", ticket->data);
		appendStringInfo(&row, "%s%s", foreach_current_index(cell) > 0 ? ", " : "",
						 JsonClose(&element));
	}
	appendStringInfoChar(&row, ']');
	ArgumentText(&arguments, JsonClose(&row));
	ArgumentDatum(&arguments, TimestampTzGetDatum(told_at));
	ArgumentDatum(&arguments, TimestampTzGetDatum(SecondsFromNow(seconds)));
	StatementRun(&insert_receipt, &arguments);
}

List *
PushReadTickets(const char *data, TimestampTz *sent_at)
{
	Jsonb	   *row = JsonParse(data);
	char	   *sent = JsonMemberText(row, "sentAt");
	List	   *tickets = NIL;
	ListCell   *cell;

	*sent_at = sent ? strtoll(sent, NULL, 10) : 0;
	foreach(cell, JsonElements(JsonMember(row, "tickets")))
	{
		Ticket	   *ticket = palloc(sizeof(Ticket));
		Jsonb	   *element = lfirst(cell);
		Jsonb	   *message = JsonMember(element, "data");
		char	   *created_at = JsonMemberText(element, "createdAt");
		char	   *expires_at = JsonMemberText(element, "expiresAt");

		*ticket = (Ticket) {
			.id = JsonMemberText(element, "id"),
			.token = JsonMemberText(element, "token"),
			.recipient_id = JsonMemberText(element, "recipient"),
			.audience = JsonMemberText(element, "audience"),
			.event = JsonMemberText(element, "event"),
			.correlation_id = JsonMemberText(element, "correlation"),
			.created_at = created_at ? strtoll(created_at, NULL, 10) : *sent_at,
			.expires_at = expires_at ? strtoll(expires_at, NULL, 10) : DT_NOEND,
			.data = message ? JsonbToCString(NULL, &message->root, VARSIZE(message)) : "{}"
		};
		if (ticket->id != NULL && ticket->token != NULL && ticket->event != NULL)
			tickets = lappend(tickets, ticket);
	}
	return tickets;
}

void
PushAgain(const Ticket *ticket, double seconds)
{
	Arguments	arguments = {0};

	ArgumentText(&arguments, ticket->recipient_id);
	ArgumentText(&arguments, ticket->audience);
	ArgumentText(&arguments, ticket->event);
	ArgumentText(&arguments, ticket->data);
	ArgumentDatum(&arguments, TimestampTzGetDatum(ticket->created_at));
	ArgumentDatum(&arguments, TimestampTzGetDatum(SecondsFromNow(seconds)));
	ArgumentText(&arguments, ticket->token);
	ArgumentText(&arguments, ticket->correlation_id);
	ArgumentDatum(&arguments, TimestampTzGetDatum(ticket->expires_at));
	StatementRun(&insert_again, &arguments);
}

void
PushBury(const Ticket *ticket, const char *error)
{
	Arguments	arguments = {0};

	ArgumentText(&arguments, ticket->recipient_id);
	ArgumentText(&arguments, ticket->audience);
	ArgumentText(&arguments, ticket->event);
	ArgumentText(&arguments, ticket->data);
	ArgumentDatum(&arguments, TimestampTzGetDatum(ticket->created_at));
	ArgumentText(&arguments, ticket->token);
	ArgumentText(&arguments, ticket->correlation_id);
	ArgumentDatum(&arguments, TimestampTzGetDatum(ticket->expires_at));
	ArgumentText(&arguments, error);
	StatementRun(&insert_dead, &arguments);
}
