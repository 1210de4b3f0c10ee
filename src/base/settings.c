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

#include "catalog/namespace.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

#include "base/errors.h"
#include "base/settings.h"
#include "base/statement.h"

PG_FUNCTION_INFO_V1(washminute_settings_changed);

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
	SETTING(max_speed_kmh),
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

static Settings kept;
static bool is_kept = false;
static Oid	settings_relid = InvalidOid;

static void
SettingsRelationChanged(Datum argument, Oid relid)
{
	if (relid == InvalidOid || relid == settings_relid)
		is_kept = false;
}

void
SettingsInit(void)
{
	CacheRegisterRelcacheCallback(SettingsRelationChanged, (Datum) 0);
}

static Oid
SettingsRelation(void)
{
	Oid			namespace = get_namespace_oid("washminute_data", true);

	return OidIsValid(namespace) ?
		get_relname_relid("settings", namespace) : InvalidOid;
}

static void
SettingsLook(Settings *settings)
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

bool
SettingsAreKept(void)
{
	return is_kept;
}

void
SettingsRead(Settings *settings)
{
	if (!is_kept)
	{
		settings_relid = SettingsRelation();

		/* an invalidation that comes while the rows are read makes us read again */
		is_kept = true;
		PG_TRY();
		{
			SettingsLook(settings);
		}
		PG_CATCH();
		{
			is_kept = false;
			PG_RE_THROW();
		}
		PG_END_TRY();
		kept = *settings;
	}
	*settings = kept;
}

/* washminute._settings_changed(): every session reads the settings anew. */
Datum
washminute_settings_changed(PG_FUNCTION_ARGS)
{
	Oid			relid = SettingsRelation();

	if (OidIsValid(relid))
		CacheInvalidateRelcacheByRelid(relid);
	PG_RETURN_VOID();
}
