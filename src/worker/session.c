/*-------------------------------------------------------------------------
 *
 * session.c
 *		The session with the card gateway, which every call of a payment needs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/crypto.h>

#include "utils/memutils.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/secret.h"
#include "payment/naps.h"
#include "worker/lane.h"
#include "worker/session.h"
#include "worker/status.h"
#include "worker/stopwatch.h"

#define SESSION_LIFE (24 * 3600 * SECOND)
#define RENEW_AFTER (22 * 3600 * SECOND)

/* Pauses after a session was refused or not answered. */
#define PAUSE_FIRST (SECOND / 5)
#define PAUSE_LONGEST (60 * SECOND)

#define TOKEN_MAX 8192

static char token[TOKEN_MAX + 1];
static int64 token_at = 0;		/* monotonic: when it was given; 0: there is none */
static int	token_number = 0;
static bool token_works = false;	/* a call went well in that session */
static char credentials_digest[SECRET_BYTES];	/* SHA-256: whose session it is */
static HttpRequest request;
static MemoryContext request_context = NULL;	/* NULL: none is asked for */
static bool is_forgotten = false;	/* since the request was made */
static int64 retry_at = 0;
static int64 pause = 0;

void
GatewayFill(HttpRequest *http, NapsCall call, const Credentials *credentials, char *body)
{
	int			length = strlen(washminute_naps_url);

	while (length > 0 && washminute_naps_url[length - 1] == '/')
		length--;
	http->url = psprintf("%.*s/%s", length, washminute_naps_url, NapsPath(call));
	http->body = body;
	http->body_length = strlen(body);
	http->only_once = true;
	HttpAddHeader(http, "Content-Type: application/json");
	HttpAddHeader(http, "Expect:");
	HttpAddHeader(http, "User-Agent: NAPS");
	HttpAddHeader(http, "X-Product: MXPLUS");
	HttpAddHeader(http, "X-Version: 1.0");
	HttpAddHeader(http, psprintf("X-API-Key: %s", credentials->api_key));
}

static void
SessionForget(void)
{
	OPENSSL_cleanse(token, sizeof(token));
	token_at = 0;
	is_forgotten = true;
	retry_at = 0;
}

void
SessionOf(const Credentials *credentials)
{
	char	   *text = psprintf("%s\n%s\n%s\n%s\n%s", washminute_naps_url, credentials->institution_id,
								credentials->user, credentials->password, credentials->api_key);
	bytea	   *digest = DatumGetByteaP(SecretSha256(text));

	OPENSSL_cleanse(text, strlen(text));
	if (memcmp(VARDATA(digest), credentials_digest, SECRET_BYTES) != 0)
	{
		memcpy(credentials_digest, VARDATA(digest), SECRET_BYTES);
		SessionForget();
	}
	retry_at = 0;
}

void
SessionIsOver(int number)
{
	/* others that were under way with the same one say so, too */
	if (number != token_number || token_at == 0)
		return;
	SessionForget();

	/* one that was never good is not asked for again and again */
	if (!token_works)
	{
		pause = pause == 0 ? PAUSE_FIRST : Min(2 * pause, PAUSE_LONGEST);
		retry_at = MonotonicNow() + pause;
	}
}

void
SessionWorks(int number)
{
	if (number != token_number)
		return;
	token_works = true;
	pause = 0;
}

const char *
SessionToken(int *number)
{
	*number = token_number;
	return token;
}

/* It is not to be had now. */
static void
Failed(const char *reason)
{
	pause = pause == 0 ? PAUSE_FIRST : Min(2 * pause, PAUSE_LONGEST);
	retry_at = MonotonicNow() + pause;
	StatusHeld(LANE_PAYMENT, reason);
	StatusError(LANE_PAYMENT, reason);
	ereport(WARNING,
			(errmsg("washminute worker: no session with the card gateway reason=\"%s\" retry_s=%.1f",
					reason, (double) pause / SECOND)));
}

static void
Answered(HttpRequest *http)
{
	MemoryContext previous = MemoryContextSwitchTo(request_context);
	NapsAnswer	answer;

	NapsRead(NAPS_SESSION, http->code == CURLE_OK && http->status == 200 ? http->response : NULL,
			 &answer);
	if (is_forgotten)
		;						/* the credentials changed: this one is of the old ones */
	else if (answer.session != NULL && strlen(answer.session) <= TOKEN_MAX)
	{
		strlcpy(token, answer.session, sizeof(token));
		token_at = MonotonicNow();
		token_number++;
		token_works = false;
		StatusHeld(LANE_PAYMENT, NULL);
		ereport(LOG,
				(errmsg("washminute worker: session with the card gateway begun")));
	}
	else if (answer.code != NULL)
		Failed(psprintf("the gateway refused the credentials, code %s", answer.code));
	else if (http->code != CURLE_OK)
		Failed(psprintf("no session: %s", http->error));
	else
		Failed(psprintf("the gateway gave no session, HTTP status %ld", http->status));
	OPENSSL_cleanse((void *) http->body, http->body_length);
	if (http->response != NULL)
		OPENSSL_cleanse(http->response, http->response_length);
	MemoryContextSwitchTo(previous);
	HttpForget(http);
	MemoryContextDelete(request_context);
	request_context = NULL;
}

/* Ask for a session. */
static void
Ask(void)
{
	Credentials credentials;
	const char *problem;
	MemoryContext previous;

	request_context = AllocSetContextCreate(TopMemoryContext, "washminute session",
											ALLOCSET_SMALL_SIZES);
	previous = MemoryContextSwitchTo(request_context);
	memset(&request, 0, sizeof(request));
	is_forgotten = false;
	if (!CredentialsRead(&credentials, &problem))
		Failed(psprintf("washminute.naps_credentials_file %s", problem));
	else
	{
		char	   *body = NapsBody(NAPS_SESSION, &credentials, NULL, NULL);

		GatewayFill(&request, NAPS_SESSION, &credentials, body);
		request.done = Answered;
		CredentialsForget(&credentials);
		MemoryContextSwitchTo(previous);
		if (HttpStart(&request))
			return;
		Failed("no more connections can be opened");
		HttpForget(&request);
	}
	MemoryContextSwitchTo(previous);
	MemoryContextDelete(request_context);
	request_context = NULL;
}

int64
SessionReadyAt(int64 now)
{
	bool		is_there = token_at != 0 && now < token_at + SESSION_LIFE;

	if ((!is_there || now >= token_at + RENEW_AFTER) && request_context == NULL && now >= retry_at)
		Ask();
	if (is_there)
		return 0;
	return request_context != NULL ? PG_INT64_MAX : retry_at;
}
