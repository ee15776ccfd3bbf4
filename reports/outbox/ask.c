#include "reports/ask.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "protocol/base/buffer.h"
#include "protocol/base/json.h"

enum { ANSWER_BYTES_MAX = 1 << 16 };

static size_t take_answer(char *data, size_t size, size_t count, void *context)
{
    return buffer_append(context, data, size * count) ? 0 : size * count;
}

static int append_pair(CURL *curl, struct buffer *url, const char *mark, const char *name,
                       const char *value)
{
    char *escaped = curl_easy_escape(curl, value ? value : "", 0);
    int rc = escaped ? buffer_printf(url, "%s%s=%s", mark, name, escaped) : ERROR_MEMORY;
    curl_free(escaped);
    return rc;
}

static int read_answer(struct buffer *body, long status, const char *url, struct ask_answer *out,
                       struct error *err)
{
    const char *text = buffer_text(body);
    cJSON *object = text ? cJSON_Parse(text) : NULL;
    const cJSON *allowed = cJSON_GetObjectItemCaseSensitive(object, "allowed");
    int rc = 0;
    if (status != 200 || !cJSON_IsBool(allowed))
        rc = error_set(err, ERROR_PROTOCOL,
                       "%s answered %ld, expected 200 and {\"allowed\": true or false}", url,
                       status);
    out->allowed = !rc && cJSON_IsTrue(allowed);
    snprintf(out->reason, sizeof out->reason, "%s", json_string(object, "reason", ""));
    for (char *p = out->reason; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    cJSON_Delete(object);
    return rc;
}

static void set_pem(CURL *curl, CURLoption option, const char *pem)
{
    struct curl_blob blob = {(void *)pem, strlen(pem), CURL_BLOB_COPY};
    curl_easy_setopt(curl, option, &blob);
}

int ask_line(const struct ask_question *q, struct ask_answer *out, struct error *err)
{
    struct buffer url = {0}, body = {.limit_bytes = ANSWER_BYTES_MAX};
    long status = 0;
    memset(out, 0, sizeof *out);
    CURL *curl = curl_easy_init();
    int rc = curl ? buffer_append_text(&url, q->url) : ERROR_MEMORY;
    if (!rc)
        rc = append_pair(curl, &url, strchr(q->url, '?') ? "&" : "?", "serial", q->serial);
    if (!rc)
        rc = append_pair(curl, &url, "&", "order", q->order);
    if (!rc)
        rc = append_pair(curl, &url, "&", "product", q->product);
    if (!rc)
        rc = append_pair(curl, &url, "&", "station", q->station);
    if (rc || !buffer_text(&url)) {
        rc = error_set(err, ERROR_MEMORY, "asking the line: out of memory");
        goto out;
    }
    curl_easy_setopt(curl, CURLOPT_URL, buffer_text(&url));
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, q->timeout_ms);
    if (q->ca && *q->ca)
        curl_easy_setopt(curl, CURLOPT_CAINFO, q->ca);
    if (q->certificate_pem && q->private_key_pem) {
        set_pem(curl, CURLOPT_SSLCERT_BLOB, q->certificate_pem);
        set_pem(curl, CURLOPT_SSLKEY_BLOB, q->private_key_pem);
    }
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    CURLcode code = curl_easy_perform(curl);
    if (code == CURLE_OPERATION_TIMEDOUT)
        rc = error_set(err, ERROR_TIMEOUT, "%s: no answer within %ld ms", q->url, q->timeout_ms);
    else if (code != CURLE_OK)
        rc = error_set(err, ERROR_CLOSED, "%s: %s", q->url, curl_easy_strerror(code));
    else {
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        rc = read_answer(&body, status, q->url, out, err);
    }
out:
    curl_easy_cleanup(curl);
    buffer_free(&url);
    buffer_free(&body);
    return rc;
}
