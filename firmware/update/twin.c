#include "firmware/update/twin.h"

#include <stdlib.h>
#include <string.h>

static int read_copy(const struct twin *t, int copy, uint8_t *out, struct error *err)
{
    const struct hal *h = t->hal;
    return h->flash->read(h->flash_state, t->partition, (uint64_t)copy * t->board->erase_bytes, out,
                          t->record_bytes, err);
}

static int write_copy(const struct twin *t, int copy, const uint8_t *record, struct error *err)
{
    const struct hal *h = t->hal;
    const uint64_t offset = (uint64_t)copy * t->board->erase_bytes;
    const size_t page = t->board->page_bytes;
    const size_t padded = (t->record_bytes + page - 1) / page * page;
    int rc = 0;
    uint8_t *pages = malloc(padded), *back = malloc(t->record_bytes);
    if (!pages || !back || padded > t->board->erase_bytes) {
        rc = error_set(err, ERROR_MEMORY, "partition %s: no memory for a record", t->partition);
        goto out;
    }
    memset(pages, 0xff, padded);
    memcpy(pages, record, t->record_bytes);
    rc = h->flash->erase(h->flash_state, t->partition, offset, t->board->erase_bytes, err);
    if (!rc)
        rc = h->flash->program(h->flash_state, t->partition, offset, pages, padded, err);
    if (!rc)
        rc = h->flash->sync(h->flash_state, err);
    if (!rc)
        rc = read_copy(t, copy, back, err);
    if (!rc && memcmp(back, record, t->record_bytes) != 0)
        rc = error_set(err, ERROR_MISMATCH,
                       "partition %s, copy %d: what was read back differs from what was written",
                       t->partition, copy);
out:
    if (pages)
        explicit_bzero(pages, padded); /* an identity's key may be in there */
    if (back)
        explicit_bzero(back, t->record_bytes);
    free(back);
    free(pages);
    return rc;
}

int twin_load(const struct twin *t, struct twin_found *out, uint8_t *record, struct error *err)
{
    uint8_t *copies = malloc(2 * t->record_bytes);
    int rc =
        copies ? 0
               : error_set(err, ERROR_MEMORY, "partition %s: no memory for a record", t->partition);
    memset(out, 0, sizeof *out);
    out->newest = -1;
    for (int i = 0; i < 2 && !rc; i++) {
        uint8_t *copy = copies + (size_t)i * t->record_bytes;
        rc = read_copy(t, i, copy, err);
        if (!rc)
            out->state[i] = t->examine(copy, &out->sequence[i]);
    }
    if (!rc) {
        bool first = out->state[0] == TWIN_VALID, second = out->state[1] == TWIN_VALID;
        if (first && second)
            out->newest = t->newer(out->sequence[1], out->sequence[0]) ? 1 : 0;
        else if (first || second)
            out->newest = first ? 0 : 1;
        out->equal =
            first && second && memcmp(copies, copies + t->record_bytes, t->record_bytes) == 0;
        if (record && out->newest >= 0)
            memcpy(record, copies + (size_t)out->newest * t->record_bytes, t->record_bytes);
    }
    if (copies)
        explicit_bzero(copies, 2 * t->record_bytes);
    free(copies);
    return rc;
}

int twin_store(const struct twin *t, const uint8_t *record, struct error *err)
{
    struct twin_found found;
    int rc = twin_load(t, &found, NULL, err);
    int first = found.newest == 0 ? 1 : 0;
    if (!rc)
        rc = write_copy(t, first, record, err);
    if (!rc)
        rc = write_copy(t, !first, record, err);
    return rc;
}

int twin_heal(const struct twin *t, struct error *err)
{
    struct twin_found found;
    uint8_t *record = malloc(t->record_bytes);
    int rc =
        record ? 0
               : error_set(err, ERROR_MEMORY, "partition %s: no memory for a record", t->partition);
    if (!rc)
        rc = twin_load(t, &found, record, err);
    if (!rc && found.newest >= 0 && !found.equal)
        rc = write_copy(t, !found.newest, record, err);
    if (record)
        explicit_bzero(record, t->record_bytes);
    free(record);
    return rc;
}
