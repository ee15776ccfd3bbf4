/* Slots a and b over a flash that loses its power at every operation in turn: the unit can always
 * start, and only a trial is ever counted. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "firmware/update/slots.h"
#include "tests/unit/firmware/memory_flash.h"

struct fixture {
    struct board board;
    struct flash flash;
    struct hal hal;
    struct slots slots;
};

static int make(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct error err = {0};
    if (board_parse("tiny", memory_flash_board, strlen(memory_flash_board), &f->board, &err))
        fail_msg("%s", err.text);
    memory_flash_make(&f->flash, &f->board);
    f->hal.flash = &memory_flash_ops;
    f->hal.flash_state = &f->flash;
    assert_int_equal(slots_load(&f->hal, &f->board, &f->slots, NULL), 0);
    *state = f;
    return 0;
}

static int drop(void **state)
{
    struct fixture *f = *state;
    free(f->flash.bytes);
    free(f);
    return 0;
}

/* What the unit does when the power comes back. */
static char start(struct fixture *f)
{
    struct error err = {0};
    assert_int_equal(slots_load(&f->hal, &f->board, &f->slots, &err), 0);
    if (slots_boot(&f->slots, &err))
        fail_msg("%s", err.text);
    return f->slots.active;
}

static void test_a_blank_unit_runs_slot_a_and_writes_nothing(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(start(f), 'a');
    assert_int_equal(f->flash.writes, 0);
    assert_string_equal(f->slots.fallback, "");
}

static void test_a_trial_that_is_committed_stays(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(slots_activate(&f->slots, 'b', "2.0", 20, NULL), 0);
    assert_int_equal(slots_commit(&f->slots, 'a', NULL), ERROR_STATE);
    assert_int_equal(start(f), 'b');
    assert_int_equal(slots_commit(&f->slots, 'b', NULL), 0);
    int writes = f->flash.writes;
    for (int i = 0; i < 10; i++)
        assert_int_equal(start(f), 'b');
    assert_int_equal(f->flash.writes, writes); /* nothing is counted outside a trial */
    assert_int_equal(f->slots.release_min, 20);
    assert_string_equal(slots_at(&f->slots, 'b')->version, "2.0");
    assert_int_equal(slots_commit(&f->slots, 'b', NULL), 0); /* twice is fine */
}

static void test_a_trial_that_never_proves_itself_falls_back_and_says_why(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(slots_activate(&f->slots, 'b', "2.0", 20, NULL), 0);
    for (int i = 0; i < SLOT_TRIES; i++)
        assert_int_equal(start(f), 'b');
    assert_int_equal(start(f), 'a');
    assert_string_equal(f->slots.fallback, "slot b (2.0) did not prove itself in 3 starts");
    assert_int_equal(f->slots.release_min, 0); /* never committed, so no floor */
    assert_int_equal(start(f), 'a');
    assert_string_equal(f->slots.fallback, "slot b (2.0) did not prove itself in 3 starts");
}

static void test_the_way_back_of_a_trial_is_not_overwritten(void **state)
{
    struct fixture *f = *state;
    struct error err = {0};
    assert_int_equal(slots_activate(&f->slots, 'b', "2.0", 20, NULL), 0);
    assert_int_equal(start(f), 'b');
    assert_int_equal(slots_overwrite(&f->slots, 'a', &err), ERROR_STATE);
    assert_int_equal(slots_commit(&f->slots, 'b', NULL), 0);
    assert_int_equal(slots_overwrite(&f->slots, 'a', &err), 0);
}

static void test_an_activated_slot_that_is_written_again_is_not_started(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(slots_activate(&f->slots, 'b', "2.0", 20, NULL), 0);
    assert_int_equal(slots_overwrite(&f->slots, 'b', NULL), 0);
    assert_int_equal(start(f), 'a');
    assert_string_equal(slots_at(&f->slots, 'b')->version, "");
}

static void test_variables_of_others_are_kept(void **state)
{
    struct fixture *f = *state;
    struct environment *e = &f->slots.environment;
    assert_int_equal(environment_set(e, "ethaddr", "02:00:00:00:00:01", NULL), 0);
    assert_int_equal(environment_set(e, "bootcmd", "run a=b", NULL), 0);
    assert_int_equal(slots_activate(&f->slots, 'b', "2.0", 20, NULL), 0);
    start(f);
    assert_string_equal(environment_get(&f->slots.environment, "ethaddr"), "02:00:00:00:00:01");
    assert_string_equal(environment_get(&f->slots.environment, "bootcmd"), "run a=b");
    assert_null(environment_get(&f->slots.environment, "boot"));
}

static void test_the_environment_refuses_what_does_not_fit(void **state)
{
    struct fixture *f = *state;
    struct environment *e = &f->slots.environment;
    char *huge = malloc(ENVIRONMENT_BYTES);
    memset(huge, 'x', ENVIRONMENT_BYTES);
    /* "n=", the text, its NUL and the list's: four bytes beside the text. */
    huge[ENVIRONMENT_BYTES - 5 - 3] = '\0';
    assert_int_equal(environment_set(e, "n", huge, NULL), ERROR_FULL);
    assert_null(environment_get(e, "n"));
    huge[ENVIRONMENT_BYTES - 5 - 4] = '\0';
    assert_int_equal(environment_set(e, "n", huge, NULL), 0);
    assert_int_equal(environment_set(e, "n", "1", NULL), 0);
    assert_string_equal(environment_get(e, "n"), "1");
    assert_int_equal(environment_set(e, "a=b", "1", NULL), ERROR_INPUT);
    assert_int_equal(environment_set(e, "n", NULL, NULL), 0);
    assert_int_equal(e->data[0], 0);
    free(huge);
}

