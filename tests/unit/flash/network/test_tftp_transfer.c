/* TFTP without a network: what a client by the RFCs' text gets through loss, doubling and swapping,
 * how soon, and in how many packets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/flash/network/tftp_client_model.h"

static struct tftp_request request(const char *text, size_t size)
{
    struct tftp_request r;
    struct error err = {0};
    int code;
    assert_int_equal(tftp_request_parse((const uint8_t *)text, size, &r, &code, &err), 0);
    return r;
}
#define REQUEST(text) request(text, sizeof(text) - 1)

static void refused(const char *text, size_t size, int code_expected)
{
    struct tftp_request r;
    struct error err = {0};
    int code;
    assert_int_equal(tftp_request_parse((const uint8_t *)text, size, &r, &code, &err), ERROR_INPUT);
    assert_int_equal(code, code_expected);
    assert_true(err.text[0]);
}
#define REFUSED(text, code) refused(text, sizeof(text) - 1, code)

static void test_requests_with_and_without_options_are_read(void **state)
{
    struct tftp_request r = REQUEST("\0\1kernel\0octet\0");
    assert_string_equal(r.file, "kernel");
    assert_int_equal(r.block_bytes + r.window + r.timeout_s + r.size, 0);
    /* As U-Boot 2023.01 sends it with tftpwindowsize set; names in any case (RFC 2347). */
    r = REQUEST("\0\1uImage\0OCTET\0timeout\0"
                "5\0TSIZE\0"
                "0\0blksize\0"
                "1468\0windowsize\0"
                "16\0");
    assert_int_equal(r.timeout_s, 5);
    assert_true(r.size);
    assert_int_equal(r.block_bytes, 1468);
    assert_int_equal(r.window, 16);
}

static void test_an_option_no_rfc_allows_counts_as_not_asked_for(void **state)
{
    const struct tftp_request r = REQUEST("\0\1f\0octet\0blksize\0"
                                          "7\0windowsize\0"
                                          "65536\0timeout\0"
                                          "256\0multicast\0\0cut");
    assert_int_equal(r.block_bytes + r.window + r.timeout_s + r.size, 0);
}

static void test_what_is_no_read_request_is_refused_by_its_code(void **state)
{
    REFUSED("\0\2f\0octet\0", TFTP_NOT_ALLOWED);
    REFUSED("\0\1f\0netascii\0", TFTP_ILLEGAL);
    REFUSED("\0\1\0octet\0", TFTP_ILLEGAL);
    REFUSED("\0\1kernel", TFTP_ILLEGAL);
    REFUSED("\0\4\0\1", -1); /* a stray packet is not answered */
    REFUSED("\0\1", -1);
    char text[TFTP_NAME_MAX + 16] = {0, 1};
    memset(text + 2, 'a', TFTP_NAME_MAX);
    memcpy(text + 2 + TFTP_NAME_MAX, "\0octet", 7);
    refused(text, 2 + TFTP_NAME_MAX + 7, TFTP_ILLEGAL);
}

static void test_the_answer_names_the_options_that_were_asked_for(void **state)
{
    struct tftp_transfer t;
    struct tftp_packet p;
    const struct tftp_request r = REQUEST("\0\1f\0octet\0tsize\0"
                                          "0\0blksize\0"
                                          "1468\0windowsize\0"
                                          "1000\0");
    static const char expected[] = "\0\6blksize\0"
                                   "1468\0tsize\0"
                                   "70000\0windowsize\0"
                                   "16";
    tftp_transfer_begin(&t, &r, 70000, 0);
    assert_true(tftp_transfer_next(&t, 0, &p));
    assert_int_equal(p.head_bytes, sizeof expected);
    assert_memory_equal(p.head, expected, sizeof expected);
    assert_int_equal(p.data_bytes, 0);
    assert_false(tftp_transfer_next(&t, 1000, &p));
}

/* ---- whole files -------------------------------------------------------------------------- */

struct outcome {
    int64_t us;
    uint64_t packets, blocks;
};

static struct outcome fetch(struct net *n, uint32_t block_bytes, uint32_t window, size_t size)
{
    uint8_t *file = malloc(size + 1), *got = malloc(size + 1);
    uint64_t seed = 5;
    for (size_t i = 0; i < size; i++)
        file[i] = (uint8_t)splitmix_next(&seed);
    struct tftp_request r = {.file = "f",
                             .block_bytes = block_bytes == 512 ? 0 : block_bytes,
                             .window = window == 1 ? 0 : window};
    struct client_model c = {
        .block_bytes = block_bytes, .window = window, .bytes = got, .room = size};
    struct tftp_transfer t;
    tftp_transfer_begin(&t, &r, size, 0);
    net_run(n, &t, &c, file, INT64_C(3600) * 1000000);
    assert_true(c.ended);
    assert_int_equal(c.size, size);
    assert_memory_equal(got, file, size);
    const struct outcome o = {n->now_us, n->data_packets, t.blocks};
    free(file);
    free(got);
    return o;
}

