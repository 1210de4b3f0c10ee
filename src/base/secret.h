/*-------------------------------------------------------------------------
 *
 * secret.h
 *		Keys, which stand in files that only the server's user reads.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_SECRET_H
#define WASHMINUTE_SECRET_H

#define SECRET_BYTES 32			/* of a derived key, HMAC-SHA256's output */
#define SECRET_FILE_MIN 32		/* bytes that a key file must hold */
#define SECRET_FILE_MAX 4096

/*
 * Read a file of mode 0600 (or stricter), blanks at its end stripped, into a
 * buffer of SECRET_FILE_MAX + 1 bytes; its length.  0 where that is not possible,
 * with *problem saying why in words that need no secret (palloc'd).
 */
extern size_t SecretReadFile(const char *path, char *secret, const char **problem);

/*
 * The key for one purpose, derived from the file of washminute.signing_key_file
 * as HMAC-SHA256(key, purpose): who knows one of them knows no other.  False with
 * *problem as above.
 */
extern bool SecretDerive(const char *purpose, unsigned char *derived,
						 const char **problem);

/* HMAC-SHA256 by OpenSSL. */
extern void SecretHmac(const unsigned char *key, size_t key_length,
					   const void *data, size_t length,
					   unsigned char *digest);

#endif							/* WASHMINUTE_SECRET_H */
