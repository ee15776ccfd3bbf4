#include "tests/unit/flash/usb_play/played_bus.h"

#include <endian.h>
#include <errno.h>
#include <linux/usbdevice_fs.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <umockdev.h>

#include "protocol/base/clock.h"

enum { PACKET_BYTES = 512, SETUP_BYTES = 8, DESCRIPTORS_MAX = 512, MEMORY_BYTES = 80 << 20 };
enum { FULL_DESCRIPTOR = 18, BETWEEN_STAGES_MS = 50, REAP_WAIT_NS = 5000000 };

/* A transfer that a program has submitted. */
struct urb {
    UMockdevIoctlData *request; /* its struct usbdevfs_urb */
    UMockdevIoctlData *data;
    uint8_t endpoint;
    size_t bytes, moved;
    int status;
    struct urb *next;
};

struct list {
    struct urb *first, **last;
};

static struct {
    UMockdevTestbed *testbed;
    UMockdevIoctlBase *requests;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct list control, out, in, done;
    size_t under_way; /* submitted and not reaped */
    bool halted_out, halted_in, there;
    struct urb *setup; /* of the control request being served */
    pthread_t runs, serves, answers;
    int number;
    char sys_path[64];
    struct gadget_interface interfaces[GADGET_INTERFACES_MAX];
    size_t interface_count;
} bus = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* ---- transfers, bus.mutex held ------------------------------------------------------------- */

static void push(struct list *l, struct urb *u)
{
    u->next = NULL;
    if (!l->first)
        l->last = &l->first;
    *l->last = u;
    l->last = &u->next;
}

static struct urb *take(struct list *l, struct urb *which)
{
    for (struct urb **at = &l->first; *at; at = &(*at)->next) {
        struct urb *u = *at;
        if (which && u != which)
            continue;
        *at = u->next;
        if (l->last == &u->next)
            l->last = at;
        return u;
    }
    return NULL;
}

static void complete(struct urb *u, int status)
{
    u->status = status;
    push(&bus.done, u);
    pthread_cond_broadcast(&bus.changed);
}

static void complete_all(struct list *l, int status)
{
    struct urb *u;
    while ((u = take(l, NULL)))
        complete(u, status);
}

/* The first of these, when there is one. A thread whose stage has ended ends here. */
static struct urb *await(struct gadget *g, struct list *l)
{
    while (!l->first && !g->ended)
        pthread_cond_wait(&bus.changed, &bus.mutex);
    if (g->ended) {
        pthread_mutex_unlock(&bus.mutex);
        pthread_exit(NULL);
    }
    return l->first;
}

/* ---- what roles use ------------------------------------------------------------------------ */

static void end_setup(int status, size_t moved)
{
    pthread_mutex_lock(&bus.mutex);
    if (bus.setup) {
        bus.setup->moved = moved;
        complete(bus.setup, status);
    }
    bus.setup = NULL;
    pthread_mutex_unlock(&bus.mutex);
}

void gadget_stall(struct gadget *g, const struct usb_ctrlrequest *r)
{
    end_setup(-EPIPE, 0);
}

void gadget_answer(struct gadget *g, const struct usb_ctrlrequest *r, const void *data, size_t size)
{
    const size_t asked = le16toh(r->wLength);
    size = size < asked ? size : asked;
    if (bus.setup && size)
        umockdev_ioctl_data_update(bus.setup->data, SETUP_BYTES, (guint8 *)(uintptr_t)data,
                                   (int)size);
    end_setup(0, size);
}

int gadget_take(struct gadget *g, const struct usb_ctrlrequest *r, void *data, size_t room)
{
    const size_t size = le16toh(r->wLength);
    if (size > room || !bus.setup) {
        gadget_stall(g, r);
        return -1;
    }
    if (size)
        memcpy(data, bus.setup->data->data + SETUP_BYTES, size);
    end_setup(0, size);
    return (int)size;
}

