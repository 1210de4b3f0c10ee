/*-------------------------------------------------------------------------
 *
 * card.h
 *		Cards that the gateway keeps for customers.
 *
 * What is here of a card is its token at the gateway, the brand, and the last four
 * digits.  All functions need an SPI connection.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_CARD_H
#define WASHMINUTE_CARD_H

#include "payment/payment.h"

/* Raise WM_CARD_NOT_FOUND unless the customer has that card, and has not removed it. */
extern void CardRequire(const char *customer_id, const pg_uuid_t *card_id);

/* The token of a card that is not removed; NULL where there is none (any more). */
extern char *CardToken(const pg_uuid_t *card_id);

/* That of one that is removed, and not yet forgotten by the gateway. */
extern char *CardTokenToForget(const pg_uuid_t *card_id);

/* The gateway has forgotten it. */
extern void CardForgotten(const pg_uuid_t *card_id);

/* By which id the gateway keeps a customer's cards; made when it is first asked for. */
extern char *CardClientId(const char *customer_id);

/* A callback of an attempt that was to save the card: keep it, if the gateway does. */
extern void CardSave(const Attempt *attempt, const NapsCallback *callback);

#endif							/* WASHMINUTE_CARD_H */
