/*-------------------------------------------------------------------------
 *
 * guc.h
 *		Settings of the server.  Business rules are rows, see settings.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_GUC_H
#define WASHMINUTE_GUC_H

extern char *washminute_ca_file;	/* empty: the system's authorities */
extern char *washminute_callback_base_url;	/* empty: no card payments */
extern char *washminute_correlation_id;
extern char *washminute_database;	/* the one that the worker serves */
#ifdef WASHMINUTE_BENCH
extern bool washminute_enqueues; /* off to measure what queueing costs */
#endif
extern char *washminute_expo_access_token_file;
extern int	washminute_expo_rate_limit; /* recipients per second, 0: none */
extern char *washminute_expo_url;
extern int	washminute_http_timeout;	/* milliseconds */
extern char *washminute_jwt_clients;	/* empty: any */
extern char *washminute_jwt_groups_claim;
extern char *washminute_jwt_issuers;	/* empty: any */
extern char *washminute_jwt_token_use;	/* empty: any */
extern int	washminute_location_flush_interval;	/* milliseconds */
extern int	washminute_lock_timeout;	/* milliseconds, 0 waits for ever */
extern bool washminute_log_commands;
extern int	washminute_max_live_washmen;
extern char *washminute_naps_credentials_file;
extern char *washminute_naps_url;
extern int	washminute_rate_burst;
extern int	washminute_rate_limit;	/* requests per second and caller, 0: none */
extern char *washminute_realtime_channel_prefix;
extern int	washminute_realtime_mode;	/* RealtimeMode of outbox/realtime_queue.h */
extern int	washminute_rest_waits;
extern bool washminute_run_timers;
extern char *washminute_signing_key_file;

extern void GucInit(void);

/*
 * https, or http to this machine, where secrets can be sent?  After "localhost:x@"
 * another host would follow.
 */
extern bool GucUrlIsSafe(const char *url);

#endif							/* WASHMINUTE_GUC_H */
