#include "tests/machine/usb/gadget.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/usb/functionfs.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/base/clock.h"

#define CONFIGFS "/sys/kernel/config/usb_gadget"

enum { PATH_BYTES = 256, DESCRIPTORS_MAX = 1024, MEMORY_BYTES = 80 << 20 };

static void die(const char *what)
{
    fprintf(stderr, "usb_gadget: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* ---- what roles use ----------------------------------------------------------------------- */

void gadget_stall(struct gadget *g, const struct usb_ctrlrequest *r)
{
    /* Input or output against the request's direction is how FunctionFS is told to stall. */
    char none;
    ssize_t n = r->bRequestType & USB_DIR_IN ? read(g->ep0, &none, 0) : write(g->ep0, &none, 0);
    (void)n;
    gadget_note(g, "stalled request %02x.%02x", r->bRequestType, r->bRequest);
}

void gadget_answer(struct gadget *g, const struct usb_ctrlrequest *r, const void *data, size_t size)
{
    const size_t asked = le16toh(r->wLength);
    ssize_t n = write(g->ep0, data, size < asked ? size : asked);
    (void)n;
}

int gadget_take(struct gadget *g, const struct usb_ctrlrequest *r, void *data, size_t room)
{
    const size_t size = le16toh(r->wLength);
    if (size > room) {
        gadget_stall(g, r);
        return -1;
    }
    return (int)read(g->ep0, data, size);
}

/* A stage's end cancels the thread that serves it, while it waits for the host and nowhere else:
 * not within stdio, whose lock it would keep. */
static void may_end(bool may)
{
    pthread_setcancelstate(may ? PTHREAD_CANCEL_ENABLE : PTHREAD_CANCEL_DISABLE, NULL);
}

bool gadget_send(struct gadget *g, const void *data, size_t size)
{
    may_end(true);
    const bool sent = write(g->in, data, size) == (ssize_t)size;
    may_end(false);
    return sent;
}

int gadget_receive(struct gadget *g, void *data, size_t size)
{
    may_end(true);
    const int n = (int)read(g->out, data, size);
    may_end(false);
    return n;
}

void gadget_halt(struct gadget *g, bool in)
{
    char byte = 0;
    ssize_t n = in ? read(g->in, &byte, 1) : write(g->out, &byte, 1);
    (void)n;
}

void gadget_become(struct gadget *g, const struct gadget_role *next)
{
    const uint64_t one = 1;
    g->next = next;
    g->ended = true;
    if (write(g->wake, &one, sizeof one) < 0)
        die("eventfd");
}

/* ---- descriptors -------------------------------------------------------------------------- */

struct bytes {
    uint8_t data[DESCRIPTORS_MAX];
    size_t size;
};

static void add(struct bytes *b, const void *data, size_t size)
{
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

static void add32(struct bytes *b, uint32_t v)
{
    v = htole32(v);
    add(b, &v, sizeof v);
}

static uint32_t add_interfaces(struct bytes *b, const struct gadget_interface *list, size_t count,
                               uint16_t packet)
{
    uint32_t descriptors = 0;
    uint8_t name = 0;
    for (size_t i = 0; i < count; i++) {
        const struct gadget_interface *at = &list[i];
        const uint8_t interface[] = {9,
                                     USB_DT_INTERFACE,
                                     (uint8_t)i,
                                     0,
                                     at->bulk ? 2 : 0,
                                     at->class_,
                                     at->subclass,
                                     at->protocol,
                                     at->name ? ++name : 0};
        const uint8_t dfu[] = {9,
                               0x21,
                               at->dfu_attributes,
                               0xff,
                               0,
                               (uint8_t)at->dfu_transfer_bytes,
                               (uint8_t)(at->dfu_transfer_bytes >> 8),
                               (uint8_t)at->dfu_version,
                               (uint8_t)(at->dfu_version >> 8)};
        const uint8_t in[] = {7, USB_DT_ENDPOINT, 0x81, 2, (uint8_t)packet, (uint8_t)(packet >> 8),
                              0};
        const uint8_t out[] = {7, USB_DT_ENDPOINT, 0x02, 2, (uint8_t)packet, (uint8_t)(packet >> 8),
                               0};
        add(b, interface, sizeof interface);
        if (at->has_dfu)
            add(b, dfu, sizeof dfu);
        if (at->bulk) {
            add(b, in, sizeof in);
            add(b, out, sizeof out);
        }
        descriptors += 1 + at->has_dfu + 2 * at->bulk;
    }
    return descriptors;
}

static void write_descriptors(int ep0, const struct gadget_interface *list, size_t count)
{
    struct bytes full = {0}, high = {0}, all = {0}, strings = {0};
    const uint32_t n = add_interfaces(&full, list, count, 64);
    add_interfaces(&high, list, count, 512);
    add32(&all, FUNCTIONFS_DESCRIPTORS_MAGIC_V2);
    add32(&all, (uint32_t)(20 + full.size + high.size));
    add32(&all, FUNCTIONFS_HAS_FS_DESC | FUNCTIONFS_HAS_HS_DESC | FUNCTIONFS_ALL_CTRL_RECIP |
                    FUNCTIONFS_CONFIG0_SETUP);
    add32(&all, n);
    add32(&all, n);
    add(&all, full.data, full.size);
    add(&all, high.data, high.size);
    if (write(ep0, all.data, all.size) != (ssize_t)all.size)
        die("FunctionFS takes no descriptors");
    struct bytes names = {0};
    uint32_t name_count = 0;
    for (size_t i = 0; i < count; i++)
        if (list[i].name) {
            add(&names, list[i].name, strlen(list[i].name) + 1);
            name_count++;
        }
    const uint16_t language = htole16(0x0409);
    add32(&strings, FUNCTIONFS_STRINGS_MAGIC);
    add32(&strings, (uint32_t)(16 + (name_count ? 2 + names.size : 0)));
    add32(&strings, name_count);
    add32(&strings, name_count ? 1 : 0);
    if (name_count) {
        add(&strings, &language, 2);
        add(&strings, names.data, names.size);
    }
    if (write(ep0, strings.data, strings.size) != (ssize_t)strings.size)
        die("FunctionFS takes no strings");
}

/* ---- on the bus and off it ---------------------------------------------------------------- */

static void put(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        die(path);
    close(fd);
}

static void put_in(const char *folder, const char *name, const char *text)
{
    char path[PATH_BYTES * 2];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    put(path, text);
}

static void make(const char *folder, const char *name)
{
    char path[PATH_BYTES * 2];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (mkdir(path, 0755) && errno != EEXIST)
        die(path);
}

struct place { /* of one stage */
    char name[64], folder[PATH_BYTES], mount[PATH_BYTES];
};

static void describe(struct gadget *g, const struct place *p)
{
    char text[128];
    make(p->folder, "");
    snprintf(text, sizeof text, "0x%04x\n", g->role->vendor);
    put_in(p->folder, "idVendor", text);
    snprintf(text, sizeof text, "0x%04x\n", g->role->product);
    put_in(p->folder, "idProduct", text);
    make(p->folder, "strings/0x409");
    put_in(p->folder, "strings/0x409/product", g->role->name);
    make(p->folder, "configs/c.1");
    snprintf(text, sizeof text, "functions/ffs.%s", p->name);
    make(p->folder, text);
}

static int open_endpoint(const struct place *p, const char *name)
{
    char path[PATH_BYTES * 2];
    snprintf(path, sizeof path, "%s/%s", p->mount, name);
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        die(path);
    return fd;
}

static void bind(struct gadget *g, const struct place *p)
{
    struct gadget_interface list[GADGET_INTERFACES_MAX];
    char from[PATH_BYTES * 2], to[PATH_BYTES * 2];
    const size_t count = g->role->interfaces(g, list);
    describe(g, p);
    if (mkdir(p->mount, 0755) && errno != EEXIST)
        die(p->mount);
    if (mount(p->name, p->mount, "functionfs", 0, NULL))
        die("mount functionfs");
    g->ep0 = open_endpoint(p, "ep0");
    write_descriptors(g->ep0, list, count);
    g->in = g->out = -1;
    for (size_t i = 0; i < count && g->in < 0; i++)
        if (list[i].bulk) {
            g->in = open_endpoint(p, "ep1");
            g->out = open_endpoint(p, "ep2");
        }
    snprintf(from, sizeof from, "%s/functions/ffs.%s", p->folder, p->name);
    snprintf(to, sizeof to, "%s/configs/c.1/ffs.%s", p->folder, p->name);
    if (symlink(from, to) && errno != EEXIST)
        die(to);
    put_in(p->folder, "UDC", g->udc);
    gadget_note(g, "stage %s", g->role->name);
}

static void *serve(void *gadget)
{
    struct gadget *g = gadget;
    may_end(false);
    g->role->serve(g);
    return NULL;
}

static void serve_setup(struct gadget *g)
{
    struct usb_functionfs_event event;
    if (read(g->ep0, &event, sizeof event) != sizeof event)
        return;
    if (event.type == FUNCTIONFS_SETUP)
        g->role->setup(g, &event.u.setup);
}

static void leave(struct gadget *g, const struct place *p)
{
    char path[PATH_BYTES * 2];
    put_in(p->folder, "UDC", "\n");
    if (g->in >= 0)
        close(g->in);
    if (g->out >= 0)
        close(g->out);
    close(g->ep0);
    snprintf(path, sizeof path, "%s/configs/c.1/ffs.%s", p->folder, p->name);
    unlink(path);
    umount2(p->mount, MNT_DETACH);
    gadget_note(g, "left stage %s", g->role->name);
}

static void make_ready_file(const struct gadget *g)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/ready", g->folder);
    FILE *f = fopen(path, "we");
    if (!f)
        die(path);
    fclose(f);
}

static void run_role(struct gadget *g, int stage)
{
    struct place p;
    pthread_t thread;
    uint64_t count;
    snprintf(p.name, sizeof p.name, "%s-%d-%d", g->role->name, (int)getpid(), stage);
    snprintf(p.folder, sizeof p.folder, CONFIGFS "/%s", p.name);
    snprintf(p.mount, sizeof p.mount, "%s/ffs.%d", g->folder, stage);
    g->ended = false;
    g->next = NULL;
    bind(g, &p);
    make_ready_file(g);
    if (g->role->serve && pthread_create(&thread, NULL, serve, g))
        die("a thread");
    struct pollfd fds[] = {{.fd = g->ep0, .events = POLLIN}, {.fd = g->wake, .events = POLLIN}};
    while (!g->ended) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            die("poll");
        if (fds[0].revents)
            serve_setup(g);
    }
    if (read(g->wake, &count, sizeof count) < 0)
        die("eventfd");
    if (g->role->serve) {
        pthread_cancel(thread);
        pthread_join(thread, NULL);
    }
    leave(g, &p);
}

/* Asked to end, it leaves the bus in order: unbound before its endpoints are closed. */
static struct gadget *ending;
static void on_end(int number)
{
    gadget_become(ending, NULL);
}

/* ---- the program -------------------------------------------------------------------------- */

static const struct gadget_role *find_role(const char *name)
{
    for (size_t i = 0; gadget_roles[i]; i++)
        if (strcmp(gadget_roles[i]->name, name) == 0)
            return gadget_roles[i];
    fprintf(stderr, "usb_gadget: no role '%s'\n", name);
    exit(2);
}

static void open_files(struct gadget *g)
{
    char path[PATH_BYTES];
    struct stat st;
    snprintf(path, sizeof path, "%s/log", g->folder);
    g->log = fopen(path, "ae");
    snprintf(path, sizeof path, "%s/flash", g->folder);
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (!g->log || fd < 0 || fstat(fd, &st) || ftruncate(fd, (off_t)g->board.flash_bytes))
        die(path);
    g->flash = mmap(NULL, g->board.flash_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (g->flash == MAP_FAILED)
        die(path);
    /* A new part is blank; one that was there keeps what it holds. */
    if (st.st_size == 0)
        memset(g->flash, 0xff, g->board.flash_bytes);
    close(fd);
    g->memory_bytes = MEMORY_BYTES;
    g->memory = mmap(NULL, g->memory_bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (g->memory == MAP_FAILED)
        die("memory");
    snprintf(path, sizeof path, "%s/ready", g->folder);
    unlink(path);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"role", required_argument, NULL, 'r'},
                                            {"udc", required_argument, NULL, 'u'},
                                            {"dir", required_argument, NULL, 'd'},
                                            {"board", required_argument, NULL, 'b'},
                                            {"flaw", required_argument, NULL, 'f'},
                                            {"set", required_argument, NULL, 's'},
                                            {0}};
    struct gadget g = {0};
    struct error err = {0};
    const char *role = NULL, *board = NULL;
    size_t flaws = 0, settings = 0;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (option) {
        case 'r':
            role = optarg;
            break;
        case 'u':
            g.udc = optarg;
            break;
        case 'd':
            g.folder = optarg;
            break;
        case 'b':
            board = optarg;
            break;
        case 'f':
            if (flaws + 1 < GADGET_FLAWS_MAX)
                g.flaws[flaws++] = optarg;
            break;
        case 's':
            if (settings + 1 < GADGET_FLAWS_MAX)
                g.settings[settings++] = optarg;
            break;
        default:
            return 2;
        }
    if (!role || !board || !g.folder || !g.udc) {
        fprintf(stderr, "usb_gadget: --role, --udc, --dir and --board are needed\n");
        return 2;
    }
    if (board_load(board, &g.board, &err)) {
        fprintf(stderr, "usb_gadget: %s\n", err.text);
        return 2;
    }
    g.wake = eventfd(0, EFD_CLOEXEC);
    ending = &g;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, on_end);
    open_files(&g);
    g.role = find_role(role);
    for (int stage = 0; g.role; stage++) {
        run_role(&g, stage);
        g.role = g.next;
        if (g.role && gadget_flaw(&g, "lost")) {
            gadget_note(&g, "lost: it does not come back");
            break;
        }
        /* What a boot takes; the host sees it gone and there again in any case. */
        clock_sleep_until_ns(clock_mono_ns() + 300 * 1000000LL);
    }
    return 0;
}
