#include "firmware/update/chunk.h"

#include <string.h>

bool chunk_is_blank(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    return size == 0 || (bytes[0] == 0xff && memcmp(bytes, bytes + 1, size - 1) == 0);
}

size_t chunk_span(const struct chunk_place *p)
{
    const size_t block = p->board->erase_bytes;
    return (p->bytes + block - 1) / block * block;
}

int chunk_look(const struct chunk_place *p, const uint8_t *data, uint8_t *scratch, bool *is_there,
               bool *is_erased, struct error *err)
{
    const size_t span = chunk_span(p);
    *is_there = *is_erased = true;
    for (size_t at = 0; at < span && (*is_there || *is_erased); at += CHUNK_PIECE) {
        const size_t n = span - at < CHUNK_PIECE ? span - at : CHUNK_PIECE;
        const size_t mine = at >= p->bytes ? 0 : p->bytes - at < n ? p->bytes - at : n;
        const int rc =
            p->hal->flash->read(p->hal->flash_state, p->partition, p->offset + at, scratch, n, err);
        if (rc)
            return rc;
        *is_there = *is_there && (mine == 0 || memcmp(scratch, data + at, mine) == 0);
        *is_erased = *is_erased && chunk_is_blank(scratch, n);
    }
    return 0;
}

int chunk_erase(const struct chunk_place *p, struct error *err)
{
    return p->hal->flash->erase(p->hal->flash_state, p->partition, p->offset, chunk_span(p), err);
}

int chunk_program(const struct chunk_place *p, uint8_t *data, uint64_t *programmed,
                  struct error *err)
{
    const size_t page = p->board->page_bytes;
    const size_t padded = (p->bytes + page - 1) / page * page;
    memset(data + p->bytes, 0xff, padded - p->bytes);
    int rc = 0;
    for (size_t at = 0; at < padded && !rc;) {
        size_t run = 0;
        while (at + run < padded && !chunk_is_blank(data + at + run, page))
            run += page;
        if (run)
            rc = p->hal->flash->program(p->hal->flash_state, p->partition, p->offset + at,
                                        data + at, run, err);
        at += run ? run : page;
        *programmed += run;
    }
    return rc;
}

int chunk_digest(const struct chunk_place *p, uint8_t *scratch, struct digest *d, struct error *err)
{
    int rc = 0;
    for (size_t at = 0; at < p->bytes && !rc; at += CHUNK_PIECE) {
        const size_t n = p->bytes - at < CHUNK_PIECE ? p->bytes - at : CHUNK_PIECE;
        rc =
            p->hal->flash->read(p->hal->flash_state, p->partition, p->offset + at, scratch, n, err);
        if (!rc)
            rc = digest_update(d, scratch, n);
    }
    return rc;
}
