#include "station/flash/usb/fastboot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct usb_interface *fastboot_interface(const struct usb_descriptors *d)
{
    const struct usb_interface *i = usb_find_interface(d, 0xff, 0x42, 0x03);
    return i && usb_find_bulk(i, true) && usb_find_bulk(i, false) ? i : NULL;
}

int fastboot_start(struct usb_unit *unit, struct flash_log *log, struct fastboot *out,
                   struct error *err)
{
    const struct usb_interface *i = fastboot_interface(usb_unit_descriptors(unit));
    if (!i)
        return flash_fail(err, FLASH_WRONG_STAGE, "usb:%s: the unit is not in fastboot",
                          usb_unit_name(unit));
    *out = (struct fastboot){.unit = unit,
                             .log = log,
                             .in = usb_find_bulk(i, true)->address,
                             .out = usb_find_bulk(i, false)->address};
    return usb_claim(unit, i->number, err);
}

static void hear(struct fastboot *f, const char *text)
{
    flash_log_heard(f->log, text, strlen(text));
    flash_log_heard(f->log, "\n", 1);
}

/* Answers until the last one; its text, and whether it was DATA. */
static int answers(struct fastboot *f, const char *command, int timeout_ms,
                   char answer[FASTBOOT_ANSWER_MAX], bool *data, struct error *err)
{
    char packet[512 + 1]; /* a whole one of high speed, whatever the unit sends */
    for (;;) {
        const int n = usb_bulk(f->unit, f->in, command, packet, sizeof packet - 1, timeout_ms, err);
        if (n < 0)
            return n;
        packet[n] = '\0';
        if (n < 4)
            return error_set(err, ERROR_PROTOCOL,
                             "usb:%s: %s: an answer of %d bytes, expected "
                             "OKAY, FAIL, DATA or INFO",
                             usb_unit_name(f->unit), command, n);
        snprintf(answer, FASTBOOT_ANSWER_MAX, "%.*s", FASTBOOT_ANSWER_MAX - 1, packet + 4);
        *data = memcmp(packet, "DATA", 4) == 0;
        if (*data)
            return 0;
        if (n > 4 && memcmp(packet, "OKAY", 4) != 0)
            hear(f, packet + 4);
        if (memcmp(packet, "INFO", 4) == 0 || memcmp(packet, "TEXT", 4) == 0)
            continue;
        if (memcmp(packet, "OKAY", 4) == 0)
            return 0;
        if (memcmp(packet, "FAIL", 4) == 0)
            return flash_fail(err, FLASH_UNIT_FAILED, "usb:%s: %s: %s", usb_unit_name(f->unit),
                              command, packet[4] ? packet + 4 : "it does not say why");
        return error_set(err, ERROR_PROTOCOL,
                         "usb:%s: %s: the answer begins with %02x%02x%02x%02x, "
                         "expected OKAY, FAIL, DATA or INFO",
                         usb_unit_name(f->unit), command, (uint8_t)packet[0], (uint8_t)packet[1],
                         (uint8_t)packet[2], (uint8_t)packet[3]);
    }
}

static int send(struct fastboot *f, const char *command, struct error *err)
{
    const size_t size = strlen(command);
    if (size > FASTBOOT_COMMAND_MAX)
        return error_set(err, ERROR_INPUT, "fastboot: '%s' has %zu bytes, a unit takes %d", command,
                         size, FASTBOOT_COMMAND_MAX);
    flash_log_note(f->log, "%s", command);
    const int n = usb_bulk(f->unit, f->out, command, (void *)(uintptr_t)command, size,
                           usb_unit_times(f->unit)->control_ms, err);
    return n < 0 ? n : 0;
}

int fastboot_command(struct fastboot *f, const char *command, int timeout_ms,
                     char answer[FASTBOOT_ANSWER_MAX], struct error *err)
{
    char unused[FASTBOOT_ANSWER_MAX];
    bool data;
    answer = answer ? answer : unused;
    answer[0] = '\0';
    int rc = send(f, command, err);
    if (!rc)
        rc = answers(f, command, timeout_ms, answer, &data, err);
    if (!rc && data)
        rc = error_set(err, ERROR_PROTOCOL, "usb:%s: %s: the unit wants data",
                       usb_unit_name(f->unit), command);
    return rc;
}

int fastboot_getvar(struct fastboot *f, const char *name, char value[FASTBOOT_ANSWER_MAX],
                    struct error *err)
{
    char command[FASTBOOT_COMMAND_MAX + 1];
    struct error why = {0};
    snprintf(command, sizeof command, "getvar:%s", name);
    const int rc = fastboot_command(f, command, usb_unit_times(f->unit)->control_ms, value, &why);
    if (rc == ERROR_REMOTE && strncmp(why.text, "unit failed", 11) == 0) {
        value[0] = '\0';
        return 0;
    }
    if (rc && err)
        *err = why;
    return rc;
}

int fastboot_download_limit(struct fastboot *f, uint64_t *bytes, struct error *err)
{
    char value[FASTBOOT_ANSWER_MAX], *end;
    int rc = fastboot_getvar(f, "max-download-size", value, err);
    if (rc)
        return rc;
    *bytes = strtoull(value, &end, 0);
    if (*end || value[0] == '-')
        rc = error_set(err, ERROR_PROTOCOL, "usb:%s: max-download-size is '%s'",
                       usb_unit_name(f->unit), value);
    return rc;
}

int fastboot_download(struct fastboot *f, struct usb_stream *s, struct error *err)
{
    const struct usb_times *times = usb_unit_times(f->unit);
    char command[FASTBOOT_COMMAND_MAX + 1], answer[FASTBOOT_ANSWER_MAX], *end;
    bool data;
    if (s->bytes > UINT32_MAX)
        return error_set(err, ERROR_INPUT, "fastboot: a download of more than 4 GiB");
    snprintf(command, sizeof command, "download:%08x", (unsigned)s->bytes);
    int rc = send(f, command, err);
    if (!rc)
        rc = answers(f, command, times->control_ms, answer, &data, err);
    if (rc)
        return rc;
    if (!data || strtoull(answer, &end, 16) != s->bytes || *end || !answer[0])
        return error_set(err, ERROR_PROTOCOL, "usb:%s: %s: the unit is ready for '%s'",
                         usb_unit_name(f->unit), command, answer);
    s->what = "download";
    s->timeout_ms = times->busy_ms;
    rc = usb_stream_out(f->unit, f->out, s, err);
    if (!rc)
        rc = answers(f, command, times->busy_ms, answer, &data, err);
    if (!rc && data)
        rc = error_set(err, ERROR_PROTOCOL, "usb:%s: %s: the unit wants more data",
                       usb_unit_name(f->unit), command);
    return rc;
}
