#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/wire/frame.h"
#include "protocol/wire/link.h"

/* A line in simulated time: so many bytes a second each way, with a delay, and what happens to
 * bytes on the way. */
enum { QUEUE = 1 << 16, TICK_MS = 1 };

struct direction {
    struct {
        uint8_t byte;
        int64_t at_ms;
    } queue[QUEUE];
    size_t head, tail;
    double budget; /* bytes the line may carry now */
};

struct line {
    struct link *end[2];
    struct direction way[2]; /* way[i] leads to end[i] */
    int64_t now_ms;
    double rate; /* bytes a second */
    int delay_ms;
    double altered, lost, inserted; /* per byte */
    int log_every_ms;               /* a kernel line towards end[0] */
    bool cut;
    uint64_t random_state;
    uint8_t frame[2][FRAME_BYTES_MAX];
    size_t frame_size[2], frame_sent[2];
    uint64_t carried;
};

static double draw(struct line *l)
{
    l->random_state ^= l->random_state >> 12;
    l->random_state ^= l->random_state << 25;
    l->random_state ^= l->random_state >> 27;
    return (double)(l->random_state * 0x2545F4914F6CDD1Du >> 11) / 9007199254740992.0;
}

static void put(struct direction *d, uint8_t byte, int64_t at_ms)
{
    if (d->tail - d->head == QUEUE)
        return;
    d->queue[d->tail % QUEUE].byte = byte;
    d->queue[d->tail++ % QUEUE].at_ms = at_ms;
}

static void carry(struct line *l, int from)
{
    struct direction *d = &l->way[!from];
    d->budget += l->rate * TICK_MS / 1000;
    while (d->budget >= 1) {
        if (l->frame_sent[from] == l->frame_size[from]) {
            l->frame_sent[from] = 0;
            l->frame_size[from] =
                link_output(l->end[from], l->now_ms, l->frame[from], sizeof l->frame[from]);
            if (!l->frame_size[from]) {
                d->budget = 0;
                return;
            }
        }
        uint8_t byte = l->frame[from][l->frame_sent[from]++];
        d->budget -= 1;
        l->carried++;
        if (l->cut || draw(l) < l->lost)
            continue;
        if (draw(l) < l->altered)
            byte ^= (uint8_t)(1 + (int)(draw(l) * 255));
        put(d, byte, l->now_ms + l->delay_ms);
        if (draw(l) < l->inserted)
            put(d, (uint8_t)(draw(l) * 256), l->now_ms + l->delay_ms);
    }
}

static void tick(struct line *l)
{
    static const char log[] = "[   12.345678] usb 1-1: new full-speed USB device number 2\r\n";
    l->now_ms += TICK_MS;
    for (int i = 0; i < 2; i++)
        carry(l, i);
    if (l->log_every_ms && l->now_ms % l->log_every_ms == 0)
        for (size_t i = 0; i < sizeof log - 1; i++)
            put(&l->way[0], (uint8_t)log[i], l->now_ms + l->delay_ms);
    for (int i = 0; i < 2; i++) {
        struct direction *d = &l->way[i];
        uint8_t bytes[4096];
        size_t n = 0;
        while (d->head < d->tail && d->queue[d->head % QUEUE].at_ms <= l->now_ms &&
               n < sizeof bytes)
            bytes[n++] = d->queue[d->head++ % QUEUE].byte;
        if (n)
            link_feed(l->end[i], l->now_ms, bytes, n);
    }
}

static struct line *line_new(uint64_t seed, double rate, bool reliable)
{
    struct line *l = calloc(1, sizeof *l);
    l->random_state = seed * 0x9E3779B97F4A7C15u + 1;
    l->rate = rate;
    l->delay_ms = 2;
    l->now_ms = 1000;
    for (int i = 0; i < 2; i++) {
        struct link_config config = {
            .server = i == 1, .reliable = reliable, .nonce = 0x1000u + (uint32_t)i, .name = "line"};
        assert_int_equal(link_create(&config, l->now_ms, &l->end[i]), 0);
    }
    return l;
}

