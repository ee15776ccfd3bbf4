#include "station/cli/board_picture.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAP_COLUMNS = 32 };

static const char *amount(uint64_t bytes, char out[24])
{
    if (bytes % (1 << 20) == 0)
        snprintf(out, 24, "%" PRIu64 " MiB", bytes >> 20);
    else if (bytes % 1024 == 0)
        snprintf(out, 24, "%" PRIu64 " KiB", bytes >> 10);
    else
        snprintf(out, 24, "%" PRIu64 " B", bytes);
    return out;
}

/* ---- the flash: a line a stretch, and where in the whole it lies ------------------------------
 */

static int by_offset(const void *a, const void *b)
{
    const struct board_partition *const *x = a, *const *y = b;
    return ((*x)->offset_bytes > (*y)->offset_bytes) - ((*x)->offset_bytes < (*y)->offset_bytes);
}

static void map_line(const struct board *b, uint64_t offset, uint64_t size, const char *name,
                     bool protected_, char mark, FILE *out)
{
    char text[24], bar[MAP_COLUMNS + 1];
    /* A stretch is drawn in every column it has a part in, so that none is invisible. */
    double column = (double)b->flash_bytes / MAP_COLUMNS;
    for (int i = 0; i < MAP_COLUMNS; i++) {
        bool in = (double)offset < (i + 1) * column && (double)(offset + size) > i * column;
        bar[i] = in ? mark : ' ';
    }
    bar[MAP_COLUMNS] = '\0';
    fprintf(out, "  0x%08" PRIx64 " %9s  %-10s %-10s|%s|\n", offset, amount(size, text), name,
            protected_ ? "protected" : "", bar);
}

static void flash_map(const struct board *b, FILE *out)
{
    const struct board_partition *order[BOARD_PARTITIONS_MAX];
    uint64_t at = 0;
    for (size_t i = 0; i < b->partition_count; i++)
        order[i] = &b->partitions[i];
    qsort(order, b->partition_count, sizeof order[0], by_offset);
    for (size_t i = 0; i < b->partition_count; i++) {
        const struct board_partition *p = order[i];
        if (p->offset_bytes > at)
            map_line(b, at, p->offset_bytes - at, "-", false, '.', out);
        map_line(b, p->offset_bytes, p->size_bytes, p->name, p->protected_, '#', out);
        at = p->offset_bytes + p->size_bytes;
    }
    if (at < b->flash_bytes)
        map_line(b, at, b->flash_bytes - at, "-", false, '.', out);
}

/* ---- the parts ----------------------------------------------------------------------------------
 */

static void hardware(const struct board *b, FILE *out)
{
    char memory[24], flash[24], erase[24], page[24];
    fprintf(out, "%s: %s (%s), %s memory, %g V\n\n", b->name, b->soc, b->arch,
            amount(b->memory_bytes, memory), b->supply_volts);
    fprintf(out, "camera   %s, %ux%u pixels of %g um behind %g mm f/%g\n", b->sensor,
            b->sensor_width_px, b->sensor_height_px, b->pixel_um, b->focal_mm, b->f_number);
    if (b->has_ptz)
        fprintf(out, "ptz      pan %g to %g, tilt %g to %g degrees\n", b->pan.min_deg,
                b->pan.max_deg, b->tilt.min_deg, b->tilt.max_deg);
    if (b->radio[0])
        fprintf(out, "radio    %s, %s GHz\n", b->radio, b->radio_5ghz ? "2.4 and 5" : "2.4");
    for (size_t i = 0; i < b->button_count; i++)
        fprintf(out, "%s%s%s", i ? ", " : "buttons  ", b->buttons[i],
                i + 1 < b->button_count ? "" : "\n");
    for (size_t i = 0; i < b->led_count; i++)
        fprintf(out, "%s%s%s", i ? ", " : "leds     ", b->leds[i],
                i + 1 < b->led_count ? "" : "\n");
    fprintf(out, "flash    %s, %s, erased in %s, programmed in %s\n\n", b->flash_kind,
            amount(b->flash_bytes, flash), amount(b->erase_bytes, erase),
            amount(b->page_bytes, page));
}

static void usb_line(const char *what, const struct board_usb *usb, FILE *out)
{
    if (usb->vendor || usb->product)
        fprintf(out, "  %-9s %04x:%04x\n", what, usb->vendor, usb->product);
}

