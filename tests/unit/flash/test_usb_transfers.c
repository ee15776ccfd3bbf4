/* Whole flashings over USB, and units that misbehave, on a bus that umockdev makes up: what is
 * shown on the kernel's own USB stack by tests/machine/usb_*.sh, here in seconds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/base/file.h"
#include "protocol/formats/signing.h"
#include "station/flash/usb/usb_flash.h"
#include "tests/unit/flash/usb_play/played_bus.h"

enum { KERNEL_BYTES = 100000, ROOTFS_BYTES = 700001, BOOT_BYTES = 70001, LOADER_BYTES = 20001 };

static struct signing_key key;
static char folder[] = "/tmp/takt-usb.XXXXXX";
static const struct {
    const char *name;
    size_t bytes;
} files[] = {{"kernel", KERNEL_BYTES},  {"rootfs", ROOTFS_BYTES},    {"boot", BOOT_BYTES},
             {"usb_spl", LOADER_BYTES}, {"usb_uboot", LOADER_BYTES}, {"usb_updater", LOADER_BYTES}};
static uint8_t content[sizeof files / sizeof files[0]][ROOTFS_BYTES];

static const char *path_of(const char *name)
{
    static char paths[8][96];
    static size_t turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static int make_files(void **state)
{
    if (!mkdtemp(folder) || signing_key_make(&key, NULL))
        return -1;
    srandom(1);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        for (size_t j = 0; j < files[i].bytes; j++)
            content[i][j] = (uint8_t)random();
        /* Stretches that repeat do not cross the wire. */
        if (i == 1)
            memset(content[i] + 100000, 0xff, 100000);
        if (file_write(path_of(files[i].name), content[i], files[i].bytes, 0600, NULL))
            return -1;
    }
    return 0;
}

static int remove_files(void **state)
{
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        unlink(path_of(files[i].name));
    unlink(path_of("bundle"));
    rmdir(folder);
    signing_key_free(&key);
    return 0;
}

struct try_ {
    struct gadget g;
    struct flash_result result;
    struct error err;
    char *notes; /* of the unit */
    size_t notes_bytes;
    const char *stop_stage, *stop_image; /* when it is told to stop; NULL = never */
    bool stopped;
};

/* A real board, small, with what the role has of its USB. */
static void make_board(struct board *b, const char *role)
{
    static const struct {
        const char *role, *loaders[2];
        struct board_usb rom, gadget;
    } roles[] = {{"fastboot", {NULL, NULL}, {0x1d6b, 0x0104}, {0x1d6b, 0x0104}},
                 {"dfu", {"usb_spl", "usb_uboot"}, {0xa108, 0xc309}, {0xa108, 0x4d44}},
                 {"ingenic", {"usb_spl", "usb_uboot"}, {0xa108, 0xc309}, {0xa108, 0x4d44}},
                 {"sigmastar", {"usb_updater", "usb_uboot"}, {0x1b20, 0x300}, {0x1b20, 0x300}}};
    struct error err = {0};
    size_t i = 0;
    if (board_load("firmware/boards/t31-nor16.json", b, &err))
        fail_msg("%s", err.text);
    while (strcmp(roles[i].role, role) != 0)
        i++;
    b->boot.usb_rom = roles[i].rom;
    b->boot.usb_gadget = roles[i].gadget;
    b->boot.usb_loader_count = roles[i].loaders[0] ? 2 : 0;
    for (size_t j = 0; j < b->boot.usb_loader_count; j++)
        strcpy(b->boot.usb_loaders[j], roles[i].loaders[j]);
}

static struct try_ *on_the_bus;

static void begin(struct try_ *t, const char *role, const char *flaw, const char *setting)
{
    t->g.flaws[0] = flaw;
    t->g.settings[0] = setting;
    t->g.log = open_memstream(&t->notes, &t->notes_bytes);
    played_start(&t->g, role);
    on_the_bus = t;
}

static void end(struct try_ *t)
{
    on_the_bus = NULL;
    played_end(&t->g);
    fclose(t->g.log);
    free(t->notes);
    t->notes = NULL;
}

/* Of a test that failed. */
static int take_off(void **state)
{
    if (on_the_bus)
        end(on_the_bus);
    return 0;
}

static void on_progress(void *context, const struct flash_progress *p)
{
    struct try_ *t = context;
    t->stopped |= t->stop_stage && strcmp(p->stage, t->stop_stage) == 0 &&
                  strcmp(p->image, t->stop_image) == 0;
}

