/*-------------------------------------------------------------------------
 *
 * acceptance.c
 *		Exactly one washman gets the job.
 *
 * An acceptance runs in a serializable transaction.  PostgreSQL would then keep
 * two winners apart by failing one of them with 40001, which is right but tells
 * the loser nothing, and unrelated acceptances fail too, since predicate locks
 * cover whole index pages.  So:
 *
 *	1. A look without locks: whoever comes after the winner leaves at once.
 *	2. The request's lock, then the washman's (lock.h).  Whoever finds the first
 *	   taken waits until it is free and looks again before he asks for it: then
 *	   the winner's commit lets all losers go at once, not one after the other.
 *	3. Everything that decides is then read on the latest snapshot, one row at a
 *	   time by primary key, and without predicate locks (keyed_row.h): whoever
 *	   changes such a row holds one of these locks, but for who comes or goes
 *	   offline.  Nothing is read that another acceptance inserts: in particular
 *	   not the washman's other jobs.
 *	4. The job's row goes in under a unique index and an exclusion constraint.
 *	   They keep two live jobs of a request, and overlapping jobs of a washman,
 *	   out of the table whatever code runs; their errors become PT409 here.
 *	5. No row that unrelated acceptances share is updated: only the request's,
 *	   and the washman's account.
 *
 * Where the zone's policy is ranked an acceptance within the time for answers is
 * an answer: it is kept on the washman's own offer, and the nearest of those who
 * answered is given the job by what runs when that time is over (due.c).  Whoever
 * comes between the one and the other looks for answers, which are other washmen's
 * offers of the same request: the one range that an acceptance may read.
 *
 * A reservation that has not begun can be accepted without an offer, by whoever is near.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"

#include "base/argument.h"
#include "base/clock.h"
#include "base/command.h"
#include "base/compat.h"
#include "base/errors.h"
#include "base/json.h"
#include "base/keyed_row.h"
#include "base/lock.h"
#include "base/money.h"
#include "base/settings.h"
#include "base/statement.h"
#include "base/subtransaction.h"
#include "dispatch/eligibility.h"
#include "dispatch/geodesy.h"
#include "dispatch/position_table.h"
#include "dispatch/request.h"
#include "dispatch/reservation.h"
#include "outbox/enqueue.h"
#include "payment/ledger.h"

COMMAND(accept_request, 1);

/* The second wall, see jobs. */
static const ConstraintError wall[] = {
	{"jobs_one_live_per_request", WM_ALREADY_ACCEPTED},
	{"jobs_washman_times_never_overlap", WM_WASHMAN_BUSY},
	{NULL}
};

/* How long a decision waits for a washman whom another command has locked. */
#define DECISION_PATIENCE (10 * USECS_PER_SEC)

enum WashmanColumn
{
	WASHMAN_STATUS,
	WASHMAN_SUSPENDED_AT
};

static const KeyedTable washmen = {
	"washmen", {{"washman_id", TEXTOID}},
	{
		[WASHMAN_STATUS] = {"status", TEXTOID},
		[WASHMAN_SUSPENDED_AT] = {"suspended_at", TIMESTAMPTZOID}
	}
};

enum OfferColumn
{
	OFFER_ANSWERED_AT,
	OFFER_DECLINED_AT,
	OFFER_EXPIRES_AT
};

/* Its key is the request, then the washman. */
static const KeyedTable offers = {
	"offers", {{"request_id", UUIDOID}, {"washman_id", TEXTOID}},
	{
		[OFFER_ANSWERED_AT] = {"answered_at", TIMESTAMPTZOID},
		[OFFER_DECLINED_AT] = {"declined_at", TIMESTAMPTZOID},
		[OFFER_EXPIRES_AT] = {"expires_at", TIMESTAMPTZOID}
	}
};

static Statement answer_offer = {
	"UPDATE washminute_data.offers SET answered_at = $1 WHERE ctid = $2",
	2, {TIMESTAMPTZOID, TIDOID}
};

static Statement select_answered = {
	"SELECT washman_id FROM washminute_data.offers"
	" WHERE request_id = $1 AND wave > $2 AND answered_at IS NOT NULL AND declined_at IS NULL"
	" ORDER BY distance_m, washman_id",
	2, {UUIDOID, INT8OID}
};

static Statement forget_answers = {
	"UPDATE washminute_data.offers SET answered_at = NULL"
	" WHERE request_id = $1 AND answered_at IS NOT NULL",
	1, {UUIDOID}
};

