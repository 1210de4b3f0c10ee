/*-------------------------------------------------------------------------
 *
 * statistics.h
 *		Samples, their quantiles, and a histogram in text.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DEMO_STATISTICS_H
#define DEMO_STATISTICS_H

typedef struct Samples
{
	int			count;
	int			capacity;
	double	   *values;
} Samples;

extern void SamplesAdd(Samples *samples, double value);

/* The value that `share` of the samples do not exceed; 0 where there are none. */
extern double SamplesQuantile(const Samples *samples, double share);

/* Print how many samples lie between the bounds, the last bar without an end. */
extern void SamplesHistogram(const Samples *samples, const char *unit,
							 const double *bounds, int bound_count);

#endif							/* DEMO_STATISTICS_H */
