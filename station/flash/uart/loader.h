/* The console of a unit's boot loader, over any transport: getting to its prompt, and commands
 * whose answer is known before the next thing is done.
 *
 * A line can lose a byte or make one up, and "erase 0x100000" less one digit erases something else.
 * So a command is typed without its end first and is run only when the loader's echo is, byte for
 * byte, the command; and behind it runs `echo` of a number made up for this one command and of the
 * command's exit status. Its answer is what came in between. */
#ifndef TAKT_STATION_FLASH_UART_LOADER_H
#define TAKT_STATION_FLASH_UART_LOADER_H

#include "protocol/base/buffer.h"
#include "protocol/transport/transport.h"
#include "station/flash/flash.h"

struct loader;

/* Opens the job's port: the troubles are FLASH_NO_DEVICE, FLASH_PERMISSION, FLASH_PORT_BUSY. From
 * here on all that comes is in the job's log. Close with loader_close(). */
int loader_open(const struct flash_job *job, struct loader **out, struct error *err);
void loader_close(struct loader *c); /* NULL is fine */

/* To the loader's prompt within `timeout_ms`, stop keys streamed until it is there; ends with a
 * nonce echoed, so that it is known to be a loader that listens. FLASH_SILENT: not a byte came;
 * FLASH_WRONG_STAGE: something came, but no prompt (it says what was last). */
int loader_capture(struct loader *c, int timeout_ms, struct error *err);

struct loader_answer {
    int status;       /* the command's own; -1 when this loader does not know $? */
    const char *text; /* what it printed, without carriage returns; valid until the next command */
};

/* Runs a command that may be run twice without harm: where its answer is lost to noise it is.
 * FLASH_SILENT: none in `timeout_ms`; FLASH_UNIT_FAILED: the unit restarted meanwhile (it says so),
 * or what was typed never came back as it was. A status other than 0 is no error here. */
int loader_ask(struct loader *c, int timeout_ms, struct loader_answer *answer, struct error *err,
               const char *format, ...) __attribute__((format(printf, 5, 6)));
/* The same, and a status that says it failed is FLASH_UNIT_FAILED with what the loader printed. */
int loader_run(struct loader *c, int timeout_ms, struct loader_answer *answer, struct error *err,
               const char *format, ...) __attribute__((format(printf, 5, 6)));
/* A command that does not come back to the prompt (loady, go, reset): typed, checked and started.
 */
int loader_start(struct loader *c, struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- for those who speak something else over the line for a while (loading, a RAM program) ----
 */

/* Waits up to `timeout_ms` and takes what is there. Bytes, 0 when nothing came, an error; the log
 * has them unless `binary`. FLASH_UNIT_FAILED when a loader's banner was among them. */
int loader_read(struct loader *c, void *data, size_t size, int timeout_ms, bool binary,
                struct error *err);
/* All of it, however long the line takes. */
int loader_write(struct loader *c, const void *data, size_t size, struct error *err);
/* Takes and drops what comes until the line was quiet for so long. */
int loader_drain(struct loader *c, int quiet_ms, struct error *err);
/* Waits for a text in what comes. FLASH_SILENT when it does not in time. */
int loader_await(struct loader *c, const char *text, int timeout_ms, struct error *err);
/* Sends a key every 250 ms until a text was heard (NULL: a prompt). A loader that changes its rate
 * throws away what came meanwhile. FLASH_NOT_BACK when it does not come in time. */
int loader_press(struct loader *c, char key, const char *until, int timeout_ms, struct error *err);
/* The line's rate; false when this transport has none. */
bool loader_has_baud(const struct loader *c);
int loader_set_baud(struct loader *c, uint32_t baud, struct error *err);
/* A loader's banner came since the prompt was reached. */
bool loader_restarted(const struct loader *c);
/* Whether the loader has been told to speak at another rate, is not known any more, and so on: back
 * to the rate it started with, whatever it waits for broken off, and its prompt asked for. */
int loader_recover(struct loader *c, struct error *err);

#endif
