#include "firmware/update/environment.h"

#include <stdlib.h>
#include <string.h>

#include "firmware/update/twin.h"

enum { HEADER_BYTES = 5 };

/* CRC-32 as U-Boot's crc32(): polynomial 0x04C11DB7 reflected (IEEE 802.3). A bit at a time: 4 KiB
 * are read a few times in a unit's life. */
static uint32_t crc32_ieee(const uint8_t *p, size_t size)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < size; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

static enum twin_copy_state examine(const uint8_t *record, uint32_t *sequence)
{
    size_t erased = 0;
    while (erased < ENVIRONMENT_BYTES && record[erased] == 0xff)
        erased++;
    if (erased == ENVIRONMENT_BYTES)
        return TWIN_ERASED;
    uint32_t stored = record[0] | (uint32_t)record[1] << 8 | (uint32_t)record[2] << 16 |
                      (uint32_t)record[3] << 24;
    if (stored != crc32_ieee(record + HEADER_BYTES, ENVIRONMENT_BYTES - HEADER_BYTES))
        return TWIN_DAMAGED;
    *sequence = record[4];
    return TWIN_VALID;
}

/* U-Boot's rule for its one-byte counter: 0 follows 255, else the larger is newer. */
static bool newer(uint32_t a, uint32_t b)
{
    if ((a == 0 && b == 255) || (a == 255 && b == 0))
        return a == 0;
    return a > b;
}

static struct twin twin_of(const struct hal *hal, const struct board *board)
{
    return (struct twin){.hal = hal,
                         .board = board,
                         .partition = "env",
                         .record_bytes = ENVIRONMENT_BYTES,
                         .examine = examine,
                         .newer = newer};
}

int environment_load(const struct hal *hal, const struct board *board, struct environment *out,
                     struct error *err)
{
    struct twin twin = twin_of(hal, board);
    struct twin_found found;
    uint8_t *record = malloc(ENVIRONMENT_BYTES);
    memset(out, 0, sizeof *out);
    int rc = record ? twin_load(&twin, &found, record, err)
                    : error_set(err, ERROR_MEMORY, "environment: out of memory");
    if (!rc && found.newest >= 0) {
        out->writes = record[4];
        memcpy(out->data, record + HEADER_BYTES, sizeof out->data);
        out->data[sizeof out->data - 1] = out->data[sizeof out->data - 2] = '\0';
    } else if (!rc) {
        out->damaged = found.state[0] == TWIN_DAMAGED && found.state[1] == TWIN_DAMAGED;
    }
    free(record);
    return rc;
}

int environment_store(const struct hal *hal, const struct board *board, struct environment *env,
                      struct error *err)
{
    struct twin twin = twin_of(hal, board);
    uint8_t *record = malloc(ENVIRONMENT_BYTES);
    if (!record)
        return error_set(err, ERROR_MEMORY, "environment: out of memory");
    memcpy(record + HEADER_BYTES, env->data, sizeof env->data);
    uint32_t crc = crc32_ieee(record + HEADER_BYTES, sizeof env->data);
    for (int i = 0; i < 4; i++)
        record[i] = (uint8_t)(crc >> 8 * i);
    record[4] = (uint8_t)(env->writes + 1);
    int rc = twin_store(&twin, record, err);
    if (!rc)
        env->writes++;
    free(record);
    return rc;
}

/* The variable's whole text "name=value", or the end of the list. */
static char *find(const struct environment *env, const char *name, bool *found)
{
    size_t length = strlen(name);
    const char *p = env->data;
    *found = false;
    while (*p) {
        *found = strncmp(p, name, length) == 0 && p[length] == '=';
        if (*found)
            break;
        p += strlen(p) + 1;
    }
    return (char *)p;
}

const char *environment_get(const struct environment *env, const char *name)
{
    bool found;
    const char *text = find(env, name, &found);
    return found ? text + strlen(name) + 1 : NULL;
}

int environment_set(struct environment *env, const char *name, const char *value, struct error *err)
{
    bool found;
    if (!name[0] || strchr(name, '='))
        return error_set(err, ERROR_INPUT, "'%s' is not a name for the environment", name);
    char *at = find(env, name, &found);
    char *end = at;
    while (*end)
        end += strlen(end) + 1;
    size_t old = found ? strlen(at) + 1 : 0;
    size_t new = value ? strlen(name) + 1 + strlen(value) + 1 : 0;
    size_t used = (size_t)(end - env->data);
    if (used - old + new + 1 > sizeof env->data)
        return error_set(err, ERROR_FULL, "the environment has no room for '%s'", name);
    memmove(at, at + old, used - (size_t)(at - env->data) - old);
    end -= old;
    if (value) {
        memcpy(end, name, strlen(name));
        end[strlen(name)] = '=';
        strcpy(end + strlen(name) + 1, value);
        end += new;
    }
    memset(end, 0, sizeof env->data - (size_t)(end - env->data));
    return 0;
}
