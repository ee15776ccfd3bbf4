/* What a label looks like: the ZPL that goes to the printer, drawn. One pixel a dot (8 a millimetre).
 *
 * Knows the commands that label.h writes, no more: ^PW and ^LL, ^FO, ^A0N, ^BQN, ^FH_, ^FD..^FS.
 * Pure. Text is set by pango in a sans, so letters are not the printer's to the dot; places, sizes
 * and the QR code (libqrencode) are. */
#ifndef TAKT_PROVISIONING_LABEL_PICTURE_H
#define TAKT_PROVISIONING_LABEL_PICTURE_H

#include "protocol/base/buffer.h"
#include "protocol/base/error.h"

/* Appends a PNG, black on white. ERROR_INPUT for a format with anything else in it. */
int label_picture(const char *zpl, struct buffer *png, struct error *err);

#endif
