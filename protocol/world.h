/* The air, the light and the wires between the virtual bench and one emulated camera.
 *
 * One shared file a slot (DIR/world), mapped by the bench and by camd's emulator HAL. The bench
 * writes what its instruments put out; the camera's physics reads it and writes what it draws and
 * emits. Fields are physical quantities: nothing here says what a measurement should come to.
 * Only fixtures/virtual and firmware/hal/emulator include this file. */
#ifndef TAKT_PROTOCOL_WORLD_H
#define TAKT_PROTOCOL_WORLD_H

#include <stdatomic.h>
#include <stdint.h>

#include "protocol/base/error.h"

enum {
    WORLD_MAGIC = 0x574c4433, /* "WLD3" */
    WORLD_AIR_RATE_HZ = 48000,
    WORLD_AIR_SECONDS = 16,
    WORLD_AIR_SAMPLES = WORLD_AIR_RATE_HZ * WORLD_AIR_SECONDS,
    WORLD_BUTTONS_MAX = 8,
    WORLD_LEDS_MAX = 8,
    /* How far off the line's receiver hangs: what it hears there of a nominal unit's Bluetooth. */
    WORLD_ADVERTISED_DBM = -48,
};

enum world_scene {
    WORLD_SCENE_DARK_ROOM, /* a plain wall 1 m away; light only from the unit's own IR LEDs */
    WORLD_SCENE_CHART,     /* the test chart fills the view (docs/measurements.md: its layout) */
    WORLD_SCENE_PANORAMA,  /* a textured room all around, for pan and tilt */
    WORLD_SCENE_FLAT,      /* an even, plain panel before the lens, lit by the lamps */
};

/* Sound pressure over time at one place. Sample i is the pressure in pascal at i/48000 s of
 * CLOCK_MONOTONIC, kept at samples[i % WORLD_AIR_SAMPLES]; valid for from <= i < until, silence
 * elsewhere. Whoever plays writes the whole sound ahead of its time (at most 15 s), then sets
 * from and until. 1 Pa rms = 94 dB SPL. */
struct world_air {
    _Atomic int64_t from, until;
    float samples[WORLD_AIR_SAMPLES];
};

struct world {
    uint32_t magic;

    /* written by the bench */
    _Atomic double supply_volts;      /* at the unit's connector, cable drop not yet taken off */
    _Atomic double supply_ohms;       /* of supply and cable: the unit sees volts - ohms * amps */
    _Atomic double illuminance_lux;   /* visible light on the scene */
    _Atomic int scene;                /* enum world_scene */
    /* The time mark behind the chart's paper (docs/measurements.md): LEDs that count, one count so
     * long; 0: dark. And what a lit one adds to the light that leaves the paper, lm/m2. */
    _Atomic double mark_step_s, mark_lux;
    _Atomic unsigned buttons_pressed; /* bit i: an actuator pushes the board's button i */
    char ssid[33], passphrase[64];    /* the access point; written before the unit starts */
    _Atomic double access_point_dbm;  /* its level at the unit's antenna, path loss included */
    _Atomic int access_point_mhz;
    /* Another of the same network; 0 MHz: there is none. */
    _Atomic double second_access_point_dbm;
    _Atomic int second_access_point_mhz;
    _Atomic double air_c; /* around the unit, as its chamber has it; NAN: the unit's own figure */
    _Atomic double
        life_s; /* lived beyond what the clocks show: time that only passed by saying so */
    /* Of the access point's air, what is left for this unit while others send; 0: all of it. */
    _Atomic double air_share;
    struct world_air from_fixture; /* the loudspeaker's sound at the unit's microphone */

    /* written by the camera */
    _Atomic double supply_amps;               /* drawn now, from the connector */
    _Atomic double supply_amps_peak;          /* highest since the bench last set it to 0 */
    _Atomic unsigned leds_lit;                /* bit i: the board's LED i shines */
    _Atomic double led_light[WORLD_LEDS_MAX]; /* how bright, over nominal, while it does */
    _Atomic int64_t air_used_ms;   /* monotonic: when traffic last crossed the radio; 0: never */
    _Atomic int advertises;        /* by Bluetooth: the next three, written before it */
    uint8_t advertised_address[6]; /* last byte first, as in the air */
    char advertised_name[32];
    _Atomic double advertised_dbm; /* at the line's receiver */
    struct world_air from_unit;    /* the unit's speaker at the fixture's microphone */
};

/* Creates (bench) or opens (camera) and maps the file. The mapping is shared and stays valid until
 * world_unmap(). ERROR_INPUT when the file is not a world of this build. */
int world_create(const char *path, struct world **out, struct error *err);
int world_map(const char *path, struct world **out, struct error *err);
void world_unmap(struct world *w);

/* The air's sample index for a monotonic time. */
int64_t world_air_index(int64_t mono_ns);
/* Puts a sound into the air from sample index `from`; ERROR_INPUT when longer than 15 s. */
int world_air_play(struct world_air *air, int64_t from, const float *pascal, int64_t count,
                   struct error *err);
void world_air_silence(struct world_air *air);
/* The pressure at any index, 0 outside what was played. */
float world_air_at(const struct world_air *air, int64_t index);

#endif
