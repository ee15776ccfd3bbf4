/* Pictures from the unit, as the image, infrared and pan-tilt steps take them. */
#ifndef TAKT_STATION_STEPS_CAMERA_VIEW_H
#define TAKT_STATION_STEPS_CAMERA_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "station/measure/picture.h"
#include "station/steps/step.h"

enum { VIEW_FRAMES_MAX = 16 };

struct view {
    uint32_t width_px, height_px;
    double exposure_ms, gain;
    double timestamp_us; /* middle of the exposure, on the unit's clock */
    uint32_t sequence;   /* of the sensor: a gap is a frame that was lost */
    uint8_t *nv12; /* owned: luma rows tight, then interleaved U,V; full-range BT.709, sRGB-coded */
};
struct nv12 view_nv12(const struct view *v);
void view_free(struct view *views, size_t count); /* frees the pixels, not the array */

struct view_settings {
    bool night;    /* the IR-cut filter moved away */
    double ir_led; /* 0 to 1 */
    bool stream;   /* frames follow each other: one capture is not the first after a start */
    bool auto_exposure;
    double exposure_ms, gain; /* when not automatic */
    bool as_they_come;        /* frames also while the filter moves */
};
int camera_configure(struct step_context *c, const struct view_settings *s, struct error *err);
/* And when it was done, on the clock of the frames; 0 from a unit that does not say. */
int camera_configure_at(struct step_context *c, const struct view_settings *s, double *applied_us,
                        struct error *err);
/* Day, LED off, automatic exposure, no stream: what every step leaves behind. Failure is not
 * reported: the unit may be gone, and the step has an error of its own then. */
void camera_restore(struct step_context *c);

/* Takes `count` frames in one call; all have the board's size. */
int camera_capture(struct step_context *c, size_t count, struct view *out, struct error *err);

/* What the encoder made of a stream. */
struct recording {
    char type[24]; /* "video/h265", "image/jpeg" */
    double frame_rate_hz;
    uint8_t *data; /* owned, free with recording_free() */
    size_t bytes;
    double *timestamps_us; /* owned; of `count` frames */
    double *sequences;
    size_t count;
};
/* `stream` is "main", "sub" or "jpeg". */
int camera_record(struct step_context *c, const char *stream, int duration_ms,
                  struct recording *out, struct error *err);
void recording_free(struct recording *r);

/* Frame rate by the times of the first and the last frame and the numbers between them, and how
 * many numbers were left out. */
struct pace {
    double frame_rate_hz;
    double dropped;
};
int pace_of(const double *timestamps_us, const double *sequences, size_t count, double every,
            struct pace *out, struct error *err);

#endif
