/*-------------------------------------------------------------------------
 *
 * geodesy.c
 *		Distances on the WGS 84 ellipsoid, and cheap bounds of them.
 *
 * Karney's algorithm in PROJ's geodesic.h is what PostGIS measures by, too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <geodesic.h>
#include <math.h>

#include "base/compat.h"
#include "dispatch/geodesy.h"

/* WGS 84: equatorial and polar radius in metres, and flattening. */
#define WGS84_A 6378137.0
#define WGS84_B 6356752.314245179498
#define WGS84_F ((WGS84_A - WGS84_B) / WGS84_A)
#define WGS84_E2 (WGS84_F * (2.0 - WGS84_F))

/* The least radius of curvature: of a meridian at the equator, a (1 - e^2). */
#define LEAST_RADIUS (WGS84_A * (1.0 - WGS84_E2))

#define RADIANS(degrees) (M_PI * (degrees) / 180.0)
#define DEGREES(radians) (180.0 * (radians) / M_PI)

Place3
PlaceFromDegrees(double longitude, double latitude)
{
	double		sin_latitude = sin(RADIANS(latitude));
	double		cos_latitude = cos(RADIANS(latitude));
	double		normal = WGS84_A / sqrt(1.0 - WGS84_E2 * sin_latitude * sin_latitude);

	return (Place3) {
		.x = normal * cos_latitude * cos(RADIANS(longitude)),
		.y = normal * cos_latitude * sin(RADIANS(longitude)),
		.z = normal * (1.0 - WGS84_E2) * sin_latitude
	};
}

double
AxisDistance(double latitude)
{
	double		sin_latitude = sin(RADIANS(latitude));

	return WGS84_A / sqrt(1.0 - WGS84_E2 * sin_latitude * sin_latitude) *
		cos(RADIANS(latitude));
}

double
GeodesicDistance(double longitude1, double latitude1,
				 double longitude2, double latitude2)
{
	static struct geod_geodesic wgs84;
	static bool known = false;
	double		metres;

	/* as PostGIS keeps places in radians, to the last bit */
	longitude1 = DEGREES(RADIANS(longitude1));
	latitude1 = DEGREES(RADIANS(latitude1));
	longitude2 = DEGREES(RADIANS(longitude2));
	latitude2 = DEGREES(RADIANS(latitude2));
	if (!known)
	{
		geod_init(&wgs84, WGS84_A, WGS84_F);
		known = true;
	}
	geod_inverse(&wgs84, latitude1, longitude1, latitude2, longitude2, &metres,
				 NULL, NULL);
	return round(metres * 1e8) / 1e8;
}

double
GeodesicAtMost(double chord)
{
	double		half = chord / (2.0 * LEAST_RADIUS);

	/* beyond the circle of that radius: no bound but half the earth's girth */
	return half >= 1.0 ? M_PI * WGS84_A : 2.0 * LEAST_RADIUS * asin(half);
}

double
LatitudeMetres(double degrees)
{
	return RADIANS(degrees) * LEAST_RADIUS;
}

double
LatitudeDegrees(double metres)
{
	return metres / LEAST_RADIUS * (180.0 / M_PI);
}
