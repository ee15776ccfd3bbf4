/* A V4L2 capture device: format, buffers, stream. One thread at a time. */
#ifndef TAKT_FIRMWARE_HAL_LINUX_VIDEO_DEVICE_H
#define TAKT_FIRMWARE_HAL_LINUX_VIDEO_DEVICE_H

#include "firmware/hal/linux/frame_format.h"
#include "firmware/hal/linux/parts.h"

struct video_device;

struct video_frame {
    const uint8_t *data;  /* of the device's buffer, in its format */
    int64_t timestamp_us; /* of the monotonic clock */
    bool start_of_frame;  /* what the timestamp is of; else the frame's end */
    uint32_t sequence;
    unsigned index;
};

/* Opens it and settles the format: NV12, or YUYV, as near to the board's size as the driver has. */
int video_open(const struct linux_unit *u, const char *path, struct video_device **out,
               struct error *err);
void video_close(struct video_device *v); /* NULL is fine; stops the stream */

const struct frame_format *video_format(const struct video_device *v);
int64_t video_frame_us(const struct video_device *v); /* from one frame to the next */
int video_fd(const struct video_device *v);           /* for its controls */

int video_start(struct video_device *v, struct error *err);

/* The next frame, waited for up to timeout_ms: 1, 0 when none came, or an error. Frames the driver
 * calls damaged are passed over. */
int video_take(struct video_device *v, int timeout_ms, struct video_frame *out, struct error *err);
int video_give_back(struct video_device *v, const struct video_frame *frame, struct error *err);

#endif
