/*-------------------------------------------------------------------------
 *
 * idempotency.h
 *		The same key and arguments give the same answer, with one effect.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_IDEMPOTENCY_H
#define WASHMINUTE_IDEMPOTENCY_H

/*
 * Take the key for this transaction and look whether it was used before.
 * Returns the stored answer (JSON text), or NULL where the command is to run.
 * `arguments` is a text in which equal arguments are equal; with another text
 * the key raises WM_IDEMPOTENCY_KEY_REUSED.  Needs an SPI connection.
 */
extern char *IdempotencyBegin(const char *actor_id, const char *command,
							  const char *key, const char *arguments);

/* Store the answer beside the effect; both are committed, or neither. */
extern void IdempotencyEnd(const char *actor_id, const char *command,
						   const char *key, const char *arguments,
						   const char *answer);

#endif							/* WASHMINUTE_IDEMPOTENCY_H */
