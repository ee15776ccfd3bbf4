/* What of a line's rate reaches the caller: an attachment over two pseudo-terminals with a thread
 * between them that lets 92160 bytes a second through (921600 baud, 8N1), TLS on. And what a
 * session takes when the line is not the limit: a socket pair, beside plain write(2) and read(2) on
 * one. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/protocol/line.h"
#include "tests/unit/protocol/peers.h"

enum { LINE_BYTES = 921600, PAIR_BYTES = 200 << 20, PIECE = 8192 };

static void need(int rc, const struct error *err)
{
    if (rc) {
        fprintf(stderr, "bench_protocol: %s\n", err->text);
        exit(3);
    }
}

/* Constant bytes: the measure is the protocol, not the making of patterns. */
static int source_read(void *context, uint8_t *data, size_t size, struct error *err)
{
    memset(data, 0x5A, size);
    return (int)size;
}

static int sink_write(void *context, const uint8_t *data, size_t size, struct error *err)
{
    *(uint64_t *)context += size;
    return 0;
}

static int serve_frame(void *context, struct request *r, const cJSON *params, cJSON **result,
                       struct error *err)
{
    struct attachment_source source = {
        "frame0", "image/nv12", (uint64_t)json_number(params, "bytes", 0), source_read, NULL, NULL};
    return request_send(r, &source, err);
}

static int serve_image(void *context, struct request *r, const cJSON *params, cJSON **result,
                       struct error *err)
{
    uint64_t taken = 0;
    struct attachment_sink sink = {NULL, sink_write, &taken};
    return request_receive(r, &sink, err);
}

static const struct method methods[] = {
    {"frame", false, serve_frame}, {"image", false, serve_image}, {0}};

struct keys {
    struct certificate ca, station, unit;
    struct credentials mine, its;
};

static void make_keys(struct keys *k)
{
    struct error err = {0};
    need(certificate_make_ca("bench", 1, &k->ca, &err), &err);
    need(certificate_issue(&k->ca, "bench", "station", 1, &k->station, &err), &err);
    need(certificate_make_unit("bench", &k->unit, &err), &err);
    k->mine = (struct credentials){k->station.certificate_pem, k->station.private_key_pem, NULL};
    k->its = (struct credentials){k->unit.certificate_pem, k->unit.private_key_pem,
                                  k->ca.certificate_pem};
}

/* Seconds for an attachment of so many bytes, either way, the call's own messages included. */
static double transfer(struct session *station, bool to_unit, uint64_t bytes)
{
    struct error err = {0};
    uint64_t taken = 0;
    struct attachment_sink sink = {NULL, sink_write, &taken};
    struct attachment_source source = {"data", "application/octet-stream", bytes, source_read, NULL,
                                       NULL};
    cJSON *params = cJSON_CreateObject();
    cJSON_AddNumberToObject(params, "bytes", (double)bytes);
    struct call call = {.method = to_unit ? "image" : "frame",
                        .params = params,
                        .timeout_ms = 120000,
                        .sources = to_unit ? &source : NULL,
                        .source_count = to_unit,
                        .sink = &sink};
    int64_t begun = clock_mono_ns();
    need(session_call(station, &call, NULL, &err), &err);
    double seconds = (double)(clock_mono_ns() - begun) / 1e9;
    cJSON_Delete(params);
    if (!to_unit && taken != bytes)
        exit(3);
    return seconds;
}

static void open_both(struct transport *a, struct transport *b, const struct keys *k,
                      struct session **station, struct session **unit, bool secure)
{
    struct error err = {0};
    struct session_config its = {.server = true, .methods = methods, .credentials = &k->its};
    struct session_config mine = {.credentials = &k->mine};
    need(session_open(b, &its, unit, &err), &err);
    need(session_open(a, &mine, station, &err), &err);
    if (secure)
        need(session_secure(*station, 10000, &err), &err);
}

static void measure_line(const struct keys *k)
{
    static const char *const names[] = {"protocol pty 921600", "protocol pty 921600 to the unit"};
    struct line line = {.bytes_per_second = 92160, .seed = 1};
    struct error err = {0};
    struct transport *a, *b;
    struct session *station, *unit;
    if (line_open(&line)) {
        fprintf(stderr, "bench_protocol: no pseudo-terminals\n");
        exit(3);
    }
    need(transport_open(line.port[0], 1000, &a, &err), &err);
    need(transport_open(line.port[1], 1000, &b, &err), &err);
    open_both(a, b, k, &station, &unit, true);
    for (int way = 0; way < 2; way++) {
        double seconds = transfer(station, way, LINE_BYTES);
        printf("{\"bench\":\"%s\",\"value\":%.2f,\"unit\":\"%% of line rate\",\"reference\":97,"
               "\"peer\":\"aim\",\"method\":\"attachment of %d bytes in one call, TLS 1.3, "
               "acknowledged link, two ptys joined by a thread that lets 92160 bytes/s through\"}"
               "\n",
               names[way], 100 * LINE_BYTES / seconds / 92160, LINE_BYTES);
        fflush(stdout);
    }
    session_close(station);
    session_close(unit);
    line_close(&line);
}

static void *swallow(void *context)
{
    uint8_t data[PIECE];
    int fd = *(int *)context;
    while (read(fd, data, sizeof data) > 0)
        ;
    return NULL;
}

static double raw_pair(void)
{
    int fd[2];
    pthread_t thread;
    uint8_t data[PIECE] = {0x5A};
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) || pthread_create(&thread, NULL, swallow, &fd[1]))
        exit(3);
    int64_t begun = clock_mono_ns();
    for (size_t sent = 0; sent < PAIR_BYTES;) {
        ssize_t n = write(fd[0], data, sizeof data);
        if (n <= 0)
            exit(3);
        sent += (size_t)n;
    }
    close(fd[0]);
    pthread_join(thread, NULL);
    close(fd[1]);
    return PAIR_BYTES / 1e6 / ((double)(clock_mono_ns() - begun) / 1e9);
}

static void measure_pair(const struct keys *k, bool secure, double raw)
{
    int fd[2];
    struct error err = {0};
    struct transport *a, *b;
    struct session *station, *unit;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
        exit(3);
    need(transport_from_fd(fd[0], fd[0], true, "unit", &a, &err), &err);
    need(transport_from_fd(fd[1], fd[1], true, "station", &b, &err), &err);
    open_both(a, b, k, &station, &unit, secure);
    double seconds = transfer(station, false, PAIR_BYTES);
    printf("{\"bench\":\"protocol socket pair, %s\",\"value\":%.1f,\"unit\":\"MB/s\","
           "\"reference\":%.1f,\"peer\":\"write(2), read(2) of %d bytes\",\"method\":\"attachment "
           "of %d bytes in one call between two sessions of one process\"}\n",
           secure ? "TLS" : "plain", PAIR_BYTES / 1e6 / seconds, raw, PIECE, PAIR_BYTES);
    session_close(station);
    session_close(unit);
}

int main(void)
{
    struct keys k;
    make_keys(&k);
    measure_line(&k);
    double raw = raw_pair();
    measure_pair(&k, false, raw);
    measure_pair(&k, true, raw);
    certificate_free(&k.ca);
    certificate_free(&k.station);
    certificate_free(&k.unit);
    return 0;
}
