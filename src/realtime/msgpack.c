/*-------------------------------------------------------------------------
 *
 * msgpack.c
 *		JSON as MessagePack.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "base/compat.h"
#include "realtime/msgpack.h"

PG_FUNCTION_INFO_V1(washminute_to_msgpack);

/* The first byte of each kind of value; of the short kinds it holds the length too. */
#define MSGPACK_NIL 0xc0
#define MSGPACK_FALSE 0xc2
#define MSGPACK_TRUE 0xc3
#define MSGPACK_FLOAT64 0xcb
#define MSGPACK_UINT8 0xcc		/* followed by those of 16, 32 and 64 bits */
#define MSGPACK_INT8 0xd0		/* likewise */
#define MSGPACK_STR8 0xd9		/* followed by those of 16 and 32 */
#define MSGPACK_ARRAY16 0xdc
#define MSGPACK_MAP16 0xde
#define MSGPACK_FIXSTR 0xa0		/* up to 31 bytes */
#define MSGPACK_FIXARRAY 0x90	/* up to 15 elements */
#define MSGPACK_FIXMAP 0x80

static void
PackInteger(StringInfo packed, int64 number)
{
	if (number >= -32 && number <= 127)
		pq_sendint8(packed, (uint8) (int8) number);
	else if (number >= 0 && number <= PG_UINT8_MAX)
	{
		pq_sendint8(packed, MSGPACK_UINT8);
		pq_sendint8(packed, (uint8) number);
	}
	else if (number >= PG_INT16_MIN && number <= PG_INT16_MAX)
	{
		pq_sendint8(packed, MSGPACK_INT8 + 1);
		pq_sendint16(packed, (uint16) number);
	}
	else if (number >= PG_INT32_MIN && number <= PG_INT32_MAX)
	{
		pq_sendint8(packed, MSGPACK_INT8 + 2);
		pq_sendint32(packed, (uint32) number);
	}
	else
	{
		pq_sendint8(packed, MSGPACK_INT8 + 3);
		pq_sendint64(packed, (uint64) number);
	}
}

static void
PackNumber(StringInfo packed, Numeric number)
{
	Datum		whole = DirectFunctionCall2(numeric_trunc, NumericGetDatum(number), Int32GetDatum(0));
	bool		fails;

	if (DatumGetBool(DirectFunctionCall2(numeric_eq, whole, NumericGetDatum(number))))
	{
		Datum		low = DirectFunctionCall1(int8_numeric, Int64GetDatum(PG_INT64_MIN));
		Datum		high = DirectFunctionCall1(int8_numeric, Int64GetDatum(PG_INT64_MAX));

		fails = DatumGetBool(DirectFunctionCall2(numeric_lt, whole, low)) ||
			DatumGetBool(DirectFunctionCall2(numeric_gt, whole, high));
		if (!fails)
		{
			PackInteger(packed, DatumGetInt64(DirectFunctionCall1(numeric_int8, whole)));
			return;
		}
	}
	pq_sendint8(packed, MSGPACK_FLOAT64);

	/* beyond its range it is infinity, where numeric_float8 would fail */
	pq_sendfloat8(packed, DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
															 NumericGetDatum(number))));
}

static void
PackString(StringInfo packed, const JsonbValue *string)
{
	char	   *text = pnstrdup(string->val.string.val, string->val.string.len);
	char	   *utf8 = pg_server_to_any(text, strlen(text), PG_UTF8);
	size_t		length = strlen(utf8);

	if (length <= 31)
		pq_sendint8(packed, MSGPACK_FIXSTR | (uint8) length);
	else if (length <= PG_UINT8_MAX)
	{
		pq_sendint8(packed, MSGPACK_STR8);
		pq_sendint8(packed, (uint8) length);
	}
	else if (length <= PG_UINT16_MAX)
	{
		pq_sendint8(packed, MSGPACK_STR8 + 1);
		pq_sendint16(packed, (uint16) length);
	}
	else
	{
		pq_sendint8(packed, MSGPACK_STR8 + 2);
		pq_sendint32(packed, (uint32) length);
	}
	appendBinaryStringInfo(packed, utf8, (int) length);
	pfree(text);
}

/* The beginning of an array or a map of so many. */
static void
PackHead(StringInfo packed, uint8 fixed, uint8 wide, int count)
{
	if (count <= 15)
		pq_sendint8(packed, fixed | (uint8) count);
	else if (count <= PG_UINT16_MAX)
	{
		pq_sendint8(packed, wide);
		pq_sendint16(packed, (uint16) count);
	}
	else
	{
		pq_sendint8(packed, wide + 1);
		pq_sendint32(packed, (uint32) count);
	}
}

static void
PackScalar(StringInfo packed, const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			PackString(packed, value);
			break;
		case jbvNumeric:
			PackNumber(packed, value->val.numeric);
			break;
		case jbvBool:
			pq_sendint8(packed, value->val.boolean ? MSGPACK_TRUE : MSGPACK_FALSE);
			break;
		case jbvNull:
			pq_sendint8(packed, MSGPACK_NIL);
			break;
		default:
			elog(ERROR, "unexpected type of a JSON value: %d", (int) value->type);
	}
}

bytea *
MsgpackFromJsonb(Jsonb *jsonb)
{
	StringInfoData packed;
	JsonbIterator *iterator = JsonbIteratorInit(&jsonb->root);
	JsonbIteratorToken token;
	JsonbValue	value;

	pq_begintypsend(&packed);
	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		switch (token)
		{
			case WJB_BEGIN_ARRAY:
				/* a scalar stands in an array that is none */
				if (!value.val.array.rawScalar)
					PackHead(&packed, MSGPACK_FIXARRAY, MSGPACK_ARRAY16, value.val.array.nElems);
				break;
			case WJB_BEGIN_OBJECT:
				PackHead(&packed, MSGPACK_FIXMAP, MSGPACK_MAP16, value.val.object.nPairs);
				break;
			case WJB_KEY:
			case WJB_VALUE:
			case WJB_ELEM:
				PackScalar(&packed, &value);
				break;
			default:
				break;
		}
	}
	return pq_endtypsend(&packed);
}

/* washminute._to_msgpack(jsonb) */
Datum
washminute_to_msgpack(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(MsgpackFromJsonb(PG_GETARG_JSONB_P(0)));
}
