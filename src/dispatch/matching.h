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

#include "base/clock.h"
#include "base/settings.h"
#include "dispatch/eligibility.h"

/*
 * SQL: how many offers of other requests he holds that still stand.  None that began
 * earlier than OFFERS_STAND_SINCE can, but for those of reservations, which ask for no
 * quick answer and do not count.
 */
#define OPEN_OFFERS(alias, request, now, since) \
	"SELECT pg_catalog.count(*) FROM washminute_data.offers AS o" \
	"  JOIN washminute_data.washing_requests AS r ON r.request_id = o.request_id" \
	" WHERE o.washman_id = " alias ".washman_id AND o.offered_at > " since \
	"   AND o.expires_at > " now " AND o.declined_at IS NULL" \
	"   AND o.request_id <> " request " AND r.status = 'pending' AND r.reservation_at IS NULL"
#define OFFERS_STAND_SINCE (ClockNow() - SETTING_USECS(SettingsLongestOffer(), 1))

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
	int			round_wave;		/* who was offered it in a later wave, and not */
	TimestampTz offered_since;	/* before that time, is left out */
	int			already;		/* how many that may be, at a guess */
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

/* Why this washman is not eligible; 0 where he is.  Needs a request. */
extern int	MatchReasons(const MatchQuery *query, const char *washman_id,
						 TimestampTz located_at);

/* The radius of the smallest ring that reaches so far, at most the limit. */
extern double MatchRing(const MatchQuery *query, double distance_m);

#endif							/* WASHMINUTE_MATCHING_H */
