/* The X/YMODEM sender against a receiver that does what U-Boot's does (common/xyzModem.c as its
 * behaviour is described in docs/flashing.md), over a line that loses bytes and flips bits; and
 * against lrzsz's receiver, a program of other people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/base/clock.h"
#include "protocol/base/file.h"
#include "protocol/base/splitmix.h"
#include "station/flash/uart/xymodem.h"

enum { ACK = 6, NAK = 21, CAN = 24, CHARACTER_MS = 2000 };

/* Asks with 'C', takes blocks in order, answers one it has with ACK again, any other with 'C';
 * behind a broken one it waits for the line to be quiet. */
struct receiver {
    uint8_t block[XYMODEM_FRAME_BYTES];
    size_t used, junk; /* bytes of the block so far; those in front of it that were none */
    bool flushing;     /* drops what comes until nothing did for 2 s, then asks again */
    bool header_done, ended, closed, xmodem;
    uint8_t next;
    struct buffer taken;
    char header[128];
    int64_t heard_ms;
    int retries;
    bool failed;
};

static uint8_t receiver_block(struct receiver *r)
{
    const size_t size = r->block[0] == 2 ? 1024 : 128;
    const uint16_t crc = xymodem_crc(r->block + 3, size);
    const bool whole = (uint8_t)(r->block[1] ^ r->block[2]) == 0xff &&
                       r->block[3 + size] == crc >> 8 && r->block[4 + size] == (crc & 0xff);
    r->used = 0;
    if (!whole) {
        r->flushing = true;
        return 0;
    }
    if (!r->header_done && !r->xmodem) {
        memcpy(r->header, r->block + 3, sizeof r->header);
        r->header_done = true;
        r->next = 1;
        return ACK;
    }
    if (r->ended) {
        r->closed = r->block[3] == 0;
        return ACK;
    }
    if (r->block[1] == r->next) {
        buffer_append(&r->taken, r->block + 3, size);
        r->next++;
        return ACK;
    }
    return r->block[1] == (uint8_t)(r->next - 1) ? ACK : 'C';
}

/* What it answers to a byte; 0 nothing yet. A second answer, the 'C' behind an ACK, into *more. */
static uint8_t receiver_hears(struct receiver *r, uint8_t byte, int64_t now_ms, uint8_t *more)
{
    *more = 0;
    r->heard_ms = now_ms;
    if (r->flushing)
        return 0;
    if (r->used == 0 && r->junk == 0 && byte == 4) {
        if (!r->ended && !r->xmodem)
            *more = 'C';
        if (r->xmodem)
            r->closed = true;
        r->ended = true;
        return ACK;
    }
    if (r->used == 0 && byte != 1 && byte != 2) {
        r->junk++;
        return 0;
    }
    r->block[r->used++] = byte;
    if (r->used < (r->block[0] == 2 ? 1029u : 133u))
        return 0;
    r->junk = 0;
    r->retries = 0;
    const bool header = !r->header_done && !r->xmodem;
    const uint8_t answer = receiver_block(r);
    if (header && r->header_done)
        *more = 'C';
    return answer;
}

struct bad_line {
    uint64_t seed;
    unsigned lose_ppm, flip_ppm;
};

/* False: it is lost. */
static bool over(struct bad_line *l, uint8_t *byte)
{
    if (splitmix_next(&l->seed) % 1000000 < l->lose_ppm)
        return false;
    if (splitmix_next(&l->seed) % 1000000 < l->flip_ppm)
        *byte ^= (uint8_t)(1 << splitmix_next(&l->seed) % 8);
    return true;
}

static void answer(struct xymodem *x, struct bad_line *l, uint8_t byte, int64_t now_ms)
{
    if (byte && over(l, &byte))
        xymodem_heard(x, byte, now_ms);
}

