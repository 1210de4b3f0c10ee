/*-------------------------------------------------------------------------
 *
 * ledger.h
 *		The books: transfers between accounts, and what is held.
 *
 * One row per transfer, so every posting is zero-sum by its form.  Balances of
 * washmen are changed under the washman's lock alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_LEDGER_H
#define WASHMINUTE_LEDGER_H

#include "utils/uuid.h"

/* Platform accounts, rows of washminute_data.accounts. */
#define ACCOUNT_CARD_CLEARING "card_clearing"
#define ACCOUNT_CASH_SETTLEMENT "cash_settlement"
#define ACCOUNT_CUSTOMER_FUNDS "customer_funds"
#define ACCOUNT_PAYOUTS_PAID "payouts_paid"
#define ACCOUNT_PLATFORM_REVENUE "platform_revenue"
#define ACCOUNT_RECEIVABLES "receivables"
#define ACCOUNT_REFUNDS_PAYABLE "refunds_payable"

/* The account of a washman, palloc'd. */
extern char *LedgerWashmanAccount(const char *washman_id);

/*
 * Book a transfer of centimes above 0.  A kept balance is not touched: the
 * caller does that by LedgerChangeBalance, once for all his transfers.
 */
extern void LedgerTransfer(const char *debit_account, const char *credit_account,
						   int64 centimes, const char *purpose,
						   const pg_uuid_t *order_id, const char *actor_id,
						   const char *reason);

/*
 * Change what a washman has and what is held of it, in centimes.  `minimum` is
 * what the account's minimum becomes where it is higher.  The caller holds the
 * washman's lock.
 */
extern void LedgerChangeBalance(const char *washman_id, int64 balance_change,
								int64 held_change, int64 minimum);

/* What a washman has, and what is held of it; WM_WASHMAN_NOT_FOUND where he is none. */
extern void LedgerBalance(const char *washman_id, int64 *balance, int64 *held);

/* What a washman has less what is held of it, in centimes. */
extern int64 LedgerRoom(const char *washman_id);

#endif							/* WASHMINUTE_LEDGER_H */
