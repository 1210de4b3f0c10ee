/*-------------------------------------------------------------------------
 *
 * settlement.h
 *		The text of a statement of the gateway: lines that it paid out.
 *
 * NAPS's own format is not public.  What is read here is a table as text, with a header
 * that names its columns, in any order, separated by commas, semicolons or tabs:
 *
 *		orderid, numauto	one of them at least
 *		amount				dirhams, with a dot or, where that separates no columns, a comma
 *		date				2026-11-28 or 28/11/2026
 *		kind				sale or refund; where there is no such column a refund's
 *							amount is negative
 *
 * Other columns are not heeded; a line with more fields than there are columns is refused.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_SETTLEMENT_H
#define WASHMINUTE_SETTLEMENT_H

/* Lines of a statement, column by column. */
typedef struct StatementLines
{
	int			count;
	int			room;
	int		   *numbers;		/* from 1, which is the header */
	char	  **order_ids;		/* NULL: the line has none, as the next */
	char	  **authorizations;
	char	  **amounts;		/* above 0, MAD */
	char	  **days;			/* YYYY-MM-DD */
	char	  **kinds;
} StatementLines;

/* Read it; an error names the first line that cannot be read. */
extern void StatementRead(const char *content, StatementLines *lines);

#endif							/* WASHMINUTE_SETTLEMENT_H */
