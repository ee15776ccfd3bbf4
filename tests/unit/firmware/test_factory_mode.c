/* Factory mode: who is let in and why not; leaving it for good, with the power cut at every
 * operation of the flash; and every way back that does not lead back. */
#include "firmware/factory/identity_store.h"
#include "firmware/update/slots.h"
#include "protocol/base/clock.h"
#include "tests/unit/firmware/agent_station.h"

static const char identity[] = "{\"did\":\"460012345\",\"mac\":\"5c:c3:36:12:34:56\","
                               "\"serial\":\"SN1\",\"key\":\"000102030405060708090a0b0c0d0e0f\"}";

static uint8_t *partition(const struct fixture *f, const char *name, uint64_t *size)
{
    const struct board_partition *p = board_partition(&f->board, name, 0);
    if (size)
        *size = p->size_bytes;
    return f->m.flash.bytes + p->offset_bytes;
}

static bool credentials_are_gone(const struct fixture *f)
{
    uint64_t size;
    const uint8_t *at = partition(f, "factory", &size);
    for (uint64_t i = 0; i < size; i++)
        if (at[i] != 0xff)
            return false;
    return true;
}

static bool credentials_are_whole(const struct fixture *f)
{
    struct factory_credentials c;
    return factory_credentials_decode(partition(f, "factory", NULL), FACTORY_CREDENTIALS_BYTES, &c,
                                      NULL) == 0;
}

static enum identity_state identity_now(struct fixture *f, struct identity_record *out)
{
    const struct identity_store store = {&f->m.hal, &f->board};
    enum identity_state state;
    assert_int_equal(identity_load(&store, &state, out, NULL), 0);
    return state;
}

/* A variable of the boot environment as the flash has it; "" when there is none. */
static void variable(struct fixture *f, const char *name, char out[32])
{
    struct slots slots;
    assert_int_equal(slots_load(&f->m.hal, &f->board, &slots, NULL), 0);
    const char *text = slots_variable(&slots, name);
    snprintf(out, 32, "%s", text ? text : "");
}

static bool variable_is(struct fixture *f, const char *name, const char *value)
{
    char text[32];
    variable(f, name, text);
    return strcmp(text, value) == 0;
}

static void expect_refusal(struct fixture *f, int rc, const char *words)
{
    if (rc != ERROR_REMOTE || !strstr(f->err.text, words))
        fail_msg("expected '%s', came %d '%s'", words, rc, f->err.text);
    if (!strstr(f->log, words))
        fail_msg("the unit's log does not say '%s' but '%s'", words, f->log);
}

static void reconnect(struct fixture *f)
{
    disconnect(f);
    secure_session(f);
}

/* ---- entering -------------------------------------------------------------------------------- */

static void test_nothing_is_served_before_a_token(void **state)
{
    struct fixture *f = *state;
    secure_session(f);
    passes(f, "hello", "{\"versions\":[1]}");
    assert_true(json_bool(f->result, "factory_mode", false));
    assert_false(json_bool(f->result, "locked", true));
    assert_int_equal(strlen(json_string(f->result, "nonce", "")), 32);
    for (const struct method *m = agent_methods(f->agent); m->name; m++)
        if (strcmp(m->name, "hello") != 0 && strcmp(m->name, "factory.enter") != 0)
            expect_refusal(f, call(f, m->name, "{}"), "no factory token was accepted");
    assert_false(agent_session_entered(f->agent_session));
    struct token t = token_for(f);
    assert_int_equal(enter_signed(f, &t, &f->token_key), 0);
    assert_true(agent_session_entered(f->agent_session));
    passes(f, "unit.info", NULL);
    assert_non_null(strstr(f->log, "entered for order ORDER-1 by line 1"));
}

