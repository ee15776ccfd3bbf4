/* A station at the agent: a real session, secure, over a socket pair; a camera in memory behind
 * it. */
#ifndef TAKT_TESTS_UNIT_FIRMWARE_AGENT_STATION_H
#define TAKT_TESTS_UNIT_FIRMWARE_AGENT_STATION_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "firmware/factory/agent.h"
#include "protocol/base/buffer.h"
#include "protocol/base/digest.h"
#include "protocol/base/json.h"
#include "protocol/base/version.h"
#include "protocol/formats/factory_credentials.h"
#include "protocol/formats/signing.h"
#include "protocol/formats/token.h"
#include "protocol/wire/certificate.h"
#include "tests/unit/firmware/memory_hal.h"

enum { CALL_MS = 20000 };

/* Attachments of an answer. */
struct received {
    struct buffer data[4];
    char name[4][24];
    int count;
};

struct fixture {
    struct board board;
    struct memory_hal m;
    struct signing_key key, token_key;
    struct certificate ca, station, unit;
    struct credentials station_credentials, unit_credentials;
    struct agent *agent;
    struct agent_session *agent_session;
    struct session *unit_session, *session; /* the unit's end, the station's end */
    struct error err;
    cJSON *result;
    struct received received;
    char log[600]; /* the unit's last line */
};

static inline int take_begin(void *context, const char *name, const char *type, uint64_t bytes,
                             struct error *err)
{
    struct received *r = context;
    if (r->count == 4)
        return error_set(err, ERROR_FULL, "more than four attachments");
    snprintf(r->name[r->count++], sizeof r->name[0], "%s", name);
    return 0;
}

static inline int take_data(void *context, const uint8_t *data, size_t size, struct error *err)
{
    struct received *r = context;
    return buffer_append(&r->data[r->count - 1], data, size);
}

static inline void forget(struct fixture *f)
{
    cJSON_Delete(f->result);
    f->result = NULL;
    for (int i = 0; i < 4; i++)
        buffer_free(&f->received.data[i]);
    f->received.count = 0;
}

/* One call; params are JSON text. The result and attachments stay in the fixture. */
static inline int call_with(struct fixture *f, const char *method, const char *params,
                            const char *name, const void *data, size_t size)
{
    cJSON *parsed = params ? cJSON_Parse(params) : NULL;
    assert_true(!params || parsed);
    forget(f);
    const struct attachment_sink sink = {take_begin, take_data, &f->received};
    const struct attachment_source source = {
        .name = name, .type = "application/octet-stream", .bytes = size, .data = data};
    const struct call call = {.method = method,
                              .params = parsed,
                              .timeout_ms = CALL_MS,
                              .sources = &source,
                              .source_count = name ? 1 : 0,
                              .sink = &sink};
    f->err = (struct error){0};
    int rc = session_call(f->session, &call, &f->result, &f->err);
    cJSON_Delete(parsed);
    return rc;
}

static inline int call(struct fixture *f, const char *method, const char *params)
{
    return call_with(f, method, params, NULL, NULL, 0);
}

static inline void passes(struct fixture *f, const char *method, const char *params)
{
    if (call(f, method, params))
        fail_msg("%s: %s", method, f->err.text);
}

/* The unit's refusal must hold these words. */
static inline void refused(struct fixture *f, const char *method, const char *params,
                           const char *words)
{
    if (!call(f, method, params))
        fail_msg("%s %s was not refused", method, params ? params : "");
    if (!strstr(f->err.text, words))
        fail_msg("%s: expected '%s' in '%s'", method, words, f->err.text);
}

static inline double number(const struct fixture *f, const char *name)
{
    return json_number(f->result, name, -12345);
}

/* What the flasher writes into the partition "factory". */
static inline void write_credentials(struct fixture *f)
{
    struct factory_credentials c = {0};
    const struct board_partition *p = board_partition(&f->board, "factory", 0);
    uint8_t bytes[FACTORY_CREDENTIALS_BYTES];
    size_t size;
    strcpy(c.ca_pem, f->ca.certificate_pem);
    strcpy(c.token_key_pem, f->token_key.public_pem);
    assert_int_equal(factory_credentials_encode(&c, bytes, &size, NULL), 0);
    memset(f->m.flash.bytes + p->offset_bytes, 0xff, p->size_bytes);
    memcpy(f->m.flash.bytes + p->offset_bytes, bytes, size);
}

static inline void connect_station(struct fixture *f)
{
    int pair[2];
    struct transport *station, *unit;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(transport_from_fd(pair[0], pair[0], true, "station", &station, NULL), 0);
    assert_int_equal(transport_from_fd(pair[1], pair[1], true, "unit", &unit, NULL), 0);
    assert_int_equal(agent_session_create(f->agent, &f->agent_session, &f->err), 0);
    const struct session_config serve = {
        .server = true,
        .methods = agent_methods(f->agent),
        .method_context = f->agent_session,
        .credentials = agent_factory_ca(f->agent) ? &f->unit_credentials : NULL,
        .require_secure = true};
    const struct session_config ask = {.credentials = &f->station_credentials};
    assert_int_equal(session_open(unit, &serve, &f->unit_session, &f->err), 0);
    assert_int_equal(session_open(station, &ask, &f->session, &f->err), 0);
}

