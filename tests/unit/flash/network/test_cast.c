/* A cast between a real sender and real receivers, in a time of its own, over a network that loses,
 * doubles and swaps packets, and with flashes of every speed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "firmware/cast/receiver.h"
#include "protocol/base/file.h"
#include "protocol/base/splitmix.h"
#include "protocol/formats/signing.h"
#include "station/flash/network/cast_sender.h"

enum { UNITS_MAX = 40, FLIGHT = 8192, STEP_US = 1000, FINE_STEP_US = 200, DELAY_US = 200 };

struct unit {
    struct cast_receiver *receiver;
    char id[33];
    int64_t joins_us; /* nothing reaches it before */
    int64_t dies_us;  /* nor from then on; 0 = never */
    int64_t chunk_us; /* it takes to write one */
    int64_t writes_until_us;
    size_t writing;  /* index + 1 */
    int64_t look_us; /* it takes to look at one */
    int64_t looks_until_us;
    size_t looked, look_ahead; /* of what is written; 0 = all at once */
    size_t there;              /* chunks that lie in its flash already */
    uint8_t *flash;
    size_t written;
    bool boot_too_early;
};

struct rig {
    struct board board;
    struct signing_key key;
    char folder[64], path[96];
    struct bundle *bundle;
    struct chunk_ordered *chunks;
    size_t count;
    struct cast_sender *sender;
    struct unit units[UNITS_MAX];
    size_t unit_count;
    uint64_t seed;
    double loss, twice, flip;
    struct {
        int64_t at_us;
        size_t to; /* unit + 1; 0: the station */
        size_t size;
        uint8_t data[CAST_PACKET_MAX];
    } * flight;
    size_t flight_count;
    int64_t now_us, step_us;
    uint64_t from_units; /* packets */
    size_t buffer_bytes; /* of a unit */
};

static double chance(struct rig *r)
{
    return (double)(splitmix_next(&r->seed) >> 11) / 9007199254740992.0;
}

/* ---- a bundle of kernel, root file system and boot loader --------------------------------- */

static const char board_text[] =
    "{\"board\":\"tiny\",\"soc\":\"NONE\",\"arch\":\"armhf\",\"memory_mib\":1,"
    "\"flash\":{\"kind\":\"nor\",\"size_mib\":8,\"erase_bytes\":65536,\"page_bytes\":256,"
    "\"partitions\":["
    "{\"name\":\"boot\",\"offset_kib\":0,\"size_kib\":128,\"protected\":true},"
    "{\"name\":\"env\",\"offset_kib\":128,\"size_kib\":128},"
    "{\"name\":\"identity\",\"offset_kib\":256,\"size_kib\":128,\"protected\":true},"
    "{\"name\":\"factory\",\"offset_kib\":384,\"size_kib\":128,\"protected\":true},"
    "{\"name\":\"kernel_a\",\"offset_kib\":512,\"size_kib\":1024},"
    "{\"name\":\"kernel_b\",\"offset_kib\":1536,\"size_kib\":1024},"
    "{\"name\":\"rootfs_a\",\"offset_kib\":2560,\"size_kib\":2048},"
    "{\"name\":\"rootfs_b\",\"offset_kib\":4608,\"size_kib\":2048},"
    "{\"name\":\"data\",\"offset_kib\":6656,\"size_kib\":1536}]},"
    "\"camera\":{\"sensor\":\"S\",\"width_px\":64,\"height_px\":32,\"pixel_um\":2.5,"
    "\"focal_mm\":3.6,\"f_number\":2},"
    "\"radio\":{\"chip\":\"R\",\"bands_ghz\":[2.4]},"
    "\"buttons\":[\"reset\"],\"leds\":[\"status_blue\"],\"supply_volts\":5}";

static const struct {
    const char *image;
    size_t bytes;
} images[] = {{"boot", 100001}, {"kernel", 700000}, {"rootfs", 1500003}};

