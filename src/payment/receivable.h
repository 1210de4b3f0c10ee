/*-------------------------------------------------------------------------
 *
 * receivable.h
 *		What people owe the platform.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_RECEIVABLE_H
#define WASHMINUTE_RECEIVABLE_H

#include "utils/uuid.h"

/*
 * Note what somebody owes, in centimes, for cancellation, no_show or give_back.
 * The caller books it, with ACCOUNT_RECEIVABLES as the account it is taken from.
 */
extern void ReceivableAdd(const char *debtor_id, const pg_uuid_t *order_id,
						  int64 centimes, const char *purpose);

#endif							/* WASHMINUTE_RECEIVABLE_H */
