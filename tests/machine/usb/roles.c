#include "tests/machine/usb/gadget.h"

extern const struct gadget_role gadget_fastboot;

const struct gadget_role *const gadget_roles[] = {
    &gadget_fastboot,
    NULL,
};
