/* Attachments: bytes that flow against credit. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/wire/session_parts.h"

int incoming_announce(struct session *s, struct incoming **list,
                      const struct message_attachment *what, struct error *err)
{
    if (what->stream <= s->last_stream_in)
        return error_set(err, ERROR_PROTOCOL, "stream %u was announced after stream %u",
                         what->stream, s->last_stream_in);
    s->last_stream_in = what->stream;
    struct incoming *in = calloc(1, sizeof *in);
    if (!in)
        return error_set(err, ERROR_MEMORY, "attachment %s: out of memory", what->name);
    in->what = *what;
    while (*list)
        list = &(*list)->next;
    *list = in;
    return 0;
}

void incoming_free(struct incoming *list)
{
    while (list) {
        struct incoming *next = list->next;
        free(list->ring);
        free(list);
        list = next;
    }
}

static struct incoming *find(struct incoming *list, uint32_t stream)
{
    while (list && list->what.stream != stream)
        list = list->next;
    return list;
}

int incoming_data(struct session *s, uint32_t stream, const uint8_t *data, size_t size,
                  struct error *err)
{
    struct incoming *in = NULL;
    for (struct pending *p = s->pending; p && !in; p = p->next)
        in = find(p->incoming, stream);
    for (struct request *r = s->requests; r && !in; r = r->next)
        in = find(r->incoming, stream);
    if (!in) {
        if (stream <= s->last_stream_in)
            return 0; /* of a call that ended meanwhile; it gets no more credit */
        return error_set(err, ERROR_PROTOCOL, "data for stream %u, which was never announced",
                         stream);
    }
    if (size > in->granted - in->received)
        return error_set(err, ERROR_PROTOCOL,
                         "attachment %s: %" PRIu64 " bytes came, credit was given for %" PRIu64,
                         in->what.name, in->received + size, in->granted);
    size_t at = (size_t)(in->received % in->ring_bytes);
    size_t before_wrap = in->ring_bytes - at;
    if (before_wrap > size)
        before_wrap = size;
    memcpy(in->ring + at, data, before_wrap);
    memcpy(in->ring, data + before_wrap, size - before_wrap);
    in->received += size;
    s->counters.payload_received += size;
    if (in->received - in->consumed > s->counters.held_max)
        s->counters.held_max = in->received - in->consumed;
    pthread_cond_broadcast(&s->changed);
    return 0;
}

bool incoming_ready(const struct incoming *in)
{
    return !in->begun || in->received > in->consumed;
}

bool incoming_done(const struct incoming *in)
{
    return in->begun && in->consumed == in->what.bytes;
}

/* Credit up to a window beyond what was consumed, in pieces that are worth a record. */
static int grant(struct session *s, struct incoming *in, struct error *err)
{
    uint64_t until = in->consumed + in->ring_bytes;
    if (until > in->what.bytes)
        until = in->what.bytes;
    uint64_t more = until - in->granted;
    if (!more ||
        (in->granted > in->consumed && more < in->ring_bytes / 4 && until < in->what.bytes))
        return 0;
    uint8_t record[8];
    wire_put32(record, in->what.stream);
    wire_put32(record + 4, (uint32_t)more);
    in->granted = until;
    int rc = session_queue(s, RECORD_CREDIT, record, sizeof record, NULL, 0);
    if (rc == ERROR_CLOSED)
        return session_closed_error(s, err);
    return rc ? error_set(err, rc, "attachment %s: out of memory", in->what.name) : 0;
}

static int begin(struct session *s, struct incoming *in, const struct attachment_sink *sink,
                 struct error *err)
{
    int rc = 0;
    in->begun = true;
    if (sink->begin) {
        pthread_mutex_unlock(&s->lock);
        rc = sink->begin(sink->context, in->what.name, in->what.type, in->what.bytes, err);
        pthread_mutex_lock(&s->lock);
    }
    if (rc || !in->what.bytes)
        return rc;
    size_t size =
        in->what.bytes < STREAM_WINDOW_BYTES ? (size_t)in->what.bytes : (size_t)STREAM_WINDOW_BYTES;
    in->ring = malloc(size);
    if (!in->ring)
        return error_set(err, ERROR_MEMORY, "attachment %s: out of memory", in->what.name);
    in->ring_bytes = size;
    return grant(s, in, err);
}

int incoming_take(struct session *s, struct incoming *in, const struct attachment_sink *sink,
                  struct error *err)
{
    if (!in->begun)
        return begin(s, in, sink, err);
    size_t at = (size_t)(in->consumed % in->ring_bytes);
    size_t size = (size_t)(in->received - in->consumed);
    if (size > in->ring_bytes - at)
        size = in->ring_bytes - at;
    /* The session's thread only writes behind what was received: these bytes stand still. */
    pthread_mutex_unlock(&s->lock);
    int rc = sink->write(sink->context, in->ring + at, size, err);
    pthread_mutex_lock(&s->lock);
    if (rc)
        return rc;
    in->consumed += size;
    if (incoming_done(in)) {
        free(in->ring);
        in->ring = NULL;
        return 0;
    }
    return grant(s, in, err);
}

void outgoing_add(struct session *s, struct outgoing *o)
{
    o->next = s->outgoing;
    s->outgoing = o;
}

void outgoing_remove(struct session *s, struct outgoing *o)
{
    for (struct outgoing **at = &s->outgoing; *at; at = &(*at)->next) {
        if (*at == o) {
            *at = o->next;
            return;
        }
    }
}

void outgoing_credit(struct session *s, uint32_t stream, uint32_t bytes)
{
    for (struct outgoing *o = s->outgoing; o; o = o->next)
        if (o->stream == stream)
            o->credit += bytes;
    pthread_cond_broadcast(&s->changed);
}

bool outgoing_done(const struct outgoing *o)
{
    return o->sent == o->source->bytes;
}

bool outgoing_ready(const struct session *s, const struct outgoing *o)
{
    return o->credit > o->sent && session_has_room(s);
}

int outgoing_send(struct session *s, struct outgoing *o, struct error *err)
{
    const struct attachment_source *source = o->source;
    uint64_t left = source->bytes - o->sent;
    uint64_t allowed = o->credit - o->sent;
    size_t size = CHUNK_BYTES;
    if (size > left)
        size = (size_t)left;
    if (size > allowed)
        size = (size_t)allowed;
    pthread_mutex_unlock(&s->lock);
    int n = (int)size;
    struct packet *p = malloc(sizeof *p + RECORD_HEADER_BYTES + 4 + size);
    if (!p)
        n = error_set(err, ERROR_MEMORY, "attachment %s: out of memory", source->name);
    else if (!source->read)
        memcpy(p->data + RECORD_HEADER_BYTES + 4, (const uint8_t *)source->data + o->sent, size);
    else
        n = source->read(source->context, p->data + RECORD_HEADER_BYTES + 4, size, err);
    if (n == 0 || n > (int)size)
        n = error_set(err, ERROR_INPUT,
                      "attachment %s: %" PRIu64 " bytes were announced, its source gave %s",
                      source->name, source->bytes, n ? "more" : "fewer");
    pthread_mutex_lock(&s->lock);
    if (n < 0) {
        free(p);
        return n;
    }
    p->size = RECORD_HEADER_BYTES + 4 + (size_t)n;
    wire_put32(p->data, (uint32_t)(RECORD_DATA | (n + 4) << 8));
    wire_put32(p->data + RECORD_HEADER_BYTES, o->stream);
    o->sent += (uint64_t)n;
    s->counters.payload_sent += (uint64_t)n;
    return session_queue_packet(s, p) ? session_closed_error(s, err) : 0;
}