static Statement insert_job = {
	"INSERT INTO washminute_data.jobs"
	"  (request_id, washman_id, period, commission, held, accepted_at)"
	" VALUES ($1, $2, pg_catalog.tstzrange($3, $4), $5, $6, $7)",
	7, {UUIDOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, NUMERICOID, NUMERICOID, TIMESTAMPTZOID}
};

/* An offer as acceptance needs it. */
typedef struct HeldOffer
{
	bool		declined;
	bool		answered;
	bool		none;			/* he takes a reservation ahead of its offers */
} HeldOffer;

/* What the log says of such an acceptance, and check_invariants() looks for. */
#define AHEAD "ahead"

/* May the washman take a reservation that he was not offered? */
static bool
MayTakeAhead(const Request *request, const char *washman_id, const Settings *settings)
{
	Fix			fix;
	double		longitude;
	double		latitude;

	if (!ReservationIsAhead(request))
		return false;
	fix = PositionOf(washman_id);
	if (FixIsNone(&fix) || fix.at < ClockNow() - SETTING_USECS(settings->position_max_age_seconds, 1))
		return false;
	RequestPlace(request, &longitude, &latitude);
	return GeodesicDistance(fix.longitude, fix.latitude, longitude, latitude) <= settings->radius_limit_m;
}

/* Raise unless the washman holds an offer of the request that still stands, or needs none. */
static HeldOffer
RequireOffer(const Request *request, const char *washman_id, const Settings *settings)
{
	Datum		key[] = {UUIDPGetDatum(&request->request_id), CStringGetTextDatum(washman_id)};
	KeyedRow	row;
	TimestampTz expires_at;
	HeldOffer	offer;

	if (!KeyedRowRead(&offers, key, &row))
	{
		if (!MayTakeAhead(request, washman_id, settings))
			ErrorRaise(WM_NOT_OFFERED, NULL);
		return (HeldOffer) {.none = true};
	}
	expires_at = Min(KeyedTimeOr(&row, OFFER_EXPIRES_AT, DT_NOEND), request->expires_at);
	offer = (HeldOffer) {
		.declined = !KeyedIsNull(&row, OFFER_DECLINED_AT),
		.answered = !KeyedIsNull(&row, OFFER_ANSWERED_AT)
	};

	if (!offer.declined && ClockThisMoment() >= expires_at)
	{
		JsonObject	facts;

		if (MayTakeAhead(request, washman_id, settings))
			return (HeldOffer) {.none = true};

		JsonOpen(&facts);
		JsonTime(&facts, "expiredAt", expires_at);
		ErrorRaise(WM_OFFER_EXPIRED, JsonClose(&facts));
	}
	return offer;
}

/* PT402, with what the washman has and what is missing. */
pg_noreturn static void RaiseBalance(const WashmanFacts *facts,
									 const JobTerms *terms, int reasons);

static void
RaiseBalance(const WashmanFacts *facts, const JobTerms *terms, int reasons)
{
	JsonObject	object;
	int64		missing = terms->floor - facts->balance;

	if (reasons & REASON_NO_ROOM)
		missing += facts->held + terms->commission_to_hold;

	JsonOpen(&object);
	JsonMoney(&object, "balance", facts->balance);
	JsonMoney(&object, "held", facts->held);
	JsonMoney(&object, "commission", terms->commission_to_hold);
	JsonMoney(&object, "floor", terms->floor);
	JsonMoney(&object, "missing", missing);
	ErrorRaise(WM_BALANCE_BELOW_FLOOR, JsonClose(&object));
}

/* Raise unless the washman may have the job.  An operator may send one who is offline. */
static void
RequireEligible(const Request *request, const char *washman_id, bool declined,
				bool by_operator, const JobTerms *terms)
{
	Datum		key = CStringGetTextDatum(washman_id);
	KeyedRow	row;
	WashmanFacts facts = {.declined = declined};
	int			reasons;

	if (!KeyedRowRead(&washmen, &key, &row))
		ErrorRaiseText(WM_WASHMAN_NOT_FOUND, "washmanId", washman_id);
	facts.online = strcmp(KeyedText(&row, WASHMAN_STATUS), "online") == 0;
	facts.suspended = !KeyedIsNull(&row, WASHMAN_SUSPENDED_AT);
	LedgerBalance(washman_id, &facts.balance, &facts.held);

	facts.is_customer = strcmp(washman_id, request->customer_id) == 0;
	reasons = EligibilityReasons(&facts, terms);
	if (by_operator)
		reasons &= ~(REASON_OFFLINE | REASON_DECLINED);
	if (reasons & REASON_OWN_REQUEST)
		ErrorRaise(WM_NOT_OFFERED, NULL);
	if (reasons & REASON_DECLINED)
		ErrorRaise(WM_OFFER_DECLINED, NULL);
	if (reasons & REASON_SUSPENDED)
		ErrorRaise(WM_WASHMAN_SUSPENDED, NULL);
	if (reasons & REASON_OFFLINE)
		ErrorRaise(WM_WASHMAN_OFFLINE, NULL);
	if (reasons & (REASON_BELOW_FLOOR | REASON_NO_ROOM))
		RaiseBalance(&facts, terms, reasons);
}