static int rig_make(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    struct error err = {0};
    struct bundle_recipe recipe = {.board = &r->board, .version = "1", .release = 3};
    char paths[3][96];
    uint64_t seed = 77;
    strcpy(r->folder, "/tmp/test_cast.XXXXXX");
    assert_non_null(mkdtemp(r->folder));
    if (board_parse("tiny", board_text, strlen(board_text), &r->board, &err))
        fail_msg("%s", err.text);
    assert_int_equal(signing_key_make(&r->key, NULL), 0);
    recipe.private_key_pem = r->key.private_pem;
    for (size_t i = 0; i < 3; i++) {
        uint8_t *bytes = malloc(images[i].bytes);
        for (size_t k = 0; k < images[i].bytes; k++)
            bytes[k] = (uint8_t)splitmix_next(&seed);
        snprintf(paths[i], sizeof paths[i], "%s/%s", r->folder, images[i].image);
        assert_int_equal(file_write(paths[i], bytes, images[i].bytes, 0600, NULL), 0);
        free(bytes);
        recipe.images[i].image = images[i].image;
        recipe.images[i].path = paths[i];
    }
    recipe.image_count = 3;
    snprintf(r->path, sizeof r->path, "%s/bundle", r->folder);
    if (bundle_make(&recipe, r->path, &err) ||
        bundle_open(r->path, r->key.public_pem, &r->bundle, &err) ||
        chunk_order(&r->board, bundle_manifest(r->bundle), 'a', &r->chunks, &r->count, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < 3; i++)
        unlink(paths[i]);
    r->flight = calloc(FLIGHT, sizeof *r->flight);
    r->seed = 1;
    r->step_us = STEP_US;
    r->buffer_bytes = 8 * 65536;
    *state = r;
    return 0;
}

static void drop_units(struct rig *r)
{
    for (size_t i = 0; i < r->unit_count; i++) {
        cast_receiver_close(r->units[i].receiver);
        free(r->units[i].flash);
    }
    memset(r->units, 0, sizeof r->units);
    r->unit_count = 0;
    cast_sender_close(r->sender);
    r->sender = NULL;
}

static int rig_drop(void **state)
{
    struct rig *r = *state;
    drop_units(r);
    bundle_close(r->bundle);
    unlink(r->path);
    rmdir(r->folder);
    signing_key_free(&r->key);
    free(r->chunks);
    free(r->flight);
    free(r);
    return 0;
}

static struct unit *add_unit(struct rig *r, int64_t chunk_us)
{
    struct unit *u = &r->units[r->unit_count];
    struct error err = {0};
    snprintf(u->id, sizeof u->id, "%016zx", ++r->unit_count);
    const struct cast_receiver_config config = {.board = &r->board,
                                                .public_key_pem = r->key.public_pem,
                                                .unit = u->id,
                                                .buffer_bytes = r->buffer_bytes};
    u->chunk_us = chunk_us;
    u->flash = malloc(r->board.flash_bytes);
    if (cast_receiver_open(&config, &u->receiver, &err))
        fail_msg("%s", err.text);
    return u;
}

static void open_sender(struct rig *r, size_t units, uint64_t bytes_per_s)
{
    struct error err = {0};
    struct cast_sender_config config = {.chunks = r->chunks,
                                        .chunk_count = r->count,
                                        .slot = 'a',
                                        .session = 0x1234567,
                                        .bytes_per_s = bytes_per_s,
                                        .units = units,
                                        .gather_ms = 2000};
    config.manifest = bundle_signed_manifest(r->bundle, &config.manifest_bytes);
    if (cast_sender_open(&config, &r->sender, &err))
        fail_msg("%s", err.text);
}

/* ---- network and flashes ------------------------------------------------------------------ */

static bool is_on(const struct rig *r, const struct unit *u)
{
    return r->now_us >= u->joins_us && (!u->dies_us || r->now_us < u->dies_us);
}

static void put(struct rig *r, size_t to, const uint8_t *data, size_t size)
{
    for (int copies = chance(r) < r->twice ? 2 : 1; copies; copies--) {
        if (chance(r) < r->loss || r->flight_count == FLIGHT)
            continue;
        r->flight[r->flight_count].at_us =
            r->now_us + DELAY_US + (chance(r) < r->twice ? 3 * DELAY_US : 0);
        r->flight[r->flight_count].to = to;
        r->flight[r->flight_count].size = size;
        memcpy(r->flight[r->flight_count].data, data, size);
        if (chance(r) < r->flip)
            r->flight[r->flight_count].data[(size_t)(chance(r) * (double)size)] ^= 0x10;
        r->flight_count++;
    }
}

static void send_all(struct rig *r)
{
    static struct cast_packet p;
    struct error err = {0};
    size_t head_bytes;
    const uint8_t *head = bundle_signed_manifest(r->bundle, &head_bytes);
    while (cast_sender_next(r->sender, r->now_us, &p)) {
        if (p.bytes && !p.chunk)
            memcpy(p.data + p.head_bytes, head + p.offset, p.bytes);
        else if (p.bytes)
            assert_int_equal(bundle_read(r->bundle, r->chunks[p.chunk - 1].image,
                                         r->chunks[p.chunk - 1].offset + p.offset,
                                         p.data + p.head_bytes, p.bytes, &err),
                             p.bytes);
        for (size_t i = 0; i < r->unit_count; i++)
            put(r, i + 1, p.data, p.head_bytes + p.bytes);
    }
}

static void deliver(struct rig *r)
{
    const size_t before = r->flight_count;
    size_t kept = 0;
    for (size_t i = 0; i < before; i++) {
        if (r->flight[i].at_us > r->now_us) {
            r->flight[kept++] = r->flight[i];
            continue;
        }
        const size_t to = r->flight[i].to;
        if (!to)
            cast_sender_take(r->sender, r->flight[i].data, r->flight[i].size, r->now_us);
        else if (is_on(r, &r->units[to - 1]))
            cast_receiver_take(r->units[to - 1].receiver, r->flight[i].data, r->flight[i].size,
                               r->now_us / 1000);
    }
    r->flight_count = kept;
}

/* Boot chunks may only be written when everything else is. */
static void check_order(struct rig *r, struct unit *u, size_t index)
{
    for (size_t i = 0; r->chunks[index].boot && i < index; i++)
        if (!r->chunks[i].boot && !cast_receiver_is_settled(u->receiver, i) && i >= u->there)
            u->boot_too_early = true;
}

static void run_unit(struct rig *r, struct unit *u)
{
    size_t count, index;
    uint8_t out[CAST_PACKET_MAX];
    cast_receiver_chunks(u->receiver, &count);
    const size_t ahead = u->look_ahead ? u->written + u->look_ahead : count;
    for (; u->looked < count && u->looked < ahead && r->now_us >= u->looks_until_us; u->looked++) {
        cast_receiver_looked(u->receiver, u->looked, u->looked < u->there);
        u->looks_until_us = u->look_us ? r->now_us + u->look_us : 0;
    }
    if (u->writing && r->now_us >= u->writes_until_us) {
        cast_receiver_written(u->receiver, u->writing - 1);
        u->writing = 0;
        u->written++;
    }
    if (!u->writing) {
        const uint8_t *data = cast_receiver_ready(u->receiver, &index);
        if (data) {
            check_order(r, u, index);
            memcpy(u->flash + r->chunks[index].partition->offset_bytes + r->chunks[index].offset,
                   data, r->chunks[index].bytes);
            u->writing = index + 1;
            u->writes_until_us = r->now_us + u->chunk_us;
        }
    }
    const size_t size = cast_receiver_status(u->receiver, r->now_us / 1000, out);
    if (size) {
        put(r, 0, out, size);
        r->from_units++;
    }
}

static void run(struct rig *r, int64_t limit_us)
{
    for (; !cast_sender_is_over(r->sender) && r->now_us < limit_us; r->now_us += r->step_us) {
        send_all(r);
        deliver(r);
        for (size_t i = 0; i < r->unit_count; i++)
            if (is_on(r, &r->units[i]))
                run_unit(r, &r->units[i]);
    }
}

static void assert_flashed(struct rig *r, const struct unit *u)
{
    static uint8_t bytes[1 << 16];
    assert_true(cast_receiver_is_done(u->receiver));
    assert_false(u->boot_too_early);
    for (size_t i = u->there; i < r->count; i++) {
        const struct chunk_ordered *c = &r->chunks[i];
        assert_int_equal(bundle_read(r->bundle, c->image, c->offset, bytes, c->bytes, NULL),
                         c->bytes);
        assert_memory_equal(u->flash + c->partition->offset_bytes + c->offset, bytes, c->bytes);
    }
}

static double on_the_wire(const struct rig *r)
{
    size_t bytes = 0;
    for (size_t i = 0; i < 3; i++)
        bytes += images[i].bytes;
    return (double)cast_sender_counts(r->sender)->wire_bytes / (double)bytes;
}

/* ---- what is shown ------------------------------------------------------------------------ */

static void test_32_units_cost_one_image_and_what_was_lost(void **state)
{
    struct rig *r = *state;
    r->loss = 0.001;
    for (int i = 0; i < 32; i++)
        add_unit(r, 100000);
    open_sender(r, 32, 0);
    run(r, INT64_C(60000000));
    print_message("wire %.3f, %.2f s, %llu statuses\n", on_the_wire(r), (double)r->now_us / 1e6,
                  (unsigned long long)r->from_units);
    for (size_t i = 0; i < 32; i++)
        assert_flashed(r, &r->units[i]);
    assert_true(on_the_wire(r) < 1.1);
    /* 37 chunks of 0.1 s: the writers never wait for the wire. */
    assert_true(r->now_us < (int64_t)(r->count * 100000) * 12 / 10);
    assert_true(r->from_units < 32 * 25);
}

/* Units with memory for all of it that look at their flash a little before they write: the quicker
 * ones have room for what the slowest does not let the station send yet. */
static void test_room_that_others_lack_is_not_spoken_of_again_and_again(void **state)
{
    struct rig *r = *state;
    r->loss = 0.001;
    r->buffer_bytes = 64 * 65536;
    for (int i = 0; i < 32; i++) {
        struct unit *u = add_unit(r, 100000 + 500 * i);
        u->look_ahead = 16;
        u->look_us = 2000;
    }
    open_sender(r, 32, 0);
    run(r, INT64_C(60000000));
    print_message("%.2f s, %llu statuses\n", (double)r->now_us / 1e6,
                  (unsigned long long)r->from_units);
    for (size_t i = 0; i < 32; i++)
        assert_flashed(r, &r->units[i]);
    assert_true(r->now_us < (int64_t)(r->count * 115500) * 12 / 10);
    assert_true(r->from_units < 32 * 20);
}

static void test_heavy_loss_doubling_and_swapping_end_whole(void **state)
{
    struct rig *r = *state;
    r->loss = 0.10;
    r->twice = 0.05;
    for (int i = 0; i < 8; i++)
        add_unit(r, 20000 + i * 5000);
    open_sender(r, 8, 0);
    run(r, INT64_C(120000000));
    for (size_t i = 0; i < 8; i++)
        assert_flashed(r, &r->units[i]);
    assert_true(on_the_wire(r) < 2.5);
}

static void test_flipped_bits_cost_a_chunk_and_are_never_written(void **state)
{
    struct rig *r = *state;
    r->flip = 0.002;
    for (int i = 0; i < 4; i++)
        add_unit(r, 10000);
    open_sender(r, 4, 0);
    run(r, INT64_C(120000000));
    for (size_t i = 0; i < 4; i++)
        assert_flashed(r, &r->units[i]);
}

static void test_a_unit_that_comes_late_gets_all_of_it(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < 3; i++)
        add_unit(r, 100000);
    r->units[2].joins_us = 2500000; /* two thirds have gone out */
    open_sender(r, 0, 0);
    run(r, INT64_C(60000000));
    assert_int_equal(cast_sender_units(r->sender), 3);
    for (size_t i = 0; i < 3; i++)
        assert_flashed(r, &r->units[i]);
    assert_true(on_the_wire(r) < 2.2);
}

