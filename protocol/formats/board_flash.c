/* The flash of a board and its partitions. */
#include <stdio.h>
#include <string.h>

#include "protocol/formats/board_parts.h"

static const uint64_t KIB = 1024, MIB = 1024 * 1024;

static int read_partition(const struct json_document *doc, const cJSON *item, struct board *b,
                          struct error *err)
{
    static const char *const members[] = {"name", "offset_kib", "size_kib", "protected", NULL};
    struct board_partition *p = &b->partitions[b->partition_count];
    long long offset_kib, size_kib;
    long long flash_kib = (long long)(b->flash_bytes / KIB);
    int rc = json_only(doc, item, members, err);
    if (!rc)
        rc = board_need_name(doc, item, "name", p->name, err);
    if (!rc)
        rc = json_need_integer(doc, item, "offset_kib", 0, flash_kib, &offset_kib, err);
    if (!rc)
        rc = json_need_integer(doc, item, "size_kib", 1, flash_kib, &size_kib, err);
    if (!rc)
        rc = board_may_bool(doc, item, "protected", &p->protected_, err);
    if (rc)
        return rc;
    p->offset_bytes = (uint64_t)offset_kib * KIB;
    p->size_bytes = (uint64_t)size_kib * KIB;

    if (p->offset_bytes % b->erase_bytes || p->size_bytes % b->erase_bytes)
        return json_complain(doc, item, err,
                             "partition '%s' does not start and end on erase blocks of %u bytes",
                             p->name, b->erase_bytes);
    if (p->offset_bytes + p->size_bytes > b->flash_bytes)
        return json_complain(
            doc, item, err, "partition '%s' ends at %llu KiB, past the flash's %lld KiB", p->name,
            (unsigned long long)((p->offset_bytes + p->size_bytes) / KIB), flash_kib);
    for (size_t i = 0; i < b->partition_count; i++) {
        const struct board_partition *other = &b->partitions[i];
        if (strcmp(other->name, p->name) == 0)
            return json_complain(doc, item, err, "partition '%s' is there twice", p->name);
        if (p->offset_bytes < other->offset_bytes + other->size_bytes &&
            other->offset_bytes < p->offset_bytes + p->size_bytes)
            return json_complain(doc, item, err, "partition '%s' overlaps '%s'", p->name,
                                 other->name);
    }
    b->partition_count++;
    return 0;
}

/* What the firmware cannot do without. Environment and identity are two copies, one an erase block:
 * one is whole while the other is written. What an update must not reach is protected, and what it
 * writes is not. */
static const struct need {
    const char *name;
    int blocks;
    enum { AS_IT_IS, PROTECTED, WRITTEN } by_updates;
} needs[] = {
    {"env", 2, WRITTEN},      {"identity", 2, PROTECTED}, {"factory", 1, PROTECTED},
    {"data", 1, AS_IT_IS},    {"kernel_a", 1, WRITTEN},   {"kernel_b", 1, WRITTEN},
    {"rootfs_a", 1, WRITTEN}, {"rootfs_b", 1, WRITTEN},
};

/* All that are missing, in one line. */
static int check_there(const struct json_document *doc, const cJSON *list, const struct board *b,
                       struct error *err)
{
    char names[256] = "";
    size_t used = 0, count = 0;
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++) {
        if (board_partition(b, needs[i].name, 0))
            continue;
        used += (size_t)snprintf(names + used, sizeof names - used, "%s'%s'", count++ ? ", " : "",
                                 needs[i].name);
    }
    return !count ? 0
                  : json_complain(doc, list, err, "partition%s %s %s missing", count > 1 ? "s" : "",
                                  names, count > 1 ? "are" : "is");
}

static int check_need(const struct json_document *doc, const cJSON *list, const struct board *b,
                      const struct need *need, struct error *err)
{
    const struct board_partition *p = board_partition(b, need->name, 0);
    const cJSON *item = cJSON_GetArrayItem(list, (int)(p - b->partitions));
    if (p->size_bytes < (uint64_t)need->blocks * b->erase_bytes)
        return json_complain(doc, item, err, "partition '%s' needs two erase blocks, one a copy",
                             p->name);
    if (need->by_updates == PROTECTED && !p->protected_)
        return json_complain(
            doc, item, err,
            "partition '%s' must be kept from updates, expected \"protected\": true", p->name);
    if (need->by_updates == WRITTEN && p->protected_)
        return json_complain(doc, item, err,
                             "partition '%s' is written by updates, it cannot be protected",
                             p->name);
    return 0;
}