static void line_free(struct line *l)
{
    link_free(l->end[0]);
    link_free(l->end[1]);
    free(l);
}

static uint8_t pattern(int from, uint64_t i)
{
    return (uint8_t)((i * 2654435761u >> 13) + (uint64_t)from * 77 + i);
}

/* Sends `bytes` each way at once; returns the simulated milliseconds, or fails the test. */
static int64_t exchange(struct line *l, uint64_t bytes, int64_t limit_ms)
{
    uint64_t written[2] = {0}, read[2] = {0};
    int64_t begun = l->now_ms;
    while (read[0] < bytes || read[1] < bytes) {
        for (int i = 0; i < 2; i++) {
            uint8_t data[1000];
            size_t n = 0;
            while (n < sizeof data && written[i] + n < bytes) {
                data[n] = pattern(i, written[i] + n);
                n++;
            }
            written[i] += link_write(l->end[i], data, n);
            while ((n = link_read(l->end[i], data, sizeof data)) > 0)
                for (size_t k = 0; k < n; k++)
                    assert_int_equal(data[k], pattern(!i, read[i]++));
        }
        tick(l);
        assert_int_not_equal(link_state(l->end[0]), LINK_CLOSED);
        assert_int_not_equal(link_state(l->end[1]), LINK_CLOSED);
        if (l->now_ms - begun > limit_ms)
            fail_msg("only %lu and %lu of %lu bytes after %ld ms", (unsigned long)read[0],
                     (unsigned long)read[1], (unsigned long)bytes, (long)limit_ms);
    }
    return l->now_ms - begun;
}

static uint64_t resent(const struct line *l)
{
    struct link_counters a, b;
    link_counters(l->end[0], &a);
    link_counters(l->end[1], &b);
    return a.frames_resent + b.frames_resent;
}

static void test_a_clean_line_is_nearly_full_and_nothing_is_sent_twice(void **state)
{
    static const double rates[] = {11520, 92160, 300000};
    for (int i = 0; i < 3; i++) {
        struct line *l = line_new(1, rates[i], false);
        uint64_t bytes = (uint64_t)(rates[i] * 10);
        int64_t ms = exchange(l, bytes, 20000);
        double efficiency = (double)bytes / (rates[i] * (double)ms / 1000);
        print_message("%6.0f bytes/s: %.2f %% of the line\n", rates[i], 100 * efficiency);
        assert_true(efficiency > 0.96);
        assert_int_equal(resent(l), 0);
        line_free(l);
    }
}

static void test_one_percent_of_bytes_altered_or_lost_is_survived(void **state)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct line *l = line_new(seed, 92160, false);
        l->altered = 0.005;
        l->lost = 0.003;
        l->inserted = 0.002;
        int64_t ms = exchange(l, 100000, 60000);
        print_message("1 %% of bytes wrong: %.0f payload bytes/s each way of 92160\n",
                      100000.0 * 1000 / (double)ms);
        line_free(l);
    }
}

static void test_rare_noise_costs_little(void **state)
{
    struct line *l = line_new(7, 92160, false);
    l->altered = 1e-5;
    int64_t ms = exchange(l, 2000000, 60000);
    double efficiency = 2000000 / (92160 * (double)ms / 1000);
    print_message("1e-5 of bytes wrong: %.2f %% of the line\n", 100 * efficiency);
    assert_true(efficiency > 0.9);
    line_free(l);
}

static void test_log_lines_inside_frames_are_survived(void **state)
{
    struct line *l = line_new(3, 92160, false);
    l->log_every_ms = 40;
    exchange(l, 1000000, 60000);
    struct link_counters c;
    link_counters(l->end[0], &c);
    assert_true(c.noise_bytes > 1000);
    line_free(l);
}

static void test_a_reliable_transport_is_not_acknowledged(void **state)
{
    struct line *l = line_new(1, 1000000, true);
    exchange(l, 5000000, 20000);
    /* Both ways: payload, one header in 16384 bytes, and the opening. */
    assert_true((double)l->carried < 2 * 5000000 * 1.01);
    line_free(l);
}

