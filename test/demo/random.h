/*-------------------------------------------------------------------------
 *
 * random.h
 *		Chance that depends on a seed and on what is asked, not on the order of
 *		asking: the same seed decides the same however threads run.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DEMO_RANDOM_H
#define DEMO_RANDOM_H

#include <stdint.h>

/* Uniform in (0, 1), the same for the same arguments: the mixer of splitmix64. */
static inline double
Chance(uint64_t seed, uint64_t what, uint64_t who)
{
	uint64_t	x = seed;
	uint64_t	parts[] = {what, who, 0};

	for (int i = 0; i < 3; i++)
	{
		x += parts[i] + UINT64_C(0x9e3779b97f4a7c15);
		x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
		x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
		x ^= x >> 31;
	}
	return ((double) (x >> 11) + 0.5) / (double) (UINT64_C(1) << 53);
}

#endif							/* DEMO_RANDOM_H */
