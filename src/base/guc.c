/*-------------------------------------------------------------------------
 *
 * guc.c
 *		Settings of the server, in alphabetical order.
 *
 * All but correlation_id are PGC_SIGHUP at the most: they stand in
 * postgresql.conf, and no user, role or database can override them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "access/parallel.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "base/caller.h"
#include "base/compat.h"
#include "base/guc.h"

char	   *washminute_ca_file = NULL;
char	   *washminute_callback_base_url = NULL;
char	   *washminute_correlation_id = NULL;
char	   *washminute_database = NULL;
char	   *washminute_expo_access_token_file = NULL;
int			washminute_expo_rate_limit = 500;
char	   *washminute_expo_url = NULL;
int			washminute_http_timeout = 10000;
char	   *washminute_jwt_clients = NULL;
char	   *washminute_jwt_groups_claim = NULL;
char	   *washminute_jwt_issuers = NULL;
char	   *washminute_jwt_token_use = NULL;
int			washminute_location_flush_interval = 5000;
int			washminute_lock_timeout = 5000;
#ifdef WASHMINUTE_BENCH
bool		washminute_enqueues = true;
#endif
bool		washminute_log_commands = false;
int			washminute_max_live_washmen = 100000;
char	   *washminute_naps_credentials_file = NULL;
char	   *washminute_naps_url = NULL;
int			washminute_rate_burst = 60;
int			washminute_rate_limit = 20;
char	   *washminute_realtime_channel_prefix = NULL;
int			washminute_realtime_mode = 1;
int			washminute_rest_waits = 4;
bool		washminute_run_timers = true;
char	   *washminute_signing_key_file = NULL;

static bool
CorrelationIdCheck(char **newval, void **extra, GucSource source)
{
	if (!CorrelationIdIsValid(*newval))
	{
		GUC_check_errdetail("A correlation id has at most %d characters, printable ASCII without blanks.",
							CORRELATION_ID_MAX);
		return false;
	}
	return true;
}

bool
GucUrlIsSafe(const char *url)
{
	static const char *const own[] = {"http://127.0.0.1", "http://localhost"};

	if (strncmp(url, "https://", strlen("https://")) == 0)
		return true;
	for (int i = 0; i < lengthof(own); i++)
	{
		const char *rest = url + strlen(own[i]);

		if (strncmp(url, own[i], strlen(own[i])) != 0)
			continue;
		if (*rest == ':')
			rest += 1 + strspn(rest + 1, "0123456789");
		if (*rest == '/' || *rest == '\0')
			return true;
	}
	return false;
}

/* The numbers are those of RealtimeMode (outbox/realtime_queue.h). */
static const struct config_enum_entry realtime_modes[] = {
	{"off", 0, false},
	{"outbox", 1, false},
	{"direct", 2, false},
	{NULL, 0, false}
};

/* With "#/" it is the name of a channel, which has at most 63 bytes. */
static bool
ChannelPrefixCheck(char **newval, void **extra, GucSource source)
{
	size_t		length = strlen(*newval);

	for (const unsigned char *p = (const unsigned char *) *newval; *p; p++)
		if (*p <= 0x20 || *p >= 0x7f || *p == '#')
			length = 0;
	if (length > 0 && length <= 60)
		return true;
	GUC_check_errdetail("It has from 1 to 60 characters, printable ASCII without blanks and #.");
	return false;
}

/* Secrets would go over the network in clear. */
static bool
UrlCheck(char **newval, void **extra, GucSource source)
{
	if ((*newval)[0] == '\0' || GucUrlIsSafe(*newval))
		return true;
	GUC_check_errdetail("It must begin with https://, or http:// of this machine.");
	return false;
}

/*
 * Where the library is loaded by a session, a role's or a connection's value of
 * one of our settings has hidden that of postgresql.conf until now: it was
 * refused a moment ago, and the built-in default is left.  So take the values
 * of the files again.
 */
static void
GucTakeFiles(void)
{
	ConfigVariable *head = NULL;
	ConfigVariable *tail = NULL;

	(void) ParseConfigFile(ConfigFileName, true, NULL, 0, 0, DEBUG2,
						   &head, &tail);
	(void) ParseConfigFile(PG_AUTOCONF_FILENAME, false, NULL, 0, 0, DEBUG2,
						   &head, &tail);
	for (ConfigVariable *item = head; item != NULL; item = item->next)
	{
		if (item->name == NULL || item->ignore ||
			pg_strncasecmp(item->name, "washminute.", strlen("washminute.")) != 0)
			continue;
		(void) set_config_option(item->name, item->value,
								 PGC_SIGHUP, PGC_S_FILE,
								 GUC_ACTION_SET, true, WARNING, false);
	}
	FreeConfigVariables(head);
}

