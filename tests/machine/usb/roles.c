#include "tests/machine/usb/gadget.h"

extern const struct gadget_role gadget_fastboot, gadget_dfu, gadget_ingenic, gadget_sigmastar,
    gadget_updater, gadget_uboot;

const struct gadget_role *const gadget_roles[] = {
    &gadget_fastboot, &gadget_dfu, &gadget_ingenic, &gadget_sigmastar, &gadget_updater,
    &gadget_uboot,    NULL,
};
