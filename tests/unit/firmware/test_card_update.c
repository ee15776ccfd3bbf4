/* Updates from a card: the whole card is checked before the first erase, what came up on trial is
 * committed, what was given up is left alone. */
#include "firmware/update/card_update.h"
#include "tests/unit/firmware/bundle_unit.h"

/* The card's bundle in a file, as bundle_make() would leave it. */
static void put_card(struct unit *u, char path[96])
{
    struct buffer card = {0};
    buffer_append(&card, u->manifest.data, u->manifest.size);
    buffer_append(&card, u->kernel, KERNEL_BYTES);
    buffer_append(&card, u->rootfs, ROOTFS_BYTES);
    snprintf(path, 96, "%s/" CARD_BUNDLE, u->folder);
    assert_int_equal(file_write(path, card.data, card.size, 0600, NULL), 0);
    buffer_free(&card);
}

static enum card_update_end run(struct unit *u, char running, const char *path,
                                struct card_record *record)
{
    const struct card_update update = {.hal = &u->hal,
                                       .board = &u->board,
                                       .slots = &u->slots,
                                       .running = running,
                                       .public_key_pem = u->key.public_pem,
                                       .unit = "c0ffee"};
    return card_update_run(&update, path, record);
}

static void test_a_card_is_written_tried_committed_and_then_left_alone(void **state)
{
    struct unit *u = *state;
    struct card_record r;
    char path[96];
    put_card(u, path);
    assert_int_equal(run(u, 'a', path, &r), CARD_UPDATE_ON_TRIAL);
    assert_true(u->slots.trial && u->slots.active == 'b' && u->slots.good == 'a');

    /* It comes up from slot b, with the card still in. */
    assert_int_equal(slots_boot(&u->slots, NULL), 0);
    assert_int_equal(run(u, 'b', path, &r), CARD_UPDATE_RECORD);
    assert_true(r.flashed);
    assert_string_equal(r.unit, "c0ffee");
    assert_string_equal(r.why, "");
    assert_int_equal(strncmp(r.bundle, "2.0 release 5 for ", 18), 0);
    assert_true(!u->slots.trial && u->slots.good == 'b');

    const int writes = u->flash.writes;
    assert_int_equal(run(u, 'b', path, &r), CARD_UPDATE_NOTHING);
    assert_int_equal(u->flash.writes, writes);
    unlink(path);
}

static void refuses(struct unit *u, const char *path, const char *why)
{
    struct card_record r;
    const int writes = u->flash.writes;
    assert_int_equal(run(u, 'a', path, &r), CARD_UPDATE_RECORD);
    assert_false(r.flashed);
    if (!strstr(r.why, why))
        fail_msg("'%s', expected '%s'", r.why, why);
    assert_int_equal(u->flash.writes, writes);
}

static void test_a_short_altered_or_strange_card_writes_nothing(void **state)
{
    struct unit *u = *state;
    struct signing_key other, own = u->key;
    char path[96];
    put_card(u, path);
    assert_int_equal(truncate(path, (off_t)(u->manifest.size + KERNEL_BYTES + ROOTFS_BYTES - 1)),
                     0);
    refuses(u, path, "its manifest makes");
    u->rootfs[ROOTFS_BYTES - 1] ^= 1; /* the very last byte */
    put_card(u, path);
    refuses(u, path, "chunk 5");
    u->rootfs[ROOTFS_BYTES - 1] ^= 1;
    put_card(u, path);
    assert_int_equal(signing_key_make(&other, NULL), 0);
    u->key = other;
    refuses(u, path, "sign");
    u->key = own;
    signing_key_free(&other);
    strcpy(u->board.name, "another");
    refuses(u, path, "this is another");
    unlink(path);
    refuses(u, path, "cannot open");
}

static void test_a_version_that_was_given_up_is_not_tried_again(void **state)
{
    struct unit *u = *state;
    struct card_record r;
    char path[96];
    put_card(u, path);
    assert_int_equal(run(u, 'a', path, &r), CARD_UPDATE_ON_TRIAL);
    for (int i = 0; i <= SLOT_TRIES; i++)
        assert_int_equal(slots_boot(&u->slots, NULL), 0);
    assert_int_equal(u->slots.active, 'a');
    refuses(u, path, "(2.0) did not prove itself");
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_card_is_written_tried_committed_and_then_left_alone,
                                        unit_make, unit_drop),
        cmocka_unit_test_setup_teardown(test_a_short_altered_or_strange_card_writes_nothing,
                                        unit_make, unit_drop),
        cmocka_unit_test_setup_teardown(test_a_version_that_was_given_up_is_not_tried_again,
                                        unit_make, unit_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