/* Runs both sides in made-up time until the sender is done or failed. */
static void run(struct xymodem *x, struct receiver *r, struct bad_line *l)
{
    int64_t now_ms = 0;
    xymodem_begin(x, now_ms);
    answer(x, l, 'C', now_ms);
    while (x->status == XYMODEM_RUNS && now_ms < 3600000) {
        size_t size;
        const uint8_t *frame = xymodem_take(x, &size);
        uint8_t copy[XYMODEM_FRAME_BYTES], more;
        if (!frame) {
            now_ms += 100;
            if (now_ms - r->heard_ms >= CHARACTER_MS) {
                r->heard_ms = now_ms;
                r->used = r->junk = 0;
                r->flushing = false;
                r->failed = ++r->retries > XYMODEM_RETRIES;
                answer(x, l, 'C', now_ms);
            }
            xymodem_tick(x, now_ms);
            continue;
        }
        memcpy(copy, frame, size);
        for (size_t i = 0; i < size; i++) {
            if (!over(l, &copy[i]))
                continue;
            const uint8_t first = receiver_hears(r, copy[i], now_ms, &more);
            answer(x, l, first, now_ms);
            answer(x, l, more, now_ms);
        }
    }
}

static uint8_t *image_make(size_t size, uint64_t seed)
{
    uint8_t *data = malloc(size + 1);
    assert_non_null(data);
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)splitmix_next(&seed);
    return data;
}

static void sends(size_t size, bool xmodem, struct bad_line l)
{
    uint8_t *data = image_make(size, size);
    struct xymodem x = {.ymodem = !xmodem, .name = "image", .data = data, .size = size};
    struct receiver r = {.xmodem = xmodem, .next = 1};
    run(&x, &r, &l);
    if (x.status != XYMODEM_DONE)
        fail_msg("%zu bytes: %s", size, x.failure ? x.failure : "no end");
    assert_int_equal(x.acknowledged, size);
    assert_true(r.taken.size >= size && r.taken.size < size + 1024);
    assert_memory_equal(r.taken.data, data, size);
    for (size_t i = size; i < r.taken.size; i++)
        assert_int_equal(r.taken.data[i], 0x1a);
    buffer_free(&r.taken);
    free(data);
}

static void test_the_crc_is_the_published_one(void **state)
{
    /* CRC-16/XMODEM's check value in the catalogue of parametrised CRC algorithms (reveng). */
    assert_int_equal(xymodem_crc((const uint8_t *)"123456789", 9), 0x31c3);
}

static void test_images_of_every_size_around_a_block_arrive(void **state)
{
    static const size_t sizes[] = {1, 127, 128, 129, 1023, 1024, 1025, 2048, 262144 + 77};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        sends(sizes[i], false, (struct bad_line){0});
        sends(sizes[i], true, (struct bad_line){0});
    }
}

static void test_the_header_has_name_and_decimal_size(void **state)
{
    uint8_t data[3000] = {0};
    struct xymodem x = {.ymodem = true, .name = "rootfs", .data = data, .size = sizeof data};
    struct receiver r = {0};
    run(&x, &r, &(struct bad_line){0});
    assert_int_equal(x.status, XYMODEM_DONE);
    assert_string_equal(r.header, "rootfs");
    assert_string_equal(r.header + 7, "3000");
    assert_true(r.closed);
    buffer_free(&r.taken);
}

static void test_lost_and_flipped_bytes_cost_blocks_not_the_transfer(void **state)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        sends(100000 + seed, false, (struct bad_line){seed, 100, 100});
        sends(30000, false, (struct bad_line){seed, 500, 0});
        sends(30000, true, (struct bad_line){seed, 0, 400});
    }
}

static void test_an_invented_ack_is_made_good(void **state)
{
    uint8_t *data = image_make(10000, 3);
    struct xymodem x = {.ymodem = true, .name = "image", .data = data, .size = 10000};
    size_t size;
    xymodem_begin(&x, 0);
    xymodem_heard(&x, 'C', 0);
    assert_non_null(xymodem_take(&x, &size));
    xymodem_heard(&x, ACK, 0);
    xymodem_heard(&x, 'C', 0);
    assert_int_equal(xymodem_take(&x, &size)[1], 1);
    xymodem_heard(&x, ACK, 0); /* made up by the line: block 1 was broken */
    assert_int_equal(xymodem_take(&x, &size)[1], 2);
    for (int i = 0; i < 2; i++) {
        xymodem_heard(&x, 'C', 0);
        assert_int_equal(xymodem_take(&x, &size)[1], 2);
    }
    xymodem_heard(&x, 'C', 0);
    assert_int_equal(xymodem_take(&x, &size)[1], 1);
    free(data);
}

