/*-------------------------------------------------------------------------
 *
 * credentials.h
 *		How the card gateway knows us: the file of washminute.naps_credentials_file.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_CREDENTIALS_H
#define WASHMINUTE_CREDENTIALS_H

/* The members of the file, a JSON object of texts; palloc'd. */
typedef struct Credentials
{
	char	   *api_key;
	char	   *institution_id;
	char	   *user;
	char	   *password;
	char	   *merchant_id;
	char	   *merchant_name;
	char	   *website_name;	/* "" if not there, as the next */
	char	   *website_id;
	char	   *public_key;		/* what callbacks are signed by; NULL: they are not checked by it */
} Credentials;

/* Read the file; false with *problem saying why not, in words that need no secret. */
extern bool CredentialsRead(Credentials *credentials, const char **problem);

/* Overwrite what is secret of them. */
extern void CredentialsForget(Credentials *credentials);

#endif							/* WASHMINUTE_CREDENTIALS_H */
