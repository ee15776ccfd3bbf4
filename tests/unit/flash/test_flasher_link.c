/* The station's end of the flasher's protocol (station/flash/uart/flasher_link.c) with the
 * flasher's own code behind a line in simulated time: a slow line is not sent more, what is lost
 * is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/base/clock.h"
#include "protocol/base/splitmix.h"
#include "station/flash/uart/flasher_link.h"

enum { IMAGE_BYTES = 200000, QUEUE = 1 << 18 };

/* One way of the line: bytes, and when the last of them is through. */
struct way {
    uint8_t bytes[QUEUE];
    size_t head, tail; /* only grow; modulo QUEUE */
    double free_ms;    /* from when on it can carry the next byte */
    double at_ms[QUEUE];
};

static struct way to_unit, to_station;
static int64_t clock_ms;
static double byte_ms; /* what a byte takes */
static size_t sent_bytes;
/* Bytes to the unit, and from it, that never come: from the first to before the second. */
static size_t lost_to_unit[2], lost_to_station[2];
/* Of a million bytes, either way: as many never come, and as many with one bit turned over. */
static uint64_t bad_ppm, noise;

static uint8_t staging[IMAGE_BYTES], image[IMAGE_BYTES];

static bool is_bad(void)
{
    return bad_ppm && splitmix_next(&noise) % 1000000 < bad_ppm;
}

static void put(struct way *w, const uint8_t *bytes, size_t size, const size_t lost[2])
{
    for (size_t i = 0; i < size; i++) {
        w->free_ms = (w->free_ms > (double)clock_ms ? w->free_ms : (double)clock_ms) + byte_ms;
        assert_true(w->tail - w->head < QUEUE);
        const size_t nth = w->tail++, at = nth % QUEUE;
        w->bytes[at] = bytes[i];
        w->at_ms[at] = (nth >= lost[0] && nth < lost[1]) || is_bad() ? -1 : w->free_ms;
        if (is_bad())
            w->bytes[at] ^= (uint8_t)(1 << splitmix_next(&noise) % 8);
    }
}

/* The next byte that is through; -1 when there is none now. */
static int get(struct way *w)
{
    while (w->head < w->tail && w->at_ms[w->head % QUEUE] < 0)
        w->head++;
    return w->head < w->tail && w->at_ms[w->head % QUEUE] <= (double)clock_ms
               ? w->bytes[w->head++ % QUEUE]
               : -1;
}

/* ---- the station: what is tested, on this line and its clock ---- */

static int64_t played_ms(void)
{
    return clock_ms;
}
static int played_write(struct loader *line, const void *bytes, size_t size, struct error *err)
{
    sent_bytes += size;
    put(&to_unit, bytes, size, lost_to_unit);
    return 0;
}
static void unit_runs(void);
static int played_read(struct loader *line, void *bytes, size_t size, int timeout_ms, bool binary,
                       struct error *err)
{
    for (const int64_t end_ms = clock_ms + timeout_ms;; clock_ms++) {
        size_t n = 0;
        int byte;
        unit_runs();
        while (n < size && (byte = get(&to_station)) >= 0)
            ((uint8_t *)bytes)[n++] = (uint8_t)byte;
        if (n || clock_ms >= end_ms)
            return (int)n;
    }
}
#define clock_mono_ms played_ms
#define loader_read   played_read
#define loader_write  played_write
#include "station/flash/uart/flasher_link.c"

/* ---- the unit: firmware/flasher over this line, without a flash ---- */

#include "tests/unit/firmware/flasher_program.h"

void line_open(uintptr_t registers)
{
}
void line_poll(void)
{
}
int line_get(void)
{
    return get(&to_unit);
}
void line_put(const uint8_t *bytes, uint32_t size)
{
    put(&to_station, bytes, size, lost_to_station);
}
void line_flush(void)
{
}
bool nor_open(struct nor *n)
{
    return false;
}
const volatile uint32_t *nor_at(const struct nor *n, uint32_t offset, uint32_t *left)
{
    *left = 0;
    return NULL;
}
bool nor_erase(struct nor *n, uint32_t offset)
{
    return false;
}
bool nor_program(struct nor *n, uint32_t offset, const uint32_t *words, uint32_t bytes)
{
    return false;
}