static void test_one_side_that_wants_acknowledgement_gets_it(void **state)
{
    struct line *l = line_new(5, 92160, false);
    struct link_config config = {.server = false, .reliable = true, .nonce = 77, .name = "mixed"};
    link_free(l->end[0]); /* raw TCP to a terminal server: the UART is behind it */
    assert_int_equal(link_create(&config, l->now_ms, &l->end[0]), 0);
    l->altered = 1e-4;
    exchange(l, 300000, 60000);
    assert_true(resent(l) > 0);
    line_free(l);
}

static void test_rubbish_on_a_reliable_transport_is_an_error(void **state)
{
    struct line *l = line_new(11, 92160, true);
    uint8_t data[1000] = {0};
    while (link_state(l->end[0]) != LINK_OPEN)
        tick(l);
    l->altered = 0.01;
    for (int i = 0; i < 3000 && link_state(l->end[1]) == LINK_OPEN; i++) {
        link_write(l->end[0], data, sizeof data);
        tick(l);
    }
    assert_int_equal(link_state(l->end[1]), LINK_CLOSED);
    assert_int_equal(link_error(l->end[1])->code, ERROR_PROTOCOL);
    assert_non_null(strstr(link_error(l->end[1])->text, "reliable"));
    line_free(l);
}

static void test_a_vanished_peer_is_noticed_within_six_seconds(void **state)
{
    struct line *l = line_new(2, 92160, false);
    exchange(l, 10000, 5000);
    int64_t quiet = l->now_ms + 20000; /* keepalives hold an idle session */
    while (l->now_ms < quiet)
        tick(l);
    assert_int_equal(link_state(l->end[0]), LINK_OPEN);
    l->cut = true;
    int64_t begun = l->now_ms;
    while (link_state(l->end[0]) == LINK_OPEN && l->now_ms < begun + 20000)
        tick(l);
    assert_in_range(l->now_ms - begun, 3900, 6000);
    assert_int_equal(link_error(l->end[0])->code, ERROR_CLOSED);
    line_free(l);
}

static void test_a_process_that_slept_does_not_blame_its_peer(void **state)
{
    struct line *l = line_new(2, 92160, false);
    exchange(l, 1000, 5000);
    l->now_ms += 3600 * 1000; /* a laptop's lid, a debugger */
    tick(l);
    for (int i = 0; i < 2000; i++)
        tick(l);
    assert_int_equal(link_state(l->end[0]), LINK_OPEN);
    assert_int_equal(link_state(l->end[1]), LINK_OPEN);
    line_free(l);
}

static void test_a_close_tells_the_reason(void **state)
{
    struct line *l = line_new(2, 92160, false);
    exchange(l, 1000, 5000);
    link_close(l->end[0], "enough for today");
    for (int i = 0; i < 20; i++)
        tick(l);
    assert_int_equal(link_state(l->end[1]), LINK_CLOSED);
    assert_string_equal(link_error(l->end[1])->text, "line: closed by the peer: enough for today");
    line_free(l);
}

static void restart(struct line *l, int end, uint32_t nonce)
{
    struct link_config config = {
        .server = end == 1, .reliable = false, .nonce = nonce, .name = "line"};
    link_free(l->end[end]);
    l->frame_size[end] = l->frame_sent[end] = 0;
    assert_int_equal(link_create(&config, l->now_ms, &l->end[end]), 0);
}

static void test_a_unit_that_restarted_says_so(void **state)
{
    struct line *l = line_new(2, 92160, false);
    exchange(l, 100000, 5000);
    restart(l, 1, 0x5555);
    int64_t begun = l->now_ms;
    while (link_state(l->end[0]) == LINK_OPEN && l->now_ms < begun + 20000)
        tick(l);
    assert_in_range(l->now_ms - begun, 1, 1100); /* the next keepalive is answered by it */
    assert_string_equal(link_error(l->end[0])->text,
                        "line: closed by the peer: this session is not known here");
    line_free(l);
}

/* The station's program is killed in mid-transfer and started again on the same UART: what the old
 * session still had on the line, both ways, must not reach the new one. */
