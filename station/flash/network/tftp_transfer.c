#include "station/flash/network/tftp_transfer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { READ_REQUEST = 1, WRITE_REQUEST, DATA, ACKNOWLEDGE, FAILURE, OPTIONS };

enum {
    BLOCK_PLAIN = 512,
    BLOCK_MIN = 8,
    /* Of one machine's clock: below it a busy client's scheduling looks like loss. */
    AGAIN_MIN_US = 20 * 1000,
    AGAIN_FIRST_US = 250 * 1000, /* before a round trip was seen */
    AGAIN_MAX_US = 1000 * 1000,
    SLOWEST_FADES = 64,    /* round trips */
    QUIET_US = 500 * 1000, /* a client that asks anew has been silent for at least this long */
};

#define NONE UINT64_MAX

/* ---- requests ----------------------------------------------------------------------------- */

/* The next NUL-ended text at *at; NULL when there is none. */
static const char *next_text(const uint8_t *data, size_t size, size_t *at)
{
    const uint8_t *end = *at < size ? memchr(data + *at, 0, size - *at) : NULL;
    const char *text = end ? (const char *)data + *at : NULL;
    if (end)
        *at = (size_t)(end - data) + 1;
    return text;
}

static uint32_t option_number(const char *text, uint32_t min, uint32_t max)
{
    char *end;
    if (*text < '0' || *text > '9' || strlen(text) > 9)
        return 0;
    const unsigned long value = strtoul(text, &end, 10);
    return *end || value < min || value > max ? 0 : (uint32_t)value;
}

static void take_option(struct tftp_request *r, const char *name, const char *value)
{
    if (!strcasecmp(name, "blksize"))
        r->block_bytes = option_number(value, BLOCK_MIN, TFTP_BLOCK_MAX);
    else if (!strcasecmp(name, "windowsize"))
        r->window = option_number(value, 1, 65535);
    else if (!strcasecmp(name, "timeout"))
        r->timeout_s = option_number(value, 1, 255);
    else if (!strcasecmp(name, "tsize"))
        r->size = true;
}

int tftp_request_parse(const uint8_t *data, size_t size, struct tftp_request *out, int *code,
                       struct error *err)
{
    size_t at = 2;
    *out = (struct tftp_request){0};
    *code = -1;
    if (size < 4 || data[0] != 0)
        return error_set(err, ERROR_INPUT, "not a TFTP request");
    if (data[1] == WRITE_REQUEST) {
        *code = TFTP_NOT_ALLOWED;
        return error_set(err, ERROR_INPUT, "files are read here, never written");
    }
    if (data[1] != READ_REQUEST)
        return error_set(err, ERROR_INPUT, "opcode %d is not a request", data[1]);
    *code = TFTP_ILLEGAL;
    const char *file = next_text(data, size, &at);
    const char *mode = next_text(data, size, &at);
    if (!file || !mode)
        return error_set(err, ERROR_INPUT, "a request without file name and mode");
    if (!*file || strlen(file) >= sizeof out->file)
        return error_set(err, ERROR_INPUT, "a file name of %zu characters, expected 1 to %d",
                         strlen(file), TFTP_NAME_MAX - 1);
    if (strcasecmp(mode, "octet") != 0)
        return error_set(err, ERROR_INPUT, "mode %.20s: images are sent as octet alone", mode);
    memcpy(out->file, file, strlen(file) + 1);
    for (const char *name; (name = next_text(data, size, &at));) {
        const char *value = next_text(data, size, &at);
        if (value)
            take_option(out, name, value);
    }
    *code = -1;
    return 0;
}

size_t tftp_error_packet(enum tftp_code code, const char *text, uint8_t out[TFTP_HEAD_MAX])
{
    out[0] = 0;
    out[1] = FAILURE;
    out[2] = 0;
    out[3] = (uint8_t)code;
    const int n = snprintf((char *)out + 4, TFTP_HEAD_MAX - 4, "%s", text);
    return 4 + ((size_t)n < TFTP_HEAD_MAX - 5 ? (size_t)n : TFTP_HEAD_MAX - 5) + 1;
}

/* ---- a transfer --------------------------------------------------------------------------- */

static bool has_options(const struct tftp_request *r)
{
    return r->block_bytes || r->window || r->timeout_s || r->size;
}

static uint32_t block_bytes(const struct tftp_transfer *t)
{
    return t->request.block_bytes ? t->request.block_bytes : BLOCK_PLAIN;
}

static uint32_t window(const struct tftp_transfer *t)
{
    return t->request.window ? t->request.window : 1;
}

