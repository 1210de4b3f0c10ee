/*-------------------------------------------------------------------------
 *
 * readiness.h
 *		Is this installation fit to serve?
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_READINESS_H
#define WASHMINUTE_READINESS_H

typedef enum Readiness
{
	READINESS_NOT_SET_UP,		/* no tables, or no row in instance */
	READINESS_OWNER_DIFFERS,	/* restored without the roles */
	READINESS_VERSION_DIFFERS,	/* library, extension, data */
	READINESS_READY
} Readiness;

extern void ReadinessInit(void);

/* The state as it is, by the catalogs.  Needs an SPI connection. */
extern Readiness ReadinessLook(char **facts);

/*
 * The state, looked up once per backend and again after an invalidation; known
 * says whether READY would be answered without a look.  Needs an SPI connection.
 */
extern Readiness ReadinessNow(char **facts);
extern bool ReadinessIsKnown(void);

/* The table washminute_data.instance, another one after a new setup(). */
extern Oid	ReadinessRelation(void);

/* Raise PT503 unless ready.  Needs an SPI connection. */
extern void ReadinessRequire(void);

/* Make every session look anew, once this transaction has committed. */
extern void ReadinessInvalidate(void);

/*
 * Does the data come from another cluster or database?  Then nothing may leave
 * this one until washminute.adopt().  Needs an SPI connection and READY.
 */
extern bool InstanceIsCloned(void);

#endif							/* WASHMINUTE_READINESS_H */
