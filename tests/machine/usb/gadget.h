/* A unit on USB, played on a real USB stack: FunctionFS on a device controller of the kernel
 * (dummy_hcd loops it to the machine's own host). One role is what a unit is in one stage; a role
 * may end in another, as a unit does: it leaves the bus and comes back with other descriptors.
 *
 * All roles share one flash, described by a board file, that behaves as the parts do: erase sets
 * bits, writing only clears them (emmc: writing replaces). It is a file, so that a test can hash
 * it.
 *
 *   usb_gadget --role fastboot --udc dummy_udc.0 --dir DIR --board FILE [--flaw NAME]... [--set
 * K=V]
 *
 * DIR/flash is the flash; DIR/ready appears when the gadget is bound; DIR/log says what was asked.
 */
#ifndef TAKT_TESTS_MACHINE_USB_GADGET_H
#define TAKT_TESTS_MACHINE_USB_GADGET_H

#include <linux/usb/ch9.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "protocol/formats/board.h"

struct gadget;

struct gadget_interface {
    uint8_t class_, subclass, protocol;
    const char *name; /* its string; NULL = none */
    bool bulk;        /* two bulk endpoints, to the host and from it */
    bool has_dfu;
    uint8_t dfu_attributes;
    uint16_t dfu_transfer_bytes, dfu_version;
};

enum { GADGET_INTERFACES_MAX = 8, GADGET_FLAWS_MAX = 8 };

struct gadget_role {
    const char *name;
    uint16_t vendor, product;
    /* The interfaces, into out; how many. */
    size_t (*interfaces)(struct gadget *g, struct gadget_interface out[GADGET_INTERFACES_MAX]);
    /* A request that is not the USB core's: gadget_answer(), gadget_take() or gadget_stall(). */
    void (*setup)(struct gadget *g, const struct usb_ctrlrequest *r);
    /* What goes over the bulk endpoints, in a thread of its own; NULL: there are none. */
    void (*serve)(struct gadget *g);
};

extern const struct gadget_role *const gadget_roles[]; /* ends with NULL */

struct gadget {
    const struct gadget_role *role;
    struct board board;
    uint8_t *flash; /* board.flash_bytes, the file */
    uint8_t *memory;
    size_t memory_bytes;
    const char *folder, *udc;
    int ep0, in, out;
    FILE *log;
    const char *flaws[GADGET_FLAWS_MAX];
    const char *settings[GADGET_FLAWS_MAX];
    _Atomic(const struct gadget_role *) next;
    atomic_bool ended;
    int wake;         /* an eventfd */
    void *state;      /* of the role; kept over roles */
    char takt[2][65]; /* U-Boot's variables takt0 and takt1 */
};

bool gadget_flaw(const struct gadget *g, const char *name);
/* "K" of --set K=V, else `otherwise`. */
const char *gadget_setting(const struct gadget *g, const char *name, const char *otherwise);
void gadget_note(struct gadget *g, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Control requests. */
void gadget_stall(struct gadget *g, const struct usb_ctrlrequest *r);
void gadget_answer(struct gadget *g, const struct usb_ctrlrequest *r, const void *data,
                   size_t size);
/* Takes the data stage, or none, and acknowledges; how many bytes, or -1. */
int gadget_take(struct gadget *g, const struct usb_ctrlrequest *r, void *data, size_t room);

/* Bulk: all bytes, or false when the host went away. */
bool gadget_send(struct gadget *g, const void *data, size_t size);
/* One transfer of at most `size`; how many bytes, or -1. */
int gadget_receive(struct gadget *g, void *data, size_t size);
void gadget_halt(struct gadget *g, bool in); /* stalls the endpoint once */

/* Leaves the bus and comes back as `next`; NULL: leaves for good. From any thread. */
void gadget_become(struct gadget *g, const struct gadget_role *next);

/* A command of U-Boot: setenv of takt0 and takt1, hash -v, and the board file's own. False: it
 * failed. */
bool gadget_uboot_run(struct gadget *g, const char *text);

/* The flash. False: out of its bounds. */
bool gadget_erase(struct gadget *g, uint64_t offset, uint64_t bytes);
bool gadget_program(struct gadget *g, uint64_t offset, const void *data, size_t bytes);

#endif
