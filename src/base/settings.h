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

typedef struct Settings
{
	double		balance_floor;	/* MAD */
	double		commission_percent;
	double		idempotency_hours;
	double		initial_radius_m;
	double		max_speed_kmh;	/* positions that are farther apart are not believed */
	double		offer_seconds;
	double		offer_size;		/* washmen offered a request at once */
	double		position_max_age_seconds;
	double		push_receipt_minutes;
	double		radius_limit_m;
	double		radius_step_m;
	double		request_seconds;
	double		reservation_horizon_days;
	double		reservation_notice_minutes;
	double		travel_minutes; /* allowed for the way to an instant job */
} Settings;

/* From _PG_init. */
extern void SettingsInit(void);

/*
 * All settings, read once and again after a change.  Needs an SPI connection;
 * WM_SETTING_MISSING where a row is missing.
 */
extern void SettingsRead(Settings *settings);

/* Are they, so that SettingsRead runs no SQL? */
extern bool SettingsAreKept(void);

/* Seconds, days or minutes as microseconds. */
#define SETTING_USECS(number, unit_seconds) \
	((int64) ((number) * (unit_seconds) * 1000000.0))

/* MAD as centimes. */
#define SETTING_CENTIMES(number) ((int64) rint((number) * 100.0))

#endif							/* WASHMINUTE_SETTINGS_H */
