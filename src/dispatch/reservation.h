/*-------------------------------------------------------------------------
 *
 * reservation.h
 *		Requests that are reserved for a time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_RESERVATION_H
#define WASHMINUTE_RESERVATION_H

#include "base/json.h"
#include "base/settings.h"
#include "dispatch/request.h"

/* Is it reserved for a time that has not come yet? */
#define ReservationIsAhead(request) \
	((request)->is_reservation && (request)->as_of < (request)->reservation_at)

/* Is it reserved, and not to be offered to anybody yet? */
extern bool ReservationIsFar(const Request *request, const Settings *settings);

/* Which of its offers is due by its as_of: 0 the first one, and of what is not reserved; to 2. */
extern int	ReservationStage(const Request *request, const Settings *settings);

/* When the next one after its as_of is, at the latest its beginning. */
extern TimestampTz ReservationNextOffer(const Request *request, const Settings *settings);

/* Raise WM_RESERVATION_TIME_INVALID where that is too soon or too far ahead. */
extern void ReservationCheckTime(TimestampTz reservation_at, const Settings *settings);

/* All functions from here on need an SPI connection. */

/*
 * Write the time that a request takes which is stored already, and unless it waits
 * for its payment plan what is due before; WM_RESERVATION_OVERLAPS where the customer
 * has another one then.
 */
extern void ReservationWrite(const Request *request, const Settings *settings);

/* Plan what is due before it begins, unless that was done. */
extern void ReservationPlan(const Request *request, const Settings *settings);

/* Forget what was planned, done or not: it has another time. */
extern void ReservationForget(const Request *request);

/* The request has ended: nothing more is due. */
extern void ReservationEnd(const Request *request);

/*
 * Do what is due for it, as of that time; how many stages somebody was told of, or -1
 * where another session works on it.
 */
extern int	ReservationRun(const pg_uuid_t *request_id, TimestampTz as_of);

/*
 * Reservations are for a time by the zone's clock: move those whose time zone has got
 * other rules since.  How many; those that another session works on are left.
 */
extern int	ReservationsResolve(void);

/* What people are told of one that is ahead: when, by the zone's clock, and in how many minutes. */
extern void ReservationTold(const Request *request, JsonObject *data);

#endif							/* WASHMINUTE_RESERVATION_H */