bool gadget_send(struct gadget *g, const void *data, size_t size)
{
    const uint8_t *from = data;
    pthread_mutex_lock(&bus.mutex);
    while (size) {
        struct urb *u = await(g, &bus.in);
        const size_t n = size < u->bytes - u->moved ? size : u->bytes - u->moved;
        umockdev_ioctl_data_update(u->data, u->moved, (guint8 *)(uintptr_t)from, (int)n);
        u->moved += n;
        from += n;
        size -= n;
        if (u->moved == u->bytes || (!size && n % PACKET_BYTES))
            complete(take(&bus.in, u), 0);
    }
    pthread_mutex_unlock(&bus.mutex);
    return true;
}

int gadget_receive(struct gadget *g, void *data, size_t size)
{
    size_t have = 0;
    pthread_mutex_lock(&bus.mutex);
    while (have < size) {
        struct urb *u = await(g, &bus.out);
        const size_t left = u->bytes - u->moved, n = left < size - have ? left : size - have;
        memcpy((uint8_t *)data + have, u->data->data + u->moved, n);
        u->moved += n;
        have += n;
        if (u->moved < u->bytes)
            continue;
        const bool is_short = u->bytes % PACKET_BYTES || !u->bytes;
        complete(take(&bus.out, u), 0);
        if (is_short)
            break;
    }
    pthread_mutex_unlock(&bus.mutex);
    return (int)have;
}

void gadget_halt(struct gadget *g, bool in)
{
    pthread_mutex_lock(&bus.mutex);
    *(in ? &bus.halted_in : &bus.halted_out) = true;
    complete_all(in ? &bus.in : &bus.out, -EPIPE);
    pthread_mutex_unlock(&bus.mutex);
}

void gadget_become(struct gadget *g, const struct gadget_role *next)
{
    pthread_mutex_lock(&bus.mutex);
    g->next = next;
    g->ended = true;
    pthread_cond_broadcast(&bus.changed);
    pthread_mutex_unlock(&bus.mutex);
}

/* ---- the program's requests ----------------------------------------------------------------- */

static int submit(UMockdevIoctlData *arg)
{
    GError *why = NULL;
    UMockdevIoctlData *request =
        umockdev_ioctl_data_resolve(arg, 0, sizeof(struct usbdevfs_urb), &why);
    if (!request)
        return EFAULT;
    const struct usbdevfs_urb *r = (const struct usbdevfs_urb *)request->data;
    struct urb *u = calloc(1, sizeof *u);
    *u = (struct urb){.request = request,
                      .endpoint = r->endpoint,
                      .bytes = (size_t)r->buffer_length,
                      .data = r->buffer_length ? umockdev_ioctl_data_resolve(
                                                     request, offsetof(struct usbdevfs_urb, buffer),
                                                     (gsize)r->buffer_length, &why)
                                               : NULL};
    bus.under_way++;
    const bool is_control = r->type == USBDEVFS_URB_TYPE_CONTROL;
    const bool is_in = r->endpoint & 0x80;
    if (!is_control && (is_in ? bus.halted_in : bus.halted_out))
        complete(u, -EPIPE);
    else
        push(is_control ? &bus.control : is_in ? &bus.in : &bus.out, u);
    pthread_cond_broadcast(&bus.changed);
    return 0;
}

/* The node is a file, which always has something for a program that polls it: it is held here for a
 * moment instead of asking again and again. */
static void await_done(void)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_nsec += REAP_WAIT_NS;
    if (end.tv_nsec >= 1000000000) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000;
    }
    while (!bus.done.first && bus.under_way &&
           pthread_cond_timedwait(&bus.changed, &bus.mutex, &end) == 0)
        ;
}

static int reap(UMockdevIoctlData *arg)
{
    await_done();
    struct urb *u = take(&bus.done, NULL);
    if (!u)
        return bus.there ? EAGAIN : ENODEV;
    bus.under_way--;
    UMockdevIoctlData *place = umockdev_ioctl_data_resolve(arg, 0, sizeof(void *), NULL);
    const int moved = (int)u->moved;
    umockdev_ioctl_data_update(u->request, offsetof(struct usbdevfs_urb, status),
                               (guint8 *)&u->status, sizeof u->status);
    umockdev_ioctl_data_update(u->request, offsetof(struct usbdevfs_urb, actual_length),
                               (guint8 *)(uintptr_t)&moved, sizeof moved);
    umockdev_ioctl_data_set_ptr(place, 0, u->request);
    free(u);
    return 0;
}

