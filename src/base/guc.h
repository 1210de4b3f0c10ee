/*-------------------------------------------------------------------------
 *
 * guc.h
 *		Settings of the server.  Business rules are rows, see settings.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_GUC_H
#define WASHMINUTE_GUC_H

extern char *washminute_correlation_id;
extern int	washminute_lock_timeout;	/* milliseconds, 0 waits for ever */
extern bool washminute_log_commands;

extern void GucInit(void);

#endif							/* WASHMINUTE_GUC_H */
