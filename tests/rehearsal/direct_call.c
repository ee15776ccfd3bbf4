#include "tests/rehearsal/direct_call.h"

#include "protocol/base/clock.h"

enum { PIECE_BYTES = 16384 };

struct request direct_request(const struct call *call)
{
    return (struct request){call, clock_mono_ns() + (int64_t)call->timeout_ms * 1000000};
}

static int carry(const struct attachment_source *source, const struct attachment_sink *sink,
                 struct error *err)
{
    uint8_t piece[PIECE_BYTES];
    if (!sink)
        return error_set(err, ERROR_PROTOCOL, "an attachment that nobody takes");
    int rc = sink->begin(sink->context, source->name, source->type, source->bytes, err);
    for (uint64_t at = 0; rc >= 0 && at < source->bytes;) {
        const uint64_t left = source->bytes - at;
        const size_t size = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
        const uint8_t *data = piece;
        int n = (int)size;
        if (source->read)
            n = source->read(source->context, piece, size, err);
        else
            data = (const uint8_t *)source->data + at;
        if (n <= 0)
            return n;
        rc = sink->write(sink->context, data, (size_t)n, err);
        at += (uint64_t)n;
    }
    return rc < 0 ? rc : 0;
}

int request_receive(struct request *r, const struct attachment_sink *sink, struct error *err)
{
    int rc = 0;
    for (size_t i = 0; i < r->call->source_count && rc == 0; i++)
        rc = carry(&r->call->sources[i], sink, err);
    return rc;
}

int request_send(struct request *r, const struct attachment_source *source, struct error *err)
{
    return carry(source, r->call->sink, err);
}

const char *request_method(const struct request *r)
{
    return r->call->method;
}

bool request_cancelled(const struct request *r)
{
    return clock_mono_ns() >= r->until_ns;
}

int request_sleep(struct request *r, int ms)
{
    const int64_t until = clock_mono_ns() + (int64_t)ms * 1000000;
    clock_sleep_until_ns(until < r->until_ns ? until : r->until_ns);
    return request_cancelled(r) ? ERROR_CANCELLED : 0;
}
