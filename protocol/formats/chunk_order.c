#include "protocol/formats/chunk_order.h"

#include <stdlib.h>
#include <string.h>

enum { RANKS = 3 };

int chunk_order_rank(const char *partition)
{
    if (strcmp(partition, "boot") == 0)
        return 2;
    return strcmp(partition, "loader") == 0 || strcmp(partition, "script") == 0;
}

int chunk_order_place(const struct board *board, const struct bundle_image *image, char slot,
                      const struct board_partition **out, struct error *err)
{
    const struct board_partition *p = board_partition(board, image->name, slot);
    if (!p)
        p = board_partition(board, image->name, 0);
    if (!p)
        return error_set(err, ERROR_INPUT, "image '%s': board %s has no partition for it",
                         image->name, board->name);
    if (image->bytes > p->size_bytes)
        return error_set(err, ERROR_INPUT, "image '%s' has %llu bytes, partition %s %llu",
                         image->name, (unsigned long long)image->bytes, p->name,
                         (unsigned long long)p->size_bytes);
    *out = p;
    return 0;
}

int chunk_order(const struct board *board, const struct bundle_manifest *manifest, char slot,
                struct chunk_ordered **out, size_t *count, struct error *err)
{
    const struct board_partition *places[BUNDLE_IMAGES_MAX];
    size_t all = 0, n = 0;
    *out = NULL;
    for (size_t i = 0; i < manifest->image_count; i++) {
        places[i] = NULL; /* a boot ROM's loader has none, and no chunks in a flash */
        if (board_is_loader(board, manifest->images[i].name))
            continue;
        const int rc = chunk_order_place(board, &manifest->images[i], slot, &places[i], err);
        if (rc)
            return rc;
        all += manifest->images[i].chunk_count;
    }
    struct chunk_ordered *list = calloc(all ? all : 1, sizeof *list);
    if (!list)
        return error_set(err, ERROR_MEMORY, "no memory for a list of %zu chunks", all);
    for (int rank = 0; rank < RANKS; rank++)
        for (size_t i = 0; i < manifest->image_count; i++) {
            const struct bundle_image *image = &manifest->images[i];
            if (!places[i] || chunk_order_rank(places[i]->name) != rank)
                continue;
            for (size_t k = 0; k < image->chunk_count; k++)
                list[n++] = (struct chunk_ordered){.image = image,
                                                   .partition = places[i],
                                                   .index = k,
                                                   .offset = (uint64_t)k * image->chunk_bytes,
                                                   .bytes = bundle_chunk_bytes(image, k),
                                                   .boot = rank > 0};
        }
    *out = list;
    *count = n;
    return 0;
}
