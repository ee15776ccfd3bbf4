/* What units of a rehearsal look at, made once for all of them. */
#ifndef TAKT_TESTS_REHEARSAL_REHEARSED_PICTURE_H
#define TAKT_TESTS_REHEARSAL_REHEARSED_PICTURE_H

#include "protocol/base/error.h"

int rehearsed_picture_begin(struct error *err); /* before the first unit */
void rehearsed_picture_end(void);

#endif