void tftp_transfer_begin(struct tftp_transfer *t, const struct tftp_request *request,
                         uint64_t file_bytes, int64_t now_us)
{
    *t = (struct tftp_transfer){.request = *request,
                                .bytes = file_bytes,
                                .next = 1,
                                .stuck_at = NONE,
                                .timed_block = NONE,
                                .moved_us = now_us,
                                .deadline_us = now_us};
    if (t->request.window > TFTP_WINDOW_MAX)
        t->request.window = TFTP_WINDOW_MAX;
    t->blocks = file_bytes / block_bytes(t) + 1;
    t->state = has_options(request) ? TFTP_OFFERED : TFTP_SENDING;
    t->offer_due = t->state == TFTP_OFFERED;
}

void tftp_transfer_fail(struct tftp_transfer *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(t->why, sizeof t->why, format, args);
    va_end(args);
    t->state = TFTP_FAILED;
}

uint64_t tftp_transfer_done_bytes(const struct tftp_transfer *t)
{
    const uint64_t bytes = t->acked * block_bytes(t);
    return bytes < t->bytes ? bytes : t->bytes;
}

int64_t tftp_transfer_deadline_us(const struct tftp_transfer *t)
{
    return t->deadline_us;
}

/* ---- when to send again ------------------------------------------------------------------- */

static int64_t again_us(const struct tftp_transfer *t)
{
    int64_t us = AGAIN_FIRST_US;
    if (t->round_trip_us)
        us = t->round_trip_us + 4 * t->deviation_us;
    if (us < 2 * t->slowest_us)
        us = 2 * t->slowest_us;
    if (us < AGAIN_MIN_US)
        us = AGAIN_MIN_US;
    us <<= t->doublings;
    return us < AGAIN_MAX_US ? us : AGAIN_MAX_US;
}

/* RFC 6298, 2.2 and 2.3; and the slowest of late, since the round trips of a client that shares its
 * processor lie in two heaps, of which the upper one is no deviation. A block that went out twice
 * times nothing, so the longer patience stays until one that went out once has: else a client
 * slower than the estimate gets every block twice.
 */
static void learn(struct tftp_transfer *t, int64_t sample_us)
{
    t->doublings = 0;
    if (sample_us < 1)
        sample_us = 1;
    t->slowest_us -= t->slowest_us / SLOWEST_FADES;
    if (t->slowest_us < sample_us)
        t->slowest_us = sample_us;
    if (!t->round_trip_us) {
        t->round_trip_us = sample_us;
        t->deviation_us = sample_us / 2;
        return;
    }
    const int64_t off = llabs(t->round_trip_us - sample_us);
    t->deviation_us = (3 * t->deviation_us + off) / 4;
    t->round_trip_us = (7 * t->round_trip_us + sample_us) / 8;
}

static void moved(struct tftp_transfer *t, int64_t now_us)
{
    t->moved_us = now_us;
    t->alone = false;
    t->deadline_us = now_us + again_us(t);
}

/* What was in flight counts as lost. Its round trip cannot be told from the next one's (Karn). */
static void go_back(struct tftp_transfer *t)
{
    t->next = t->acked + 1;
    t->stuck_at = t->acked;
    t->timed_block = NONE;
}

/* ---- in ----------------------------------------------------------------------------------- */

static void take_acknowledgement(struct tftp_transfer *t, uint16_t number, int64_t now_us)
{
    if (t->state == TFTP_OFFERED) {
        if (number == 0 && !t->offer_due) {
            if (t->timed_block == 0)
                learn(t, now_us - t->timed_us);
            t->timed_block = NONE;
            t->state = TFTP_SENDING;
            t->echo = t->doublings > 0;
            moved(t, now_us);
        }
        return;
    }
    /* The numbers of blocks wrap at 65536; what is in flight is far less. */
    const uint64_t ahead = (uint16_t)(number - (uint16_t)t->acked);
    const uint64_t flight = t->sent - t->acked;
    if (ahead > flight)
        return; /* old */
    if (ahead == 0) {
        if (t->echo) {
            t->echo = false;
            return;
        }
        if (window(t) > 1 && flight && t->stuck_at != t->acked && t->next > t->acked + 1)
            go_back(t);
        return;
    }
    t->acked += ahead;
    /* It was only slow: the block that was tried alone comes to it a second time yet. */
    t->echo = t->alone && ahead > 1;
    if (t->timed_block != NONE && t->acked >= t->timed_block) {
        if (t->acked == t->timed_block)
            learn(t, now_us - t->timed_us);
        t->timed_block = NONE;
    }
    moved(t, now_us);
    /* Within the window: what follows did not arrive (RFC 7440, 4). */
    if (t->acked + 1 < t->next)
        go_back(t);
    else
        t->next = t->acked + 1;
    if (t->acked == t->blocks)
        t->state = TFTP_DONE;
}

