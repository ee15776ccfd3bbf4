/* The hardware of a camera as the rest of the firmware sees it: one small ops table a subsystem.
 *
 * A backend (hal/emulator, hal/linux, later the vendors' SDKs) fills struct hal and is one row
 * of the table in hal.c. A part the board lacks has ops == NULL: capabilities are data. Every
 * function returns 0 or a negative error_code with a message, unless it says otherwise.
 * Functions of one subsystem are called from one thread at a time; different subsystems may be
 * used at once. */
#ifndef TAKT_FIRMWARE_HAL_HAL_H
#define TAKT_FIRMWARE_HAL_HAL_H

#include "firmware/hal/audio.h"
#include "firmware/hal/bluetooth.h"
#include "firmware/hal/camera.h"
#include "firmware/hal/card.h"
#include "firmware/hal/flash.h"
#include "firmware/hal/gpio.h"
#include "firmware/hal/motor.h"
#include "firmware/hal/radio.h"
#include "firmware/hal/system.h"
#include "firmware/hal/watchdog.h"
#include "protocol/formats/board.h"

struct hal {
    const struct camera_ops *camera;
    struct camera *camera_state;
    const struct audio_ops *audio;
    struct audio *audio_state;
    const struct motor_ops *motor;
    struct motor *motor_state;
    const struct flash_ops *flash;
    struct flash *flash_state;
    const struct card_ops *card;
    struct card *card_state;
    const struct radio_ops *radio;
    struct radio *radio_state;
    const struct bluetooth_ops *bluetooth;
    struct bluetooth *bluetooth_state;
    const struct gpio_ops *gpio;
    struct gpio *gpio_state;
    const struct system_ops *system;
    struct system_control *system_state;
    const struct watchdog_ops *watchdog;
    struct watchdog *watchdog_state;
    void *backend; /* the backend's own */
};

struct hal_config {
    const struct board *board; /* must outlive the hal */
    const char *options;       /* the backend's own text from camd's command line (a folder) */
    void (*log)(void *context, const char *line); /* may be NULL; called from any thread */
    void *log_context;
};

struct hal_backend {
    const char *name; /* "emulator", "linux" */
    int (*open)(const struct hal_config *config, struct hal *out, struct error *err);
    void (*close)(struct hal *hal);
};

/* The backends of this build; NULL when there is none of that name. */
const struct hal_backend *hal_backend_find(const char *name);

#endif
