/* Two sessions over a pair of descriptors, and methods to call on the unit's: what the session
 * tests and the benchmark stand on. */
#ifndef TAKT_TESTS_UNIT_PROTOCOL_PEERS_H
#define TAKT_TESTS_UNIT_PROTOCOL_PEERS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/json.h"
#include "protocol/wire/certificate.h"
#include "protocol/wire/session.h"

/* Byte i of the pattern of a seed: position and seed both show in it. */
static inline uint8_t pattern(uint32_t seed, uint64_t i)
{
    uint64_t x = (i + 1) * 0x9E3779B97F4A7C15u ^ seed * 0xC2B2AE3D27D4EB4Fu;
    return (uint8_t)(x >> 56 ^ x >> 23);
}

struct stream {
    uint32_t seed;
    uint64_t at, bytes; /* of the present attachment */
    uint64_t total;
    int wrong; /* bytes that are not the pattern's */
    int begun; /* attachments */
    int slow_us;
};

static inline int stream_read(void *context, uint8_t *data, size_t size, struct error *err)
{
    struct stream *s = context;
    for (size_t i = 0; i < size; i++)
        data[i] = pattern(s->seed, s->at++);
    return (int)size;
}

static inline int stream_begin(void *context, const char *name, const char *type, uint64_t bytes,
                               struct error *err)
{
    struct stream *s = context;
    s->at = 0;
    s->bytes = bytes;
    s->begun++;
    return 0;
}

static inline int stream_write(void *context, const uint8_t *data, size_t size, struct error *err)
{
    struct stream *s = context;
    for (size_t i = 0; i < size; i++)
        s->wrong += data[i] != pattern(s->seed, s->at++);
    s->total += size;
    if (s->slow_us)
        usleep((useconds_t)s->slow_us);
    return 0;
}

static inline int serve_echo(void *context, struct request *r, const cJSON *params, cJSON **result,
                             struct error *err)
{
    *result = params ? cJSON_Duplicate(params, true) : cJSON_CreateObject();
    return 0;
}

/* Takes attachments of pattern {"seed"}; answers how many bytes came and how many were wrong. */
static inline int serve_take(void *context, struct request *r, const cJSON *params, cJSON **result,
                             struct error *err)
{
    struct stream s = {.seed = (uint32_t)json_number(params, "seed", 0),
                       .slow_us = (int)json_number(params, "slow_us", 0)};
    struct attachment_sink sink = {stream_begin, stream_write, &s};
    int rc = request_receive(r, &sink, err);
    *result = cJSON_CreateObject();
    cJSON_AddNumberToObject(*result, "bytes", (double)s.total);
    cJSON_AddNumberToObject(*result, "wrong", s.wrong);
    cJSON_AddNumberToObject(*result, "attachments", s.begun);
    return rc;
}

/* Answers {"count"} attachments of {"bytes"} of pattern {"seed"}. */
static inline int serve_give(void *context, struct request *r, const cJSON *params, cJSON **result,
                             struct error *err)
{
    int rc = 0;
    for (int i = 0; i < (int)json_number(params, "count", 1) && !rc; i++) {
        struct stream s = {.seed = (uint32_t)json_number(params, "seed", 0)};
        char name[16];
        snprintf(name, sizeof name, "part%d", i);
        struct attachment_source source = {name,
                                           "application/octet-stream",
                                           (uint64_t)json_number(params, "bytes", 0),
                                           stream_read,
                                           &s,
                                           NULL};
        rc = request_send(r, &source, err);
    }
    return rc;
}

static inline int serve_wait(void *context, struct request *r, const cJSON *params, cJSON **result,
                             struct error *err)
{
    int *cancelled = context;
    int rc = request_sleep(r, (int)json_number(params, "ms", 0));
    if (rc && cancelled)
        __atomic_add_fetch(cancelled, 1, __ATOMIC_SEQ_CST);
    return rc ? error_set(err, rc, "taken back") : 0;
}

static inline int serve_fail(void *context, struct request *r, const cJSON *params, cJSON **result,
                             struct error *err)
{
    return error_set(err, ERROR_REFUSED, "the lock is set");
}

static const struct method peer_methods[] = {
    {"hello", true, serve_echo},
    {"echo", false, serve_echo},
    {"take", false, serve_take},
    {"give", false, serve_give},
    {"wait", false, serve_wait},
    {"fail", false, serve_fail},
    {0},
};

struct peers {
    struct session *station, *unit;
    int cancelled; /* waits that were taken back; atomic */
};

struct peers_wish {
    const struct credentials *station, *unit;
    bool require_secure, unreliable;
    int concurrent_max;
};

static inline int peers_open(struct peers *p, int station_fd, int unit_fd,
                             const struct peers_wish *wish, struct error *err)
{
    struct transport *a = NULL, *b = NULL;
    memset(p, 0, sizeof *p);
    int rc = transport_from_fd(station_fd, station_fd, !wish->unreliable, "unit", &a, err);
    if (!rc)
        rc = transport_from_fd(unit_fd, unit_fd, !wish->unreliable, "station", &b, err);
    if (!rc)
        rc = session_open(b,
                          &(struct session_config){.server = true,
                                                   .methods = peer_methods,
                                                   .method_context = &p->cancelled,
                                                   .credentials = wish->unit,
                                                   .concurrent_max = wish->concurrent_max,
                                                   .require_secure = wish->require_secure},
                          &p->unit, err);
    if (!rc)
        rc = session_open(a, &(struct session_config){.credentials = wish->station}, &p->station,
                          err);
    return rc;
}

static inline int peers_pair(struct peers *p, const struct peers_wish *wish, struct error *err)
{
    int fd[2];
    static const struct peers_wish none;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
        return error_errno(err, ERROR_IO, "socketpair");
    return peers_open(p, fd[0], fd[1], wish ? wish : &none, err);
}

static inline void peers_close(struct peers *p)
{
    session_close(p->station);
    session_close(p->unit);
}

/* {"name":number, ...} of a printf format. */
static inline cJSON *params_of(const char *json)
{
    return cJSON_Parse(json);
}

static inline int call_json(struct session *s, const char *method, const char *json, int timeout_ms,
                            cJSON **result, struct error *err)
{
    cJSON *params = json ? cJSON_Parse(json) : NULL;
    struct call call = {.method = method, .params = params, .timeout_ms = timeout_ms};
    int rc = session_call(s, &call, result, err);
    cJSON_Delete(params);
    return rc;
}

#endif
