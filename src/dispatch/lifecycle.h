/*-------------------------------------------------------------------------
 *
 * lifecycle.h
 *		What the scheduler does for requests.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_LIFECYCLE_H
#define WASHMINUTE_LIFECYCLE_H

/*
 * Expire the pending requests whose time is over, at most 500 in a call; how
 * many expired.  Requests that another session works on are left for the next
 * call.  Needs an SPI connection.
 */
extern int	RequestsExpireDue(void);

#endif							/* WASHMINUTE_LIFECYCLE_H */
