/* U-Boot in fastboot, as far as a flasher meets it: variables, download, erase, flash (sparse or
 * not), reboot, and "oem run" of setenv, hash -v and the board file's own read and erase. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/base/digest.h"
#include "station/flash/usb/sparse.h"
#include "tests/machine/usb/gadget.h"

enum { COMMAND_BYTES = 512, RECEIVE_BYTES = 256 * 1024 };

struct loader {
    uint64_t loaded; /* bytes of the last download */
    char takt0[65], takt1[65];
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

static uint64_t placeholder(struct gadget *g, const char *name, size_t size, const char *text,
                            uint64_t values[3])
{
    static const char *const names[] = {"{memory}", "{flash}", "{bytes}"};
    for (size_t i = 0; i < 3; i++)
        if (strlen(names[i]) == size && strncmp(name, names[i], size) == 0)
            return values[i] = strtoull(text, NULL, 16);
    return 0;
}

/* Does a command read as the board's does? Then its memory, flash offset and bytes. */
static bool matches(struct gadget *g, const char *command, const char *text, uint64_t values[3])
{
    const char *c = command, *t = text;
    while (*c && *t) {
        const size_t in_c = strcspn(c, " "), in_t = strcspn(t, " ");
        if (*c == '{')
            placeholder(g, c, in_c, t, values);
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

static void hash(struct gadget *g, struct loader *l, const char *text)
{
    uint8_t want[DIGEST_BYTES], found[DIGEST_BYTES];
    char hex[sizeof l->takt0 + sizeof l->takt1];
    unsigned long long address, bytes;
    if (sscanf(text, "hash -v sha256 %llx %llx", &address, &bytes) != 2 ||
        !strstr(text, " ${takt0}${takt1}") || !in_memory(g, address, bytes)) {
        say(g, "FAILusage");
        return;
    }
    snprintf(hex, sizeof hex, "%s%s", l->takt0, l->takt1);
    digest_bytes(g->memory, bytes, found);
    if (hex_decode(hex, want, sizeof want) || memcmp(want, found, sizeof want) != 0)
        say(g, "FAILcommand failed");
    else
        say(g, "OKAY");
}

static void oem_run(struct gadget *g, struct loader *l, const char *text)
{
    uint64_t v[3] = {0};
    if (gadget_flaw(g, "no-run")) {
        say(g, "FAILunrecognized command");
    } else if (strncmp(text, "setenv takt0", 12) == 0) {
        snprintf(l->takt0, sizeof l->takt0, "%.64s", text[12] ? text + 13 : "");
        say(g, "OKAY");
    } else if (strncmp(text, "setenv takt1 ", 13) == 0) {
        snprintf(l->takt1, sizeof l->takt1, "%.64s", text + 13);
        say(g, "OKAY");
    } else if (strncmp(text, "hash -v ", 8) == 0) {
        hash(g, l, text);
    } else if (matches(g, g->board.boot.read, text, v) && in_memory(g, v[0], v[2]) &&
               v[1] <= g->board.flash_bytes && v[2] <= g->board.flash_bytes - v[1]) {
        memcpy(g->memory, g->flash + v[1], v[2]);
        say(g, "OKAY");
    } else if (matches(g, g->board.boot.erase, text, v)) {
        if (gadget_flaw(g, "erase-fails"))
            say(g, "FAILcommand failed");
        else if (v[1] % g->board.erase_bytes || v[2] % g->board.erase_bytes)
            say(g, "FAILnot on a block");
        else if (gadget_flaw(g, "no-erase") || gadget_erase(g, v[1], v[2]))
            say(g, "OKAY");
        else
            say(g, "FAILpast the flash");
    } else {
        say(g, "FAILcommand failed");
    }
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
        oem_run(g, l, c + 8);
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
