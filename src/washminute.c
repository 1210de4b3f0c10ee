/*-------------------------------------------------------------------------
 *
 * washminute.c
 *		The library's entry: one Init call per module, nothing else.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "base/clock.h"
#include "base/compat.h"
#include "base/guc.h"
#include "base/readiness.h"

WASHMINUTE_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	ReadinessInit();
	GucInit();
}
