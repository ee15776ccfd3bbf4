/* The flasher's requests (firmware/flasher/flasher.c), its line and flash played here: what is not
 * announced is not erased for, what is there is left alone, nothing is done twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/base/digest.h"
#include "protocol/wire/crc32c.h"

#include "tests/unit/firmware/flasher_program.h"

enum { BLOCK = 4096, BLOCKS = 4, FLASH = BLOCK * BLOCKS, STAGING = 16384 };

static _Alignas(4) uint8_t flash_bytes[FLASH], staging[STAGING];
static int erases, programs, fail_erase_at = -1;
static uint8_t in[65536], out[65536];
static size_t in_size, in_taken, out_size;

void line_open(uintptr_t registers)
{
}
void line_poll(void)
{
}
int line_get(void)
{
    return in_taken < in_size ? in[in_taken++] : -1;
}
void line_put(const uint8_t *data, uint32_t size)
{
    memcpy(out + out_size, data, size);
    out_size += size;
}
void line_flush(void)
{
}

bool nor_open(struct nor *n)
{
    n->bytes = FLASH;
    return true;
}
const volatile uint32_t *nor_at(const struct nor *n, uint32_t offset, uint32_t *left)
{
    *left = FLASH - offset;
    return (const volatile uint32_t *)(flash_bytes + offset);
}
bool nor_erase(struct nor *n, uint32_t offset)
{
    erases++;
    if ((int)offset == fail_erase_at)
        return false;
    memset(flash_bytes + offset, 0xff, BLOCK);
    return true;
}
/* As flash is: ones become zeros, never the reverse. */
bool nor_program(struct nor *n, uint32_t offset, const uint32_t *data, uint32_t bytes)
{
    programs++;
    for (uint32_t i = 0; i < bytes; i++)
        flash_bytes[offset + i] &= ((const uint8_t *)data)[i];
    return true;
}

static int set_up(void **state)
{
    memset(&f, 0, sizeof f);
    memset(flash_bytes, 0xff, sizeof flash_bytes);
    memset(staging, 0, sizeof staging);
    f.staging = staging;
    f.staging_bytes = STAGING;
    f.nor = (struct nor){.bytes = FLASH, .erase_bytes = BLOCK};
    crc_open();
    erases = programs = 0;
    fail_erase_at = -1;
    in_size = in_taken = out_size = 0;
    return 0;
}

static void say(uint8_t kind, uint8_t tag, uint32_t offset, const void *content, size_t bytes)
{
    uint8_t *at = in + in_size;
    if (bytes)
        memcpy(at + FLASHER_HEADER_BYTES, content, bytes);
    in_size += close_frame(at, kind, tag, offset, (uint32_t)bytes);
}

static void run(void)
{
    int size;
    while ((size = take_frame()) >= 0)
        serve((uint32_t)size);
}

/* The last frame it sent: its kind, offset and content. */
static uint8_t last(uint32_t *offset, const uint8_t **content)
{
    size_t at = 0, from = 0;
    while (at < out_size) {
        from = at;
        at += FLASHER_HEADER_BYTES + 4u + (out[at + 8] | (size_t)out[at + 9] << 8);
    }
    assert_int_equal(at, out_size);
    const size_t covered = out_size - from - 4;
    assert_int_equal(flasher_number(out + out_size - 4), crc32c(0, out + from, covered));
    *offset = flasher_number(out + from + 4);
    *content = out + from + FLASHER_HEADER_BYTES;
    return out[from + 2];
}

static uint32_t status(void)
{
    uint32_t offset;
    const uint8_t *content;
    assert_int_equal(last(&offset, &content), FLASHER_ANSWER);
    return offset;
}

static void load(const uint8_t *data, size_t size)
{
    say(FLASHER_OPEN, 1, 0, NULL, 0);
    for (size_t at = 0; at < size; at += FLASHER_CONTENT_MAX)
        say(FLASHER_DATA, 0, (uint32_t)at, data + at,
            size - at < FLASHER_CONTENT_MAX ? size - at : FLASHER_CONTENT_MAX);
    run();
}

