#include "station/flash/network/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/base/clock.h"

enum { SOCKET_BYTES = 1 << 20, WAIT_MS_MAX = 100 };

struct cast {
    const struct flash_job *job;
    struct network_port port;
    struct sockaddr_in units;
    int fd;
    struct chunk_ordered *chunks;
    size_t count;
    uint64_t bytes; /* of all of them */
    const uint8_t *manifest;
    size_t manifest_bytes;
    struct cast_sender *sender;
    struct flash_meter meter;
    size_t known; /* units that are in the log */
    struct {
        enum cast_state state;
        bool is_silent;
    } told[CAST_UNITS_MAX];
};

/* ---- the port ----------------------------------------------------------------------------- */

/* Cuts `text` at its last `mark` and returns what is behind it; NULL when there is none. */
static char *cut(char *text, char mark)
{
    char *at = strrchr(text, mark);
    if (at)
        *at++ = '\0';
    return at;
}

static bool is_address(const char *text, char out[16])
{
    struct in_addr at;
    return inet_pton(AF_INET, text, &at) == 1 && inet_ntop(AF_INET, &at, out, 16);
}

static bool is_number(const char *text, long max, long *out)
{
    char *end;
    *out = strtol(text, &end, 10);
    return *text && !*end && *out >= 1 && *out <= max;
}

int network_port_parse(const char *text, struct network_port *out, struct error *err)
{
    char copy[64];
    long port = CAST_PORT, units = 0;
    *out = (struct network_port){0};
    bool ok = (size_t)snprintf(copy, sizeof copy, "%s", text) < sizeof copy;
    char *count = ok ? cut(copy, '/') : NULL;
    char *ours = ok ? cut(copy, '@') : NULL;
    char *number = ok ? cut(copy, ':') : NULL;
    ok = ok && (!count || is_number(count, CAST_UNITS_MAX, &units)) &&
         (!ours || is_address(ours, out->ours)) && (!number || is_number(number, 65535, &port)) &&
         is_address(copy, out->address);
    if (!ok)
        return error_set(
            err, ERROR_INPUT,
            "port '%.60s': expected GROUP-OR-ADDRESS[:PORT][@OUR-ADDRESS][/UNITS], as " CAST_GROUP
            "@192.168.7.1/32",
            text);
    out->port = (uint16_t)port;
    out->units = (size_t)units;
    return 0;
}

/* ---- in and out --------------------------------------------------------------------------- */

static int64_t now_us(void)
{
    return clock_mono_ns() / 1000;
}

static int open_socket(struct cast *c, struct error *err)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    struct in_addr ours = {.s_addr = htonl(INADDR_ANY)};
    const int room = SOCKET_BYTES, hops = 1;
    c->units = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(c->port.port)};
    inet_pton(AF_INET, c->port.address, &c->units.sin_addr);
    if (c->port.ours[0])
        inet_pton(AF_INET, c->port.ours, &ours);
    at.sin_addr = ours;
    c->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return error_errno(err, ERROR_IO, "cannot make a socket");
    setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    setsockopt(c->fd, IPPROTO_IP, IP_MULTICAST_TTL, &hops, sizeof hops);
    if (c->port.ours[0])
        setsockopt(c->fd, IPPROTO_IP, IP_MULTICAST_IF, &ours, sizeof ours);
    if (bind(c->fd, (const struct sockaddr *)&at, sizeof at))
        return error_errno(err, ERROR_INPUT, "%s is no address of this machine", c->port.ours);
    return 0;
}

static int read_bytes(const struct cast *c, struct cast_packet *p, struct error *err)
{
    if (p->chunk == 0) {
        memcpy(p->data + p->head_bytes, c->manifest + p->offset, p->bytes);
        return 0;
    }
    const struct chunk_ordered *chunk = &c->chunks[p->chunk - 1];
    const int n = bundle_read(c->job->bundle, chunk->image, chunk->offset + p->offset,
                              p->data + p->head_bytes, p->bytes, err);
    if (n >= 0 && (size_t)n != p->bytes)
        return error_set(err, ERROR_INPUT, "the bundle was cut short while it was sent");
    return n < 0 ? n : 0;
}

static int send_due(struct cast *c, struct error *err)
{
    struct cast_packet p;
    while (cast_sender_next(c->sender, now_us(), &p)) {
        const int rc = p.bytes ? read_bytes(c, &p, err) : 0;
        if (rc)
            return rc;
        /* A unit that listens no more answers by ICMP: that is its own affair. */
        if (sendto(c->fd, p.data, p.head_bytes + p.bytes, 0, (const struct sockaddr *)&c->units,
                   sizeof c->units) < 0 &&
            errno != ECONNREFUSED && errno != ENOBUFS && errno != EINTR)
            return error_errno(err, ERROR_IO, "cannot send to %s", c->port.address);
    }
    return 0;
}

static void take_due(struct cast *c)
{
    uint8_t data[CAST_PACKET_MAX + 1];
    ssize_t n;
    while ((n = recv(c->fd, data, sizeof data, MSG_DONTWAIT)) >= 0)
        cast_sender_take(c->sender, data, (size_t)n, now_us());
}

/* ---- what people see ---------------------------------------------------------------------- */

static void log_units(struct cast *c)
{
    static const char *const words[] = {"takes the bundle", "flashed and verified", "failed"};
    for (size_t i = 0; i < cast_sender_units(c->sender); i++) {
        const struct cast_unit *u = cast_sender_unit(c->sender, i);
        if (i < c->known && c->told[i].state == u->state && c->told[i].is_silent == u->is_silent)
            continue;
        flash_log_note(c->job->log, "unit %s: %s%s%s", u->id,
                       u->is_silent ? "silent" : words[u->state], u->why[0] ? ": " : "", u->why);
        c->told[i].state = u->state;
        c->told[i].is_silent = u->is_silent;
        c->known = i < c->known ? c->known : i + 1;
    }
}

