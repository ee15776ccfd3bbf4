/* What does not depend on how a unit gets onto a bus: its flaws, its notes, its flash. */
#include <stdarg.h>
#include <string.h>

#include "tests/machine/usb/gadget.h"

bool gadget_flaw(const struct gadget *g, const char *name)
{
    for (size_t i = 0; i < GADGET_FLAWS_MAX && g->flaws[i]; i++)
        if (strcmp(g->flaws[i], name) == 0)
            return true;
    return false;
}

const char *gadget_setting(const struct gadget *g, const char *name, const char *otherwise)
{
    const size_t size = strlen(name);
    for (size_t i = 0; i < GADGET_FLAWS_MAX && g->settings[i]; i++)
        if (strncmp(g->settings[i], name, size) == 0 && g->settings[i][size] == '=')
            return g->settings[i] + size + 1;
    return otherwise;
}

void gadget_note(struct gadget *g, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(g->log, format, args);
    va_end(args);
    putc('\n', g->log);
    fflush(g->log);
}

bool gadget_erase(struct gadget *g, uint64_t offset, uint64_t bytes)
{
    if (offset > g->board.flash_bytes || bytes > g->board.flash_bytes - offset)
        return false;
    memset(g->flash + offset, 0xff, bytes);
    return true;
}

bool gadget_program(struct gadget *g, uint64_t offset, const void *data, size_t bytes)
{
    const uint8_t *from = data;
    if (offset > g->board.flash_bytes || bytes > g->board.flash_bytes - offset)
        return false;
    if (strcmp(g->board.flash_kind, "emmc") == 0) {
        memcpy(g->flash + offset, data, bytes);
    } else {
        uint8_t *to = g->flash + offset;
        for (size_t i = 0; i < bytes; i++)
            to[i] &= from[i];
    }
    if (gadget_flaw(g, "rot") && bytes > 100)
        g->flash[offset + bytes / 2] ^= 0x10;
    return true;
}