/* U-Boot's own tool makes an environment; we read it, write ours, and its CRC holds there too. */
static void test_u_boots_tool_makes_what_we_read(void **state)
{
    struct fixture *f = *state;
    if (system("command -v mkenvimage >/dev/null") != 0)
        skip();
    FILE *made = popen("printf 'slot_active=b\\nslot_good=b\\nslot_b_version=9.1\\n' | "
                       "mkenvimage -r -s 4096 -o - -",
                       "r");
    assert_non_null(made);
    assert_int_equal(fread(f->flash.bytes, 1, ENVIRONMENT_BYTES, made), ENVIRONMENT_BYTES);
    assert_int_equal(pclose(made), 0);
    assert_int_equal(start(f), 'b');
    assert_string_equal(slots_at(&f->slots, 'b')->version, "9.1");
}

/* The power goes at every flash operation of an update's life in turn. Whatever happened, the unit
 * starts a slot that was whole, and what was committed stays committed. */
static void test_a_power_cut_at_every_operation_leaves_a_unit_that_starts(void **state)
{
    struct fixture *f = *state;
    int cuts = 0;
    for (int cut_at = 1;; cut_at++) {
        bool activated = false, committed = false;
        memset(f->flash.bytes, 0xff, f->board.flash_bytes);
        memory_flash_power_on(&f->flash, 0);
        assert_int_equal(start(f), 'a');
        strcpy(f->slots.slot[0].version, "0.9");
        assert_int_equal(slots_activate(&f->slots, 'b', "1.0", 1, NULL), 0);
        assert_int_equal(start(f), 'b');
        assert_int_equal(slots_commit(&f->slots, 'b', NULL), 0);

        memory_flash_power_on(&f->flash, cut_at);
        int rc = slots_overwrite(&f->slots, 'a', NULL);
        bool overwritten = rc == 0;
        if (!rc)
            rc = slots_activate(&f->slots, 'a', "2.0", 2, NULL);
        activated = rc == 0;
        if (!rc && !(rc = slots_load(&f->hal, &f->board, &f->slots, NULL)))
            rc = slots_boot(&f->slots, NULL);
        if (!rc)
            rc = slots_commit(&f->slots, 'a', NULL);
        committed = rc == 0;
        bool cut = f->flash.off;

        memory_flash_power_on(&f->flash, 0);
        char slot = start(f);
        if (committed)
            assert_int_equal(slot, 'a');
        else if (!activated && slot == 'a')
            assert_true(overwritten); /* the cut was in activating: the new state may be whole */
        assert_int_equal(f->slots.environment.damaged, 0);
        assert_true(slots_at(&f->slots, slot)->version[0] != '\0'); /* never a half-written one */
        if (slot == 'a' && f->slots.trial)                          /* a trial has its way back */
            assert_string_equal(slots_at(&f->slots, 'b')->version, "1.0");
        if (!cut)
            break;
        cuts++;
    }
    assert_true(cuts >= 16); /* four stores of two copies, an erase and a program each */
}

/* The shipped boards' erase blocks and pages, on NAND, NOR and eMMC, take what the tiny one takes.
 */
static void test_every_board_keeps_its_slots(void **state)
{
    struct fixture *f = *state;
    glob_t files;
    assert_int_equal(glob("firmware/boards/*.json", 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        struct error err = {0};
        free(f->flash.bytes);
        if (board_load(files.gl_pathv[i], &f->board, &err))
            fail_msg("%s", err.text);
        /* Memory as far as the environment goes; the rest of the flash is not touched. */
        const struct board_partition *env = board_partition(&f->board, "env", 0);
        f->board.flash_bytes = env->offset_bytes + env->size_bytes;
        memory_flash_make(&f->flash, &f->board);
        assert_int_equal(slots_load(&f->hal, &f->board, &f->slots, NULL), 0);
        if (slots_activate(&f->slots, 'b', "2.0", 20, &err))
            fail_msg("%s: %s", f->board.name, err.text);
        assert_int_equal(start(f), 'b');
        assert_int_equal(slots_commit(&f->slots, 'b', NULL), 0);
        assert_int_equal(start(f), 'b');
        assert_int_equal(f->slots.release_min, 20);
    }
    globfree(&files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_blank_unit_runs_slot_a_and_writes_nothing, make,
                                        drop),
        cmocka_unit_test_setup_teardown(test_a_trial_that_is_committed_stays, make, drop),
        cmocka_unit_test_setup_teardown(
            test_a_trial_that_never_proves_itself_falls_back_and_says_why, make, drop),
        cmocka_unit_test_setup_teardown(test_the_way_back_of_a_trial_is_not_overwritten, make,
                                        drop),
        cmocka_unit_test_setup_teardown(test_an_activated_slot_that_is_written_again_is_not_started,
                                        make, drop),
        cmocka_unit_test_setup_teardown(test_variables_of_others_are_kept, make, drop),
        cmocka_unit_test_setup_teardown(test_the_environment_refuses_what_does_not_fit, make, drop),
        cmocka_unit_test_setup_teardown(test_u_boots_tool_makes_what_we_read, make, drop),
        cmocka_unit_test_setup_teardown(
            test_a_power_cut_at_every_operation_leaves_a_unit_that_starts, make, drop),
        cmocka_unit_test_setup_teardown(test_every_board_keeps_its_slots, make, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
