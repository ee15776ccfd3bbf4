/* Which disks may be written: what the kernel says of them. */
#include "station/flash/sd/card_disk.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "station/flash/flash.h"

enum { LINE_BYTES = 8192, SECTOR_BYTES = 512 };

static const char *or_default(const char *path, const char *usual)
{
    return path ? path : usual;
}

/* A small file of sysfs without its newline; "" when it is not there. */
static void read_word(const char *folder, const char *file, char *out, size_t size)
{
    char path[PATH_MAX];
    *out = '\0';
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, file) >= sizeof path)
        return;
    FILE *f = fopen(path, "re");
    if (f && !fgets(out, (int)size, f))
        *out = '\0';
    if (f)
        fclose(f);
    for (size_t n = strlen(out); n && strchr(" \n", out[n - 1]); n--)
        out[n - 1] = '\0';
}

static bool has(const char *folder, const char *file)
{
    char path[PATH_MAX];
    struct stat st;
    return (size_t)snprintf(path, sizeof path, "%s/%s", folder, file) < sizeof path &&
           stat(path, &st) == 0;
}

/* ---- the parts of a disk ------------------------------------------------------------------ */

enum { PARTS_MAX = 129 };

struct part {
    char name[32];
    unsigned major_number, minor_number;
};

static bool read_part(const char *folder, const char *name, struct part *out)
{
    char text[32];
    read_word(folder, "dev", text, sizeof text);
    snprintf(out->name, sizeof out->name, "%.31s", name);
    return sscanf(text, "%u:%u", &out->major_number, &out->minor_number) == 2;
}

/* The disk itself and its partitions. */
static size_t parts_of(const char *folder, const char *name, struct part out[PARTS_MAX])
{
    char below[PATH_MAX];
    size_t n = read_part(folder, name, &out[0]) ? 1 : 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && n < PARTS_MAX && (e = readdir(d));) {
        if (strncmp(e->d_name, name, strlen(name)) != 0 ||
            (size_t)snprintf(below, sizeof below, "%s/%s", folder, e->d_name) >= sizeof below)
            continue;
        if (has(below, "partition") && read_part(below, e->d_name, &out[n]))
            n++;
    }
    if (d)
        closedir(d);
    return n;
}

static const struct part *part_numbered(const struct part *parts, size_t count, unsigned major_,
                                        unsigned minor_)
{
    for (size_t i = 0; i < count; i++)
        if (parts[i].major_number == major_ && parts[i].minor_number == minor_)
            return &parts[i];
    return NULL;
}

/* A device by its path: btrfs mounts have numbers of their own. */
static const struct part *part_at(const struct part *parts, size_t count, const char *path)
{
    struct stat st;
    return path[0] == '/' && stat(path, &st) == 0 && S_ISBLK(st.st_mode)
               ? part_numbered(parts, count, major(st.st_rdev), minor(st.st_rdev))
               : NULL;
}

/* ---- who uses it -------------------------------------------------------------------------- */

static int check_mounts(const char *path, const char *name, const struct part *parts, size_t count,
                        struct error *err)
{
    static _Thread_local char line[LINE_BYTES];
    FILE *f = fopen(path, "re");
    int rc = f ? 0 : error_errno(err, ERROR_IO, "cannot read %s", path);
    while (!rc && fgets(line, sizeof line, f)) {
        unsigned major_, minor_;
        int where_at = 0, where_end = 0;
        char source[PATH_MAX] = "";
        if (sscanf(line, "%*d %*d %u:%u %*s %n%*s%n", &major_, &minor_, &where_at, &where_end) <
                2 ||
            !where_end)
            continue;
        const char *behind = strstr(line + where_end, " - ");
        if (behind)
            sscanf(behind, " - %*s %4095s", source);
        line[where_end] = '\0';
        const struct part *used = part_numbered(parts, count, major_, minor_);
        if (!used)
            used = part_at(parts, count, source);
        if (used && strcmp(line + where_at, "/") == 0)
            rc = error_set(err, ERROR_REFUSED, "%s is the disk this machine runs from", name);
        else if (used)
            rc = flash_fail(err, FLASH_PORT_BUSY, "%s is mounted at %s: umount it first",
                            used->name, line + where_at);
    }
    if (f)
        fclose(f);
    return rc;
}

static int check_swaps(const char *path, const struct part *parts, size_t count, struct error *err)
{
    char line[PATH_MAX], source[PATH_MAX];
    const struct part *used = NULL;
    FILE *f = fopen(path, "re"); /* a kernel without swap has no such file */
    while (f && !used && fgets(line, sizeof line, f))
        if (sscanf(line, "%4095s", source) == 1)
            used = part_at(parts, count, source);
    if (f)
        fclose(f);
    return used ? flash_fail(err, FLASH_PORT_BUSY, "%s is swapped to", used->name) : 0;
}

