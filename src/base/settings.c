/*-------------------------------------------------------------------------
 *
 * settings.c
 *		Business rules: the rows of washminute_data.settings.
 *
 * The table holds a dozen rows, validated on write, and is read whole: that is
 * cheaper than a look-up by name for each rule a command needs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/spi.h"

#include "base/errors.h"
#include "base/settings.h"
#include "base/statement.h"

typedef struct SettingEntry
{
	const char *name;
	size_t		offset;
} SettingEntry;

#define SETTING(name) {#name, offsetof(Settings, name)}

static const SettingEntry setting_entries[] = {
	SETTING(balance_floor),
	SETTING(commission_percent),
	SETTING(idempotency_hours),
	SETTING(initial_radius_m),
	SETTING(offer_seconds),
	SETTING(offer_size),
	SETTING(position_max_age_seconds),
	SETTING(push_receipt_minutes),
	SETTING(radius_limit_m),
	SETTING(radius_step_m),
	SETTING(request_seconds),
	SETTING(reservation_horizon_days),
	SETTING(reservation_notice_minutes),
	SETTING(travel_minutes)
};

static Statement select_settings = {
	"SELECT name, value::pg_catalog.float8 FROM washminute_data.settings"
};

void
SettingsRead(Settings *settings)
{
	uint64		rows = StatementRun(&select_settings, NULL);
	bool		found[lengthof(setting_entries)] = {false};

	for (uint64 row = 0; row < rows; row++)
	{
		char	   *name = RowText(row, 1);

		for (int i = 0; i < lengthof(setting_entries); i++)
		{
			if (strcmp(setting_entries[i].name, name) != 0)
				continue;
			*(double *) ((char *) settings + setting_entries[i].offset) =
				RowFloat8(row, 2);
			found[i] = true;
		}
	}
	for (int i = 0; i < lengthof(setting_entries); i++)
		if (!found[i])
			ErrorRaiseText(WM_SETTING_MISSING, "name", setting_entries[i].name);
}
