/* Sensor, ISP, IR-cut and IR LEDs. */
#ifndef TAKT_FIRMWARE_HAL_CAMERA_H
#define TAKT_FIRMWARE_HAL_CAMERA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/base/error.h"

struct camera;

enum ir_cut { IR_CUT_DAY /* filter blocks IR */, IR_CUT_NIGHT /* filter moved away */ };

struct camera_settings {
    enum ir_cut ir_cut;
    double ir_led;      /* 0 off to 1 full drive */
    bool auto_exposure; /* else the two below hold */
    double exposure_ms;
    double gain; /* 1 = base ISO */
    /* Frames are given as they come, also while the IR-cut filter is still on its way. */
    bool as_they_come;
    /* Said by settings() alone: when the last configure() was done, on the clock of the frames. */
    uint64_t applied_us;
};

/* NV12, full-range BT.709, sRGB-coded: a luma plane of width*height bytes (rows tight), then an
 * interleaved U,V plane of half size each way. */
struct camera_frame {
    uint32_t width_px, height_px;
    uint64_t timestamp_us; /* the unit's monotonic clock at the middle of the exposure */
    uint32_t sequence;     /* counts every frame the sensor made; a gap is a dropped frame */
    double exposure_ms, gain;
    const uint8_t *data; /* the backend's buffer, valid until release or the next capture */
    size_t bytes;        /* width*height*3/2 */
};

/* What the encoder makes for the network and for the card. */
enum camera_stream { CAMERA_MAIN, CAMERA_SUB, CAMERA_JPEG, CAMERA_STREAMS };

struct camera_coded {
    uint32_t sequence; /* as in camera_frame */
    uint64_t timestamp_us;
};

struct camera_recording {
    const char *type; /* "video/h265" (Annex B), "image/jpeg" */
    uint32_t width_px, height_px;
    double frame_rate_hz;        /* it is set to; 0 for one picture */
    struct camera_coded *frames; /* in coding order, which is that of showing */
    size_t count;
    uint8_t *data; /* with frames: the caller's, to free() */
    size_t bytes;
};

/* What the stream does, whoever takes its frames. */
struct camera_progress {
    bool streaming;
    uint64_t frames;        /* that came since the stream was first started, looked at or not */
    int64_t first_frame_us; /* of the monotonic clock: when the first of them was there; 0 = none */
    int64_t last_frame_us;  /* the latest */
    double interval_us;     /* between the latest frames, smoothed; 0 below two */
};

struct camera_ops {
    int (*configure)(struct camera *c, const struct camera_settings *settings, struct error *err);
    int (*settings)(struct camera *c, struct camera_settings *out);
    /* Starts or stops the stream (the load it puts on the supply is real either way). */
    int (*stream)(struct camera *c, bool on, struct error *err);
    /* The next whole frame after settings took effect. */
    int (*capture)(struct camera *c, struct camera_frame *out, struct error *err);
    void (*release)(struct camera *c, struct camera_frame *frame);
    /* Takes the stream's next frame and lets it go; waits for it up to timeout_ms. None within that
     * time, or no stream, is no error: *out says how far it is. With stream() it may be called
     * from a thread of its own, beside every other function. NULL: a backend whose frames are made
     * only when they are asked for, and which no one has to keep going. */
    int (*pump)(struct camera *c, int timeout_ms, struct camera_progress *out, struct error *err);
    /* How the stream stands, for a backend without pump(); NULL where there is one. */
    void (*progress)(struct camera *c, struct camera_progress *out);
    /* Encodes what the sensor gives for so long, at least one frame; JPEG is one picture. NULL: a
     * backend that does not reach its encoder. */
    int (*record)(struct camera *c, enum camera_stream which, int duration_ms,
                  struct camera_recording *out, struct error *err);
};

#endif
