/* HTTP(S): a POST a message, with the header Idempotency-Key. 2xx is an acknowledgement, and so is
 * 409, "I have that key"; 408, 425, 429 and 5xx mean later; anything else is a refusal.
 *
 * Attachments go first, each by a PUT to `attachments_url`/HASH with If-None-Match: * (RFC 9110,
 * 13.1.2), to which 412 says that the content is there already. */
#include <curl/curl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/file.h"
#include "reports/outbox/connector.h"

enum { ANSWER_BYTES_MAX = 4096, TIMEOUT_MS = 30000, CONNECT_MS = 10000 };

struct http {
    CURL *curl;
    const struct outbox_format *format;
    struct curl_slist *headers; /* those that are always the same */
    char *url, *attachments_url;
    struct outbox_attachments attachments;
    struct buffer answer;
};

static const char *const members[] = {
    "url", "format",        "timeout_ms",      "ca",          "certificate",
    "key", "authorization", "attachments_url", "attachments", "attachment_bytes_max",
    NULL};
static const char *const wats_members[] = {"url", "timeout_ms",    "ca", "certificate",
                                           "key", "authorization", NULL};

static int check_address(const struct json_document *doc, const cJSON *destination,
                         const char *member, struct error *err)
{
    const char *url;
    int rc = json_need_string(doc, destination, member, &url, err);
    if (!rc && strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        rc = json_complain(doc, cJSON_GetObjectItemCaseSensitive(destination, member), err,
                           "'%s' is no address, expected http://... or https://...", url);
    return rc;
}

static int check_url(const struct json_document *doc, const cJSON *destination, struct error *err)
{
    const char *text;
    long long timeout_ms;
    int rc = check_address(doc, destination, "url", err);
    if (!rc && cJSON_GetObjectItemCaseSensitive(destination, "timeout_ms"))
        rc = json_need_integer(doc, destination, "timeout_ms", 10, 600000, &timeout_ms, err);
    static const char *const texts[] = {"ca", "certificate", "key", "authorization"};
    for (size_t i = 0; !rc && i < sizeof texts / sizeof texts[0]; i++)
        if (cJSON_GetObjectItemCaseSensitive(destination, texts[i]))
            rc = json_need_string(doc, destination, texts[i], &text, err);
    return rc;
}

static int check(const struct json_document *doc, const cJSON *destination, struct error *err)
{
    const char *format = json_string(destination, "format", "json");
    int rc = check_url(doc, destination, err);
    if (!rc && !outbox_format_find(format))
        rc = json_complain(doc, cJSON_GetObjectItemCaseSensitive(destination, "format"), err,
                           "'%s' is no format, expected json, csv or wsjf", format);
    if (!rc)
        rc = outbox_attachments_check(doc, destination, err);
    if (!rc && cJSON_GetObjectItemCaseSensitive(destination, "attachments"))
        rc = check_address(doc, destination, "attachments_url", err);
    return rc;
}

static size_t take_answer(char *data, size_t size, size_t count, void *context)
{
    struct http *h = context;
    size_t room = ANSWER_BYTES_MAX - h->answer.size, n = size * count;
    buffer_append(&h->answer, data, n < room ? n : room); /* the rest is of no interest */
    return n;
}

static void close_http(void *connection)
{
    struct http *h = connection;
    if (!h)
        return;
    curl_easy_cleanup(h->curl);
    curl_slist_free_all(h->headers);
    buffer_free(&h->answer);
    free(h->url);
    free(h->attachments_url);
    free(h);
}

/* A file named in the station file, for libcurl to read. */
static void set_file(CURL *curl, CURLoption option, const cJSON *destination, const char *member,
                     const char *folder)
{
    char path[PATH_MAX];
    const char *name = json_string(destination, member, "");
    struct error ignored;
    if (*name && file_join(path, sizeof path, folder, name, &ignored) == 0)
        curl_easy_setopt(curl, option, path);
}

static void curl_once(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int open_as(const cJSON *destination, const char *folder, const struct outbox_format *format,
                   void **out, struct error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    char line[600];
    pthread_once(&once, curl_once);
    struct http *h = calloc(1, sizeof *h);
    if (!h || !(h->curl = curl_easy_init()) ||
        !(h->url = strdup(json_string(destination, "url", ""))) ||
        !(h->attachments_url = strdup(json_string(destination, "attachments_url", "")))) {
        close_http(h);
        return error_set(err, ERROR_MEMORY, "an HTTP connection: out of memory");
    }
    h->format = format;
    h->attachments = outbox_attachments_of(destination);
    h->headers = curl_slist_append(h->headers, "Expect:"); /* no waiting for a 100 */
    const char *authorization = json_string(destination, "authorization", "");
    snprintf(line, sizeof line, "Authorization: %s", authorization);
    if (*authorization)
        h->headers = curl_slist_append(h->headers, line);
    curl_easy_setopt(h->curl, CURLOPT_NOSIGNAL,
                     1L); /* timeouts without signals: there are threads */
    curl_easy_setopt(h->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h->curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(h->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(h->curl, CURLOPT_TIMEOUT_MS,
                     (long)json_number(destination, "timeout_ms", TIMEOUT_MS));
    curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, h);
    set_file(h->curl, CURLOPT_CAINFO, destination, "ca", folder);
    set_file(h->curl, CURLOPT_SSLCERT, destination, "certificate", folder);
    set_file(h->curl, CURLOPT_SSLKEY, destination, "key", folder);
    *out = h;
    return 0;
}

static int open_http(const cJSON *destination, const char *folder, void **out, struct error *err)
{
    return open_as(destination, folder,
                   outbox_format_find(json_string(destination, "format", "json")), out, err);
}

static int open_wats(const cJSON *destination, const char *folder, void **out, struct error *err)
{
    return open_as(destination, folder, &outbox_format_wsjf, out, err);
}

static int judge(struct http *h, const char *url, long status, long known, struct error *err)
{
    if ((status >= 200 && status <= 299) || status == known)
        return 0;
    bool later = status == 408 || status == 425 || status == 429 || status >= 500;
    const char *said = buffer_text(&h->answer);
    return error_set(err, later ? ERROR_BUSY : ERROR_REFUSED, "%s answered %ld: %.200s", url,
                     status, said ? said : "");
}

/* One request with a body; `known` is the status that says "I have that". */
static int request(struct http *h, const char *method, const char *url, const char *mime,
                   const char *condition, long known, const struct buffer *body, struct error *err)
{
    char type[600];
    long status = 0;
    snprintf(type, sizeof type, "Content-Type: %.500s", mime);
    struct curl_slist typed = {type, h->headers}, all = {(char *)condition, &typed};
    h->answer.size = 0;
    curl_easy_setopt(h->curl, CURLOPT_URL, url);
    curl_easy_setopt(h->curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, &all);
    curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->size);
    curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, body->size ? (const char *)body->data : "");
    CURLcode code = curl_easy_perform(h->curl);
    curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, NULL);
    if (code != CURLE_OK)
        return error_set(err, code == CURLE_OPERATION_TIMEDOUT ? ERROR_TIMEOUT : ERROR_CLOSED,
                         "%s: %s", url, curl_easy_strerror(code));
    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
    return judge(h, url, status, known, err);
}

