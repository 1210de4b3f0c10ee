/*-------------------------------------------------------------------------
 *
 * callback.c
 *		The gateway says that a customer has paid; a browser comes back.
 *
 * The gateway tries a callback three times, and reverses the sale unless it is
 * answered GATESUCCESS: so what is answered stands in the transaction that takes the
 * money, and a repeated callback gets the same answer.  Nothing is asked of the
 * gateway meanwhile, which waits; an inquiry follows.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/argument.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/money.h"
#include "base/secret.h"
#include "base/statement.h"
#include "payment/card.h"

/* Longest body of a callback, in bytes; those seen have some 400. */
#define BODY_MAX 8192

/*
 * When the gateway is asked: after a success, whether it knows of our answer; after a
 * failure, whether it has reversed the sale.  Its three tries are 10 s apart.
 */
#define CONFIRM_AFTER (60 * USECS_PER_SEC)
#define VERIFY_AFTER (45 * USECS_PER_SEC)

/* A browser's return hastens one inquiry in that time. */
#define RETURN_EVERY (10 * USECS_PER_SEC)

#define SUCCESS "GATESUCCESS"
#define FAILED "GATEFAILED"

COMMAND(payment_callback, -1);
COMMAND(payment_return, -1);

static Statement select_return = {
	"SELECT FROM washminute_data.payment_observations"
	" WHERE attempt_id = $1 AND source = 'return' AND at > $2 LIMIT 1",
	2, {UUIDOID, TIMESTAMPTZOID}
};

/* Refuse, with words that tell a forger nothing; the reason is for the log. */
pg_noreturn static void Refuse(const CallbackToken *token, const char *reason);

static void
Refuse(const CallbackToken *token, const char *reason)
{
	ereport(LOG,
			(errmsg("washminute: callback refused attempt=%s reason=\"%s\"",
					token == NULL ? "none" :
					UuidText(&token->attempt_id),
					reason),
			 errhidestmt(true), errhidecontext(true)));
	ErrorRaise(WM_CALLBACK_REFUSED, NULL);
}

/* The file's credentials; an error that says more to the log than to the caller. */
static void
RequireCredentials(Credentials *credentials)
{
	const char *problem;

	if (CredentialsRead(credentials, &problem))
		return;
	ereport(LOG,
			(errmsg("washminute: washminute.naps_credentials_file %s", problem),
			 errhidestmt(true), errhidecontext(true)));
	ErrorRaise(WM_GATEWAY_NOT_CONFIGURED, NULL);
}

/* The attempt of a genuine token; locked, if that is wanted. */
static void
RequireAttempt(const CallbackToken *token, const Credentials *credentials, Attempt *attempt)
{
	const char *problem = NULL;
	TokenFacts	facts;

	if (!AttemptRead(&token->attempt_id, attempt))
		Refuse(token, "no such attempt");
	facts = (TokenFacts) {
		attempt->gateway_order_id, attempt->amount, credentials->merchant_id, attempt->nonce
	};
	if (CallbackTokenIsRight(token, &facts, ClockThisMoment(), &problem))
		return;
	if (problem != NULL)
		ErrorRaise(WM_SIGNING_KEY_MISSING, NULL);
	Refuse(token, "the token is not right, or over");
}

/* Raise unless a callback speaks of this attempt, as the gateway would. */
static void
RequireGenuine(const CallbackToken *token, const Attempt *attempt,
			   const NapsCallback *callback, const Credentials *credentials)
{
	if (callback->order_id == NULL || callback->result == NULL || callback->amount == NULL)
		Refuse(token, "idcommande, repauto or montant is missing");
	if (strcmp(callback->order_id, attempt->gateway_order_id) != 0)
		Refuse(token, "it is about another order");
	if (callback->merchant_id != NULL && strcmp(callback->merchant_id, credentials->merchant_id) != 0)
		Refuse(token, "it is about another merchant");
	if (credentials->public_key != NULL && !NapsSignatureIsRight(callback, credentials->public_key))
		Refuse(token, "its signature is missing or wrong");
}

/* A callback that says the same has the same key. */
static Datum
DedupeKey(const NapsCallback *callback)
{
	JsonObject	text;

	JsonOpen(&text);
	JsonText(&text, "order", callback->order_id);
	JsonText(&text, "result", callback->result);
	JsonText(&text, "authorization", callback->authorization_number);
	JsonText(&text, "transaction", callback->transaction_number);
	JsonText(&text, "amount", callback->amount);
	return SecretSha256(JsonClose(&text));
}

/* Charged with another amount than we asked for. */
static void
AmountDiffers(Attempt *attempt, const char *data)
{
	/* an inquiry, which knows no amount, may have been faster: then it is paid, and on hold */
	(void) AttemptMove(attempt, "integrity");
	ExceptionRaise(attempt, NULL, "amount_differs", data);
}

