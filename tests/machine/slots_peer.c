/* The firmware's own view of a flash file: what slots_boot() would decide where U-Boot's script
 * did, and whether a flash cut off anywhere still holds a slot that starts.
 *
 *   slots_peer environment BOARD FLASH SEED   writes a seeded boot environment, as odd as they come
 *   slots_peer boots BOARD FLASH N            N starts on a copy in memory: "SLOT FALLBACK" a line,
 *                                             then the state they leave
 *   slots_peer state BOARD FLASH              the state the flash holds
 *   slots_peer set BOARD FLASH NAME=VALUE...  sets variables, as the firmware stores them
 *   slots_peer identify BOARD FLASH           gives the unit an identity
 *   slots_peer identity BOARD FLASH           says "DID SERIAL MAC KEY" when it is whole
 *   slots_peer bootable BOARD FLASH BUNDLE... the slot of the next start holds one of the bundles,
 *                                             whole by its hashes; on trial the slot it would fall
 *                                             back to does too; the identity is whole; says which
 *   slots_peer update BOARD FLASH BUNDLE KEY CUT   writes the bundle into the slot that does not
 * run and activates it; the power goes in the middle of operation CUT (0: never); says how many
 * there were slots_peer cuts BOARD FLASH LOG OFFSET BUNDLE...  after each write that QEMU's
 * blklogwrites recorded under the flash at OFFSET: bootable, as above slots_peer replay BOARD FLASH
 * LOG OFFSET N   the first N of those writes into the flash file */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/factory/identity_store.h"
#include "firmware/update/slots.h"
#include "firmware/update/writer.h"
#include "protocol/base/buffer.h"
#include "protocol/base/digest.h"
#include "protocol/base/file.h"
#include "protocol/base/splitmix.h"
#include "tests/unit/firmware/memory_flash.h"

static struct flash flash;
static struct board board;
static struct hal hal = {.flash = &memory_flash_ops, .flash_state = &flash};
static const char *flash_path;

static void check(int rc, const struct error *err)
{
    if (!rc)
        return;
    fprintf(stderr, "slots_peer: %s\n", err->text);
    exit(1);
}

static void open_flash(const char *board_path, const char *path)
{
    struct error err = {0};
    check(board_load(board_path, &board, &err), &err);
    memory_flash_make(&flash, &board);
    flash_path = path;
    FILE *in = fopen(path, "rb");
    if (!in || fread(flash.bytes, 1, board.flash_bytes, in) != board.flash_bytes) {
        fprintf(stderr, "slots_peer: %s does not hold %llu bytes\n", path,
                (unsigned long long)board.flash_bytes);
        exit(2);
    }
    fclose(in);
}

/* Writes one partition back. */
static void save(const char *partition)
{
    const struct board_partition *p = board_partition(&board, partition, 0);
    FILE *out = fopen(flash_path, "r+b");
    if (!out || fseek(out, (long)p->offset_bytes, SEEK_SET) ||
        fwrite(flash.bytes + p->offset_bytes, 1, p->size_bytes, out) != p->size_bytes ||
        fclose(out)) {
        fprintf(stderr, "slots_peer: cannot write %s\n", flash_path);
        exit(2);
    }
}

static void save_all(void)
{
    for (size_t i = 0; i < board.partition_count; i++)
        save(board.partitions[i].name);
}

static void print_state(const struct slots *s)
{
    const char *other = environment_get(&s->environment, "other");
    printf("active=%c good=%c trial=%d tries_left=%d release_min=%u other=%s fallback=%s\n",
           s->active, s->good, s->trial, s->tries_left, s->release_min, other ? other : "",
           s->fallback);
}

static int boots(int count)
{
    struct error err = {0};
    struct slots s;
    for (int i = 0; i < count; i++) {
        check(slots_load(&hal, &board, &s, &err), &err);
        check(slots_boot(&s, &err), &err);
        printf("%c %s\n", s.active, s.fallback);
    }
    check(slots_load(&hal, &board, &s, &err), &err);
    print_state(&s);
    return 0;
}

static int state(void)
{
    struct error err = {0};
    struct slots s;
    check(slots_load(&hal, &board, &s, &err), &err);
    print_state(&s);
    return 0;
}

/* ---- seeded environments ----------------------------------------------------------------------
 */

