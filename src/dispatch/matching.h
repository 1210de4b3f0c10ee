/*-------------------------------------------------------------------------
 *
 * matching.h
 *		Who is near.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_MATCHING_H
#define WASHMINUTE_MATCHING_H

#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "dispatch/eligibility.h"

typedef struct MatchQuery
{
	double		longitude;		/* degrees, WGS 84 */
	double		latitude;
	double		initial_radius_m;
	double		radius_step_m;
	double		radius_limit_m;
	int			max_results;
	JobTerms	terms;

	/* for a request only; NULL asks who is near, whatever for */
	const pg_uuid_t *request_id;
	const char *customer_id;
	TimestampTz starts_at;		/* the time the job would take */
	TimestampTz ends_at;
} MatchQuery;

typedef struct Candidate
{
	char	   *washman_id;
	double		distance_m;		/* geodesic on WGS 84 */
	TimestampTz located_at;
} Candidate;

/*
 * The eligible washmen of the smallest ring that holds one, nearest first, at
 * most max_results; their number.  Sets radius_m to that ring's radius.  Needs
 * an SPI connection.
 */
extern int	MatchNearest(const MatchQuery *query, Candidate **candidates,
						 double *radius_m);

/* The radius of the smallest ring that reaches so far, at most the limit. */
extern double MatchRing(const MatchQuery *query, double distance_m);

#endif							/* WASHMINUTE_MATCHING_H */
