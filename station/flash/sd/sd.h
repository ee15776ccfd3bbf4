/* Cards: flashing units that are switched on with one. Writes cards, any number of readers at once,
 * each read back; what units did comes back in the card's report (card_record.h). */
#ifndef TAKT_STATION_FLASH_SD_SD_H
#define TAKT_STATION_FLASH_SD_SD_H

#include "station/flash/flash.h"

extern const struct flash_method sd_method;

#endif
