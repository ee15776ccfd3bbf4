#include "protocol/wire/link.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/wire/frame.h"
#include "protocol/wire/link_receiver.h"
#include "protocol/wire/link_sender.h"

enum { TYPE_OPEN = 1, TYPE_OPENED, TYPE_DATA, TYPE_ACK, TYPE_CLOSE };
enum {
    OPEN_BYTES = 8,
    OPEN_ACKNOWLEDGE = 1,
    ACK_RANGES_MAX = 8,
    REASON_BYTES = 160,
    CLOSE_REFLECTED = 1,
    CTRL_C = 0x03,
    STARVED_MS = 2500, /* not called for so long: it was us who slept, not the peer */
};

struct link {
    struct link_config config;
    enum link_state state;
    struct error why;
    uint32_t peer_nonce;
    bool acknowledge; /* either side asked for it */

    bool send_open, send_close;
    uint8_t close_number;
    uint32_t close_tag;
    char close_reason[REASON_BYTES];
    int64_t open_at_ms;  /* the next OPEN */
    int64_t ack_at_ms;   /* an ACK is due; INT64_MAX: none */
    int unacked_frames;  /* DATA frames since the last ACK */
    uint8_t last_number; /* of the last DATA frame */
    int64_t begun_ms, heard_ms, sent_ms, called_ms;
    int64_t bytes_ms; /* when the last bytes came, of whatever kind */

    struct frame_decoder in;
    struct receiver receiver;
    struct sender sender;
};

int link_create(const struct link_config *config, int64_t now_ms, struct link **out)
{
    struct link *l = calloc(1, sizeof *l);
    if (!l)
        return ERROR_MEMORY;
    l->config = *config;
    l->acknowledge = !config->reliable;
    l->send_open = !config->server;
    l->open_at_ms = now_ms;
    l->ack_at_ms = INT64_MAX;
    l->begun_ms = l->heard_ms = l->sent_ms = l->called_ms = now_ms;
    frame_decoder_init(&l->in);
    sender_init(&l->sender, l->acknowledge);
    *out = l;
    return 0;
}

void link_free(struct link *l)
{
    free(l);
}

static void ended(struct link *l, int code, const char *text)
{
    if (l->state == LINK_CLOSED)
        return;
    l->state = LINK_CLOSED;
    error_set(&l->why, code, "%s: %s", l->config.name, text);
}

void link_close(struct link *l, const char *reason)
{
    if (l->state == LINK_OPEN) {
        l->send_close = true;
        l->close_number = 0;
        l->close_tag = l->peer_nonce;
        snprintf(l->close_reason, sizeof l->close_reason, "%s", reason);
    }
    ended(l, ERROR_CLOSED, reason);
}

static void opened(struct link *l, int64_t now_ms, uint16_t flags, uint32_t nonce)
{
    l->state = LINK_OPEN;
    l->peer_nonce = nonce;
    l->acknowledge = !l->config.reliable || flags & OPEN_ACKNOWLEDGE;
    /* Bytes may have been written already: only what depends on acknowledging changes. */
    struct sender *s = &l->sender;
    s->acknowledged = l->acknowledge;
    s->payload_max = l->acknowledge ? LINK_PAYLOAD_MAX : FRAME_PAYLOAD_MAX;
    s->payload = l->acknowledge ? LINK_PAYLOAD_FIRST : FRAME_PAYLOAD_MAX;
    l->heard_ms = l->sent_ms = now_ms;
}

static void on_open(struct link *l, int64_t now_ms, const struct frame *f)
{
    if (!l->config.server || f->size < OPEN_BYTES)
        return;
    uint16_t version = wire_get16(f->payload), flags = wire_get16(f->payload + 2);
    uint32_t nonce = wire_get32(f->payload + 4);
    if (!nonce)
        return;
    if (version != LINK_VERSION) {
        l->send_close = true;
        l->close_number = 0;
        l->close_tag = nonce;
        snprintf(l->close_reason, sizeof l->close_reason,
                 "wire version %u is not spoken here, only %d", version, LINK_VERSION);
        return;
    }
    if (l->state == LINK_OPENING)
        opened(l, now_ms, flags, nonce);
    if (l->state == LINK_OPEN && nonce == l->peer_nonce)
        l->send_open = true; /* the answer, again when it was lost */
    else if (l->state == LINK_OPEN)
        ended(l, ERROR_CLOSED, "the peer began a new session");
}

