/* Flash and card as the parts they stand for. */
#include "protocol/base/clock.h"
#include "tests/unit/firmware/hal/emulator/rig.h"

enum { PAGE = 2048, BLOCK = 131072 };

static void test_programming_only_clears_bits(void **state)
{
    struct rig r;
    struct error err = {0};
    static uint8_t page[PAGE], back[PAGE];
    rig_start(&r, "{\"boot_ms\": 0}");
    rig_open(&r);
    const struct flash_ops *ops = r.hal.flash;
    struct flash *f = r.hal.flash_state;
    assert_int_equal(ops->read(f, "data", 5 * PAGE, back, PAGE, &err), 0);
    for (int i = 0; i < PAGE; i++)
        assert_int_equal(back[i], 0xff);
    memset(page, 0x5a, PAGE);
    assert_int_equal(ops->program(f, "data", 5 * PAGE, page, PAGE, &err), 0);
    memset(page, 0x3c, PAGE);
    assert_int_equal(ops->program(f, "data", 5 * PAGE, page, PAGE, &err), 0);
    assert_int_equal(ops->read(f, "data", 5 * PAGE, back, PAGE, &err), 0);
    assert_int_equal(back[0], 0x5a & 0x3c);
    assert_int_equal(back[PAGE - 1], 0x5a & 0x3c);
    assert_int_equal(ops->erase(f, "data", 0, BLOCK, &err), 0);
    assert_int_equal(ops->program(f, "data", 5 * PAGE, page, PAGE, &err), 0);
    assert_int_equal(ops->sync(f, &err), 0);
    /* it is there after the power came back, and at its place on the part: data starts at 1 MiB */
    hal_emulator.close(&r.hal);
    rig_open(&r);
    assert_int_equal(r.hal.flash->read(r.hal.flash_state, "data", 5 * PAGE, back, PAGE, &err), 0);
    assert_memory_equal(back, page, PAGE);
    char path[128];
    snprintf(path, sizeof path, "%s/flash.img", r.folder);
    FILE *image = fopen(path, "rb");
    assert_non_null(image);
    assert_int_equal(fseek(image, (1 << 20) + 5 * PAGE, SEEK_SET), 0);
    assert_int_equal(fgetc(image), 0x3c);
    assert_int_equal(fseek(image, 0, SEEK_END), 0);
    assert_int_equal(ftell(image), 4 << 20);
    fclose(image);
    rig_end(&r);
}

static void test_flash_is_whole_pages_and_blocks_of_a_partition(void **state)
{
    struct rig r;
    struct error err = {0};
    static uint8_t page[2 * PAGE];
    rig_start(&r, "{\"boot_ms\": 0}");
    rig_open(&r);
    const struct flash_ops *ops = r.hal.flash;
    struct flash *f = r.hal.flash_state;
    assert_int_equal(ops->program(f, "data", 100, page, PAGE, &err), ERROR_INPUT);
    assert_int_equal(ops->program(f, "data", 0, page, PAGE - 1, &err), ERROR_INPUT);
    assert_int_equal(ops->erase(f, "data", PAGE, BLOCK, &err), ERROR_INPUT);
    assert_int_equal(ops->erase(f, "data", 3 << 20, BLOCK, &err), ERROR_INPUT);
    assert_int_equal(ops->read(f, "data", (3 << 20) - 1, page, 2, &err), ERROR_INPUT);
    assert_int_equal(ops->read(f, "data", UINT64_MAX, page, 2, &err), ERROR_INPUT);
    assert_int_equal(ops->read(f, "dada", 0, page, 2, &err), ERROR_MISSING);
    rig_end(&r);
}

/* 64 pages of 200 us and 4 blocks of 2 ms: the part's datasheet, not the file's speed. */
static void test_flash_takes_the_parts_time(void **state)
{
    struct rig r;
    struct error err = {0};
    static uint8_t block[BLOCK];
    rig_start(&r, "{\"boot_ms\": 0, \"flash_time_scale\": 5}");
    rig_open(&r);
    int64_t began = clock_mono_ns();
    assert_int_equal(r.hal.flash->program(r.hal.flash_state, "data", 0, block, BLOCK, &err), 0);
    assert_true(clock_mono_ns() - began >= 5 * 64 * 200000LL);
    began = clock_mono_ns();
    assert_int_equal(r.hal.flash->erase(r.hal.flash_state, "data", 0, 4 * BLOCK, &err), 0);
    assert_true(clock_mono_ns() - began >= 5 * 4 * 2000000LL);
    rig_end(&r);
}

