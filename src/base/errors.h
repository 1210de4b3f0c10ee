/*-------------------------------------------------------------------------
 *
 * errors.h
 *		Every error that washminute raises: the one list.
 *
 * An error has a SQLSTATE "PTxyz", where xyz is the HTTP status that PostgREST
 * gives it (https://docs.postgrest.org, "Raise errors with HTTP Status Codes");
 * a constant English sentence as MESSAGE, since PostgREST makes it the reason
 * phrase of the answer; as DETAIL the code below, followed by facts as a JSON
 * object where there are any; and a HINT that says what to do.
 *
 * Class 40 is never raised from here (older PostgREST versions repeat such a
 * call for ever), and no class-23 error of ours reaches a client.
 *
 * The README's table of errors is compared with this list by a test: each row
 * is X(code, sqlstate, message, hint).
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_ERRORS_H
#define WASHMINUTE_ERRORS_H

#include "base/compat.h"

#define WASHMINUTE_ERRORS(X) \
	/* 400: the argument itself is wrong, whatever the state of things */ \
	X(WM_ARGUMENT_MISSING, "PT400", "a required argument is missing", \
	  "Give a value for the argument that DETAIL names.") \
	X(WM_ARGUMENT_INVALID, "PT400", "an argument is not valid", \
	  "DETAIL names the argument and what it must be.") \
	X(WM_ARGUMENT_TOO_LONG, "PT400", "an argument is too long", \
	  "DETAIL names the argument and its greatest length.") \
	X(WM_COORDINATE_INVALID, "PT400", "a coordinate is not on the globe", \
	  "Longitude is -180 to 180 and latitude -90 to 90 degrees, WGS 84, longitude first.") \
	X(WM_POSITION_IN_FUTURE, "PT400", "a position is in the future", \
	  "Send the time of the fix, and check the clock of the device.") \
	X(WM_ARRAYS_DIFFER, "PT400", "the arrays are of different lengths", \
	  "Give one longitude, one latitude and one time for each washman.") \
	X(WM_AMOUNT_INVALID, "PT400", "an amount is not valid", \
	  "Amounts are in MAD with at most two decimals, not zero, and below 10 000 000 000.") \
	X(WM_RESERVATION_TIME_INVALID, "PT400", "the reservation is too soon or too far ahead", \
	  "DETAIL gives the earliest and the latest time that can be reserved now.") \
	X(WM_AMOUNT_TOO_LOW, "PT400", "the amount is too low to be paid by card", \
	  "DETAIL gives the amount, and the least that the gateway takes.") \
	/* 401 to 403: who is asking */ \
	X(WM_CALLER_UNKNOWN, "PT401", "the caller is not known", \
	  "Send a token whose claims carry the user's id as sub.") \
	X(WM_TOKEN_REFUSED, "PT401", "the token is not one that is taken here", \
	  "DETAIL names the claim that is not as the settings washminute.jwt_... say.") \
	X(WM_BALANCE_BELOW_FLOOR, "PT402", "the balance does not allow this job", \
	  "Pay in at least what DETAIL calls missing, then accept again.") \
	X(WM_PAYOUT_EXCEEDS_BALANCE, "PT402", "the balance does not cover the payout", \
	  "DETAIL gives what can be paid out: the balance less what is held.") \
	X(WM_PAYMENT_DUE, "PT402", "the order is not paid yet", \
	  "The job is offered once the card payment has arrived.") \
	X(WM_NOT_YOURS, "PT403", "this belongs to somebody else", \
	  "Only the people whom it concerns, or an administrator, may do that.") \
	X(WM_WRONG_KIND, "PT403", "the user is not of the kind that may do this", \
	  "DETAIL names the kind; washminute.upsert_user gives it to a user.") \
	X(WM_NOT_OFFERED, "PT403", "the request was not offered to this washman", \
	  "Only a washman who holds an offer of the request can answer it.") \
	X(WM_ROLE_NOT_GIVEN, "PT403", "the token does not give this role", \
	  "Ask without the header X-Washminute-Role, or have the user put into that group.") \
	X(WM_USER_BLOCKED, "PT403", "the user is blocked", \
	  "An administrator has to unblock the user first.") \
	X(WM_WASHMAN_SUSPENDED, "PT403", "the washman is suspended", \
	  "An operator has to lift the suspension first.") \
	X(WM_SUPERUSER_ONLY, "PT403", "only a superuser may do this", \
	  "Run it as the database's administrator.") \
	X(WM_CALLBACK_REFUSED, "PT403", "the callback is not genuine", \
	  "Only the card gateway, and a browser that it sends back, have such tokens.") \
	/* 404: no such thing */ \
	X(WM_USER_NOT_FOUND, "PT404", "the user does not exist", \
	  "Create the user with washminute.upsert_user first.") \
	X(WM_WASHMAN_NOT_FOUND, "PT404", "the washman does not exist", \
	  "Create the washman with washminute.upsert_user(id, 'washman') first.") \
	X(WM_REQUEST_NOT_FOUND, "PT404", "the request does not exist", \
	  "Use the request_id that washminute.create_booking returned.") \
	X(WM_ORDER_NOT_FOUND, "PT404", "the order does not exist", \
	  "Use the order_id that washminute.create_booking returned.") \
	X(WM_PAYOUT_NOT_FOUND, "PT404", "the payout does not exist", \
	  "Use the payout_id that washminute.request_payout returned.") \
	X(WM_PAYMENT_NOT_FOUND, "PT404", "the payment does not exist", \
	  "Use the payment_id that washminute.begin_payment returned.") \
	X(WM_CARD_NOT_FOUND, "PT404", "the card does not exist", \
	  "Pay without a saved card.") \
	X(WM_EXCEPTION_NOT_FOUND, "PT404", "the exception does not exist", \
	  "Exceptions are the rows of washminute_data.payment_exceptions.") \
	X(WM_RECEIVABLE_NOT_FOUND, "PT404", "the receivable does not exist", \
	  "Receivables are the rows of washminute_data.receivables.") \
	X(WM_SERVICE_NOT_FOUND, "PT404", "a service does not exist", \
	  "The services on offer are the active rows of washminute_data.services.") \
	X(WM_LISTENER_NOT_FOUND, "PT404", "no such listener takes messages", \
	  "Listeners are the rows of washminute_data.listeners; it must be enabled, and of that lane.") \
	X(WM_CHAT_NOT_FOUND, "PT404", "the chat does not exist", \
	  "A chat has the id of its request, whose customer and washman are in it.") \
	X(WM_EVENT_UNKNOWN, "PT404", "no such event is known here", \
	  "The README lists the events that a socket can send.") \
	X(WM_OUTSIDE_ZONES, "PT404", "the place is outside every service zone", \
	  "Longitude comes first. The zones served are the active rows of washminute_data.service_zones.") \
	/* 409: conflicts with the present state */ \
	X(WM_ALREADY_ACCEPTED, "PT409", "the request was already accepted", \
	  "If DETAIL says byYou, the job is this washman's already; else another offer will come.") \
	X(WM_REQUEST_CANCELLED, "PT409", "the request was cancelled", \
	  "Nothing is left to do for this request.") \
	X(WM_WASHMAN_BUSY, "PT409", "the washman has a job at that time", \
	  "Choose another time, or finish or give back the other job first.") \
	X(WM_WASHMAN_OFFLINE, "PT409", "the washman is offline", \
	  "Go online with washminute.set_washman_status, then accept.") \
	X(WM_OFFER_DECLINED, "PT409", "the washman has declined or given back this request", \
	  "A declined request is not offered to the same washman again.") \
	X(WM_ILLEGAL_TRANSITION, "PT409", "the request cannot move to that state from its present one", \
	  "DETAIL gives the present state; washminute_data.request_transitions lists the moves.") \
	X(WM_NOT_AT_PLACE, "PT409", "the washman is not at the place", \
	  "Report the location from the place first; DETAIL gives how near and what is known.") \
	X(WM_TOO_EARLY, "PT409", "it is too early for that", \
	  "DETAIL gives the earliest time.") \
	X(WM_FEE_CHANGED, "PT409", "the fee is higher than was agreed", \
	  "Show the fee of DETAIL to the customer, and call again with it.") \
	X(WM_PAYOUT_OPEN, "PT409", "a payout is open already", \
	  "Wait until it is paid or refused.") \
	X(WM_PAYOUT_STATE, "PT409", "the payout was decided already", \
	  "DETAIL gives its status.") \
	X(WM_RECEIVABLE_SETTLED, "PT409", "the receivable was settled already", \
	  "Nothing is owed for it any more.") \
	X(WM_ZONE_CLOSED, "PT409", "the zone is closed at that time", \
	  "Book within the opening hours that DETAIL gives, in the zone's local time.") \
	X(WM_RESERVATION_OVERLAPS, "PT409", "the customer has another reservation at that time", \
	  "Choose another time, or reschedule or cancel the other one.") \
	X(WM_TOO_MANY_OPEN, "PT409", "the customer has too many requests open", \
	  "Wait until one of them has ended, or cancel one; DETAIL gives how many there can be.") \
	X(WM_RESERVATION_STATE, "PT409", "the request's state does not allow to reschedule it", \
	  "DETAIL gives the present state; only a reservation that has not begun can be moved.") \
	X(WM_ORDER_STATE, "PT409", "the order's state does not allow this", \
	  "DETAIL gives the present state of the order.") \
	X(WM_PAYMENT_REFERENCE_USED, "PT409", "the payment reference was used for another order", \
	  "A payment belongs to one order: check which one it was made for.") \
	X(WM_PAYMENT_STATE, "PT409", "the payment's state does not allow this", \
	  "DETAIL gives the present state of the payment.") \
	X(WM_REFUND_TOO_HIGH, "PT409", "the refund is more than is left of the payment", \
	  "DETAIL gives what can still be paid back.") \
	X(WM_EXCEPTION_RESOLVED, "PT409", "the exception was resolved already", \
	  "DETAIL gives what was decided, and by whom.") \
	X(WM_CHAT_NOT_OPEN, "PT409", "the chat is not open yet", \
	  "It opens once a washman has the request; an administrator can open it before.") \
	X(WM_MIGRATION_CHANGED, "PT409", "a migration that has run was changed since", \
	  "Install the files of the release again; a change of the data is a new migration.") \
	X(WM_SCHEMA_FOREIGN, "PT409", "a schema of this name belongs to somebody else", \
	  "Rename or drop that schema, then call washminute.setup() again.") \
	X(WM_ROLE_UNSAFE, "PT409", "a role of this name has attributes that are not safe", \
	  "ALTER ROLE it to NOLOGIN NOSUPERUSER NOBYPASSRLS, then call washminute.setup() again.") \
	X(WM_OBJECT_IN_THE_WAY, "PT409", "an object of this name belongs to somebody else", \
	  "Rename or drop the object that DETAIL names, then call washminute.setup() again.") \
	/* 410 and 422: too late; same key for something else */ \
	X(WM_OFFER_EXPIRED, "PT410", "the offer has expired", \
	  "Nothing is left to do for this offer.") \
	X(WM_REQUEST_EXPIRED, "PT410", "the request has expired", \
	  "Nothing is left to do for this request; the customer may book again.") \
	X(WM_CURSOR_TOO_OLD, "PT410", "events after that position are not kept any more", \
	  "Read everything anew, then go on from the position that washminute.live_cursor() gives.") \
	X(WM_CHAT_CLOSED, "PT410", "the chat is closed", \
	  "What was written can still be read; DETAIL gives since when it is closed.") \
	X(WM_MESSAGE_ID_REUSED, "PT422", "the id was used for another message", \
	  "Give each new message a new client_message_id; send one again only with the same text.") \
	X(WM_IDEMPOTENCY_KEY_REUSED, "PT422", "the idempotency key was used for another request", \
	  "Use a new key for each new booking; repeat a call only with the same arguments.") \
	X(WM_AMOUNT_DIFFERS, "PT422", "the amount is not the amount of the order", \
	  "DETAIL gives the amount that is due.") \
	/* 429: too often */ \
	X(WM_TOO_MANY_REQUESTS, "PT429", "too many requests", \
	  "Wait as long as DETAIL says, then ask again.") \
	/* 500 and 503: called wrongly, not ready */ \
	X(WM_NOT_SERIALIZABLE, "PT500", "the command must run in a serializable transaction", \
	  "BEGIN ISOLATION LEVEL SERIALIZABLE, or SET default_transaction_isolation TO serializable first.") \
	X(WM_PAYMENT_NOT_COMMITTED, "PT500", "the payment was begun in this very transaction", \
	  "Commit first, then wait for the link: the worker sees what is committed.") \
	X(WM_CALLED_INSIDE_EXTENSION, "PT500", "setup cannot run inside an extension's script", \
	  "Call washminute.setup() on its own after CREATE EXTENSION; what it makes must not belong to an extension.") \
	X(WM_STATUS_IS_GUARDED, "PT500", "the status of a request is changed by the commands alone", \
	  "Call washminute.accept_request, advance_request or cancel_request.") \
	X(WM_APPEND_ONLY, "PT500", "rows of this table are never changed or removed", \
	  "Correct the books with a new row.") \
	X(WM_LIVE_INDEX_FULL, "PT503", "no more washmen can be online", \
	  "Raise washminute.max_live_washmen and restart the server.") \
	X(WM_NOT_SET_UP, "PT503", "washminute is not set up in this database", \
	  "Call SELECT washminute.setup() as a superuser.") \
	X(WM_VERSION_DIFFERS, "PT503", "library, extension and data are of different versions", \
	  "Restart the server after installing the files, then ALTER EXTENSION washminute UPDATE and SELECT washminute.setup().") \
	X(WM_OWNER_DIFFERS, "PT503", "the tables do not belong to washminute_owner", \
	  "Call SELECT washminute.setup() as a superuser: after a restore it repairs the ownership.") \
	X(WM_SETTING_MISSING, "PT503", "a business rule is missing", \
	  "SELECT washminute.setup() puts the row of washminute_data.settings back with its default.") \
	X(WM_SIGNING_KEY_MISSING, "PT503", "the signing key cannot be read", \
	  "Name a file of mode 0600 that holds at least 32 random bytes in washminute.signing_key_file.") \
	X(WM_GATEWAY_NOT_REGISTERED, "PT503", "the socket gateway is not registered", \
	  "A gateway calls rt_gateway_register first, on a connection that stays.") \
	X(WM_GATEWAY_NOT_CONFIGURED, "PT503", "the card gateway is not configured", \
	  "Set washminute.callback_base_url, washminute.signing_key_file and washminute.naps_credentials_file; the server's log and washminute.doctor() say what is wrong.") \
	X(WM_CRON_MISSING, "PT503", "pg_cron is not in this database", \
	  "CREATE EXTENSION pg_cron here, or run the statement of DETAIL in the database where it is.") \
	X(WM_DIGEST_FORBIDDEN, "PT503", "OpenSSL has no MD5", \
	  "The card gateway's protocol needs it: FIPS mode forbids it.") \
	X(WM_SNAPSHOT_TOO_OLD, "PT503", "the data changed since the transaction began", \
	  "Repeat the call in a new transaction.") \
	X(WM_LOCK_TIMEOUT, "PT503", "the lock could not be taken in time", \
	  "Try again with the same idempotency key; washminute.lock_timeout sets how long a call waits.")

typedef enum WashminuteError
{
#define WASHMINUTE_ERROR_ENUM(code, sqlstate, message, hint) code,
	WASHMINUTE_ERRORS(WASHMINUTE_ERROR_ENUM)
#undef WASHMINUTE_ERROR_ENUM
	WASHMINUTE_ERROR_COUNT
} WashminuteError;

/*
 * Raise an error of the list. `facts` is NULL or a JSON object as text, which
 * follows the code in DETAIL. The statement is not written to the server's log:
 * the losers of one storm would fill the disk.
 */
pg_noreturn extern void ErrorRaise(WashminuteError code, const char *facts);

/* Is it the SQLSTATE of an error of the list? */
extern bool ErrorIsOurs(int sqlstate);

/* As ErrorRaise, with facts {"<name>": "<text>"}. */
pg_noreturn extern void ErrorRaiseText(WashminuteError code, const char *name,
									   const char *text);

/* As ErrorRaise, with facts {"argument": "<argument>", "must": "<must>"}. */
pg_noreturn extern void ErrorRaiseArgument(WashminuteError code,
										   const char *argument,
										   const char *must);

#endif							/* WASHMINUTE_ERRORS_H */