static void on_opened(struct link *l, int64_t now_ms, const struct frame *f)
{
    if (l->config.server || l->state != LINK_OPENING || f->tag != l->config.nonce ||
        f->size < OPEN_BYTES)
        return;
    l->send_open = false;
    if (wire_get16(f->payload) != LINK_VERSION) {
        ended(l, ERROR_PROTOCOL, "the peer answered with another wire version");
        return;
    }
    opened(l, now_ms, wire_get16(f->payload + 2), wire_get32(f->payload + 4));
}

static void on_data(struct link *l, int64_t now_ms, const struct frame *f)
{
    struct receiver *r = &l->receiver;
    uint64_t offset = receiver_offset(r, f->sequence);
    l->last_number = f->number;
    if (!l->acknowledge && offset != r->next) {
        char text[120];
        snprintf(text, sizeof text,
                 "byte %" PRIu64 " of the stream came where %" PRIu64
                 " was due, on a transport said to be reliable",
                 offset, r->next);
        ended(l, ERROR_PROTOCOL, text);
        return;
    }
    bool in_order = offset == r->next && !r->range_count;
    receiver_put(r, offset, f->payload, f->size);
    if (!l->acknowledge)
        return;
    int64_t due = !in_order || ++l->unacked_frames >= 2 ? now_ms : now_ms + LINK_ACK_DELAY_MS;
    if (due < l->ack_at_ms)
        l->ack_at_ms = due;
}

static void on_ack(struct link *l, int64_t now_ms, const struct frame *f)
{
    uint32_t ranges[ACK_RANGES_MAX][2];
    size_t count = f->size / 8;
    if (count > ACK_RANGES_MAX || f->size % 8)
        return;
    for (size_t i = 0; i < count; i++) {
        ranges[i][0] = wire_get32(f->payload + 8 * i);
        ranges[i][1] = wire_get32(f->payload + 8 * i + 4);
    }
    sender_ack(&l->sender, now_ms, f->sequence, f->number, ranges, count, count == ACK_RANGES_MAX);
}

static void on_close(struct link *l, const struct frame *f)
{
    bool reflected = f->number == CLOSE_REFLECTED;
    bool ours = f->tag == l->config.nonce;
    if (reflected ? l->state != LINK_OPEN || f->tag != l->peer_nonce
                  : !ours || (l->state != LINK_OPEN && l->config.server))
        return;
    char text[REASON_BYTES + 32];
    int size = f->size < REASON_BYTES ? f->size : REASON_BYTES;
    snprintf(text, sizeof text, "closed by the peer: %.*s", size, (const char *)f->payload);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
    ended(l, ERROR_CLOSED, text);
}

static void on_frame(struct link *l, int64_t now_ms, const struct frame *f)
{
    bool ours = l->state == LINK_OPEN && f->tag == l->config.nonce;
    if (ours)
        l->heard_ms = now_ms;
    switch (f->type) {
    case TYPE_OPEN:
        on_open(l, now_ms, f);
        return;
    case TYPE_OPENED:
        on_opened(l, now_ms, f);
        return;
    case TYPE_CLOSE:
        on_close(l, f);
        return;
    case TYPE_DATA:
        if (ours)
            on_data(l, now_ms, f);
        break;
    case TYPE_ACK:
        if (ours)
            on_ack(l, now_ms, f);
        break;
    default:
        return; /* a type of a later version */
    }
    /* A peer that goes on with a session from before we started is told. */
    if (l->config.server && l->state == LINK_OPENING && !l->send_close) {
        l->send_close = true;
        l->close_number = CLOSE_REFLECTED;
        l->close_tag = f->tag;
        snprintf(l->close_reason, sizeof l->close_reason, "this session is not known here");
    }
}

