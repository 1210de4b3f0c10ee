/*-------------------------------------------------------------------------
 *
 * subtransaction.h
 *		Work that may fail without the transaction failing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_SUBTRANSACTION_H
#define WASHMINUTE_SUBTRANSACTION_H

#include "base/compat.h"

/*
 * Call a function in a subtransaction of its own, in the present memory context.
 * NULL when it went well; else the error, and all that it did is undone.
 */
extern ErrorData *SubtransactionRun(void (*work) (void *argument), void *argument);

#endif							/* WASHMINUTE_SUBTRANSACTION_H */
