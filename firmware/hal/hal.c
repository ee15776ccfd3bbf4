#include "firmware/hal/hal.h"

#include <stddef.h>
#include <string.h>

#include "firmware/hal/emulator/emulator.h"
#include "firmware/hal/linux/linux.h"

static const struct hal_backend *const backends[] = {
    &hal_emulator,
    &hal_linux,
};

const struct hal_backend *hal_backend_find(const char *name)
{
    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++)
        if (strcmp(backends[i]->name, name) == 0)
            return backends[i];
    return NULL;
}
