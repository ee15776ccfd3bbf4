/* The identity in the flash, the power cut at every operation: old whole or new whole, and a lock
 * that, once it was said to hold, holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "firmware/factory/identity_store.h"
#include "tests/unit/firmware/memory_flash.h"

struct fixture {
    struct board board;
    struct flash flash;
    struct hal hal;
    struct identity_store store;
};

static int make(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_int_equal(
        board_parse("tiny", memory_flash_board, strlen(memory_flash_board), &f->board, NULL), 0);
    memory_flash_make(&f->flash, &f->board);
    f->hal.flash = &memory_flash_ops;
    f->hal.flash_state = &f->flash;
    f->store = (struct identity_store){&f->hal, &f->board};
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

static struct identity_record record_of(const char *did, bool locked)
{
    struct identity_record r = {.locked = locked, .mac = {2, 0, 0, 0, 0, 1}, .key_bytes = 32};
    strcpy(r.did, did);
    memset(r.key, did[0], 32);
    return r;
}

static enum identity_state load(struct fixture *f, struct identity_record *out)
{
    enum identity_state state;
    struct error err = {0};
    if (identity_load(&f->store, &state, out, &err))
        fail_msg("%s", err.text);
    return state;
}

/* Cuts one save at every operation; `check` sees what the next start finds. */
static int cut_everywhere(struct fixture *f, const struct identity_record *before,
                          const struct identity_record *after)
{
    int cuts = 0;
    for (int cut_at = 1;; cut_at++) {
        struct identity_record r, found;
        memset(f->flash.bytes, 0xff, f->board.flash_bytes);
        memory_flash_power_on(&f->flash, 0);
        if (before) {
            r = *before;
            assert_int_equal(identity_save(&f->store, &r, NULL), 0);
        }
        memory_flash_power_on(&f->flash, cut_at);
        r = *after;
        int rc = identity_save(&f->store, &r, NULL);
        bool cut = f->flash.off;
        assert_int_equal(rc != 0, cut);

        memory_flash_power_on(&f->flash, 0);
        assert_int_equal(identity_heal(&f->store, NULL), 0);
        enum identity_state state = load(f, &found);
        if (!before && state == IDENTITY_EMPTY) {
            assert_true(cut);
        } else {
            bool is_new = strcmp(found.did, after->did) == 0 && found.locked == after->locked;
            bool is_old = before && strcmp(found.did, before->did) == 0 && !found.locked;
            assert_true(is_new || is_old);
            assert_int_equal(found.key_bytes, 32);
            assert_int_equal(found.key[31], found.did[0]);
            if (!cut)
                assert_true(is_new);
            /* Healed: damage to either block now loses nothing. */
            for (uint64_t copy = 0; copy < 2; copy++) {
                uint8_t *at = f->flash.bytes +
                              board_partition(&f->board, "identity", 0)->offset_bytes +
                              copy * f->board.erase_bytes;
                struct identity_record again;
                at[20] ^= 0x40;
                assert_int_equal(load(f, &again), state);
                assert_memory_equal(&again, &found, sizeof found);
                at[20] ^= 0x40;
            }
        }
        /* The line can always go on from there. */
        if (!found.locked) {
            r = record_of("third", false);
            assert_int_equal(identity_save(&f->store, &r, NULL), 0);
            load(f, &found);
            assert_string_equal(found.did, "third");
        }
        if (!cut)
            return cuts;
        cuts++;
    }
}

static void test_a_cut_leaves_the_old_or_the_new_identity_whole(void **state)
{
    struct fixture *f = *state;
    struct identity_record old = record_of("old", false), new = record_of("new", false);
    assert_int_equal(cut_everywhere(f, &old, &new), 4); /* two erases, two programs */
}

static void test_a_cut_of_the_first_write_leaves_an_empty_or_a_whole_identity(void **state)
{
    struct fixture *f = *state;
    struct identity_record new = record_of("new", false);
    assert_int_equal(cut_everywhere(f, NULL, &new), 4);
}

