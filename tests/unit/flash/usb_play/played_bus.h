/* The units of tests/machine/usb on a bus that umockdev makes up: what the kernel would do with a
 * program's usbdevfs requests is done here in front of libc, so that a whole flashing takes a
 * second and needs no rights. That the kernel really answers so (a stall is EPIPE, what was under
 * way of a unit that left ESHUTDOWN, as its documentation of usbdevfs says) is shown on a real USB
 * stack by tests/machine/usb_*.sh, with the same units. */
#ifndef TAKT_TESTS_UNIT_FLASH_PLAYED_BUS_H
#define TAKT_TESTS_UNIT_FLASH_PLAYED_BUS_H

#include "tests/machine/usb/gadget.h"

/* A unit at port 1-1 in a role, with a flash of its own, blank; on the bus until played_end(). `g`
 * with its board, flaws and settings; what it notes goes to g->log. */
void played_start(struct gadget *g, const char *role);
void played_end(struct gadget *g);

#endif