static void ask_write(uint8_t tag, uint32_t to, uint32_t size, const uint8_t *hashed)
{
    uint8_t request[44];
    flasher_put_number(request, to);
    flasher_put_number(request + 4, 0);
    flasher_put_number(request + 8, size);
    digest_bytes(hashed, size, request + 12);
    say(FLASHER_WRITE, tag, 0, request, sizeof request);
    run();
}

static void fill(uint8_t *data, size_t size, uint8_t seed)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i * 7 + seed);
}

static void test_an_image_is_written_and_what_is_behind_it_is_erased(void **state)
{
    uint8_t image[6001];
    fill(image, sizeof image, 1);
    memset(flash_bytes, 0, sizeof flash_bytes);
    load(image, sizeof image);
    ask_write(2, BLOCK, sizeof image, image);
    assert_int_equal(status(), FLASHER_DONE);
    assert_memory_equal(flash_bytes + BLOCK, image, sizeof image);
    for (size_t i = BLOCK + sizeof image; i < 3 * BLOCK; i++)
        assert_int_equal(flash_bytes[i], 0xff);
    assert_int_equal(flash_bytes[0] | flash_bytes[3 * BLOCK], 0);
    assert_int_equal(erases, 2);
}

static void test_blank_blocks_are_not_erased_and_unchanged_ones_left(void **state)
{
    uint8_t image[2 * BLOCK];
    fill(image, sizeof image, 1);
    load(image, sizeof image);
    ask_write(2, 0, sizeof image, image);
    assert_int_equal(erases, 0);
    assert_int_equal(programs, 2);
    flash_bytes[BLOCK + 5] ^= 0xff;
    ask_write(3, 0, sizeof image, image);
    assert_int_equal(status(), FLASHER_DONE);
    assert_int_equal(erases, 1);
    assert_int_equal(programs, 3);
    assert_memory_equal(flash_bytes, image, sizeof image);
}

static void test_nothing_is_erased_for_bytes_that_are_not_the_announced_ones(void **state)
{
    uint8_t image[BLOCK], other[BLOCK];
    fill(image, sizeof image, 1);
    fill(other, sizeof other, 2);
    memset(flash_bytes, 0, sizeof flash_bytes);
    load(image, sizeof image);
    ask_write(2, 0, sizeof image, other);
    assert_int_equal(status(), FLASHER_BAD_STAGING);
    assert_int_equal(erases + programs, 0);
}

static void test_an_answer_asked_for_again_is_not_done_again(void **state)
{
    uint8_t image[BLOCK];
    fill(image, sizeof image, 1);
    load(image, sizeof image);
    ask_write(2, 0, sizeof image, image);
    memset(flash_bytes, 0, sizeof flash_bytes);
    ask_write(2, 0, sizeof image, image);
    assert_int_equal(status(), FLASHER_DONE);
    assert_int_equal(programs, 1);
}

static void test_a_broken_frame_is_asked_for_once_and_what_follows_dropped(void **state)
{
    uint8_t data[3][100], offset_of[3] = {0, 100, 200};
    uint32_t wanted;
    const uint8_t *content;
    for (int i = 0; i < 3; i++)
        fill(data[i], 100, (uint8_t)i);
    say(FLASHER_OPEN, 1, 0, NULL, 0);
    say(FLASHER_DATA, 0, offset_of[0], data[0], 100);
    const size_t broken = in_size;
    say(FLASHER_DATA, 0, offset_of[1], data[1], 100);
    in[broken + 50] ^= 4;
    say(FLASHER_DATA, 0, offset_of[2], data[2], 100);
    run();
    assert_int_equal(last(&wanted, &content), FLASHER_ACK);
    assert_int_equal(wanted, 100);
    assert_int_equal(content[0], 1);
    assert_int_equal(out_size, 14 + 15 + 15); /* OPEN's answer, one ACK, one again */
    say(FLASHER_DATA, 0, offset_of[1], data[1], 100);
    say(FLASHER_DATA, 0, offset_of[2], data[2], 100);
    run();
    last(&wanted, &content);
    assert_int_equal(wanted, 300);
    assert_memory_equal(staging + 100, data[1], 100);
    assert_memory_equal(staging + 200, data[2], 100);
}

