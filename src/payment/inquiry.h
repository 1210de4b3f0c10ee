/*-------------------------------------------------------------------------
 *
 * inquiry.h
 *		What the gateway says when it is asked about an attempt.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_INQUIRY_H
#define WASHMINUTE_INQUIRY_H

#include "payment/payment.h"

/* Apply the answer to a locked attempt, and plan the next inquiry where one is needed. */
extern void InquiryRecord(Attempt *attempt, const NapsAnswer *answer);

#endif							/* WASHMINUTE_INQUIRY_H */