static int discard(const UMockdevIoctlData *arg)
{
    struct list *const lists[] = {&bus.control, &bus.out, &bus.in};
    const gulong which = *(const gulong *)arg->data;
    for (size_t i = 0; i < 3; i++)
        for (struct urb *u = lists[i]->first; u; u = u->next)
            if (u->request->client_addr == which) {
                complete(take(lists[i], u), -ENOENT);
                return 0;
            }
    return EINVAL;
}

/* The errno of one request, 0, or how GET_SPEED says high speed: -3. */
static int answer(gulong request, UMockdevIoctlData *arg)
{
    UMockdevIoctlData *at;
    uint32_t capabilities = USBDEVFS_CAP_ZERO_PACKET | USBDEVFS_CAP_NO_PACKET_SIZE_LIM;
    switch (request) {
    case USBDEVFS_SUBMITURB:
        return bus.there ? submit(arg) : ENODEV;
    case USBDEVFS_REAPURB:
    case USBDEVFS_REAPURBNDELAY:
        return reap(arg);
    case USBDEVFS_DISCARDURB:
        return discard(arg);
    case USBDEVFS_GET_CAPABILITIES:
        at = umockdev_ioctl_data_resolve(arg, 0, sizeof capabilities, NULL);
        umockdev_ioctl_data_update(at, 0, (guint8 *)&capabilities, sizeof capabilities);
        return 0;
    case USBDEVFS_CONNECTINFO: {
        const struct usbdevfs_connectinfo info = {.devnum = (unsigned)bus.number};
        at = umockdev_ioctl_data_resolve(arg, 0, sizeof info, NULL);
        umockdev_ioctl_data_update(at, 0, (guint8 *)(uintptr_t)&info, sizeof info);
        return 0;
    }
    case USBDEVFS_CONTROL: { /* GET_CONFIGURATION, as libusb asks before it knows the device */
        at = umockdev_ioctl_data_resolve(arg, 0, sizeof(struct usbdevfs_ctrltransfer), NULL);
        UMockdevIoctlData *data =
            umockdev_ioctl_data_resolve(at, offsetof(struct usbdevfs_ctrltransfer, data), 1, NULL);
        guint8 one = 1;
        umockdev_ioctl_data_update(data, 0, &one, 1);
        return -1;
    }
    case USBDEVFS_GET_SPEED:
        return -3;
    case USBDEVFS_GETDRIVER:
        return ENODATA;
    case USBDEVFS_IOCTL: /* disconnect: no driver has it */
        return ENODATA;
    case USBDEVFS_CLEAR_HALT:
        bus.halted_in = bus.halted_out = false;
        return 0;
    case USBDEVFS_CLAIMINTERFACE:
    case USBDEVFS_RELEASEINTERFACE:
    case USBDEVFS_SETINTERFACE:
        return bus.there ? 0 : ENODEV;
    default:
        return ENOTTY;
    }
}

static gboolean on_request(UMockdevIoctlBase *base, UMockdevIoctlClient *client, void *context)
{
    pthread_mutex_lock(&bus.mutex);
    const int code =
        answer(umockdev_ioctl_client_get_request(client), umockdev_ioctl_client_get_arg(client));
    pthread_mutex_unlock(&bus.mutex);
    umockdev_ioctl_client_complete(client, code > 0 ? -1 : -code, code > 0 ? code : 0);
    return TRUE;
}

/* ---- on the bus and off it ------------------------------------------------------------------ */