static int put_attachment(void *context, const char *sha256, const char *mime,
                          const struct buffer *bytes, struct error *err)
{
    struct http *h = context;
    struct buffer url = {0};
    size_t n = strlen(h->attachments_url);
    buffer_printf(&url, "%s%s%s", h->attachments_url,
                  n && h->attachments_url[n - 1] == '/' ? "" : "/", sha256);
    const char *text = buffer_text(&url);
    int rc = text ? request(h, "PUT", text, mime, "If-None-Match: *", 412, bytes, err)
                  : error_set(err, ERROR_MEMORY, "an attachment's address: out of memory");
    buffer_free(&url);
    return rc;
}

static int send_message(void *connection, const struct outbox_message *m, struct error *err)
{
    struct http *h = connection;
    struct buffer body = {0};
    char key[80];
    snprintf(key, sizeof key, "Idempotency-Key: %s", m->key);
    int rc = outbox_attachments_each(&h->attachments, m, put_attachment, h, err);
    if (!rc)
        rc = h->format->write(m, &body, err);
    if (!rc)
        rc = request(h, "POST", h->url, h->format->mime, key, 409, &body, err);
    buffer_free(&body);
    return rc;
}

const struct connector connector_http = {
    .name = "http",
    .members = members,
    .check = check,
    .open = open_http,
    .send = send_message,
    .close = close_http,
};

/* WATS takes a report at its address as WSJF; `authorization` is "Basic TOKEN". */
const struct connector connector_wats = {
    .name = "wats",
    .members = wats_members,
    .check = check_url,
    .open = open_wats,
    .send = send_message,
    .close = close_http,
};
