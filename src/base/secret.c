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

bool
SecretDerive(const char *purpose, unsigned char *derived, const char **problem)
{
	char		secret[SECRET_FILE_MAX + 1];
	size_t		length = SecretReadFile(washminute_signing_key_file, secret, problem);

	if (length > 0 && length < SECRET_FILE_MIN)
		*problem = psprintf("\"%s\" holds less than %d bytes",
							washminute_signing_key_file, SECRET_FILE_MIN);
	else if (length > 0)
		SecretHmac((unsigned char *) secret, length, purpose, strlen(purpose), derived);
	OPENSSL_cleanse(secret, sizeof(secret));
	return *problem == NULL;
}
