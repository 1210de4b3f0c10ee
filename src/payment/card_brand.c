/*-------------------------------------------------------------------------
 *
 * card_brand.c
 *		The brand of a card, by the first digits of its number.
 *
 * The longest prefix that fits wins.  The cards of Morocco's CMI lie within the ranges
 * of others (of Maestro, of UnionPay), with prefixes that are not always longer than
 * theirs, so that they are looked for first.  A card that is both, CMI and Mastercard,
 * is a Mastercard by its number: nobody can tell.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "payment/card_brand.h"

#define DIGITS_MAX 6

PG_FUNCTION_INFO_V1(washminute_card_brand);

/* Numbers whose first digits lie between two of one length. */
typedef struct Prefix
{
	int			first;
	int			last;
	const char *brand;
} Prefix;

static const Prefix local[] = {
	{505823, 505823, "cmi"}, {601506, 601506, "cmi"}, {601586, 601586, "cmi"},
	{602586, 602586, "cmi"}, {604851, 604851, "cmi"}, {621983, 621983, "cmi"},
	{627695, 627695, "cmi"}, {639412, 639412, "cmi"}
};

static const Prefix international[] = {
	{4, 4, "visa"},
	{51, 55, "mastercard"}, {2221, 2720, "mastercard"},
	{34, 34, "amex"}, {37, 37, "amex"},
	{300, 305, "diners"}, {36, 36, "diners"}, {38, 39, "diners"},
	{6011, 6011, "discover"}, {644, 649, "discover"}, {65, 65, "discover"},
	{2131, 2131, "jcb"}, {1800, 1800, "jcb"}, {3528, 3589, "jcb"},
	{620, 620, "unionpay"}, {62100, 62182, "unionpay"}, {62184, 62197, "unionpay"},
	{62200, 62205, "unionpay"}, {62207, 62209, "unionpay"}, {622010, 622999, "unionpay"},
	{623, 626, "unionpay"}, {6270, 6270, "unionpay"}, {6272, 6272, "unionpay"},
	{6276, 6276, "unionpay"}, {627700, 627779, "unionpay"}, {627781, 627799, "unionpay"},
	{6282, 6289, "unionpay"}, {6291, 6292, "unionpay"}, {810, 810, "unionpay"},
	{8110, 8171, "unionpay"},
	{493698, 493698, "maestro"}, {500000, 504174, "maestro"}, {504176, 506698, "maestro"},
	{506779, 508999, "maestro"}, {56, 59, "maestro"}, {63, 63, "maestro"},
	{67, 67, "maestro"}, {6, 6, "maestro"},
	{2200, 2204, "mir"}
};

/* The gateway's typecarte, by number. */
static const char *const gateway_types[] = {
	"other", "visa", "mastercard", "amex", "diners", "discover", "jcb"
};

/* The brand of the longest prefix that fits so many digits, as numbers; NULL if none does. */
static const char *
Find(const Prefix *prefixes, int count, const int *beginnings, int length)
{
	const char *brand = NULL;
	int			longest = 0;

	for (int i = 0; i < count; i++)
	{
		int			digits = 1;

		for (int rest = prefixes[i].first; rest > 9; rest /= 10)
			digits++;
		if (digits <= length && digits > longest &&
			beginnings[digits] >= prefixes[i].first && beginnings[digits] <= prefixes[i].last)
		{
			longest = digits;
			brand = prefixes[i].brand;
		}
	}
	return brand;
}

const char *
CardBrand(const char *digits, const char *gateway_type)
{
	int			beginnings[DIGITS_MAX + 1] = {0};	/* the first digit, the first two ... */
	int			length = 0;
	const char *brand;

	while (digits != NULL && length < DIGITS_MAX && digits[length] >= '0' && digits[length] <= '9')
	{
		beginnings[length + 1] = beginnings[length] * 10 + (digits[length] - '0');
		length++;
	}
	brand = Find(local, lengthof(local), beginnings, length);
	if (brand == NULL)
		brand = Find(international, lengthof(international), beginnings, length);
	if (brand == NULL && gateway_type != NULL && strlen(gateway_type) == 1 &&
		gateway_type[0] >= '0' && gateway_type[0] < '0' + (int) lengthof(gateway_types))
		brand = gateway_types[gateway_type[0] - '0'];
	return brand != NULL ? brand : "other";
}

/* washminute.card_brand(digits, gateway_type) */
Datum
washminute_card_brand(PG_FUNCTION_ARGS)
{
	char	   *digits = PG_ARGISNULL(0) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *type = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));

	PG_RETURN_TEXT_P(cstring_to_text(CardBrand(digits, type)));
}
