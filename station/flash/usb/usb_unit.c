#include "station/flash/usb/usb_unit.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libusb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/base/clock.h"

enum {
    LOOK_EVERY_MS = 20,
    LEAVING_MS = 1000,
    RIGHTS_WAIT_MS = 2000, /* udev gives the node its group some time after it is there */
    DESCRIPTORS_MAX = 16384,
    CLAIMS_MAX = 4,
    /* usbfs lends a machine 16 MiB for all transfers in flight: 64 units at once fit into it. */
    IN_FLIGHT = 4,
    TRANSFER_BYTES = 64 * 1024,
};

struct usb_unit {
    struct usb_port port;
    struct usb_times times;
    const struct flash_job *job;
    struct usb_descriptors descriptors;
    int number; /* on its bus */
    int fd;
    libusb_context *context;
    libusb_device_handle *handle;
    uint8_t claims[CLAIMS_MAX];
    size_t claim_count;
};

/* ---- the port and what is there ----------------------------------------------------------- */

int usb_port_parse(const char *text, struct usb_port *out, struct error *err)
{
    const char *p = text;
    bool right = strncmp(text, "usb:", 4) == 0;
    size_t numbers = 0;
    for (p += right ? 4 : 0; right; p++) {
        const char *from = p;
        while (isdigit((unsigned char)*p) && p - from < 3)
            p++;
        right = p > from && *from != '0';
        numbers++;
        if (!right || !*p)
            break;
        right = *p == (numbers == 1 ? '-' : '.') && numbers < 8;
    }
    if (!right || numbers < 2 || strlen(text + 4) >= sizeof out->name)
        return error_set(err, ERROR_INPUT,
                         "port '%s': expected usb:BUS-PORT, with .PORT for each hub between, as "
                         "usb:1-2.3 (takt flash --learn tells a slot's)",
                         text);
    memcpy(out->name, text + 4, strlen(text + 4) + 1);
    return 0;
}

