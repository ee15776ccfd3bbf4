/* What the kernel counts of wear and errors, from sysfs (Documentation/ABI:
 * testing/sysfs-class-mtd, testing/sysfs-class-ubi, testing/sysfs-fs-ext4, testing/sysfs-fs-ubifs;
 * cooling devices: testing/sysfs-class-thermal). */
#ifndef TAKT_FIRMWARE_HAL_LINUX_HEALTH_H
#define TAKT_FIRMWARE_HAL_LINUX_HEALTH_H

#include "firmware/hal/system.h"

/* `sys` is where sysfs is mounted. What is not there counts as 0. */
void linux_health_read(const char *sys, struct system_health *out);

#endif
