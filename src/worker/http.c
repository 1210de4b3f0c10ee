/*-------------------------------------------------------------------------
 *
 * http.c
 *		HTTP requests by libcurl, many at once, without blocking.
 *
 * A WaitEventSet of PostgreSQL 15 cannot let go of a socket, and libcurl's come
 * and go: so these stand in an epoll set of their own, whose descriptor is what
 * the worker waits for.  libcurl's one timer is a number here, and becomes the
 * wait's timeout.
 *
 * libcurl resolves names in threads, which must not run PostgreSQL's signal
 * handlers: all signals are blocked around the calls that may start one.  Its
 * callbacks neither allocate by palloc nor raise.  Nothing of libcurl's is in
 * shared memory, and nothing is cleaned up at exit: the process ends.
 *
 * HTTP/1.1 alone: before version 8 libcurl could report a failed HTTP/2 transfer
 * as a success.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/epoll.h>
#include <unistd.h>

#include "libpq/pqsignal.h"
#include "portability/instr_time.h"
#include "storage/fd.h"

#include "base/compat.h"
#include "base/guc.h"
#include "worker/stopwatch.h"
#include "worker/http.h"

#define EVENTS_AT_ONCE 256
#define IDLE_HANDLES_MAX 128
#define CONNECT_TIMEOUT_MS 5000L

static CURLM *multi = NULL;
static int	epoll_fd = -1;
static int64 timer_at = -1;		/* monotonic microseconds; -1: not set */
static dlist_head done = DLIST_STATIC_INIT(done);
static CURL *idle[IDLE_HANDLES_MAX];
static int	idle_count = 0;
static int	running = 0;
static int	reserved_descriptors = 0;
static int	generation = 0;		/* of the settings that handles were made by */

/* libcurl is in a state that only a new process gets it out of. */
static void
HttpBroken(const char *what, const char *reason)
{
	ereport(FATAL,
			(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
			 errmsg("libcurl failed: %s: %s", what, reason)));
}

static void
RequireMulti(CURLMcode code, const char *what)
{
	if (code != CURLM_OK)
		HttpBroken(what, curl_multi_strerror(code));
}

static int
SocketChanged(CURL *easy, curl_socket_t socket, int what, void *context,
			  void *socket_context)
{
	struct epoll_event event = {.data.fd = socket};

	if (what == CURL_POLL_REMOVE)
	{
		/* it may be closed already */
		(void) epoll_ctl(epoll_fd, EPOLL_CTL_DEL, socket, NULL);
		return 0;
	}
	if (what & CURL_POLL_IN)
		event.events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		event.events |= EPOLLOUT;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, socket, &event) != 0 &&
		(errno != EEXIST ||
		 epoll_ctl(epoll_fd, EPOLL_CTL_MOD, socket, &event) != 0))
		return -1;
	return 0;
}

static int
TimerChanged(CURLM *changed, long milliseconds, void *context)
{
	timer_at = milliseconds < 0 ? -1 : MonotonicNow() + milliseconds * INT64CONST(1000);
	return 0;
}

/* Keep what fits; a short count makes libcurl end the transfer. */
static size_t
ResponseArrived(char *bytes, size_t size, size_t count, void *context)
{
	HttpRequest *request = context;
	size_t		length = size * count;
	char	   *larger;

	if (request->response_length + length > HTTP_RESPONSE_MAX)
	{
		request->response_cut = true;
		return 0;
	}
	larger = realloc(request->response, request->response_length + length + 1);
	if (larger == NULL)
		return 0;
	request->response = larger;
	memcpy(larger + request->response_length, bytes, length);
	request->response_length += length;
	larger[request->response_length] = '\0';
	return length;
}

int
HttpInit(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		HttpBroken("curl_global_init", "not initialized");
	multi = curl_multi_init();
	if (multi == NULL)
		HttpBroken("curl_multi_init", "out of memory");
	(void) AcquireExternalFD();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		ereport(FATAL,
				(errcode_for_socket_access(),
				 errmsg("could not create an epoll set: %m")));
	RequireMulti(curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, SocketChanged),
				 "CURLMOPT_SOCKETFUNCTION");
	RequireMulti(curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, TimerChanged),
				 "CURLMOPT_TIMERFUNCTION");
	RequireMulti(curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long) IDLE_HANDLES_MAX),
				 "CURLMOPT_MAXCONNECTS");
	return epoll_fd;
}

/* The options of all requests; those that settings give, HttpConfigure renews. */
static CURL *
HandleMake(void)
{
	CURL	   *easy = curl_easy_init();

	if (easy == NULL)
		return NULL;
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "washminute/" WASHMINUTE_VERSION);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 16384L);
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ResponseArrived);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long) washminute_http_timeout);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
					 Min(CONNECT_TIMEOUT_MS, (long) washminute_http_timeout));
	if (washminute_ca_file != NULL && washminute_ca_file[0] != '\0')
		curl_easy_setopt(easy, CURLOPT_CAINFO, washminute_ca_file);
	return easy;
}