static void test_a_unit_that_dies_stops_nobody(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < 4; i++)
        add_unit(r, 50000);
    r->units[1].dies_us = 600000;
    open_sender(r, 4, 0);
    run(r, INT64_C(60000000));
    for (size_t i = 0; i < 4; i++)
        if (i != 1)
            assert_flashed(r, &r->units[i]);
    assert_true(cast_sender_is_over(r->sender));
    size_t silent = 0;
    for (size_t i = 0; i < 4; i++)
        silent += cast_sender_unit(r->sender, i)->is_silent &&
                  cast_sender_unit(r->sender, i)->state != CAST_DONE;
    assert_int_equal(silent, 1);
}

static void test_a_unit_ten_times_slower_is_not_overrun(void **state)
{
    struct rig *r = *state;
    add_unit(r, 20000);
    add_unit(r, 200000);
    open_sender(r, 2, 0);
    run(r, INT64_C(60000000));
    assert_flashed(r, &r->units[0]);
    assert_flashed(r, &r->units[1]);
    assert_true(on_the_wire(r) < 1.1);
}

static void test_what_every_unit_has_is_not_sent(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < 4; i++)
        add_unit(r, 50000)->there = 1000;
    r->units[3].there = 30; /* one lacks the last seven */
    open_sender(r, 4, 0);
    run(r, INT64_C(60000000));
    for (size_t i = 0; i < 4; i++)
        assert_true(cast_receiver_is_done(r->units[i].receiver));
    assert_true(on_the_wire(r) < 0.25);
}