/* A file of the kernel's about the device; how many bytes, or -1. */
static ssize_t attribute(const struct usb_port *port, const char *name, void *out, size_t size)
{
    char path[128];
    snprintf(path, sizeof path, "/sys/bus/usb/devices/%s/%s", port->name, name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t have = 0;
    ssize_t n;
    while (have < size && (n = read(fd, (char *)out + have, size - have)) > 0)
        have += (size_t)n;
    close(fd);
    return (ssize_t)have;
}

static int attribute_number(const struct usb_port *port, const char *name)
{
    char text[16] = "";
    return attribute(port, name, text, sizeof text - 1) > 0 ? atoi(text) : -1;
}

/* False when there is none, or it is not set up yet: its interfaces come last. */
static bool look(const struct usb_port *port, struct usb_descriptors *out, int *number,
                 struct error *err)
{
    uint8_t bytes[DESCRIPTORS_MAX];
    *number = attribute_number(port, "devnum");
    const ssize_t size = attribute(port, "descriptors", bytes, sizeof bytes);
    return *number > 0 && size > 0 && attribute_number(port, "bConfigurationValue") > 0 &&
           usb_descriptors_parse(bytes, (size_t)size, out, err) == 0;
}

int usb_look(const struct usb_port *port, struct usb_descriptors *out, int *number,
             struct error *err)
{
    struct error why = {0};
    int found;
    if (look(port, out, &found, &why)) {
        if (number)
            *number = found;
        return 0;
    }
    return flash_fail(err, FLASH_NO_DEVICE, "usb:%s: nothing is connected%s%s", port->name,
                      why.code ? ": " : "", why.text);
}

/* ---- what libusb says, as a trouble ------------------------------------------------------- */

static int no_rights(struct usb_unit *u, struct error *err)
{
    return flash_fail(
        err, FLASH_PERMISSION,
        "usb:%s: this user may not open it; put SUBSYSTEM==\"usb\", "
        "ATTR{idVendor}==\"%04x\", MODE=\"0660\", GROUP=\"plugdev\" into "
        "/etc/udev/rules.d/70-takt.rules, run udevadm control --reload, plug the unit "
        "in again",
        u->port.name, u->descriptors.vendor);
}

static int trouble(struct usb_unit *u, const char *what, int code, struct error *err)
{
    switch (code) {
    case LIBUSB_ERROR_ACCESS:
        return no_rights(u, err);
    case LIBUSB_ERROR_NO_DEVICE:
    case LIBUSB_ERROR_NOT_FOUND:
        return flash_fail(err, FLASH_GONE, "usb:%s: the unit went away: %s", u->port.name, what);
    case LIBUSB_ERROR_PIPE:
        return flash_fail(err, FLASH_STALLED, "usb:%s: the unit refused %s", u->port.name, what);
    case LIBUSB_ERROR_BUSY:
        return flash_fail(err, FLASH_PORT_BUSY, "usb:%s: another program holds it: %s",
                          u->port.name, what);
    case LIBUSB_ERROR_TIMEOUT:
        return flash_fail(err, FLASH_SILENT, "usb:%s: no answer in time: %s", u->port.name, what);
    case LIBUSB_ERROR_NO_MEM:
        return error_set(err, ERROR_MEMORY, "usb:%s: %s: no memory for transfers", u->port.name,
                         what);
    case LIBUSB_ERROR_OVERFLOW:
        return flash_fail(err, FLASH_UNIT_FAILED,
                          "usb:%s: %s: the unit sent more than it was asked", u->port.name, what);
    default:
        return error_set(err, ERROR_IO, "usb:%s: %s: %s", u->port.name, what,
                         libusb_error_name(code));
    }
}

/* A transfer that ends while the device leaves fails in many ways, often before the hub has told
 * the kernel; gone is what it means. */
static int transfer_trouble(struct usb_unit *u, const char *what, int code, struct error *err)
{
    const int64_t end_ms = clock_mono_ms() + (code == LIBUSB_ERROR_IO ? LEAVING_MS : 0);
    bool there;
    while ((there = attribute_number(&u->port, "devnum") == u->number) && clock_mono_ms() < end_ms)
        clock_sleep_until_ns(clock_mono_ns() + LOOK_EVERY_MS * 1000000LL);
    if (!there)
        code = LIBUSB_ERROR_NO_DEVICE;
    return trouble(u, what, code, err);
}

/* ---- opened and closed -------------------------------------------------------------------- */

static void let_go(struct usb_unit *u)
{
    for (size_t i = 0; u->handle && i < u->claim_count; i++)
        libusb_release_interface(u->handle, u->claims[i]);
    u->claim_count = 0;
    if (u->handle)
        libusb_close(u->handle);
    u->handle = NULL;
    if (u->fd >= 0)
        close(u->fd);
    u->fd = -1;
}

/* The device that u->number is. ERROR_STATE: it is another one by now, or not ready. */
static int open_node(struct usb_unit *u, struct error *err)
{
    char path[64];
    snprintf(path, sizeof path, "/dev/bus/usb/%03d/%03d", attribute_number(&u->port, "busnum"),
             u->number);
    u->fd = open(path, O_RDWR | O_CLOEXEC);
    if (u->fd < 0)
        return errno == EACCES || errno == EPERM
                   ? no_rights(u, err)
                   : error_errno(err, ERROR_STATE, "usb:%s: cannot open %s", u->port.name, path);
    const int rc = libusb_wrap_sys_device(u->context, u->fd, &u->handle);
    if (rc) {
        u->handle = NULL;
        let_go(u);
        return error_set(err, ERROR_STATE, "usb:%s: cannot use %s: %s", u->port.name, path,
                         libusb_error_name(rc));
    }
    return 0;
}

/* Waits for a device whose number is not `before` and opens it. */
static int open_next(struct usb_unit *u, int before, int wait_ms, struct error *err)
{
    const int64_t end_ms = clock_mono_ms() + wait_ms;
    int64_t seen_ms = 0;
    int number;
    bool other = false;
    for (;;) {
        if (look(&u->port, &u->descriptors, &number, NULL) && number != before) {
            if (!other || number != u->number)
                seen_ms = clock_mono_ms();
            other = true;
            u->number = number;
            const int rc = open_node(u, err);
            if (rc == 0)
                return 0;
            if (rc == ERROR_REFUSED && clock_mono_ms() - seen_ms >= RIGHTS_WAIT_MS)
                return rc;
        }
        if (flash_cancelled(u->job))
            return error_set(err, ERROR_CANCELLED, "usb:%s: stopped while waiting for the unit",
                             u->port.name);
        if (clock_mono_ms() >= end_ms && !(other && clock_mono_ms() - seen_ms < RIGHTS_WAIT_MS))
            break;
        clock_sleep_until_ns(clock_mono_ns() + LOOK_EVERY_MS * 1000000LL);
    }
    if (other)
        return err && err->code ? err->code : ERROR_STATE;
    return before < 0
               ? flash_fail(err, FLASH_NO_DEVICE, "usb:%s: nothing is connected", u->port.name)
               : flash_fail(err, FLASH_NOT_BACK,
                            "usb:%s: the unit did not come back within %d s in its next "
                            "stage",
                            u->port.name, (wait_ms + 999) / 1000);
}

static pthread_once_t options_once = PTHREAD_ONCE_INIT;
static void set_options(void)
{
    /* Units are opened by their node: no context is to scan the bus, and none needs udev. */
    libusb_set_option(NULL, LIBUSB_OPTION_NO_DEVICE_DISCOVERY);
}

int usb_open(const struct usb_port *port, const struct usb_times *times,
             const struct flash_job *job, int wait_ms, struct usb_unit **out, struct error *err)
{
    struct usb_unit *u = calloc(1, sizeof *u);
    *out = NULL;
    if (!u)
        return error_set(err, ERROR_MEMORY, "usb:%s: out of memory", port->name);
    *u = (struct usb_unit){.port = *port, .times = *times, .job = job, .fd = -1};
    pthread_once(&options_once, set_options);
    int rc = libusb_init(&u->context);
    if (rc) {
        u->context = NULL;
        rc = error_set(err, ERROR_IO, "libusb does not start: %s", libusb_error_name(rc));
    } else {
        rc = open_next(u, -1, wait_ms, err);
    }
    if (rc) {
        usb_close(u);
        return rc;
    }
    if (err)
        *err = (struct error){0};
    *out = u;
    return 0;
}

void usb_close(struct usb_unit *u)
{
    if (!u)
        return;
    let_go(u);
    if (u->context)
        libusb_exit(u->context);
    free(u);
}

int usb_await_return(struct usb_unit *u, struct error *err)
{
    struct error why = {0};
    let_go(u);
    flash_log_note(u->job->log, "waiting for the unit to come back at usb:%s", u->port.name);
    const int64_t start_ms = clock_mono_ms();
    const int rc = open_next(u, u->number, u->times.return_ms, &why);
    if (rc) {
        if (err)
            *err = why;
        return rc;
    }
    flash_log_note(u->job->log, "back after %lld ms as %04x:%04x",
                   (long long)(clock_mono_ms() - start_ms), u->descriptors.vendor,
                   u->descriptors.product);
    return 0;
}

const struct usb_descriptors *usb_unit_descriptors(const struct usb_unit *u)
{
    return &u->descriptors;
}

const struct usb_times *usb_unit_times(const struct usb_unit *u)
{
    return &u->times;
}

const char *usb_unit_name(const struct usb_unit *u)
{
    return u->port.name;
}

/* ---- interfaces --------------------------------------------------------------------------- */

int usb_claim(struct usb_unit *u, uint8_t interface, struct error *err)
{
    char what[32];
    snprintf(what, sizeof what, "interface %u", interface);
    for (size_t i = 0; i < u->claim_count; i++)
        if (u->claims[i] == interface)
            return 0;
    if (u->claim_count == CLAIMS_MAX)
        return error_set(err, ERROR_FULL, "usb:%s: more than %d interfaces", u->port.name,
                         CLAIMS_MAX);
    int rc = libusb_detach_kernel_driver(u->handle, interface);
    if (rc == LIBUSB_ERROR_NOT_FOUND || rc == LIBUSB_ERROR_NOT_SUPPORTED)
        rc = 0;
    if (rc == 0)
        rc = libusb_claim_interface(u->handle, interface);
    if (rc)
        return transfer_trouble(u, what, rc, err);
    u->claims[u->claim_count++] = interface;
    return 0;
}

int usb_set_alternate(struct usb_unit *u, uint8_t interface, uint8_t alternate, struct error *err)
{
    const int rc = libusb_set_interface_alt_setting(u->handle, interface, alternate);
    return rc ? transfer_trouble(u, "SET_INTERFACE", rc, err) : 0;
}

/* ---- transfers ---------------------------------------------------------------------------- */

int usb_control(struct usb_unit *u, const struct usb_request *r, void *data, uint16_t size,
                struct error *err)
{
    const int n = libusb_control_transfer(
        u->handle, r->type, r->request, r->value, r->index, data, size,
        (unsigned)(r->timeout_ms > 0 ? r->timeout_ms : u->times.control_ms));
    return n < 0 ? transfer_trouble(u, r->what, n, err) : n;
}

int usb_string(struct usb_unit *u, uint8_t index, char *out, size_t out_size, struct error *err)
{
    out[0] = '\0';
    if (!index)
        return 0;
    const int n =
        libusb_get_string_descriptor_ascii(u->handle, index, (unsigned char *)out, (int)out_size);
    if (n < 0)
        return transfer_trouble(u, "a string", n, err);
    out[(size_t)n < out_size ? (size_t)n : out_size - 1] = '\0';
    return 0;
}

int usb_bulk(struct usb_unit *u, uint8_t endpoint, const char *what, void *data, size_t size,
             int timeout_ms, struct error *err)
{
    int moved = 0;
    const int rc =
        libusb_bulk_transfer(u->handle, endpoint, data, (int)size, &moved, (unsigned)timeout_ms);
    return rc ? transfer_trouble(u, what, rc, err) : moved;
}

int usb_clear_halt(struct usb_unit *u, uint8_t endpoint, struct error *err)
{
    const int rc = libusb_clear_halt(u->handle, endpoint);
    return rc ? transfer_trouble(u, "CLEAR_FEATURE of the endpoint", rc, err) : 0;
}

struct flow;
struct flow_transfer {
    struct flow *flow;
    struct libusb_transfer *transfer;
    bool in_flight;
    uint8_t *data;
};
struct flow {
    const struct usb_stream *stream;
    struct flow_transfer parts[IN_FLIGHT];
    size_t in_flight;
    uint64_t read_bytes, sent_bytes;
    int code; /* of libusb: the first that was not right */
};

static int code_of(enum libusb_transfer_status status)
{
    switch (status) {
    case LIBUSB_TRANSFER_COMPLETED:
        return 0;
    case LIBUSB_TRANSFER_TIMED_OUT:
        return LIBUSB_ERROR_TIMEOUT;
    case LIBUSB_TRANSFER_STALL:
        return LIBUSB_ERROR_PIPE;
    case LIBUSB_TRANSFER_NO_DEVICE:
        return LIBUSB_ERROR_NO_DEVICE;
    case LIBUSB_TRANSFER_OVERFLOW:
        return LIBUSB_ERROR_OVERFLOW;
    default:
        return LIBUSB_ERROR_IO;
    }
}

static void LIBUSB_CALL part_done(struct libusb_transfer *t)
{
    struct flow_transfer *part = t->user_data;
    struct flow *f = part->flow;
    part->in_flight = false;
    f->in_flight--;
    f->sent_bytes += (uint64_t)t->actual_length;
    int code = code_of(t->status);
    if (!code && t->actual_length != t->length)
        code = LIBUSB_ERROR_IO;
    if (code && !f->code)
        f->code = code;
}

/* Whatever is in flight comes back before anyone may free it. */
static void take_back(struct usb_unit *u, struct flow *f)
{
    for (size_t i = 0; i < IN_FLIGHT; i++)
        if (f->parts[i].in_flight)
            libusb_cancel_transfer(f->parts[i].transfer);
    while (f->in_flight)
        libusb_handle_events(u->context);
}

static int submit_part(struct usb_unit *u, uint8_t endpoint, struct flow *f,
                       struct flow_transfer *part, struct error *err)
{
    const struct usb_stream *s = f->stream;
    const uint64_t left = s->bytes - f->read_bytes;
    const size_t size = left < TRANSFER_BYTES ? (size_t)left : TRANSFER_BYTES;
    int rc = s->read(s->context, part->data, size, err);
    if (rc)
        return rc;
    f->read_bytes += size;
    libusb_fill_bulk_transfer(part->transfer, u->handle, endpoint, part->data, (int)size, part_done,
                              part, (unsigned)s->timeout_ms);
    /* The kernel's memory for transfers is shared by all units: wait for the others'. */
    const int64_t end_ms = clock_mono_ms() + s->timeout_ms;
    while ((rc = libusb_submit_transfer(part->transfer)) == LIBUSB_ERROR_NO_MEM &&
           clock_mono_ms() < end_ms)
        clock_sleep_until_ns(clock_mono_ns() + 5 * 1000000LL);
    if (rc)
        return transfer_trouble(u, s->what, rc, err);
    part->in_flight = true;
    f->in_flight++;
    return 0;
}

int usb_stream_out(struct usb_unit *u, uint8_t endpoint, const struct usb_stream *s,
                   struct error *err)
{
    struct flow f = {.stream = s};
    int rc = 0;
    for (size_t i = 0; i < IN_FLIGHT; i++) {
        f.parts[i] = (struct flow_transfer){
            .flow = &f, .transfer = libusb_alloc_transfer(0), .data = malloc(TRANSFER_BYTES)};
        if (!f.parts[i].transfer || !f.parts[i].data)
            rc = error_set(err, ERROR_MEMORY, "usb:%s: out of memory", u->port.name);
    }
    while (!rc && !f.code && (f.read_bytes < s->bytes || f.in_flight)) {
        for (size_t i = 0; i < IN_FLIGHT && !rc && f.read_bytes < s->bytes; i++)
            if (!f.parts[i].in_flight)
                rc = submit_part(u, endpoint, &f, &f.parts[i], err);
        const uint64_t before = f.sent_bytes;
        if (!rc && f.in_flight)
            libusb_handle_events(u->context);
        if (s->sent && f.sent_bytes != before)
            s->sent(s->context, f.sent_bytes);
    }
    take_back(u, &f);
    for (size_t i = 0; i < IN_FLIGHT; i++) {
        libusb_free_transfer(f.parts[i].transfer);
        free(f.parts[i].data);
    }
    return rc || !f.code ? rc : transfer_trouble(u, s->what, f.code, err);
}
