/*-------------------------------------------------------------------------
 *
 * emit.h
 *		Live events, for callers in C: what the functions of SQL do, unchecked.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_REALTIME_EMIT_H
#define WASHMINUTE_REALTIME_EMIT_H

#include "nodes/pg_list.h"

#include "realtime/wire.h"

/*
 * Queue a message of this transaction; the id of its outbox row, or 0 where it gets
 * none.  A volatile or passing event is not kept, and has no eid.  Needs an
 * SPI connection.
 */
extern int64 RealtimeSend(const WireMessage *message);

#endif							/* WASHMINUTE_REALTIME_EMIT_H */