static void test_a_fake_card_comes_round(void **state)
{
    struct rig r;
    struct error err = {0};
    static uint8_t one[4096], two[4096], back[4096];
    rig_start(&r, "{\"boot_ms\": 0, \"card_real_bytes\": 8388608,"
                  " \"card_claimed_bytes\": 1073741824}");
    rig_open(&r);
    const struct card_ops *ops = r.hal.card;
    struct card *c = r.hal.card_state;
    struct card_status s;
    assert_int_equal(ops->status(c, &s, &err), 0);
    assert_true(s.present && s.bytes == 1 << 30 && s.block_bytes == 512);
    memset(one, 1, sizeof one);
    memset(two, 2, sizeof two);
    assert_int_equal(ops->write(c, 4096, one, sizeof one, &err), 0);
    assert_int_equal(ops->write(c, 3 * 8388608 + 4096, two, sizeof two, &err), 0);
    assert_int_equal(ops->read(c, 4096, back, sizeof back, &err), 0);
    assert_memory_equal(back, two, sizeof back);
    /* a transfer over the end of the chips goes on at their start */
    assert_int_equal(ops->write(c, 8388608 - 2048, one, sizeof one, &err), 0);
    assert_int_equal(ops->read(c, 0, back, 2048, &err), 0);
    assert_memory_equal(back, one, 2048);
    assert_int_equal(ops->read(c, (1 << 30) - 512, back, 1024, &err), ERROR_INPUT);
    assert_int_equal(ops->read(c, 100, back, 512, &err), ERROR_INPUT);
    rig_end(&r);
}

static void test_a_card_has_its_speed(void **state)
{
    struct rig r;
    struct error err = {0};
    uint8_t *data = calloc(1, 1 << 20);
    rig_start(&r, "{\"boot_ms\": 0, \"card_write_mb_s\": 5, \"card_read_mb_s\": 10}");
    rig_open(&r);
    int64_t began = clock_mono_ns();
    assert_int_equal(r.hal.card->write(r.hal.card_state, 0, data, 1 << 20, &err), 0);
    double write_s = (double)(clock_mono_ns() - began) / 1e9;
    began = clock_mono_ns();
    assert_int_equal(r.hal.card->read(r.hal.card_state, 0, data, 1 << 20, &err), 0);
    double read_s = (double)(clock_mono_ns() - began) / 1e9;
    assert_true(write_s >= 1.048576 / 5 && write_s < 2 * 1.048576 / 5);
    assert_true(read_s >= 1.048576 / 10 && read_s < 2 * 1.048576 / 10);
    free(data);
    rig_end(&r);
}

static void test_cards_that_refuse(void **state)
{
    static const struct {
        const char *unit;
        int first, second;
    } kinds[] = {
        {"{\"boot_ms\": 0, \"card_present\": 0}", ERROR_MISSING, ERROR_MISSING},
        {"{\"boot_ms\": 0, \"card_write_protected\": 1}", ERROR_REFUSED, ERROR_REFUSED},
        {"{\"boot_ms\": 0, \"card_fail_after_bytes\": 1024}", 0, ERROR_IO},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct rig r;
        struct error err = {0};
        uint8_t block[1024] = {0};
        rig_start(&r, kinds[i].unit);
        rig_open(&r);
        const struct card_ops *ops = r.hal.card;
        assert_int_equal(ops->write(r.hal.card_state, 0, block, 1024, &err), kinds[i].first);
        assert_int_equal(ops->write(r.hal.card_state, 0, block, 512, &err), kinds[i].second);
        rig_end(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_programming_only_clears_bits),
        cmocka_unit_test(test_flash_is_whole_pages_and_blocks_of_a_partition),
        cmocka_unit_test(test_flash_takes_the_parts_time),
        cmocka_unit_test(test_a_fake_card_comes_round),
        cmocka_unit_test(test_a_card_has_its_speed),
        cmocka_unit_test(test_cards_that_refuse),
    };
    return cmocka_run_group_tests_name("storage", tests, NULL, NULL);
}
