/*-------------------------------------------------------------------------
 *
 * settings.c
 *		Business rules: the rows of washminute_data.settings, and of zone_settings.
 *
 * The tables hold a few dozen rows, validated on write, and are read whole: that
 * is cheaper than a look-up by name for each rule a command needs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

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
	SETTING(arrival_position_seconds),
	SETTING(arrival_radius_m),
	SETTING(balance_floor),
	SETTING(cancel_fee),
	SETTING(cancel_fee_share_percent),
	SETTING(cancel_free_minutes),
	SETTING(chat_hours),
	SETTING(commission_percent),
	SETTING(give_back_fee),
	SETTING(idempotency_hours),
	SETTING(initial_radius_m),
	SETTING(max_open_offers),
	SETTING(max_open_requests),
	SETTING(max_speed_kmh),
	SETTING(no_show_fee),
	SETTING(no_show_minutes),
	SETTING(offer_seconds),
	SETTING(offer_size),
	SETTING(payment_minutes),
	SETTING(payment_recheck_hour),
	SETTING(position_max_age_seconds),
	SETTING(push_receipt_minutes),
	SETTING(radius_limit_m),
	SETTING(radius_step_m),
	SETTING(ranking_seconds),
	SETTING(reoffer_seconds),
	SETTING(request_seconds),
	SETTING(reservation_horizon_days),
	SETTING(reservation_last_offer_minutes),
	SETTING(reservation_notice_minutes),
	SETTING(reservation_offer_minutes),
	SETTING(reservation_second_offer_minutes),
	SETTING(socket_events_hours),
	SETTING(stagger_seconds),
	SETTING(stagger_size),
	SETTING(travel_minutes),
	SETTING(wave_seconds)
};

static Statement select_settings = {
	"SELECT name, value::pg_catalog.float8 FROM washminute_data.settings"
};

/* Each zone has a row at least, for its policy. */
static Statement select_zones = {
	"SELECT z.zone_code, z.offer_policy, s.name, s.value::pg_catalog.float8,"
	"       z.card_dispatch = 'at_once'"
	"  FROM washminute_data.service_zones AS z"
	"  LEFT JOIN washminute_data.zone_settings AS s ON s.zone_code = z.zone_code"
	" ORDER BY z.zone_code"
};

typedef struct ZoneSettings
{
	char	   *zone_code;
	Settings	settings;
} ZoneSettings;

static Settings kept;
static ZoneSettings *kept_zones = NULL;
static int	kept_zone_count = 0;
static MemoryContext kept_context = NULL;
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

/* Set the one of that name; its number, or -1. */
static int
SettingSet(Settings *settings, const char *name, double value)
{
	for (int i = 0; i < lengthof(setting_entries); i++)
	{
		if (strcmp(setting_entries[i].name, name) != 0)
			continue;
		*(double *) ((char *) settings + setting_entries[i].offset) = value;
		return i;
	}
	return -1;
}

static void
SettingsLook(Settings *settings)
{
	uint64		rows = StatementRun(&select_settings, NULL);
	bool		found[lengthof(setting_entries)] = {false};

	settings->offer_policy = POLICY_STAGGERED;
	settings->card_dispatch = DISPATCH_AFTER_PAYMENT;
	for (uint64 row = 0; row < rows; row++)
	{
		int			i = SettingSet(settings, RowText(row, 1), RowFloat8(row, 2));

		if (i >= 0)
			found[i] = true;
	}
	for (int i = 0; i < lengthof(setting_entries); i++)
		if (!found[i])
			ErrorRaiseText(WM_SETTING_MISSING, "name", setting_entries[i].name);
}

static OfferPolicy
PolicyByName(const char *name)
{
	return strcmp(name, "broadcast") == 0 ? POLICY_BROADCAST :
		strcmp(name, "ranked") == 0 ? POLICY_RANKED : POLICY_STAGGERED;
}

/* The zones, in the order of their codes, with the settings of all as a base. */
static void
ZonesLook(const Settings *base)
{
	uint64		rows = StatementRun(&select_zones, NULL);
	MemoryContext previous;
	int			count = 0;

	if (kept_context == NULL)
		kept_context = AllocSetContextCreate(TopMemoryContext, "washminute settings",
											 ALLOCSET_SMALL_SIZES);
	kept_zone_count = 0;
	MemoryContextReset(kept_context);
	previous = MemoryContextSwitchTo(kept_context);
	kept_zones = palloc(Max(rows, 1) * sizeof(ZoneSettings));
	for (uint64 row = 0; row < rows; row++)
	{
		char	   *zone_code = RowText(row, 1);
		ZoneSettings *zone;

		if (count == 0 || strcmp(kept_zones[count - 1].zone_code, zone_code) != 0)
		{
			zone = &kept_zones[count++];
			*zone = (ZoneSettings) {zone_code, *base};
			zone->settings.offer_policy = PolicyByName(RowText(row, 2));
			zone->settings.card_dispatch = RowBool(row, 5) ? DISPATCH_AT_ONCE : DISPATCH_AFTER_PAYMENT;
		}
		zone = &kept_zones[count - 1];
		if (!RowIsNull(row, 3))
			(void) SettingSet(&zone->settings, RowText(row, 3), RowFloat8(row, 4));
	}
	MemoryContextSwitchTo(previous);
	kept_zone_count = count;
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
			ZonesLook(settings);
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

void
SettingsReadZone(const char *zone_code, Settings *settings)
{
	SettingsRead(settings);
	for (int i = 0; i < kept_zone_count; i++)
	{
		if (strcmp(kept_zones[i].zone_code, zone_code) != 0)
			continue;
		*settings = kept_zones[i].settings;
		return;
	}
}

/* The greatest value that a setting has in any zone. */
static double
GreatestOfZones(size_t offset)
{
	Settings	settings;
	double		greatest;

	SettingsRead(&settings);
	greatest = *(double *) ((char *) &settings + offset);
	for (int i = 0; i < kept_zone_count; i++)
		greatest = Max(greatest, *(double *) ((char *) &kept_zones[i].settings + offset));
	return greatest;
}

double
SettingsWidestRing(void)
{
	return GreatestOfZones(offsetof(Settings, radius_limit_m));
}

double
SettingsLongestOffer(void)
{
	return GreatestOfZones(offsetof(Settings, offer_seconds));
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