static void test_each_wrong_token_is_refused_for_its_reason(void **state)
{
    struct fixture *f = *state;
    secure_session(f);
    const int writes = f->m.flash.writes;
    expect_refusal(f, call(f, "factory.enter", "{}"), "'token' is missing");
    expect_refusal(f, call(f, "factory.enter", "{\"token\":\"{}\",\"signature\":\"zz\"}"),
                   "'signature' is not hex");
    expect_refusal(f, call(f, "factory.enter", "{\"token\":\"{}\",\"signature\":\"3000\"}"),
                   "signature is not one of this factory");

    struct token t = token_for(f);
    expect_refusal(f, enter_signed(f, &t, &f->key), "signature is not one of this factory");
    strcpy(t.chip_id, "00112233445566778899aabbccddee00");
    expect_refusal(f, enter_signed(f, &t, &f->token_key),
                   "is for chip 00112233445566778899aabbccddee00");
    t = token_for(f);
    t.issued_s -= 1000;
    t.expires_s = wall_now_s;
    expect_refusal(f, enter_signed(f, &t, &f->token_key), "the token expired at");
    t = token_for(f);
    t.nonce[0] = t.nonce[0] == '0' ? '1' : '0';
    expect_refusal(f, enter_signed(f, &t, &f->token_key), "made for another session");
    assert_int_equal(agent_session_refusals(f->agent_session), 7);
    assert_false(agent_session_entered(f->agent_session));
    expect_refusal(f, call(f, "identity.read", "{}"), "no factory token was accepted");
    assert_int_equal(f->m.flash.writes, writes); /* nobody wears out the flash by asking */
}

static void test_a_token_is_worth_nothing_in_another_session(void **state)
{
    struct fixture *f = *state;
    secure_session(f);
    struct token t = token_for(f);
    assert_int_equal(enter_signed(f, &t, &f->token_key), 0);
    reconnect(f);
    expect_refusal(f, enter_signed(f, &t, &f->token_key), "made for another session");
    power_cycle(f);
    secure_session(f);
    expect_refusal(f, enter_signed(f, &t, &f->token_key), "made for another session");
}

/* A clock that was set back, or has lost its battery, brings no old token back. */
static void test_time_never_goes_back(void **state)
{
    struct fixture *f = *state;
    secure_session(f);
    wall_now_s += 5000;
    struct token t = token_for(f);
    assert_int_equal(enter_signed(f, &t, &f->token_key), 0);
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)wall_now_s);
    assert_true(variable_is(f, "factory_time", text));
    wall_now_s = 0;
    power_cycle(f);
    secure_session(f);
    t = token_for(f);
    t.issued_s = takt_build_time_s + 2000;
    t.expires_s = t.issued_s + 600;
    expect_refusal(f, enter_signed(f, &t, &f->token_key), "the token expired at");
    /* A newer one moves it on. */
    t.issued_s = takt_build_time_s + 6100;
    t.expires_s = t.issued_s + 600;
    assert_int_equal(enter_signed(f, &t, &f->token_key), 0);
    /* An older one that has not expired is taken, but is not remembered as the newest. */
    reconnect(f);
    t = token_for(f);
    t.issued_s = takt_build_time_s + 5800;
    t.expires_s = t.issued_s + 600;
    assert_int_equal(enter_signed(f, &t, &f->token_key), 0);
    snprintf(text, sizeof text, "%lld", takt_build_time_s + 6100);
    assert_true(variable_is(f, "factory_time", text));
}

static void test_a_token_older_than_the_program_is_refused(void **state)
{
    struct fixture *f = *state;
    wall_now_s = 0;
    secure_session(f);
    struct token t = token_for(f);
    t.issued_s = takt_build_time_s - 700;
    t.expires_s = takt_build_time_s;
    expect_refusal(f, enter_signed(f, &t, &f->token_key), "the token expired at");
}

