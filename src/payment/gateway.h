/*-------------------------------------------------------------------------
 *
 * gateway.h
 *		Work for the card gateway: what is sent, and what its answer leads to.
 *
 * The worker's side.  A row of the lane payment asks for one call.  What would move
 * money is marked dispatched in the transaction that claims the row; whoever finds
 * it so afterwards asks the gateway what became of it, and never sends it again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_GATEWAY_H
#define WASHMINUTE_GATEWAY_H

#include "payment/payment.h"

/* One call, from its row to its answer: Message.extra. */
typedef struct GatewayTask
{
	NapsCall	call;
	pg_uuid_t	attempt_id;
	pg_uuid_t	refund_id;		/* of a reversal or refund */
	pg_uuid_t	card_id;		/* that is to be forgotten */
	int			number;			/* of an inquiry */
	int			session;		/* which one it was sent in */
	NapsOrder	order;

	/* the answer */
	bool		was_sent;		/* false: it certainly was not */
	NapsAnswer	answer;
	const char *error;			/* why there is none; "" */
} GatewayTask;

typedef enum GatewayStep
{
	GATEWAY_SEND,
	GATEWAY_DROP,				/* nothing is to be sent (any more) */
	GATEWAY_WAIT,				/* somebody else has it locked, or URLs cannot be made */
	GATEWAY_LATER				/* another refund of the payment comes first */
} GatewayStep;

/*
 * What a row asks for, in the transaction that claims it.  Allocated in the current
 * memory context; *problem where the URLs cannot be made.
 */
extern GatewayStep GatewayPrepare(const char *event, const char *data, GatewayTask *task,
								  const char **problem);

/* Record what came of it; false where somebody else has it locked. */
extern bool GatewayRecord(const GatewayTask *task);

#endif							/* WASHMINUTE_GATEWAY_H */