/* TLS, but no token yet. */
static inline void secure_session(struct fixture *f)
{
    connect_station(f);
    if (session_secure(f->session, CALL_MS, &f->err))
        fail_msg("%s", f->err.text);
}

/* The unit's clock. */
static int64_t wall_now_s;

static inline int64_t wall_s(void)
{
    return wall_now_s;
}

/* A right token for this session, to be spoilt by whoever wants to; it asks hello for the nonce. */
static inline struct token token_for(struct fixture *f)
{
    struct token t = {.chip_id = "00112233445566778899aabbccddeeff",
                      .order = "ORDER-1",
                      .station = "line 1",
                      .issued_s = wall_now_s,
                      .expires_s = wall_now_s + 600};
    passes(f, "hello", "{\"versions\":[1]}");
    snprintf(t.nonce, sizeof t.nonce, "%s", json_string(f->result, "nonce", ""));
    return t;
}

static inline int enter_signed(struct fixture *f, const struct token *t,
                               const struct signing_key *key)
{
    char text[TOKEN_TEXT_MAX + 1], hex[2 * SIGNATURE_BYTES_MAX + 1];
    uint8_t signature[SIGNATURE_BYTES_MAX];
    size_t size;
    if (token_write(t, text, &f->err) ||
        signing_sign(key->private_pem, text, strlen(text), signature, &size, &f->err))
        fail_msg("%s", f->err.text);
    hex_encode(signature, size, hex);
    cJSON *params = cJSON_CreateObject();
    cJSON_AddStringToObject(params, "token", text);
    cJSON_AddStringToObject(params, "signature", hex);
    char *printed = cJSON_PrintUnformatted(params);
    int rc = call(f, "factory.enter", printed);
    free(printed);
    cJSON_Delete(params);
    return rc;
}

/* As a station does it. */
static inline void secure_station(struct fixture *f)
{
    secure_session(f);
    struct token t = token_for(f);
    if (enter_signed(f, &t, &f->token_key))
        fail_msg("%s", f->err.text);
}

static inline void disconnect(struct fixture *f)
{
    session_close(f->session);
    session_close(f->unit_session);
    f->session = f->unit_session = NULL;
    agent_session_free(f->agent_session);
    f->agent_session = NULL;
}

static inline void note_log(void *context, const char *line)
{
    struct fixture *f = context;
    snprintf(f->log, sizeof f->log, "%s", line);
}

static inline void power_up(struct fixture *f)
{
    const struct agent_config config = {.board = &f->board,
                                        .hal = &f->m.hal,
                                        .bundle_key_pem = f->key.public_pem,
                                        .log = note_log,
                                        .log_context = f,
                                        .wall_s = wall_s};
    if (agent_create(&config, &f->agent, &f->err))
        fail_msg("%s", f->err.text);
}

static inline void power_cycle(struct fixture *f)
{
    disconnect(f);
    agent_free(f->agent);
    power_up(f);
}

static inline int make(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_int_equal(
        board_parse("tiny", memory_flash_board, strlen(memory_flash_board), &f->board, NULL), 0);
    memory_hal_make(&f->m, &f->board);
    assert_int_equal(signing_key_make(&f->key, NULL), 0);
    assert_int_equal(signing_key_make(&f->token_key, NULL), 0);
    assert_int_equal(certificate_make_ca("factory", 10, &f->ca, NULL), 0);
    assert_int_equal(certificate_issue(&f->ca, "station", "station", 10, &f->station, NULL), 0);
    assert_int_equal(certificate_make_unit("00112233445566778899aabbccddeeff", &f->unit, NULL), 0);
    f->station_credentials = (struct credentials){.certificate_pem = f->station.certificate_pem,
                                                  .private_key_pem = f->station.private_key_pem};
    f->unit_credentials = (struct credentials){.certificate_pem = f->unit.certificate_pem,
                                               .private_key_pem = f->unit.private_key_pem,
                                               .ca_pem = f->ca.certificate_pem};
    wall_now_s = takt_build_time_s + 1000;
    write_credentials(f);
    power_up(f);
    *state = f;
    return 0;
}

static inline int drop(void **state)
{
    struct fixture *f = *state;
    forget(f);
    disconnect(f);
    agent_free(f->agent);
    certificate_free(&f->ca);
    certificate_free(&f->station);
    certificate_free(&f->unit);
    signing_key_free(&f->key);
    signing_key_free(&f->token_key);
    memory_hal_free(&f->m);
    free(f);
    return 0;
}

static inline bool capable(const struct fixture *f, const char *method)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(f->result, "capabilities"), *item;
    cJSON_ArrayForEach(item, list) if (strcmp(item->valuestring, method) == 0) return true;
    return false;
}

#endif
