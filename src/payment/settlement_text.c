/*-------------------------------------------------------------------------
 *
 * settlement_text.c
 *		Reads the text of a statement of the gateway.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/datetime.h"

#include "base/compat.h"
#include "base/errors.h"
#include "base/money.h"
#include "payment/naps.h"
#include "payment/settlement.h"

#define COLUMNS_MAX 64
#define ID_LENGTH_MAX 64

typedef enum Column
{
	COLUMN_ORDER,
	COLUMN_AUTHORIZATION,
	COLUMN_AMOUNT,
	COLUMN_DAY,
	COLUMN_KIND,
	COLUMN_COUNT
} Column;

static const char *const column_names[COLUMN_COUNT] = {
	"orderid", "numauto", "amount", "date", "kind"
};

/* Where each column is, and what separates them. */
typedef struct Layout
{
	char		separator;
	int			count;			/* of columns, those that are not heeded too */
	int			places[COLUMN_COUNT];	/* -1: there is none */
} Layout;

pg_noreturn static void
Refuse(int number, const char *must)
{
	ErrorRaiseArgument(WM_ARGUMENT_INVALID, "content", psprintf("%s (line %d)", must, number));
}

/* After the quote that ends a field: where the next one begins, or NULL. */
static char *
AfterQuote(char *at, char separator, int number)
{
	while (*at == ' ')
		at++;
	if (*at != '\0' && *at != separator)
		Refuse(number, "have fields of which the quotes are around all, and none within");
	return *at == separator ? at : NULL;
}

/* Split a line, which is overwritten, into trimmed fields without quotes; their number. */
static int
Split(char *line, char separator, char **fields, int number)
{
	int			count = 0;

	for (char *at = line; at != NULL;)
	{
		char	   *end;
		size_t		length;

		if (count == COLUMNS_MAX)
			Refuse(number, "have at most 64 columns");

		while (*at == ' ')
			at++;
		if (*at == '"')
		{
			fields[count] = ++at;
			end = strchr(at, '"');
			if (end == NULL)
				Refuse(number, "have a quote at the end of a field that begins with one");
			*end++ = '\0';
			at = AfterQuote(end, separator, number);
		}
		else
		{
			fields[count] = at;
			at = strchr(at, separator);
			if (at != NULL)
				*at = '\0';
			length = strlen(fields[count]);
			while (length > 0 && fields[count][length - 1] == ' ')
				fields[count][--length] = '\0';
		}
		if (at != NULL)
			at++;
		count++;
	}
	return count;
}

static void
ReadHeader(char *line, Layout *layout)
{
	char	   *fields[COLUMNS_MAX];
	int			count;

	layout->separator = strchr(line, ';') != NULL ? ';' : strchr(line, '\t') != NULL ? '\t' : ',';
	count = layout->count = Split(line, layout->separator, fields, 1);
	for (int column = 0; column < COLUMN_COUNT; column++)
	{
		layout->places[column] = -1;
		for (int i = 0; i < count; i++)
			if (pg_strcasecmp(fields[i], column_names[column]) == 0)
			{
				if (layout->places[column] >= 0)
					Refuse(1, psprintf("have one column %s", column_names[column]));
				layout->places[column] = i;
			}
	}
	if (layout->places[COLUMN_AMOUNT] < 0 || layout->places[COLUMN_DAY] < 0 ||
		(layout->places[COLUMN_ORDER] < 0 && layout->places[COLUMN_AUTHORIZATION] < 0))
		Refuse(1, "begin with a header of orderid, numauto, amount, date and kind");
}

/* A field; NULL where it is empty, or its column not there. */
static char *
Field(const Layout *layout, Column column, char **fields, int count)
{
	int			place = layout->places[column];

	return place >= 0 && place < count && fields[place][0] != '\0' ? fields[place] : NULL;
}

/* 2026-11-28 or 28/11/2026, as the former. */
static char *
ReadDay(const char *text, int number)
{
	int			year = 0;
	int			month = 0;
	int			day = 0;
	int			length = 0;

	if (text != NULL && strlen(text) == 10 &&
		((sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &length) == 3 && length == 10) ||
		 (sscanf(text, "%2d/%2d/%4d%n", &day, &month, &year, &length) == 3 && length == 10)) &&
		year >= 2000 && month >= 1 && month <= 12 && day >= 1 &&
		day <= day_tab[isleap(year)][month - 1])
		return psprintf("%04d-%02d-%02d", year, month, day);
	Refuse(number, "have dates like 2026-11-28 or 28/11/2026");
}