/*
 * Store the job.  The constraints are the second wall: under the locks taken
 * only the washman's other jobs can be in the way.
 */
static void
InsertJob(const Request *request, const char *washman_id,
		  const Settings *settings, int64 held)
{
	Arguments	arguments = {0};
	TimestampTz starts_at;
	TimestampTz ends_at;

	RequestPeriod(request, settings, &starts_at, &ends_at);
	ArgumentDatum(&arguments, UUIDPGetDatum(&request->request_id));
	ArgumentText(&arguments, washman_id);
	ArgumentDatum(&arguments, TimestampTzGetDatum(starts_at));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ends_at));
	ArgumentDatum(&arguments, MoneyToNumeric(RequestCommission(request, settings)));
	ArgumentDatum(&arguments, MoneyToNumeric(held));
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));

	StatementRunBehindWall(&insert_job, &arguments, wall);
}

/* Accept, and tell the customer, the winner, and those whose offer is gone, if there were any. */
static void
MoveToAccepted(Request *request, const char *washman_id, const char *actor_kind,
			   const char *actor_id, const char *reason)
{
	Notice		notices[] = {
		{request->customer_id, "customer", "washmanAssigned", NoticeEnd("washmanAssigned")},
		{washman_id, "washman", "washmanAssigned", NoticeEnd("washmanAssigned")},
		{NULL, "washman", "offerGone", request->expires_at}
	};
	Push		push = {.notices = notices, .count = request->wave > 0 ? 3 : 2};
	Request		accepted = *request;
	JsonObject	data;

	accepted.status = "accepted";
	RequestData(&accepted, &data);
	JsonText(&data, "washmanId", washman_id);
	JsonInt(&data, "wave", request->wave);
	ReservationTold(&accepted, &data);
	push.data = JsonClose(&data);
	RequestMove(request, "accepted", actor_kind, actor_id, washman_id, reason, &push);
}

/* The answer of accept_request. */
static void
ReturnAccepted(FunctionCallInfo fcinfo, const Request *request)
{
	Datum		values[5] = {
		UUIDPGetDatum(&request->request_id),
		UUIDPGetDatum(&request->order_id),
		CStringGetTextDatum(request->customer_id),
		CStringGetTextDatum(request->status),
		TimestampTzGetDatum(ClockNow())
	};
	bool		nulls[5] = {false};

	nulls[4] = strcmp(request->status, "accepted") != 0;
	CommandReturnRow(fcinfo, values, nulls);
}

void
RequestAssign(Request *request, const char *washman_id, const char *actor_kind,
			  const char *actor_id, const char *reason, const Settings *settings)
{
	bool		by_operator = strcmp(actor_kind, ACTOR_ADMIN) == 0;
	JobTerms	terms = {
		.located_since = DT_NOBEGIN,
		.balance_matters = true,
		.floor = SETTING_CENTIMES(settings->balance_floor),
		.commission_to_hold = RequestHold(request, settings)
	};
	HeldOffer	offer = {0};

	if (RequestWaitsForPayment(request, settings))
		ErrorRaise(WM_PAYMENT_DUE, NULL);
	if (strcmp(actor_kind, ACTOR_WASHMAN) == 0)
		offer = RequireOffer(request, washman_id, settings);
	RequireEligible(request, washman_id, offer.declined, by_operator, &terms);
	MoveToAccepted(request, washman_id, actor_kind, actor_id, offer.none ? AHEAD : reason);
	InsertJob(request, washman_id, settings, terms.commission_to_hold);
	if (terms.commission_to_hold > 0)
		LedgerChangeBalance(washman_id, 0, terms.commission_to_hold,
							terms.floor);
}

/* Who has answered, nearest first; how many. */
static uint64
ReadAnswers(const Request *request)
{
	Arguments	arguments = {0};

	ArgumentDatum(&arguments, UUIDPGetDatum(&request->request_id));
	ArgumentDatum(&arguments, Int64GetDatum(request->round_wave));
	return StatementRun(&select_answered, &arguments);
}

/*
 * Are answers being collected?  When the time for them is over they still are while
 * one waits to be decided on; where there is none, the first to come has the job.
 */
