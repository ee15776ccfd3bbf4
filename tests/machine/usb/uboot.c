/* U-Boot's command line, as far as a flasher uses it. */
#include <stdlib.h>
#include <string.h>

#include "protocol/base/digest.h"
#include "tests/machine/usb/gadget.h"

struct values {
    uint64_t memory, flash, bytes;
};

/* Does a command read as the board's does? Then its numbers. */
static bool matches(const char *command, const char *text, struct values *v)
{
    const char *c = command, *t = text;
    *v = (struct values){0};
    while (*c && *t) {
        const size_t in_c = strcspn(c, " "), in_t = strcspn(t, " ");
        if (strncmp(c, "{memory}", in_c) == 0 && *c == '{')
            v->memory = strtoull(t, NULL, 16);
        else if (strncmp(c, "{flash}", in_c) == 0 && *c == '{')
            v->flash = strtoull(t, NULL, 16);
        else if (strncmp(c, "{bytes}", in_c) == 0 && *c == '{')
            v->bytes = strtoull(t, NULL, 16);
        else if (in_c != in_t || strncmp(c, t, in_c) != 0)
            return false;
        c += in_c + (c[in_c] == ' ');
        t += in_t + (t[in_t] == ' ');
    }
    return !*c && !*t && *command;
}

static bool in_memory(struct gadget *g, uint64_t address, uint64_t bytes)
{
    return address == g->board.boot.load_address && bytes <= g->memory_bytes;
}

static bool in_flash(struct gadget *g, uint64_t offset, uint64_t bytes)
{
    return offset <= g->board.flash_bytes && bytes <= g->board.flash_bytes - offset;
}

static bool hash(struct gadget *g, const char *text)
{
    uint8_t want[DIGEST_BYTES], found[DIGEST_BYTES];
    char last[80], hex[2 * sizeof g->takt[0]];
    unsigned long long address, bytes;
    if (sscanf(text, "hash -v sha256 %llx %llx %79s", &address, &bytes, last) != 3 ||
        !in_memory(g, address, bytes))
        return false;
    if (strcmp(last, "${takt0}${takt1}") == 0)
        snprintf(hex, sizeof hex, "%s%s", g->takt[0], g->takt[1]);
    else
        snprintf(hex, sizeof hex, "%s", last);
    digest_bytes(g->memory, bytes, found);
    return hex_decode(hex, want, sizeof want) == 0 && memcmp(want, found, sizeof want) == 0;
}

static bool erase(struct gadget *g, const struct values *v)
{
    const uint64_t block = g->board.erase_bytes;
    if (gadget_flaw(g, "erase-fails") || v->flash % block || v->bytes % block)
        return false;
    return gadget_flaw(g, "no-erase") || gadget_erase(g, v->flash, v->bytes);
}

bool gadget_uboot_run(struct gadget *g, const char *text)
{
    const struct board_boot *b = &g->board.boot;
    struct values v;
    if (strncmp(text, "setenv takt0", 12) == 0 || strncmp(text, "setenv takt1", 12) == 0) {
        snprintf(g->takt[text[11] - '0'], sizeof g->takt[0], "%.64s", text[12] ? text + 13 : "");
        return true;
    }
    if (strncmp(text, "hash -v ", 8) == 0)
        return hash(g, text);
    if (b->prepare[0] && strcmp(text, b->prepare) == 0)
        return true;
    if (matches(b->read, text, &v) && in_memory(g, v.memory, v.bytes) &&
        in_flash(g, v.flash, v.bytes)) {
        memcpy(g->memory, g->flash + v.flash, v.bytes);
        return true;
    }
    if (matches(b->write, text, &v) && in_memory(g, v.memory, v.bytes))
        return gadget_program(g, v.flash, g->memory, v.bytes);
    return matches(b->erase, text, &v) && erase(g, &v);
}