static void test_files_of_every_odd_size_arrive_whole(void **state)
{
    static const size_t sizes[] = {0, 1, 511, 512, 513, 1024, 70000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (uint32_t window = 1; window <= 16; window *= 4) {
            struct net n = {.delay_us = 100};
            const struct outcome o = fetch(&n, 512, window, sizes[i]);
            assert_int_equal(o.packets, sizes[i] / 512 + 1);
        }
}

static void test_block_numbers_wrap(void **state)
{
    struct net n = {.delay_us = 10};
    assert_int_equal(fetch(&n, 512, 1, 512 * 70000).packets, 70001);
    struct net w = {.delay_us = 10, .seed = 3, .loss = 0.001};
    fetch(&w, 512, 16, 512 * 140000);
}

static void test_doubled_acknowledgements_double_no_block(void **state)
{
    struct net n = {.delay_us = 100, .twice = 1.0};
    const struct outcome o = fetch(&n, 1468, 1, 1468 * 1000);
    assert_int_equal(o.packets, o.blocks);
}

static void test_a_lost_packet_costs_far_less_than_the_clients_own_patience(void **state)
{
    /* 5 % each way over 2000 blocks: some 200 losses. At the client's 5 s that were 1000 s. */
    struct net n = {.delay_us = 150, .seed = 11, .loss = 0.05};
    const struct outcome o = fetch(&n, 1468, 1, 1468 * 2000);
    print_message("lock-step, 5 %% lost: %.1f s, %llu packets for %llu blocks\n",
                  (double)o.us / 1e6, (unsigned long long)o.packets, (unsigned long long)o.blocks);
    assert_true(o.us < 15 * 1000000);
    assert_true(o.packets < o.blocks * 12 / 10);
}

static void test_a_client_slower_than_the_first_guess_gets_each_block_once(void **state)
{
    /* 400 ms there and back, where 250 ms are waited for at first; in windows as well. */
    for (uint32_t window = 1; window <= 16; window *= 4) {
        struct net n = {.delay_us = 200000};
        const struct outcome o = fetch(&n, 1468, window, 1468 * 500);
        if (o.packets > o.blocks + 2 * window)
            fail_msg("window %u: %llu packets for %llu blocks", window,
                     (unsigned long long)o.packets, (unsigned long long)o.blocks);
    }
}

static void test_a_client_that_is_slow_now_and_then_gets_few_blocks_twice(void **state)
{
    /* 20 ms there and back, but for one packet in thirty 38, as one that waits for a shared
     * processor. */
    struct net n = {.delay_us = 10000, .seed = 4, .late = 0.033, .late_us = 18000};
    const struct outcome o = fetch(&n, 1468, 1, 1468 * 2000);
    print_message("slow now and then: %llu packets for %llu blocks\n",
                  (unsigned long long)o.packets, (unsigned long long)o.blocks);
    assert_true(o.packets <= o.blocks * 1005 / 1000);
}

static void test_every_mix_of_loss_doubling_and_swapping_ends_whole(void **state)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct net n = {.delay_us = 50 + (int64_t)(seed * 37 % 900), .seed = seed * 977};
        n.loss = (double)(seed % 4) * 0.03;
        n.twice = (double)(seed % 3) * 0.1;
        n.late = (double)(seed % 5) * 0.05;
        const uint32_t window = 1u << seed % 6;
        const struct outcome o = fetch(&n, seed % 2 ? 512 : 1468, window, 300000 + (size_t)seed);
        /* Each trouble costs a window at most: the client answers what is out of order, a doubled
         * block too, by saying where it stands. */
        const double troubles = n.loss * 3 + n.late * 3 + (window > 1 ? n.twice * 2 : 0);
        const double bound = 1.15 + troubles * (double)(window + 1);
        if ((double)o.packets > (double)o.blocks * bound)
            fail_msg("seed %llu: %llu packets for %llu blocks", (unsigned long long)seed,
                     (unsigned long long)o.packets, (unsigned long long)o.blocks);
    }
}

static void test_within_a_window_one_gap_is_filled_by_going_back_once(void **state)
{
    struct tftp_transfer t;
    struct tftp_packet p;
    const struct tftp_request r = {.file = "f", .block_bytes = 1000, .window = 8};
    static const uint8_t ack0[] = {0, 4, 0, 0}, ack3[] = {0, 4, 0, 3};
    uint64_t first = 0, packets = 0;
    tftp_transfer_begin(&t, &r, 100000, 0);
    assert_true(tftp_transfer_next(&t, 0, &p));
    tftp_transfer_take(&t, ack0, sizeof ack0, 1000);
    while (tftp_transfer_next(&t, 1000, &p))
        packets++;
    assert_int_equal(packets, 8);
    /* Block 4 was lost: 5 to 8 each make the client say where it stands. */
    for (int i = 0; i < 4; i++) {
        tftp_transfer_take(&t, ack3, sizeof ack3, 2000 + i);
        for (packets = 0; tftp_transfer_next(&t, 2000 + i, &p); packets++)
            if (!packets)
                first = p.offset / 1000 + 1;
        assert_int_equal(packets, i ? 0 : 8);
        if (!i)
            assert_int_equal(first, 4);
    }
}