static const char *pick(uint64_t *seed, const char *const *from)
{
    size_t count = 0;
    while (from[count])
        count++;
    return from[splitmix_next(seed) % count];
}

/* One environment's variables; "-" is absent. */
static void fill(struct environment *env, uint64_t *seed)
{
    static const char *const slot[] = {"a", "b", "a", "b", "c", "ab", "-", NULL};
    static const char *const flag[] = {"1", "1", "1", "0", "2", "x", "-", NULL};
    static const char *const limit[] = {"3", "3",   "3",  "0", "1", "2",
                                        "5", "100", "3x", "x", "-", NULL};
    static const char *const count[] = {"0", "1", "2", "3", "4", "99", "007", "-", "x1", NULL};
    static const char *const version[] = {"1.4.0", "0.2-rc1", "2", "-", NULL};
    static const char *const number[] = {"7", "0", "4294967295", "-", NULL};
    static const char *const text[] = {"kept", "with spaces, and = signs", "-", NULL};
    static const char *const reason[] = {"slot b (0.1) did not prove itself in 3 starts", "-",
                                         NULL};
    const struct {
        const char *name;
        const char *const *values;
    } variables[] = {
        {"slot_active", slot},       {"slot_good", slot},     {"upgrade_available", flag},
        {"bootlimit", limit},        {"bootcount", count},    {"slot_a_version", version},
        {"slot_b_version", version}, {"release_min", number}, {"other", text},
        {"slot_fallback", reason}};
    struct error err = {0};
    memset(env, 0, sizeof *env);
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        const char *value = pick(seed, variables[i].values);
        if (strcmp(value, "-") != 0)
            check(environment_set(env, variables[i].name, value, &err), &err);
    }
    /* Closed: no moment at the prompt, so that starts are quick. */
    check(environment_set(env, "loader", "closed", &err), &err);
}

/* Both copies hold what one store leaves; from that the seed makes what cuts and bad flash leave.
 */
static int seeded_environment(uint64_t seed)
{
    enum {
        EQUAL,
        OLDER_SECOND,
        OLDER_FIRST,
        FLIP_0,
        FLIP_1,
        FLIP_BOTH,
        BLANK_0,
        BLANK_1,
        BLANK_BOTH,
        HALF_0,
        HALF_1,
        WAYS
    };
    static const char *const names[] = {
        "both the same",         "second older",       "first older",        "first: a bit flipped",
        "second: a bit flipped", "both damaged",       "first erased",       "second erased",
        "both erased",           "first half-written", "second half-written"};
    static const uint8_t counts[] = {0, 1, 253, 254, 255, 127};
    /* Not drawn: consecutive seeds go through all of both. */
    const int way = (int)(seed % WAYS);
    const uint8_t writes = counts[seed % sizeof counts];
    const struct board_partition *p = board_partition(&board, "env", 0);
    uint8_t *copy[2] = {flash.bytes + p->offset_bytes,
                        flash.bytes + p->offset_bytes + board.erase_bytes};
    uint8_t *older = malloc(ENVIRONMENT_BYTES);
    struct error err = {0};
    static struct environment env;
    memset(copy[0], 0xff, p->size_bytes);
    fill(&env, &seed);
    env.writes = writes;
    check(environment_store(&hal, &board, &env, &err), &err);
    memcpy(older, copy[0], ENVIRONMENT_BYTES);
    fill(&env, &seed);
    env.writes = (uint8_t)(writes + 1);
    check(environment_store(&hal, &board, &env, &err), &err);
    size_t at = splitmix_next(&seed) % ENVIRONMENT_BYTES;
    switch (way) {
    case OLDER_SECOND:
    case OLDER_FIRST:
        memcpy(copy[way == OLDER_SECOND], older, ENVIRONMENT_BYTES);
        break;
    case FLIP_0:
    case FLIP_1:
        copy[way == FLIP_1][at] ^= 0x10;
        break;
    case FLIP_BOTH:
        copy[0][at] ^= 1;
        copy[1][at / 2] ^= 0x80;
        break;
    case BLANK_0:
    case BLANK_1:
        memset(copy[way == BLANK_1], 0xff, board.erase_bytes);
        break;
    case BLANK_BOTH:
        memset(copy[0], 0xff, p->size_bytes);
        break;
    case HALF_0:
    case HALF_1:
        memset(copy[way == HALF_1] + at, 0xff, board.erase_bytes - at);
        break;
    }
    free(older);
    save("env");
    printf("%s, count %u\n", names[way], writes);
    return 0;
}

