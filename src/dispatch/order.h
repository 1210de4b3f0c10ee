/*-------------------------------------------------------------------------
 *
 * order.h
 *		The money of an order: it comes, and may go back.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_ORDER_H
#define WASHMINUTE_ORDER_H

/* From _PG_init: tells payments what an order does when its money comes or goes. */
extern void OrderInit(void);

#endif							/* WASHMINUTE_ORDER_H */
