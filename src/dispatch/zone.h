/*-------------------------------------------------------------------------
 *
 * zone.h
 *		The zones that are served, and when they are open.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_ZONE_H
#define WASHMINUTE_ZONE_H

#include "utils/timestamp.h"

/* Both need an SPI connection. */

/* The zone of a place in degrees on WGS 84; WM_OUTSIDE_ZONES where none serves it. */
extern char *ZoneFind(double longitude, double latitude);

/* Raise WM_ZONE_CLOSED, with its hours, unless work may start in the zone at that time. */
extern void ZoneRequireOpen(const char *zone_code, TimestampTz at);

#endif							/* WASHMINUTE_ZONE_H */