static bool
AnswersAreCollected(const Request *request)
{
	return request->decide_at != DT_NOEND &&
		(ClockThisMoment() < request->decide_at || ReadAnswers(request) > 0);
}

/* Keep the washman's answer.  Answering twice does nothing the second time. */
static void
TakeAnswer(const Request *request, const char *washman_id, const Settings *settings)
{
	HeldOffer	offer = RequireOffer(request, washman_id, settings);
	JobTerms	terms = {
		.located_since = DT_NOBEGIN,
		.balance_matters = true,
		.floor = SETTING_CENTIMES(settings->balance_floor),
		.commission_to_hold = RequestHold(request, settings)
	};
	Datum		key[] = {UUIDPGetDatum(&request->request_id), CStringGetTextDatum(washman_id)};
	Arguments	arguments = {0};
	JsonObject	data;

	/* there is no row to keep an answer on */
	if (offer.none)
		ErrorRaise(WM_NOT_OFFERED, NULL);
	RequireEligible(request, washman_id, offer.declined, false, &terms);
	if (offer.answered)
		return;
	ArgumentDatum(&arguments, TimestampTzGetDatum(ClockNow()));
	KeyedRowUpdate(&offers, key, &answer_offer, &arguments);
	RequestData(request, &data);
	JsonText(&data, "washmanId", washman_id);
	EventRecord("offerAnswered", &request->request_id, washman_id, JsonClose(&data));
}

/* A washman who answered, and may be given the job. */
typedef struct Attempt
{
	Request    *request;
	const char *washman_id;
	const Settings *settings;
	bool		is_locked;		/* by another command, at this moment */
} Attempt;

static void
AssignIfFree(void *argument)
{
	Attempt    *attempt = argument;

	attempt->is_locked = !LockWashmanIfFree(attempt->washman_id);
	if (!attempt->is_locked)
		RequestAssign(attempt->request, attempt->washman_id, ACTOR_SYSTEM, NULL, NULL,
					  attempt->settings);
}

/* Give him the job, unless he may not have it. */
static Decision
TryAssign(Request *request, const char *washman_id, const Settings *settings)
{
	Request		before = *request;
	Attempt		attempt = {request, washman_id, settings, false};
	ErrorData  *error = SubtransactionRun(AssignIfFree, &attempt);

	if (error == NULL)
		return attempt.is_locked ? DECISION_LATER : DECISION_MADE;
	if (!ErrorIsOurs(error->sqlerrcode))
		ReThrowError(error);
	*request = before;
	return DECISION_NOBODY;
}

Decision
RequestDecide(Request *request, const Settings *settings)
{
	uint64		count = ReadAnswers(request);
	char	  **washman_ids = palloc(Max(count, 1) * sizeof(char *));
	bool		may_wait = ClockNow() < request->decide_at + DECISION_PATIENCE;
	Arguments	arguments = {0};

	for (uint64 row = 0; row < count; row++)
		washman_ids[row] = RowText(row, 1);
	for (uint64 i = 0; i < count; i++)
	{
		Decision	decision = TryAssign(request, washman_ids[i], settings);

		if (decision == DECISION_MADE || (decision == DECISION_LATER && may_wait))
			return decision;
	}

	/* an answer counts once: who gave it can give it again while his offer stands */
	request->decide_at = DT_NOEND;
	ArgumentDatum(&arguments, UUIDPGetDatum(&request->request_id));
	StatementRun(&forget_answers, &arguments);
	return DECISION_NOBODY;
}

static Datum
accept_request_body(FunctionCallInfo fcinfo)
{
	pg_uuid_t  *request_id = ArgumentUuid(fcinfo, 0, "request_id");
	char	   *washman_id = ArgumentId(fcinfo, 1, "washman_id");
	Request		request;
	Settings	settings;

	if (!IsolationIsSerializable())
		ErrorRaise(WM_NOT_SERIALIZABLE, NULL);

	RequestLook(request_id, washman_id);
	if (!LockRequestIfFree(request_id))
	{
		LockRequestAwait(request_id);
		RequestLook(request_id, washman_id);
		LockRequest(request_id);
	}
	RequestRead(request_id, &request);
	RequestRequireOpen(&request, washman_id);
	UserRequireKind(washman_id, "washman");
	LockWashman(washman_id);
	RequestSettings(&request, &settings);

	if (AnswersAreCollected(&request))
		TakeAnswer(&request, washman_id, &settings);
	else
		RequestAssign(&request, washman_id, ACTOR_WASHMAN, washman_id, NULL, &settings);
	ReturnAccepted(fcinfo, &request);
	return (Datum) 0;
}
