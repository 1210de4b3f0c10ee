/*-------------------------------------------------------------------------
 *
 * money.h
 *		Amounts: numeric(12,2) MAD in SQL, whole centimes in C, exact in both.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_MONEY_H
#define WASHMINUTE_MONEY_H

#include "fmgr.h"

/* The greatest amount, in centimes: numeric(12,2) holds 9 999 999 999.99. */
#define MONEY_MAX INT64CONST(999999999999)

/*
 * Centimes of an amount that a caller gave.  NaN, infinity, more than two
 * decimals and more than MONEY_MAX are WM_AMOUNT_INVALID.
 */
extern int64 MoneyFromArgument(Datum numeric, const char *argument);

/* Centimes of a numeric(12,2) column, and back. */
extern int64 MoneyFromColumn(Datum numeric);
extern Datum MoneyToNumeric(int64 centimes);

/* "-512.00" */
extern char *MoneyText(int64 centimes);

/* A share of an amount, in per cent, rounded half up to the centime. */
extern int64 MoneyPercent(int64 centimes, double percent);

#endif							/* WASHMINUTE_MONEY_H */