static int set(char **pairs)
{
    static struct environment env;
    struct error err = {0};
    check(environment_load(&hal, &board, &env, &err), &err);
    for (; *pairs; pairs++) {
        char *value = strchr(*pairs, '=');
        if (!value)
            return 2;
        *value++ = '\0';
        check(environment_set(&env, *pairs, *value ? value : NULL, &err), &err);
    }
    check(environment_store(&hal, &board, &env, &err), &err);
    save("env");
    return 0;
}

/* ---- after a cut ------------------------------------------------------------------------------
 */

static bool holds(const struct bundle_manifest *m, char slot)
{
    for (size_t i = 0; i < m->image_count; i++) {
        const struct bundle_image *image = &m->images[i];
        const struct board_partition *p = board_partition(&board, image->name, slot);
        uint8_t hash[DIGEST_BYTES];
        if (!p || digest_bytes(flash.bytes + p->offset_bytes, image->bytes, hash) ||
            memcmp(hash, image->sha256, sizeof hash) != 0)
            return false;
    }
    return true;
}

/* Version of the bundle a slot holds; false when it is none. */
static bool holds_one(char **bundles, char slot, char version[BUNDLE_VERSION_MAX])
{
    struct error err = {0};
    struct bundle *bundle;
    bool found = false;
    for (; *bundles && !found; bundles++) {
        check(bundle_open(*bundles, NULL, &bundle, &err), &err);
        found = holds(bundle_manifest(bundle), slot);
        if (found)
            snprintf(version, BUNDLE_VERSION_MAX, "%s", bundle_manifest(bundle)->version);
        bundle_close(bundle);
    }
    if (!found)
        fprintf(stderr, "slots_peer: slot %c holds none of the bundles\n", slot);
    return found;
}

static const char test_did[] = "123456789";

static int identify(void)
{
    struct error err = {0};
    struct identity_store store = {&hal, &board};
    struct identity_record record = {0};
    snprintf(record.did, sizeof record.did, "%s", test_did);
    memcpy(record.mac, (uint8_t[]){0x5c, 0xc3, 0x36, 1, 2, 3}, 6);
    memset(record.key, 0x5a, sizeof record.key);
    record.key_bytes = sizeof record.key;
    snprintf(record.serial, sizeof record.serial, "TK1");
    check(identity_save(&store, &record, &err), &err);
    save("identity");
    return 0;
}

static int print_identity(void)
{
    struct error err = {0};
    struct identity_store store = {&hal, &board};
    struct identity_record record;
    enum identity_state state;
    check(identity_load(&store, &state, &record, &err), &err);
    if (state != IDENTITY_WRITTEN)
        return 1;
    printf("%s %s ", record.did, record.serial);
    for (size_t i = 0; i < sizeof record.mac; i++)
        printf("%02x", record.mac[i]);
    printf(" ");
    for (size_t i = 0; i < record.key_bytes; i++)
        printf("%02x", record.key[i]);
    printf("\n");
    return 0;
}

static bool identity_is_whole(void)
{
    struct error err = {0};
    struct identity_store store = {&hal, &board};
    struct identity_record record;
    enum identity_state state;
    check(identity_load(&store, &state, &record, &err), &err);
    if (state == IDENTITY_WRITTEN && strcmp(record.did, test_did) == 0)
        return true;
    fprintf(stderr, "slots_peer: the identity reads as state %d, expected %d\n", (int)state,
            (int)IDENTITY_WRITTEN);
    return false;
}

/* What a verdict was formed from. */
struct verdict {
    bool holds;
    char next, back; /* slots; back is 0 outside a trial */
};