void tftp_transfer_take(struct tftp_transfer *t, const uint8_t *data, size_t size, int64_t now_us)
{
    if (size < 4 || data[0] != 0 || t->state >= TFTP_DONE)
        return;
    if (data[1] == ACKNOWLEDGE) {
        take_acknowledgement(t, (uint16_t)(data[2] << 8 | data[3]), now_us);
    } else if (data[1] == FAILURE) {
        char text[64];
        size_t n = 0;
        for (size_t i = 4; i < size && data[i] && n + 1 < sizeof text; i++)
            text[n++] = data[i] >= 0x20 && data[i] < 0x7f ? (char)data[i] : '?';
        text[n] = 0;
        tftp_transfer_fail(t, "the client ended it: error %d, %s", data[2] << 8 | data[3], text);
    }
}

bool tftp_transfer_asked_again(struct tftp_transfer *t, int64_t now_us)
{
    if (t->acked || (has_options(&t->request) && t->state == TFTP_SENDING))
        return now_us - t->moved_us < QUIET_US;
    t->offer_due = t->state == TFTP_OFFERED;
    if (t->state == TFTP_SENDING)
        go_back(t);
    return true;
}

/* ---- out ---------------------------------------------------------------------------------- */

static size_t put_option(uint8_t *out, size_t at, const char *name, uint64_t value)
{
    /* Four options of at most 10 + 1 + 20 + 1 bytes: always room. */
    at += (size_t)snprintf((char *)out + at, TFTP_HEAD_MAX - at, "%s", name) + 1;
    return at +
           (size_t)snprintf((char *)out + at, TFTP_HEAD_MAX - at, "%llu",
                            (unsigned long long)value) +
           1;
}

static void offer(const struct tftp_transfer *t, struct tftp_packet *p)
{
    const struct tftp_request *r = &t->request;
    size_t n = 2;
    p->head[0] = 0;
    p->head[1] = OPTIONS;
    if (r->block_bytes)
        n = put_option(p->head, n, "blksize", r->block_bytes);
    if (r->timeout_s)
        n = put_option(p->head, n, "timeout", r->timeout_s);
    if (r->size)
        n = put_option(p->head, n, "tsize", t->bytes);
    if (r->window)
        n = put_option(p->head, n, "windowsize", r->window);
    p->head_bytes = n;
}

static void data_packet(const struct tftp_transfer *t, uint64_t block, struct tftp_packet *p)
{
    const uint64_t offset = (block - 1) * block_bytes(t);
    const uint64_t left = t->bytes - offset;
    p->head[0] = 0;
    p->head[1] = DATA;
    p->head[2] = (uint8_t)(block >> 8);
    p->head[3] = (uint8_t)block;
    p->head_bytes = 4;
    p->offset = offset;
    p->data_bytes = left < block_bytes(t) ? (size_t)left : block_bytes(t);
}

static void timed_out(struct tftp_transfer *t)
{
    if (t->doublings < 6)
        t->doublings++;
    if (t->state == TFTP_OFFERED) {
        t->offer_due = true;
        t->timed_block = NONE;
    } else {
        go_back(t);
        t->alone = !t->alone;
    }
}

bool tftp_transfer_next(struct tftp_transfer *t, int64_t now_us, struct tftp_packet *out)
{
    *out = (struct tftp_packet){0};
    if (t->state >= TFTP_DONE)
        return false;
    if (now_us - t->moved_us >= TFTP_GIVE_UP_US) {
        tftp_transfer_fail(t, "the client has been silent for %d s after %llu of %llu bytes",
                           TFTP_GIVE_UP_US / 1000000,
                           (unsigned long long)tftp_transfer_done_bytes(t),
                           (unsigned long long)t->bytes);
        return false;
    }
    const bool began = t->sent > 0 || (t->state == TFTP_OFFERED && !t->offer_due);
    if (began && now_us >= t->deadline_us)
        timed_out(t);
    if (t->state == TFTP_OFFERED) {
        if (!t->offer_due)
            return false;
        offer(t, out);
        t->offer_due = false;
        t->timed_block = t->doublings ? NONE : 0;
        t->timed_us = now_us;
        t->deadline_us = now_us + again_us(t);
        return true;
    }
    if (t->next > t->blocks || t->next > t->acked + (t->alone ? 1 : window(t)))
        return false;
    data_packet(t, t->next, out);
    if (t->next <= t->sent) {
        t->resent++;
    } else {
        t->sent = t->next;
        /* The last of a window is what a client acknowledges. */
        if (t->timed_block == NONE && (t->next == t->blocks || t->next == t->acked + window(t))) {
            t->timed_block = t->next;
            t->timed_us = now_us;
        }
    }
    t->next++;
    t->deadline_us = now_us + again_us(t);
    return true;
}