/* The unit that is furthest behind says how far it is. */
static void show(struct cast *c)
{
    size_t least = c->count + 1;
    for (size_t i = 0; i < cast_sender_units(c->sender); i++) {
        const struct cast_unit *u = cast_sender_unit(c->sender, i);
        if (u->state == CAST_TAKING && !u->is_silent && u->chunks < least)
            least = u->chunks;
    }
    if (cast_sender_units(c->sender))
        flash_meter_at(&c->meter, c->bytes * least / (c->count + 1));
    log_units(c);
}

static int judge(const struct cast *c, struct flash_result *out, struct error *err)
{
    const size_t units = cast_sender_units(c->sender);
    size_t bad = 0;
    const struct cast_unit *first = NULL;
    for (size_t i = 0; i < units; i++) {
        const struct cast_unit *u = cast_sender_unit(c->sender, i);
        out->written_bytes += u->programmed;
        if (u->state == CAST_DONE)
            continue;
        bad++;
        first = first ? first : u;
    }
    if (flash_cancelled(c->job))
        return error_set(err, ERROR_CANCELLED, "stopped by hand");
    if (first && first->state == CAST_FAILED)
        return flash_fail(err, FLASH_UNIT_FAILED, "unit %s: %s (%zu of %zu units failed)",
                          first->id, first->why, bad, units);
    if (first)
        return flash_fail(err, FLASH_GONE, "unit %s fell silent (%zu of %zu units failed)",
                          first->id, bad, units);
    if (units < c->port.units)
        return flash_fail(err, FLASH_NO_DEVICE, "%zu of %zu units answered at %s", units,
                          c->port.units, c->port.address);
    out->verified = true;
    return 0;
}

/* ---- the job ------------------------------------------------------------------------------ */

static int run(struct cast *c, struct error *err)
{
    const int64_t began_ms = clock_mono_ms();
    bool stopped = false;
    int rc = 0;
    flash_meter_stage(&c->meter, c->job, "waiting for the unit", "", 0);
    while (!rc && !cast_sender_is_over(c->sender)) {
        struct pollfd fd = {.fd = c->fd, .events = POLLIN};
        rc = send_due(c, err);
        const int64_t wait_us = cast_sender_due_us(c->sender) - now_us();
        if (!rc && wait_us > 0)
            poll(&fd, 1,
                 wait_us / 1000 < WAIT_MS_MAX ? (int)((wait_us + 999) / 1000) : WAIT_MS_MAX);
        take_due(c);
        if (!c->meter.now.total && cast_sender_units(c->sender))
            flash_meter_stage(&c->meter, c->job, "writing", "", c->bytes);
        show(c);
        if (!stopped && flash_cancelled(c->job)) {
            cast_sender_stop(c->sender);
            stopped = true;
        }
        if (!rc && !cast_sender_units(c->sender) && !stopped &&
            clock_mono_ms() - began_ms > NETWORK_WAIT_MS)
            rc = flash_fail(err, FLASH_NO_DEVICE, "nothing answered at %s within %d s",
                            c->port.address, NETWORK_WAIT_MS / 1000);
    }
    return rc;
}

static int network_write(const struct flash_job *job, struct flash_result *out, struct error *err)
{
    struct cast c = {.job = job, .fd = -1};
    const int64_t began_ns = clock_mono_ns();
    const struct bundle_manifest *m = bundle_manifest(job->bundle);
    struct cast_sender_config config = {.slot = job->slot};
    *out = (struct flash_result){0};
    int rc = network_port_parse(job->port, &c.port, err);
    if (!rc)
        rc = chunk_order(job->board, m, job->slot, &c.chunks, &c.count, err);
    if (!rc)
        rc = open_socket(&c, err);
    if (rc)
        goto out;
    for (size_t i = 0; i < m->image_count; i++)
        c.bytes += m->images[i].bytes;
    c.manifest = bundle_signed_manifest(job->bundle, &c.manifest_bytes);
    config.chunks = c.chunks;
    config.chunk_count = c.count;
    config.manifest = c.manifest;
    config.manifest_bytes = c.manifest_bytes;
    config.units = c.port.units;
    config.gather_ms = c.port.units ? NETWORK_UNITS_MS : NETWORK_GATHER_MS;
    if (getrandom(&config.session, sizeof config.session, 0) != sizeof config.session)
        rc = error_errno(err, ERROR_IO, "no random number for a session");
    if (!rc)
        rc = cast_sender_open(&config, &c.sender, err);
    if (!rc)
        rc = run(&c, err);
    if (!rc)
        rc = judge(&c, out, err);
    if (c.sender) {
        const struct cast_counts *n = cast_sender_counts(c.sender);
        out->bytes = c.bytes;
        out->sent_bytes = n->wire_bytes;
        flash_log_note(job->log,
                       "%zu units, %llu blocks sent, %llu of them again, %llu bytes on the wire",
                       cast_sender_units(c.sender), (unsigned long long)n->blocks,
                       (unsigned long long)n->repairs, (unsigned long long)n->wire_bytes);
    }
    out->seconds = (double)(clock_mono_ns() - began_ns) / 1e9;
out:
    cast_sender_close(c.sender);
    free(c.chunks);
    if (c.fd >= 0)
        close(c.fd);
    return rc;
}

const struct flash_method network_method = {
    .name = "network",
    .about = "a rack of units at once, or one, that run the RAM flasher",
    .port = "GROUP-OR-ADDRESS[:PORT][@OUR-ADDRESS][/UNITS], as " CAST_GROUP "@192.168.7.1/32",
    .write = network_write,
};
