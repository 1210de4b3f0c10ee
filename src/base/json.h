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
#include "nodes/pg_list.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

typedef StringInfoData JsonObject;

extern void JsonOpen(JsonObject *object);

/* An open object like another one, which stays open. */
extern void JsonCopy(const JsonObject *object, JsonObject *copy);

/* Add a member; a NULL text adds nothing. */
extern void JsonText(JsonObject *object, const char *name, const char *text);
extern void JsonInt(JsonObject *object, const char *name, int64 number);
extern void JsonBool(JsonObject *object, const char *name, bool value);
extern void JsonTime(JsonObject *object, const char *name, TimestampTz at);
extern void JsonUuid(JsonObject *object, const char *name, const pg_uuid_t *uuid);

/* A member that is JSON already. */
extern void JsonObjectMember(JsonObject *object, const char *name,
							 const char *json);

/* Centimes, written as MAD with two decimals. */
extern void JsonMoney(JsonObject *object, const char *name, int64 centimes);

/* A uuid as text, palloc'd. */
extern char *UuidText(const pg_uuid_t *uuid);

/* A text as a JSON string. */
extern void JsonEscape(StringInfo json, const char *text);

/* The finished object, in the memory context of JsonOpen. */
extern char *JsonClose(JsonObject *object);

/*
 * Foreign text as JSON, or NULL where it is none: for answers of other machines,
 * which must not raise an error.  Needs no transaction.
 */
extern Jsonb *JsonParse(const char *text);

/* A member of an object: as JSON, as text (both NULL where there is none). */
extern Jsonb *JsonMember(Jsonb *object, const char *name);
extern char *JsonMemberText(Jsonb *object, const char *name);

/* A JSON string as text; NULL for anything else. */
extern char *JsonStringText(Jsonb *string);

/* The names of an object's members, char *; NIL where it is none. */
extern List *JsonNames(Jsonb *object);

/* The elements of an array as a list of Jsonb *; NIL where it is none. */
extern List *JsonElements(Jsonb *array);

#endif							/* WASHMINUTE_JSON_H */
