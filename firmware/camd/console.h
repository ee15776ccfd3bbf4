/* A UART that is the kernel's console and the agent's port at once: log lines go out between the
 * frames of the session, never within one. */
#ifndef TAKT_FIRMWARE_CAMD_CONSOLE_H
#define TAKT_FIRMWARE_CAMD_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol/transport/transport.h"

struct console;

int console_create(struct console **out, struct error *err);
/* No transport made by it may be open any more. */
void console_free(struct console *c);

/* Queues text for the line; dropped when 16 KiB wait already, or none is attached, as a UART's
 * driver does. From any thread. */
void console_write(struct console *c, const char *text, size_t size);

/* A transport whose bytes go through the console to `port`, which it owns from now on (also on
 * failure). One at a time. `out` NULL: the log alone goes out, and what comes in is dropped. */
int console_attach(struct console *c, struct transport *port, struct transport **out,
                   struct error *err);
/* Is a port attached that still works? */
bool console_alive(struct console *c);
/* Closes the port, once the transport made for it was closed. None attached is fine. */
void console_detach(struct console *c);

#endif
