/* The TF card over DIR/card.img, a sparse file of what its chips really hold. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "firmware/hal/emulator/card_format.h"
#include "firmware/hal/emulator/parts.h"
#include "firmware/hal/emulator/power.h"
#include "protocol/base/clock.h"
#include "protocol/base/file.h"

enum { CARD_BLOCK = 512 };

struct card {
    struct unit *unit;
    int fd;
    uint64_t real_bytes, claimed_bytes, written;
};

int emulated_card_open(struct unit *unit, struct card **out, struct error *err)
{
    char path[320];
    struct card *c = *out = calloc(1, sizeof *c);
    int rc = c ? file_join(path, sizeof path, unit->folder, "card.img", err)
               : error_set(err, ERROR_MEMORY, "no memory for the emulated card");
    if (c)
        c->fd = -1;
    if (rc)
        goto out;
    c->unit = unit;
    c->real_bytes = (uint64_t)unit->physics.card_real_bytes / CARD_BLOCK * CARD_BLOCK;
    c->claimed_bytes = (uint64_t)unit->physics.card_claimed_bytes / CARD_BLOCK * CARD_BLOCK;
    c->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (c->fd < 0 || ftruncate(c->fd, (off_t)c->real_bytes))
        rc = error_errno(err, ERROR_IO, "cannot make %s of %llu bytes", path,
                         (unsigned long long)c->real_bytes);
    if (!rc)
        rc =
            card_format(c->fd, c->real_bytes, (enum card_format)unit->physics.card_filesystem, err);
out:
    if (rc) {
        emulated_card_close(c);
        *out = NULL;
    }
    return rc;
}

void emulated_card_close(struct card *c)
{
    if (!c)
        return;
    if (c->fd >= 0)
        close(c->fd);
    free(c);
}

static int status(struct card *c, struct card_status *out, struct error *err)
{
    const struct physics *ph = &c->unit->physics;
    bool present = ph->card_present != 0;
    *out = (struct card_status){.present = present,
                                .write_protected = present && ph->card_write_protected != 0,
                                .bytes = present ? c->claimed_bytes : 0,
                                .block_bytes = CARD_BLOCK};
    if (present)
        snprintf(out->serial, sizeof out->serial, "%08x", (unsigned)ph->card_serial);
    return 0;
}

static int check(const struct card *c, uint64_t offset, size_t size, struct error *err)
{
    if (c->unit->physics.card_present == 0)
        return error_set(err, ERROR_MISSING, "no card in the socket");
    if (offset % CARD_BLOCK || size % CARD_BLOCK)
        return error_set(err, ERROR_INPUT, "%zu bytes at %llu are not whole blocks of %d", size,
                         (unsigned long long)offset, CARD_BLOCK);
    if (offset > c->claimed_bytes || size > c->claimed_bytes - offset)
        return error_set(err, ERROR_INPUT, "%zu bytes at %llu leave the card, which has %llu", size,
                         (unsigned long long)offset, (unsigned long long)c->claimed_bytes);
    return 0;
}

/* Moves bytes between memory and chips. A fake card decodes only as many address lines as its
 * chips have, so what lies beyond them comes round to their start. */
static int transfer(struct card *c, uint64_t offset, uint8_t *to, const uint8_t *from, size_t size,
                    double mb_s, struct error *err)
{
    const struct physics *ph = &c->unit->physics;
    int64_t began = clock_mono_ns();
    double ms = ph->card_command_ms + (double)size / (mb_s * 1000);
    int rc = 0;
    power_draw(c->unit->power, POWER_CARD, ph->card_w);
    for (size_t done = 0; done < size && !rc;) {
        uint64_t at = (offset + done) % c->real_bytes;
        size_t n = size - done;
        n = n < c->real_bytes - at ? n : (size_t)(c->real_bytes - at);
        ssize_t moved =
            to ? pread(c->fd, to + done, n, (off_t)at) : pwrite(c->fd, from + done, n, (off_t)at);
        if (moved > 0)
            done += (size_t)moved;
        else if (moved == 0 || errno != EINTR)
            rc = error_errno(err, ERROR_IO, "card %s failed at byte %llu", to ? "read" : "write",
                             (unsigned long long)(offset + done));
    }
    clock_sleep_until_ns(began + (int64_t)(ms * 1e6));
    power_draw(c->unit->power, POWER_CARD, 0);
    return rc;
}

static int card_read(struct card *c, uint64_t offset, void *data, size_t size, struct error *err)
{
    int rc = check(c, offset, size, err);
    return rc ? rc : transfer(c, offset, data, NULL, size, c->unit->physics.card_read_mb_s, err);
}

static int card_write(struct card *c, uint64_t offset, const void *data, size_t size,
                      struct error *err)
{
    const struct physics *ph = &c->unit->physics;
    int rc = check(c, offset, size, err);
    if (rc)
        return rc;
    if (ph->card_write_protected != 0)
        return error_set(err, ERROR_REFUSED, "the card is write-protected");
    if (ph->card_fail_after_bytes > 0 &&
        (double)c->written + (double)size > ph->card_fail_after_bytes)
        return error_set(err, ERROR_IO, "card write failed at byte %llu: the card answers an error",
                         (unsigned long long)offset);
    c->written += size;
    return transfer(c, offset, NULL, data, size, ph->card_write_mb_s, err);
}

static int card_sync(struct card *c, struct error *err)
{
    return fdatasync(c->fd) ? error_errno(err, ERROR_IO, "cannot sync card.img") : 0;
}

const struct card_ops emulated_card_ops = {status, card_read, card_write, card_sync};
