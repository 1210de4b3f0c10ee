/*-------------------------------------------------------------------------
 *
 * credentials.c
 *		How the card gateway knows us: the file of washminute.naps_credentials_file.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/compat.h"
#include "base/guc.h"
#include "base/json.h"
#include "base/secret.h"
#include "payment/credentials.h"

#define SHA256_BYTES 32

/*
 * SHA-256 of public keys that are no secret shared with the gateway: that of the demo
 * merchant, of whom the private key, too, stands in public repositories.
 */
static const unsigned char published_keys[][SHA256_BYTES] = {
	{
		0x35, 0x6e, 0x8e, 0xbd, 0xee, 0x90, 0xb5, 0xb7, 0x4e, 0x49, 0x87, 0x19, 0xe7, 0x0f, 0x22, 0xa6,
		0x2c, 0x7d, 0x5a, 0x3e, 0xfa, 0xe3, 0x46, 0xba, 0xbf, 0xa8, 0x6e, 0xc6, 0x57, 0x9d, 0x60, 0xca
	}
};

/* The key as it is signed with: without the lines and blanks of PEM. */
static char *
KeyText(const char *key)
{
	char	   *text = palloc(strlen(key) + 1);
	char	   *to = text;

	for (const char *from = key; *from != '\0'; from++)
	{
		if (strncmp(from, "-----", 5) == 0)
		{
			const char *end = strstr(from + 5, "-----");

			if (end == NULL)
				break;
			from = end + 4;
		}
		else if (*from > ' ')
			*to++ = *from;
	}
	*to = '\0';
	return text;
}

static bool
IsPublished(const char *key)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int length = 0;

	if (EVP_Digest(key, strlen(key), digest, &length, EVP_sha256(), NULL) != 1)
		elog(ERROR, "OpenSSL could not compute a SHA-256");
	for (int i = 0; i < lengthof(published_keys); i++)
		if (memcmp(digest, published_keys[i], SHA256_BYTES) == 0)
			return true;
	return false;
}

/* Fill in the members; what is wrong with them, or NULL. */
static const char *
ReadMembers(Jsonb *object, Credentials *credentials)
{
	const struct
	{
		const char *name;
		char	  **value;
		bool		required;
	}			members[] = {
		{"api_key", &credentials->api_key, true},
		{"institution_id", &credentials->institution_id, true},
		{"cx_user", &credentials->user, true},
		{"cx_password", &credentials->password, true},
		{"merchant_id", &credentials->merchant_id, true},
		{"merchant_name", &credentials->merchant_name, true},
		{"website_name", &credentials->website_name, false},
		{"website_id", &credentials->website_id, false},
		{"public_key", &credentials->public_key, false}
	};

	for (int i = 0; i < lengthof(members); i++)
	{
		char	   *value = JsonMemberText(object, members[i].name);

		for (const char *c = value; c != NULL && *c != '\0' && members[i].required; c++)
			if (*c < ' ' || *c > '~')
				return psprintf("\"%s\" is not printable ASCII", members[i].name);
		if ((value == NULL || value[0] == '\0') && members[i].required)
			return psprintf("\"%s\" is missing", members[i].name);
		*members[i].value = value != NULL ? value : pstrdup("");
	}
	if (credentials->public_key[0] == '\0')
		credentials->public_key = NULL;
	else
		credentials->public_key = KeyText(credentials->public_key);
	if (credentials->public_key != NULL && IsPublished(credentials->public_key))
		return "\"public_key\" is the demo merchant's, which everybody knows";
	return NULL;
}

bool
CredentialsRead(Credentials *credentials, const char **problem)
{
	char		text[SECRET_FILE_MAX + 1];
	const char *path = washminute_naps_credentials_file;
	const char *wrong = "it is not a JSON object";
	Jsonb	   *object;

	if (SecretReadFile(path, text, problem) == 0)
		return false;
	object = JsonParse(text);
	OPENSSL_cleanse(text, sizeof(text));
	if (object != NULL && JB_ROOT_IS_OBJECT(object))
		wrong = ReadMembers(object, credentials);
	if (object != NULL)
	{
		OPENSSL_cleanse(VARDATA(object), VARSIZE(object) - VARHDRSZ);
		pfree(object);
	}
	if (wrong == NULL)
		return true;
	*problem = psprintf("\"%s\": %s", path, wrong);
	return false;
}

void
CredentialsForget(Credentials *credentials)
{
	OPENSSL_cleanse(credentials->api_key, strlen(credentials->api_key));
	OPENSSL_cleanse(credentials->password, strlen(credentials->password));
}
