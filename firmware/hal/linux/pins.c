#include "firmware/hal/linux/pins.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/gpio.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { CHIPS_MAX = 32 };

struct pin {
    int fd; /* the line's request; -1 = not requested */
    bool output;
};

struct pins {
    const struct linux_unit *unit;
    pthread_mutex_t lock;
    struct pin pin[BOARD_GPIOS_MAX]; /* beside the board's */
};

int pins_create(const struct linux_unit *u, struct pins **out, struct error *err)
{
    struct pins *p = *out = calloc(1, sizeof *p);
    if (!p)
        return error_set(err, ERROR_MEMORY, "no memory for the pins");
    p->unit = u;
    pthread_mutex_init(&p->lock, NULL);
    for (int i = 0; i < BOARD_GPIOS_MAX; i++)
        p->pin[i].fd = -1;
    return 0;
}

void pins_free(struct pins *p)
{
    if (!p)
        return;
    for (int i = 0; i < BOARD_GPIOS_MAX; i++)
        if (p->pin[i].fd >= 0)
            close(p->pin[i].fd);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

bool pins_has(const struct pins *p, const char *name)
{
    return board_gpio(p->unit->board, name) != NULL;
}

/* Numbers of chips depend on who came first; labels do not. */
static int open_labelled(const char *label)
{
    char path[32];
    struct gpiochip_info info;
    for (int i = 0; i < CHIPS_MAX; i++) {
        snprintf(path, sizeof path, "/dev/gpiochip%d", i);
        int fd = open(path, O_RDWR | O_CLOEXEC);
        if (fd < 0)
            continue;
        memset(&info, 0, sizeof info);
        if (!ioctl(fd, GPIO_GET_CHIPINFO_IOCTL, &info) &&
            strncmp(info.label, label, sizeof info.label) == 0)
            return fd;
        close(fd);
    }
    return -1;
}

static int open_chip(const struct linux_unit *u, const char *chip, int *fd, struct error *err)
{
    char path[BOARD_NAME_MAX + 8];
    bool by_name = strncmp(chip, "gpiochip", 8) == 0;
    snprintf(path, sizeof path, "/dev/%s", chip);
    do
        *fd = by_name ? open(path, O_RDWR | O_CLOEXEC) : open_labelled(chip);
    while (*fd < 0 && linux_wait(u));
    return *fd >= 0 ? 0 : error_set(err, ERROR_MISSING, "there is no gpio chip \"%s\"", chip);
}

/* Lock held. An output starts inactive. */
static int request(struct pins *p, const struct board_gpio *g, struct pin *pin, bool output,
                   struct error *err)
{
    int chip = -1;
    struct gpio_v2_line_request r = {.num_lines = 1};
    if (pin->fd >= 0 && pin->output == output)
        return 0;
    int rc = open_chip(p->unit, g->chip, &chip, err);
    if (rc)
        return rc;
    if (pin->fd >= 0)
        close(pin->fd);
    pin->fd = -1;
    r.offsets[0] = g->line;
    snprintf(r.consumer, sizeof r.consumer, "camd %.26s", g->name);
    r.config.flags = output ? GPIO_V2_LINE_FLAG_OUTPUT : GPIO_V2_LINE_FLAG_INPUT;
    if (output) {
        r.config.num_attrs = 1;
        r.config.attrs[0].attr.id = GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES;
        r.config.attrs[0].attr.values = g->active_low;
        r.config.attrs[0].mask = 1;
    }
    if (ioctl(chip, GPIO_V2_GET_LINE_IOCTL, &r)) {
        rc = errno == EBUSY ? ERROR_BUSY : errno == EINVAL ? ERROR_INPUT : ERROR_IO;
        error_errno(err, rc, "line %u of %s for '%s'", g->line, g->chip, g->name);
    } else {
        pin->fd = r.fd;
        pin->output = output;
    }
    close(chip);
    return rc;
}

/* The board's line; its pin stands beside it. */
static const struct board_gpio *find(struct pins *p, const char *name, struct pin **pin,
                                     struct error *err)
{
    const struct board *b = p->unit->board;
    const struct board_gpio *g = board_gpio(b, name);
    if (!g)
        error_set(err, ERROR_MISSING, "board %s wires no '%s'", b->name, name);
    *pin = g ? &p->pin[g - b->linux.gpio] : NULL;
    return g;
}

int pins_level(struct pins *p, const char *name, bool *high, struct error *err)
{
    struct pin *pin;
    const struct board_gpio *g = find(p, name, &pin, err);
    struct gpio_v2_line_values values = {.mask = 1};
    if (!g)
        return ERROR_MISSING;
    pthread_mutex_lock(&p->lock);
    int rc = request(p, g, pin, false, err);
    if (!rc && ioctl(pin->fd, GPIO_V2_LINE_GET_VALUES_IOCTL, &values))
        rc = error_errno(err, ERROR_IO, "cannot read '%s'", name);
    pthread_mutex_unlock(&p->lock);
    *high = values.bits & 1;
    return rc;
}

int pins_active(struct pins *p, const char *name, bool *active, struct error *err)
{
    int rc = pins_level(p, name, active, err);
    if (!rc)
        *active ^= board_gpio(p->unit->board, name)->active_low;
    return rc;
}

int pins_set(struct pins *p, const char *name, bool active, struct error *err)
{
    struct pin *pin;
    const struct board_gpio *g = find(p, name, &pin, err);
    if (!g)
        return ERROR_MISSING;
    struct gpio_v2_line_values values = {.mask = 1, .bits = active ^ g->active_low};
    pthread_mutex_lock(&p->lock);
    int rc = request(p, g, pin, true, err);
    if (!rc && ioctl(pin->fd, GPIO_V2_LINE_SET_VALUES_IOCTL, &values))
        rc = error_errno(err, ERROR_IO, "cannot set '%s'", name);
    pthread_mutex_unlock(&p->lock);
    return rc;
}