/* Kernel, rootfs, boot and the board's loaders, to whatever is at 1-1. */
static int flash(struct try_ *t)
{
    const struct board *b = &t->g.board;
    struct bundle_recipe r = {.board = b,
                              .version = "1.0",
                              .release = 1,
                              .private_key_pem = key.private_pem,
                              .image_count = 3,
                              .images = {{"kernel", path_of("kernel")},
                                         {"rootfs", path_of("rootfs")},
                                         {"boot", path_of("boot")}}};
    for (size_t i = 0; i < b->boot.usb_loader_count; i++) {
        r.images[r.image_count].image = b->boot.usb_loaders[i];
        r.images[r.image_count++].path = path_of(b->boot.usb_loaders[i]);
    }
    struct bundle *bundle = NULL;
    t->err = (struct error){0};
    t->result = (struct flash_result){0};
    if (bundle_make(&r, path_of("bundle"), &t->err) ||
        bundle_open(path_of("bundle"), key.public_pem, &bundle, &t->err))
        fail_msg("%s", t->err.text);
    t->stopped = false;
    const struct flash_job job = {.board = b,
                                  .bundle = bundle,
                                  .port = "usb:1-1",
                                  .slot = 'a',
                                  .cancel = &t->stopped,
                                  .progress = on_progress,
                                  .context = t};
    int rc = flash_check(&job, &t->err);
    rc = rc ? rc : usb_flash_method.write(&job, &t->result, &t->err);
    bundle_close(bundle);
    return rc;
}

static const char *const places[] = {"kernel", "rootfs", "boot"};

static const uint8_t *place_of(const struct try_ *t, size_t i)
{
    return t->g.flash + board_partition(&t->g.board, places[i], i < 2 ? 'a' : 0)->offset_bytes;
}

static void assert_flashed(struct try_ *t)
{
    if (t->err.code)
        fail_msg("%s", t->err.text);
    assert_true(t->result.verified);
    assert_int_equal(t->result.bytes, KERNEL_BYTES + ROOTFS_BYTES + BOOT_BYTES);
    for (size_t i = 0; i < 3; i++)
        assert_memory_equal(place_of(t, i), content[i], files[i].bytes);
}

/* "TROUBLE: ", or "" where it is none of those, and what it says behind that. */
static void assert_trouble(const struct try_ *t, const char *trouble, const char *says)
{
    if (strncmp(t->err.text, trouble, strlen(trouble)) != 0 || !strstr(t->err.text, says))
        fail_msg("'%s', expected '%s...%s'", t->err.text, trouble, says);
}

static void assert_blank(const struct try_ *t)
{
    for (uint64_t i = 0; i < t->g.board.flash_bytes; i++)
        if (t->g.flash[i] != 0xff)
            fail_msg("flash is written at 0x%llx", (unsigned long long)i);
}

/* ---- each way, whole ---------------------------------------------------------------------------
 */

static void whole(const char *role)
{
    static struct try_ t;
    make_board(&t.g.board, role);
    begin(&t, role, NULL, NULL);
    flash(&t);
    assert_flashed(&t);
    assert_int_equal(t.result.written_bytes, t.result.bytes);
    assert_int_equal(flash(&t), 0);
    assert_flashed(&t);
    assert_int_equal(t.result.written_bytes, 0);
    end(&t);
}

static void test_fastboot_is_flashed_and_then_only_compared(void **state)
{
    whole("fastboot");
}

static void test_dfu_is_flashed_and_then_only_compared(void **state)
{
    whole("dfu");
}

static void test_ingenic_goes_from_its_rom_to_dfu(void **state)
{
    whole("ingenic");
}

static void test_sigmastar_goes_from_its_rom_to_u_boot(void **state)
{
    whole("sigmastar");
}

/* ---- told to stop -------------------------------------------------------------------------------
 */

/* How many of the places are whole; those behind must be blank. */
static void assert_whole_places(const struct try_ *t, size_t whole_places)
{
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < files[i].bytes; k++)
            if (place_of(t, i)[k] != (i < whole_places ? content[i][k] : 0xff))
                fail_msg("%s at %zu: %zu places whole expected", places[i], k, whole_places);
}

static void test_an_erase_and_a_write_end_before_fastboot_stops(void **state)
{
    static const struct {
        const char *stage;
        size_t whole_places;
        const char *says;
    } moments[] = {{"loading", 1, "stopped before rootfs"},
                   {"erasing", 2, "nothing was half written"},
                   {"writing", 2, "nothing was half written"}};
    static struct try_ t;
    for (size_t i = 0; i < sizeof moments / sizeof moments[0]; i++) {
        make_board(&t.g.board, "fastboot");
        begin(&t, "fastboot", NULL, NULL);
        t.stop_stage = moments[i].stage;
        t.stop_image = "rootfs";
        assert_int_equal(flash(&t), ERROR_CANCELLED);
        assert_trouble(&t, "", moments[i].says);
        assert_whole_places(&t, moments[i].whole_places);
        t.stop_stage = NULL;
        flash(&t);
        assert_flashed(&t);
        assert_true(t.result.written_bytes < t.result.bytes);
        end(&t);
    }
}

