/*-------------------------------------------------------------------------
 *
 * card_brand.h
 *		The brand of a card, by the first digits of its number.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_CARD_BRAND_H
#define WASHMINUTE_CARD_BRAND_H

/*
 * By the digits that a number begins with, six of them if they are known; else, where
 * these tell nothing, by the gateway's own number of the brand (typecarte).  Both may be
 * NULL.  A constant: "other" where nobody can tell.
 */
extern const char *CardBrand(const char *digits, const char *gateway_type);

#endif							/* WASHMINUTE_CARD_BRAND_H */
