#include "station/flash/uart/flasher_link.h"

#include <string.h>

#include "protocol/base/clock.h"
#include "protocol/wire/crc32c.h"

enum {
    REQUEST_AGAIN_MS = 3000,
    /* Nothing acknowledged for so long: what is under way was lost, or its ACKs were, or the line
     * is slow. The unit is asked which, and again after twice as long when it was in vain: a whole
     * window again would have a slow line carry it twice before anything new, and longer than
     * STREAM_DEAD_MS; and a question, or its answer, is lost as easily as what it asks about. */
    STREAM_AGAIN_MS = 4000,
    STREAM_DEAD_MS = 60000,
    FEW_LOST = 64,     /* bytes of a frame, as a rule; when that was too few it may be all */
    REPEATS_MIN = 256, /* equal bytes that go as FILL */
    PIECE_MIN = 256,   /* a frame's data on a line that spoils every longer one */
};

struct frame {
    uint8_t kind, tag;
    uint32_t offset;
    const uint8_t *content;
    size_t bytes;
};

static size_t make_frame(uint8_t *out, uint8_t kind, uint8_t tag, uint32_t offset,
                         const void *content, size_t bytes)
{
    out[0] = FLASHER_SYNC0;
    out[1] = FLASHER_SYNC1;
    out[2] = kind;
    out[3] = tag;
    flasher_put_number(out + 4, offset);
    out[8] = (uint8_t)bytes;
    out[9] = (uint8_t)(bytes >> 8);
    if (bytes)
        memcpy(out + FLASHER_HEADER_BYTES, content, bytes);
    flasher_put_number(out + FLASHER_HEADER_BYTES + bytes,
                       crc32c(0, out, FLASHER_HEADER_BYTES + bytes));
    return FLASHER_HEADER_BYTES + bytes + 4;
}

static void drop(struct flasher_link *l, size_t bytes)
{
    memmove(l->heard, l->heard + bytes, l->used - bytes);
    l->used -= bytes;
}

/* The line is quiet: a frame whose length was turned over would wait for bytes that nobody sends,
 * and take the answers to come for them. */
static void drop_half_frame(struct flasher_link *l)
{
    l->used = 0;
}

/* The first whole frame of what was heard; what is none is dropped. */
static bool find_frame(struct flasher_link *l, struct frame *out)
{
    for (;;) {
        size_t at = 0;
        while (at < l->used && l->heard[at] != FLASHER_SYNC0)
            at++;
        drop(l, at);
        if (l->used < FLASHER_HEADER_BYTES)
            return false;
        const size_t bytes = l->heard[8] | (size_t)l->heard[9] << 8;
        if (l->heard[1] != FLASHER_SYNC1 || bytes > FLASHER_CONTENT_MAX) {
            drop(l, 1);
            continue;
        }
        if (l->used < FLASHER_HEADER_BYTES + bytes + 4)
            return false;
        if (flasher_number(l->heard + FLASHER_HEADER_BYTES + bytes) !=
            crc32c(0, l->heard, FLASHER_HEADER_BYTES + bytes)) {
            drop(l, 1);
            continue;
        }
        *out = (struct frame){.kind = l->heard[2],
                              .tag = l->heard[3],
                              .offset = flasher_number(l->heard + 4),
                              .content = l->heard + FLASHER_HEADER_BYTES,
                              .bytes = bytes};
        return true;
    }
}

/* 1 a frame, which stays until end_frame(); 0 none in that time. */
static int await_frame(struct flasher_link *l, int timeout_ms, struct frame *out, struct error *err)
{
    const int64_t end = clock_mono_ms() + timeout_ms;
    while (!find_frame(l, out)) {
        const int64_t left = end - clock_mono_ms();
        const int n = loader_read(l->line, l->heard + l->used, sizeof l->heard - l->used,
                                  left > 0 ? (int)left : 0, true, err);
        if (n < 0)
            return n;
        l->used += (size_t)n;
        if (n == 0 && left <= 0)
            return 0;
    }
    return 1;
}

static void end_frame(struct flasher_link *l, const struct frame *f)
{
    drop(l, FLASHER_HEADER_BYTES + f->bytes + 4);
}