/* RAID, LVM, encryption: who lies on it. */
static int check_holders(const char *folder, const struct part *parts, size_t count,
                         struct error *err)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < count; i++) {
        char path[PATH_MAX];
        const int n = i ? snprintf(path, sizeof path, "%s/%s/holders", folder, parts[i].name)
                        : snprintf(path, sizeof path, "%s/holders", folder);
        DIR *d = n > 0 && (size_t)n < sizeof path ? opendir(path) : NULL;
        for (struct dirent *e; d && !rc && (e = readdir(d));)
            if (e->d_name[0] != '.')
                rc = flash_fail(err, FLASH_PORT_BUSY, "%s is part of %s", parts[i].name, e->d_name);
        if (d)
            closedir(d);
    }
    return rc;
}

/* ---- one disk ----------------------------------------------------------------------------- */

/* A card reader's slot says "removable"; the machine's own SD slot does not, its card says SD. */
static bool is_removable(const char *folder)
{
    char word[32];
    read_word(folder, "removable", word, sizeof word);
    if (strcmp(word, "1") == 0)
        return true;
    read_word(folder, "device/type", word, sizeof word);
    return strcmp(word, "SD") == 0;
}

static void read_facts(const char *folder, struct card_disk *out)
{
    char word[64], vendor[32], model[32];
    read_word(folder, "size", word, sizeof word);
    out->bytes = strtoull(word, NULL, 10) * SECTOR_BYTES;
    read_word(folder, "ro", word, sizeof word);
    out->read_only = strcmp(word, "1") == 0;
    read_word(folder, "device/vendor", vendor, sizeof vendor);
    read_word(folder, "device/model", model, sizeof model);
    if (!*model)
        read_word(folder, "device/name", model, sizeof model);
    snprintf(out->model, sizeof out->model, "%s%s%s", vendor, *vendor && *model ? " " : "", model);
}

int card_disk_check(const struct card_kernel *k, unsigned major_number, unsigned minor_number,
                    struct card_disk *out, struct error *err)
{
    static _Thread_local struct part parts[PARTS_MAX];
    char link[PATH_MAX], folder[PATH_MAX];
    *out = (struct card_disk){.major_number = major_number, .minor_number = minor_number};
    snprintf(link, sizeof link, "%s/dev/block/%u:%u", or_default(k->sys, "/sys"), major_number,
             minor_number);
    if (!realpath(link, folder))
        return error_errno(err, ERROR_REFUSED, "the kernel says nothing of block device %u:%u",
                           major_number, minor_number);
    snprintf(out->name, sizeof out->name, "%.31s", strrchr(folder, '/') + 1);
    if (has(folder, "partition"))
        return error_set(err, ERROR_REFUSED, "%s is a partition: name the whole disk", out->name);
    read_facts(folder, out);
    const size_t count = parts_of(folder, out->name, parts);
    if (!count)
        return error_set(err, ERROR_REFUSED, "the kernel says nothing of %s", out->name);
    /* First, so that the machine's own disk is called that. */
    int rc =
        check_mounts(or_default(k->mounts, "/proc/self/mountinfo"), out->name, parts, count, err);
    if (!rc && !is_removable(folder))
        rc = error_set(err, ERROR_REFUSED,
                       "%s is no card reader: disks that are not removable are never written",
                       out->name);
    if (!rc)
        rc = check_swaps(or_default(k->swaps, "/proc/swaps"), parts, count, err);
    return rc ? rc : check_holders(folder, parts, count, err);
}

size_t card_disk_list(const struct card_kernel *k, struct card_disk *out, struct error *why,
                      size_t room)
{
    char blocks[PATH_MAX], folder[PATH_MAX];
    size_t n = 0;
    snprintf(blocks, sizeof blocks, "%s/block", or_default(k->sys, "/sys"));
    DIR *d = opendir(blocks);
    for (struct dirent *e; d && n < room && (e = readdir(d));) {
        struct part disk;
        if (e->d_name[0] == '.' ||
            (size_t)snprintf(folder, sizeof folder, "%s/%s", blocks, e->d_name) >= sizeof folder ||
            !is_removable(folder) || !read_part(folder, e->d_name, &disk))
            continue;
        why[n] = (struct error){0};
        card_disk_check(k, disk.major_number, disk.minor_number, &out[n], &why[n]);
        n++;
    }
    if (d)
        closedir(d);
    return n;
}
