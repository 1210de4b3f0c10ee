/*-------------------------------------------------------------------------
 *
 * reference.c
 *		Random references that people can read out and card gateways take.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/reference.h"

char *
ReferenceMake(int characters)
{
	static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	unsigned char bytes[REFERENCE_MAX];
	char	   *reference = palloc(2 + characters + 1);

	Assert(characters <= REFERENCE_MAX);
	if (!pg_strong_random(bytes, characters))
		elog(ERROR, "could not generate random bytes");
	strcpy(reference, "WM");
	for (int i = 0; i < characters; i++)
		reference[2 + i] = digits[bytes[i] & 31];
	reference[2 + characters] = '\0';
	return reference;
}
