/*-------------------------------------------------------------------------
 *
 * text.c
 *		Texts to people: a template and the data that it speaks of.
 *
 * Places are written as in ICU's MessageFormat, of which this is the small part that
 * messages need:
 *
 *		{name}				a member of the data
 *		{name|else}			the words behind the bar where there is none
 *		{name, time}		hours and minutes of a local time, YYYY-MM-DDTHH:MM
 *		{name, date}		its day
 *		{name, money}		an amount of MAD
 *		{name, plural, one {# minute} other {# minutes}}
 *							by the number; # stands for it
 *
 * Plural forms and number formats are those of Unicode's CLDR for Arabic and French as
 * written in Morocco, and English (https://cldr.unicode.org).  In Arabic, which runs
 * from right to left, what is put in is isolated, so that it cannot change the order of
 * the words around it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "base/compat.h"
#include "base/json.h"
#include "outbox/text.h"

PG_FUNCTION_INFO_V1(washminute_fill_text);

/* FIRST STRONG ISOLATE and POP DIRECTIONAL ISOLATE, in UTF-8 */
#define ISOLATE_BEGIN "\xE2\x81\xA8"
#define ISOLATE_END "\xE2\x81\xA9"

/* NARROW NO-BREAK SPACE */
#define NARROW_SPACE "\xE2\x80\xAF"

typedef struct Language
{
	const char *locale;
	bool		right_to_left;
	const char *decimal;
	const char *group;			/* between thousands */
	const char *money;			/* %s: the amount */
	const char *(*plural) (int64 number);	/* CLDR's category of a cardinal number */
} Language;

static const char *
PluralEnglish(int64 number)
{
	return number == 1 ? "one" : "other";
}

static const char *
PluralFrench(int64 number)
{
	return number == 0 || number == 1 ? "one" : "other";
}

static const char *
PluralArabic(int64 number)
{
	int64		rest = number % 100;

	if (number == 0)
		return "zero";
	if (number == 1)
		return "one";
	if (number == 2)
		return "two";
	return rest >= 3 && rest <= 10 ? "few" : rest >= 11 ? "many" : "other";
}

/* The first one is for any other language, too. */
static const Language languages[] = {
	{"fr", false, ",", NARROW_SPACE, "%s MAD", PluralFrench},
	{"en", false, ".", ",", "MAD %s", PluralEnglish},
	{"ar", true, ",", ".", "%s درهم", PluralArabic}
};

static const Language *
LanguageFind(const char *locale)
{
	for (int i = 0; i < lengthof(languages); i++)
		if (strcmp(languages[i].locale, locale) == 0)
			return &languages[i];
	return &languages[0];
}

static void
Put(StringInfo filled, const Language *language, const char *value)
{
	appendStringInfo(filled, "%s%s%s", language->right_to_left ? ISOLATE_BEGIN : "", value,
					 language->right_to_left ? ISOLATE_END : "");
}

/* 1234.50 as the language writes it. */
static void
PutMoney(StringInfo filled, const Language *language, const char *value)
{
	const char *digits = *value == '-' ? value + 1 : value;
	int			whole = (int) strspn(digits, "0123456789");
	StringInfoData amount;

	initStringInfo(&amount);
	if (digits != value)
		appendStringInfoChar(&amount, '-');
	for (int i = 0; i < whole; i++)
	{
		if (i > 0 && (whole - i) % 3 == 0)
			appendStringInfoString(&amount, language->group);
		appendStringInfoChar(&amount, digits[i]);
	}
	if (digits[whole] == '.')
		appendStringInfo(&amount, "%s%s%s", language->decimal, digits + whole + 1,
						 strlen(digits + whole) == 2 ? "0" : "");
	Put(filled, language, psprintf(language->money, amount.data));
}

/* A local time, or its day; anything else as it is. */
static void
PutTime(StringInfo filled, const Language *language, const char *value, bool day)
{
	int			year;
	int			month;
	int			date;
	int			hour;
	int			minute;

	if (sscanf(value, "%4d-%2d-%2dT%2d:%2d", &year, &month, &date, &hour, &minute) != 5)
		Put(filled, language, value);
	else if (day)
		Put(filled, language, psprintf("%02d/%02d/%04d", date, month, year));
	else
		Put(filled, language, psprintf("%02d:%02d", hour, minute));
}

