/* The flash as a power cut left it, from a log of the writes to it (QEMU's blklogwrites, the format
 * of dm-log-writes).
 *
 *   flash_cut count LOG                       writes so far; the log may still grow
 *   flash_cut at BASE LOG OUT FROM TO LOW HIGH SEED [LOST]
 *
 * OUT becomes BASE and the log's writes before one of them, and what that one had done when the
 * power went: of a program the words before some point, of an erase blocks of words that are
 * erased, as they were or neither. It is one of those from number FROM (the first is 0) to before
 * TO that begin at LOW <= offset < HIGH; which one, and all else that is random, comes from SEED.
 * With LOST the flash lies: it said of the LOST writes before it that they were done, and they were
 * in its buffer. Says "NUMBER BYTES OFFSET" of the one cut. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/splitmix.h"

enum { SECTOR = 512, ERASE_LEAST = 65536, WORDS = 64 };

static void fail(const char *what)
{
    fprintf(stderr, "flash_cut: %s\n", what);
    exit(2);
}

static uint64_t number_at(const uint8_t *p)
{
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | p[i];
    return value;
}

/* A log of writes, behind its first sector. */
struct writes {
    FILE *log;
    uint64_t entries, read;
    uint64_t at, size; /* of the latest */
    uint8_t *bytes;    /* its bytes */
    size_t room;
};

static void writes_open(struct writes *w, const char *path)
{
    uint8_t sector[SECTOR];
    *w = (struct writes){.log = fopen(path, "rb")};
    if (!w->log || fread(sector, SECTOR, 1, w->log) != 1 || number_at(sector) != 0x6a736677736872)
        fail("that is no log of writes");
    w->entries = number_at(sector + 16);
}

/* The next that is one (a flush is none); false: there is no more. */
static bool writes_next(struct writes *w, bool with_bytes)
{
    uint8_t sector[SECTOR];
    for (w->size = 0; !w->size; w->read++) {
        if (w->read == w->entries || fread(sector, SECTOR, 1, w->log) != 1)
            return false;
        w->at = number_at(sector) * SECTOR;
        w->size = number_at(sector + 8) * SECTOR;
        if (w->size > 1 << 28)
            fail("the log is damaged");
    }
    if (!with_bytes)
        return !fseek(w->log, (long)w->size, SEEK_CUR);
    if (w->size > w->room && !(w->bytes = realloc(w->bytes, w->room = w->size)))
        fail("no memory");
    return fread(w->bytes, w->size, 1, w->log) == 1;
}

static void put(FILE *out, const struct writes *w)
{
    if (fseek(out, (long)w->at, SEEK_SET) || fwrite(w->bytes, w->size, 1, out) != 1)
        fail("the flash cannot be written");
}

/* Of what was there before and of what should have been there. */
static void tear(FILE *out, struct writes *w, uint64_t *seed)
{
    uint8_t *before = malloc(w->size);
    if (!before || fseek(out, (long)w->at, SEEK_SET) || fread(before, w->size, 1, out) != 1)
        fail("the flash cannot be read");
    const uint64_t point = splitmix_next(seed) % w->size;
    if (w->size < ERASE_LEAST)
        memcpy(w->bytes + point, before + point, w->size - point);
    for (uint64_t i = 0; w->size >= ERASE_LEAST && i < w->size; i++) {
        const uint64_t draw = splitmix_mix(*seed + i / WORDS) % 4;
        if (draw == 0)
            w->bytes[i] = before[i];
        else if (draw == 1)
            w->bytes[i] = (uint8_t)(before[i] | splitmix_next(seed));
    }
    put(out, w);
    free(before);
}

static void copy(const char *from, const char *to)
{
    static uint8_t piece[1 << 20];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    size_t n = 0;
    if (!in || !out)
        fail("the flash cannot be copied");
    while ((n = fread(piece, 1, sizeof piece, in)))
        if (fwrite(piece, 1, n, out) != n)
            fail("the flash cannot be copied");
    fclose(in);
    if (fclose(out))
        fail("the flash cannot be copied");
}

/* The write to cut: one of those in the window. */
static uint64_t choose(const char *log, char **window, uint64_t *seed)
{
    const uint64_t from = strtoull(window[0], NULL, 0), to = strtoull(window[1], NULL, 0);
    const uint64_t low = strtoull(window[2], NULL, 0), high = strtoull(window[3], NULL, 0);
    uint64_t found = 0, wanted = 0;
    for (int pass = 0; pass < 2; pass++) {
        struct writes w;
        writes_open(&w, log);
        if (pass)
            wanted = splitmix_next(seed) % found;
        found = 0;
        for (uint64_t i = 0; i < to && writes_next(&w, false); i++) {
            if (i < from || w.at < low || w.at >= high)
                continue;
            if (pass && found == wanted) {
                fclose(w.log);
                return i;
            }
            found++;
        }
        fclose(w.log);
        if (!found)
            fail("there is no write in that window");
    }
    return 0;
}

static int cut(char **arguments)
{
    struct writes w;
    uint64_t seed = strtoull(arguments[7], NULL, 0);
    const uint64_t lost = arguments[8] ? strtoull(arguments[8], NULL, 0) : 0;
    const uint64_t number = choose(arguments[1], arguments + 3, &seed);
    const uint64_t kept = number > lost ? number - lost : 0;
    copy(arguments[0], arguments[2]);
    writes_open(&w, arguments[1]);
    FILE *out = fopen(arguments[2], "r+b");
    if (!out)
        fail("the flash cannot be opened");
    for (uint64_t i = 0; i < number && writes_next(&w, i < kept); i++)
        if (i < kept)
            put(out, &w);
    if (!writes_next(&w, true))
        fail("the log ends before");
    const uint64_t at = w.at, size = w.size;
    if (!lost)
        tear(out, &w, &seed);
    if (fclose(out))
        fail("the flash cannot be written");
    printf("%" PRIu64 " %" PRIu64 " 0x%" PRIx64 "\n", number, size, at);
    return 0;
}

int main(int argc, char **argv)
{
    struct writes w;
    uint64_t count = 0;
    if ((argc == 10 || argc == 11) && strcmp(argv[1], "at") == 0)
        return cut(argv + 2);
    if (argc != 3 || strcmp(argv[1], "count") != 0)
        fail("count LOG, or at BASE LOG OUT FROM TO LOW HIGH SEED [LOST]");
    writes_open(&w, argv[2]);
    while (writes_next(&w, false))
        count++;
    printf("%" PRIu64 "\n", count);
    return 0;
}
