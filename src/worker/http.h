/*-------------------------------------------------------------------------
 *
 * http.h
 *		HTTP requests by libcurl, many at once, without blocking.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WASHMINUTE_HTTP_H
#define WASHMINUTE_HTTP_H

#include <curl/curl.h>

#include "lib/ilist.h"

/* The longest answer that is kept, in bytes; a longer one is cut off there. */
#define HTTP_RESPONSE_MAX (256 * 1024)

/*
 * A request and its answer.  The caller fills url, headers and body, which must
 * live until it is done, and frees what the answer holds by HttpForget.
 */
typedef struct HttpRequest
{
	dlist_node	node;			/* among those that are done */
	void	   *owner;			/* the caller's */
	const char *url;
	struct curl_slist *headers;
	const char *body;
	size_t		body_length;
	bool		only_once;		/* on a connection of its own: libcurl repeats what it sent on a
								 * kept one that is reset */
	void		(*done) (struct HttpRequest *request);	/* NULL: it is a delivery */

	/* the answer */
	CURLcode	code;			/* CURLE_OK: there is one, of that status */
	char		error[CURL_ERROR_SIZE];
	long		status;			/* 0: none came */
	int64		retry_after;	/* seconds, may be negative; 0: not said */
	char	   *response;		/* malloc'd, ends with a zero byte; may be NULL */
	size_t		response_length;
	bool		response_cut;	/* it was longer than HTTP_RESPONSE_MAX */
	bool		was_written;	/* bytes of the request have left */
	double		seconds;		/* from start to end */

	CURL	   *easy;
	int			generation;		/* of the settings it was started by */
} HttpRequest;

/* Once, in the worker's process.  Returns the descriptor to wait for. */
extern int	HttpInit(void);

/* Take over washminute.http_timeout and ca_file, for requests from now on. */
extern void HttpConfigure(void);

/* Add "Name: value" to the headers. */
extern void HttpAddHeader(HttpRequest *request, const char *header);

/* How many of so many requests there are descriptors for. */
extern int	HttpRoom(int wanted);

/* False where no more connections can be had: nothing was started. */
extern bool HttpStart(HttpRequest *request);

/* Do what sockets and timers allow.  Requests that end thereby are done. */
extern void HttpDrive(void);

/*
 * Milliseconds until HttpDrive must be called, 0 also while there are requests
 * that are done; -1: when the descriptor is ready.
 */
extern long HttpTimeout(void);

/* The next request that is done, or NULL. */
extern HttpRequest *HttpNextDone(void);

extern void HttpForget(HttpRequest *request);

#endif							/* WASHMINUTE_HTTP_H */
