/* The script a unit's boot loader runs from a card, checked by the loader's own sums as a legacy
 * image before a line of it runs.
 *
 * First everything the card holds is read and summed up, and a card that is short or altered has
 * written nothing. Then each stretch: is it there already, else load, sum, erase, write, read back,
 * sum. The first thing that fails ends it. At last the record goes onto the card (card_record.h).
 *
 * Only what U-Boot's simple parser and hush both know is used, as vendors build either: no if, no
 * &&, no test, no more than 16 words a line. What stops at the first failure is `run` with several
 * names. */
#ifndef TAKT_STATION_FLASH_SD_CARD_SCRIPT_H
#define TAKT_STATION_FLASH_SD_CARD_SCRIPT_H

#include "protocol/base/buffer.h"
#include "station/flash/flash.h"

struct card_script {
    const struct board *board; /* with boot.card */
    const struct bundle *bundle;
    const struct flash_piece *pieces; /* of the bundle, in order */
    size_t count;
    const void *flasher; /* board.boot.card.flasher's bytes; NULL when it names none */
    size_t flasher_bytes;
};

/* Appends the script to `out`. ERROR_INPUT where the board's commands do not fit. */
int card_script_write(const struct card_script *s, struct buffer *out, struct error *err);

/* Text as a legacy image that U-Boot's `source` takes: 64 bytes of header with two CRC-32. */
int card_script_image(const char *arch, const char *text, struct buffer *out, struct error *err);

/* SigmastarUpgradeSD.bin: the loader runs its first 16 KiB line by line and heeds no result. So
 * these lines load one script image, which stands behind them, and let `source` check it. */
int card_script_sigmastar(const struct board *board, const struct buffer *image, struct buffer *out,
                          struct error *err);

#endif
