/*-------------------------------------------------------------------------
 *
 * engine.h
 *		Claims messages, has them sent, records what became of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_ENGINE_H
#define WASHMINUTE_ENGINE_H

/* Once, in the worker's process, connected to the database. */
extern void EngineInit(void);

/* What WakeTake gave. */
extern void EngineWake(uint32 bits);

/* Settings of the server, or the files that they name, may have changed. */
extern void EngineReload(void);

/*
 * Take answers, record them, claim and start what can be: at most one
 * transaction, and none where there is nothing to do.  True where there was one.
 */
extern bool EngineTurn(bool may_claim);

/* Milliseconds until a turn is worth while; -1: not before something happens. */
extern long EngineTimeout(bool may_claim);

/* Is there a database of ours, in a state that can be served? */
extern bool EngineIsServing(void);

/* Look again whether there is. */
extern void EngineDoubt(void);

/* Requests that have no recorded answer yet. */
extern int	EngineInFlight(void);

#endif							/* WASHMINUTE_ENGINE_H */
