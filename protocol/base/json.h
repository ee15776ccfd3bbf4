/* JSON documents that know their lines.
 *
 * Files people write (plans, limits, products, boards, stations) may carry // comments, and a
 * complaint about one names file and line. The values themselves are plain cJSON. */
#ifndef TAKT_PROTOCOL_BASE_JSON_H
#define TAKT_PROTOCOL_BASE_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "protocol/base/error.h"

struct json_document; /* opaque: file name, text, tree, line of every value */

/* Reads and parses a file of at most 16 MiB. ERROR_IO, or ERROR_INPUT with "FILE:LINE: ...". */
int json_load(const char *path, struct json_document **out, struct error *err);
/* The same from memory; `name` stands where the file's name would. */
int json_parse(const char *name, const char *text, size_t size, struct json_document **out,
               struct error *err);
void json_free(struct json_document *doc);

cJSON *json_root(const struct json_document *doc); /* owned by the document */
const char *json_name(const struct json_document *doc);
/* The text as read, comments included: what a content hash covers. */
const char *json_source(const struct json_document *doc, size_t *size);
/* The 1-based line on which a value of this document starts; 1 when it is not of this document. */
int json_line(const struct json_document *doc, const cJSON *value);

/* ERROR_INPUT with "FILE:LINE: " before the message. */
int json_complain(const struct json_document *doc, const cJSON *at, struct error *err,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Members by name, checked: a missing or wrongly typed member is a complaint naming what was
 * expected. Strings stay owned by the document. */
int json_need_string(const struct json_document *doc, const cJSON *object, const char *name,
                     const char **out, struct error *err);
int json_need_number(const struct json_document *doc, const cJSON *object, const char *name,
                     double *out, struct error *err);
int json_need_integer(const struct json_document *doc, const cJSON *object, const char *name,
                      long long low, long long high, long long *out, struct error *err);
int json_need_array(const struct json_document *doc, const cJSON *object, const char *name,
                    const cJSON **out, struct error *err);
int json_need_object(const struct json_document *doc, const cJSON *object, const char *name,
                     const cJSON **out, struct error *err);
/* Refuses members not in the NULL-terminated list, naming the nearest allowed one. */
int json_only(const struct json_document *doc, const cJSON *object, const char *const *allowed,
              struct error *err);

/* For messages rather than files: no lines, a default where the member is absent or of another
 * type. The string stays owned by the object. */
const char *json_string(const cJSON *object, const char *name, const char *fallback);
double json_number(const cJSON *object, const char *name, double fallback);
bool json_bool(const cJSON *object, const char *name, bool fallback);

/* Levenshtein-nearest of a NULL-terminated list, or NULL when none is near: "did you mean". */
const char *json_nearest(const char *word, const char *const *list);

#endif