static void test_dfu_writes_a_place_to_its_end_before_it_stops(void **state)
{
    static struct try_ t;
    make_board(&t.g.board, "dfu");
    begin(&t, "dfu", NULL, NULL);
    t.stop_stage = "writing";
    t.stop_image = "rootfs";
    assert_int_equal(flash(&t), ERROR_CANCELLED);
    assert_trouble(&t, "", "stopped before boot");
    assert_whole_places(&t, 2);
    t.stop_stage = NULL;
    flash(&t);
    assert_flashed(&t);
    assert_int_equal(t.result.written_bytes, BOOT_BYTES);
    end(&t);
}

/* ---- and misbehaving ----------------------------------------------------------------------------
 */

struct flaw {
    const char *flaw, *setting;
    const char *trouble, *says;
    bool blank; /* nothing was written */
};

static void misbehaves(const char *role, const struct flaw *flaws)
{
    static struct try_ t;
    for (; flaws->says; flaws++) {
        make_board(&t.g.board, role);
        begin(&t, role, flaws->flaw, flaws->setting);
        assert_int_not_equal(flash(&t), 0);
        assert_trouble(&t, flaws->trouble, flaws->says);
        if (flaws->blank)
            assert_blank(&t);
        end(&t);
    }
}

static void test_a_fastboot_unit_misbehaves(void **state)
{
    static const struct flaw flaws[] = {
        {"stall", NULL, "stalled: ", "download", false},
        {"gone", NULL, "gone: ", "download", false},
        {"short", NULL, "", "an answer of 2 bytes", true},
        {"corrupt", NULL, "not verified: ", "nothing was erased", true},
        {"erase-fails", NULL, "unit failed: ", "sf erase", true},
        {"rot", NULL, "not verified: ", "partition kernel_a", false},
        {"no-run", NULL, "not verified: ", "no 'oem run'", false},
        {0}};
    misbehaves("fastboot", flaws);
}

static void test_a_dfu_unit_misbehaves(void **state)
{
    static const struct flaw flaws[] = {
        {"stall", NULL, "stalled: ", "DFU DNLOAD", false},
        {"gone", NULL, "gone: ", "", false},
        {"short", NULL, "", "a DFU status of 3 bytes", true},
        {"write-fails", NULL, "unit failed: ", "cannot write its memory", false},
        {"no-upload", NULL, "not verified: ", "cannot upload", false},
        {0}};
    misbehaves("dfu", flaws);
}

static void test_an_ingenic_rom_misbehaves(void **state)
{
    static const struct flaw flaws[] = {{NULL, "cpu=T40XP", "wrong board: ", "'T40XP'", true},
                                        {"short", NULL, "", "CPU info of 3 bytes", true},
                                        {0}};
    misbehaves("ingenic", flaws);
}

static void test_a_sigmastar_rom_misbehaves(void **state)
{
    static const struct flaw flaws[] = {{NULL, "product=XYZ", "wrong stage: ", "'XYZ'", true},
                                        {"short", NULL, "wrong stage: ", "", true},
                                        {"stall", NULL, "stalled: ", "updater", true},
                                        {0}};
    misbehaves("sigmastar", flaws);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_fastboot_is_flashed_and_then_only_compared, take_off),
        cmocka_unit_test_teardown(test_dfu_is_flashed_and_then_only_compared, take_off),
        cmocka_unit_test_teardown(test_ingenic_goes_from_its_rom_to_dfu, take_off),
        cmocka_unit_test_teardown(test_sigmastar_goes_from_its_rom_to_u_boot, take_off),
        cmocka_unit_test_teardown(test_an_erase_and_a_write_end_before_fastboot_stops, take_off),
        cmocka_unit_test_teardown(test_dfu_writes_a_place_to_its_end_before_it_stops, take_off),
        cmocka_unit_test_teardown(test_a_fastboot_unit_misbehaves, take_off),
        cmocka_unit_test_teardown(test_a_dfu_unit_misbehaves, take_off),
        cmocka_unit_test_teardown(test_an_ingenic_rom_misbehaves, take_off),
        cmocka_unit_test_teardown(test_a_sigmastar_rom_misbehaves, take_off),
    };
    /* The made-up bus is a library in front of libc. */
    const char *preload = getenv("LD_PRELOAD");
    if (!preload || !strstr(preload, "umockdev")) {
        execlp("umockdev-wrapper", "umockdev-wrapper", argv[0], NULL);
        fprintf(stderr, "umockdev-wrapper is not installed\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
