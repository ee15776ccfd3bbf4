/* The emulated parts: each opens from the unit and fills its ops of the HAL. */
#ifndef TAKT_FIRMWARE_HAL_EMULATOR_PARTS_H
#define TAKT_FIRMWARE_HAL_EMULATOR_PARTS_H

#include "firmware/hal/emulator/unit.h"
#include "firmware/hal/hal.h"

extern const struct camera_ops emulated_camera_ops;
int emulated_camera_open(struct unit *unit, struct camera **out, struct error *err);
void emulated_camera_close(struct camera *c);
size_t emulated_camera_bytes(const struct camera *c); /* scene, sensor and frame */

extern const struct motor_ops emulated_motor_ops;
int emulated_motor_open(struct unit *unit, struct motor **out, struct error *err);
void emulated_motor_close(struct motor *m);
/* Where the camera really points now: degrees from the true homing edge. */
void emulated_motor_angles(struct motor *m, double *pan_deg, double *tilt_deg);
/* What turns now: full steps a second of the faster axis, 0 when all rests; *held when a rotor is
 * kept from turning. */
double emulated_motor_steps_hz(struct motor *m, bool *held);

extern const struct audio_ops emulated_audio_ops;
int emulated_audio_open(struct unit *unit, struct audio **out, struct error *err);
void emulated_audio_close(struct audio *a);

extern const struct flash_ops emulated_flash_ops;
int emulated_flash_open(struct unit *unit, struct flash **out, struct error *err);
void emulated_flash_close(struct flash *f);

extern const struct card_ops emulated_card_ops;
int emulated_card_open(struct unit *unit, struct card **out, struct error *err);
void emulated_card_close(struct card *c);

extern const struct radio_ops emulated_radio_ops;
int emulated_radio_open(struct unit *unit, struct radio **out, struct error *err);
void emulated_radio_close(struct radio *r);
/* How the radio's draw follows the SoC's state: off in standby, sending in full load. */
void emulated_radio_load(struct radio *r, enum system_load load);

extern const struct bluetooth_ops emulated_bluetooth_ops;
int emulated_bluetooth_open(struct unit *unit, struct bluetooth **out, struct error *err);
void emulated_bluetooth_close(struct bluetooth *b);
void emulated_bluetooth_silence(struct bluetooth *b); /* NULL is fine, here and above */

extern const struct gpio_ops emulated_gpio_ops;
int emulated_gpio_open(struct unit *unit, struct gpio **out, struct error *err);
void emulated_gpio_close(struct gpio *g);

#endif
