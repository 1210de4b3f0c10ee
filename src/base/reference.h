/*-------------------------------------------------------------------------
 *
 * reference.h
 *		Random references that people can read out and card gateways take.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_REFERENCE_H
#define WASHMINUTE_REFERENCE_H

/* The most random characters of one. */
#define REFERENCE_MAX 18

/*
 * WM and so many characters of Crockford's base 32 (https://www.crockford.com/base32.html),
 * which has no I, L, O and U: 5 random bits each.  palloc'd.
 */
extern char *ReferenceMake(int characters);

#endif							/* WASHMINUTE_REFERENCE_H */