static void boot(const struct board_boot *boot, FILE *out)
{
    const struct {
        const char *name, *command;
    } commands[] = {{"prepare", boot->prepare},
                    {"erase", boot->erase},
                    {"write", boot->write},
                    {"read", boot->read}};
    fprintf(out, "\nboot     %s on %s at %u baud", boot->loader[0] ? boot->loader : "boot loader",
            boot->console, boot->baud);
    if (boot->rom_baud)
        fprintf(out, ", the boot ROM at %u", boot->rom_baud);
    fputs("\n  prompts  ", out);
    for (size_t i = 0; i < boot->prompt_count; i++)
        fprintf(out, " \"%s\"", boot->prompts[i]);
    fputs("\n  stopped by", out);
    for (const char *key = boot->stop_keys; *key; key++)
        fprintf(out, " %s", board_key_name(*key));
    if (!boot->stop_keys[0])
        fputs(" nothing", out);
    else if (boot->stop_prompt[0])
        fprintf(out, " at \"%s\"", boot->stop_prompt);
    else
        fputs(", from power-on: nothing is printed to wait for", out);
    fputc('\n', out);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (commands[i].command[0])
            fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].command);
    fprintf(out, "  %-9s 0x%08" PRIx64 "%s\n", "load", boot->load_address,
            boot->tftp ? ", TFTP too" : "");
    usb_line("usb ROM", &boot->usb_rom, out);
    usb_line("gadget", &boot->usb_gadget, out);
    if (boot->strap[0])
        fprintf(out, "  %-9s %s\n", "strap", boot->strap);
}

static void network(const struct board_network *n, FILE *out)
{
    fprintf(out, "\nnetwork  %s, ", n->interface);
    if (n->dhcp)
        fputs("DHCP\n", out);
    else
        fprintf(out, "%s/%d%s%s\n", n->address, n->prefix_bits, n->gateway[0] ? " by " : "",
                n->gateway);
}

static void image(const struct board_image *image, FILE *out)
{
    fprintf(out, "\nimage    data is %s%s\n", image->data,
            image->input_count ? "; not from this repository:" : "");
    for (size_t i = 0; i < image->input_count; i++) {
        const struct board_input *in = &image->inputs[i];
        fprintf(out, "  %s: %s%s%s\n      %s\n", in->name, in->file,
                in->package[0] ? " of package " : "", in->package, in->about);
    }
}

static void motor(const char *name, const struct board_motor *m, FILE *out)
{
    if (!m->phase_count)
        return;
    fprintf(out, "  %-12s", name);
    for (size_t i = 0; i < m->phase_count; i++)
        fprintf(out, " %s", m->phases[i]);
    fprintf(out, ", home %s\n", m->home);
}

static void linux_parts(const struct board_linux *l, FILE *out)
{
    const struct {
        const char *name, *what;
    } parts[] = {{"camera", l->camera},      {"microphone", l->microphone},
                 {"speaker", l->speaker},    {"mtd", l->mtd},
                 {"block", l->block},        {"radio", l->radio},
                 {"card", l->card},          {"watchdog", l->watchdog},
                 {"chip_id", l->chip_id},    {"temperature", l->temperature},
                 {"arguments", l->arguments}};
    fputs("\nlinux\n", out);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (parts[i].what[0])
            fprintf(out, "  %-12s %s\n", parts[i].name, parts[i].what);
    for (size_t i = 0; i < l->module_count; i++)
        fprintf(out, "  %-12s %s%s%s\n", i ? "" : "modules", l->modules[i].name,
                l->modules[i].options[0] ? " " : "", l->modules[i].options);
    for (size_t i = 0; i < l->gpio_count; i++)
        fprintf(out, "  %-12s %s = %s %u%s\n", i ? "" : "gpio", l->gpio[i].name, l->gpio[i].chip,
                l->gpio[i].line, l->gpio[i].active_low ? ", active low" : "");
    motor("pan", &l->pan, out);
    motor("tilt", &l->tilt, out);
}

void board_picture(const struct board *b, FILE *out)
{
    hardware(b, out);
    flash_map(b, out);
    if (b->has_boot)
        boot(&b->boot, out);
    if (b->has_network)
        network(&b->network, out);
    if (b->has_image)
        image(&b->image, out);
    if (b->has_linux)
        linux_parts(&b->linux, out);
}