static void unit_runs(void)
{
    int size;
    while ((size = take_frame()) >= 0)
        serve((uint32_t)size);
}

static void line_of(double bytes_per_s)
{
    bad_ppm = 0;
    /* What an earlier test left in the unit's half frame. */
    memset(&to_unit, 0, sizeof to_unit);
    to_unit.tail = FLASHER_FRAME_MAX;
    unit_runs();
    memset(&f, 0, sizeof f);
    memset(staging, 0, sizeof staging);
    f.staging = staging;
    f.staging_bytes = sizeof staging;
    crc_open();
    memset(&to_unit, 0, sizeof to_unit);
    memset(&to_station, 0, sizeof to_station);
    memset(lost_to_unit, 0, sizeof lost_to_unit);
    memset(lost_to_station, 0, sizeof lost_to_station);
    clock_ms = 1000;
    sent_bytes = 0;
    byte_ms = 1000 / bytes_per_s;
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof image; i++)
        image[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
}

static void streams(struct flasher_link *l)
{
    struct error err = {0};
    const int rc = flasher_link_stream(l, 0, image, sizeof image, NULL, NULL, NULL, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(rc, 0);
    assert_memory_equal(staging, image, sizeof image);
}

/* 200 bytes a second: a window takes 164 s, far longer than the station waits for a sign of life.
 */
static void test_a_slow_line_carries_nothing_twice(void **state)
{
    struct flasher_link l = {0};
    line_of(200);
    streams(&l);
    assert_int_equal(l.resent, 0);
    /* Frames of 4096 cost 14 bytes each; the unit may be asked in full once. */
    assert_in_range(sent_bytes, sizeof image, sizeof image * 101 / 100 + FLASHER_FRAME_MAX);
}

/* A frame is lost, and the word that it was: the unit waits for it, and says no more. */
static void test_what_is_lost_is_sent_again_though_its_ack_is_lost_too(void **state)
{
    struct flasher_link l = {0};
    line_of(11520);
    lost_to_unit[0] = 20000;
    lost_to_unit[1] = 20010;
    /* 14 bytes answer OPEN, 15 are an ACK: the fourth, and the one with `again`. */
    lost_to_station[0] = 14 + 3 * 15;
    lost_to_station[1] = 14 + 5 * 15;
    streams(&l);
    assert_true(l.resent >= 1);
    assert_in_range(sent_bytes, sizeof image, sizeof image + 2 * FLASHER_WINDOW);
    assert_in_range(clock_ms, 1000, 1000 + 2 * STREAM_AGAIN_MS + 2 * sizeof image / 11);
}

/* The last three frames are lost, and half of the question: nothing comes that could tell. */
static void test_a_lost_end_is_sent_again(void **state)
{
    struct flasher_link l = {0};
    line_of(11520);
    lost_to_unit[0] = sizeof image - 9000;
    lost_to_unit[1] = sizeof image + 49 * 14 + 14 + 2000;
    streams(&l);
    assert_true(l.resent >= 1);
    assert_in_range(clock_ms, 1000, 1000 + 4 * STREAM_AGAIN_MS + 2 * sizeof image / 11);
}

/* Bytes lost and turned over on both ways: lengths of frames, ACKs and questions among them. */
static void test_a_bad_line_carries_it_all_the_same(void **state)
{
    for (int seed = 1; seed <= 40; seed++) {
        struct flasher_link l = {0};
        line_of(11520);
        bad_ppm = 25u << seed % 4;
        noise = (uint64_t)seed;
        streams(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_slow_line_carries_nothing_twice),
        cmocka_unit_test(test_what_is_lost_is_sent_again_though_its_ack_is_lost_too),
        cmocka_unit_test(test_a_lost_end_is_sent_again),
        cmocka_unit_test(test_a_bad_line_carries_it_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
