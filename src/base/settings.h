/*-------------------------------------------------------------------------
 *
 * settings.h
 *		Business rules: the rows of washminute_data.settings.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_SETTINGS_H
#define WASHMINUTE_SETTINGS_H

#include <math.h>

/* Inside a wave: column offer_policy of service_zones. */
typedef enum OfferPolicy
{
	POLICY_STAGGERED,
	POLICY_BROADCAST,
	POLICY_RANKED
} OfferPolicy;

/* When a card job is offered: column card_dispatch of service_zones. */
typedef enum CardDispatch
{
	DISPATCH_AFTER_PAYMENT,
	DISPATCH_AT_ONCE
} CardDispatch;

typedef struct Settings
{
	double		arrival_position_seconds;
	double		arrival_radius_m;
	double		balance_floor;	/* MAD */
	double		cancel_fee;		/* MAD */
	double		cancel_fee_share_percent;	/* of the fee, to the washman */
	double		cancel_free_minutes;
	double		chat_hours;
	double		commission_percent;
	double		give_back_fee;	/* MAD */
	double		idempotency_hours;
	double		initial_radius_m;
	double		max_open_offers;
	double		max_open_requests;	/* of a customer, over REST */
	double		max_speed_kmh;	/* positions that are farther apart are not believed */
	double		no_show_fee;	/* MAD */
	double		no_show_minutes;
	double		offer_seconds;
	double		offer_size;		/* washmen offered a request in a wave */
	double		payment_minutes;
	double		payment_recheck_hour;
	double		position_max_age_seconds;
	double		push_receipt_minutes;
	double		radius_limit_m;
	double		radius_step_m;
	double		ranking_seconds;
	double		reoffer_seconds;
	double		request_seconds;
	double		reservation_horizon_days;
	double		reservation_last_offer_minutes;	/* before it begins, as all of them */
	double		reservation_notice_minutes;
	double		reservation_offer_minutes;
	double		reservation_second_offer_minutes;
	double		socket_events_hours;
	double		stagger_seconds;
	double		stagger_size;	/* washmen told at once */
	double		travel_minutes; /* allowed for the way to an instant job */
	double		wave_seconds;
	OfferPolicy offer_policy;	/* of the zone, as the next */
	CardDispatch card_dispatch;
} Settings;

/* From _PG_init. */
extern void SettingsInit(void);

/*
 * All settings, read once and again after a change.  Needs an SPI connection;
 * WM_SETTING_MISSING where a row is missing.
 */
extern void SettingsRead(Settings *settings);

/* The same as they are in a zone, whose values of its own come first. */
extern void SettingsReadZone(const char *zone_code, Settings *settings);

/* The widest radius_limit_m, and the longest offer_seconds, of all zones. */
extern double SettingsWidestRing(void);
extern double SettingsLongestOffer(void);

/* Are they, so that SettingsRead runs no SQL? */
extern bool SettingsAreKept(void);

/* Seconds, days or minutes as microseconds. */
#define SETTING_USECS(number, unit_seconds) \
	((int64) rint((number) * (unit_seconds) * 1000000.0))

/* MAD as centimes. */
#define SETTING_CENTIMES(number) ((int64) rint((number) * 100.0))

#endif							/* WASHMINUTE_SETTINGS_H */