static void on_noise(struct link *l, const uint8_t *data, size_t size)
{
    if (l->config.noise)
        l->config.noise(l->config.noise_context, data, size);
    if (l->state != LINK_OPEN || l->acknowledge)
        return;
    char text[140], shown[41] = "";
    for (size_t i = 0; i < size && i < sizeof shown - 1; i++)
        shown[i] = data[i] >= ' ' && data[i] < 0x7F ? (char)data[i] : '.';
    snprintf(text, sizeof text, "bytes that are no frame on a transport said to be reliable: '%s'",
             shown);
    ended(l, ERROR_PROTOCOL, text);
}

/* Takes what the decoder has; stops while the reader has too much before it. */
static bool decode(struct link *l, int64_t now_ms)
{
    struct frame_event event;
    while (l->state != LINK_CLOSED && receiver_room(&l->receiver) >= FRAME_PAYLOAD_MAX) {
        if (!frame_decoder_next(&l->in, &event))
            return true;
        if (event.is_frame)
            on_frame(l, now_ms, &event.frame);
        else
            on_noise(l, event.noise, event.noise_size);
    }
    return false;
}

static bool gave_out(const struct link *l, int64_t now_ms)
{
    return l->acknowledge && frame_decoder_incomplete(&l->in) &&
           now_ms - l->bytes_ms >= LINK_GAP_MS;
}

size_t link_feed(struct link *l, int64_t now_ms, const void *data, size_t size)
{
    size_t taken = 0;
    if (gave_out(l, now_ms))
        frame_decoder_give_up(&l->in);
    if (size)
        l->bytes_ms = now_ms;
    while (decode(l, now_ms) && taken < size)
        taken += frame_decoder_feed(&l->in, (const uint8_t *)data + taken, size - taken);
    return l->state == LINK_CLOSED ? size : taken;
}

size_t link_read(struct link *l, void *data, size_t size)
{
    return receiver_read(&l->receiver, data, size);
}

size_t link_write(struct link *l, const void *data, size_t size)
{
    return sender_write(&l->sender, data, size);
}

size_t link_write_room(const struct link *l)
{
    return sender_room(&l->sender);
}

static void pass_time(struct link *l, int64_t now_ms)
{
    if (gave_out(l, now_ms)) {
        frame_decoder_give_up(&l->in);
        decode(l, now_ms);
        l->bytes_ms = now_ms;
    }
    int64_t gap = now_ms - l->called_ms;
    l->called_ms = now_ms;
    if (gap > STARVED_MS)
        l->heard_ms += gap;
    if (l->state == LINK_OPEN && now_ms - l->heard_ms > LINK_SILENCE_MS) {
        char text[80];
        snprintf(text, sizeof text, "nothing came from the peer for %d ms", LINK_SILENCE_MS);
        ended(l, ERROR_CLOSED, text);
    }
    if (l->state == LINK_OPENING && l->config.server && l->config.reliable &&
        now_ms - l->begun_ms > LINK_OPEN_WAIT_MS)
        ended(l, ERROR_CLOSED, "connected, but did not open a session");
    if (l->state == LINK_OPEN && l->acknowledge && now_ms >= sender_deadline_ms(&l->sender))
        sender_timeout(&l->sender, now_ms);
}

static size_t encode_open(uint8_t type, uint32_t tag, bool acknowledge, uint32_t nonce,
                          uint8_t *out, size_t size)
{
    uint8_t payload[OPEN_BYTES];
    wire_put16(payload, LINK_VERSION);
    wire_put16(payload + 2, acknowledge ? OPEN_ACKNOWLEDGE : 0);
    wire_put32(payload + 4, nonce);
    struct frame f = {.type = type, .tag = tag, .size = OPEN_BYTES, .payload = payload};
    return frame_encode(&f, out, size);
}

bool link_nonce_fits(uint32_t nonce)
{
    uint8_t open[FRAME_OVERHEAD_BYTES + OPEN_BYTES];
    for (int acknowledge = 0; acknowledge <= 1; acknowledge++) {
        encode_open(TYPE_OPEN, 0, acknowledge, nonce, open, sizeof open);
        if (memchr(open, CTRL_C, sizeof open))
            return false;
    }
    return nonce != 0;
}

