/* The ways to flash a unit, one row each. */
#ifndef TAKT_STATION_FLASH_FLASH_METHODS_H
#define TAKT_STATION_FLASH_FLASH_METHODS_H

#include "station/flash/flash.h"

/* Ends with NULL. */
extern const struct flash_method *const flash_methods[];

/* ERROR_INPUT naming those there are. */
int flash_method_find(const char *name, const struct flash_method **out, struct error *err);

#endif