static int refused(const struct frame *f, struct error *err)
{
    static const struct {
        enum flash_trouble trouble;
        const char *text;
    } said[] = {
        [FLASHER_BAD_REQUEST] = {FLASH_UNIT_FAILED, "the flasher cannot do what it was asked"},
        [FLASHER_BAD_STAGING] = {FLASH_NOT_VERIFIED,
                                 "what is in memory is not the image; nothing was erased"},
        [FLASHER_NO_FLASH] = {FLASH_WRONG_BOARD, "no CFI flash answers where the board has it"},
        [FLASHER_ERASE_FAILED] = {FLASH_UNIT_FAILED, "erasing failed"},
        [FLASHER_PROGRAM_FAILED] = {FLASH_UNIT_FAILED, "programming failed"},
        [FLASHER_COMPARE_FAILED] = {FLASH_NOT_VERIFIED, "what was written reads back differently"},
    };
    if (f->offset >= sizeof said / sizeof said[0])
        return flash_fail(err, FLASH_UNIT_FAILED, "the flasher answers with status %u", f->offset);
    if (f->bytes == 4)
        return flash_fail(err, said[f->offset].trouble, "%s at 0x%x", said[f->offset].text,
                          flasher_number(f->content));
    return flash_fail(err, said[f->offset].trouble, "%s", said[f->offset].text);
}

int flasher_link_request(struct flasher_link *l, uint8_t kind, uint32_t offset, const void *content,
                         size_t bytes, int quiet_ms, uint8_t *out, size_t *out_bytes,
                         void (*busy)(void *context, uint32_t done), void *context,
                         struct error *err)
{
    uint8_t request[FLASHER_FRAME_MAX];
    struct frame f;
    if (++l->tag == 0)
        l->tag = 1;
    const size_t size = make_frame(request, kind, l->tag, offset, content, bytes);
    int rc = loader_write(l->line, request, size, err);
    int64_t heard_ms = clock_mono_ms(), sent_ms = heard_ms;
    while (!rc) {
        const int64_t now = clock_mono_ms();
        rc = await_frame(l, 200, &f, err);
        if (rc < 0)
            return rc;
        if (rc == 0 && now - heard_ms >= quiet_ms)
            return flash_fail(err, FLASH_SILENT, "the flasher did not answer in %d s",
                              quiet_ms / 1000);
        if (rc == 0 && now - sent_ms >= REQUEST_AGAIN_MS && now - heard_ms >= REQUEST_AGAIN_MS) {
            sent_ms = now;
            drop_half_frame(l);
            rc = loader_write(l->line, request, size, err);
            continue;
        }
        if (rc == 0)
            continue;
        rc = 0;
        heard_ms = now;
        if (f.kind == FLASHER_BUSY && busy)
            busy(context, f.offset);
        if (f.kind == FLASHER_ANSWER && f.tag == l->tag) {
            rc = f.offset == FLASHER_DONE ? 0 : refused(&f, err);
            if (out_bytes)
                *out_bytes = f.bytes;
            if (out && f.bytes)
                memcpy(out, f.content, f.bytes);
            end_frame(l, &f);
            return rc;
        }
        end_frame(l, &f);
    }
    return rc;
}

/* The frame for what comes next of the data, `piece_max` of it as it is: how many of its bytes it
 * stands for. */
static size_t next_piece(uint8_t *out, size_t *frame, uint32_t offset, const uint8_t *data,
                         size_t next, size_t size, size_t piece_max)
{
    const size_t left = size - next;
    const size_t most = left < FLASHER_WINDOW / 2 ? left : FLASHER_WINDOW / 2;
    size_t same = left ? 1 : 0, piece = 0;
    while (same < most && data[next + same] == data[next])
        same++;
    if (same >= REPEATS_MIN) {
        uint8_t fill[FLASHER_FILL_BYTES];
        flasher_put_number(fill, (uint32_t)same);
        fill[4] = data[next];
        *frame = make_frame(out, FLASHER_FILL, 0, offset + (uint32_t)next, fill, sizeof fill);
        return same;
    }
    /* Up to where the next repeats begin. */
    for (size_t run = 1; piece < left && piece < piece_max; piece++) {
        run = piece && data[next + piece] == data[next + piece - 1] ? run + 1 : 1;
        if (run == REPEATS_MIN) {
            piece -= REPEATS_MIN - 1;
            break;
        }
    }
    *frame =
        piece ? make_frame(out, FLASHER_DATA, 0, offset + (uint32_t)next, data + next, piece) : 0;
    return piece;
}

