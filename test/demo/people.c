/*-------------------------------------------------------------------------
 *
 * people.c
 *		Who they are: the languages they speak, and the devices they carry.
 *
 * Most have one device, some have two, and some have none.  Of a few a device is
 * gone, though they never said so: Expo tells when something is sent there, by
 * what stands in the token (test/fakes/expo-service.js).  A token names its
 * owner's language besides, for the summary.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>

#include "people.h"
#include "random.h"

#define BOOKINGS_PER_CUSTOMER 3

/* Shares of all people, the first numbers first. */
#define NO_DEVICE 0.04
#define ONE_DEVICE 0.80
#define TWO_DEVICES 0.13
#define ONE_OF_TWO_GONE 0.02	/* the others' only one is gone */

#define IOS_SHARE 0.15

typedef struct Person
{
	const World *world;
	char		id[80];
	const char *kind;
	int			number;			/* of his kind */
} Person;

static bool
IsWashman(const Person *person)
{
	return person->kind[0] == 'w';
}

static double
PersonChance(const Person *person, uint64_t what)
{
	return Chance(person->world->seed, what,
				  2 * (uint64_t) person->number + IsWashman(person));
}

/* As in a Moroccan city; visitors book, but do not wash. */
static const char *
LocaleOf(const Person *person)
{
	double		chance = PersonChance(person, ABOUT_LOCALE);
	double		arabic = IsWashman(person) ? 0.75 : 0.50;
	double		french = IsWashman(person) ? 0.22 : 0.38;

	return chance < arabic ? "ar" : chance < arabic + french ? "fr" : "en";
}

static void
Register(Client *client, const Person *person, const char *locale, int device, bool gone)
{
	char		token[128];
	bool		is_ios = PersonChance(person, ABOUT_PLATFORM + 100 * device) < IOS_SHARE;

	snprintf(token, sizeof(token), "ExponentPushToken[%s%s-%s-%d-%d]",
			 gone ? "DeviceNotRegistered-" : "", locale, person->kind, person->number, device);
	ClientCall(client, REGISTER, "", person->id, token, is_ios ? "ios" : "android");
}

static void
SignUpWork(Client *client, void *item)
{
	const Person *person = item;
	const char *locale = LocaleOf(person);
	double		chance = PersonChance(person, ABOUT_DEVICES) - NO_DEVICE;

	ClientCall(client, SIGN_UP, "", person->id, person->kind, locale);
	if (chance < 0)
		return;
	if (chance < ONE_DEVICE)
		Register(client, person, locale, 1, false);
	else if (chance < ONE_DEVICE + TWO_DEVICES)
	{
		Register(client, person, locale, 1, false);
		Register(client, person, locale, 2, false);
	}
	else if (chance < ONE_DEVICE + TWO_DEVICES + ONE_OF_TWO_GONE)
	{
		Register(client, person, locale, 1, true);
		Register(client, person, locale, 2, false);
	}
	else
		Register(client, person, locale, 1, true);
}

void
MakePeople(World *world)
{
	const Trace *trace = world->trace;
	int			customers = trace->pickup_count / BOOKINGS_PER_CUSTOMER + 1;
	int			count = customers + trace->provider_count;
	Person	   *people = calloc(count, sizeof(Person));

	world->customer_count = customers;
	world->washmen = calloc(trace->provider_count, sizeof(Washman));
	for (int i = 0; i < customers; i++)
	{
		people[i] = (Person) {.world = world,.kind = "customer",.number = i + 1};
		snprintf(people[i].id, sizeof(people[i].id), "c%d", i + 1);
	}
	for (int i = 0; i < trace->provider_count; i++)
	{
		Washman    *washman = &world->washmen[i];
		Person	   *person = &people[customers + i];

		snprintf(washman->id, sizeof(washman->id), "w%s", trace->providers[i]);
		washman->number = i;
		washman->keenness = 0.3 + 0.7 * Chance(world->seed, ABOUT_KEENNESS, i);
		*person = (Person) {.world = world,.kind = "washman",.number = i};
		snprintf(person->id, sizeof(person->id), "%s", washman->id);
	}
	ClientsRun(world->phones, SignUpWork, people, sizeof(Person), count);
	free(people);
}
