/*-------------------------------------------------------------------------
 *
 * lane.h
 *		What differs between kinds of destinations: how messages become a request,
 *		and what its answer means for them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_LANE_H
#define WASHMINUTE_LANE_H

#include "base/secret.h"
#include "outbox/queue.h"
#include "worker/breaker.h"
#include "worker/http.h"
#include "worker/limiter.h"

/* The rows of washminute_data.lanes. */
typedef struct LaneSettings
{
	int			concurrency;
	int			rate_per_second;	/* 0: no limit */
	int			max_attempts;
	int			backoff_limit;	/* seconds */
	int			breaker_failures;
	bool		paused;
} LaneSettings;

struct LaneKind;

/* A destination: a lane, or one listener of a lane. */
typedef struct Destination
{
	MemoryContext context;
	Lane		lane;
	const struct LaneKind *kind;
	const LaneSettings *settings;
	char	   *listener;		/* "" where the lane has one destination */
	char	   *shown;			/* in log lines: lane=..., listener=... */
	char	   *url;			/* NULL where it has none */
	bool		enabled;
	bool		listed;			/* still in the tables */
	bool		gone;			/* it wants no more, which is to be recorded */
	int64		gone_at;		/* monotonic: not before then */
	bool		held;			/* see VERDICT_HELD */
	char		held_for[QUEUE_ERROR_MAX + 1];	/* the reason */
	unsigned char secret[SECRET_BYTES];

	QueueCursor cursor;
	int			in_flight;		/* requests */
	Limiter		limiter;
	Breaker		breaker;
	int			busy;			/* how often in a row it asked to wait */
	int64		paused_until;	/* monotonic; by Retry-After */
	int64		warned_at;		/* monotonic; of a backlog */
	int64		error_pause;	/* the last one, after an error of our own SQL */
} Destination;

/* A request, and the messages in it. */
typedef struct Delivery
{
	MemoryContext context;
	Destination *destination;
	List	   *messages;		/* Message * */
	HttpRequest http;
	QueueResult	   *results;		/* one per message, once it is judged */

	bool		recorded;		/* in the turn's transaction */
	int64		record_at;		/* monotonic; it could not be until then */
	int64		record_pause;	/* the last one; 0: none yet */
	bool		plain;			/* the results alone: the lane's own failed */
} Delivery;

/* What an answer says of the destination, besides of the messages. */
typedef enum Verdict
{
	VERDICT_WELL,				/* it answers */
	VERDICT_ILL,				/* it fails: counts for the breaker */
	VERDICT_BUSY,				/* it asks to wait: the attempts do not count */
	VERDICT_HELD,				/* an operator must act: wait, and say so */
	VERDICT_SPLIT,				/* send again at once, in smaller requests */
	VERDICT_GONE				/* it wants no more */
} Verdict;

typedef struct LaneKind
{
	int			batch;			/* messages in a request at most */
	bool		must_record;	/* the rows stay until record has gone well, too */

	/* Make ready to send; NULL, or the reason why that is not possible. */
	const char *(*prepare) (Destination *destination);

	/*
	 * Optional: 0 where requests can be made now; else the (monotonic) time at which
	 * that may be so, PG_INT64_MAX where an answer must come first.
	 */
	int64		(*ready_at) (int64 now);

	/*
	 * Optional, in the transaction that claimed them: what the messages need
	 * besides; those that are not to be sent are recorded, and left out.
	 */
	List	   *(*expand) (Destination *destination, List *messages, int64 epoch);

	/* Optional: may both go in one request? */
	bool		(*fits) (const Message *first, const Message *next);

	/* Fill in the request.  In the delivery's memory context. */
	void		(*build) (Delivery *delivery);

	/* Fill in outcome and error of the results; due_at is the engine's. */
	Verdict		(*judge) (Delivery *delivery);

	/*
	 * Optional, in the transaction that records the results: what else to keep.  False
	 * where that is not possible now, and nothing was changed: it is tried again soon.
	 */
	bool		(*record) (Delivery *delivery);
} LaneKind;

extern const LaneKind payment_kind;
extern const LaneKind push_kind;
extern const LaneKind receipt_kind;
extern const LaneKind webhook_kind;

/* One for each lane. */
extern const LaneKind *const lane_kinds[LANE_COUNT];

#define SECOND INT64CONST(1000000)	/* of both clocks */
#define HOLD_FOR (60 * SECOND)	/* a held lane tries again after this */

/* Destination *: all there are, and those removed that have requests in flight. */
extern List *destinations;

/* Read lanes and listeners anew; in the turn's transaction. */
extern void DestinationsRead(int64 epoch);

/* How many messages it can start at that (monotonic) time. */
extern int	DestinationRoom(const Destination *destination, int64 now);

/* When there may be room for so many, where only time stands in the way; 0: not known. */
extern int64 DestinationRoomAt(const Destination *destination, int64 now, int count);

/* May a request of so many messages be started? */
extern bool DestinationMayStart(const Destination *destination, int64 now, int count);

/* Send nothing for a while, and say why, until it answers well again. */
extern void DestinationHold(Lane lane, const char *reason);

/* Whatever is held may try again; rows of listeners that are gone are looked for. */
extern void DestinationsRelease(void);

/* There are new rows; or the worker itself has written some for later. */
extern void DestinationNews(Lane lane);
extern void DestinationDue(Lane lane, double seconds);

/*
 * Requests (Delivery *) of messages, which become theirs: of those that may go
 * together, at most so many in one.  In the caller's memory context.
 */
extern List *DeliveriesMake(Destination *destination, const List *messages, int most);

/*
 * Judge a delivery that was answered: all results are filled in, and what the
 * answer says of the destination is applied to it.  False where its messages are
 * to be sent again at once, in smaller requests.
 */
extern bool DeliverySettle(Delivery *delivery);

/* Make an error text printable ASCII. */
extern void DeliveryClean(char *error);

/* A delivery that could not be started: its messages come again in a second. */
extern void DeliveryPutBack(Delivery *delivery, const char *error);

/* Give all messages of a delivery the same outcome. */
extern void DeliveryJudge(Delivery *delivery, Outcome outcome, const char *error);

/* What went wrong with a request, in printable ASCII. */
extern void DeliveryError(const Delivery *delivery, char *error, size_t size);

#endif							/* WASHMINUTE_LANE_H */
