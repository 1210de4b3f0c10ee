/*-------------------------------------------------------------------------
 *
 * people.h
 *		What world.c, people.c and requests.c know of the people.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DEMO_PEOPLE_H
#define DEMO_PEOPLE_H

#include <stdatomic.h>

#include "world.h"

/* What a chance is asked for. */
enum
{
	ABOUT_KEENNESS = 1, ABOUT_TAP, ABOUT_SERVICE, ABOUT_EXTRAS, ABOUT_CANCELLING,
	ABOUT_CANCEL_TIME, ABOUT_WORK, ABOUT_LOCALE, ABOUT_DEVICES, ABOUT_PLATFORM
};

/* The statements of the clients. */
enum
{
	SIGN_UP, REGISTER, GO_ONLINE, REPORT, BOOK, SEE_OFFERS, ACCEPT, ADVANCE, CANCEL, EXPIRE, BALANCE, SETTLE
};

typedef struct Washman
{
	char		id[80];
	int			number;
	double		keenness;
	bool		occupied;		/* his vehicle, in the recording */
	atomic_bool at_work;
} Washman;

typedef struct Offer
{
	Washman    *washman;
	double		distance_m;
	int64_t		tap_at;			/* from when on he wants it */
	bool		tried;
} Offer;

typedef enum Status
{
	PENDING, ACCEPTED, EN_ROUTE, ARRIVED, IN_PROGRESS, COMPLETED, CANCELLED, EXPIRED, STUCK
} Status;

typedef struct Request
{
	World	   *world;
	const Position *pickup;
	int			number;			/* of the booking, from 1 */
	char		id[40];
	char		customer[16];
	Status		status;
	int64_t		booked_at;
	int64_t		cancel_at;		/* 0: he does not */
	Offer	   *offers;			/* nearest first */
	int			offer_count;
	double		nearest_m;		/* of those free; -1: none */
	Offer	   *winner;
	int64_t		due[COMPLETED + 1]; /* when each status is reached */
	double		ms;				/* that the booking took */
	bool		settled;		/* the washman paid in */
} Request;

struct World
{
	const Trace *trace;
	uint64_t	seed;
	PGconn	   *admin;
	Clients    *phones;
	Clients    *racers;
	Washman    *washmen;
	int			customer_count;
	int			request_seconds;	/* that a request stays open */
	int64_t		now;
	int64_t		last_at;		/* end of the recording */
	int64_t		expire_at;
	int			next_position;
	Request   **live;			/* requests that are not at their end */
	int			live_count;
	Tally		tally;
};

/* All customers and washmen, with their devices. */
extern void MakePeople(World *world);

/* The pick-ups among the positions from this one on become bookings. */
extern void Book(World *world, int first_position);

/* Whoever has an offer and wants it tries to get it. */
extern void Race(World *world);

#endif							/* DEMO_PEOPLE_H */
