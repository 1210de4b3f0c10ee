/*-------------------------------------------------------------------------
 *
 * secret.c
 *		Keys, which stand in files that only the server's user reads.
 *
 * Never in settings or tables: those are seen by pg_settings, dumps and
 * replicas.  A file that others can read is refused, as sshd refuses such keys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/fd.h"

#include "base/compat.h"
#include "base/guc.h"
#include "base/secret.h"

static size_t
ReadOpenFile(int fd, const char *path, char *secret, const char **problem)
{
	struct stat status;
	ssize_t		length;

	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
		*problem = psprintf("\"%s\" is not a file", path);
	else if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		*problem = psprintf("\"%s\" can be read by others: its mode must be 0600", path);
	else if ((length = read(fd, secret, SECRET_FILE_MAX + 1)) < 0)
		*problem = psprintf("\"%s\" cannot be read: %s", path, strerror(errno));
	else if (length > SECRET_FILE_MAX)
		*problem = psprintf("\"%s\" is longer than %d bytes", path, SECRET_FILE_MAX);
	else
	{
		while (length > 0 && memchr(" \t\r\n", secret[length - 1], 4) != NULL)
			length--;
		secret[length] = '\0';
		if (length == 0)
			*problem = psprintf("\"%s\" is empty", path);
		return length;
	}
	return 0;
}

size_t
SecretReadFile(const char *path, char *secret, const char **problem)
{
	int			fd;
	size_t		length;

	*problem = NULL;
	if (path == NULL || path[0] == '\0')
	{
		*problem = "is not set";
		return 0;
	}
	fd = OpenTransientFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | PG_BINARY);
	if (fd < 0)
	{
		*problem = psprintf("\"%s\" cannot be opened: %s", path, strerror(errno));
		return 0;
	}
	length = ReadOpenFile(fd, path, secret, problem);
	CloseTransientFile(fd);
	return length;
}

void
SecretHmac(const unsigned char *key, size_t key_length,
		   const void *data, size_t length, unsigned char *digest)
{
	if (HMAC(EVP_sha256(), key, (int) key_length, data, length, digest, NULL) == NULL)
		elog(ERROR, "OpenSSL could not compute an HMAC-SHA256");
}

/* A key of the file. */
typedef struct SecretKey
{
	const char *id;
	int			id_length;
	const char *key;
	size_t		length;
} SecretKey;

/* Take a line apart; false where it is no line of an id and a key. */
static bool
ReadKeyLine(const char *line, size_t length, SecretKey *key)
{
	size_t		id_length = 0;

	while (length > 0 && (line[length - 1] == '\r' || line[length - 1] == ' '))
		length--;

	while (id_length < length && (isalnum((unsigned char) line[id_length]) ||
								  line[id_length] == '-' || line[id_length] == '_'))
		id_length++;
	if (id_length == 0 || id_length > SECRET_KEY_ID_MAX || id_length == length ||
		line[id_length] != ' ')
		return false;
	*key = (SecretKey) {line, (int) id_length, line + id_length + 1, length - id_length - 1};
	for (size_t i = 0; i < key->length; i++)
		if (key->key[i] <= ' ' || key->key[i] > '~')
			return false;
	return key->length > 0;
}

/*
 * The key of that id, or the first one for NULL.  Where no line is that of an id and a
 * key the whole file is one key; *problem where some are and some are not, since one bad
 * line would make all keys others.
 */
static bool
FindKey(const char *file, size_t length, const char *id, SecretKey *found,
		const char **problem)
{
	bool		is_found = false;
	int			keyed = 0;
	int			other = 0;

	for (const char *line = file; line < file + length;)
	{
		const char *end = memchr(line, '\n', file + length - line);
		SecretKey	key;

		if (end == NULL)
			end = file + length;
		if (end > line && !ReadKeyLine(line, end - line, &key))
			other++;
		else if (end > line)
		{
			keyed++;
			if (!is_found &&
				(id == NULL || (strncmp(id, key.id, key.id_length) == 0 && id[key.id_length] == '\0')))
			{
				*found = key;
				is_found = true;
			}
		}
		line = end + 1;
	}
	if (other == 0)
		return is_found;
	if (keyed > 0)
	{
		*problem = psprintf("\"%s\" has lines that are an id and a key, and others that are not",
							washminute_signing_key_file);
		return false;
	}
	*found = (SecretKey) {SECRET_SOLE_ID, (int) strlen(SECRET_SOLE_ID), file, length};
	return id == NULL || strcmp(id, SECRET_SOLE_ID) == 0;
}

/* Derive from the key of that id, or the first one for NULL. */
static bool
DeriveFrom(const char *purpose, const char *id, unsigned char *derived,
		   char *key_id, const char **problem)
{
	char		secret[SECRET_FILE_MAX + 1];
	size_t		length = SecretReadFile(washminute_signing_key_file, secret, problem);
	bool		derives = false;
	SecretKey	key = {0};

	if (length > 0 && FindKey(secret, length, id, &key, problem))
	{
		derives = key.length >= SECRET_FILE_MIN;
		if (derives)
			SecretHmac((const unsigned char *) key.key, key.length, purpose, strlen(purpose), derived);
		else
			*problem = psprintf("\"%s\" holds less than %d bytes%s", washminute_signing_key_file,
								SECRET_FILE_MIN, length > key.length ? " in a key" : "");
		if (key_id != NULL)
			snprintf(key_id, SECRET_KEY_ID_MAX + 1, "%.*s", key.id_length, key.id);
	}
	OPENSSL_cleanse(secret, sizeof(secret));
	return derives;
}

bool
SecretDerive(const char *purpose, unsigned char *derived, const char **problem)
{
	return DeriveFrom(purpose, NULL, derived, NULL, problem);
}

bool
SecretDeriveNow(const char *purpose, unsigned char *derived, char *key_id,
				const char **problem)
{
	return DeriveFrom(purpose, NULL, derived, key_id, problem);
}

bool
SecretDeriveById(const char *purpose, const char *key_id, unsigned char *derived,
				 const char **problem)
{
	return DeriveFrom(purpose, key_id, derived, NULL, problem);
}

Datum
SecretSha256(const char *text)
{
	bytea	   *digest = palloc(VARHDRSZ + SECRET_BYTES);
	unsigned int length;

	SET_VARSIZE(digest, VARHDRSZ + SECRET_BYTES);
	if (EVP_Digest(text, strlen(text), (unsigned char *) VARDATA(digest), &length,
				   EVP_sha256(), NULL) != 1)
		elog(ERROR, "OpenSSL could not compute a SHA-256");
	return PointerGetDatum(digest);
}