static void test_repeats_arrive_as_one_frame(void **state)
{
    uint8_t fill[FLASHER_FILL_BYTES] = {0, 0, 0, 0, 0x5a};
    uint32_t wanted;
    const uint8_t *content;
    flasher_put_number(fill, 9000);
    say(FLASHER_OPEN, 1, 0, NULL, 0);
    say(FLASHER_FILL, 0, 0, fill, sizeof fill);
    run();
    assert_int_equal(last(&wanted, &content), FLASHER_ACK);
    assert_int_equal(wanted, 9000);
    for (int i = 0; i < 9000; i++)
        assert_int_equal(staging[i], 0x5a);
    assert_int_equal(staging[9000], 0);
    flasher_put_number(fill, STAGING - 9000 + 1);
    say(FLASHER_FILL, 0, 9000, fill, sizeof fill);
    run();
    last(&wanted, &content);
    assert_int_equal(wanted, 9000);
}

static void test_hashes_are_those_of_the_flash(void **state)
{
    uint8_t request[12], expected[DIGEST_BYTES];
    uint32_t offset;
    const uint8_t *content;
    fill(flash_bytes, sizeof flash_bytes, 9);
    flasher_put_number(request, BLOCK);
    flasher_put_number(request + 4, BLOCK + 1001);
    flasher_put_number(request + 8, BLOCK);
    say(FLASHER_HASH, 2, 0, request, sizeof request);
    run();
    assert_int_equal(last(&offset, &content), FLASHER_ANSWER);
    digest_bytes(flash_bytes + BLOCK, BLOCK, expected);
    assert_memory_equal(content, expected, DIGEST_BYTES);
    digest_bytes(flash_bytes + 2 * BLOCK, 1001, expected);
    assert_memory_equal(content + DIGEST_BYTES, expected, DIGEST_BYTES);
}

static void test_requests_out_of_range_are_refused(void **state)
{
    static const uint32_t bad[][3] = {
        {FLASH, 0, 4},   {0, 0, FLASH + 1},     {100, 0, 4},
        {0, STAGING, 4}, {0, 8, STAGING},       {0, 2, 4},
        {0, 0, 0},       {0xfffff000, 0, 8192}, {0, 0xfffffffc, 4096}};
    uint8_t request[44] = {0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        for (int j = 0; j < 3; j++)
            flasher_put_number(request + 4 * j, bad[i][j]);
        say(FLASHER_WRITE, (uint8_t)(i + 10), 0, request, sizeof request);
        run();
        assert_int_equal(status(), FLASHER_BAD_REQUEST);
    }
    say(FLASHER_OPEN, 9, STAGING, NULL, 0);
    run();
    assert_int_equal(status(), FLASHER_BAD_REQUEST);
    assert_int_equal(f.wanted, 0);
    assert_int_equal(erases + programs, 0);
}

static void test_a_block_that_does_not_erase_is_named(void **state)
{
    uint8_t image[2 * BLOCK];
    uint32_t offset;
    const uint8_t *content;
    fill(image, sizeof image, 1);
    memset(flash_bytes, 0, sizeof flash_bytes);
    fail_erase_at = BLOCK;
    load(image, sizeof image);
    ask_write(2, 0, sizeof image, image);
    last(&offset, &content);
    assert_int_equal(offset, FLASHER_ERASE_FAILED);
    assert_int_equal(flasher_number(content), BLOCK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_an_image_is_written_and_what_is_behind_it_is_erased, set_up),
        cmocka_unit_test_setup(test_blank_blocks_are_not_erased_and_unchanged_ones_left, set_up),
        cmocka_unit_test_setup(test_nothing_is_erased_for_bytes_that_are_not_the_announced_ones,
                               set_up),
        cmocka_unit_test_setup(test_an_answer_asked_for_again_is_not_done_again, set_up),
        cmocka_unit_test_setup(test_a_broken_frame_is_asked_for_once_and_what_follows_dropped,
                               set_up),
        cmocka_unit_test_setup(test_repeats_arrive_as_one_frame, set_up),
        cmocka_unit_test_setup(test_hashes_are_those_of_the_flash, set_up),
        cmocka_unit_test_setup(test_requests_out_of_range_are_refused, set_up),
        cmocka_unit_test_setup(test_a_block_that_does_not_erase_is_named, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
