/*-------------------------------------------------------------------------
 *
 * msgpack.h
 *		JSON as MessagePack (https://msgpack.org, specification of 2017).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_REALTIME_MSGPACK_H
#define WASHMINUTE_REALTIME_MSGPACK_H

#include "utils/jsonb.h"

/*
 * Strings become UTF-8.  Whole numbers that fit into 64 bits become integers, all
 * others 64-bit floats, as which JavaScript takes both.
 */
extern bytea *MsgpackFromJsonb(Jsonb *jsonb);

#endif							/* WASHMINUTE_REALTIME_MSGPACK_H */
