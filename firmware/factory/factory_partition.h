/* The partition "factory" of the unit's flash: its factory credentials. The flasher writes them;
 * the unit only reads them, and erases them when it is finalized. Not for two threads at once. */
#ifndef TAKT_FIRMWARE_FACTORY_FACTORY_PARTITION_H
#define TAKT_FIRMWARE_FACTORY_FACTORY_PARTITION_H

#include <stdbool.h>

#include "firmware/hal/hal.h"
#include "protocol/formats/factory_credentials.h"

/* As factory_credentials_decode(); ERROR_MISSING too when the board has no such partition. */
int factory_partition_load(const struct hal *hal, const struct board *board,
                           struct factory_credentials *out, struct error *err);
/* Is the place of the credentials erased flash? */
int factory_partition_blank(const struct hal *hal, const struct board *board, bool *blank,
                            struct error *err);
/* The whole partition, read back: ERROR_MISMATCH when anything is left. Erased already is fine and
 * costs no erase. */
int factory_partition_erase(const struct hal *hal, const struct board *board, struct error *err);

#endif