/*
 * Is it about another sale than the one that we know of?  An order id is charged once;
 * whatever it is, the numbers of the first are needed to give its money back.
 */
static bool
IsAnotherSale(const Attempt *attempt, const NapsCallback *callback)
{
	return attempt->authorization_number != NULL &&
		callback->authorization_number != NULL &&
		strcmp(attempt->authorization_number, callback->authorization_number) != 0;
}

/* Apply a genuine callback; the answer. */
static const char *
Apply(Attempt *attempt, const NapsCallback *callback, const char *data)
{
	bool		succeeded = false;

	if (IsAnotherSale(attempt, callback))
		ExceptionRaise(attempt, NULL, "second_sale", data);
	else if (strcmp(callback->result, "00") == 0)
	{
		if (NapsCentimes(callback->amount) == attempt->amount)
		{
			AttemptKeepNumbers(attempt, callback->authorization_number, callback->transaction_number);
			CardSave(attempt, callback);
			succeeded = AttemptSucceeded(attempt);
		}
		else
			AmountDiffers(attempt, data);
	}
	AttemptInquireAt(attempt, ClockNow() + (succeeded ? CONFIRM_AFTER : VERIFY_AFTER));
	return succeeded ? SUCCESS : FAILED;
}

/* payment_callback(token, body): what the gateway is to be answered. */
static Datum
payment_callback_body(FunctionCallInfo fcinfo)
{
	CallbackToken token;
	Credentials credentials;
	Attempt		attempt;
	NapsCallback callback;
	Datum		key;
	const char *answer;
	char	   *body;
	JsonObject	data;

	ArgumentRequire(fcinfo, 0, "token");
	ArgumentRequire(fcinfo, 1, "body");
	body = text_to_cstring(PG_GETARG_TEXT_PP(1));
	if (strlen(body) > BODY_MAX)
		ErrorRaiseArgument(WM_ARGUMENT_TOO_LONG, "body", "have at most 8192 bytes");
	if (!CallbackTokenRead(text_to_cstring(PG_GETARG_TEXT_PP(0)), &token) ||
		token.purpose != TOKEN_CALLBACK)
		Refuse(NULL, "no token of a callback");
	RequireCredentials(&credentials);
	RequireAttempt(&token, &credentials, &attempt);
	NapsReadCallback(body, &callback);
	RequireGenuine(&token, &attempt, &callback, &credentials);
	CredentialsForget(&credentials);

	ForceSyncCommit();
	(void) AttemptLock(&token.attempt_id, &attempt);
	key = DedupeKey(&callback);
	answer = ObservationAnswer(&attempt, key);
	if (answer == NULL)
	{
		JsonOpen(&data);
		JsonText(&data, "amount", callback.amount);
		JsonText(&data, "authorization", callback.authorization_number);
		JsonText(&data, "transaction", callback.transaction_number);
		JsonClose(&data);
		answer = Apply(&attempt, &callback, data.data);
		ObservationAddAnswer(&attempt, callback.result, data.data, key, answer);
	}
	else if (strcmp(answer, SUCCESS) == 0)
		/* the gateway has not heard the first one, and may give up */
		AttemptInquireAt(&attempt, ClockNow() + CONFIRM_AFTER);
	PG_RETURN_TEXT_P(cstring_to_text(answer));
}

/* Nobody has come back in the last seconds: then one inquiry is hastened. */
static void
HastenInquiry(Attempt *attempt)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(&attempt->attempt_id));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow() - RETURN_EVERY));
	if (StatementRun(&select_return, &arguments) > 0)
		return;
	ObservationAdd(attempt, "return", NULL, "{}");
	AttemptInquireAt(attempt, DT_NOBEGIN);
}

/*
 * payment_return(token): where a browser that comes back from the gateway's page is
 * sent on to.  It proves nothing, whichever of the two URLs it came to.
 */
static Datum
payment_return_body(FunctionCallInfo fcinfo)
{
	CallbackToken token;
	Credentials credentials;
	Attempt		attempt;
	const char *status;

	ArgumentRequire(fcinfo, 0, "token");
	if (!CallbackTokenRead(text_to_cstring(PG_GETARG_TEXT_PP(0)), &token) ||
		(token.purpose != TOKEN_SUCCESS && token.purpose != TOKEN_FAIL))
		Refuse(NULL, "no token of a return");
	RequireCredentials(&credentials);
	RequireAttempt(&token, &credentials, &attempt);
	CredentialsForget(&credentials);
	(void) AttemptLock(&token.attempt_id, &attempt);
	if (AttemptIsLive(&attempt))
		HastenInquiry(&attempt);

	status = attempt.order_paid ? "paid" : AttemptIsLive(&attempt) ? "pending" : "failed";
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("washminute://payment?status=%s&orderId=%s", status,
											  UuidText(&attempt.order_id))));
}
