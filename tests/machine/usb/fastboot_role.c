/* U-Boot in fastboot, as far as a flasher meets it: variables, download, erase, flash (sparse or
 * not), reboot, and "oem run" of setenv, hash -v and the board file's own read and erase. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "station/flash/usb/sparse.h"
#include "tests/machine/usb/gadget.h"

enum { COMMAND_BYTES = 512, RECEIVE_BYTES = 256 * 1024 };

struct loader {
    uint64_t loaded; /* bytes of the last download */
};

static void say(struct gadget *g, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct gadget *g, const char *format, ...)
{
    char text[65];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (gadget_flaw(g, "short"))
        text[2] = '\0';
    gadget_send(g, text, strlen(text));
}

static size_t interfaces(struct gadget *g, struct gadget_interface out[GADGET_INTERFACES_MAX])
{
    out[0] = (struct gadget_interface){
        .class_ = 0xff, .subclass = 0x42, .protocol = 0x03, .name = "fastboot", .bulk = true};
    return 1;
}

static const struct board_partition *partition(struct gadget *g, const char *name)
{
    const struct board_partition *p = board_partition(&g->board, name, 0);
    if (!p)
        say(g, "FAILcannot find partition");
    return p;
}

static void getvar(struct gadget *g, const char *name)
{
    if (strcmp(name, "max-download-size") == 0)
        say(g, "OKAY%s", gadget_setting(g, "limit", "0x02000000"));
    else if (strcmp(name, "product") == 0)
        say(g, "OKAY%s", gadget_setting(g, "product", "gadget"));
    else if (strcmp(name, "version") == 0)
        say(g, "OKAY0.4");
    else if (strcmp(name, "version-bootloader") == 0)
        say(g, "OKAYU-Boot 2023.01");
    else if (strncmp(name, "has-slot:", 9) == 0 || strncmp(name, "is-logical:", 11) == 0)
        say(g, "OKAYno");
    else
        say(g, "FAILVariable not implemented");
}

static void download(struct gadget *g, struct loader *l, const char *size)
{
    const uint64_t bytes = strtoull(size, NULL, 16);
    if (!bytes || bytes > strtoull(gadget_setting(g, "limit", "0x02000000"), NULL, 0)) {
        say(g, "FAILdata too large");
        return;
    }
    say(g, "DATA%08" PRIx64, bytes);
    l->loaded = 0;
    while (l->loaded < bytes) {
        const uint64_t left = bytes - l->loaded;
        if (l->loaded >= bytes / 2 && gadget_flaw(g, "stall")) {
            gadget_halt(g, false);
            return;
        }
        if (l->loaded >= bytes / 2 && gadget_flaw(g, "gone")) {
            gadget_become(g, NULL);
            return;
        }
        const int n = gadget_receive(g, g->memory + l->loaded,
                                     left < RECEIVE_BYTES ? (size_t)left : RECEIVE_BYTES);
        if (n <= 0)
            return;
        l->loaded += (uint64_t)n;
    }
    if (gadget_flaw(g, "corrupt"))
        g->memory[bytes / 2] ^= 1;
    say(g, "OKAY");
}

static void erase(struct gadget *g, const char *name)
{
    const struct board_partition *p = partition(g, name);
    if (!p)
        return;
    if (gadget_flaw(g, "erase-fails")) {
        say(g, "FAILblock 3 is not erased");
        return;
    }
    if (!gadget_flaw(g, "no-erase"))
        gadget_erase(g, p->offset_bytes, p->size_bytes);
    say(g, "INFOerased %s", name);
    say(g, "OKAY");
}

struct target {
    struct gadget *g;
    const struct board_partition *p;
};

static int put(void *context, uint64_t offset, const void *data, size_t size, struct error *err)
{
    const struct target *t = context;
    if (!data)
        return 0;
    if (offset > t->p->size_bytes || size > t->p->size_bytes - offset)
        return error_set(err, ERROR_FULL, "past the partition");
    gadget_program(t->g, t->p->offset_bytes + offset, data, size);
    return 0;
}

static void flash(struct gadget *g, struct loader *l, const char *name)
{
    struct target t = {.g = g, .p = partition(g, name)};
    struct error err = {0};
    if (!t.p)
        return;
    if (gadget_flaw(g, "silent"))
        return;
    const int rc = sparse_is(g->memory, l->loaded)
                       ? sparse_expand(g->memory, l->loaded, t.p->size_bytes, put, &t, NULL, &err)
                       : put(&t, 0, g->memory, l->loaded, &err);
    gadget_note(g, "flash %s: %" PRIu64 " bytes%s", name, l->loaded,
                sparse_is(g->memory, l->loaded) ? ", sparse" : "");
    if (rc)
        say(g, "FAIL%.50s", err.text);
    else
        say(g, "OKAY");
}

/* ---- oem run ------------------------------------------------------------------------------ */

static void oem_run(struct gadget *g, const char *text)
{
    if (gadget_flaw(g, "no-run"))
        say(g, "FAILunrecognized command");
    else
        say(g, gadget_uboot_run(g, text) ? "OKAY" : "FAILcommand failed");
}

static void take_command(struct gadget *g, struct loader *l, const char *c)
{
    gadget_note(g, "%s", c);
    if (strncmp(c, "getvar:", 7) == 0)
        getvar(g, c + 7);
    else if (strncmp(c, "download:", 9) == 0)
        download(g, l, c + 9);
    else if (strncmp(c, "erase:", 6) == 0)
        erase(g, c + 6);
    else if (strncmp(c, "flash:", 6) == 0)
        flash(g, l, c + 6);
    else if (strncmp(c, "oem run:", 8) == 0)
        oem_run(g, c + 8);
    else if (strcmp(c, "reboot") == 0)
        say(g, "OKAY");
    else
        say(g, "FAILunrecognized command");
}

static void serve(struct gadget *g)
{
    struct loader l = {0};
    char command[COMMAND_BYTES + 1];
    while (!g->ended) {
        const int n = gadget_receive(g, command, COMMAND_BYTES);
        if (n <= 0)
            continue;
        command[n] = '\0';
        if (n > 64)
            say(g, "FAILcommand too long");
        else
            take_command(g, &l, command);
    }
}

static void setup(struct gadget *g, const struct usb_ctrlrequest *r)
{
    gadget_stall(g, r);
}

const struct gadget_role gadget_fastboot = {.name = "fastboot",
                                            .vendor = 0x1d6b,
                                            .product = 0x0104,
                                            .interfaces = interfaces,
                                            .setup = setup,
                                            .serve = serve};