static size_t output_open(struct link *l, int64_t now_ms, uint8_t *out, size_t size)
{
    const bool unit = l->config.server;
    if (unit)
        l->send_open = false;
    l->open_at_ms = now_ms + LINK_OPEN_RETRY_MS;
    return encode_open(unit ? TYPE_OPENED : TYPE_OPEN, unit ? l->peer_nonce : 0, l->acknowledge,
                       l->config.nonce, out, size);
}

static size_t output_ack(struct link *l, uint8_t *out, size_t size)
{
    const struct receiver *r = &l->receiver;
    uint8_t payload[8 * ACK_RANGES_MAX];
    size_t count = l->acknowledge ? r->range_count : 0;
    if (count > ACK_RANGES_MAX)
        count = ACK_RANGES_MAX;
    for (size_t i = 0; i < count; i++) {
        wire_put32(payload + 8 * i, (uint32_t)r->ranges[i].start);
        wire_put32(payload + 8 * i + 4, (uint32_t)r->ranges[i].end);
    }
    struct frame f = {.type = TYPE_ACK,
                      .number = l->last_number,
                      .tag = l->peer_nonce,
                      .sequence = (uint32_t)r->next,
                      .size = (uint16_t)(8 * count),
                      .payload = payload};
    l->ack_at_ms = INT64_MAX;
    l->unacked_frames = 0;
    return frame_encode(&f, out, size);
}

static size_t output_close(struct link *l, uint8_t *out, size_t size)
{
    struct frame f = {.type = TYPE_CLOSE,
                      .number = l->close_number,
                      .tag = l->close_tag,
                      .size = (uint16_t)strlen(l->close_reason),
                      .payload = (const uint8_t *)l->close_reason};
    l->send_close = false;
    return frame_encode(&f, out, size);
}

static size_t next_frame(struct link *l, int64_t now_ms, uint8_t *out, size_t size)
{
    if (l->send_close)
        return output_close(l, out, size);
    if (l->state == LINK_CLOSED)
        return 0;
    if (l->send_open && (l->config.server || now_ms >= l->open_at_ms))
        return output_open(l, now_ms, out, size);
    if (l->state != LINK_OPEN)
        return 0;
    if (now_ms >= l->ack_at_ms)
        return output_ack(l, out, size);
    struct frame f = {.type = TYPE_DATA, .tag = l->peer_nonce};
    uint64_t offset;
    if (sender_next(&l->sender, now_ms, &offset, &f.number, &f.payload, &f.size)) {
        f.sequence = (uint32_t)offset;
        return frame_encode(&f, out, size);
    }
    if (now_ms - l->sent_ms >= LINK_KEEPALIVE_MS)
        return output_ack(l, out, size);
    return 0;
}

size_t link_output(struct link *l, int64_t now_ms, uint8_t *out, size_t size)
{
    pass_time(l, now_ms);
    size_t n = next_frame(l, now_ms, out, size);
    if (n)
        l->sent_ms = now_ms;
    return n;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t link_wake_ms(const struct link *l)
{
    if (l->state == LINK_CLOSED)
        return INT64_MAX;
    int64_t wake = INT64_MAX;
    if (l->acknowledge && frame_decoder_incomplete(&l->in))
        wake = l->bytes_ms + LINK_GAP_MS;
    if (l->state == LINK_OPENING && !l->config.server)
        return sooner(wake, l->open_at_ms);
    if (l->state == LINK_OPENING)
        return l->config.reliable ? sooner(wake, l->begun_ms + LINK_OPEN_WAIT_MS + 1) : wake;
    wake = sooner(wake, sooner(l->ack_at_ms, l->sent_ms + LINK_KEEPALIVE_MS));
    if (l->acknowledge)
        wake = sooner(wake, sender_deadline_ms(&l->sender));
    return sooner(wake, l->heard_ms + LINK_SILENCE_MS + 1);
}

enum link_state link_state(const struct link *l)
{
    return l->state;
}

const struct error *link_error(const struct link *l)
{
    return &l->why;
}

void link_counters(const struct link *l, struct link_counters *out)
{
    out->frames_bad = l->in.frames_bad;
    out->noise_bytes = l->in.noise_bytes;
    out->frames_resent = l->sender.resent;
}