static void test_it_gives_up_when_cancelled_refused_for_ever_or_never_asked(void **state)
{
    uint8_t data[2000] = {0};
    struct xymodem x = {.ymodem = true, .name = "image", .data = data, .size = sizeof data};
    size_t size;
    xymodem_begin(&x, 0);
    xymodem_heard(&x, 'C', 0);
    xymodem_heard(&x, CAN, 0);
    assert_int_equal(x.status, XYMODEM_RUNS); /* one may be noise */
    xymodem_heard(&x, CAN, 0);
    assert_int_equal(x.status, XYMODEM_FAILED);
    assert_string_equal(x.failure, "the receiver cancelled");

    xymodem_begin(&x, 0);
    xymodem_heard(&x, 'C', 0);
    for (int i = 0; i < XYMODEM_RETRIES; i++)
        xymodem_heard(&x, NAK, 0);
    assert_int_equal(x.status, XYMODEM_FAILED);
    assert_int_equal(xymodem_take(&x, &size)[0], CAN); /* and the receiver is told */

    xymodem_begin(&x, 0);
    xymodem_tick(&x, XYMODEM_START_MS);
    assert_int_equal(x.status, XYMODEM_FAILED);
    assert_string_equal(x.failure, "the receiver never asked for the first block");
}

/* lrzsz's rb, its standard input and output a pair of pipes. */
static void test_lrzsz_receives_the_same_bytes(void **state)
{
    int to[2], from[2];
    char folder[] = "/tmp/takt-rb.XXXXXX", path[64];
    uint8_t *data = image_make(70001, 9);
    struct xymodem x = {.ymodem = true, .name = "image", .data = data, .size = 70001};
    struct buffer got = {0};
    if (access("/usr/bin/rb", X_OK)) {
        free(data);
        skip();
    }
    assert_non_null(mkdtemp(folder));
    assert_int_equal(pipe(to) | pipe(from), 0);
    const pid_t child = fork();
    if (child == 0) {
        dup2(to[0], STDIN_FILENO);
        dup2(from[1], STDOUT_FILENO);
        close(to[1]);
        close(from[0]);
        if (chdir(folder) == 0)
            execl("/usr/bin/rb", "rb", "-q", (char *)NULL);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    xymodem_begin(&x, clock_mono_ms());
    for (int64_t end = clock_mono_ms() + 20000;
         x.status == XYMODEM_RUNS && clock_mono_ms() < end;) {
        struct pollfd p = {.fd = from[0], .events = POLLIN};
        size_t size;
        const uint8_t *frame = xymodem_take(&x, &size);
        uint8_t byte;
        if (frame)
            assert_int_equal(file_write_all(to[1], frame, size, NULL), 0);
        else if (poll(&p, 1, 100) == 1 && read(from[0], &byte, 1) == 1)
            xymodem_heard(&x, byte, clock_mono_ms());
        xymodem_tick(&x, clock_mono_ms());
    }
    close(to[1]);
    close(from[0]);
    waitpid(child, NULL, 0);
    assert_int_equal(x.status, XYMODEM_DONE);
    snprintf(path, sizeof path, "%s/image", folder);
    assert_int_equal(file_read(path, &got, NULL), 0);
    assert_int_equal(got.size, 70001);
    assert_memory_equal(got.data, data, 70001);
    unlink(path);
    rmdir(folder);
    buffer_free(&got);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_crc_is_the_published_one),
        cmocka_unit_test(test_images_of_every_size_around_a_block_arrive),
        cmocka_unit_test(test_the_header_has_name_and_decimal_size),
        cmocka_unit_test(test_lost_and_flipped_bytes_cost_blocks_not_the_transfer),
        cmocka_unit_test(test_an_invented_ack_is_made_good),
        cmocka_unit_test(test_it_gives_up_when_cancelled_refused_for_ever_or_never_asked),
        cmocka_unit_test(test_lrzsz_receives_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