static void test_a_new_session_is_not_confused_by_the_old_ones_frames(void **state)
{
    struct line *l = line_new(2, 11520, false);
    uint8_t data[4000];
    memset(data, 0xEE, sizeof data);
    l->delay_ms = 50;
    exchange(l, 5000, 5000);
    for (int i = 0; i < 300; i++) {
        link_write(l->end[0], data, sizeof data);
        link_write(l->end[1], data, sizeof data);
        tick(l);
    }
    restart(l, 0, 0x7777);
    int64_t begun = l->now_ms;
    while (link_state(l->end[1]) == LINK_OPEN && l->now_ms < begun + 1500)
        tick(l);
    assert_string_equal(link_error(l->end[1])->text, "line: the peer began a new session");
    restart(l, 1, 0x8888);
    exchange(l, 20000, 10000);
    line_free(l);
}

static void test_another_version_is_refused_with_a_reason(void **state)
{
    struct line *l = line_new(2, 92160, false);
    uint8_t bytes[64], payload[8] = {9, 0, 0, 0, 1, 2, 3, 4};
    struct frame f = {.type = 1, .size = 8, .payload = payload};
    link_feed(l->end[1], l->now_ms, bytes, frame_encode(&f, bytes, sizeof bytes));
    size_t n = link_output(l->end[1], l->now_ms, l->frame[1], sizeof l->frame[1]);
    assert_true(n > FRAME_OVERHEAD_BYTES);
    assert_int_equal(l->frame[1][2], 5);
    assert_memory_equal(l->frame[1] + FRAME_HEADER_BYTES, "wire version 9", 14);
    line_free(l);
}

/* What U-Boot takes for Ctrl-C would keep a unit that a station waits for at its prompt. */
static void test_no_open_of_a_nonce_that_fits_stops_a_boot_loader(void **state)
{
    uint8_t open[FRAME_BYTES_MAX];
    int stopping = 0;
    for (uint32_t n = 1; n <= 4000; n++) {
        const uint32_t nonce = n * 2654435761u;
        bool has_ctrl_c = false;
        for (int reliable = 0; reliable <= 1; reliable++) {
            const struct link_config config = {
                .reliable = reliable, .nonce = nonce, .name = "test"};
            struct link *l;
            assert_int_equal(link_create(&config, 0, &l), 0);
            const size_t size = link_output(l, 0, open, sizeof open);
            assert_int_equal(size, FRAME_OVERHEAD_BYTES + 8);
            has_ctrl_c = has_ctrl_c || memchr(open, 3, size);
            link_free(l);
        }
        assert_int_equal(link_nonce_fits(nonce), !has_ctrl_c);
        stopping += has_ctrl_c;
    }
    assert_false(link_nonce_fits(0));
    assert_in_range(stopping, 100, 400); /* 12 bytes that are any: one in 22 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_clean_line_is_nearly_full_and_nothing_is_sent_twice),
        cmocka_unit_test(test_one_percent_of_bytes_altered_or_lost_is_survived),
        cmocka_unit_test(test_rare_noise_costs_little),
        cmocka_unit_test(test_log_lines_inside_frames_are_survived),
        cmocka_unit_test(test_a_reliable_transport_is_not_acknowledged),
        cmocka_unit_test(test_one_side_that_wants_acknowledgement_gets_it),
        cmocka_unit_test(test_rubbish_on_a_reliable_transport_is_an_error),
        cmocka_unit_test(test_a_vanished_peer_is_noticed_within_six_seconds),
        cmocka_unit_test(test_a_process_that_slept_does_not_blame_its_peer),
        cmocka_unit_test(test_a_close_tells_the_reason),
        cmocka_unit_test(test_a_unit_that_restarted_says_so),
        cmocka_unit_test(test_a_new_session_is_not_confused_by_the_old_ones_frames),
        cmocka_unit_test(test_another_version_is_refused_with_a_reason),
        cmocka_unit_test(test_no_open_of_a_nonce_that_fits_stops_a_boot_loader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
