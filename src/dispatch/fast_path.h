/*-------------------------------------------------------------------------
 *
 * fast_path.h
 *		Calls that the live index answers without any SQL.
 *
 * Setting search_path and the like for the time of a call costs more than the
 * call itself where it runs no SQL.  So the hot functions set nothing, answer where
 * they can without SQL, and else call the function of the same name and arguments
 * with an underscore before it, which sets all that SQL needs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_FAST_PATH_H
#define WASHMINUTE_FAST_PATH_H

#include "fmgr.h"

/* May a call be answered without SQL?  Then SettingsRead runs none, either. */
extern bool FastPathIsOpen(void);

/* Call the function with the underscore, with these arguments. */
extern Datum FastPathLeave(FunctionCallInfo fcinfo);

#endif							/* WASHMINUTE_FAST_PATH_H */
