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
 * The file of washminute.signing_key_file holds one key; or, so that keys can be
 * changed while what was signed by the last one is still about, a line for each of
 * several: an id of at most 16 letters, digits, - and _, a blank, and the key in
 * printable characters.  The first line's key signs.  A key that stands alone has the
 * id SECRET_SOLE_ID.
 */
#define SECRET_KEY_ID_MAX 16
#define SECRET_SOLE_ID "0"

/*
 * The key for one purpose, derived from the one that signs as HMAC-SHA256(key,
 * purpose): who knows one of them knows no other.  False with *problem as above.
 */
extern bool SecretDerive(const char *purpose, unsigned char *derived,
						 const char **problem);

/* The same, with the id of the key (SECRET_KEY_ID_MAX + 1 bytes). */
extern bool SecretDeriveNow(const char *purpose, unsigned char *derived, char *key_id,
							const char **problem);

/*
 * The same for the key of that id, which may be an older one.  False with no *problem
 * where the file has no such key.
 */
extern bool SecretDeriveById(const char *purpose, const char *key_id,
							 unsigned char *derived, const char **problem);

/* HMAC-SHA256 by OpenSSL. */
extern void SecretHmac(const unsigned char *key, size_t key_length,
					   const void *data, size_t length,
					   unsigned char *digest);

/* SHA-256 of a text, as a bytea. */
extern Datum SecretSha256(const char *text);

#endif							/* WASHMINUTE_SECRET_H */