static size_t describe(const struct gadget *g, uint8_t *out)
{
    const uint8_t device[FULL_DESCRIPTOR] = {18,
                                             USB_DT_DEVICE,
                                             0,
                                             2,
                                             0,
                                             0,
                                             0,
                                             64,
                                             (uint8_t)g->role->vendor,
                                             (uint8_t)(g->role->vendor >> 8),
                                             (uint8_t)g->role->product,
                                             (uint8_t)(g->role->product >> 8),
                                             0,
                                             1,
                                             0,
                                             0,
                                             0,
                                             1};
    uint8_t *at = out + sizeof device + 9;
    memcpy(out, device, sizeof device);
    for (size_t i = 0; i < bus.interface_count; i++) {
        const struct gadget_interface *in = &bus.interfaces[i];
        const uint8_t interface[] = {9,
                                     USB_DT_INTERFACE,
                                     (uint8_t)i,
                                     0,
                                     in->bulk ? 2 : 0,
                                     in->class_,
                                     in->subclass,
                                     in->protocol,
                                     in->name ? (uint8_t)(i + 1) : 0};
        const uint8_t dfu[] = {9,
                               0x21,
                               in->dfu_attributes,
                               0xff,
                               0,
                               (uint8_t)in->dfu_transfer_bytes,
                               (uint8_t)(in->dfu_transfer_bytes >> 8),
                               (uint8_t)in->dfu_version,
                               (uint8_t)(in->dfu_version >> 8)};
        const uint8_t bulk[] = {7, 5, 0x81, 2, 0, 2, 0, 7, 5, 0x02, 2, 0, 2, 0};
        memcpy(at, interface, sizeof interface);
        at += sizeof interface;
        memcpy(at, dfu, in->has_dfu ? sizeof dfu : 0);
        at += in->has_dfu ? sizeof dfu : 0;
        memcpy(at, bulk, in->bulk ? sizeof bulk : 0);
        at += in->bulk ? sizeof bulk : 0;
    }
    const size_t size = (size_t)(at - out - sizeof device);
    const uint8_t configuration[] = {9,
                                     USB_DT_CONFIG,
                                     (uint8_t)size,
                                     (uint8_t)(size >> 8),
                                     (uint8_t)bus.interface_count,
                                     1,
                                     0,
                                     0x80,
                                     50};
    memcpy(out + sizeof device, configuration, sizeof configuration);
    return sizeof device + size;
}

static void plug(struct gadget *g)
{
    uint8_t descriptors[DESCRIPTORS_MAX];
    char text[5 * DESCRIPTORS_MAX], hex[2 * DESCRIPTORS_MAX + 1], node[64];
    GError *why = NULL;
    bus.interface_count = g->role->interfaces(g, bus.interfaces);
    const size_t size = describe(g, descriptors);
    for (size_t i = 0; i < size; i++)
        snprintf(hex + 2 * i, 3, "%02X", descriptors[i]);
    bus.number++;
    bus.there = true;
    bus.halted_in = bus.halted_out = false;
    snprintf(node, sizeof node, "/dev/bus/usb/001/%03d", bus.number);
    snprintf(bus.sys_path, sizeof bus.sys_path, "/sys/devices/1-1");
    snprintf(text, sizeof text,
             "P: /devices/1-1\nN: bus/usb/001/%03d=%s\nE: DEVTYPE=usb_device\nE: SUBSYSTEM=usb\n"
             "E: DEVNAME=%s\nA: busnum=1\\n\nA: devnum=%d\\n\nA: bConfigurationValue=1\\n\n"
             "H: descriptors=%s\n",
             bus.number, hex, node, bus.number, hex);
    /* In this order: who sees it may open it at once. */
    if (!umockdev_testbed_attach_ioctl(bus.testbed, node, bus.requests, &why) ||
        !umockdev_testbed_add_from_string(bus.testbed, text, &why)) {
        fprintf(stderr, "played bus: %s\n", why->message);
        abort();
    }
    gadget_note(g, "stage %s", g->role->name);
}

