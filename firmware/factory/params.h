/* Parameters of a call, checked: every complaint is ERROR_INPUT and names the parameter, what came
 * and what was expected. Pure. `params` may be NULL: none came. */
#ifndef TAKT_FIRMWARE_FACTORY_PARAMS_H
#define TAKT_FIRMWARE_FACTORY_PARAMS_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "protocol/base/error.h"

/* Refuses a parameter not in the NULL-terminated list, naming the nearest. */
int params_only(const cJSON *params, const char *const *allowed, struct error *err);
bool params_has(const cJSON *params, const char *name);

int params_number(const cJSON *params, const char *name, double low, double high, double *out,
                  struct error *err);
int params_integer(const cJSON *params, const char *name, long long low, long long high,
                   long long *out, struct error *err);
/* Between least and most characters; owned by params. */
int params_text(const cJSON *params, const char *name, size_t least, size_t most, const char **out,
                struct error *err);
int params_flag(const cJSON *params, const char *name, bool *out, struct error *err);
/* The index of the text in a NULL-terminated list. */
int params_choice(const cJSON *params, const char *name, const char *const *choices, int *out,
                  struct error *err);

#endif
