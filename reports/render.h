/* Documents (query.h) into what people read. A renderer sees only the document: it does not know
 * where the rows came from. Kinds are rows of one table (render.c), one file a kind. */
#ifndef TAKT_REPORTS_RENDER_H
#define TAKT_REPORTS_RENDER_H

#include <cjson/cJSON.h>

#include "protocol/base/buffer.h"
#include "protocol/base/error.h"

struct render_options {
    const char *language; /* "en" or "zh"; NULL is "en" */
    /* The bytes of an attachment, appended to out; NULL leaves pictures out. */
    int (*attachment)(void *context, const char *sha256, struct buffer *out, struct error *err);
    void *context;
    /* A printf form for the page of a unit by the number of its last run ("unit-%lld.html");
     * NULL makes no links. */
    const char *unit_href;
};

struct renderer {
    const char *name; /* "html" */
    const char *mime;
    /* Appends to out. ERROR_INPUT for a document it does not know. */
    int (*render)(const cJSON *document, const struct render_options *options, struct buffer *out,
                  struct error *err);
};

const struct renderer *renderer_find(const char *name); /* NULL when there is none */
const struct renderer *const *renderers(void);          /* ends with NULL */
/* "en", "zh", ..., ends with NULL. */
const char *const *render_languages(void);
/* The language as render_languages() has it; NULL for one that is not there, and for NULL. */
const char *render_language(const char *name);

#endif
