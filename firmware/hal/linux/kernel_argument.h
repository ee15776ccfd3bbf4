/* One argument of the kernel's command line. Pure: a function over text. */
#ifndef TAKT_FIRMWARE_HAL_LINUX_KERNEL_ARGUMENT_H
#define TAKT_FIRMWARE_HAL_LINUX_KERNEL_ARGUMENT_H

#include <stdbool.h>
#include <stddef.h>

/* The value of `name` ("takt.slot") in a command line as /proc/cmdline has it: arguments between
 * spaces, where double quotes hold spaces together and are no part of a value; the last one of that
 * name counts; what follows "--" is init's. False, and out "", when there is none or it does not
 * fit. */
bool kernel_argument(const char *line, const char *name, char *out, size_t size);

#endif
