/* Makes the folder of an emulated unit that is switched on: unit_folder DIR SEED [TIME_SCALE].
 * TIME_SCALE stretches the part's erase, program and read times. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "protocol/world.h"

int main(int argc, char **argv)
{
    struct world *world;
    struct error err = {0};
    char path[512];
    if (argc < 3) {
        fprintf(stderr, "usage: unit_folder DIR SEED [TIME_SCALE]\n");
        return 2;
    }
    mkdir(argv[1], 0755);
    snprintf(path, sizeof path, "%s/world", argv[1]);
    if (world_create(path, &world, &err)) {
        fprintf(stderr, "unit_folder: %s\n", err.text);
        return 3;
    }
    atomic_store(&world->supply_volts, 5.0);
    atomic_store(&world->supply_ohms, 0.05);
    world_unmap(world);
    snprintf(path, sizeof path, "%s/unit.json", argv[1]);
    FILE *f = fopen(path, "w");
    if (!f)
        return 3;
    fprintf(f, "{\"seed\": %s, \"boot_ms\": 0, \"flash_time_scale\": %s}\n", argv[2],
            argc > 3 ? argv[3] : "1");
    return fclose(f) ? 3 : 0;
}
