/*-------------------------------------------------------------------------
 *
 * json.h
 *		Writes small flat JSON objects as text: facts of errors, data of events.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_JSON_H
#define WASHMINUTE_JSON_H

#include "lib/stringinfo.h"
#include "utils/timestamp.h"

typedef StringInfoData JsonObject;

extern void JsonOpen(JsonObject *object);

/* Add a member; a NULL text adds nothing. */
extern void JsonText(JsonObject *object, const char *name, const char *text);
extern void JsonInt(JsonObject *object, const char *name, int64 number);
extern void JsonBool(JsonObject *object, const char *name, bool value);
extern void JsonTime(JsonObject *object, const char *name, TimestampTz at);

/* A member that is JSON already. */
extern void JsonObjectMember(JsonObject *object, const char *name,
							 const char *json);

/* Centimes, written as MAD with two decimals. */
extern void JsonMoney(JsonObject *object, const char *name, int64 centimes);

/* The finished object, in the memory context of JsonOpen. */
extern char *JsonClose(JsonObject *object);

#endif							/* WASHMINUTE_JSON_H */
