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

#include "clock.h"
#include "world.h"

/* What a chance is asked for. */
enum
{
	ABOUT_KEENNESS = 1, ABOUT_TAP, ABOUT_SERVICE, ABOUT_EXTRAS, ABOUT_CANCELLING,
	ABOUT_CANCEL_TIME, ABOUT_WORK, ABOUT_LOCALE, ABOUT_DEVICES, ABOUT_PLATFORM,
	ABOUT_IGNORING, ABOUT_GIVING_BACK, ABOUT_NO_SHOW, ABOUT_UNWANTED, ABOUT_CARD
};

/* The statements of the clients. */
enum
{
	SIGN_UP, REGISTER, SET_STATUS, REPORT, BOOK, PAY, SEE, ACCEPT, ADVANCE, CANCEL, BALANCE, SETTLE
};

typedef struct Washman
{
	char		id[80];
	int			number;
	double		keenness;
	bool		occupied;		/* his vehicle, in the recording */
	bool		online;
	double		longitude;		/* where he is */
	double		latitude;
	struct Request *job;
	atomic_bool at_work;
} Washman;

typedef struct Offer
{
	Washman    *washman;
	int			times;			/* that he was told */
	double		distance_m;
	double		told_at;
	double		expires_at;
	double		tap_at;			/* from when on he wants it */
	bool		tried;
} Offer;

typedef enum Status
{
	PENDING, ACCEPTED, EN_ROUTE, ARRIVED, IN_PROGRESS, COMPLETED, CANCELLED, EXPIRED, NO_SHOW, STUCK
} Status;

typedef struct Request
{
	World	   *world;
	const Position *pickup;
	int			number;			/* of the booking, from 1 */
	char		id[40];
	char		order[40];
	char		customer[16];
	bool		by_card;
	int			payments;		/* how often he began to pay */
	bool		unpaid;			/* and came away from it without having paid */
	Status		status;
	int64_t		booked_at;
	int64_t		cancel_at;		/* 0: he does not */
	Offer	   *offers;
	int			offer_count;
	double		nearest_m;		/* of those told first; -1: nobody was */
	Offer	   *winner;
	int			jobs;			/* how often somebody had it */
	double		from_longitude; /* where he sets out */
	double		from_latitude;
	int64_t		due[COMPLETED + 1]; /* when each status is reached */
	int64_t		give_back_at;	/* 0: he does not */
	bool		given_back;		/* in this step */
	bool		nobody_there;
	int			refused_here;	/* in this step: the position was not believed */
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
	Clock		clock;
	int64_t		now;
	int64_t		seen_at;		/* when the phones last looked for offers */
	int64_t		last_at;		/* end of the recording */
	int64_t		live_at;		/* when there was an open request last */
	int			next_position;
	Request   **live;			/* requests that are not at their end */
	int			live_count;
	Tally		tally;
};

/* All customers and washmen, with their devices. */
extern void MakePeople(World *world);

/* The pick-ups among the positions from this one on become bookings. */
extern void Book(World *world, int first_position);

/* Whether a customer pays by card; he begins to, once the order is there. */
extern bool PaysByCard(const Request *request);
extern void BeginPayment(Client *client, Request *request);

/* Who was declined begins again, once. */
extern void PayAgain(World *world);

/* Wait until the worker has nothing to ask the card gateway. */
extern void AwaitGateway(World *world);

/* What became of the open requests, and who was told of them. */
extern void See(World *world);

/* Whoever has an offer and wants it tries to get it. */
extern void Race(World *world);

/* The washman has nothing to do with the request any more. */
extern void LeaveJob(Request *request);

/* Report where a washman is; NULL: now. */
extern bool ReportPlace(Client *client, Washman *washman, double longitude,
						double latitude, const char *at);

#endif							/* DEMO_PEOPLE_H */