/* The brace that closes the one at the beginning; NULL where there is none. */
static const char *
ClosingBrace(const char *open)
{
	int			depth = 0;

	for (const char *p = open; *p != '\0'; p++)
	{
		depth += *p == '{' ? 1 : *p == '}' ? -1 : 0;
		if (depth == 0)
			return p;
	}
	return NULL;
}

static bool
WordIs(const char *word, int length, const char *name)
{
	return strlen(name) == length && strncmp(word, name, length) == 0;
}

/*
 * The form for a number out of "one {...} other {...}", palloc'd; other where its own
 * is missing, and NULL where that is, too.
 */
static char *
PluralForm(const char *forms, const char *end, const char *category)
{
	char	   *other = NULL;

	for (const char *p = forms; p < end;)
	{
		const char *word = p += strspn(p, " ");
		int			length = (int) strcspn(p, " {");
		const char *open = strchr(p, '{');
		const char *close = open != NULL && open < end ? ClosingBrace(open) : NULL;
		char	   *form;

		if (length == 0 || close == NULL || close >= end)
			return other;
		form = pnstrdup(open + 1, close - open - 1);
		if (WordIs(word, length, category))
			return form;
		if (WordIs(word, length, "other"))
			other = form;
		p = close + 1;
	}
	return other;
}

static void
PutPlural(StringInfo filled, const Language *language, const char *value,
		  const char *forms, const char *end)
{
	char	   *rest;
	int64		number = strtoll(value, &rest, 10);
	char	   *form = *rest == '\0' && rest != value ?
		PluralForm(forms, end, language->plural(Max(number, -number))) : NULL;

	if (form == NULL)
	{
		Put(filled, language, value);
		return;
	}
	for (const char *p = form; *p != '\0'; p++)
		if (*p == '#')
			Put(filled, language, value);
		else
			appendStringInfoChar(filled, *p);
}

/* What stands between two braces. */
static void
PutPlace(StringInfo filled, const Language *language, const char *place, const char *end, Jsonb *data)
{
	int			length = (int) strcspn(place, "|,}");
	char	   *value = JsonMemberText(data, pnstrdup(place, length));
	const char *kind = place + length + 1;
	int			kind_length;

	if (place[length] == '|' && value == NULL)
		appendBinaryStringInfo(filled, kind, end - kind);
	if (value == NULL)
		return;
	if (place[length] != ',')
	{
		Put(filled, language, value);
		return;
	}
	kind += strspn(kind, " ");
	kind_length = (int) strcspn(kind, " ,}");
	if (WordIs(kind, kind_length, "plural") && kind[kind_length] == ',')
		PutPlural(filled, language, value, kind + kind_length + 1, end);
	else if (WordIs(kind, kind_length, "money"))
		PutMoney(filled, language, value);
	else if (WordIs(kind, kind_length, "time") || WordIs(kind, kind_length, "date"))
		PutTime(filled, language, value, *kind == 'd');
	else
		Put(filled, language, value);
}

char *
TextFill(const char *text, const char *locale, Jsonb *data)
{
	const Language *language = LanguageFind(locale);
	StringInfoData filled;

	initStringInfo(&filled);
	for (const char *p = text; *p != '\0';)
	{
		const char *end = *p == '{' ? ClosingBrace(p) : NULL;

		if (end == NULL)
		{
			appendStringInfoChar(&filled, *p++);
			continue;
		}
		PutPlace(&filled, language, p + 1, end, data);
		p = end + 1;
	}
	return filled.data;
}

/* washminute.fill_text(template, locale, data) */
Datum
washminute_fill_text(PG_FUNCTION_ARGS)
{
	char	   *template = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *locale = text_to_cstring(PG_GETARG_TEXT_PP(1));

	PG_RETURN_TEXT_P(cstring_to_text(TextFill(template, locale, PG_GETARG_JSONB_P(2))));
}