/* Whatever packets are lost: an announcement, a block of the manifest, somebody's last word. */
static void test_unchanged_units_are_waited_for_no_longer_than_they_look(void **state)
{
    struct rig *r = *state;
    int64_t longest_us = 0;
    r->step_us = FINE_STEP_US;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        r->seed = seed;
        r->loss = 0.001;
        r->now_us = 0;
        r->flight_count = 0;
        for (int i = 0; i < 32; i++) {
            struct unit *u = add_unit(r, 100000);
            u->there = 1000;
            u->look_us = 2200; /* 64 KiB at 30 MB/s */
        }
        open_sender(r, 32, 0);
        run(r, INT64_C(20000000));
        for (size_t i = 0; i < 32; i++)
            assert_true(cast_receiver_is_done(r->units[i].receiver));
        longest_us = r->now_us > longest_us ? r->now_us : longest_us;
        drop_units(r);
    }
    print_message("longest %.3f s, looking alone %.3f s\n", (double)longest_us / 1e6,
                  (double)r->count * 2.2e-3);
    assert_true(longest_us < (int64_t)r->count * 2200 + 400000);
}

/* Frames of 1514 bytes for 1456 of the image, at 94 % of 100 Mbit/s. */
static double wire_us(const struct rig *r)
{
    double bytes = 0;
    for (size_t i = 0; i < r->count; i++)
        bytes += (double)r->chunks[i].bytes;
    return bytes * 1514 / 1456 / 11.75;
}