static void test_without_whole_credentials_only_hello_answers_and_says_why(void **state)
{
    struct fixture *f = *state;
    uint64_t size;
    uint8_t *at = partition(f, "factory", &size);
    static const struct {
        int at; /* -1: all of it is erased */
        const char *words;
    } cases[] = {{-1, "erased flash"}, {0, "do not begin with TKFC"}, {40, "CRC-32C"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_credentials(f);
        if (cases[i].at < 0)
            memset(at, 0xff, size);
        else
            at[cases[i].at] ^= 4;
        power_cycle(f);
        connect_station(f);
        passes(f, "hello", "{\"versions\":[1]}");
        assert_false(json_bool(f->result, "factory_mode", true));
        assert_false(json_bool(f->result, "locked", true));
        assert_non_null(strstr(json_string(f->result, "closed", ""), cases[i].words));
        assert_string_equal(json_string(f->result, "nonce", ""), "");
        assert_int_equal(session_secure(f->session, CALL_MS, &f->err), ERROR_REMOTE);
        assert_non_null(strstr(f->err.text, "no credentials"));
        assert_false(agent_finalized(f->agent));
    }
}

static void test_a_second_station_waits_its_turn(void **state)
{
    struct fixture *f = *state;
    secure_station(f);
    struct fixture second = *f; /* the same unit, another session */
    second.session = second.unit_session = NULL;
    second.agent_session = NULL;
    second.result = NULL;
    memset(&second.received, 0, sizeof second.received);
    connect_station(&second);
    if (!call(&second, "hello", "{\"versions\":[1]}"))
        fail_msg("a second station was let in");
    assert_non_null(strstr(second.err.text, "another station is connected"));
    disconnect(f);
    passes(&second, "hello", "{\"versions\":[1]}");
    forget(&second);
    disconnect(&second);
    secure_station(f);
}

static struct fixture beside(const struct fixture *f)
{
    struct fixture other = *f; /* the same unit, another session */
    other.session = other.unit_session = NULL;
    other.agent_session = NULL;
    other.result = NULL;
    memset(&other.received, 0, sizeof other.received);
    secure_session(&other);
    return other;
}

static int enter_as(struct fixture *f, const char *station, const char *order)
{
    struct token t = {.chip_id = "00112233445566778899aabbccddeeff",
                      .issued_s = wall_now_s,
                      .expires_s = wall_now_s + 600};
    char hello[100];
    snprintf(hello, sizeof hello, "{\"versions\":[1],\"station\":\"%s\"}", "line 1");
    passes(f, "hello", hello);
    snprintf(t.nonce, sizeof t.nonce, "%s", json_string(f->result, "nonce", ""));
    snprintf(t.station, sizeof t.station, "%s", station);
    snprintf(t.order, sizeof t.order, "%s", order);
    return enter_signed(f, &t, &f->token_key);
}

static void test_one_station_may_be_in_with_several_sessions(void **state)
{
    struct fixture *f = *state;
    secure_station(f);
    struct fixture same = beside(f), another = beside(f), nameless = beside(f), order = beside(f);
    if (enter_as(&same, "line 1", "ORDER-1"))
        fail_msg("%s", same.err.text);
    passes(&same, "unit.info", NULL);
    passes(f, "unit.info", NULL);
    /* The name in hello is a courtesy; what counts is the signed token. */
    assert_int_not_equal(enter_as(&another, "line 2", "ORDER-1"), 0);
    assert_int_not_equal(enter_as(&nameless, "", "ORDER-1"), 0);
    assert_int_not_equal(enter_as(&order, "line 1", "ORDER-2"), 0);
    assert_non_null(strstr(order.err.text, "another station is connected"));
    disconnect(f);
    assert_int_not_equal(enter_as(&another, "line 2", "ORDER-1"), 0); /* one of them is left */
    forget(&same);
    disconnect(&same);
    if (enter_as(&another, "line 2", "ORDER-1"))
        fail_msg("%s", another.err.text);
    struct fixture *others[] = {&another, &nameless, &order};
    for (size_t i = 0; i < 3; i++) {
        forget(others[i]);
        disconnect(others[i]);
    }
    secure_station(f);
}

/* ---- leaving for good --------------------------------------------------------------------------
 */

static void make_open(struct fixture *f)
{
    disconnect(f);
    memset(f->m.flash.bytes, 0xff, f->board.flash_bytes);
    memory_flash_power_on(&f->m.flash, 0);
    write_credentials(f);
    power_cycle(f);
    secure_station(f);
    passes(f, "identity.write", identity);
}

static void expect_whole_identity(struct fixture *f, enum identity_state expected)
{
    struct identity_record r;
    assert_int_equal(identity_now(f, &r), expected);
    assert_string_equal(r.did, "460012345");
    assert_int_equal(r.key_bytes, 16);
    assert_int_equal(r.key[15], 15);
}

static void expect_finalized(struct fixture *f)
{
    expect_whole_identity(f, IDENTITY_LOCKED);
    assert_true(credentials_are_gone(f));
    assert_true(variable_is(f, "loader", "closed"));
    assert_true(agent_finalized(f->agent));
    assert_null(agent_factory_ca(f->agent));
    disconnect(f);
    connect_station(f);
    passes(f, "hello", "{\"versions\":[1]}");
    assert_false(json_bool(f->result, "factory_mode", true));
    assert_true(json_bool(f->result, "locked", false));
    assert_non_null(strstr(json_string(f->result, "closed", ""), "for good"));
}

static void test_finalizing_erases_closes_and_locks(void **state)
{
    struct fixture *f = *state;
    make_open(f);
    assert_true(credentials_are_whole(f));
    passes(f, "factory.lock", NULL);
    assert_true(json_bool(f->result, "locked", false));
    refused(f, "unit.info", NULL, "factory mode is closed on this unit for good");
    struct token t = {.chip_id = "00112233445566778899aabbccddeeff",
                      .order = "O",
                      .issued_s = wall_now_s,
                      .expires_s = wall_now_s + 60,
                      .nonce = "00000000000000000000000000000000"};
    expect_refusal(f, enter_signed(f, &t, &f->token_key), "factory mode is closed");
    expect_finalized(f);
    power_cycle(f);
    expect_finalized(f);
}

/* What the start after a cut finds: open, to be done again, or closed for good; nothing between. */
static bool open_after_cut(struct fixture *f)
{
    power_cycle(f);
    if (agent_finalized(f->agent)) {
        expect_finalized(f);
        return false;
    }
    assert_true(credentials_are_whole(f));
    expect_whole_identity(f, IDENTITY_WRITTEN);
    assert_false(variable_is(f, "loader", "closed"));
    return true;
}

/* Finalizes with the power cut at operation cut_at; false when there are not so many. */
static bool cut_finalizing(struct fixture *f, int cut_at, int tear)
{
    make_open(f);
    f->m.flash.tear = tear;
    memory_flash_power_on(&f->m.flash, cut_at);
    int rc = call(f, "factory.lock", NULL);
    bool cut = f->m.flash.off;
    assert_int_equal(rc != 0, cut);
    return cut;
}

static void test_a_cut_at_any_operation_leaves_it_open_or_locked(void **state)
{
    struct fixture *f = *state;
    for (int tear = 0; tear < MEMORY_FLASH_TEARS; tear++) {
        int opens = 0, locks = 0, cut_at = 1;
        for (; cut_finalizing(f, cut_at, tear); cut_at++) {
            memory_flash_power_on(&f->m.flash, 0);
            if (open_after_cut(f)) {
                assert_int_equal(locks, 0); /* once past the point of return, never back */
                opens++;
                secure_station(f);
                passes(f, "factory.lock", NULL);
            } else {
                locks++;
            }
            expect_finalized(f);
            power_cycle(f);
            expect_finalized(f);
        }
        /* loader=closing, the credentials, loader=closed, the lock: two blocks each, but for the
         * one block that the credentials lie in; an erase and a program each, but for those. */
        assert_int_equal(cut_at - 1, 4 + 1 + 4 + 4);
        assert_int_equal(opens + locks, 13);
        assert_true(opens >= 4 && locks >= 8);
        print_message("        %-16s cut at each of %d operations: %d open, %d locked\n",
                      memory_flash_tears[tear].name, cut_at - 1, opens, locks);
    }
}

/* The start that goes on is itself cut, at each of its operations, and so is the one after. */
static void test_the_start_that_goes_on_may_be_cut_too(void **state)
{
    struct fixture *f = *state;
    int cuts = 0;
    for (int tear = 0; tear < MEMORY_FLASH_TEARS; tear++)
        for (int first = 1; cut_finalizing(f, first, tear); first++) {
            uint8_t *kept = malloc(f->board.flash_bytes);
            memcpy(kept, f->m.flash.bytes, f->board.flash_bytes);
            bool cut = true;
            for (int second = 1; cut; second++) {
                memcpy(f->m.flash.bytes, kept, f->board.flash_bytes);
                disconnect(f);
                agent_free(f->agent);
                f->agent = NULL;
                memory_flash_power_on(&f->m.flash, second);
                /* The first start: cut within agent_create(), or in whatever it logs of it. */
                const struct agent_config config = {
                    .board = &f->board, .hal = &f->m.hal, .wall_s = wall_s};
                if (agent_create(&config, &f->agent, &f->err) == 0)
                    agent_free(f->agent);
                f->agent = NULL;
                cut = f->m.flash.off;
                cuts += cut;
                memory_flash_power_on(&f->m.flash, 0);
                power_up(f);
                if (open_after_cut(f)) {
                    secure_station(f);
                    passes(f, "factory.lock", NULL);
                }
                expect_finalized(f);
            }
            free(kept);
        }
    print_message("        %d starts cut\n", cuts);
    assert_true(cuts >= MEMORY_FLASH_TEARS * 8 * 2); /* at least a block erased and written */
}

/* A cut before the credentials were touched leaves it open; coming in again takes the begun
 * finalizing back, so that no later damage closes a unit that is being worked on. */
static void test_coming_in_again_takes_a_begun_finalizing_back(void **state)
{
    struct fixture *f = *state;
    assert_true(cut_finalizing(f, 5, 1));
    memory_flash_power_on(&f->m.flash, 0);
    assert_true(variable_is(f, "loader", "closing"));
    assert_true(open_after_cut(f));
    secure_station(f);
    assert_true(variable_is(f, "loader", ""));
}

static void test_a_flash_that_does_not_erase_is_told_and_nothing_is_locked(void **state)
{
    struct fixture *f = *state;
    make_open(f);
    f->m.flash.stuck = true;
    if (!call(f, "factory.lock", NULL))
        fail_msg("finalized without erasing");
    struct identity_record r;
    assert_int_equal(identity_now(f, &r), IDENTITY_WRITTEN);
    passes(f, "unit.info", NULL); /* and the station is still in, to say so */
    f->m.flash.stuck = false;
    passes(f, "factory.lock", NULL);
    expect_finalized(f);
}

/* ---- no way back -------------------------------------------------------------------------------
 */

static void finalize(struct fixture *f)
{
    make_open(f);
    passes(f, "factory.lock", NULL);
    power_cycle(f);
    expect_finalized(f);
}

static void test_credentials_put_back_by_force_open_nothing_and_are_erased(void **state)
{
    struct fixture *f = *state;
    finalize(f);
    write_credentials(f);
    assert_true(credentials_are_whole(f));
    power_cycle(f);
    expect_finalized(f);
}

static void test_a_loader_opened_by_force_is_closed_again(void **state)
{
    struct fixture *f = *state;
    static const char *const values[] = {NULL, "open", "closing"};
    finalize(f);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct slots slots;
        write_credentials(f);
        assert_int_equal(slots_load(&f->m.hal, &f->board, &slots, NULL), 0);
        assert_int_equal(slots_set_variable(&slots, "loader", values[i], NULL), 0);
        power_cycle(f);
        expect_finalized(f);
    }
    memset(partition(f, "env", NULL), 0xff, 131072); /* all of the environment gone */
    power_cycle(f);
    expect_finalized(f);
}

