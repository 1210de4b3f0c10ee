/*-------------------------------------------------------------------------
 *
 * naps.c
 *		The wire format of NAPS's gateway MXPlus: pure functions.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "mb/pg_wchar.h"

#include "base/compat.h"
#include "base/json.h"
#include "base/money.h"
#include "payment/naps.h"

#define MD5_BYTES 16
#define MD5_DIGITS (2 * MD5_BYTES)

/* ISO 4217's number of the dirham. */
#define NAPS_CURRENCY "504"

/* Longest code and text of the gateway's that is kept. */
#define CODE_MAX 20
#define TEXT_MAX 200
#define NUMBER_MAX 40

/* How many digits a card's number has. */
#define CARD_DIGITS_MIN 12
#define CARD_DIGITS_MAX 19

static const char *const paths[] = {
	[NAPS_SESSION] = "createtocken24",
	[NAPS_LINK] = "linkpayment",
	[NAPS_AUTHORIZATION] = "authorization",
	[NAPS_STATUS] = "status",
	[NAPS_REVERSAL] = "reversal",
	[NAPS_REFUND] = "refund",
	[NAPS_CAPTURE] = "capture",
	[NAPS_FORGET_CARD] = "deleteCardtoken"
};

const char *
NapsPath(NapsCall call)
{
	return paths[call];
}

char *
NapsMac(int count, const char *const *parts)
{
	StringInfoData text;
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int length = 0;
	char	   *digits = palloc(MD5_DIGITS + 1);

	initStringInfo(&text);
	for (int i = 0; i < count; i++)
		appendStringInfoString(&text, parts[i]);
	if (EVP_Digest(text.data, text.len, digest, &length, EVP_md5(), NULL) != 1 ||
		length != MD5_BYTES)
		return NULL;
	for (int i = 0; i < MD5_BYTES; i++)
		snprintf(digits + 2 * i, 3, "%02x", digest[i]);
	return digits;
}

#define MAC_OF(...) \
	NapsMac(lengthof(((const char *const[]) {__VA_ARGS__})), \
			(const char *const[]) {__VA_ARGS__})

/* A member that the gateway wants to be there, if only empty. */
static void
Member(JsonObject *body, const char *name, const char *text)
{
	JsonText(body, name, text != NULL ? text : "");
}

static char *
SessionBody(const Credentials *credentials)
{
	JsonObject	body;

	JsonOpen(&body);
	Member(&body, "institution_id", credentials->institution_id);
	Member(&body, "cx_user", credentials->user);
	Member(&body, "cx_password", credentials->password);
	Member(&body, "cx_reason", "00");
	Member(&body, "mac_value", MAC_OF(credentials->institution_id, credentials->user));
	return JsonClose(&body);
}

/* What all calls but the first begin with. */
static void
OpenBody(JsonObject *body, const Credentials *credentials, const NapsOrder *order,
		 const char *session)
{
	char	   *amount = MoneyText(order->amount);

	JsonOpen(body);
	Member(body, "merchantid", credentials->merchant_id);
	Member(body, "orderid", order->order_id);
	Member(body, "amount", amount);
	Member(body, "securtoken24", session);
	Member(body, "mac_value", MAC_OF(order->order_id, amount));
}

/*
 * A sale, on the gateway's page or by a saved card.  Of the latter the gateway wants the
 * members of a card to be there, and empty.
 */
static char *
SaleBody(const Credentials *credentials, const NapsOrder *order, const char *session)
{
	JsonObject	body;
	bool		by_card = order->card_token != NULL;

	OpenBody(&body, credentials, order, session);
	Member(&body, "merchantname", credentials->merchant_name);
	Member(&body, "websitename", credentials->website_name);
	Member(&body, "websiteid", credentials->website_id);
	Member(&body, "transactiontype", "0");
	Member(&body, "currency", NAPS_CURRENCY);
	Member(&body, "capture", "Y");
	Member(&body, "recurring", order->save_card || by_card ? "Y" : "N");
	/* a client's id alone makes the page offer to keep the card */
	Member(&body, "id_client", order->save_card ? order->client_id : "");
	Member(&body, "token", order->card_token);
	Member(&body, "transactionid", "");
	Member(&body, "promocode", "");
	Member(&body, "callbackurl", order->callback_url);
	Member(&body, "successURL", order->success_url);
	Member(&body, "failURL", order->fail_url);
	Member(&body, "auth3ds", "Y");
	if (by_card)
	{
		Member(&body, "cardnumber", "");
		Member(&body, "expirydate", "");
		Member(&body, "cvv", "");
		Member(&body, "holdername", "");
	}
	return JsonClose(&body);
}