void
HttpConfigure(void)
{
	generation++;
	while (idle_count > 0)
		curl_easy_cleanup(idle[--idle_count]);
}

void
HttpAddHeader(HttpRequest *request, const char *header)
{
	struct curl_slist *headers = curl_slist_append(request->headers, header);

	if (headers == NULL)
		HttpBroken("curl_slist_append", "out of memory");
	request->headers = headers;
}

int
HttpRoom(int wanted)
{
	while (reserved_descriptors - running < wanted && AcquireExternalFD())
		reserved_descriptors++;
	return Min(wanted, reserved_descriptors - running);
}

bool
HttpStart(HttpRequest *request)
{
	CURL	   *easy;

	if (HttpRoom(1) == 0)
		return false;
	easy = idle_count > 0 ? idle[--idle_count] : HandleMake();
	if (easy == NULL)
		return false;

	request->easy = easy;
	request->generation = generation;
	request->error[0] = '\0';
	curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->error);
	curl_easy_setopt(easy, CURLOPT_URL, request->url);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request->headers);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long) request->body_length);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, (long) request->only_once);
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, (long) request->only_once);
	RequireMulti(curl_multi_add_handle(multi, easy), "curl_multi_add_handle");
	running++;
	return true;
}

/* Take the answer of a transfer that has ended. */
static void
RequestEnded(CURL *easy, CURLcode code)
{
	HttpRequest *request;
	curl_off_t	retry_after = 0;
	curl_off_t	microseconds = 0;
	long		written = 0;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **) &request);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &request->status);
	curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_after);
	curl_easy_getinfo(easy, CURLINFO_TOTAL_TIME_T, &microseconds);
	curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &written);
	request->code = code;
	request->retry_after = retry_after;
	request->seconds = (double) microseconds / 1e6;
	request->was_written = written > 0;
	if (code != CURLE_OK && request->error[0] == '\0')
		strlcpy(request->error, curl_easy_strerror(code), sizeof(request->error));

	RequireMulti(curl_multi_remove_handle(multi, easy), "curl_multi_remove_handle");
	running--;
	request->easy = NULL;
	if (idle_count < IDLE_HANDLES_MAX && request->generation == generation)
	{
		/* what points into the request goes; the rest is set anew before it is read */
		curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL);
		curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
		idle[idle_count++] = easy;
	}
	else
		curl_easy_cleanup(easy);
	dlist_push_tail(&done, &request->node);
}

static void
DriveSockets(void)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int			still_running;
	int			count = epoll_wait(epoll_fd, events, EVENTS_AT_ONCE, 0);

	for (int i = 0; i < count; i++)
	{
		int			what = 0;

		if (events[i].events & EPOLLIN)
			what |= CURL_CSELECT_IN;
		if (events[i].events & EPOLLOUT)
			what |= CURL_CSELECT_OUT;
		if (events[i].events & (EPOLLERR | EPOLLHUP))
			what |= CURL_CSELECT_ERR;
		RequireMulti(curl_multi_socket_action(multi, events[i].data.fd, what, &still_running),
					 "curl_multi_socket_action");
	}
	if (timer_at >= 0 && MonotonicNow() >= timer_at)
	{
		timer_at = -1;
		RequireMulti(curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &still_running),
					 "curl_multi_socket_action");
	}
}

void
HttpDrive(void)
{
	CURLMsg    *message;
	int			left;
	sigset_t	before;

	sigprocmask(SIG_SETMASK, &BlockSig, &before);
	DriveSockets();
	sigprocmask(SIG_SETMASK, &before, NULL);

	while ((message = curl_multi_info_read(multi, &left)) != NULL)
	{
		if (message->msg == CURLMSG_DONE)
			RequestEnded(message->easy_handle, message->data.result);
	}
}

long
HttpTimeout(void)
{
	int64		left;

	if (!dlist_is_empty(&done))
		return 0;
	if (timer_at < 0)
		return -1;
	left = timer_at - MonotonicNow();
	return left <= 0 ? 0 : (long) ((left + 999) / 1000);
}

HttpRequest *
HttpNextDone(void)
{
	if (dlist_is_empty(&done))
		return NULL;
	return dlist_container(HttpRequest, node, dlist_pop_head_node(&done));
}

void
HttpForget(HttpRequest *request)
{
	curl_slist_free_all(request->headers);
	free(request->response);
	request->headers = NULL;
	request->response = NULL;
}
