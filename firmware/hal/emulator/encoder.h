/* The SoC's video encoder, played by a process of its own: the program ffmpeg.
 *
 * A real encoder is a block beside the processor that firmware feeds and drains; so camd links no
 * codec, and what the station decodes was made by an encoder that is not this project's. */
#ifndef TAKT_FIRMWARE_HAL_EMULATOR_ENCODER_H
#define TAKT_FIRMWARE_HAL_EMULATOR_ENCODER_H

#include "firmware/hal/camera.h"
#include "protocol/formats/board.h"

struct encoder_form {
    const char *type, *codec; /* "video/h265", ffmpeg's name */
    uint32_t width_px, height_px;
    double nominal_hz; /* what the firmware asks of sensor and encoder; 0: one picture */
    double rate_hz;    /* what it comes to with this sensor's clock */
    int kbit_s;
};

/* The product's streams: main as large as the sensor at 20 Hz, sub 640 across at 15 Hz, JPEG 1920
 * across; all of the sensor's shape. */
void encoder_form(enum camera_stream which, const struct board *board, double sensor_hz,
                  struct encoder_form *out);

struct encoder;
/* What it makes is kept in a file of `folder` until it is finished. */
int encoder_start(const struct encoder_form *form, const struct board *board, const char *folder,
                  struct encoder **out, struct error *err);
/* One NV12 frame of the sensor's size. */
int encoder_frame(struct encoder *e, const uint8_t *nv12, size_t bytes, struct error *err);
/* All that was encoded: *data is the caller's. */
int encoder_finish(struct encoder *e, uint8_t **data, size_t *bytes, struct error *err);
void encoder_free(struct encoder *e); /* NULL is fine; an encoder under way is stopped */

#endif
