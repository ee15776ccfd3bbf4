/* What a unit says to a station, as JSON on stdout: unit_says STATION SLOT METHOD [PARAMS]
 * `hello` is asked in the clear, everything else in a secure session that a token let in. Waits up
 * to 20 s for the unit to come up; UNIT_SAYS_MS changes that. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/base/file.h"
#include "protocol/base/json.h"
#include "protocol/wire/session.h"
#include "tests/integration/enter.h"

enum { OPEN_MS = 1000, HELLO_MS = 2000, SECURE_MS = 5000, CALL_MS = 20000, RETRY_NS = 100000000 };

/* A file named in the station file, relative to it. */
static char *read_beside(const char *station, const char *name)
{
    char folder[4096], path[4096];
    struct buffer text = {.limit_bytes = 65536};
    struct error err = {0};
    snprintf(folder, sizeof folder, "%s", station);
    char *slash = strrchr(folder, '/');
    strcpy(slash ? slash : folder, slash ? "" : ".");
    if (file_join(path, sizeof path, folder, name, &err) || file_read(path, &text, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(2);
    }
    char *copy = strdup(buffer_text(&text));
    buffer_free(&text);
    return copy;
}

static const char *port_of(const cJSON *station, int slot)
{
    const cJSON *each;
    cJSON_ArrayForEach(each, cJSON_GetObjectItem(station, "slots"))
    {
        if (json_number(each, "slot", 0) == slot)
            return json_string(each, "port", "");
    }
    return "";
}

/* Frames and sounds that come along are read and dropped. */
static int attachment_begins(void *context, const char *name, const char *type, uint64_t bytes,
                             struct error *err)
{
    return 0;
}

static int attachment_dropped(void *context, const uint8_t *data, size_t size, struct error *err)
{
    return 0;
}

static int ask(const char *port, const struct credentials *credentials, const char *token_key,
               const char *method, const cJSON *params, cJSON **result, struct error *err)
{
    struct transport *t;
    struct session *s = NULL;
    struct session_config config = {.credentials = credentials};
    struct call hello = {.method = "hello", .timeout_ms = HELLO_MS};
    const struct attachment_sink sink = {.begin = attachment_begins, .write = attachment_dropped};
    struct call call = {.method = method, .params = params, .timeout_ms = CALL_MS, .sink = &sink};
    bool plain = strcmp(method, "hello") == 0;
    hello.params = cJSON_Parse("{\"versions\": [1], \"client\": \"unit_says\"}");
    int rc = transport_open(port, OPEN_MS, &t, err);
    if (!rc)
        rc = session_open(t, &config, &s, err);
    if (!rc)
        rc = session_call(s, &hello, result, err);
    if (!rc && !plain) {
        cJSON *said = *result;
        *result = NULL;
        rc = session_secure(s, SECURE_MS, err);
        if (!rc)
            rc = enter_unit(s, said, token_key, NULL, err);
        cJSON_Delete(said);
        if (!rc)
            rc = session_call(s, &call, result, err);
    }
    if (s)
        session_close(s);
    cJSON_Delete((cJSON *)hello.params);
    return rc;
}

int main(int argc, char **argv)
{
    struct json_document *station;
    struct error err = {0};
    cJSON *result = NULL, *params = argc > 4 ? cJSON_Parse(argv[4]) : NULL;
    const char *wait_ms = getenv("UNIT_SAYS_MS");
    if (argc < 4 || json_load(argv[1], &station, &err)) {
        fprintf(stderr, "unit_says STATION SLOT METHOD [PARAMS] %s\n", err.text);
        return 2;
    }
    const cJSON *files = cJSON_GetObjectItem(json_root(station), "credentials");
    char *certificate = read_beside(argv[1], json_string(files, "certificate", ""));
    char *key = read_beside(argv[1], json_string(files, "key", ""));
    char *token_key = read_beside(argv[1], json_string(files, "token_key", ""));
    struct credentials credentials = {.certificate_pem = certificate, .private_key_pem = key};
    const char *port = port_of(json_root(station), atoi(argv[2]));
    int64_t until_ms = clock_mono_ms() + (wait_ms ? atoi(wait_ms) : 20000);
    int rc;
    do {
        rc = ask(port, &credentials, token_key, argv[3], params, &result, &err);
        if (rc)
            clock_sleep_until_ns(clock_mono_ns() + RETRY_NS);
    } while (rc && rc != ERROR_REMOTE && clock_mono_ms() < until_ms);
    char *text = rc ? NULL : cJSON_PrintUnformatted(result);
    if (text)
        puts(text);
    else
        fprintf(stderr, "%s: %s: %s\n", port, error_name(rc), err.text);
    free(text);
    free(certificate);
    free(key);
    free(token_key);
    cJSON_Delete(params);
    cJSON_Delete(result);
    json_free(station);
    return rc ? 1 : 0;
}
