/*-------------------------------------------------------------------------
 *
 * summary.h
 *		What came of the day, for people and for programs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef DEMO_SUMMARY_H
#define DEMO_SUMMARY_H

#include "world.h"

/* Print it all; the program's exit status, 0 when all is well. */
extern int	Summarize(const Tally *tally, PGconn *admin, double wall_s);

#endif							/* DEMO_SUMMARY_H */
