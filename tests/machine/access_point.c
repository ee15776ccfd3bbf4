/* access_point CONTROL INTERFACE [on|mhz|dbm [VALUE]]...: an access point by the station's own
 * driver (fixtures/access_point_hostapd.c): each setting with a value is put, then read back and
 * printed. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixtures/driver.h"
#include "protocol/base/clock.h"

enum { LONG_MS = 20000 };

static int setting_of(const char *name)
{
    static const char *const names[ACCESS_POINT_SETTINGS] = {"on", "mhz", "dbm"};
    int i = 0;
    while (i < ACCESS_POINT_SETTINGS && strcmp(names[i], name) != 0)
        i++;
    return i;
}

int main(int argc, char **argv)
{
    const struct driver *driver = &access_point_hostapd.driver;
    struct error err = {0};
    char idn[INSTRUMENT_IDN_MAX];
    double value = 0;
    void *state = NULL;
    if (argc < 4)
        return 2;
    cJSON *instrument = cJSON_CreateObject();
    cJSON_AddStringToObject(instrument, "control", argv[1]);
    cJSON_AddStringToObject(instrument, "interface", argv[2]);
    int rc = driver->open(instrument, clock_mono_ms() + LONG_MS, &state, idn, &err);
    for (int i = 3; !rc && i < argc; i++) {
        const int setting = setting_of(argv[i]);
        if (setting == ACCESS_POINT_SETTINGS)
            return 2;
        if (i + 1 < argc && setting_of(argv[i + 1]) == ACCESS_POINT_SETTINGS)
            rc = access_point_hostapd.set(state, (enum access_point_setting)setting,
                                          strtod(argv[++i], NULL), clock_mono_ms() + LONG_MS, &err);
        if (!rc)
            rc = access_point_hostapd.read(state, (enum access_point_setting)setting, &value,
                                           clock_mono_ms() + LONG_MS, &err);
        if (!rc)
            printf("%g\n", value);
    }
    if (rc)
        fprintf(stderr, "access_point: %s\n", err.text);
    if (state)
        driver->close(state);
    cJSON_Delete(instrument);
    return rc ? 1 : 0;
}
