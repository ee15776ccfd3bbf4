#include "station/flash/usb/usb_learn.h"

#include <ctype.h>
#include <dirent.h>
#include <string.h>

#include "protocol/base/clock.h"
#include "station/flash/usb/usb_stages.h"

enum { LOOK_EVERY_MS = 50, STAYS_MS = 500, CLASS_HUB = 9 };

static bool counts(const struct usb_learn *l, const struct usb_descriptors *d)
{
    for (size_t i = 0; l->board && usb_stages[i]; i++)
        if (usb_stages[i]->at(l->board, d))
            return true;
    for (size_t i = 0; !l->board && i < d->interface_count; i++)
        if (d->interfaces[i].class_ != CLASS_HUB)
            return true;
    return false;
}

/* "1-2.3" alone: "usb1" is a bus itself, "1-2.3:1.0" an interface. */
static bool is_port(const char *name, struct usb_port *out)
{
    char text[sizeof out->name + 4] = "usb:";
    if (!isdigit((unsigned char)name[0]) || strlen(name) >= sizeof out->name)
        return false;
    memcpy(text + 4, name, strlen(name) + 1);
    return usb_port_parse(text, out, NULL) == 0;
}

static bool is_seen(const struct usb_learn *l, const struct usb_port *port)
{
    for (size_t i = 0; i < l->seen_count; i++)
        if (strcmp(l->seen[i].name, port->name) == 0)
            return true;
    return false;
}

static void see(struct usb_learn *l, const struct usb_port *port)
{
    if (!is_seen(l, port) && l->seen_count < USB_PORTS_MAX)
        l->seen[l->seen_count++] = *port;
}

/* The first device at a port that was not seen, or all of them seen (`out` NULL). */
static int look(struct usb_learn *l, struct usb_port *out, bool *found, struct error *err)
{
    const char *folder = "/sys/bus/usb/devices";
    DIR *dir = opendir(folder);
    struct dirent *entry;
    struct usb_descriptors d;
    struct usb_port port;
    if (!dir)
        return error_errno(err, ERROR_MISSING, "cannot read %s", folder);
    *found = false;
    while (!*found && (entry = readdir(dir)))
        if (is_port(entry->d_name, &port) && usb_look(&port, &d, NULL, NULL) == 0) {
            if (!out) {
                see(l, &port);
            } else if (!is_seen(l, &port) && counts(l, &d)) {
                *out = port;
                *found = true;
            }
        }
    closedir(dir);
    return 0;
}

int usb_learn_start(struct usb_learn *l, const struct board *board, struct error *err)
{
    bool found;
    *l = (struct usb_learn){.board = board};
    return look(l, NULL, &found, err);
}

/* There for STAYS_MS, whatever its stage. */
static bool stays(const struct usb_port *port)
{
    struct usb_descriptors d;
    const int64_t end_ms = clock_mono_ms() + STAYS_MS;
    while (clock_mono_ms() < end_ms) {
        if (usb_look(port, &d, NULL, NULL))
            return false;
        clock_sleep_until_ns(clock_mono_ns() + LOOK_EVERY_MS * 1000000LL);
    }
    return true;
}

int usb_learn_next(struct usb_learn *l, int timeout_ms, const bool *cancel, struct usb_port *out,
                   struct error *err)
{
    const int64_t end_ms = clock_mono_ms() + timeout_ms;
    bool found;
    for (;;) {
        const int rc = look(l, out, &found, err);
        if (rc)
            return rc;
        if (found && stays(out)) {
            see(l, out);
            return 0;
        }
        if (cancel && *(const volatile bool *)cancel)
            return error_set(err, ERROR_CANCELLED, "stopped");
        if (clock_mono_ms() >= end_ms)
            return error_set(err, ERROR_TIMEOUT, "no unit was plugged in within %d s",
                             timeout_ms / 1000);
        clock_sleep_until_ns(clock_mono_ns() + LOOK_EVERY_MS * 1000000LL);
    }
}
