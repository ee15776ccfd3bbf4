#include "firmware/camd/reset_watch.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "protocol/base/clock.h"

/* Twenty looks a second: a finger does not notice, and neither does the processor. */
enum { LOOK_EVERY_MS = 50 };

static const char button[] = "reset";

struct reset_watch {
    struct agent *agent;
    struct log *log;
    pthread_t thread;
    int stop_fd;
    bool pressed_high;
};

bool reset_hold_look(struct reset_hold *h, bool up, int64_t now_ms)
{
    if (up) {
        *h = (struct reset_hold){.armed = true};
        return false;
    }
    if (!h->armed)
        return false;
    if (!h->down_since)
        h->down_since = now_ms;
    if (now_ms - h->down_since < RESET_HOLD_MS)
        return false;
    *h = (struct reset_hold){0}; /* once; the next one begins with letting go */
    return true;
}

static void *watch(void *context)
{
    struct reset_watch *w = context;
    struct reset_hold hold = {0};
    struct pollfd stop = {.fd = w->stop_fd, .events = POLLIN};
    bool level;
    while (poll(&stop, 1, LOOK_EVERY_MS) <= 0) {
        if (agent_button(w->agent, button, &level, NULL) == 0 &&
            reset_hold_look(&hold, level != w->pressed_high, clock_mono_ms())) {
            log_printf(w->log, "reset: the button was held for %d s", RESET_HOLD_MS / 1000);
            agent_want_restart(w->agent);
        }
    }
    return NULL;
}

int reset_watch_start(const struct board *board, struct agent *agent, struct log *log,
                      struct reset_watch **out, struct error *err)
{
    bool fitted = false;
    *out = NULL;
    for (size_t i = 0; i < board->button_count; i++)
        fitted |= strcmp(board->buttons[i], button) == 0;
    if (!fitted)
        return 0;
    struct reset_watch *w = calloc(1, sizeof *w);
    if (!w)
        return error_set(err, ERROR_MEMORY, "no memory to watch the reset button");
    w->agent = agent;
    w->log = log;
    const struct board_gpio *pin = board_gpio(board, button);
    w->pressed_high = pin && pin->pressed_high;
    w->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (w->stop_fd < 0 || pthread_create(&w->thread, NULL, watch, w)) {
        if (w->stop_fd >= 0)
            close(w->stop_fd);
        free(w);
        return error_set(err, ERROR_IO, "cannot watch the reset button");
    }
    *out = w;
    return 0;
}

void reset_watch_stop(struct reset_watch *w)
{
    const uint64_t one = 1;
    if (!w)
        return;
    if (write(w->stop_fd, &one, sizeof one) == sizeof one)
        pthread_join(w->thread, NULL);
    close(w->stop_fd);
    free(w);
}
