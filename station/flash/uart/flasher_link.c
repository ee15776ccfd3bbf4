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

/* ---- a stream ------------------------------------------------------------------------------ */

struct stream {
    struct flasher_link *link;
    uint32_t offset; /* of data[0] in the staging memory */
    const uint8_t *data;
    size_t size;
    size_t has, next; /* of data: what the unit has, what is to be sent next */
    size_t piece_max; /* of data in a frame: shorter while the line spoils many */
    int64_t moved_ms, sent_ms;
    int64_t again_ms;  /* without an acknowledgement for so long, the unit is asked */
    int asked;         /* questions without an answer */
    size_t asked_next; /* what was next when it was asked: sent before, and not there: lost */
    bool went_back;    /* since it moved last */
};

/* The frame for what comes next: how many bytes of the data it stands for. */
static size_t next_piece(const struct stream *s, uint8_t *out, size_t *frame)
{
    const uint8_t *data = s->data + s->next;
    const uint32_t offset = s->offset + (uint32_t)s->next;
    const size_t left = s->size - s->next;
    const size_t most = left < FLASHER_WINDOW / 2 ? left : FLASHER_WINDOW / 2;
    size_t same = left ? 1 : 0, piece = 0;
    while (same < most && data[same] == data[0])
        same++;
    if (same >= REPEATS_MIN) {
        uint8_t fill[FLASHER_FILL_BYTES];
        flasher_put_number(fill, (uint32_t)same);
        fill[4] = data[0];
        *frame = make_frame(out, FLASHER_FILL, 0, offset, fill, sizeof fill);
        return same;
    }
    /* Up to where the next repeats begin. */
    for (size_t run = 1; piece < left && piece < s->piece_max; piece++) {
        run = piece && data[piece] == data[piece - 1] ? run + 1 : 1;
        if (run == REPEATS_MIN) {
            piece -= REPEATS_MIN - 1;
            break;
        }
    }
    *frame = piece ? make_frame(out, FLASHER_DATA, 0, offset, data, piece) : 0;
    return piece;
}

/* 1 when it was sent, 0 when the window has no room or nothing is left. */
static int send_next(struct stream *s, struct error *err)
{
    uint8_t out[FLASHER_FRAME_MAX];
    size_t frame = 0;
    const size_t piece = next_piece(s, out, &frame);
    if (!piece || s->next + piece - s->has > FLASHER_WINDOW)
        return 0;
    const int rc = loader_write(s->link->line, out, frame, err);
    s->next += piece;
    s->sent_ms = clock_mono_ms();
    return rc ? rc : 1;
}

static void move_on(struct stream *s, size_t acknowledged, int64_t now_ms)
{
    const int64_t twice_ms = 2 * (now_ms - s->moved_ms);
    /* How slow the line is, not how long what was lost held it up. */
    if (!s->went_back)
        s->again_ms = twice_ms > STREAM_AGAIN_MS ? twice_ms : STREAM_AGAIN_MS;
    s->went_back = false;
    s->has = acknowledged;
    s->next = s->next > s->has ? s->next : s->has;
    s->moved_ms = now_ms;
    s->piece_max += s->piece_max / 8;
    if (s->piece_max > FLASHER_CONTENT_MAX)
        s->piece_max = FLASHER_CONTENT_MAX;
}

static void go_back(struct stream *s)
{
    s->next = s->has;
    s->went_back = true;
    s->piece_max = s->piece_max / 2 > PIECE_MIN ? s->piece_max / 2 : PIECE_MIN;
    s->link->resent++;
}

/* True when the unit has more than before. */
static bool take_acknowledgement(struct stream *s, const struct frame *f, int64_t now_ms)
{
    if (f->kind != FLASHER_ACK || f->offset < s->offset || f->offset - s->offset > s->size)
        return false;
    const size_t acknowledged = f->offset - s->offset;
    const bool again = f->bytes == 1 && f->content[0], more = acknowledged > s->has;
    /* A line keeps its order: an answer that says nothing new is that to the question. */
    const bool answer = s->asked && !again && acknowledged == s->has;
    const bool lost = again || (answer && s->has < s->asked_next);
    if (answer)
        s->asked = 0;
    if (more)
        move_on(s, acknowledged, now_ms);
    if (lost && acknowledged == s->has && s->next > s->has)
        go_back(s);
    return more;
}

/* What the unit wants. Behind zeros: a frame that lost bytes takes as many for its own. */
static int ask(struct stream *s, int64_t now_ms, struct error *err)
{
    uint8_t out[FLASHER_FRAME_MAX + FLASHER_HEADER_BYTES + 4] = {0};
    const size_t zeros = s->asked % 4 == 1 ? FLASHER_FRAME_MAX : FEW_LOST;
    const size_t frame =
        make_frame(out + zeros, FLASHER_DATA, 0, s->offset + (uint32_t)s->has, NULL, 0);
    if (!s->asked++)
        s->asked_next = s->next;
    s->sent_ms = now_ms;
    drop_half_frame(s->link);
    return loader_write(s->link->line, out, zeros + frame, err);
}

static bool is_to_be_asked(const struct stream *s, int64_t now_ms)
{
    return now_ms - s->moved_ms >= s->again_ms &&
           now_ms - s->sent_ms >= (s->asked ? 2 : 1) * s->again_ms;
}

int flasher_link_stream(struct flasher_link *l, uint32_t offset, const uint8_t *data, size_t size,
                        const bool *cancel, void (*sent)(void *context, size_t bytes),
                        void *context, struct error *err)
{
    int rc = flasher_link_request(l, FLASHER_OPEN, offset, NULL, 0, STREAM_DEAD_MS, NULL, NULL,
                                  NULL, NULL, err);
    const int64_t began_ms = clock_mono_ms();
    struct stream s = {.link = l,
                       .offset = offset,
                       .data = data,
                       .size = size,
                       .piece_max = FLASHER_CONTENT_MAX,
                       .moved_ms = began_ms,
                       .sent_ms = began_ms,
                       .again_ms = STREAM_AGAIN_MS};
    while (!rc && s.has < size) {
        struct frame f;
        const int64_t now_ms = clock_mono_ms();
        if (cancel && *(const volatile bool *)cancel)
            return error_set(err, ERROR_CANCELLED, "stopped while loading");
        const int went = send_next(&s, err);
        const int came = went < 0 ? went : await_frame(l, went ? 0 : 100, &f, err);
        if (came < 0)
            return came;
        if (came == 1) {
            if (take_acknowledgement(&s, &f, now_ms) && sent)
                sent(context, s.has);
            end_frame(l, &f);
        } else if (now_ms - s.moved_ms >= STREAM_DEAD_MS) {
            return flash_fail(err, FLASH_SILENT, "the flasher takes no more data");
        } else if (!went && is_to_be_asked(&s, now_ms)) {
            rc = ask(&s, now_ms, err);
        }
    }
    return rc;
}