/* What was under way ends as the kernel ends it. */
static void unplug(struct gadget *g)
{
    char node[64];
    snprintf(node, sizeof node, "/dev/bus/usb/001/%03d", bus.number);
    pthread_mutex_lock(&bus.mutex);
    bus.there = false;
    if (bus.setup)
        complete(bus.setup, -ESHUTDOWN);
    bus.setup = NULL;
    complete_all(&bus.control, -ESHUTDOWN);
    complete_all(&bus.in, -ESHUTDOWN);
    complete_all(&bus.out, -ESHUTDOWN);
    pthread_mutex_unlock(&bus.mutex);
    umockdev_testbed_remove_device(bus.testbed, bus.sys_path);
    gadget_note(g, "left stage %s", g->role->name);
}

/* A string, as every device's core answers it. */
static bool core_answers(struct gadget *g, const struct usb_ctrlrequest *r)
{
    uint8_t text[64] = {0, USB_DT_STRING};
    const unsigned index = le16toh(r->wValue) & 0xff;
    if (r->bRequestType != 0x80 || r->bRequest != USB_REQ_GET_DESCRIPTOR ||
        le16toh(r->wValue) >> 8 != USB_DT_STRING || index > bus.interface_count)
        return false;
    const char *name = index ? bus.interfaces[index - 1].name : "\t";
    size_t size = 2;
    for (; *name && size + 1 < sizeof text; name++, size += 2)
        text[size] = (uint8_t)*name;
    if (!index)
        text[3] = 4; /* English */
    text[0] = (uint8_t)size;
    gadget_answer(g, r, text, size);
    return true;
}

static _Noreturn void *answers(void *gadget)
{
    struct gadget *g = gadget;
    struct usb_ctrlrequest r;
    for (;;) {
        pthread_mutex_lock(&bus.mutex);
        bus.setup = take(&bus.control, await(g, &bus.control));
        memcpy(&r, bus.setup->data->data, sizeof r);
        pthread_mutex_unlock(&bus.mutex);
        if (!core_answers(g, &r))
            g->role->setup(g, &r);
    }
}

static void *serves(void *gadget)
{
    struct gadget *g = gadget;
    g->role->serve(g);
    return NULL;
}

static void *runs(void *gadget)
{
    struct gadget *g = gadget;
    while (g->role) {
        g->ended = false;
        g->next = NULL;
        plug(g);
        pthread_create(&bus.answers, NULL, answers, g);
        if (g->role->serve)
            pthread_create(&bus.serves, NULL, serves, g);
        pthread_mutex_lock(&bus.mutex);
        while (!g->ended)
            pthread_cond_wait(&bus.changed, &bus.mutex);
        pthread_mutex_unlock(&bus.mutex);
        pthread_join(bus.answers, NULL);
        if (g->role->serve)
            pthread_join(bus.serves, NULL);
        unplug(g);
        g->role = gadget_flaw(g, "lost") ? NULL : g->next;
        clock_sleep_until_ns(clock_mono_ns() + BETWEEN_STAGES_MS * 1000000LL);
    }
    return NULL;
}

static void *blank_memory(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        abort();
    return at;
}

void played_start(struct gadget *g, const char *role)
{
    for (size_t i = 0; gadget_roles[i]; i++)
        if (strcmp(gadget_roles[i]->name, role) == 0)
            g->role = gadget_roles[i];
    g->memory_bytes = MEMORY_BYTES;
    g->memory = blank_memory(g->memory_bytes);
    g->flash = blank_memory(g->board.flash_bytes);
    memset(g->flash, 0xff, g->board.flash_bytes);
    if (!bus.testbed) {
        bus.testbed = umockdev_testbed_new();
        bus.requests = umockdev_ioctl_base_new();
        g_signal_connect(bus.requests, "handle-ioctl", G_CALLBACK(on_request), NULL);
    }
    g->ended = false;
    pthread_create(&bus.runs, NULL, runs, g);
}

void played_end(struct gadget *g)
{
    struct urb *u;
    gadget_become(g, NULL);
    pthread_join(bus.runs, NULL);
    while ((u = take(&bus.done, NULL)))
        free(u);
    bus.under_way = 0;
    munmap(g->memory, g->memory_bytes);
    munmap(g->flash, g->board.flash_bytes);
}