static struct verdict judge(char **bundles, bool say)
{
    struct error err = {0};
    struct slots s;
    char next[BUNDLE_VERSION_MAX] = "", back[BUNDLE_VERSION_MAX] = "";
    const struct board_partition *env = board_partition(&board, "env", 0);
    uint8_t *before = malloc(env->size_bytes);
    memcpy(before, flash.bytes + env->offset_bytes, env->size_bytes);
    check(slots_load(&hal, &board, &s, &err), &err);
    check(slots_boot(&s, &err), &err);
    memcpy(flash.bytes + env->offset_bytes, before, env->size_bytes);
    free(before);
    struct verdict v = {.next = s.active, .back = s.trial ? s.good : '\0'};
    if (s.environment.damaged) {
        fprintf(stderr, "slots_peer: both copies of the environment are damaged\n");
        return v;
    }
    v.holds = holds_one(bundles, v.next, next) && (!v.back || holds_one(bundles, v.back, back)) &&
              identity_is_whole();
    if (v.holds && say)
        printf("%c %s%s%s\n", v.next, next, v.back ? " on trial, before it " : "", back);
    return v;
}

static bool starts_whole(char **bundles, bool say)
{
    return judge(bundles, say).holds;
}

static bool touches(const char *partition, char slot, uint64_t at, uint64_t size)
{
    const struct board_partition *p = board_partition(&board, partition, slot);
    return at < p->offset_bytes + p->size_bytes && p->offset_bytes < at + size;
}

/* Could a write there have changed the verdict? The slots it judged, environment and identity. */
static bool concerns(const struct verdict *v, uint64_t at, uint64_t size)
{
    return touches("env", 0, at, size) || touches("identity", 0, at, size) ||
           touches("kernel", v->next, at, size) || touches("rootfs", v->next, at, size) ||
           (v->back &&
            (touches("kernel", v->back, at, size) || touches("rootfs", v->back, at, size)));
}

/* ---- an update, and the power -----------------------------------------------------------------
 */

static int write_all(struct writer *w, const struct bundle *bundle, struct error *err)
{
    static uint8_t piece[65536], hash[DIGEST_BYTES];
    const struct bundle_manifest *m = bundle_manifest(bundle);
    int rc = 0;
    for (size_t i = 0; i < m->image_count && !rc; i++) {
        const struct bundle_image *image = &m->images[i];
        struct writer_counts counts;
        rc = writer_image_begin(w, image->name, image->bytes, err);
        for (uint64_t at = 0; at < image->bytes && !rc;) {
            int n = bundle_read(bundle, image, at, piece, sizeof piece, err);
            rc = n < 0 ? n : writer_write(w, piece, (size_t)n, err);
            at += n > 0 ? (uint64_t)n : 0;
        }
        if (!rc)
            rc = writer_image_end(w, &counts, err);
        if (!rc)
            rc = writer_verify(w, image->name, NULL, NULL, hash, err);
    }
    return rc ? rc : writer_activate(w, err);
}

struct update {
    struct bundle *bundle;
    struct buffer key;
};

static void update_open(struct update *u, const char *path, const char *key_path)
{
    struct error err = {0};
    *u = (struct update){.key = {.limit_bytes = 65536}};
    check(file_read(key_path, &u->key, &err), &err);
    check(buffer_text(&u->key) ? 0 : ERROR_MEMORY, &err);
    check(bundle_open(path, (const char *)u->key.data, &u->bundle, &err), &err);
}

static void update_close(struct update *u)
{
    bundle_close(u->bundle);
    buffer_free(&u->key);
}

/* Operations begun until the update was activated or the power went. */
static int update_run(const struct update *u, int cut_at)
{
    struct error err = {0};
    struct slots s;
    struct writer *w;
    size_t size;
    const uint8_t *manifest = bundle_signed_manifest(u->bundle, &size);
    check(slots_load(&hal, &board, &s, &err), &err);
    const struct writer_config config = {.hal = &hal,
                                         .board = &board,
                                         .slots = &s,
                                         .running = s.active,
                                         .public_key_pem = (const char *)u->key.data};
    memory_flash_power_on(&flash, cut_at);
    check(writer_begin(&config, manifest, size, &w, &err), &err);
    int rc = write_all(w, u->bundle, &err);
    if (rc && !flash.off)
        check(rc, &err);
    writer_free(w);
    flash.off = false;
    return flash.writes;
}

static int update(const char *path, const char *key_path, int cut_at)
{
    struct update u;
    update_open(&u, path, key_path);
    printf("%d\n", update_run(&u, cut_at));
    save_all();
    update_close(&u);
    return 0;
}

