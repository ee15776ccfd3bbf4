/* For the files of this folder: the unit they are parts of, and how each part is opened. */
#ifndef TAKT_FIRMWARE_HAL_LINUX_PARTS_H
#define TAKT_FIRMWARE_HAL_LINUX_PARTS_H

#include "firmware/hal/linux/linux.h"

struct pins;

struct linux_unit {
    const struct board *board;
    struct hal_config config;
    int64_t wait_until_ms; /* of the monotonic clock: when devices are no longer waited for */
    struct pins *pins;
    /* What the load states switch. NULL: the board has none. */
    struct camera *camera;
    struct radio *radio;
    struct bluetooth *bluetooth;
    struct watchdog *watchdog;
};

void linux_log(const struct linux_unit *u, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* May a device that is not there still come? Sleeps a moment if so. */
bool linux_wait(const struct linux_unit *u);

/* open() of a device that may not have appeared yet. ERROR_MISSING when it is not there at the end
 * of the wait, ERROR_BUSY when another program has it, else ERROR_IO. */
int linux_open_device(const struct linux_unit *u, const char *path, int flags, int *fd,
                      struct error *err);

/* A file of /proc or /sys: its first line, without the end, control characters and spaces around
 * it. ERROR_MISSING when it is not there; not waited for. */
int linux_read_line(const char *path, char *out, size_t size, struct error *err);

/* Each makes the part without touching its device; close takes NULL. */
int linux_camera_open(struct linux_unit *u, struct camera **out, struct error *err);
void linux_camera_close(struct camera *c);
extern const struct camera_ops linux_camera_ops;

int linux_audio_open(struct linux_unit *u, struct audio **out, struct error *err);
void linux_audio_close(struct audio *a);
extern const struct audio_ops linux_audio_ops;

int linux_motor_open(struct linux_unit *u, struct motor **out, struct error *err);
void linux_motor_close(struct motor *m);
extern const struct motor_ops linux_motor_ops;

int linux_flash_open(struct linux_unit *u, struct flash **out, struct error *err);
void linux_flash_close(struct flash *f);
extern const struct flash_ops linux_flash_ops;

int linux_card_open(struct linux_unit *u, struct card **out, struct error *err);
void linux_card_close(struct card *c);
extern const struct card_ops linux_card_ops;

int linux_radio_open(struct linux_unit *u, struct radio **out, struct error *err);
void linux_radio_close(struct radio *r);
/* Interface up or down. */
int linux_radio_power(struct radio *r, bool on, struct error *err);
extern const struct radio_ops linux_radio_ops;

int linux_bluetooth_open(struct linux_unit *u, struct bluetooth **out, struct error *err);
void linux_bluetooth_close(struct bluetooth *b);
void linux_bluetooth_silence(struct bluetooth *b);
extern const struct bluetooth_ops linux_bluetooth_ops;

int linux_gpio_open(struct linux_unit *u, struct gpio **out, struct error *err);
void linux_gpio_close(struct gpio *g);
extern const struct gpio_ops linux_gpio_ops;

int linux_watchdog_open(struct linux_unit *u, struct watchdog **out, struct error *err);
void linux_watchdog_close(struct watchdog *w);
/* Was it the watchdog that restarted the unit? False when the part does not say. */
bool linux_watchdog_bit(const struct linux_unit *u);
extern const struct watchdog_ops linux_watchdog_ops;

int linux_system_open(struct linux_unit *u, struct system_control **out, struct error *err);
void linux_system_close(struct system_control *s);
extern const struct system_ops linux_system_ops;

#endif