/* Slots can take each other's images. */
static int check_twins(const struct json_document *doc, const cJSON *list, const struct board *b,
                       struct error *err)
{
    for (size_t i = 0; i < b->partition_count; i++) {
        const struct board_partition *p = &b->partitions[i];
        size_t length = strlen(p->name);
        char slot = length > 2 && p->name[length - 2] == '_' ? p->name[length - 1] : 0;
        if (slot != 'a' && slot != 'b')
            continue;
        char stem[BOARD_NAME_MAX];
        snprintf(stem, sizeof stem, "%.*s", (int)(length - 2), p->name);
        const struct board_partition *twin = board_partition(b, stem, slot == 'a' ? 'b' : 'a');
        if (!twin || twin->size_bytes != p->size_bytes)
            return json_complain(doc, cJSON_GetArrayItem(list, (int)i), err,
                                 "partition '%s' needs a '%s_%c' of the same size", p->name, stem,
                                 slot == 'a' ? 'b' : 'a');
    }
    return 0;
}

static int read_partitions(const struct json_document *doc, const cJSON *list, struct board *b,
                           struct error *err)
{
    const cJSON *item;
    int rc = 0;
    cJSON_ArrayForEach(item, list)
    {
        if (b->partition_count == BOARD_PARTITIONS_MAX)
            return json_complain(doc, item, err, "more than %d partitions", BOARD_PARTITIONS_MAX);
        if (!cJSON_IsObject(item))
            return json_complain(doc, item, err, "a partition must be an object");
        rc = read_partition(doc, item, b, err);
        if (rc)
            return rc;
    }
    rc = check_there(doc, list, b, err);
    for (size_t i = 0; i < sizeof needs / sizeof needs[0] && !rc; i++)
        rc = check_need(doc, list, b, &needs[i], err);
    return rc ? rc : check_twins(doc, list, b, err);
}

int board_read_flash(const struct json_document *doc, const cJSON *flash, struct board *b,
                     struct error *err)
{
    static const char *const members[] = {"kind",       "size_mib",   "erase_bytes",
                                          "page_bytes", "partitions", NULL};
    static const char *const kinds[] = {"nor", "nand", "emmc", NULL};
    const cJSON *list;
    long long size_mib, erase_bytes, page_bytes;
    int rc = json_only(doc, flash, members, err);
    if (!rc)
        rc = board_need_one_of(doc, flash, "kind", kinds, b->flash_kind, sizeof b->flash_kind, err);
    if (!rc)
        rc = json_need_integer(doc, flash, "size_mib", 1, 1 << 20, &size_mib, err);
    if (!rc)
        rc = json_need_integer(doc, flash, "erase_bytes", 512, 16 << 20, &erase_bytes, err);
    if (!rc)
        rc = json_need_integer(doc, flash, "page_bytes", 1, 65536, &page_bytes, err);
    if (!rc)
        rc = json_need_array(doc, flash, "partitions", &list, err);
    if (rc)
        return rc;
    b->flash_bytes = (uint64_t)size_mib * MIB;
    b->erase_bytes = (uint32_t)erase_bytes;
    b->page_bytes = (uint32_t)page_bytes;
    if (b->erase_bytes % b->page_bytes)
        return json_complain(doc, board_member(flash, "page_bytes"), err,
                             "'page_bytes' is %u, expected a divisor of erase_bytes %u",
                             b->page_bytes, b->erase_bytes);
    if (b->flash_bytes % b->erase_bytes)
        return json_complain(doc, board_member(flash, "erase_bytes"), err,
                             "'erase_bytes' is %u, expected a divisor of the flash's %lld MiB",
                             b->erase_bytes, size_mib);
    return read_partitions(doc, list, b, err);
}

const struct board_partition *board_partition(const struct board *b, const char *name, char slot)
{
    char full[BOARD_NAME_MAX + 2];
    snprintf(full, sizeof full, slot ? "%.*s_%c" : "%.*s", BOARD_NAME_MAX - 1, name, slot);
    for (size_t i = 0; i < b->partition_count; i++)
        if (strcmp(b->partitions[i].name, full) == 0)
            return &b->partitions[i];
    return NULL;
}
