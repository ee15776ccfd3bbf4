/* find_keys KEYS PLACE...: looks for keys where they must not be.
 *
 * KEYS holds a key in hex a line. A PLACE is a folder (all files below it), a file, or pid:N (what
 * a process has in its writable memory). Prints "PLACE: key LINE as FORM" for every place, key and
 * form (bytes, hex, base64) that it finds; ends with 0 when it found none, 1 when some, 3 when it
 * could not look. */
#include <fcntl.h>
#include <ftw.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/base/digest.h"

enum { KEYS_MAX = 64, KEY_MAX = 64, FORMS = 4, PIECE = 1 << 20 };

static const char *const form_names[FORMS] = {"bytes", "hex", "HEX", "base64"};

struct form {
    unsigned char text[4 * KEY_MAX];
    size_t size;
};

static struct form forms[KEYS_MAX][FORMS];
static size_t key_count;
static bool found, failed;

static bool read_keys(const char *path)
{
    char line[2 * KEY_MAX + 2];
    FILE *f = fopen(path, "re");
    while (f && key_count < KEYS_MAX && fgets(line, sizeof line, f)) {
        struct form *form = forms[key_count];
        size_t digits = strcspn(line, "\n"), size = digits / 2;
        line[digits] = '\0';
        if (size < 16 || hex_decode(line, form[0].text, size))
            break;
        form[0].size = size;
        form[1].size = form[2].size = digits;
        for (size_t i = 0; i < digits; i++) {
            form[1].text[i] = (unsigned char)(line[i] | 0x20); /* digits stay what they are */
            form[2].text[i] =
                (unsigned char)(line[i] >= 'a' && line[i] <= 'f' ? line[i] - 0x20 : line[i]);
        }
        /* Without the last group, which depends on what follows. */
        form[3].size = (size_t)EVP_EncodeBlock(form[3].text, form[0].text, (int)(size / 3 * 3));
        key_count++;
    }
    if (f)
        fclose(f);
    return key_count > 0;
}

static void search(const char *place, const unsigned char *data, size_t size,
                   bool seen[KEYS_MAX][FORMS])
{
    for (size_t k = 0; k < key_count; k++)
        for (int i = 0; i < FORMS; i++)
            if (!seen[k][i] && memmem(data, size, forms[k][i].text, forms[k][i].size)) {
                printf("%s: key %zu as %s\n", place, k + 1, form_names[i]);
                seen[k][i] = found = true;
            }
}

/* Pieces overlap by more than the longest form, so that none is cut. */
static bool search_span(const char *place, int fd, off_t from, off_t until,
                        bool seen[KEYS_MAX][FORMS])
{
    static unsigned char piece[PIECE];
    const size_t overlap = 4 * KEY_MAX;
    for (off_t at = from; at < until;) {
        size_t wanted = until - at < PIECE ? (size_t)(until - at) : PIECE;
        ssize_t n = pread(fd, piece, wanted, at);
        if (n <= 0)
            return n == 0;
        search(place, piece, (size_t)n, seen);
        if ((size_t)n <= overlap)
            return true;
        at += n - (ssize_t)overlap;
    }
    return true;
}

static int search_file(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    bool seen[KEYS_MAX][FORMS] = {{false}};
    if (kind != FTW_F || !S_ISREG(st->st_mode))
        return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0; /* gone meanwhile, as a log's or a database's companion may be */
    /* A card's image has 30 GB, nearly all of it holes. */
    for (off_t from = 0, until; (from = lseek(fd, from, SEEK_DATA)) >= 0; from = until) {
        until = lseek(fd, from, SEEK_HOLE);
        failed |= until < 0 || !search_span(path, fd, from, until, seen);
        if (until < 0)
            break;
    }
    close(fd);
    return 0;
}

static void search_process(const char *place, const char *pid)
{
    bool seen[KEYS_MAX][FORMS] = {{false}};
    char path[64], line[512], mode[5];
    unsigned long from, until;
    snprintf(path, sizeof path, "/proc/%s/maps", pid);
    FILE *maps = fopen(path, "re");
    snprintf(path, sizeof path, "/proc/%s/mem", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    failed |= !maps || fd < 0;
    while (maps && fd >= 0 && fgets(line, sizeof line, maps))
        if (sscanf(line, "%lx-%lx %4s", &from, &until, mode) == 3 && mode[0] == 'r' &&
            mode[1] == 'w')
            search_span(place, fd, (off_t)from, (off_t)until, seen);
    if (fd >= 0)
        close(fd);
    if (maps)
        fclose(maps);
}

int main(int argc, char **argv)
{
    if (argc < 3 || !read_keys(argv[1])) {
        fprintf(stderr, "usage: find_keys KEYS PLACE..., KEYS with a key in hex a line\n");
        return 3;
    }
    for (int i = 2; i < argc; i++) {
        if (strncmp(argv[i], "pid:", 4) == 0)
            search_process(argv[i], argv[i] + 4);
        else if (nftw(argv[i], search_file, 16, FTW_PHYS))
            failed = true;
    }
    return failed ? 3 : found;
}
