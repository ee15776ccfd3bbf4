/* The picture behind the lens, before the sensor counts: light on every pixel, without noise.
 *
 * It costs a few tenths of a second to make and holds until the scene, the lamps or the way the
 * camera looks change; each frame then only adds exposure and noise (sensor.h). */
#ifndef TAKT_FIRMWARE_HAL_EMULATOR_PICTURE_H
#define TAKT_FIRMWARE_HAL_EMULATOR_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firmware/hal/emulator/lens.h"
#include "firmware/hal/emulator/mark.h"
#include "firmware/hal/emulator/physics.h"
#include "protocol/base/error.h"
#include "protocol/formats/board.h"

struct view {
    int scene;                /* enum world_scene */
    double illuminance_lux;   /* of the lamps on the scene */
    double ir_drive;          /* the unit's LEDs, 0..1 */
    bool ir_filter;           /* the IR-cut filter is before the sensor */
    double pan_deg, tilt_deg; /* right and up from straight ahead */
    double mark_lux;          /* of a lit LED of the time mark; 0 while it is dark */
};

struct picture {
    int width, height;
    int planes;         /* 3: red, green, blue; 1: all alike */
    uint16_t *plane[3]; /* rows tight */
    double lux_a_count; /* focal-plane illuminance of one count */
    size_t bytes;       /* of memory held */
};

struct painter; /* lens, chart, room and buffers of one camera */

int painter_create(const struct board *board, const struct physics *physics, struct painter **out,
                   struct error *err);
void painter_free(struct painter *p);
size_t painter_bytes(const struct painter *p);

/* Fills the painter's own picture; valid until the next call. */
int painter_paint(struct painter *p, const struct view *view, const struct picture **out,
                  struct error *err);

/* The time mark's light onto the picture just painted, of a view that has some, in place of what
 * was there of it: `lit` is the part of the exposure that each LED shone. */
int painter_mark(struct painter *p, const struct view *view, const float lit[MARK_LEDS],
                 struct error *err);
/* Where an LED's middle is seen, in rows of the picture. */
double painter_mark_row(const struct painter *p, int led);

#endif