static void test_a_damaged_identity_closes_a_unit_with_whole_credentials(void **state)
{
    struct fixture *f = *state;
    for (int finalized = 0; finalized < 2; finalized++) {
        make_open(f);
        if (finalized)
            passes(f, "factory.lock", NULL);
        write_credentials(f);
        partition(f, "identity", NULL)[100] ^= 1;
        partition(f, "identity", NULL)[f->board.erase_bytes + 100] ^= 1;
        power_cycle(f);
        connect_station(f);
        passes(f, "hello", "{\"versions\":[1]}");
        assert_false(json_bool(f->result, "factory_mode", true));
        assert_false(json_bool(f->result, "locked", true)); /* no proof of a lock */
        assert_non_null(strstr(json_string(f->result, "closed", ""),
                               "both copies of the identity are damaged"));
        assert_null(agent_factory_ca(f->agent));
        assert_int_equal(session_secure(f->session, CALL_MS, &f->err), ERROR_REMOTE);
        assert_int_equal(agent_finalized(f->agent), finalized);
    }
}

/* The identity erased and credentials written: the closed loader still speaks against it. */
static void test_an_erased_identity_does_not_open_a_unit_whose_loader_is_closed(void **state)
{
    struct fixture *f = *state;
    finalize(f);
    write_credentials(f);
    memset(partition(f, "identity", NULL), 0xff, 2 * (size_t)f->board.erase_bytes);
    power_cycle(f);
    assert_null(agent_factory_ca(f->agent));
    assert_true(agent_finalized(f->agent));
    connect_station(f);
    passes(f, "hello", "{\"versions\":[1]}");
    assert_non_null(strstr(json_string(f->result, "closed", ""), "the loader is"));
    assert_false(json_bool(f->result, "locked", true));
}

