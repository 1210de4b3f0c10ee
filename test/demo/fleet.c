/*-------------------------------------------------------------------------
 *
 * fleet.c
 *		Makes up a day of a fleet in Casablanca, as a recording of one:
 *
 *			fleet SEED > trace.csv
 *
 * Vehicles drive between the places where people are, and say where they are
 * once a minute.  A free one is taken now and then, by day and in the evening
 * more often than at night, and is free again where the customer gets out.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "random.h"

#define VEHICLES 150
#define DAY_BEGINS 1780268400	/* 2026-06-01 00:00 in Casablanca (UTC+1) */
#define MINUTES (24 * 60)
#define METRES_PER_MINUTE 400.0
#define METRES_PER_DEGREE 111320.0

/* Where people are: degrees, and how far around in metres. */
static const struct
{
	double		latitude;
	double		longitude;
	double		spread;
}			spots[] = {
	{33.5950, -7.6190, 900},	/* centre */
	{33.6060, -7.6320, 700},	/* mosque and port */
	{33.5880, -7.6330, 700},	/* Gauthier, Maarif */
	{33.5930, -7.6640, 1200},	/* Ain Diab */
	{33.5700, -7.6700, 1100},	/* Oasis, Beausejour */
	{33.5420, -7.6400, 1200},	/* Californie */
	{33.5640, -7.6060, 900},	/* Habous */
	{33.5790, -7.5560, 1300},	/* Hay Mohammadi */
	{33.6060, -7.5330, 1300},	/* Ain Sebaa */
	{33.5400, -7.5800, 1300},	/* Sidi Othmane */
};

/* How likely a free vehicle is taken within a minute, by the hour. */
static const double taken[24] = {
	.012, .008, .005, .004, .004, .006, .012, .021, .028, .026, .021, .021,
	.026, .026, .021, .021, .024, .030, .035, .032, .028, .023, .018, .015
};

typedef struct Vehicle
{
	double		latitude;
	double		longitude;
	double		to_latitude;
	double		to_longitude;
	bool		occupied;
} Vehicle;

static uint64_t seed;
static uint64_t asked;

static double
Next(void)
{
	return Chance(seed, asked++, 0);
}

/* Somewhere around one of the spots. */
static void
ChooseDestination(Vehicle *vehicle)
{
	int			spot = (int) (Next() * (double) (sizeof(spots) / sizeof(spots[0])));
	double		metres = spots[spot].spread * sqrt(-2 * log(Next()));
	double		angle = 2 * M_PI * Next();

	vehicle->to_latitude = spots[spot].latitude +
		metres * sin(angle) / METRES_PER_DEGREE;
	vehicle->to_longitude = spots[spot].longitude +
		metres * cos(angle) / (METRES_PER_DEGREE * cos(spots[spot].latitude * M_PI / 180));
}

/* Drive for a minute; true on arrival. */
static bool
Drive(Vehicle *vehicle)
{
	double		north = (vehicle->to_latitude - vehicle->latitude) * METRES_PER_DEGREE;
	double		east = (vehicle->to_longitude - vehicle->longitude) *
		METRES_PER_DEGREE * cos(vehicle->latitude * M_PI / 180);
	double		share = METRES_PER_MINUTE * (0.5 + Next()) / hypot(north, east);

	if (share >= 1)
		share = 1;
	vehicle->latitude += share * (vehicle->to_latitude - vehicle->latitude);
	vehicle->longitude += share * (vehicle->to_longitude - vehicle->longitude);
	return share >= 1;
}

int
main(int argc, char **argv)
{
	Vehicle		vehicles[VEHICLES] = {0};

	if (argc != 2)
	{
		fprintf(stderr, "usage: fleet SEED\n");
		return 2;
	}
	seed = strtoull(argv[1], NULL, 10);
	for (int v = 0; v < VEHICLES; v++)
	{
		ChooseDestination(&vehicles[v]);
		vehicles[v].latitude = vehicles[v].to_latitude;
		vehicles[v].longitude = vehicles[v].to_longitude;
		ChooseDestination(&vehicles[v]);
	}

	puts("epoch,provider,lat,lon,occupied");
	for (int minute = 0; minute < MINUTES; minute++)
		for (int v = 0; v < VEHICLES; v++)
		{
			Vehicle    *vehicle = &vehicles[v];

			if (Drive(vehicle))
			{
				vehicle->occupied = false;
				ChooseDestination(vehicle);
			}
			else if (!vehicle->occupied && Next() < taken[minute / 60])
			{
				vehicle->occupied = true;
				ChooseDestination(vehicle);
			}
			printf("%d,%d,%.5f,%.5f,%d\n",
				   DAY_BEGINS + 60 * minute + 60 * v / VEHICLES, v + 1,
				   vehicle->latitude, vehicle->longitude, vehicle->occupied);
		}
	return 0;
}