static void test_a_cut_while_locking_leaves_it_open_or_locked(void **state)
{
    struct fixture *f = *state;
    struct identity_record old = record_of("same", false), new = record_of("same", true);
    assert_int_equal(cut_everywhere(f, &old, &new), 4);
}

/* Of a unit that makes its key itself: the certificate comes in a write of its own. */
static void test_a_cut_while_the_certificate_is_written_leaves_the_key(void **state)
{
    struct fixture *f = *state;
    struct identity_record before = record_of("own", false), found;
    before.made_here = true;
    struct identity_record after = before;
    after.certificate_bytes = UNIT_CERTIFICATE_MAX;
    memset(after.certificate, 0x5a, sizeof after.certificate);
    bool cut = true;
    int cuts = 0;
    for (int cut_at = 1; cut; cut_at++) {
        struct identity_record r = before;
        memset(f->flash.bytes, 0xff, f->board.flash_bytes);
        memory_flash_power_on(&f->flash, 0);
        assert_int_equal(identity_save(&f->store, &r, NULL), 0);
        memory_flash_power_on(&f->flash, cut_at);
        r = after;
        identity_save(&f->store, &r, NULL);
        cut = f->flash.off;
        cuts += cut;
        memory_flash_power_on(&f->flash, 0);
        assert_int_equal(identity_heal(&f->store, NULL), 0);
        assert_int_equal(load(f, &found), IDENTITY_WRITTEN);
        assert_true(found.made_here);
        assert_memory_equal(found.key, before.key, sizeof before.key);
        const bool whole = found.certificate_bytes == UNIT_CERTIFICATE_MAX &&
                           memcmp(found.certificate, after.certificate, UNIT_CERTIFICATE_MAX) == 0;
        assert_true(whole || (cut && found.certificate_bytes == 0));
    }
    assert_int_equal(cuts, 4);
}

static void test_a_locked_identity_is_never_written_again(void **state)
{
    struct fixture *f = *state;
    struct identity_record r = record_of("one", true), found;
    assert_int_equal(identity_save(&f->store, &r, NULL), 0);
    int writes = f->flash.writes;
    r = record_of("two", false);
    assert_int_equal(identity_save(&f->store, &r, NULL), ERROR_STATE);
    assert_int_equal(f->flash.writes, writes);
    assert_int_equal(load(f, &found), IDENTITY_LOCKED);
    assert_string_equal(found.did, "one");
}

/* Rubbish in both blocks is no fresh unit: it stays closed. */
static void test_damage_to_both_copies_is_not_taken_for_empty(void **state)
{
    struct fixture *f = *state;
    struct identity_record r = record_of("one", true), found;
    uint8_t *at = f->flash.bytes + board_partition(&f->board, "identity", 0)->offset_bytes;
    assert_int_equal(load(f, &found), IDENTITY_EMPTY);
    assert_int_equal(identity_save(&f->store, &r, NULL), 0);
    at[100] ^= 1;
    assert_int_equal(load(f, &found), IDENTITY_LOCKED);
    at[f->board.erase_bytes + 100] ^= 1;
    assert_int_equal(load(f, &found), IDENTITY_DAMAGED);
    assert_string_equal(found.did, "");
    assert_int_equal(identity_save(&f->store, &r, NULL), ERROR_STATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_cut_leaves_the_old_or_the_new_identity_whole, make,
                                        drop),
        cmocka_unit_test_setup_teardown(
            test_a_cut_of_the_first_write_leaves_an_empty_or_a_whole_identity, make, drop),
        cmocka_unit_test_setup_teardown(test_a_cut_while_locking_leaves_it_open_or_locked, make,
                                        drop),
        cmocka_unit_test_setup_teardown(test_a_cut_while_the_certificate_is_written_leaves_the_key,
                                        make, drop),
        cmocka_unit_test_setup_teardown(test_a_locked_identity_is_never_written_again, make, drop),
        cmocka_unit_test_setup_teardown(test_damage_to_both_copies_is_not_taken_for_empty, make,
                                        drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
