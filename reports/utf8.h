/* Texts from outside, made UTF-8. */
#ifndef TAKT_REPORTS_UTF8_H
#define TAKT_REPORTS_UTF8_H

#include "protocol/base/buffer.h"

/* Appends the text (NULL is ""), U+FFFD in place of each byte that is no UTF-8 (RFC 3629: no
 * overlong forms, no surrogates, nothing above U+10FFFF). 0, ERROR_MEMORY or ERROR_FULL. */
int utf8_append_clean(struct buffer *b, const char *text);

#endif
