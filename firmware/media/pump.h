/* Keeps the camera's stream going: a camera streams from its start on, whether or not somebody
 * looks at the frames, and how they come is what the watchdog is fed by. */
#ifndef TAKT_FIRMWARE_MEDIA_PUMP_H
#define TAKT_FIRMWARE_MEDIA_PUMP_H

#include "firmware/hal/hal.h"

struct pump;

struct pump_config {
    const struct hal *hal;                        /* must outlive the pump, as all below */
    void (*log)(void *context, const char *line); /* may be NULL; called from the pump's thread */
    void *log_context;
    /* May be NULL: the stream's first frame was there at that time of the monotonic clock. From the
     * pump's thread, once. */
    void (*first_frame)(void *context, int64_t at_us);
    void *first_frame_context;
};

/* Starts the stream and the thread that takes its frames. Does not wait for a camera whose driver
 * still loads; a camera that does not start is tried again. *out is NULL when the backend has
 * nothing to pump. */
int pump_start(const struct pump_config *config, struct pump **out, struct error *err);
void pump_stop(struct pump *p); /* NULL is fine; the stream stays as it is */

/* From any thread. All zero for NULL. */
void pump_progress(struct pump *p, struct camera_progress *out);

#endif