void
GucInit(void)
{
	DefineCustomStringVariable("washminute.ca_file",
							   "File of the certificate authorities that HTTPS peers are checked by, in PEM.",
							   "Empty for those of the system.",
							   &washminute_ca_file,
							   "",
							   PGC_SIGHUP,
							   0,
							   NULL, NULL, NULL);

	DefineCustomStringVariable("washminute.callback_base_url",
							   "Where the card gateway and customers' browsers come back to, e.g. https://pay.example.ma",
							   "/naps/cb/TOKEN below it must reach washminute.payment_callback(), /naps/return/TOKEN washminute.payment_return().",
							   &washminute_callback_base_url,
							   "",
							   PGC_SIGHUP,
							   0,
							   UrlCheck, NULL, NULL);

	DefineCustomStringVariable("washminute.correlation_id",
							   "Id of the caller's request, kept on the event and outbox rows that it causes.",
							   "At most 128 printable ASCII characters; where it is empty, the X-Request-Id header that PostgREST hands on is taken.",
							   &washminute_correlation_id,
							   "",
							   PGC_USERSET,
							   0,
							   CorrelationIdCheck, NULL, NULL);

	/* only a preloaded library may have a setting that needs a restart */
	DefineCustomStringVariable("washminute.database",
							   "The database that the worker serves.",
							   NULL,
							   &washminute_database,
							   "postgres",
							   process_shared_preload_libraries_in_progress ?
							   PGC_POSTMASTER : PGC_SIGHUP,
							   0,
							   NULL, NULL, NULL);

#ifdef WASHMINUTE_BENCH
	DefineCustomBoolVariable("washminute.enqueue",
							 "Whether messages are queued: switched off by a benchmark alone.",
							 NULL,
							 &washminute_enqueues,
							 true,
							 PGC_USERSET,
							 0,
							 NULL, NULL, NULL);
#endif

	DefineCustomStringVariable("washminute.expo_access_token_file",
							   "File of the access token for Expo's push service, of mode 0600.",
							   "Empty where Expo's enhanced security is off.",
							   &washminute_expo_access_token_file,
							   "",
							   PGC_SIGHUP,
							   0,
							   NULL, NULL, NULL);

	DefineCustomIntVariable("washminute.expo_rate_limit",
							"Push messages per second at most, evenly spaced.",
							"Expo allows 600 a second for each project; 0 lifts the limit.",
							&washminute_expo_rate_limit,
							500, 0, 1000000,
							PGC_SIGHUP,
							0,
							NULL, NULL, NULL);

	DefineCustomStringVariable("washminute.expo_url",
							   "Where Expo's push service is.",
							   NULL,
							   &washminute_expo_url,
							   "https://exp.host/--/api/v2/push",
							   PGC_SIGHUP,
							   0,
							   NULL, NULL, NULL);

	DefineCustomIntVariable("washminute.http_timeout",
							"Longest time that the worker waits for the answer to a request.",
							NULL,
							&washminute_http_timeout,
							10000, 100, 600000,
							PGC_SIGHUP,
							GUC_UNIT_MS,
							NULL, NULL, NULL);

	DefineCustomStringVariable("washminute.jwt_clients",
							   "The apps whose tokens washminute.pre_request() takes: client ids, with commas between.",
							   "A token names its app in client_id, azp or aud; empty for any.",
							   &washminute_jwt_clients,
							   "",
							   PGC_SIGHUP,
							   0,
							   NULL, NULL, NULL);

	DefineCustomStringVariable("washminute.jwt_groups_claim",
							   "The claim that names the groups of a user, which give him his roles.",
							   "customer, washman and admin, with or without washminute_ before.",
							   &washminute_jwt_groups_claim,
							   "cognito:groups",
							   PGC_SIGHUP,
							   0,
							   NULL, NULL, NULL);

	DefineCustomStringVariable("washminute.jwt_issuers",
							   "Whose tokens washminute.pre_request() takes: values of iss, with commas between.",
							   "Empty for any.",
							   &washminute_jwt_issuers,
							   "",
							   PGC_SIGHUP,
							   0,
							   NULL, NULL, NULL);

	DefineCustomStringVariable("washminute.jwt_token_use",
							   "What token_use the tokens must have, e.g. access.",
							   "An id token is taken by sync_user all the same; empty for any.",
							   &washminute_jwt_token_use,
							   "",
							   PGC_SIGHUP,
							   0,
							   NULL, NULL, NULL);

	DefineCustomIntVariable("washminute.location_flush_interval",
							"How often positions are written from the live index to the table.",
							"What a crash can lose.",
							&washminute_location_flush_interval,
							5000, 100, 600000,
							PGC_SIGHUP,
							GUC_UNIT_MS,
							NULL, NULL, NULL);

	DefineCustomIntVariable("washminute.lock_timeout",
							"Longest wait of a command for the lock of a request or a washman.",
							"After it the command fails with PT503; 0 waits for ever.",
							&washminute_lock_timeout,
							5000, 0, INT_MAX,
							PGC_SIGHUP,
							GUC_UNIT_MS,
							NULL, NULL, NULL);

	DefineCustomBoolVariable("washminute.log_commands",
							 "Logs each command as one line: name, actor, code, milliseconds.",
							 NULL,
							 &washminute_log_commands,
							 false,
							 PGC_SIGHUP,
							 0,
							 NULL, NULL, NULL);

	/* see washminute.database */
	DefineCustomIntVariable("washminute.max_live_washmen",
							"How many washmen can be online at once: the capacity of the live index.",
							"Each takes about 260 bytes of shared memory; 0 for no index.",
							&washminute_max_live_washmen,
							100000, 0, 10000000,
							process_shared_preload_libraries_in_progress ?
							PGC_POSTMASTER : PGC_SIGHUP,
							0,
							NULL, NULL, NULL);

	DefineCustomStringVariable("washminute.naps_credentials_file",
							   "File of the credentials for the card gateway NAPS, of mode 0600.",
							   "A JSON object: api_key, institution_id, cx_user, cx_password, merchant_id, merchant_name, and where there are such website_name, website_id, public_key.",
							   &washminute_naps_credentials_file,
							   "",
							   PGC_SIGHUP,
							   0,
							   NULL, NULL, NULL);

	DefineCustomStringVariable("washminute.naps_url",
							   "Where the card gateway NAPS is.",
							   NULL,
							   &washminute_naps_url,
							   "https://gwapi.naps.ma:8085/napspayment/",
							   PGC_SIGHUP,
							   0,
							   UrlCheck, NULL, NULL);

	DefineCustomIntVariable("washminute.rate_burst",
							"Requests over REST that a caller may make at once.",
							NULL,
							&washminute_rate_burst,
							60, 1, 100000,
							PGC_SIGHUP,
							0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("washminute.rate_limit",
							"Requests over REST that a caller may make per second in the long run.",
							"Counted by washminute.pre_request() where the library is preloaded; 0 for no limit.",
							&washminute_rate_limit,
							20, 0, 100000,
							PGC_SIGHUP,
							0,
							NULL, NULL, NULL);

	/* who knows it can listen to all events, and forge some: not for everybody to see */
	DefineCustomStringVariable("washminute.realtime_channel_prefix",
							   "Prefix of the channel on which live events are notified: the gateway's channelPrefix.",
							   "Channels have no rights: an unguessable prefix keeps other roles from listening.",
							   &washminute_realtime_channel_prefix,
							   "socket.io",
							   PGC_SIGHUP,
							   GUC_SUPERUSER_ONLY,
							   ChannelPrefixCheck, NULL, NULL);

	DefineCustomEnumVariable("washminute.realtime_mode",
							 "How live events reach the gateway: outbox, direct or off.",
							 "outbox: the worker notifies, and no commit waits for another; direct: each transaction notifies as it commits.",
							 &washminute_realtime_mode,
							 1, realtime_modes,
							 PGC_SIGHUP,
							 0,
							 NULL, NULL, NULL);
	DefineCustomIntVariable("washminute.rest_waits",
							"Calls over REST that may wait for the card gateway at the same time.",
							"The others are answered at once with what is known; each holds a connection.",
							&washminute_rest_waits,
							4, 0, 1000,
							PGC_SIGHUP,
							0,
							NULL, NULL, NULL);

	DefineCustomBoolVariable("washminute.run_timers",
							 "Whether the worker does what falls due for requests: waves, decisions, expiries.",
							 "Off leaves that to pg_cron and to callers of washminute.expire_due().",
							 &washminute_run_timers,
							 true,
							 PGC_SIGHUP,
							 0,
							 NULL, NULL, NULL);

	DefineCustomStringVariable("washminute.signing_key_file",
							   "File of the key that signs webhooks and the callbacks of payments, of mode 0600.",
							   "At least 32 random bytes; or a line for each of several keys, its id, a blank and the key, of which the first signs.",
							   &washminute_signing_key_file,
							   "",
							   PGC_SIGHUP,
							   0,
							   NULL, NULL, NULL);

	MarkGUCPrefixReserved("washminute");

	/* a parallel worker is given the settings of its leader */
	if (!process_shared_preload_libraries_in_progress && !IsParallelWorker())
		GucTakeFiles();
}
