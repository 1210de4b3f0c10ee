/*-------------------------------------------------------------------------
 *
 * transaction.h
 *		A transaction of the worker's.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_TRANSACTION_H
#define WASHMINUTE_TRANSACTION_H

/*
 * Run body in a transaction, with SPI connected and a snapshot, in that memory
 * context, and commit.  False where that failed: the error is logged, and all is
 * rolled back.
 */
extern bool TransactionRun(const char *activity, MemoryContext context,
						   void (*body) (bool argument), bool argument);

#endif							/* WASHMINUTE_TRANSACTION_H */
