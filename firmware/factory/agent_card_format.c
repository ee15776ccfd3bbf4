/* card.format: a new, empty FAT32, on a card that holds nothing of anybody's. */
#include <stdlib.h>
#include <string.h>

#include "firmware/factory/agent_parts.h"
#include "firmware/factory/card_filesystem.h"
#include "firmware/factory/card_stamp.h"
#include "firmware/factory/params.h"
#include "firmware/hal/card_fat32.h"
#include "protocol/base/little_endian.h"

static const char *const no_params[] = {NULL};

static bool is_blank(const uint8_t *head)
{
    return strcmp(card_filesystem(head), "none") == 0 &&
           memcmp(head, head + 1, STAMP_BYTES - 1) == 0;
}

/* Is there no file and no folder in its root? Only the root's first cluster is looked at: one that
 * has more of them is full of names. `block` is the file system's first. */
static int is_empty_fat32(struct agent *a, const struct card_status *s, uint64_t block,
                          const uint8_t *head, bool *out, struct error *err)
{
    enum { ENTRY = 32, NAMES_END = 0, DELETED = 0xe5, ATTRIBUTES = 11, LABEL = 0x08 };
    const uint32_t cluster_blocks = head[13], root = le32_get(head + 44);
    const uint64_t data = block + le16_get(head + 14) + (uint64_t)head[16] * le32_get(head + 36);
    const uint64_t at = (data + (uint64_t)(root - 2) * cluster_blocks) * STAMP_BYTES;
    const size_t size = (size_t)cluster_blocks * STAMP_BYTES;
    *out = false;
    if (strcmp(card_filesystem(head), "fat32") != 0 || le16_get(head + 11) != STAMP_BYTES ||
        !cluster_blocks || root < 2 || at > s->bytes || size > s->bytes - at)
        return 0;
    uint8_t *names = malloc(size);
    if (!names)
        return error_set(err, ERROR_MEMORY, "no memory for a card's root folder");
    int rc = a->hal->card->read(a->hal->card_state, at, names, size, err);
    for (size_t i = 0; !rc && i < size; i += ENTRY) {
        *out = names[i] == NAMES_END;
        if (*out || (names[i] != DELETED && names[i + ATTRIBUTES] != LABEL))
            break;
    }
    free(names);
    return rc;
}

/* What is on a card is its user's. */
static int holds_nothing(struct agent *a, const struct card_status *s, struct error *err)
{
    bool nothing = false;
    uint64_t first = 0;
    const char *filesystem = "none";
    uint8_t *head = malloc(CARD_HEAD_BYTES);
    if (!head)
        return error_set(err, ERROR_MEMORY, "no memory for a card's begin");
    int rc = a->hal->card->read(a->hal->card_state, 0, head, CARD_HEAD_BYTES, err);
    first = rc ? 0 : card_first_partition(head);
    if (!rc && first * STAMP_BYTES + CARD_HEAD_BYTES > s->bytes)
        rc = error_set(err, ERROR_REFUSED, "the card's partition begins beyond its end");
    if (!rc && first)
        rc =
            a->hal->card->read(a->hal->card_state, first * STAMP_BYTES, head, CARD_HEAD_BYTES, err);
    if (!rc) {
        filesystem = card_filesystem(head);
        nothing = is_blank(head);
    }
    if (!rc && !nothing)
        rc = is_empty_fat32(a, s, first, head, &nothing, err);
    free(head);
    if (!rc && !nothing)
        rc = error_set(err, ERROR_REFUSED,
                       "the card may hold what is its user's (file system: %s), expected a blank "
                       "one or a FAT32 without a file",
                       filesystem);
    return rc;
}

static int write_blocks(void *context, uint64_t block, const uint8_t *data, uint32_t count,
                        struct error *err)
{
    struct agent *a = context;
    return a->hal->card->write(a->hal->card_state, block * STAMP_BYTES, data,
                               (size_t)count * STAMP_BYTES, err);
}

static int sync_card(void *context, struct error *err)
{
    struct agent *a = context;
    return a->hal->card->sync(a->hal->card_state, err);
}

int agent_card_format(struct agent *a, struct agent_call *call, struct error *err)
{
    struct card_status s;
    const struct card_fat32_disk disk = {a, write_blocks, sync_card};
    uint32_t cluster_bytes = 0;
    int rc = params_only(call->params, no_params, err);
    if (!rc)
        rc = agent_card_usable(a, &s, err);
    if (!rc)
        rc = holds_nothing(a, &s, err);
    if (!rc)
        rc = card_fat32_make(&disk, s.bytes / STAMP_BYTES, false, &cluster_bytes, err);
    if (rc)
        return rc;
    agent_log(a, "card: formatted, clusters of %u bytes", cluster_bytes);
    answer_text(call, call->result, "filesystem", "fat32");
    answer_number(call, call->result, "cluster_bytes", cluster_bytes);
    return 0;
}