/* The power goes in the middle of each operation in turn, each time from where the unit was. */
static int update_cut_everywhere(const char *path, const char *key_path, char **bundles)
{
    struct update u;
    uint8_t *before = malloc(board.flash_bytes);
    update_open(&u, path, key_path);
    memcpy(before, flash.bytes, board.flash_bytes);
    int operations = update_run(&u, 0);
    for (int cut_at = 1; cut_at <= operations; cut_at++) {
        memcpy(flash.bytes, before, board.flash_bytes);
        update_run(&u, cut_at);
        memory_flash_power_on(&flash, 0);
        if (!starts_whole(bundles, false)) {
            fprintf(stderr, "slots_peer: cut in operation %d of %d\n", cut_at, operations);
            return 1;
        }
    }
    printf("%d\n", operations);
    free(before);
    update_close(&u);
    return 0;
}

/* ---- the log of QEMU's blklogwrites: dm-log-writes' format ------------------------------------
 */

enum { SECTOR = 512 };

static uint64_t number_at(const uint8_t *p)
{
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | p[i];
    return value;
}

/* Applies up to `most` writes. With bundles a flash cut off after any of them must still start. */
static int replay(const char *log_path, uint64_t offset, uint64_t most, char **bundles)
{
    uint8_t sector[SECTOR];
    FILE *log = fopen(log_path, "rb");
    if (!log || fread(sector, SECTOR, 1, log) != 1 || number_at(sector) != 0x6a736677736872) {
        fprintf(stderr, "slots_peer: %s is no log of writes\n", log_path);
        exit(2);
    }
    uint64_t entries = number_at(sector + 16), writes = 0;
    struct verdict verdict = {0};
    if (bundles)
        verdict = judge(bundles, false);
    for (uint64_t i = 0; i < entries && writes < most; i++) {
        if (fread(sector, SECTOR, 1, log) != 1)
            break;
        uint64_t at = number_at(sector) * SECTOR, size = number_at(sector + 8) * SECTOR;
        if (!size)
            continue; /* a flush */
        if (at > board.flash_bytes - offset || size > board.flash_bytes - offset - at ||
            fread(flash.bytes + offset + at, 1, size, log) != size) {
            fprintf(stderr, "slots_peer: write %" PRIu64 " of %s is cut short\n", i, log_path);
            exit(2);
        }
        writes++;
        if (bundles && concerns(&verdict, offset + at, size))
            verdict = judge(bundles, false);
        if (bundles && !verdict.holds) {
            fprintf(stderr,
                    "slots_peer: after write %" PRIu64 " (%" PRIu64 " bytes at 0x%" PRIx64 ")\n",
                    writes, size, offset + at);
            exit(1);
        }
    }
    fclose(log);
    printf("%" PRIu64 "\n", writes);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "slots_peer: what, board, flash expected\n");
        return 2;
    }
    open_flash(argv[2], argv[3]);
    if (strcmp(argv[1], "environment") == 0 && argc == 5)
        return seeded_environment(strtoull(argv[4], NULL, 0));
    if (strcmp(argv[1], "boots") == 0 && argc == 5)
        return boots(atoi(argv[4]));
    if (strcmp(argv[1], "state") == 0)
        return state();
    if (strcmp(argv[1], "set") == 0)
        return set(argv + 4);
    if (strcmp(argv[1], "bootable") == 0)
        return !starts_whole(argv + 4, true);
    if (strcmp(argv[1], "update") == 0 && argc == 7)
        return update(argv[4], argv[5], atoi(argv[6]));
    if (strcmp(argv[1], "cut") == 0 && argc > 6)
        return update_cut_everywhere(argv[4], argv[5], argv + 6);
    if (strcmp(argv[1], "cuts") == 0 && argc > 6)
        return replay(argv[4], strtoull(argv[5], NULL, 0), UINT64_MAX, argv + 6);
    if (strcmp(argv[1], "replay") == 0 && argc == 7) {
        int rc = replay(argv[4], strtoull(argv[5], NULL, 0), strtoull(argv[6], NULL, 0), NULL);
        save_all();
        return rc;
    }
    if (strcmp(argv[1], "identify") == 0)
        return identify();
    if (strcmp(argv[1], "identity") == 0)
        return print_identity();
    return 2;
}
