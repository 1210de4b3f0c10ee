/*-------------------------------------------------------------------------
 *
 * statistics.c
 *		Samples, their quantiles, and a histogram in text.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "statistics.h"

#define BAR_LENGTH 40

void
SamplesAdd(Samples *samples, double value)
{
	if (samples->count == samples->capacity)
	{
		samples->capacity = samples->capacity ? 2 * samples->capacity : 1024;
		samples->values = realloc(samples->values,
								  samples->capacity * sizeof(double));
	}
	samples->values[samples->count++] = value;
}

static int
CompareDoubles(const void *a, const void *b)
{
	double		left = *(const double *) a;
	double		right = *(const double *) b;

	return (left > right) - (left < right);
}

double
SamplesQuantile(const Samples *samples, double share)
{
	int			rank = (int) ceil(share * samples->count);

	if (samples->count == 0)
		return 0;
	qsort(samples->values, samples->count, sizeof(double), CompareDoubles);
	return samples->values[rank > 0 ? rank - 1 : 0];
}

void
SamplesHistogram(const Samples *samples, const char *unit,
				 const double *bounds, int bound_count)
{
	int			counts[16] = {0};
	int			most = 1;

	for (int i = 0; i < samples->count; i++)
	{
		int			bar = 0;

		while (bar < bound_count && samples->values[i] >= bounds[bar])
			bar++;
		counts[bar]++;
	}
	for (int bar = 0; bar <= bound_count; bar++)
		most = counts[bar] > most ? counts[bar] : most;

	for (int bar = 0; bar <= bound_count; bar++)
	{
		char		label[32];
		int			length = (int) lround((double) BAR_LENGTH * counts[bar] / most);

		if (bar < bound_count)
			snprintf(label, sizeof(label), "below %g", bounds[bar]);
		else
			snprintf(label, sizeof(label), "from %g", bounds[bar - 1]);
		printf("  %12s %-3s %7d  ", label, unit, counts[bar]);
		while (length-- > 0)
			putchar('#');
		putchar('\n');
	}
}