/* One copy of the identity put back as it was before the lock: the newer one counts, and heals. */
static void test_an_old_copy_of_the_identity_does_not_open_it(void **state)
{
    struct fixture *f = *state;
    make_open(f);
    uint8_t *at = partition(f, "identity", NULL);
    uint8_t *before = malloc(f->board.erase_bytes);
    memcpy(before, at, f->board.erase_bytes);
    passes(f, "factory.lock", NULL);
    memcpy(at, before, f->board.erase_bytes);
    write_credentials(f);
    power_cycle(f);
    expect_finalized(f);
    assert_memory_equal(at, at + f->board.erase_bytes, IDENTITY_RECORD_BYTES);
    free(before);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)
    const struct CMUnitTest tests[] = {
        TEST(test_nothing_is_served_before_a_token),
        TEST(test_each_wrong_token_is_refused_for_its_reason),
        TEST(test_a_token_is_worth_nothing_in_another_session),
        TEST(test_time_never_goes_back),
        TEST(test_a_token_older_than_the_program_is_refused),
        TEST(test_without_whole_credentials_only_hello_answers_and_says_why),
        TEST(test_a_second_station_waits_its_turn),
        TEST(test_one_station_may_be_in_with_several_sessions),
        TEST(test_finalizing_erases_closes_and_locks),
        TEST(test_a_cut_at_any_operation_leaves_it_open_or_locked),
        TEST(test_the_start_that_goes_on_may_be_cut_too),
        TEST(test_coming_in_again_takes_a_begun_finalizing_back),
        TEST(test_a_flash_that_does_not_erase_is_told_and_nothing_is_locked),
        TEST(test_credentials_put_back_by_force_open_nothing_and_are_erased),
        TEST(test_a_loader_opened_by_force_is_closed_again),
        TEST(test_a_damaged_identity_closes_a_unit_with_whole_credentials),
        TEST(test_an_erased_identity_does_not_open_a_unit_whose_loader_is_closed),
        TEST(test_an_old_copy_of_the_identity_does_not_open_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