static void test_receiving_and_writing_overlap_whichever_is_slower(void **state)
{
    struct rig *r = *state;
    static const int64_t chunk_us[] = {500, 5000, 7000, 20000};
    r->step_us = FINE_STEP_US;
    for (size_t i = 0; i < sizeof chunk_us / sizeof chunk_us[0]; i++) {
        r->now_us = 0;
        r->flight_count = 0;
        add_unit(r, chunk_us[i])->look_us = 500; /* 16 KiB at 30 MB/s: blank */
        open_sender(r, 1, 0);
        while (!cast_receiver_manifest(r->units[0].receiver))
            run(r, r->now_us + r->step_us);
        const int64_t began_us = r->now_us;
        while (!cast_receiver_is_done(r->units[0].receiver))
            run(r, r->now_us + r->step_us);
        const double took = (double)(r->now_us - began_us), wire = wire_us(r),
                     program = (double)(r->count * (size_t)(chunk_us[i] + r->units[0].look_us)),
                     limit = wire > program ? wire : program;
        /* One chunk must be there before the first is written, one written when all are there. */
        const double ends = wire / (double)r->count + (double)chunk_us[i];
        print_message("%lld us a chunk: %.3f x, %.1f ms over\n", (long long)chunk_us[i],
                      took / limit, (took - limit) / 1000);
        assert_true(took < limit * 1.02 + ends + 4000);
        assert_flashed(r, &r->units[0]);
        drop_units(r);
    }
}

static void test_a_chunk_spoilt_afterwards_comes_again(void **state)
{
    struct rig *r = *state;
    struct unit *u = add_unit(r, 50000);
    open_sender(r, 1, 0);
    bool spoilt = false;
    while (!cast_sender_is_over(r->sender) && r->now_us < 60000000) {
        run(r, r->now_us + r->step_us);
        if (!spoilt && u->written == 10) {
            for (size_t i = 0; i < 8; i++)
                if (cast_receiver_is_settled(u->receiver, i)) {
                    cast_receiver_spoilt(u->receiver, i);
                    memset(u->flash + r->chunks[i].partition->offset_bytes + r->chunks[i].offset, 0,
                           100);
                }
            spoilt = true;
        }
    }
    assert_true(spoilt);
    assert_flashed(r, u);
}