static char *
ForgetCardBody(const Credentials *credentials, const NapsOrder *order, const char *session)
{
	JsonObject	body;

	JsonOpen(&body);
	Member(&body, "merchantid", credentials->merchant_id);
	Member(&body, "token", order->card_token);
	Member(&body, "securtoken24", session);
	Member(&body, "mac_value", MAC_OF(credentials->merchant_id, "0"));
	return JsonClose(&body);
}

char *
NapsBody(NapsCall call, const Credentials *credentials, const NapsOrder *order,
		 const char *session)
{
	JsonObject	body;

	if (call == NAPS_SESSION)
		return SessionBody(credentials);
	if (call == NAPS_LINK || call == NAPS_AUTHORIZATION)
		return SaleBody(credentials, order, session);
	if (call == NAPS_FORGET_CARD)
		return ForgetCardBody(credentials, order, session);
	OpenBody(&body, credentials, order, session);
	Member(&body, "authnumber", order->authorization_number);
	if (call == NAPS_STATUS)
		Member(&body, "transactionid", order->transaction_number);
	else
	{
		Member(&body, "paymentid", order->transaction_number);
		Member(&body, "merchantname", credentials->merchant_name);
	}
	return JsonClose(&body);
}

/* Do so many digits, the others being left out, have the check digit of a card's number? */
static bool
IsCardNumber(const char *text, int length)
{
	int			sum = 0;
	int			place = 0;

	for (int i = length - 1; i >= 0; i--)
	{
		int			digit = text[i] - '0';

		if (digit < 0 || digit > 9)
			continue;
		if (place++ % 2 == 1)
			digit = digit * 2 - (digit > 4 ? 9 : 0);
		sum += digit;
	}
	return place >= CARD_DIGITS_MIN && place <= CARD_DIGITS_MAX && sum % 10 == 0;
}

/*
 * A card's number has no business in what the gateway says, and must not be kept should
 * it stand there all the same: its digits become stars.
 */
static void
MaskCardNumbers(char *text)
{
	for (char *at = text; *at != '\0';)
	{
		int			length = 0;

		if (*at < '0' || *at > '9')
		{
			at++;
			continue;
		}
		/* digits, with a blank or a dash between them here and there */
		while ((at[length] >= '0' && at[length] <= '9') ||
			   ((at[length] == ' ' || at[length] == '-') && at[length + 1] >= '0' && at[length + 1] <= '9'))
			length++;
		if (IsCardNumber(at, length))
			memset(at, '*', length);
		at += length;
	}
}

