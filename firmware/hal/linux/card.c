/* The TF card. It may come and go: a card that is gone is let go of, and looked for anew. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "firmware/hal/linux/direct_io.h"

struct card {
    struct linux_unit *unit;
    struct direct_io *device; /* NULL: none held */
};

int linux_card_open(struct linux_unit *u, struct card **out, struct error *err)
{
    struct card *c = *out = calloc(1, sizeof *c);
    if (!c)
        return error_set(err, ERROR_MEMORY, "no memory for the card");
    c->unit = u;
    return 0;
}

static void let_go(struct card *c)
{
    direct_close(c->device);
    c->device = NULL;
}

void linux_card_close(struct card *c)
{
    if (!c)
        return;
    let_go(c);
    free(c);
}

/* The card's device, opened anew each time no card is held. An empty socket has no device at all,
 * and only the first seconds can tell one from a driver that loads: no wait once they are over. */
static int hold(struct card *c, struct error *err)
{
    int rc = c->device ? 0 : direct_open(c->unit, c->unit->board->linux.card, &c->device, err);
    return rc == ERROR_MISSING ? error_set(err, rc, "no card in the socket") : rc;
}

/* The whole CID says maker, kind and number: 32 hex digits. A card behind USB has none. */
static void read_serial(const char *device, char serial[33])
{
    char path[BOARD_PATH_MAX + 40], text[33] = "";
    const char *name = strrchr(device, '/');
    snprintf(path, sizeof path, "/sys/class/block/%s/device/cid", name ? name + 1 : device);
    FILE *f = fopen(path, "re");
    if (f && fgets(text, sizeof text, f) && strspn(text, "0123456789abcdef") >= 32)
        memcpy(serial, text, sizeof text);
    if (f)
        fclose(f);
}

static int status(struct card *c, struct card_status *out, struct error *err)
{
    struct direct_facts facts;
    *out = (struct card_status){.block_bytes = 512};
    let_go(c); /* another card may be in the socket by now */
    int rc = hold(c, err);
    if (!rc)
        rc = direct_facts(c->device, &facts, err);
    if (rc)
        let_go(c);
    if (rc == ERROR_MISSING) {
        if (err)
            *err = (struct error){0};
        return 0;
    }
    if (!rc)
        *out = (struct card_status){.present = true,
                                    .write_protected = facts.read_only,
                                    .bytes = facts.bytes,
                                    .block_bytes = facts.block_bytes};
    if (!rc)
        read_serial(c->unit->board->linux.card, out->serial);
    return rc;
}

static int check(struct card *c, uint64_t offset, size_t size, struct error *err)
{
    struct direct_facts facts;
    int rc = hold(c, err);
    if (!rc)
        rc = direct_facts(c->device, &facts, err);
    if (!rc && (offset % facts.block_bytes || size % facts.block_bytes))
        rc = error_set(err, ERROR_INPUT, "%zu bytes at %llu are not whole blocks of %u", size,
                       (unsigned long long)offset, facts.block_bytes);
    if (!rc && (offset > facts.bytes || size > facts.bytes - offset))
        rc = error_set(err, ERROR_INPUT, "%zu bytes at %llu leave the card, which has %llu", size,
                       (unsigned long long)offset, (unsigned long long)facts.bytes);
    return rc;
}

/* A card pulled out while it was used is reported once as closed, then as missing. */
static int used(struct card *c, int rc)
{
    if (rc == ERROR_CLOSED || rc == ERROR_MISSING)
        let_go(c);
    return rc;
}

static int card_read(struct card *c, uint64_t offset, void *data, size_t size, struct error *err)
{
    int rc = check(c, offset, size, err);
    return used(c, rc ? rc : direct_read(c->device, offset, data, size, err));
}

static int card_write(struct card *c, uint64_t offset, const void *data, size_t size,
                      struct error *err)
{
    int rc = check(c, offset, size, err);
    return used(c, rc ? rc : direct_write(c->device, offset, data, size, err));
}

static int card_sync(struct card *c, struct error *err)
{
    return c->device ? used(c, direct_sync(c->device, err)) : 0;
}

const struct card_ops linux_card_ops = {status, card_read, card_write, card_sync};