static void test_another_keys_bundle_and_hostile_packets_write_nothing(void **state)
{
    struct rig *r = *state;
    struct unit *u = add_unit(r, 1000);
    struct cast_announce a = {
        .session = 99, .manifest_bytes = 3000, .slot = 'a', .status_every_ms = 100};
    uint8_t out[CAST_PACKET_MAX], junk[CAST_BLOCK_BYTES];
    uint64_t seed = 5;
    size_t index;
    memset(junk, 0x41, sizeof junk);
    /* A stranger's session: its manifest is signed by nobody. */
    cast_receiver_take(u->receiver, out, cast_announce_encode(&a, out), 1);
    for (uint16_t block = 0; block < 3; block++) {
        const struct cast_data d = {
            99, block, 0, block, junk, block < 2 ? CAST_BLOCK_BYTES : 3000 - 2 * CAST_BLOCK_BYTES};
        cast_receiver_take(u->receiver, out, cast_data_encode(&d, out), 2);
    }
    assert_null(cast_receiver_manifest(u->receiver));
    assert_false(cast_receiver_in_session(u->receiver));
    assert_false(cast_receiver_take(u->receiver, out, cast_announce_encode(&a, out), 3));
    /* The station's own, with a stranger's blocks before and behind each of its steps. */
    open_sender(r, 1, 0);
    for (int i = 0; i < 200000 && !cast_sender_is_over(r->sender); i++) {
        const uint64_t x = splitmix_next(&seed);
        const struct cast_data d = {
            0x1234567, (uint32_t)(x >> 20),     (uint16_t)(x % 40), (uint16_t)(x >> 8 & 63),
            junk,      1 + x % CAST_BLOCK_BYTES};
        if (i % 50 == 0)
            cast_receiver_take(u->receiver, out, cast_data_encode(&d, out), r->now_us / 1000);
        run(r, r->now_us + r->step_us);
    }
    assert_flashed(r, u);
    assert_null(cast_receiver_ready(u->receiver, &index));
}

static void test_another_boards_bundle_is_refused_with_the_reason(void **state)
{
    struct rig *r = *state;
    struct unit *u = add_unit(r, 1000);
    struct board other = r->board;
    strcpy(other.name, "other");
    cast_receiver_close(u->receiver);
    const struct cast_receiver_config config = {.board = &other,
                                                .public_key_pem = r->key.public_pem,
                                                .unit = u->id,
                                                .buffer_bytes = r->buffer_bytes};
    assert_int_equal(cast_receiver_open(&config, &u->receiver, NULL), 0);
    open_sender(r, 1, 0);
    run(r, INT64_C(20000000));
    assert_true(cast_sender_is_over(r->sender));
    assert_int_equal(cast_sender_unit(r->sender, 0)->state, CAST_FAILED);
    assert_string_equal(cast_sender_unit(r->sender, 0)->why,
                        "the bundle is for board tiny, this is other");
}

static void test_malformed_statuses_are_dropped(void **state)
{
    struct rig *r = *state;
    uint8_t out[CAST_PACKET_MAX], bits[64];
    memset(bits, 0xff, sizeof bits);
    open_sender(r, 1, 0);
    struct cast_status s = {.session = 0x1234567,
                            .unit = "ab",
                            .room = 30000,
                            .have = bits,
                            .have_count = 500,
                            .listed = UINT16_MAX};
    size_t size = cast_status_encode(&s, out);
    const struct cast_gap gap = {20000, 500, bits};
    assert_true(cast_gap_add(out, &size, &gap)); /* of a chunk that there is not */
    for (size_t n = 0; n < size; n++)
        assert_false(n > 0 && n < 36 && cast_sender_take(r->sender, out, n, 1));
    assert_true(cast_sender_take(r->sender, out, size, 1));
    out[13] = 33; /* a longer name than there may be */
    assert_false(cast_sender_take(r->sender, out, size, 1));
    s.session = 7;
    assert_false(cast_sender_take(r->sender, out, cast_status_encode(&s, out), 1));
    assert_int_equal(cast_sender_units(r->sender), 1);
}

#define RIG_TEST(test) cmocka_unit_test_setup_teardown(test, rig_make, rig_drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_32_units_cost_one_image_and_what_was_lost),
        RIG_TEST(test_room_that_others_lack_is_not_spoken_of_again_and_again),
        RIG_TEST(test_heavy_loss_doubling_and_swapping_end_whole),
        RIG_TEST(test_flipped_bits_cost_a_chunk_and_are_never_written),
        RIG_TEST(test_a_unit_that_comes_late_gets_all_of_it),
        RIG_TEST(test_a_unit_that_dies_stops_nobody),
        RIG_TEST(test_a_unit_ten_times_slower_is_not_overrun),
        RIG_TEST(test_what_every_unit_has_is_not_sent),
        RIG_TEST(test_unchanged_units_are_waited_for_no_longer_than_they_look),
        RIG_TEST(test_receiving_and_writing_overlap_whichever_is_slower),
        RIG_TEST(test_a_chunk_spoilt_afterwards_comes_again),
        RIG_TEST(test_another_keys_bundle_and_hostile_packets_write_nothing),
        RIG_TEST(test_another_boards_bundle_is_refused_with_the_reason),
        RIG_TEST(test_malformed_statuses_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
