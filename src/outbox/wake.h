/*-------------------------------------------------------------------------
 *
 * wake.h
 *		Tells the worker at commit that there is something to do, and where it
 *		has to stand aside.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_WAKE_H
#define WASHMINUTE_WAKE_H

#include "datatype/timestamp.h"

/* Kinds of destinations: the column lane of outbox. */
typedef enum Lane
{
	LANE_PUSH,
	LANE_PUSH_RECEIPT,
	LANE_PAYMENT,
	LANE_WEBHOOK,
	LANE_REALTIME
} Lane;

#define LANE_COUNT (LANE_REALTIME + 1)

/* Names as in the column, and back; -1 for no such lane. */
extern const char *const lane_names[LANE_COUNT];
extern int	LaneByName(const char *name);

/* What the worker is woken for: a set of bits. */
#define WAKE_NEW(lane) (1u << (lane))	/* rows to send at once */
#define WAKE_DUE(lane) (1u << (8 + (lane))) /* rows to send later */
#define WAKE_ROUTES (1u << 16)	/* lanes or listeners changed */
#define WAKE_LOOK (1u << 17)	/* a database, the extension, setup() */
#define WAKE_POSITIONS (1u << 18)	/* the live index has to be flushed, or loaded */
#define WAKE_GATEWAYS (1u << 20)	/* a socket gateway has registered: it waits for ticks */
#define WAKE_TIMERS (1u << 19)	/* a request falls due sooner than was known */

extern void WakeInit(void);

/*
 * Wake the worker when this transaction has committed; nothing happens if it is
 * rolled back.  Costs one atomic operation at commit while the worker is busy.
 */
extern void WakeAtCommit(uint32 bits);

/* Wake the worker at once.  Neither allocates nor raises. */
extern void WakeNow(uint32 bits);

/*
 * A request falls due at that time of the business's clock.  When this transaction
 * has committed the worker is woken, unless it knows of something as early.
 */
extern void WakeForTimer(TimestampTz due_at);

/* Is the library preloaded, so that there is a worker at all? */
extern bool WakeIsShared(void);

/*
 * The worker's side.  Register gives the latch that is to be set; Take returns
 * the bits set since, and clears them: look only afterwards.
 */
extern void WakeRegister(void);
extern uint32 WakeTake(void);

/*
 * The earliest due time that is known.  Before the worker looks into the table it
 * forgets it, so that what is committed meanwhile counts; what it has found it adds.
 */
extern void WakeTimerForget(void);
extern void WakeTimerAdd(TimestampTz due_at);
extern TimestampTz WakeTimer(void);

/*
 * Was something queued by a transaction that was then prepared?  COMMIT
 * PREPARED wakes nobody, so the worker looks by a timer until told otherwise.
 */
extern bool WakeHasPrepared(void);
extern void WakeSetPrepared(bool prepared);

/*
 * DROP DATABASE and its kind need the worker out of the database.  A session
 * asks for that and waits; the worker says when it connects and leaves.
 */
extern void WakeAskAside(void);
extern void WakeEndAside(void);
extern bool WakeIsAskedAside(void);
extern void WakeSetConnected(bool connected);
extern bool WakeIsConnected(void);

/* The worker's last connection failed: the next one waits without a database. */
extern void WakeSetDatabaseMissing(bool missing);
extern bool WakeIsDatabaseMissing(void);

#endif							/* WASHMINUTE_WAKE_H */