/* Text of the gateway's, cut and in printable ASCII. */
static char *
Printable(const char *text, int most)
{
	char	   *copy;

	if (text == NULL || text[0] == '\0')
		return NULL;
	copy = pnstrdup(text, most);
	for (char *c = copy; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return copy;
}

/* The same, of what is said to people; cut only then, since half a number is not known for one. */
static char *
PrintableText(const char *text)
{
	char	   *copy = text != NULL ? pstrdup(text) : NULL;

	if (copy != NULL)
		MaskCardNumbers(copy);
	return Printable(copy, TEXT_MAX);
}

/*
 * A name, in the letters that it is written in; of a form these are UTF-8.  NULL where there
 * is none, and '?' for what is no letter.
 */
static char *
PersonName(const char *text, bool is_of_form)
{
	char	   *copy;
	bool		is_plain;

	if (text == NULL || text[0] == '\0')
		return NULL;
	copy = pstrdup(text);
	is_plain = (is_of_form && GetDatabaseEncoding() != PG_UTF8) ||
		!pg_verify_mbstr(GetDatabaseEncoding(), copy, strlen(copy), true);
	for (char *c = copy; *c != '\0'; c++)
		if ((unsigned char) *c < ' ' || *c == '\x7f' || (is_plain && (unsigned char) *c > '~'))
			*c = '?';
	MaskCardNumbers(copy);
	return copy;
}

/* Does a text of the gateway's speak of that? */
static bool
Says(const NapsAnswer *answer, const char *word)
{
	return answer->text != NULL && strstr(answer->text, word) != NULL;
}

/* Of a call about a saved card, whose token may be over too, the text must name the session's. */
static bool
SaysSessionIsOver(NapsCall call, const NapsAnswer *answer)
{
	return Says(answer, "ecurtoken") ||
		(call != NAPS_AUTHORIZATION && call != NAPS_FORGET_CARD && Says(answer, "token expired"));
}

/*
 * A saved card is charged where the code is 00 and etataut, its state, is Y, which by
 * itself says that it was processed.  C is a challenge, also with code 00.  N is an error, of which
 * 17 and 82 (no CVV was sent) are known to come before anything is charged.  68 and 91
 * are the switch's words for an answer that came too late or not at all.
 */
static NapsMeaning
MeaningOfAuthorization(const NapsAnswer *answer, const char *state)
{
	bool		is_good = strcmp(answer->code, "00") == 0;

	if (strcmp(state, "C") == 0)
		return is_good && answer->link != NULL ? NAPS_CHALLENGE : NAPS_UNCLEAR;
	if (strcmp(state, "Y") == 0)
	{
		if (is_good)
			return NAPS_DONE;
		return strlen(answer->code) != 2 || strcmp(answer->code, "68") == 0 ||
			strcmp(answer->code, "91") == 0 ? NAPS_UNCLEAR : NAPS_REFUSED;
	}
	return strcmp(answer->code, "17") == 0 || strcmp(answer->code, "82") == 0 ?
		NAPS_REFUSED : NAPS_UNCLEAR;
}

/*
 * Codes of the calls that act: 00 done; 16 paid already; 15, of a link, the merchant is
 * not set up; 17 a field is not valid or the order id was used; 96 the switch did not
 * answer.  Other codes are the switch's, and prove nothing of what moves money.  A session
 * that is over is told by text.
 */
static NapsMeaning
MeaningOf(NapsCall call, const NapsAnswer *answer, const char *state)
{
	if (strcmp(answer->code, "00") == 0 && call != NAPS_AUTHORIZATION)
		return call == NAPS_LINK && answer->link == NULL ? NAPS_UNCLEAR : NAPS_DONE;
	if (SaysSessionIsOver(call, answer))
		return NAPS_SESSION_OVER;
	if (strcmp(answer->code, "15") == 0 && call == NAPS_LINK)
		return NAPS_MISCONFIGURED;
	if (strcmp(answer->code, "16") == 0)
		return NAPS_IS_PAID;
	if (strcmp(answer->code, "96") == 0)
		return NAPS_UNCLEAR;
	if (strcmp(answer->code, "17") == 0 && call == NAPS_LINK && Says(answer, "lready exist"))
		return NAPS_UNCLEAR;	/* somebody sent it, perhaps we */
	if (call == NAPS_REVERSAL && (Says(answer, "aptured") || Says(answer, "ettled")))
		return NAPS_IS_CAPTURED;
	if (call == NAPS_AUTHORIZATION)
		return MeaningOfAuthorization(answer, state);
	return call == NAPS_LINK || strcmp(answer->code, "17") == 0 ? NAPS_REFUSED : NAPS_UNCLEAR;
}

/* A member's text; NULL where it is empty or not there. */
static char *
Given(Jsonb *object, const char *name)
{
	char	   *text = JsonMemberText(object, name);

	return text != NULL && text[0] != '\0' ? text : NULL;
}

void
NapsRead(NapsCall call, const char *body, NapsAnswer *answer)
{
	Jsonb	   *object = body != NULL ? JsonParse(body) : NULL;

	*answer = (NapsAnswer) {NAPS_UNCLEAR};
	if (object == NULL)
		return;
	if (call == NAPS_SESSION)
	{
		answer->code = Printable(JsonMemberText(object, "error_code"), CODE_MAX);
		answer->text = PrintableText(JsonMemberText(object, "error_msg"));
		answer->session = Given(object, "securtoken_24");
		if (answer->session != NULL)
			answer->meaning = NAPS_DONE;
		else if (answer->code != NULL)
			answer->meaning = NAPS_REFUSED;
		return;
	}
	answer->code = Printable(JsonMemberText(object, "statuscode"), CODE_MAX);
	answer->text = PrintableText(JsonMemberText(object, "status"));
	if (call == NAPS_LINK)
		answer->link = Given(object, "url");
	else if (call == NAPS_AUTHORIZATION)
	{
		answer->link = Given(object, "linkacs");
		answer->authorization_number = Printable(Given(object, "authnumber"), NUMBER_MAX);
		answer->transaction_number = Printable(Given(object, "transactionid"), NUMBER_MAX);
		if (answer->transaction_number == NULL)
			answer->transaction_number = Printable(Given(object, "paymentid"), NUMBER_MAX);
	}
	if (answer->code == NULL)
		return;
	if (call == NAPS_STATUS)
		answer->meaning = SaysSessionIsOver(call, answer) ? NAPS_SESSION_OVER : NAPS_DONE;
	else
	{
		char	   *state = JsonMemberText(object, "etataut");

		answer->meaning = MeaningOf(call, answer, state != NULL ? state : "");
	}
}

/*
 * 01 is a refusal, unless its text names a stage of the page that comes before the
 * authorization: then nothing was decided.  SW_KO is a switch that did not answer.
 */
static NapsStatus
DeclinedOrOpen(const NapsAnswer *answer)
{
	static const char *const open[] = {
		"INIT", "P_CHRG_OK", "START_PAYMENT", "CL_TOUCH_SCROL_PAGE", "SND_TO_ACS",
		"TimeOut", "P_ABDNEE_CLC_ANNULER"
	};

	if (Says(answer, "SW_KO"))
		return NAPS_STATUS_UNKNOWN;
	for (int i = 0; i < lengthof(open); i++)
		if (Says(answer, open[i]))
			return NAPS_STATUS_OPEN;
	return NAPS_STATUS_DECLINED;
}

NapsStatus
NapsStatusOf(const NapsAnswer *answer)
{
	static const NapsStatus by_code[] = {
		NAPS_STATUS_APPROVED, NAPS_STATUS_DECLINED, NAPS_STATUS_CAPTURED, NAPS_STATUS_SETTLED,
		NAPS_STATUS_CANCELLED, NAPS_STATUS_NONE, NAPS_STATUS_UNKNOWN, NAPS_STATUS_REFUNDED,
		NAPS_STATUS_REFUND_DECLINED
	};
	const char *code = answer->code;
	int			number;

	if (answer->meaning != NAPS_DONE || code == NULL || strlen(code) != 2 ||
		code[0] != '0' || code[1] < '0' || code[1] > '8')
		return NAPS_STATUS_UNKNOWN;
	number = code[1] - '0';
	return number == 1 ? DeclinedOrOpen(answer) : by_code[number];
}

static int
HexDigit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* A value of a form (application/x-www-form-urlencoded), decoded; NULL if not there. */
static char *
FormValue(const char *form, const char *name)
{
	size_t		length = strlen(name);

	for (const char *pair = form; pair != NULL; pair = strchr(pair, '&'))
	{
		char	   *value;
		char	   *to;

		if (*pair == '&')
			pair++;
		if (strncmp(pair, name, length) != 0 || pair[length] != '=')
			continue;
		value = pnstrdup(pair + length + 1, strcspn(pair + length + 1, "&"));
		to = value;
		for (const char *from = value; *from != '\0'; from++)
		{
			if (*from == '%' && HexDigit(from[1]) >= 0 && HexDigit(from[2]) >= 0)
			{
				*to++ = (char) (HexDigit(from[1]) << 4 | HexDigit(from[2]));
				from += 2;
			}
			else
				*to++ = *from == '+' ? ' ' : *from;
		}
		*to = '\0';
		return value;
	}
	return NULL;
}

void
NapsReadCallback(const char *body, NapsCallback *callback)
{
	Jsonb	   *object = body[0] == '{' ? JsonParse(body) : NULL;
	const struct
	{
		const char *name;
		char	  **value;
	}			fields[] = {
		{"idcommande", &callback->order_id},
		{"repauto", &callback->result},
		{"montant", &callback->amount},
		{"numAuto", &callback->authorization_number},
		{"numTrans", &callback->transaction_number},
		{"signature", &callback->signature},
		{"codecmr", &callback->merchant_id},
		{"token", &callback->card_token},
		{"carte", &callback->card_number},
		{"typecarte", &callback->card_type},
		{"nomprenom", &callback->holder}
	};

	for (int i = 0; i < lengthof(fields); i++)
	{
		char	   *text = object != NULL ? JsonMemberText(object, fields[i].name) :
			FormValue(body, fields[i].name);

		*fields[i].value = fields[i].value == &callback->holder ? PersonName(text, object == NULL) : Printable(text, TEXT_MAX);
	}
}

/*
 * The gateway prints the digest as a number, so that zeros at its beginning are lost:
 * they are put back.
 */
bool
NapsSignatureIsRight(const NapsCallback *callback, const char *public_key)
{
	char		padded[MD5_DIGITS + 1];
	char	   *expected;
	int			length;

	if (callback->signature == NULL || callback->order_id == NULL ||
		callback->result == NULL || callback->amount == NULL)
		return false;
	length = strlen(callback->signature);
	if (length == 0 || length > MD5_DIGITS)
		return false;
	memset(padded, '0', MD5_DIGITS);
	for (int i = 0; i < length; i++)
		padded[MD5_DIGITS - length + i] = pg_ascii_tolower((unsigned char) callback->signature[i]);
	padded[MD5_DIGITS] = '\0';
	expected = MAC_OF(callback->order_id, callback->result, public_key, callback->amount);
	return expected != NULL && CRYPTO_memcmp(padded, expected, MD5_DIGITS) == 0;
}

int64
NapsCentimes(const char *amount)
{
	int64		centimes = 0;
	int			decimals = -1;

	if (amount == NULL || amount[0] < '0' || amount[0] > '9')
		return -1;
	for (const char *c = amount; *c != '\0'; c++)
	{
		if ((*c == '.' || *c == ',') && decimals < 0)
			decimals = 0;
		else if (*c >= '0' && *c <= '9' && decimals < 2 && centimes <= MONEY_MAX)
		{
			centimes = centimes * 10 + (*c - '0');
			decimals += decimals >= 0;
		}
		else
			return -1;
	}
	for (int i = Max(decimals, 0); i < 2; i++)
		centimes *= 10;
	return centimes <= MONEY_MAX ? centimes : -1;
}