static char *
ReadId(const char *text, int number)
{
	if (text == NULL)
		return NULL;
	if (strlen(text) > ID_LENGTH_MAX)
		Refuse(number, "have an orderid and a numauto of at most 64 characters");
	return pstrdup(text);
}

static void
MakeRoom(StatementLines *lines)
{
	if (lines->count < lines->room)
		return;
	lines->room *= 2;
	lines->numbers = repalloc(lines->numbers, lines->room * sizeof(int));
	lines->order_ids = repalloc(lines->order_ids, lines->room * sizeof(char *));
	lines->authorizations = repalloc(lines->authorizations, lines->room * sizeof(char *));
	lines->amounts = repalloc(lines->amounts, lines->room * sizeof(char *));
	lines->days = repalloc(lines->days, lines->room * sizeof(char *));
	lines->kinds = repalloc(lines->kinds, lines->room * sizeof(char *));
}

static void
AddLine(StatementLines *lines, const Layout *layout, char **fields, int count, int number)
{
	const char *amount = Field(layout, COLUMN_AMOUNT, fields, count);
	const char *kind = Field(layout, COLUMN_KIND, fields, count);
	bool		is_negative = amount != NULL && amount[0] == '-';
	int64		centimes = NapsCentimes(is_negative ? amount + 1 : amount);
	int			i;

	/* as where an amount has the separator in it: then nothing is in its place */
	for (i = layout->count; i < count; i++)
		if (fields[i][0] != '\0')
			Refuse(number, "have no more fields than the header has columns");
	if (centimes <= 0)
		Refuse(number, "have amounts with at most two decimals, and not 0");
	if (kind == NULL && layout->places[COLUMN_KIND] < 0)
		kind = is_negative ? "refund" : "sale";
	if (kind == NULL || (pg_strcasecmp(kind, "sale") != 0 && pg_strcasecmp(kind, "refund") != 0))
		Refuse(number, "have kinds sale and refund");
	if (is_negative && pg_strcasecmp(kind, "sale") == 0)
		Refuse(number, "have no sale of a negative amount");
	MakeRoom(lines);
	i = lines->count++;
	lines->numbers[i] = number;
	lines->order_ids[i] = ReadId(Field(layout, COLUMN_ORDER, fields, count), number);
	lines->authorizations[i] = ReadId(Field(layout, COLUMN_AUTHORIZATION, fields, count), number);
	lines->amounts[i] = MoneyText(centimes);
	lines->days[i] = ReadDay(Field(layout, COLUMN_DAY, fields, count), number);
	lines->kinds[i] = pstrdup(pg_strcasecmp(kind, "sale") == 0 ? "sale" : "refund");
	if (lines->order_ids[i] == NULL && lines->authorizations[i] == NULL)
		Refuse(number, "have an orderid or a numauto");
}

void
StatementRead(const char *content, StatementLines *lines)
{
	char	   *at = pstrdup(content);
	Layout		layout;
	char	   *fields[COLUMNS_MAX];

	*lines = (StatementLines) {.room = 64};
	lines->numbers = palloc(lines->room * sizeof(int));
	lines->order_ids = palloc(lines->room * sizeof(char *));
	lines->authorizations = palloc(lines->room * sizeof(char *));
	lines->amounts = palloc(lines->room * sizeof(char *));
	lines->days = palloc(lines->room * sizeof(char *));
	lines->kinds = palloc(lines->room * sizeof(char *));

	/* the mark that some programs put at the beginning of UTF-8 */
	if (strncmp(at, "\xEF\xBB\xBF", 3) == 0)
		at += 3;
	for (int number = 1; at != NULL; number++)
	{
		char	   *line = at;
		size_t		length = strcspn(line, "\n");

		at = line[length] == '\n' ? line + length + 1 : NULL;
		if (length > 0 && line[length - 1] == '\r')
			length--;
		line[length] = '\0';
		if (number == 1)
			ReadHeader(line, &layout);
		else if (strspn(line, " ;,\t") < length)
			AddLine(lines, &layout, fields, Split(line, layout.separator, fields, number), number);
	}
}