/* Behind zeros: a frame that lost bytes takes as many for its own. */
static int ask_what_is_wanted(struct flasher_link *l, uint32_t has, size_t zeros, struct error *err)
{
    uint8_t out[FLASHER_FRAME_MAX + FLASHER_HEADER_BYTES + 4] = {0};
    const size_t frame = make_frame(out + zeros, FLASHER_DATA, 0, has, NULL, 0);
    return loader_write(l->line, out, zeros + frame, err);
}

int flasher_link_stream(struct flasher_link *l, uint32_t offset, const uint8_t *data, size_t size,
                        const bool *cancel, void (*sent)(void *context, size_t bytes),
                        void *context, struct error *err)
{
    uint8_t out[FLASHER_FRAME_MAX];
    size_t has = 0, next = 0; /* of data: what the unit has, what is to be sent next */
    int rc = flasher_link_request(l, FLASHER_OPEN, offset, NULL, 0, STREAM_DEAD_MS, NULL, NULL,
                                  NULL, NULL, err);
    int64_t moved_ms = clock_mono_ms(), sent_ms = moved_ms, again_ms = STREAM_AGAIN_MS;
    size_t piece_max = FLASHER_CONTENT_MAX;
    int asked = 0;          /* questions without an answer */
    bool went_back = false; /* since it moved last */
    size_t asked_next = 0;  /* what was next when it was asked: sent before, and not there: lost */
    while (!rc && has < size) {
        struct frame f;
        const int64_t now = clock_mono_ms();
        if (cancel && *(const volatile bool *)cancel)
            return error_set(err, ERROR_CANCELLED, "stopped while loading");
        size_t frame = 0;
        const size_t piece = next_piece(out, &frame, offset, data, next, size, piece_max);
        const bool room = piece && next + piece - has <= FLASHER_WINDOW;
        if (room) {
            rc = loader_write(l->line, out, frame, err);
            next += piece;
            sent_ms = clock_mono_ms();
        }
        const int came = rc ? rc : await_frame(l, room ? 0 : 100, &f, err);
        if (came < 0)
            return came;
        if (came == 1) {
            const bool again = f.kind == FLASHER_ACK && f.bytes == 1 && f.content[0];
            if (f.kind == FLASHER_ACK && f.offset >= offset && f.offset - offset <= size) {
                const size_t acknowledged = f.offset - offset;
                /* A line keeps its order: an answer that says nothing new is that to the question.
                 */
                const bool answer = asked && !again && acknowledged == has;
                const bool lost = again || (answer && has < asked_next);
                if (answer)
                    asked = 0;
                if (acknowledged > has) {
                    has = acknowledged;
                    piece_max += piece_max / 8;
                    if (piece_max > FLASHER_CONTENT_MAX)
                        piece_max = FLASHER_CONTENT_MAX;
                    /* How slow the line is, not how long what was lost held it up. */
                    if (!went_back)
                        again_ms = 2 * (now - moved_ms) > STREAM_AGAIN_MS ? 2 * (now - moved_ms)
                                                                          : STREAM_AGAIN_MS;
                    went_back = false;
                    moved_ms = now;
                    if (sent)
                        sent(context, has);
                }
                if (lost && acknowledged == has && next > has) {
                    next = has;
                    went_back = true;
                    piece_max = piece_max / 2 > PIECE_MIN ? piece_max / 2 : PIECE_MIN;
                    l->resent++;
                }
                if (next < has)
                    next = has;
            }
            end_frame(l, &f);
        } else if (now - moved_ms >= STREAM_DEAD_MS) {
            return flash_fail(err, FLASH_SILENT, "the flasher takes no more data");
        } else if (!room && now - moved_ms >= again_ms &&
                   now - sent_ms >= (asked ? 2 : 1) * again_ms) {
            sent_ms = now;
            drop_half_frame(l);
            rc = ask_what_is_wanted(l, offset + (uint32_t)has,
                                    asked % 4 == 1 ? FLASHER_FRAME_MAX : FEW_LOST, err);
            asked_next = asked ? asked_next : next;
            asked++;
        }
    }
    return rc;
}