static void test_a_request_that_comes_twice_is_one_transfer(void **state)
{
    struct tftp_transfer t;
    struct tftp_packet p;
    const struct tftp_request r = {.file = "f", .block_bytes = 1000};
    static const uint8_t ack0[] = {0, 4, 0, 0}, ack1[] = {0, 4, 0, 1};
    tftp_transfer_begin(&t, &r, 100000, 0);
    assert_true(tftp_transfer_next(&t, 0, &p));
    assert_true(tftp_transfer_asked_again(&t, 100)); /* the offer was lost: it goes out again */
    assert_true(tftp_transfer_next(&t, 100, &p));
    assert_int_equal(p.head[1], 6);
    tftp_transfer_take(&t, ack0, sizeof ack0, 200);
    assert_true(tftp_transfer_next(&t, 200, &p));
    tftp_transfer_take(&t, ack1, sizeof ack1, 300);
    assert_true(tftp_transfer_next(&t, 300, &p));
    assert_true(tftp_transfer_asked_again(&t, 400)); /* a late double in mid-transfer: nothing */
    assert_false(tftp_transfer_next(&t, 400, &p));
    assert_false(tftp_transfer_asked_again(&t, 5000400)); /* after a silence: it began anew */
}

static void test_a_client_that_falls_silent_is_given_up(void **state)
{
    struct tftp_transfer t;
    struct tftp_packet p;
    const struct tftp_request r = {.file = "f"};
    uint64_t packets = 0;
    tftp_transfer_begin(&t, &r, 100000, 0);
    for (int64_t now = 0; t.state < TFTP_DONE; now = tftp_transfer_deadline_us(&t)) {
        packets += tftp_transfer_next(&t, now, &p);
        assert_true(now <= TFTP_GIVE_UP_US + 1000000);
    }
    assert_int_equal(t.state, TFTP_FAILED);
    assert_string_equal(t.why, "the client has been silent for 30 s after 0 of 100000 bytes");
    assert_in_range(packets, 20, 60);
}

static void test_the_clients_own_error_is_kept_without_its_control_characters(void **state)
{
    struct tftp_transfer t;
    const struct tftp_request r = {.file = "f"};
    static const uint8_t error[] = "\0\5\0\3disk \033[31mfull";
    tftp_transfer_begin(&t, &r, 10, 0);
    tftp_transfer_take(&t, error, sizeof error - 1, 1);
    assert_int_equal(t.state, TFTP_FAILED);
    assert_string_equal(t.why, "the client ended it: error 3, disk ?[31mfull");
}

static void test_acknowledgements_of_what_was_never_sent_move_nothing(void **state)
{
    struct tftp_transfer t;
    struct tftp_packet p;
    const struct tftp_request r = {.file = "f", .block_bytes = 1000, .window = 4};
    tftp_transfer_begin(&t, &r, 100000, 0);
    for (unsigned number = 1; number < 65536; number += 7) { /* before the options were taken */
        const uint8_t ack[] = {0, 4, (uint8_t)(number >> 8), (uint8_t)number};
        tftp_transfer_take(&t, ack, sizeof ack, 1);
    }
    assert_int_equal(t.state, TFTP_OFFERED);
    assert_true(tftp_transfer_next(&t, 2, &p));
    tftp_transfer_take(&t, (const uint8_t[]){0, 4, 0, 0}, 4, 3);
    while (tftp_transfer_next(&t, 3, &p))
        ;
    for (unsigned number = 5; number < 65536; number++) {
        const uint8_t ack[] = {0, 4, (uint8_t)(number >> 8), (uint8_t)number};
        tftp_transfer_take(&t, ack, sizeof ack, 4);
    }
    assert_int_equal(t.acked, 0);
    assert_int_equal(t.state, TFTP_SENDING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_with_and_without_options_are_read),
        cmocka_unit_test(test_an_option_no_rfc_allows_counts_as_not_asked_for),
        cmocka_unit_test(test_what_is_no_read_request_is_refused_by_its_code),
        cmocka_unit_test(test_the_answer_names_the_options_that_were_asked_for),
        cmocka_unit_test(test_files_of_every_odd_size_arrive_whole),
        cmocka_unit_test(test_block_numbers_wrap),
        cmocka_unit_test(test_doubled_acknowledgements_double_no_block),
        cmocka_unit_test(test_a_lost_packet_costs_far_less_than_the_clients_own_patience),
        cmocka_unit_test(test_a_client_slower_than_the_first_guess_gets_each_block_once),
        cmocka_unit_test(test_a_client_that_is_slow_now_and_then_gets_few_blocks_twice),
        cmocka_unit_test(test_every_mix_of_loss_doubling_and_swapping_ends_whole),
        cmocka_unit_test(test_within_a_window_one_gap_is_filled_by_going_back_once),
        cmocka_unit_test(test_a_request_that_comes_twice_is_one_transfer),
        cmocka_unit_test(test_a_client_that_falls_silent_is_given_up),
        cmocka_unit_test(test_the_clients_own_error_is_kept_without_its_control_characters),
        cmocka_unit_test(test_acknowledgements_of_what_was_never_sent_move_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
