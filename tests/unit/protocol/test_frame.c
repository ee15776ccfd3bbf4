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

static uint64_t random_state;

/* xorshift64*: the same run for the same seed on every machine. */
static uint32_t draw(uint32_t below)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)(random_state * 0x2545F4914F6CDD1Du >> 32) % below;
}

/* The example of docs/protocol.md, made from the table there by another program. */
static void test_the_bytes_are_those_of_the_document(void **state)
{
    uint8_t out[64];
    const uint8_t open[] = {0xF5, 0xC1, 0x01, 0x00, 0,    0,    0,    0,    0,    0,
                            0,    0,    0x08, 0x00, 0xB7, 0x4E, 0x01, 0x00, 0x01, 0x00,
                            0x78, 0x56, 0x34, 0x12, 0xF4, 0x89, 0xB5, 0x7A};
    const uint8_t ack[] = {0xF5, 0xC1, 0x04, 0x01, 0x78, 0x56, 0x34, 0x12, 0x47, 0x00,
                           0x00, 0x00, 0x00, 0x00, 0x47, 0xF4, 0x6D, 0x44, 0x61, 0xF1};
    struct frame f = {.type = 1, .size = 8, .payload = open + 16};
    assert_int_equal(frame_encode(&f, out, sizeof out), sizeof open);
    assert_memory_equal(out, open, sizeof open);
    struct frame a = {.type = 4, .number = 1, .tag = 0x12345678, .sequence = 0x47};
    assert_int_equal(frame_encode(&a, out, sizeof out), sizeof ack);
    assert_memory_equal(out, ack, sizeof ack);
    assert_int_equal(frame_encode(&f, out, 27), 0);
}

static void test_kernel_log_lines_between_frames_are_noise(void **state)
{
    static const char line[] = "[    1.234567] mmc0: new high speed SDHC card\r\n";
    static struct frame_decoder d;
    uint8_t bytes[4096];
    size_t size = 0;
    for (uint32_t i = 0; i < 10; i++) {
        struct frame f = {.type = 3, .sequence = i, .size = 5, .payload = (const uint8_t *)"hello"};
        memcpy(bytes + size, line, sizeof line - 1);
        size += sizeof line - 1;
        size += frame_encode(&f, bytes + size, sizeof bytes - size);
    }
    frame_decoder_init(&d);
    uint32_t frames = 0;
    size_t noise = 0;
    struct frame_event e;
    for (size_t i = 0; i < size; i++) { /* byte by byte, as a UART may hand them over */
        assert_int_equal(frame_decoder_feed(&d, bytes + i, 1), 1);
        while (frame_decoder_next(&d, &e)) {
            if (e.is_frame)
                assert_int_equal(e.frame.sequence, frames++);
            else
                noise += e.noise_size;
        }
    }
    assert_int_equal(frames, 10);
    assert_int_equal(noise, 10 * (sizeof line - 1));
    assert_int_equal(d.frames_bad, 0);
}

static void test_a_damaged_size_does_not_swallow_what_follows(void **state)
{
    static struct frame_decoder d;
    uint8_t bytes[256], payload[16] = "sixteen bytes..";
    struct frame f = {.type = 3, .size = 16, .payload = payload};
    size_t one = frame_encode(&f, bytes, sizeof bytes);
    frame_encode(&f, bytes + one, sizeof bytes - one);
    bytes[13] = 0x3F; /* 16144 bytes, says the first one now */
    frame_decoder_init(&d);
    frame_decoder_feed(&d, bytes, 2 * one);
    struct frame_event e;
    int frames = 0;
    while (frame_decoder_next(&d, &e))
        frames += e.is_frame;
    assert_int_equal(frames, 1);
}

enum { FRAMES = 400 };

struct sent {
    uint32_t sequence;
    uint16_t size;
    bool intact;
    size_t at, end;
};

/* Frames with rubbish between them; some get bytes altered, lost or inserted. Every intact one must
 * be found, in order, and nothing that was not sent. */
static void survive(uint64_t seed)
{
    static uint8_t stream[FRAMES * 2048], payload[700];
    static struct sent sent[FRAMES];
    static struct frame_decoder d;
    size_t size = 0;
    random_state = seed;
    for (uint32_t i = 0; i < FRAMES; i++) {
        for (uint32_t n = draw(3) ? 0 : draw(120); n; n--)
            stream[size++] = (uint8_t)(draw(4) ? draw(256) : draw(2) ? 0xF5 : 0xC1);
        uint16_t length = (uint16_t)draw(sizeof payload);
        for (uint16_t k = 0; k < length; k++) /* payloads full of magics */
            payload[k] = (uint8_t)(draw(3) ? draw(256) : draw(2) ? 0xF5 : 0xC1);
        struct frame f = {
            .type = 3, .tag = (uint32_t)seed, .sequence = i, .size = length, .payload = payload};
        size_t n = frame_encode(&f, stream + size, sizeof stream - size);
        sent[i] = (struct sent){.sequence = i, .size = length, .intact = true};
        size_t where = draw((uint32_t)n);
        switch (draw(6)) {
        case 0:
            stream[size + where] ^= (uint8_t)(1 + draw(255));
            sent[i].intact = false;
            break;
        case 1: /* lost; at the ends a neighbour could stand in for it */
            where = 1 + where % (n - 3);
            memmove(stream + size + where, stream + size + where + 1, n - where - 1);
            n--;
            sent[i].intact = false;
            break;
        case 2: { /* a log line in the middle */
            static const char line[] = "\n[   99.000001] random: crng init done\n";
            memmove(stream + size + where + sizeof line, stream + size + where, n - where);
            memcpy(stream + size + where, line, sizeof line);
            n += sizeof line;
            sent[i].intact = where == 0;
            break;
        }
        default:
            break;
        }
        size += n;
    }
    /* An end that is no frame, so that what waits for more bytes gets them. */
    memset(stream + size, 'x', FRAME_BYTES_MAX);
    size += FRAME_BYTES_MAX;
    frame_decoder_init(&d);
    size_t fed = 0, noise = 0, framed = 0;
    uint32_t expected = 0;
    while (fed < size) {
        size_t n = 1 + draw(3000);
        if (n > size - fed)
            n = size - fed;
        fed += frame_decoder_feed(&d, stream + fed, n);
        struct frame_event e;
        while (frame_decoder_next(&d, &e)) {
            if (!e.is_frame) {
                noise += e.noise_size;
                continue;
            }
            framed += FRAME_OVERHEAD_BYTES + (size_t)e.frame.size;
            while (expected < FRAMES && !sent[expected].intact)
                expected++;
            assert_true(expected < FRAMES);
            assert_int_equal(e.frame.sequence, sent[expected].sequence);
            assert_int_equal(e.frame.size, sent[expected].size);
            assert_int_equal(e.frame.tag, (uint32_t)seed);
            expected++;
        }
    }
    while (expected < FRAMES && !sent[expected].intact)
        expected++;
    assert_int_equal(expected, FRAMES);
    assert_int_equal(noise + framed + (d.end - d.start), size); /* no byte unaccounted for */
}

static void test_every_intact_frame_is_found_and_none_invented(void **state)
{
    for (uint64_t seed = 1; seed <= 40; seed++)
        survive(seed * 0x9E3779B97F4A7C15u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_bytes_are_those_of_the_document),
        cmocka_unit_test(test_kernel_log_lines_between_frames_are_noise),
        cmocka_unit_test(test_a_damaged_size_does_not_swallow_what_follows),
        cmocka_unit_test(test_every_intact_frame_is_found_and_none_invented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
