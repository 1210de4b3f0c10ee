/*-------------------------------------------------------------------------
 *
 * wire.c
 *		The messages of Socket.IO's Postgres adapter.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "base/compat.h"
#include "base/json.h"
#include "realtime/wire.h"

bool
WireEventIsReserved(const char *event)
{
	static const char *const reserved[] = {
		"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"
	};

	for (int i = 0; i < lengthof(reserved); i++)
		if (strcmp(event, reserved[i]) == 0)
			return true;
	return false;
}

/* An array of strings: rooms are matched as strings, never as numbers. */
static void
AppendStrings(StringInfo json, const List *strings)
{
	ListCell   *cell;
	const char *separator = "";

	appendStringInfoChar(json, '[');
	foreach(cell, strings)
	{
		appendStringInfoString(json, separator);
		JsonEscape(json, lfirst(cell));
		separator = ",";
	}
	appendStringInfoChar(json, ']');
}

/* Whose sockets it is for. */
static void
AppendOptions(StringInfo json, const WireMessage *message)
{
	appendStringInfoString(json, "\"opts\":{\"rooms\":");
	AppendStrings(json, message->rooms);
	appendStringInfoString(json, ",\"except\":");
	AppendStrings(json, message->except);
	appendStringInfo(json, ",\"flags\":{%s}}", message->is_volatile ? "\"volatile\":true" : "");
}

/* What the app's handler gets: the event's name, and one argument. */
static void
AppendEvent(StringInfo json, const WireMessage *message)
{
	appendStringInfoChar(json, '[');
	JsonEscape(json, message->event);
	appendStringInfo(json, ",%s]", message->data);
}

char *
WireJson(const WireMessage *message)
{
	StringInfoData json;

	initStringInfo(&json);

	/* adapters from 0.4.0 on drop what has no nsp at the top */
	appendStringInfo(&json, "{\"uid\":\"emitter\",\"type\":%d,\"nsp\":\"/\",\"data\":{", message->type);
	switch (message->type)
	{
		case WIRE_BROADCAST:
			appendStringInfoString(&json, "\"packet\":{\"type\":2,\"nsp\":\"/\",\"data\":");
			AppendEvent(&json, message);
			appendStringInfoString(&json, "},");
			AppendOptions(&json, message);
			break;
		case WIRE_JOIN:
		case WIRE_LEAVE:
			AppendOptions(&json, message);
			appendStringInfoString(&json, ",\"rooms\":");
			AppendStrings(&json, message->joins);
			break;
		case WIRE_DISCONNECT:
			AppendOptions(&json, message);
			appendStringInfoString(&json, ",\"close\":true");
			break;
		case WIRE_SERVER_EMIT:
			appendStringInfoString(&json, "\"packet\":");
			AppendEvent(&json, message);
			break;
	}
	appendStringInfoString(&json, "}}");
	return json.data;
}

char *
WireAttachment(WireType type, int64 attachment_id)
{
	return psprintf("{\"uid\":\"emitter\",\"type\":%d,\"nsp\":\"/\",\"attachmentId\":\"" INT64_FORMAT "\"}",
					type, attachment_id);
}

char *
WireWithId(const char *data, int64 position)
{
	size_t		length = strlen(data);
	bool		is_empty = strspn(data + 1, " ") == length - 2;

	/* the last of two members of one name counts */
	Assert(data[0] == '{' && data[length - 1] == '}');
	return psprintf("%.*s%s\"eid\": \"" INT64_FORMAT "\"}", (int) length - 1, data,
					is_empty ? "" : ", ", position);
}
