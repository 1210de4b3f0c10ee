/*-------------------------------------------------------------------------
 *
 * expo.c
 *		The wire format of the Expo push service.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <zlib.h>

#include "base/compat.h"
#include "base/guc.h"
#include "base/json.h"
#include "base/secret.h"
#include "worker/expo.h"

typedef struct ExpoError
{
	const char *code;
	ExpoAction	action;
} ExpoError;

/* Of tickets and receipts; an error that is not here is Expo's own trouble. */
static const ExpoError expo_errors[] = {
	{"DeviceNotRegistered", EXPO_DEVICE_GONE},
	{"MessageTooBig", EXPO_NEVER},
	{"DeveloperError", EXPO_NEVER},
	{"MessageRateExceeded", EXPO_LATER},
	{"MismatchSenderId", EXPO_CREDENTIALS},
	{"InvalidCredentials", EXPO_CREDENTIALS},
	{"InvalidProviderToken", EXPO_CREDENTIALS},
	{"ExpoError", EXPO_LATER},
	{"ProviderError", EXPO_LATER}
};

/* "Authorization: Bearer ...", or empty. */
static char authorization[SECRET_FILE_MAX + 64] = "";

ExpoAction
ExpoActionOf(Jsonb *answer, char *error, size_t size)
{
	char	   *status = JsonMemberText(answer, "status");
	char	   *code;

	error[0] = '\0';
	if (status != NULL && strcmp(status, "ok") == 0)
		return EXPO_OK;
	code = JsonMemberText(JsonMember(answer, "details"), "error");
	snprintf(error, size, "Expo: %s", code ? code : "an error without a code");
	for (int i = 0; code != NULL && i < lengthof(expo_errors); i++)
		if (strcmp(expo_errors[i].code, code) == 0)
			return expo_errors[i].action;
	return EXPO_LATER;
}

char *
ExpoRequestError(Jsonb *body)
{
	List	   *errors = JsonElements(JsonMember(body, "errors"));
	char	   *code;

	/* a bad access token is answered in another form */
	if (errors == NIL)
		return JsonMemberText(body, "error");
	code = JsonMemberText(linitial(errors), "code");
	return code ? code : pstrdup("an error without a code");
}

bool
ExpoConfigure(const char **problem)
{
	char		token[SECRET_FILE_MAX + 1];
	size_t		length;

	*problem = NULL;
	authorization[0] = '\0';
	if (!GucUrlIsSafe(washminute_expo_url))
		*problem = "washminute.expo_url must be https, or http to this machine";
	else if (washminute_expo_access_token_file[0] != '\0')
	{
		length = SecretReadFile(washminute_expo_access_token_file, token, problem);
		for (size_t i = 0; i < length; i++)
			if (token[i] <= ' ' || token[i] > '~')
				*problem = "holds more than one line of printable ASCII";
		if (*problem == NULL)
			snprintf(authorization, sizeof(authorization), "Authorization: Bearer %s", token);
		else
			*problem = psprintf("washminute.expo_access_token_file %s", *problem);
		OPENSSL_cleanse(token, sizeof(token));
	}
	return *problem == NULL;
}

const char *
ExpoUrl(const char *path)
{
	size_t		length = strlen(washminute_expo_url);

	while (length > 0 && washminute_expo_url[length - 1] == '/')
		length--;
	return psprintf("%.*s/%s", (int) length, washminute_expo_url, path);
}

/* gzip, in the current memory context; the length, or 0 where that failed. */
static size_t
Compress(const char *text, size_t length, char **compressed)
{
	z_stream	stream = {0};
	size_t		room;

	if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return 0;
	room = deflateBound(&stream, length);
	*compressed = palloc(room);
	stream.next_in = (Bytef *) unconstify(char *, text);
	stream.avail_in = (uInt) length;
	stream.next_out = (Bytef *) *compressed;
	stream.avail_out = (uInt) room;
	if (deflate(&stream, Z_FINISH) == Z_STREAM_END)
		room = stream.total_out;
	else
		room = 0;
	deflateEnd(&stream);
	return room;
}

void
ExpoFill(HttpRequest *http, const char *url, const char *body)
{
	size_t		length = strlen(body);
	char	   *compressed;
	size_t		compressed_length = length > EXPO_GZIP_FROM ?
		Compress(body, length, &compressed) : 0;

	http->url = url;
	http->body = compressed_length > 0 ? compressed : body;
	http->body_length = compressed_length > 0 ? compressed_length : length;
	HttpAddHeader(http, "Content-Type: application/json");
	HttpAddHeader(http, "Accept: application/json");
	HttpAddHeader(http, "Expect:");
	if (compressed_length > 0)
		HttpAddHeader(http, "Content-Encoding: gzip");
	if (authorization[0] != '\0')
		HttpAddHeader(http, authorization);
}
