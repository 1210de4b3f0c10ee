/*-------------------------------------------------------------------------
 *
 * geodesy.h
 *		Distances on the WGS 84 ellipsoid, and cheap bounds of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_GEODESY_H
#define WASHMINUTE_GEODESY_H

/* A place in the earth's own Cartesian coordinates (ECEF), metres. */
typedef struct Place3
{
	double		x;
	double		y;
	double		z;
} Place3;

/* Degrees on WGS 84, at height 0. */
extern Place3 PlaceFromDegrees(double longitude, double latitude);

/* Distance from the earth's axis, metres, at a latitude in degrees. */
extern double AxisDistance(double latitude);

/*
 * Length of the geodesic in metres, as ST_Distance(geography) gives it: by
 * PROJ's geodesic.h, rounded to 1e-8 m.
 */
extern double GeodesicDistance(double longitude1, double latitude1,
							   double longitude2, double latitude2);

/* Square of the straight line between two places, through the earth. */
static inline double
ChordSquared(const Place3 *a, const Place3 *b)
{
	double		x = a->x - b->x;
	double		y = a->y - b->y;
	double		z = a->z - b->z;

	return x * x + y * y + z * z;
}

/*
 * A geodesic is at least as long as its chord, and at most as long as this.  A
 * geodesic bends nowhere more than a meridian does at the equator, and by Schur's
 * comparison theorem no arc of such curvature has a shorter chord than a circle's.
 */
extern double GeodesicAtMost(double chord);

/*
 * The least distance in metres between two places whose latitudes differ by so
 * many degrees: a degree of latitude is nowhere shorter than at the equator.
 */
extern double LatitudeMetres(double degrees);
extern double LatitudeDegrees(double metres);

#endif							/* WASHMINUTE_GEODESY_H */
